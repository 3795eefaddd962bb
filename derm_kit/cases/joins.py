"""Tables of one folder joined to one row a case, by case id or lesion id; a case of which they disagree is rejected."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from derm_kit.cases import truths, values
from derm_kit.cases.cohort import NUMBER_COLUMNS, Reject, sound_rows
from derm_kit.cases.values import Flags, Text
from derm_kit.errors import CohortError, printable

_AGREE: Final = {
    "lesion_id": "lesion_id",
    "patient_id": "patient_id",
    "age_years": "age_years",
    "sex": "sex",
    "skin_type": "skin_type",
    "skin_tone_class": "skin_tone_class",
    "split": "split",
    "_name": "image",
    "_mask": "mask",
}
"""Columns in which tables must not differ -> what a message calls them."""

_UNITE: Final = (
    "diagnosis",
    "truth_source",
    "anatomical_site",
    "device",
    "source",
    "licence",
    "attribution",
    "exclusion",
)  # fmt: skip
"""Columns in which tables may use different words for one thing: all are kept."""

_NO_LESION: Final = ("a row of a table of lesions needs a lesion id", "Add the id, or remove the row.")
_LESION_AGAIN: Final = ("a lesion must stand once in a table of lesions", "Keep one row.")
_NO_PICTURE: Final = (
    "a lesion needs a row of its picture in another table",
    "Add the picture with this lesion id to the table of pictures, or remove the row.",
)

_Told: TypeAlias = dict[int, list[tuple[str, str]]]
"""By place of a case: the fields that tables contradict each other in, and what each table says."""


@dataclass(frozen=True, eq=False)
class Part:
    """The rows (n,) of the table file `name`.

    `key` is "case_id" where a row is a picture, "lesion_id" where it holds for every picture of a lesion. `cases` has
    the columns of a cohort but `image`, `mask` and `truth`, and in their place `_name` (what finds the picture),
    `_mask` and `_said` (see `truths.agreed`); `_line` is the line of each row.
    """

    name: str
    key: str
    cases: pd.DataFrame

    def where(self, row: int) -> str:
        """The table and line of a row, in words."""
        return f"{self.name}, line {self.cases['_line'].iloc[row]}"


@dataclass(frozen=True, eq=False)
class _Aligned:
    """A part and the places `rows` (m,) of its rows for each of m joined cases, -1 where it has none."""

    part: Part
    rows: npt.NDArray[np.intp]

    def column(self, name: str) -> pd.Series[Any]:
        """A column for the joined cases, unknown where the part has no row."""
        blank = math.nan if name in NUMBER_COLUMNS else ""
        return pd.Series(self.part.cases[name].array.take(self.rows, allow_fill=True, fill_value=blank))


def joined(root: Path, parts: Sequence[Part], rejects: list[Reject], notes: list[str]) -> pd.DataFrame:
    """One row a case of any table (m,): a part's columns with `truth` for `_said`, and `_file`, the table of `_line`.

    Rows of which only one table knows are kept. Where tables contradict each other about a case (other age, another
    lesion type) it is rejected; words that may mean the same are all kept. Adds to `rejects` and `notes`. Raises
    CohortError where tables share no ids.
    """
    parts = sorted((_once(part, rejects) for part in parts), key=lambda part: part.key)
    _hold_together(root, parts)
    pictures = [part for part in parts if part.key == "case_id"]
    ids = pd.Series(pd.concat([part.cases["case_id"] for part in pictures]).unique(), dtype="str")
    aligned = [_align(part, ids) for part in pictures]
    lesion_ids, _ = _first([table.column("lesion_id") for table in aligned])
    aligned += [_align(part, lesion_ids) for part in parts if part.key == "lesion_id"]
    notes += _coverage(root, aligned)
    for table in aligned[len(pictures) :]:
        for row in np.setdiff1d(np.arange(len(table.part.cases)), table.rows).tolist():
            lesion = table.part.cases["lesion_id"].iloc[row]
            rejects.append((printable(lesion, 200), table.part.where(row), *_NO_PICTURE))
    cases, told = _merge(ids, aligned, notes)
    return _agreeing(cases, told, rejects, notes)


def _once(part: Part, rejects: list[Reject]) -> Part:
    """The part with one row a case or lesion; `_name` is "" where it is just the case id. The rest is rejected."""
    if part.key == "case_id":
        cases = sound_rows(part.cases, part.where, rejects)
        cases["_name"] = cases["_name"].where(cases["_name"] != cases["case_id"], "")
        return replace(part, cases=cases)
    lesions = part.cases["lesion_id"]
    nameless = (lesions == "").to_numpy()
    again = lesions.duplicated().to_numpy() & ~nameless
    for where, fault in ((nameless, _NO_LESION), (again, _LESION_AGAIN)):
        for row in np.flatnonzero(where).tolist():
            rejects.append((printable(lesions.iloc[row], 200), part.where(row), *fault))
    return replace(part, cases=part.cases[~nameless & ~again].reset_index(drop=True))


def _hold_together(root: Path, parts: Sequence[Part]) -> None:
    """Raise CohortError unless each table shares ids with another, and all hang together."""
    groups: list[list[Part]] = []
    for part in parts:
        apart = [group for group in groups if not any(_share(part, other) for other in group)]
        merged = [other for group in groups if not any(group is one for one in apart) for other in group]
        groups = [*apart, [*merged, part]]
    if len(groups) > 1:
        raise CohortError(
            "the tables of one folder must share case ids or lesion ids, or one is named metadata.csv",
            case=str(root),
            value="; ".join(" with ".join(part.name for part in group) for group in groups),
            next_step="Put tables of other cases into a folder of their own, or name the table to use with --table.",
        )


def _share(part: Part, other: Part) -> bool:
    for key in ("case_id", "lesion_id"):
        ids = [pd.Series(each.cases[key].unique(), dtype="str") for each in (part, other)]
        both = pd.concat(ids)
        if both[both != ""].duplicated().any():
            return True
    return False


def _align(part: Part, ids: Text) -> _Aligned:
    return _Aligned(part, pd.Index(part.cases[part.key]).get_indexer(pd.Index(ids)))


def _coverage(root: Path, aligned: Sequence[_Aligned]) -> list[str]:
    """Which tables are joined, how, and how many cases each lacks."""
    n = len(aligned[0].rows)
    names = {key: [table.part.name for table in aligned if table.part.key == key] for key in ("case_id", "lesion_id")}
    words = f"one row a picture: {', '.join(names['case_id'])}"
    if names["lesion_id"]:
        words += f"; one row a lesion, for every picture with its lesion id: {', '.join(names['lesion_id'])}"
    notes = [f"{len(aligned)} tables of {printable(root.resolve().name)} are joined to {n:,} cases ({words})."]
    lacking = {table.part.name: int((table.rows < 0).sum()) for table in aligned}
    return notes + [f"Cases that {name} does not have: {lacks:,}." for name, lacks in lacking.items() if lacks]


def _merge(ids: Text, aligned: Sequence[_Aligned], notes: list[str]) -> tuple[pd.DataFrame, _Told]:
    """The columns of the joined cases, and what tables contradict each other in."""
    columns: dict[str, Any] = {"case_id": ids, **_origin(aligned)}
    told: _Told = {}
    said = [table.column("_said") for table in aligned]
    columns["truth"], contradicted, outside = truths.agreed(said)
    shown = [values.by_value(text, lambda path: path.rpartition(":")[2]) for text in said]
    for i, words in _tell(contradicted, shown, aligned):
        told.setdefault(i, []).append(("truth", words))
    if outside.any():
        example, words = next(_tell(outside, shown, aligned))
        notes.append(
            "Cases whose tables differ on whether they are one of the eleven lesion types, truth left empty: "
            f"{int(outside.sum()):,}, such as {ids.iloc[example]} ({words})."
        )
    for name, title in _AGREE.items():
        tables = _saying(name, aligned)
        said = [table.column(name) for table in tables]
        columns[name], contradicted = _first(said)
        for i, words in _tell(contradicted, said, tables):
            told.setdefault(i, []).append((title, words))
    columns["_name"] = columns["_name"].mask(columns["_name"] == "", ids)
    for name in _UNITE:
        columns[name], differ = _united([table.column(name) for table in _saying(name, aligned)])
        if differ and name != "exclusion":
            notes.append(f"Cases whose tables use different words in {name}, all kept: {differ:,}.")
    return pd.DataFrame(columns), told


def _origin(aligned: Sequence[_Aligned]) -> dict[str, Any]:
    """`_file` and `_line` (m,): where the first table that has the case says so."""
    tables = [table for table in aligned if table.part.key == "case_id"]
    first = np.argmax([table.rows >= 0 for table in tables], axis=0)
    lines = np.stack([table.part.cases["_line"].to_numpy()[table.rows] for table in tables])
    files = pd.array([table.part.name for table in tables], dtype="str").take(first)
    return {"_file": files, "_line": lines[first, np.arange(len(first))]}


def _saying(name: str, aligned: Sequence[_Aligned]) -> Sequence[_Aligned]:
    """The tables with a cell that says something in a column, any one where none has."""
    return [table for table in aligned if not _blank(table.part.cases[name]).all()] or aligned[:1]


def _first(said: Sequence[pd.Series[Any]]) -> tuple[pd.Series[Any], Flags]:
    """What the first table that says something says (m,), and whether (m,) another contradicts it."""
    value = said[0]
    contradicted = np.zeros(len(value), dtype=bool)
    for other in said[1:]:
        blank = _blank(value)
        contradicted |= (~blank & ~_blank(other) & (value != other)).to_numpy(dtype=bool)
        value = value.where(~blank, other)
    return value, contradicted


def _blank(column: pd.Series[Any]) -> pd.Series[bool]:
    return column.isna() | (column == "")


def _united(said: Sequence[Text]) -> tuple[Text, int]:
    """What all tables say (m,), different words joined by "; ", and how many cases have such."""
    value = said[0]
    several = np.zeros(len(value), dtype=bool)
    for other in said[1:]:
        blank = value == ""
        differ = ~blank & (other != "") & (value.str.lower() != other.str.lower())
        several |= differ.to_numpy(dtype=bool)
        value = value.where(~blank, other).mask(differ, value + "; " + other)
    if several.any():
        value = value.mask(several, values.by_value(value.where(several, ""), _distinct))
    return value, int(several.sum())


def _distinct(text: str) -> str:
    kept: dict[str, str] = {}
    for part in text.split("; "):
        kept.setdefault(part.casefold(), part)
    return "; ".join(kept.values())


def _tell(where: Flags, said: Sequence[pd.Series[Any]], aligned: Sequence[_Aligned]) -> Iterator[tuple[int, str]]:
    """Of each case that is marked: its place, and what each table says of it, by table and line."""
    marked = np.flatnonzero(where)
    told: list[list[str]] = [[] for _ in marked]
    for column, table in zip(said, aligned, strict=True):
        known = ~_blank(column).to_numpy(dtype=bool)[marked]
        lines = table.part.cases["_line"].to_numpy()[table.rows[marked[known]]].tolist()
        cells = column.iloc[marked[known]].tolist()
        for k, line, cell in zip(np.flatnonzero(known).tolist(), lines, cells, strict=True):
            word = f"{cell:g}" if isinstance(cell, float) else printable(cell, 60)
            told[k].append(f"{word} in {table.part.name}, line {line}")
    for i, words in zip(marked.tolist(), told, strict=True):
        yield i, " and ".join(words)


def _agreeing(cases: pd.DataFrame, told: _Told, rejects: list[Reject], notes: list[str]) -> pd.DataFrame:
    """The cases of which no tables contradict each other; the others are rejected."""
    if not told:
        return cases
    lost = cases.loc[sorted(told), ["case_id", "_file", "_line"]]
    for i, case_id, file, line in lost.itertuples(name=None):
        rule = f"tables must agree on a case's {', '.join(field for field, _ in told[i])}"
        words = "; ".join(f"{field} is {said}" for field, said in told[i])
        rejects.append((case_id, f"{file}, line {line}", rule, f"Correct one of the tables: {words}."))
    notes.append(
        f"Cases that tables contradict each other about, rejected: {len(lost):,}, such as {rejects[-1][0]}: "
        f"{'; '.join(f'{field} is {said}' for field, said in told[lost.index[-1]])}."
    )
    return cases.drop(index=lost.index).reset_index(drop=True)
