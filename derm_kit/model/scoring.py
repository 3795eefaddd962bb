"""score(): cohort x classifier -> ScoreRun, written as it goes, continued where it was killed."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pandas as pd
from filelock import FileLock, Timeout
from tqdm.auto import tqdm

from derm_kit.cases.cohort import Cohort
from derm_kit.errors import RunError, printable
from derm_kit.model.batches import Batch, Cases, Elsewhere, Pool, threads
from derm_kit.model.classifier import Classifier
from derm_kit.model.identity import identity
from derm_kit.model.parts import PARTS_FOLDER, QUALITY_COLUMNS, Parts
from derm_kit.model.run import REJECTS_FILE, RUN_FILE, SCORE_COLUMNS, ScoreRun, read_run

BATCH_SIZE = {"cpu": 8, "cuda": 64}


def score(
    cohort: Cohort,
    classifier: Classifier | Elsewhere,
    out: Path,
    *,
    batch_size: int | None = None,
    workers: int | None = None,
    progress: bool = True,
    partitioned: bool = False,
) -> ScoreRun:
    """Score every case of `cohort` into the run folder `out` and return the run.

    Each of `workers` (one a core) decodes, checks and scores one batch after another, so decoding overlaps the network;
    where `classifier` is a cluster's (`derm_kit.model.cluster_scoring`), its workers do, and the files are the same.
    Finished parts lie on disk; the same call after an interruption goes on from them and gives the same files. Memory
    does not grow with the number of pictures. A picture that cannot be decoded stands in rejects.csv with rule and next
    step. Of a `partitioned` run each table is a folder of parquet files.

    Raises RunError where `out` is not a folder of its own, holds another run, is being written by another process or
    cannot be written; where no case has a picture; and where a batch does not fit into memory.
    """
    batch_size = BATCH_SIZE[classifier.device] if batch_size is None else batch_size
    if batch_size < 1:
        raise RunError("the batch size is at least 1", value=batch_size, next_step="Leave --batch-size out.")
    _require_readable_name(out)
    parts = Parts(out, len(cohort), batch_size, identity(cohort, classifier, batch_size), partitioned)
    try:
        _require_own_folder(parts, cohort)
        out.mkdir(parents=True, exist_ok=True)
        with FileLock(out / ".lock", timeout=0):
            parts.begin()
            if not len(cohort):
                parts.discard()
                raise _nothing_to_score(parts, cohort)
            if not parts.finished():
                with _pool(classifier, workers) as pool:
                    _score_parts(cohort, pool, parts, progress)
                parts.finish(cohort)
            parts.discard()
    except Timeout:
        raise RunError(
            "one process at a time writes a run", case=str(out), next_step="Wait for the other, or name another --out."
        ) from None
    except MemoryError:
        another = "another --out and " if parts.begun() else ""
        raise RunError(
            "a batch of pictures must fit into memory",
            case=str(out),
            value=f"a batch size of {batch_size}",
            next_step=f"Give {another}a smaller --batch-size, or close other programs and run the same command again.",
        ) from None
    except OSError as error:
        raise RunError(
            f"the run folder must be writable ({error.strerror or type(error).__name__})",
            case=str(error.filename or out),
            next_step="Free space or name another --out; the same command then continues.",
        ) from None
    return read_run(out)


def may_be_continued(out: Path) -> bool:
    """Whether a run was begun in `out` and not finished, so that the same call of score() goes on from there."""
    return not (out / RUN_FILE).is_file() and (out / PARTS_FOLDER / RUN_FILE).is_file()


def _require_readable_name(out: Path) -> None:
    try:
        str(out).encode()
    except UnicodeEncodeError:
        raise RunError(
            "the name of a run folder must be readable text (UTF-8)", case=str(out), next_step="Name another --out."
        ) from None


def _require_own_folder(parts: Parts, cohort: Cohort) -> None:
    """Refuse a folder with other files: read again as a cohort, they and the run's tables would be taken for cases."""
    out = parts.out
    if isinstance(cohort.root, Path) and os.path.realpath(out) == os.path.realpath(cohort.root):
        held = "the pictures that are scored"
    elif out.is_dir() and not (parts.finished() or parts.folder.is_dir()):
        names = sorted({p.name for p in out.iterdir() if not p.name.startswith(".")} - {REJECTS_FILE})
        held = f"{len(names):,} other files or folders, such as {printable(names[0], 60)}" if names else ""
    else:
        held = ""
    if held:
        raise RunError(
            "a run is written into a folder of its own",
            case=str(out),
            value=held,
            next_step="Name a new folder, such as --out derm-kit-run.",
        )


def _nothing_to_score(parts: Parts, cohort: Cohort) -> RunError:
    """The refusal of a cohort without a case; what was rejected stands in rejects.csv."""
    rule = "a run needs at least one case with a picture"
    if cohort.rejects.empty:
        step = "'derm-kit cohort' on the same folder says what was understood and what was not."
        return RunError(rule, case=cohort.name, next_step=step)
    n = parts.write_rejects([cohort.rejects])
    first = cohort.rejects.iloc[0]
    return RunError(
        f"{rule}; {n:,} rejected, first {printable(first['file'])}: {first['rule']}",
        case=cohort.name,
        next_step=f"{first['next_step']} Each rejected case: {parts.out / REJECTS_FILE}",
    )


def _pool(classifier: Classifier | Elsewhere, workers: int | None) -> AbstractContextManager[Pool]:
    return threads(classifier, workers or _cores()) if isinstance(classifier, Classifier) else classifier.pool()


def _score_parts(cohort: Cohort, pool: Pool, parts: Parts, progress: bool) -> None:
    """Score what is missing."""
    missing = parts.missing()
    done = len(cohort) - sum(len(parts.rows(part)) for part in missing)
    with tqdm(total=len(cohort), initial=done, unit="case", desc="Scoring", disable=None if progress else True) as bar:
        batches: list[Batch] = []
        for part, scored in _in_order(pool, _jobs(parts, missing, pool), cohort, parts.batch_size):
            batches += scored
            bar.update(sum(map(len, scored)))
            rows = parts.rows(part)
            if sum(map(len, batches)) == len(rows):
                parts.write(part, _table(cohort.cases.iloc[rows.start : rows.stop], batches))
                batches = []


def _jobs(parts: Parts, missing: list[int], pool: Pool) -> Iterator[tuple[int, range]]:
    """Parts cut into jobs, smaller towards the end: else all would wait for the one that has the last large job.

    Guided self-scheduling (Polychronopoulos and Kuck 1987, doi 10.1109/TC.1987.5009495).
    """
    left = sum(len(parts.rows(part)) for part in missing)
    for part in missing:
        rows = parts.rows(part)
        while rows:
            share = left // (parts.batch_size * pool.ahead)
            job = rows[: parts.batch_size * max(1, min(pool.batches_a_job, share))]
            rows, left = rows[len(job) :], left - len(job)
            yield part, job


def _in_order(
    pool: Pool, jobs: Iterator[tuple[int, range]], cohort: Cohort, batch_size: int
) -> Iterator[tuple[int, list[Batch]]]:
    """Results of the jobs in their order, at most `pool.ahead` of them under way."""
    ids, images = cohort.cases["case_id"].to_numpy(object), cohort.cases["image"].to_numpy(object)
    waiting: deque[tuple[int, Future[list[Batch]]]] = deque()

    def cases(rows: range) -> Cases:
        return [(str(ids[i]), cohort.root / images[i] if images[i] else None) for i in rows]

    try:
        for part, rows in jobs:
            job = [cases(rows[i : i + batch_size]) for i in range(0, len(rows), batch_size)]
            waiting.append((part, pool.submit(job)))
            if len(waiting) > pool.ahead:
                first, future = waiting.popleft()
                yield first, pool.result(future)
        while waiting:
            first, future = waiting.popleft()
            yield first, pool.result(future)
    finally:
        for _, future in waiting:
            future.cancel()


def _table(cases: pd.DataFrame, batches: list[Batch]) -> pd.DataFrame:
    features = np.concatenate([b.features for b in batches])
    about = pd.DataFrame(
        {
            "case_id": cases["case_id"].to_numpy(),
            "file": cases["image"].to_numpy(),
            "rule": [rule for b in batches for rule in b.rules],
            "next_step": [step for b in batches for step in b.next_steps],
        }
    )
    quality = pd.DataFrame([q for b in batches for q in b.qualities], columns=list(QUALITY_COLUMNS))
    scores = pd.DataFrame(np.concatenate([b.scores for b in batches]), columns=list(SCORE_COLUMNS))
    components = pd.DataFrame(features, columns=[f"component_{i:02d}" for i in range(features.shape[1])])
    return pd.concat([about, quality, scores, components], axis=1)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
