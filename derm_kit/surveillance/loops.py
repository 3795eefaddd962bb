"""The compiled loops of control charts: a chart over its cases, how long charts of a kind run, drawn and exactly.

A chart's value is a whole number of steps. After each case it moves by that case's weight; at `limit` or above it
alarms and starts anew at 0, below `lowest` it starts anew at 0 and has not alarmed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

Array = npt.NDArray[Any]


@njit(cache=True, nogil=True)
def walk(event: Array, group: Array, weights: Array, lowest: int, limit: int) -> tuple[Array, Array, Array, int]:
    """One chart over its cases: value after each (N,), alarms and where each began (M,), and how often it fell.

    event (N,) bool, group (N,) rows of `weights` (G, 2): steps without and with the event. An alarm is the index of its
    case, its beginning that of the first case after the chart last stood at 0 or below; the value of an alarm's case is
    the one that reached the limit.
    """
    value = np.empty(event.size, np.int32)
    n_alarms, n_fell = 0, 0
    alarms, began = np.empty(16, np.int64), np.empty(16, np.int64)
    x, first = 0, 0
    for i in range(event.size):
        x += weights[group[i], 1 if event[i] else 0]
        if x < lowest:
            x = 0
            n_fell += 1
        value[i] = x
        if x >= limit:
            if n_alarms == alarms.size:
                alarms, began = np.append(alarms, alarms), np.append(began, began)
            alarms[n_alarms], began[n_alarms] = i, first
            n_alarms += 1
            x = 0
        if x <= 0:
            first = i + 1
    return value, alarms[:n_alarms], began[:n_alarms], n_fell


@njit(cache=True, nogil=True)
def draw(
    rng: np.random.Generator,
    share_until: Array,
    event_prob: Array,
    weights: Array,
    lowest: int,
    limit: int,
    once: bool,
    longest: int,
    length: Array,
    alarmed: Array,
) -> None:
    """Draw as many charts as `length` (R,) has places: after how many cases each ended, and whether by an alarm.

    A case is of group g with probability share_until[g] - share_until[g - 1]; its event has probability event_prob[g].
    Falling below `lowest` ends a chart if `once`; a chart that has not ended after `longest` cases has length -1.
    """
    for r in range(length.size):
        x = 0
        length[r], alarmed[r] = -1, False
        for i in range(longest):
            g = 0
            if share_until.size > 1:
                g = min(int(np.searchsorted(share_until, rng.random(), side="right")), share_until.size - 1)
            x += weights[g, 1 if rng.random() < event_prob[g] else 0]
            if x < lowest:
                x = 0
                if once:
                    length[r] = i + 1
                    break
            elif x >= limit:
                length[r], alarmed[r] = i + 1, True
                break


@njit(cache=True, nogil=True)
def survival(jump: Array, prob: Array, lowest: int, limit: int, until: float, longest: int) -> Array:
    """Exact probability that a chart has not alarmed after 0, 1, 2, ... cases, until it is below `until` or `longest`.

    jump (J,) steps of a case with probabilities prob (J,).
    """
    n, start = limit - lowest, -lowest
    now, after = np.zeros(n), np.zeros(n)
    now[start] = 1.0
    left = np.empty(longest + 1)
    left[0] = 1.0
    for case in range(1, longest + 1):
        after[:] = 0.0
        for j in range(jump.size):
            d, p = jump[j], prob[j]
            low, high = min(max(0, -d), n), min(n, n - d)
            if high > low:
                source, target = now[low:high], after[low + d : high + d]
                for s in range(source.size):
                    target[s] += p * source[s]
            after[start] += p * now[:low].sum()
        now, after = after, now
        left[case] = now.sum()
        if left[case] < until:
            return left[: case + 1]
    return left
