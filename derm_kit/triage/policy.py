"""TriagePolicy and decide(): from scores to a suspected type and a disposition, each with its reason."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    ValidationError,
    model_validator,
)

from derm_kit.errors import PolicyError, printable
from derm_kit.lesions import FLAGGED, LESION_TYPES, LesionType
from derm_kit.model.card import ModelCard
from derm_kit.model.run import ScoreRun

LOWEST_THRESHOLD = 1e-6
"""A lower threshold is a slip of the pen: nearly every case reaches it."""
NOT_FLAGGED = "no flagged type reached its threshold"
SAFETY_NET = "If you are worried, refer: this result never overrides clinical suspicion."


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


_PLAIN_RULES = {
    "bool_type": "should be true or false",
    "extra_forbidden": "a policy has no such field",
    "missing": "a policy needs this field",
    "model_type": "a policy is a JSON object",
}
"""Rules in plain words where pydantic's are not, by its name of the error."""

FlaggedType = Annotated[LesionType, AfterValidator(_flagged)]
Threshold = Annotated[float, Field(strict=True, ge=LOWEST_THRESHOLD, le=1, allow_inf_nan=False)]


class TriagePolicy(BaseModel):
    """Thresholds and dispositions for the scores of one model.

    A case is called the first flagged type, in order of risk, whose score reaches its threshold. A flagged type without
    a threshold is never called: either the model was not trained on it or the policy leaves it to clinicians.
    `autonomous` lets a case that reaches no threshold be discharged with safety-netting; else it gets a second read. A
    case that is called a flagged type is never discharged. Dispositions are defaults without a published source:
    confirm them locally. Skin types (I to VI) and skin tone classes (0 to 5) named for review go to a clinician
    whatever their scores; an empty list turns this review off. Raises ValidationError, a ValueError, where a field
    breaks its rule.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    name: str = Field(min_length=1)
    version: str = Field(min_length=1)
    model_hash: str
    thresholds: dict[FlaggedType, Threshold]
    dispositions: dict[FlaggedType, Annotated[Disposition, AfterValidator(_no_discharge)]] = Field(
        default_factory=lambda: dict(DEFAULT_DISPOSITIONS)
    )
    dispositions_source: str = "source required, confirm locally"
    autonomous: StrictBool = False
    review_skin_types: tuple[Literal["I", "II", "III", "IV", "V", "VI"], ...] = ("V", "VI")
    review_skin_tone_classes: tuple[Annotated[StrictInt, Field(ge=0, le=5)], ...] = (0, 1)

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
            thresholds={t: point.threshold for t, point in card.operating_points.items()},
            autonomous=autonomous,
        )

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
            return cls.model_validate(json.loads(path.read_bytes(), object_pairs_hook=_said_once))
        except OSError as error:
            raise PolicyError(
                f"the policy cannot be read ({error.strerror})", case=str(path), next_step="Name a policy's JSON file."
            ) from None
        except ValidationError as error:
            first = error.errors()[0]
            field = printable(".".join(str(part) for part in first["loc"] if part != "[key]"))
            rule = _PLAIN_RULES.get(first["type"], first["msg"].removeprefix("Value error, ").removeprefix("Input "))
            raise PolicyError(
                f"{field}: {rule}" if field else rule,
                case=str(path),
                value=first["input"] if field and first["type"] != "missing" else None,
                next_step="Mend this field; 'derm-kit policy' prints a valid policy to start from.",
            ) from None
        except (ValueError, RecursionError) as error:
            raise PolicyError(
                f"the policy cannot be read: a policy is a JSON object, each field named once ({printable(error)})",
                case=str(path),
                next_step="Mend the file; 'derm-kit policy' prints a valid policy to start from.",
            ) from None


def _said_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object as a dict; of two thresholds of one type the last would win unseen."""
    names = [name for name, _ in pairs]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ValueError(f"{twice[0]} stands there twice")
    return dict(pairs)


@dataclass(frozen=True)
class Decisions:
    """One row a case: case_id, suspected (type value or ""), disposition, rule (short code), reason (one sentence)."""

    table: pd.DataFrame
    policy: TriagePolicy

    def __len__(self) -> int:
        return len(self.table)


def decide(run: ScoreRun, policy: TriagePolicy) -> Decisions:
    """Read every case's scores by `policy`, in order of risk.

    Quality failures, exclusions, brown or black skin (NICE HTE24) and a NaN score of any trained type go to clinician
    review whatever the scores. Raises PolicyError where the policy is another model's, asks for an untrained type, or
    discharges on its own without a threshold for every flagged type that the model was trained on.
    """
    scores = run.matrix
    trained = run.trained
    _require_match(run, policy, trained)
    called = suspected_index(scores, policy.thresholds)
    review = _review_reasons(run, policy, np.asarray(np.isnan(scores[:, trained]).any(axis=1)))
    nowhere = Disposition.DISCHARGE_ADVICE if policy.autonomous else Disposition.SECOND_READ

    n = len(run)
    suspected = np.array(["", *(t.value for t in LESION_TYPES)], dtype=object)[called + 1]
    disposition = np.array([nowhere, *(policy.dispositions.get(t, "") for t in LESION_TYPES)], dtype=object)[called + 1]
    rule = np.where(called >= 0, "threshold", "no threshold").astype(object)
    reason = np.array([f"{NOT_FLAGGED}: this does not prove it benign. {SAFETY_NET}"] * n, dtype=object)
    for t, threshold in policy.thresholds.items():
        index = LESION_TYPES.index(t)
        for i in np.flatnonzero(called == index):
            reason[i] = f"{t.label} score {scores[i, index]:.3f} reaches its threshold {threshold:.3f}"
    in_review = review != ""
    rule[in_review] = [text.split(":", 1)[0] for text in review[in_review]]
    reason[in_review] = review[in_review]
    suspected[in_review] = ""
    disposition[in_review] = Disposition.CLINICIAN_REVIEW
    return Decisions(
        pd.DataFrame(
            {
                "case_id": run.scores["case_id"].to_numpy(),
                "suspected": suspected,
                "disposition": [str(d) for d in disposition],
                "rule": rule,
                "reason": reason,
            }
        ),
        policy,
    )


def suspected_index(scores: npt.NDArray[np.float32], thresholds: dict[LesionType, float]) -> npt.NDArray[np.int64]:
    """Index of the first flagged type, in order of risk, that reaches its threshold; -1 where none does.

    Scores (N, 11) to indices (N,).
    """
    reached = np.zeros((len(scores), len(LESION_TYPES)), dtype=bool)
    for t in FLAGGED:
        if t in thresholds:
            index = LESION_TYPES.index(t)
            reached[:, index] = scores[:, index].astype(np.float64) >= thresholds[t]
    return np.where(reached.any(axis=1), reached.argmax(axis=1), -1)


def _require_match(run: ScoreRun, policy: TriagePolicy, trained: npt.NDArray[np.intp]) -> None:
    if run.model_hash and policy.model_hash and run.model_hash != policy.model_hash:
        raise PolicyError(
            "a policy is read only on scores of the model it was made for",
            case=policy.name,
            value=f"policy {policy.model_hash[:12]}, run {run.model_hash[:12]}",
            next_step="Score the cohort with that model, or make a policy for this one.",
        )
    untrained = [t.value for t in policy.thresholds if LESION_TYPES.index(t) not in trained]
    if untrained:
        raise PolicyError(
            f"a threshold needs a trained type; {untrained[0]} has no score in any case",
            case=policy.name,
            next_step="Take its threshold out of the policy.",
        )
    open_types = [LESION_TYPES[i].value for i in trained if LESION_TYPES[i] in set(FLAGGED) - set(policy.thresholds)]
    if policy.autonomous and open_types:
        raise PolicyError(
            "thresholds: an autonomous policy discharges, so each flagged type that the model was trained on needs one",
            case=policy.name,
            value=f"none for {', '.join(open_types)}",
            next_step="Add these thresholds, or set autonomous to false.",
        )


def _review_reasons(
    run: ScoreRun, policy: TriagePolicy, missing_score: npt.NDArray[np.bool_]
) -> npt.NDArray[np.object_]:
    """Why a case goes to clinician review whatever its scores, "" where it does not; the gravest reason wins."""
    cases = run.cases
    reason = np.full(len(run), "", dtype=object)
    by_type = cases["skin_type"].isin(policy.review_skin_types).to_numpy()
    reason[by_type] = "skin type: professional review for brown or black skin (NICE HTE24)"
    by_tone = cases["skin_tone_class"].isin(policy.review_skin_tone_classes).to_numpy()
    reason[by_tone] = "skin tone: professional review for brown or black skin (NICE HTE24)"
    reason[missing_score] = "missing score: a trained type has no score for this picture"
    for i in np.flatnonzero(cases["quality_fail"].to_numpy()):
        reason[i] = f"quality: {cases['quality_reason'].iloc[i] or 'no reason is given'}"
    for i in np.flatnonzero((cases["exclusion"] != "").to_numpy()):
        reason[i] = f"exclusion: {cases['exclusion'].iloc[i]}"
    return reason
