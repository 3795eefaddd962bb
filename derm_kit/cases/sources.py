"""Folder, table, ISIC Archive download, DICOM or a single picture -> Cohort."""

from __future__ import annotations

import re
import secrets
import stat
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

import pandas as pd

from derm_kit.cases import values
from derm_kit.cases.cohort import Cohort, Reject, complete, reject_table, sound_rows
from derm_kit.cases.encodings import unreadable
from derm_kit.cases.folders import (
    NOT_READ,
    PICTURE_SUFFIXES,
    TABLE_SUFFIXES,
    UNREAD_SUFFIXES,
    Listing,
    is_picture,
    listing,
    one,
    suffix,
)
from derm_kit.cases.rows import read_rows
from derm_kit.errors import CaseError, CohortError, printable

_DICOM_SUFFIXES: Final = frozenset({".dcm", ".dicom"})
_DICOM_FIELDS: Final = ("patient_id", "age_years", "sex", "anatomical_site", "device")


def read(path: Path | str, *, table: Path | str | None = None) -> Cohort:
    """Read a folder of pictures, a table, an ISIC Archive download, DICOM files or one picture as a cohort.

    A folder with a table (`table`, else `metadata.csv`, else every CSV and TSV in it, joined by their ids) is exactly
    its rows; without one, every picture below it is a case. A lone table finds its pictures beside it, or none at all.
    Rows and pictures that cannot become a case stand in `rejects`. Raises CohortError where nothing can be read.
    """
    path = Path(path)
    mode = _mode(path)
    if stat.S_ISDIR(mode):
        found = listing(path)
        chosen = _tables_of(path, found) if table is None else [Path(table)]
        if not chosen:
            return _read_pictures(path, found, printable(path.resolve().name))
        for each in chosen:
            if not stat.S_ISREG(_mode(each)):
                raise _no_kind(each)
        return _with_exclusions(read_rows(path, chosen, found))
    if not stat.S_ISREG(mode):
        raise _no_kind(path)
    if table is not None:
        raise CohortError(
            "a table goes with a folder of pictures", case=str(path), value=str(table), next_step="Name the folder."
        )
    if suffix(path.name) in TABLE_SUFFIXES | {".txt"}:
        return _with_exclusions(read_rows(path.parent, [path], None))
    if suffix(path.name) in PICTURE_SUFFIXES | UNREAD_SUFFIXES or _is_dicom(path.parent, path.name):
        return _read_pictures(path.parent, one(path), printable(path.stem))
    raise _no_kind(path)


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error


def _no_kind(path: Path) -> CohortError:
    return CohortError(
        "a cohort is a folder, a table (.csv, .tsv, .txt) or a picture",
        case=str(path),
        next_step="Name one of these; unpack an archive first.",
    )


def _tables_of(folder: Path, found: Listing) -> list[Path]:
    """The tables that a folder's cases stand in: `metadata.csv`, else all that lie in the folder itself."""
    tables = sorted(file for file in found.files if "/" not in file and suffix(file) in TABLE_SUFFIXES)
    named = [file for file in tables if file.lower() == "metadata.csv"]
    return [folder / file for file in named or tables]


def _read_pictures(root: Path, found: Listing, name: str) -> Cohort:
    """Every picture of a folder is a case; its id is its file name without suffix, led by the folder if shared."""
    dicom = {file for file in found.files if suffix(file) in _DICOM_SUFFIXES or _is_dicom(root, file)}
    pictures = sorted({*found.pictures(), *dicom})
    rejects: list[Reject] = [("", file, *fault) for file, fault in sorted(found.faults.items())]
    unread = sorted(file for file in found.files if suffix(file) in UNREAD_SUFFIXES)
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
        cases = _with_fields(root, cases, dicom, rejects)
        notes.append(
            f"Fields of {len(dicom):,} DICOM files that go on: {', '.join(_DICOM_FIELDS)}; patients are numbered."
        )
    notes += found.others({*pictures, *unread})
    return Cohort(name, complete(cases), reject_table(rejects), tuple(notes), root)


def _with_fields(root: Path, cases: pd.DataFrame, dicom: set[str], rejects: list[Reject]) -> pd.DataFrame:
    """Add the whitelisted fields of the DICOM files; one that cannot be read is rejected.

    Patients are numbered in the order of their files: the same folder gives the same cohort, and no number says who.
    """
    from derm_kit.cases.dicom import dicom_fields  # pydicom is slow to import and most cohorts have none

    salt = secrets.token_bytes(32)
    numbers: dict[str, str] = {}
    fields: dict[int, dict[str, str | float]] = {}
    lost: list[int] = []
    for i, (case_id, image) in enumerate(zip(cases["case_id"], cases["image"], strict=True)):
        if image not in dicom:
            continue
        try:
            known = dicom_fields(root / image, salt=salt, case=case_id)
        except CaseError as error:
            lost.append(i)
            rejects.append((case_id, image, error.rule, error.next_step))
            continue
        if who := str(known["patient_id"]):
            known["patient_id"] = numbers.setdefault(who, f"patient-{len(numbers) + 1:05d}")
        fields[i] = known
    table = pd.DataFrame.from_dict(fields, orient="index", columns=list(_DICOM_FIELDS)).reindex(cases.index)
    for name in ("patient_id", "sex", "device"):
        cases[name] = values.tidy(table[name].fillna("").astype("str"))
    site = values.tidy(table["anatomical_site"].fillna("").astype("str"))
    age = table["age_years"].astype("float64")
    cases["age_years"] = age.where(age.between(0, values.OLDEST))
    cases["anatomical_site"] = values.sites(site)
    cases["exclusion"] = values.exclusions(cases["age_years"], [site])
    return cases.drop(index=lost).reset_index(drop=True)


def _with_exclusions(cohort: Cohort) -> Cohort:
    """Add to what a table says against an assessment what its DICOM files say: under 18, genital, subungual."""
    images = cohort.cases["image"]
    rows = [i for i, file in enumerate(images) if suffix(file) in _DICOM_SUFFIXES or _is_dicom(cohort.root, file)]
    if not rows:
        return cohort
    from derm_kit.cases.dicom import dicom_fields  # pydicom is slow to import and most cohorts have none

    said: dict[int, dict[str, str | float]] = {}
    for i in rows:
        with suppress(CaseError):  # a file that cannot be read is rejected when it is scored
            said[i] = dicom_fields(
                cohort.root / images.iloc[i], salt=secrets.token_bytes(32), case=str(cohort.cases["case_id"].iloc[i])
            )
    table = pd.DataFrame.from_dict(said, orient="index", columns=["age_years", "anatomical_site"])
    site = values.tidy(table["anatomical_site"].fillna("").astype("str"))
    exclusion, added = cohort.cases["exclusion"].tolist(), 0
    for i, reasons in zip(said, values.exclusions(table["age_years"].astype("float64"), [site]), strict=True):
        known = exclusion[i].split("; ") if exclusion[i] else []
        new = [reason for reason in reasons.split("; ") if reason and reason not in known]
        exclusion[i] = "; ".join([*known, *new])
        added += bool(new)
    cases = cohort.cases.assign(exclusion=pd.array(exclusion, dtype="str"))
    note = f"Exclusions that DICOM files state and the table does not: {added:,}; which a clinician must see."
    return replace(cohort, cases=cases, notes=(*cohort.notes, note)) if added else cohort


def _is_dicom(root: Path, file: str) -> bool:
    """Whether a file without a telling suffix (none, or the last number of a UID) has DICOM's mark at byte 128."""
    if not re.fullmatch(r"(?:\.\d+)?", suffix(file)) or file.upper().endswith("DICOMDIR"):
        return False
    try:
        with (root / file).open("rb") as opened:
            return opened.read(132)[128:] == b"DICM"
    except OSError:
        return False


def _stem(file: str) -> str:
    """The path without its suffix; the numbers of a UID are no suffix."""
    return file.rpartition(".")[0] if is_picture(file) or suffix(file) in UNREAD_SUFFIXES else file
