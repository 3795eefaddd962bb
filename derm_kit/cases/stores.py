"""A cohort that lies in a store: listed once, its tables brought here to be read, its pictures left where they are."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from derm_kit.cases.cohort import Cohort
from derm_kit.cases.folder_tables import tables_of
from derm_kit.cases.folder_walk import name_fault
from derm_kit.cases.folders import OUTSIDE, TABLE_SUFFIXES, Fault, Listing, suffix
from derm_kit.cases.places import FROM_A_FOLDER, no_answer
from derm_kit.cases.rows import read_rows
from derm_kit.errors import CohortError, printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from upath import UPath

DICOM_SUFFIXES = (".dcm", ".dicom")


def read_store(root: UPath, table: Path | None, pictures: Callable[[Path, Listing, str], Cohort]) -> Cohort:
    """Read what lies below `root` as a folder is read; `pictures` makes a cohort of a listing without a table.

    DICOM files are refused: a child's age in a header must be seen before its picture is scored. Raises StoreError
    where the store does not answer, and CohortError where nothing can be read.
    """
    name = printable(root.name or root.path.strip("/")) or "store"
    with tempfile.TemporaryDirectory(prefix="derm-kit-") as folder:
        here = Path(folder) / name.replace("/", "_")
        here.mkdir()
        found = _listing(root, here)
        try:
            _bring(root, here, (file for file in found.files if "/" not in file and suffix(file) in TABLE_SUFFIXES))
        except Exception as error:
            raise no_answer(str(root), error) from error
        try:
            chosen, passed_over = tables_of(here, found) if table is None else ([table], [])
            cohort = read_rows(here, chosen, found) if chosen else pictures(here, found, name)
        except CohortError as error:
            case = error.case and error.case.replace(str(here), str(root))
            raise CohortError(error.rule, case=case, value=error.value, next_step=error.next_step) from None
    return replace(cohort, root=root, notes=(*passed_over, *cohort.notes))


def _listing(root: UPath, here: Path) -> Listing:
    try:
        root.fs.invalidate_cache()
        paths = root.fs.find(root.path)
    except Exception as error:
        raise no_answer(str(root), error) from error
    files: set[str] = set()
    faults: dict[str, Fault] = {}
    hidden: list[str] = []
    start = root.path.rstrip("/") + "/"
    for path in paths:
        file = str(path).removeprefix(start)
        parts = file.split("/")
        if fault := _fault(parts):
            faults[printable(file, 300)] = fault
        elif any(part.startswith(".") for part in parts):
            hidden.append(printable(file, 300))
        else:
            files.add(file)
    if not paths or start.rstrip("/") in paths:
        raise CohortError(
            "a cohort in a store is a folder (prefix) with at least one file",
            case=str(root),
            next_step="Name the folder that holds the pictures and, if there is one, their table.",
        )
    return Listing(here, frozenset(files), faults, tuple(hidden))


def _fault(parts: list[str]) -> Fault | None:
    """The fault of an object's key that is no plain path, or of a file that a store does not give."""
    if any(part in ("", ".", "..") for part in parts):
        return OUTSIDE
    if suffix(parts[-1]) in DICOM_SUFFIXES:
        return FROM_A_FOLDER
    return next((fault for i, part in enumerate(parts) if (fault := name_fault(part, first=not i))), None)


def _bring(root: UPath, here: Path, tables: Iterable[str]) -> None:
    for table in tables:
        root.fs.get_file((root / table).path, str(here / table))
