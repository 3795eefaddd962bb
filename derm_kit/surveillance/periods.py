"""Months and weeks of a service, by the calendar of its own clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from derm_kit.surveillance.feed import FeedError

Every = Literal["month", "week"]
_FREQUENCY = {"month": "M", "week": "W-SUN"}
MOST_PERIODS = 5_000


@dataclass(frozen=True)
class Periods:
    """The P months ("2026-03") or weeks (their Monday, "2026-03-02") from the first case to the last, empty ones too.

    `starts_at` (P + 1) are positions among the cases in order of time: period p holds cases starts_at[p] up to
    starts_at[p + 1]. `begins` (P) are moments in UTC.
    """

    labels: tuple[str, ...]
    begins: pd.DatetimeIndex
    starts_at: npt.NDArray[np.int64]

    @classmethod
    def of(cls, moments: pd.Series[Any], every: Every, timezone: str) -> Periods:
        """Periods of `moments` (N,) in UTC, which rise, N at least 1. Raises FeedError for more than MOST_PERIODS."""
        first, last = (moments.iloc[i].tz_convert(timezone).tz_localize(None) for i in (0, -1))
        frequency = _FREQUENCY[every]
        if (last - first).days / (7 if every == "week" else 30) > MOST_PERIODS:
            raise FeedError(
                f"cases lie within {MOST_PERIODS:,} {every}s",
                value=f"{first:%Y-%m-%d} to {last:%Y-%m-%d}",
                next_step="Mend imaged_at in the deliveries, or restrict the dates.",
            )
        spans = pd.period_range(pd.Period(first, frequency), pd.Period(last, frequency), freq=frequency)
        local = spans.to_timestamp()
        begins = local.tz_localize(timezone, ambiguous=np.ones(len(local), np.bool_), nonexistent="shift_forward")
        begins = begins.tz_convert("UTC").as_unit("us")
        at = np.searchsorted(moments.to_numpy("datetime64[us]"), begins.tz_localize(None).to_numpy("datetime64[us]"))
        labels = local.strftime("%Y-%m" if every == "month" else "%Y-%m-%d")
        return cls(tuple(labels), begins, np.append(at, len(moments)).astype(np.int64))

    def codes(self) -> npt.NDArray[np.int32]:
        """The period of each case (N,)."""
        return np.repeat(np.arange(len(self.labels), dtype=np.int32), np.diff(self.starts_at))
