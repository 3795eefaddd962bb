"""Times as deliveries give them -> moments in UTC; what the clock change leaves open is marked, never passed over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import numpy.typing as npt
import pandas as pd

from derm_kit.cases import values
from derm_kit.surveillance.feed import FeedError

TIMEZONE: Final = "Europe/London"
"""Where times without an offset were written down, unless a feed says otherwise."""

DAY_US: Final = 86_400_000_000

_CLOCK: Final = r"[0-2]\d:[0-5]\d(?::[0-5]\d(?:[.,]\d{1,9})?)?"
_OFFSET: Final = r"(?:[zZ]|[+-]\d{2}(?::?\d{2})?)"
_DAY: Final = r"\d{4}-\d{2}-\d{2}"
_ISO: Final = rf"{_DAY}(?:[T ]{_CLOCK}\s?{_OFFSET}?)?"
_WITH_OFFSET: Final = rf".*[T ]{_CLOCK}\s?{_OFFSET}"

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Moments:
    """A column of times (n,) in UTC, NaT where empty or unread, and what was odd about them, as flags (n,).

    `unread`: given, and no time. `twice`: local time in the hour that the clock shows twice, read as the first of them.
    `never`: local time that the clock left out, read as the end of that gap. `day_only`: without a time of day, read
    as the beginning of the day.
    """

    utc: pd.Series[Any]
    unread: Flags
    twice: Flags
    never: Flags
    day_only: Flags

    def where(self, kept: Flags) -> Moments:
        """The moments of the rows that are `kept` (n,)."""
        flags = (flag[kept] for flag in (self.unread, self.twice, self.never, self.day_only))
        return Moments(self.utc[kept].reset_index(drop=True), *flags)


def require_timezone(name: str) -> None:
    """Raise FeedError unless `name` is a timezone that this machine knows."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise FeedError(
            "a timezone is a name of the IANA list",
            value=name,
            next_step="Name it as 'Europe/London' or 'UTC', or write times with their offset.",
        ) from None


def read_moments(column: pd.Series[Any], timezone: str) -> Moments:
    """Times (n,) of a column of timestamps or ISO 8601 text; those without an offset are local to `timezone`."""
    column = column.reset_index(drop=True)
    nothing = np.zeros(len(column), np.bool_)
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        at = _in_calendar(column)
        at = at if str(column.dtype) == "datetime64[us, UTC]" else at.dt.tz_convert("UTC").dt.as_unit("us")
        return Moments(at, (at.isna() & column.notna()).to_numpy(), nothing, nothing, nothing)
    if pd.api.types.is_datetime64_any_dtype(column):
        local = _in_calendar(column).dt.as_unit("us")
        at, twice, never = _in_utc(local, timezone)
        return Moments(
            at,
            (at.isna() & column.notna()).to_numpy(),
            twice,
            never,
            (local.notna() & (local == local.dt.normalize())).to_numpy(),
        )
    text = values.tidy(as_text(column)).str.replace(",", ".", regex=False)
    iso = text.str.fullmatch(_ISO)
    offset = iso & text.str.fullmatch(_WITH_OFFSET)
    at = pd.Series(pd.NaT, index=column.index, dtype="datetime64[us, UTC]")
    at[offset] = pd.to_datetime(text[offset], format="ISO8601", utc=True, errors="coerce").dt.as_unit("us")
    local = pd.Series(pd.NaT, index=column.index, dtype="datetime64[us]")
    local[iso & ~offset] = pd.to_datetime(text[iso & ~offset], format="ISO8601", errors="coerce").dt.as_unit("us")
    here, twice, never = _in_utc(local, timezone)
    at = at.where(offset, here)
    day_only = (text.str.fullmatch(_DAY) & at.notna()).to_numpy(np.bool_)
    return Moments(at, ((text != "") & at.isna()).to_numpy(), twice, never, day_only)


def _in_calendar(at: pd.Series[Any]) -> pd.Series[Any]:
    """Times (n,), NaT where their year is none of a calendar of four digits."""
    year = at.dt.year
    return at if year.dropna().between(2, 9_998).all() else at.where(year.between(2, 9_998))


def as_text(column: pd.Series[Any]) -> pd.Series[str]:
    """Cells as text, "" where missing; whole numbers without a decimal point."""
    if pd.api.types.is_float_dtype(column):
        known = column.dropna().astype("float64")
        if ((known % 1 == 0) & (abs(known) < 2**63)).all():
            column = column.astype("Int64")
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    text = column.astype(object).where(column.notna(), "")
    return text.map(_said).astype("str") if column.dtype != "str" else column.fillna("")


def _said(cell: object) -> str:
    try:
        return str(cell)
    except (NotImplementedError, ValueError):  # a time in a year beyond Python's calendar
        return str(cell.asm8) if isinstance(cell, pd.Timestamp) else repr(cell)


def _in_utc(local: pd.Series[Any], timezone: str) -> tuple[pd.Series[Any], Flags, Flags]:
    """Local times (n,) as moments in UTC, and where the clock shows them twice or never."""
    summer, winter = (
        local.dt.tz_localize(timezone, ambiguous=np.full(len(local), dst), nonexistent="shift_forward")
        for dst in (True, False)
    )
    twice = (summer.notna() & (summer != winter)).to_numpy()
    never = (local.notna() & (summer.dt.tz_localize(None) != local)).to_numpy()
    return summer.dt.tz_convert("UTC").dt.as_unit("us"), twice, never


def micros(moments: pd.Series[Any]) -> npt.NDArray[np.int64]:
    """Moments (n,) in UTC as microseconds since 1970; NaT is the lowest integer."""
    local = moments.dt.tz_convert("UTC").dt.tz_localize(None)
    return np.asarray(local.to_numpy("datetime64[us]").view(np.int64), np.int64)
