"""One model for all pages: scoring by the worker that `derm-kit serve` starts, or by the cluster that it was given.

A page holds the card and no network. What is asked for waits while the worker is started again, and is not lost.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from derm_kit.model.card import default_model, load_card
from derm_kit.model.classifier import Classifier, Device, Inference, Pixels
from derm_kit.model.cluster import ClusterAddress, awaited, connect, is_this_machine, losses_told
from derm_kit.model.cluster_work import Wanted, infer_job

SCHEDULER, CA, CERTIFICATE, KEY, CLOSED_NETWORK, BESIDE_PAGES = (
    f"DERM_KIT_{name}" for name in ("SCHEDULER", "TLS_CA", "TLS_CERT", "TLS_KEY", "CLOSED_NETWORK", "BESIDE_PAGES")
)
"""The variables that name a cluster to commands and pages."""
LOOK_S = 1
"""After how long a wait is looked whether the worker is there."""
RESTARTING = "The scoring worker stopped and is being started again. What you gave is kept and waits for it."


class SharedClassifier(Classifier):
    """A Classifier whose network runs on a worker of the cluster `at`; it connects when it is first asked.

    `tell` is called with one sentence while no worker is there. Beside the one worker of `derm-kit serve` maps by
    gradients are drawn on `device`, this machine's processor: a GPU then holds the worker's model and no other. Raises
    as Classifier does, and ClusterError where the cluster does not answer or is lost.
    """

    def __init__(self, at: ClusterAddress, model: Path | None = None) -> None:
        self.folder = default_model() if model is None else model
        self.card = load_card(self.folder)
        self.device = "cpu"
        self.tell: Callable[[str], None] = lambda words: None
        self.at = at
        self.wanted = Wanted.of(self.card, model, "auto")
        self._client: Any = None
        self._connecting = threading.Lock()

    def infer(self, squares: Pixels) -> Inference:
        """Scores of N central squares (N, S, S, 3) uint8, as Classifier's."""
        with self.connected() as client:
            future = client.get_executor(pure=False).submit(infer_job, self.wanted, squares)
            found: Inference = awaited(client, future, lambda: self.tell(RESTARTING), LOOK_S)
            return found

    @property
    def where(self) -> str:
        """The worker in words, for whoever must know where a picture goes."""
        return "the scoring worker" if is_this_machine(self.at.scheduler) else f"a worker of {self.at.scheduler}"

    def close(self) -> None:
        """Leave the cluster; the next call connects again."""
        with self._connecting:
            if self._client is not None:
                self._client.close()
                self._client = None

    @contextmanager
    def connected(self) -> Iterator[Any]:
        """A client of the cluster; raises ClusterError as `connect` and `losses_told` do."""
        with losses_told(self.at):
            with self._connecting:
                if self._client is None or self._client.status != "running":
                    if self._client is not None:
                        self._client.close()
                    self._client = connect(self.at)
                client = self._client
            yield client


def open_classifier(model: Path | None = None, device: Device = "auto") -> Classifier:
    """The classifier of a page: shared where the variables name a cluster, else one of its own."""
    at = named_cluster(os.environ)
    return Classifier(model, device) if at is None else SharedClassifier(at, model)


def named_cluster(variables: Mapping[str, str]) -> ClusterAddress | None:
    """The cluster that the variables name, None where they name none."""

    def path(name: str) -> Path | None:
        return Path(variables[name]) if variables.get(name) else None

    if not variables.get(SCHEDULER):
        return None
    closed_network, beside_pages = (variables.get(name) == "1" for name in (CLOSED_NETWORK, BESIDE_PAGES))
    return ClusterAddress(variables[SCHEDULER], path(CA), path(CERTIFICATE), path(KEY), closed_network, beside_pages)


@contextmanager
def named(at: ClusterAddress) -> Iterator[None]:
    """Name a cluster to every process that is started meanwhile."""
    said = {SCHEDULER: at.scheduler, CA: at.ca, CERTIFICATE: at.certificate, KEY: at.key}
    said |= {CLOSED_NETWORK: "1" if at.closed_network else None, BESIDE_PAGES: "1" if at.beside_pages else None}
    before = {name: os.environ.get(name) for name in said}
    _set(said)
    try:
        yield
    finally:
        _set(before)


def _set(variables: Mapping[str, object]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = str(value)
