"""How long it takes from image to decision and from decision to outcome, period by period."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from derm_kit.surveillance.moments import DAY_US, micros
from derm_kit.surveillance.order_statistics import order_statistics
from derm_kit.surveillance.watched import EMPTY, Picked, Watched
from derm_kit.triage.subgroups import FEW

LEGS: Final = ("imaged to decided", "decided to outcome")


def turnaround(watched: Watched, picked: Picked) -> pd.DataFrame:
    """Columns: period (of the image), leg (LEGS), n, median_days, low, high, p90_days, median_hours, reason.

    low to high is the exact interval of the median in days. The outcome is the one whose truth stands. Cases without a
    time of decision, or with one before the image, count in neither leg.
    """
    imaged, decided = picked.of(watched.imaged), picked.of(watched.decided)
    taken = decided >= imaged
    known_at = micros(watched.known.table["known_at"])
    from_decision = watched.decided[watched.row]
    sound = picked.known & (from_decision != EMPTY) & (known_at >= from_decision)
    return pd.concat(
        [
            _leg(LEGS[0], picked, picked.period[taken], decided[taken] - imaged[taken]),
            _leg(LEGS[1], picked, picked.known_period[sound], known_at[sound] - from_decision[sound]),
        ],
        ignore_index=True,
    )


def _leg(
    name: str, picked: Picked, period: npt.NDArray[np.signedinteger[Any]], took_us: npt.NDArray[np.int64]
) -> pd.DataFrame:
    """`took_us` (n,) in order of `period` (n,)."""
    edges = np.searchsorted(period, np.arange(len(picked.labels) + 1)).astype(np.int64)
    found = order_statistics(took_us / DAY_US, edges, (0.5, 0.9))
    n = found["n"]
    return pd.DataFrame(
        {
            "period": picked.labels,
            "leg": name,
            "n": n,
            "median_days": found["q50"],
            "low": found["low"],
            "high": found["high"],
            "p90_days": found["q90"],
            "median_hours": found["q50"] * 24,
            "reason": np.select([n == 0, n < FEW], ["no such times", "too few to say"], ""),
        }
    )
