"""Accuracy over the eleven lesion types: calls, balanced accuracy, calibration, operating characteristics.

Scores are (N, 11) arrays in order of risk, NaN in the columns of untrained types; truth is a boolean array of the same
shape: no True in a row means out of scope, several mean that the label leaves the type open. Figures of one condition
against the rest come from `rates` and stand here too. Every interval assumes independent lesions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from derm_kit.errors import DermKitError
from derm_kit.lesions import FLAGGED, LESION_TYPES, LesionType, parse_truth
from derm_kit.triage.policy import suspected_index
from derm_kit.triage.rates import (
    REPLICATES,
    BoolArray,
    Estimate,
    FloatArray,
    RocPoint,
    auc,
    auc_difference,
    chunks,
    clopper_pearson,
    hanley_mcneil,
    normal_quantile,
    percentiles,
    proportion,
    specificity_at_sensitivity,
    specificity_difference,
    specificity_estimate,
    zero_miss_sample_size,
)

__all__ = [
    "CALIBRATION_BINS",
    "Estimate",
    "RocPoint",
    "auc",
    "auc_difference",
    "balanced_accuracy",
    "balanced_accuracy_difference",
    "calibration_error",
    "calibration_error_difference",
    "calibration_floor",
    "clopper_pearson",
    "expected_calibration_error",
    "hanley_mcneil",
    "one_against_rest",
    "operating_characteristics",
    "proportion",
    "specificity_at_sensitivity",
    "specificity_difference",
    "specificity_estimate",
    "summed_score",
    "top_score",
    "top_type",
    "truth_matrix",
    "zero_miss_sample_size",
]

IntArray = npt.NDArray[np.intp]

CALIBRATION_BINS = 15


def truth_matrix(truths: Iterable[str]) -> BoolArray:
    """Truth texts ("a|b", "" for out of scope) as bool (N, 11). Raises DiagnosisError for an unknown type."""
    parsed = [parse_truth(text) for text in truths]
    return np.array([[t in types for t in LESION_TYPES] for types in parsed], dtype=bool).reshape(-1, len(LESION_TYPES))


def one_against_rest(truth: BoolArray, types: Iterable[LesionType]) -> tuple[BoolArray, BoolArray]:
    """Cases of `types` against every other labelled case: `positive` (N,) and `counted` (N,).

    A case left open between types counts where all of them lie on one side; a case without a type never counts.
    """
    inside = np.isin(np.array(LESION_TYPES), list(types))
    some_inside: BoolArray = np.asarray(truth[:, inside].any(1))
    some_outside: BoolArray = np.asarray(truth[:, ~inside].any(1))
    return some_inside & ~some_outside, some_inside ^ some_outside


def summed_score(scores: npt.ArrayLike, types: Iterable[LesionType]) -> FloatArray:
    """Sum of the scores of `types` (N,), untrained types left out; NaN where none of them is trained."""
    wanted = set(types)
    columns = _score_table(scores)[:, [t in wanted for t in LESION_TYPES]]
    total: FloatArray = np.where(np.isnan(columns).all(1), np.nan, np.nansum(columns, axis=1))
    return total


def top_type(scores: npt.ArrayLike, *, shares: npt.ArrayLike | None = None) -> IntArray:
    """Column of the highest score of each case (N,); with `shares` (11,), of the highest score / share.

    Shares are those of the types in the set the scores are calibrated to: dividing takes that set's prevalence out of
    the call. Raises DermKitError where a trained type's score is NaN or its share is not positive.
    """
    s = _complete(_score_table(scores))
    if shares is not None:
        share = np.asarray(shares, np.float64)
        if np.any(~np.isnan(s).all(0) & ~(share > 0)):
            raise DermKitError(
                "each trained type has a share above 0", value=share.tolist(), next_step="Count the calibration set."
            )
        s = s / np.where(share > 0, share, np.nan)
    return np.asarray(np.where(np.isnan(s), -np.inf, s).argmax(1), np.intp)


def balanced_accuracy(
    called: npt.ArrayLike, truth: BoolArray, *, replicates: int = REPLICATES, seed: int = 0, level: float = 0.95
) -> Estimate:
    """Mean recall over the types with at least one case, from calls (N,) as `top_type` gives them.

    Cases of several types, or none, stay out. The interval is the percentile one of a bootstrap within each type.
    """
    hit, own = _hits(called, truth)
    return _mean_recall(hit.astype(np.int8), own, replicates, seed, level)


def balanced_accuracy_difference(
    called_a: npt.ArrayLike,
    called_b: npt.ArrayLike,
    truth: BoolArray,
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
    level: float = 0.95,
) -> Estimate:
    """Balanced accuracy of a minus that of b, paired: both on the same resampled cases."""
    (a, own), (b, _) = _hits(called_a, truth), _hits(called_b, truth)
    return _mean_recall(a.astype(np.int8) - b, own, replicates, seed, level)


def top_score(scores: npt.ArrayLike, truth: BoolArray) -> tuple[FloatArray, BoolArray]:
    """Top score (M,) of the labelled cases, and whether its type is (one of) the truth's (M,)."""
    labelled = truth.any(1)
    s, t = _score_table(scores)[labelled], truth[labelled]
    rows, call = np.arange(len(s)), top_type(s)
    return s[rows, call], t[rows, call]


def expected_calibration_error(top: npt.ArrayLike, correct: npt.ArrayLike, *, bins: int = CALIBRATION_BINS) -> float:
    """Mean distance between top score (M,) and share correct, over equal-width bins (l, u] weighted by their cases.

    Guo et al., ICML 2017. NaN without cases.
    """
    conf, hit = np.asarray(top, np.float64), np.asarray(correct, np.float64)
    return float(_binned_error((hit - conf)[None], conf, bins)[0]) if len(conf) else math.nan


def calibration_error(
    scores: npt.ArrayLike, truth: BoolArray, *, replicates: int = REPLICATES, seed: int = 0, level: float = 0.95
) -> Estimate:
    """Expected calibration error of the top score with a normal interval from a bootstrap over cases, cut at 0.

    The error of finitely many cases is above 0 even for a perfect model: read it beside `calibration_floor`. A case
    left open between types is correct with either, so a perfectly calibrated model looks a little underconfident there.
    """
    return _calibration([top_score(scores, truth)], replicates, seed, level)


def calibration_error_difference(
    scores_a: npt.ArrayLike,
    scores_b: npt.ArrayLike,
    truth: BoolArray,
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
    level: float = 0.95,
) -> Estimate:
    """Calibration error of a minus that of b, with a normal interval from a paired bootstrap over cases."""
    return _calibration([top_score(scores_a, truth), top_score(scores_b, truth)], replicates, seed, level)


def calibration_floor(
    top: npt.ArrayLike,
    *,
    bins: int = CALIBRATION_BINS,
    replicates: int = REPLICATES,
    seed: int = 0,
    level: float = 0.95,
) -> Estimate:
    """Calibration error that a perfectly calibrated model with these top scores (M,) would show.

    Simulated: each case correct with chance equal to its score. `value` is the mean, low to high the central range.
    """
    method = f"simulation, {replicates} replicates, range"
    conf = np.asarray(top, np.float64)
    if not len(conf):
        return Estimate(math.nan, math.nan, math.nan, 0, None, method, "no labelled case")
    rng = np.random.default_rng(seed)
    errors = np.concatenate(
        [_binned_error((rng.random((b, len(conf))) < conf) - conf, conf, bins) for b in chunks(replicates)]
    )
    low, high, flat = percentiles(errors, level)
    return Estimate(float(errors.mean()), low, high, len(conf), None, method, flat)


def operating_characteristics(
    scores: npt.ArrayLike,
    truth: BoolArray,
    thresholds: Mapping[LesionType, float],
    *,
    review: npt.ArrayLike | None = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """What thresholds do to each flagged type: columns type, n, caught, caught_as_own_type, low, high.

    `caught` cases are called their type or a more serious one, by the rule of `policy.decide`; low to high is the
    Clopper-Pearson interval of caught / n, NaN without cases. Cases in `review` (N,), and those in which a trained type
    scored NaN, go to a clinician: they stay in n and are never caught by the model. Cases of several types, or none,
    stay out.
    """
    s = _score_table(scores)
    seen = ~_incomplete(s) if review is None else ~_incomplete(s) & ~np.asarray(review, bool)
    called = np.where(seen, suspected_index(s.astype(np.float32), dict(thresholds)), -1)
    single = truth.sum(1) == 1
    rows = []
    for lesion_type in FLAGGED:
        column = LESION_TYPES.index(lesion_type)
        calls = called[single & truth[:, column]]
        caught = (calls >= 0) & (calls <= column)
        rows.append((lesion_type.value, len(calls), int(caught.sum()), int((calls == column).sum())))
    table = pd.DataFrame(rows, columns=["type", "n", "caught", "caught_as_own_type"])
    table["low"], table["high"] = clopper_pearson(table["caught"], table["n"], level=level)
    return table


def _score_table(scores: npt.ArrayLike) -> FloatArray:
    s = np.asarray(scores, np.float64)
    if s.ndim != 2 or s.shape[1] != len(LESION_TYPES):
        raise DermKitError(
            "scores have a row a case and a column for each of the eleven lesion types",
            value=s.shape,
            next_step="Order the columns by risk; an untrained type is a column of NaN.",
        )
    return s


def _incomplete(scores: FloatArray) -> BoolArray:
    """Cases (N,) in which a type that others have a score for is NaN."""
    missing = np.isnan(scores)
    return np.asarray((missing & ~missing.all(0)).any(1))


def _complete(scores: FloatArray) -> FloatArray:
    incomplete = _incomplete(scores).sum()
    if incomplete or (len(scores) and np.isnan(scores).all()):
        raise DermKitError(
            "every case has a score for every trained type",
            value=f"{incomplete or len(scores)} of {len(scores)} cases lack one",
            next_step="Leave these cases out and count them beside the figure: they go to a clinician.",
        )
    return scores


def _hits(called: npt.ArrayLike, truth: BoolArray) -> tuple[BoolArray, IntArray]:
    """Of the cases with exactly one type: whether the call is right (M,), and the type's column (M,)."""
    single = truth.sum(1) == 1
    own = truth[single].argmax(1)
    return np.asarray(called)[single] == own, own


def _mean_recall(gain: npt.NDArray[np.int8], own: IntArray, replicates: int, seed: int, level: float) -> Estimate:
    """Mean over types of the mean gain (-1, 0 or 1 a case), with its bootstrap within types.

    Drawing n cases of a type with replacement draws the numbers of gains of each value from a multinomial: no case need
    be moved.
    """
    types, column = np.unique(own, return_inverse=True)
    method = f"bootstrap within types, {replicates} replicates, {len(types)} types"
    if not len(types):
        return Estimate(math.nan, math.nan, math.nan, 0, None, method, "no case of exactly one lesion type")
    counts = np.stack([np.bincount(column[gain == g], minlength=len(types)) for g in (-1, 0, 1)], axis=1)
    n = counts.sum(1)
    value = float(((counts[:, 2] - counts[:, 0]) / n).mean())
    drawn = np.random.default_rng(seed).multinomial(n, counts / n[:, None], size=(replicates, len(types)))
    low, high, flat = percentiles(((drawn[..., 2] - drawn[..., 0]) / n).mean(1), level)
    few = f"a type has {n.min()} cases only: interval too narrow" if n.min() < 5 else ""
    return Estimate(value, low, high, int(n.sum()), None, method, flat or few)


def _binned_error(residuals: FloatArray, top: FloatArray, bins: int) -> FloatArray:
    """Calibration error (B,) of residuals (B, M), correct minus score, in the bins of the top scores (M,)."""
    place = np.clip(np.ceil(top * bins).astype(int) - 1, 0, bins - 1)
    error: FloatArray = np.abs(residuals @ np.eye(bins)[place]).sum(1) / len(top)
    return error


def _calibration(models: list[tuple[FloatArray, BoolArray]], replicates: int, seed: int, level: float) -> Estimate:
    """Calibration error of one model, or of the first minus the second, on the same M cases."""
    method = f"bootstrap over cases, {replicates} replicates, normal"
    n = len(models[0][0])
    if not n:
        return Estimate(math.nan, math.nan, math.nan, 0, None, method, "no labelled case")
    sign = np.array([1.0, -1.0])[: len(models)]
    value = float(sign @ [expected_calibration_error(top, correct) for top, correct in models])
    rng = np.random.default_rng(seed)
    drawn = []
    for size in chunks(replicates):
        cells = rng.integers(n, size=(size, n)) + n * np.arange(size)[:, None]
        weight = np.bincount(cells.ravel(), minlength=size * n).reshape(size, n)
        drawn.append(sign @ [_binned_error(weight * (hit - top), top, CALIBRATION_BINS) for top, hit in models])
    replicate = np.concatenate(drawn)
    _, _, flat = percentiles(replicate, level)
    if flat:
        return Estimate(value, math.nan, math.nan, n, None, method, flat)
    margin = normal_quantile(level) * float(replicate.std())
    low = value - margin if len(models) == 2 else max(0.0, value - margin)
    return Estimate(value, low, value + margin, n, None, method)
