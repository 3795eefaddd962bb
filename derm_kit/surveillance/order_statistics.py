"""Quantiles of many slices of one array at once, the median with its exact interval."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import bdtr, bdtrik

Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]
FEWEST = 6
"""Below this many values no order statistics hold the median with 95 %."""


def order_statistics(values: Floats, edges: Ints, quantiles: tuple[float, ...]) -> dict[str, npt.NDArray[Any]]:
    """n, each of `quantiles` ("q05", linear between neighbours), and low and high of the median, of each slice.

    Slice p (P) is values[edges[p]:edges[p + 1]] and is sorted here in place; NaN is left out. The interval of the
    median is the exact one between order statistics (Conover, Practical Nonparametric Statistics, 1999, 3.2), NaN for
    fewer than FEWEST values.
    """
    n = np.zeros(len(edges) - 1, np.int64)
    for p, (begin, end) in enumerate(itertools.pairwise(edges)):
        part = values[begin:end]
        part.sort()
        n[p] = len(part) - np.isnan(part).sum()
    found: dict[str, npt.NDArray[Any]] = {"n": n}
    for q in quantiles:
        at = np.maximum((n - 1) * q, 0)
        floor = at.astype(np.int64)
        below = _ranked(values, edges, n, floor, 1)
        above = _ranked(values, edges, n, np.minimum(floor + 1, n - 1), 1)
        found[f"q{round(100 * q):02d}"] = below + (above - below) * (at - floor)
    lowest = np.maximum(_binomial_quantile(0.025, n) - 1, 0)
    found["low"] = _ranked(values, edges, n, lowest, FEWEST)
    found["high"] = _ranked(values, edges, n, n - 1 - lowest, FEWEST)
    return found


def _binomial_quantile(q: float, n: Ints) -> Ints:
    """Quantile q of the heads (P) in n throws of a fair coin; 0 where n is 0."""
    throws = np.maximum(n, 1)
    k = np.ceil(bdtrik(q, throws, 0.5))
    one_less = np.maximum(k - 1, 0)
    return np.asarray(np.where(bdtr(one_less, throws, 0.5) >= q, one_less, k), np.int64)


def _ranked(values: Floats, edges: Ints, n: Ints, rank: Ints, fewest: int) -> npt.NDArray[np.float64]:
    """The value of this rank (P), counted from 0, of each sorted slice; NaN where it has fewer than `fewest`."""
    made = np.full(len(n), np.nan)
    sound = n >= fewest
    made[sound] = values[(edges[:-1] + rank)[sound]]
    return made
