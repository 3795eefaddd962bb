"""The phantom: synthetic dermoscopy with known truth, drawn from a seed.

A test object as hospitals use for scanners, not a teaching picture: it says so in a caption strip on its face and in
its metadata. The same seed gives the same picture with the same NumPy and OpenCV.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from derm_kit.cases import phantom_camera as camera
from derm_kit.cases.phantom_canvas import Canvas
from derm_kit.cases.phantom_recipes import RECIPES
from derm_kit.errors import CaseError
from derm_kit.lesions import LESION_TYPES, LesionType

TONE_SHARE = (0.10, 0.14, 0.18, 0.24, 0.20, 0.14)
"""How often each skin tone (0 very dark to 5 very light) is drawn."""

_CHANCE = {"hair": 0.30, "gel_bubbles": 0.12, "ruler": 0.15, "vignetting": 0.25}


@dataclass(frozen=True)
class Structure:
    """One kind of structure in a phantom and its place: `mask` bool (size, size), box centre and extent (x, y) in px."""

    name: str
    mask: npt.NDArray[np.bool_]
    centre_px: tuple[float, float]
    extent_px: tuple[float, float]


@dataclass(frozen=True)
class Phantom:
    """A drawn phantom: `image` uint8 (size, size, 3) RGB, `mask` bool (size, size) of the lesion, and the truth."""

    image: npt.NDArray[np.uint8]
    mask: npt.NDArray[np.bool_]
    structures: tuple[Structure, ...]
    lesion_type: LesionType
    seed: int
    skin_tone: int
    metadata: dict[str, str]


def _structure(name: str, mask: npt.NDArray[np.bool_]) -> Structure | None:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    left, right, top, bottom = int(columns[0]), int(columns[-1]) + 1, int(rows[0]), int(rows[-1]) + 1
    return Structure(name, mask, ((left + right) / 2, (top + bottom) / 2), (float(right - left), float(bottom - top)))


def draw(
    lesion_type: LesionType,
    seed: int,
    *,
    size_px: int = 256,
    skin_tone: int | None = None,
    hair: bool | None = None,
    gel_bubbles: bool | None = None,
    ruler: bool | None = None,
    vignetting: bool | None = None,
    caption: bool = True,
) -> Phantom:
    """Draw a phantom of `lesion_type`.

    `skin_tone` runs from 0 (very dark) to 5 (very light). A switch that is None, like the tone, is drawn from the seed;
    True or False forces it and changes nothing else.

    Raises:
        CaseError: seed below 0, `size_px` outside 64 to 2048 or `skin_tone` outside 0 to 5.
    """
    case = f"phantom {lesion_type} {seed}"
    if seed < 0:
        raise CaseError("a seed is a whole number from 0", next_step="Give another seed.", case=case, value=seed)
    if not 64 <= size_px <= 2048:
        raise CaseError("size_px is 64 to 2048", next_step="Give another size.", case=case, value=size_px)
    if skin_tone is not None and not 0 <= skin_tone <= 5:
        raise CaseError("skin_tone is 0 to 5", next_step="Give another tone or None.", case=case, value=skin_tone)

    root = np.random.SeedSequence([LESION_TYPES.index(lesion_type), seed])
    streams = [np.random.Generator(np.random.PCG64(s)) for s in root.spawn(8)]
    chance, on_skin, on_lesion, on_hair, on_gel, on_ruler, on_edge, on_sensor = streams
    tone = int(np.searchsorted(np.cumsum(TONE_SHARE), chance.random() * 0.9999))
    tone = tone if skin_tone is None else skin_tone
    wanted = {"hair": hair, "gel_bubbles": gel_bubbles, "ruler": ruler, "vignetting": vignetting}
    shown = {n: (d < _CHANCE[n]) if w is None else w for (n, w), d in zip(wanted.items(), chance.random(4), strict=True)}

    canvas = Canvas(size_px, tone)
    camera.skin(canvas, on_skin)
    RECIPES[lesion_type].paint(canvas, on_lesion)
    if shown["ruler"]:
        camera.ruler(canvas, on_ruler)
    if shown["gel_bubbles"]:
        camera.gel_bubbles(canvas, on_gel)
    if shown["hair"]:
        camera.hair(canvas, on_hair)
    dimming = camera.vignette(canvas, on_edge) if shown["vignetting"] else None
    image = camera.expose(canvas.render(), on_sensor, dimming)
    if caption:
        camera.write_caption(image)
        hidden = camera.strip_mask(size_px)
        canvas.places = {name: mask & ~hidden for name, mask in canvas.places.items()}
    structures = (_structure(name, mask) for name, mask in canvas.places.items())
    return Phantom(
        image=image,
        mask=canvas.depth_u > 0,
        structures=tuple(s for s in structures if s is not None),
        lesion_type=lesion_type,
        seed=seed,
        skin_tone=tone,
        metadata={"source": "phantom", "note": camera.CAPTION, "lesion_type": str(lesion_type), "seed": str(seed)},
    )
