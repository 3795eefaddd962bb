"""Resetting sequential probability ratio test of a yes-or-no outcome: "changed" or "no change", then anew.

Spiegelhalter, Grigg, Kinsman and Treasure, International Journal for Quality in Health Care 15 (2003) 7; Grigg,
Farewell and Spiegelhalter, Statistical Methods in Medical Research 12 (2003) 147. Its bounds are Wald's (Sequential
Analysis, 1947), whose error rates are approximate, so that the real ones stand beside them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from derm_kit.errors import DermKitError
from derm_kit.surveillance.chart import Chart, lattice_step, odds_ratio_of
from derm_kit.surveillance.run_lengths import drawn, exact_once, with_run_length

SLACK = 1e-9
"""Of a step: a bound that is whole but for rounding is whole."""


@dataclass(frozen=True, slots=True)
class ErrorRates:
    """Real error rates of one test, from its start to its first verdict.

    false_alarm_prob        an alarm though nothing changed.
    missed_change_prob      "no change" though it changed as named.
    mean_cases_unchanged    cases until the verdict without the change; mean_cases_changed with it.
    how                     exact, or over how many tests drawn.
    """

    false_alarm_prob: float
    missed_change_prob: float
    mean_cases_unchanged: float
    mean_cases_changed: float
    how: str


def wald_bounds(false_alarm_prob: float, missed_change_prob: float) -> tuple[float, float]:
    """Wald's lower and upper bound of the log-likelihood ratio: log(b / (1 - a)) and log((1 - b) / a).

    With them the real rates obey a' <= a / (1 - b) and b' <= b / (1 - a). Raises DermKitError unless a + b < 1.
    """
    a, b = false_alarm_prob, missed_change_prob
    if not (a > 0 and b > 0 and a + b < 1):
        raise DermKitError(
            "the error rates of a test are above 0 and together below 1",
            value=f"{a} and {b}",
            next_step="Give, say, 0.01 and 0.05.",
        )
    return math.log(b / (1 - a)), math.log((1 - b) / a)


def design(
    false_alarm_prob: float,
    missed_change_prob: float,
    expected: npt.ArrayLike,
    *,
    changed: float | None = None,
    odds_ratio: float | None = None,
    shares: npt.ArrayLike = 1.0,
) -> Chart:
    """The test with Wald's bounds as a chart: it alarms at the upper bound, starts anew at the lower one.

    `expected`, `changed`, `odds_ratio` and `shares` are those of `cusum.design`, one of `changed` and `odds_ratio` is
    given. Bounds are rounded outwards to whole steps.
    """
    p = np.atleast_1d(np.asarray(expected, np.float64))
    share = np.broadcast_to(np.asarray(shares, np.float64), p.shape)
    if odds_ratio is None:
        if changed is None:
            raise DermKitError("a test looks for a change", next_step="Give the changed rate, or an odds ratio.")
        odds_ratio = odds_ratio_of(float(p @ share / share.sum()), changed)
    lower, upper = wald_bounds(false_alarm_prob, missed_change_prob)
    step = lattice_step(p, share, odds_ratio)
    return Chart(odds_ratio, step, math.ceil(upper / step - SLACK), math.floor(lower / step + SLACK) + 1)


def design_for_run_length(
    wanted_run_length_cases: float,
    missed_change_prob: float,
    expected: npt.ArrayLike,
    *,
    changed: float | None = None,
    odds_ratio: float | None = None,
    shares: npt.ArrayLike = 1.0,
    unchanged_odds_ratio: float = 1.0,
) -> Chart:
    """The test that, started anew at every verdict, runs at least so many cases on average between false alarms.

    Its lower bound is Wald's for a small false-alarm rate, log(b); its upper one the lowest that does, even
    where the odds are `unchanged_odds_ratio` times those expected and no change yet.
    """
    loose = design(
        missed_change_prob, missed_change_prob, expected, changed=changed, odds_ratio=odds_ratio, shares=shares
    )
    lowest = math.floor(math.log(missed_change_prob) / loose.step) + 1
    return with_run_length(
        replace(loose, lowest=lowest),
        wanted_run_length_cases,
        expected,
        shares=shares,
        actual_odds_ratio=unchanged_odds_ratio,
    )


def exact_error_rates(test: Chart, expected: npt.ArrayLike, *, shares: npt.ArrayLike = 1.0) -> ErrorRates:
    """Error rates of `test` by the linear system of its value; the change is that of its odds ratio."""
    unchanged = exact_once(test, expected, shares=shares)
    changed = exact_once(test, expected, shares=shares, actual_odds_ratio=test.odds_ratio)
    return ErrorRates(unchanged.alarm_prob, changed.fall_prob, unchanged.mean_cases, changed.mean_cases, "exact")


def simulated_error_rates(
    test: Chart, expected: npt.ArrayLike, *, seed: int, shares: npt.ArrayLike = 1.0, runs: int = 20_000
) -> ErrorRates:
    """Error rates of `test` over `runs` tests drawn without and as many with the change of its odds ratio."""
    without, with_change = np.random.SeedSequence(seed).generate_state(2)
    cases, alarmed = drawn(test, expected, seed=int(without), shares=shares, runs=runs, once=True)
    cases_changed, found = drawn(
        test, expected, seed=int(with_change), shares=shares, runs=runs, once=True, actual_odds_ratio=test.odds_ratio
    )
    how = f"{runs:,} tests drawn each way"
    return ErrorRates(
        float(alarmed.mean()), float(1 - found.mean()), float(cases.mean()), float(cases_changed.mean()), how
    )
