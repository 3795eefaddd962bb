"""Text tables (CSV, TSV, what spreadsheets export) read robustly: a row is kept or refused by line, never lost."""

from __future__ import annotations

import csv
import functools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from derm_kit.cases.encodings import MAX_LINE, blocks, encoding_of, unreadable
from derm_kit.errors import CohortError, printable

_DELIMITERS = ",;\t|"
_LINE_FEED = 10
_LONGEST_CELL = 131_072
_NAMES = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}
_QUOTES = "a row needs sound quotes and cells of at most 131,072 characters"
_CHARACTERS = f"a row has at most {MAX_LINE:,} characters and no NUL among them"
_MAX_QUOTED_LINES = 100
_TEXT = {pa.large_string(): pd.StringDtype(na_value=np.nan)}
Lines = np.ndarray[Any, np.dtype[np.int64]]
Refused = tuple[int, tuple[str, ...], str, str]
"""A row that is refused: line number, its first cells, rule, next step."""


@dataclass(frozen=True)
class Table:
    """A text table as read: `frame` has the wanted columns as text ("" = empty cell), `line` (n,) the line of each row.

    `header` is every column name as written; `refused` the rows that are not in it.
    """

    path: Path
    header: tuple[str, ...]
    frame: pd.DataFrame
    line: Lines
    refused: tuple[Refused, ...]
    notes: tuple[str, ...]


def read_table(path: Path, wanted: Callable[[tuple[str, ...]], list[int]], *, every_row: bool = False) -> Table:
    """Read the text table at `path`, keeping the columns whose positions `wanted(header)` names.

    Encoding (UTF-8, UTF-16, else Windows-1252) and separator (comma, semicolon, tab, bar) are found out. A row of the
    wrong length, with broken quotes or NUL characters is refused by its line number. Raises CohortError for a file that
    is no such table or has no rows; where `every_row` is needed, also for the first that is refused.
    """
    encoding, notes = encoding_of(path)
    try:
        rows = _Rows(path, blocks(path, encoding), every_row)
        positions = wanted(rows.header)
        parts = list(rows.parts(positions))
    except (OSError, UnicodeError) as error:
        raise unreadable(path, error) from error
    empty = pa.table([pa.array([], pa.large_string())] * len(positions), names=[str(i) for i in positions])
    frame = pa.concat_tables([empty, *[cells for _, cells in parts]]).to_pandas(types_mapper=_TEXT.get)
    frame.columns = pd.Index(positions)
    line = np.concatenate([np.empty(0, np.int64), *[numbers for numbers, _ in parts]])
    if not len(line) and not rows.refused:
        raise CohortError(
            "a table needs at least one row below its header",
            case=str(path),
            value=", ".join(rows.header[:6]),
            next_step="Check that the table was exported in full.",
        )
    if rows.delimiter != ",":
        notes.append(f"The separator of {path.name} is {_NAMES.get(rows.delimiter, rows.delimiter)}.")
    if rows.empty:
        notes.append(f"{rows.empty:,} empty lines of {path.name} are skipped.")
    if rows.spanning:
        notes.append(f"{rows.spanning:,} rows of {path.name} span several lines (quoted line breaks).")
    return Table(path, rows.header, frame, line, tuple(rows.refused), tuple(notes))


class _Rows:
    """The rows of a table below its header, block by block, with their line numbers.

    `refused`, `empty` (lines without a cell) and `spanning` (rows of several lines) fill while the blocks are read.
    """

    def __init__(self, path: Path, blocks: Iterator[bytes], every_row: bool) -> None:
        self._name, self._blocks, self._every_row = path.name, blocks, every_row
        self._number = 1
        self._held = b""
        self.refused: list[Refused] = []
        self.empty = 0
        self.spanning = 0
        self.header, self.delimiter = self._read_header(path)

    def _read_header(self, path: Path) -> tuple[tuple[str, ...], str]:
        """The column names and the separator, from the first line that says something (`sep=;` included)."""
        forced = ""
        while True:
            first, end, self._held = self._held.partition(b"\n")
            if not (first or end):
                self._held = next(self._blocks, b"")
                if self._held:
                    continue
                raise CohortError(
                    "a table needs a header line", case=str(path), next_step="Name the columns in the first line."
                )
            self._number += 1
            line = first.decode(errors="replace")
            named = re.fullmatch(r'"?sep=(.)"?', line.strip(" "), flags=re.IGNORECASE)
            if named:
                forced = named[1]
            elif line.strip().strip(_DELIMITERS + '"'):
                break
            else:
                self.empty += 1
        bare = re.sub(r'"[^"]*"', "", line)
        delimiter = forced or max(_DELIMITERS, key=bare.count)
        try:
            names = next(csv.reader([line], delimiter=delimiter, strict=True))
        except (csv.Error, ValueError, TypeError) as error:
            raise CohortError(
                "the header line must be readable",
                case=str(path),
                value=line,
                next_step="Mend its separators and quotes.",
            ) from error
        header = tuple(name.strip() for name in names)
        if any(not name.isprintable() for name in header) or not delimiter.isascii() or delimiter in '"\x00':
            raise CohortError(
                "column names are plain text",
                case=str(path),
                value=line,
                next_step="Check that the file is a text table.",
            )
        return header, delimiter

    def parts(self, positions: list[int]) -> Iterator[tuple[Lines, pa.Table]]:
        """Line numbers (n,) and a table of the columns at `positions` as text, (n, len(positions)), block by block."""
        more = True
        while more or self._held:
            block = next(self._blocks, b"")
            more = bool(block)
            block, self._held = self._held + block, b""
            if not block:
                continue
            quick = self._quick(block, positions)
            if quick is not None:
                yield np.arange(self._number, self._number + quick.num_rows), quick
                self._number += quick.num_rows
            else:
                yield self._careful(block.decode(errors="replace").split("\n"), positions, last=not more)

    def _quick(self, block: bytes, positions: list[int]) -> pa.Table | None:
        """The rows where every line is one row of the right width and nothing is odd; else None."""
        ends = np.flatnonzero(np.frombuffer(block, np.uint8) == _LINE_FEED)
        lines = len(ends) + (not block.endswith(b"\n"))
        longest = int(np.diff(ends, prepend=-1, append=len(block)).max())
        if b"\x00" in block or longest > _LONGEST_CELL:
            return None
        names = [str(i) for i in range(len(self.header))]
        chosen = [str(i) for i in positions]
        try:
            table = pacsv.read_csv(
                pa.BufferReader(block),
                pacsv.ReadOptions(use_threads=False, block_size=len(block) + 1, column_names=names),
                pacsv.ParseOptions(delimiter=self.delimiter, ignore_empty_lines=False, newlines_in_values=True),
                pacsv.ConvertOptions(
                    check_utf8=False, column_types=dict.fromkeys(names, pa.large_string()), include_columns=chosen
                ),
            )
        except (pa.ArrowInvalid, ValueError):
            return None
        if table.num_rows != lines:
            return None
        said = functools.reduce(pc.or_, [pc.not_equal(column, "") for column in table.columns])
        return table if pc.all(said).as_py() else None

    def _careful(self, lines: list[str], positions: list[int], *, last: bool) -> tuple[Lines, pa.Table]:
        """Row by row: a quote left open must not swallow what follows, so only its own line is refused.

        Lines from which a quoted cell may run on into the next block are held for it, unless this is the `last`.
        """
        if not lines[-1]:
            lines = lines[:-1]
        at: list[int] = []
        cells: list[list[str]] = []
        i = 0
        end = len(lines) if last else max(len(lines) - _MAX_QUOTED_LINES, 0)
        while i < end:
            row, used, rule, next_step = self._row(lines, i)
            if rule:
                self._refuse(i + used - 1, row[: len(self.header)], rule, next_step)
            elif row:
                at.append(self._number + i)
                cells.append([row[k] for k in positions])
                self.spanning += used > 1
            else:
                self.empty += 1
            i += used
        numbers = np.asarray(at, dtype=np.int64)
        self._number += i
        self._held = "".join(f"{line}\n" for line in lines[i:]).encode()
        columns = list(zip(*cells, strict=True)) if cells else [()] * len(positions)
        arrays = [pa.array(column, pa.large_string()) for column in columns]
        return numbers, pa.table(arrays, names=[str(k) for k in positions])

    def _row(self, lines: list[str], i: int) -> tuple[list[str], int, str, str]:
        """The row that begins at line `i`: cells ([] = empty line), lines used, rule and next step if refused."""
        line = lines[i]
        if "\x00" in line or len(line) > MAX_LINE:
            return (
                self._split(line),
                1,
                f"a row has at most {MAX_LINE:,} characters and no NUL among them",
                "Export the table again.",
            )
        width = len(self.header)
        try:
            reader = csv.reader(_ended(lines, i), delimiter=self.delimiter, strict=True)
            row = next(reader)
            used = reader.line_num
        except csv.Error as error:
            row, used = self._lenient(line), 1
            if len(row) != width:
                return self._split(line), 1, _QUOTES, f"Mend the line ({error})."
        if used > 1 and width > 1 and all(len(self._split(part)) >= width for part in lines[i : i + used]):
            next_step = f"A quote on line {self._number + i} seems to be left open: mend it."
            for k, part in enumerate(lines[i : i + used - 1]):
                self._refuse(i + k, self._split(part), _QUOTES, next_step)
            return self._split(lines[i + used - 1]), used, _QUOTES, next_step
        if not any(row) or (width > 1 and not line.strip()):
            return [], used, "", ""
        if len(row) < width or any(cell.strip() for cell in row[width:]):
            rule = f"a row has as many cells as the header, separated by {_NAMES.get(self.delimiter, self.delimiter)}"
            return row, 1, rule, f"It has {len(row)} cells, the header {width}: mend the separators."
        return row[:width], used, "", ""

    def _refuse(self, i: int, cells: list[str], rule: str, next_step: str) -> None:
        """Note that line `i` is refused, or raise for it: held in memory, millions of such rows would fill it."""
        if self._every_row:
            raise CohortError(rule, case=f"{self._name}, line {self._number + i}", next_step=next_step)
        self.refused.append((self._number + i, tuple(printable(cell, 60) for cell in cells), rule, next_step))

    def _split(self, line: str) -> list[str]:
        return line[:MAX_LINE].replace("\x00", "").split(self.delimiter)

    def _lenient(self, line: str) -> list[str]:
        """A line with letters behind a closing quote, as spreadsheets read it; [] where a quote stays open."""
        try:
            row = next(csv.reader([f"{line}\n"], delimiter=self.delimiter))
        except csv.Error:
            return []
        return [] if row[-1].endswith("\n") else row


def _ended(lines: list[str], i: int) -> Iterator[str]:
    for line in lines[i : i + _MAX_QUOTED_LINES]:
        if "\x00" in line or len(line) > MAX_LINE:
            return
        yield f"{line}\n"
