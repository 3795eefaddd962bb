"""Classifier: card and weights to scores, by ONNX Runtime on a CPU and by torch on a CUDA device."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file

from derm_kit.cases.images import central_square
from derm_kit.errors import ModelError
from derm_kit.lesions import LESION_TYPES
from derm_kit.model.card import ONNX_FILE, PROJECTION_FILE, WEIGHTS_FILE, ModelCard, default_model, load_card

Device = Literal["auto", "cpu", "cuda"]
Floats = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]


class Network(Protocol):
    """Normalised pixels (N, 3, S, S) to logits (N, K) and the feature map (N, C, h, w) that enters average pooling."""

    def __call__(self, pixels: Floats) -> tuple[Floats, Floats]:
        """Run the network."""
        ...


@dataclass(frozen=True)
class Inference:
    """What the network says of N pictures.

    logits (N, K) before temperature, in the card's order; scores (N, 11) in order of risk, NaN for untrained types;
    features (N, P) components of the pooled feature map; feature_map (N, C, h, w), what enters average pooling.
    """

    logits: Floats
    scores: Floats
    features: npt.NDArray[np.float16]
    feature_map: Floats


class Classifier:
    """A model folder made ready on one device. Safe to call from several threads.

    Raises ModelError where the folder does not hold together or the device is not there.
    """

    def __init__(self, model: Path | None = None, device: Device = "auto") -> None:
        folder = default_model() if model is None else model
        self.folder = folder
        self.card: ModelCard = load_card(folder)
        self.device: Literal["cpu", "cuda"] = _resolve(device)
        self._network: Network = _OnnxNetwork(folder) if self.device == "cpu" else _TorchNetwork(folder, self.card)
        self._mean, self._components = _projection(folder, self.card)
        self._column = np.array([LESION_TYPES.index(t) for t in self.card.types])

    def square(self, rgb: Pixels) -> Pixels:
        """The part of a picture that the network sees, (S, S, 3) uint8."""
        return central_square(rgb, self.card.preprocessing.input_size_px)

    def pixels(self, squares: Pixels) -> Floats:
        """The network's input (N, 3, S, S) from central squares (N, S, S, 3) uint8."""
        rule = self.card.preprocessing
        pixels = squares.transpose(0, 3, 1, 2).astype(np.float32, order="C")
        pixels -= rule.mean
        pixels /= rule.std
        return pixels

    def infer(self, squares: Pixels) -> Inference:
        """Scores of N central squares (N, S, S, 3) uint8."""
        logits, feature_map = self._network(self.pixels(squares))
        pooled = feature_map.mean(axis=(2, 3))
        scores = np.full((len(squares), len(LESION_TYPES)), np.nan, np.float32)
        scores[:, self._column] = softmax(logits / np.float32(self.card.temperature))
        return Inference(logits, scores, ((pooled - self._mean) @ self._components).astype(np.float16), feature_map)

    @cached_property
    def head(self) -> Floats:
        """Weights of the linear layer after pooling, (K, C) in the card's order. Raises ModelError where none is."""
        name = "classifier.weight"
        try:
            with safe_open(self.folder / WEIGHTS_FILE, framework="numpy") as tensors:
                return tensors.get_tensor(name)  # type: ignore[no-any-return]
        except (OSError, SafetensorError) as error:
            raise ModelError(
                f"a network with maps ends in average pooling and a linear layer {name!r} ({type(error).__name__})",
                case=str(self.folder / WEIGHTS_FILE),
                next_step="Take the whole model folder from its publisher again.",
            ) from None


def softmax(logits: Floats) -> Floats:
    """Softmax over the last axis."""
    exponent = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponent / exponent.sum(axis=-1, keepdims=True)  # type: ignore[no-any-return]


class _OnnxNetwork:
    """One session with one thread a call: callers run side by side, which wastes less than splitting each layer."""

    def __init__(self, folder: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(folder / ONNX_FILE, options, providers=["CPUExecutionProvider"])

    def __call__(self, pixels: Floats) -> tuple[Floats, Floats]:
        logits, feature_map = self._session.run(["logits", "feature_map"], {"pixels": pixels})
        return logits, feature_map


class _TorchNetwork:
    """The same weights in torch: bf16 and channels-last on CUDA, float32 where asked to run on a CPU."""

    def __init__(self, folder: Path, card: ModelCard, device: Literal["cpu", "cuda"] = "cuda") -> None:
        import torch

        from derm_kit.model._torch import load_network

        self._torch = torch
        self._device = torch.device(device)
        self._network: Any = load_network(folder, card, self._device)

    def __call__(self, pixels: Floats) -> tuple[Floats, Floats]:
        torch = self._torch
        fast = self._device.type == "cuda"
        with torch.inference_mode(), torch.autocast(self._device.type, torch.bfloat16, enabled=fast):
            x = torch.from_numpy(pixels).to(self._device, memory_format=torch.channels_last, non_blocking=True)
            feature_map = self._network.forward_features(x)
            logits = self._network.forward_head(feature_map)
        return logits.float().cpu().numpy(), feature_map.float().cpu().numpy()


def _resolve(device: Device) -> Literal["cpu", "cuda"]:
    """The device to run on; torch is asked only where an NVIDIA driver shows that there is something to ask about."""
    driver = Path("/proc/driver/nvidia/version").exists() or Path("C:/Windows/System32/nvcuda.dll").exists()
    if device == "cpu" or (device == "auto" and not driver):
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if device == "auto":
        return "cpu"
    raise ModelError(
        "--device cuda needs a CUDA device and a CUDA build of torch",
        value=f"torch {torch.__version__}",
        next_step="Use --device cpu, or install a CUDA build (make workbench TORCH_INDEX=...).",
    )


def _projection(folder: Path, card: ModelCard) -> tuple[Floats, Floats]:
    try:
        tensors = load_file(folder / PROJECTION_FILE)
        mean, components = tensors["mean"], tensors["components"]
    except (OSError, KeyError, SafetensorError) as error:
        raise ModelError(
            f"the feature projection has tensors 'mean' and 'components' ({type(error).__name__})",
            case=str(folder / PROJECTION_FILE),
            next_step="Take the whole model folder from its publisher again.",
        ) from None
    if components.shape != (len(mean), card.feature_components):
        raise ModelError(
            f"the feature projection has {card.feature_components} components, as the card says",
            case=str(folder / PROJECTION_FILE),
            value=components.shape,
            next_step="Take the whole model folder from its publisher again.",
        )
    return mean, components
