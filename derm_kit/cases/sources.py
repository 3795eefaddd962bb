"""Folder, table, ISIC Archive download, DICOM or a single picture -> Cohort."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from derm_kit.cases import truths, values
from derm_kit.cases.cohort import Cohort, complete, id_faults, reject_table
from derm_kit.cases.columns import Understood, understand
from derm_kit.cases.folders import (
    OUTSIDE,
    PICTURE_SUFFIXES,
    TABLE_SUFFIXES,
    UNREAD_SUFFIXES,
    Listing,
    is_picture,
    listing,
    path_fault,
    suffix,
)
from derm_kit.cases.tables import read_table, unreadable
from derm_kit.errors import CohortError, printable

_Reject = tuple[str, str, str, str]
_DUPLICATE: Final = ("a case id must be unique", "Keep one row, or give the other picture an id of its own.")


def read(path: Path | str, *, table: Path | str | None = None) -> Cohort:
    """Read a folder of pictures, a table, an ISIC Archive download, DICOM files or one picture as a cohort.

    A folder with a table (`metadata.csv`, else its only CSV or TSV, else `table`) is exactly that table's rows; without
    one, every picture below it is a case. A lone table finds its pictures beside it, or none at all. Rows that cannot
    become a case stand in `rejects`. Raises CohortError where nothing can be read.
    """
    path = Path(path)
    mode = _mode(path)
    if stat.S_ISDIR(mode):
        found = listing(path)
        chosen = Path(table) if table is not None else _table_of(path, found)
        if chosen is None:
            return _read_pictures(path, found)
        if not stat.S_ISREG(_mode(chosen)):
            raise _no_kind(chosen)
        return _read_rows(path, chosen, found)
    if not stat.S_ISREG(mode):
        raise _no_kind(path)
    if table is not None:
        raise CohortError(
            "a table goes with a folder of pictures",
            case=str(path),
            value=str(table),
            next_step="Name the folder first.",
        )
    if suffix(path.name) in PICTURE_SUFFIXES | UNREAD_SUFFIXES:
        return _read_pictures(path.parent, Listing(path.parent, frozenset({path.name}), {}), name=path.stem)
    if suffix(path.name) in TABLE_SUFFIXES | {".txt"}:
        return _read_rows(path.parent, path, None)
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


def _table_of(folder: Path, found: Listing) -> Path | None:
    tables = sorted(file for file in found.files if "/" not in file and suffix(file) in TABLE_SUFFIXES)
    named = [file for file in tables if file.lower() == "metadata.csv"] or tables
    if len(named) > 1:
        raise CohortError(
            "a folder has one table, or one named metadata.csv",
            case=str(folder),
            value=", ".join(named[:6]),
            next_step="Name the table to use with --table.",
        )
    return folder / named[0] if named else None


def _read_pictures(root: Path, found: Listing, *, name: str | None = None) -> Cohort:
    """Every picture of a folder is a case; its id is the file name without suffix, led by its folder where two agree."""
    rejects: list[_Reject] = [("", file, rule, step) for file, (rule, step) in sorted(found.faults.items())]
    pictures = pd.Series(found.pictures(), dtype="str")
    ids = values.by_value(pictures, lambda file: file.rpartition("/")[2].rpartition(".")[0])
    shared = ids.duplicated(keep=False)
    ids = ids.where(~shared, values.by_value(pictures, _led_by_folder)).astype("str")
    cases = pd.DataFrame({"case_id": ids, "image": pictures})
    cases = _sound_ids(cases, pictures.iloc.__getitem__, rejects)
    rejects += [
        (
            file.rpartition("/")[2],
            file,
            "the picture must be JPEG, PNG, TIFF, WebP, BMP or DICOM",
            "Convert it to JPEG or PNG.",
        )
        for file in sorted(found.files)
        if suffix(file) in UNREAD_SUFFIXES
    ]
    if not len(pictures) and not rejects:
        raise CohortError(
            "a cohort needs at least one picture",
            case=str(root),
            value=f"{len(found.files)} files",
            next_step="Name a folder with JPEG, PNG, TIFF, WebP, BMP or DICOM pictures, or a table.",
        )
    notes = [f"{root.name or root}: no table, so every picture is a case without truth."]
    if shared.any():
        notes.append(f"{int(shared.sum()):,} pictures share a file name, so their ids are led by their folder.")
    notes += _ignored(file for file in found.files if not is_picture(file) and suffix(file) not in UNREAD_SUFFIXES)
    return Cohort(name or _name(root), complete(cases), reject_table(rejects), tuple(notes), root)


def _read_rows(root: Path, path: Path, found: Listing | None) -> Cohort:
    """The rows of a table, with their pictures in `root`; `found` is None where the table stands alone."""
    understood: list[Understood] = []

    def wanted(header: tuple[str, ...]) -> list[int]:
        understood.append(_understand(path, header))
        return understood[0].positions

    table = read_table(path, wanted)
    columns = understood[0]
    rejects: list[_Reject] = []
    id_at = next((k for f in ("case_id", "image") for k in columns.fields.get(f, ())[:1]), 0)
    for line, cells, rule, step in table.refused:
        rejects.append((cells[id_at] if id_at < len(cells) else "", f"{path.name}, line {line}", rule, step))
    named = {i for field in ("case_id", "image", "mask") for i in columns.fields.get(field, ())}
    raw = {i: (values.trimmed if i in named else values.tidy)(table.frame[i]) for i in columns.positions}
    notes = [*columns.sentences(path.name), *table.notes]
    cases = _cells(columns, raw, notes)
    cases["_line"] = table.line
    cases = _locate(root, path, cases, found, rejects, notes)
    lines = cases.pop("_line")
    cases = _sound_ids(cases, lambda i: f"{path.name}, line {lines.iloc[i]}", rejects)
    if found is not None:
        used = {*cases["image"], *cases["mask"]}
        own = path.name if path.parent == root else ""
        notes += _ignored(file for file in found.files if file not in used and file != own)
    return Cohort(
        _name(root) if found is not None else path.stem, complete(cases), reject_table(rejects), tuple(notes), root
    )


def _understand(path: Path, header: tuple[str, ...]) -> Understood:
    columns = understand(header)
    if columns.repeated:
        raise CohortError(
            "a column must stand in a table once",
            case=str(path),
            value=", ".join(columns.repeated),
            next_step="Rename or remove one.",
        )
    if "case_id" not in columns.fields and "image" not in columns.fields:
        raise CohortError(
            "a table needs a column of case ids (image_id, isic_id, case_id, …) or pictures (image, file, …)",
            case=str(path),
            value=", ".join(header[:12]),
            next_step="Name the column in the first line of the table.",
        )
    return columns


def _cells(columns: Understood, raw: dict[int, Any], notes: list[str]) -> pd.DataFrame:
    """The columns of a cohort from the cells of a table; `_name` is what finds the picture."""
    first = next(iter(raw.values()))
    blank = pd.Series("", index=first.index, dtype="str")

    def field(name: str) -> Any:
        chosen = [raw[i] for i in columns.fields.get(name, ())]
        text = chosen[0] if chosen else blank
        for other in chosen[1:]:
            text = text.where(text != "", other)
        return text

    cases = pd.DataFrame(index=first.index)
    picture = field("image")
    named = field("case_id") if "case_id" in columns.fields else picture
    cases["case_id"] = values.changed_where(named, r"\.[A-Za-z0-9]{2,5}$", _stem)
    cases["_name"] = picture.where(picture != "", field("case_id"))
    cases["_mask"] = field("mask")
    for name in ("lesion_id", "patient_id", "truth_source", "device", "source", "split", "licence", "attribution"):
        cases[name] = field(name)
    cases["diagnosis"], cases["truth"] = _truth(columns, raw, field, blank, notes)
    cases["sex"] = values.sexes(field("sex"))
    site = field("anatomical_site")
    details = {name: raw[i] for name, i in columns.details.items()}
    finer = [text for name, text in details.items() if name.startswith("anatom")]
    shown = site
    for text in finer:
        shown = shown.where(shown != "", text)
    cases["anatomical_site"] = values.sites(shown)
    cases["age_years"], said = values.ages(field("age_years"))
    notes += said
    cases["skin_type"], said = values.skin_types(field("skin_type"))
    notes += said
    cases["skin_tone_class"], said = values.tones(field("skin_tone_class"))
    notes += said
    known = field("exclusion")
    cases["exclusion"] = known.where(
        known != "", values.exclusions(cases["age_years"], [site, *finer], details.get("image_type"))
    )
    return cases


def _truth(columns: Understood, raw: dict[int, Any], field: Any, blank: Any, notes: list[str]) -> tuple[Any, Any]:
    levels = [raw[i] for i in columns.levels.values()]
    diagnosis = field("diagnosis")
    for level in reversed(levels):
        diagnosis = diagnosis.where(diagnosis != "", level)
    if columns.codes:
        diagnosis = _from_codes(columns, raw, blank, notes)
    if "truth" in columns.fields:
        truth, said = truths.from_types(field("truth"))
    else:
        truth, said = truths.from_diagnoses(diagnosis, levels)
    notes += said
    return diagnosis, truth


def _from_codes(columns: Understood, raw: dict[int, Any], blank: Any, notes: list[str]) -> Any:
    """The code whose one-hot column is 1; "" and a note where none or several are."""
    names = list(columns.codes)
    hot = np.column_stack(
        [
            pd.to_numeric(raw[i], errors="coerce").to_numpy(dtype=float, na_value=0.0) > 0.5
            for i in columns.codes.values()
        ]
    )
    one = hot.sum(axis=1) == 1
    if not one.all():
        notes.append(
            f"Rows where not exactly one of the one-hot columns is 1, truth left empty: {int((~one).sum()):,}."
        )
    chosen = pd.Series(np.array(names, dtype=object)[hot.argmax(axis=1)], index=blank.index, dtype="str")
    return chosen.where(one, "")


def _locate(
    root: Path, path: Path, cases: pd.DataFrame, found: Listing | None, rejects: list[_Reject], notes: list[str]
) -> pd.DataFrame:
    """Replace `_name` and `_mask` by `image` and `mask` inside `root`; rows whose picture cannot be used are rejected."""
    folder = found if found is not None else _beside(root, cases)
    names, masks = cases.pop("_name").tolist(), cases.pop("_mask").tolist()
    images, faults = folder.find(names)
    if found is None and not any(images):
        notes.append(f"No picture lies beside {path.name}: its cases have none.")
        faults = {i: fault for i, fault in faults.items() if fault == OUTSIDE}
    mask_files, mask_faults = folder.find(masks)
    lost = [i for i in mask_faults if masks[i]]
    if lost:
        notes.append(f"Masks that were named but cannot be used: {len(lost):,}.")
    kept = np.ones(len(cases), dtype=bool)
    shown = {i: names[i] for i in faults} | {i: masks[i] for i in lost if mask_faults[i] == OUTSIDE and i not in faults}
    ids, lines = cases["case_id"], cases["_line"]
    for i, name in sorted(shown.items()):
        kept[i] = False
        file = printable(name, 200) or f"{path.name}, line {lines.iloc[i]}"
        rejects.append((printable(ids.iloc[i], 200), file, *(faults.get(i) or OUTSIDE)))
    cases["image"] = pd.array(images, dtype="str")
    cases["mask"] = pd.array(mask_files, dtype="str")
    return cases[kept].reset_index(drop=True)


def _beside(root: Path, cases: pd.DataFrame) -> Listing:
    """A listing of just the folders that a lone table's rows can mean: its neighbourhood may be somebody's whole disk."""
    folders = {"", "images", "masks"}
    for name in ("_name", "_mask"):
        paths = cases[name][cases[name].str.contains("/", regex=False)]
        for folder in values.by_value(paths, lambda text: text.rpartition("/")[0]).unique()[:10_000]:
            if not path_fault(folder + "/"):
                folders |= {folder, f"images/{folder}"}
    return listing(root, folders)


def _sound_ids(cases: pd.DataFrame, where: Callable[[int], str], rejects: list[_Reject]) -> pd.DataFrame:
    """The rows whose id is sound and comes for the first time; `where(i)` names the file or line of row i."""
    ids = cases["case_id"]
    faults = id_faults(ids)
    sound = (faults == "").to_numpy()
    for i in np.flatnonzero(~sound):
        rejects.append((printable(ids.iloc[i], 200), where(i), faults.iloc[i], "Rename the case and read again."))
    again = ids.where(sound).duplicated().to_numpy() & sound
    for i in np.flatnonzero(again):
        rejects.append((ids.iloc[i], where(i), *_DUPLICATE))
    return cases[sound & ~again].reset_index(drop=True)


def _led_by_folder(file: str) -> str:
    return file.rpartition(".")[0].replace("/", "__")


def _stem(text: str) -> str:
    name = text.replace("\\", "/")
    if suffix(name) in PICTURE_SUFFIXES | UNREAD_SUFFIXES:
        return name.rpartition("/")[2].rpartition(".")[0]
    return name


def _ignored(files: Any) -> list[str]:
    names = sorted(files)
    if not names:
        return []
    more = f" and {len(names) - 5:,} more" if len(names) > 5 else ""
    return [f"{len(names):,} other files are ignored: {', '.join(printable(n, 60) for n in names[:5])}{more}."]


def _name(root: Path) -> str:
    return root.resolve().name or str(root.resolve())
