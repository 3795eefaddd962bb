"""Run lengths: how many cases a chart runs until it alarms, without a change and with it; exact, and drawn.

Cases are taken as independent, their expected probabilities as drawn from the sample given and as right.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from derm_kit.errors import DermKitError
from derm_kit.surveillance import loops
from derm_kit.surveillance.chain import Chain, Once, jumps
from derm_kit.surveillance.chart import Chart, IntArray, expected_probs, normalised, shifted
from derm_kit.triage.proportions import FloatArray

MEDIAN, NINETIETH = 0.5, 0.1
"""Shares of charts that have not alarmed yet at the median and at the 90th percentile."""
RELAXATIONS = 20
"""Relaxation times of the chain, 2 variance / drift^2 cases, after which its tail is geometric to 1e-8."""
WORK = 1_000_000_000
"""States times jumps of the exact recursion at most: about half a second."""


@dataclass(frozen=True, slots=True)
class RunLength:
    """Cases until the alarm: mean, median and 90th percentile; `how` they were found and, if drawn, over how many runs.

    `standard_error` of the mean is 0 where it is exact.
    """

    mean: float
    median: float
    p90: float
    how: str
    runs: int = 0
    standard_error: float = 0.0

    def in_months(self, cases_a_month: float) -> RunLength:
        """The same in months, at this many cases of the chart a month; NaN where there are none."""
        per_case = 1 / cases_a_month if cases_a_month > 0 else math.nan
        figures = (self.mean * per_case, self.median * per_case, self.p90 * per_case)
        return RunLength(*figures, self.how, self.runs, self.standard_error * per_case)


def exact(
    chart: Chart, expected: npt.ArrayLike, *, shares: npt.ArrayLike = 1.0, actual_odds_ratio: float = 1.0
) -> RunLength:
    """Run length of `chart` where a case's expected probability is one of `expected` (G,) in these `shares` (G,).

    `actual_odds_ratio` is by how much the odds of the event really differ from those expected: 1 for no change. The
    mean solves the linear system of the Markov chain of the chart's value (Brook and Evans, Biometrika 59 (1972) 539),
    whose states are here all that the chart can take; the quantiles are those of the chain's recursion and, where it
    would be long, of its dominant eigenvalue.
    """
    chain = Chain(chart, jumps(chart, expected, shares, actual_odds_ratio))
    mean = chain.mean_until_alarm()
    needed = RELAXATIONS * chain.relaxation_cases()
    longest = int(min(needed, WORK / (chain.jump.size * chain.n))) + 1 if mean < 5 * needed else 1
    left = loops.survival(chain.jump, chain.prob, chart.lowest, chart.limit, NINETIETH, longest)
    tail = chain.tail() if left[-1] >= NINETIETH else None
    median, p90 = (_cases_until(left, share, tail) for share in (MEDIAN, NINETIETH))
    return RunLength(mean, median, p90, "exact")


def exact_mean(
    chart: Chart, expected: npt.ArrayLike, *, shares: npt.ArrayLike = 1.0, actual_odds_ratio: float = 1.0
) -> float:
    """Mean of `exact` alone, in a fraction of its time."""
    return Chain(chart, jumps(chart, expected, shares, actual_odds_ratio)).mean_until_alarm()


def with_run_length(
    chart: Chart,
    wanted_cases: float,
    expected: npt.ArrayLike,
    *,
    shares: npt.ArrayLike = 1.0,
    actual_odds_ratio: float = 1.0,
) -> Chart:
    """`chart` with the lowest limit at which it runs at least `wanted_cases` on average without a change.

    `actual_odds_ratio` lets expected odds be off by so much and no change yet. Raises DermKitError unless a number of
    cases above 1 is wanted.
    """
    if not (wanted_cases > 1 and math.isfinite(wanted_cases)):
        raise DermKitError(
            "a run length without a change is a number of cases above 1",
            value=wanted_cases,
            next_step="Say how many cases there should be between two false alarms, say 1,000.",
        )

    def log_mean(limit: int) -> float:
        longer = replace(chart, limit=limit)
        return math.log(exact_mean(longer, expected, shares=shares, actual_odds_ratio=actual_odds_ratio))

    return replace(chart, limit=_lowest_limit(log_mean, math.log(wanted_cases), chart.step))


def exact_once(
    chart: Chart, expected: npt.ArrayLike, *, shares: npt.ArrayLike = 1.0, actual_odds_ratio: float = 1.0
) -> Once:
    """How a chart ends the first time: by an alarm, or by falling below its lowest value."""
    return Chain(chart, jumps(chart, expected, shares, actual_odds_ratio)).once()


def simulated(
    chart: Chart,
    expected: npt.ArrayLike,
    *,
    seed: int,
    shares: npt.ArrayLike = 1.0,
    actual_odds_ratio: float = 1.0,
    runs: int = 2_000,
    longest: int = 100_000_000,
) -> RunLength:
    """Run length of `chart` as in `exact`, from `runs` charts drawn case by case.

    Raises DermKitError where a chart runs longer than `longest` cases.
    """
    length, _ = drawn(chart, expected, seed=seed, shares=shares, actual_odds_ratio=actual_odds_ratio, runs=runs,
                      longest=longest)  # fmt: skip
    median, p90 = np.quantile(length, [1 - MEDIAN, 1 - NINETIETH], method="inverted_cdf")
    error = float(length.std(ddof=1) / math.sqrt(runs)) if runs > 1 else math.nan
    return RunLength(float(length.mean()), float(median), float(p90), f"{runs:,} charts drawn", runs, error)


def drawn(
    chart: Chart,
    expected: npt.ArrayLike,
    *,
    seed: int,
    shares: npt.ArrayLike = 1.0,
    actual_odds_ratio: float = 1.0,
    runs: int = 2_000,
    once: bool = False,
    longest: int = 100_000_000,
) -> tuple[IntArray, npt.NDArray[np.bool_]]:
    """Cases until each of `runs` charts ended (R,) and whether by an alarm (R,); `once` lets a fall end it too."""
    p = expected_probs(expected)
    until = np.cumsum(normalised(np.broadcast_to(np.asarray(shares, np.float64), p.shape)))
    length, alarmed = np.empty(runs, np.int64), np.empty(runs, np.bool_)
    rng = np.random.default_rng(seed)
    event_prob = shifted(p, actual_odds_ratio)
    loops.draw(rng, until, event_prob, chart.weights(p), chart.lowest, chart.limit, once, longest, length, alarmed)
    if (length < 0).any():
        raise DermKitError(
            f"a chart that is drawn ends within {longest:,} cases",
            value=f"{int((length < 0).sum())} of {runs} did not",
            next_step="Use the exact run length, or a lower limit.",
        )
    return length, alarmed


def _cases_until(left: FloatArray, share: float, tail: tuple[float, float] | None) -> float:
    """First number of cases after which no more than `share` of charts are still without an alarm."""
    if left[-1] <= share:
        return float(np.argmax(left <= share))
    scale, rate = tail if tail is not None else (math.nan, math.nan)
    return math.ceil(math.log(scale / share) / rate) if rate > 0 else math.inf


def _lowest_limit(log_mean: Callable[[int], float], wanted: float, step: float) -> int:
    """The lowest limit whose mean run length reaches `wanted`: the run length grows with the limit."""
    low, high = 0, math.ceil(wanted / step) + 1
    low_value, high_value = 0.0, log_mean(high)
    while high_value < wanted:
        low, low_value, high = high, high_value, 2 * high
        high_value = log_mean(high)
    halve = False
    while high - low > 1:
        share = 0.5 if halve else (wanted - low_value) / (high_value - low_value)
        middle = min(max(low + round(share * (high - low)), low + 1), high - 1)
        value = log_mean(middle)
        halve = not halve
        if value < wanted:
            low, low_value = middle, value
        else:
            high, high_value = middle, value
    return high
