"""What a value-for-money report says of its methods: arms, setting, and how it was worked out."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from derm_kit.pathway.economic_tables import notes
from derm_kit.pathway.economics import Model
from derm_kit.pathway.graph import reached
from derm_kit.pathway.outcomes import Outcomes
from derm_kit.pathway.patients import Cases
from derm_kit.pathway.quantities import Quantity
from derm_kit.pathway.stages import DelayStage, ServersStage, SlotsStage, Stage
from derm_kit.records.cheers_ai import Titles
from derm_kit.records.report import Block, Paragraph, Points, Section, Table
from derm_kit.records.value_for_money_cells import NONE
from derm_kit.records.value_for_money_inputs import in_words


def arms(outcomes: Outcomes) -> Section:
    """The arms, today's among them, and who decides in each."""
    pathway = outcomes.pathway
    rows = []
    for name in outcomes.arms:
        arm = pathway.arms[name]
        shown = f"{name} (today)" if arm.today else name
        cells = (arm.title or NONE, arm.entry, in_words(arm.uptake), _who_decides(outcomes, name))
        rows.append((shown, *cells, in_words(arm.yearly_cost_gbp)))
    heads = ("arm", "what it is", "people enter at", "uptake", "who decides", "GBP a year")
    left_out = [name for name in pathway.arms if name not in outcomes.arms]
    also = f" Arms of the pathway that were not simulated: {', '.join(left_out)}." if left_out else ""
    said = f"Arms are ways of meeting the same referrals. Today's is {pathway.today}; the others are held against it."
    return Section(Titles.ARMS, (Paragraph(said + also), Table("Arms that were simulated", heads, tuple(rows))))


def setting(outcomes: Outcomes) -> Section:
    """Who is referred, how many, to which stages, and the time standards."""
    pathway, calendar = outcomes.pathway, outcomes.pathway.calendar
    per_week = pathway.referrals.per_week
    stages = [
        (name, stage.title or NONE, stage.kind, _capacity(stage), "yes" if stage.alarm else "no")
        for name, stage in pathway.stages.items()
    ]
    clocks = [
        (
            name,
            f"{clock.limit:g} {pathway.time_unit}",
            clock.starts,
            f"{clock.target.value:.0%}",
            clock.target.source,
            ", ".join(clock.only) or "everybody",
        )
        for name, clock in pathway.clocks.items()
    ]
    blocks: list[Block] = [
        Paragraph(pathway.summary),
        Paragraph(
            f"Referrals: {per_week.value:g} a week (source: {per_week.source}). People referred in the {calendar.days} "
            f"days from {calendar.start:%d %B %Y} are counted, after {calendar.warm_up_days} days that fill the "
            f"clinics, and are followed for at most {calendar.follow_up_days} days more."
        ),
        _conditions(outcomes),
        Table("Stages", ("stage", "what it is", "kind", "capacity", "an alarm"), tuple(stages)),
        Paragraph("A visit to a stage that is an alarm is a false alarm for people without a target condition."),
    ]
    if clocks:
        heads = ("clock", "limit", "starts at", "wanted within", "source", "for")
        blocks.append(Table("Time standards", heads, tuple(clocks)))
    return Section(Titles.SETTING, tuple(blocks))


def method(outcomes: Outcomes, model: Model) -> Section:
    """How it was worked out, topic by topic, and what has to be said beside it."""
    rows = tuple(_methods(outcomes, model))
    return Section(Titles.METHOD, (Table("Methods", ("topic", "what was done"), rows), Points(notes(model))))


def _methods(outcomes: Outcomes, model: Model) -> Iterator[tuple[str, str]]:
    economics, calendar = model.economics, outcomes.pathway.calendar
    yield "kind of study", "Cost-utility and cost-consequence analysis of simulated arms, with a budget impact."
    yield (
        "view",
        f"{model.view}; both views stand beside each other in a section of their own. NICE asks for that of the NHS "
        "and personal social services (PSS).",
    )
    yield (
        "how long",
        f"{calendar.days} days of referrals, followed for {calendar.follow_up_days} days more; then yearly cycles from "
        f"age {economics.age_at_start_years.value:g} to {economics.age_at_end_years}, because what is found late costs "
        "and harms for life.",
    )
    yield (
        "discount",
        f"Costs {_rate(economics.discount_costs_a_year)}. QALYs {_rate(economics.discount_qalys_a_year)}. The budget "
        "is not discounted.",
    )
    yield (
        "benefits and harms",
        "Of health (QALYs; people treated late, advanced, or not at all), of diagnosis (missed people, false alarms) "
        "and of the service (waits, time standards, clinic use).",
    )
    yield (
        "how they are measured",
        "Counted person by person in the simulation. The same people, with the same random numbers, go through every "
        "arm. Where a policy is read, the AI does to a person what the policy does to a scored case of the condition.",
    )
    yield (
        "how an AI can do good",
        "Only by what follows its reading: who is seen by whom, how soon somebody is treated and so how often the "
        "disease has advanced by then, and what waiting, visits and false alarms take. It treats nobody.",
    )
    yield (
        "how outcomes are valued",
        "QALYs: years of life by utility, less what states of the disease, waiting, false alarms and visits take. "
        f"Their values stand under '{Titles.RESTS}'.",
    )
    yield (
        "costs",
        "Visits to each stage at its price, slots that nobody attended included; what an arm costs a year; care of the "
        "disease for life. For society also travel, time and work lost.",
    )
    yield "currency and price year", f"GBP. Price year: {economics.price_year}."
    yield (
        "model",
        "A discrete-event simulation of queues by an exact calendar, then a Markov cohort model for life (after Zhelev "
        "et al., British Journal of Dermatology 2024, BT29): queues, thresholds and missed people act on one another, "
        "which a decision tree alone cannot show. derm-kit is open: its program and pathways can be read and run.",
    )
    yield (
        "checks",
        "The project's tests hold queues against queueing formulas and two other simulators, and the economics against "
        "an example worked out by hand.",
    )
    yield (
        "uncertainty",
        f"{outcomes.replications:,} simulated years, each on scored cases drawn anew where a policy is read; all "
        "values drawn at once; one value at a time; the value of perfect information; both views.",
    )


def _conditions(outcomes: Outcomes) -> Table:
    pathway, run = outcomes.pathway, outcomes.run
    held = [f"{n:,}" for n in np.diff(Cases.of(pathway, run).bounds)] if run else [NONE] * len(pathway.conditions)
    rows = [
        (
            name,
            one.group or name if one.target else NONE,
            f"{one.share.value:.1%}",
            one.share.source,
            in_words(one.progression_per_30_days) if one.target else NONE,
            cases,
        )
        for (name, one), cases in zip(pathway.conditions.items(), held, strict=True)
    ]
    heads = ("condition", "looked for, told as", "share of referrals", "source", "advances in 30 days", "scored cases")
    return Table("What people turn out to have", heads, tuple(rows))


def _who_decides(outcomes: Outcomes, name: str) -> str:
    pathway, arm = outcomes.pathway, outcomes.pathway.arms[name]
    if not any(pathway.stages[stage].reads == "policy" for stage in reached(pathway, arm)):
        return "as its stages say; no policy is read"
    if arm.autonomous:
        return "the model alone for people who reach no threshold: they leave with advice; clinicians for all others"
    return "clinicians: the model sorts people, and nobody leaves on its word"


def _capacity(stage: Stage) -> str:
    match stage:
        case SlotsStage():
            week = ", ".join(f"{day} {n}" for day, n in stage.slots.items())
            return f"{week}; seen {stage.lead_days} days after joining at the soonest"
        case ServersStage():
            opens, closes = stage.open_hours
            hours = f"{opens:g} to {closes:g} h on {', '.join(stage.open_days)}"
            return f"{stage.servers} from {hours}; minutes a visit: {in_words(stage.service_minutes)}"
        case DelayStage():
            return f"no queue; days: {in_words(stage.delay_days)}"


def _rate(quantity: Quantity) -> str:
    return f"{quantity.value:.1%} a year (source: {quantity.source})"
