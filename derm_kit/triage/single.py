"""One picture from its bytes to its disposition: what page 01 shows, by the same rules as a whole cohort."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import numpy as np
import pandas as pd

from derm_kit.cases.headers import file_format
from derm_kit.cases.images import decode
from derm_kit.cases.quality import assess
from derm_kit.errors import CaseError
from derm_kit.lesions import LESION_TYPES, LesionType
from derm_kit.model.card import ModelCard, OperatingCharacteristic
from derm_kit.model.classifier import Classifier, Floats, Inference, Pixels
from derm_kit.model.run import SCORE_COLUMNS, ScoreRun
from derm_kit.triage.policy import Disposition, TriagePolicy, decide

EXCLUSIONS = {
    "ulcerated": "the lesion is ulcerated or open",
    "subungual": "the lesion lies under a nail",
    "genital": "the lesion is genital or on a mucous membrane",
    "under 18": "the person is under 18",
    "biopsied": "the lesion was biopsied or treated before",
    "not clear": "the lesion cannot be photographed clearly or whole",
}
"""What the use of such tools excludes in NHS services, by code: the words after "tick where"."""

SKIN_TYPES = {
    "I": "white, always burns",
    "II": "white, usually burns",
    "III": "white, sometimes burns",
    "IV": "olive or light brown",
    "V": "brown",
    "VI": "black",
}
"""Fitzpatrick skin types in plain words."""


FEW = 20
"""Cases below which a source says too little to be called the weakest."""


@dataclass(frozen=True)
class Answers:
    """What the clinician says of a case: codes of EXCLUSIONS that hold, and a Fitzpatrick type ("" = not said)."""

    exclusions: tuple[str, ...] = ()
    skin_type: str = ""


@dataclass(frozen=True)
class TriagedCase:
    """One picture, what the network says of it and what the policy makes of that.

    rgb (H, W, 3) and square (S, S, 3) uint8; scores (11,) in order of risk, NaN for untrained types; `suspected` is
    None where no flagged type is called; `rule` and `reason` say why the disposition was chosen; `warning`, of the
    picture's quality or of what was not checked about the policy, never decides.
    """

    case_id: str
    rgb: Pixels
    square: Pixels
    inference: Inference
    scores: Floats
    answers: Answers
    suspected: LesionType | None
    disposition: Disposition
    rule: str
    reason: str
    warning: str

    @property
    def highest(self) -> LesionType:
        """The type of the highest score: what a map explains where nothing is suspected."""
        return LESION_TYPES[int(np.nanargmax(self.scores))]

    @property
    def why(self) -> str:
        """The reason as a whole sentence, with its capital and one full stop."""
        return f"{self.reason[0].upper()}{self.reason[1:].rstrip('.')}."

    @property
    def explained(self) -> LesionType:
        """The type whose map is shown first: the suspected one, else that of the highest score."""
        return self.suspected or self.highest


def triage(
    classifier: Classifier, policy: TriagePolicy, picture: bytes, answers: Answers, case_id: str = "this picture"
) -> TriagedCase:
    """Decode, check, score and decide on one picture.

    Raises CaseError where the picture cannot be decoded or an answer is not one of the choices, and PolicyError where
    the policy is another model's.
    """
    for given, choices, what in (
        (answers.exclusions, EXCLUSIONS, "an exclusion"),
        ((answers.skin_type,) if answers.skin_type else (), SKIN_TYPES, "a skin type"),
    ):
        unknown = [code for code in given if code not in choices]
        if unknown:
            raise CaseError(
                f"{what} is one of: {', '.join(choices)}", value=unknown[0], next_step="Choose one of these."
            )
    rgb = decode(picture, case=case_id).rgb
    quality = assess(rgb)
    square = classifier.square(rgb)
    inference = classifier.infer(square[None])
    scores = pd.DataFrame(inference.scores, columns=list(SCORE_COLUMNS))
    scores.insert(0, "case_id", case_id)
    cases = pd.DataFrame(
        {
            "case_id": [case_id],
            "skin_type": [answers.skin_type],
            "exclusion": ["; ".join([*(EXCLUSIONS[code] for code in answers.exclusions), *_told(picture, case_id)])],
            "quality_fail": [quality.fail],
            "quality_reason": [quality.reason],
        }
    )
    card = classifier.card
    meta = {
        "model_hash": card.model_hash,
        "scoring_sha256": card.scoring_sha256,
        "trained_types": [t.value for t in card.types],
    }
    decisions = decide(ScoreRun(scores, cases, None, meta), policy)
    decision = decisions.table.iloc[0]
    return TriagedCase(
        case_id=case_id,
        rgb=rgb,
        square=square,
        inference=inference,
        scores=inference.scores[0],
        answers=answers,
        suspected=LesionType(decision["suspected"]) if decision["suspected"] else None,
        disposition=Disposition(decision["disposition"]),
        rule=decision["rule"],
        reason=decision["reason"],
        warning=" ".join(filter(None, (quality.warning, *decisions.remarks))),
    )


def measured_sensitivity(
    card: ModelCard, lesion_type: LesionType
) -> tuple[OperatingCharacteristic | None, OperatingCharacteristic | None]:
    """What the default thresholds caught of a type on `reference`: over all sources, and in the weakest one.

    The weakest is the source with the lowest share caught among those with FEW cases or more; None where there is
    nothing measured.
    """
    rows = [c for c in card.operating_characteristics if c.lesion_type == lesion_type and c.n]
    over_all = next((c for c in rows if c.source == "all"), None)
    sources = [c for c in rows if c.source != "all" and c.n >= FEW]
    return over_all, min(sources, key=lambda c: c.caught / c.n, default=None)


def _told(picture: bytes, case_id: str) -> list[str]:
    """What the headers of a DICOM file exclude: the person's age, the lesion's site."""
    if file_format(picture, case_id) != "DICOM":
        return []
    from derm_kit.cases.dicom import dicom_fields

    exclusion = str(dicom_fields(picture, salt=secrets.token_bytes(32), case=case_id)["exclusion"])
    return [exclusion] if exclusion else []
