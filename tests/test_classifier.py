"""Classifier: the same scores on every engine, NaN for what was never trained."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest
from safetensors.numpy import save_file

from derm_kit import Classifier, demo_cohort, read
from derm_kit.cases.cohort import Cohort
from derm_kit.cases.images import decode
from derm_kit.errors import ModelError
from derm_kit.lesions import LESION_TYPES, LesionType
from derm_kit.model.card import ONNX_FILE, WEIGHTS_FILE, default_model, sha256
from derm_kit.model.classifier import _OnnxNetwork, _TorchNetwork, softmax
from tests.cards import edit_card


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


def test_a_card_with_another_number_of_types_than_the_network_has_outputs_is_refused(tmp_path: Path):
    model = shutil.copytree(default_model(), tmp_path / "derm11")
    edit_card(model, lambda card: card["types"].pop())
    with pytest.raises(ModelError, match=r"one output for each of the 9 types.*found: 10"):
        Classifier(model, "cpu")


def test_a_network_that_does_not_load_is_a_plain_refusal(tmp_path: Path):
    model = shutil.copytree(default_model(), tmp_path / "derm11")
    (model / ONNX_FILE).write_bytes(b"no network")
    edit_card(model, lambda card: card["files_sha256"].update({ONNX_FILE: sha256(model / ONNX_FILE)}))
    with pytest.raises(ModelError, match="network cannot be run"):
        Classifier(model, "cpu")


def test_weights_that_torch_cannot_take_are_a_plain_refusal(classifier: Classifier, tmp_path: Path):
    for tensors in (None, {"another.layer": np.zeros(3, np.float32)}):
        save_file(tensors, tmp_path / WEIGHTS_FILE) if tensors else (tmp_path / WEIGHTS_FILE).write_bytes(b"none")
        with pytest.raises(ModelError, match="network cannot be run") as refusal:
            _TorchNetwork(tmp_path, classifier.card, device="cpu")
        assert len(str(refusal.value)) < 500


def test_pictures_of_another_size_than_the_networks_are_a_plain_refusal(classifier: Classifier):
    with pytest.raises(ModelError, match="network cannot be run"):
        classifier.infer(np.zeros((1, 64, 64, 3), np.uint8))


def test_either_engines_lack_of_memory_is_a_memory_error(classifier: Classifier, monkeypatch: pytest.MonkeyPatch):
    import torch
    from onnxruntime.capi.onnxruntime_pybind11_state import Fail

    def full(error: Exception):
        def run(*_: object) -> None:
            raise error

        return run

    pixels = np.zeros((1, 3, 8, 8), np.float32)
    onnx = _OnnxNetwork(default_model(), classifier.card)
    onnx._session = SimpleNamespace(run=full(Fail("Failed to allocate memory for requested buffer of size 402653184")))
    monkeypatch.setattr("derm_kit.model._torch.load_network", lambda *_: SimpleNamespace(
        forward_features=full(torch.OutOfMemoryError("CUDA out of memory"))
    ))  # fmt: skip
    for network in (onnx, _TorchNetwork(default_model(), classifier.card, device="cpu")):
        with pytest.raises(MemoryError):
            network(pixels)


def test_the_shipped_network_names_no_file_of_the_machine_it_was_made_on():
    content = (default_model() / ONNX_FILE).read_bytes()
    assert b"stack_trace" not in content
    assert b".py" not in content
