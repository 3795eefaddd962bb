"""Proportions with their intervals, and how many cases a bound needs. Every interval assumes independent lesions."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv, ndtri

from derm_kit.errors import DermKitError

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its interval (95 % unless asked otherwise).

    `n` cases it rests on, `n_positive` those of the condition sought (None where there is no such thing), `method` of
    the interval; `reason` says why a value or bound is NaN, or why to distrust the interval.
    """

    value: float
    low: float
    high: float
    n: int
    n_positive: int | None
    method: str
    reason: str = ""


def clopper_pearson(
    successes: npt.ArrayLike, n: npt.ArrayLike, *, level: float = 0.95
) -> tuple[FloatArray, FloatArray]:
    """Exact interval of a proportion, element by element; NaN where n is 0.

    Clopper and Pearson, Biometrika 26 (1934) 404. Raises DermKitError unless 0 <= successes <= n.
    """
    k, total = _counts(successes, n)
    tail = (1 - level) / 2
    low = np.where(k > 0, betaincinv(np.maximum(k, 1), total - k + 1, tail), 0.0)
    high = np.where(k < total, betaincinv(k + 1, np.maximum(total - k, 1), 1 - tail), 1.0)
    return np.where(total > 0, low, np.nan), np.where(total > 0, high, np.nan)


def wilson(successes: npt.ArrayLike, n: npt.ArrayLike, *, level: float = 0.95) -> tuple[FloatArray, FloatArray]:
    """Score interval of a proportion, element by element; NaN where n is 0.

    Wilson, Journal of the American Statistical Association 22 (1927) 209. Raises DermKitError unless
    0 <= successes <= n.
    """
    k, total = _counts(successes, n)
    z = normal_quantile(level)
    with np.errstate(invalid="ignore", divide="ignore"):
        p = k / total
        centre = (p + z**2 / (2 * total)) / (1 + z**2 / total)
        half = z * np.sqrt(p * (1 - p) / total + z**2 / (4 * total**2)) / (1 + z**2 / total)
    return np.where(k > 0, centre - half, p * 0), np.where(k < total, centre + half, p)


def newcombe(
    successes: npt.ArrayLike,
    n: npt.ArrayLike,
    other_successes: npt.ArrayLike,
    other_n: npt.ArrayLike,
    *,
    level: float = 0.95,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Difference of two independent proportions and its interval, element by element; NaN where an n is 0.

    Newcombe, Statistics in Medicine 17 (1998) 873, method 10. Raises DermKitError as `wilson`.
    """
    (k, m), (j, o) = _counts(successes, n), _counts(other_successes, other_n)
    (low, high), (other_low, other_high) = wilson(k, m, level=level), wilson(j, o, level=level)
    with np.errstate(invalid="ignore", divide="ignore"):
        p, q = k / m, j / o
    return p - q, p - q - np.hypot(p - low, other_high - q), p - q + np.hypot(high - p, q - other_low)


def proportion(successes: int, n: int, *, level: float = 0.95) -> Estimate:
    """Share `successes` / `n` with its Clopper-Pearson interval; `n_positive` is n."""
    low, high = clopper_pearson(successes, n, level=level)
    value = successes / n if n else math.nan
    return Estimate(value, float(low), float(high), n, n, "Clopper-Pearson", "" if n else "no case")


def zero_miss_sample_size(lower_bound: float, *, level: float = 0.95) -> int:
    """Positives needed, all of them caught, for a one-sided Clopper-Pearson lower bound of at least `lower_bound`.

    With no miss that bound is (1 - level) ** (1 / n). Raises DermKitError unless 0 < lower_bound < 1.
    """
    if not 0 < lower_bound < 1:
        raise DermKitError("the lower bound lies between 0 and 1", value=lower_bound, next_step="Give, say, 0.95.")
    return math.ceil(math.log(1 - level) / math.log(lower_bound))


def normal_quantile(level: float) -> float:
    """Standard normal quantile of a two-sided interval: 1.96 at .95."""
    return float(ndtri((1 + level) / 2))


def _counts(successes: npt.ArrayLike, n: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    k, total = np.broadcast_arrays(np.asarray(successes, np.float64), np.asarray(n, np.float64))
    if not np.all((k >= 0) & (k <= total)):
        raise DermKitError("successes lie between 0 and n", value=successes, next_step="Check the two counts.")
    return k, total
