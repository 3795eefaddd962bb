"""Signals of sensitivity, one lesion type at a time, on cases verified whatever the model said."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from derm_kit.lesions import LESION_TYPES, LesionType
from derm_kit.surveillance.chart import odds_ratio_of
from derm_kit.surveillance.feed import NONE, Remark
from derm_kit.surveillance.known_outcomes import CANNOT_BE_SEEN
from derm_kit.surveillance.moments import micros
from derm_kit.surveillance.plan import Plan, WatchedType
from derm_kit.surveillance.promises import Mix
from derm_kit.surveillance.signal import Signal, Status
from derm_kit.surveillance.verified import Verified, single_type
from derm_kit.surveillance.watch import Watch, cases_a_month
from derm_kit.triage.proportions import BoolArray

WATCHES = (
    "Share of {kind} that the model called {kind} or a more serious type, among those that it assessed and that are "
    "verified whatever it said"
)


def call_ranks(suspected: pd.Series) -> npt.NDArray[np.int8]:
    """What each case (N,) was called: the place of the type in the order of risk, 11 for none, -1 not assessed."""
    places: dict[str, int] = {kind.value: place for place, kind in enumerate(LESION_TYPES)} | {NONE: len(LESION_TYPES)}
    of_word = [places.get(str(word), -1) for word in suspected.cat.categories]
    return np.append(np.array(of_word, np.int8), np.int8(-1))[suspected.cat.codes]


def sensitivity_watches(
    cases: pd.DataFrame, known: Verified, product: str, mine: BoolArray, called: npt.NDArray[np.int8], plan: Plan
) -> tuple[Watch | Signal, ...]:
    """Every watched type of one product, or that it cannot be seen; `mine` (K,) are its of `known`, `called` (N,)."""
    if (mine & (called[known.row] == len(LESION_TYPES))).any():
        return tuple(_of_type(cases, known, product, mine, called, watched, plan) for watched in plan.types)
    return tuple(_cannot_be_seen(product, watched.kind, int(mine.sum())) for watched in plan.types)


def _of_type(
    cases: pd.DataFrame,
    known: Verified,
    product: str,
    mine: BoolArray,
    called: npt.NDArray[np.int8],
    watched: WatchedType,
    plan: Plan,
) -> Watch:
    kind, column = watched.kind, LESION_TYPES.index(watched.kind)
    alone, among = single_type(known, kind)
    calls = called[known.row]
    waiting = mine & alone & ~known.counts
    lost = mine & alone & known.counts & (calls < 0)
    used = mine & alone & known.counts & (calls >= 0)
    monthly = cases_a_month(micros(cases["imaged_at"].iloc[known.row[mine & known.counts]]), int(used.sum()))
    rows, name = known.row[used], kind.label if kind is LesionType.MELANOMA else kind.short
    inside = name.lower() if kind is LesionType.MELANOMA else name
    unit = f"verified {inside} cases"
    missed, more_missed = 1 - watched.in_control_prob, 1 - watched.changed_prob
    return Watch(
        what=f"{name} sensitivity",
        product=product,
        watches=WATCHES.format(kind=kind.label.lower()),
        change=f"A fall of {inside} sensitivity from {_percent(1 - missed)} to {_percent(1 - more_missed)}",
        unit=unit,
        counted="caught",
        event_is_counted=False,
        odds_ratio=odds_ratio_of(missed, more_missed),
        rows=rows,
        event=calls[used] > column,
        seen_us=known.seen_us[used],
        group=np.zeros(rows.size, np.int32),
        expected=np.array([missed]),
        mix=Mix((missed,)),
        run_cases=plan.run_cases(monthly),
        cases_a_month=monthly,
        left_out=tuple(
            remark for remark in _left_out(cases, known, name, lost, waiting, mine & among, plan) if remark.count
        ),
    )


def _left_out(
    cases: pd.DataFrame, known: Verified, name: str, lost: BoolArray, waiting: BoolArray, among: BoolArray, plan: Plan
) -> tuple[Remark, ...]:
    said = (
        (f"{name}: not assessed by the model, so neither caught nor missed by it", lost),
        (
            f"{name}: outcomes of other cases imaged as late may still be on their way (lag of the registry "
            f"{plan.registry_lag_days} days, of an audit sample or second read {plan.audit_lag_days} days)",
            waiting,
        ),
        (f"{name} or another type by the truth, which leaves it open", among),
    )
    return tuple(
        Remark(sentence, int(which.sum()), tuple(cases["case_id"].iloc[known.row[which][:5]].astype(str)))
        for sentence, which in said
    )


def _cannot_be_seen(product: str, kind: LesionType, n: int) -> Signal:
    name = kind.label if kind is LesionType.MELANOMA else kind.short
    verified = (
        f"{n:,} cases are verified whatever the model said, but none that it did not flag"
        if n
        else (
            "no case is verified whatever the model said (by a random audit sample, a registry or a full second read)"
        )
    )
    return Signal(
        f"{name} sensitivity",
        product,
        WATCHES.format(kind=kind.label.lower()),
        Status.CANNOT_BE_SEEN,
        f"{CANNOT_BE_SEEN}: {verified}. A missed cancer that was discharged is not biopsied, so sensitivity on "
        "biopsied cases can look perfect while harm grows. Plan an audit sample.",
    )


def _percent(share: float) -> str:
    return f"{100 * share:g} %"
