"""Axes of a report's pictures: scales with ticks, a frame, and lines that are named where they end."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from derm_kit.pathway.tallies import Floats
from derm_kit.records.report_picture import ACCENT, AXIS, SOFT, WARM, WARNING, Line, Pen, Shape, Words

WIDTH = 960.0
"""Of a picture that fills a report's page from side to side."""
NAMES = 220.0
"""To the right of a picture, for the names of its lines."""
LINE = 14.0
"""Between two lines of text."""
LONGEST = 30
"""Characters of a name on one line."""
_COLOURS = (ACCENT, WARM, SOFT, "#00603f", "#8b2f8f")
_DASHES: tuple[tuple[float, ...], ...] = ((), (8, 4), (2, 3), (12, 3, 2, 3))


class Curve(NamedTuple):
    """A line and its name: x and y (N,)."""

    name: str
    x: Floats
    y: Floats


@dataclass(frozen=True)
class Axes:
    """A rectangle of a picture, from its upper left corner, and the ranges that it shows."""

    left: float
    top: float
    width: float
    height: float
    x: tuple[float, float]
    y: tuple[float, float] = (0.0, 1.0)

    def across(self, x: float) -> float:
        """Place of a value from left to right."""
        return self.left + (x - self.x[0]) / (self.x[1] - self.x[0]) * self.width

    def up(self, y: float) -> float:
        """Place of a value from top to bottom."""
        return self.top + (1 - (y - self.y[0]) / (self.y[1] - self.y[0])) * self.height

    def at(self, x: Floats, y: Floats) -> tuple[tuple[float, float], ...]:
        """Places of points."""
        return tuple((self.across(float(a)), self.up(float(b))) for a, b in zip(x, y, strict=True))

    def frame(self, below: str, beside: str | None = None) -> Iterator[Shape]:
        """The lines of the axes, their ticks with numbers, and what they show; no upright axis where `beside` is None.

        Without it rows stand upon each other, so that no line of a tick goes through them.
        """
        floor, middle = self.top + self.height, self.top + self.height / 2
        for value in ticks(*self.x):
            top = floor - 5 if beside is None else self.top
            yield Line(((self.across(value), top), (self.across(value), floor)), Pen(AXIS, 0.4))
            yield Words(self.across(value), floor + 16, tick(value), "middle", 11, colour=SOFT)
        if beside is not None:
            for value in ticks(*self.y):
                yield Line(((self.left, self.up(value)), (self.left + self.width, self.up(value))), Pen(AXIS, 0.4))
                yield Words(self.left - 6, self.up(value) + 4, tick(value), "end", 11, colour=SOFT)
            yield Words(self.left - 44, middle, beside, "middle", 12, turned=True)
            yield Line(((self.left, self.top), (self.left, floor)), Pen(AXIS))
        yield Line(((self.left, floor), (self.left + self.width, floor)), Pen(AXIS))
        yield Words(self.left + self.width / 2, floor + 36, below, "middle", 12)


def names_height(names: Sequence[str]) -> float:
    """What `curves` needs for names one below the other."""
    return sum(LINE * len(textwrap.wrap(name, LONGEST)) + 4 for name in names)


def pen(place: int) -> Pen:
    """How the line at that place is drawn: no two of the first twenty alike."""
    return Pen(_COLOURS[place % len(_COLOURS)], 2, _DASHES[place % len(_DASHES)])


def curves(axes: Axes, lines: Sequence[Curve]) -> Iterator[Shape]:
    """Lines, each with its name at its end: to the right, joined to it, none over another."""
    shown = [(place, one, axes.at(one.x, one.y)) for place, one in enumerate(lines) if len(one.x)]
    names = {place: textwrap.wrap(one.name, LONGEST) for place, one, _ in shown}
    order = sorted(shown, key=lambda one: (one[2][-1][1], one[0]))
    heights = [LINE * len(names[place]) + 4 for place, *_ in order]
    wanted = [points[-1][1] - tall / 2 for (*_, points), tall in zip(order, heights, strict=True)]
    tops = apart(wanted, heights, axes.top, axes.top + axes.height + LINE)
    right = axes.left + axes.width
    for (place, _, points), top in zip(order, tops, strict=True):
        own, end = pen(place), points[-1]
        yield Line(points, own)
        beside = top + LINE * len(names[place]) / 2 + 1
        yield Line(((end[0] + 2, end[1]), (right + 10, beside), (right + 34, beside)), Pen(own.colour, 1.5, own.dashes))
        for n, text in enumerate(names[place], 1):
            yield Words(right + 40, top + LINE * n - 2, text, colour=own.colour)


def apart(tops: Sequence[float], heights: Sequence[float], low: float, high: float) -> list[float]:
    """Tops of labels in their order, moved so that none lies over another and all, if they fit, from low to high."""
    placed: list[float] = []
    free = low
    for top, tall in zip(tops, heights, strict=True):
        placed.append(max(top, free))
        free = placed[-1] + tall
    free = high
    for k in reversed(range(len(placed))):
        placed[k] = free = min(placed[k], free - heights[k])
    return placed


def stamp(mark: str) -> tuple[Shape, ...]:
    """The mark of what rests on values without a source, in the picture itself: its upper left corner is kept free."""
    return (Words(4, 13, f"{mark[:1].upper()}{mark[1:]}", bold=True, colour=WARNING),) if mark else ()


def title(x: float, y: float, text: str) -> Shape:
    """What a part of a picture shows."""
    return Words(x, y, text, bold=True)


def around(values: Floats) -> tuple[float, float]:
    """A range that holds the values and 0, with a margin."""
    low, high = min(0.0, float(np.min(values))), max(0.0, float(np.max(values)))
    margin = 0.06 * (high - low or 1.0)
    return low - margin, high + margin


def ticks(low: float, high: float, most: int = 7) -> list[float]:
    """Round numbers within a range, with at most `most` steps between them."""
    span = high - low
    step = 10.0 ** math.floor(math.log10(span / most))
    step *= next(m for m in (1, 2, 5, 10) if span / (step * m) <= most)
    first = math.ceil(low / step - 1e-9)
    return [round(k * step, 10) for k in range(first, math.floor(high / step + 1e-9) + 1)]


def tick(value: float) -> str:
    """A number beside a tick, with a true minus sign."""
    return f"{value:,.10g}".replace("-", "−")
