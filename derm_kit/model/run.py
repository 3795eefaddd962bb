"""ScoreRun: the scores of one cohort by one model, as they lie on disk."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from derm_kit.errors import DermKitError, RunError
from derm_kit.lesions import LESION_TYPES, format_truth, parse_truth

SCORES_FILE = "scores.parquet"
CASES_FILE = "cases.parquet"
FEATURES_FILE = "features.parquet"
REJECTS_FILE = "rejects.csv"
RUN_FILE = "run.json"

SCORE_COLUMNS = tuple(t.value for t in LESION_TYPES)
RUN_TEXTS = ("truth", "exclusion", "quality_reason", "source")


@dataclass(frozen=True)
class ScoreRun:
    """Scores of one cohort by one model.

    scores     N rows: case_id and eleven float32 columns named as the lesion types; an untrained type is NaN.
    cases      the same N rows: the cohort's columns, truth as `a|b`, quality_fail (bool), quality_reason, exclusion.
    features   case_id and up to 64 float16 components of the pooled features, or None.
    meta       what run.json says: schema_version, model_hash, versions, device, times; empty for others' scores.
    """

    scores: pd.DataFrame
    cases: pd.DataFrame
    features: pd.DataFrame | None = None
    meta: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if list(self.scores["case_id"]) != list(self.cases["case_id"]):
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

    def joined(self) -> pd.DataFrame:
        """Scores and cases as one table, the form in which reference cohorts ship."""
        return self.scores.merge(self.cases, on="case_id", validate="one_to_one")


def read_run(path: Path) -> ScoreRun:
    """A run folder, a parquet of scores joined with cases, or a CSV of somebody else's scores with truth.

    Raises RunError where the path is none of these, columns are missing, or a score lies outside 0 to 1.
    """
    try:
        if path.is_dir():
            return _read_folder(path)
        if path.suffix.lower() == ".parquet":
            meta = json.loads((pq.read_schema(path).metadata or {}).get(b"derm_kit", b"{}"))
            return _split(pq.read_table(path).to_pandas(), path, meta)
        if path.suffix.lower() == ".csv":
            return _split(pd.read_csv(path, dtype={"case_id": str, **dict.fromkeys(RUN_TEXTS, str)}), path, {})
    except (OSError, pa.ArrowException, ValueError, pd.errors.ParserError) as error:
        raise RunError(
            f"the scores cannot be read: {str(error).splitlines()[0] if str(error) else type(error).__name__}",
            case=str(path),
            next_step="Name a finished run folder, a joined parquet, or a CSV of case_id and one column a lesion type.",
        ) from None
    raise RunError(
        "a run is a folder written by 'derm-kit score', a .parquet or a .csv",
        case=str(path),
        next_step="Name one of these.",
    )


def write_joined(run: ScoreRun, path: Path) -> None:
    """Write scores joined with cases as one parquet, with what run.json says in its schema."""
    table = pa.Table.from_pandas(run.joined(), preserve_index=False)
    table = table.replace_schema_metadata({"derm_kit": json.dumps(run.meta)})
    pq.write_table(table, path, compression="zstd")


def _read_folder(folder: Path) -> ScoreRun:
    if not (folder / RUN_FILE).is_file():
        raise RunError(
            f"a finished run has {RUN_FILE}, which is missing here",
            case=str(folder),
            next_step="Run the same 'derm-kit score' command again: it continues where it stopped.",
        )
    features = folder / FEATURES_FILE
    return ScoreRun(
        scores=_valid_scores(pq.read_table(folder / SCORES_FILE).to_pandas(), folder),
        cases=pq.read_table(folder / CASES_FILE).to_pandas(),
        features=pq.read_table(features).to_pandas() if features.is_file() else None,
        meta=json.loads((folder / RUN_FILE).read_text("utf-8")),
    )


def _split(table: pd.DataFrame, path: Path, meta: dict[str, Any]) -> ScoreRun:
    scores = _valid_scores(table, path)
    cases = table.drop(columns=[c for c in SCORE_COLUMNS if c in table]).copy()
    cases["case_id"] = scores["case_id"]
    for column in RUN_TEXTS:
        cases[column] = cases[column].fillna("").astype(str) if column in cases else ""
    cases["quality_fail"] = cases["quality_fail"].astype(bool) if "quality_fail" in cases else False
    try:
        cases["truth"] = [format_truth(parse_truth(t)) for t in cases["truth"]]
    except DermKitError as error:
        raise RunError(
            f"truth must name lesion types, joined by '|' where left open; {error.rule}",
            case=str(path),
            value=error.value,
            next_step=f"Use the names {', '.join(SCORE_COLUMNS)}.",
        ) from None
    return ScoreRun(scores=scores, cases=cases, meta=meta)


def _valid_scores(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    if "case_id" not in table or not set(SCORE_COLUMNS) & set(table.columns):
        raise RunError(
            "a score table has case_id and at least one column named as a lesion type",
            case=str(path),
            value=", ".join(map(str, table.columns[:12])),
            next_step=f"Name the columns case_id, {', '.join(SCORE_COLUMNS)}; a missing type counts as not trained.",
        )
    scores = pd.DataFrame({"case_id": table["case_id"].astype(str)})
    for column in SCORE_COLUMNS:
        values = pd.to_numeric(table[column]) if column in table else np.nan
        scores[column] = np.asarray(values, dtype=np.float32) if column in table else np.float32(np.nan)
    matrix = scores[list(SCORE_COLUMNS)].to_numpy()
    wrong = np.argwhere((matrix < 0) | (matrix > 1))
    if len(wrong):
        row, column = wrong[0]
        raise RunError(
            f"the {SCORE_COLUMNS[column]} score lies between 0 and 1",
            case=str(scores["case_id"].iloc[row]),
            value=float(matrix[row, column]),
            next_step="Give scores after softmax or sigmoid, not logits.",
        )
    twice = scores["case_id"][scores["case_id"].duplicated()]
    if len(twice):
        raise RunError(
            "each case stands once in a score table", case=str(twice.iloc[0]), next_step="Remove the double rows."
        )
    return scores
