"""ModelCard: what a set of weights means, and the proof that the files beside it are the ones it speaks of."""

from __future__ import annotations

import hashlib
import math
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from derm_kit.errors import ModelError
from derm_kit.lesions import LESION_TYPES, LesionType

CARD_FILE = "card.json"
WEIGHTS_FILE = "weights.safetensors"
ONNX_FILE = "model.onnx"
PROJECTION_FILE = "projection.safetensors"

Probability = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Preprocessing(_Part):
    """From RGB uint8 (H, W, 3) to the network's input (3, size, size) float32: crop, resize, (x - mean) / std."""

    crop: Literal["central square"] = "central square"
    input_size_px: int = Field(gt=0)
    mean: float
    std: float = Field(gt=0)


class OperatingPoint(_Part):
    """A threshold on the model score of one flagged type, and what it rests on."""

    threshold: Probability
    target_sensitivity: Probability
    sensitivity: Probability
    low: Probability
    high: Probability
    n_positive: int = Field(ge=0)
    chosen_on: str
    guarantee: str


class OperatingCharacteristic(_Part):
    """What the default thresholds do to one type in one source: caught means called that type or a more serious one."""

    lesion_type: LesionType
    source: str
    n: int = Field(ge=0)
    caught: int = Field(ge=0)
    caught_as_own_type: int = Field(ge=0)
    low: float | None
    high: float | None


class Constancy(_Part):
    """Scores of the demo phantoms as measured at release; a machine that gives others has changed something."""

    tolerance: float = Field(gt=0)
    scores: dict[str, tuple[Probability, ...]]


class ModelCard(_Part):
    """Meaning, limits and hashes of one set of weights.

    `types` are the trained lesion types in the order of the network's logits; every other type scores NaN.
    Scores are softmax(logits / temperature). `training_cases` counts the pictures of each type, open diagnoses in
    parts; `spoken_shares` are the shares of the set that the scores speak of (empty: those of the training cases).
    """

    schema_version: Literal[1] = 1
    name: str
    version: str
    architecture: str
    types: tuple[LesionType, ...] = Field(min_length=2)
    preprocessing: Preprocessing
    temperature: float = Field(gt=0)
    feature_components: int = Field(ge=0)
    operating_points: dict[LesionType, OperatingPoint]
    operating_characteristics: tuple[OperatingCharacteristic, ...]
    constancy: Constancy
    training_cases: dict[LesionType, float]
    spoken_shares: dict[LesionType, Probability] = Field(default_factory=dict)
    calibrated_on: str
    intended_use: str
    not_for: str
    licence: str
    attribution: tuple[str, ...]
    data_sha256: str
    files_sha256: dict[str, str]
    code_version: str
    released: str

    @model_validator(mode="after")
    def _types_hold_together(self) -> ModelCard:
        if len(set(self.types)) != len(self.types):
            raise ValueError("types names a lesion type twice")
        untrained = set(self.operating_points) - set(self.types)
        if untrained:
            raise ValueError(f"operating points for untrained types: {sorted(untrained)}")
        if WEIGHTS_FILE not in self.files_sha256:
            raise ValueError(f"files_sha256 has no {WEIGHTS_FILE}")
        if not math.isfinite(self.temperature):
            raise ValueError("temperature is not finite")
        return self

    @property
    def untrained(self) -> tuple[LesionType, ...]:
        """Lesion types without a training picture, in order of risk: their score is NaN."""
        return tuple(t for t in LESION_TYPES if t not in self.types)

    @property
    def model_hash(self) -> str:
        """SHA-256 of the weights: the identity that runs and policies refer to."""
        return self.files_sha256[WEIGHTS_FILE]


def default_model() -> Path:
    """Folder of the model that ships: beside the package in a checkout, inside it in a wheel."""
    return share("models") / "derm11"


def share(name: str) -> Path:
    """Folder `models` or `notebooks`, at the top of a checkout or under `derm_kit/_share` in an installed wheel."""
    package = Path(str(resources.files("derm_kit")))
    inside = package / "_share" / name
    return inside if inside.is_dir() else package.parent / name


def load_card(model: Path) -> ModelCard:
    """The card of a model folder, every file it names verified by SHA-256.

    Raises ModelError where the folder has no card, the card is invalid, or a file is missing or another than it says.
    """
    path = model / CARD_FILE
    try:
        card = ModelCard.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ModelError(
            f"a model folder holds {CARD_FILE}, which cannot be read here ({error.strerror})",
            case=str(model),
            next_step="Name a folder made by models/export.py, or leave --model out for the one that ships.",
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        raise ModelError(
            f"the card is not valid at {'.'.join(map(str, first['loc'])) or 'its top'}: {first['msg']}",
            case=str(path),
            next_step="Take the card that came with these weights; it is never edited by hand.",
        ) from None
    for name, expected in card.files_sha256.items():
        if Path(name).name != name:
            raise ModelError(
                "the card may only name files in its own folder", case=str(path), value=name,
                next_step="Take the model from its publisher again.",
            )  # fmt: skip
        _verify(model / name, expected)
    return card


def sha256(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal text."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _verify(path: Path, expected: str) -> None:
    try:
        found = sha256(path)
    except OSError as error:
        raise ModelError(
            f"the card names this file, which cannot be read ({error.strerror})",
            case=str(path),
            next_step="Take the whole model folder from its publisher again.",
        ) from None
    if found != expected:
        raise ModelError(
            f"the file must have the SHA-256 that the card states, {expected}",
            case=str(path),
            value=found,
            next_step="The weights are not those the card describes: take the whole model folder again.",
        )
