"""Signals of the discharge and the referral rate, up and down, adjusted for site, age group and device."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from derm_kit.surveillance.chart import odds_ratio_of
from derm_kit.surveillance.expected_rates import cells, expected_by_cell
from derm_kit.surveillance.feed import Remark
from derm_kit.surveillance.moments import DAY_US, micros
from derm_kit.surveillance.plan import Plan
from derm_kit.surveillance.promises import Mix, margin_of
from derm_kit.surveillance.signal import Signal, Status
from derm_kit.surveillance.watch import Watch, cases_a_month
from derm_kit.triage.definition import Disposition
from derm_kit.triage.proportions import BoolArray, FloatArray

IntArray = npt.NDArray[np.int64]
DISCHARGED = frozenset({Disposition.DISCHARGE_ADVICE})
REFERRED = frozenset(
    {Disposition.URGENT_SUSPECTED_CANCER, Disposition.ROUTINE_DERMATOLOGY, Disposition.ROUTINE_OR_GP_TREATMENT}
)
RATES = (("discharge rate", "discharged", DISCHARGED), ("referral rate", "referred", REFERRED))
FINEST = 0.005
"""Width of the bins of expected probabilities that a chart is designed for; it runs on them as they are."""
LONGEST_BASELINE_US = 365 * DAY_US
FEWEST_IN_BASELINE = 100
WITHIN = 0.4
"""Share of the change by which a baseline's rate may be off (nine times in ten): beyond it a chart tells nothing."""


def rate_watches(cases: pd.DataFrame, product: str, mine: BoolArray | None, plan: Plan) -> tuple[Watch | Signal, ...]:
    """What both rates of one product are watched for, or why not; `mine` (N,) are its cases, None where all are."""
    known = cases["disposition"].cat.codes.to_numpy() >= 0
    blank = [str(word) == "" for word in cases["disposition"].cat.categories]
    known &= ~np.append(np.array(blank, np.bool_), True)[cases["disposition"].cat.codes.to_numpy()]
    rows = np.flatnonzero(known if mine is None else known & mine)
    unknown = int((~known).sum() if mine is None else (mine & ~known).sum())
    left_out = (Remark("no disposition was recorded", unknown),) if unknown else ()
    if not rows.size:
        return tuple(_too_few(name, product, 0, 0, left_out) for name, _, _ in RATES)
    own = cases[["site", "device", "age_years", "disposition"]].iloc[rows]
    imaged = micros(cases["imaged_at"])[rows]
    in_baseline, watched = _periods(imaged, plan)
    n, after_it = int(in_baseline.sum()), int(watched.sum())
    if n < FEWEST_IN_BASELINE or not after_it:
        return tuple(_too_few(name, product, n, after_it, left_out) for name, _, _ in RATES)
    found: list[Watch | Signal] = []
    of = cells(own, in_baseline)
    for name, word, dispositions in RATES:
        event = is_one_of(own["disposition"], dispositions)
        by = plan.discharge_change_prob if name == RATES[0][0] else plan.referral_change_prob
        expected = expected_by_cell(of, event, in_baseline)
        mix, before = _mix(expected, of.baseline)
        if margin_of(before, n) > WITHIN * by:
            found.append(_too_few(name, product, n, after_it, left_out, _needed(before, by)))
            continue
        for direction, after in (("rise", before + by), ("fall", before - by)):
            what = f"{name}, {direction}"
            change = f"A {direction} of the {name} from {100 * before:.1f} % to {100 * after:.1f} %"
            if not 0 < after < 1:
                found.append(_impossible(what, product, before, by))
                continue
            monthly = cases_a_month(imaged[watched], after_it)
            watch = Watch(
                what=what,
                product=product,
                watches=_watches(word, before, imaged[in_baseline]),
                change=change,
                unit="cases",
                counted=word,
                event_is_counted=True,
                odds_ratio=round(odds_ratio_of(before, after), 4),
                rows=rows[watched],
                event=event[watched],
                seen_us=imaged[watched],
                group=of.of_case[watched],
                expected=expected,
                mix=mix,
                run_cases=plan.run_cases(monthly),
                cases_a_month=monthly,
                left_out=left_out,
            )
            found.append(watch)
    return tuple(found)


def _watches(word: str, before: float, imaged: IntArray) -> str:
    first, last = (pd.Timestamp(int(imaged[i]), unit="us", tz="UTC") for i in (0, -1))
    return (
        f"Share of all cases that were {word}, against what site, age group and device had in the baseline "
        f"({100 * before:.1f} %, {first:%Y-%m-%d} to {last:%Y-%m-%d}, {imaged.size:,} cases)"
    )


def _impossible(what: str, product: str, before: float, by: float) -> Signal:
    finding = (
        f"Not watched: from {100 * before:.1f} % in the baseline a rate cannot change by {100 * by:g} percentage "
        "points that way."
    )
    return Signal(what, product, "", Status.CANNOT_BE_SEEN, finding)


def _mix(expected: FloatArray, count: IntArray) -> tuple[Mix, float]:
    """The baseline's expected probabilities in bins, and their mean."""
    before = float(expected @ count / count.sum())
    bins = np.rint(expected / FINEST).astype(np.int64)
    place = np.unique(bins[count > 0], return_inverse=True)[1]
    shares = np.bincount(place, count[count > 0])
    means = np.bincount(place, (expected * count)[count > 0]) / shares
    return Mix(tuple(means.tolist()), tuple((shares / shares.sum()).tolist()), int(count.sum())), before


def _periods(imaged: IntArray, plan: Plan) -> tuple[BoolArray, BoolArray]:
    """Which cases (n,) make the baseline, and which are watched: those after it."""
    begins = imaged[0] if plan.baseline_from is None else _of(plan.baseline_from)
    ends = begins + min(LONGEST_BASELINE_US, (imaged[-1] - begins) // 3)
    if plan.baseline_until is not None:
        ends = _of(plan.baseline_until)
    return np.asarray((imaged >= begins) & (imaged < ends)), np.asarray(imaged >= ends)


def is_one_of(disposition: pd.Series[Any], chosen: frozenset[Disposition]) -> BoolArray:
    """Which cases (N,) have one of the `chosen` dispositions."""
    yes = np.array([str(word) in {d.value for d in chosen} for word in disposition.cat.categories], np.bool_)
    return np.asarray(np.append(yes, False)[disposition.cat.codes.to_numpy()])


def _needed(before: float, by: float) -> int:
    """Baseline cases from which the rate is known well enough to tell the change."""
    return math.ceil((margin_of(before, 1) / (WITHIN * by)) ** 2)


def _too_few(
    name: str, product: str, n: int, after_it: int, left_out: tuple[Remark, ...], needed: int = FEWEST_IN_BASELINE
) -> Signal:
    finding = f"Too few cases to say: {n:,} in the baseline, where {needed:,} are needed, and {after_it:,} after it."
    return Signal(name, product, "", Status.TOO_FEW, finding, n=after_it, left_out=left_out)


def _of(moment: pd.Timestamp) -> int:
    return int(moment.tz_convert(None).as_unit("us").to_datetime64().astype(np.int64))
