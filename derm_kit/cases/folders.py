"""What lies in a folder, found in one pass, and which picture a table's row means, never outside that folder."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from derm_kit.cases.tables import unreadable
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
MASK_FOLDERS: Final = frozenset({"mask", "masks", "segmentation", "segmentations"})

OUTSIDE: Final = ("a picture must lie inside the folder", "Copy the picture itself into the folder.")
MISSING: Final = ("the picture must exist", "Add the picture under images/, or correct the row.")
TWO_FILES: Final = ("one picture must answer to a case id", "Remove the other file, or name one in a column `image`.")
NOT_READ: Final = ("the picture must be JPEG, PNG, TIFF, WebP, BMP or DICOM", "Convert it to JPEG or PNG.")
NOT_PLAIN: Final = ("a picture must be a plain file", "Replace the link, pipe or socket by the picture itself.")
BAD_NAME: Final = ("a file name must be readable text (UTF-8)", "Rename the file.")
NO_RIGHT: Final = ("a folder must be readable", "Give the right to read it, or move its pictures.")

_DEEPEST = 32


@dataclass(frozen=True)
class Listing:
    """The files of a folder as posix paths relative to it, hidden ones left out.

    `files` are plain files (links that stay inside count); `faults` maps a path that is no usable file or folder to
    (rule, next step); links to folders are never followed.
    """

    root: Path
    files: frozenset[str]
    faults: dict[str, tuple[str, str]]
    _stems: dict[str, str | None] = field(default_factory=dict, repr=False)

    def pictures(self) -> list[str]:
        """Pictures by suffix, sorted, without those in folders of masks."""
        return sorted(file for file in self.files if is_picture(file) and not _in_masks(file))

    def find(self, name: str) -> tuple[str, tuple[str, str] | None]:
        """The file that `name` (an id, a file name or a path) means, or "" with (rule, next step).

        A path is taken as it is, then below images/; a bare name stands for images/<name>.*, then <name>.*, then a picture
        of that name anywhere in the folder if there is only one.
        """
        if not self._stems:
            self._index()
        if "." not in name and (known := self._stems.get(name)) in self.files and known is not None:
            return (known, None) if is_picture(known) else ("", NOT_READ)
        path = name.strip()
        if path not in self.files:
            path = re.sub(r"/(?:\./)+", "/", path.replace("\\", "/")).removeprefix("./")
        if fault := path_fault(path):
            return "", fault
        for candidate in (path, f"images/{path}"):
            if candidate in self.files:
                return ("", NOT_READ) if suffix(candidate) in UNREAD_SUFFIXES else (candidate, None)
            if fault := self._fault(candidate):
                return "", fault
        if "/" in path or suffix(path) in PICTURE_SUFFIXES:
            return "", MISSING
        found = self._stems.get(unicodedata.normalize("NFC", path), "")
        if found is None:
            return "", TWO_FILES
        if not found:
            return "", MISSING
        if found in self.faults or not is_picture(found):
            return "", self.faults.get(found, NOT_READ)
        return found, None

    def _fault(self, path: str) -> tuple[str, str] | None:
        if not self.faults:
            return None
        parts = path.split("/")
        return next((fault for n in range(1, len(parts) + 1) if (fault := self.faults.get("/".join(parts[:n])))), None)

    def _index(self) -> None:
        """Fill the index of file names without suffix: images/ before the folder itself before all others."""
        ranks: dict[str, tuple[int, int]] = {}
        for file in (*self.files, *self.faults):
            if not (is_picture(file) or suffix(file) in UNREAD_SUFFIXES) or _in_masks(file):
                continue
            folder, _, name = file.rpartition("/")
            rank = ({"images": 0, "": 1}.get(folder, 2), int(not is_picture(file)))
            stem = unicodedata.normalize("NFC", name.rpartition(".")[0])
            held = ranks.get(stem)
            if held is None or rank < held:
                ranks[stem] = rank
                self._stems[stem] = file
            elif rank == held:
                self._stems[stem] = None
        self._stems.setdefault("", None)


def listing(root: Path, only: Iterable[str] | None = None) -> Listing:
    """List `root` and everything below it, or just the folders `only` (relative; "" is the root itself).

    One pass without a look at each file; only links are followed to see whether they stay inside. A folder below that
    cannot be read is a fault; an unreadable root raises CohortError.
    """
    files: set[str] = set()
    faults: dict[str, tuple[str, str]] = {}
    try:
        real = os.path.realpath(root, strict=True)
        waiting = [""] if only is None else sorted(set(only))
        while waiting:
            folder = waiting.pop()
            try:
                entries = list(os.scandir(os.path.join(real, folder)))  # noqa: PTH118 (1e6 entries: no Path objects)
            except OSError:
                if not folder:
                    raise
                if only is None:
                    faults[folder] = NO_RIGHT
                continue
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                path = f"{folder}/{entry.name}" if folder else entry.name
                if not entry.name.isascii() and _undecodable(entry.name):
                    faults[printable(path, 300)] = BAD_NAME
                    continue
                if entry.is_file(follow_symlinks=False):
                    files.add(path)
                elif entry.is_symlink():
                    _follow(path, real, files, faults)
                elif not entry.is_dir(follow_symlinks=False):
                    faults[path] = NOT_PLAIN
                elif only is None and path.count("/") < _DEEPEST:
                    waiting.append(path)
    except (OSError, ValueError) as error:
        raise unreadable(root, error) from error
    return Listing(root, frozenset(files), faults)


def _follow(path: str, real: str, files: set[str], faults: dict[str, tuple[str, str]]) -> None:
    target = os.path.realpath(os.path.join(real, path))  # noqa: PTH118
    if not (target == real or target.startswith(real.rstrip("/") + "/")):
        faults[path] = OUTSIDE
    elif Path(target).is_file():
        files.add(path)
    else:
        faults[path] = NOT_PLAIN if Path(target).exists() else MISSING


def _undecodable(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return True
    return False


def suffix(path: str) -> str:
    """The file suffix in small letters with its dot, "" without one."""
    name = path.rpartition("/")[2]
    stem, dot, end = name.rpartition(".")
    return f".{end.lower()}" if dot and stem else ""


def is_picture(path: str) -> bool:
    """Whether the suffix is that of a picture that can be decoded."""
    return suffix(path) in PICTURE_SUFFIXES


def path_fault(path: str) -> tuple[str, str] | None:
    """The fault of a path that could leave its folder: absolute, with a drive, with `..`."""
    if path.startswith(("/", "~")) or re.match(r"[A-Za-z]:/", path) or ".." in path.split("/") or "\x00" in path:
        return OUTSIDE
    return None


def _in_masks(file: str) -> bool:
    return any(part.lower() in MASK_FOLDERS for part in file.split("/")[:-1])
