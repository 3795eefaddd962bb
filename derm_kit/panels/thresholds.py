"""Page 03: thresholds, what each is worth, what a change would do, and to whom."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import Any

import ipywidgets as w

from derm_kit.errors import DermKitError
from derm_kit.lesions import FLAGGED, LesionType
from derm_kit.model.card import default_model, load_card
from derm_kit.model.reference import REFERENCE_FILE
from derm_kit.model.run import read_run
from derm_kit.panels import tuning_words as words
from derm_kit.panels.parts import Panel, guarded, notice_html
from derm_kit.panels.tables import download_html, table_html
from derm_kit.panels.tuning_cases import case_html
from derm_kit.panels.tuning_charts import TuningCharts
from derm_kit.panels.tuning_controls import Controls, still
from derm_kit.panels.tuning_groups import TruthChecks, groups_html
from derm_kit.panels.tuning_proposal import ProposalPanel
from derm_kit.panels.tuning_setting import LESSON, Setting, preset
from derm_kit.panels.tuning_source import Source, SourcePanel
from derm_kit.triage.case_mix import CaseMix
from derm_kit.triage.changes import Changes, compare
from derm_kit.triage.counts import CaseCounter, Counts
from derm_kit.triage.guarantee import lost_guarantees
from derm_kit.triage.measures import Rates, confusion, likelihood_ratios, rates
from derm_kit.triage.policy import TriagePolicy
from derm_kit.triage.prevalence import compare_npvs
from derm_kit.triage.proposal import ChangeProposal, propose
from derm_kit.triage.tuning import in_case_mix, targets_for, tune, with_thresholds

ONE_MOVE_S = 1.0
CANCERS = "|".join(t for t in LesionType if t.cancer)


@dataclass(frozen=True)
class Opened:
    """A source made ready: what is worked out once, whatever is set."""

    source: Source
    counter: CaseCounter
    charts: TuningCharts
    truth: TruthChecks
    in_force: Counts
    start: Setting

    @classmethod
    def of(cls, source: Source) -> Opened:
        """Raises PolicyError where the policy in force cannot be read on the scores."""
        counter = CaseCounter(source.run, source.policy)
        thresholds = {t: source.policy.thresholds[t] for t in FLAGGED if t in source.policy.thresholds}
        targets = {t: target for t, target in targets_for(counter).items() if t in thresholds}
        before = counter.count(thresholds)
        return cls(source, counter, TuningCharts(counter), TruthChecks(counter), before, Setting(thresholds, targets))

    @property
    def groupings(self) -> tuple[str, ...]:
        """Names of the ways to part the cases."""
        return tuple(grouping.name for grouping in self.counter.groupings)


@dataclass(frozen=True)
class WorkedOut:
    """What a setting does: figures, the HTML of each place of the page, each type's worth in words and aloud."""

    rates: Rates
    changes: Changes
    html: dict[str, str]
    worth: dict[LesionType, tuple[str, str]]


class ThresholdsPanel(Panel):
    """`setting` is all that the officer set; `set()` is the one way it changes, and what it does is shown after it."""

    def __init__(self, source: Source, policy: TriagePolicy) -> None:
        super().__init__()
        self.controls = Controls()
        self.source = SourcePanel(source, policy, self._open)
        self.proposal = ProposalPanel(self._propose)
        self._showing = False
        self._moved: LesionType | None = None
        self._moved_at = 0.0
        self._past: list[Setting] = []
        self._future: list[Setting] = []
        self._wire()
        self._open(source)
        self.view = self.controls.frame(self.notice, self.source.view, self.proposal.view)

    @property
    def policy(self) -> TriagePolicy:
        """The policy in force with the thresholds as they are set."""
        return with_thresholds(self.opened.source.policy, self.setting.thresholds)

    @guarded
    def set(self, setting: Setting, said: str = "", *, together: bool = False) -> None:
        """Take another setting and show what it does; one that cannot be worked out changes nothing.

        `together` with the change before it, it is undone.
        """
        try:
            with_thresholds(self.opened.source.policy, setting.thresholds)
            worked = self._work_out(self.opened, setting)
        except Exception:  # the inputs go back to what is shown; the guard says what went wrong
            self._show_inputs()
            raise
        if setting != self.setting:
            if not (together and self._past):
                self._past.append(self.setting)
            self._future.clear()
        if not together:
            self._moved = None
        self._show(setting, worked)
        self.notice.value = notice_html("info", said) if said else ""

    @guarded
    def find(self) -> None:
        """Set the highest thresholds that hold the targets; a refused type keeps that of the policy in force."""
        setting = self.setting
        targets = {t: target for t, target in setting.targets.items() if target}
        tuned = tune(self.opened.counter, targets, confidence=setting.confidence, within=setting.within)
        thresholds = {t: tuned.policy.thresholds[t] for t in setting.thresholds}
        self.set(replace(setting, thresholds=thresholds, guarantees=tuned.guarantees))

    @guarded
    def step(self, back: bool) -> None:
        """Undo or redo."""
        here, there = (self._past, self._future) if back else (self._future, self._past)
        if here:
            worked = self._work_out(self.opened, here[-1])
            there.append(self.setting)
            self._moved = None
            self._show(here.pop(), worked)
            self.notice.value = ""

    # officer -> setting

    def _wire(self) -> None:
        c = self.controls
        for t, slider in c.sliders.items():
            slider.observe(lambda change, t=t: self._move(t, change["new"]), "value")
        for t, box in c.targets.items():
            box.observe(lambda change, t=t: self._aim(t, change["new"] / 100), "value")
        c.confidence.observe(lambda change: self._enter(confidence=change["new"] / 100), "value")
        c.within.observe(lambda change: self._enter(within=change["new"]), "value")
        c.cancers.observe(lambda change: self._enter(cancers=change["new"] / 100, lesson=False), "value")
        c.picker.observe(lambda change: self._enter(case=change["new"]), "chosen")
        c.preset.observe(lambda change: self._take_preset(change["new"]), "value")
        c.address.observe(lambda change: self._on_address(change["new"]), "opened_with")
        c.find.on_click(lambda _: self.find())
        c.undo.on_click(lambda _: self.step(True))
        c.redo.on_click(lambda _: self.step(False))
        c.back.on_click(lambda _: self._enter(thresholds=self.opened.start.thresholds, guarantees=()))
        c.make_files.on_click(lambda _: self._make_files())
        for choice in (c.grouping, c.curve_of, c.every_rate):
            choice.observe(lambda _: self._enter(), "value")

    def _enter(self, **fields: Any) -> None:  # noqa: ANN401 - fields of a setting
        if not self._showing:
            self.set(replace(self.setting, **fields))

    def _move(self, lesion_type: LesionType, threshold: float) -> None:
        """A slider's moves that follow each other within ONE_MOVE_S are one change."""
        if self._showing:
            return
        together = self._moved == lesion_type and monotonic() - self._moved_at < ONE_MOVE_S
        thresholds = self.setting.thresholds | {lesion_type: threshold}
        self.set(replace(self.setting, thresholds=thresholds), together=together)
        self._moved, self._moved_at = lesion_type, monotonic()

    def _aim(self, lesion_type: LesionType, target: float) -> None:
        self._enter(targets=self.setting.targets | {lesion_type: target})

    def _take_preset(self, name: str) -> None:
        if name and not self._showing:
            self.set(*preset(name, self.opened.start, self.setting))

    @guarded
    def _on_address(self, text: str) -> None:
        if text:
            self.controls.address.opened_with = ""
            self.set(Setting.from_text(text, self.opened.start, self.opened.groupings))

    def _open(self, source: Source) -> None:
        """Start anew with other scores; raises where they cannot be judged, and then nothing has changed."""
        opened = Opened.of(source)
        worked = self._work_out(opened, opened.start)
        self.opened = opened
        self._past.clear()
        self._future.clear()
        self._showing = True
        try:
            self.controls.offer(tuple(opened.start.thresholds), opened.groupings)
        finally:
            self._showing = False
        self._show(opened.start, worked)
        self.notice.value = ""

    # setting -> figures and words

    def _work_out(self, opened: Opened, setting: Setting) -> WorkedOut:
        c, counter, in_force = self.controls, opened.counter, opened.start.thresholds
        counts = counter.count(setting.thresholds)
        found, changes = rates(counts), compare(counter, in_force, setting.thresholds)
        grouping, curve_of = still(c.grouping.value, opened.groupings), still(c.curve_of.value, tuple(in_force))
        roc, calibration, decision = opened.charts.html(curve_of or next(iter(in_force)), setting.thresholds, found)
        html = {
            "summary": words.summary_html(found, tuple(in_force)),
            "guarantees": words.guarantees_html(setting.guarantees, in_force),
            "changes": words.changes_html(changes, confusion(opened.in_force), confusion(counts)),
            "moved": words.moved_html(changes.moved),
            "one_case": case_html(counter.run, changes.moved, setting.case, setting.thresholds),
            "groups": groups_html(found, grouping),
            "truth": opened.truth.html(setting.thresholds),
            "mix": self._mix_html(counter, setting, found),
            "roc": roc,
            "calibration": calibration,
            "decision": decision,
            "rates": _rates_html(found) if c.every_rate.value else "",
            "files": "",
        }
        lost = _lost(setting, in_force)
        by_type = {g.lesion_type: g for g in setting.guarantees}
        worth = {
            t: (words.worth_html(found, t, words.standing(by_type.get(t), lost.get(t))), words.worth_aloud(found, t))
            for t in in_force
        }
        return WorkedOut(found, changes, html, worth)

    def _mix_html(self, counter: CaseCounter, setting: Setting, found: Rates) -> str:
        if not setting.cancers:
            return "<p>Say under “What to hold” how many of 100 lesions at your clinic are cancers.</p>"
        lesson = notice_html("info", compare_npvs(*LESSON).sentence) if setting.lesson else ""
        try:
            mix = CaseMix.of({CANCERS: setting.cancers}, name="at my clinic", source="as entered on this page")
            return lesson + words.mix_html(in_case_mix(counter, setting.thresholds, mix), found)
        except DermKitError as error:
            return lesson + notice_html("warning", str(error))

    # figures and words -> view

    def _show(self, setting: Setting, worked: WorkedOut) -> None:
        self.setting, self.worked = setting, worked
        self._show_inputs()
        c, start = self.controls, self.opened.start
        for name, html in worked.html.items():
            c.shown[name].value = html
        for t, (html, aloud) in worked.worth.items():
            with c.sliders[t].hold_sync():
                c.sliders[t].worth, c.sliders[t].says = html, aloud
        c.undo.disabled, c.redo.disabled = not self._past, not self._future
        c.back.disabled = setting.thresholds == start.thresholds
        self.proposal.forget(setting.thresholds != start.thresholds)
        plain = setting == start and not setting.case
        c.address.state = "" if plain or self.opened.source.uploaded else setting.text()

    def _show_inputs(self) -> None:
        self._showing = True
        try:
            self.controls.show(self.setting)
        finally:
            self._showing = False

    @guarded
    def _make_files(self) -> None:
        """Links that keep every rate, subgroups and all, and the cases that change sides."""
        found, changes = self.worked.rates, self.worked.changes
        tables = {
            "Every rate": (found.frame(), "rates"),
            "Subgroups against the rest": (found.differences(), "differences"),
            "Changes by type": (changes.by_type(), "changes-by-type"),
            "Cases that change sides": (changes.moved, "cases-that-change-sides"),
        }
        links = "".join(f"<li>{what}: {download_html(*table)}</li>" for what, table in tables.items())
        self.controls.shown["files"].value = f"<ul class='dk-keep'>{links}</ul>"

    def _propose(self, rationale: str) -> ChangeProposal:
        lost = _lost(self.setting, self.opened.start.thresholds)
        standing = tuple(g for g in self.setting.guarantees if g.lesion_type not in lost)
        return propose(self.opened.counter, self.policy, rationale, standing)


def thresholds_page(run: Path | None = None) -> w.VBox:
    """The page for a run with truth (a run folder, joined parquet or CSV), or for the shipped reference cohort."""
    policy = TriagePolicy.from_card(load_card(default_model()))
    return ThresholdsPanel(Source.of(read_run(run or default_model() / REFERENCE_FILE), policy), policy).view


def _lost(setting: Setting, in_force: dict[LesionType, float]) -> dict[LesionType, str]:
    """The guarantees that no longer stand since the last search, each with its reason."""
    found = {g.lesion_type: g.threshold for g in setting.guarantees if g.threshold is not None}
    return lost_guarantees(in_force | found, setting.thresholds, tuple(found))


def _rates_html(found: Rates) -> str:
    frame = found.frame()
    over_all = frame[(frame["grouping"] == "") & (frame["n"] > 0)].drop(columns=["grouping", "group"])
    heads = {"lesion_type": "type", "n": "of", "value": "share", "low": "from", "high": "to"}
    return table_html(over_all, "Every rate, 95% interval by Clopper-Pearson", heads) + table_html(
        likelihood_ratios(found), "Likelihood ratios of any cancer, assessed cases", heads
    )
