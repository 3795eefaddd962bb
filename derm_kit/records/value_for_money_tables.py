"""Tables of money: what each arm costs and gives, how sure that is, and what it does to prices and budgets."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from derm_kit.pathway.budget import budget_impact
from derm_kit.pathway.economic_tables import against_today, consequences, increments, net_benefits
from derm_kit.pathway.economics import Evaluation, Model
from derm_kit.pathway.one_way import threshold_prices, tornado
from derm_kit.pathway.sensitivity import Psa, acceptability, perfect_information, psa
from derm_kit.records.report import Table
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


def others(base: Evaluation) -> tuple[str, ...]:
    """The arms beside today's."""
    return tuple(arm for arm in base.model.arms if arm != base.model.arms[base.model.today])


def qaly(value: float) -> str:
    """QALYs a person, signed."""
    return number(value, QALYS)


def consequence_tables(base: Evaluation) -> tuple[Table, ...]:
    """Costs beside consequences and QALYs, each with its range over the simulated years."""
    said = consequences(base)
    units = " (" + said["unit"] + ")"
    said["label"] = said["item"] + units.where(said["topic"] == "consequence", "")
    return tuple(_consequences(base, said, topic) for topic in _TOPICS)


def _consequences(base: Evaluation, said: pd.DataFrame, topic: str) -> Table:
    def cell(one: Row) -> str:
        return ranged(one.value, one.low, one.high, _FORMS[topic])

    rows = beside(said[said["topic"] == topic], base.model.arms, "label", cell)
    return Table(_TOPICS[topic], ("item", *base.model.arms), rows, base.model.remark)


def against_today_table(base: Evaluation) -> Table:
    """Each arm's costs and QALYs beside today's."""
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


def increments_table(base: Evaluation) -> Table:
    """The fully incremental analysis."""
    rows = [
        (
            one.arm,
            gbp(one.cost_gbp),
            number(one.qaly, ".5f"),
            f"{one.status} by {one.by}" if one.status else "remains",
            one.against or NONE,
            gbp(one.more_cost_gbp),
            qaly(one.more_qaly),
            number(one.icer_gbp_per_qaly, ",.0f"),
        )
        for one in rows_of(increments(base))
    ]
    heads = ("arm", "cost, GBP", "QALYs", "status", "against", "more cost, GBP", "more QALYs", "GBP per QALY")
    caption = "Step by step: each arm against the next cheaper one that remains"
    return Table(caption, heads, tuple(rows), base.model.remark)


def net_benefits_table(base: Evaluation) -> Table:
    """Net benefit at each threshold; the column of verdicts is there only where a verdict may be given."""
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


def acceptability_table(found: Psa) -> Table:
    """Shares of draws at the pathway's thresholds."""
    model = found.evaluation.model
    shares = acceptability(found, tuple(model.thresholds.values()))
    shares["label"] = [f"{threshold:,.0f}" for threshold in shares["gbp_per_qaly"]]
    rows = beside(shares, model.arms, "label", lambda one: f"{percent(one.share)} (± {percent(one.standard_error)})")
    caption = "Acceptability: share of draws in which an arm has the highest net benefit (± standard error)"
    return Table(caption, ("GBP per QALY", *model.arms), rows, model.remark)


def information_table(found: Psa) -> Table:
    """What it would be worth to know every value. Say EVPI_NOTE beside it."""
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


def widest(model: Model, arm: str) -> tuple[pd.DataFrame, str]:
    """The widest bars of a tornado at the pathway's first threshold, and that threshold in words."""
    name, threshold = next(iter(model.thresholds.items()))
    bars = tornado(model, arm, threshold).head(WIDEST)
    return bars[bars["width_gbp"] > 0], f"{threshold:,.0f} GBP per QALY ({name})"


def bars_table(model: Model, arm: str, bars: pd.DataFrame, level: str) -> Table:
    """What `widest` found, in figures."""
    rows = [
        (
            one.input,
            f"{one.value:,g}",
            f"{one.low:,.4g} to {one.high:,.4g}",
            *(number(gain, "+,.2f") for gain in (one.gain_gbp, one.gain_at_low_gbp, one.gain_at_high_gbp)),
            one.source,
        )
        for one in rows_of(bars)
    ]
    caption = f"{arm}: the values that move its gain over today's arm most, at {level}"
    heads = ("value", "as it stands", "low to high", "gain, GBP per person", "gain at low", "gain at high", "source")
    return Table(caption, heads, tuple(rows), model.remark)


def price_table(base: Evaluation, stage: str, arms: Sequence[str], found: Psa | None) -> Table:
    """The price of a stage at which an arm is level with today's; a range only where draws are `found`."""
    mark = base.model.remark
    rows = [
        (
            arm,
            one.threshold,
            f"{one.gbp_per_qaly:,.0f}",
            ranged(one.price_gbp, one.low, one.high, ",.2f"),
            gbp(one.price_now_gbp),
            one.remark.removeprefix(mark).removeprefix("; "),
        )
        for arm in arms
        for one in rows_of(threshold_prices(base, arm, found))
    ]
    between = " (95 % of draws)" if found else ""
    heads = ("arm", "threshold", "GBP per QALY", f"price, GBP a visit{between}", "price now", "remark")
    return Table(f"Threshold price of {stage}", heads, tuple(rows), mark)


def budget_table(evaluation: Evaluation, arm: str, over: str = "draws") -> Table:
    """What an arm does to the budget in its first five years; its range is `over` what `evaluation` holds."""
    frame = budget_impact(evaluation, arm)
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
        "year", "people", "uptake", "today's arm", "with the arm", f"change (95 % of {over})", "of it pathway",
        "of it care",
    )  # fmt: skip
    return Table(f"{arm} takes over from today's arm, GBP", heads, tuple(rows), str(frame["remark"].iloc[0]))
