"""Whether each stage can keep up with what comes to it, since when it cannot, and how much it takes to hold a clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd

from derm_kit.errors import PathwayError
from derm_kit.model.run import ScoreRun
from derm_kit.pathway.definition import Pathway
from derm_kit.pathway.engine import SERVERS, SLOTS
from derm_kit.pathway.expected import expected
from derm_kit.pathway.graph import reached
from derm_kit.pathway.measures import Measure, measures, summary
from derm_kit.pathway.outcomes import Outcomes
from derm_kit.pathway.patients import Cases, dispositions, expected_referrals
from derm_kit.pathway.plan import DISPOSITIONS, days_of, plan_of
from derm_kit.pathway.simulation import simulate
from derm_kit.pathway.stages import WEEKDAYS, ServersStage, SlotsStage, Weekday
from derm_kit.pathway.tallies import Floats
from derm_kit.triage.policy import TriagePolicy

FDS_DAYS = 28
MOST_DAYS_AHEAD = 3_650
"""How far a pace is followed beyond the days that were simulated."""
MOST_SLOTS = 2_000
"""Slots a week at which the search for enough gives up."""


def load(pathway: Pathway, arm: str, run: ScoreRun | None = None, policy: TriagePolicy | None = None) -> pd.DataFrame:
    """What comes to each stage with a capacity and what it can do, a week, at the mean over the counted days.

    Columns: stage, unit ("slots" or "minutes"), demand, capacity, use (demand / capacity), grows_by (people a week by
    which its queue grows; 0 where it keeps up), remark. Those who are referred again are in it.
    """
    plan, counted = (
        plan_of(pathway, arm),
        slice(pathway.calendar.warm_up_days, -pathway.calendar.follow_up_days or None),
    )
    found = expected(plan)
    conditions = np.array([condition.share.value for condition in pathway.conditions.values()])
    per_week = 7 * expected_referrals(pathway.referrals, days_of(pathway))[counted].mean()
    shares = np.ones((len(conditions), 1))
    if found.visits.shape[1] > 1 and run is not None and policy is not None:
        shares = _disposition_shares(pathway, run, policy.changed(autonomous=pathway.arms[arm].autonomous))
    visits = per_week * np.einsum("g,ga,gas->s", conditions, shares, found.visits)
    rows = []
    for s, (name, stage) in enumerate(pathway.stages.items()):
        if plan.kind[s] == SLOTS:
            capacity = 7 * (plan.slots[s] + plan.kept[s])[counted].mean()
            demand, unit, each = visits[s], "slots", 1.0
        elif plan.kind[s] == SERVERS:
            hours = (plan.closes[s] - plan.opens[s]) * plan.open_days[s][counted].mean() * 24
            each = stage.service_minutes.expected  # type: ignore[union-attr]
            demand, capacity, unit = visits[s] * each, 7 * hours * 60 * plan.servers[s], "minutes"
        else:
            continue
        grows = max(0.0, demand - capacity) / each if each else 0.0
        remark = "" if not grows else f"queue grows by {grows:,.1f} people a week"
        use = demand / capacity if capacity else (np.inf if demand else np.nan)
        rows.append((name, unit, demand, capacity, use, grows, remark))
    return pd.DataFrame(rows, columns=["stage", "unit", "demand", "capacity", "use", "grows_by", "remark"])


def growing(outcomes: Outcomes, arm: str, loads: pd.DataFrame | None = None) -> list[str]:
    """Sentences on stages whose queue grows through the counted days: by how much, and since when.

    `loads` is what `load` says of the arm, where it is known already.
    """
    stages = load(outcomes.pathway, arm, outcomes.run, outcomes.policy) if loads is None else loads
    short = stages[stages["grows_by"] > 0]
    columns = [short[name].tolist() for name in ("stage", "unit", "demand", "capacity", "grows_by")]
    return [_sentence(outcomes, arm, *row) for row in zip(*columns, strict=True)]


def _sentence(
    outcomes: Outcomes, arm: str, name: str, unit: str, demand: float, capacity: float, grows_by: float
) -> str:
    calendar, s = outcomes.pathway.calendar, list(outcomes.pathway.stages).index(name)
    first = calendar.warm_up_days
    queue = outcomes.arms[arm].tally.backlog[:, first : first + calendar.days, s].mean(axis=0)
    days = days_of(outcomes.pathway)[first : first + calendar.days]
    stage = outcomes.pathway.stages[name]
    a_day = capacity / 7 / (stage.service_minutes.expected if isinstance(stage, ServersStage) else 1.0)
    needed = f"{arm}: {name} has {capacity:,.0f} {unit} a week for {demand:,.0f} that are needed, so its queue grows "
    first_day, last_day = (f"{day:%d %B %Y}" for day in (days[0], days[-1]))
    if queue[-1] - queue[0] < grows_by * len(days) / 7 / 2:
        return (
            f"{needed}by {grows_by:,.1f} people a week in the long run. It has {queue[0]:,.0f} people on {first_day} "
            f"and {queue[-1]:,.0f} on {last_day}, for fewer come there in these days{_late(queue, days, a_day)}."
        )
    when = _late(queue, days, a_day) or _late_at_this_pace(queue, days, a_day, grows_by)
    return (
        f"{needed}from {queue[0]:,.0f} people on {first_day} to {queue[-1]:,.0f} on {last_day}{when}. Waits there "
        "depend on how long the simulation runs."
    )


def _late(queue: Floats, days: list[date], a_day: float) -> str:
    """Since when the wait is above FDS_DAYS in a queue (D,) of which `a_day` are seen; nothing where it is not."""
    late = np.flatnonzero(queue > FDS_DAYS * a_day)
    if not a_day or not late.size:
        return "" if a_day else "; nobody is seen there"
    if not late[0]:
        return f"; the wait there is above {FDS_DAYS} days from the first day on"
    return f"; the wait there passes {FDS_DAYS} days on about {days[late[0]]:%d %B %Y}"


def _late_at_this_pace(queue: Floats, days: list[date], a_day: float, grows_by: float) -> str:
    """When it will be above FDS_DAYS if the queue goes on growing by so many people a week."""
    left_days = 7 * float(FDS_DAYS * a_day - queue[-1]) / grows_by
    if left_days > MOST_DAYS_AHEAD:
        return ""
    return f"; at this pace the wait there passes {FDS_DAYS} days on about {days[-1] + timedelta(left_days):%d %B %Y}"


@dataclass(frozen=True)
class Enough:
    """How many slots a week hold a clock: None where no number up to MOST_SLOTS does, and `why` in words.

    `tries` has a row for each number that was simulated: slots, within (share in the limit), low, high.
    """

    stage: str
    clock: str
    target: float
    slots_per_week: int | None
    tries: pd.DataFrame
    why: str


def enough_slots(
    pathway: Pathway,
    arm: str,
    stage: str,
    clock: str,
    run: ScoreRun | None = None,
    policy: TriagePolicy | None = None,
    *,
    target: float | None = None,
    seed: int = 1,
    replications: int = 20,
    progress: Callable[[int], None] | None = None,
) -> Enough:
    """The fewest slots a week at `stage` with which the mean share within `clock`'s limit reaches `target`.

    By doubling, then halving the interval: more slots never lengthen waits with the same people. Slots are spread over
    weekdays as they are now. `target` left out is the clock's own. Raises PathwayError where the stage has no slots or
    the arm or clock is unknown.
    """
    known = pathway.stages.get(stage)
    if arm not in pathway.arms or clock not in pathway.clocks or not isinstance(known, SlotsStage):
        raise PathwayError(
            "the capacity that is sought is of an arm, at a stage of the kind slots, for a clock",
            case=pathway.name,
            value=f"{arm} / {stage} / {clock}",
            next_step=f"Stages with slots: {', '.join(n for n, s in pathway.stages.items() if s.kind == 'slots')}.",
        )
    if stage not in reached(pathway, pathway.arms[arm]):
        raise PathwayError(
            "more slots change nothing where nobody comes",
            case=pathway.name,
            value=f"{arm} / {stage}",
            next_step="Choose a stage that people of this arm come to.",
        )
    wanted = float(pathway.clocks[clock].target.value if target is None else target)
    week: dict[Weekday, int] = dict(pathway.arms[arm].slots.get(stage, known.slots))
    tries: dict[int, tuple[float, float, float]] = {}

    def within(slots: int) -> float:
        if slots not in tries:
            changed = with_slots(pathway, arm, stage, spread_over(week, slots))
            found = simulate(changed, run, policy, seed=seed, replications=replications, arms=[arm])
            share = measures(changed, found.arms[arm])[Measure("clock", "within the limit", clock, "share")]
            tries[slots] = summary(share)
            if progress:
                progress(slots)
        return tries[slots][0] if np.isfinite(tries[slots][0]) else 0.0

    high = max(1, sum(week.values()))
    low = 0
    while within(high) < wanted and high < MOST_SLOTS:
        low, high = high, min(2 * high, MOST_SLOTS)
    found = within(high) >= wanted
    while found and high - low > 1:
        middle = (low + high) // 2
        if within(middle) >= wanted:
            high = middle
        else:
            low = middle
    table = pd.DataFrame(
        [(slots, *figures) for slots, figures in sorted(tries.items())], columns=["slots", "within", "low", "high"]
    )
    return Enough(stage, clock, wanted, high if found else None, table, _why(stage, clock, wanted, high, found, table))


def _why(stage: str, clock: str, wanted: float, slots: int, found: bool, tries: pd.DataFrame) -> str:
    if found:
        share = tries.loc[tries["slots"] == slots, "within"].iloc[0]
        enough = f"{slots:,} slots a week at {stage} hold" if slots > 1 else f"1 slot a week at {stage} holds"
        return f"{enough} {clock}: {share:.1%} within the limit ({wanted:.0%} wanted)."
    best = tries["within"].max()
    return (
        f"No number of slots at {stage} holds {clock}: with {slots:,} a week {best:.1%} are within the limit, and "
        f"{wanted:.0%} are wanted. What is left is time at other stages."
    )


def with_slots(pathway: Pathway, arm: str, stage: str, week: dict[Weekday, int]) -> Pathway:
    """The pathway with another week of slots at a stage of one arm."""
    own = pathway.arms[arm]
    return pathway.model_copy(
        update={"arms": pathway.arms | {arm: own.model_copy(update={"slots": own.slots | {stage: week}})}}
    )


def spread_over(week: dict[Weekday, int], slots: int) -> dict[Weekday, int]:
    """`slots` a week in the proportions of `week` (Monday to Friday alike where it has none), by largest remainders."""
    shape = np.array([week.get(day, 0) for day in WEEKDAYS], np.float64)
    if not shape.sum():
        shape[:5] = 1
    exact = slots * shape / shape.sum()
    whole = np.floor(exact).astype(np.int64)
    order = np.argsort(-(exact - whole), kind="stable")
    whole[order[: slots - int(whole.sum())]] += 1
    return {day: int(n) for day, n in zip(WEEKDAYS, whole, strict=True) if n}


def _disposition_shares(pathway: Pathway, run: ScoreRun, policy: TriagePolicy) -> Floats:
    """Share (G, A) of each condition's cases that the policy gives each disposition."""
    cases, codes = Cases.of(pathway, run), dispositions(run, policy)
    shares = np.zeros((cases.n_conditions, len(DISPOSITIONS)))
    for g in range(cases.n_conditions):
        own = codes[cases.condition == g]
        if own.size:
            shares[g] = np.bincount(own, minlength=len(DISPOSITIONS)) / own.size
    return shares
