"""Text tables (CSV, TSV, what spreadsheets export) read robustly: every row is kept or refused by line, none is lost."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from derm_kit.errors import CohortError, printable

MAX_BYTES = 4 * 2**30
MAX_LINE = 1_000_000
"""Characters in one line; a longer one is refused as a row (the reader's memory stays bounded)."""

_DELIMITERS = ",;\t|"
_BLOCK = 50_000
_MAX_QUOTED_LINES = 100
_MAGIC = {
    b"PK\x03\x04": (
        "a text table is needed, and this is a spreadsheet or zip file",
        "Save it as CSV (UTF-8), or unpack it.",
    ),
    b"\xd0\xcf\x11\xe0": ("a text table is needed, and this is an old spreadsheet file", "Save it as CSV (UTF-8)."),
    b"PAR1": ("a text table is needed, and this is a Parquet file", "Save it as CSV (UTF-8)."),
    b"\x1f\x8b": ("a text table is needed, and this is a compressed file", "Unpack it first."),
    b"\xff\xd8\xff": ("a text table is needed, and this is a picture", "Name the table, or the folder of pictures."),
    b"\x89PNG": ("a text table is needed, and this is a picture", "Name the table, or the folder of pictures."),
}


@dataclass(frozen=True)
class Table:
    """A text table as read: `frame` has the wanted columns as text ("" = empty cell), `line` (n,) the line of each row.

    `header` is every column name as written; `refused` holds (line, text of the row's first cells, rule, next_step).
    """

    path: Path
    header: tuple[str, ...]
    frame: pd.DataFrame
    line: np.ndarray[Any, np.dtype[np.int64]]
    refused: tuple[tuple[int, tuple[str, ...], str, str], ...]
    notes: tuple[str, ...]


def read_table(path: Path, wanted: Callable[[tuple[str, ...]], list[int]]) -> Table:
    """Read the text table at `path`, keeping the columns whose positions `wanted(header)` names.

    Encoding (UTF-8, UTF-16, else Windows-1252) and separator (comma, semicolon, tab, bar) are found out. A row of the wrong
    length, with broken quotes or NUL characters is refused by its line number. Raises CohortError for a file that is no
    such table or has no rows.
    """
    encoding, notes = _encoding(path)
    refused: list[tuple[int, tuple[str, ...], str, str]] = []
    try:
        with path.open(encoding=encoding, errors="replace", newline="") as file:
            lines = _Lines(file, refused)
            header, delimiter = _header(path, lines)
            if delimiter != ",":
                notes.append(f"The separator of {path.name} is {_NAMES[delimiter]}.")
            positions = wanted(header)
            blocks: list[list[pa.Array]] = []
            numbers: list[np.ndarray[Any, np.dtype[np.int64]]] = []
            spanning = 0
            for at, rows, several in _rows(lines, delimiter, len(header), refused):
                spanning += several
                numbers.append(np.asarray(at, dtype=np.int64))
                cells = list(zip(*rows, strict=True)) if rows else [()] * len(header)
                blocks.append([pa.array(cells[i], type=pa.large_string()) for i in positions])
    except (OSError, UnicodeError) as error:
        raise unreadable(path, error) from error
    frame = pd.DataFrame(
        {
            i: pd.array(pa.chunked_array([b[k] for b in blocks], pa.large_string()), dtype="str")
            for k, i in enumerate(positions)
        }
    )
    line = np.concatenate([np.empty(0, np.int64), *numbers])
    if not len(line) and not refused:
        raise CohortError(
            "a table needs at least one row below its header",
            case=str(path),
            value=", ".join(header[:6]),
            next_step="Check that the table was exported in full.",
        )
    if lines.empty:
        notes.append(f"{lines.empty:,} empty lines of {path.name} are skipped.")
    if spanning:
        notes.append(f"{spanning:,} rows of {path.name} span several lines (quoted line breaks).")
    return Table(path, header, frame, line, tuple(refused), tuple(notes))


def unreadable(path: Path, error: Exception) -> CohortError:
    """The refusal of a file or folder that the system will not give."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return CohortError(
        "the file or folder must be readable",
        case=str(path),
        value=reason,
        next_step="Check the path, that it exists, and the right to read it.",
    )


_NAMES = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}


def _encoding(path: Path) -> tuple[str, list[str]]:
    """The encoding of the file and notes on it; refuses what is no text table."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(4096)
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
    if not start.strip(b"\x00\xef\xbb\xbf\xff\xfe \t\r\n"):
        raise CohortError(
            "a table must not be empty", case=str(path), value=f"{size} bytes", next_step="Export the table again."
        )
    if size > MAX_BYTES:
        raise CohortError(
            f"a table has at most {MAX_BYTES // 2**30} GiB",
            case=str(path),
            value=f"{size:,} bytes",
            next_step="Split the table.",
        )
    for magic, (rule, next_step) in _MAGIC.items():
        if start.startswith(magic):
            raise CohortError(rule, case=str(path), next_step=next_step)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16", [f"{path.name} is read as UTF-16."]
    nul_even, nul_odd = start[0::2].count(0), start[1::2].count(0)
    half = len(start) // 2
    if max(nul_even, nul_odd) > half * 0.7 and min(nul_even, nul_odd) < half * 0.1:
        return ("utf-16-le" if nul_odd > nul_even else "utf-16-be"), [
            f"{path.name} is read as UTF-16 (without its mark)."
        ]
    if _decodes(path, "utf-8-sig"):
        return "utf-8-sig", []
    if _decodes(path, "cp1252"):
        return "cp1252", [f"{path.name} is not UTF-8 and is read as Windows-1252: check its accented letters."]
    return "latin-1", [
        f"{path.name} is neither UTF-8 nor Windows-1252 and is read as Latin-1: check its accented letters."
    ]


def _decodes(path: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        with path.open("rb") as file:
            while block := file.read(2**20):
                decoder.decode(block)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    except OSError as error:
        raise unreadable(path, error) from error
    return True


class _Lines:
    """The lines of a file with their numbers; too long and NUL-bearing ones are refused, empty ones counted."""

    def __init__(self, file: io.TextIOWrapper, refused: list[tuple[int, tuple[str, ...], str, str]]) -> None:
        self._file = file
        self._refused = refused
        self._number = 0
        self.empty = 0

    def block(self, size: int) -> tuple[list[int], list[str]]:
        """Up to `size` lines and their numbers; empty at the end of the file."""
        numbers: list[int] = []
        lines: list[str] = []
        while len(lines) < size and (line := self._file.readline(MAX_LINE)):
            self._number += 1
            if len(line) == MAX_LINE and not line.endswith(("\n", "\r")):
                while (rest := self._file.readline(MAX_LINE)) and not rest.endswith(("\n", "\r")):
                    continue
                self._refuse(line, f"a line has at most {MAX_LINE:,} characters", "Shorten or remove the line.")
            elif "\x00" in line:
                self._refuse(line, "a row holds no NUL characters", "Export the table again, or remove the line.")
            else:
                numbers.append(self._number)
                lines.append(line)
        return numbers, lines

    def _refuse(self, line: str, rule: str, next_step: str) -> None:
        self._refused.append((self._number, (printable(line.split(",")[0].replace("\x00", ""), 60),), rule, next_step))


def _header(path: Path, lines: _Lines) -> tuple[tuple[str, ...], str]:
    """The column names and the separator, from the first line that says something (`sep=;` included)."""
    forced = ""
    while True:
        _, first = lines.block(1)
        if not first:
            raise CohortError(
                "a table needs a header line", case=str(path), next_step="Name the columns in the first line."
            )
        line = first[0].strip("\r\n")
        if named := re.fullmatch(r'"?sep=(.)"?', line.strip(), flags=re.IGNORECASE):
            forced = named[1]
            continue
        if line.strip().strip(_DELIMITERS + '"'):
            break
        lines.empty += 1
    bare = re.sub(r'"[^"]*"', "", line)
    delimiter = forced or max(_DELIMITERS, key=lambda mark: bare.count(mark))
    try:
        names = next(csv.reader([line], delimiter=delimiter, strict=True))
    except (csv.Error, ValueError, TypeError) as error:
        raise CohortError(
            "the header line must be readable", case=str(path), value=line, next_step="Mend its quotes."
        ) from error
    header = tuple(name.strip().lstrip("\ufeff") for name in names)
    while header and not header[-1]:
        header = header[:-1]
    if any(not name.isprintable() for name in header):
        raise CohortError(
            "column names are plain text", case=str(path), value=line, next_step="Check that the file is a text table."
        )
    return header, delimiter


def _rows(
    lines: _Lines, delimiter: str, width: int, refused: list[tuple[int, tuple[str, ...], str, str]]
) -> Iterator[tuple[list[int], list[list[str]], int]]:
    """Blocks of (line numbers, rows of `width` cells, how many of them span several lines)."""
    rest_numbers: list[int] = []
    rest: list[str] = []
    while True:
        numbers, block = lines.block(_BLOCK)
        last = not block
        numbers, block = rest_numbers + numbers, rest + block
        if not block:
            return
        quick = _quick(block, delimiter, width)
        if quick is not None:
            yield numbers, quick, 0
            rest_numbers, rest = [], []
        else:
            at, rows, several, used = _careful(numbers, block, delimiter, width, refused, lines, last=last)
            yield at, rows, several
            rest_numbers, rest = numbers[used:], block[used:]


def _quick(block: list[str], delimiter: str, width: int) -> list[list[str]] | None:
    """The rows where every line is one row of the right width; else None."""
    try:
        rows = list(csv.reader(block, delimiter=delimiter, strict=True))
    except csv.Error:
        return None
    return rows if len(rows) == len(block) and set(map(len, rows)) == {width} and all(map(any, rows)) else None


def _careful(
    numbers: list[int],
    block: list[str],
    delimiter: str,
    width: int,
    refused: list[tuple[int, tuple[str, ...], str, str]],
    lines: _Lines,
    *,
    last: bool,
) -> tuple[list[int], list[list[str]], int, int]:
    """Row by row. A quote left open must not swallow what follows: only its own line is refused, the next is read afresh.

    Lines from which a quoted cell may run on into the next block are left for it, unless this is the `last`.
    """
    at: list[int] = []
    rows: list[list[str]] = []
    several = 0
    i = 0
    end = len(block) if last else max(len(block) - _MAX_QUOTED_LINES, 0)
    while i < end:
        reader = csv.reader(
            block[i : i + _MAX_QUOTED_LINES] if '"' in block[i] else [block[i]], delimiter=delimiter, strict=True
        )
        try:
            row = next(reader)
        except csv.Error as error:
            rule = "a row needs sound quotes and cells of at most 131,072 characters"
            first = tuple(printable(cell, 60) for cell in block[i].strip("\r\n").split(delimiter)[:width])
            refused.append((numbers[i], first, rule, f"Mend the line by hand ({error})."))
            i += 1
            continue
        if not any(cell.strip() for cell in row):
            lines.empty += 1
        elif len(row) > width and any(cell.strip() for cell in row[width:]) or len(row) < width:
            rule = f"a row has as many cells as the header, separated by {_NAMES.get(delimiter, delimiter)}"
            next_step = f"It has {len(row)} cells, the header {width}: mend the separators."
            refused.append((numbers[i], tuple(printable(cell, 60) for cell in row[:width]), rule, next_step))
            i += 1
            continue
        else:
            at.append(numbers[i])
            rows.append(row[:width])
            several += reader.line_num > 1
        i += reader.line_num
    return at, rows, several, i
