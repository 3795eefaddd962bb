"""Chain: the value of a chart between alarms as a Markov chain, solved exactly."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.linalg.lapack import dgbtrf, dgbtrs

from derm_kit.errors import DermKitError
from derm_kit.surveillance.chart import Chart, IntArray, expected_probs, normalised, shifted
from derm_kit.triage.proportions import FloatArray

LARGEST_BAND = 20_000_000
"""Numbers in the linear system at most: 160 MB."""


class Once(NamedTuple):
    """A chart until it first alarms or falls below its lowest value: mean cases, and the probability of each end."""

    mean_cases: float
    alarm_prob: float
    fall_prob: float


class Chain:
    """The chart's value between alarms as a Markov chain: n states from `lowest` to below `limit`, jumps (J,).

    A - matrix of the chain that stops at a fall - is banded; falls lead back to 0 and are a correction of rank one.
    """

    def __init__(self, chart: Chart, jumps: tuple[IntArray, FloatArray]) -> None:
        self.jump, self.prob = jumps
        self.n, self.start = chart.limit - chart.lowest, -chart.lowest
        inside = np.abs(self.jump) < self.n
        jump, prob = self.jump[inside], self.prob[inside]
        self._below, self._above = int(max(0, -jump.min(initial=0))), int(max(0, jump.max(initial=0)))
        if (2 * self._below + self._above + 1) * self.n > LARGEST_BAND:
            raise DermKitError(
                "an event is frequent enough to be watched case by case",
                value=f"{self.n:,} values of the chart",
                next_step="Watch a group in which it is more frequent, or a larger change.",
            )
        band = np.zeros((2 * self._below + self._above + 1, self.n))
        middle = self._below + self._above
        band[middle] = 1.0
        for d, p in zip(jump, prob, strict=True):
            band[middle - d, max(0, d) : self.n + min(0, d)] -= p
        self._factors, self._pivots, _ = dgbtrf(band, self._below, self._above)
        states = np.arange(self.n)
        self.fall = self._share_of_jumps_below(-states)
        self._after_fall = self._solve(self.fall)

    def once(self) -> Once:
        """The chart until it first alarms or falls."""
        fall = float(self._after_fall[self.start])
        alarm = 1 - self._share_of_jumps_below(self.n - np.arange(self.n))
        return Once(float(self._solve(np.ones(self.n))[self.start]), float(self._solve(alarm)[self.start]), fall)

    def mean_until_alarm(self) -> float:
        """Mean cases until the alarm, over as many falls as there are before it; infinite where there is none."""
        once = self.once()
        if not once.alarm_prob > 0:
            return math.inf
        return once.mean_cases / once.alarm_prob

    def relaxation_cases(self) -> float:
        """Cases after which the chain forgets where it was, as reflected Brownian motion does."""
        drift = float(self.jump @ self.prob)
        variance = float(self.jump**2 @ self.prob) - drift**2
        return 2 * variance / drift**2 if drift else math.inf

    def tail(self) -> tuple[float, float]:
        """Constants c and r: a chart has not alarmed after n cases, n large, with probability c exp(-r n)."""
        again = 1 - self._after_fall[self.start]
        at_start = np.zeros(self.n)
        at_start[self.start] = 1.0
        from_start = self._solve(at_start, 1)

        def forwards(b: FloatArray) -> FloatArray:
            x = self._solve(b)
            return np.asarray(x + self._after_fall * (x[self.start] / again))

        def backwards(b: FloatArray) -> FloatArray:
            x = self._solve(b, 1)
            return np.asarray(x + from_start * (self.fall @ x / again))

        right, growth = _dominant(forwards, self.n)
        left, _ = _dominant(backwards, self.n)
        return float(right[self.start] * left.sum() / (left @ right)), -math.log1p(-1 / growth)

    def _share_of_jumps_below(self, steps: IntArray) -> FloatArray:
        return np.asarray(np.append(0.0, np.cumsum(self.prob))[np.searchsorted(self.jump, steps)])

    def _solve(self, b: FloatArray, transposed: int = 0) -> FloatArray:
        x, _ = dgbtrs(self._factors, self._below, self._above, b, self._pivots, trans=transposed)
        return np.asarray(x, np.float64)


def _dominant(apply: Callable[[FloatArray], FloatArray], n: int) -> tuple[FloatArray, float]:
    """Eigenvector and largest eigenvalue of a positive matrix, by repeated application."""
    vector, size = np.full(n, 1 / n), 0.0
    for _ in range(200):
        vector = apply(vector)
        before, size = size, float(vector.sum())
        vector /= size
        if abs(size - before) <= 1e-12 * size:
            break
    return vector, size


def jumps(
    chart: Chart, expected: npt.ArrayLike, shares: npt.ArrayLike, actual_odds_ratio: float
) -> tuple[IntArray, FloatArray]:
    """Steps that the next case may move the chart by, and their probabilities."""
    p = expected_probs(expected)
    share = normalised(np.broadcast_to(np.asarray(shares, np.float64), p.shape))
    rate = shifted(p, actual_odds_ratio)
    jump, place = np.unique(chart.weights(p), return_inverse=True)
    prob = np.bincount(place.ravel(), np.stack([share * (1 - rate), share * rate], axis=-1).ravel())
    return jump.astype(np.int64), prob.astype(np.float64)
