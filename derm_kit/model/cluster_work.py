"""What a worker of a cluster does: it loads the model once, whatever number of jobs and threads, and scores."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from derm_kit.errors import ModelError
from derm_kit.model.batches import Batch, Cases, score_batches
from derm_kit.model.card import ModelCard, default_model
from derm_kit.model.classifier import Classifier, Device, Inference, Pixels, resolve
from derm_kit.model.identity import versions

_loading = threading.Lock()


@dataclass(frozen=True)
class Wanted:
    """The model that a job is to be scored by; `folder` is None for the one that ships."""

    folder: str | None
    device: Device
    model_hash: str
    scoring_sha256: str
    versions: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, card: ModelCard, folder: Path | None, device: Device) -> Wanted:
        """The model of `card`, which lies in `folder` there as here."""
        said = None if folder is None or folder == default_model() else str(folder.absolute())
        return cls(said, device, card.model_hash, card.scoring_sha256, tuple(versions().items()))


def ready(wanted: Wanted) -> str:
    """Load the model and say which device it runs on. Raises ModelError where this worker's is not the one wanted."""
    return loaded(wanted).device


def score_job(wanted: Wanted, job: list[Cases]) -> list[Batch]:
    """Score each batch of `job`. Raises ModelError as `ready` does."""
    return score_batches(job, loaded(wanted))


def infer_job(wanted: Wanted, squares: Pixels) -> Inference:
    """What the network says of N central squares (N, S, S, 3) uint8. Raises ModelError as `ready` does."""
    return loaded(wanted).infer(squares)


def models_loaded() -> int:
    """How often this process has loaded a model."""
    return _load.cache_info().misses


def loaded(wanted: Wanted) -> Classifier:
    """The model, loaded when it is first asked for. Raises ModelError as `ready` does."""
    with _loading:  # else every thread of a new worker would load its own
        return _load(replace(wanted, device=resolve(wanted.device)))


@lru_cache(maxsize=1)
def _load(wanted: Wanted) -> Classifier:
    here = tuple(versions().items())
    if here != wanted.versions:
        raise _other("versions", _words(here), _words(wanted.versions))
    classifier = Classifier(None if wanted.folder is None else Path(wanted.folder), wanted.device)
    card = classifier.card
    if (card.model_hash, card.scoring_sha256) != (wanted.model_hash, wanted.scoring_sha256):
        raise _other("model", card.model_hash[:12], wanted.model_hash[:12])
    return classifier


def _words(said: tuple[tuple[str, str], ...]) -> str:
    return ", ".join(" ".join(one) for one in said)


def _other(what: str, here: str, wanted: str) -> ModelError:
    return ModelError(
        f"every worker has the {what} of the machine that asks ({wanted}), for others give other scores",
        value=here,
        next_step="Install the same derm-kit and model on each worker, restart it, and run the same command again.",
    )
