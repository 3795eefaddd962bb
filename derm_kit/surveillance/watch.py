"""Watch: the cases of one chart in their order, and the signal that the chart makes of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from derm_kit.surveillance.chart import Path, follow
from derm_kit.surveillance.feed import Remark
from derm_kit.surveillance.moments import DAY_US
from derm_kit.surveillance.plan import Plan
from derm_kit.surveillance.promises import Mix, designed
from derm_kit.surveillance.signal import Alarm, Promise, Signal, Status, alarm_of, chart_points, said_on
from derm_kit.triage.proportions import BoolArray, FloatArray, proportion

IntArray = npt.NDArray[np.int64]
METHODS = ("CUSUM", "sequential test")
DAYS_A_MONTH = 365.25 / 12


@dataclass(frozen=True)
class Watch:
    """What one chart watches.

    what, product  "melanoma sensitivity" of this product; `counted` what `rate` counts ("caught"), `unit` its cases.
    change         the change looked for, in words; `odds_ratio` of the event, which the chart weighs.
    rows           (n,) positions in the feed's cases, rising; event (n,) whether the chart's event was seen;
                   seen_us (n,) when it could count.
    group          (n,) row of `expected` (G,) of each case; `mix` the cases for which the chart is designed.
    run_cases      wanted mean cases between false alarms; cases_a_month of the chart.
    """

    what: str
    product: str
    watches: str
    change: str
    unit: str
    counted: str
    event_is_counted: bool
    odds_ratio: float
    rows: IntArray
    event: BoolArray
    seen_us: IntArray
    group: npt.NDArray[np.int32]
    expected: FloatArray
    mix: Mix
    run_cases: float
    cases_a_month: float
    left_out: tuple[Remark, ...] = ()


def signals_of(found: Iterable[Watch | Signal], cases: pd.DataFrame, plan: Plan) -> Iterator[Signal]:
    """Each signal of `found` as it is, and in place of each watch its CUSUM and its sequential test over `cases`.

    Charts are designed and followed on all cores.
    """
    with ThreadPoolExecutor() as pool:
        made = [
            tuple(pool.submit(_signal, one, method, cases, plan) for method in METHODS)
            if isinstance(one, Watch)
            else one
            for one in found
        ]
        for one in made:
            yield from (one,) if isinstance(one, Signal) else (signal.result() for signal in one)


def cases_a_month(imaged_us: IntArray, n: int) -> float:
    """Of `n` cases imaged from the first to the last of these times (rising); 0 where there are fewer than two."""
    if imaged_us.size < 2:
        return 0.0
    months = (imaged_us[-1] - imaged_us[0]) / DAY_US / DAYS_A_MONTH
    return n / months if months > 0 else 0.0


def _signal(watch: Watch, method: str, cases: pd.DataFrame, plan: Plan) -> Signal:
    missed = None if method == METHODS[0] else plan.missed_change_prob
    made = designed(watch.mix, watch.odds_ratio, watch.run_cases, missed, plan.drawn_cases, plan.seed)
    path = follow(made.chart, watch.event, watch.expected, watch.group)
    found, last = (alarm_of(path, which, cases, watch.rows, watch.seen_us) for which in (0, -1))
    n, events = watch.rows.size, int(watch.event.sum())
    rate = proportion(events if watch.event_is_counted else n - events, n)
    median = made.delay.median
    too_few = n < median
    if found and last:
        status, finding = Status.ALARM, _found(watch, path, found, last, rate.value)
    else:
        status = Status.TOO_FEW if too_few else Status.QUIET
        finding = _none_found(watch, path, rate.value, median, too_few)
    return Signal(
        name=f"{watch.what}, {method}",
        product=watch.product,
        watches=watch.watches,
        status=status,
        finding=finding,
        n=n,
        rate=rate,
        first_alarm=found,
        last_alarm=last,
        alarms=int(path.alarms.size),
        promise=Promise(watch.change, watch.unit, watch.cases_a_month, made),
        left_out=watch.left_out,
        points=chart_points(path, cases["imaged_at"], watch.rows),
        limit=made.chart.limit_log,
        verdicts=path.fell if missed is not None else 0,
    )


def _so_far(watch: Watch, rate: float) -> str:
    n = watch.rows.size
    return f"{100 * rate:.1f} % {watch.counted} of {n:,} {watch.unit}" if n else f"no {watch.unit} yet"


def _none_found(watch: Watch, path: Path, rate: float, median: float, too_few: bool) -> str:
    none = f"; {path.fell:,} times it found no change" if path.chart.lowest < 0 and path.fell else ""
    if too_few:
        return (
            f"Too few {watch.unit} to say: {_so_far(watch, rate)}, and half of such charts need {median:,.0f} or more "
            f"to find the change{none}."
        )
    return f"No sign of it: {_so_far(watch, rate)}{none}."


def _found(watch: Watch, path: Path, first: Alarm, last: Alarm, rate: float) -> str:
    seen = watch.event[path.began[0] : path.alarms[0] + 1]
    share = seen.mean() if watch.event_is_counted else 1 - seen.mean()
    more = (
        f" {path.alarms.size:,} alarms in all, the last on {said_on(last.imaged_at)}." if path.alarms.size > 1 else ""
    )
    return (
        f"{watch.change} is signalled: alarm at number {first.number:,} of {watch.rows.size:,} {watch.unit}, imaged on "
        f"{said_on(first.imaged_at)} and to be seen from {said_on(first.seen_from)}. It is estimated to have begun "
        f"with number {first.began_number:,}, imaged on {said_on(first.began_at)}: {100 * share:.1f} % {watch.counted} "
        f"of {seen.size:,} from there to the alarm, {_so_far(watch, rate)} in all.{more}"
    )
