"""Risk-adjusted CUSUM of a yes-or-no outcome: design for a wanted run length, path over the cases, alarms.

Steiner, Cook, Farewell and Treasure, Biostatistics 1 (2000) 441. The chart adds up each case's log-likelihood ratio,
never falls below 0, alarms at its limit and then starts anew. An odds ratio above 1 looks for an event that has become
more frequent (missed melanomas), one below 1 for a rarer one.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from derm_kit.surveillance.chart import Chart, IntArray, Path, follow, lattice_step, odds_ratio_of
from derm_kit.surveillance.run_lengths import with_run_length

__all__ = ["MELANOMA_MISSED", "MELANOMA_MISSED_CHANGED", "Chart", "Path", "design", "follow", "thinned"]

MELANOMA_MISSED, MELANOMA_MISSED_CHANGED = 0.05, 0.12
"""Sensitivity 95 % (the published target, NICE consultation 2705) and, as the change to find, 88 %."""
MOST_POINTS = 2_000


def design(
    wanted_run_length_cases: float,
    expected: npt.ArrayLike = MELANOMA_MISSED,
    *,
    changed: float | None = None,
    odds_ratio: float | None = None,
    shares: npt.ArrayLike = 1.0,
    unchanged_odds_ratio: float = 1.0,
) -> Chart:
    """The CUSUM with the lowest limit whose mean run length without a change is at least `wanted_run_length_cases`.

    `expected` is the probability of the event, or a sample of the cases' probabilities (G,) with their `shares` (G,).
    The change to find is a probability `changed` of the event (12 % of melanomas missed unless said otherwise), where
    the mean expected one is taken as before, or an `odds_ratio`. Raises DermKitError where there is none.
    """
    p = np.atleast_1d(np.asarray(expected, np.float64))
    share = np.broadcast_to(np.asarray(shares, np.float64), p.shape)
    if odds_ratio is None:
        before = float(p @ share / share.sum())
        odds_ratio = odds_ratio_of(before, MELANOMA_MISSED_CHANGED if changed is None else changed)
    shortest = Chart(odds_ratio, lattice_step(p, share, odds_ratio), limit=1)
    return with_run_length(shortest, wanted_run_length_cases, p, shares=share, actual_odds_ratio=unchanged_odds_ratio)


def thinned(path: Path, most: int = MOST_POINTS) -> IntArray:
    """Cases (K,), K at most `most`, that draw the chart as all its cases would: the highest and lowest of each stretch.

    The first and last case, the first alarm and the highest value of every stretch, alarms among them, are there.
    """
    n = path.steps.size
    if n <= most:
        return np.arange(n)
    stretches = (most - 3) // 2
    width = -(-n // stretches)
    starts = np.arange(0, n, width)
    full = np.resize(path.steps, starts.size * width)
    full[n:] = path.steps[-1]
    table = full.reshape(-1, width)
    kept = np.concatenate([[0, n - 1], path.alarms[:1], starts + table.argmax(1), starts + table.argmin(1)])
    return np.unique(np.minimum(kept, n - 1))
