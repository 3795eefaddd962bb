"""How far to trust a map: curves against a score known in closed form, the real model's ends, masks, agreement."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from derm_kit import Classifier
from derm_kit.cases.phantom import draw
from derm_kit.lesions import LESION_TYPES, LesionType
from derm_kit.model import faithfulness
from derm_kit.model.explanation import DEFAULT_METHOD, METHODS
from derm_kit.model.faithfulness import GRID, STEPS, agreement, energy_in_lesion, measure, on_grid, points_at_lesion

MEL = LESION_TYPES.index(LesionType.MELANOMA)


class CountsBrightPlaces:
    """A score in closed form: the share of the left half's places that are still bright."""

    def infer(self, squares: np.ndarray) -> SimpleNamespace:
        places = squares[..., 0].reshape(len(squares), GRID, 8, GRID, 8).mean(axis=(2, 4)) > 200
        scores = np.zeros((len(squares), len(LESION_TYPES)), np.float32)
        scores[:, MEL] = places[:, :, : GRID // 2].mean(axis=(1, 2))
        return SimpleNamespace(scores=scores, logits=scores)


@pytest.fixture
def left_half() -> np.ndarray:
    """Bright places in the left half, each the only bright thing that its blurred copy would not show."""
    square = np.zeros((GRID * 8, GRID * 8, 3), np.uint8)
    square[:, : GRID * 4] = 255
    return square


@pytest.fixture
def flat_blur(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faithfulness, "blurred", np.zeros_like)


def test_areas_of_a_score_in_closed_form(left_half, flat_blur):
    ramp = np.repeat(np.linspace(1, 0, GRID, dtype=np.float32)[None], GRID, axis=0)
    found = measure(CountsBrightPlaces(), left_half, ramp, LesionType.MELANOMA)
    assert np.allclose(found.deletion, np.clip(1 - 2 * found.shares, 0, 1), atol=1e-6)
    assert np.allclose(found.insertion, np.clip(2 * found.shares, 0, 1), atol=1e-6)
    assert np.allclose(found.random_deletion.mean(), 0.5, atol=0.05)
    assert found.deletion_gain == pytest.approx(0.25, abs=0.05)
    assert found.insertion_gain == pytest.approx(0.25, abs=0.05)
    assert found.explains
    assert found.sentence.startswith("Hiding the marked places lowers the score faster")


def test_a_map_that_marks_the_wrong_half_does_not_explain(left_half, flat_blur):
    wrong = np.repeat(np.linspace(0, 1, 7, dtype=np.float32)[None], 7, axis=0)
    found = measure(CountsBrightPlaces(), left_half, wrong, LesionType.MELANOMA)
    assert found.deletion_gain < 0
    assert not found.explains
    assert found.sentence.startswith("This map does not explain the score")


def test_curves_of_the_real_model_begin_and_end_at_the_whole_and_the_blurred_picture():
    classifier = Classifier(device="cpu")
    square = classifier.square(draw(LesionType.MELANOMA, 9_000).image)
    drawn = METHODS[DEFAULT_METHOD].maps(classifier, square[None], np.array([0]))[0]
    found = measure(classifier, square, drawn, LesionType.MELANOMA)
    whole, blurred = (classifier.infer(s[None]).scores[0, MEL] for s in (square, faithfulness.blurred(square)))
    assert found.shares.shape == found.deletion.shape == found.insertion.shape == (STEPS + 1,)
    for curves, first, last in (
        (found.deletion, whole, blurred),
        (found.random_deletion, whole, blurred),
        (found.insertion, blurred, whole),
        (found.random_insertion, blurred, whole),
    ):
        assert np.allclose(curves[..., 0], first, atol=1e-5)
        assert np.allclose(curves[..., -1], last, atol=1e-5)
    again = measure(classifier, square, drawn, LesionType.MELANOMA)
    assert np.array_equal(again.random_deletion, found.random_deletion)


def test_places_that_matter_are_those_that_the_score_counts(left_half, flat_blur):
    (drawn,) = faithfulness.places_that_matter(CountsBrightPlaces(), left_half[None], np.array([MEL]))
    assert drawn.shape == (GRID // 2, GRID // 2)
    assert np.allclose(drawn[:, 4:], 0)
    assert np.allclose(drawn[:, :3], 4 / (GRID * GRID / 2))


def test_energy_and_pointing_against_a_hand_count():
    mask = np.zeros((4, 4), bool)
    mask[:, :2] = True
    drawn = np.zeros((4, 4), np.float32)
    drawn[0, 0], drawn[3, 3], drawn[1, 1] = 3, 1, -5
    assert energy_in_lesion(drawn, mask) == pytest.approx(0.75)
    assert points_at_lesion(drawn, mask)
    assert not points_at_lesion(-drawn + np.eye(4, dtype=np.float32)[3] * 9, mask)
    assert np.isnan(energy_in_lesion(np.full((4, 4), -1, np.float32), mask))


@given(st.integers(0, 2**32 - 1))
def test_agreement_is_of_ranks_and_symmetric(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, GRID, GRID)).astype(np.float32)
    assert agreement(a, a) == pytest.approx(1)
    assert agreement(a, np.exp(a)) == pytest.approx(1)
    assert agreement(a, -a) == pytest.approx(-1)
    assert agreement(a, b) == pytest.approx(agreement(b, a))
    assert abs(agreement(a, b)) < 0.5


def test_a_flat_map_agrees_with_nothing():
    assert np.isnan(agreement(np.zeros((7, 7), np.float32), np.eye(7, dtype=np.float32)))


def test_maps_of_any_size_come_to_one_grid():
    assert on_grid(np.ones((7, 7), np.float32)).shape == on_grid(np.ones((224, 224), np.float32)).shape == (GRID, GRID)
    assert on_grid(np.full((224, 224), 3, np.float32)).mean() == pytest.approx(3)
