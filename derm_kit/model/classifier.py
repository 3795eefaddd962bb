"""Classifier: card and weights to scores, by ONNX Runtime on a CPU and by torch on a CUDA device."""

from __future__ import annotations

import ctypes
import sys
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file

from derm_kit.cases.images import central_square
from derm_kit.errors import ModelError, printable
from derm_kit.lesions import LESION_TYPES
from derm_kit.model.card import ONNX_FILE, PROJECTION_FILE, WEIGHTS_FILE, ModelCard, default_model, load_card

Device = Literal["auto", "cpu", "cuda"]
Floats = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]

_TAKE_AGAIN = "Take the whole model folder from its publisher again."


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
        self.device: Literal["cpu", "cuda"] = resolve(device)
        engine = _OnnxNetwork if self.device == "cpu" else _TorchNetwork
        self._network: Network = engine(folder, self.card)
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
        """Scores of N central squares (N, S, S, 3) uint8.

        Raises MemoryError where they do not fit into memory at once, and ModelError where the network refuses them.
        """
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
                return np.asarray(tensors.get_tensor(name), np.float32)
        except (OSError, SafetensorError) as error:
            raise ModelError(
                f"a network with maps ends in average pooling and a linear layer {name!r} ({type(error).__name__})",
                case=str(self.folder / WEIGHTS_FILE),
                next_step=_TAKE_AGAIN,
            ) from None


def softmax(logits: Floats) -> Floats:
    """Softmax over the last axis."""
    exponent = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponent / exponent.sum(axis=-1, keepdims=True)  # type: ignore[no-any-return]


class _OnnxNetwork:
    """One session with one thread a call: callers run side by side, which wastes less than splitting each layer."""

    def __init__(self, folder: Path, card: ModelCard) -> None:
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as state

        self._file = folder / ONNX_FILE
        self._errors = tuple(e for e in vars(state).values() if isinstance(e, type) and issubclass(e, Exception))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.enable_mem_pattern = False  # a second copy of the working memory, and no quicker
        options.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(self._file, options, providers=["CPUExecutionProvider"])
        except self._errors as error:
            raise _unusable(self._file, error) from None
        _give_back_memory()
        shapes = {output.name: output.shape for output in self._session.get_outputs()}
        width = shapes.get("logits", [0])[-1]
        if width != len(card.types):
            raise ModelError(
                f"the network has one output for each of the {len(card.types)} types in the card",
                case=str(self._file),
                value=width,
                next_step=_TAKE_AGAIN,
            )

    def __call__(self, pixels: Floats) -> tuple[Floats, Floats]:
        try:
            logits, feature_map = self._session.run(["logits", "feature_map"], {"pixels": pixels})
        except self._errors as error:
            if "alloc" in str(error).lower():
                raise MemoryError(str(error)) from None
            raise _unusable(self._file, error) from None
        return logits, feature_map


class _TorchNetwork:
    """The same weights in torch: bf16 and channels-last on CUDA, float32 where asked to run on a CPU."""

    def __init__(self, folder: Path, card: ModelCard, device: Literal["cpu", "cuda"] = "cuda") -> None:
        import torch

        from derm_kit.model._torch import load_network

        self._torch = torch
        self._device = torch.device(device)
        try:
            self._network: Any = load_network(folder, card, self._device)
        except (OSError, RuntimeError, SafetensorError) as error:
            raise _unusable(folder / WEIGHTS_FILE, error) from None

    def __call__(self, pixels: Floats) -> tuple[Floats, Floats]:
        torch = self._torch
        fast = self._device.type == "cuda"
        try:
            with torch.inference_mode(), torch.autocast(self._device.type, torch.bfloat16, enabled=fast):
                x = torch.from_numpy(pixels).to(self._device, memory_format=torch.channels_last, non_blocking=True)
                feature_map = self._network.forward_features(x)
                logits = self._network.forward_head(feature_map)
            return logits.float().cpu().numpy(), feature_map.float().cpu().numpy()
        except torch.OutOfMemoryError as error:
            raise MemoryError(str(error)) from None


def resolve(device: Device) -> Literal["cpu", "cuda"]:
    """The device to run on; torch is asked only where an NVIDIA driver shows that there is something to ask about."""
    driver = Path("/proc/driver/nvidia/version").exists() or Path("C:/Windows/System32/nvcuda.dll").exists()
    if device == "cpu" or (device == "auto" and not driver):
        return "cpu"
    build = "none"
    if find_spec("torch"):
        import torch

        if torch.cuda.is_available():
            return "cuda"
        build = torch.__version__
    if device == "auto":
        return "cpu"
    raise ModelError(
        "--device cuda needs a CUDA device and a CUDA build of torch",
        value=f"torch {build}",
        next_step="Use --device cpu, or install a CUDA build (make workbench TORCH_INDEX=...).",
    )


def _give_back_memory() -> None:
    """Return freed memory to the system: reading and rewriting the graph leaves 75 MB that glibc would keep."""
    if sys.platform == "linux" and hasattr(ctypes.CDLL(None), "malloc_trim"):
        ctypes.CDLL(None).malloc_trim(0)


def _unusable(file: Path, error: Exception) -> ModelError:
    return ModelError(f"the network cannot be run ({printable(error)})", case=str(file), next_step=_TAKE_AGAIN)


def _projection(folder: Path, card: ModelCard) -> tuple[Floats, Floats]:
    try:
        tensors = load_file(folder / PROJECTION_FILE)
        mean, components = tensors["mean"], tensors["components"]
    except (OSError, KeyError, SafetensorError) as error:
        raise ModelError(
            f"the feature projection has tensors 'mean' and 'components' ({type(error).__name__})",
            case=str(folder / PROJECTION_FILE),
            next_step=_TAKE_AGAIN,
        ) from None
    if components.shape != (len(mean), card.feature_components):
        raise ModelError(
            f"the feature projection has {card.feature_components} components, as the card says",
            case=str(folder / PROJECTION_FILE),
            value=components.shape,
            next_step=_TAKE_AGAIN,
        )
    return mean, components
