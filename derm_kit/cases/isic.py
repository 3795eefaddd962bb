"""Real pictures from the ISIC Archive by isic-cli's own code (extra `isic`), with attribution and licence files.

Only its functions for the archive's interface are used: its command line, which would report errors to its makers, is
never started.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from derm_kit.errors import CohortError

ARCHIVE = "https://api.isic-archive.com/api/v2/"
IDS_A_QUERY = 20
DOWNLOADS_AT_ONCE = 4
RETRIES = 3
BACKOFF_S = 0.5
"""isic-cli's own patience is many minutes, which on a machine without the internet looks like a page that hangs."""


@dataclass(frozen=True)
class Found:
    """Pictures that the archive offers, as its interface describes them, and the ids it does not know."""

    records: tuple[dict[str, Any], ...]
    unknown: tuple[str, ...] = ()

    @property
    def size_bytes(self) -> int:
        """What a download takes."""
        return sum(int(r["files"]["full"]["size"]) for r in self.records)

    @property
    def sentence(self) -> str:
        """Number, size and licences, to be read before a download."""
        licences = Counter(str(r["copyright_license"]) for r in self.records)
        each = ", ".join(f"{name} ({n:,})" for name, n in licences.most_common())
        missing = f" {len(self.unknown)} ids are not in the archive." if self.unknown else ""
        return f"{len(self.records):,} pictures, {self.size_bytes / 1e6:,.0f} MB, licences: {each or 'none'}.{missing}"


def find_by_id(ids: Sequence[str], archive: str = ARCHIVE) -> Found:
    """The pictures with these ISIC ids. Raises CohortError where the archive cannot be reached."""
    records: dict[str, dict[str, Any]] = {}
    for start in range(0, len(ids), IDS_A_QUERY):
        query = " OR ".join(f"isic_id:{i}" for i in ids[start : start + IDS_A_QUERY])
        records |= {r["isic_id"]: r for r in _search(query, IDS_A_QUERY, archive)}
    return Found(tuple(records[i] for i in ids if i in records), tuple(i for i in ids if i not in records))


def find_by_search(query: str, limit: int, archive: str = ARCHIVE) -> Found:
    """The first `limit` pictures of a search in the archive's own words. Raises CohortError where it is refused."""
    return Found(tuple(_search(query, limit, archive)))


def download(
    found: Found, out: Path, *, advance: Callable[[int], None] = lambda n: None, archive: str = ARCHIVE
) -> Path:
    """Bring the pictures into `out` as isic-cli lays them out; those already there and whole are not fetched again.

    Raises CohortError where the archive cannot be reached or the folder cannot be written.
    """
    http, utils, session = _isic_cli(archive)
    done = _Progress(advance)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
            list(pool.map(lambda record: http.download_image(record, out, done, None), found.records))
        headers, rows = utils._extract_metadata(found.records)
        with (out / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, headers)
            writer.writeheader()
            writer.writerows(rows)
        (out / "attribution.txt").write_text("\n\n".join(utils.get_attributions(rows)), "utf-8")
        (out / "licenses").mkdir(exist_ok=True)
        for name in {str(row["copyright_license"]) for row in rows}:
            (out / "licenses" / f"{name}.txt").write_text(http.get_license(session, name), "utf-8")
    except OSError as error:
        raise _unreachable(archive, error) from None
    return out


class _Progress:
    """What isic-cli calls after each picture."""

    def __init__(self, advance: Callable[[int], None]) -> None:
        self._advance = advance

    def update(self, _: object, *, advance: int) -> None:
        self._advance(advance)


def _search(query: str, limit: int, archive: str) -> Iterable[dict[str, Any]]:
    http, _, session = _isic_cli(archive)
    try:
        return list(islice(http.get_images(session, query), limit))
    except OSError as error:
        raise _unreachable(archive, error) from None


def _isic_cli(archive: str) -> tuple[Any, Any, Any]:
    try:
        from isic_cli.cli import utils
        from isic_cli.io import http
        from isic_cli.session import IsicCliSession
    except ImportError:
        raise CohortError(
            "pictures are fetched by isic-cli, which is not installed",
            next_step="pip install 'derm-kit[isic]' brings it.",
        ) from None
    session = IsicCliSession(archive)
    for adapter in session.adapters.values():
        adapter.max_retries = adapter.max_retries.new(total=RETRIES, connect=RETRIES, backoff_factor=BACKOFF_S)
    return http, utils, session


def _unreachable(archive: str, error: OSError) -> CohortError:
    return CohortError(
        f"the ISIC Archive answers and the folder can be written ({type(error).__name__})",
        case=archive,
        next_step="Check the connection, the search words and the free space, then run the same command again.",
    )
