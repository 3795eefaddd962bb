"""Page 01 without a kernel: its state is set, its widgets are read."""

from __future__ import annotations

import io
import os
import sys

import numpy as np
import pytest
from PIL import Image

from derm_kit import Classifier, TriagePolicy
from derm_kit.cases.phantom import draw
from derm_kit.lesions import LesionType
from derm_kit.panels.triage import LARGEST_MB, Entered, TriagePanel
from derm_kit.triage.single import Answers

TORCH_BEFORE = "torch" in sys.modules


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier(device="cpu")


@pytest.fixture
def panel(classifier: Classifier) -> TriagePanel:
    return TriagePanel(classifier, TriagePolicy.from_card(classifier.card))


def png(rgb: np.ndarray) -> bytes:
    held = io.BytesIO()
    Image.fromarray(rgb).save(held, "PNG")
    return held.getvalue()


def phantom(lesion_type: LesionType, seed: int = 9_000) -> bytes:
    return png(draw(lesion_type, seed).image)


def upload(panel: TriagePanel, content: bytes, size: int | None = None) -> None:
    """As the browser sends it: content and size first, in one message with the count."""
    zone = panel.upload
    with zone.hold_trait_notifications():
        zone.content, zone.size, zone.given = content, size or len(content), zone.given + 1


def test_an_empty_page_shows_no_result(panel):
    assert panel.columns.layout.display == "none"
    assert panel.undo_button.disabled
    assert panel.notice.value == ""


def test_the_pathway_waits_for_the_skin_type_and_then_says_the_suspected_type(panel):
    upload(panel, phantom(LesionType.MELANOMA))
    assert "Say the skin type above" in panel.result.value
    assert "Download" not in panel.download.value
    panel.skin.value = "II"
    assert "Melanoma" in panel.result.value
    assert "urgent suspected cancer" in panel.result.value
    assert "If you are worried, refer" in panel.result.value
    assert "atypical naevus" in panel.result.value
    assert "Weakest source" in panel.result.value
    assert panel.maps.viewer.map_shape == (8, 8)
    assert "Download summary" in panel.download.value


@pytest.mark.parametrize("code", ["ulcerated", "under 18"])
def test_an_exclusion_ends_in_clinician_review_whatever_the_score(panel, code):
    upload(panel, phantom(LesionType.MELANOMA))
    panel.skin.value = "II"
    panel.exclusions[code].value = True
    assert "Clinician review" in panel.result.value
    assert "discharge" not in panel.result.value


@pytest.mark.parametrize("skin", ["V", "VI"])
def test_brown_or_black_skin_ends_in_clinician_review(panel, skin):
    upload(panel, phantom(LesionType.SEBORRHOEIC_KERATOSIS))
    panel.skin.value = skin
    assert "Clinician review" in panel.result.value
    assert "HTE24" in panel.result.value


def test_a_failed_quality_check_ends_in_clinician_review(panel):
    upload(panel, png((draw(LesionType.MELANOMA, 9_000).image * 0.1).astype(np.uint8)))
    panel.skin.value = "II"
    assert "Clinician review" in panel.result.value
    assert "dark" in panel.result.value.lower()


def test_no_flag_prints_safety_netting_and_never_benign(panel):
    upload(panel, phantom(LesionType.VASCULAR_LESION))
    panel.skin.value = "II"
    assert "No flagged type" in panel.result.value
    assert "does not prove it benign" in panel.result.value
    assert ".." not in panel.result.value


def test_a_broken_file_is_told_plainly_and_loses_nothing(panel):
    upload(panel, phantom(LesionType.MELANOMA))
    panel.skin.value = "II"
    before = panel.result.value
    upload(panel, b"\xff\xd8\xff not a picture")
    assert "role='alert'" in panel.notice.value
    assert panel.result.value == before
    assert panel.entered.picture


def test_a_file_above_the_limit_is_refused_before_it_is_read(panel):
    upload(panel, b"", size=(LARGEST_MB + 1) * 1_000_000)
    assert f"at most {LARGEST_MB} MB" in panel.notice.value
    assert panel.case is None


def test_undo_goes_back_one_choice_at_a_time(panel):
    upload(panel, phantom(LesionType.MELANOMA))
    panel.skin.value = "II"
    panel.exclusions["genital"].value = True
    panel.undo()
    assert not panel.exclusions["genital"].value
    assert panel.skin.value == "II"
    panel.undo()
    assert panel.skin.value == ""
    panel.undo()
    assert panel.case is None
    assert panel.columns.layout.display == "none"
    assert panel.undo_button.disabled


def test_a_name_from_outside_is_shown_as_text(panel):
    panel.enter(Entered(b"no picture", "<img src=x onerror=alert(1)>", Answers(skin_type="II")))
    assert "&lt;img src=x onerror=alert(1)&gt;" in panel.notice.value
    assert "<img" not in panel.notice.value


def test_an_unforeseen_failure_is_told_in_plain_words_and_logged(panel, monkeypatch, caplog):
    monkeypatch.setattr("derm_kit.panels.triage.triage", lambda *_: 1 / 0)
    upload(panel, phantom(LesionType.MELANOMA))
    assert "did not foresee" in panel.notice.value
    assert "ZeroDivisionError" in caplog.text
    assert "ZeroDivisionError" not in panel.notice.value


def test_the_check_of_a_map_says_one_sentence(panel):
    upload(panel, phantom(LesionType.MELANOMA))
    panel.maps.check()
    assert panel.maps.working.layout.display == ""
    panel.maps.wait()
    assert panel.maps.working.layout.display == "none"
    assert "score" in panel.maps.trust.value
    assert "Agreement" in panel.maps.trust.value
    assert panel.maps.trust.value.count("<svg") == 2


def test_maps_of_one_picture_share_one_scale(panel):
    upload(panel, phantom(LesionType.MELANOMA))
    scale = panel.maps.viewer.scale
    panel.maps.of_type.value = LesionType.DERMATOFIBROMA.value
    assert panel.maps.viewer.scale == scale
    assert "Dermatofibroma" in panel.maps.words.value


def test_another_method_is_drawn_beside_the_page_and_kept(panel):
    upload(panel, phantom(LesionType.MELANOMA))
    panel.maps.method.value = "places_that_matter"
    assert panel.maps.viewer.map_shape == (8, 8), "until the new map is there the old one stays"
    panel.maps.wait()
    assert panel.maps.viewer.map_shape == (7, 7)
    assert "Hiding one place at a time" in panel.maps.words.value
    panel.maps.method.value = "grad_cam_one_pass"
    panel.maps.method.value = "places_that_matter"
    assert panel.maps.viewer.map_shape == (7, 7), "a map that was drawn is shown at once"
    assert panel.maps.working.layout.display == "none"
    assert "torch" not in sys.modules or TORCH_BEFORE


def test_a_cancelled_map_leaves_what_was_shown(panel):
    upload(panel, phantom(LesionType.MELANOMA))
    panel.maps.method.value = "occlusion"
    panel.maps.cancel()
    panel.maps.wait()
    assert panel.maps.method.value == "grad_cam_one_pass", "the controls name the map that is shown"
    assert panel.maps.viewer.map_shape == (8, 8)
    assert panel.maps.working.layout.display == "none"
    assert panel.maps.notice.value == ""


def test_a_method_that_fails_is_told_beside_the_map(panel, monkeypatch):
    upload(panel, phantom(LesionType.MELANOMA))
    monkeypatch.setattr("derm_kit.model.side_process.sys.executable", "/bin/false")
    panel.maps.method.value = "occlusion"
    panel.maps.wait()
    assert "This did not work" in panel.maps.notice.value
    assert "choose another method" in panel.maps.notice.value
    assert panel.maps.method.value == "grad_cam_one_pass"


def test_a_new_picture_ends_the_work_on_the_old_one(panel):
    upload(panel, phantom(LesionType.MELANOMA))
    panel.maps.method.value = "occlusion"
    upload(panel, phantom(LesionType.BASAL_CELL_CARCINOMA))
    panel.maps.wait()
    assert panel.maps.method.value == "grad_cam_one_pass"
    assert panel.maps.viewer.map_shape == (8, 8)


def test_of_a_phantom_the_share_of_the_map_in_the_lesion_is_said(panel):
    panel.demo.value = "phantom-melanoma-0"
    assert "of what is marked lies in the lesion" in panel.maps.words.value


@pytest.mark.skipif("DERM_KIT_DATA" not in os.environ, reason="real pictures: DERM_KIT_DATA names no folder")
def test_a_real_lesion_is_shown_with_what_it_was_found_to_be(panel):
    case = next(iter(panel._real.values()))
    panel.demo.value = case.case_id
    panel.skin.value = "II"
    assert f"<strong>{case.truth.label.lower()}</strong>" in panel.result.value
    panel.undo()
    panel.undo()
    assert panel.case is None
