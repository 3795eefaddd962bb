"""Maps by pytorch-grad-cam and Captum, which are imported when the first map is asked for.

CAM methods look at the tensor that enters average pooling; Captum's attributions are summed over the colour channels.
All explain the logit before temperature. Each function takes a classifier, central squares (N, S, S, 3) uint8 and the
column to explain of each (N,), calls `advance` after each pass through the network, and gives maps (N, h, w) float32.
"""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from derm_kit.model._torch import import_timm, load_network
from derm_kit.model.faithfulness import Advance, blurred, no_progress

if TYPE_CHECKING:
    import torch

    from derm_kit.model._network import SideBySide
    from derm_kit.model.classifier import Classifier, Floats, Pixels

Columns = npt.NDArray[np.intp]

CHANNELS_A_PASS = 16
STEPS = 32
STEPS_A_PASS = 4
SAMPLES = 16
SAMPLES_A_PASS = 4
NOISE_SD = 0.05
SEED = 0
SCORED_CHANNELS = 128
WINDOW_PX = 48
STRIDE_PX = 16
SCORE_CAM_PASSES = 1 + SCORED_CHANNELS // CHANNELS_A_PASS
GRADIENT_PASSES = STEPS // STEPS_A_PASS
SHAP_PASSES = SAMPLES // SAMPLES_A_PASS
OCCLUSION_PASSES = 1 + 14 * 14
"""Passes a picture; those of occlusion for an input of 256 px."""


def cam(
    kind: str,
    classifier: Classifier,
    squares: Pixels,
    columns: Columns,
    advance: Advance = no_progress,
    *,
    strongest: int | None = None,
) -> Floats:
    """Maps (N, h, w) of one of pytorch-grad-cam's classes, before it stretches each to 0-1.

    `strongest` keeps only that many channels of each picture, those of the highest mean: a method that runs the network
    once a channel would take minutes over all.
    """
    network = _network(classifier, advance)
    import pytorch_grad_cam
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    layer = network.stacked
    layer.register_forward_hook(lambda _module, _given, made: made.requires_grad_())  # slopes begin here
    method = getattr(pytorch_grad_cam, kind)(model=network, target_layers=[layer])
    method.batch_size = CHANNELS_A_PASS
    try:
        pixels = _tensor(classifier, squares)
        targets = [ClassifierOutputTarget(int(k)) for k in columns]
        logits = method.activations_and_grads(pixels)
        network.zero_grad()
        sum(target(row) for target, row in zip(targets, logits, strict=True)).backward()
        seen, slopes = (
            held[-1].detach().cpu().numpy()
            for held in (method.activations_and_grads.activations, method.activations_and_grads.gradients)
        )
        kept = np.argsort(-seen.mean(axis=(2, 3)), axis=1, kind="stable")[:, :strongest]
        with contextlib.redirect_stderr(io.StringIO()):
            maps = [
                method.get_cam_image(pixels[i : i + 1], layer, [target], seen[[i], k], slopes[[i], k], False)
                for i, (target, k) in enumerate(zip(targets, np.sort(kept)[:, None], strict=True))
            ]
    finally:
        method.activations_and_grads.release()
    return np.asarray(np.maximum(np.concatenate(maps), 0), np.float32)


def integrated_gradients(
    classifier: Classifier, squares: Pixels, columns: Columns, advance: Advance = no_progress
) -> Floats:
    """Integrated gradients from the blurred picture, (N, S, S)."""
    from captum.attr import IntegratedGradients

    way = IntegratedGradients(_network(classifier, advance))
    return _attribution(classifier, squares, columns, way, n_steps=STEPS, internal_batch_size=STEPS_A_PASS)


def gradient_shap(classifier: Classifier, squares: Pixels, columns: Columns, advance: Advance = no_progress) -> Floats:
    """Expected gradients between the blurred picture and noisy copies of the picture, (N, S, S)."""
    import torch
    from captum.attr import GradientShap

    way = GradientShap(_network(classifier, advance))
    before = np.random.get_state()  # noqa: NPY002 - Captum draws from both
    try:
        with torch.random.fork_rng():
            maps = []
            for i in range(len(squares)):
                torch.manual_seed(SEED)
                np.random.seed(SEED)  # noqa: NPY002
                one = squares[i : i + 1], columns[i : i + 1]
                some = [
                    _attribution(classifier, *one, way, n_samples=SAMPLES_A_PASS, stdevs=NOISE_SD)
                    for _ in range(SHAP_PASSES)  # all samples at once would hold 5 GB
                ]
                maps.append(np.mean(some, axis=0, dtype=np.float32))
    finally:
        np.random.set_state(before)  # noqa: NPY002
    return np.concatenate(maps)


def occlusion(classifier: Classifier, squares: Pixels, columns: Columns, advance: Advance = no_progress) -> Floats:
    """What the logit loses where a window of the blurred picture slides over the picture, (N, S, S)."""
    from captum.attr import Occlusion

    way = Occlusion(_network(classifier, advance))
    window, stride = (3, WINDOW_PX, WINDOW_PX), (3, STRIDE_PX, STRIDE_PX)
    return _attribution(classifier, squares, columns, way, sliding_window_shapes=window, strides=stride)


def _attribution(classifier: Classifier, squares: Pixels, columns: Columns, way: Any, **settings: Any) -> Floats:  # noqa: ANN401 - Captum's classes share no type
    import torch

    baseline = _tensor(classifier, np.stack([blurred(square) for square in squares]))
    target = torch.from_numpy(columns).to(classifier.device)
    maps = way.attribute(_tensor(classifier, squares), baselines=baseline, target=target, **settings)
    return np.asarray(maps.detach().sum(1).float().cpu().numpy(), np.float32)


def _network(classifier: Classifier, advance: Advance) -> SideBySide:
    import torch

    import_timm()
    network = load_network(classifier.folder, classifier.card, torch.device(classifier.device))
    network.requires_grad_(False)
    network.stacked.register_forward_hook(lambda *_: advance())
    return network


def _tensor(classifier: Classifier, squares: Pixels) -> torch.Tensor:
    import torch

    return torch.from_numpy(classifier.pixels(squares)).to(classifier.device, memory_format=torch.channels_last)
