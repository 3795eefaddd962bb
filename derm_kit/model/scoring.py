"""score(): cohort x classifier -> ScoreRun, written as it goes, continued where it was killed."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from filelock import FileLock, Timeout
from threadpoolctl import threadpool_limits
from tqdm.auto import tqdm

from derm_kit.cases.cohort import Cohort
from derm_kit.cases.images import decode
from derm_kit.cases.quality import assess
from derm_kit.errors import CaseError, RunError, printable
from derm_kit.model.classifier import Classifier
from derm_kit.model.identity import identity
from derm_kit.model.parts import PARTS_FOLDER, QUALITY_COLUMNS, Parts
from derm_kit.model.run import REJECTS_FILE, RUN_FILE, SCORE_COLUMNS, ScoreRun, read_run

BATCH_SIZE = {"cpu": 8, "cuda": 64}
_NO_PICTURE = ("a case needs a picture to be scored", "Name the folder that holds the pictures with their table.")


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

    Each of `workers` (one a core) decodes, checks and scores one batch after another, so decoding overlaps the network.
    Finished parts lie on disk; the same call after an interruption goes on from them and gives the same files. Memory
    does not grow with the number of pictures. A picture that cannot be decoded stands in rejects.csv with rule and next
    step.

    Raises RunError where `out` is not a folder of its own, holds another run, is being written by another process or
    cannot be written; where no case has a picture; and where a batch does not fit into memory.
    """
    batch_size = BATCH_SIZE[classifier.device] if batch_size is None else batch_size
    if batch_size < 1:
        raise RunError("the batch size is at least 1", value=batch_size, next_step="Leave --batch-size out.")
    _require_readable_name(out)
    parts = Parts(out, len(cohort), batch_size, identity(cohort, classifier, batch_size))
    try:
        _require_own_folder(parts, cohort)
        out.mkdir(parents=True, exist_ok=True)
        with FileLock(out / ".lock", timeout=0):
            parts.begin()
            if not len(cohort):
                parts.discard()
                raise _nothing_to_score(parts, cohort)
            if not parts.finished():
                _score_parts(cohort, classifier, parts, workers or _cores(), progress)
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
    if os.path.realpath(out) == os.path.realpath(cohort.root):
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


@dataclass(frozen=True)
class _Batch:
    """One entry a case, of length n; scores (n, 11) are NaN and features (n, P) 0 where a rule rejected the case."""

    rules: list[str]
    next_steps: list[str]
    qualities: list[tuple[bool, str, str]]
    scores: npt.NDArray[np.float32]
    features: npt.NDArray[np.float16]

    def __len__(self) -> int:
        return len(self.rules)


def _score_parts(cohort: Cohort, classifier: Classifier, parts: Parts, workers: int, progress: bool) -> None:
    """Score what is missing, a thread a worker: threads of NumPy's own would wait, spinning, on the workers' cores."""
    missing = parts.missing()
    done = len(cohort) - sum(len(parts.rows(part)) for part in missing)
    with (
        threadpool_limits(1, user_api="blas"),
        ThreadPoolExecutor(workers) as pool,
        tqdm(total=len(cohort), initial=done, unit="case", desc="Scoring", disable=None if progress else True) as bar,
    ):
        batches: list[_Batch] = []
        for part, batch in _in_order(pool, _jobs(parts, missing), cohort, classifier, ahead=2 * workers):
            batches.append(batch)
            bar.update(len(batch))
            rows = parts.rows(part)
            if sum(map(len, batches)) == len(rows):
                parts.write(part, _table(cohort.cases.iloc[rows.start : rows.stop], batches))
                batches = []


def _jobs(parts: Parts, missing: list[int]) -> Iterator[tuple[int, range]]:
    for part in missing:
        rows = parts.rows(part)
        for i in range(0, len(rows), parts.batch_size):
            yield part, rows[i : i + parts.batch_size]


def _in_order(
    pool: ThreadPoolExecutor, jobs: Iterator[tuple[int, range]], cohort: Cohort, classifier: Classifier, ahead: int
) -> Iterator[tuple[int, _Batch]]:
    """Results of the jobs in their order, at most `ahead` of them under way."""
    ids, images = cohort.cases["case_id"].to_numpy(object), cohort.cases["image"].to_numpy(object)
    waiting: deque[tuple[int, Future[_Batch]]] = deque()
    try:
        for part, rows in jobs:
            cases = [(str(ids[i]), cohort.root / images[i] if images[i] else None) for i in rows]
            waiting.append((part, pool.submit(_score_batch, cases, classifier)))
            if len(waiting) > ahead:
                first, future = waiting.popleft()
                yield first, future.result()
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()
    finally:
        for _, future in waiting:
            future.cancel()


def _score_batch(cases: list[tuple[str, Path | None]], classifier: Classifier) -> _Batch:
    n = len(cases)
    batch = _Batch(
        [""] * n,
        [""] * n,
        [(False, "", "")] * n,
        np.full((n, len(SCORE_COLUMNS)), np.nan, np.float32),
        np.zeros((n, classifier.card.feature_components), np.float16),
    )
    squares: dict[int, npt.NDArray[np.uint8]] = {}
    for i, (case_id, path) in enumerate(cases):
        if path is None:
            batch.rules[i], batch.next_steps[i] = _NO_PICTURE
            continue
        try:
            rgb = decode(path, case=case_id).rgb
        except CaseError as error:
            batch.rules[i], batch.next_steps[i] = error.finding, error.next_step
        else:
            quality = assess(rgb)
            batch.qualities[i] = (quality.fail, quality.reason, quality.warning)
            squares[i] = classifier.square(rgb)
    if squares:
        inference = classifier.infer(np.stack(list(squares.values())))
        batch.scores[list(squares)], batch.features[list(squares)] = inference.scores, inference.features
    return batch


def _table(cases: pd.DataFrame, batches: list[_Batch]) -> pd.DataFrame:
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
