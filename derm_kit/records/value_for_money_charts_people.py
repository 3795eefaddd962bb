"""Charts of a value-for-money report that show people: who is seen in time, and how long people wait."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from derm_kit.pathway.measures import waiting
from derm_kit.pathway.outcomes import Outcomes
from derm_kit.records.report import Chart
from derm_kit.records.report_axes import WIDTH, Axes, Curve, curves, names_height, stamp, tick, title
from derm_kit.records.report_picture import ACCENT, INK, WARM, Dots, Line, Pen, Picture, Shape, Words
from derm_kit.records.value_for_money_cells import Row, percent, rows_of

ROW, HEAD, FOOT, TOP = 15.0, 22.0, 42.0, 18.0
MOST_ROWS = 24
FIGURES = 170.0
"""To the right of a picture, for its figures."""
SEEN_BY = 0.995
"""Share seen by the time at which a chart of waits may end."""


def in_time(outcomes: Outcomes, figures: pd.DataFrame) -> tuple[Chart, ...]:
    """The share of people within each time standard, by arm, with its range; `figures` is `measures.table`."""
    shares = figures[(figures["topic"] == "clock") & (figures["measure"] == "within the limit")]
    own = {clock: [one for one in rows_of(shares[shares["of"] == clock]) if not np.isnan(one.value)]
           for clock in outcomes.pathway.clocks}  # fmt: skip
    known = {clock: rows for clock, rows in own.items() if rows}
    at_once = max(1, MOST_ROWS // len(outcomes.arms))
    clocks = list(known)
    groups = [clocks[at : at + at_once] for at in range(0, len(clocks), at_once)]
    return tuple(_standards(outcomes, {clock: known[clock] for clock in group}) for group in groups)


def waits(outcomes: Outcomes, figures: pd.DataFrame) -> tuple[Chart, ...]:
    """The share of people seen within each time, by arm, of the first time standard that anybody comes under."""
    for clock, standard in outcomes.pathway.clocks.items():
        found = {arm: waiting(outcomes, arm) for arm in outcomes.arms}
        own = {arm: frame[(frame["by"] == "clock") & (frame["name"] == clock)] for arm, frame in found.items()}
        lines = [Curve(arm, frame["units"].to_numpy(float), frame["share"].to_numpy(float))
                 for arm, frame in own.items() if len(frame)]  # fmt: skip
        if lines:
            return (_waits(outcomes, figures, clock, lines, float(standard.limit), float(standard.target.value)),)
    return ()


def mark_of(figures: pd.DataFrame, *topics: str) -> str:
    """What must be said beside figures of some topics: whether they rest on values without a source."""
    said = figures.loc[figures["topic"].isin(topics), "remark"]
    return next((str(text) for text in said if text), "")


def _standard(outcomes: Outcomes, clock: str) -> str:
    pathway, standard = outcomes.pathway, outcomes.pathway.clocks[clock]
    return f"{clock} (standard: {standard.target.value:.0%} within {standard.limit:g} {pathway.time_unit})"


def _standards(outcomes: Outcomes, known: dict[str, list[Row]]) -> Chart:
    rows = sum(len(own) for own in known.values())
    left = 16 + 6.2 * max(len(one.arm) for own in known.values() for one in own)
    height = HEAD * len(known) + ROW * rows
    axes = Axes(left, TOP, WIDTH - left - FIGURES, height, (0, 100))
    shapes = [*axes.frame("per cent of people"), *_rows(outcomes, known, axes)]
    mark = next((one.remark for own in known.values() for one in own if one.remark), "")
    said = "; ".join(
        f"{_standard(outcomes, clock)}: {', '.join(f'{one.arm} {percent(one.value)}' for one in own)}"
        for clock, own in known.items()
    )
    return Chart(
        f"Share of people within {', '.join(known)}: mean (dot), 95 % of the simulated years (line), the standard "
        "(upright stroke)",
        Picture(WIDTH, TOP + height + FOOT, (*shapes, *stamp(mark))), f"Dots with lines. {said}.", mark,
    )  # fmt: skip


def _rows(outcomes: Outcomes, known: dict[str, list[Row]], axes: Axes) -> Iterator[Shape]:
    y = axes.top
    for clock, own in known.items():
        y += HEAD
        yield title(4, y - 6, _standard(outcomes, clock))
        target = axes.across(100 * float(outcomes.pathway.clocks[clock].target.value))
        yield Line(((target, y - 2), (target, y + ROW * len(own) - 2)), Pen(WARM, 2, (5, 3)))
        for one in own:
            middle = y + ROW / 2 - 2
            low, mean, high = (axes.across(100 * share) for share in (one.low, one.value, one.high))
            yield Words(axes.left - 8, middle + 4, one.arm, "end", 11)
            yield Line(((low, middle), (high, middle)), Pen(ACCENT, 3))
            yield Dots(((mean, middle),), 4, INK)
            said = f"{percent(one.value)} ({percent(one.low)} to {percent(one.high)})"
            yield Words(axes.left + axes.width + 10, middle + 4, said, size=11)
            y += ROW


def _waits(
    outcomes: Outcomes, figures: pd.DataFrame, clock: str, lines: list[Curve], limit: float, target: float
) -> Chart:
    slowest = max(float(one.x[one.y < SEEN_BY].max(initial=0)) for one in lines)
    reach = max(slowest + 1, 1.15 * limit)
    names = [one.name for one in lines]
    height = max(260.0, names_height(names))
    axes = Axes(60, 24, WIDTH - 60 - 240, height, (0, reach), (0, 100))
    unit = outcomes.pathway.time_unit
    shown = [Curve(one.name, one.x[one.x <= reach], 100 * one.y[one.x <= reach]) for one in lines]
    point = (axes.across(limit), axes.up(100 * target))
    standard = f"the standard: {target:.0%} within {limit:g} {unit}"
    shapes = (
        *axes.frame(unit, "per cent seen within"), *curves(axes, shown), Dots((point,), 5, WARM),
        Line((point, (point[0], axes.up(0))), Pen(WARM, 2, (5, 3))),
        Words(point[0] - 8, axes.up(4), standard, "end", 11, colour=WARM),
    )  # fmt: skip
    mark = mark_of(figures, "clock")
    said = "; ".join(_waited(figures, clock, arm, unit) for arm in names)
    return Chart(
        f"How long people wait under {clock}: share seen within each time, by arm",
        Picture(WIDTH, 24 + height + FOOT, (*shapes, *stamp(mark))), f"Rising lines. {said}; {standard}.", mark,
    )  # fmt: skip


def _waited(figures: pd.DataFrame, clock: str, arm: str, unit: str) -> str:
    own = figures[(figures["arm"] == arm) & (figures["topic"] == "clock") & (figures["of"] == clock)]
    by = dict(zip(own["measure"], own["value"].astype(float), strict=True))
    return (
        f"{arm}: half within {tick(round(by['median'], 1))} {unit}, nine in ten within "
        f"{tick(round(by['90th percentile'], 1))} {unit}"
    )
