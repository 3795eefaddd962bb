"""The recipe on a tiny cohort: from pictures to a model folder that scores, atypical naevus included."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from derm_kit import Classifier
from derm_kit.cases.phantom import draw
from derm_kit.lesions import LESION_TYPES, LesionType
from derm_kit.model._network import restored, stored
from derm_kit.model.card import load_card

MODELS = Path(__file__).parents[1] / "models"
sys.path.insert(0, str(MODELS))
import export  # noqa: E402
import onnx_file  # noqa: E402
import pictures  # noqa: E402
import train as recipe  # noqa: E402
from backbone import create_network  # noqa: E402


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two phantoms a type for training, one for validation: all eleven types, atypical naevus too."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "images").mkdir()
    rows = []
    for t in LESION_TYPES:
        for seed, split in ((7001, "train"), (7002, "train"), (7003, "validation")):
            name = f"{t.value}_{seed}"
            cv2.imwrite(str(folder / "images" / f"{name}.png"), draw(t, seed, size_px=96).image[..., ::-1])
            rows.append({"image_id": name, "split": split, "lesion_types": t.value, "source": "phantom"})
    pd.DataFrame(rows).to_csv(folder / "metadata.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def model(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two members, one epoch each, the second going on from the first, exported side by side."""
    work = tmp_path_factory.mktemp("work")
    tiny = {"architecture": "tf_efficientnet_lite0", "sizes": (64,), "batch_size": 8, "phantoms_a_type": 1}
    recipe.run_stage(data, work, "second", replace(recipe.STAGES["second"], **tiny), seed=1)
    recipe.run_stage(data, work, "finish", replace(recipe.STAGES["finish"], **tiny, start_from="second"), seed=2)
    members = [f"--member=tf_efficientnet_lite0={work / name}.safetensors:0.5" for name in ("finish", "second")]
    command = [MODELS / "export.py", data, *members, "--out", work / "model", "--version", "0",
               "--input-size", "64"]  # fmt: skip
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return work / "model"


def test_a_type_with_pictures_is_trained_and_scored(model: Path):
    card = load_card(model)
    assert card.untrained == ()
    assert LesionType.ATYPICAL_NAEVUS in card.operating_points
    classifier = Classifier(model, "cpu")
    scores = classifier.infer(classifier.square(np.full((300, 300, 3), 128, np.uint8))[None]).scores
    assert not np.isnan(scores).any()


def test_a_label_of_two_types_is_trained_on_their_sum():
    logits = torch.log(torch.tensor([[0.5, 0.3, 0.2]]))
    open_truth = recipe.partial_label_loss(logits, torch.tensor([[True, True, False]]))
    assert open_truth.item() == pytest.approx(-np.log(0.8), abs=1e-6)
    single = recipe.partial_label_loss(logits, torch.tensor([[False, False, True]]))
    assert single.item() == pytest.approx(-np.log(0.2), abs=1e-6)


def test_mixed_pictures_are_learnt_by_the_labels_of_both():
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 3))
    x, allowed = torch.randn(2, 3, 2, 2), torch.tensor([[True, False, False], [False, True, True]])
    stage = replace(recipe.STAGES["second"], mixup=1.0)
    rng = np.random.default_rng(2)
    own, swap = rng.beta(1, 1), rng.permutation(2)
    assert 0.05 < own < 0.95
    assert swap.tolist() == [1, 0]
    mixed = own * x + (1 - own) * x[swap]
    by_hand = own * recipe.partial_label_loss(network(mixed), allowed)
    by_hand += (1 - own) * recipe.partial_label_loss(network(mixed), allowed[swap])
    loss = recipe.batch_loss(network, stage, x, allowed, np.random.default_rng(2))
    assert loss.item() == pytest.approx(by_hand.item(), rel=2e-2)


def test_rare_types_are_drawn_as_the_square_root_of_their_number():
    allowed = np.zeros((100, 2), bool)
    allowed[:90, 0] = allowed[90:, 1] = True
    weights = pictures.sampling_weights(allowed)
    assert weights.sum() == pytest.approx(1)
    assert weights[:90].sum() / weights[90:].sum() == pytest.approx(np.sqrt(90 / 10))


def test_a_view_is_of_the_asked_size_and_keeps_the_colours_of_skin():
    rng = np.random.default_rng(3)
    picture = np.full((100, 140, 3), (200, 150, 130), np.uint8)
    views = [pictures.augment(picture, 64, rng).astype(float) for _ in range(50)]
    assert {v.shape for v in views} == {(64, 64, 3)}
    assert all(v[..., 0].mean() > v[..., 2].mean() for v in views)


def test_the_joint_network_says_the_weighted_sum_of_its_members(model: Path):

    work = model.parent
    paths = [work / f"{name}.safetensors" for name in ("finish", "second")]
    joint = export.joined([("tf_efficientnet_lite0", paths[0], 0.3), ("tf_efficientnet_lite0", paths[1], 0.7)], 11)
    x = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1
    alone = []
    for path in paths:
        network = create_network("tf_efficientnet_lite0", 11).eval()
        network.load_state_dict(restored(stored(load_file(path))))
        alone.append(network)
    with torch.inference_mode():
        want = 0.3 * alone[0](x) + 0.7 * alone[1](x)
        torch.testing.assert_close(joint(x), want, atol=2e-2, rtol=2e-2)


def test_a_weight_that_changed_by_more_than_a_factor_a_channel_is_refused():
    plain = np.float16(np.random.default_rng(0).normal(size=(4, 3, 1, 1))).astype(np.float32)
    scale = np.array([1, -2, 0.5, 3], np.float32).reshape(4, 1, 1, 1)
    np.testing.assert_allclose(onnx_file.channel_factor(plain, plain * scale), scale, rtol=1e-6)
    with pytest.raises(ValueError, match="factor a channel"):
        onnx_file.channel_factor(plain, plain * scale + 0.01)


def test_large_weights_are_stored_in_a_byte_and_rounded_by_at_most_half_a_step_of_their_channel():
    random = torch.Generator().manual_seed(3)
    state = {
        "large.weight": torch.randn(40, 20, 5, 5, generator=random) * torch.logspace(-6, 2, 40).reshape(-1, 1, 1, 1),
        "empty.weight": torch.zeros(20, 40, 5, 5),
        "small.weight": torch.randn(3, 20, 3, 3, generator=random),
        "bias": torch.randn(3, generator=random),
        "batches": torch.tensor(7),
    }
    small = stored(state)
    once = restored(small)
    assert small["large.weight"].dtype == torch.int8
    assert small["small.weight"].dtype == torch.float16
    assert once.keys() == state.keys()
    half_a_step = state["large.weight"].abs().amax(dim=(1, 2, 3), keepdim=True) / 254
    assert ((once["large.weight"] - state["large.weight"]).abs() <= half_a_step * 1.001).all()
    assert not once["empty.weight"].any()
    torch.testing.assert_close(once["small.weight"], state["small.weight"], rtol=1e-3, atol=0)
    assert torch.equal(once["bias"], state["bias"])
    again = stored(once)
    assert torch.equal(again["large.weight"], small["large.weight"])
