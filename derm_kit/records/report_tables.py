"""Tables of a report from values: what each cell is stays beside what it says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from derm_kit.records.provenance import CODE, NONE, Measured
from derm_kit.records.report import Table, Value


def table(
    caption: str,
    heads: Sequence[str],
    rows: Iterable[Sequence[Value]],
    sources: Sequence[str],
    *,
    mark: str = "",
    flows: bool = False,
) -> Table:
    """A table of texts, numbers and measured values, which come from `sources` and are worked out by this code."""
    values = tuple(tuple(row) for row in rows)
    shown = tuple(tuple(cell(value) for value in row) for row in values)
    return Table(caption, tuple(heads), shown, mark, (*sources, CODE), values, flows)


def cell(value: Value) -> str:
    """A value as a cell says it."""
    match value:
        case None:
            return NONE
        case Measured():
            return value.shown
        case int():
            return f"{value:,}"
        case float():
            return f"{value:.6g}".replace("-", "−")
        case _:
            return value
