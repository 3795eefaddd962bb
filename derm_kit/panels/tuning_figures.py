"""From a setting of the threshold page to figures and the HTML of each place of the page. It holds no widget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from derm_kit.errors import DermKitError
from derm_kit.lesions import FLAGGED, LesionType
from derm_kit.panels import tuning_words as words
from derm_kit.panels.parts import notice_html
from derm_kit.panels.tables import table_html
from derm_kit.panels.tuning_cases import case_html
from derm_kit.panels.tuning_charts import TuningCharts
from derm_kit.panels.tuning_clinic import harm_html, mix_html
from derm_kit.panels.tuning_groups import groups_html, truth_html
from derm_kit.panels.tuning_setting import BENIGN_FLAGGED, LESSON, REVIEWED, Setting
from derm_kit.panels.tuning_source import Source
from derm_kit.triage.case_mix import CaseMix
from derm_kit.triage.changes import Changes, compare
from derm_kit.triage.counts import CaseCounter, Counts
from derm_kit.triage.guarantee import lost_guarantees
from derm_kit.triage.harm import Harms, policy_harm
from derm_kit.triage.measures import Rates, confusion, likelihood_ratios, rates
from derm_kit.triage.prevalence import compare_npvs
from derm_kit.triage.truth_checks import TruthChecks
from derm_kit.triage.tuning import in_case_mix, targets_for

T = TypeVar("T")


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
        targets = {t: target if t in thresholds else 0.0 for t, target in targets_for(counter).items()}
        before = counter.count(thresholds)
        return cls(source, counter, TuningCharts(counter), TruthChecks(counter), before, Setting(thresholds, targets))

    @property
    def types(self) -> tuple[LesionType, ...]:
        """Flagged types that have scores, called by the policy in force or not."""
        return tuple(self.start.targets)

    @property
    def groupings(self) -> tuple[str, ...]:
        """Names of the ways to part the cases."""
        return tuple(grouping.name for grouping in self.counter.groupings)


@dataclass(frozen=True)
class Looked:
    """What is looked at, which changes no figure: subgroups by what, curves of which type, the long table or not."""

    grouping: str | None
    curve_of: LesionType | None
    every_rate: bool


@dataclass(frozen=True)
class WorkedOut:
    """What a setting does: figures, the HTML of each place of the page, each type's worth in words and aloud."""

    rates: Rates
    changes: Changes
    html: dict[str, str]
    worth: dict[LesionType, tuple[str, str]]


def work_out(opened: Opened, setting: Setting, looked: Looked) -> WorkedOut:
    """Raises DermKitError where the setting means nothing on these cases."""
    counter, in_force = opened.counter, opened.start.thresholds
    counts = counter.count(setting.thresholds)
    found, changes = rates(counts), compare(counter, in_force, setting.thresholds)
    grouping, curve_of = still(looked.grouping, opened.groupings), still(looked.curve_of, opened.types)
    html = {
        "summary": words.summary_html(found, opened.types),
        "guarantees": words.guarantees_html(setting.guarantees, in_force),
        "changes": words.changes_html(changes, confusion(opened.in_force), confusion(counts)),
        "moved": words.moved_html(changes.moved),
        "one_case": case_html(counter.run, changes.moved, setting.case, setting.thresholds),
        "groups": groups_html(found, grouping),
        "truth": truth_html(opened.truth, setting.thresholds),
        "mix": _mix_html(counter, setting, found),
        "harm": _harm_html(opened, setting),
        "rates": _rates_html(found) if looked.every_rate else "",
        "files": "",
    } | opened.charts.html(curve_of or opened.types[0], setting.thresholds, found)
    lost = lost_since_search(setting, in_force)
    by_type = {g.lesion_type: g for g in setting.guarantees}
    worth = {}
    for t in opened.types:
        standing = words.standing(by_type.get(t), lost.get(t)) if t in setting.thresholds else words.NOT_CALLED
        worth[t] = words.worth_html(found, t, standing), words.worth_aloud(found, t)
    return WorkedOut(found, changes, html, worth)


def lost_since_search(setting: Setting, in_force: Mapping[LesionType, float]) -> dict[LesionType, str]:
    """The guarantees that no longer stand since the last search, each with its reason."""
    found = {g.lesion_type: g.threshold for g in setting.guarantees if g.threshold is not None}
    return lost_guarantees(dict(in_force) | found, setting.thresholds, tuple(found))


def still(chosen: T | None, options: Sequence[T]) -> T | None:
    """What is chosen, where it is on offer; else the first that is."""
    return chosen if chosen in options else next(iter(options), None)


def _mix(setting: Setting) -> CaseMix | None:
    if not setting.cancers and not any(setting.shares.values()):
        return None
    return CaseMix.of_clinic(setting.cancers, setting.shares, name="at my clinic", source="as entered on this page")


def _mix_html(counter: CaseCounter, setting: Setting, found: Rates) -> str:
    lesson = notice_html("info", compare_npvs(*LESSON).sentence) if setting.lesson else ""
    try:
        mix = _mix(setting)
        if mix is None:
            return (
                "<p>Say under “What to hold” how many of 100 lesions at your clinic are cancers, or say it by type.</p>"
            )
        return lesson + mix_html(in_case_mix(counter, setting.thresholds, mix), found)
    except DermKitError as error:
        return lesson + notice_html("warning", str(error))


def _harm_html(opened: Opened, setting: Setting) -> str:
    if not setting.harm_source.strip():
        return (
            "<p>No published set of such weights is known, so none is filled in. Say how bad each mistake is, in what "
            "unit and who set it: the mean harm of the policy appears here.</p>"
        )
    try:
        harms = Harms.of_mistakes(
            {t: setting.harms.get(t.value, 0.0) for t in FLAGGED},
            benign_flagged=setting.harms.get(BENIGN_FLAGGED, 0.0), review=setting.harms.get(REVIEWED, 0.0),
            source=setting.harm_source,
        )  # fmt: skip
        in_force, mix = opened.start.thresholds, _mix(setting)
        return harm_html(policy_harm(opened.counter, in_force, setting.thresholds, harms, mix), mix is not None)
    except DermKitError as error:
        return notice_html("warning", str(error))


def _rates_html(found: Rates) -> str:
    frame = found.frame()
    over_all = frame[(frame["grouping"] == "") & (frame["n"] > 0)].drop(columns=["grouping", "group"])
    heads = {"lesion_type": "type", "n": "of", "value": "share", "low": "from", "high": "to"}
    return table_html(over_all, "Every rate, 95% interval by Clopper-Pearson", heads) + table_html(
        likelihood_ratios(found), "Likelihood ratios of any cancer, assessed cases", heads
    )
