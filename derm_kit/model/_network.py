"""A network whose backbones look at the picture side by side and share one pooling and one linear layer.

The feature maps of the backbones are stacked, (N, C1 + C2 + ..., h, w), so the logits are one linear function of one
pooled tensor and one product draws the maps, whatever the number of backbones. Pooling and linear layer being linear,
such a network says what the weighted logits of its members add up to.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch


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
