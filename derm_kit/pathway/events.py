"""What is to come in a simulation: a heap of today's events, and a list for each later day. Compiled.

Compiled code is cached by file: who changes this one touches engine.py as well, which holds a compiled copy.
"""

from __future__ import annotations

from typing import Any

import numpy.typing as npt
from numba import njit

Array = npt.NDArray[Any]

ROW_BITS = 30
"""Of a number in the heap: the row of the person whose turn it is; above it, how many were put there before."""


@njit(cache=True, nogil=True)
def push(times: Array, what: Array, size: int, time: float, row: int, before: int) -> None:
    """Add to a binary heap by time; at the same time, who was put there first comes first."""
    at, entry = size, before << ROW_BITS | row
    while at > 0:
        above = (at - 1) >> 1
        if times[above] < time or (times[above] == time and what[above] < entry):
            break
        times[at], what[at] = times[above], what[above]
        at = above
    times[at], what[at] = time, entry


@njit(cache=True, nogil=True)
def pop(times: Array, what: Array, size: int) -> int:
    """Take the first of a heap of `size` away, and give its row."""
    row = int(what[0] & ((1 << ROW_BITS) - 1))
    last = size - 1
    time, entry = times[last], what[last]
    at = 0
    while True:
        below = 2 * at + 1
        if below >= last:
            break
        if below + 1 < last and (
            times[below + 1] < times[below] or (times[below + 1] == times[below] and what[below + 1] < what[below])
        ):
            below += 1
        if time < times[below] or (time == times[below] and entry < what[below]):
            break
        times[at], what[at] = times[below], what[below]
        at = below
    times[at], what[at] = time, entry
    return row


@njit(cache=True, nogil=True)
def plan_event(
    time: float, row: int, before: int, day: int, times: Array, what: Array, size: int, due: Array, people: Array
) -> int:
    """Put an event in today's heap (1 more there), or in a later day's list (0); after the last day it is left out."""
    if time < day + 1:
        push(times, what, size, time, row, before)
        return 1
    on = int(time)
    if on < due.size:
        people["time"][row], people["order"][row], people["next"][row] = time, before, due[on]
        due[on] = row
    return 0
