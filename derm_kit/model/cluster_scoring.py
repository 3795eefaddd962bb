"""Scoring by the workers of a Dask cluster: this process lists the cases and writes the run, they decode and score.

A job is a few batches; its scores come back and this process alone writes them, so a job that a lost worker left is
done again by another and still stands in the run once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from derm_kit.errors import DermKitError, RunError
from derm_kit.model.batches import Batch, Case, Cases, Pool
from derm_kit.model.card import ModelCard, default_model, load_card
from derm_kit.model.classifier import Device
from derm_kit.model.cluster import ClusterError, awaited, n_threads
from derm_kit.model.cluster_work import Wanted, ready, score_job

BATCHES_A_JOB = 8
"""A second or so of work: little is lost with a worker, and the scheduler has little to do."""
JOBS_A_THREAD = 3
WORKER_S = 120
"""How long the first worker may take to come and load the model."""
LOOK_S = 5
"""After how long a wait is looked whether there is any worker."""

Tell = Callable[[str], None]
NO_WORKER = "No worker is connected; the work waits until one comes (dask worker ADDRESS)."


@dataclass(frozen=True)
class ClusterScorer:
    """The model on the workers of a cluster; `score` takes it in the place of a Classifier."""

    client: Any
    card: ModelCard
    device: Literal["cpu", "cuda"]
    wanted: Wanted
    tell: Tell

    @classmethod
    def of(cls, client: Any, model: Path | None = None, device: Device = "auto", tell: Tell = print) -> ClusterScorer:  # noqa: ANN401 - distributed has no types
        """Ask a worker of `client` for the model in `model` (the same path there) on its device.

        Raises ClusterError where no worker comes or derm-kit is missing there, and ModelError where it has another
        model, other versions or no such device.
        """
        card = load_card(model or default_model())
        wanted = Wanted.of(card, model, device)
        asked = client.submit(ready, wanted, pure=False)
        try:
            found = asked.result(timeout=WORKER_S)
        except DermKitError:
            raise
        except TimeoutError:
            raise ClusterError(
                f"a worker must come within {WORKER_S} s",
                case=client.scheduler.address,
                next_step="Start one with 'dask worker ADDRESS', and run the same command again.",
            ) from None
        except Exception as error:
            raise ClusterError(
                f"a worker must be able to load the model ({type(error).__name__})",
                case=client.scheduler.address,
                value=error,
                next_step="Install the same derm-kit on each worker and restart it.",
            ) from error
        return cls(client, card, found, replace(wanted, device=found), tell)

    @contextmanager
    def pool(self) -> Iterator[Pool]:
        """The workers, those among them that come later or come back."""
        yield _Workers(self.client, self.client.get_executor(pure=False), self.wanted, self.tell)


@dataclass
class _Workers:
    client: Any
    executor: Executor
    wanted: Wanted
    tell: Tell
    batches_a_job: int = BATCHES_A_JOB
    _jobs: dict[Future[list[Batch]], list[Cases]] = field(default_factory=dict)
    _ahead: int = JOBS_A_THREAD
    _looked: float = -LOOK_S

    @property
    def ahead(self) -> int:
        if time.monotonic() - self._looked > LOOK_S:
            self._ahead, self._looked = JOBS_A_THREAD * max(1, n_threads(self.client)), time.monotonic()
        return self._ahead

    def submit(self, job: list[Cases]) -> Future[list[Batch]]:
        there = [[(case, path.absolute() if path else None) for case, path in cases] for cases in job]
        future = self.executor.submit(score_job, self.wanted, there)
        self._jobs[future] = job
        return future

    def result(self, future: Future[list[Batch]]) -> list[Batch]:
        done = awaited(self.client, future, lambda: self.tell(NO_WORKER), LOOK_S)
        for cases, batch in zip(self._jobs.pop(future), done, strict=True):
            _require_seen(cases, batch)
        return done


def _require_seen(cases: Cases, batch: Batch) -> None:
    """Raise RunError where a worker could not read a picture that is readable here: it is not the picture's fault."""
    for case, rule in zip(cases, batch.rules, strict=True):
        if rule.startswith("the file must be readable") and _readable(case):
            raise RunError(
                "a worker must see the pictures under the path that they have here",
                case=str(case[1]),
                value=rule,
                next_step="Mount the folder under the same path on each worker, or name it by a store's address "
                "(s3://…); then run the same command again.",
            )


def _readable(case: Case) -> bool:
    try:
        if case[1] is not None:
            case[1].open("rb").close()
            return True
    except OSError:
        pass
    return False
