"""When the people of each day are referred: the same moments in every arm, so they are drawn once for all."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from derm_kit.pathway.random_numbers import uniform

Array = npt.NDArray[Any]


@njit(cache=True, nogil=True)
def arrival_moments(keys: Array, arrivals: Array, hour_from: float, hour_to: float) -> Array:
    """Moments (R, N) of everybody's referral in days, in their order; what lies behind a replication's last is unset.

    `keys` (R,) uint64 of the replications, `arrivals` (R, D) referrals on each day, hours as parts of a day. Uniform
    times of a day in their order are sums of exponential steps, scaled to the day (Devroye, Non-Uniform Random Variate
    Generation, 1986, chapter 5).
    """
    most, busiest = 1, 0
    for r in range(keys.size):
        most = max(most, arrivals[r].sum())
        busiest = max(busiest, arrivals[r].max())
    moments, steps = np.empty((keys.size, most)), np.empty(busiest + 1)
    for r in range(keys.size):
        first = 0
        for day in range(arrivals.shape[1]):
            n_today, spacing = arrivals[r, day], 0.0
            for i in range(n_today + 1):
                steps[i] = -math.log(1 - uniform(keys[r], first + i, -1 - day))
                spacing += steps[i]
            step = 0.0
            for i in range(n_today):
                step += steps[i]
                moments[r, first + i] = day + hour_from + (hour_to - hour_from) * step / spacing
            first += n_today
    return moments
