"""Page 04: what becomes of the people referred when a threshold, a clinic or the way of working moves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

import ipywidgets as w

from derm_kit.errors import DermKitError, PathwayError
from derm_kit.model.run import ScoreRun
from derm_kit.panels.changes_policy import STARTS, PolicyPanel
from derm_kit.panels.newest import Newest, Speak
from derm_kit.panels.parts import Panel, guarded, notice_html
from derm_kit.panels.referral_charts import backlog_html, routes_html, waiting_html
from derm_kit.panels.referral_controls import Controls
from derm_kit.panels.referral_enough import EnoughPart
from derm_kit.panels.referral_kept import KeptPart
from derm_kit.panels.referral_setting import YOURS, Found, Opened, brought, look, require
from derm_kit.panels.referral_words import (
    comparison_html,
    costs_html,
    files_html,
    glance_html,
    headline_html,
    load_html,
    missed_html,
    remarks_html,
)
from derm_kit.panels.referral_worth import WorthPart
from derm_kit.pathway.definition import Pathway, presets
from derm_kit.pathway.scenario import Scenario
from derm_kit.triage.opening import Opening, policy_for
from derm_kit.triage.policy import TriagePolicy, require_match

FIRST = "skin-usc"


class ReferralPanel(Panel):
    """`scenario` is all that is set; it is simulated in a thread of its own, and the newest one wins.

    The policy is the one that is `named`, else the release in force where this machine has a register.
    """

    def __init__(
        self, pathway: Pathway, run: ScoreRun, default: TriagePolicy, named: TriagePolicy | None = None
    ) -> None:
        super().__init__()
        self._run = run
        self.in_force = PolicyPanel(default, named, lambda policy: require_match(run, policy), STARTS)
        self.controls = Controls()
        self.kept = KeptPart(self.controls, self._keep_now, self._open_kept)
        self.worth = WorthPart()
        self.enough = EnoughPart()
        self._showing = False
        self._newest = Newest(self.controls.show_working, lambda notice: self.notice.set_trait("value", notice))
        self.found: Found | None = None
        self._wire()
        self.view = self.controls.frame(self.notice, self.in_force.view, self.enough.view, self.worth.section())
        self._open(self._with(pathway, brought=False), Scenario())
        self.in_force.then = lambda _: self._start_from()

    def wait(self) -> None:
        """Return when no simulation is under way."""
        self._newest.wait()

    # person -> scenario

    def _wire(self) -> None:
        c = self.controls
        c.pathway.observe(lambda change: self._take_preset(change["new"]), "value")
        c.upload.observe(lambda _: self._take_file(), "given")
        for slider in (c.per_week, c.uptake, c.margin, *c.thresholds.values(), c.replications, c.seed):
            slider.observe(self._moved, "value")
        c.back.on_click(lambda _: self._back())
        c.cancel.on_click(lambda _: self._stop_or_go_on())
        for choice, draw in (
            (c.waits_of, self._draw_waits),
            (c.queue_of, self._draw_queue),
            (c.routes_of, self._draw_routes),
        ):
            choice.observe(lambda _, draw=draw: draw(), "value")
        c.make_files.on_click(lambda _: self._make_files())
        c.address.observe(lambda change: self._on_address(change["new"]), "opened_with")

    def _moved(self, _: object) -> None:
        if not self._showing:
            self._set(self.controls.read(self.opened))

    @guarded
    def _set(self, scenario: Scenario) -> None:
        """Take another scenario; one that does not fit is told of, and what was set before comes back."""
        try:
            require(self.opened, scenario)
        except DermKitError:
            self._show_inputs()
            raise
        self.notice.value = ""
        self.scenario = scenario
        self.enough.offer(self.opened, scenario)
        self._begin()
        self._tell_address()

    @guarded
    def _back(self) -> None:
        self._open(self.opened, self._as_it_is())

    def _as_it_is(self) -> Scenario:
        return Scenario(replications=self.scenario.replications, seed=self.scenario.seed)

    @guarded
    def _start_from(self) -> None:
        """Another policy came into force: what was set stays, on top of that one from now on."""
        self._open(self._with(self.opened.pathway, brought=self.opened.brought), self.scenario)

    @guarded
    def _take_preset(self, name: str) -> None:
        if not self._showing and name in presets():
            self._open(self._with(Pathway.read(name), brought=False), self._as_it_is())

    @guarded
    def _take_file(self) -> None:
        zone = self.controls.upload
        try:
            self._open(self._with(brought(zone.content, zone.size), brought=True), self._as_it_is())
        except DermKitError as error:
            self.notice.value = notice_html("error", str(error), "The pathway on the page is still the one before it.")
            return
        self.notice.value = notice_html(
            "success", f"Your pathway {self.opened.pathway.name} is simulated.",
            "It is held in memory only: the address holds nothing of it, and closing the page forgets it. A kept "
            "scenario holds the whole pathway.",
        )  # fmt: skip

    @guarded
    def _on_address(self, text: str) -> None:
        if not text:
            return
        self.controls.address.opened_with = ""
        given = dict(parse_qsl(text, keep_blank_values=True))
        name = given.pop("pathway", FIRST)
        if name not in presets():
            raise PathwayError(
                "the address names a pathway that ships",
                value=name,
                next_step=f"Choose one of: {', '.join(presets())}.",
            )
        scenario = Scenario.from_text(urlencode(given)) if given else Scenario()
        self._open(self._with(Pathway.read(name), brought=False), scenario)

    def _with(self, pathway: Pathway, *, brought: bool) -> Opened:
        return Opened(pathway, self._run, self.in_force.policy, brought)

    def _open(self, opened: Opened, scenario: Scenario) -> None:
        """Start with another pathway or scenario; raises where they do not fit, and then nothing has changed."""
        require(opened, scenario)
        before = getattr(self, "opened", None)
        other = before is None or before.pathway != opened.pathway
        if other:
            self._forget()
        self.opened, self.scenario = opened, scenario
        self.notice.value = ""
        c = self.controls
        self._showing = True
        try:
            if other:
                c.offer(opened)
                for slider in (*c.groups.values(), *c.slots.values(), *c.arms.values()):
                    slider.observe(self._moved, "value")
            c.name_pathway(YOURS if opened.brought else opened.pathway.name)
        finally:
            self._showing = False
        self._show_inputs()
        self.enough.offer(opened, scenario)
        self._begin()
        self._tell_address()

    def _forget(self) -> None:
        """Take the figures of one pathway off the page before another is simulated."""
        self._newest.stop()
        self.found = None
        self.worth.forget()
        for name, shown in self.controls.shown.items():
            if name != "kept":
                shown.value = ""

    def _show_inputs(self) -> None:
        self._showing = True
        try:
            self.controls.show(self.scenario, self.opened)
        finally:
            self._showing = False

    def _tell_address(self) -> None:
        plain = not self.scenario.text() and self.opened.pathway.name == FIRST
        named = urlencode({"pathway": self.opened.pathway.name})
        self.controls.address.state = (
            "" if plain or self.opened.brought else "&".join(filter(None, (named, self.scenario.text())))
        )

    # scenario -> outcomes

    def _begin(self) -> None:
        """Simulate what is set; what was under way ends."""
        opened, scenario, progress = self.opened, self.scenario, self.controls.progress
        known = self.found.outcomes if self.found else None

        def work(speak: Speak) -> None:
            look(
                opened, scenario, lambda found: speak(lambda: self._show(found)),
                lambda done, of: speak(lambda: progress.set_trait("value", done / of)), known,
            )  # fmt: skip

        self._newest.begin(work)

    @guarded
    def _stop_or_go_on(self) -> None:
        if not self.controls.under_way:
            self.notice.value = ""
            self._begin()
            return
        self._newest.stop()
        self._draw_charts()
        self.notice.value = notice_html(
            "info", "Stopped. The figures are those simulated so far, or of the setting before; Simulate goes on."
        )

    # outcomes -> view

    def _show(self, found: Found) -> None:
        self.found = found
        shown = self.controls.shown
        for name, html in (
            ("headline", headline_html), ("glance", glance_html), ("arms", comparison_html), ("missed", missed_html),
            ("load", load_html), ("costs", costs_html), ("remarks", remarks_html),
        ):  # fmt: skip
            shown[name].value = html(found)
        shown["files"].value = ""
        if found.whole:
            self._draw_charts()
        self.worth.show(found)

    def _draw_charts(self) -> None:
        for draw in (self._draw_waits, self._draw_queue, self._draw_routes):
            draw()

    def _draw_waits(self) -> None:
        self._draw("waits", self.controls.waits_of.value, waiting_html)

    def _draw_queue(self) -> None:
        self._draw("queue", self.controls.queue_of.value, backlog_html)

    def _draw_routes(self) -> None:
        arm = self.controls.routes_of.value
        if self.found is not None and arm not in self.found.outcomes.arms:
            arm = next(iter(self.found.outcomes.arms))
        self._draw("routes", arm, routes_html)

    def _draw(self, name: str, of: str | None, draw: Callable[[Found, str], str]) -> None:
        if self.found is not None and of:
            self.controls.shown[name].value = draw(self.found, of)

    @guarded
    def _make_files(self) -> None:
        if self.found is not None:
            self.controls.shown["files"].value = files_html(self.found)

    # scenarios

    def _keep_now(self) -> Found | None:
        found = self.found
        now = found is not None and found.opened is self.opened and found.scenario == self.scenario
        return found if found is not None and found.whole and now else None

    def _open_kept(self, pathway: Pathway, scenario: Scenario, ships: bool) -> TriagePolicy:
        self._open(self._with(pathway, brought=not ships), scenario)
        return self.opened.policy


def referral_page(run: Path | None = None, policy: Path | None = None) -> w.VBox:
    """The page for scores with truth and a policy; left out, what the workbench was opened on."""
    opening = Opening.read(run, policy) if run or policy else Opening.named()
    default = policy_for(opening.run, opening.policy)
    named = default if opening.policy_named else None
    return ReferralPanel(Pathway.read(FIRST), opening.run, default, named).view
