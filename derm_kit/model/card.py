"""ModelCard: what a set of weights means, and the proof that the files beside it are the ones it speaks of."""

from __future__ import annotations

import hashlib
import json
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from derm_kit import plain_json
from derm_kit.errors import ModelError, printable
from derm_kit.lesions import LESION_TYPES, LesionType

CARD_FILE = "card.json"
WEIGHTS_FILE = "weights.safetensors"
ONNX_FILE = "model.onnx"
PROJECTION_FILE = "projection.safetensors"
HASHED_FILES = (WEIGHTS_FILE, ONNX_FILE, PROJECTION_FILE)
SELF_HASH = "card_sha256"
"""Field of card.json that holds the hash of all its others."""

_AS_PUBLISHED = "Take the card that came with these weights; it is never edited by hand."

Probability = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


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


class MapSanity(_Part):
    """Model randomisation (Adebayo 2018): maps of `n` pictures beside those of the network with layers made random.

    Layers were made random from the last down to `random_down_to`. `flat` of the random network's maps mark nothing;
    `correlation` is the mean rank correlation of the others, None where there are none.
    """

    method: str
    random_down_to: str
    n: int = Field(ge=0)
    flat: int = Field(ge=0)
    correlation: float | None

    @property
    def depends_on_weights(self) -> bool:
        """Whether most maps are gone, or unlike these, once layers are random."""
        return self.correlation is None or abs(self.correlation) * (self.n - self.flat) < SAME_MAPS * self.n

    @property
    def sentence(self) -> str:
        """What it found, for a clinician."""
        left = self.n - self.flat
        agree = f"; the other {left} agree {self.correlation:.2f} with these (1 is full)" if left else ""
        found = (
            "the maps depend on what it learnt" if self.depends_on_weights
            else "the maps hardly depend on what it learnt: do not rely on them"
        )  # fmt: skip
        return (
            f"Checked once for this model, with what it learnt made random: {self.flat} of {self.n} maps mark nothing"
            f"{agree}. So {found}."
        )


SAME_MAPS = 0.5
"""Mean agreement with a random network's maps from which on maps are not said to depend on what was learnt."""


class Constancy(_Part):
    """Scores of the demo phantoms as measured at release; a machine that gives others has changed something.

    `scores` has one value for each of `types`, in that order, by phantom.
    """

    tolerance: float = Field(gt=0)
    types: tuple[LesionType, ...]
    scores: dict[str, tuple[Probability, ...]]

    @model_validator(mode="after")
    def _one_score_a_type(self) -> Constancy:
        uneven = next((case for case, row in self.scores.items() if len(row) != len(self.types)), None)
        if uneven is not None:
            raise ValueError(f"{uneven} has {len(self.scores[uneven])} scores for {len(self.types)} types")
        return self


class ModelCard(_Part):
    """Meaning, limits and hashes of one set of weights.

    `types` are the trained lesion types in order of risk, which is that of the logits; every other type scores NaN.
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
    map_sanity: tuple[MapSanity, ...] = ()
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
        if self.types != tuple(t for t in LESION_TYPES if t in self.types):
            raise ValueError("types must stand in order of risk")
        untrained = set(self.operating_points) - set(self.types)
        if untrained:
            raise ValueError(f"operating points for untrained types: {sorted(untrained)}")
        missing = [name for name in HASHED_FILES if name not in self.files_sha256]
        if missing:
            raise ValueError(f"files_sha256 has no {missing[0]}")
        return self

    @property
    def untrained(self) -> tuple[LesionType, ...]:
        """Lesion types without a training picture, in order of risk: their score is NaN."""
        return tuple(t for t in LESION_TYPES if t not in self.types)

    @property
    def model_hash(self) -> str:
        """SHA-256 of the weights: the identity that runs and policies refer to."""
        return self.files_sha256[WEIGHTS_FILE]

    @property
    def scoring_sha256(self) -> str:
        """SHA-256 of all in the card that changes a score: a run is never continued under another."""
        deciding = {"architecture", "types", "preprocessing", "temperature", "feature_components", "files_sha256"}
        return _hash_of(self.model_dump(mode="json", include=deciding))


def default_model() -> Path:
    """Folder of the model that ships: beside the package in a checkout, inside it in a wheel."""
    return share("models") / "derm11"


def share(name: str) -> Path:
    """Folder `models` or `notebooks`, at the top of a checkout or under `derm_kit/_share` in an installed wheel."""
    package = Path(str(resources.files("derm_kit")))
    inside = package / "_share" / name
    return inside if inside.is_dir() else package.parent / name


def load_card(model: Path) -> ModelCard:
    """The card of a model folder, itself and every file it names verified by SHA-256.

    Raises ModelError where the folder has no card, the card is invalid or was changed since it was written, or a file
    is missing or another than it says.
    """
    path = model / CARD_FILE
    try:
        content = plain_json.read(path)
        self_hash = content.pop(SELF_HASH, None) if isinstance(content, dict) else None
        card = ModelCard.model_validate(content)
    except OSError as error:
        raise ModelError(
            f"a model folder holds {CARD_FILE}, which cannot be read here ({error.strerror})",
            case=str(model),
            next_step="Name a folder made by models/export.py, or leave --model out for the one that ships.",
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        raise ModelError(
            f"the card is not valid at {printable('.'.join(map(str, first['loc']))) or 'its top'}: {first['msg']}",
            case=str(path),
            next_step=_AS_PUBLISHED,
        ) from None
    except ValueError as error:
        raise ModelError(f"the card is JSON ({printable(error)})", case=str(path), next_step=_AS_PUBLISHED) from None
    if self_hash != _hash_of(content):
        raise ModelError(
            f"the card is as it was written, which {SELF_HASH} in it proves; this one was changed since",
            case=str(path),
            value=self_hash or f"no {SELF_HASH}",
            next_step=_AS_PUBLISHED,
        )
    for name, expected in card.files_sha256.items():
        if Path(name).name != name:
            raise ModelError(
                "the card may only name files in its own folder", case=str(path), value=name,
                next_step="Take the model from its publisher again.",
            )  # fmt: skip
        _verify(model / name, expected)
    return card


def write_card(card: ModelCard, model: Path) -> None:
    """Write the card of a model folder with the SHA-256 of its own content. Raises OSError."""
    content = card.model_dump(mode="json")
    content[SELF_HASH] = _hash_of(content)
    (model / CARD_FILE).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")


def sha256(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal text."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _hash_of(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


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
