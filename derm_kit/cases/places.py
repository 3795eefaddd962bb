"""Where a picture lies: on a path of this machine, or in a store that fsspec reads (s3://, gs://, smb://, …)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from derm_kit.errors import CaseError, DermKitError, printable

if TYPE_CHECKING:
    from upath import UPath

    Place: TypeAlias = Path | UPath

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+]+://")
_MARKS = ("ETag", "etag", "md5Hash", "md5", "LastModified", "last_modified", "mtime", "modified", "created")
FROM_A_FOLDER = (
    "a DICOM file is read from a folder, not from a store: what its header says of the case comes first",
    "Copy it into a folder and score it from there.",
)


class StoreError(DermKitError):
    """A store does not answer, or not as it should; no picture is to blame."""


def is_address(text: str) -> bool:
    """Whether `text` names a place in a store and no path."""
    return _ADDRESS.match(text) is not None


def store_place(address: str) -> Place:
    """The place that an address names; file:// names a path.

    Raises StoreError where no library is installed for this kind of store.
    """
    from upath import UPath  # with fsspec half a second to import, and most cohorts lie in folders

    if address.startswith("file://"):
        return Path(UPath(address).path)
    try:
        place = UPath(address)
        place.fs  # noqa: B018 - makes the connection's library load
    except (ImportError, ValueError) as error:
        raise StoreError(
            f"a store needs the library that reads it ({printable(error)})",
            case=printable(address),
            next_step="For s3:// install derm-kit with its extra: pip install 'derm-kit[s3]'; for others see fsspec.",
        ) from None
    return place


def store_bytes(place: UPath, case: str, most: int) -> bytes:
    """The bytes of a picture in a store.

    Raises CaseError where there is none, it may not be read, is DICOM or has over `most` bytes, and StoreError where
    the store does not answer.
    """
    try:
        with place.open("rb") as file:
            data = bytes(file.read(most + 1))
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        raise CaseError(
            "the file must be readable",
            case=case,
            value=type(error).__name__,
            next_step="Check that it is there and that you may read it.",
        ) from None
    except Exception as error:
        raise no_answer(str(place), error) from error
    if len(data) > most:
        raise CaseError(
            "a picture in a store has a size that can be read at once",
            case=case,
            value=f"over {most:,} bytes",
            next_step="Export it at a smaller size.",
        )
    if data[128:132] == b"DICM":
        raise CaseError(FROM_A_FOLDER[0], case=case, next_step=FROM_A_FOLDER[1])
    return data


def sizes_and_marks(root: Place, images: Sequence[str]) -> npt.NDArray[np.int64]:
    """Bytes and modification time (ns) of each picture below `root`, (N, 2); -1 where there is no file to ask.

    Of a store, which is listed once, the second is a number made of its own mark of the content (ETag, checksum or
    date). Raises StoreError where it does not answer.
    """
    if not isinstance(root, Path):
        return _marks_in_store(root, images)
    known = np.full((len(images), 2), -1, np.int64)
    for i, image in enumerate(images):
        if image:
            try:
                status = (root / image).stat()
            except (OSError, ValueError):
                continue
            known[i] = status.st_size, status.st_mtime_ns
    return known


def _marks_in_store(root: UPath, images: Sequence[str]) -> npt.NDArray[np.int64]:
    try:
        found = root.fs.find(root.path, detail=True)
    except Exception as error:
        raise no_answer(str(root), error) from error
    known = np.full((len(images), 2), -1, np.int64)
    for i, image in enumerate(images):
        if image and (about := found.get((root / image).path)):
            mark = next((about[name] for name in _MARKS if about.get(name)), "")
            digest = hashlib.sha256(str(mark).encode()).digest()
            known[i] = about.get("size") or 0, int.from_bytes(digest[:8], "big", signed=True)
    return known


def no_answer(address: str, error: Exception) -> StoreError:
    """The refusal of a store that fails for another reason than the one file."""
    return StoreError(
        f"the store must answer ({type(error).__name__}: {printable(error)})",
        case=printable(address),
        next_step="Check address, network and credentials (for s3:// those of the AWS tools); the same command then "
        "continues.",
    )
