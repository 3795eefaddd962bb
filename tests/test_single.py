"""One picture by the rules of a whole cohort: which policy may read it, and what is said of a policy half checked."""

from __future__ import annotations

import cv2
import pytest

from derm_kit import Classifier, TriagePolicy
from derm_kit.cases.phantom import draw
from derm_kit.errors import PolicyError
from derm_kit.lesions import LesionType
from derm_kit.triage.definition import Disposition
from derm_kit.triage.single import Answers, TriagedCase, triage
from tests.hostile import dicom


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier(device="cpu")


def triaged(classifier: Classifier, policy: TriagePolicy) -> TriagedCase:
    picture = cv2.imencode(".png", draw(LesionType.MELANOMA, 9_000).image[..., ::-1])[1].tobytes()
    return triage(classifier, policy, picture, Answers(skin_type="II"))


def test_the_models_own_policy_needs_no_remark(classifier: Classifier):
    assert triaged(classifier, TriagePolicy.from_card(classifier.card)).warning == ""


def test_a_policy_matched_by_weights_alone_is_used_and_that_is_said(classifier: Classifier):
    older = TriagePolicy.from_card(classifier.card).model_copy(update={"scoring_sha256": ""})
    case = triaged(classifier, older)
    assert case.suspected is LesionType.MELANOMA
    assert "matched by the model's weights alone" in case.warning


def test_a_policy_of_the_same_weights_under_another_card_is_refused(classifier: Classifier):
    warmer = classifier.card.model_copy(update={"temperature": classifier.card.temperature + 1})
    with pytest.raises(PolicyError, match="the same weights under a card that scores otherwise"):
        triaged(classifier, TriagePolicy.from_card(warmer))


@pytest.mark.parametrize(
    ("told", "why"), [({"PatientAge": "012Y"}, "under 18"), ({"BodyPartExamined": "PENIS"}, "genital")]
)
def test_what_a_dicom_file_says_against_an_assessment_counts_though_nobody_ticked_it(
    classifier: Classifier, told: dict[str, str], why: str
):
    policy = TriagePolicy.from_card(classifier.card, autonomous=True)
    plain, spoken = (
        triage(classifier, policy, dicom(draw(LesionType.MELANOMA, 9_000).image, **more), Answers(skin_type="II"))
        for more in ({}, told)
    )
    assert plain.disposition is not Disposition.CLINICIAN_REVIEW
    assert spoken.disposition is Disposition.CLINICIAN_REVIEW
    assert why in spoken.reason
