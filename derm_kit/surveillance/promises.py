"""Designed charts with their run lengths, kept so that the same question is answered once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from derm_kit.surveillance import cusum, sequential_test
from derm_kit.surveillance.chart import Chart, odds_ratio_of
from derm_kit.surveillance.run_lengths import RunLength, exact, exact_mean, simulated
from derm_kit.surveillance.sequential_test import ErrorRates
from derm_kit.triage.proportions import FloatArray, normal_quantile

FEWEST_RUNS, MOST_RUNS = 50, 2_000


@dataclass(frozen=True, slots=True)
class Mix:
    """Expected probabilities (G,) of the event among the cases, their shares (G,), and on how many cases they rest.

    `known_from` is None where they are stated, not estimated.
    """

    expected: tuple[float, ...]
    shares: tuple[float, ...] = (1.0,)
    known_from: int | None = None

    @property
    def rate(self) -> float:
        """Mean expected probability."""
        return float(np.array(self.expected) @ np.array(self.shares) / sum(self.shares))

    def off_odds_ratio(self, upwards: bool) -> float:
        """Odds of the bound of the rate that nine of ten estimates from so many cases hold, to those of the rate."""
        if not self.known_from:
            return 1.0
        margin = margin_of(self.rate, self.known_from)
        off = min(self.rate + margin, (1 + self.rate) / 2) if upwards else max(self.rate - margin, self.rate / 2)
        return odds_ratio_of(self.rate, off)


@dataclass(frozen=True, slots=True)
class Designed:
    """A chart and its run lengths: exact without the change and with it, and as drawn (None where too long to draw).

    false_alarm_if_off   mean cases until a false alarm where the real rate lies so far towards the change that only one
                         estimate in ten from so many cases is further off: the chart is designed for this one, since a
                         rate that was estimated is not known (Gandy and Kvaløy, Scandinavian Journal of Statistics 40
                         (2013) 647). None where the rate is stated.
    errors               of a sequential test: exact, and as drawn.
    """

    chart: Chart
    false_alarm: RunLength
    delay: RunLength
    false_alarm_drawn: RunLength | None
    delay_drawn: RunLength | None
    false_alarm_if_off: float | None
    errors: ErrorRates | None
    errors_drawn: ErrorRates | None


def margin_of(rate: float, cases: int) -> float:
    """How far a rate estimated from so many cases lies below the real one at most, nine times in ten."""
    return normal_quantile(0.8) * math.sqrt(rate * (1 - rate) / cases)


@lru_cache(maxsize=256)
def designed(
    mix: Mix, odds_ratio: float, run_cases: float, missed_change_prob: float | None, drawn_cases: int, seed: int
) -> Designed:
    """The CUSUM, or with `missed_change_prob` the sequential test, of a mix of cases for a change and a run length.

    At most `drawn_cases` cases are drawn for each run length, and none where that is fewer than 50 runs.
    """
    p, shares, off = np.array(mix.expected), np.array(mix.shares), mix.off_odds_ratio(odds_ratio > 1)
    if missed_change_prob is None:
        chart = cusum.design(run_cases, p, odds_ratio=odds_ratio, shares=shares, unchanged_odds_ratio=off)
    else:
        chart = sequential_test.design_for_run_length(
            run_cases, missed_change_prob, p, odds_ratio=odds_ratio, shares=shares, unchanged_odds_ratio=off
        )
    seeds = np.random.SeedSequence(seed).generate_state(3).tolist()
    false_alarm, false_alarm_drawn = _length(chart, p, shares, 1.0, drawn_cases, seeds[0])
    delay, delay_drawn = _length(chart, p, shares, odds_ratio, drawn_cases, seeds[1])
    errors = errors_drawn = None
    if missed_change_prob is not None:
        errors = sequential_test.exact_error_rates(chart, p, shares=shares)
        runs = int(min(MOST_RUNS, drawn_cases / (errors.mean_cases_unchanged + errors.mean_cases_changed)))
        if runs >= FEWEST_RUNS:
            errors_drawn = sequential_test.simulated_error_rates(chart, p, seed=seeds[2], shares=shares, runs=runs)
    if_off = exact_mean(chart, p, shares=shares, actual_odds_ratio=off) if mix.known_from else None
    return Designed(chart, false_alarm, delay, false_alarm_drawn, delay_drawn, if_off, errors, errors_drawn)


def _length(
    chart: Chart, p: FloatArray, shares: FloatArray, actual: float, drawn_cases: int, seed: int
) -> tuple[RunLength, RunLength | None]:
    length = exact(chart, p, shares=shares, actual_odds_ratio=actual)
    runs = int(min(MOST_RUNS, drawn_cases / length.mean))
    if runs < FEWEST_RUNS:
        return length, None
    return length, simulated(chart, p, seed=seed, shares=shares, actual_odds_ratio=actual, runs=runs)
