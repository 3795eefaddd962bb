"""A map laid over its picture as one picture, for where no viewer runs: a phone, a page that was kept."""

from __future__ import annotations

import cv2
import numpy as np

from derm_kit.cases.images import central_square
from derm_kit.model.classifier import Floats, Pixels

OPACITY = 0.7


def laid_over(rgb: Pixels, drawn: Floats, scale: float, side_px: int) -> Pixels:
    """The central square of `rgb` (H, W, 3) under the map `drawn` (h, w), as uint8 (side_px, side_px, 3).

    `scale` is the map's value of full colour: one for all maps of a picture, so that a faint map looks faint. Colours
    are cividis, read alike with and without colour blindness (Nuñez 2018).
    """
    share = np.maximum(drawn, 0) / max(scale, float(np.finfo(np.float32).tiny))
    grown = np.clip(cv2.resize(share, (side_px, side_px), interpolation=cv2.INTER_CUBIC), 0, 1)
    colour = cv2.applyColorMap((grown * 255).astype(np.uint8), cv2.COLORMAP_CIVIDIS)[..., ::-1]
    weight = OPACITY * np.sqrt(grown)[..., None]
    return np.asarray((1 - weight) * central_square(rgb, side_px) + weight * colour, np.uint8)
