"""What must stay the same for a run folder to be continued or returned, and the words for what did not."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import pandas as pd

from derm_kit.cases.cohort import Cohort
from derm_kit.cases.places import sizes_and_marks
from derm_kit.model.batches import Scorer

SCHEMA_VERSION = 1
LIBRARIES = ("derm-kit", "onnxruntime", "opencv-python-headless", "simplejpeg")

_WORDS = {
    "schema_version": "the layout of run folders",
    "cohort": "the name of the cohort",
    "cohort_root": "the folder of the pictures",
    "cohort_sha256": "the list of cases and what is known of them",
    "pictures_sha256": "the pictures themselves (size or date of a file)",
    "rejects_sha256": "the files and rows that were rejected",
    "model": "the model",
    "model_hash": "its weights",
    "scoring_sha256": "what its card says on how to score",
    "trained_types": "its lesion types",
    "device": "the device",
    "batch_size": "the batch size",
    "versions": "the version of derm-kit or of a library",
}
_TOLD_WITH_VALUES = ("cohort", "cohort_root", "model", "device", "batch_size")


def identity(cohort: Cohort, classifier: Scorer, batch_size: int) -> dict[str, Any]:
    """What run.json keeps of a cohort, a model and the settings: the same values give the same files."""
    card = classifier.card
    pictures = sizes_and_marks(cohort.root, cohort.cases["image"].tolist())
    return {
        "schema_version": SCHEMA_VERSION,
        "cohort": cohort.name,
        "cohort_root": str(cohort.root.resolve()),
        "cohort_sha256": _hash_of(cohort.cases),
        "pictures_sha256": hashlib.sha256(pictures.tobytes()).hexdigest(),
        "rejects_sha256": _hash_of(cohort.rejects),
        "model": f"{card.name} {card.version}",
        "model_hash": card.model_hash,
        "scoring_sha256": card.scoring_sha256,
        "trained_types": [t.value for t in card.types],
        "device": classifier.device,
        "batch_size": batch_size,
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """The versions here of all that may change a score."""
    return {library: version(library) for library in LIBRARIES}


def differences(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """In words, what in `wanted` is not as in `found`; "" where nothing is."""
    told = []
    for key, value in wanted.items():
        if found.get(key) != value:
            values = f" (then {found.get(key)}, now {value})" if key in _TOLD_WITH_VALUES else ""
            told.append(f"{_WORDS[key]}{values}")
    return "; ".join(told)


def _hash_of(table: pd.DataFrame) -> str:
    return hashlib.sha256(pd.util.hash_pandas_object(table, index=False).to_numpy().tobytes()).hexdigest()
