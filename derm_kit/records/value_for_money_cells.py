"""Figures as the cells of a report's tables: numbers with intervals, and arms beside each other."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace

import pandas as pd

NONE = "–"
Row = SimpleNamespace
"""A row of a table, its columns as attributes."""


def rows_of(frame: pd.DataFrame) -> Iterator[Row]:
    """The rows of a frame."""
    names = [str(name) for name in frame]
    for values in frame.itertuples(index=False, name=None):
        yield Row(**dict(zip(names, values, strict=True)))


def beside(
    frame: pd.DataFrame, arms: Sequence[str], label: str, cell: Callable[[Row], str]
) -> tuple[tuple[str, ...], ...]:
    """Rows of a long frame with one column an arm, in the frame's order; a dash where an arm has none."""
    cells: dict[str, dict[str, str]] = {}
    for one in rows_of(frame):
        cells.setdefault(str(getattr(one, label)), {})[one.arm] = cell(one)
    return tuple((name, *(own.get(arm, NONE) for arm in arms)) for name, own in cells.items())


def number(value: float, form: str) -> str:
    """A number with a true minus sign; a dash where there is none."""
    return NONE if math.isnan(value) else f"{value:{form}}".replace("-", "−")


def gbp(value: float) -> str:
    """Money to the penny."""
    return number(value, ",.2f")


def percent(share: float) -> str:
    """A share in per cent; infinite where something is needed and nothing is there."""
    return "no capacity" if math.isinf(share) else number(share, ".1%")


def ranged(value: float, low: float, high: float, form: str) -> str:
    """A number with the limits of its interval, where it has one."""
    if math.isnan(value) or math.isnan(low):
        return number(value, form)
    return f"{number(value, form)} ({number(low, form)} to {number(high, form)})"
