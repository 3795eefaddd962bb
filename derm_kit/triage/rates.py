"""One condition against the rest: ROC figures of one score, each with its interval.

A score is an array (N,), `positive` a boolean array of the same length. Every interval assumes independent lesions.
A figure that cannot be had is NaN, and its Estimate says why.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from derm_kit.errors import DermKitError
from derm_kit.triage.proportions import BoolArray, Estimate, FloatArray, normal_quantile

REPLICATES = 2000


@dataclass(frozen=True, slots=True)
class RocPoint:
    """What calling every score >= `threshold` positive does to one set of cases; NaN where undefined."""

    threshold: float
    sensitivity: float
    specificity: float


def hanley_mcneil(auc: float, n_positive: int, n_negative: int, *, level: float = 0.95) -> tuple[float, float]:
    """Interval of a published AUC of which only the group sizes are known.

    Hanley and McNeil, Radiology 143 (1982) 29, symmetric, cut at 0 and 1. Raises DermKitError for an AUC outside
    0..1 or an empty group.
    """
    if not 0 <= auc <= 1 or n_positive < 1 or n_negative < 1:
        raise DermKitError(
            "an AUC lies between 0 and 1 and rests on both groups",
            value=(auc, n_positive, n_negative),
            next_step="Check the three numbers.",
        )
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    spread = auc * (1 - auc) + (n_positive - 1) * (q1 - auc**2) + (n_negative - 1) * (q2 - auc**2)
    margin = normal_quantile(level) * math.sqrt(spread / (n_positive * n_negative))
    return max(0.0, auc - margin), min(1.0, auc + margin)


def auc(score: npt.ArrayLike, positive: npt.ArrayLike, *, level: float = 0.95) -> Estimate:
    """Area under the ROC curve of `score` (N,), ties counted half, with DeLong's interval on the logit scale.

    Variance: DeLong et al., Biometrics 44 (1988) 837, by sorting, in O(N log N) as Sun and Xu, IEEE Signal Processing
    Letters 21 (2014) 1389. The logit scale keeps the interval inside 0..1 (Pepe, The Statistical Evaluation of Medical
    Tests, 2003).
    Raises DermKitError where some scores are NaN.
    """
    method = "DeLong, logit"
    s, pos = _scored(score, positive)
    undefined = _undefined(s[None], pos, method)
    if undefined:
        return undefined
    area, covariance = _delong(s[None], pos)
    value, variance = float(area[0]), float(covariance[0, 0])
    if not variance > 1e-15:
        return _estimate(value, math.nan, math.nan, pos, method, _no_variance(pos))
    margin = normal_quantile(level) * math.sqrt(variance) / (value * (1 - value))
    centre = math.log(value / (1 - value))
    low, high = (1 / (1 + math.exp(-x)) for x in (centre - margin, centre + margin))
    return _estimate(value, low, high, pos, method)


def auc_difference(
    score_a: npt.ArrayLike, score_b: npt.ArrayLike, positive: npt.ArrayLike, *, level: float = 0.95
) -> Estimate:
    """AUC of a minus AUC of b on the same cases, with DeLong's paired interval (sources as for `auc`)."""
    method = "DeLong, paired"
    a, pos = _scored(score_a, positive)
    b, _ = _scored(score_b, positive)
    both = np.stack([a, b])
    undefined = _undefined(both, pos, method)
    if undefined:
        return undefined
    area, covariance = _delong(both, pos)
    value = float(area[0] - area[1])
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    if not variance > 1e-15:
        return _estimate(value, math.nan, math.nan, pos, method, _no_variance(pos))
    margin = normal_quantile(level) * math.sqrt(variance)
    return _estimate(value, value - margin, value + margin, pos, method)


def specificity_at_sensitivity(score: npt.ArrayLike, positive: npt.ArrayLike, *, target: float = 0.95) -> RocPoint:
    """The highest threshold at which the share of positives with score >= threshold reaches `target`, and its rates.

    Positives tied with the threshold are all called, so sensitivity may exceed the target. NaN where a side is empty.
    Raises DermKitError where some scores are NaN or the target is not in (0, 1].
    """
    s, pos = _scored(score, positive)
    if _undefined(s[None], pos, ""):
        return RocPoint(math.nan, math.nan, math.nan)
    threshold = float(_threshold(s[pos][None], target)[0])
    return RocPoint(threshold, float((s[pos] >= threshold).mean()), float((s[~pos] < threshold).mean()))


def specificity_estimate(
    score: npt.ArrayLike,
    positive: npt.ArrayLike,
    *,
    target: float = 0.95,
    replicates: int = REPLICATES,
    seed: int = 0,
    level: float = 0.95,
) -> Estimate:
    """Specificity of `specificity_at_sensitivity` with a percentile interval.

    The threshold is chosen anew in each replicate; positives and negatives are resampled apart (stratified bootstrap).
    """
    s, pos = _scored(score, positive)
    return _specificity(s[None], pos, target, replicates, seed, level)


def specificity_difference(
    score_a: npt.ArrayLike,
    score_b: npt.ArrayLike,
    positive: npt.ArrayLike,
    *,
    target: float = 0.95,
    replicates: int = REPLICATES,
    seed: int = 0,
    level: float = 0.95,
) -> Estimate:
    """Specificity of a minus that of b, each at its own threshold, both on the same resampled cases."""
    a, pos = _scored(score_a, positive)
    b, _ = _scored(score_b, positive)
    return _specificity(np.stack([a, b]), pos, target, replicates, seed, level)


def chunks(replicates: int, size: int = 256) -> Iterator[int]:
    """Sizes of the chunks in which `replicates` are drawn, so that memory stays flat."""
    for begin in range(0, replicates, size):
        yield min(size, replicates - begin)


def percentiles(values: FloatArray, level: float) -> tuple[float, float, str]:
    """Bounds of the central `level` of resampled `values` (B,); NaN and the reason where resampling changes nothing."""
    if np.ptp(values) < 1e-12:
        return math.nan, math.nan, "no interval: every resample gives the same figure"
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high), ""


def _scored(score: npt.ArrayLike, positive: npt.ArrayLike) -> tuple[FloatArray, BoolArray]:
    s, pos = np.asarray(score, np.float64), np.asarray(positive, bool)
    if s.ndim != 1 or s.shape != pos.shape:
        raise DermKitError(
            "score and truth are two arrays of one length",
            value=(s.shape, pos.shape),
            next_step="Match them case by case.",
        )
    missing = np.isnan(s)
    if missing.any() and not missing.all():
        raise DermKitError(
            "every case has a score, or the type is untrained and none has",
            value=f"{missing.sum()} of {len(s)} missing",
            next_step="Leave the cases without a score out and count them beside the figure.",
        )
    return s, pos


def _estimate(value: float, low: float, high: float, positive: BoolArray, method: str, reason: str = "") -> Estimate:
    return Estimate(value, low, high, len(positive), int(positive.sum()), method, reason)


def _undefined(scores: FloatArray, positive: BoolArray, method: str) -> Estimate | None:
    """The NaN estimate that says what is missing; None where the figure can be had. `scores` (M, N)."""
    if not positive.any():
        reason = "no positive case"
    elif positive.all():
        reason = "no negative case"
    elif np.isnan(scores).any():
        reason = "type not trained"
    else:
        return None
    return _estimate(math.nan, math.nan, math.nan, positive, method, reason)


def _delong(scores: FloatArray, positive: BoolArray) -> tuple[FloatArray, FloatArray]:
    """AUCs (M,) of scores (M, N) and their covariance (M, M), NaN with fewer than two cases a side."""
    ahead, behind = scores[:, positive], scores[:, ~positive]
    m, n = ahead.shape[1], behind.shape[1]
    of_positives = np.array([_share_below(neg, pos) for pos, neg in zip(ahead, behind, strict=True)])
    of_negatives = np.array([1 - _share_below(pos, neg) for pos, neg in zip(ahead, behind, strict=True)])
    area = of_positives.mean(1)
    if min(m, n) < 2:
        return area, np.full((len(scores), len(scores)), np.nan)
    return area, np.atleast_2d(np.cov(of_positives)) / m + np.atleast_2d(np.cov(of_negatives)) / n


def _share_below(others: FloatArray, score: FloatArray) -> FloatArray:
    """Share of `others` (n,) below each of `score` (m,), ties counted half."""
    ordered = np.sort(others)
    return (np.searchsorted(ordered, score, "left") + np.searchsorted(ordered, score, "right")) / (2.0 * len(others))


def _no_variance(positive: BoolArray) -> str:
    if min(positive.sum(), (~positive).sum()) < 2:
        return "no interval: fewer than 2 cases on a side"
    return "no interval: DeLong's variance is zero here"


def _threshold(positives: FloatArray, target: float) -> FloatArray:
    """Highest threshold (B,) that calls at least `target` of each row of positives (B, m)."""
    if not 0 < target <= 1:
        raise DermKitError(
            "the target sensitivity is above 0 and at most 1", value=target, next_step="Give, say, 0.95."
        )
    m = positives.shape[1]
    place = m - math.ceil(target * m - 1e-9)
    threshold: FloatArray = np.partition(positives, place, axis=1)[:, place]
    return threshold


def _specificity(
    scores: FloatArray, positive: BoolArray, target: float, replicates: int, seed: int, level: float
) -> Estimate:
    """Specificity of one score (1, N), or of the first minus the second (2, N)."""
    method = f"stratified bootstrap, {replicates} replicates"
    undefined = _undefined(scores, positive, method)
    if undefined:
        return undefined
    ahead, behind = scores[:, positive], scores[:, ~positive]
    m, n = ahead.shape[1], behind.shape[1]
    sign = np.array([1.0, -1.0])[: len(scores)]
    value = float(sign @ (behind < _threshold(ahead, target)[:, None]).mean(1))
    if min(m, n) < 2:
        return _estimate(value, math.nan, math.nan, positive, method, "no interval: fewer than 2 cases on a side")
    rng = np.random.default_rng(seed)
    drawn = []
    for size in chunks(replicates):
        some, others = rng.integers(m, size=(size, m)), rng.integers(n, size=(size, n))
        specificities = [
            (neg[others] < _threshold(pos[some], target)[:, None]).mean(1)
            for pos, neg in zip(ahead, behind, strict=True)
        ]
        drawn.append(sign @ np.array(specificities))
    low, high, flat = percentiles(np.concatenate(drawn), level)
    few = "" if m * (1 - target) >= 1 else f"{m} positives allow no miss at this target: interval unreliable"
    return _estimate(value, low, high, positive, method, flat or few)
