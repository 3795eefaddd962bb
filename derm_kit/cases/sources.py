"""Folder, table, ISIC Archive download, DICOM or a single picture -> Cohort."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pandas as pd

from derm_kit.cases import values
from derm_kit.cases.cohort import Cohort, Reject, complete, reject_table, sound_rows
from derm_kit.cases.dicom_cases import FIELDS, dicom_files, with_exclusions, with_fields
from derm_kit.cases.encodings import unreadable
from derm_kit.cases.folder_tables import require_no_output, tables_of
from derm_kit.cases.folder_walk import listing, one
from derm_kit.cases.folders import (
    NOT_READ,
    PICTURE_SUFFIXES,
    TABLE_SUFFIXES,
    UNREAD_SUFFIXES,
    Listing,
    is_masks,
    is_picture,
    suffix,
)
from derm_kit.cases.places import is_address, store_place
from derm_kit.cases.rows import read_rows
from derm_kit.cases.stores import read_store
from derm_kit.errors import CohortError, printable


def read(path: Path | str, *, table: Path | str | None = None) -> Cohort:
    """Read a folder of pictures, a table, an ISIC Archive download, DICOM files or one picture as a cohort.

    An address (s3://BUCKET/FOLDER and whatever else fsspec reads) names a folder of pictures in a store.

    A folder with a table (`table`, else `metadata.csv`, else every CSV and TSV in it, joined by their ids) is exactly
    its rows; without one, every picture below it is a case. A lone table finds its pictures beside it, or none at all.
    Rows and pictures that cannot become a case stand in `rejects`. Raises CohortError where nothing can be read.
    """
    place = store_place(str(path)) if is_address(str(path)) else Path(path)
    if not isinstance(place, Path):
        return read_store(place, None if table is None else _table(Path(table)), _read_pictures)
    path = place
    mode = _mode(path)
    if stat.S_ISDIR(mode):
        found = listing(path)
        chosen, passed_over = tables_of(path, found) if table is None else ([_table(Path(table))], [])
        if chosen:
            cohort = with_exclusions(read_rows(path, chosen, found))
        else:
            cohort = _read_pictures(path, found, printable(path.resolve().name))
        return replace(cohort, notes=(*passed_over, *cohort.notes))
    if not stat.S_ISREG(mode):
        raise _no_kind(path)
    if table is not None:
        raise CohortError(
            "a table goes with a folder of pictures", case=str(path), value=str(table), next_step="Name the folder."
        )
    if suffix(path.name) in TABLE_SUFFIXES | {".txt"}:
        return with_exclusions(read_rows(path.parent, [_table(path)], None))
    if suffix(path.name) in PICTURE_SUFFIXES | UNREAD_SUFFIXES or dicom_files(path.parent, [path.name]):
        return _read_pictures(path.parent, one(path), printable(path.stem))
    raise _no_kind(path)


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error


def _table(path: Path) -> Path:
    if not stat.S_ISREG(_mode(path)):
        raise _no_kind(path)
    require_no_output(path)
    return path


def _no_kind(path: Path) -> CohortError:
    return CohortError(
        "a cohort is a folder, a table (.csv, .tsv, .txt) or a picture",
        case=str(path),
        next_step="Name one of these; unpack an archive first.",
    )


def _read_pictures(root: Path, found: Listing, name: str) -> Cohort:
    """Every picture of a folder is a case; its id is its file name without suffix, led by the folder if shared."""
    dicom = dicom_files(root, (file for file in found.files if not is_masks(file.rpartition("/")[0])))
    pictures = sorted({*found.pictures(), *dicom})
    rejects: list[Reject] = [("", file, *fault) for file, fault in sorted(found.faults.items())]
    unread = sorted(file for file in found.files - dicom if suffix(file) in UNREAD_SUFFIXES)
    rejects += [(_stem(file), file, *NOT_READ) for file in unread]
    if not pictures and not rejects:
        raise CohortError(
            "a cohort needs at least one picture",
            case=str(root),
            value=f"{len(found.files):,} files",
            next_step="Name a folder with JPEG, PNG, TIFF, WebP, BMP or DICOM pictures, or one with a table.",
        )
    files = pd.Series(pictures, dtype="str")
    ids = values.by_value(files, lambda file: _stem(file).rpartition("/")[2])
    shared = ids.duplicated(keep=False)
    ids = ids.where(~shared, values.by_value(files, lambda file: _stem(file).replace("/", "__")))
    cases = pd.DataFrame({"case_id": ids, "image": files})
    notes = [f"{name}: no table, so every picture is a case without truth."]
    if shared.any():
        notes.append(f"Pictures that share a file name have their folder in their id: {int(shared.sum()):,}.")
    cases = sound_rows(cases, files.iloc.__getitem__, rejects)
    if dicom:
        cases = with_fields(root, cases, dicom, rejects)
        notes.append(f"Fields of {len(dicom):,} DICOM files that go on: {', '.join(FIELDS)}; patients are numbered.")
    used = {*pictures, *unread}
    notes += found.others(used)
    return Cohort(name, complete(cases), reject_table(rejects), tuple(notes), root, found.ignored(used))


def _stem(file: str) -> str:
    """The path without its suffix; the numbers of a UID are no suffix."""
    return file.rpartition(".")[0] if is_picture(file) or suffix(file) in UNREAD_SUFFIXES else file
