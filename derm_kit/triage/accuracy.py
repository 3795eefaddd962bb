"""Accuracy over the eleven lesion types: balanced accuracy and operating characteristics.

Scores and truth are (N, 11) arrays as in `scores`. What `scores`, `proportions`, `rates` and `calibration` offer stands
here too. Every interval assumes independent lesions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from derm_kit.lesions import FLAGGED, LESION_TYPES, LesionType
from derm_kit.triage.calibration import (
    CALIBRATION_BINS,
    calibration_error,
    calibration_error_difference,
    calibration_floor,
    expected_calibration_error,
    top_score,
)
from derm_kit.triage.policy import suspected_index
from derm_kit.triage.proportions import BoolArray, Estimate, clopper_pearson, proportion, zero_miss_sample_size
from derm_kit.triage.rates import (
    REPLICATES,
    RocPoint,
    auc,
    auc_difference,
    hanley_mcneil,
    percentiles,
    specificity_at_sensitivity,
    specificity_difference,
    specificity_estimate,
)
from derm_kit.triage.scores import (
    IntArray,
    incomplete_rows,
    one_against_rest,
    score_table,
    summed_score,
    top_type,
    truth_matrix,
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


def operating_characteristics(
    scores: npt.ArrayLike,
    truth: BoolArray,
    thresholds: Mapping[LesionType, float],
    *,
    review: npt.ArrayLike,
    level: float = 0.95,
) -> pd.DataFrame:
    """What thresholds do to each flagged type, over all cases and over those that the model assessed.

    Columns: type; n, cases of that type; clinician_review, those of them lost to the model: in `review` (N,), as
    `Decisions.in_review` says, or without the score of a trained type; caught, those called their type or a more
    serious one by the rule of `policy.decide`; caught_as_own_type. A case in review is never caught. low to high is the
    Clopper-Pearson interval of caught / n (all cases, intention to triage), low_assessed to high_assessed that of
    caught / (n - clinician_review); NaN without cases. Cases of several types, or none, stay out.
    """
    s = score_table(scores)
    lost = incomplete_rows(s) | np.asarray(review, bool)
    called = np.where(lost, -1, suspected_index(s.astype(np.float32), dict(thresholds)))
    single = truth.sum(1) == 1
    rows = []
    for lesion_type in FLAGGED:
        column = LESION_TYPES.index(lesion_type)
        own = single & truth[:, column]
        calls = called[own]
        caught = (calls >= 0) & (calls <= column)
        counts = (len(calls), lost[own].sum(), caught.sum(), (calls == column).sum())
        rows.append((lesion_type.value, *map(int, counts)))
    table = pd.DataFrame(rows, columns=["type", "n", "clinician_review", "caught", "caught_as_own_type"])
    assessed = table["n"] - table["clinician_review"]
    table["low"], table["high"] = clopper_pearson(table["caught"], table["n"], level=level)
    table["low_assessed"], table["high_assessed"] = clopper_pearson(table["caught"], assessed, level=level)
    return table


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
