"""What lies in a folder, and which picture a table's row means, never outside that folder."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from derm_kit.errors import printable

PICTURE_SUFFIXES: Final = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".tif", ".tiff", ".webp", ".bmp", ".dib", ".dcm", ".dicom"}
)
UNREAD_SUFFIXES: Final = frozenset(
    {
        ".heic",
        ".heif",
        ".avif",
        ".gif",
        ".jp2",
        ".jxl",
        ".psd",
        ".svg",
        ".dng",
        ".raw",
        ".cr2",
        ".cr3",
        ".nef",
        ".arw",
        ".orf",
        ".rw2",
    }
)
"""Pictures that nothing here decodes: refused by name, so that none is passed over in silence."""

TABLE_SUFFIXES: Final = frozenset({".csv", ".tsv", ".tab"})
METADATA: Final = "metadata.csv"
"""The table, in small letters, that stands for its folder alone."""

MASK_FOLDERS: Final = frozenset({"mask", "masks", "segmentation", "segmentations"})

Fault: TypeAlias = tuple[str, str]
"""Why a file cannot be used: rule, next step."""

OUTSIDE: Final = ("a picture must lie inside the folder", "Copy the picture itself into the folder.")
MISSING: Final = ("the picture must exist", "Add the picture under images/, or correct the row.")
TWO_FILES: Final = ("one picture must answer to a case id", "Remove the other file, or name one in a column `image`.")
NOT_READ: Final = ("the picture must be JPEG, PNG, TIFF, WebP, BMP or DICOM", "Convert it to JPEG or PNG.")
NOT_PLAIN: Final = ("a picture must be a plain file", "Replace the link, pipe or socket by the picture itself.")
BAD_NAME: Final = ("a file name must be readable text (UTF-8)", "Rename the file.")
ODD_NAME: Final = (
    "the name of a file or folder holds no backslash and is no drive letter",
    "Rename it: such a name means another place on other computers.",
)
NO_RIGHT: Final = ("a folder must be readable", "Give the right to read it, or move its pictures.")
NO_TABLE: Final = ("metadata.csv must be a table, and this is a folder", "Rename the folder.")
LINKED: Final = ("a folder must lie here itself, not as a link", "Put the folder itself in the place of the link.")

_ALL_SUFFIXES: Final = PICTURE_SUFFIXES | UNREAD_SUFFIXES
DEEPEST: Final = 32
"""Levels of folders that are searched."""

_UNUSED: Final = 9
_ODD_PATH: Final = re.compile(r"^[/~.]|^[A-Za-z]:|\\|/\.|\x00")
_WAY_OUT: Final = re.compile(r"^[A-Za-z]:/|(?:^|/)\.\.(?:/|$)|\x00")


@dataclass(frozen=True)
class Listing:
    """The files of a folder as posix paths relative to it, hidden ones left out.

    `files` are plain files (links that stay inside count); `faults` maps a path that is no usable file or folder to
    (rule, next step); links to folders are never followed. `hidden` files and folders and those that lie too `deep` are
    not looked into.
    """

    root: Path
    files: frozenset[str]
    faults: dict[str, Fault]
    hidden: tuple[str, ...] = ()
    deep: tuple[str, ...] = ()

    def pictures(self) -> list[str]:
        """Pictures by suffix, sorted, without those in folders of masks."""
        return sorted(file for file in self.files if is_picture(file) and not _in_masks(file))

    def ignored(self, used: set[str]) -> tuple[str, ...]:
        """The paths of all that is passed over: files that are not `used`, hidden ones, folders that lie too deep."""
        return (*sorted(self.files - used), *sorted(self.hidden), *sorted(self.deep))

    def others(self, used: set[str]) -> list[str]:
        """The notes that say how many files are passed over, each with examples; none where there are none."""
        names = sorted(self.files - used)
        more = f" and {len(names) - 5:,} more" if len(names) > 5 else ""
        shown = ", ".join(printable(name, 60) for name in names[:5])
        notes = [f"{len(names):,} other files are ignored: {shown}{more}."] if names else []
        for paths, words in (
            (self.hidden, "hidden files or folders (their names begin with a dot) are passed over"),
            (self.deep, f"folders that lie more than {DEEPEST} levels deep are not searched"),
        ):
            if paths:
                example = min(paths, key=lambda path: (not is_picture(path), path))
                notes.append(f"{len(paths):,} {words}, such as {printable(example, 60)}.")
        return notes

    def find(self, names: list[str]) -> tuple[list[str], dict[int, Fault]]:
        """The file that each name means, "" where there is none, and the faults (rule, next step) by place in `names`.

        A path is taken as it is, then below images/; a bare name stands for images/<name>.*, then <name>.*, then a
        picture of that name anywhere in the folder if there is only one.
        """
        stems = _stems(self.files, self.faults)
        missing = self._missing()
        files: list[str] = []
        faults: dict[int, Fault] = {}
        for i, name in enumerate(names):
            plain = name.isascii() and not any(c in name for c in "./\\") and name not in self.files
            file = stems.get(name) if plain else self._look_for(name, stems)
            if isinstance(file, tuple) or not file:
                faults[i] = missing if not file or file == MISSING else file
                file = ""
            files.append(file)
        return files, faults

    def _look_for(self, name: str, stems: dict[str, str | Fault]) -> str | Fault:
        path = name if name in self.files else as_path(name)
        if fault := path_fault(path):
            return fault
        for candidate in (path, f"images/{path}"):
            if candidate in self.files:
                return NOT_READ if suffix(candidate) in UNREAD_SUFFIXES else candidate
            if fault := self._fault(candidate):
                return fault
        if not path or "/" in path or suffix(path) in PICTURE_SUFFIXES:
            return MISSING
        return stems.get(unicodedata.normalize("NFC", path), MISSING)

    def _missing(self) -> Fault:
        """Why a picture is not found: it is not there, or may lie in a folder that could not be searched."""
        shut = [path for path, fault in self.faults.items() if fault in (NO_RIGHT, LINKED) and not is_masks(path)]
        if not shut:
            return MISSING
        first = min(shut, key=lambda path: (path != "images", path))
        rule, next_step = self.faults[first]
        return f"the picture must exist, and the folder {printable(first, 60)} is not searched: {rule}", next_step

    def _fault(self, path: str) -> Fault | None:
        if not self.faults:
            return None
        parts = path.split("/")
        return next((fault for n in range(1, len(parts) + 1) if (fault := self.faults.get("/".join(parts[:n])))), None)


def _stems(files: Iterable[str], faults: dict[str, Fault]) -> dict[str, str | Fault]:
    """Pictures by name without suffix, images/ before the folder itself before all others, or why there is none."""
    stems: dict[str, str | Fault] = {}
    ranks: dict[str, int] = {}
    folders: dict[str, int] = {}
    for file in (*files, *faults):
        folder, _, name = file.rpartition("/")
        stem, _, end = name.rpartition(".")
        end = f".{end.lower()}"
        rank = folders.get(folder)
        if rank is None:
            rank = folders[folder] = _UNUSED if _in_masks(file) else 0 if folder == "images" else 2 if folder else 1
        if not stem or rank == _UNUSED or end not in _ALL_SUFFIXES:
            continue
        rank += 0 if end in PICTURE_SUFFIXES else 3
        stem = stem if stem.isascii() else unicodedata.normalize("NFC", stem)
        held = ranks.get(stem, _UNUSED)
        if rank < held:
            stems[stem] = NOT_READ if end in UNREAD_SUFFIXES else file
            ranks[stem] = rank
        elif rank == held:
            stems[stem] = TWO_FILES
    for stem, found in stems.items():
        if found in faults:
            stems[stem] = faults[str(found)]
    return stems


def suffix(path: str) -> str:
    """The file suffix in small letters with its dot, "" without one."""
    name = path.rpartition("/")[2]
    stem, dot, end = name.rpartition(".")
    return f".{end.lower()}" if dot and stem else ""


def is_picture(path: str) -> bool:
    """Whether the suffix is that of a picture that can be decoded."""
    return suffix(path) in PICTURE_SUFFIXES


def as_path(text: str) -> str:
    """A path as a table gives it, with plain slashes and without `./`."""
    if not _ODD_PATH.search(text):
        return text
    return re.sub(r"/(?:\./)+", "/", text.replace("\\", "/")).removeprefix("./")


def path_fault(path: str) -> Fault | None:
    """The fault of a path that could leave its folder: absolute, with a drive, with `..`."""
    if _ODD_PATH.search(path) and (path.startswith(("/", "~")) or _WAY_OUT.search(path)):
        return OUTSIDE
    return None


def is_masks(folder: str) -> bool:
    """Whether a folder is one of masks, or lies in one."""
    return any(part.lower() in MASK_FOLDERS for part in folder.split("/"))


def _in_masks(file: str) -> bool:
    return "/" in file and is_masks(file.rpartition("/")[0])
