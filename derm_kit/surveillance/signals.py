"""All signals on what became of the cases: sensitivity, discharge and referral rate, sites and devices compared.

Each product is watched apart. Every chart takes cases as independent: where months or sites differ by more than chance
it alarms more often than stated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from derm_kit.errors import DermKitError
from derm_kit.lesions import LESION_TYPES
from derm_kit.surveillance.audit_sample import audit_sample_for
from derm_kit.surveillance.feed import Feed
from derm_kit.surveillance.funnel import Funnel, funnel
from derm_kit.surveillance.plan import Plan, WatchedType
from derm_kit.surveillance.rate_signals import DISCHARGED, REFERRED, is_one_of, rate_watches
from derm_kit.surveillance.sensitivity_signals import call_ranks, sensitivity_watches
from derm_kit.surveillance.signal import Signal, Status, said_on
from derm_kit.surveillance.verified import Verified, single_type, verified
from derm_kit.surveillance.watch import Watch, signals_of
from derm_kit.triage.proportions import BoolArray

__all__ = ["Plan", "Signal", "Signals", "Status", "WatchedType", "signals"]

UNKNOWN = "not recorded"
LAST_YEAR = pd.Timedelta(days=365)
FROM_THE_START = pd.Timedelta(days=30)
"""A product whose first case comes later than this after the feed's first has come in later."""


@dataclass(frozen=True)
class Signals:
    """Signals in order of product and what they watch, and a funnel for each rate by site and by device.

    `audit_sample` says, where missed cancers cannot be seen, how large a sample would show them; empty elsewhere.
    """

    signals: tuple[Signal, ...]
    funnels: tuple[Funnel, ...]
    audit_sample: tuple[str, ...] = ()

    def expected_false_alarms(self, product: str, method: str) -> float:
        """False alarms to expect of a product's charts of one method over this feed at most, did nothing change.

        At most in nine of ten baselines, where a rate was estimated.
        """
        chosen = (s for s in self.signals if s.product == product and s.name.endswith(method))
        return sum(s.n / s.promise.false_alarm_at_least for s in chosen if s.promise)

    @property
    def alarms(self) -> tuple[Signal, ...]:
        """The signals that alarmed."""
        return tuple(signal for signal in self.signals if signal.status is Status.ALARM)


def signals(feed: Feed, plan: Plan | None = None, *, stands: pd.DataFrame | None = None) -> Signals:
    """Every outcome-based signal of `feed` under `plan` (its defaults if None).

    `stands` is `known_outcomes.standing(feed)` where the caller has it already.
    """
    plan = plan or Plan()
    cases = feed.cases
    if cases.empty:
        return Signals((), ())
    known = verified(feed, plan.registry_lag_days, plan.audit_lag_days, stands)
    called = call_ranks(cases["suspected"])
    product = cases["product"].cat.codes.to_numpy()
    names = [str(name) or UNKNOWN for name in cases["product"].cat.categories]
    present = np.flatnonzero(np.bincount(product + 1, minlength=len(names) + 1)) - 1
    found: list[Watch | Signal] = [_products(cases, product, [*names, UNKNOWN], present)]
    funnels: list[Funnel] = []
    blind = False
    for code in present:
        name = [*names, UNKNOWN][code]
        mine = None if len(present) == 1 else product == code
        of_known = np.ones(known.row.size, np.bool_) if mine is None else mine[known.row]
        sensitivity = sensitivity_watches(cases, known, name, of_known, called, plan)
        blind |= isinstance(sensitivity[0], Signal)
        found += sensitivity
        found += rate_watches(cases, name, mine, plan)
        funnels += _funnels(cases, known, name, mine, of_known, called, plan)
    return Signals(tuple(signals_of(found, cases, plan)), tuple(funnels), _audit_sample(feed, plan) if blind else ())


def _audit_sample(feed: Feed, plan: Plan) -> tuple[str, ...]:
    """The sample that would show missed cancers of the first watched type, in sentences."""
    try:
        sized, how = audit_sample_for(feed, plan.types[0].kind)
    except DermKitError as error:
        return (f"An audit sample cannot be sized: {error}",)
    return (how, *sized.sentences) if sized else (how,)


def _products(cases: pd.DataFrame, product: npt.NDArray[Any], names: list[str], present: npt.NDArray[Any]) -> Signal:
    """Whether the product itself changed: each is watched apart, and a second one is said."""
    spans = []
    for code in present:
        rows = np.flatnonzero(product == code)
        first, last = (cases["imaged_at"].iloc[int(rows[i])] for i in (0, -1))
        spans.append((first, last, names[code], rows.size))
    spans.sort(key=lambda span: (span[0], span[2]))
    listed = "; ".join(f"{who}, {n:,} cases, {said_on(a)} to {said_on(b)}" for a, b, who, n in spans)
    name = "product in use"
    watches = "Which products assessed the cases"
    if len(spans) == 1:
        return Signal(name, spans[0][2], watches, Status.QUIET, f"One product throughout: {listed}.", n=len(cases))
    both = " and ".join(span[2] for span in spans)
    later = [span for span in spans[1:] if span[0] - spans[0][0] > FROM_THE_START]
    if not later:
        finding = f"Products side by side from the start: {listed}. Each is watched apart."
        return Signal(name, both, watches, Status.QUIET, finding, n=len(cases))
    came = ", ".join(f"{who} on {said_on(first)}" for first, _, who, _ in later)
    finding = f"More than one product in this feed: {listed}. Came in later: {came}. Each is watched apart."
    return Signal(name, both, watches, Status.ALARM, finding, n=len(cases))


def _funnels(
    cases: pd.DataFrame,
    known: Verified,
    product: str,
    mine: BoolArray | None,
    of_known: BoolArray,
    called: npt.NDArray[Any],
    plan: Plan,
) -> list[Funnel]:
    """Discharge and referral rate of the feed's last year, and sensitivity of the first watched type of all of it."""
    last = cases["imaged_at"].iloc[-1]
    recent = int(cases["imaged_at"].searchsorted(last - LAST_YEAR))
    here = slice(recent, len(cases))
    chosen = np.ones(len(cases) - recent, np.bool_) if mine is None else mine[here]
    counted = {
        f"discharge rate of {product}, last 12 months": is_one_of(cases["disposition"], DISCHARGED),
        f"referral rate of {product}, last 12 months": is_one_of(cases["disposition"], REFERRED),
    }
    made = []
    for what in ("site", "device"):
        group = cases[what].cat.codes.to_numpy()
        for name, event in counted.items():
            made.append(_by_group(name, what, cases[what], group[here][chosen], event[here][chosen], plan))
        for watched in plan.types[:1]:
            alone, _ = single_type(known, watched.kind)
            used = of_known & alone & known.counts & (called[known.row] >= 0)
            caught = called[known.row[used]] <= LESION_TYPES.index(watched.kind)
            name = f"{watched.kind.label.lower()} sensitivity of {product}"
            made.append(_by_group(name, what, cases[what], group[known.row[used]], caught, plan))
    return made


def _by_group(
    name: str, what: str, column: pd.Series[Any], group: npt.NDArray[Any], event: BoolArray, plan: Plan
) -> Funnel:
    labels = [*(str(word) or UNKNOWN for word in column.cat.categories), UNKNOWN]
    place = np.where(group < 0, len(labels) - 1, group).astype(np.int64)
    n, events = np.bincount(place, minlength=len(labels)), np.bincount(place[event], minlength=len(labels))
    table = pd.DataFrame({"group": labels, "n": n, "events": events}).groupby("group", as_index=False).sum()
    table = table[table["n"] > 0]
    return funnel(name, what, table["group"], table["n"], table["events"], fewest=plan.fewest_cases)
