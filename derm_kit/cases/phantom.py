"""The phantom: synthetic dermoscopy with known truth, drawn from a seed.

A test object as hospitals use for scanners, not a teaching picture: it says so in a caption strip on its face and in
its metadata. The same seed gives the same bytes: what decides a pixel is reckoned in float64 or whole numbers, so that
the vector instructions of a processor do not show.
"""

from __future__ import annotations

import csv
import shutil
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import platformdirs
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from derm_kit.cases import phantom_camera as camera
from derm_kit.cases import sources
from derm_kit.cases.cohort import Cohort
from derm_kit.cases.phantom_canvas import Canvas
from derm_kit.cases.phantom_recipes import RECIPES
from derm_kit.errors import CaseError, CohortError
from derm_kit.lesions import LESION_TYPES, LesionType

DEMO_SEEDS = range(6)
"""Seeds of the demo cohort, the skin tone of each being the seed itself; a model must not train on them."""

TONE_SHARE = (0.10, 0.14, 0.18, 0.24, 0.20, 0.14)
"""How often each skin tone (0 very dark to 5 very light) is drawn."""

_DEMO_WORDS = {
    "source": "phantom",
    "licence": "CC0-1.0",
    "attribution": "derm-kit phantom: a drawn test object, not a patient",
    "split": "phantom",
}
_STALE_S = 3600.0

_CHANCE = {"hair": 0.30, "gel_bubbles": 0.12, "ruler": 0.15, "vignetting": 0.18}


@dataclass(frozen=True)
class Structure:
    """One kind of structure in a phantom and its place.

    `mask` is bool (size, size); the box round it has its centre (x, y) at `centre_px` and measures `extent_px`.
    """

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
    Raises CaseError for a seed below 0, `size_px` outside 64 to 2048 and `skin_tone` outside 0 to 5.
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
    shown = {
        n: (d < _CHANCE[n]) if w is None else w for (n, w), d in zip(wanted.items(), chance.random(4), strict=True)
    }

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


def demo_cohort(folder: Path | None = None) -> Cohort:
    """The 66 phantoms of the demo cohort, six a lesion type, one of each skin tone; drawn at first use.

    They lie as PNG with masks and a metadata.csv in `folder`, by default in the user's cache, and are used again when
    all are there. Drawing goes to a folder beside it that is renamed at the end, so a broken run leaves no half cohort.
    Raises CohortError when `folder` holds other files or cannot be written.
    """
    folder = (
        platformdirs.user_cache_path("derm-kit", appauthor=False) / "phantoms-v1" if folder is None else Path(folder)
    )
    try:
        if not _complete(folder):
            _draw_demo(folder)
    except OSError as error:
        raise CohortError(
            "the demo cohort needs a folder that can be written",
            case=str(folder),
            value=error.strerror,
            next_step="Name another folder, or make this one writable.",
        ) from error
    return sources.read(folder)


def _case_id(kind: LesionType, seed: int) -> str:
    return f"phantom-{kind.value}-{seed}"


def _demo_files() -> set[str]:
    ids = [_case_id(kind, seed) for kind in LESION_TYPES for seed in DEMO_SEEDS]
    return {"metadata.csv", *(f"images/{i}.png" for i in ids), *(f"masks/{i}.png" for i in ids)}


def _complete(folder: Path) -> bool:
    return all((folder / file).is_file() for file in _demo_files())


def _draw_demo(folder: Path) -> None:
    """Draw the demo cohort beside `folder` and move it there; leftovers of runs that broke off are cleared away."""
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    if foreign := sorted(found - _demo_files()):
        raise CohortError(
            "the demo cohort needs a folder of its own",
            case=str(folder),
            value=foreign[0],
            next_step="Name an empty or a new folder.",
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{folder.name}-drawing-"
    for leftover in folder.parent.glob(f"{prefix}*"):
        if time.time() - leftover.stat().st_mtime > _STALE_S:
            shutil.rmtree(leftover, ignore_errors=True)
    drawn = Path(tempfile.mkdtemp(prefix=prefix, dir=folder.parent))
    try:
        write_phantoms(drawn, ((kind, seed, seed) for kind in LESION_TYPES for seed in DEMO_SEEDS))
        drawn.chmod(0o755)
        if _complete(folder):
            return
        shutil.rmtree(folder, ignore_errors=True)
        try:
            drawn.rename(folder)
        except OSError:
            if not _complete(folder):
                raise
    finally:
        shutil.rmtree(drawn, ignore_errors=True)


def write_phantoms(folder: Path, which: Iterable[tuple[LesionType, int, int | None]]) -> None:
    """Draw phantoms of (lesion type, seed, skin tone or None) into an empty folder: images, masks and metadata.csv."""
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    rows = []
    for kind, seed, tone in which:
        phantom, case_id = draw(kind, seed, skin_tone=tone), _case_id(kind, seed)
        said = PngInfo()
        for key, text in phantom.metadata.items():
            said.add_text(key, text)
        Image.fromarray(phantom.image).save(folder / "images" / f"{case_id}.png", pnginfo=said)
        Image.fromarray(phantom.mask).save(folder / "masks" / f"{case_id}.png")
        rows.append([case_id, f"masks/{case_id}.png", kind.value, "drawn", phantom.skin_tone, *_DEMO_WORDS.values()])
    with (folder / "metadata.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["image_id", "mask", "lesion_types", "diagnosis_source", "skin_tone_class", *_DEMO_WORDS])
        writer.writerows(rows)
