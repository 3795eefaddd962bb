"""Page 06: a service watched over time, in words first, with alarms whose rate is known and incidents for them."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import ipywidgets as w

from derm_kit.errors import DermKitError
from derm_kit.model.card import default_model, load_card
from derm_kit.panels import monitoring_charts as charts
from derm_kit.panels import monitoring_words as words
from derm_kit.panels.changes_policy import DECIDES, PolicyPanel
from derm_kit.panels.monitoring_controls import Controls
from derm_kit.panels.monitoring_files import made_of, report_html, tables_html
from derm_kit.panels.monitoring_incidents import IncidentsPanel
from derm_kit.panels.monitoring_setting import HIGHEST_RIDDLE, OWN, Watching, first_watch
from derm_kit.panels.monitoring_signals import signals_html
from derm_kit.panels.monitoring_work import Counted, Counter, Heard, listen
from derm_kit.panels.newest import Newest, Speak
from derm_kit.panels.parts import Panel, guarded, notice_html
from derm_kit.surveillance.turnaround import LEGS
from derm_kit.triage.opening import named_policy
from derm_kit.triage.policy import TriagePolicy

WATCHED = ("said", "signals", "signal", "looks", "funnels", "files", "report")
"""Places that show what the watches found."""
MAKING = "<p class='dk-hint' role='status'>Writing…</p>"
NOT_YET = "<p class='dk-hint' role='status'>The watches are running…</p>"


class MonitoringPanel(Panel):
    """`watching` is all that is set; it is counted and watched in a thread of its own, and the newest one wins."""

    def __init__(self, policy: TriagePolicy, named: TriagePolicy | None = None) -> None:
        super().__init__()
        self.watching = Watching(watch=first_watch())
        self.in_force = PolicyPanel(policy, named, lambda _: None, DECIDES)
        self.controls, self.incidents = Controls(), IncidentsPanel()
        self._counter = Counter()
        self.counted: Counted | None = None
        self.heard: Heard | None = None
        self._revealed = False
        self._thread = threading.local()
        self._newest = Newest(self.controls.show_working, self._failed)
        self._maker = Newest(lambda _: None, self._not_made)
        self._wire()
        self.controls.policy_part.children = (self.in_force.view,)
        self.view = self.controls.frame(self.notice, self.incidents.view)
        self._show_inputs()
        self._begin()

    def wait(self) -> None:
        """Return when nothing is under way."""
        self._newest.wait()
        self._maker.wait()

    # person -> watching

    def _wire(self) -> None:
        c = self.controls
        for choice in (c.watch, *c.named.values(), c.first, c.last, c.every, c.outcomes, c.lag, c.run):
            choice.observe(lambda _: self._moved(), "value")
        for choice, draw in (
            (c.kind, self._draw_kind), (c.measure, self._draw_measure), (c.grouping, self._draw_groups),
            (c.share, self._draw_groups), (c.signal, self._draw_signal), (c.look, self._draw_looks),
            (c.funnel, self._draw_funnel),
        ):  # fmt: skip
            choice.observe(lambda _, draw=draw: self._draw(draw), "value")
        c.reveal.on_click(lambda _: self.reveal())
        c.another.on_click(lambda _: self._set(replace(self.watching, riddle=secrets.randbelow(HIGHEST_RIDDLE + 1))))
        c.again.on_click(lambda _: self.read_again())
        c.stop.on_click(lambda _: self._stop())
        c.make_files.on_click(lambda _: self._make("files", tables_html))
        c.make_report.on_click(lambda _: self._make("report", lambda h: report_html(h, made_of(h.counted))))
        c.address.observe(lambda change: self._on_address(change["new"]), "opened_with")
        self.in_force.then = lambda _: self.read_again()
        self.in_force.arrival.observe(lambda _: self._on_arrival(), "times")

    @guarded
    def _moved(self) -> None:
        if self._is_showing:
            return
        try:
            watching = self.controls.read(self.watching)
        except DermKitError:
            self._show_inputs()
            raise
        self._set(watching)

    @guarded
    def _set(self, watching: Watching) -> None:
        """Watch something else, or count it otherwise; what does not fit changes nothing."""
        if watching == self.watching:
            return
        other = watching.source != self.watching.source
        self.watching = watching
        self.notice.value = ""
        if other:
            self._revealed = False
            self._forget()
        self._show_inputs()
        self._begin()

    @guarded
    def _on_address(self, text: str) -> None:
        if text:
            self.controls.address.opened_with = ""
            try:
                self._set(Watching.from_text(text))
            finally:
                self._tell_address()

    @guarded
    def reveal(self) -> None:
        """Say what was planted."""
        self._revealed = not self._revealed
        self._show_planted()

    @guarded
    def read_again(self) -> None:
        """Read one's own feed anew: deliveries may have come, or another policy may be in force."""
        if self.watching.watch == OWN:
            self._counter.forget()
            self._begin()

    def _on_arrival(self) -> None:
        """The page is on a screen; it may have been made ready long before."""
        self.incidents.refresh()
        self.read_again()

    @guarded
    def _stop(self) -> None:
        self._newest.stop()
        self.notice.value = notice_html("info", "Stopped. What is shown is what was found until then.")

    # watching -> counted -> heard

    def _begin(self) -> None:
        watching, policy, counter = self.watching, self.in_force.policy, self._counter

        def work(speak: Speak) -> None:
            counted = counter.count(watching, policy)
            speak(lambda: self._show_counted(counted))
            heard = listen(counted, lambda step: speak(lambda: self.controls.progress.set_trait("value", step)))
            speak(lambda: self._show_heard(heard))

        self._tell_address()
        self.heard = None
        self._newest.begin(work)

    def _failed(self, notice: str) -> None:
        """What could not be counted is told; nothing stands on the page that is of something else."""
        self._forget()
        self.notice.value = notice

    def _forget(self) -> None:
        self.counted = self.heard = None
        for shown in self.controls.shown.values():
            shown.value = ""
        self.incidents.hear(None)

    # counted, heard -> view

    def _show_counted(self, counted: Counted) -> None:
        self.counted, self.heard = counted, None
        c, found = self.controls, counted.rates
        with self._showing():
            if c.offer(counted):
                c.show(self.watching)
        c.progress.value = 1
        for name in WATCHED:
            c.shown[name].value = NOT_YET if name == "said" else ""
        self.incidents.hear(None)
        for name, html in (
            ("opened", words.opened_html(self.watching, counted)), ("volume", charts.volume_html(found)),
            ("quality", charts.quality_html(found)), ("dispositions", charts.dispositions_html(found)),
            ("decided", charts.turnaround_html(found, LEGS[0])), ("told", charts.turnaround_html(found, LEGS[1])),
            ("accuracy_table", words.accuracy_table_html(counted)),
            ("remarks", words.remarks_html(counted.opened.feed)),
        ):  # fmt: skip
            c.shown[name].value = html
        self._show_planted()
        for draw in (self._draw_kind, self._draw_measure, self._draw_groups):
            draw()

    def _show_heard(self, heard: Heard) -> None:
        self.heard = heard
        c = self.controls
        c.shown["said"].value = words.headlines_html(heard)
        c.shown["signals"].value = signals_html(heard.findings)
        with self._showing():
            c.offer_heard(heard)
        for draw in (self._draw_signal, self._draw_looks, self._draw_funnel):
            draw()
        self.incidents.hear(heard)

    def _show_planted(self) -> None:
        c, planted = self.controls, self._revealed and self.counted is not None
        c.reveal.description = "Hide what was planted" if self._revealed else "What was planted?"
        html = words.planted_html(self.watching, self.counted.opened) if planted and self.counted else ""
        c.shown["planted"].value = html

    @guarded
    def _draw(self, draw: Callable[[], None]) -> None:
        if not self._is_showing:
            draw()

    def _draw_kind(self) -> None:
        if self.counted:
            c, view = self.controls, self.controls.view
            c.shown["mix"].value = charts.mix_html(self.counted.rates, view.kind)
            c.shown["scores"].value = charts.scores_html(self.counted.rates, view.kind)

    def _draw_measure(self) -> None:
        if self.counted:
            c, view = self.controls, self.controls.view
            c.shown["accuracy"].value = charts.accuracy_html(self.counted.rates, view.measure)
            self._draw_groups()

    def _draw_groups(self) -> None:
        if self.counted:
            c, view, found = self.controls, self.controls.view, self.counted.rates
            c.shown["groups"].value = charts.subgroups_html(found, view.grouping, view.share)
            c.shown["groups_accuracy"].value = charts.subgroup_accuracy_html(found, view.grouping, view.measure)

    def _draw_signal(self) -> None:
        if self.heard and self.heard.findings.signals and self.controls.signal.value is not None:
            drawn = [one for one in self.heard.findings.signals.signals if one.points is not None]
            self.controls.shown["signal"].value = charts.signal_html(self.heard, drawn[self.controls.signal.value])

    def _draw_looks(self) -> None:
        if self.heard and self.controls.look.value is not None:
            self.controls.shown["looks"].value = charts.looks_html(self.heard, self.controls.look.value)

    def _draw_funnel(self) -> None:
        if self.heard and self.heard.findings.signals and self.controls.funnel.value is not None:
            of = self.heard.findings.signals.funnels[self.controls.funnel.value]
            self.controls.shown["funnels"].value = charts.funnel_chart_html(of)

    @guarded
    def _make(self, name: str, make: Callable[[Heard], str]) -> None:
        """Make files of what was heard, beside the page."""
        heard, shown = self.heard, self.controls.shown[name]
        if heard is None:
            self.notice.value = notice_html("info", "The watches are still running: make the files in a moment.")
            return
        shown.value = MAKING

        def work(speak: Speak) -> None:
            html = make(heard)
            speak(lambda: shown.set_trait("value", html if self.heard is heard else ""))

        self._maker.begin(work)

    def _not_made(self, notice: str) -> None:
        for name in ("files", "report"):
            if self.controls.shown[name].value == MAKING:
                self.controls.shown[name].value = notice

    def _show_inputs(self) -> None:
        with self._showing():
            self.controls.show(self.watching)

    @property
    def _is_showing(self) -> bool:
        return getattr(self._thread, "showing", False)

    @contextmanager
    def _showing(self) -> Iterator[None]:
        """Inputs that this thread moves are nobody's choice; those that a person moves meanwhile are."""
        self._thread.showing = True
        try:
            yield
        finally:
            self._thread.showing = False

    def _tell_address(self) -> None:
        self.controls.address.state = self.watching.text()


def monitoring_page() -> w.VBox:
    """The page for the feed that this machine names, else for a made-up trust to learn on."""
    named = named_policy()
    default = TriagePolicy.from_card(load_card(default_model()))
    return MonitoringPanel(named or default, named).view
