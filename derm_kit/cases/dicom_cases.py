"""What the DICOM files of a cohort, known by their signature, say of their cases in their headers."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final

import pandas as pd

from derm_kit.cases import values
from derm_kit.cases.ages import OLDEST
from derm_kit.cases.cohort import Cohort, Reject
from derm_kit.cases.folders import suffix
from derm_kit.cases.headers import format_of
from derm_kit.errors import CaseError, CohortError

FIELDS: Final = ("patient_id", "age_years", "sex", "anatomical_site", "device", "exclusion")
"""The columns of a cohort that a DICOM file fills."""

NOT_UNDERSTOOD: Final = "DICOM headers not understood"
"""The exclusion of a case whose headers may say that it must be reviewed."""

_SUFFIXES: Final = frozenset({".dcm", ".dicom"})


def dicom_files(root: Path, files: Iterable[str]) -> set[str]:
    """Which of `files` (relative to `root`) are DICOM by their signature, whatever their names.

    A `.dcm` with no signature of a picture counts too, so that it is refused by name; an index (DICOMDIR) does not.
    Reads 132 bytes of each file once.
    """
    formats = ((file, format_of(root / file)) for file in set(files) if not file.upper().endswith("DICOMDIR"))
    return {file for file, found in formats if found == "DICOM" or (not found and suffix(file) in _SUFFIXES)}


def with_fields(root: Path, cases: pd.DataFrame, dicom: set[str], rejects: list[Reject]) -> pd.DataFrame:
    """Add the whitelisted fields of the `dicom` files to `cases`; one that cannot be read is rejected.

    Patients are numbered in the order of their files: the same folder gives the same cohort, and no number says who.
    Raises CohortError where a file does not fit into memory.
    """
    salt = secrets.token_bytes(32)
    numbers: dict[str, str] = {}
    fields: dict[int, dict[str, str | float]] = {}
    lost: list[int] = []
    for i, (case_id, image) in enumerate(zip(cases["case_id"], cases["image"], strict=True)):
        if image not in dicom:
            continue
        try:
            known = _fields(root / image, salt, case_id)
        except CaseError as error:
            lost.append(i)
            rejects.append((case_id, image, error.rule, error.next_step))
            continue
        if who := str(known["patient_id"]):
            known["patient_id"] = numbers.setdefault(who, f"patient-{len(numbers) + 1:05d}")
        fields[i] = known
    table = pd.DataFrame.from_dict(fields, orient="index", columns=list(FIELDS)).reindex(cases.index)
    for name in ("patient_id", "sex", "device"):
        cases[name] = values.tidy(table[name].fillna("").astype("str"))
    age = table["age_years"].astype("float64")
    cases["age_years"] = age.where(age.between(0, OLDEST))
    cases["anatomical_site"] = values.sites(values.tidy(table["anatomical_site"].fillna("").astype("str")))
    cases["exclusion"] = table["exclusion"].fillna("").astype("str")
    return cases.drop(index=lost).reset_index(drop=True)


def with_exclusions(cohort: Cohort) -> Cohort:
    """Add to what a table says against an assessment what its DICOM files say: under 18, genital, subungual.

    A file whose headers cannot be read goes to a clinician, since its pixels may still be scored. Raises CohortError
    where a file does not fit into memory.
    """
    root = cohort.root
    if not isinstance(root, Path):
        return cohort
    dicom = dicom_files(root, (image for image in cohort.cases["image"] if image))
    if not dicom:
        return cohort
    said: dict[str, str] = {}
    for image in dicom:
        try:
            said[image] = str(_fields(root / image, secrets.token_bytes(32), image)["exclusion"])
        except CaseError:
            said[image] = NOT_UNDERSTOOD
    held = cohort.cases["exclusion"]
    exclusion = values.united(held, values.by_value(cohort.cases["image"], lambda image: said.get(image, "")))
    added = int((exclusion != held).sum())
    cases = cohort.cases.assign(exclusion=exclusion)
    note = f"Exclusions that DICOM files state and the table does not: {added:,}; which a clinician must see."
    return replace(cohort, cases=cases, notes=(*cohort.notes, note)) if added else cohort


def _fields(path: Path, salt: bytes, case: str) -> dict[str, str | float]:
    from derm_kit.cases.dicom import dicom_fields  # pydicom is slow to import and most cohorts have none

    try:
        return dicom_fields(path, salt=salt, case=case)
    except MemoryError:
        raise CohortError(
            "a DICOM file must fit into memory for its headers to be read",
            case=str(path),
            next_step="Close other programs and run the same command again.",
        ) from None
