"""Accuracy carried over to another mix of cases: predictive values, and what prevalence alone explains.

An NPV travels with prevalence: LR- and missed cancers per 1,000 called benign stand beside each. Calls and truth are
arrays (N,) in the order of the cases. Every interval assumes independent lesions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from derm_kit.errors import DermKitError
from derm_kit.triage.benefit import flags, require_one_length
from derm_kit.triage.case_mix import Weighted, effective_sample_size
from derm_kit.triage.proportions import Estimate, FloatArray
from derm_kit.triage.rates import REPLICATES


@dataclass(frozen=True)
class PredictiveValues:
    """What a call means: shares of the cases called (PPV) and not called (NPV) that are as said.

    lr_negative is (1 - sensitivity) / specificity; missed_per_1000 positives per 1,000 cases called benign; NaN where
    the case does not arise, with the `reason`.
    """

    ppv: float
    npv: float
    lr_negative: float
    missed_per_1000: float
    reason: str = ""


@dataclass(frozen=True)
class WeightedRates:
    """Accuracy of calls in another mix of cases, and how many cases it effectively rests on, a side.

    Shares but for `lr_negative` (a ratio) and `missed_per_1000` (positives per 1,000 called benign).
    """

    prevalence: float
    sensitivity: Estimate
    specificity: Estimate
    ppv: Estimate
    npv: Estimate
    lr_negative: Estimate
    missed_per_1000: Estimate
    effective_n_positive: float
    effective_n_negative: float
    assumption: str


@dataclass(frozen=True)
class NpvComparison:
    """Two NPVs at their own prevalence, and the first carried over to the second's.

    Of `gain` (second minus first), `from_prevalence` is what prevalence alone gives at the first's LR-, and
    `share_from_prevalence` the ratio of the two, NaN where there is no gain. `all_benign` is the NPV of calling every
    case benign where the second was measured. Pairs are (first, second), missed cases both at the second's prevalence.
    """

    carried_over: float
    all_benign: float
    gain: float
    from_prevalence: float
    share_from_prevalence: float
    lr_negative: tuple[float, float]
    missed_per_1000: tuple[float, float]
    sentence: str


def weighted_rates(
    called: npt.ArrayLike,
    positive: npt.ArrayLike,
    weighted: Weighted,
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
    level: float = 0.95,
) -> WeightedRates:
    """Accuracy of calls (N,) against `positive` (N,) in the mix of `weighted`.

    Within each group and side, the share called is drawn from its Jeffreys posterior Beta(k + 1/2, n - k + 1/2) and
    figures are taken from the draws (Mossman and Berger, Med Decis Making 21 (2001) 498, there for one group a side);
    the interval reaches at least to the figure itself, and the mix is taken as known. Raises DermKitError for arrays of
    unequal length.
    """
    call, pos = flags(called, "calls"), flags(positive, "truth")
    require_one_length(weighted.weights, call, pos)
    w = weighted.weights
    rng = np.random.default_rng(seed)
    caught, weight = np.zeros((2, replicates + 1)), np.zeros(2)
    for group in range(weighted.group.max(initial=-1) + 1):
        for side in (0, 1):
            own = (weighted.group == group) & (pos == bool(side)) & (w > 0)
            n, k = int(own.sum()), int((own & call).sum())
            if n:
                share = np.append(k / n, rng.beta(k + 0.5, n - k + 0.5, size=replicates))
                caught[side] += w[own].sum() * share
                weight[side] += w[own].sum()
    cells = np.stack([caught[1], weight[1] - caught[1], caught[0], weight[0] - caught[0]])
    figures, counted = _figures(cells), w > 0
    sides = (counted & pos, counted & ~pos)
    method = f"Jeffreys, {replicates} draws, case mix taken as known"
    rests_on = {
        "sensitivity": (sides[0], "no positive case has a weight"),
        "specificity": (sides[1], "no negative case has a weight"),
        "ppv": (counted & call, "no case is called"),
        "npv": (counted & ~call, "every case is called"),
        "lr_negative": (counted, "a side is empty, or every negative case is called"),
        "missed_per_1000": (counted & ~call, "every case is called"),
    }
    estimates = {}
    for name, (cases, why) in rests_on.items():
        value, draws = float(figures[name][0]), figures[name][1:]
        counts = int(cases.sum()), int((cases & pos).sum())
        if math.isnan(value):
            estimates[name] = Estimate(value, math.nan, math.nan, *counts, method, why)
            continue
        low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
        estimates[name] = Estimate(value, min(float(low), value), max(float(high), value), *counts, method)
    return WeightedRates(
        prevalence=float(weight[1] / weight.sum()) if weight.any() else math.nan,
        **estimates,
        effective_n_positive=effective_sample_size(w[sides[0]]),
        effective_n_negative=effective_sample_size(w[sides[1]]),
        assumption=weighted.assumption,
    )


def predictive_values(sensitivity: float, specificity: float, prevalence: float) -> PredictiveValues:
    """What calls of this accuracy mean at this prevalence, by Bayes' rule. DermKitError for a share outside 0..1."""
    se, sp, p = (_share(x, what) for x, what in zip((sensitivity, specificity, prevalence), _INPUTS, strict=True))
    figures = _figures(np.array([[p * se], [p * (1 - se)], [(1 - p) * (1 - sp)], [(1 - p) * sp]]))
    lr = (1 - se) / sp if sp else math.nan
    ppv, npv, missed = (float(figures[name][0]) for name in ("ppv", "npv", "missed_per_1000"))
    reasons = {"no case is called": ppv, "every case is called": npv, "LR-: specificity is 0": lr}
    return PredictiveValues(ppv, npv, lr, missed, "; ".join(why for why, x in reasons.items() if math.isnan(x)))


def npv_at(npv: float, prevalence: float, new_prevalence: float) -> float:
    """An NPV measured at `prevalence`, at `new_prevalence` with the same LR-.

    Odds of disease after a negative call are LR- times those before. Raises DermKitError for an NPV outside 0..1 or a
    prevalence that is not between 0 and 1.
    """
    odds = _lr_negative(npv, prevalence) * _odds(new_prevalence)
    return 1 / (1 + odds)


def compare_npvs(npv: float, prevalence: float, other_npv: float, other_prevalence: float) -> NpvComparison:
    """How much of the difference from one NPV to another is prevalence alone (errors as for `npv_at`).

    Both figures must rest on the same verification for the remainder to be real.
    """
    carried = npv_at(npv, prevalence, other_prevalence)
    gain, alone = other_npv - npv, carried - npv
    ratios = _lr_negative(npv, prevalence), _lr_negative(other_npv, other_prevalence)
    missed = 1000 * (1 - carried), 1000 * (1 - other_npv)
    sentence = (
        f"An NPV of {npv:.2%} at a prevalence of {prevalence:.1%} is one of {carried:.2%} at {other_prevalence:.1%}, "
        f"where calling every case benign gives {1 - other_prevalence:.2%}: of the difference of {100 * gain:.2f} "
        f"percentage points to {other_npv:.2%}, {100 * alone:.2f} are prevalence. LR- is {ratios[1]:.2f} against "
        f"{ratios[0]:.2f}, missed per 1,000 called benign at {other_prevalence:.1%} {missed[1]:.1f} against "
        f"{missed[0]:.1f}: this remainder is real only if both figures rest on the same verification."
    )
    share = alone / gain if gain else math.nan
    return NpvComparison(carried, 1 - other_prevalence, gain, alone, share, ratios, missed, sentence)


def shifted_score(score: npt.ArrayLike, prevalence: float, new_prevalence: float) -> FloatArray:
    """A score (N,) that is a calibrated probability at `prevalence`, as one at `new_prevalence`.

    Its odds are multiplied by the ratio of the prevalences' odds (Saerens et al., Neural Computation 14 (2002) 21); a
    score that was not calibrated stays so. NaN stays NaN. Raises DermKitError for a score outside 0..1 or a prevalence
    not between 0 and 1.
    """
    s = np.asarray(score, np.float64)
    if np.any((s < 0) | (s > 1)):
        raise DermKitError(
            "a score that is shifted lies between 0 and 1",
            value=s[(s < 0) | (s > 1)][0],
            next_step="Calibrate the score first.",
        )
    ratio = _odds(new_prevalence) / _odds(prevalence)
    return np.asarray(ratio * s / (ratio * s + 1 - s), np.float64)


_INPUTS = ("sensitivity", "specificity", "prevalence")


def _figures(cells: FloatArray) -> dict[str, FloatArray]:
    """Each figure (B,) of cells (4, B): true positives, false negatives, false positives, true negatives."""
    tp, fn, fp, tn = cells
    with np.errstate(invalid="ignore", divide="ignore"):
        sensitivity, specificity = tp / (tp + fn), tn / (fp + tn)
        ratio = np.where(specificity > 0, (1 - sensitivity) / specificity, np.nan)
        return {
            "sensitivity": sensitivity,
            "specificity": specificity,
            "ppv": tp / (tp + fp),
            "npv": tn / (fn + tn),
            "lr_negative": ratio,
            "missed_per_1000": 1000 * fn / (fn + tn),
        }


def _share(value: float, what: str) -> float:
    if not 0 <= value <= 1:
        raise DermKitError(f"{what} lies between 0 and 1", value=value, next_step="Give a share: 0.06 for 6 %.")
    return float(value)


def _odds(prevalence: float) -> float:
    if not 0 < prevalence < 1:
        raise DermKitError(
            "prevalence is above 0 and below 1", value=prevalence, next_step="Give a share: 0.015 for 1.5 %."
        )
    return prevalence / (1 - prevalence)


def _lr_negative(npv: float, prevalence: float) -> float:
    """LR- behind an NPV; infinite for an NPV of 0."""
    prior = _odds(prevalence)
    return (1 - npv) / npv / prior if _share(npv, "an NPV") else math.inf
