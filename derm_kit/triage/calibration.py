"""Calibration of the top score: its expected error, two models' difference, and what a perfect model would show.

Scores and truth are (N, 11) arrays as in `scores`. Every interval assumes independent lesions.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from derm_kit.triage.proportions import BoolArray, Estimate, FloatArray, normal_quantile
from derm_kit.triage.rates import REPLICATES, chunks, percentiles
from derm_kit.triage.scores import score_table, top_type

CALIBRATION_BINS = 15


def top_score(scores: npt.ArrayLike, truth: BoolArray) -> tuple[FloatArray, BoolArray]:
    """Top score (M,) of the labelled cases, and whether its type is (one of) the truth's (M,)."""
    labelled = truth.any(1)
    s, t = score_table(scores)[labelled], truth[labelled]
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
