"""Funnel plot: the rate of each site or device against what chance allows at its number of cases.

Spiegelhalter, Statistics in Medicine 24 (2005) 1185, with over-dispersion as in Spiegelhalter, Quality and Safety in
Health Care 14 (2005) 347: z-scores winsorised, and a random effect where they vary more than chance allows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import bdtr, bdtrc, bdtrik

from derm_kit.errors import DermKitError
from derm_kit.triage.proportions import FloatArray, clopper_pearson, normal_quantile

WARNING, ALARM = 0.95, 0.998
"""Two-sided levels of the limits: about two and three standard errors."""
WINSORISED = 0.1
"""Share of z-scores at each end that is pulled in before over-dispersion is measured."""
FEWEST_FOR_DISPERSION = 10
"""Sites without which over-dispersion cannot be told: at fewer, winsorising at a tenth pulls nothing in."""
FEW_CASES = 10
ONE = "one {what} only: there is nothing to compare it with"


@dataclass(frozen=True)
class Funnel:
    """Rates of k groups beside the limits of chance.

    name, what     what is counted, and what the groups are ("site").
    table          a row a group, largest first: group, n, events, rate, low and high (Clopper-Pearson, 95 %), lowest
                   and highest rate inside the exact limits (low_95, high_95, low_998, high_998), z, z_dispersed,
                   verdict.
    target         the rate that the groups are held against.
    tau            standard deviation of the groups' true rates where they vary more than chance allows, else 0.
    dispersion     mean square of the winsorised z-scores: about 1 where chance explains all; NaN for few groups.
    expected_false groups that would lie outside the 95 % and the 99.8 % limits by chance alone, were all alike.
    finding        what it says, in words.
    """

    name: str
    what: str
    table: pd.DataFrame
    target: float
    tau: float
    dispersion: float
    expected_false: tuple[float, float]
    finding: str


def funnel(
    name: str,
    what: str,
    groups: npt.ArrayLike,
    n: npt.ArrayLike,
    events: npt.ArrayLike,
    *,
    target: float | None = None,
    fewest: int = FEW_CASES,
) -> Funnel:
    """The funnel of `events` (k,) among `n` (k,) cases of each group (k,), against `target` or the rate of all.

    A group with fewer than `fewest` cases is listed as "too few to say" and not judged. Raises DermKitError for counts
    that are none.
    """
    table = _counted(groups, n, events)
    total = int(table["n"].sum())
    if not total:
        return Funnel(name, what, table.assign(verdict=""), math.nan, 0.0, math.nan, (0.0, 0.0), "no case to compare")
    rate = float(table["events"].sum() / total) if target is None else target
    if not 0 <= rate <= 1:
        raise DermKitError("a target is a rate from 0 to 1", value=rate, next_step="Give a rate, say 0.4.")
    judged = (table["n"] >= fewest).to_numpy()
    false = [_limits(table, rate, level, judged) for level in (WARNING, ALARM)]
    dispersion, tau = _over_dispersion(table, rate, judged)
    table["verdict"] = _verdicts(table, judged, tau)
    finding = _finding(table, what, judged, tau, false)
    return Funnel(name, what, table, rate, tau, dispersion, (false[0], false[1]), finding)


def limits(n: npt.ArrayLike, target: float, level: float) -> tuple[FloatArray, FloatArray]:
    """Lowest and highest count inside the exact two-sided limits of a binomial of `n` cases (k,) and rate `target`.

    A count below the one or above the other has a one-sided probability of at most (1 - level) / 2.
    """
    size, tail = np.asarray(n, np.int64), (1 - level) / 2
    return _quantile(tail, size, target), _quantile(1 - tail, size, target)


def _quantile(share: float, n: npt.NDArray[np.int64], rate: float) -> FloatArray:
    """Smallest count (k,) that a binomial does not exceed with probability `share`."""
    if not 0 < rate < 1:
        return np.asarray(n * rate)
    count = np.clip(np.ceil(bdtrik(share, n, rate)), 0, n)
    below = np.maximum(count - 1, 0)
    return np.asarray(np.where(bdtr(below, n, rate) >= share, below, count))


def _counted(groups: npt.ArrayLike, n: npt.ArrayLike, events: npt.ArrayLike) -> pd.DataFrame:
    table = pd.DataFrame({"group": np.asarray(groups, "U"), "n": np.asarray(n, np.int64)})
    table["events"] = np.asarray(events, np.int64)
    table = table.sort_values(["n", "group"], ascending=[False, True], ignore_index=True)
    table["rate"] = table["events"] / table["n"].replace(0, np.nan)
    table["low"], table["high"] = clopper_pearson(table["events"], table["n"])
    return table


def _limits(table: pd.DataFrame, rate: float, level: float, judged: npt.NDArray[np.bool_]) -> float:
    """Adds the limits of `level` to `table`; how many of the groups judged chance alone would put outside them."""
    n = table["n"].to_numpy(np.int64)
    low, high = limits(n, rate, level)
    outside = np.where(low > 0, bdtr(low - 1, n, rate), 0.0) + np.where(high < n, bdtrc(high, n, rate), 0.0)
    name = f"{1000 * level:g}".rstrip("0")
    with np.errstate(invalid="ignore", divide="ignore"):
        table[f"low_{name}"], table[f"high_{name}"] = low / n, high / n
    return float(outside[judged].sum())


def _over_dispersion(table: pd.DataFrame, rate: float, judged: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Adds z and z_dispersed to `table`; dispersion and tau of the groups judged."""
    with np.errstate(invalid="ignore", divide="ignore"):
        error = np.sqrt(rate * (1 - rate) / table["n"].to_numpy(np.float64))
        off = table["rate"].to_numpy(np.float64) - rate
        table["z"] = off / error
    z, weight, k = table["z"].to_numpy()[judged], error[judged] ** -2 if 0 < rate < 1 else None, int(judged.sum())
    dispersion, tau = math.nan, 0.0
    if k >= FEWEST_FOR_DISPERSION and weight is not None:
        low, high = np.quantile(z, [WINSORISED, 1 - WINSORISED])
        dispersion = float((np.clip(z, low, high) ** 2).mean())
        excess = k * dispersion - (k - 1)
        tau = math.sqrt(max(excess, 0.0) / (weight.sum() - (weight**2).sum() / weight.sum()))
    with np.errstate(invalid="ignore", divide="ignore"):
        table["z_dispersed"] = off / np.hypot(error, tau)
    return dispersion, tau


def _verdicts(table: pd.DataFrame, judged: npt.NDArray[np.bool_], tau: float) -> pd.Series:
    """In words where a group lies: by the exact limits, and by those with the random effect where there is one."""
    rate = table["rate"]
    beyond_998 = (rate < table["low_998"]) | (rate > table["high_998"])
    beyond_95 = (rate < table["low_95"]) | (rate > table["high_95"])
    if tau:
        beyond_998 &= table["z_dispersed"].abs() > normal_quantile(ALARM)
        beyond_95 &= table["z_dispersed"].abs() > normal_quantile(WARNING)
    side = np.where(table["z"] > 0, "above", "below")
    words = np.select(
        [~judged, beyond_998, beyond_95],
        ["too few to say", np.char.add(side, " the 99.8 % limits"), np.char.add(side, " the 95 % limits")],
        "inside",
    )
    return pd.Series(words, index=table.index, dtype="str")


def _finding(table: pd.DataFrame, what: str, judged: npt.NDArray[np.bool_], tau: float, false: list[float]) -> str:
    k, few = int(judged.sum()), int((~judged).sum())
    too_few = f"; {few} with too few cases to say" if few else ""
    if len(table) == 1:
        return ONE.format(what=what)
    if k < 2:
        return f"{k} {what} with enough cases: there is nothing to compare{too_few}"
    outside = table["verdict"].str.contains("99.8")
    names = ", ".join(f"{group} ({verdict})" for group, verdict in table.loc[outside, ["group", "verdict"]].to_numpy())
    found = f"outside the 99.8 % limits: {names}" if names else "none outside the 99.8 % limits"
    spread = (
        f"; groups differ by more than chance (standard deviation {100 * tau:.2g} percentage points), which the limits "
        "allow for"
        if tau
        else ""
    )
    chance = f"by chance alone {false[0]:.2g} of {k} would lie outside the 95 % and {false[1]:.2g} outside the 99.8 %"
    return f"{found}; {chance}{spread}{too_few}"
