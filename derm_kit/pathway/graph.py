"""The ways through a pathway: where each stage leads, what an arm reaches, and from where nobody gets out."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING

from derm_kit.triage.definition import Disposition

if TYPE_CHECKING:
    from derm_kit.pathway.definition import Arm, Pathway
    from derm_kit.pathway.stages import Route

REFERRAL = "referral"
ROUNDING = 1e-9
"""Shares may be off 1 by this much, and a way that fewer take is none."""


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


def leads_to(pathway: Pathway, arm: Arm, stage: str, condition: str, disposition: str = "") -> Iterator[str]:
    """Where a person with `condition` (and `disposition`; left out: any) may go next from `stage`: stages and exits."""
    reads = pathway.stages[stage].reads
    for outcome, route in ways(pathway, arm, stage).items():
        if isinstance(reads, dict):
            taken = outcome in reads[condition] and reads[condition][outcome].value > ROUNDING
        else:
            taken = reads is None or disposition in ("", outcome)
        if taken:
            yield route.to
    lost = getattr(pathway.stages[stage], "lost_to", None)
    if lost:
        yield lost


def loops(pathway: Pathway, arm: Arm) -> Iterator[tuple[str, str]]:
    """Stages that somebody reaches and never leaves for an exit, each with who that is, in words."""
    dispositions = tuple(Disposition) if pathway.reads_policy else ("",)
    for condition, disposition in product(pathway.conditions, dispositions):
        reach = {stage: set(leads_to(pathway, arm, stage, condition, disposition)) for stage in pathway.stages}
        leaving = set(pathway.exits)
        while new := {stage for stage, to in reach.items() if stage not in leaving and to & leaving}:
            leaving |= new
        who = f"{condition!r} and the disposition {str(disposition)!r}" if disposition else repr(condition)
        yield from ((stage, who) for stage in sorted(_closure(entries(pathway, arm), reach) - leaving))


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
