"""One recipe a lesion type: which structures a phantom of that type shows, each from the literature it cites.

Terms are those of Kittler et al., J Am Acad Dermatol 2016;74:1093-1106 (standardisation of terminology in dermoscopy)
and Argenziano et al., J Am Acad Dermatol 2003;48:679-693 (consensus meeting via the Internet).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from derm_kit.cases import phantom_marks as marks
from derm_kit.cases.phantom_canvas import Canvas, Field, Rng, noise, ramp
from derm_kit.lesions import LesionType


@dataclass(frozen=True)
class Recipe:
    """How a type is painted; `always` are the structures every phantom of it shows, `one_of` at least one of them."""

    paint: Callable[[Canvas, Rng], None]
    always: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()


def _pigment(canvas: Canvas, rng: Rng, body: Field, strength: float, variety: float) -> None:
    """Diffuse brown of the lesion, uneven by `variety`."""
    canvas.melanin += strength * body * np.maximum(0.15, 1 + variety * noise(rng, canvas.size, 4, 4))


def _flush(canvas: Canvas, rng: Rng, body: Field, strength: float) -> None:
    """Diffuse pink to red, uneven."""
    canvas.blood += strength * body * np.maximum(0.1, 1 + 0.35 * noise(rng, canvas.size, 5, 4))


def _middle(canvas: Canvas, rng: Rng, reach_u: float) -> Field:
    """A soft ragged spot in the depth of the lesion, about `reach_u` across."""
    deepest = float(canvas.depth_u.max())
    ragged = canvas.depth_u + 0.05 * noise(rng, canvas.size, 6, 3)
    return ramp(ragged, deepest - reach_u, deepest - 0.6 * reach_u)


def melanoma(canvas: Canvas, rng: Rng) -> None:
    """Atypical network, irregular streaks, asymmetric blotches, blue-white veil, regression (Argenziano 2003)."""
    marks.outline(canvas, rng, rng.uniform(0.40, 0.66), lobes=0.15, rough_u=0.035, rough_cells=10, stretch=1.5)
    body = canvas.inside(0.07)
    _pigment(canvas, rng, body, rng.uniform(0.30, 0.6), 0.35)
    canvas.blood += rng.uniform(0.1, 0.4) * marks.patch(canvas, rng, 0.4)
    marks.pigment_network(
        canvas,
        rng,
        np.maximum(marks.patch(canvas, rng, 0.6), 0.35 * body),
        pitch_u=rng.uniform(0.055, 0.085),
        line_u=0.014,
        strength=rng.uniform(0.6, 1.0),
        irregular=1.0,
        name="atypical_pigment_network",
    )
    marks.blotches(canvas, rng, rng.uniform(0.15, 0.45), rng.uniform(0.5, 1.1))
    marks.globules(canvas, rng, marks.patch(canvas, rng, 0.35), int(rng.integers(10, 40)), strength=0.8)
    marks.streaks(canvas, rng, int(rng.integers(10, 30)), rng.uniform(0.7, 1.1))
    if rng.random() < 0.45:
        scar = marks.patch(canvas, rng, rng.uniform(0.1, 0.25), 2.5)
        marks.white_area(canvas, rng, scar, "regression")
        marks.globules(
            canvas, rng, scar, int(rng.integers(20, 60)), radius_u=(0.006, 0.011), name="peppering", blue=0.7
        )
    marks.blue_white_veil(canvas, rng, rng.uniform(0.15, 0.4), rng.uniform(0.6, 1.1))


def squamous_cell_carcinoma(canvas: Canvas, rng: Rng) -> None:
    """Keratin masses, scale, white circles, looped vessels (Rosendahl et al., Arch Dermatol 2012;148:1386-1392)."""
    marks.outline(canvas, rng, rng.uniform(0.35, 0.6), lobes=0.12, rough_u=0.04, rough_cells=8)
    body = canvas.inside(0.18)
    _flush(canvas, rng, body, rng.uniform(0.25, 0.5))
    centre = _middle(canvas, rng, rng.uniform(0.16, 0.34))
    rim = body * (1 - centre)
    marks.white_area(canvas, rng, 0.7 * marks.patch(canvas, rng, 0.4), "white_structureless_area")
    marks.hairpin_vessels(canvas, rng, rim, int(rng.integers(10, 26)))
    if rng.random() < 0.5:
        marks.coiled_vessels(canvas, rng, rim, int(rng.integers(8, 20)))
    marks.white_circles(canvas, rng, rim, int(rng.integers(5, 14)))
    marks.keratin_mass(canvas, rng, centre)
    marks.scale(canvas, rng, rng.uniform(0.10, 0.25), yellow=0.4)
    if rng.random() < 0.5:
        marks.ulceration(canvas, rng, ramp(noise(rng, canvas.size, 7, 2), 1.2, 1.5) * centre)


def basal_cell_carcinoma(canvas: Canvas, rng: Rng) -> None:
    """Arborising vessels, ovoid nests, leaf-like areas, ulceration (Menzies et al., Arch Dermatol 2000;136:1012-1016).

    Shiny white lines and the share of each: Altamura et al., J Am Acad Dermatol 2010;62:67-75.
    """
    marks.outline(canvas, rng, rng.uniform(0.38, 0.6), lobes=0.10, rough_u=0.03, rough_cells=7)
    body = canvas.inside(0.14)
    _flush(canvas, rng, body, rng.uniform(0.08, 0.32))
    canvas.cover(0.18 * body, (0.93, 0.84, 0.84))
    marks.blue_grey_nests(canvas, rng, int(rng.integers(1, 9)))
    if rng.random() < 0.45:
        marks.leaf_like_areas(canvas, rng, int(rng.integers(1, 4)))
    marks.arborising_vessels(canvas, rng, int(rng.integers(2, 6)), rng.uniform(0.014, 0.026))
    if rng.random() < 0.4:
        marks.shiny_white_lines(canvas, rng, int(rng.integers(6, 20)))
    if rng.random() < 0.5:
        sore = ramp(noise(rng, canvas.size, 5, 3), 1.0, 1.3) * canvas.inside(0.05, 0.08)
        marks.ulceration(canvas, rng, sore)


def intraepidermal_carcinoma(canvas: Canvas, rng: Rng) -> None:
    """Clustered glomerular vessels and surface scale (Zalaudek et al., Br J Dermatol 2004;150:1112-1116)."""
    marks.outline(canvas, rng, rng.uniform(0.42, 0.68), lobes=0.14, rough_u=0.045, rough_cells=8, stretch=1.5)
    body = canvas.inside(0.10)
    _flush(canvas, rng, body, rng.uniform(0.22, 0.45))
    if rng.random() < 0.3:
        brown = marks.patch(canvas, rng, 0.35)
        _pigment(canvas, rng, brown, rng.uniform(0.2, 0.4), 0.3)
        marks.globules(canvas, rng, brown, int(rng.integers(20, 50)), radius_u=(0.007, 0.013), name="dots")
    clusters = marks.patch(canvas, rng, rng.uniform(0.3, 0.6), 4, 0.4)
    marks.coiled_vessels(canvas, rng, clusters, int(rng.integers(60, 150)))
    marks.scale(canvas, rng, rng.uniform(0.06, 0.22), cells=6, yellow=rng.uniform(0.1, 0.5))


def actinic_keratosis(canvas: Canvas, rng: Rng) -> None:
    """Strawberry pattern and fine scale (Zalaudek et al., Br J Dermatol 2006;155:951-956).

    Grading against Bowen and SCC: Zalaudek et al., J Am Acad Dermatol 2012;66:589-597.
    """
    marks.outline(canvas, rng, rng.uniform(0.5, 0.75), lobes=0.12, rough_u=0.06, rough_cells=7, stretch=1.5)
    marks.strawberry_pattern(canvas, rng, rng.uniform(0.35, 0.65))
    if rng.random() < 0.35:
        _pigment(canvas, rng, marks.patch(canvas, rng, 0.4), rng.uniform(0.15, 0.35), 0.4)
    marks.scale(canvas, rng, rng.uniform(0.03, 0.12), cells=11, yellow=rng.uniform(0.1, 0.6))


def atypical_naevus(canvas: Canvas, rng: Rng) -> None:
    """Irregular network, eccentric pigmentation (Hofmann-Wellenhof et al., Arch Dermatol 2001;137:1575-1580)."""
    marks.outline(canvas, rng, rng.uniform(0.38, 0.58), lobes=0.09, rough_u=0.025, rough_cells=9, stretch=1.45)
    body = canvas.inside(0.16)
    _pigment(canvas, rng, body, rng.uniform(0.2, 0.4), 0.22)
    canvas.blood += rng.uniform(0.05, 0.25) * marks.patch(canvas, rng, 0.5)
    marks.pigment_network(
        canvas,
        rng,
        np.maximum(marks.patch(canvas, rng, 0.6, soft=1.0), 0.4 * body),
        pitch_u=rng.uniform(0.05, 0.07),
        line_u=0.012,
        strength=rng.uniform(0.45, 0.75),
        irregular=0.6,
        name="atypical_pigment_network",
    )
    marks.blotches(canvas, rng, rng.uniform(0.12, 0.3), rng.uniform(0.2, 0.4))
    marks.globules(canvas, rng, marks.patch(canvas, rng, 0.3), int(rng.integers(8, 25)), strength=0.5)


def vascular_lesion(canvas: Canvas, rng: Rng) -> None:
    """Red-blue lacunae, dark ones and whitish veil in angiokeratoma (Zaballos et al., Arch Dermatol 2007;143:318-325)."""
    marks.outline(canvas, rng, rng.uniform(0.22, 0.48), lobes=0.07, rough_u=0.012, rough_cells=9)
    body = canvas.inside(0.05)
    canvas.blood += rng.uniform(0.5, 0.9) * body + 0.15 * ramp(canvas.depth_u, -0.25, 0.0)
    dark = float(rng.choice([0.0, 0.0, 0.15, 0.6]))
    marks.lacunae(canvas, rng, rng.uniform(0.10, 0.2), dark=dark)
    if rng.random() < 0.4:
        veil = marks.patch(canvas, rng, 0.3)
        canvas.cover(0.4 * veil, marks.WHITE)
        canvas.note("whitish_veil", veil > 0.5)


def seborrhoeic_keratosis(canvas: Canvas, rng: Rng) -> None:
    """Milia-like cysts, comedo-like openings, fissures, sharp border (Braun et al., Arch Dermatol 2002;138:1556-1560)."""
    marks.outline(canvas, rng, rng.uniform(0.42, 0.66), lobes=0.10, rough_u=0.025, rough_cells=12, stretch=1.5)
    body = canvas.inside(0.025)
    _pigment(canvas, rng, body, rng.uniform(0.25, 0.75), 0.22)
    canvas.cover(0.22 * body, (0.72, 0.62, 0.48))
    marks.fissures(canvas, rng, rng.uniform(0.3, 0.6))
    marks.comedo_like_openings(canvas, rng, int(rng.integers(4, 16)))
    marks.milia_like_cysts(canvas, rng, int(rng.integers(10, 40)))


def dermatofibroma(canvas: Canvas, rng: Rng) -> None:
    """Central white patch, delicate peripheral network (Zaballos et al., Arch Dermatol 2008;144:75-83)."""
    marks.outline(canvas, rng, rng.uniform(0.45, 0.68), lobes=0.05, rough_u=0.03, rough_cells=6, stretch=1.2)
    body = canvas.inside(0.28)
    _pigment(canvas, rng, body, rng.uniform(0.15, 0.35), 0.15)
    canvas.blood += rng.uniform(0.05, 0.3) * body
    centre = _middle(canvas, rng, rng.uniform(0.25, 0.4))
    marks.pigment_network(
        canvas,
        rng,
        body * (1 - centre),
        pitch_u=rng.uniform(0.045, 0.06),
        line_u=0.010,
        strength=rng.uniform(0.3, 0.5),
        irregular=0.15,
    )
    marks.white_area(canvas, rng, centre, "central_white_patch", strands=rng.random() < 0.6)


def solar_lentigo(canvas: Canvas, rng: Rng) -> None:
    """Moth-eaten border, fingerprint lines, faint network (Schiffner et al., J Am Acad Dermatol 2000;42:25-32)."""
    marks.outline(canvas, rng, rng.uniform(0.45, 0.68), lobes=0.14, rough_u=0.07, rough_cells=9, stretch=1.7)
    body = canvas.inside(0.03)
    canvas.note("moth_eaten_border", (canvas.depth_u > 0) & (canvas.depth_u < 0.05))
    _pigment(canvas, rng, body, rng.uniform(0.2, 0.5), 0.2)
    marks.fingerprint(canvas, rng, marks.patch(canvas, rng, rng.uniform(0.4, 0.8)), rng.uniform(0.15, 0.35))
    if rng.random() < 0.5:
        marks.pigment_network(
            canvas, rng, marks.patch(canvas, rng, 0.5), pitch_u=0.05, line_u=0.012, strength=0.3, irregular=0.3
        )


def benign_naevus(canvas: Canvas, rng: Rng) -> None:
    """Regular network, globules or both, symmetric (Argenziano et al., Br J Dermatol 2007;157:217-227)."""
    marks.outline(canvas, rng, rng.uniform(0.25, 0.52), lobes=0.04, rough_u=0.015, rough_cells=8, stretch=1.35)
    body = canvas.inside(rng.uniform(0.08, 0.2))
    _pigment(canvas, rng, body, rng.uniform(0.25, 0.6), 0.12)
    pattern = rng.choice(["network", "globules", "both"])
    centre = _middle(canvas, rng, 0.3)
    if pattern != "globules":
        marks.pigment_network(
            canvas,
            rng,
            body,
            pitch_u=rng.uniform(0.045, 0.06),
            line_u=0.011,
            strength=rng.uniform(0.4, 0.75),
            irregular=0.12,
        )
    if pattern != "network":
        region = centre if pattern == "both" else body
        marks.globules(canvas, rng, region, int(rng.integers(25, 80)), radius_u=(0.014, 0.026), strength=0.6)


RECIPES: dict[LesionType, Recipe] = {
    LesionType.MELANOMA: Recipe(melanoma, ("atypical_pigment_network", "streaks", "blotches", "blue_white_veil")),
    LesionType.SQUAMOUS_CELL_CARCINOMA: Recipe(
        squamous_cell_carcinoma, ("keratin", "scale", "white_circles", "hairpin_vessels")
    ),
    LesionType.BASAL_CELL_CARCINOMA: Recipe(basal_cell_carcinoma, ("arborising_vessels", "blue_grey_ovoid_nests")),
    LesionType.INTRAEPIDERMAL_CARCINOMA: Recipe(intraepidermal_carcinoma, ("glomerular_vessels", "scale")),
    LesionType.ACTINIC_KERATOSIS: Recipe(actinic_keratosis, ("strawberry_pattern", "scale")),
    LesionType.ATYPICAL_NAEVUS: Recipe(atypical_naevus, ("atypical_pigment_network", "blotches", "globules")),
    LesionType.VASCULAR_LESION: Recipe(vascular_lesion, ("lacunae",)),
    LesionType.SEBORRHOEIC_KERATOSIS: Recipe(
        seborrhoeic_keratosis, ("milia_like_cysts", "comedo_like_openings", "fissures")
    ),
    LesionType.DERMATOFIBROMA: Recipe(dermatofibroma, ("central_white_patch", "pigment_network")),
    LesionType.SOLAR_LENTIGO: Recipe(solar_lentigo, ("moth_eaten_border", "fingerprint_lines")),
    LesionType.BENIGN_NAEVUS: Recipe(benign_naevus, one_of=("pigment_network", "globules")),
}
