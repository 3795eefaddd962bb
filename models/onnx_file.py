"""The network as an ONNX file whose weights lie as small as those of the torch file (derm_kit/model/_network.py).

Weights are rounded to what is stored before export, so both engines compute with the same numbers. The exporter folds
batch normalisation into the convolutions; here each folded weight is written as the stored weight times a factor a
channel, which ONNX Runtime multiplies out once, when it loads the file.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from derm_kit.model._network import stored


class WithFeatureMap(torch.nn.Module):
    """The network with the tensor that enters global average pooling as second output."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Pixels (N, 3, S, S) to logits (N, K) and feature map (N, C, h, w)."""
        feature_map = self.network.forward_features(pixels)
        return self.network.forward_head(feature_map), feature_map


def write_onnx(network: torch.nn.Module, path: Path, size: int) -> None:
    """Write pixels (N, 3, size, size) -> logits, feature_map with any N; the weights of `network` must be as stored."""
    program = torch.onnx.export(
        WithFeatureMap(network).eval(), (torch.zeros(2, 3, size, size),), dynamo=True, external_data=False,
        optimize=True, input_names=["pixels"], output_names=["logits", "feature_map"],
        dynamic_shapes={"pixels": {0: torch.export.Dim("batch", min=1)}},
    )  # fmt: skip
    model = program.model_proto
    store_small(model.graph, {f"network.{k}": v.numpy() for k, v in stored(network.state_dict()).items()})
    forget_where(model)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def forget_where(model: onnx.ModelProto) -> None:
    """Drop what the exporter noted of the machine: the stack trace of each node, with the paths of its files."""
    for part in (model, model.graph, *model.graph.node, *model.graph.value_info, *model.graph.input,
                 *model.graph.output, *model.graph.initializer):  # fmt: skip
        del part.metadata_props[:]
        part.doc_string = ""


def store_small(graph: onnx.GraphProto, weights: dict[str, np.ndarray]) -> None:
    """Replace each float32 weight of `graph` by its small form in `weights` times the factors (O, 1, ...) it holds."""
    made = []
    for tensor in [t for t in graph.initializer if t.name in weights and len(t.dims) > 1]:
        small = weights[tensor.name]
        factor = channel_factor(small, numpy_helper.to_array(tensor))
        narrow, wide, scale = (f"{tensor.name}_{part}" for part in ("stored", "wide", "scale"))
        graph.initializer.remove(tensor)
        graph.initializer.append(numpy_helper.from_array(small, narrow))
        graph.initializer.append(numpy_helper.from_array(factor, scale))
        made.append(helper.make_node("Cast", [narrow], [wide], to=TensorProto.FLOAT))
        made.append(helper.make_node("Mul", [wide, scale], [tensor.name]))
    for node in reversed(made):
        graph.node.insert(0, node)


def channel_factor(plain: np.ndarray, folded: np.ndarray) -> np.ndarray:
    """The factor of each output channel, (O, 1, ...) float32, by which `folded` is `plain`. Raises ValueError."""
    rows, target = plain.reshape(len(plain), -1).astype(np.float64), folded.reshape(len(plain), -1)
    square = (rows**2).sum(axis=1)
    factor = np.divide((rows * target).sum(axis=1), square, out=np.ones(len(plain)), where=square > 0)
    if not np.allclose(rows * factor[:, None], target, rtol=1e-5, atol=1e-7):
        raise ValueError("the exporter changed a weight by more than a factor a channel, or it was not rounded first")
    return factor.astype(np.float32).reshape(-1, *[1] * (plain.ndim - 1))
