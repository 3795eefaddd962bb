"""The picture of a safety case: what is caught of each type, with its interval, beside the target."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from derm_kit.records.provenance import Measured
from derm_kit.records.report import Chart
from derm_kit.records.report_axes import WIDTH, Axes
from derm_kit.records.report_picture import ACCENT, INK, SOFT, WARM, Dots, Line, Pen, Picture, Shape, Words

ROW, LEFT, RIGHT, TOP = 34.0, 210.0, 290.0, 26.0
Row = tuple[str, Measured, float | None]


def caught_chart(rows: Sequence[Row], sources: tuple[str, ...]) -> Chart:
    """One row a type: a dot with its 95 % interval, and an upright stroke where the target lies."""
    axes = Axes(LEFT, TOP, WIDTH - LEFT - RIGHT, ROW * len(rows), (0.0, 100.0))
    shapes = (*axes.frame("caught, per cent of all cases of the type"), *_rows(axes, rows), *_key(axes))
    said = "; ".join(f"{name} {found.shown}" + (f", target {target:.0%}" if target else "") for name, found, target in
                     rows)  # fmt: skip
    picture = Picture(WIDTH, TOP + ROW * len(rows) + 46, tuple(shapes))
    return Chart("Caught of each type, all cases, with 95 % intervals and targets", picture, said, sources=sources)


def _rows(axes: Axes, rows: Sequence[Row]) -> Iterator[Shape]:
    for n, (name, found, target) in enumerate(rows):
        y = axes.top + ROW * (n + 0.5)
        yield Words(axes.left - 12, y + 4, name, "end")
        if target is not None:
            at = axes.across(100 * target)
            yield Line(((at, y - 11), (at, y + 11)), Pen(WARM, 2.5))
        yield Words(axes.left + axes.width + 14, y + 4, found.shown, size=11, colour=INK)
        if found.value is None or found.low is None or found.high is None:
            continue
        ends = [(axes.across(100 * x), y) for x in (found.low, found.high)]
        yield Line(tuple(ends), Pen(ACCENT, 2.5))
        yield Dots(((axes.across(100 * found.value), y),), 5, ACCENT)


def _key(axes: Axes) -> Iterator[Shape]:
    y = 13.0
    yield Dots(((axes.left + 5, y - 4),), 5, ACCENT)
    yield Words(axes.left + 16, y, "caught, with its interval", size=11, colour=SOFT)
    yield Line(((axes.left + 190, y - 12), (axes.left + 190, y + 3)), Pen(WARM, 2.5))
    yield Words(axes.left + 199, y, "target of the model's card", size=11, colour=SOFT)
