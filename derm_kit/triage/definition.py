"""TriagePolicy: the thresholds and dispositions of one model, read from JSON and held to rules that keep it safe."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StringConstraints,
    ValidationError,
    model_validator,
)

from derm_kit import plain_json
from derm_kit.cases.values import sites
from derm_kit.errors import PolicyError, printable
from derm_kit.lesions import LesionType
from derm_kit.model.card import ModelCard

LOWEST_THRESHOLD = 1e-6
"""A lower threshold is a slip of the pen: nearly every case reaches it."""


class Disposition(StrEnum):
    """Where a case goes next."""

    URGENT_SUSPECTED_CANCER = "urgent suspected cancer"
    ROUTINE_DERMATOLOGY = "routine dermatology"
    ROUTINE_OR_GP_TREATMENT = "routine dermatology or GP treatment after clinician review"
    SECOND_READ = "dermatologist second read"
    DISCHARGE_ADVICE = "discharge advice with safety-netting"
    CLINICIAN_REVIEW = "clinician review"


DEFAULT_DISPOSITIONS = {
    LesionType.MELANOMA: Disposition.URGENT_SUSPECTED_CANCER,
    LesionType.SQUAMOUS_CELL_CARCINOMA: Disposition.URGENT_SUSPECTED_CANCER,
    LesionType.BASAL_CELL_CARCINOMA: Disposition.ROUTINE_DERMATOLOGY,
    LesionType.INTRAEPIDERMAL_CARCINOMA: Disposition.ROUTINE_OR_GP_TREATMENT,
    LesionType.ACTINIC_KERATOSIS: Disposition.ROUTINE_OR_GP_TREATMENT,
    LesionType.ATYPICAL_NAEVUS: Disposition.SECOND_READ,
}


def _flagged(kind: LesionType) -> LesionType:
    if not kind.flagged:
        raise ValueError(f"thresholds and dispositions are for flagged types; {kind.value} is benign")
    return kind


def _no_discharge(disposition: Disposition) -> Disposition:
    if disposition is Disposition.DISCHARGE_ADVICE:
        raise ValueError("a case that is called a flagged type is never discharged; send it to a clinician")
    return disposition


def _as_cases_write_it(site: str) -> str:
    return str(sites(pd.Series([site], dtype="str")).iloc[0])


_PLAIN_RULES = {
    "bool_type": "should be true or false",
    "dict_type": "should list flagged types, each with its value, in curly brackets",
    "extra_forbidden": "a policy has no such field",
    "float_type": "should be a number, written without quotation marks",
    "int_type": "should be a whole number, written without quotation marks",
    "missing": "a policy needs this field",
    "model_type": "a policy is a JSON object",
    "string_too_short": "should not be empty",
    "string_type": "should be text, in quotation marks",
    "tuple_type": "should be a list, in square brackets",
}
"""Rules in plain words where pydantic's are not, by its name of the error."""

FlaggedType = Annotated[LesionType, AfterValidator(_flagged)]
Threshold = Annotated[float, Field(strict=True, ge=LOWEST_THRESHOLD, le=1, allow_inf_nan=False)]
ReadableFailure = Literal["lesion clipped", "heavy glare", "heavy hair"]
"""Quality failures of a sharp, well exposed picture of skin: `cases.quality` names the first rule that is broken, and
these three, in this order, come after size, light, skin and focus."""
Site = Annotated[
    str, StringConstraints(strict=True, strip_whitespace=True, min_length=1), AfterValidator(_as_cases_write_it)
]


class TriagePolicy(BaseModel):
    """Thresholds, dispositions and the rules beside them for the scores of one model.

    `model_hash` is the SHA-256 of the model's weights and `scoring_sha256` that of all in its card that changes a score
    (temperature, preprocessing, lesion types); "" where nobody said, as in policies older than the field.
    A case is called the first flagged type, in order of risk, whose score reaches its threshold. A flagged type without
    a threshold is never called: either the model was not trained on it or the policy leaves it to clinicians.
    `autonomous` lets a case that reaches no threshold be discharged with safety-netting; else it gets a second read. A
    case that is called a flagged type is never discharged. Dispositions are defaults without a published source:
    confirm them locally. A type whose cases want a second read has it as its disposition.

    A case that lacks the score of a trained type, that is excluded (under 18, genital, subungual, ulcerated, not
    clearly photographable) or whose picture fails quality goes to clinician review; no field discharges it. A policy
    adds to these: skin types (I to VI), skin tone classes (0 to 5) and anatomical sites named for review go to a
    clinician whatever their scores; an empty list turns that review off. A site is named by words that the cases use
    for it: "foot" holds "left foot" back, but not "sole".
    `read_despite_quality` names failures that do not keep a picture from being read by its scores, where it has no
    other: it may be called a flagged type, and where it is not it gets a second read.
    `second_read_margin` is a share of a threshold: a case that no threshold calls gets a second read where a score lies
    at most this share below its threshold (0.2: from 80 % of it up). 0 turns this off.

    Raises ValidationError, a ValueError, where a field breaks its rule.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    name: str = Field(min_length=1)
    version: str = Field(min_length=1)
    model_hash: str
    scoring_sha256: str = ""
    thresholds: dict[FlaggedType, Threshold]
    dispositions: dict[FlaggedType, Annotated[Disposition, AfterValidator(_no_discharge)]] = Field(
        default_factory=lambda: dict(DEFAULT_DISPOSITIONS)
    )
    dispositions_source: str = "source required, confirm locally"
    autonomous: StrictBool = False
    review_skin_types: tuple[Literal["I", "II", "III", "IV", "V", "VI"], ...] = ("V", "VI")
    review_skin_tone_classes: tuple[Annotated[StrictInt, Field(ge=0, le=5)], ...] = (0, 1)
    review_sites: tuple[Site, ...] = ()
    read_despite_quality: tuple[ReadableFailure, ...] = ()
    second_read_margin: Annotated[float, Field(strict=True, ge=0, lt=1, allow_inf_nan=False)] = 0.0

    @model_validator(mode="after")
    def _hold_together(self) -> TriagePolicy:
        homeless = [t.value for t in self.thresholds if t not in self.dispositions]
        if homeless:
            raise ValueError(f"dispositions.{homeless[0]}: a type with a threshold needs a disposition")
        if self.autonomous and not self.thresholds:
            raise ValueError("autonomous: a policy without thresholds would discharge every case, so it must be false")
        return self

    @classmethod
    def from_card(cls, card: ModelCard, *, autonomous: bool = False) -> TriagePolicy:
        """The policy of a model's default operating points."""
        return cls(
            name=f"{card.name} default",
            version=card.version,
            model_hash=card.model_hash,
            scoring_sha256=card.scoring_sha256,
            thresholds={t: point.threshold for t, point in card.operating_points.items()},
            autonomous=autonomous,
        )

    def changed(self, **fields: object) -> TriagePolicy:
        """The policy with other values in some fields. Raises PolicyError with the field and the rule it breaks."""
        try:
            return TriagePolicy.model_validate(self.model_dump() | fields)
        except ValidationError as error:
            raise _in_plain_words(error, self.name) from None

    @classmethod
    def read(cls, path: Path) -> TriagePolicy:
        """A policy from its JSON file. Raises PolicyError with the field, its value and the rule it breaks."""
        try:
            if path.exists() and not path.is_file():
                raise PolicyError(
                    "a policy is a regular file, no pipe, device or folder",
                    case=str(path),
                    next_step="Name a policy's JSON file.",
                )
            return cls.model_validate(plain_json.read(path))
        except OSError as error:
            raise PolicyError(
                f"the policy cannot be read ({error.strerror})", case=str(path), next_step="Name a policy's JSON file."
            ) from None
        except ValidationError as error:
            raise _in_plain_words(error, str(path)) from None
        except ValueError as error:
            raise PolicyError(
                f"the policy cannot be read: a policy is a JSON object, each field named once ({printable(error)})",
                case=str(path),
                next_step="Mend the file; 'derm-kit policy' prints a valid policy to start from.",
            ) from None


def _in_plain_words(error: ValidationError, case: str) -> PolicyError:
    """The first thing that pydantic found wrong."""
    first = error.errors()[0]
    field = printable(".".join(str(part) for part in first["loc"] if part != "[key]"))
    rule = _PLAIN_RULES.get(first["type"], first["msg"].removeprefix("Value error, ").removeprefix("Input "))
    return PolicyError(
        f"{field}: {rule}" if field else rule,
        case=case,
        value=first["input"] if field and first["type"] != "missing" else None,
        next_step="Mend this field; 'derm-kit policy' prints a valid policy to start from.",
    )
