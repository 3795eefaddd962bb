"""Page 03: thresholds, what each is worth, what a change would do, and to whom."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from typing import Any

import ipywidgets as w
import numpy as np

from derm_kit.cases.pictures import picture_of
from derm_kit.errors import DermKitError
from derm_kit.lesions import FLAGGED, LesionType
from derm_kit.model.card import default_model, load_card
from derm_kit.model.reference import REFERENCE_FILE
from derm_kit.model.run import ScoreRun, read_run
from derm_kit.panels import tuning_words
from derm_kit.panels.inputs import Address, ThresholdSlider
from derm_kit.panels.parts import Panel, guarded, notice_html, page, scores_html, section
from derm_kit.panels.tables import download_html, table_html
from derm_kit.panels.tuning_charts import TuningCharts
from derm_kit.triage.case_mix import CaseMix
from derm_kit.triage.changes import compare
from derm_kit.triage.counts import CaseCounter
from derm_kit.triage.guarantee import Guarantee, lost_guarantees
from derm_kit.triage.measures import confusion, likelihood_ratios, rates
from derm_kit.triage.policy import TriagePolicy
from derm_kit.triage.prevalence import compare_npvs
from derm_kit.triage.proposal import propose
from derm_kit.triage.tuning import in_case_mix, targets_for, tune, with_thresholds

CANCERS = "|".join(t for t in LesionType if t.cancer)
Thresholds = dict[LesionType, float]


@dataclass(frozen=True)
class Setting:
    """All that the officer set: what undo and redo go through, and what the address holds."""

    thresholds: Thresholds
    guarantees: tuple[Guarantee, ...] = field(default=(), compare=False)

    def text(self) -> str:
        """As the address holds it."""
        return json.dumps({t.value: float(f"{v:.6g}") for t, v in self.thresholds.items()}, separators=(",", ":"))


class ThresholdsPanel(Panel):
    """Sliders, their worth, changes and a proposal; `set()` is the one way a threshold changes."""

    def __init__(self, run: ScoreRun, policy: TriagePolicy) -> None:
        super().__init__()
        self._counter = CaseCounter(run, policy)
        self._charts = TuningCharts(self._counter)
        self._types = tuple(t for t in FLAGGED if t in policy.thresholds)
        self.setting = Setting(dict(policy.thresholds))
        self._past: list[Setting] = []
        self._future: list[Setting] = []
        self._showing = False
        self._build()
        self._show()

    @property
    def policy(self) -> TriagePolicy:
        """The policy in force with the thresholds as they are set."""
        return with_thresholds(self._counter.policy, self.setting.thresholds)

    @guarded
    def set(self, setting: Setting) -> None:
        """Take other thresholds and show what they do; those that no policy allows change nothing."""
        with_thresholds(self._counter.policy, setting.thresholds)
        if setting != self.setting:
            self._past.append(self.setting)
            self._future = []
        self.setting = setting
        self.notice.value = ""
        self._show()

    @guarded
    def find(self) -> None:
        """Set the highest thresholds that hold the targets; a refused type keeps its own."""
        targets = {t: box.value / 100 for t, box in self.targets.items() if box.value}
        tuned = tune(self._counter, targets, confidence=self.confidence.value / 100)
        self.set(Setting(dict(tuned.policy.thresholds), tuned.guarantees))

    @guarded
    def step(self, back: bool) -> None:
        """Undo or redo."""
        here, there = (self._past, self._future) if back else (self._future, self._past)
        if here:
            there.append(self.setting)
            self.setting = here.pop()
            self.notice.value = ""
            self._show()

    # widgets

    def _build(self) -> None:
        policy, run = self._counter.policy, self._counter.run
        self.sliders = {t: ThresholdSlider(label=t.label, value=policy.thresholds[t]) for t in self._types}
        self.worth = {t: w.HTML() for t in self._types}
        for t, slider in self.sliders.items():
            slider.observe(lambda change, t=t: self._on_slider(t, change["new"]), "value")
        self.targets = {
            t: w.BoundedFloatText(value=100 * target, min=0, max=99.9, step=1, description=t.label)
            for t, target in targets_for(self._counter).items()
            if t in self._types
        }
        self.confidence = w.BoundedFloatText(value=95, min=50, max=99.9, step=1, description="Confidence")
        self.find_button = _button("Find the safest thresholds", lambda _: self.find())
        self.undo_button = _button("Undo", lambda _: self.step(True), second=True)
        self.redo_button = _button("Redo", lambda _: self.step(False), second=True)
        self.back_button = _button("Back to the policy in force", lambda _: self.set(self._in_force()), second=True)
        self.cancer_share = w.BoundedFloatText(value=0, min=0, max=100, step=0.1, description="Cancers in 100 lesions")
        self.cancer_share.observe(lambda _: self._on_share(), "value")
        self.lesson_button = _button("What prevalence does to an NPV", lambda _: self._tell_lesson(), second=True)
        self.case = w.Dropdown(options=[("Choose a case…", "")], description="Case")
        self.case.observe(lambda _: self._show_case(), "value")
        groupings = [g.name for g in self._counter.groupings]
        self.grouping = w.Dropdown(options=groupings, description="By") if groupings else w.HTML("Nothing is recorded.")
        if groupings:
            self.grouping.observe(lambda _: self._show_groups(), "value")
        self.curve_of = w.Dropdown(options=[(t.label, t) for t in self._types], description="Curves of")
        self.curve_of.observe(lambda _: self._show_curves(), "value")
        self.rationale = w.Textarea(description="Why", placeholder="What the change is for, and which harm it accepts")
        self.files_button = _button("Make files of these tables", lambda _: self._make_files(), second=True)
        self.propose_button = _button("Propose this change", lambda _: self._propose())
        self.address = Address()
        self.address.observe(lambda change: self._on_address(change["new"]), "opened_with")
        names = (
            "summary",
            "guarantees",
            "changes",
            "moved",
            "one_case",
            "groups",
            "curves",
            "mix",
            "proposal",
            "files",
            "tables",
        )
        self.shown = {name: w.HTML() for name in names}
        labelled = int((run.cases["truth"] != "").sum())
        about = (
            f"<p>{len(run):,} cases, {labelled:,} with known truth. Policy in force: "
            f"<strong>{escape(policy.name)}</strong>, version {escape(policy.version)}. No source names the patient: "
            "intervals assume independent lesions.</p>"
        )
        rows = [w.VBox([self.sliders[t], self.worth[t]]) for t in self._types]
        buttons = w.HBox([self.undo_button, self.redo_button, self.back_button])
        buttons.add_class("dk-buttons")
        targets = w.VBox([*self.targets.values(), self.confidence, self.find_button, self.shown["guarantees"]])
        targets.add_class("dk-targets")
        self.view = page(
            "Tune thresholds",
            "What each threshold is worth, what a change would do, and to whom. Nothing here changes a device.",
            self.address,
            section("What the policy does", w.HTML(about), self.shown["summary"]),
            section("Thresholds", self.notice, *rows, buttons),
            section("Targets", w.HTML("<p>Sensitivity to hold, in per cent; 0 leaves a type as it is.</p>"), targets),
            section("What changes against the policy in force", self.shown["changes"]),
            section("The cases that change sides", self.shown["moved"], self.case, self.shown["one_case"]),
            section("Subgroups", self.grouping, self.shown["groups"]),
            section("At my clinic", self.cancer_share, self.lesson_button, self.shown["mix"]),
            section("Curves", self.curve_of, self.shown["curves"]),
            section("All rates", self.shown["tables"], self.files_button, self.shown["files"]),
            section("Propose this change", self.rationale, self.propose_button, self.shown["proposal"]),
        )

    # officer -> setting

    def _in_force(self) -> Setting:
        return Setting(dict(self._counter.policy.thresholds))

    def _on_slider(self, lesion_type: LesionType, value: float) -> None:
        if not self._showing:
            self.set(replace(self.setting, thresholds=self.setting.thresholds | {lesion_type: value}))

    @guarded
    def _on_address(self, text: str) -> None:
        try:
            given = {LesionType(name): float(value) for name, value in json.loads(text).items()}
        except (ValueError, AttributeError, TypeError):
            raise DermKitError(
                "the part of the address after # holds thresholds as this page wrote them",
                value=text[:80],
                next_step="Open the page without it; the policy in force is shown.",
            ) from None
        if set(given) != set(self._types):
            raise DermKitError(
                "the address holds a threshold for each type of the policy in force",
                value=", ".join(sorted(given)),
                next_step="Open the page without it; the policy in force is shown.",
            )
        self.set(Setting(given))

    # setting -> view

    def _show(self) -> None:
        self._showing = True
        try:
            for t, slider in self.sliders.items():
                slider.value = self.setting.thresholds[t]
        finally:
            self._showing = False
        self._rates = rates(self._counter.count(self.setting.thresholds))
        standing = self._standing()
        for t in self._types:
            self.worth[t].value = tuning_words.worth_html(self._rates, t, standing[t])
        self.shown["summary"].value = tuning_words.summary_html(self._rates, self._types)
        self.shown["guarantees"].value = tuning_words.guarantees_html(self.setting.guarantees)
        self._changes = compare(self._counter, self._counter.policy.thresholds, self.setting.thresholds)
        self.shown["changes"].value = tuning_words.changes_html(self._changes)
        self.shown["moved"].value = tuning_words.moved_html(self._changes.moved)
        cases = self._changes.moved["case_id"].head(tuning_words.SHOWN_CASES)
        self.case.options = [("Choose a case…", ""), *((c, c) for c in cases)]
        self.undo_button.disabled, self.redo_button.disabled = not self._past, not self._future
        self.propose_button.disabled = self._changes.moved.empty and self.setting == self._in_force()
        self.shown["proposal"].value = self.shown["files"].value = ""
        self.address.state = "" if self.setting == self._in_force() else self.setting.text()
        self._show_groups()
        self._show_mix()
        self._show_curves()
        self._show_tables()

    def _standing(self) -> dict[LesionType, str]:
        """Whether each threshold is guaranteed as it stands."""
        found = {g.lesion_type: g for g in self.setting.guarantees}
        set_by = {t: g.threshold for t, g in found.items() if g.threshold is not None}
        lost = lost_guarantees(self._last_found(), self.setting.thresholds, tuple(set_by)) if set_by else {}
        words = {}
        for t in self._types:
            if t in lost:
                words[t] = f"Not guaranteed: {lost[t]}."
            elif t in set_by:
                words[t] = f"Guaranteed at {100 * found[t].target:g}%."
            else:
                words[t] = "Not guaranteed."
        return words

    def _last_found(self) -> Thresholds:
        """The thresholds as "find" set them, which the guarantees speak of."""
        found = {g.lesion_type: g.threshold for g in self.setting.guarantees if g.threshold is not None}
        return dict(self._counter.policy.thresholds) | found

    def _show_groups(self) -> None:
        if not self._counter.groupings:
            return
        wanted = {
            self._rates.place("cancers flagged"): "Cancers flagged",
            self._rates.place("sensitivity", LesionType.MELANOMA): "Melanoma, sensitivity",
            self._rates.place("benign not flagged"): "Benign, not flagged",
        }
        parts = []
        for place, words in wanted.items():
            found = self._rates.of_grouping(self.grouping.value, [place])
            table, gap = found.frame().iloc[1:], found.differences()
            table = table[["group", "count", "n", "value", "low", "high", "remark"]].reset_index(drop=True)
            table.insert(6, "less the rest", gap["difference"])
            table.insert(7, "from", gap["low"])
            table.insert(8, "to", gap["high"])
            parts.append(table_html(table, f"{words}, by {self.grouping.value}"))
        self.shown["groups"].value = "".join(parts)

    @guarded
    def _on_share(self) -> None:
        self.notice.value = ""
        self._show_mix()

    def _show_mix(self) -> None:
        if not self.cancer_share.value:
            self.shown["mix"].value = "<p>Say how many of 100 lesions at your clinic are cancers.</p>"
            return
        share = self.cancer_share.value / 100
        mix = CaseMix.of({CANCERS: share}, name="at my clinic", source="as entered on this page")
        found = in_case_mix(self._counter, self.setting.thresholds, mix)
        said = "".join(f"<p>{escape(line)}</p>" for line in found.sentences)
        self.shown["mix"].value = table_html(found.table, "Any cancer, assessed cases, 95% interval") + said

    @guarded
    def _tell_lesson(self) -> None:
        """The published pair of domain knowledge: an NPV of 98.9% at 2.7% beside one of 99.8% at 1.5%."""
        found = compare_npvs(0.989, 0.027, 0.998, 0.015)
        self.shown["mix"].value = notice_html("info", found.sentence)

    def _show_curves(self) -> None:
        kind = self.curve_of.value
        self.shown["curves"].value = self._charts.html(kind, self.setting.thresholds)

    def _show_tables(self) -> None:
        frame = self._rates.frame()
        over_all = frame[(frame["grouping"] == "") & (frame["n"] > 0)].drop(columns=["grouping", "group"])
        counts = confusion(self._counter.count(self.setting.thresholds))
        self.shown["tables"].value = (
            table_html(over_all, "Every rate, 95% interval by Clopper-Pearson")
            + table_html(likelihood_ratios(self._rates), "Likelihood ratios of any cancer, assessed cases")
            + table_html(counts[counts.sum(axis=1) > 0].reset_index(), "Calls by truth")
        )

    @guarded
    def _make_files(self) -> None:
        """Links that keep every rate, subgroups and all, and the cases that change sides."""
        self.shown["files"].value = (
            f"<p class='dk-keep'>Every rate: {download_html(self._rates.frame(), 'rates')} Subgroups against the rest: "
            f"{download_html(self._rates.differences(), 'differences')} Cases that change sides: "
            f"{download_html(self._changes.moved, 'cases-that-change-sides')}</p>"
        )

    @guarded
    def _show_case(self) -> None:
        chosen = self.case.value
        if not chosen:
            self.shown["one_case"].value = ""
            return
        row = int(np.flatnonzero(self._counter.run.scores["case_id"] == chosen)[0])
        moved = self._changes.moved.set_index("case_id").loc[chosen]
        picture = picture_of(chosen)
        words = (
            f"<p><strong>{escape(chosen)}</strong>: {escape(str(moved['truth']) or 'truth unknown')}; called "
            f"{escape(moved['before'])} before, {escape(moved['after'])} after.</p>"
        )
        shown = tuning_words.picture_html(picture) if picture else "<p>Its picture is not on this machine.</p>"
        scores = self._counter.run.matrix[row]
        called = moved["after"]
        suspected = LesionType(called) if called in {t.value for t in FLAGGED} else None
        self.shown["one_case"].value = words + shown + scores_html(scores, self.setting.thresholds, suspected)

    @guarded
    def _propose(self) -> None:
        made = propose(self._counter, self.policy, self.rationale.value, self.setting.guarantees)
        self.shown["proposal"].value = tuning_words.proposal_html(made.model_dump_json(indent=2))


def thresholds_page(run: Path | None = None) -> w.VBox:
    """The page for a run with truth (a run folder, joined parquet or CSV), or for the shipped reference cohort."""
    card = load_card(default_model())
    scores = read_run(run or default_model() / REFERENCE_FILE)
    return ThresholdsPanel(scores, TriagePolicy.from_card(card)).view


def _button(words: str, then: Any, *, second: bool = False) -> w.Button:  # noqa: ANN401 - any callback of a button
    button = w.Button(description=words)
    if second:
        button.add_class("dk-second")
    button.on_click(then)
    return button
