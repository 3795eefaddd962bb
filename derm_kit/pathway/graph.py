"""Whether the parts of a pathway hold together: names, shares that add up, and a way out of every stage."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from derm_kit.lesions import LESION_TYPES
from derm_kit.triage.definition import Disposition

if TYPE_CHECKING:
    from derm_kit.pathway.definition import Arm, Pathway
    from derm_kit.pathway.stages import Route, Stage

REFERRAL = "referral"
SEEN = "seen"


def broken_rule(pathway: Pathway) -> str | None:
    """The first rule that the parts break together, in words; None where they hold."""
    return next(_broken(pathway), None)


def ways(pathway: Pathway, arm: Arm, name: str) -> dict[str, Route]:
    """Where the outcomes of a stage lead in an arm."""
    return pathway.stages[name].ways | arm.routes.get(name, {})


def entries(pathway: Pathway, arm: Arm) -> set[str]:
    """Stages at which people enter in an arm: its own, and today's where not all take it up."""
    return {arm.entry} | ({pathway.arms[pathway.today].entry} if arm.uptake.value < 1 else set())


def events(pathway: Pathway) -> set[str]:
    """What a clock may name: stages, "stage / outcome", and exits."""
    outcomes = {f"{name} / {outcome}" for name, stage in pathway.stages.items() for outcome in stage.ways}
    return set(pathway.stages) | set(pathway.exits) | outcomes


def leads_to(pathway: Pathway, arm: Arm, stage: str, condition: str) -> Iterator[str]:
    """Stages and exits that a person with `condition` may go to next from `stage`."""
    reads = pathway.stages[stage].reads
    for outcome, route in ways(pathway, arm, stage).items():
        if not isinstance(reads, dict) or (outcome in reads[condition] and reads[condition][outcome].value > 0):
            yield route.to
    lost = getattr(pathway.stages[stage], "lost_to", None)
    if lost:
        yield lost


def _broken(pathway: Pathway) -> Iterator[str]:
    yield from _names(pathway)
    for name, stage in pathway.stages.items():
        yield from _stage(pathway, name, stage)
    yield from _conditions(pathway)
    yield from _exits(pathway)
    yield from _clocks(pathway)
    for name, arm in pathway.arms.items():
        yield from _arm(pathway, name, arm)
    unused = set(pathway.stages) - set().union(*(reached(pathway, arm) for arm in pathway.arms.values()))
    if unused:
        yield f"stages / {sorted(unused)[0]}: no arm leads there"


def _names(pathway: Pathway) -> Iterator[str]:
    both = set(pathway.stages) & set(pathway.exits)
    if both:
        yield f"exits / {sorted(both)[0]}: a stage has the same name"
    if [arm.today for arm in pathway.arms.values()].count(True) != 1:
        yield "arms: exactly one arm is today's (today: true), which the others are held against"
    if len(set(pathway.priorities)) < len(pathway.priorities):
        yield "priorities: each stands once, the most urgent first"
    if pathway.referrals.priority not in (None, *pathway.priorities):
        yield f"referrals / priority: {pathway.referrals.priority!r} is none of the pathway's priorities"


def _stage(pathway: Pathway, name: str, stage: Stage) -> Iterator[str]:
    where = f"stages / {name}"
    yield from _routes(pathway, where, stage.ways)
    if stage.reads == "policy":
        missing = [d.value for d in Disposition if d.value not in stage.routes]
        if missing:
            yield f"{where} / routes: reading a policy needs a route for each disposition; none for {missing[0]!r}"
        unknown = set(stage.routes) - {d.value for d in Disposition}
        if unknown:
            yield f"{where} / routes: {sorted(unknown)[0]!r} is no disposition of a policy"
    elif isinstance(stage.reads, dict):
        if set(stage.reads) != set(pathway.conditions):
            odd = sorted(set(stage.reads) ^ set(pathway.conditions))[0]
            yield f"{where} / reads: the shares of outcomes stand once for each condition; look at {odd!r}"
        for condition, row in stage.reads.items():
            unknown = set(row) - set(stage.routes)
            if unknown:
                yield f"{where} / reads / {condition}: {sorted(unknown)[0]!r} has no route"
            total = math.fsum(share.value for share in row.values())
            if abs(total - 1) > 1e-9:
                yield f"{where} / reads / {condition}: the shares of outcomes add up to 1, not {total:.6g}"
    for field, value in (("carve_out", getattr(stage, "carve_out", None)), ("backlog", stage)):
        priority = getattr(value, "backlog_priority" if field == "backlog" else "priority", None)
        if priority not in (None, *pathway.priorities):
            yield f"{where} / {field}: {priority!r} is none of the pathway's priorities"
    lost = getattr(stage, "lost_to", None)
    if lost and lost not in pathway.exits:
        yield f"{where} / lost_to: {lost!r} is no exit of this pathway"


def _routes(pathway: Pathway, where: str, routes: dict[str, Route]) -> Iterator[str]:
    for outcome, route in routes.items():
        if route.to not in pathway.stages and route.to not in pathway.exits:
            yield f"{where} / {outcome}: {route.to!r} is no stage or exit of this pathway"
        if route.priority not in (None, *pathway.priorities):
            yield f"{where} / {outcome}: {route.priority!r} is none of the pathway's priorities"


def _conditions(pathway: Pathway) -> Iterator[str]:
    total = math.fsum(condition.share.value for condition in pathway.conditions.values())
    if abs(total - 1) > 1e-9:
        yield f"conditions: their shares of the referrals add up to 1, not {total:.6g}"
    if not pathway.reads_policy:
        return
    for kind in LESION_TYPES:
        of = [name for name, condition in pathway.conditions.items() if kind in condition.types]
        if len(of) != 1:
            said = f"in {' and '.join(of)}" if of else "in none"
            yield f"conditions: each lesion type is in the types of one condition; {kind.value} is {said}"
    empty = [name for name, condition in pathway.conditions.items() if not condition.types]
    if empty:
        yield f"conditions / {empty[0]}: a pathway that reads a policy says which lesion types make a condition up"


def _exits(pathway: Pathway) -> Iterator[str]:
    for name, leaving in pathway.exits.items():
        if leaving.treated and leaving.advice:
            yield f"exits / {name}: a person is treated or leaves with advice, not both"
        if leaving.returns:
            where = f"exits / {name} / returns"
            if leaving.returns.to not in pathway.stages:
                yield f"{where}: {leaving.returns.to!r} is no stage of this pathway"
            if leaving.returns.priority not in (None, *pathway.priorities):
                yield f"{where}: {leaving.returns.priority!r} is none of the pathway's priorities"
            odd = set(leaving.returns.share) - set(pathway.targets)
            if odd:
                yield f"{where} / share: {sorted(odd)[0]!r} is no target condition"


def _clocks(pathway: Pathway) -> Iterator[str]:
    known = events(pathway)
    for name, clock in pathway.clocks.items():
        odd = [event for event in (clock.starts, *clock.stops) if event not in known and event != REFERRAL]
        if odd or REFERRAL in clock.stops:
            yield (
                f"clocks / {name}: a clock starts at 'referral', a stage or 'stage / outcome', and stops at a stage, "
                f"an outcome or an exit; {(odd or [REFERRAL])[0]!r} is none of them"
            )
        strange = set(clock.only) - set(pathway.conditions)
        if strange:
            yield f"clocks / {name} / only: {sorted(strange)[0]!r} is no condition"


def _arm(pathway: Pathway, name: str, arm: Arm) -> Iterator[str]:
    where = f"arms / {name}"
    if arm.entry not in pathway.stages:
        yield f"{where} / entry: {arm.entry!r} is no stage of this pathway"
    if arm.today and arm.uptake.value < 1:
        yield f"{where} / uptake: today's arm is the one that all others take who do not take up a new one"
    for stage, routes in arm.routes.items():
        odd = set(routes) - set(pathway.stages[stage].ways) if stage in pathway.stages else {""}
        if odd:
            yield f"{where} / routes / {stage}: {sorted(odd)[0]!r} is no outcome of such a stage"
        yield from _routes(pathway, f"{where} / routes / {stage}", routes)
    for field, kind in (("slots", "slots"), ("servers", "servers")):
        odd = {s for s in getattr(arm, field) if s not in pathway.stages or pathway.stages[s].kind != kind}
        if odd:
            yield f"{where} / {field}: {sorted(odd)[0]!r} is no stage of the kind {kind}"
    yield from _ways_out(pathway, where, arm)


def _ways_out(pathway: Pathway, where: str, arm: Arm) -> Iterator[str]:
    """A loop without exit: a stage that a person with some condition reaches and never leaves."""
    for condition in pathway.conditions:
        reach = {stage: set(leads_to(pathway, arm, stage, condition)) for stage in pathway.stages}
        leaving = set(pathway.exits)
        while new := {stage for stage, to in reach.items() if stage not in leaving and to & leaving}:
            leaving |= new
        stuck = _closure(entries(pathway, arm), reach) - leaving
        if stuck:
            yield f"{where}: from the stage {sorted(stuck)[0]!r} nobody with {condition!r} ever reaches an exit"


def reached(pathway: Pathway, arm: Arm) -> set[str]:
    """Stages that somebody may come to in an arm, those referred again included."""
    reach: dict[str, set[str]] = {stage: set() for stage in pathway.stages}
    for condition in pathway.conditions:
        for stage in pathway.stages:
            reach[stage] |= set(leads_to(pathway, arm, stage, condition))
    for name, leaving in pathway.exits.items():
        reach[name] = {leaving.returns.to} if leaving.returns else set()
    return _closure(entries(pathway, arm), reach) & set(pathway.stages)


def _closure(start: set[str], reach: dict[str, set[str]]) -> set[str]:
    found, new = set(start), set(start)
    while new:
        new = set().union(*(reach.get(place, set()) for place in new)) - found
        found |= new
    return found
