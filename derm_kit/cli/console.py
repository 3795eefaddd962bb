"""What every command prints with: the console, the notice, tables and safe cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from derm_kit.errors import printable

if TYPE_CHECKING:
    import pandas as pd

NOTICE = "For research and teaching. Not a medical device. If you are worried, refer."

console = Console()
errors = Console(stderr=True, soft_wrap=True)


def frame_table(frame: pd.DataFrame) -> Table:
    """A frame as a table, its floats with three decimals."""
    table = Table()
    for column in frame:
        table.add_column(str(column), overflow="fold")
    for row in frame.itertuples(index=False):
        table.add_row(*(plain(f"{v:.3f}" if isinstance(v, float) else v) for v in row))
    return table


def plain(text: object) -> str:
    """`text` as a cell: neither mark-up nor escape sequences of the terminal have an effect."""
    return escape(printable(text, limit=1000))


def say_rest(n: int, rows: int) -> None:
    """Say how many of `n` cases were not printed."""
    if rows and n > rows:
        console.print(f"{n - rows:,} more cases; --rows 0 prints all.")
