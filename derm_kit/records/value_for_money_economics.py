"""What a value-for-money report says of money: costs, QALYs, doubt, prices, budget, and the two views."""

from __future__ import annotations

import pandas as pd

from derm_kit.pathway.budget import budget_impact
from derm_kit.pathway.economic_inputs import VIEWS
from derm_kit.pathway.economic_tables import against_today, consequences, headline, increments, net_benefits
from derm_kit.pathway.economics import Evaluation, base_case, model_of
from derm_kit.pathway.measures import RANGE
from derm_kit.pathway.one_way import threshold_prices, tornado
from derm_kit.pathway.outcomes import Outcomes
from derm_kit.pathway.sensitivity import EVPI_NOTE, Psa, acceptability, perfect_information, psa
from derm_kit.records.cheers_ai import Titles
from derm_kit.records.report import Paragraph, Points, Section, Table
from derm_kit.records.value_for_money_cells import NONE, Row, beside, gbp, number, percent, ranged, rows_of

WIDEST = 10
MOST_DRAWS_FOR_INFORMATION = 5_000
QALYS = "+.5f"

_TOPICS = {
    "cost": "Costs by stage and in all, GBP per person referred",
    "consequence": "Consequences",
    "QALY": "QALYs per person referred",
}
_FORMS = {"cost": ",.2f", "consequence": ",.1f", "QALY": ",.5f"}


def money(base: Evaluation) -> Section:
    """Headlines, costs beside consequences, increments and net benefit."""
    said = consequences(base)
    units = " (" + said["unit"] + ")"
    said["label"] = said["item"] + units.where(said["topic"] == "consequence", "")
    return Section(
        Titles.MONEY,
        (
            Points(tuple(headline(base, arm) for arm in base.model.arms)),
            *(_consequences(base, said, topic) for topic in _TOPICS),
            _against_today(base),
            _increments(base),
            _net_benefits(base),
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
            _acceptability(found),
            _information(found),
            Paragraph(EVPI_NOTE),
            *(_bars(base, arm) for arm in _others(base)),
        ),
    )


def price(base: Evaluation, found: Psa) -> Section:
    """How cheap the stage whose price is sought must be, arm by arm."""
    stage, mark = base.model.economics.price_of, base.model.remark
    if stage is None:
        none = "The pathway names no stage whose price is sought (economics / price_of)."
        return Section(Titles.PRICE, (Paragraph(none),))
    rows = [
        (
            arm,
            one.threshold,
            f"{one.gbp_per_qaly:,.0f}",
            ranged(one.price_gbp, one.low, one.high, ",.2f"),
            gbp(one.price_now_gbp),
            one.remark.removeprefix(mark).removeprefix("; "),
        )
        for arm in _others(base)
        for one in rows_of(threshold_prices(base, arm, found))
    ]
    heads = ("arm", "threshold", "GBP per QALY", "price, GBP a visit (95 % of draws)", "price now", "remark")
    said = f"The price of {stage} at which the net benefit of an arm is that of today's; above it, it is lower."
    return Section(Titles.PRICE, (Paragraph(said), Table(f"Threshold price of {stage}", heads, tuple(rows), mark)))


def budget(base: Evaluation, found: Psa) -> Section:
    """What each arm does to the budget in its first five years."""
    tables = [_budget(found, arm) for arm in _others(base)]
    return Section(Titles.BUDGET, (Paragraph("Cash in each year, not discounted; means of the draws."), *tables))


def views(outcomes: Outcomes) -> Section:
    """Increments and net benefit in the view of the health service and in that of society."""
    bases = [base_case(model_of(outcomes, view)) for view in VIEWS]
    rows = []
    for base in bases:
        gains = net_benefits(base)
        for one in rows_of(against_today(base)):
            own = gains[gains["arm"] == one.arm]["gain_gbp"]
            worth = (number(gain, "+,.2f") for gain in own)
            rows.append((base.model.view, one.arm, number(one.more_cost_gbp, "+,.2f"), _qaly(one.more_qaly), *worth))
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


def _others(base: Evaluation) -> tuple[str, ...]:
    return tuple(arm for arm in base.model.arms if arm != base.model.arms[base.model.today])


def _qaly(value: float) -> str:
    return number(value, QALYS)


def _consequences(base: Evaluation, said: pd.DataFrame, topic: str) -> Table:
    def cell(one: Row) -> str:
        return ranged(one.value, one.low, one.high, _FORMS[topic])

    rows = beside(said[said["topic"] == topic], base.model.arms, "label", cell)
    return Table(_TOPICS[topic], ("item", *base.model.arms), rows, base.model.remark)


def _against_today(base: Evaluation) -> Table:
    rows = [
        (
            one.arm,
            ranged(one.more_cost_gbp, one.more_cost_gbp_low, one.more_cost_gbp_high, "+,.2f"),
            ranged(one.more_qaly, one.more_qaly_low, one.more_qaly_high, QALYS),
            number(one.icer_gbp_per_qaly, ",.0f"),
            one.reads,
        )
        for one in rows_of(against_today(base))
    ]
    heads = ("arm", "more cost, GBP", "more QALYs", "GBP per QALY", "how it reads")
    return Table("Each arm against today's, per person referred", heads, tuple(rows), base.model.remark)


def _increments(base: Evaluation) -> Table:
    rows = [
        (
            one.arm,
            gbp(one.cost_gbp),
            number(one.qaly, ".5f"),
            f"{one.status} by {one.by}" if one.status else "remains",
            one.against or NONE,
            gbp(one.more_cost_gbp),
            _qaly(one.more_qaly),
            number(one.icer_gbp_per_qaly, ",.0f"),
        )
        for one in rows_of(increments(base))
    ]
    heads = ("arm", "cost, GBP", "QALYs", "status", "against", "more cost, GBP", "more QALYs", "GBP per QALY")
    caption = "Step by step: each arm against the next cheaper one that remains"
    return Table(caption, heads, tuple(rows), base.model.remark)


def _net_benefits(base: Evaluation) -> Table:
    """The column of verdicts is there only where a verdict may be given."""
    verdicts = not base.model.illustrative
    rows = [
        (
            one.threshold,
            f"{one.gbp_per_qaly:,.0f}",
            one.arm,
            gbp(one.net_benefit_gbp),
            ranged(one.gain_gbp, one.gain_low_gbp, one.gain_high_gbp, "+,.2f"),
            *((one.verdict,) if verdicts else ()),
        )
        for one in rows_of(net_benefits(base))
    ]
    heads = ("threshold", "GBP per QALY", "arm", "net benefit", "gain over today's", *(("verdict",) * verdicts))
    return Table("Net monetary benefit, GBP per person referred", heads, tuple(rows), base.model.remark)


def _acceptability(found: Psa) -> Table:
    model = found.evaluation.model
    shares = acceptability(found, tuple(model.thresholds.values()))
    shares["label"] = [f"{threshold:,.0f}" for threshold in shares["gbp_per_qaly"]]
    rows = beside(shares, model.arms, "label", lambda one: f"{percent(one.share)} (± {percent(one.standard_error)})")
    caption = "Acceptability: share of draws in which an arm has the highest net benefit (± standard error)"
    return Table(caption, ("GBP per QALY", *model.arms), rows, model.remark)


def _information(found: Psa) -> Table:
    model = found.evaluation.model
    draws = min(found.draws, MOST_DRAWS_FOR_INFORMATION)
    known = perfect_information(psa(model, draws, found.seed, resample=False))
    rows = [
        (
            one.threshold,
            f"{one.gbp_per_qaly:,.0f}",
            gbp(one.evpi_gbp),
            gbp(one.standard_error_gbp),
            f"{one.evpi_gbp_a_year:,.0f}",
        )
        for one in rows_of(known)
    ]
    caption = f"Value of perfect information: {draws:,} draws on the mean of the years"
    heads = ("threshold", "GBP per QALY", "GBP per person referred", "standard error", "GBP a year")
    return Table(caption, heads, tuple(rows), model.remark)


def _bars(base: Evaluation, arm: str) -> Table:
    """The widest bars of a tornado, at the pathway's first threshold."""
    name, threshold = next(iter(base.model.thresholds.items()))
    bars = tornado(base.model, arm, threshold).head(WIDEST)
    rows = [
        (
            one.input,
            f"{one.value:,g}",
            f"{one.low:,.4g} to {one.high:,.4g}",
            *(number(gain, "+,.2f") for gain in (one.gain_gbp, one.gain_at_low_gbp, one.gain_at_high_gbp)),
            one.source,
        )
        for one in rows_of(bars[bars["width_gbp"] > 0])
    ]
    caption = f"{arm}: the values that move its gain over today's arm most, at {threshold:,.0f} GBP per QALY ({name})"
    heads = ("value", "as it stands", "low to high", "gain, GBP per person", "gain at low", "gain at high", "source")
    return Table(caption, heads, tuple(rows), base.model.remark)


def _budget(found: Psa, arm: str) -> Table:
    frame = budget_impact(found.evaluation, arm)
    rows = [
        (
            f"{one.year}",
            f"{one.people:,.0f}",
            percent(one.uptake),
            f"{one.today_gbp:,.0f}",
            f"{one.arm_gbp:,.0f}",
            ranged(one.change_gbp, one.change_low_gbp, one.change_high_gbp, "+,.0f"),
            number(one.pathway_gbp, "+,.0f"),
            number(one.care_gbp, "+,.0f"),
        )
        for one in rows_of(frame)
    ]
    heads = (
        "year", "people", "uptake", "today's arm", "with the arm", "change (95 % of draws)", "of it pathway",
        "of it care",
    )  # fmt: skip
    return Table(f"{arm} takes over from today's arm, GBP", heads, tuple(rows), str(frame["remark"].iloc[0]))
