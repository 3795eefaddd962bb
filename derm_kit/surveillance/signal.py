"""Signal: what one chart watched, what it found, and what its finding is worth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pandas as pd

from derm_kit.surveillance.chart import IntArray, Path
from derm_kit.surveillance.cusum import thinned
from derm_kit.surveillance.feed import Remark
from derm_kit.surveillance.promises import Designed
from derm_kit.surveillance.run_lengths import RunLength
from derm_kit.triage.proportions import Estimate

MANY_MONTHS = 48
"""From here on months are told in years too."""


class Status(StrEnum):
    """What a signal says: "too few" is a chart that is quiet but could not have told the change yet."""

    QUIET = "quiet"
    ALARM = "alarm"
    CANNOT_BE_SEEN = "cannot be seen here"
    TOO_FEW = "too few"


@dataclass(frozen=True)
class Alarm:
    """One alarm: the case, by id, position in the feed and number in the chart (from 1), with when it was imaged, when
    its outcome let the chart say so, and the case with which the change is estimated to have begun.
    """

    case_id: str
    row: int
    number: int
    imaged_at: pd.Timestamp
    seen_from: pd.Timestamp
    began_case_id: str
    began_number: int
    began_at: pd.Timestamp


@dataclass(frozen=True)
class Promise:
    """What a chart does without a change and with `change`, in cases (`unit`) and in months at `cases_a_month`."""

    change: str
    unit: str
    cases_a_month: float
    made: Designed

    @property
    def false_alarm(self) -> RunLength:
        """Cases until a false alarm."""
        return self.made.false_alarm

    @property
    def delay(self) -> RunLength:
        """Cases until the change is found."""
        return self.made.delay

    @property
    def false_alarm_at_least(self) -> float:
        """Mean cases until a false alarm: in nine of ten baselines at least, where the rate was estimated."""
        off = self.made.false_alarm_if_off
        return self.false_alarm.mean if off is None else off

    @property
    def false_alarm_months(self) -> RunLength:
        """Months until a false alarm."""
        return self.false_alarm.in_months(self.cases_a_month)

    @property
    def delay_months(self) -> RunLength:
        """Months until the change is found."""
        return self.delay.in_months(self.cases_a_month)

    @property
    def sentence(self) -> str:
        """The promise in words."""
        return (
            f"Without a change a false alarm comes after {_run(self.false_alarm, self.unit)}, which is "
            f"{_months(self.false_alarm_months)} at {_figure(self.cases_a_month)} a month{self._if_off}. {self.change} "
            f"is found after {_run(self.delay, self.unit)}, which is {_months(self.delay_months)}.{self._errors}"
        )

    @property
    def _if_off(self) -> str:
        off = self.made.false_alarm_if_off
        if off is None:
            return ""
        return (
            f" if the baseline's rate is right, and after at least {_figure(off)} {self.unit} in nine of ten baselines"
        )

    @property
    def _errors(self) -> str:
        found = self.made.errors
        if found is None:
            return ""
        return (
            f" One test, until it says one or the other: false alarm {100 * found.false_alarm_prob:.2g} %, change "
            f"missed {100 * found.missed_change_prob:.2g} %."
        )


@dataclass(frozen=True)
class Signal:
    """One signal.

    name          unique within a product: "melanoma sensitivity, CUSUM".
    product       the product watched.
    watches       in a sentence, what it watches and on which cases.
    status        `Status`; `finding` says in words what happened.
    first_alarm, last_alarm   None if there is none; `alarms` how many there were, each after starting anew.
    promise       its run lengths; None where there is no chart.
    n             cases in the chart; `rate` of what the chart counts (caught, discharged), with its interval.
    left_out      what does not stand in the chart, and why.
    points        at most 2,000 rows that draw the chart: number (from 1), imaged_at, value, alarm (bool), and `limit`.
    verdicts      for a sequential test, how often it has found no change.
    """

    name: str
    product: str
    watches: str
    status: Status
    finding: str
    n: int = 0
    rate: Estimate | None = None
    first_alarm: Alarm | None = None
    last_alarm: Alarm | None = None
    alarms: int = 0
    promise: Promise | None = None
    left_out: tuple[Remark, ...] = ()
    points: pd.DataFrame | None = None
    limit: float = float("nan")
    verdicts: int = 0


def alarm_of(path: Path, which: int, cases: pd.DataFrame, rows: IntArray, seen_us: IntArray) -> Alarm | None:
    """Alarm `which` (0 the first, -1 the last) of a chart over the cases `rows` (n,) of a feed, None if there is none.

    `seen_us` (n,) is when each case could be counted.
    """
    if not path.alarms.size:
        return None
    at, began = int(path.alarms[which]), int(path.began[which])
    case_id, imaged_at = cases["case_id"], cases["imaged_at"]
    return Alarm(
        case_id=str(case_id.iloc[rows[at]]),
        row=int(rows[at]),
        number=at + 1,
        imaged_at=imaged_at.iloc[rows[at]],
        seen_from=pd.Timestamp(int(seen_us[began : at + 1].max()), unit="us", tz="UTC"),
        began_case_id=str(case_id.iloc[rows[began]]),
        began_number=began + 1,
        began_at=imaged_at.iloc[rows[began]],
    )


def chart_points(path: Path, imaged_at: pd.Series[Any], rows: IntArray) -> pd.DataFrame:
    """At most 2,000 rows that draw `path` as all its cases would."""
    at = thinned(path)
    alarms = path.steps[at] >= path.chart.limit
    moments = imaged_at.iloc[rows[at]].array
    return pd.DataFrame(
        {"number": at + 1, "imaged_at": moments, "value": path.steps[at] * path.chart.step, "alarm": alarms}
    )


def said_on(moment: pd.Timestamp) -> str:
    """A date as people write it."""
    return f"{moment.day} {moment:%B %Y}"


def _run(length: RunLength, unit: str) -> str:
    mean, median, p90 = (_figure(cases) for cases in (length.mean, length.median, length.p90))
    return f"{mean} {unit} on average (median {median}, 90th percentile {p90})"


def _months(length: RunLength) -> str:
    if math.isnan(length.mean):
        return "an unknown number of months (too few to tell how many come in a month)"
    mean, median, p90 = (_figure(months) for months in (length.mean, length.median, length.p90))
    years = f" ({length.mean / 12:,.0f} years)" if length.mean >= MANY_MONTHS else ""
    return f"{mean} months{years} on average (median {median}, 90th percentile {p90})"


def _figure(number: float) -> str:
    """A number as people write it: whole from 100, else three digits."""
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"
