"""The rows of tables as cases: columns understood, pictures found, what cannot become a case refused by line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from derm_kit.cases import truths, values
from derm_kit.cases.cohort import Cohort, Reject, complete, reject_table, sound_rows
from derm_kit.cases.columns import Understood, understand
from derm_kit.cases.folder_walk import listing
from derm_kit.cases.folders import (
    LINKED,
    MISSING,
    OUTSIDE,
    PICTURE_SUFFIXES,
    UNREAD_SUFFIXES,
    Listing,
    as_path,
    path_fault,
    suffix,
)
from derm_kit.cases.joins import Part, joined
from derm_kit.cases.tables import read_table
from derm_kit.cases.values import Text
from derm_kit.errors import CohortError, printable

_AS_GIVEN: Final = (
    "lesion_id",
    "patient_id",
    "truth_source",
    "device",
    "source",
    "split",
    "licence",
    "attribution",
)  # fmt: skip
_IDS: Final = ("case_id", "image", "lesion_id")
_NO: Final = ("no", "false", "0", "0.0")
_MOST_FOLDERS: Final = 10_000


class _NoIdsError(CohortError):
    """A table in which no column says whose its rows are."""


def read_rows(root: Path, paths: Sequence[Path], found: Listing | None) -> Cohort:
    """The rows of the table in `paths`, or of several tables joined, with their pictures in `root`, as a cohort.

    `found` lists `root`; None means that a table stands alone, and may have no pictures at all. Of several tables one
    without ids is left out and noted. Raises CohortError.
    """
    notes: list[str] = []
    rejects: list[Reject] = []
    parts: dict[Path, Part] = {}
    for path in paths:
        try:
            parts[path] = _part(path, rejects, notes, several=len(paths) > 1)
        except _NoIdsError as error:
            if len(paths) == 1:
                raise
            notes.append(f"{path.name} is not read, no column says whose its rows are: {printable(error.value)}.")
    if not any(part.key == "case_id" for part in parts.values()):
        raise _no_ids(root, [path.name for path in paths])
    first, *more = parts.values()
    cases = joined(root, [first, *more], rejects, notes) if more else _alone(first)
    cases = _locate(root, first.name, cases, found, rejects, notes)
    files, lines = cases.pop("_file").tolist(), cases.pop("_line").tolist()
    cases = sound_rows(cases, lambda i: f"{files[i]}, line {lines[i]}", rejects)
    used = {*cases["image"], *cases["mask"], *(p.name for p in parts if p.parent == root)}
    notes += found.others(used) if found else []
    ignored = found.ignored(used) if found else ()
    name = printable(paths[0].stem if found is None else root.resolve().name)
    return Cohort(name, complete(cases), reject_table(rejects), tuple(notes), root, ignored)


def _part(path: Path, rejects: list[Reject], notes: list[str], *, several: bool) -> Part:
    """The rows of one table; only of `several` tables may it be one of lesions."""
    understood: list[Understood] = []

    def wanted(header: tuple[str, ...]) -> list[int]:
        understood.append(_understand(path, header, several=several))
        return understood[0].positions

    table = read_table(path, wanted)
    columns = understood[0]
    id_at = next(k for field in _IDS for k in columns.fields.get(field, ())[:1])
    rejects += [
        (cells[id_at] if id_at < len(cells) else "", f"{path.name}, line {line}", rule, next_step)
        for line, cells, rule, next_step in table.refused
    ]
    on_cells: list[str] = []
    cases = _Cells(columns, table.frame).cases(on_cells)
    cases["_line"] = table.line
    notes += [*columns.sentences(path.name), *table.notes]
    notes += [f"{path.name}: {note}" for note in on_cells] if several else on_cells
    return Part(path.name, "case_id" if _named(columns, _IDS[:2]) else "lesion_id", cases)


def _understand(path: Path, header: tuple[str, ...], *, several: bool) -> Understood:
    columns = understand(header)
    if not _named(columns, _IDS if several else _IDS[:2]):
        raise _no_ids(path, header)
    if columns.repeated:
        raise CohortError(
            "a column must stand in a table once",
            case=str(path),
            value=", ".join(columns.repeated),
            next_step="Rename or remove one.",
        )
    return columns


def _named(columns: Understood, fields: Sequence[str]) -> bool:
    return any(field in columns.fields for field in fields)


def _no_ids(path: Path, found: Sequence[str]) -> _NoIdsError:
    return _NoIdsError(
        "a table needs a column of case ids (image_id, isic_id, case_id, …) or pictures (image, file, …)",
        case=str(path),
        value=", ".join(found[:12]),
        next_step="Name the column in the first line of the table.",
    )


def _alone(part: Part) -> pd.DataFrame:
    """The cases of a table that is joined with no other."""
    cases = part.cases
    cases["truth"], *_ = truths.agreed([cases.pop("_said")])
    cases["_file"] = part.name
    return cases


class _Cells:
    """The cells of a table by the cohort's columns; where two columns mean the same, the first that says something."""

    def __init__(self, columns: Understood, frame: pd.DataFrame) -> None:
        self._columns = columns
        named = {i for field in ("case_id", "image", "mask") for i in columns.fields.get(field, ())}
        self._text: dict[int, Text] = {
            i: values.trimmed(frame[i]) if i in named else values.tidy(frame[i]) for i in columns.positions
        }
        self._blank: Text = pd.Series("", index=frame.index, dtype="str")

    def field(self, name: str) -> Text:
        """The texts of a cohort column, "" where the table has none."""
        return self._first([self._text[i] for i in self._columns.fields.get(name, ())])

    def _first(self, texts: list[Text]) -> Text:
        said = texts[0] if texts else self._blank
        for other in texts[1:]:
            said = said.where(said != "", other)
        return said

    def cases(self, notes: list[str]) -> pd.DataFrame:
        """What a `joins.Part` holds but `_line`. Adds to `notes`."""
        picture = self.field("image")
        named = self.field("case_id") if "case_id" in self._columns.fields else picture
        cases = pd.DataFrame({"case_id": values.changed_where(named, r"\.[A-Za-z0-9]{2,5}$", _stem)})
        cases["_name"] = picture.where(picture != "", named)
        cases["_mask"] = self.field("mask")
        for name in _AS_GIVEN:
            cases[name] = self.field(name)
        cases["diagnosis"], cases["_said"] = self._diagnosis(notes)
        cases["sex"] = values.sexes(self.field("sex"))
        given = {"age": self.field("age_years"), "skin type": self.field("skin_type")}
        given["skin tone"] = self.field("skin_tone_class")
        cases["age_years"], on_ages = values.ages(given["age"])
        cases["skin_type"], on_types = values.skin_types(given["skin type"])
        cases["skin_tone_class"], on_tones = values.tones(given["skin tone"])
        notes += [*on_ages, *on_types, *on_tones]
        details = {name: self._text[i] for name, i in self._columns.details.items()}
        sites = [self.field("anatomical_site"), *[t for name, t in details.items() if name.startswith("anatom")]]
        cases["anatomical_site"] = values.sites(self._first(sites))
        known = values.exclusions(cases["age_years"], sites, details.get("image_type"))
        doubts = values.doubts(
            given,
            {"age": cases["age_years"], "skin type": cases["skin_type"], "skin tone": cases["skin_tone_class"]},
        )
        said = self.field("exclusion")
        said = said.mask(said.str.casefold().isin(_NO), "")
        cases["exclusion"] = values.united(values.united(said, known), doubts)
        return cases

    def _diagnosis(self, notes: list[str]) -> tuple[Text, Text]:
        """The diagnosis as written, and what is said of the truth as `truths.agreed` takes it."""
        levels = [self._text[i] for i in self._columns.levels.values()]
        if self._columns.codes:
            diagnosis = self._hot_code(notes)
        else:
            diagnosis = self._first([self.field("diagnosis"), *reversed(levels)])
        if "truth" in self._columns.fields:
            said, odd = truths.from_types(self.field("truth"))
        else:
            said, odd = truths.from_diagnoses(diagnosis, levels)
        notes += odd
        return diagnosis, said

    def _hot_code(self, notes: list[str]) -> Text:
        """The code whose one-hot column is 1; "" and a note where none or several are."""
        hot = np.column_stack([values.hot(self._text[i]) for i in self._columns.codes.values()])
        one = hot.sum(axis=1) == 1
        if not one.all():
            odd = int((~one).sum())
            notes.append(f"Rows where not exactly one of the one-hot columns is 1, no truth taken from them: {odd:,}.")
        codes = pd.array([*self._columns.codes, ""], dtype="str")
        return pd.Series(codes.take(np.where(one, hot.argmax(axis=1), len(codes) - 1)), index=self._blank.index)


def _locate(
    root: Path, table: str, cases: pd.DataFrame, found: Listing | None, rejects: list[Reject], notes: list[str]
) -> pd.DataFrame:
    """Put `image` and `mask` inside `root` for `_name` and `_mask`; rows whose picture cannot be used are rejected."""
    folder = _beside(root, cases) if found is None else found
    names, masks = cases.pop("_name").tolist(), cases.pop("_mask").tolist()
    images, faults = folder.find(names)
    if found is None and not any(images) and MISSING in faults.values():
        notes.append(f"No picture lies beside {table}: its cases have none.")
        faults = {i: fault for i, fault in faults.items() if fault != MISSING}
    masked = [i for i, mask in enumerate(masks) if mask]
    files, mask_faults = folder.find([masks[i] for i in masked])
    if mask_faults:
        notes.append(f"Masks that are named but cannot be used: {len(mask_faults):,}.")
    shown = {masked[k]: (masks[masked[k]], fault) for k, fault in mask_faults.items() if fault in (OUTSIDE, LINKED)}
    shown |= {i: (names[i], fault) for i, fault in faults.items()}
    kept = np.ones(len(cases), dtype=bool)
    kept[list(shown)] = False
    rows = cases[["case_id", "_file", "_line"]].iloc[sorted(shown)].itertuples(index=False, name=None)
    for (case_id, file, line), (_, (name, fault)) in zip(rows, sorted(shown.items()), strict=True):
        rejects.append((printable(case_id, 200), printable(name, 200) or f"{file}, line {line}", *fault))
    cases["image"] = pd.array(images, dtype="str")
    for i, file in zip(masked, files, strict=True):
        masks[i] = file
    cases["mask"] = pd.array(masks, dtype="str")
    shared = cases["image"][kept & (cases["image"] != "")].duplicated()
    if shared.any():
        notes.append(f"Rows whose picture another row names too: {int(shared.sum()):,}.")
    return cases[kept].reset_index(drop=True)


def _beside(root: Path, cases: pd.DataFrame) -> Listing:
    """Only the folders that a lone table's rows can mean are listed: beside it may lie somebody's whole disk."""
    folders = {"", "images", "masks"}
    for name in ("_name", "_mask"):
        paths = cases.loc[cases[name].str.contains(r"[/\\]", regex=True), name]
        for folder in values.by_value(paths, lambda path: as_path(path).rpartition("/")[0]).unique()[:_MOST_FOLDERS]:
            if folder and not path_fault(folder):
                folders |= {folder, f"images/{folder}"}
    return listing(root, folders)


def _stem(text: str) -> str:
    name = text.replace("\\", "/")
    if suffix(name) in PICTURE_SUFFIXES | UNREAD_SUFFIXES:
        return name.rpartition("/")[2].rpartition(".")[0]
    return text
