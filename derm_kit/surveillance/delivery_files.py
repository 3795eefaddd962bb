"""Which files of a feed's folder are deliveries, each content once, and their hashes."""

from __future__ import annotations

import datetime
import hashlib
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from derm_kit import plain_json
from derm_kit.cases.folder_walk import leaves
from derm_kit.model.run import RUN_FILE
from derm_kit.surveillance.feed import FeedError, Remark
from derm_kit.surveillance.oddities import Oddities

CASES, OUTCOMES, FEATURES = "cases", "outcomes", "features"
ABOUT_FILE: Final = "feed.json"
"""In a feed that derm-kit wrote: what was said of it (that it is simulated, say), and its last moment."""

_TABLES: Final = (".parquet", ".csv")


def require_inside(path: Path, feed: Path) -> None:
    """Raise FeedError where a link leads out of the feed: what stands there is neither read nor quoted."""
    if leaves(path, feed):
        raise FeedError(
            "a feed is read from its own folder, and this is a link that leads out of it",
            case=path.relative_to(feed).as_posix(),
            next_step="Put the delivery itself in the place of the link.",
        )


def deliveries_of(folder: Path, kind: str, oddities: Oddities) -> list[Path]:
    """Deliveries in order of their names, each content once; links out of the feed and what is no delivery are told."""
    try:
        entries = sorted((folder / kind).iterdir(), key=lambda path: path.name) if (folder / kind).is_dir() else []
    except OSError as error:
        raise FeedError(
            "the folder of a feed must be readable",
            case=str(folder),
            value=error.strerror,
            next_step="Check its rights.",
        ) from None
    entries = inside_of(folder, (path for path in entries if not path.name.startswith(".")), oddities)
    read = [path for path in entries if _is_delivery(path, kind)]
    oddities.tell(
        f"In the folder '{kind}' {{n:,}} entries are no delivery (run folder, .parquet or .csv) and were not read.",
        [path.name for path in entries if path not in read],
    )
    return list(_once(read, kind, oddities))


def inside_of(feed: Path, paths: Iterable[Path], oddities: Oddities) -> list[Path]:
    """The paths that no link takes out of the feed; of the others is told."""
    inside = []
    for path in paths:
        try:
            require_inside(path, feed)
        except FeedError as error:
            oddities.breaks(path.relative_to(feed).as_posix(), error)
        else:
            inside.append(path)
    return inside


def _is_delivery(path: Path, kind: str) -> bool:
    if path.is_dir():
        return kind == CASES and (path / RUN_FILE).exists()
    return path.is_file() and path.suffix.lower() in _TABLES


def _once(paths: list[Path], kind: str, oddities: Oddities) -> Iterator[Path]:
    """Files whose bytes stand there already are left out and told of; only those of one size are compared."""
    sizes: dict[int, int] = defaultdict(int)
    for path in paths:
        sizes[path.stat().st_size] += path.is_file()
    seen: dict[str, str] = {}
    for path in paths:
        if path.is_file() and sizes[path.stat().st_size] > 1 and os.access(path, os.R_OK):
            digest = _sha256(path)
            if digest in seen:
                oddities.tell(
                    f"{kind}/{path.name} is byte for byte {seen[digest]}, delivered again; it is counted once.",
                    [path.name],
                )
                continue
            seen[digest] = path.name
        yield path


def about(folder: Path) -> tuple[tuple[Remark, ...], datetime.datetime | None]:
    """What a feed that derm-kit wrote says of itself: remarks, and its last moment.

    Raises FeedError where that cannot be read.
    """
    path = folder / ABOUT_FILE
    require_inside(path, folder)
    if not path.is_file():
        return (), None
    try:
        said = plain_json.read(path)
        rows = [(str(r["sentence"]), int(r["count"]), tuple(map(str, r["examples"]))) for r in said["remarks"]]
        as_of = datetime.datetime.fromisoformat(said["as_of"]).astimezone(datetime.UTC) if said["as_of"] else None
        return tuple(Remark(*row) for row in rows), as_of
    except (OSError, ValueError, TypeError, KeyError, OverflowError):
        raise FeedError(
            "what a feed says of itself are its remarks and its last moment",
            case=ABOUT_FILE,
            next_step=f"Copy the feed again, or take {ABOUT_FILE} out of it.",
        ) from None


def sha256_of(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of a feed, by its path below `folder`, in order; what a link leads out to is none."""
    files = [path for kind in (CASES, OUTCOMES, FEATURES) for path in sorted((folder / kind).rglob("*"))]
    named = [path for path in (*files, folder / ABOUT_FILE) if path.is_file() and not leaves(path, folder)]
    return {path.relative_to(folder).as_posix(): _sha256(path) for path in named}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
