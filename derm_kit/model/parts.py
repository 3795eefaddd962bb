"""The unfinished run on disk: parts that survive a kill, and how they become the run's files."""

from __future__ import annotations

import json
import platform
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from derm_kit.cases.cohort import REJECT_COLUMNS, Cohort, write_csv
from derm_kit.errors import RunError
from derm_kit.model.run import CASES_FILE, FEATURES_FILE, REJECTS_FILE, RUN_FILE, SCORE_COLUMNS, SCORES_FILE

QUALITY_COLUMNS = ("quality_fail", "quality_reason", "quality_warning")
BATCHES_PER_PART = 64


@dataclass(frozen=True)
class Parts:
    """Which cohort rows go into which part of the run at `out`: the same plan gives the same files, interrupted or not.

    A part is one parquet with a row a case: case_id, file, rule and next_step ("" unless rejected), QUALITY_COLUMNS,
    the eleven scores and the feature components. `identity` is what must not change between two calls.
    """

    out: Path
    n_cases: int
    batch_size: int
    identity: dict[str, Any]

    @property
    def folder(self) -> Path:
        """Where parts lie until the run is finished."""
        return self.out / ".parts"

    def begin(self) -> None:
        """Make the folder ready. Raises RunError where it holds another run, finished or not."""
        finished, begun = self.out / RUN_FILE, self.folder / RUN_FILE
        for earlier in (finished, begun):
            if earlier.is_file():
                self._require_same(earlier)
        if not (finished.is_file() or begun.is_file()):
            self.folder.mkdir(parents=True, exist_ok=True)
            _write_text(begun, json.dumps(self.identity | {"started": _now()}))

    def finished(self) -> bool:
        """Whether the run's files are all there."""
        return (self.out / RUN_FILE).is_file()

    def rows(self, part: int) -> range:
        """Cohort rows of a part."""
        size = self.batch_size * BATCHES_PER_PART
        return range(part * size, min((part + 1) * size, self.n_cases))

    def missing(self) -> list[int]:
        """Parts that are not on disk yet."""
        return [part for part in range(self._count()) if not self._file(part).is_file()]

    def write(self, part: int, table: pd.DataFrame) -> None:
        """Put one part on disk, whole or not at all."""
        partial = self._file(part).with_suffix(".partial")
        pq.write_table(pa.Table.from_pandas(table, preserve_index=False), partial)
        partial.replace(self._file(part))

    def finish(self, cohort: Cohort) -> None:
        """Turn the parts into the run's files, one part in memory at a time; run.json comes last and makes it a run."""
        rejects = [cohort.rejects]
        writers: dict[str, pq.ParquetWriter] = {}
        n_scored = 0
        try:
            for part in range(self._count()):
                rows = self.rows(part)
                table = pq.read_table(self._file(part)).to_pandas()
                rejected = table["rule"] != ""
                rejects.append(table.loc[rejected, list(REJECT_COLUMNS)])
                n_scored += int((~rejected).sum())
                cases = cohort.cases.iloc[rows.start : rows.stop].reset_index(drop=True)
                for name, frame in _files(table, cases).items():
                    arrow = pa.Table.from_pandas(frame[~rejected], preserve_index=False).replace_schema_metadata()
                    if name not in writers:
                        writers[name] = pq.ParquetWriter(self.out / f"{name}.partial", arrow.schema, compression="zstd")
                    writers[name].write_table(arrow)
        finally:
            for writer in writers.values():
                writer.close()
        for name in writers:
            (self.out / f"{name}.partial").replace(self.out / name)
        listed = pd.concat(rejects, ignore_index=True)
        write_csv(self.out / REJECTS_FILE, listed)
        begun = json.loads((self.folder / RUN_FILE).read_text("utf-8"))
        counts = {"n_cases": n_scored, "n_rejected": len(listed)}
        times = {"platform": platform.platform(), "started": begun["started"], "finished": _now()}
        _write_text(self.out / RUN_FILE, json.dumps(self.identity | counts | times, indent=1) + "\n")

    def discard(self) -> None:
        """Remove what a finished run no longer needs."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _count(self) -> int:
        return -(-self.n_cases // (self.batch_size * BATCHES_PER_PART))

    def _file(self, part: int) -> Path:
        return self.folder / f"{part:06d}.parquet"

    def _require_same(self, file: Path) -> None:
        try:
            found = json.loads(file.read_text("utf-8"))
        except ValueError:
            found = {}
        different = [k for k, v in self.identity.items() if found.get(k) != v]
        if different:
            raise RunError(
                f"a run is continued only with the same cohort, model and settings; {', '.join(different)} differ",
                case=str(self.out),
                next_step="Name another --out, or remove this folder if its scores are not wanted.",
            )


def _files(table: pd.DataFrame, cases: pd.DataFrame) -> dict[str, pd.DataFrame]:
    components = [c for c in table if str(c).startswith("component_")]
    return {
        SCORES_FILE: table[["case_id", *SCORE_COLUMNS]],
        CASES_FILE: pd.concat([cases, table[list(QUALITY_COLUMNS)]], axis=1),
        FEATURES_FILE: table[["case_id", *components]],
    }


def _write_text(path: Path, text: str) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, "utf-8")
    partial.replace(path)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
