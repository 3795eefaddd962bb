"""The unfinished run on disk: parts that survive a kill, and how they become the run's files."""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from derm_kit.cases.cohort import REJECT_COLUMNS, Cohort, write_csv
from derm_kit.errors import RunError
from derm_kit.model.identity import differences
from derm_kit.model.run import CASES_FILE, FEATURES_FILE, REJECTS_FILE, RUN_FILE, SCORE_COLUMNS, SCORES_FILE

QUALITY_COLUMNS = ("quality_fail", "quality_reason", "quality_warning")
_Table = Callable[[pa.Table], None]
"""What takes one part of a table after another."""
BATCHES_PER_PART = 64
PARTS_FOLDER = ".parts"


@dataclass(frozen=True)
class Parts:
    """Which cohort rows go into which part of the run at `out`: the same plan gives the same files, interrupted or not.

    A part is one parquet with a row a case: case_id, file, rule and next_step ("" unless rejected), QUALITY_COLUMNS,
    the eleven scores and the feature components. `identity` is what must not change between two calls. Each table of a
    `partitioned` run is a folder with one file a part, which many readers may share; else it is one file.
    """

    out: Path
    n_cases: int
    batch_size: int
    identity: dict[str, Any]
    partitioned: bool = False

    @property
    def folder(self) -> Path:
        """Where parts lie until the run is finished."""
        return self.out / PARTS_FOLDER

    def begin(self) -> None:
        """Make the folder ready. Raises RunError where it holds another run or a damaged one.

        An unfinished run without a single part is begun anew, whatever it was of: nothing is lost.
        """
        if self.finished():
            self._require_same(self.out / RUN_FILE)
        elif self.begun():
            self._require_same(self.folder / RUN_FILE)
        else:
            self.folder.mkdir(parents=True, exist_ok=True)
            _write_text(self.folder / RUN_FILE, json.dumps(self.identity | {"started": _now()}))

    def begun(self) -> bool:
        """Whether any part lies on disk, this run's or another's."""
        return any(self.folder.glob("*.parquet"))

    def finished(self) -> bool:
        """Whether the run's files are all there."""
        return (self.out / RUN_FILE).is_file()

    def rows(self, part: int) -> range:
        """Cohort rows of a part."""
        size = self.batch_size * BATCHES_PER_PART
        return range(part * size, min((part + 1) * size, self.n_cases))

    def missing(self) -> list[int]:
        """Parts that are not on disk, or not whole."""
        return [part for part in range(self._count()) if self._read(part) is None]

    def write(self, part: int, table: pd.DataFrame) -> None:
        """Put one part on disk, whole or not at all."""
        content = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pandas(table, preserve_index=False), content, write_page_checksum=True)
        partial = self._file(part).with_suffix(".partial")
        partial.write_bytes(content.getvalue())
        _settle(partial, self._file(part))

    def finish(self, cohort: Cohort) -> None:
        """Turn the parts into the run's files, one part in memory at a time; run.json comes last and makes it a run.

        Raises RunError where a part was damaged since it was written; the same call of score() then mends it.
        """
        rejects = [cohort.rejects]
        tables: dict[str, _Table] = {}
        n_scored = 0
        with ExitStack() as stack:
            for part in range(self._count()):
                rows = self.rows(part)
                table = self._read(part)
                if table is None:
                    raise RunError(
                        "a part of the run was damaged while it was written",
                        case=str(self._file(part)),
                        next_step="Run the same command again: it scores this part anew and keeps the others.",
                    )
                rejected = table["rule"] != ""
                rejects.append(table.loc[rejected, list(REJECT_COLUMNS)])
                n_scored += int((~rejected).sum())
                cases = cohort.cases.iloc[rows.start : rows.stop].reset_index(drop=True)
                for name, frame in _files(table, cases).items():
                    arrow = pa.Table.from_pandas(frame[~rejected], preserve_index=False).replace_schema_metadata()
                    if name not in tables:
                        begun = (_folder if self.partitioned else _parquet)(self.out / f"{name}.partial", arrow.schema)
                        tables[name] = stack.enter_context(begun)
                    tables[name](arrow)
        for name in tables:
            _settle(self.out / f"{name}.partial", self.out / name)
        n_rejected = self.write_rejects(rejects)
        about = {"n_cases": n_scored, "n_rejected": n_rejected, "notes": list(cohort.notes)}
        started = self._recorded(self.folder / RUN_FILE)["started"]
        times = {"platform": platform.platform(), "started": started, "finished": _now()}
        _write_text(self.out / RUN_FILE, json.dumps(self.identity | about | times, indent=1) + "\n")

    def write_rejects(self, tables: Iterable[pd.DataFrame]) -> int:
        """Write rejects.csv, one table after the other, and say how many rows that were."""
        listed = pd.concat(tables, ignore_index=True)
        partial = self.out / f"{REJECTS_FILE}.partial"
        write_csv(partial, listed)
        _settle(partial, self.out / REJECTS_FILE)
        return len(listed)

    def discard(self) -> None:
        """Remove what a finished run no longer needs."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _count(self) -> int:
        return -(-self.n_cases // (self.batch_size * BATCHES_PER_PART))

    def _file(self, part: int) -> Path:
        return self.folder / f"{part:06d}.parquet"

    def _read(self, part: int) -> pd.DataFrame | None:
        """The table of a part, or None where there is none that is whole."""
        try:
            table = pq.read_table(self._file(part), page_checksum_verification=True).to_pandas()
        except MemoryError:
            raise
        except (OSError, pa.ArrowException):
            return None
        return table if len(table) == len(self.rows(part)) else None

    def _require_same(self, file: Path) -> None:
        changed = differences(self._recorded(file), self.identity)
        if changed:
            raise RunError(
                "a run is continued, or given back, only for the same pictures, model and settings; what differs from "
                f"the run in this folder: {changed}",
                case=str(self.out),
                next_step="Name another --out to score what is there now, or remove this folder if its scores are not "
                "wanted.",
            )

    def _recorded(self, file: Path) -> dict[str, Any]:
        """What a run.json says. Raises RunError where it is missing, empty or damaged."""
        try:
            found = json.loads(file.read_text("utf-8"))
        except (FileNotFoundError, ValueError):
            found = None
        if not (isinstance(found, dict) and "started" in found):
            raise RunError(
                f"{RUN_FILE} says what a run is of; here it is missing, empty or damaged",
                case=str(file),
                next_step="Name another --out, or remove this run folder; its cases are then scored again.",
            )
        return found


def _files(table: pd.DataFrame, cases: pd.DataFrame) -> dict[str, pd.DataFrame]:
    components = [c for c in table if str(c).startswith("component_")]
    return {
        SCORES_FILE: table[["case_id", *SCORE_COLUMNS]],
        CASES_FILE: pd.concat([cases, table[list(QUALITY_COLUMNS)]], axis=1),
        FEATURES_FILE: table[["case_id", *components]],
    }


@contextmanager
def _folder(path: Path, _: pa.Schema) -> Iterator[_Table]:
    """What writes each part of a table into a file of its own."""
    _remove(path)
    path.mkdir()
    numbers = count()

    def write(table: pa.Table) -> None:
        file = path / f"part-{next(numbers):06d}.parquet"
        pq.write_table(table, file, compression="zstd")
        _to_disk(file)

    yield write


@contextmanager
def _parquet(path: Path, schema: pa.Schema) -> Iterator[_Table]:
    """What adds each part to one file, closed once; where the disk is full, pyarrow's own writer would try again in its
    destructor.
    """
    _remove(path)
    with path.open("wb") as file:
        writer = pq.ParquetWriter(file, schema, compression="zstd")
        try:
            yield writer.write_table
            writer.close()
        finally:
            writer.is_open = False


def _write_text(path: Path, text: str) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, "utf-8")
    _settle(partial, path)


def _settle(partial: Path, path: Path) -> None:
    """Give a written file its name once its content is on disk, so that a power cut leaves the whole file or none."""
    if partial.is_file():
        _to_disk(partial)
    if partial.is_dir() or path.is_dir():
        _remove(path)
    partial.replace(path)


def _to_disk(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _remove(path: Path) -> None:
    """Remove a table that an interrupted call left: it is made of the parts again."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
