"""Cohort: the validated, frozen table of cases that every later stage starts from."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np
import numpy.typing as npt
import pandas as pd

from derm_kit.errors import CohortError, DermKitError, printable
from derm_kit.lesions import LESION_TYPES, format_truth, parse_truth

if TYPE_CHECKING:
    from derm_kit.cases.places import Place

NUMBER_COLUMNS = ("age_years", "skin_tone_class")
"""Columns held as float64, NaN where unknown; every other column is text, "" where unknown."""

COLUMNS = (
    "case_id", "image", "mask", "lesion_id", "patient_id", "truth", "diagnosis", "truth_source", "age_years", "sex",
    "anatomical_site", "skin_type", "skin_tone_class", "device", "source", "split", "licence", "attribution",
    "exclusion",
)  # fmt: skip
REJECT_COLUMNS = ("case_id", "file", "rule", "next_step")

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_ID_LENGTH = 200
_DUPLICATE = ("a case id must be unique", "Keep one row, or give the other picture an id of its own.")

Reject = tuple[str, str, str, str]
"""What could not become a case: case_id, file (or table and line), rule, next step."""


@dataclass(frozen=True, eq=False)
class Cohort:
    """Cases and the rows that could not become one, validated on construction.

    `cases` has one row a case, exactly COLUMNS, a RangeIndex; `image` and `mask` are posix paths relative to `root`
    ("" = none), `truth` is "a|b" in order of risk ("" = no truth), ages are years. `rejects` has REJECT_COLUMNS.
    `root` is a folder or a place in a store. `notes` are plain sentences on what was understood and what was not;
    `ignored` are the paths in `root` of all files that are passed over (hidden ones and folders that lie too deep among
    them). Raises CohortError.
    """

    name: str
    cases: pd.DataFrame
    rejects: pd.DataFrame
    notes: tuple[str, ...]
    root: Place
    ignored: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Copy the tables and hold them to the rules above."""
        object.__setattr__(self, "cases", self.cases.copy())
        object.__setattr__(self, "rejects", self.rejects.copy())
        object.__setattr__(self, "notes", tuple(self.notes))
        _validate(self.name, self.cases)
        if tuple(self.rejects.columns) != REJECT_COLUMNS:
            raise CohortError(
                f"rejects must have the columns {', '.join(REJECT_COLUMNS)}",
                case=self.name,
                value=", ".join(map(str, self.rejects.columns)),
                next_step="Build them with derm_kit.cases.cohort.reject_table.",
            )

    def __len__(self) -> int:
        """Number of cases."""
        return len(self.cases)

    def select(self, which: npt.ArrayLike) -> Cohort:
        """The cohort of some cases: `which` is a boolean mask of shape (n,) or a sequence of ids, kept in its order.

        Rejects and notes stay as they are. Raises CohortError for a mask of another length, and for an id that is
        unknown or named twice.
        """
        chosen = np.atleast_1d(np.asarray(which))
        if chosen.dtype == bool:
            if chosen.shape != (len(self),):
                raise CohortError(
                    f"a mask must have one value for each of the {len(self)} cases",
                    case=self.name,
                    value=f"shape {chosen.shape}",
                    next_step="Build the mask from cohort.cases.",
                )
            rows = np.flatnonzero(chosen)
        else:
            rows = self._rows_of([str(case_id) for case_id in chosen.ravel().tolist()])
        return replace(self, cases=self.cases.iloc[rows].reset_index(drop=True))

    def _rows_of(self, case_ids: list[str]) -> np.ndarray[Any, Any]:
        index = pd.Index(self.cases["case_id"])
        rows = np.asarray(index.get_indexer(pd.Index(case_ids, dtype="str")))
        if (rows < 0).any():
            raise CohortError(
                "a selected case must be in the cohort",
                case=self.name,
                value=case_ids[int(np.argmax(rows < 0))],
                next_step="Take the ids from cohort.cases['case_id'].",
            )
        if len(set(case_ids)) < len(case_ids):
            raise CohortError(
                "a case can be selected once only",
                case=self.name,
                next_step="Remove the repeated ids from the selection.",
            )
        return rows

    def describe(self) -> list[str]:
        """What was understood, line by line: cases, truth per lesion type, exclusions, rejects by rule, notes."""
        cases = self.cases
        held = len(self)
        lines = [
            f"{self.name}: {held:,} cases, {int((cases['image'] != '').sum()):,} with a picture, "
            f"{int((cases['mask'] != '').sum()):,} with a mask, {int((cases['truth'] != '').sum()):,} with a truth, "
            f"{len(self.rejects):,} rejected."
        ]
        counts = cases.loc[cases["truth"] != "", "truth"].value_counts()
        order = {str(kind): rank for rank, kind in enumerate(LESION_TYPES)}
        for truth in sorted(counts.index, key=lambda text: [order[part] for part in str(text).split("|")]):
            words = " or ".join(kind.label.lower() for kind in LESION_TYPES if str(kind) in str(truth).split("|"))
            lines.append(f"  {words.capitalize()}: {int(counts[truth]):,}")
        reasons = cases["exclusion"].str.replace(r"( not understood): [^;]*", r"\1", regex=True)
        lines += [f"Excluded, for clinician review, {reason}: {n:,}." for reason, n in _counts(reasons)]
        lines += [f"Split {split}: {n:,}." for split, n in _counts(cases["split"])]
        lines += [f"Rejected, {rule}: {n:,}." for rule, n in _counts(self.rejects["rule"])]
        return lines + list(self.notes)


def complete(columns: pd.DataFrame) -> pd.DataFrame:
    """A table with exactly COLUMNS, their dtypes and a RangeIndex, made from any of them; missing ones are unknown.

    Raises CohortError for a column that a cohort does not have.
    """
    unknown = [str(name) for name in columns.columns if name not in COLUMNS]
    if unknown:
        raise CohortError(
            "a cohort has no such column", value=", ".join(unknown), next_step=f"Use only: {', '.join(COLUMNS)}."
        )
    rows = len(columns)
    filled: dict[str, Any] = {}
    for name in COLUMNS:
        if name in NUMBER_COLUMNS:
            values = (
                pd.to_numeric(columns[name], errors="coerce") if name in columns else pd.Series(math.nan, range(rows))
            )
            filled[name] = values.to_numpy(dtype="float64", na_value=math.nan)
        elif name in columns:
            filled[name] = columns[name].astype("str").fillna("").array
        else:
            filled[name] = pd.Series("", index=range(rows), dtype="str").array
    return pd.DataFrame(filled, index=pd.RangeIndex(rows))


def reject_table(rows: Iterable[Reject] = ()) -> pd.DataFrame:
    """Rejects from tuples (case_id, file, rule, next_step)."""
    return pd.DataFrame(list(rows), columns=list(REJECT_COLUMNS), dtype="str")


def sound_rows(cases: pd.DataFrame, where: Callable[[int], str], rejects: list[Reject]) -> pd.DataFrame:
    """The rows of `cases` whose case_id is sound and comes for the first time; the others are added to `rejects`.

    `where(i)` names the file or line of row i.
    """
    ids = cases["case_id"]
    faults = id_faults(ids)
    sound = (faults == "").to_numpy()
    for i in np.flatnonzero(~sound).tolist():
        rejects.append((printable(ids.iloc[i], 200), where(i), faults.iloc[i], "Rename the case and read again."))
    again = ids.where(sound).duplicated().to_numpy() & sound
    for i in np.flatnonzero(again).tolist():
        rejects.append((ids.iloc[i], where(i), *_DUPLICATE))
    return cases[sound & ~again].reset_index(drop=True)


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV that is safe to open in a spreadsheet.

    A cell that would be a formula is led by an apostrophe, control characters are written as escapes.
    Raises CohortError when the file cannot be written.
    """
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            safe_csv(file, table)
    except OSError as error:
        raise CohortError(
            "the table must be writable",
            case=str(path),
            value=error.strerror,
            next_step="Name a folder that exists and may be written.",
        ) from error


def safe_csv(file: TextIO, table: pd.DataFrame) -> None:
    """Write a table as CSV into an open text file, with what `write_csv` says of cells."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows([_safe_cell(cell) for cell in row] for row in table.itertuples(index=False, name=None))


def id_fault(case_id: str) -> str:
    """The rule that a case id breaks, or "" for a sound one.

    Ids reach pages, file names and spreadsheets, so an unsafe one is refused, never cleaned: two ids cleaned to one
    would make one case of two patients.
    """
    if not case_id:
        return "a case needs an id"
    if len(case_id) > _ID_LENGTH:
        return f"a case id has at most {_ID_LENGTH} characters"
    if not case_id.isprintable():
        return "a case id holds no control or invisible characters"
    if case_id.startswith(_FORMULA_STARTS):
        return "a case id does not begin as a spreadsheet formula does (= + - @)"
    if any(c in case_id for c in '<>"') or ("&" in case_id and ";" in case_id):
        return "a case id holds no HTML"
    if case_id != case_id.strip() or case_id in {".", ".."} or "/" in case_id or "\\" in case_id:
        return "a case id is no path and has no spaces at its ends"
    return ""


def id_faults(ids: pd.Series[Any]) -> pd.Series[Any]:
    """`id_fault` of each id; plain ones are passed at once."""
    faults = pd.Series("", index=ids.index, dtype="str")
    odd = ~ids.str.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
    if odd.any():
        faults[odd] = pd.array([id_fault(case_id) for case_id in ids[odd]], dtype="str")
    return faults


def _safe_cell(value: object) -> str:
    text = printable("" if value is None else value, limit=2000)
    raw = str(value)
    return f"'{text}" if raw.lstrip(" ").startswith(_FORMULA_STARTS) else text


def _counts(column: pd.Series[Any]) -> list[tuple[str, int]]:
    counts = column[column != ""].value_counts()
    return [(str(value), int(n)) for value, n in counts.items()]


def _validate(name: str, cases: pd.DataFrame) -> None:
    def refuse(rule: str, value: object, next_step: str) -> None:
        raise CohortError(rule, case=name, value=value, next_step=next_step)

    if tuple(cases.columns) != COLUMNS:
        odd = sorted(set(map(str, cases.columns)) ^ set(COLUMNS)) or "another order"
        refuse(
            "a cohort has exactly its columns, in order", odd, "Build the table with derm_kit.cases.cohort.complete."
        )
    if not (isinstance(cases.index, pd.RangeIndex) and cases.index.equals(pd.RangeIndex(len(cases)))):
        refuse("rows are numbered 0, 1, 2, …", cases.index[:3].tolist(), "Call reset_index(drop=True) first.")
    for column in COLUMNS:
        wanted = "float64" if column in NUMBER_COLUMNS else "str"
        if str(cases[column].dtype) != wanted:
            refuse(f"{column} must be of type {wanted}", cases[column].dtype, "Build the table with complete().")
        if wanted == "str" and cases[column].isna().any():
            refuse(f'{column} must hold "" where unknown', None, "Build the table with complete().")
    ids = cases["case_id"]
    twice = ids.duplicated()
    if twice.any():
        refuse("a case id must be unique", ids[twice].iloc[0], "Rename or remove the repeated case.")
    faults = id_faults(ids)
    if (faults != "").any():
        refuse(faults[faults != ""].iloc[0], ids[faults != ""].iloc[0], "Rename the case.")
    age = cases["age_years"]
    out = ~age.isna() & ~age.between(0, 120)
    if out.any():
        refuse("age_years lies between 0 and 120", age[out].iloc[0], "Use NaN for an unknown age.")
    for column in ("image", "mask"):
        bad = cases[column].str.contains(r"^/|^[A-Za-z]:/|\\|\x00|(?:^|/)\.\.(?:/|$)", regex=True)
        if bad.any():
            value = cases.loc[bad, column].iloc[0]
            refuse(
                f"{column} must be a path relative to the root and inside it", value, "Move the file into the folder."
            )
    for truth in cases["truth"].unique():
        try:
            canonical = format_truth(parse_truth(truth))
        except DermKitError as error:
            raise CohortError(
                "truth must name lesion types", case=name, value=truth, next_step=error.next_step
            ) from error
        if canonical != truth:
            refuse("truth must be in order of risk", truth, f"Write it as {canonical}.")
