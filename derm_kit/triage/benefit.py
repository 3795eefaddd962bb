"""What calls are worth: net benefit and decision curves.

Calls and truth are arrays (N,) in the order of the cases. Weights (N,), as `prevalence.case_weights` gives them, carry
a figure over to another mix of cases: a case of weight 0 is left out. Every interval assumes independent lesions.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from derm_kit.errors import DermKitError
from derm_kit.triage.proportions import BoolArray, Estimate, FloatArray, normal_quantile


def net_benefit(
    score: npt.ArrayLike,
    positive: npt.ArrayLike,
    threshold_probs: npt.ArrayLike,
    *,
    weights: npt.ArrayLike | None = None,
) -> FloatArray:
    """Net benefit (T,) of calling every case with `score` (N,) >= p, for each p of `threshold_probs` (T,) in [0, 1).

    TP/n - FP/n * p/(1 - p), in true positives per case (Vickers and Elkin, Med Decis Making 26 (2006) 565): p is the
    risk at which a false positive is worth p/(1 - p) of a true one. It reads the score as a probability, so the curve
    means something only as far as the score is calibrated to the set at hand; for another prevalence shift the score
    too (`prevalence.shifted_score`). NaN without a counted case and for an untrained type, whose scores are all NaN.
    Raises DermKitError for arrays of unequal length, a p outside [0, 1), or scores that are missing in part.
    """
    s, pos, odds = np.asarray(score, np.float64), flags(positive, "truth"), _odds(threshold_probs)
    w = case_weights_of(weights, s, pos)
    missing = np.isnan(s) & (w > 0)
    if missing.any() and not np.isnan(s).all():
        raise DermKitError(
            "every case has a score, or the type is untrained and none has",
            value=f"{missing.sum()} of {len(s)} missing",
            next_step="Leave the cases without a score out and count them beside the figure.",
        )
    if missing.any() or not w.sum() > 0:
        return np.full(odds.shape, np.nan)
    order = np.argsort(s)
    below = np.searchsorted(s[order], np.asarray(threshold_probs, np.float64), "left")
    true, false = (np.append(np.cumsum(side[order][::-1])[::-1], 0.0)[below] for side in (w * pos, w * ~pos))
    return np.asarray((true - false * odds) / w.sum(), np.float64)


def treat_all(
    positive: npt.ArrayLike, threshold_probs: npt.ArrayLike, *, weights: npt.ArrayLike | None = None
) -> FloatArray:
    """Net benefit (T,) of calling every case: prevalence - (1 - prevalence) * p/(1 - p). That of calling none is 0.

    NaN without a counted case; errors as for `net_benefit`.
    """
    pos, odds = flags(positive, "truth"), _odds(threshold_probs)
    w = case_weights_of(weights, pos)
    if not w.sum() > 0:
        return np.full(odds.shape, np.nan)
    prevalence = float(w[pos].sum() / w.sum())
    return np.asarray(prevalence - (1 - prevalence) * odds, np.float64)


def decision_curve(
    score: npt.ArrayLike,
    positive: npt.ArrayLike,
    threshold_probs: npt.ArrayLike,
    *,
    weights: npt.ArrayLike | None = None,
) -> pd.DataFrame:
    """Net benefit of a score beside that of calling every case and none, one row a threshold probability.

    Columns: threshold; model, treat_all, treat_none (true positives per case); n and n_positive, counted cases,
    unweighted; remark, "" or why a figure is NaN. What `net_benefit` says of calibration, and its errors, hold here.
    """
    pos = flags(positive, "truth")
    model = net_benefit(score, pos, threshold_probs, weights=weights)
    everyone = treat_all(pos, threshold_probs, weights=weights)
    counted = case_weights_of(weights, pos) > 0
    remark = "no case" if np.isnan(everyone).any() else "type not trained" if np.isnan(model).any() else ""
    return pd.DataFrame(
        {
            "threshold": np.asarray(threshold_probs, np.float64),
            "model": model,
            "treat_all": everyone,
            "treat_none": 0.0 * everyone,
            "n": int(counted.sum()),
            "n_positive": int((counted & pos).sum()),
            "remark": remark,
        }
    )


def net_benefit_of_calls(
    called: npt.ArrayLike,
    positive: npt.ArrayLike,
    threshold_prob: float,
    *,
    weights: npt.ArrayLike | None = None,
    level: float = 0.95,
) -> Estimate:
    """Net benefit of the calls (N,) that a policy made, valued at `threshold_prob`, with the interval of a mean.

    A policy is a rule, so no calibration is asked of it. Whether a case in clinician review counts as called is the
    caller's choice: say it beside the figure. Errors as for `net_benefit`.
    """
    call, pos, odds = flags(called, "calls"), flags(positive, "truth"), float(_odds(threshold_prob))
    w = case_weights_of(weights, call, pos)
    estimate = weighted_mean(np.where(pos, 1.0, -odds) * call, w, level)
    return replace(estimate, n_positive=int((pos & (w > 0)).sum()))


def flags(values: npt.ArrayLike, what: str) -> BoolArray:
    """`values` as booleans. Raises DermKitError where one is neither true (1) nor false (0): a gap is no "no"."""
    given = np.asarray(values)
    if given.dtype.kind not in "biuf" and given.size:
        known = [isinstance(v, bool | np.bool_) for v in given.ravel()]
    else:
        known = np.isin(given, (0, 1)).ravel().tolist()
    if not all(known):
        raise DermKitError(
            f"{what}: each case is true or false",
            value=given.ravel()[known.index(False)],
            next_step="Leave cases out where it is not known, and count them beside the figure.",
        )
    return given.astype(bool)


def require_one_length(*columns: npt.NDArray[Any]) -> None:
    """Raises DermKitError unless `columns` are arrays (N,) of one length."""
    if columns[0].ndim != 1 or any(c.shape != columns[0].shape for c in columns):
        raise DermKitError(
            "calls, truth and weights are arrays of one length",
            value=[c.shape for c in columns],
            next_step="Match them case by case.",
        )


def case_weights_of(weights: npt.ArrayLike | None, *columns: npt.NDArray[Any]) -> FloatArray:
    """Weights (N,) of cases, 1 where not given, after a look at the lengths of `columns`."""
    w = np.ones(columns[0].shape) if weights is None else np.asarray(weights, np.float64)
    require_one_length(*columns, w)
    if not np.all((w >= 0) & (w < np.inf)):
        raise DermKitError(
            "a weight is a finite number from 0 up",
            value=w[~((w >= 0) & (w < np.inf))][0],
            next_step="Give 0 to a case that is left out.",
        )
    return w


def _odds(threshold_probs: npt.ArrayLike) -> FloatArray:
    p = np.asarray(threshold_probs, np.float64)
    if not np.all((p >= 0) & (p < 1)):
        raise DermKitError(
            "a threshold probability is at least 0 and below 1",
            value=threshold_probs,
            next_step="Give the risk from which a referral is worth while, say 0.05.",
        )
    return np.asarray(p / (1 - p), np.float64)


def weighted_mean(x: FloatArray, w: FloatArray, level: float) -> Estimate:
    """Weighted mean with its normal interval: linearised variance of a ratio (Cochran, Sampling Techniques, 1977)."""
    n, method = int((w > 0).sum()), "normal"
    if not n:
        return Estimate(math.nan, math.nan, math.nan, 0, None, method, "no case")
    value = float(w @ x / w.sum())
    if n < 2 or np.ptp(x[w > 0]) == 0:
        reason = "no interval: one case" if n < 2 else "no interval: every case gives the same figure"
        return Estimate(value, math.nan, math.nan, n, None, method, reason)
    error = math.sqrt(float(np.square(w * (x - value)).sum()) * n / (n - 1)) / float(w.sum())
    margin = normal_quantile(level) * error
    return Estimate(value, value - margin, value + margin, n, None, method)
