"""Pictures of a session's cases as phones get them, and the model's maps over them.

Coded anew, so that nothing that a file says beside its pixels leaves the machine, and no larger than a phone can show.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from derm_kit.cases.images import decode
from derm_kit.errors import CaseError, DermKitError
from derm_kit.lesions import LesionType
from derm_kit.model.classifier import Classifier, Pixels
from derm_kit.model.explanation import one_pass_maps
from derm_kit.model.overlay import laid_over
from derm_kit.triage.teaching_list import TeachingCase

LARGEST_SIDE_PX = 1_600
MAP_SIDE_PX = 800
QUALITY = 88


@dataclass
class CasePictures:
    """JPEGs by number of the case, counted from 1: pictures once they are coded, maps once they are drawn.

    `model_hash` is of the model whose view the cases hold: another one's map is not shown with it.
    """

    cases: Sequence[TeachingCase]
    model_hash: str
    _pictures: dict[int, bytes] = field(default_factory=dict)
    _maps: dict[int, bytes] = field(default_factory=dict)
    _closing: threading.Event = field(default_factory=threading.Event)
    _drawing: threading.Thread | None = None

    def code_all(self) -> None:
        """Code every picture. Raises CaseError, by the case's id, where one is not here or cannot be read."""
        for number, case in enumerate(self.cases, 1):
            if case.picture_path is None:
                raise CaseError(
                    "a session is served with all its pictures", case=case.case_id, value="no picture here",
                    next_step="Put it where it was, or fetch it (page 00 or 02); then start this again.",
                )  # fmt: skip
            self._pictures[number] = _jpeg(_fitted(_decoded(case, case.picture_path)))

    def picture(self, number: int) -> bytes:
        """The picture of a case, once code_all() has run."""
        return self._pictures[number]

    def map(self, number: int) -> bytes | None:
        """The map of the type that the model names, over the central square; None where there is none (yet)."""
        return self._maps.get(number)

    def draw_maps(self) -> threading.Thread:
        """Draw every map beside the server; the session goes on without those that cannot be drawn."""
        self._drawing = threading.Thread(target=self._draw_maps)
        self._drawing.start()
        return self._drawing

    def close(self) -> None:
        """Draw no more: a process that ends with the network at work is torn down."""
        self._closing.set()
        if self._drawing:
            self._drawing.join()

    def _draw_maps(self) -> None:
        classifier = Classifier(device="cpu")
        for number, case in enumerate(self.cases, 1):
            if self._closing.is_set():
                return
            with contextlib.suppress(DermKitError):
                if drawn := map_of(classifier, case, self.model_hash):
                    self._maps[number] = drawn


def map_of(classifier: Classifier, case: TeachingCase, model_hash: str) -> bytes | None:
    """The map of the type that the model names, a JPEG; None without a picture here, or where another model named it.

    Raises CaseError for a picture that cannot be read.
    """
    path, explained, card = case.picture_path, case.model_diagnosis, classifier.card
    if path is None or explained not in card.types or model_hash != card.model_hash:
        return None
    return _jpeg(_overlaid(classifier, _decoded(case, path), explained))


def _decoded(case: TeachingCase, path: Path) -> Pixels:
    """The pixels, large enough for a phone's zoom."""
    return decode(path, case=case.case_id, min_side_px=LARGEST_SIDE_PX // 2).rgb


def _overlaid(classifier: Classifier, rgb: Pixels, explained: LesionType) -> Pixels:
    """The central square under its map, on the scale of all maps of the picture."""
    maps = one_pass_maps(classifier.infer(classifier.square(rgb)[None]), classifier)[0]
    return laid_over(rgb, maps[classifier.card.types.index(explained)], float(maps.max()), MAP_SIDE_PX)


def _fitted(rgb: Pixels) -> Pixels:
    height, width = rgb.shape[:2]
    shrink = LARGEST_SIDE_PX / max(height, width)
    if shrink >= 1:
        return rgb
    size = max(1, round(width * shrink)), max(1, round(height * shrink))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)


def _jpeg(rgb: Pixels) -> bytes:
    ok, coded = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    assert ok  # noqa: S101 - encoding of a proper array cannot fail
    return coded.tobytes()
