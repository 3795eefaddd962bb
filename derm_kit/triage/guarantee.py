"""Thresholds that hold a target sensitivity with a chosen confidence, whatever the scores are like, or a refusal.

Arrays are those of `derm_kit.triage.scores`: scores (N, 11) in order of risk, truth a boolean array of that shape.
Every guarantee assumes independent lesions (no source has a patient id), drawn as those at the place of use are, that
the model neither learnt from nor was calibrated on. It speaks of repeated sets of labelled cases: at most a share
1 - confidence of such sets gives a threshold that misses more than its target allows.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Context

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit, logit

from derm_kit.errors import DermKitError
from derm_kit.lesions import FLAGGED, LESION_TYPES, LesionType
from derm_kit.triage.definition import LOWEST_THRESHOLD
from derm_kit.triage.proportions import BoolArray, FloatArray, clopper_pearson
from derm_kit.triage.ranks import ROUNDING, needed_at, require_shares, violation_probs, with_slack
from derm_kit.triage.scores import incomplete_rows, score_table

METHODS = ("order statistic", "learn then test")
GRID: FloatArray = np.append(
    np.clip(expit(np.arange(logit(LOWEST_THRESHOLD), -logit(LOWEST_THRESHOLD), 0.01)), LOWEST_THRESHOLD, 1),
    [1, np.inf],
)
"""Thresholds that "learn then test" goes through: odds rise by 1 % a step; then 1, then "never called"."""


@dataclass(frozen=True, slots=True)
class Guarantee:
    """The highest threshold of one type that holds its target, or None and why it is refused.

    Sensitivity counts a case as caught when it is called this type or a more serious one. All counts are those of
    `group_of_the_limit`, the group that sets the threshold ("" where no groups were given).

    target           sensitivity to hold, a share
    confidence       of all guarantees given together; `delta` is this one's share of 1 - confidence, in each group
    n                assessed cases of this type alone, `needed` of them are the least on which a threshold can rest;
                     `lost` more went to clinician review and are left out
    rank             fewer than `rank` of the n may be missed (None where even one is too many to be sure)
    violation_prob   bound on the probability that a threshold chosen at `rank` breaks the target; NaN without a rank
    caught           of n, by this threshold or a more serious one; `low` to `high` is the 95 % Clopper-Pearson interval
                     of caught / n, NaN where n is 0; biased upwards for the cases that chose the threshold
    reason           why it holds, or why it is refused and what to do next
    """

    lesion_type: LesionType
    group_of_the_limit: str
    threshold: float | None
    target: float
    confidence: float
    delta: float
    n: int
    lost: int
    rank: int | None
    needed: int
    violation_prob: float
    caught: int
    low: float
    high: float
    method: str
    reason: str

    @property
    def sentence(self) -> str:
        """The guarantee, or its refusal, for a clinician."""
        if self.threshold is None:
            return f"{self.lesion_type.label}: no threshold. {self.reason[0].upper()}{self.reason[1:]}."
        together = ", for all guarantees together" if self.delta < (1 - self.confidence) * (1 - ROUNDING) else ""
        lost = f"; {self.lost} more went to clinician review" if self.lost else ""
        return (
            f"{self.lesion_type.label}: a threshold of {rounded_down(self.threshold)} catches at least "
            f"{_percent(self.target)} of such lesions, as this type or a more serious one, with "
            f"{_percent(self.confidence)} confidence{together}; on these cases {self.caught} of {self.n}"
            f"{_of_group(self.group_of_the_limit)} ({self.low:.1%} to {self.high:.1%}){lost}."
        )


def rounded_down(threshold: float, digits: int = 4) -> str:
    """A threshold in words, never more than it is: rounded up it would miss the very case that a guarantee rests on."""
    return f"{Context(prec=digits, rounding=ROUND_FLOOR).create_decimal(repr(threshold)).normalize():f}"


def safest_thresholds(
    scores: npt.ArrayLike,
    truth: BoolArray,
    targets: Mapping[LesionType, float],
    *,
    confidence: float = 0.95,
    fixed: Mapping[LesionType, float] | None = None,
    assessed: npt.ArrayLike | None = None,
    groups: npt.ArrayLike | None = None,
    method: str = METHODS[0],
) -> tuple[Guarantee, ...]:
    """Highest thresholds with which each type in `targets` keeps its target sensitivity, in order of risk.

    `fixed` thresholds stay: they catch cases of the types below them, and stand in where their own type is refused;
    the guarantee needs them to be chosen without these cases. `assessed` (N,): False where the case goes to clinician
    review whatever its scores. `groups` (N,) labels groups, chosen beforehand, in each of which the guarantee must
    hold; cases without a label form the group "not recorded". 1 - confidence is split evenly over types and groups.

    Down the order of risk, a case's s is +inf where a more serious threshold is met, else its score of the type; the
    threshold rests on s among the assessed cases whose truth is that type alone. Types are disjoint, so these cases had
    no part in the thresholds above. A case without the score of a trained type goes to review: its s is -inf.
    Scores are rounded to float32 as a run holds them, so `policy.suspected_index` calls what is counted here.

    "order statistic": the score at `ranks.order_statistic_rank`. "learn then test": fixed-sequence testing of GRID
    upwards with the exact binomial p-value (Angelopoulos, Bates, Candès, Jordan and Lei, arXiv 2110.01052, 2021). As
    misses never fall along the grid, it gives the highest grid point that is not above the order statistic.

    Raises DermKitError for no target, a target or confidence outside 0..1, a type that is benign or has no score in any
    case, a fixed threshold that no policy allows, shapes that do not match, or an unknown method.
    """
    s, fixed = score_table(scores).astype(np.float32).astype(np.float64), dict(fixed or {})
    truth = np.asarray(truth, bool)
    kept = np.ones(len(s), bool) if assessed is None else np.asarray(assessed, bool)
    labels = np.full(len(s), "") if groups is None else _group_labels(groups)
    if truth.shape != s.shape or not kept.shape == labels.shape == s.shape[:1]:
        raise DermKitError(
            f"truth has the scores' shape {s.shape}; assessed and groups have one value a case",
            value=(truth.shape, kept.shape, labels.shape),
            next_step="Match them case by case.",
        )
    _require_types(s, targets, fixed)
    require_shares(*targets.values(), confidence)
    if method not in METHODS:
        raise DermKitError(
            f"the method is one of: {', '.join(METHODS)}", value=method, next_step="Choose one of these."
        )
    names = np.unique(labels)
    delta = (1 - confidence) / (len(targets) * len(names))
    single, incomplete = truth.sum(1) == 1, incomplete_rows(s)
    met = np.zeros(len(s), bool)
    found = []
    for kind in FLAGGED:
        column = LESION_TYPES.index(kind)
        threshold = fixed.get(kind)
        if kind in targets:
            own = single & truth[:, column]
            reached = np.where(incomplete, -np.inf, np.where(met, np.inf, s[:, column]))
            asked = (targets[kind], confidence, delta, method)
            in_groups = []
            for name in names:
                inside = own & (labels == name)
                lost = int((inside & ~kept).sum())
                in_groups.append(_guarantee(kind, str(name), reached[inside & kept], lost, threshold, *asked))
            limit = min(in_groups, key=lambda g: (-math.inf if g.threshold is None else g.threshold, g.n))
            found.append(limit)
            threshold = threshold if limit.threshold is None else limit.threshold
        if threshold is not None:
            met |= s[:, column] >= threshold
    return tuple(found)


def lost_guarantees(
    before: Mapping[LesionType, float], after: Mapping[LesionType, float], guaranteed: Iterable[LesionType]
) -> dict[LesionType, str]:
    """Of the types guaranteed at thresholds `before`, those that no longer are at `after`, each with its reason.

    A type's own move by hand always ends its guarantee; so does raising, or taking out, a more serious threshold.
    Lowering a more serious one only catches more.
    """
    lost = {}
    for kind in (t for t in FLAGGED if t in set(guaranteed)):
        above = FLAGGED[: FLAGGED.index(kind)]
        raised = [t.label for t in above if after.get(t, math.inf) > before.get(t, math.inf)]
        if before.get(kind) != after.get(kind):
            lost[kind] = "no longer guaranteed: its threshold was moved by hand"
        elif raised:
            lost[kind] = f"guarantee lost, recompute: a more serious threshold was raised ({', '.join(raised)})"
    return lost


def _guarantee(
    kind: LesionType,
    group: str,
    s: FloatArray,
    lost: int,
    fallback: float | None,
    target: float,
    confidence: float,
    delta: float,
    method: str,
) -> Guarantee:
    """What the positives' s (n,) of one group allow; `fallback` is the type's fixed threshold."""
    n, needed = len(s), needed_at(target, delta)
    highest, rank, violation = _highest(s, target, delta, method)
    threshold = min(highest, 1.0) if highest >= LOWEST_THRESHOLD else None
    in_use = threshold if threshold is not None else fallback
    caught = int((s >= (math.inf if in_use is None else in_use)).sum())
    low, high = clopper_pearson(caught, n)
    positives = f"{n} positives{_of_group(group)}"
    if rank is None:
        reason = (
            f"refused: {positives}, at least {needed} are needed for {_percent(target)} sensitivity at this "
            "confidence; add labelled cases of this type, lower the target or guarantee fewer types or groups at once"
        )
    elif threshold is None:
        reason = (
            f"refused: {rank} or more of {positives} score below {LOWEST_THRESHOLD:g}, so that nearly every case would "
            "be called; lower the target, or leave this type to clinicians"
        )
    elif math.isinf(highest):
        reason = (
            f"guaranteed by the more serious thresholds alone: they miss {n - int(np.isposinf(s).sum())} of "
            f"{positives}, fewer than {rank} may be missed; 1 is the highest threshold that a policy allows"
        )
    else:
        reason = f"guaranteed: {n - caught} of {positives} missed, fewer than {rank} may be"
    unscored = int(np.isneginf(s).sum())
    if unscored:
        reason += f"; {unscored} without the score of a trained type count as missed"
    if threshold is None and fallback is not None:
        reason += f"; its fixed threshold {rounded_down(fallback)} stays, without a guarantee"
    return Guarantee(
        kind, group, threshold, target, confidence, delta, n, lost, rank, needed, violation,
        caught, float(low), float(high), method, reason,
    )  # fmt: skip


def _highest(s: FloatArray, target: float, delta: float, method: str) -> tuple[float, int | None, float]:
    """Highest threshold that the positives' s (n,) allow, its rank and the bound on its violation.

    +inf where the type need never be called, -inf where no threshold holds.
    """
    violation, ordered = violation_probs(len(s), target), np.sort(s)
    rank = int((violation <= with_slack(delta)).sum())
    if not rank:
        return -math.inf, None, math.nan
    if method == METHODS[0]:
        return float(ordered[rank - 1]), rank, float(violation[rank - 1])
    misses = np.searchsorted(ordered, GRID, "left")
    p_value = np.append(violation, np.inf)[misses]
    accepted = int(np.logical_and.accumulate(p_value <= with_slack(delta)).sum())
    if not accepted:
        return -math.inf, rank, float(violation[rank - 1])
    return float(GRID[accepted - 1]), int(misses[accepted - 1]) + 1, float(p_value[accepted - 1])


def _percent(share: float) -> str:
    return f"{100 * share:g}%"


def _of_group(group: str) -> str:
    return f" in {group}" if group else ""


def _group_labels(groups: npt.ArrayLike) -> npt.NDArray[np.str_]:
    given = np.asarray(groups, object)
    text = np.where(pd.isna(given), "", given).astype(str)
    return np.where(text == "", "not recorded", text)


def _require_types(s: FloatArray, targets: Mapping[LesionType, float], fixed: Mapping[LesionType, float]) -> None:
    if not targets:
        raise DermKitError("a guarantee needs a target sensitivity", next_step="Give one for a flagged type.")
    for kind in (*targets, *fixed):
        if kind not in FLAGGED:
            raise DermKitError(
                "guarantees and thresholds are for flagged types", value=kind, next_step="Take this type out."
            )
        if np.isnan(s[:, LESION_TYPES.index(kind)]).all():
            raise DermKitError(
                "a threshold needs scores to be read on; no case has one of this type",
                value=kind,
                next_step="Add that type's scores, or take the type out: nothing is then said of it.",
            )
    for kind, threshold in fixed.items():
        if not LOWEST_THRESHOLD <= threshold <= 1:
            raise DermKitError(
                f"a fixed threshold lies between {LOWEST_THRESHOLD:g} and 1",
                case=kind,
                value=threshold,
                next_step="Take it from a policy.",
            )
