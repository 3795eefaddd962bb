"""Maps: the one-pass Grad-CAM against pytorch-grad-cam and against the logit itself, every method, every refusal."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import cache

import cv2
import numpy as np
import pytest

from derm_kit import Classifier, Cohort, demo_cohort, read
from derm_kit.cases.images import decode
from derm_kit.cases.phantom import draw
from derm_kit.errors import ModelError
from derm_kit.lesions import LesionType
from derm_kit.model.explanation import DEFAULT_METHOD, METHODS, explain, find_method, one_pass_maps
from derm_kit.model.faithfulness import blurred

SLOW = {"score_cam", "occlusion", "integrated_gradients", "gradient_shap"}


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier(device="cpu")


@pytest.fixture(scope="module")
def demo() -> Cohort:
    return demo_cohort()


@pytest.fixture(scope="module")
def squares(classifier: Classifier) -> np.ndarray:
    types = (LesionType.MELANOMA, LesionType.BASAL_CELL_CARCINOMA, LesionType.SEBORRHOEIC_KERATOSIS)
    return np.stack([classifier.square(draw(t, 9_000 + i).image) for i, t in enumerate(types)])


@pytest.fixture(scope="module")
def of_melanoma(classifier: Classifier, squares: np.ndarray) -> Callable[[str], np.ndarray]:
    """The map (1, S, S) of the first square by a method, for its melanoma; drawn once a method."""
    column = np.array([classifier.card.types.index(LesionType.MELANOMA)])
    return cache(lambda name: METHODS[name].maps(classifier, squares[:1], column))


def test_each_place_of_a_one_pass_map_holds_its_part_of_the_logit(classifier, squares):
    inference = classifier.infer(squares)
    maps = one_pass_maps(inference, classifier)
    parts = maps.sum(axis=(2, 3))
    bias = inference.logits - parts
    assert maps.shape[:2] == inference.logits.shape
    assert np.allclose(bias, bias[0], atol=2e-4), "what is left is the layer's bias, the same for every picture"


def test_one_pass_equals_pytorch_grad_cam(classifier, squares):
    """A picture in which no place speaks for a type has an empty map; most must not be, or nothing is compared."""
    drawn = []
    for lesion_type in classifier.card.types:
        columns = np.full(len(squares), classifier.card.types.index(lesion_type))
        ours, theirs = (METHODS[m].maps(classifier, squares, columns) for m in (DEFAULT_METHOD, "grad_cam"))
        scale = np.abs(theirs).max(axis=(1, 2), keepdims=True)
        drawn.append(scale > 0)
        assert scale.max() > 0, lesion_type
        assert np.abs(ours - theirs).max() < 1e-4 * scale.max(), lesion_type
    assert np.mean(drawn) > 0.9


@pytest.mark.parametrize("name", sorted(METHODS))
def test_every_method_gives_finite_maps_that_differ_from_place_to_place(classifier, squares, name):
    few = squares[:1] if name in SLOW else squares
    columns = classifier.infer(few).logits.argmax(1)
    passes: list[int] = []
    maps = METHODS[name].maps(classifier, few, columns, lambda: passes.append(1))
    if len(few) == 1:
        assert len(passes) == METHODS[name].passes, "the progress bar of one picture ends where the work ends"
    assert maps.dtype == np.float32
    assert len(maps) == len(few)
    assert np.isfinite(maps).all()
    assert (maps.std(axis=(1, 2)) > 0).all()
    if not METHODS[name].signed:
        assert maps.min() >= 0


@pytest.mark.parametrize("name", ["integrated_gradients", "gradient_shap"])
def test_a_seeded_method_gives_the_same_map_twice_and_leaves_the_random_state_alone(
    classifier, squares, of_melanoma, name
):
    before = np.random.get_state()[1].copy()  # noqa: NPY002 - the state that Captum draws from
    first = of_melanoma(name)
    again = METHODS[name].maps(classifier, squares[:1], np.array([classifier.card.types.index(LesionType.MELANOMA)]))
    assert np.array_equal(first, again)
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_integrated_gradients_add_up_to_what_the_baseline_lacks(classifier, squares, of_melanoma):
    melanoma = classifier.card.types.index(LesionType.MELANOMA)
    with_it, without = (float(classifier.infer(s[None]).logits[0, melanoma]) for s in (squares[0], blurred(squares[0])))
    assert of_melanoma("integrated_gradients").sum() == pytest.approx(
        with_it - without, abs=0.15 * abs(with_it - without) + 0.3
    )


def test_explain_takes_each_cases_highest_score_or_the_type_asked_for(classifier, demo: Cohort):
    few = demo.select(np.arange(len(demo)) < 3)
    highest = explain(classifier, few)
    assert highest.case_ids == tuple(few.cases["case_id"])
    paths = [few.root / image for image in few.cases["image"]]
    squares = np.stack([classifier.square(decode(path, case=path.name).rgb) for path in paths])
    assert highest.lesion_types == tuple(classifier.card.types[k] for k in classifier.infer(squares).logits.argmax(1))
    asked = explain(classifier, few, lesion_type=LesionType.MELANOMA, batch_size=2)
    assert set(asked.lesion_types) == {LesionType.MELANOMA}
    assert asked.maps.shape == highest.maps.shape == (3, 8, 8)


def test_a_picture_that_cannot_be_read_has_a_reason_and_no_map(classifier, tmp_path):
    cv2.imwrite(str(tmp_path / "good.png"), draw(LesionType.MELANOMA, 9_000).image[..., ::-1])
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nnot a picture")
    found = explain(classifier, read(tmp_path))
    bad = found.case_ids.index("bad")
    assert np.isnan(found.maps[bad]).all()
    assert found.lesion_types[bad] is None
    assert found.reasons[bad]
    assert np.isfinite(found.maps[1 - bad]).all()
    assert found.reasons[1 - bad] == ""


def test_an_untrained_type_or_an_unknown_method_is_refused_with_the_choices(classifier, demo):
    with pytest.raises(
        ModelError, match=r"only a trained lesion type has a map \(found: Atypical naevus\)\. Choose one"
    ):
        explain(classifier, demo, lesion_type=LesionType.ATYPICAL_NAEVUS)
    with pytest.raises(ModelError, match="Choose one of: grad_cam_one_pass, places_that_matter, grad_cam"):
        find_method("tea_leaves")


def test_work_can_be_followed_and_stopped(classifier, demo):
    seen: list[int] = []

    def stop(n: int) -> None:
        seen.append(n)
        if sum(seen) >= 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        explain(classifier, demo, batch_size=2, advance=stop)
    assert seen == [2, 2]


def test_a_first_map_needs_no_torch():
    script = (
        "import sys, numpy as np; from derm_kit import Classifier, LESION_TYPES;"
        "from derm_kit.model.explanation import METHODS, DEFAULT_METHOD; c = Classifier(device='cpu');"
        "METHODS[DEFAULT_METHOD].maps(c, c.square(np.zeros((300, 300, 3), np.uint8))[None], np.array([0]));"
        "sys.exit(any(m in sys.modules for m in ('torch', 'captum', 'pytorch_grad_cam', 'matplotlib')))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
