"""The lecture: what its text says is printed by its cells, what it keeps, and what its pictures may show."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from derm_kit import Classifier
from derm_kit.cases.phantom import DEMO_SEEDS, draw
from derm_kit.lesions import LesionType
from derm_kit.model.card import share
from derm_kit.model.overlay import OPACITY, laid_over
from derm_kit.panels.lecture import Seen, clinics, count_in_words
from derm_kit.triage.case_mix import CaseMix
from derm_kit.triage.counts import CaseCounter
from derm_kit.triage.opening import Opening
from derm_kit.triage.tuning import in_case_mix

CELLS = json.loads((share("notebooks") / "10_how_to_read_a_map.ipynb").read_text("utf-8"))["cells"]
CODE = [cell for cell in CELLS if cell["cell_type"] == "code"]
PICTURE = np.full((64, 64, 3), 120, np.uint8)
CIVIDIS_TOP = (254, 232, 56)
"""The bright end of cividis as matplotlib has it: (0.9957, 0.9093, 0.2178)."""


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier(device="cpu")


def test_every_cell_keeps_its_output_to_be_compared_or_says_why_not():
    compared = [cell for cell in CODE if "nbval-ignore-output" not in cell["metadata"].get("tags", [])]
    assert len(compared) >= 8
    assert all(cell["outputs"] for cell in compared)
    assert all(cell["metadata"]["reason"] for cell in CODE if cell not in compared)


def test_every_number_in_the_text_is_printed_by_a_cell():
    printed = " ".join(str(output["data"].get("text/html")) for cell in CODE for output in cell["outputs"])
    printed = re.sub(r"base64,[^']*", "", printed)
    text = " ".join("".join(cell["source"]) for cell in CELLS if cell["cell_type"] == "markdown")
    missing = {number for number in re.findall(r"\d+(?:[.,]\d+)*%?", text) if number not in printed}
    assert missing == set()


def test_every_question_hides_its_answer():
    text = "\n".join("".join(cell["source"]) for cell in CELLS if cell["cell_type"] == "markdown")
    questions = re.findall(r"<details><summary>([^<]+)</summary>\n\n.+?\n\n</details>", text, re.DOTALL)
    assert len(questions) == text.count("<details") == text.count("</details>") >= 6
    assert all(question.endswith("?") for question in questions)


def test_nothing_of_the_machine_that_ran_it_is_kept():
    kept = json.dumps(CELLS)
    assert not re.search(r"/(?:home|root|Users|tmp|work)/", kept)
    assert "Traceback" not in kept


def test_an_interval_in_words_is_the_published_one():
    assert count_in_words(17, 33) == "17 of 33: 51.5% (33.5% to 69.2%)"


def test_the_worth_of_a_flag_is_that_of_bayes():
    opened = Opening.read()
    counter = CaseCounter(opened.run, opened.policy)
    mix = in_case_mix(counter, opened.policy.thresholds, CaseMix.of_clinic(0.015, {}, name="example"))
    value = mix.table.set_index("measure")["value"]
    flagged, false_alarms = 0.015 * value["cancers flagged"], 0.985 * (1 - value["no cancer, not flagged"])
    shown = clinics({0.015: mix}, "one clinic").data
    assert f"<td>{flagged / (flagged + false_alarms):.1%} (" in shown
    assert shown.count("<td>98.5%</td>") == 1


def test_a_map_that_marks_nothing_leaves_the_picture():
    assert (laid_over(PICTURE, np.zeros((8, 8), np.float32), 0.0, 64) == PICTURE).all()


def test_a_map_at_full_scale_has_the_bright_end_of_cividis():
    full = laid_over(PICTURE, np.full((8, 8), 3.0, np.float32), 3.0, 64)
    wanted = (1 - OPACITY) * PICTURE[0, 0] + OPACITY * np.array(CIVIDIS_TOP)
    assert np.abs(full.astype(float) - wanted).max() <= 2


def test_a_faint_map_looks_faint_beside_a_strong_one():
    drawn = np.zeros((8, 8), np.float32)
    drawn[2:4, 2:4] = 1
    changed = [np.abs(laid_over(PICTURE, drawn, scale, 64).astype(int) - 120).sum() for scale in (1.0, 4.0, 16.0)]
    assert changed == sorted(changed, reverse=True)
    assert changed[0] > 1.5 * changed[2] > 0


def test_a_phantom_is_seen_with_its_own_mask(classifier: Classifier):
    phantom = draw(LesionType.MELANOMA, 2)
    seen = Seen.by(classifier, phantom)
    assert seen.mask.mean() == pytest.approx(phantom.mask.mean(), abs=0.005)
    assert seen.called is LesionType.MELANOMA
    assert set(seen.maps) == set(classifier.card.types)


def test_no_map_is_of_a_type_that_was_never_learnt(classifier: Classifier):
    for seed in DEMO_SEEDS:
        seen = Seen.by(classifier, draw(LesionType.ATYPICAL_NAEVUS, seed))
        assert seen.called is not LesionType.ATYPICAL_NAEVUS
        assert LesionType.ATYPICAL_NAEVUS not in seen.maps
