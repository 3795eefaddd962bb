"""A network whose backbones look at the picture side by side and share one pooling and one linear layer.

The feature maps of the backbones are stacked, (N, C1 + C2 + ..., h, w), so the logits are one linear function of one
pooled tensor and one product draws the maps, whatever the number of backbones. Pooling and linear layer being linear,
such a network says what the weighted logits of its members add up to.

Its weights are stored small and computed in float32. A convolution of 20,000 weights or more lies as int8 with a factor
an output channel beside it, other layers as float16, vectors (statistics, biases) as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

LARGE = 20_000
FACTOR = "_factor"
"""Ending of the name under which the factors of an int8 weight lie."""


def stored(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A state dict as it is stored, smaller; the largest weight of each output channel becomes +-127."""
    small: dict[str, torch.Tensor] = {}
    for name, value in state.items():
        if value.ndim == 4 and value.numel() >= LARGE:
            factor = value.abs().amax(dim=(1, 2, 3), keepdim=True).clamp_min(torch.finfo(torch.float32).tiny) / 127
            small[name], small[name + FACTOR] = (value / factor).round().to(torch.int8), factor
        else:
            small[name] = value.half() if value.ndim > 1 else value
    return {name: value.contiguous() for name, value in small.items()}


def restored(small: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The state dict, weights in float32, of what is stored."""
    return {
        name: value * small[name + FACTOR] if value.dtype == torch.int8 else value.float() if value.ndim else value
        for name, value in small.items()
        if not name.endswith(FACTOR)
    }


class SideBySide(torch.nn.Module):
    """Backbones without a head, then average pooling and `classifier`: pixels (N, 3, S, S) to logits (N, K)."""

    def __init__(self, backbones: Sequence[torch.nn.Module], channels: Sequence[int], outputs: int) -> None:
        super().__init__()
        self.backbones = torch.nn.ModuleList(backbones)
        self.stacked = torch.nn.Identity()
        self.classifier = torch.nn.Linear(sum(channels), outputs)

    def forward_features(self, pixels: torch.Tensor) -> torch.Tensor:
        """The tensor that enters average pooling, (N, C, h, w); it passes `stacked`, where maps are hooked."""
        maps = [backbone.forward_features(pixels) for backbone in self.backbones]  # type: ignore[operator]
        stacked: torch.Tensor = self.stacked(torch.cat(maps, dim=1))
        return stacked

    def forward_head(self, feature_map: torch.Tensor) -> torch.Tensor:
        """Logits (N, K) of a feature map (N, C, h, w)."""
        logits: torch.Tensor = self.classifier(feature_map.mean(dim=(2, 3)))
        return logits

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Logits (N, K)."""
        return self.forward_head(self.forward_features(pixels))
