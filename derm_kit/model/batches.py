"""What is done with batches of cases: decoded, checked, scored; by threads of this process or by workers elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from derm_kit.cases.images import decode
from derm_kit.cases.quality import assess
from derm_kit.errors import CaseError
from derm_kit.model.card import ModelCard
from derm_kit.model.classifier import Classifier
from derm_kit.model.run import SCORE_COLUMNS

if TYPE_CHECKING:
    from derm_kit.cases.places import Place

Case: TypeAlias = "tuple[str, Place | None]"
"""A case's id and its picture; None where it has none."""
Cases: TypeAlias = list[Case]

NO_PICTURE = ("a case needs a picture to be scored", "Name the folder that holds the pictures with their table.")


@dataclass(frozen=True)
class Batch:
    """One entry a case, of length n; scores (n, 11) are NaN and features (n, P) 0 where a rule rejected the case."""

    rules: list[str]
    next_steps: list[str]
    qualities: list[tuple[bool, str, str]]
    scores: npt.NDArray[np.float32]
    features: npt.NDArray[np.float16]

    def __len__(self) -> int:
        return len(self.rules)


class Pool(Protocol):
    """Whoever scores jobs of a few batches each, side by side."""

    @property
    def batches_a_job(self) -> int:
        """How many batches go out at once."""
        ...

    @property
    def ahead(self) -> int:
        """How many jobs may be under way, those that wait for a worker among them."""
        ...

    def submit(self, job: list[Cases]) -> Future[list[Batch]]:
        """Begin a job."""
        ...

    def result(self, future: Future[list[Batch]]) -> list[Batch]:
        """Wait for a job. Raises RunError, ModelError or MemoryError where it could not be done."""
        ...


class Scorer(Protocol):
    """A model on one kind of device, in this process or elsewhere: what `score` needs of a Classifier or a cluster."""

    @property
    def card(self) -> ModelCard:
        """The model's card."""
        ...

    @property
    def device(self) -> Literal["cpu", "cuda"]:
        """What the network runs on."""
        ...


class Elsewhere(Scorer, Protocol):
    """A scorer whose workers are not in this process."""

    def pool(self) -> AbstractContextManager[Pool]:
        """Its workers, for one run."""
        ...


@dataclass(frozen=True)
class _Threads:
    """Threads of this process, each with one batch at a time."""

    executor: ThreadPoolExecutor
    classifier: Classifier
    ahead: int
    batches_a_job: int = 1

    def submit(self, job: list[Cases]) -> Future[list[Batch]]:
        return self.executor.submit(score_batches, job, self.classifier)

    def result(self, future: Future[list[Batch]]) -> list[Batch]:
        return future.result()


@contextmanager
def threads(classifier: Classifier, workers: int) -> Iterator[Pool]:
    """`workers` threads here; threads of NumPy's own would wait, spinning, on the cores of these."""
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(workers) as executor:
        yield _Threads(executor, classifier, 2 * workers)


def score_batches(job: list[Cases], classifier: Classifier) -> list[Batch]:
    """Each batch of `job` by itself: which cases share a batch must not depend on who scores them."""
    return [_score_batch(cases, classifier) for cases in job]


def _score_batch(cases: Cases, classifier: Classifier) -> Batch:
    n = len(cases)
    batch = Batch(
        [""] * n,
        [""] * n,
        [(False, "", "")] * n,
        np.full((n, len(SCORE_COLUMNS)), np.nan, np.float32),
        np.zeros((n, classifier.card.feature_components), np.float16),
    )
    squares: dict[int, npt.NDArray[np.uint8]] = {}
    for i, (case_id, path) in enumerate(cases):
        if path is None:
            batch.rules[i], batch.next_steps[i] = NO_PICTURE
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
