"""Whether the parts of a pathway hold together: names that exist, shares that add up, and a way out of every stage."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from derm_kit.lesions import LESION_TYPES
from derm_kit.pathway.graph import REFERRAL, ROUNDING, events, loops, reached
from derm_kit.pathway.refusals import At, near
from derm_kit.triage.definition import Disposition

if TYPE_CHECKING:
    from derm_kit.pathway.definition import Arm, Pathway
    from derm_kit.pathway.quantities import Quantity
    from derm_kit.pathway.stages import Route, Stage
    from derm_kit.pathway.valuation import Economics

MOST_REFERRALS, MOST_WAITING = 30_000_000, 1_000_000
"""A national year has some 10 million referrals; more is a slip of the pen."""


class Broken(NamedTuple):
    """A rule that parts break together, the path of names that leads to the value, and the value."""

    rule: str
    at: At
    value: object = None


def broken_rule(pathway: Pathway) -> Broken | None:
    """The first rule that the parts break together; None where they hold."""
    return next(_broken(pathway), None)


def _broken(pathway: Pathway) -> Iterator[Broken]:
    yield from _names(pathway)
    yield from _referrals(pathway)
    for name, stage in pathway.stages.items():
        yield from _stage(pathway, name, stage)
    yield from _conditions(pathway)
    yield from _exits(pathway)
    yield from _clocks(pathway)
    if pathway.economics:
        yield from _economics(pathway, pathway.economics)
    for name, arm in pathway.arms.items():
        yield from _arm(pathway, name, arm)
    unused = set(pathway.stages) - set().union(*(reached(pathway, arm) for arm in pathway.arms.values()))
    if unused:
        yield Broken("no arm leads to this stage", ("stages", min(unused)))


def _names(pathway: Pathway) -> Iterator[Broken]:
    for name in pathway.exits:
        if name in pathway.stages:
            yield Broken("a stage has the same name", ("exits", name), name)
    for where, names in (("stages", pathway.stages), ("exits", pathway.exits)):
        if REFERRAL in names:
            yield Broken(
                "clocks start at a person's referral by this name; take another name", (where, REFERRAL), REFERRAL
            )
    if [arm.today for arm in pathway.arms.values()].count(True) != 1:
        yield Broken("exactly one arm is today's (today: true), which the others are held against", ("arms",))
    if len(set(pathway.priorities)) < len(pathway.priorities):
        yield Broken("each stands once, the most urgent first", ("priorities",), pathway.priorities)


def _referrals(pathway: Pathway) -> Iterator[Broken]:
    yield from _priority(pathway, ("referrals", "priority"), pathway.referrals.priority)
    calendar, per_week = pathway.calendar, pathway.referrals.per_week.value
    total = per_week / 7 * (calendar.warm_up_days + calendar.days + calendar.follow_up_days)
    if total > MOST_REFERRALS:
        rule = f"at most {MOST_REFERRALS:,} people are referred in the days that are simulated, not {total:,.0f}"
        yield Broken(rule, ("referrals", "per_week"), per_week)
    backlogs = {name: stage.backlog for name, stage in pathway.stages.items() if stage.kind == "slots"}
    if sum(backlogs.values()) > MOST_WAITING:
        most = max(backlogs, key=lambda name: backlogs[name])
        rule = f"at most {MOST_WAITING:,} people wait at all stages together when counting starts"
        yield Broken(rule, ("stages", most, "backlog"), backlogs[most])


def _priority(pathway: Pathway, at: At, priority: str | None) -> Iterator[Broken]:
    if priority not in (None, *pathway.priorities):
        yield Broken(f"this is no priority of the pathway{near(priority, pathway.priorities)}", at, priority)


def _place(pathway: Pathway, at: At, name: str, *, exits: bool = True) -> Iterator[Broken]:
    known = [*pathway.stages, *(pathway.exits if exits else ())]
    if name not in known:
        yield Broken(f"there is no such stage{' or exit' if exits else ''}{near(name, known)}", at, name)


def _target(pathway: Pathway, at: At, condition: str) -> Iterator[Broken]:
    if condition not in pathway.targets:
        yield Broken(f"there is no such target condition{near(condition, pathway.targets)}", at, condition)


def _stage(pathway: Pathway, name: str, stage: Stage) -> Iterator[Broken]:
    at: At = ("stages", name)
    if stage.then:
        yield from _route(pathway, (*at, "then"), stage.then)
    yield from _routes(pathway, (*at, "routes"), stage.routes)
    if stage.reads == "policy":
        yield from _dispositions(at, stage)
    elif isinstance(stage.reads, dict):
        yield from _shares(pathway, at, stage, stage.reads)
    if stage.kind == "slots":
        if stage.carve_out:
            yield from _priority(pathway, (*at, "carve_out", "priority"), stage.carve_out.priority)
        yield from _priority(pathway, (*at, "backlog_priority"), stage.backlog_priority)
        if stage.lost_to and stage.lost_to not in pathway.exits:
            rule = f"there is no such exit{near(stage.lost_to, pathway.exits)}"
            yield Broken(rule, (*at, "lost_to"), stage.lost_to)


def _dispositions(at: At, stage: Stage) -> Iterator[Broken]:
    known = [disposition.value for disposition in Disposition]
    for outcome in stage.routes:
        if outcome not in known:
            yield Broken(f"a policy has no such disposition{near(outcome, known)}", (*at, "routes", outcome), outcome)
    for outcome in known:
        if outcome not in stage.routes:
            yield Broken(f"what reads a policy has a route for each disposition; none for {outcome!r}", (*at, "routes"))


def _shares(pathway: Pathway, at: At, stage: Stage, reads: dict[str, dict[str, Quantity]]) -> Iterator[Broken]:
    for condition, row in reads.items():
        if condition not in pathway.conditions:
            rule = f"there is no such condition{near(condition, pathway.conditions)}"
            yield Broken(rule, (*at, "reads", condition), condition)
        for outcome in row:
            if outcome not in stage.routes:
                rule = f"this outcome has no route{near(outcome, stage.routes)}"
                yield Broken(rule, (*at, "reads", condition, outcome), outcome)
        total = math.fsum(share.value for share in row.values())
        if abs(total - 1) > ROUNDING:
            yield Broken("the shares of the outcomes add up to 1", (*at, "reads", condition), f"{total:.6g}")
    for condition in pathway.conditions:
        if condition not in reads:
            yield Broken(f"shares are needed for each condition; none for {condition!r}", (*at, "reads"))


def _routes(pathway: Pathway, at: At, routes: dict[str, Route]) -> Iterator[Broken]:
    for outcome, route in routes.items():
        yield from _route(pathway, (*at, outcome), route)


def _route(pathway: Pathway, at: At, route: Route) -> Iterator[Broken]:
    yield from _place(pathway, at, route.to)
    yield from _priority(pathway, at, route.priority)


def _conditions(pathway: Pathway) -> Iterator[Broken]:
    total = math.fsum(condition.share.value for condition in pathway.conditions.values())
    if abs(total - 1) > ROUNDING:
        yield Broken("the shares of all conditions add up to 1", ("conditions",), f"{total:.6g}")
    if not pathway.reads_policy:
        return
    for name, condition in pathway.conditions.items():
        if not condition.types:
            rule = "a pathway that reads a policy says which lesion types make up a condition (types)"
            yield Broken(rule, ("conditions", name))
    for kind in LESION_TYPES:
        of = [name for name, condition in pathway.conditions.items() if kind in condition.types]
        if len(of) != 1:
            said = f"in {' and '.join(of)}" if of else "in none"
            yield Broken(f"each lesion type is one of one condition's types; {kind.value} is {said}", ("conditions",))


def _exits(pathway: Pathway) -> Iterator[Broken]:
    for name, leaving in pathway.exits.items():
        if leaving.treated and leaving.advice:
            yield Broken("a person is treated or leaves with advice, not both", ("exits", name))
        if leaving.returns:
            at: At = ("exits", name, "returns")
            yield from _place(pathway, (*at, "to"), leaving.returns.to, exits=False)
            yield from _priority(pathway, (*at, "priority"), leaving.returns.priority)
            for condition in leaving.returns.share:
                yield from _target(pathway, (*at, "share", condition), condition)


def _clocks(pathway: Pathway) -> Iterator[Broken]:
    known = events(pathway)
    for name, clock in pathway.clocks.items():
        at: At = ("clocks", name)
        if clock.starts not in known | {REFERRAL} or clock.starts in pathway.exits:
            rule = "a clock starts at referral, a stage, or stage / outcome"
            yield Broken(rule + near(clock.starts, (REFERRAL, *sorted(known))), (*at, "starts"), clock.starts)
        for i, event in enumerate(clock.stops):
            if event not in known:
                rule = "a clock stops at a stage, stage / outcome, or an exit"
                yield Broken(rule + near(event, sorted(known)), (*at, "stops", i), event)
        for i, condition in enumerate(clock.only):
            if condition not in pathway.conditions:
                rule = f"there is no such condition{near(condition, pathway.conditions)}"
                yield Broken(rule, (*at, "only", i), condition)


def _economics(pathway: Pathway, economics: Economics) -> Iterator[Broken]:
    at: At = ("economics",)
    if economics.price_of:
        yield from _place(pathway, (*at, "price_of"), economics.price_of, exits=False)
    for stage in economics.visits:
        yield from _place(pathway, (*at, "visits", stage), stage, exits=False)
    for name, disease in economics.diseases.items():
        for i, condition in enumerate(disease.conditions):
            yield from _target(pathway, (*at, "diseases", name, "conditions", i), condition)
    for condition in pathway.targets:
        of = [name for name, disease in economics.diseases.items() if condition in disease.conditions]
        rule = f"each target condition is one of one disease's conditions; {condition!r} is in"
        if not of:
            yield Broken(f"{rule} none", (*at, "diseases"))
        elif len(of) > 1:
            again = economics.diseases[of[1]].conditions.index(condition)
            yield Broken(f"{rule} {' and '.join(of)}", (*at, "diseases", of[1], "conditions", again), condition)


def _as_today(pathway: Pathway, at: At, arm: Arm) -> Iterator[Broken]:
    """People who do not take an arm up go today's way, on which no policy may decide otherwise than in the arm."""
    today = pathway.arms[pathway.today]
    read = [stage for stage in reached(pathway, today) if pathway.stages[stage].reads == "policy"]
    if read and arm.autonomous != today.autonomous:
        rule = f"who does not take the arm up is read by the policy at {read[0]!r}, so autonomous is as in today's arm"
        yield Broken(rule, at, arm.uptake.value)


def _arm(pathway: Pathway, name: str, arm: Arm) -> Iterator[Broken]:
    at: At = ("arms", name)
    yield from _place(pathway, (*at, "entry"), arm.entry, exits=False)
    if arm.today and arm.uptake.value < 1:
        rule = "today's arm is the one that all take who do not take up a new one"
        yield Broken(rule, (*at, "uptake"), arm.uptake.value)
    elif arm.uptake.value < 1:
        yield from _as_today(pathway, (*at, "uptake"), arm)
    for stage, routes in arm.routes.items():
        yield from _place(pathway, (*at, "routes", stage), stage, exits=False)
        for outcome in routes:
            if outcome not in pathway.stages[stage].ways:
                rule = f"such a stage has no such outcome{near(outcome, pathway.stages[stage].ways)}"
                yield Broken(rule, (*at, "routes", stage, outcome), outcome)
        yield from _routes(pathway, (*at, "routes", stage), routes)
    for kind, changed in (("slots", arm.slots), ("servers", arm.servers)):
        of_kind = [stage for stage, found in pathway.stages.items() if found.kind == kind]
        for stage in changed:
            if stage not in of_kind:
                rule = f"there is no such stage of the kind {kind}{near(stage, of_kind)}"
                yield Broken(rule, (*at, kind, stage), stage)
    for stage, who in loops(pathway, arm):
        rule = f"nobody with {who} who comes to this stage in the arm {name!r} ever reaches an exit"
        yield Broken(rule, ("stages", stage), stage)
