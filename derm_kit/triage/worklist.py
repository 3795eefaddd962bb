"""The cases of a run as a worklist: what a policy made of each, which to list, and in what order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from derm_kit.errors import DermKitError
from derm_kit.lesions import FLAGGED, LESION_TYPES, LesionType
from derm_kit.model.run import ScoreRun
from derm_kit.triage.counts import CALLS, NOT_FLAGGED_CALL, CaseCounter, wholly
from derm_kit.triage.policy import TriagePolicy, decide
from derm_kit.triage.proportions import BoolArray, FloatArray
from derm_kit.triage.subgroups import Grouping

Positions = npt.NDArray[np.intp]

NEAR_FACTOR = 1.25
"""A score is near a threshold when neither is more than this many times the other."""

DIFFERS, NEAR, POOR = "model and truth differ", "near a threshold", "quality or exclusion"
BY_RISK, BY_NEARNESS, BY_CASE = SORTS = ("risk", "nearest to a threshold", "case")
UNKNOWN_TRUTH = "truth unknown"


@dataclass(frozen=True)
class Wanted:
    """Which cases to list, and how: "" wants no filter.

    `show` names a mark of the worklist or of the readers; `call` is one of CALLS; `truth` a lesion type or
    UNKNOWN_TRUTH; `group` one of the groups of `grouping`; `sort` one of SORTS.
    """

    show: str = ""
    call: str = ""
    truth: str = ""
    grouping: str = ""
    group: str = ""
    sort: str = BY_RISK


@dataclass(frozen=True)
class Worklist:
    """Cases (N) in the order of the run.

    table      case_id, call (one of CALLS), disposition, rule, reason, truth; times_threshold, the score of the type
               called over its threshold, of a case not called the highest such; nearest, the factor between the score
               and the threshold that are nearest to each other (infinite without a score)
    marks      named subsets (N,): DIFFERS, NEAR, POOR
    by_risk    positions (N,), the most serious call first, clinician review after the calls, those not flagged last;
               within each the score furthest above its threshold first
    """

    table: pd.DataFrame
    marks: Mapping[str, BoolArray]
    by_risk: Positions
    groupings: tuple[Grouping, ...]
    truths: Mapping[str, BoolArray] = field(repr=False)
    counter: CaseCounter = field(repr=False)

    @classmethod
    def of(cls, run: ScoreRun, policy: TriagePolicy) -> Worklist:
        """The worklist under `policy`. Raises PolicyError where it cannot be read on the scores."""
        counter, decisions = CaseCounter(run, policy), decide(run, policy)
        called = counter.called(policy.thresholds)
        deciding, nearest = _ratios(run, policy, called)
        table = decisions.table[["case_id", "disposition", "rule", "reason"]].assign(
            call=np.array(CALLS, object)[called],
            truth=run.cases["truth"].to_numpy(object),
            times_threshold=deciding,
            nearest=nearest,
        )
        cancer, benign = (wholly(counter.truths, side)[counter.truth_codes] for side in (_is_cancer, _is_benign))
        poor = run.cases["quality_fail"].to_numpy(np.bool_) | (run.cases["exclusion"] != "").to_numpy(np.bool_)
        marks: dict[str, BoolArray] = {
            DIFFERS: (cancer & (called == NOT_FLAGGED_CALL)) | (benign & (called < NOT_FLAGGED_CALL)),
            NEAR: np.asarray(nearest <= NEAR_FACTOR, np.bool_),
            POOR: poor,
        }
        place = np.where(called == NOT_FLAGGED_CALL, len(CALLS), called)
        by_risk = np.lexsort((-np.nan_to_num(deciding), place))
        truths = {t.value: counter.truth[:, i] for i, t in enumerate(LESION_TYPES)}
        truths[UNKNOWN_TRUTH] = np.asarray(~counter.truth.any(1), np.bool_)
        return cls(table, marks, by_risk, counter.groupings, truths, counter)

    def changes_sides(self, proposed: Mapping[LesionType, float]) -> BoolArray:
        """Cases (N,) that `proposed` thresholds call otherwise."""
        return np.asarray(
            self.counter.called(self.counter.policy.thresholds) != self.counter.called(proposed), np.bool_
        )

    def positions(self, wanted: Wanted, read: Mapping[str, BoolArray]) -> Positions:
        """Positions of the cases wanted, in the order wanted; `read` are marks (N,) of what readers did.

        Raises DermKitError for a filter that this run does not have.
        """
        kept = np.ones(len(self.table), np.bool_)
        if wanted.show:
            kept &= _known({**self.marks, **read}, wanted.show, "what to show")
        if wanted.call:
            kept &= _known({call: (self.table["call"] == call).to_numpy() for call in CALLS}, wanted.call, "a call")
        if wanted.truth:
            kept &= _known(self.truths, wanted.truth, "a truth")
        if wanted.grouping or wanted.group:
            grouping = _known({g.name: g for g in self.groupings}, wanted.grouping, "a way to part the cases")
            codes = {label: i for i, label in enumerate(grouping.labels)}
            kept &= not wanted.group or grouping.codes == _known(codes, wanted.group, "a group")
        _known(dict.fromkeys(SORTS), wanted.sort, "an order of the cases")
        order = self.by_risk
        if wanted.sort == BY_NEARNESS:
            order = np.argsort(self.table["nearest"].to_numpy(), kind="stable")
        elif wanted.sort == BY_CASE:
            order = np.argsort(self.table["case_id"].to_numpy(str), kind="stable")
        return order[kept[order]]


def _ratios(run: ScoreRun, policy: TriagePolicy, called: npt.NDArray[np.uint8]) -> tuple[FloatArray, FloatArray]:
    """Of each case (N,): score over threshold of the type called, or the highest; factor to the nearest threshold."""
    types = [t for t in FLAGGED if t in policy.thresholds]
    if not types:
        return np.full(len(run), np.nan), np.full(len(run), np.inf)
    columns = [LESION_TYPES.index(t) for t in types]
    ratio = run.matrix[:, columns].astype(np.float64) / np.array([policy.thresholds[t] for t in types])
    ratio = np.nan_to_num(ratio)
    deciding = ratio.max(1)
    for place, column in enumerate(columns):
        own = called == column
        deciding[own] = ratio[own, place]
    with np.errstate(divide="ignore"):
        return deciding, np.maximum(ratio, 1 / ratio).min(1)


def _is_cancer(lesion_type: LesionType) -> bool:
    return lesion_type.cancer


def _is_benign(lesion_type: LesionType) -> bool:
    return not lesion_type.flagged


V = TypeVar("V")


def _known(offered: Mapping[str, V], name: str, what: str) -> V:
    if name not in offered:
        raise DermKitError(
            f"{what} is one of: {', '.join(offered)}", value=name, next_step="Choose one of these, or none."
        )
    return offered[name]
