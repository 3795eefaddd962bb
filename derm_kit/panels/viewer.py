"""PictureViewer: one picture with a map over it, moved by mouse, touch or keyboard."""

from __future__ import annotations

from pathlib import Path

import anywidget
import cv2
import numpy as np
import traitlets as t

from derm_kit.model.classifier import Floats, Pixels

MODES = {"picture": "Picture only", "colour": "Map as colour", "outline": "Map as outline"}


def colours() -> bytes:
    """256 RGB steps of cividis, perceptually uniform and read alike with and without colour blindness (Nuñez 2018)."""
    table = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_CIVIDIS)
    return np.ascontiguousarray(table[:, 0, ::-1]).tobytes()


class PictureViewer(anywidget.AnyWidget):
    """A picture and, over its central square, a map (h, w) whose `scale` is the value of full colour.

    The scale is one for all maps of a case, so that a faint map looks faint; `level` (share of the scale) is where the
    outline runs. Space shows the untouched picture in every mode.
    """

    _esm = Path(__file__).with_name("viewer.js")

    picture = t.Bytes().tag(sync=True)
    description = t.Unicode("No picture yet").tag(sync=True)
    map = t.Bytes().tag(sync=True)
    map_shape = t.Tuple(t.Int(), t.Int(), default_value=(0, 0)).tag(sync=True)
    scale = t.Float(0.0).tag(sync=True)
    colours = t.Bytes(colours()).tag(sync=True)
    mode = t.Enum(list(MODES), default_value="picture").tag(sync=True)
    opacity = t.Float(0.6, min=0.0, max=1.0).tag(sync=True)
    level = t.Float(0.5, min=0.0, max=1.0).tag(sync=True)

    def show_picture(self, rgb: Pixels, description: str) -> None:
        """Show a picture (H, W, 3) uint8 without a map."""
        ok, coded = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
        assert ok  # noqa: S101 - encoding of a proper array cannot fail
        with self.hold_sync():
            self.map, self.map_shape = b"", (0, 0)
            self.picture, self.description = coded.tobytes(), description

    def show_map(self, drawn: Floats, scale: float) -> None:
        """Lay a map (h, w) over the picture; `scale` is the value of full colour."""
        with self.hold_sync():
            self.map_shape = (int(drawn.shape[0]), int(drawn.shape[1]))
            self.scale = float(scale)
            self.map = np.ascontiguousarray(drawn, np.float32).tobytes()
