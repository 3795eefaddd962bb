"""The files below a folder, found in one pass, each path safe to go on."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from derm_kit.cases.encodings import unreadable
from derm_kit.cases.folders import (
    BAD_NAME,
    DEEPEST,
    LINKED,
    METADATA,
    MISSING,
    NO_RIGHT,
    NO_TABLE,
    NOT_PLAIN,
    ODD_NAME,
    OUTSIDE,
    Fault,
    Listing,
)
from derm_kit.errors import printable

_DRIVE: Final = re.compile(r"[A-Za-z]:")


def listing(root: Path, only: Iterable[str] | None = None) -> Listing:
    """List `root` and everything below it, or just the folders `only` (relative; "" is the root itself).

    One pass without a look at each file; only links are followed to see whether they stay inside. A folder below that
    cannot be read is a fault; an unreadable root raises CohortError.
    """
    files: set[str] = set()
    faults: dict[str, Fault] = {}
    hidden: list[str] = []
    deep: list[str] = []
    try:
        real = os.path.realpath(root, strict=True)
        waiting = [""] if only is None else [folder for folder in set(only) if not _linked(folder, real, files, faults)]
        while waiting:
            folder = waiting.pop()
            try:
                entries = list(os.scandir(os.path.join(real, folder)))  # noqa: PTH118 (1e6 entries: no Path objects)
            except OSError as error:
                if not folder:
                    raise
                if only is None or isinstance(error, PermissionError):
                    faults[folder] = NO_RIGHT
                continue
            for entry in entries:
                path = f"{folder}/{entry.name}" if folder else entry.name
                if entry.name.startswith("."):
                    hidden.append(printable(path, 300))
                elif fault := name_fault(entry.name, first=not folder):
                    faults[printable(path, 300)] = fault
                elif entry.is_file(follow_symlinks=False):
                    files.add(path)
                elif entry.is_symlink():
                    _follow(path, real, files, faults)
                elif not entry.is_dir(follow_symlinks=False):
                    faults[path] = NOT_PLAIN
                elif not folder and entry.name.lower() == METADATA:
                    faults[path] = NO_TABLE
                elif only is None and path.count("/") >= DEEPEST:
                    deep.append(path)
                elif only is None:
                    waiting.append(path)
    except (OSError, ValueError) as error:
        raise unreadable(root, error) from error
    return Listing(root, frozenset(files), faults, tuple(hidden), tuple(deep))


def leaves(path: Path, folder: Path) -> bool:
    """Whether a link takes `path`, named below `folder`, to a place outside it."""
    return not _within(os.path.realpath(path), os.path.realpath(folder))


def _linked(folder: str, real: str, files: set[str], faults: dict[str, Fault]) -> bool:
    """Whether the way to `folder` goes through a link, which is then listed as a file or a fault, never followed."""
    parts = folder.split("/")
    for n in range(1, len(parts) + 1):
        way = "/".join(parts[:n])
        if way and os.path.islink(os.path.join(real, way)):  # noqa: PTH114, PTH118
            _follow(way, real, files, faults)
            return True
    return False


def one(path: Path) -> Listing:
    """The listing of a single file."""
    if fault := name_fault(path.name, first=True):
        return Listing(path.parent, frozenset(), {printable(path.name, 300): fault})
    return Listing(path.parent, frozenset({path.name}), {})


def _follow(path: str, real: str, files: set[str], faults: dict[str, Fault]) -> None:
    target = os.path.realpath(os.path.join(real, path))  # noqa: PTH118
    if os.path.isdir(target):  # noqa: PTH112 (Path.is_dir raises where a folder on the way is shut)
        faults[path] = LINKED
    elif not _within(target, real):
        faults[path] = OUTSIDE
    elif os.path.isfile(target):  # noqa: PTH113
        files.add(path)
    else:
        faults[path] = NOT_PLAIN if os.path.exists(target) else MISSING  # noqa: PTH110


def _within(target: str, real: str) -> bool:
    return target == real or target.startswith(real.rstrip("/") + "/")


def name_fault(name: str, *, first: bool) -> Fault | None:
    """The fault of a file or folder name that cannot go on as part of a path; `first` where it begins the path."""
    if not name.isascii():
        try:
            name.encode()
        except UnicodeEncodeError:
            return BAD_NAME
    return ODD_NAME if "\\" in name or (first and _DRIVE.fullmatch(name)) else None
