"""torch and timm, imported once and only when called, with the one work-around they need beside a CPU build.

An ordinary torchvision wheel beside a CPU-only torch fails on import because its compiled operators are missing.
Declaring the two operators it registers fake kernels for lets the import go on; nothing here ever calls them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from derm_kit.model.card import WEIGHTS_FILE, ModelCard

if TYPE_CHECKING:
    import torch

    from derm_kit.model._network import SideBySide

_declared: list[Any] = []


def import_timm() -> Any:  # noqa: ANN401 - timm carries no types
    """The timm module, importable whether torchvision brought its operators or not."""
    import torch

    if not _declared:
        try:
            import torchvision  # noqa: F401
        except RuntimeError:
            library: Any = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
            library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
            library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
            _declared.append(library)
    import timm

    return timm


def build_network(architecture: str, outputs: int) -> SideBySide:
    """A network of `outputs` logits with random weights; `architecture` names timm's backbones, joined by "+"."""
    from derm_kit.model._network import SideBySide

    create = import_timm().create_model
    backbones = [create(name.strip(), num_classes=0) for name in architecture.split("+")]
    return SideBySide(backbones, [backbone.num_features for backbone in backbones], outputs)


def load_network(folder: Path, card: ModelCard, device: torch.device) -> SideBySide:
    """The network of a model folder with its weights, channels-last, for reading scores only."""
    import torch
    from safetensors.torch import load_file

    from derm_kit.model._network import restored

    network = build_network(card.architecture, len(card.types))
    network.load_state_dict(restored(load_file(folder / WEIGHTS_FILE)))
    return network.eval().to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]
