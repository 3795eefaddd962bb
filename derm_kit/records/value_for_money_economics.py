"""What a value-for-money report says of money: costs, QALYs, doubt, prices, budget, and the two views."""

from __future__ import annotations

from derm_kit.pathway.economic_inputs import VIEWS
from derm_kit.pathway.economic_tables import against_today, headline, net_benefits
from derm_kit.pathway.economics import Evaluation, base_case, model_of
from derm_kit.pathway.measures import RANGE
from derm_kit.pathway.outcomes import Outcomes
from derm_kit.pathway.sensitivity import EVPI_NOTE, Psa
from derm_kit.records import value_for_money_charts as charts
from derm_kit.records import value_for_money_tables as tables
from derm_kit.records.cheers_ai import Titles
from derm_kit.records.report import Chart, Paragraph, Points, Section, Table
from derm_kit.records.value_for_money_cells import number, rows_of


def money(base: Evaluation) -> Section:
    """Headlines, costs beside consequences, increments and net benefit."""
    return Section(
        Titles.MONEY,
        (
            Points(tuple(headline(base, arm) for arm in base.model.arms)),
            *tables.consequence_tables(base),
            tables.against_today_table(base),
            tables.increments_table(base),
            tables.net_benefits_table(base),
            Paragraph(f"In brackets: {RANGE}. These are the base case: every value as it stands."),
        ),
    )


def doubt(base: Evaluation, found: Psa) -> Section:
    """Probabilistic analysis, the value of perfect information, and one value at a time."""
    model = base.model
    return Section(
        Titles.DOUBT,
        (
            Paragraph(
                f"Every value was drawn from its distribution {found.draws:,} times (seed {found.seed}), each draw on "
                "one simulated year. Values whose distribution is fixed do not vary, whatever their source."
            ),
            *((Paragraph(_OF_THE_MODEL),) if model.pathway.reads_policy else ()),
            *charts.planes(found),
            charts.acceptable(found),
            tables.acceptability_table(found),
            Paragraph(EVPI_NOTE),
            tables.information_table(found),
            *(block for arm in tables.others(base) for block in _one_at_a_time(base, arm)),
        ),
    )


def price(base: Evaluation, found: Psa) -> Section:
    """How cheap the stage whose price is sought must be, arm by arm."""
    stage = base.model.economics.price_of
    if stage is None:
        none = "The pathway names no stage whose price is sought (economics / price_of)."
        return Section(Titles.PRICE, (Paragraph(none),))
    said = f"The price of {stage} at which the net benefit of an arm is that of today's; above it, it is lower."
    return Section(Titles.PRICE, (Paragraph(said), tables.price_table(base, stage, tables.others(base), found)))


def budget(base: Evaluation, found: Psa) -> Section:
    """What each arm does to the budget in its first five years."""
    own = [tables.budget_table(found.evaluation, arm) for arm in tables.others(base)]
    return Section(Titles.BUDGET, (Paragraph("Cash in each year, not discounted; means of the draws."), *own))


def views(outcomes: Outcomes) -> Section:
    """Increments and net benefit in the view of the health service and in that of society."""
    bases = [base_case(model_of(outcomes, view)) for view in VIEWS]
    rows = []
    for base in bases:
        gains = net_benefits(base)
        for one in rows_of(against_today(base)):
            own = gains[gains["arm"] == one.arm]["gain_gbp"]
            worth = (number(gain, "+,.2f") for gain in own)
            rows.append(
                (base.model.view, one.arm, number(one.more_cost_gbp, "+,.2f"), tables.qaly(one.more_qaly), *worth)
            )
    at = [f"gain in net benefit at {threshold:,.0f}" for threshold in bases[0].model.thresholds.values()]
    said = (
        "The view of society adds travel and time of people, and work lost. GBP and QALYs per person referred, beside "
        "today's arm."
    )
    mark = next((base.model.remark for base in bases if base.model.remark), "")
    heads = ("view", "arm", "more cost, GBP", "more QALYs", *at)
    return Section(Titles.VIEWS, (Paragraph(said), Table("Both views", heads, tuple(rows), mark)))


_OF_THE_MODEL = (
    "What the AI adds to the doubt: its accuracy is known from the scored cases alone. Every simulated year draws "
    "those cases anew, so that the ranges hold what their number leaves open (told apart from chance in the table of "
    f"missed cancers under '{Titles.PEOPLE}'). That the cases may not be like people here is in no range."
)


def _one_at_a_time(base: Evaluation, arm: str) -> tuple[Chart | Table, ...]:
    """The widest bars of a tornado, drawn and in figures."""
    bars, level = tables.widest(base.model, arm)
    said = tables.bars_table(base.model, arm, bars, level)
    return (charts.tornado_chart(base.model, arm, bars, level), said) if len(bars) else (said,)
