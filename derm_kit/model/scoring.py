"""score(): cohort x classifier -> ScoreRun, written as it goes, continued where it was killed."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout
from tqdm.auto import tqdm

from derm_kit.cases.cohort import Cohort, write_rejects
from derm_kit.cases.images import decode
from derm_kit.cases.quality import Quality, assess
from derm_kit.errors import CaseError, RunError
from derm_kit.model.classifier import Classifier
from derm_kit.model.run import (
    CASES_FILE,
    FEATURES_FILE,
    REJECTS_FILE,
    RUN_FILE,
    SCORE_COLUMNS,
    SCORES_FILE,
    ScoreRun,
    read_run,
)

SCHEMA_VERSION = 1
BATCH_SIZE = {"cpu": 8, "cuda": 64}
BATCHES_PER_PART = 64
PARTS = ".parts"
LOCK = ".lock"


@dataclass(frozen=True)
class _Plan:
    """Which cohort rows go into which part; the same plan gives the same files, however often it is interrupted."""

    batch_size: int
    n_cases: int

    @property
    def part_size(self) -> int:
        return self.batch_size * BATCHES_PER_PART

    @property
    def n_parts(self) -> int:
        return -(-self.n_cases // self.part_size)

    def rows(self, part: int) -> range:
        return range(part * self.part_size, min((part + 1) * self.part_size, self.n_cases))


def score(
    cohort: Cohort,
    classifier: Classifier,
    out: Path,
    *,
    batch_size: int | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> ScoreRun:
    """Score every case of `cohort` into the run folder `out` and return the run.

    Each worker decodes, checks and scores one batch after another, so decoding overlaps the network. Finished parts lie
    on disk; the same call after an interruption goes on from them and gives the same files. Memory does not grow with
    the number of pictures. Pictures that cannot be decoded stand in rejects.csv with rule and next step.

    Raises RunError where `out` holds another run, is being written by another process, or cannot be written.
    """
    plan = _Plan(batch_size or BATCH_SIZE[classifier.device], len(cohort))
    if plan.batch_size < 1:
        raise RunError("the batch size is at least 1", value=batch_size, next_step="Leave --batch-size out.")
    if not len(cohort):
        raise RunError(
            "a run needs at least one case with a picture",
            case=cohort.name,
            value=f"{len(cohort.rejects)} rejected",
            next_step="'derm-kit cohort' on the same folder says what was understood and what was not.",
        )
    identity = _identity(cohort, classifier, plan)
    try:
        (out / PARTS).mkdir(parents=True, exist_ok=True)
        with FileLock(out / LOCK, timeout=0):
            if (out / RUN_FILE).is_file():
                _require_same(out / RUN_FILE, identity)
            else:
                started = _begin(out, identity)
                _score_parts(cohort, classifier, out, plan, workers or _cores(), progress)
                _finish(cohort, out, plan, identity, started)
            shutil.rmtree(out / PARTS)
    except Timeout:
        raise RunError(
            "one process at a time writes a run", case=str(out), next_step="Wait for the other, or name another --out."
        ) from None
    except OSError as error:
        raise RunError(
            f"the run folder must be writable ({error.strerror or type(error).__name__})",
            case=str(error.filename or out),
            next_step="Free space or name another --out; the same command then continues.",
        ) from None
    return read_run(out)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _identity(cohort: Cohort, classifier: Classifier, plan: _Plan) -> dict[str, Any]:
    digest = hashlib.sha256(pd.util.hash_pandas_object(cohort.cases, index=False).to_numpy().tobytes())
    return {
        "schema_version": SCHEMA_VERSION,
        "cohort": cohort.name,
        "cohort_root": str(cohort.root.resolve()),
        "cohort_sha256": digest.hexdigest(),
        "model": f"{classifier.card.name} {classifier.card.version}",
        "model_hash": classifier.card.model_hash,
        "trained_types": [t.value for t in classifier.card.types],
        "device": classifier.device,
        "batch_size": plan.batch_size,
        "versions": {p: version(p) for p in ("derm-kit", "onnxruntime", "opencv-python-headless", "simplejpeg")},
    }


def _require_same(file: Path, identity: dict[str, Any]) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(file.read_text("utf-8"))
    except ValueError:
        found = {}
    different = [k for k, v in identity.items() if found.get(k) != v]
    if different:
        raise RunError(
            f"a run is continued only with the same cohort, model and settings; {', '.join(different)} differ",
            case=str(file.parent),
            next_step="Name another --out, or remove this folder if its scores are not wanted.",
        )
    return found


def _begin(out: Path, identity: dict[str, Any]) -> str:
    """Time at which this run was first begun; what an earlier call left must be of the same run."""
    plan_file = out / PARTS / RUN_FILE
    if plan_file.is_file():
        return str(_require_same(plan_file, identity)["started"])
    started = _now()
    _write_text(plan_file, json.dumps(identity | {"started": started}))
    return started


def _score_parts(cohort: Cohort, classifier: Classifier, out: Path, plan: _Plan, workers: int, progress: bool) -> None:
    missing = [part for part in range(plan.n_parts) if not _part_file(out, part).is_file()]
    done = plan.n_cases - sum(len(plan.rows(part)) for part in missing)
    with (
        ThreadPoolExecutor(workers) as pool,
        tqdm(total=plan.n_cases, initial=done, unit="case", desc="Scoring", disable=not progress) as bar,
    ):
        jobs = (
            (part, rows[i : i + plan.batch_size])
            for part in missing
            for rows in (plan.rows(part),)
            for i in range(0, len(rows), plan.batch_size)
        )
        tables: list[pd.DataFrame] = []
        for part, table in _in_order(pool, jobs, cohort, classifier, ahead=2 * workers):
            tables.append(table)
            bar.update(len(table))
            if sum(map(len, tables)) == len(plan.rows(part)):
                _write_parquet(_part_file(out, part), pd.concat(tables, ignore_index=True))
                tables = []


def _in_order(
    pool: ThreadPoolExecutor, jobs: Iterator[tuple[int, range]], cohort: Cohort, classifier: Classifier, ahead: int
) -> Iterator[tuple[int, pd.DataFrame]]:
    """Results of the jobs in their order, at most `ahead` of them under way."""
    waiting: deque[tuple[int, Future[pd.DataFrame]]] = deque()
    try:
        for part, rows in jobs:
            waiting.append((part, pool.submit(_score_batch, cohort, classifier, rows)))
            if len(waiting) > ahead:
                first, future = waiting.popleft()
                yield first, future.result()
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()
    finally:
        for _, future in waiting:
            future.cancel()


def _score_batch(cohort: Cohort, classifier: Classifier, rows: range) -> pd.DataFrame:
    """One row a case: scores, quality and features, or the rule that rejected it."""
    batch = cohort.cases.iloc[rows.start : rows.stop]
    squares: list[np.ndarray[Any, np.dtype[np.uint8]]] = []
    qualities: list[Quality] = []
    rejected: dict[int, CaseError] = {}
    for i, (case_id, image) in enumerate(zip(batch["case_id"], batch["image"], strict=True)):
        try:
            rgb = decode(cohort.root / image, case=case_id).rgb
        except CaseError as error:
            rejected[i] = error
        else:
            qualities.append(assess(rgb))
            squares.append(classifier.square(rgb))
    scored = [i for i in range(len(batch)) if i not in rejected]
    table = pd.DataFrame({"case_id": batch["case_id"].to_numpy(), "file": batch["image"].to_numpy()})
    table["rule"] = [rejected[i].rule if i in rejected else "" for i in range(len(batch))]
    table["next_step"] = [rejected[i].next_step if i in rejected else "" for i in range(len(batch))]
    scores = np.full((len(batch), len(SCORE_COLUMNS)), np.nan, np.float32)
    features = np.zeros((len(batch), classifier.card.feature_components), np.float16)
    if squares:
        inference = classifier.infer(np.stack(squares))
        scores[scored], features[scored] = inference.scores, inference.features
    quality = pd.DataFrame(
        {
            "quality_fail": [q.fail for q in qualities],
            "quality_reason": [q.reason for q in qualities],
            "quality_warning": [q.warning for q in qualities],
        },
        index=scored,
    ).reindex(range(len(batch)))
    quality["quality_fail"] = quality["quality_fail"].eq(True)
    quality[["quality_reason", "quality_warning"]] = quality[["quality_reason", "quality_warning"]].fillna("")
    return pd.concat(
        [
            table,
            pd.DataFrame(scores, columns=list(SCORE_COLUMNS)),
            quality,
            pd.DataFrame(features, columns=[f"component_{i:02d}" for i in range(features.shape[1])]),
        ],
        axis=1,
    )


def _finish(cohort: Cohort, out: Path, plan: _Plan, identity: dict[str, Any], started: str) -> None:
    """Turn the parts into the run's files, one part in memory at a time; run.json comes last and makes it a run."""
    rejects = [cohort.rejects]
    writers: dict[str, pq.ParquetWriter] = {}
    n_scored = 0
    try:
        for part in range(plan.n_parts):
            rows = plan.rows(part)
            table = pq.read_table(_part_file(out, part)).to_pandas()
            rejected = table["rule"] != ""
            rejects.append(table.loc[rejected, ["case_id", "file", "rule", "next_step"]])
            kept = table[~rejected]
            n_scored += len(kept)
            cases = cohort.cases.iloc[rows.start : rows.stop][~rejected.to_numpy()].reset_index(drop=True)
            quality = kept[["quality_fail", "quality_reason", "quality_warning"]].reset_index(drop=True)
            components = [c for c in kept if str(c).startswith("component_")]
            for name, frame in (
                (SCORES_FILE, kept[["case_id", *SCORE_COLUMNS]]),
                (CASES_FILE, pd.concat([cases, quality], axis=1)),
                (FEATURES_FILE, kept[["case_id", *components]]),
            ):
                arrow = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata()
                if name not in writers:
                    writers[name] = pq.ParquetWriter(out / f"{name}.partial", arrow.schema, compression="zstd")
                writers[name].write_table(arrow)
    finally:
        for writer in writers.values():
            writer.close()
    for name in writers:
        (out / f"{name}.partial").replace(out / name)
    table = pd.concat(rejects, ignore_index=True)
    write_rejects(out / REJECTS_FILE, table)
    meta = identity | {
        "n_cases": n_scored,
        "n_rejected": len(table),
        "platform": platform.platform(),
        "started": started,
        "finished": _now(),
    }
    _write_text(out / RUN_FILE, json.dumps(meta, indent=1) + "\n")


def _part_file(out: Path, part: int) -> Path:
    return out / PARTS / f"{part:06d}.parquet"


def _write_parquet(path: Path, frame: pd.DataFrame) -> None:
    partial = path.with_suffix(".partial")
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), partial)
    partial.replace(path)


def _write_text(path: Path, text: str) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, "utf-8")
    partial.replace(path)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
