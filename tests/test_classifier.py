"""Classifier: the same scores on every engine, NaN for what was never trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from derm_kit import Classifier, demo_cohort, read
from derm_kit.cases.cohort import Cohort
from derm_kit.cases.images import decode
from derm_kit.errors import ModelError
from derm_kit.lesions import LESION_TYPES, LesionType
from derm_kit.model.card import ONNX_FILE, default_model
from derm_kit.model.classifier import _TorchNetwork, softmax


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier(device="cpu")


def squares_of(cohort: Cohort, classifier: Classifier) -> np.ndarray:
    pairs = zip(cohort.cases["case_id"], cohort.cases["image"], strict=True)
    return np.stack([classifier.square(decode(cohort.root / image, case=case).rgb) for case, image in pairs])


def normalised(squares: np.ndarray, classifier: Classifier) -> np.ndarray:
    rule = classifier.card.preprocessing
    return np.ascontiguousarray((squares.transpose(0, 3, 1, 2).astype(np.float32) - rule.mean) / rule.std)


def test_the_untrained_type_is_nan_and_the_others_sum_to_one(classifier: Classifier):
    scores = classifier.infer(squares_of(demo_cohort(), classifier)[:8]).scores
    untrained = LESION_TYPES.index(LesionType.ATYPICAL_NAEVUS)
    assert np.isnan(scores[:, untrained]).all()
    np.testing.assert_allclose(np.nansum(scores, axis=1), 1, atol=1e-5)


@pytest.mark.data
def test_onnx_and_torch_agree_on_real_pictures(classifier: Classifier, data_folder: Path):
    everyone = read(data_folder)
    some = everyone.select(np.arange(len(everyone)) % 151 == 7)
    squares = squares_of(some, classifier)
    logits, feature_map = _TorchNetwork(default_model(), classifier.card, device="cpu")(normalised(squares, classifier))
    inference = classifier.infer(squares)
    scores = softmax(logits / np.float32(classifier.card.temperature))
    trained = [LESION_TYPES.index(t) for t in classifier.card.types]
    assert len(some) >= 64
    assert np.abs(scores - inference.scores[:, trained]).max() < 1e-4
    assert np.abs(logits - inference.logits).max() < 1e-3
    assert feature_map.shape == inference.feature_map.shape


def test_the_feature_map_is_what_enters_pooling_and_the_classifier(classifier: Classifier):
    """Pooling the second output and one matrix product must give the first."""
    from safetensors.numpy import load_file

    pixels = normalised(squares_of(demo_cohort(), classifier)[:4], classifier)
    session = onnxruntime.InferenceSession(default_model() / ONNX_FILE, providers=["CPUExecutionProvider"])
    assert [o.name for o in session.get_outputs()] == ["logits", "feature_map"]
    logits, feature_map = session.run(None, {"pixels": pixels})
    weights = load_file(default_model() / "weights.safetensors")
    by_hand = feature_map.mean(axis=(2, 3)) @ weights["classifier.weight"].T + weights["classifier.bias"]
    np.testing.assert_allclose(by_hand, logits, atol=1e-3)
    assert (feature_map >= 0).all()


def test_softmax_is_shift_invariant_and_does_not_overflow():
    logits = np.array([[1e4, 0, -1e4], [3, 2, 1]], np.float32)
    np.testing.assert_allclose(softmax(logits), softmax(logits + 7), atol=1e-6)
    np.testing.assert_allclose(softmax(logits)[1], [0.66524096, 0.24472847, 0.09003057], atol=1e-6)


def test_cuda_that_is_not_there_is_a_plain_refusal():
    import torch

    if torch.cuda.is_available():
        assert Classifier(device="cuda").device == "cuda"
        return
    with pytest.raises(ModelError, match="--device cpu"):
        Classifier(device="cuda")
    assert Classifier(device="auto").device == "cpu"
