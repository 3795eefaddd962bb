"""Which tables of a folder describe its cases: metadata.csv alone if there is one, never an output of our own."""

from __future__ import annotations

import codecs
import re
from pathlib import Path
from typing import Final

from derm_kit.cases.columns import own_output
from derm_kit.cases.folders import (
    LINKED,
    METADATA,
    MISSING,
    NO_TABLE,
    NOT_PLAIN,
    OUTSIDE,
    TABLE_SUFFIXES,
    Listing,
    suffix,
)
from derm_kit.errors import CohortError, printable

_FOUND: Final = {
    OUTSIDE: "a link that leads out of the folder",
    MISSING: "a link to nothing",
    LINKED: "a link to a folder",
    NO_TABLE: "a folder",
    NOT_PLAIN: "a pipe, a socket or a device",
}
_START: Final = 8192
"""Bytes in which the header of a table of our own is looked for."""


def tables_of(folder: Path, found: Listing) -> tuple[list[Path], list[str]]:
    """The tables of a folder's cases, none where every picture is one, and notes on those that are passed over.

    Raises CohortError where a table cannot be used: without what it says a child's lesion would be scored.
    """
    here = sorted(file for file in (*found.files, *found.faults) if "/" not in file and suffix(file) in TABLE_SUFFIXES)
    named = [file for file in here if file.lower() == METADATA]
    chosen, notes = [], []
    for file in named or here:
        if file in found.faults:
            raise CohortError(
                "the table of a folder must be a plain file inside it",
                case=str(folder / file),
                value=_FOUND.get(found.faults[file], found.faults[file][0]),
                next_step="Put the table itself in this place under a plain name, or name another one with --table.",
            )
        if named:
            require_no_output(folder / file)
        if what := _output(folder / file):
            notes.append(
                f"{printable(file, 60)} is a {what} that derm-kit wrote, no table of cases: it is passed over."
            )
        else:
            chosen.append(folder / file)
    return chosen, notes


def require_no_output(table: Path) -> None:
    """Raise CohortError where `table` is a list of rejects or decisions that derm-kit wrote."""
    if what := _output(table):
        raise CohortError(
            "a table of cases is needed, and this is an output of derm-kit",
            case=str(table),
            value=f"the columns of a {what}",
            next_step="Name the table that describes the pictures, or the folder of pictures without this file.",
        )


def _output(table: Path) -> str:
    """Which output of derm-kit a file is, by the columns in its first line; "" for none, and where it is shut."""
    try:
        with table.open("rb") as file:
            start = file.read(_START)
    except OSError:
        return ""
    wide = start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    lines = start.decode("utf-16" if wide else "utf-8-sig", errors="replace").splitlines()
    said = [line for line in lines if line.strip() and not re.fullmatch(r'"?sep=."?', line.strip(), re.IGNORECASE)]
    return own_output(re.split(r"[,;\t|]", said[0])) if said else ""
