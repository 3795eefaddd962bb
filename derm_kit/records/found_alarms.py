"""Alarms of the watches over a feed, as they are frozen when an incident is opened for one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from derm_kit.errors import RecordError
from derm_kit.records.alarms import LONGEST_FIELD, Alarm
from derm_kit.surveillance.moments import TIMEZONE

if TYPE_CHECKING:
    from derm_kit.surveillance.findings import Findings
    from derm_kit.surveillance.signal import Signal

_SAID_APART = ("month", "group", "figure", "alarm", "says")


def alarms_of(found: Findings) -> list[Alarm]:
    """Every alarm of every watch, those on outcomes first: the first of each signal, each month's of each look."""
    signals = [alarm_of_signal(one) for one in found.signals.alarms if one.first_alarm] if found.signals else []
    looks = [
        alarm_of_look(watch, row)
        for watch, table in found.looks().items()
        for row in table[table["alarm"].astype(bool)].to_dict("records")
    ]
    return [*signals, *looks]


def alarm_of_signal(signal: Signal) -> Alarm:
    """The first alarm of a signal on outcomes: raised when the outcome that made it was told.

    Later ones of the same chart are counted in its facts: while a change lasts a chart alarms again and again, and each
    would open an incident of its own. Raises RecordError for a signal that did not alarm.
    """
    first, last = signal.first_alarm, signal.last_alarm
    if first is None or last is None:
        raise RecordError(
            "only a signal that alarmed opens an incident",
            case=signal.name,
            value=signal.status,
            next_step="Look at its chart: there is nothing to open.",
        )
    facts = {
        "watches": signal.watches,
        "cases": signal.n,
        "limit": signal.limit,
        "alarm_case": first.case_id,
        "alarm_case_number": first.number,
        "began_about": first.began_at,
        "began_case": first.began_case_id,
        "alarms_so_far": signal.alarms,
        "last_alarm": last.seen_from,
        "promise": signal.promise.sentence if signal.promise else None,
    }
    return Alarm(signal.name, signal.product, first.seen_from.isoformat(), _short(signal.finding), _plain(facts))


def alarm_of_look(watch: str, look: Mapping[Any, Any]) -> Alarm:
    """The alarm of a look at one month of one group: raised when the month had ended."""
    import pandas as pd

    figure = str(look.get("figure", ""))
    ended = look["month"].tz_convert(TIMEZONE) + pd.DateOffset(months=1)
    facts = {"month": look["month"], **{str(name): said for name, said in look.items() if name not in _SAID_APART}}
    name = f"{watch}: {figure}" if figure else watch
    return Alarm(name, str(look["group"]), ended.isoformat(), _short(str(look["says"])), _plain(facts))


def _short(said: str) -> str:
    return said if len(said) <= LONGEST_FIELD else f"{said[: LONGEST_FIELD - 1]}…"


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever a table holds, as JSON holds it
    """Figures as JSON holds them: an undefined one is null, a moment is text."""
    if isinstance(value, Mapping):
        return {str(name): _plain(said) for name, said in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(said) for said in value]
    if hasattr(value, "isoformat"):
        return value.isoformat()
    plain = value.item() if hasattr(value, "item") else value
    return None if isinstance(plain, float) and not math.isfinite(plain) else plain
