"""Charts of a value-for-money report that show money: the plane, acceptability, and one value at a time."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

import numpy as np
import pandas as pd

from derm_kit.pathway.economics import Model
from derm_kit.pathway.measures import PER
from derm_kit.pathway.sensitivity import Psa, acceptability
from derm_kit.pathway.sensitivity import plane as draws_of
from derm_kit.pathway.tallies import Floats
from derm_kit.records.report import Chart
from derm_kit.records.report_axes import (
    LINE,
    NAMES,
    WIDTH,
    Axes,
    Curve,
    around,
    curves,
    names_height,
    stamp,
    title,
)
from derm_kit.records.report_picture import ACCENT, INK, SOFT, WARM, Box, Dots, Line, Pen, Picture, Shape, Words
from derm_kit.records.value_for_money_cells import number, percent, rows_of

ACROSS, MOST_PLANES = 3, 6
"""Planes beside each other, and in one picture."""
PLANE_HEIGHT, BAR = 210.0, 7.5
MOST_DOTS = 1_000
"""Draws that are shown of each arm, the first of them."""


def planes(found: Psa) -> tuple[Chart, ...]:
    """The draws on the cost-effectiveness plane, each arm on one of its own, all to the same scale."""
    model, draws = found.evaluation.model, draws_of(found)
    if not len(draws):
        return ()
    qalys, costs = draws["more_qaly"].to_numpy(float) * PER, draws["more_cost_gbp"].to_numpy(float) * PER / 1_000
    by_arm = {str(arm): np.flatnonzero(draws["arm"] == arm) for arm in draws["arm"].unique()}
    points = {arm: (qalys[own], costs[own]) for arm, own in by_arm.items()}
    ranges = around(qalys), around(costs)
    arms = list(points)
    groups = [arms[at : at + MOST_PLANES] for at in range(0, len(arms), MOST_PLANES)]
    return tuple(_planes(found, {arm: points[arm] for arm in group}, ranges, model.remark) for group in groups)


def acceptable(found: Psa) -> Chart:
    """The share of draws in which each arm has the highest net benefit, over what a QALY may cost."""
    model, shares = found.evaluation.model, acceptability(found)
    lines = [
        Curve(arm, own["gbp_per_qaly"].to_numpy(float) / 1_000, 100 * own["share"].to_numpy(float))
        for arm, own in ((arm, shares[shares["arm"] == arm]) for arm in model.arms)
    ]
    height = max(240.0, names_height(model.arms))
    axes = Axes(60, 24, WIDTH - 60 - NAMES, height, (0, float(max(one.x.max() for one in lines))), (0, 100))
    shapes = *axes.frame("thousand GBP per QALY", "per cent of draws"), *curves(axes, lines)
    return Chart(
        f"Acceptability curve: share of {found.draws:,} draws in which each arm has the highest net benefit",
        Picture(WIDTH, 24 + height + 44, (*shapes, *stamp(model.remark))), _of_shares(found), model.remark,
    )  # fmt: skip


def tornado_chart(model: Model, arm: str, bars: pd.DataFrame, threshold: str) -> Chart:
    """Bars of `one_way.tornado`, the widest on top: the gain with a value at its low end, and at its high end."""
    rows = list(rows_of(bars))
    names = [textwrap.wrap(one.input, 64) for one in rows]
    heights = [max(2 * BAR, LINE * len(lines)) + 6 for lines in names]
    gains = bars[["gain_at_low_gbp", "gain_at_high_gbp"]].to_numpy(float)
    as_it_is = float(bars["gain_gbp"].iloc[0])
    low, high = float(gains.min()), float(gains.max())
    room = 0.12 * (high - low)
    axes = Axes(400, 24, WIDTH - 420, sum(heights), (low - room, high + room))
    middle = axes.across(as_it_is)
    shapes: list[Shape] = list(axes.frame(f"gain in net benefit over today's arm, GBP per person, at {threshold}"))
    y = axes.top
    for one, lines, tall in zip(rows, names, heights, strict=True):
        first = y + (tall - LINE * len(lines)) / 2 + 11
        shapes += [Words(392, first + LINE * n, text, "end", 11) for n, text in enumerate(lines)]
        top = y + tall / 2 - BAR
        shapes += _bar(axes, middle, top, one.gain_at_low_gbp, f"{one.low:,.4g}", SOFT)
        shapes += _bar(axes, middle, top + BAR, one.gain_at_high_gbp, f"{one.high:,.4g}", ACCENT)
        y += tall
    shapes.append(Line(((middle, axes.top), (middle, y)), Pen(INK, 1)))
    widest = "; ".join(
        f"{one.input}, from {number(one.gain_at_low_gbp, '+,.2f')} at {one.low:,.4g} to "
        f"{number(one.gain_at_high_gbp, '+,.2f')} at {one.high:,.4g}" for one in rows[:3]
    )  # fmt: skip
    return Chart(
        f"{arm}: one value at a time. Upper bars: the value at its low end; lower bars: at its high end; upright line: "
        "all values as they stand",
        Picture(WIDTH, y + 44, (*shapes, *stamp(model.remark))),
        f"Bars about a gain of {number(as_it_is, '+,.2f')} GBP per person. The widest: {widest}.", model.remark,
    )  # fmt: skip


def _planes(
    found: Psa,
    points: dict[str, tuple[Floats, Floats]],
    ranges: tuple[tuple[float, float], tuple[float, float]],
    mark: str,
) -> Chart:
    model, shapes, each = found.evaluation.model, list[Shape](), (WIDTH - 24) / ACROSS
    for k, (arm, (x, y)) in enumerate(points.items()):
        column, row = k % ACROSS, k // ACROSS
        axes = Axes(column * each + 64, row * (PLANE_HEIGHT + 84) + 52, each - 72, PLANE_HEIGHT, *ranges)
        shapes += _plane(model, axes, arm, x, y)
    rows = -(-len(points) // ACROSS)
    shown = min(found.draws, MOST_DOTS)
    first = f", the first {shown:,} of them shown" if shown < found.draws else ""
    beside = model.arms[model.today]
    return Chart(
        f"Cost-effectiveness plane: {found.draws:,} draws beside {beside}{first}, per {PER:,} people referred (cross: "
        f"the mean): {', '.join(points)}",
        Picture(WIDTH, rows * (PLANE_HEIGHT + 84) + 20, (*shapes, *stamp(mark))),
        f"Clouds of dots. {'; '.join(_of_cloud(arm, x, y) for arm, (x, y) in points.items())}.", mark,
    )  # fmt: skip


def _plane(model: Model, axes: Axes, arm: str, x: Floats, y: Floats) -> Iterator[Shape]:
    yield from axes.frame("more QALYs", "more cost, thousand GBP" if axes.left < WIDTH / ACROSS else "")
    for n, text in enumerate(reversed(textwrap.wrap(arm, 40))):
        yield title(axes.left - 30, axes.top - 8 - LINE * n, text)
    yield Line(((axes.left, axes.up(0)), (axes.left + axes.width, axes.up(0))), Pen(INK, 0.8))
    yield Line(((axes.across(0), axes.top), (axes.across(0), axes.top + axes.height)), Pen(INK, 0.8))
    yield Dots(axes.at(x[:MOST_DOTS], y[:MOST_DOTS]), 1.3, ACCENT)
    if not model.illustrative:
        yield from _threshold(model, axes)
    across, up = axes.across(float(x.mean())), axes.up(float(y.mean()))
    for turn in (1, -1):
        yield Line(((across - 6, up - 6 * turn), (across + 6, up + 6 * turn)), Pen(WARM, 3))


def _threshold(model: Model, axes: Axes) -> Iterator[Shape]:
    """The line below which an arm is worth its cost at the first threshold: where a verdict may be given."""
    slope = next(iter(model.thresholds.values())) / 1_000
    ends = np.array([max(axes.x[0], axes.y[0] / slope), min(axes.x[1], axes.y[1] / slope)])
    yield Line(axes.at(ends, ends * slope), Pen(WARM, 1.5, (6, 4)))
    yield Words(axes.left + axes.width, axes.top - 10, f"dashed: {1_000 * slope:,.0f} GBP per QALY", "end", 10)


def _of_cloud(arm: str, x: Floats, y: Floats) -> str:
    quarters = (
        ("cost less and give more", (x >= 0) & (y <= 0)), ("cost more and give more", (x > 0) & (y > 0)),
        ("cost less and give less", (x < 0) & (y < 0)), ("cost more and give less", (x <= 0) & (y >= 0)),
    )  # fmt: skip
    said = ", ".join(f"{percent(float(where.mean()))} {words}" for words, where in quarters)
    means = f"{number(float(y.mean()), '+,.1f')} thousand GBP and {number(float(x.mean()), '+,.2f')} QALYs"
    return f"{arm}: mean {means} per {PER:,} people; of the draws {said}"


def _of_shares(found: Psa) -> str:
    model = found.evaluation.model
    shares = acceptability(found, tuple(model.thresholds.values()))
    parts = []
    for threshold in model.thresholds.values():
        own = shares[shares["gbp_per_qaly"] == threshold]
        each = ", ".join(f"{one.arm} {percent(one.share)}" for one in rows_of(own))
        parts.append(f"at {threshold:,.0f} GBP per QALY: {each}")
    return f"Lines, one an arm. {'; '.join(parts)}."


def _bar(axes: Axes, middle: float, top: float, gain: float, said: str, colour: str) -> Iterator[Shape]:
    """From the gain as it is to that at one end of a value, with the value there."""
    end = axes.across(gain)
    yield Box(min(middle, end), top, abs(end - middle), BAR, colour)
    left = end < middle
    yield Words(end - 4 if left else end + 4, top + BAR - 0.5, said, "end" if left else "start", 9)
