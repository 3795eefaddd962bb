"""Opening hours of desks: when work can begin, and when it is done. Compiled; times in days.

Compiled code is cached by file: who changes this one touches engine.py as well, which holds a compiled copy.
"""

from __future__ import annotations

import math
from typing import Any

import numpy.typing as npt
from numba import njit

Array = npt.NDArray[Any]

NO_TIME = 1e-9
"""Days (86 microseconds) that are rounding, not work left at closing."""


@njit(cache=True, nogil=True)
def opening(time: float, opens: float, closes: float, open_days: Array) -> float:
    """The first moment from `time` on at which work goes on."""
    day = math.floor(time)
    at = time - day
    while at >= closes - NO_TIME or (day < open_days.size and not open_days[day]):
        day += 1
        at = 0.0
    return day + max(at, opens)


@njit(cache=True, nogil=True)
def finish(time: float, work: float, opens: float, closes: float, open_days: Array) -> float:
    """When `work` (days of opening hours) that may start at `time` is done."""
    at = opening(time, opens, closes, open_days)
    while at - math.floor(at) + work > closes + NO_TIME:
        work -= closes - (at - math.floor(at))
        at = opening(math.floor(at) + 1, opens, closes, open_days)
    return at + work
