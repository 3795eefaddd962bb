"""What a value-for-money report says of people, clinics and queues."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from derm_kit.pathway.capacity import growing, load
from derm_kit.pathway.measures import RANGE, missed_parts
from derm_kit.pathway.outcomes import Outcomes
from derm_kit.pathway.words import headline, key_figures, said
from derm_kit.records.cheers_ai import Titles
from derm_kit.records.report import Block, Mark, Paragraph, Points, Section, Table
from derm_kit.records.value_for_money_cells import NONE, Row, beside, percent, ranged, rows_of
from derm_kit.records.value_for_money_charts_people import in_time, mark_of, waits


def people(outcomes: Outcomes, figures: pd.DataFrame) -> Section:
    """Words first, then key figures, their changes, and where the range of missed cancers comes from.

    `figures` is `measures.table(outcomes)`, here and below.
    """
    arms, today = tuple(outcomes.arms), outcomes.pathway.today
    others = tuple(arm for arm in arms if arm != today)
    shown = tuple(f"{arm} (today)" if arm == today else arm for arm in arms)
    key = key_figures(outcomes.pathway, figures)
    changes = beside(key[key["arm"] != today], others, "label", _change)
    mark = mark_of(figures, "people", "clock")
    return Section(
        Titles.PEOPLE,
        (
            Points(tuple(headline(outcomes, arm, figures) for arm in arms)),
            *in_time(outcomes, figures),
            *waits(outcomes, figures),
            Table("Key figures", ("figure", *shown), beside(key, arms, "label", figure), mark),
            Table(f"Change against {today}", ("figure", *others), changes, mark),
            Paragraph(f"In brackets: {RANGE}. Changes are taken year by year with the same people in both arms."),
            _missed(outcomes, arms, mark_of(figures, "cancers")),
        ),
    )


def clinics(outcomes: Outcomes, figures: pd.DataFrame) -> Section:
    """Queues that grow, the load of each stage, and staff time."""
    arms = tuple(outcomes.arms)
    warnings = [sentence for arm in arms for sentence in growing(outcomes, arm)]
    blocks: list[Block] = [Mark(text) for text in warnings] or [Paragraph("No queue grows through the simulated days.")]
    heads = ("arm", "stage", "unit", "needed", "there is", "use", "so")
    rows = tuple(row for arm in arms for row in _loads(outcomes, arm))
    blocks.append(Table("Load of the stages a week, at the mean", heads, rows, mark_of(figures, "clinic")))
    staff = figures[figures["topic"] == "staff"]
    if len(staff):
        minutes = beside(staff, arms, "of", figure)
        blocks.append(
            Table("Staff time, minutes per person referred", ("role", *arms), minutes, mark_of(figures, "staff"))
        )
    return Section(Titles.CLINICS, tuple(blocks))


def figure(one: Row) -> str:
    """A figure of `measures.table` with its limits."""
    value, limits = said(one.value, one.low, one.high, one.unit)
    return f"{value} ({limits})" if limits else value


def _change(one: Row) -> str:
    share = one.unit.startswith("share")
    scale, form = (100, "+.1f") if share else (1, "+,.1f")
    shown = ranged(one.change * scale, one.change_low * scale, one.change_high * scale, form)
    return f"{shown} points" if share and shown != NONE else shown


def _loads(outcomes: Outcomes, arm: str) -> list[tuple[str, ...]]:
    return [
        (
            arm,
            one.stage,
            one.unit,
            f"{one.demand:,.0f}",
            f"{one.capacity:,.0f}",
            percent(one.use),
            one.remark or "keeps up",
        )
        for one in rows_of(load(outcomes.pathway, arm, outcomes.run, outcomes.policy))
        if one.demand
    ]


def _missed(outcomes: Outcomes, arms: Sequence[str], mark: str) -> Table:
    rows = [
        (
            arm,
            one.group,
            f"{one.referred:,.0f}",
            ranged(one.missed, one.low, one.high, ",.1f"),
            f"{one.cohort_low:,.1f} to {one.cohort_high:,.1f}",
            f"{one.chance_low:,.1f} to {one.chance_high:,.1f}",
        )
        for arm in arms
        for one in rows_of(missed_parts(outcomes, arm))
    ]
    heads = ("arm", "group", "referred", "missed (range)", "range from the cohort's size", "range from chance")
    return Table("Cancers that leave untreated the first time, in the counted days", heads, tuple(rows), mark)
