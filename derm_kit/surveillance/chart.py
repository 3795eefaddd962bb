"""Chart: the log-likelihood ratio chart that a CUSUM and a sequential probability ratio test both are.

Each case has its own expected probability p of the event watched for. The chart weighs what happened by how much
likelier it is where the odds are `odds_ratio` times those expected (Steiner et al., Biostatistics 1 (2000) 441).
Weights are whole steps of a fine lattice, so that the run lengths of `run_lengths` are exact for the chart as it runs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from derm_kit.errors import DermKitError
from derm_kit.surveillance import loops
from derm_kit.triage.proportions import FloatArray

IntArray = npt.NDArray[np.int64]
FEWEST_STEPS, MOST_STEPS, MOST_OF_MANY = 32, 128, 40
"""Steps of the largest weight, about; the last where cases are not all alike: work grows with their third power."""
DRIFT_KEPT = 0.01
"""Relative change of the mean weight by rounding that will do."""


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart whose value starts at 0, moves by a weight with each case and alarms at `limit`, then starts anew.

    odds_ratio  of the change looked for: above 1 the event has become more frequent, below 1 rarer.
    step        log-likelihood ratio of one step; `limit` and `lowest` count steps.
    limit       at this value or above the chart alarms.
    lowest      below this value it starts anew at 0: 0 for a CUSUM, negative for a sequential test, which then has
                found no change.
    """

    odds_ratio: float
    step: float
    limit: int
    lowest: int = 0

    @property
    def limit_log(self) -> float:
        """The limit as a log-likelihood ratio."""
        return self.limit * self.step

    def weights(self, expected: npt.ArrayLike) -> npt.NDArray[np.int32]:
        """Steps (G, 2) of a case with each expected probability (G,): without the event, and with it."""
        return np.rint(log_likelihood_weights(expected, self.odds_ratio) / self.step).astype(np.int32)


@dataclass(frozen=True)
class Path:
    """A chart over N cases.

    `steps` (N,) int32 are its value, `alarms` (M,) the index of each alarm's case and `began` (M,) that of the first
    case after the chart last stood at 0, which is when the change is estimated to have begun; `fell` is how often it
    started anew without an alarm.
    """

    chart: Chart
    steps: npt.NDArray[np.int32]
    alarms: IntArray
    began: IntArray
    fell: int

    @property
    def value(self) -> FloatArray:
        """The chart's value as a log-likelihood ratio (N,)."""
        return self.steps.astype(np.float64) * self.chart.step


def log_likelihood_weights(expected: npt.ArrayLike, odds_ratio: float) -> FloatArray:
    """Log-likelihood ratio of the changed to the expected odds (G, 2), without the event and with it.

    Steiner et al. 2000, equation 2.3 with R0 = 1: log(1 / (1 - p + R p)) and log(R / (1 - p + R p)).
    """
    p = expected_probs(expected)
    _require_change(odds_ratio)
    without = -np.log1p((odds_ratio - 1) * p)
    return np.stack([without, without + math.log(odds_ratio)], axis=-1)


def shifted(expected: npt.ArrayLike, odds_ratio: float) -> FloatArray:
    """Expected probabilities (G,) with their odds multiplied by `odds_ratio`."""
    p = np.asarray(expected, np.float64)
    return odds_ratio * p / (1 - p + odds_ratio * p)


def odds_ratio_of(before: float, after: float) -> float:
    """Odds of a probability `after` the change divided by those `before` it."""
    expected_probs([before, after])
    return after / (1 - after) * (1 - before) / before


def lattice_step(expected: npt.ArrayLike, shares: npt.ArrayLike, odds_ratio: float) -> float:
    """Step for a chart of cases with these expected probabilities (G,) in these shares (G,).

    The longest of those tried that leaves the mean weight, with and without the change, within 1 % of its exact value,
    or the one that comes nearest. The largest weight is whole or, where all cases are alike, the smaller one.
    """
    p, share, exact = expected_probs(expected), normalised(shares), log_likelihood_weights(expected, odds_ratio)
    largest, smallest = float(np.abs(exact).max()), float(np.abs(exact).min())
    whole = smallest if p.size == 1 else largest
    fewest = max(1, round(FEWEST_STEPS * whole / largest))
    most = max(fewest + 3, round(MOST_STEPS * whole / largest)) if p.size == 1 else MOST_OF_MANY
    steps = whole / np.arange(fewest, most + 1)
    rounded = np.rint(exact / steps[:, None, None]) * steps[:, None, None]
    off = np.zeros(steps.size)
    for rate in (p, shifted(p, odds_ratio)):
        prob = share[:, None] * np.stack([1 - rate, rate], axis=-1)
        drift = (exact * prob).sum()
        off = np.maximum(off, np.abs((rounded * prob).sum((1, 2)) / drift - 1))
    good = np.flatnonzero(off <= DRIFT_KEPT)
    return float(steps[good[0] if good.size else off.argmin()])


def follow(chart: Chart, event: npt.ArrayLike, expected: npt.ArrayLike, group: npt.ArrayLike | None = None) -> Path:
    """The chart over cases in their order: whether the event was seen (N,) and its expected probability.

    `expected` is one probability for all, one a case (N,) or, with `group` (N,), one a group. Raises DermKitError
    where a probability is not between 0 and 1 or the lengths differ.
    """
    seen, p = np.asarray(event, bool), np.atleast_1d(np.asarray(expected, np.float64))
    if group is None:
        rows = np.zeros(seen.size, np.int32) if p.size == 1 else np.arange(p.size, dtype=np.int32)
    else:
        rows = np.asarray(group, np.int32)
    if rows.shape != seen.shape or (rows.size and not 0 <= rows.min() <= rows.max() < p.size):
        raise DermKitError(
            "each case has one expected probability",
            value=f"{seen.size} cases, {p.size} probabilities, {rows.size} groups",
            next_step="Give one for all, one a case, or one a group and the group of each case.",
        )
    value, alarms, began, fell = loops.walk(seen, rows, chart.weights(p), chart.lowest, chart.limit)
    return Path(chart, value, alarms, began, int(fell))


def expected_probs(expected: npt.ArrayLike) -> FloatArray:
    """`expected` as float64 (G,). Raises DermKitError unless each lies between 0 and 1, both left out."""
    p = np.atleast_1d(np.asarray(expected, np.float64))
    wrong = p[~((p > 0) & (p < 1))]
    if wrong.size:
        raise DermKitError(
            "an expected probability lies between 0 and 1, both left out",
            value=wrong[0],
            next_step="A rate of exactly 0 or 1 cannot be watched: give the one that you expect, or pool small groups.",
        )
    return p


def normalised(shares: npt.ArrayLike) -> FloatArray:
    """`shares` (G,) divided by their sum."""
    share = np.atleast_1d(np.asarray(shares, np.float64))
    return np.asarray(share / share.sum())


def _require_change(odds_ratio: float) -> None:
    if not (odds_ratio > 0 and math.isfinite(odds_ratio) and odds_ratio != 1):
        raise DermKitError(
            "a change is an odds ratio above 0 that is not 1",
            value=odds_ratio,
            next_step="Give a rate to look for that differs from the expected one.",
        )
