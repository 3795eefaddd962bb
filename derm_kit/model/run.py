"""ScoreRun: the scores of one cohort by one model, as they lie on disk."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from derm_kit import plain_json
from derm_kit.cases.folder_walk import leaves
from derm_kit.cases.parquets import UnfoldsError, read_parquet
from derm_kit.cases.tables import read_table
from derm_kit.errors import CohortError, RunError, printable
from derm_kit.lesions import LESION_TYPES
from derm_kit.model.run_tables import (
    CASE_COLUMNS,
    column_positions,
    require_sound_ids,
    run_columns,
    sound_cases,
    sound_meta,
    sound_scores,
)

SCORES_FILE = "scores.parquet"
CASES_FILE = "cases.parquet"
FEATURES_FILE = "features.parquet"
REJECTS_FILE = "rejects.csv"
RUN_FILE = "run.json"

SCORE_COLUMNS = tuple(t.value for t in LESION_TYPES)
_COPY_AGAIN = "Copy the whole run folder again, or score the cohort into a new one."
MOST_ROWS = 20_000_000
"""Of a parquet: a small one may say of a billion rows that they are alike. A CSV has at most 4 GiB."""


@dataclass(frozen=True, eq=False)
class ScoreRun:
    """Scores of one cohort by one model, held on construction to what a triage policy relies on.

    scores     N rows: case_id and eleven float32 columns named as the lesion types; an untrained type is NaN.
    cases      the same N rows: the cohort's columns, truth as `a|b`, quality_fail (bool), quality_reason, exclusion;
               what a policy reads is written one way, as `run_tables.sound_cases` says.
    features   case_id and up to 64 float16 components of the pooled features, or None.
    meta       what run.json says: schema_version, hashes, versions, device, times; empty for others' scores.

    Raises RunError where the tables are of other cases or in another order, or a value breaks its rule.
    """

    scores: pd.DataFrame
    cases: pd.DataFrame
    features: pd.DataFrame | None = None
    meta: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "scores", sound_scores(self.scores))
        object.__setattr__(self, "cases", sound_cases(self.cases))
        if not self.scores["case_id"].equals(self.cases["case_id"]):
            raise RunError(
                "scores and cases list the same cases in the same order",
                next_step="Score the cohort again, or mend the table whose rows were moved.",
            )

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def matrix(self) -> npt.NDArray[np.float32]:
        """Scores as (N, 11) float32 in order of risk."""
        return self.scores[list(SCORE_COLUMNS)].to_numpy(np.float32)

    @property
    def trained(self) -> npt.NDArray[np.intp]:
        """Columns of `matrix` that the model was trained on: as run.json says, else those with any score."""
        named = self.meta.get("trained_types")
        if named is not None:
            return np.array([i for i, t in enumerate(SCORE_COLUMNS) if t in named], dtype=np.intp)
        return np.flatnonzero(~np.isnan(self.matrix).all(axis=0)) if len(self) else np.arange(len(SCORE_COLUMNS))

    @property
    def model_hash(self) -> str:
        """SHA-256 of the weights that gave the scores; "" where nobody said."""
        return str(self.meta.get("model_hash", ""))

    @property
    def scoring_sha256(self) -> str:
        """SHA-256 of all in the model's card that changes a score; "" where nobody said."""
        return str(self.meta.get("scoring_sha256", ""))

    def joined(self) -> pd.DataFrame:
        """Scores and cases as one table, the form in which reference cohorts ship."""
        return self.scores.merge(self.cases, on="case_id", validate="one_to_one")


def read_run(path: Path) -> ScoreRun:
    """A run folder, a parquet of scores joined with cases, or a CSV of somebody else's scores with truth.

    A CSV may have any encoding and separator that `derm_kit.cases.tables` reads. Raises RunError where the path is none
    of these or no regular file, a row has too few or too many cells, a column is missing or stands twice, an id is
    blank, repeated or unsafe, a value breaks its rule, or the cases do not fit into memory.
    """
    try:
        if path.is_dir():
            return _read_folder(path)
        _require_file(path, "Name a finished run folder, a joined parquet, or a CSV of scores.")
        if path.suffix.lower() == ".parquet":
            table, about = _read_parquet(path)
            return _split(table, path, _read_meta(about, path))
        if path.suffix.lower() == ".csv":
            return _split(_read_csv(path), path, {})
    except CohortError as error:
        raise RunError(error.rule, case=error.case, value=error.value, next_step=error.next_step) from None
    except (OSError, pa.ArrowException, ValueError, MemoryError) as error:
        raise _unreadable(path, error) from None
    raise RunError(
        "a run is a folder written by 'derm-kit score', a .parquet or a .csv",
        case=str(path),
        next_step="Name one of these; 'derm-kit score' makes a run of a folder of pictures.",
    )


def write_joined(run: ScoreRun, path: Path) -> None:
    """Write scores joined with cases as one parquet, with what run.json says in its schema."""
    table = pa.Table.from_pandas(run.joined(), preserve_index=False)
    table = table.replace_schema_metadata({"derm_kit": json.dumps(run.meta)})
    pq.write_table(table, path, compression="zstd")


def _read_folder(folder: Path) -> ScoreRun:
    if not (folder / RUN_FILE).exists():
        raise RunError(
            f"a finished run has {RUN_FILE}, which is missing here",
            case=str(folder),
            next_step="Run the same 'derm-kit score' command again: it continues where it stopped. "
            "A folder of pictures is scored first, into a run folder of its own.",
        )
    _require_inside(folder, [folder / name for name in (RUN_FILE, SCORES_FILE, CASES_FILE, FEATURES_FILE)])
    for name in (SCORES_FILE, CASES_FILE, FEATURES_FILE):
        _require_inside(folder, _files(folder / name))
    for file in (folder / RUN_FILE, *_files(folder / SCORES_FILE), *_files(folder / CASES_FILE)):
        _require_file(file, _COPY_AGAIN)
    meta = _read_meta((folder / RUN_FILE).read_bytes(), folder / RUN_FILE)
    scores, cases = (
        run_columns(_read_parquet(folder / name)[0], str(folder / name)) for name in (SCORES_FILE, CASES_FILE)
    )
    _require_columns(scores, SCORE_COLUMNS, folder / SCORES_FILE)
    _require_columns(cases, CASE_COLUMNS, folder / CASES_FILE)
    require_sound_ids(scores, str(folder / SCORES_FILE))
    if (folder / SCORES_FILE).is_dir() and len(scores) != meta.get("n_cases"):
        raise RunError(
            f"a run has as many scores as its {RUN_FILE} says, {meta.get('n_cases')}",
            case=str(folder / SCORES_FILE),
            value=len(scores),
            next_step=_COPY_AGAIN,
        )
    features = folder / FEATURES_FILE
    return ScoreRun(scores, cases, _read_parquet(features)[0] if features.exists() else None, meta)


def _split(table: pd.DataFrame, path: Path, meta: dict[str, Any]) -> ScoreRun:
    table = run_columns(table, str(path))
    require_sound_ids(table, str(path))
    scores = [name for name in SCORE_COLUMNS if name in table]
    if not scores:
        raise RunError(
            "a score table has at least one column named as a lesion type",
            case=str(path),
            value=", ".join(table.columns[:12]),
            next_step=f"Name the columns case_id, {', '.join(SCORE_COLUMNS)}; a missing type counts as not trained.",
        )
    return ScoreRun(table[["case_id", *scores]], table.drop(columns=scores), meta=meta)


def _read_csv(path: Path) -> pd.DataFrame:
    """The named columns of a text table, every cell as text."""
    where = str(path)
    table = read_table(
        path, lambda header: sorted({i for at in column_positions(header, where).values() for i in at}), every_row=True
    )
    return table.frame.set_axis([table.header[int(i)] for i in table.frame.columns], axis=1)


def _read_parquet(path: Path) -> tuple[pd.DataFrame, bytes]:
    """The table and what run.json says, where the file carries it (else `{}`)."""
    try:
        with ExitStack() as stack:
            files = [stack.enter_context(pq.ParquetFile(file)) for file in _files(path)]
            rows = sum(file.metadata.num_rows for file in files)
            if rows > MOST_ROWS:
                raise RunError(
                    f"a table of scores or cases has at most {MOST_ROWS:,} rows",
                    case=str(path),
                    value=f"{rows:,} rows",
                    next_step="Take a sample of its cases, or read it in parts.",
                )
            about: dict[bytes, bytes] = files[0].schema_arrow.metadata or {}
        table = pa.concat_tables([read_parquet(file) for file in _files(path)])
        return _in_utc(table.to_pandas(ignore_metadata=True)), about.get(b"derm_kit", b"{}")
    except (OSError, pa.ArrowException, UnfoldsError) as error:
        raise _unreadable(path, error) from None


def _in_utc(table: pd.DataFrame) -> pd.DataFrame:
    """The same moments in UTC: one that its own zone puts beyond the last that pandas knows cannot be written out."""
    for i, kind in enumerate(table.dtypes):
        if isinstance(kind, pd.DatetimeTZDtype):
            table.isetitem(i, table.iloc[:, i].dt.tz_convert("UTC"))
    return table


def _files(table: Path) -> list[Path]:
    """The files of a table, in their order: those in its folder where the run is partitioned."""
    return sorted(table.glob("part-*.parquet")) or [table] if table.is_dir() else [table]


def _require_inside(folder: Path, files: list[Path]) -> None:
    """Raise RunError for a file outside the run's folder; nothing is opened or listed before it is known to be in."""
    for file in files:
        if leaves(file, folder):
            raise RunError(
                "a run's files lie in its own folder, and this is a link that leads out of it",
                case=str(file),
                next_step="Put the file itself in the place of the link.",
            )


def _read_meta(text: bytes, path: Path) -> dict[str, Any]:
    try:
        meta = plain_json.parse(text)
    except ValueError as error:
        raise _unreadable(path, error) from None
    return sound_meta(meta, str(path))


def _require_file(path: Path, next_step: str) -> None:
    """Raise RunError unless there is a regular file: reading a pipe or a device might never end."""
    if not path.exists():
        raise RunError("the file is missing", case=str(path), next_step=next_step)
    if not path.is_file():
        raise RunError("a regular file is needed, no pipe, device or folder", case=str(path), next_step=next_step)


def _require_columns(table: pd.DataFrame, wanted: tuple[str, ...], path: Path) -> None:
    missing = [name for name in wanted if name not in table]
    if missing:
        raise RunError(
            f"a run's {path.name} has the columns {', '.join(wanted)}",
            case=str(path),
            value=f"no {', '.join(missing)}",
            next_step="Copy the whole run folder again, or score the cohort into a new one.",
        )


def _unreadable(path: Path, error: Exception) -> RunError:
    if isinstance(error, MemoryError):
        return RunError(
            "a run fits into memory: a million cases take about 1 GiB",
            case=str(path),
            next_step="Close other programs, use a machine with more memory, or take a sample of the cases.",
        )
    said = str(error).splitlines()
    return RunError(
        f"the run cannot be read: {printable(said[0]).rstrip('.') if said else type(error).__name__}",
        case=str(path),
        next_step="Name a finished run folder, a joined parquet, or a CSV of case_id and one column a lesion type.",
    )
