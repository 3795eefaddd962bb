"""One arm of a pathway as the arrays that the engine reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from derm_kit.pathway.definition import Arm, Pathway
from derm_kit.pathway.engine import BY_CONDITION, BY_POLICY, DELAY, ONE_WAY, SERVERS, SLOTS
from derm_kit.pathway.graph import REFERRAL, ways
from derm_kit.pathway.quantities import Duration, Quantity
from derm_kit.pathway.random_numbers import TIME_KINDS
from derm_kit.pathway.stages import WEEKDAYS, DelayStage, ServersStage, SlotsStage, Weekday
from derm_kit.triage.definition import Disposition

Array = npt.NDArray[Any]

MINUTES_A_DAY = 1_440
KINDS = {"slots": SLOTS, "servers": SERVERS, "delay": DELAY}
DISPOSITIONS = tuple(Disposition)


class Plan(NamedTuple):
    """An arm: stages S, outcomes K, conditions G, exits E, clocks C, days D; times in days, places by number.

    A route `to` a stage is its number, to an exit -1 minus its number. Routes stand twice, W: those of the arm, and
    today's, for people who do not take the arm up.
    """

    kind: Array  # S
    slots: Array  # S, D: for everybody
    kept: Array  # S, D: carved out
    kept_priority: Array  # S
    kept_released: Array  # S
    lead_days: Array  # S
    did_not_attend: Array  # S
    rebooked: Array  # S
    rebooked_days: Array  # S
    lost_to: Array  # S
    backlog: Array  # S
    backlog_priority: Array  # S
    servers: Array  # S
    opens: Array  # S
    closes: Array  # S
    open_days: Array  # S, D
    time_kind: Array  # S
    time_a: Array
    time_b: Array
    time_c: Array
    reads: Array  # S
    outcome_until: Array  # S, G, K: cumulative
    of_disposition: Array  # S, 6
    to: Array  # W, S, K
    priority: Array  # W, S, K; -1 as before
    treated: Array  # E
    return_share: Array  # E, G
    return_kind: Array  # E
    return_a: Array
    return_b: Array
    return_c: Array
    return_to: Array  # E
    return_priority: Array  # E
    clock_from_referral: Array  # C
    clock_starts: Array  # C, S, K
    clock_stops: Array  # C, S, K
    clock_exits: Array  # C, E
    clock_conditions: Array  # C, G
    clock_limit: Array  # C, in the pathway's unit
    condition_until: Array  # G: cumulative
    target: Array  # G
    progression: Array  # G, by 30 days
    entry: int
    other_entry: int
    uptake: float
    referral_priority: int
    n_priorities: int
    first_day: int
    last_day: int
    hour_from: float
    hour_to: float
    units_per_day: float
    whole_days: bool


def days_of(pathway: Pathway) -> list[date]:
    """Every day that is simulated, warm-up and follow-up included."""
    calendar = pathway.calendar
    first = calendar.start - timedelta(days=calendar.warm_up_days)
    return [first + timedelta(days=i) for i in range(calendar.warm_up_days + calendar.days + calendar.follow_up_days)]


def slots_on(week: Mapping[Weekday, int], days: list[date], closed: frozenset[date]) -> npt.NDArray[np.int64]:
    """Slots on each of the days (D,) of a stage that is closed on some."""
    by_day = [dict(week).get(weekday, 0) for weekday in WEEKDAYS]
    return np.array([0 if day in closed else by_day[day.weekday()] for day in days], np.int64)


def plan_of(pathway: Pathway, name: str) -> Plan:
    """The arm of that name as arrays."""
    arm, days = pathway.arms[name], days_of(pathway)
    stages, exits, conditions = list(pathway.stages), list(pathway.exits), list(pathway.conditions)
    priorities = list(pathway.priorities)
    n_outcomes = max(len(stage.ways) for stage in pathway.stages.values())
    today = pathway.arms[pathway.today]
    shape = (2, len(stages), n_outcomes)
    to, priority = np.zeros(shape, np.int64), np.full(shape, -1, np.int64)
    outcome_until = np.ones((len(stages), len(conditions), n_outcomes))
    of_disposition = np.zeros((len(stages), len(DISPOSITIONS)), np.int64)
    for s, stage_name in enumerate(stages):
        reads, routes = pathway.stages[stage_name].reads, pathway.stages[stage_name].ways
        for w, own in enumerate((arm, today)):
            for k, route in enumerate(ways(pathway, own, stage_name).values()):
                to[w, s, k] = stages.index(route.to) if route.to in pathway.stages else -1 - exits.index(route.to)
                if route.priority:
                    priority[w, s, k] = priorities.index(route.priority)
        if reads == "policy":
            for k, outcome in enumerate(routes):
                of_disposition[s, DISPOSITIONS.index(Disposition(outcome))] = k
        if isinstance(reads, dict):
            for g, condition in enumerate(conditions):
                row = [reads[condition][k].value if k in reads[condition] else 0 for k in routes]
                until = np.cumsum(row)
                until[np.flatnonzero(row)[-1] :] = 1
                outcome_until[s, g, : len(until)] = until
    shares = np.cumsum([condition.share.value for condition in pathway.conditions.values()])
    unit = 1.0 if pathway.time_unit == "days" else float(MINUTES_A_DAY)
    return Plan(
        **_capacity(pathway, arm, days),
        **_returns(pathway, stages, conditions, priorities),
        **_clocks(pathway, stages, exits, conditions, n_outcomes),
        reads=np.array([_READS.get(type(s.reads), BY_POLICY) for s in pathway.stages.values()]),
        outcome_until=outcome_until,
        of_disposition=of_disposition,
        to=to,
        priority=priority,
        condition_until=shares / shares[-1],
        target=np.array([condition.target for condition in pathway.conditions.values()]),
        progression=_values(condition.progression_per_30_days for condition in pathway.conditions.values()),
        entry=stages.index(arm.entry),
        other_entry=stages.index(today.entry),
        uptake=float(arm.uptake.value),
        referral_priority=priorities.index(pathway.referrals.priority or priorities[0]),
        n_priorities=len(priorities),
        first_day=pathway.calendar.warm_up_days,
        last_day=pathway.calendar.warm_up_days + pathway.calendar.days - 1,
        hour_from=pathway.referrals.hours[0] / 24,
        hour_to=pathway.referrals.hours[1] / 24,
        units_per_day=unit,
        whole_days=pathway.time_unit == "days",
    )


_READS = {type(None): ONE_WAY, dict: BY_CONDITION}


def _values(quantities: Iterable[Quantity]) -> npt.NDArray[np.float64]:
    return np.array([quantity.value for quantity in quantities], np.float64)


def _capacity(pathway: Pathway, arm: Arm, days: list[date]) -> dict[str, Any]:
    n, priorities = len(pathway.stages), list(pathway.priorities)
    found: dict[str, Any] = {
        "kind": np.array([KINDS[stage.kind] for stage in pathway.stages.values()]),
        "slots": np.zeros((n, len(days)), np.int64),
        "kept": np.zeros((n, len(days)), np.int64),
        "open_days": np.ones((n, len(days)), np.bool_),
        "kept_released": np.zeros(n, np.bool_),
    }
    whole = (
        "kept_priority",
        "lead_days",
        "rebooked_days",
        "lost_to",
        "backlog",
        "backlog_priority",
        "servers",
        "time_kind",
    )
    found |= {name: np.zeros(n, np.int64) for name in whole}
    found |= {name: np.zeros(n) for name in ("did_not_attend", "rebooked", "opens", "time_a", "time_b", "time_c")}
    found["closes"] = np.ones(n)
    holidays = frozenset(pathway.calendar.holidays)
    for s, (name, stage) in enumerate(pathway.stages.items()):
        if isinstance(stage, SlotsStage):
            closed = frozenset() if stage.open_on_holidays else holidays
            found["slots"][s] = slots_on(arm.slots.get(name, stage.slots), days, closed)
            if stage.carve_out:
                found["kept"][s] = slots_on(stage.carve_out.slots, days, closed)
                found["kept_priority"][s] = priorities.index(stage.carve_out.priority)
                found["kept_released"][s] = stage.carve_out.released
            found["lead_days"][s], found["rebooked_days"][s] = stage.lead_days, stage.rebooked_after_days
            found["did_not_attend"][s], found["rebooked"][s] = stage.did_not_attend.value, stage.rebooked.value
            found["lost_to"][s] = list(pathway.exits).index(stage.lost_to) if stage.lost_to else 0
            found["backlog"][s] = stage.backlog
            found["backlog_priority"][s] = priorities.index(stage.backlog_priority or priorities[-1])
        elif isinstance(stage, ServersStage):
            found["servers"][s] = arm.servers.get(name, stage.servers)
            found["opens"][s], found["closes"][s] = stage.open_hours[0] / 24, stage.open_hours[1] / 24
            closed = frozenset() if stage.open_on_holidays else holidays
            found["open_days"][s] = slots_on(dict.fromkeys(stage.open_days, 1), days, closed)
            _time(found, "time", s, stage.service_minutes, MINUTES_A_DAY)
        elif isinstance(stage, DelayStage):
            _time(found, "time", s, stage.delay_days, 1)
    return found


def _time(into: dict[str, Any], name: str, at: int, time: Duration, per_day: int) -> None:
    """A duration in days; of a lognormal the mean of logarithms moves by the unit's logarithm."""
    a, b, c = time.parameters
    if time.distribution == "lognormal":
        a -= np.log(per_day)
    else:
        a, b, c = a / per_day, b / per_day, c / per_day
    into[f"{name}_kind"][at] = TIME_KINDS.index(time.distribution)
    into[f"{name}_a"][at], into[f"{name}_b"][at], into[f"{name}_c"][at] = a, b, c


def _returns(pathway: Pathway, stages: list[str], conditions: list[str], priorities: list[str]) -> dict[str, Any]:
    n = len(pathway.exits)
    found: dict[str, Any] = {
        "treated": np.array([leaving.treated for leaving in pathway.exits.values()]),
        "return_share": np.zeros((n, len(conditions))),
        "return_kind": np.zeros(n, np.int64),
        "return_to": np.zeros(n, np.int64),
        "return_priority": np.full(n, -1, np.int64),
    } | {f"return_{part}": np.zeros(n) for part in "abc"}
    for e, leaving in enumerate(pathway.exits.values()):
        if leaving.returns:
            for condition, share in leaving.returns.share.items():
                found["return_share"][e, conditions.index(condition)] = share.value
            _time(found, "return", e, leaving.returns.after_days, 1)
            found["return_to"][e] = stages.index(leaving.returns.to)
            if leaving.returns.priority:
                found["return_priority"][e] = priorities.index(leaving.returns.priority)
    return found


def _clocks(
    pathway: Pathway, stages: list[str], exits: list[str], conditions: list[str], n_outcomes: int
) -> dict[str, Any]:
    n = len(pathway.clocks)
    starts = np.zeros((n, len(stages), n_outcomes), np.bool_)
    stops, leaving = starts.copy(), np.zeros((n, len(exits)), np.bool_)
    of = np.ones((n, len(conditions)), np.bool_)
    for c, clock in enumerate(pathway.clocks.values()):
        if clock.only:
            of[c] = [condition in clock.only for condition in conditions]
        for into, event in ((starts, clock.starts), *((stops, event) for event in clock.stops)):
            if event in pathway.exits:
                leaving[c, exits.index(event)] = True
            elif event != REFERRAL:
                name, _, outcome = event.partition(" / ")
                outcomes = list(pathway.stages[name].ways)
                s = stages.index(name)
                into[c, s, outcomes.index(outcome) if outcome else slice(None)] = True
    return {
        "clock_from_referral": np.array([clock.starts == REFERRAL for clock in pathway.clocks.values()], np.bool_),
        "clock_starts": starts,
        "clock_stops": stops,
        "clock_exits": leaving,
        "clock_conditions": of,
        "clock_limit": np.array([clock.limit for clock in pathway.clocks.values()], np.float64),
    }
