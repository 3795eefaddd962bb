"""Shares and differences of what readers answered, with intervals that own up to how few readers and cases there are.

Answers of one reader are independent cases. Answers of several readers to the same cases are alike twice over, by
reader and by case: their variance is that of `multi_reader_intervals.crossed`. A figure that cannot be had, or whose
interval would mean nothing, is NaN there, and its Estimate says why.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import bdtr

from derm_kit.triage.multi_reader_intervals import (
    NO_VARIANCE,
    NOTHING,
    Crossed,
    crossed,
    interval,
    t_p_value,
    t_quantile,
)
from derm_kit.triage.proportions import BoolArray, Estimate, FloatArray, newcombe, normal_quantile
from derm_kit.triage.reader_study_tables import Answers

FEWEST_CASES = 5
"""Of answers on fewer cases no interval is given."""
FEWEST_READERS = 3
"""With two readers the quantile of Student's t is 12.7: the interval would be nearly everything."""
ROUGH_CASES = 20
"""Simulated 95 % intervals of a share near .9 of very unlike cases held it in 81 to 88 of 100 studies of 5 or 10 cases
by 30 readers, and in 88 to 92 of 20 cases."""

ONE_READER, GROUP_SHARE = "Wilson", "Wilson on effective answers, readers and cases crossed"
STUDENT, NEWCOMBE = "Student's t", "Newcombe"
GROUP_MEAN = "readers and cases crossed, Hillis' degrees of freedom"


@dataclass(frozen=True, slots=True)
class Change:
    """A paired difference, after less before: of n pairs, `gained` only after and `lost` only before.

    `p_value` is exact (McNemar) for one reader, and of the same variance as the interval for a group.
    """

    gained: int
    lost: int
    difference: Estimate
    p_value: float
    test: str


def share(answers: Answers, hit: str, *, level: float = 0.95) -> Estimate:
    """Share of `answers` with `hit` (a bool column), by one reader or several.

    One reader: Wilson's interval. Several: Wilson's on the number of independent answers that would vary as much as
    these do (Korn and Graubard, Survey Methodology 24 (1998) 193), by Student's t.
    """
    values, n = answers[hit].astype(np.float64), len(answers)
    value = float(values.mean()) if n else math.nan
    why, method = too_few(answers), ONE_READER if _readers(answers) < 2 else GROUP_SHARE
    if why:
        return Estimate(value, math.nan, math.nan, n, None, method, why)
    if method == ONE_READER:
        low, high = _wilson(value, n, normal_quantile(level))
        return Estimate(value, low, high, n, None, method)
    found = _crossed((values - value) / n, answers)
    if not found.variance > NOTHING:
        return Estimate(value, math.nan, math.nan, n, None, method, NO_VARIANCE)
    low, high = _wilson(value, value * (1 - value) / found.variance, t_quantile(found.both_df, level))
    return Estimate(value, low, high, n, None, method, _rough(answers))


def mean(answers: Answers, column: str, *, level: float = 0.95) -> Estimate:
    """Mean of a column that lies between -1 and 1; by Student's t."""
    values, n = answers[column].astype(np.float64), len(answers)
    value = float(values.mean()) if n else math.nan
    why, alone = too_few(answers), _readers(answers) < 2
    if why:
        return Estimate(value, math.nan, math.nan, n, None, STUDENT if alone else GROUP_MEAN, why)
    if alone:
        *_, low, high, reason = interval(value, float(values.var(ddof=1)) / n, n - 1, level, (-1, 1))
        return Estimate(value, low, high, n, None, STUDENT, reason)
    return _group_mean((values - value) / n, value, answers, None, level)


def between(answers: Answers, hit: str, arm: str, *, level: float = 0.95) -> Estimate:
    """Share of `hit` where the bool column `arm` holds, less that where it does not; answers are not paired.

    One reader: Newcombe's interval of two independent shares. Several: what readers and cases the arms have in common
    counts by its covariance, and nothing is paired that was not.
    """
    values, arms, n = answers[hit].astype(np.float64), answers[arm], len(answers)
    method = NEWCOMBE if _readers(answers) < 2 else GROUP_MEAN
    sizes = [int(arms.sum()), int((~arms).sum())]
    if not min(sizes):
        return Estimate(math.nan, math.nan, math.nan, n, None, method, "no answer on one side")
    one, other = float(values[arms].mean()), float(values[~arms].mean())
    value, why = one - other, too_few(answers.where(arms)) or too_few(answers.where(~arms))
    if why:
        return Estimate(value, math.nan, math.nan, n, None, method, why)
    if method == NEWCOMBE:
        _, low, high = newcombe(values[arms].sum(), sizes[0], values[~arms].sum(), sizes[1], level=level)
        return Estimate(value, float(low), float(high), n, None, method)
    influence = np.where(arms, (values - one) / sizes[0], -(values - other) / sizes[1])
    return _group_mean(influence, value, answers, arms, level)


def change(pairs: Answers, before: str, after: str, *, level: float = 0.95) -> Change:
    """Share of the bool column `after` less that of `before`, over pairs by one reader or several.

    One reader: Tango's score interval and McNemar's exact test. Several: the mean of the differences, by Student's t.
    """
    was, now, n = pairs[before].astype(np.bool_), pairs[after].astype(np.bool_), len(pairs)
    gained, lost = int((now & ~was).sum()), int((was & ~now).sum())
    value = (gained - lost) / n if n else math.nan
    why = too_few(pairs)
    if _readers(pairs) < 2:
        low, high = (math.nan, math.nan) if why else tango(gained, lost, n, level=level)
        p = mcnemar(gained, lost) if n else math.nan
        return Change(gained, lost, Estimate(value, low, high, n, None, "Tango", why), p, "McNemar, exact")
    if why:
        return Change(gained, lost, Estimate(value, math.nan, math.nan, n, None, GROUP_MEAN, why), math.nan, STUDENT)
    influence = (now.astype(np.float64) - was - value) / n
    found = _crossed(influence, pairs)
    p = t_p_value(value / math.sqrt(found.variance), found.hillis_df) if found.variance > NOTHING else math.nan
    return Change(gained, lost, _group_mean(influence, value, pairs, None, level), p, STUDENT)


def tango(gained: int, lost: int, n: int, *, level: float = 0.95) -> tuple[float, float]:
    """Score interval of (gained - lost) / n, a difference of two shares of the same n cases; NaN where n is 0.

    Tango, Statistics in Medicine 17 (1998) 891, by bisection to 1e-12.
    """
    if not n:
        return math.nan, math.nan
    z, bounds = normal_quantile(level), []
    for outermost in (-1.0, 1.0):
        inner, outer = (gained - lost) / n, outermost
        while abs(outer - inner) > 1e-12:
            half = (inner + outer) / 2
            inner, outer = (half, outer) if _tango_score(half, gained, lost, n) <= z else (inner, half)
        bounds.append(inner)
    return bounds[0], bounds[1]


def mcnemar(gained: int, lost: int) -> float:
    """Exact two-sided p of McNemar's test (Psychometrika 12 (1947) 153): of the pairs that differ, half go each way."""
    return min(1.0, 2 * float(bdtr(min(gained, lost), gained + lost, 0.5)))


def too_few(answers: Answers) -> str:
    """Why these answers have no interval; "" where they have one."""
    return too_few_of(_readers(answers), _cases(answers))


def too_few_of(readers: int, cases: int) -> str:
    """Why answers of so many readers on so many cases have no interval; "" where they have one."""
    if not readers:
        return "no answer"
    if cases < FEWEST_CASES:
        return f"too few to say: {cases} case{'s' if cases > 1 else ''}"
    if 1 < readers < FEWEST_READERS:
        return f"no interval: {readers} readers say little of others; see each reader"
    return ""


def _tango_score(delta: float, gained: int, lost: int, n: int) -> float:
    """How many standard deviations the difference found lies from `delta`."""
    linear = (2 * n - gained + lost) * delta - gained - lost
    root = math.sqrt(max(linear**2 + 8 * n * lost * delta * (1 - delta), 0))
    variance = n * (2 * (root - linear) / (4 * n) + delta * (1 - delta))
    gap = abs(gained - lost - n * delta)
    return gap / math.sqrt(variance) if variance > NOTHING else (math.inf if gap > NOTHING else 0.0)


def _crossed(influence: FloatArray, answers: Answers, arms: BoolArray | None = None) -> Crossed:
    reader, case = (np.unique(codes, return_inverse=True)[1] for codes in (answers.reader, answers.case))
    return crossed(influence, reader, case, None if arms is None else arms.astype(np.intp))


def _group_mean(
    influence: FloatArray, value: float, answers: Answers, arms: BoolArray | None, level: float
) -> Estimate:
    found = _crossed(influence, answers, arms)
    *_, low, high, reason = interval(value, found.variance, found.hillis_df, level, (-1, 1))
    return Estimate(value, low, high, len(influence), None, GROUP_MEAN, reason or _rough(answers))


def _wilson(value: float, n: float, z: float) -> tuple[float, float]:
    """Wilson's bounds of a share of `n` answers, not a whole number, at the quantile `z`."""
    centre = (value + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * math.sqrt(value * (1 - value) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return max(0.0, centre - half), min(1.0, centre + half)


def _rough(answers: Answers) -> str:
    return rough(_cases(answers))


def rough(cases: int) -> str:
    """What is to be said of an interval of several readers on so many cases; "" where nothing is."""
    return f"rough interval: fewer than {ROUGH_CASES} cases" if cases < ROUGH_CASES else ""


def _readers(answers: Answers) -> int:
    one = len(answers) and (answers.reader == answers.reader[0]).all()
    return 1 if one else len(np.unique(answers.reader))


def _cases(answers: Answers) -> int:
    """Cases; one reader answers a case once."""
    return len(answers) if _readers(answers) == 1 else len(np.unique(answers.case))
