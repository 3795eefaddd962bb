"""Curves of one score over all its thresholds, from one sort: ROC, precision and recall, calibration."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from derm_kit.errors import DermKitError
from derm_kit.triage.proportions import BoolArray, FloatArray, clopper_pearson

CALIBRATION_BINS = 15


def threshold_counts(score: npt.ArrayLike, positive: npt.ArrayLike) -> pd.DataFrame:
    """What calling score >= threshold does at every distinct score, from the highest down.

    Columns: threshold, true_positives, false_positives, n_positive, n_negative. Raises DermKitError where scores (N,)
    and truth (N,) do not match or a score is NaN.
    """
    s, pos = np.asarray(score), np.asarray(positive, np.bool_)
    if s.shape != pos.shape or s.ndim != 1 or np.isnan(s).any():
        raise DermKitError(
            "a curve is drawn of one score and one truth a case",
            value=(s.shape, pos.shape, int(np.isnan(s).sum())),
            next_step="Match the two arrays, and leave cases without a score out.",
        )
    order = np.argsort(-s, kind="stable")
    ordered, hits = s[order], pos[order]
    last = np.flatnonzero(np.r_[ordered[1:] != ordered[:-1], True]) if len(s) else np.zeros(0, np.intp)
    caught = np.cumsum(hits)[last] if len(s) else np.zeros(0, np.int64)
    return pd.DataFrame(
        {
            "threshold": ordered[last],
            "true_positives": caught,
            "false_positives": last + 1 - caught,
            "n_positive": int(pos.sum()),
            "n_negative": int((~pos).sum()),
        }
    )


def roc_curve(score: npt.ArrayLike, positive: npt.ArrayLike) -> pd.DataFrame:
    """Columns threshold, sensitivity, specificity from calling none to calling all; NaN where a side has no case."""
    counts = threshold_counts(score, positive)
    with np.errstate(invalid="ignore", divide="ignore"):
        sensitivity = counts["true_positives"].to_numpy() / counts["n_positive"].to_numpy(np.float64)
        specificity = 1 - counts["false_positives"].to_numpy() / counts["n_negative"].to_numpy(np.float64)
    return pd.DataFrame(
        {
            "threshold": np.r_[np.inf, counts["threshold"]],
            "sensitivity": np.r_[0.0, sensitivity],
            "specificity": np.r_[1.0, specificity],
        }
    )


def precision_recall_curve(score: npt.ArrayLike, positive: npt.ArrayLike) -> pd.DataFrame:
    """Columns threshold, ppv (precision), sensitivity (recall), from the highest score down."""
    counts = threshold_counts(score, positive)
    caught, called = counts["true_positives"], counts["true_positives"] + counts["false_positives"]
    with np.errstate(invalid="ignore", divide="ignore"):
        sensitivity = caught.to_numpy() / counts["n_positive"].to_numpy(np.float64)
    return pd.DataFrame({"threshold": counts["threshold"], "ppv": caught / called, "sensitivity": sensitivity})


def calibration_curve(score: npt.ArrayLike, positive: npt.ArrayLike, *, bins: int = CALIBRATION_BINS) -> pd.DataFrame:
    """Share of positives beside the mean score in equal-width bins (l, u]; empty bins are left out.

    Columns: mean_score, count, n, share, low, high (Clopper-Pearson).
    """
    s: FloatArray = np.asarray(score, np.float64)
    pos: BoolArray = np.asarray(positive, np.bool_)
    place = np.clip(np.ceil(s * bins).astype(np.int64) - 1, 0, bins - 1)
    n = np.bincount(place, minlength=bins)
    count, total = np.bincount(place, pos, minlength=bins), np.bincount(place, s, minlength=bins)
    held = n > 0
    low, high = clopper_pearson(count[held], n[held])
    return pd.DataFrame(
        {
            "mean_score": total[held] / n[held], "count": count[held].astype(np.int64), "n": n[held],
            "share": count[held] / n[held], "low": low, "high": high,
        }
    )  # fmt: skip
