"""Maps and their checks by a cluster: a worker's machine does the slow work on a picture, in a process of its own.

Drawing then takes no thread from scoring, and a map that ends its process ends no worker. Beside the one worker that
`derm-kit serve` starts, the process runs beside the page and asks that worker for scores.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from typing import Any
from uuid import uuid4

from derm_kit.model.classifier import Classifier, Floats
from derm_kit.model.cluster import awaited, losses_told
from derm_kit.model.cluster_work import Wanted, loaded
from derm_kit.model.shared import LOOK_S, RESTARTING, SharedClassifier
from derm_kit.model.side_process import SideProcess, Trust, Work

Progress = Callable[[float], None]


def begin(classifier: Classifier, work: Work) -> SideProcess | ClusterWork:
    """Start slow work on a picture where it belongs. Raises as SideProcess does, and ClusterError as a cluster does."""
    if isinstance(classifier, SharedClassifier) and not classifier.at.beside_pages:
        return ClusterWork(classifier, work)
    return SideProcess(classifier, work)


class ClusterWork:
    """Work that is under way on a cluster; SideProcess for whoever waits for it."""

    def __init__(self, classifier: SharedClassifier, work: Work) -> None:
        self._classifier = classifier
        self._topic = f"derm-kit-map-{uuid4().hex}"
        self._progress: Progress = lambda share: None
        self.cancelled = False
        with classifier.connected() as self._client:
            self._client.subscribe_topic(self._topic, lambda event: self._progress(event[1]))
            self._future: Future[Floats | Trust | None] = self._client.get_executor(pure=False).submit(
                carry_out, classifier.wanted, work, self._topic
            )

    def cancel(self) -> None:
        """End the work; result() then gives None."""
        self.cancelled = True
        self._future.cancel()

    def result(self, progress: Progress = lambda share: None) -> Floats | Trust | None:
        """As SideProcess.result; ClusterError where the cluster is lost."""
        self._progress = progress
        with losses_told(self._classifier.at):
            try:
                return awaited(self._client, self._future, lambda: self._classifier.tell(RESTARTING), LOOK_S)
            except CancelledError:
                if self.cancelled:
                    return None
                raise
            finally:
                if self._client.status == "running":
                    self._client.unsubscribe_topic(self._topic)


def carry_out(wanted: Wanted, work: Work, topic: str) -> Floats | Trust | None:
    """On a worker: what SideProcess gives; shares of 1 are told under `topic`. Raises as SideProcess does."""
    from distributed import get_worker, secede

    worker: Any = get_worker()
    key = worker.get_current_task()
    classifier = loaded(wanted)
    secede()  # type: ignore[no-untyped-call]
    side = SideProcess(classifier, work)

    def tell(share: float) -> None:
        task = worker.state.tasks.get(key)
        if task is None or task.state == "cancelled":
            side.cancel()
        worker.log_event(topic, share)

    return side.result(tell)
