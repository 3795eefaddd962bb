"""Page 04: what becomes of the people referred when a threshold, a clinic or the way of working moves."""

from __future__ import annotations

import logging
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

import ipywidgets as w
import pandas as pd

from derm_kit.errors import DermKitError, PathwayError
from derm_kit.model.run import ScoreRun
from derm_kit.panels.changes_policy import STARTS, PolicyPanel
from derm_kit.panels.parts import Panel, guarded, notice_html
from derm_kit.panels.referral_charts import backlog_html, routes_html, waiting_html
from derm_kit.panels.referral_controls import Controls
from derm_kit.panels.referral_kept import KeptPart
from derm_kit.panels.referral_setting import Found, Opened, look
from derm_kit.panels.referral_words import (
    comparison_html,
    costs_html,
    glance_html,
    headline_html,
    load_html,
    missed_html,
    remarks_html,
)
from derm_kit.panels.referral_worth import WorthPart
from derm_kit.panels.tables import download_html, table_html
from derm_kit.pathway import measures
from derm_kit.pathway.capacity import enough_slots
from derm_kit.pathway.definition import Pathway, presets
from derm_kit.pathway.scenario import Scenario
from derm_kit.triage.opening import Opening, policy_for
from derm_kit.triage.policy import TriagePolicy, require_match

FIRST = "skin-usc"
YOURS = "your file"
_log = logging.getLogger("derm_kit.panels")


class Superseded(Exception):  # noqa: N818 - not an error: somebody moved on
    """The work under way is for a scenario that is no longer set."""


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
        self._showing = False
        self._ticket = 0
        self._lock = threading.Lock()
        self._thread = threading.Thread()
        self.found: Found | None = None
        self._wire()
        self.view = self.controls.frame(self.notice, self.in_force.view, self.worth.section())
        self._open(self._with(pathway, brought=False), Scenario())
        self.in_force.then = lambda _: self._start_from()

    def wait(self) -> None:
        """Return when no simulation is under way."""
        while self._thread.is_alive():
            self._thread.join()

    # person -> scenario

    def _wire(self) -> None:
        c = self.controls
        c.pathway.observe(lambda change: self._take_preset(change["new"]), "value")
        c.upload.observe(lambda _: self._take_file(), "given")
        for slider in (c.per_week, c.uptake, c.margin, *c.thresholds.values(), c.replications, c.seed):
            slider.observe(self._moved, "value")
        c.back.on_click(lambda _: self._back())
        c.cancel.on_click(lambda _: self._stop())
        for choice, draw in (
            (c.waits_of, self._draw_waits),
            (c.queue_of, self._draw_queue),
            (c.routes_of, self._draw_routes),
        ):
            choice.observe(lambda _, draw=draw: draw(), "value")
        c.find.on_click(lambda _: self._find())
        c.enough_clock.observe(lambda change: self._aim(change["new"]), "value")
        c.make_files.on_click(lambda _: self._make_files())
        c.address.observe(lambda change: self._on_address(change["new"]), "opened_with")

    def _moved(self, _: object) -> None:
        if not self._showing:
            self._set(self.controls.read(self.opened))

    @guarded
    def _set(self, scenario: Scenario) -> None:
        """Take another scenario; one that does not fit is told of, and what was set before comes back."""
        try:
            scenario.pathway(self.opened.pathway)
            scenario.policy(self.opened.policy)
        except DermKitError:
            self._show_inputs()
            raise
        self.notice.value = ""
        self.scenario = scenario
        self._tell_address()
        self._begin()

    @guarded
    def _back(self) -> None:
        self._open(self.opened, Scenario(replications=self.scenario.replications, seed=self.scenario.seed))

    @guarded
    def _start_from(self) -> None:
        """Another policy came into force: what was set stays, on top of that one from now on."""
        self._open(self._with(self.opened.pathway, brought=self.opened.brought), self.scenario)

    @guarded
    def _take_preset(self, name: str) -> None:
        if not self._showing and name:
            self._open(self._with(Pathway.read(name), brought=False), Scenario())

    @guarded
    def _take_file(self) -> None:
        zone = self.controls.upload
        try:
            self._open(self._with(_brought(zone.content, zone.size), brought=True), Scenario())
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
        scenario.pathway(opened.pathway)
        scenario.policy(opened.policy)
        before = getattr(self, "opened", None)
        self.opened, self.scenario = opened, scenario
        c = self.controls
        self._showing = True
        try:
            if before is None or before.pathway is not opened.pathway:
                c.offer(opened)
                for slider in (*c.groups.values(), *c.slots.values(), *c.arms.values()):
                    slider.observe(self._moved, "value")
                self._aim(c.enough_clock.value)
                c.shown["enough"].value = ""
            if not opened.brought:
                c.pathway.value = opened.pathway.name
        finally:
            self._showing = False
        self._show_inputs()
        self._tell_address()
        self._begin()

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
        with self._lock:
            self._ticket += 1
            ticket = self._ticket
        self._show_working(True)
        self._thread = threading.Thread(target=self._work, args=(ticket, self.opened, self.scenario), daemon=True)
        self._thread.start()

    def _work(self, ticket: int, opened: Opened, scenario: Scenario) -> None:
        def progress(done: int, of: int) -> None:
            self._require(ticket)
            self.controls.progress.value = done / of

        def show(found: Found) -> None:
            with self._lock:
                self._require(ticket)
                self._show(found)

        try:
            look(opened, scenario, show, progress)
        except Superseded:
            return
        except DermKitError as error:
            self.notice.value = notice_html("error", str(error))
        except Exception:  # noqa: BLE001 - the page lives on, and the log has the traceback
            _log.exception("a simulation failed")
            self.notice.value = notice_html(
                "error", "The simulation failed in a way that derm-kit did not foresee. What you set is kept.",
                "The person who runs this workbench finds the cause in its log.",
            )  # fmt: skip
        if ticket == self._ticket:
            self._show_working(False)

    def _require(self, ticket: int) -> None:
        if ticket != self._ticket:
            raise Superseded

    @guarded
    def _stop(self) -> None:
        with self._lock:
            self._ticket += 1
        self._show_working(False)
        self.notice.value = notice_html(
            "info", "Stopped. The figures are those simulated so far, or of the setting before."
        )

    @guarded
    def _find(self) -> None:
        c = self.controls
        pathway, policy = self.scenario.pathway(self.opened.pathway), self.scenario.policy(self.opened.policy)
        arm, stage, clock = c.enough_arm.value, c.enough_stage.value, c.enough_clock.value
        shown = c.shown["enough"]
        c.find.disabled = True
        try:
            found = enough_slots(
                pathway, arm, stage, clock, self.opened.run, policy, target=c.enough_target.value / 100,
                seed=self.scenario.seed,
                progress=lambda slots: shown.set_trait("value", f"<p>Trying {slots:,} slots a week…</p>"),
            )  # fmt: skip
        finally:
            c.find.disabled = False
        kind = "success" if found.slots_per_week is not None else "warning"
        shown.value = notice_html(kind, f"{arm}: {found.why}") + table_html(
            found.tries, "What was tried: slots a week, share within the limit, and its range over simulated years"
        )

    def _aim(self, clock: str | None) -> None:
        if clock in self.opened.pathway.clocks:
            self.controls.enough_target.value = 100 * float(self.opened.pathway.clocks[clock].target.value)

    # outcomes -> view

    def _show(self, found: Found) -> None:
        self.found = found
        shown = self.controls.shown
        for name, html in (
            ("headline", headline_html), ("glance", glance_html), ("arms", comparison_html), ("missed", missed_html),
            ("load", load_html), ("costs", costs_html), ("remarks", remarks_html),
        ):  # fmt: skip
            shown[name].value = html(found)
        for draw in (self._draw_waits, self._draw_queue, self._draw_routes):
            draw()
        shown["files"].value = ""
        self.worth.show(found)

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
        if self.found is not None and of and self._fits(self.found):
            self.controls.shown[name].value = draw(self.found, of)

    def _fits(self, found: Found) -> bool:
        return found.outcomes.pathway.name == self.opened.pathway.name

    def _show_working(self, under_way: bool) -> None:
        self.controls.working.layout.visibility = "visible" if under_way else "hidden"
        self.controls.progress.value = 0

    @guarded
    def _make_files(self) -> None:
        if self.found is None:
            return
        outcomes = self.found.outcomes

        def each(part: Callable[..., pd.DataFrame]) -> pd.DataFrame:
            return pd.concat([part(outcomes, arm).assign(arm=arm) for arm in outcomes.arms], ignore_index=True)

        tables = {
            "Every figure": (self.found.figures, "figures"),
            "Cancers missed at first": (each(measures.missed_parts), "missed"),
            "Routes": (each(measures.routes), "routes"),
            "Waiting times": (each(measures.waiting), "waiting"),
            "Queues by day": (each(measures.backlogs), "backlog"),
        }
        links = "".join(f"<li>{what}: {download_html(*table)}</li>" for what, table in tables.items())
        self.controls.shown["files"].value = f"<ul class='dk-keep'>{links}</ul>"

    # scenarios

    def _keep_now(self) -> tuple[Opened, Found] | None:
        found = self.found
        return (self.opened, found) if found is not None and found.whole and found.scenario == self.scenario else None

    def _open_kept(self, pathway: Pathway, scenario: Scenario, ships: bool) -> None:
        self._open(self._with(pathway, brought=not ships), scenario)


def _brought(content: bytes, size: int) -> Pathway:
    """A YAML file's bytes as a pathway, on disk only while they are read."""
    if not content and size:
        raise PathwayError(
            "a pathway's file has at most 1 MB", value=f"{size:,} bytes", next_step="Choose a smaller file."
        )
    with tempfile.TemporaryDirectory() as private:
        path = Path(private) / "pathway.yaml"
        path.write_bytes(content)
        try:
            return Pathway.read(path)
        except PathwayError as error:
            case = str(error.case or YOURS).replace(str(path), YOURS)
            raise PathwayError(error.rule, case=case, value=error.value, next_step=error.next_step) from None


def referral_page(run: Path | None = None, policy: Path | None = None) -> w.VBox:
    """The page for scores with truth and a policy; left out, what the workbench was opened on."""
    opening = Opening.read(run, policy) if run or policy else Opening.named()
    default = policy_for(opening.run, opening.policy)
    named = default if opening.policy_named else None
    return ReferralPanel(Pathway.read(FIRST), opening.run, default, named).view
