"""What the replications say, as one table: each figure with the range of simulated years, and beside today's arm."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from derm_kit.pathway.definition import Pathway
from derm_kit.pathway.outcomes import ArmOutcomes, Outcomes
from derm_kit.pathway.quantities import SOURCE_REQUIRED, unsourced_inputs
from derm_kit.pathway.stages import ServersStage, SlotsStage
from derm_kit.pathway.tallies import Floats, Ints

RANGE = "95 % of the simulated years lie from low to high"
PER = 1_000


class Measure(NamedTuple):
    """A figure of an arm: its topic, what it is, of which stage, clock or group, and its unit."""

    topic: str
    name: str
    of: str
    unit: str


def measures(pathway: Pathway, arm: ArmOutcomes) -> dict[Measure, Floats]:
    """Every figure of an arm by replication (R,); NaN where a replication had nobody to measure it on."""
    found: dict[Measure, Floats] = {}
    for part in (_people, _clocks, _stages, _resources):
        found.update(part(pathway, arm))
    return found


def table(outcomes: Outcomes) -> pd.DataFrame:
    """Every figure of every arm.

    Columns: arm, topic, measure, of, unit; value (mean over replications), low and high (2.5th and 97.5th percentile:
    RANGE); change, change_low and change_high against today's arm, pair by pair with the same people (empty for today's
    arm itself, and where it was not simulated); replications (how many measured it); remark.
    """
    pathway = outcomes.pathway
    by_arm = {name: measures(pathway, arm) for name, arm in outcomes.arms.items()}
    today, settings = by_arm.get(pathway.today), _rests_on_settings(pathway)
    rows = []
    for name, found in by_arm.items():
        for measure, values in found.items():
            other = today.get(measure) if today is not None and name != pathway.today else None
            rows.append(
                (name, *measure, *summary(values), *(summary(values - other) if other is not None else (np.nan,) * 3),
                 int(np.isfinite(values).sum()), remark(pathway, measure, settings=settings))
            )  # fmt: skip
    columns = ["arm", "topic", "measure", "of", "unit", "value", "low", "high", "change", "change_low", "change_high"]
    return pd.DataFrame(rows, columns=[*columns, "replications", "remark"])


def summary(values: Floats) -> tuple[float, float, float]:
    """Mean, and 2.5th and 97.5th percentile, of the replications that have a value."""
    known = values[np.isfinite(values)]
    if not known.size:
        return np.nan, np.nan, np.nan
    low, high = np.quantile(known, (0.025, 0.975))
    return float(known.mean()), float(low), float(high)


def missed_parts(outcomes: Outcomes, arm: str) -> pd.DataFrame:
    """People of each target group who leave untreated the first time, and what their range comes from.

    Columns: group, referred, missed (means), low and high (all of it), cohort_low and cohort_high (from the size of the
    reference cohort alone: the cases drawn anew, everything else at its mean), chance_low and chance_high (from who
    happens to be referred and how it goes, with the cohort as it is).
    """
    pathway, found = outcomes.pathway, outcomes.arms[arm]
    names, rows = list(pathway.conditions), []
    for group, members in pathway.target_groups.items():
        own = [names.index(name) for name in members]
        referred = found.tally.referred[:, own]
        missed = found.tally.missed[:, :, own].sum(axis=(1, 2)).astype(np.float64)
        at_mean = (found.missed_prob[:, own] * referred.mean(axis=0)).sum(axis=1)
        expected = (found.missed_prob[:, own] * referred).sum(axis=1)
        chance = missed - expected + at_mean.mean()
        rows.append((group, referred.sum(axis=1).mean(), *summary(missed), *summary(at_mean)[1:], *summary(chance)[1:]))
    columns = ["group", "referred", "missed", "low", "high", "cohort_low", "cohort_high", "chance_low", "chance_high"]
    table = pd.DataFrame(rows, columns=columns)
    table["chance_low"] = table["chance_low"].clip(lower=0)
    return table


def routes(outcomes: Outcomes, arm: str) -> pd.DataFrame:
    """Where people go in a year, at the mean: the flows of a Sankey diagram.

    Columns: source (stage or "referral"), outcome, to, people, target (how many of them have a target condition). Of
    people who did not take the arm up it shows where today's routes led them.
    """
    from derm_kit.pathway.graph import REFERRAL, ways

    pathway, tally = outcomes.pathway, outcomes.arms[arm].tally
    target = np.array([condition.target for condition in pathway.conditions.values()])
    arms = pathway.arms[arm], pathway.arms[pathway.today]
    flows = [flow.mean(axis=0) for flow in (tally.flow - tally.flow_today, tally.flow_today)]
    rows: list[tuple[str, str, str, Floats]] = []
    for s, (name, stage) in enumerate(pathway.stages.items()):
        rows.append((REFERRAL, "referred", name, tally.entered[:, s].mean(axis=0)))
        for own, flow in zip(arms, flows, strict=True):
            for k, (outcome, route) in enumerate(ways(pathway, own, name).items()):
                rows.append((name, outcome, route.to, flow[s, k]))
        if isinstance(stage, SlotsStage) and stage.lost_to:
            rows.append((name, "did not attend", stage.lost_to, tally.lost[:, s].mean(axis=0)))
    counted = [(*row[:3], float(row[3].sum()), float(row[3][target].sum())) for row in rows if row[3].sum() > 0]
    table = pd.DataFrame(counted, columns=["source", "outcome", "to", "people", "target"])
    return table.groupby(["source", "outcome", "to"], sort=False, as_index=False).sum()


def waiting(outcomes: Outcomes, arm: str) -> pd.DataFrame:
    """Share of people seen within each time: by (stage or clock), name, units, share; up to the last that waited."""
    found, rows = outcomes.arms[arm].tally, []
    for by, names, counts in (
        ("stage", list(outcomes.pathway.stages), found.stage_wait[0]),
        ("clock", list(outcomes.pathway.clocks), found.clock[0]),
    ):
        for name, waits in zip(names, counts, strict=True):
            if waits.sum():
                until = int(np.flatnonzero(waits)[-1]) + 1
                share = waits[:until].cumsum() / waits.sum()
                rows.append(pd.DataFrame({"by": by, "name": name, "units": np.arange(until), "share": share}))
    columns = ["by", "name", "units", "share"]
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=columns)


def backlogs(outcomes: Outcomes, arm: str) -> pd.DataFrame:
    """People who wait at each stage at the end of each day: date, stage, value, low, high over replications."""
    from derm_kit.pathway.plan import days_of

    pathway, tally = outcomes.pathway, outcomes.arms[arm].tally
    first, last = pathway.calendar.warm_up_days, pathway.calendar.warm_up_days + pathway.calendar.days
    days = pd.to_datetime(days_of(pathway)[first:last])
    parts = []
    for s, name in enumerate(pathway.stages):
        queue = tally.backlog[:, first:last, s]
        if queue.any():
            low, high = np.quantile(queue, (0.025, 0.975), axis=0)
            parts.append(
                pd.DataFrame({"date": days, "stage": name, "value": queue.mean(axis=0), "low": low, "high": high})
            )
    columns = ["date", "stage", "value", "low", "high"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def remark(pathway: Pathway, measure: Measure, *, settings: bool) -> str:
    """What must be said beside a figure: whether it rests on costs, or on `settings`, that nobody gave a source for."""
    if measure.topic == "cost":
        stages = [pathway.stages[measure.of]] if measure.of in pathway.stages else list(pathway.stages.values())
        if not all(stage.cost_gbp.sourced for stage in stages):
            return SOURCE_REQUIRED
    return f"rests on settings: {SOURCE_REQUIRED}" if settings else ""


def _rests_on_settings(pathway: Pathway) -> bool:
    """Whether any input of the simulation itself, costs and valuation aside, lacks a source."""
    places = (place.split(" / ") for place in unsourced_inputs(pathway))
    return any(place[0] != "economics" and place[-1] != "cost_gbp" for place in places)


def _people(pathway: Pathway, arm: ArmOutcomes) -> Iterator[tuple[Measure, Floats]]:
    tally, names = arm.tally, list(pathway.conditions)
    referred = tally.referred.sum(axis=1)
    target = np.array([condition.target for condition in pathway.conditions.values()])
    yield Measure("people", "referred", "", "people a year"), _a_year(pathway, referred)
    ended = tally.ended.sum(axis=2)
    for e, exit_name in enumerate(pathway.exits):
        yield Measure("people", "way out", exit_name, f"per {PER:,} referred"), _ratio(PER * ended[:, e], referred)
    yield (
        Measure("people", "still in the pathway at the end", "", f"per {PER:,} referred"),
        _ratio(PER * tally.still_in.sum(axis=(1, 2)), referred),
    )
    for s, (name, stage) in enumerate(pathway.stages.items()):
        if stage.reads == "policy" and tally.flow[:, s].any():
            for k, outcome in enumerate(stage.ways):
                said = tally.flow[:, s, k].sum(axis=1)
                yield Measure("people", f"{name} says", outcome, f"per {PER:,} referred"), _ratio(PER * said, referred)
    alarms = [s for s, stage in enumerate(pathway.stages.values()) if stage.alarm]
    if alarms:
        visits = tally.flow[:, alarms][..., ~target].sum(axis=(1, 2, 3))
        yield Measure("people", "false alarms", "", f"per {PER:,} referred"), _ratio(PER * visits, referred)
    by_advice = [e for e, leaving in enumerate(pathway.exits.values()) if leaving.advice]
    if by_advice:
        first = tally.ended[:, by_advice][..., ~target].sum(axis=(1, 2)) + tally.missed[:, by_advice].sum(axis=(1, 2))
        yield Measure("people", "left with advice at first", "", f"per {PER:,} referred"), _ratio(PER * first, referred)
    for group, members in pathway.target_groups.items():
        own = [names.index(name) for name in members]
        people = tally.referred[:, own].sum(axis=1)
        missed = tally.missed[:, :, own].sum(axis=2)
        found, days = tally.found[:, :, own].sum(axis=2), tally.found_days[:, :, own].sum(axis=2)
        yield Measure("cancers", "referred", group, f"per {PER:,} referred"), _ratio(PER * people, referred)
        yield Measure("cancers", "missed", group, f"per {PER:,} referred"), _ratio(PER * missed.sum(axis=1), referred)
        if by_advice:
            advised = missed[:, by_advice].sum(axis=1)
            yield (
                Measure("cancers", "missed, left with advice", group, f"per {PER:,} referred"),
                _ratio(PER * advised, referred),
            )
        for e, exit_name in enumerate(pathway.exits):
            if missed[:, e].any():
                of_exit = _ratio(PER * missed[:, e], referred)
                yield (
                    Measure("cancers", f"missed by the way out “{exit_name}”", group, f"per {PER:,} referred"),
                    of_exit,
                )
        yield (
            Measure("cancers", "missed and found later", group, f"per {PER:,} referred"),
            _ratio(PER * found[:, 1], referred),
        )
        yield Measure("cancers", "treated", group, "share of them"), _ratio(found.sum(axis=1), people)
        yield (
            Measure("cancers", "referral to treatment", group, "days, mean"),
            _ratio(days.sum(axis=1), found.sum(axis=1)),
        )
        yield Measure("cancers", "delay of those found later", group, "days, mean"), _ratio(days[:, 1], found[:, 1])
        advanced = tally.advanced[:, :, own].sum(axis=(1, 2))
        yield (
            Measure("cancers", "advanced by treatment", group, "share of treated"),
            _ratio(advanced, found.sum(axis=1)),
        )


def _clocks(pathway: Pathway, arm: ArmOutcomes) -> Iterator[tuple[Measure, Floats]]:
    tally = arm.tally
    for c, name in enumerate(pathway.clocks):
        known = arm.clock_stopped[:, c] + tally.clock_overdue[:, c]
        yield Measure("clock", "within the limit", name, "share"), _ratio(tally.clock_within[:, c], known)
        for q, label in enumerate(("median", "90th percentile")):
            yield Measure("clock", label, name, pathway.time_unit), arm.clock_quantiles[:, c, q]


def _stages(pathway: Pathway, arm: ArmOutcomes) -> Iterator[tuple[Measure, Floats]]:
    tally, days = arm.tally, pathway.calendar.days
    unit = 1 if pathway.time_unit == "days" else 1_440
    first, last = pathway.calendar.warm_up_days, pathway.calendar.warm_up_days + days - 1
    for s, (name, stage) in enumerate(pathway.stages.items()):
        seen = tally.flow[:, s].sum(axis=(1, 2))
        if not seen.any():
            continue
        yield Measure("clinic", "seen", name, "visits a week"), seen * 7 / days
        if isinstance(stage, SlotsStage | ServersStage):
            yield Measure("wait", "mean", name, pathway.time_unit), _ratio(tally.wait_days[:, s] * unit, seen)
            for q, label in enumerate(("median", "90th percentile")):
                yield Measure("wait", label, name, pathway.time_unit), arm.stage_quantiles[:, s, q]
            yield Measure("clinic", "waiting at the start", name, "people"), tally.backlog[:, first, s].astype(float)
            yield Measure("clinic", "waiting at the end", name, "people"), tally.backlog[:, last, s].astype(float)
        if isinstance(stage, SlotsStage):
            yield (
                Measure("clinic", "slots used", name, "share"),
                _ratio(tally.slots_used[:, s], tally.slots_offered[:, s]),
            )
            no_show = tally.not_attended[:, s].sum(axis=1)
            yield Measure("clinic", "did not attend", name, "share of slots"), _ratio(no_show, seen + no_show)


def _resources(pathway: Pathway, arm: ArmOutcomes) -> Iterator[tuple[Measure, Floats]]:
    referred = arm.tally.referred.sum(axis=1)
    visits = visits_by_stage(arm)
    roles: dict[str, Floats] = {}
    total = np.zeros(len(referred))
    for s, (name, stage) in enumerate(pathway.stages.items()):
        for role, minutes in stage.staff.items():
            roles[role] = roles.get(role, np.zeros(len(referred))) + visits[:, s] * float(minutes)
        cost = visits[:, s] * float(stage.cost_gbp.value)
        total = total + cost
        if stage.cost_gbp.value and visits[:, s].any():
            yield Measure("cost", "cost", name, "GBP per referral"), _ratio(np.asarray(cost, np.float64), referred)
    for role, spent in roles.items():
        yield Measure("staff", "time", role, "minutes per referral"), _ratio(spent, referred)
    yield Measure("cost", "cost of all stages", "", "GBP per referral"), _ratio(total, referred)


def visits_by_stage(arm: ArmOutcomes) -> Ints:
    """Visits (R, S) of the counted people, slots that nobody attended included."""
    visits: Ints = arm.tally.flow.sum(axis=(2, 3)) + arm.tally.not_attended.sum(axis=2)
    return visits


def _a_year(pathway: Pathway, counts: Ints) -> Floats:
    return counts * 365.25 / pathway.calendar.days


def _ratio(part: Ints | Floats, whole: Ints | Floats) -> Floats:
    """Part of a whole by replication, NaN where there is no whole."""
    shares = np.full(len(part), np.nan)
    np.divide(part, whole, out=shares, where=np.asarray(whole) > 0)
    return shares
