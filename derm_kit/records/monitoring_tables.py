"""The tables of a monitoring report: remarks first, then signals with their run lengths, rates and drift."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pandas as pd

from derm_kit.records.monitoring_facts import Monitored
from derm_kit.records.provenance import NONE, SHARE, Measured, rounded
from derm_kit.records.report import Table, Value
from derm_kit.records.report_tables import table
from derm_kit.surveillance.rates import REFERRED
from derm_kit.surveillance.run_lengths import RunLength
from derm_kit.surveillance.signal import Signal
from derm_kit.triage.definition import Disposition

_FROM = ("feed",)
_DRAWN = ("feed", "seed")
LAST_MONTHS = 12
MOST_GROUPS, MOST_ALARMS, MOST_SET_ASIDE = 60, 40, 40
"""Rows of the longest tables; what is left out is counted beside them."""


def monitoring_tables(found: Monitored) -> dict[str, Table]:
    """Each table by the name that a template calls it by."""
    rates = found.rates
    return {
        "remarks": table(
            "Remarks of the feed: what was odd in it", ("what", "rows", "such as"),
            [(one.sentence, one.count, ", ".join(one.examples) or NONE) for one in found.feed.remarks], _FROM,
        ),
        "set_aside": _set_aside(found.feed.set_aside),
        "signals": table(
            "Signals", ("signal", "product", "says", "what happened", "rate of the cases in the chart"),
            [(s.name, s.product, s.status.value, s.finding, _rate(s)) for s in found.signals.signals], _FROM,
            flows=True,
        ),
        "run_lengths": table(
            "Run lengths: mean, median and 90th percentile",
            ("signal", "cases a month", "false alarm: cases", "and months", "found: cases", "and months", "the change"),
            [row for s in found.signals.signals for row in _run_lengths(s)], _DRAWN, flows=True,
        ),
        "left_out": table(
            "Cases that are in no chart, and why", ("signal", "why", "cases"),
            [(s.name, one.sentence, one.count) for s in found.signals.signals for one in s.left_out
             if not s.name.endswith("sequential test")], _FROM,
        ),
        "funnels": table(
            "Sites and devices beside each other", ("what", "by", "rate of all", "finding"),
            [(f.name, f.what, None if math.isnan(f.target) else Measured(rounded(f.target), SHARE), f.finding)
             for f in found.signals.funnels], _FROM,
        ),
        "accuracy": _accuracy(rates.accuracy_total),
        "verified": table(
            "Cases by call, and how many of them are verified",
            ("call", "cases", "by any way", "biopsied", "whatever the model said"),
            [(str(row["call"]), int(row["cases"]), *(_share(int(row[name]), int(row["cases"]), row, name)
              for name in ("any", "biopsied", "whatever"))) for _, row in rates.verified.iterrows()], _FROM,
        ),
        "months": _months(found),
        "turnaround": _turnaround(rates.turnaround),
        "subgroups": _subgroups(rates.subgroups),
        "shares_drift": _drift(found.shares_drift.alarms, "Drift of quality, mix and scores: looks that alarmed"),
        "input_drift": _drift(
            found.input_drift.alarms if found.input_drift else None, "Input drift: looks that alarmed"
        ),
    }  # fmt: skip


def _rate(signal: Signal) -> Value:
    rate = signal.rate
    if rate is None or math.isnan(rate.value):
        return None
    low, high = (None if math.isnan(x) else rounded(x) for x in (rate.low, rate.high))
    return Measured(rounded(rate.value), SHARE, low, high, n=rate.n)


def _run_lengths(signal: Signal) -> Iterator[tuple[Value, ...]]:
    promise = signal.promise
    if promise is None:
        return
    yield (
        signal.name, Measured(round(promise.cases_a_month, 2), promise.unit), _run(promise.false_alarm),
        _run(promise.false_alarm_months, 1), _run(promise.delay), _run(promise.delay_months, 1), promise.change,
    )  # fmt: skip


def _run(length: RunLength, digits: int = 0) -> str:
    if math.isnan(length.mean):
        return NONE
    return " / ".join(f"{x:,.{digits}f}" for x in (length.mean, length.median, length.p90))


def _accuracy(total: pd.DataFrame) -> Table:
    rows = [
        (f"{row['measure']}: {str(row['of']).replace('_', ' ')}", str(row["basis"]), str(row["over"]), _figure(row))
        for _, row in total.iterrows()
    ]
    return table("Sensitivity and specificity in service", ("rate", "cases", "of these", "value"), rows, _FROM)


def _figure(row: pd.Series[Any]) -> Measured:
    if math.isnan(row["value"]):
        return Measured(None, SHARE, n=int(row["n"]), count=int(row["count"]), why=str(row["reason"]) or "no case")
    return Measured(
        rounded(row["value"]), SHARE, rounded(row["low"]), rounded(row["high"]), int(row["count"]), int(row["n"])
    )


def _share(count: int, n: int, row: pd.Series[Any], name: str) -> Measured:
    if not n:
        return Measured(None, SHARE, count=count, n=n, why="no case")
    return Measured(rounded(count / n), SHARE, rounded(row[f"{name}_low"]), rounded(row[f"{name}_high"]), count, n)


def _months(found: Monitored) -> Table:
    rates = found.rates
    of = {
        "quality failures": rates.quality[rates.quality["of"] == "any"],
        "discharged": rates.dispositions[rates.dispositions["of"] == Disposition.DISCHARGE_ADVICE.value],
        "referred": rates.dispositions[rates.dispositions["of"] == REFERRED],
    }
    columns = [[_figure(row) for _, row in part.iterrows()] for part in of.values()]
    cases = [int(n) for n in rates.volume["cases"]]
    rows = zip(map(str, rates.volume["period"]), cases, *columns, strict=True)
    return table("Month by month", ("month", "cases", *of), rows, _FROM)


def _turnaround(of: pd.DataFrame) -> Table:
    months = list(dict.fromkeys(of["period"]))[-LAST_MONTHS:]
    rows = [
        (f"{row['period']}: {row['leg']}", int(row["n"]),
         None if math.isnan(row["median_days"]) else Measured(round(row["median_days"], 2), "days", _bound(row["low"]),
                                                              _bound(row["high"])),
         None if math.isnan(row["p90_days"]) else Measured(round(row["p90_days"], 2), "days"))
        for _, row in of[of["period"].isin(months)].iterrows()
    ]  # fmt: skip
    return table(
        f"Turnaround, the last {len(months)} months",
        ("month and leg", "cases", "median", "90th percentile"),
        rows,
        _FROM,
    )


def _bound(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 2)


def _subgroups(of: pd.DataFrame) -> Table:
    rows = [
        (f"{row['grouping']}: {row['group']}", str(row["measure"]), _figure(row))
        for _, row in of.head(MOST_GROUPS).iterrows()
    ]
    more = f", the first {MOST_GROUPS} of {len(of):,}" if len(of) > MOST_GROUPS else ""
    return table(f"Subgroups{more}", ("group", "rate", "value"), rows, _FROM)


def _set_aside(of: pd.DataFrame) -> Table:
    rows = [
        (f"{row['delivery']}, row {row['row']}", str(row["case_id"]) or NONE, f"{row['what']}: {row['rule']}",
         str(row["next_step"])) for _, row in of.head(MOST_SET_ASIDE).iterrows()
    ]  # fmt: skip
    more = f", the first {MOST_SET_ASIDE} of {len(of):,}" if len(of) > MOST_SET_ASIDE else ""
    return table(f"Rows that were set aside{more}", ("where", "case", "rule", "what to do"), rows, _FROM)


def _drift(of: pd.DataFrame | None, caption: str) -> Table:
    alarms = pd.DataFrame() if of is None else of
    rows = [
        (f"{row['month']:%B %Y}", str(row["group"]), str(row.get("figure", "pictures")), int(row["n_cases"]),
         round(float(row["p_value"]), 8), str(row["says"])) for _, row in alarms.head(MOST_ALARMS).iterrows()
    ]  # fmt: skip
    more = f", the first {MOST_ALARMS} of {len(alarms):,}" if len(alarms) > MOST_ALARMS else ""
    heads = ("month", "group", "figure", "cases", "p-value", "what it says")
    return table(f"{caption}{more}", heads, rows, _DRAWN)
