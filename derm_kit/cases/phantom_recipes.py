"""One recipe a lesion type: which structures a phantom of that type shows, each from the literature it cites.

Terms are those of Kittler et al., J Am Acad Dermatol 2016;74:1093-1106 (standardisation of terminology in dermoscopy)
and Argenziano et al., J Am Acad Dermatol 2003;48:679-693 (consensus meeting via the Internet).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from derm_kit.cases import phantom_pigment as pigment
from derm_kit.cases import phantom_places as places
from derm_kit.cases import phantom_surface as surface
from derm_kit.cases.phantom_canvas import Canvas, Field, Rng, noise, ramp
from derm_kit.lesions import LesionType


@dataclass(frozen=True)
class Recipe:
    """How a type is painted; `always` are the structures every phantom of it shows, `one_of` at least one of them."""

    paint: Callable[[Canvas, Rng], None]
    always: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()


def _pigment(canvas: Canvas, rng: Rng, body: Field, strength: float, variety: float) -> None:
    """Diffuse brown of the lesion, uneven by `variety` and granular; in some phantoms greyer (deeper) or redder."""
    uneven = body * np.maximum(0.1, 1 + variety * noise(rng, canvas.size, 4, 6, 0.72))
    grey = float(rng.choice([0.0, 0.0, 0.1, 0.35]))
    strength *= 1.4 - 0.08 * canvas.skin_tone
    canvas.melanin += strength * (1 - grey) * uneven
    canvas.deep += strength * grey * uneven
    canvas.blood += strength * rng.uniform(0.0, 0.25) * uneven


def _flush(canvas: Canvas, rng: Rng, body: Field, strength: float) -> None:
    """Diffuse pink to red, uneven."""
    canvas.blood += strength * body * np.maximum(0.1, 1 + 0.35 * noise(rng, canvas.size, 5, 5, 0.7))


def melanoma(canvas: Canvas, rng: Rng) -> None:
    """Atypical network, irregular streaks, asymmetric blotches, blue-white veil, regression (Argenziano 2003)."""
    places.outline(canvas, rng, rng.uniform(0.38, 0.7), lobes=0.15, rough_u=0.03, rough_cells=6, stretch=1.6)
    body = canvas.inside(rng.uniform(0.08, 0.2))
    _pigment(canvas, rng, body, rng.uniform(0.25, 0.65), 0.4)
    canvas.blood += rng.uniform(0.1, 0.5) * places.patch(canvas, rng, 0.4)
    region = np.maximum(places.patch(canvas, rng, 0.6), 0.3 * body)
    strength = rng.uniform(0.35, 0.75)
    pigment.atypical_network(canvas, rng, region, pitch_u=rng.uniform(0.04, 0.06), strength=strength, irregular=1.0)
    pigment.blotches(canvas, rng, rng.uniform(0.2, 0.5), rng.uniform(0.4, 1.2))
    pigment.globules(canvas, rng, places.patch(canvas, rng, 0.35), int(rng.integers(10, 40)), strength=0.6)
    pigment.streaks(canvas, rng, int(rng.integers(14, 36)), rng.uniform(0.5, 0.9))
    if rng.random() < 0.45:
        scar = places.patch(canvas, rng, rng.uniform(0.1, 0.25))
        surface.white_area(canvas, rng, scar, "regression")
        count = int(rng.integers(20, 60))
        pigment.globules(canvas, rng, scar, count, radius_u=(0.006, 0.011), name="peppering", blue=0.7)
    pigment.blue_white_veil(canvas, rng, rng.uniform(0.12, 0.4), rng.uniform(0.5, 1.1))


def squamous_cell_carcinoma(canvas: Canvas, rng: Rng) -> None:
    """Keratin masses, scale, white circles, looped vessels (Rosendahl et al., Arch Dermatol 2012;148:1386-1392)."""
    places.outline(canvas, rng, rng.uniform(0.38, 0.65), lobes=0.10, rough_u=0.03, rough_cells=6)
    body = canvas.inside(0.25)
    _flush(canvas, rng, body, rng.uniform(0.15, 0.45))
    centre = places.middle(canvas, rng, rng.uniform(0.14, 0.32))
    rim = body * (1 - centre)
    white = rng.uniform(0.15, 0.4)
    surface.white_area(canvas, rng, places.patch(canvas, rng, 0.5), "white_structureless_area", strength=white)
    surface.hairpin_vessels(canvas, rng, rim, int(rng.integers(8, 24)))
    if rng.random() < 0.5:
        surface.glomerular_vessels(canvas, rng, rim, int(rng.integers(8, 25)))
    surface.white_circles(canvas, rng, rim, int(rng.integers(6, 20)))
    surface.keratin_mass(canvas, rng, centre)
    surface.scale(canvas, rng, rng.uniform(0.10, 0.3), yellow=rng.uniform(0.1, 0.6))
    if rng.random() < 0.5:
        surface.ulceration(canvas, rng, ramp(noise(rng, canvas.size, 6, 4, 0.65), 0.9, 1.4) * centre)


def basal_cell_carcinoma(canvas: Canvas, rng: Rng) -> None:
    """Arborising vessels, ovoid nests, leaf-like areas, ulceration (Menzies et al., Arch Dermatol 2000;136:1012-1016).

    Shiny white lines and the share of each: Altamura et al., J Am Acad Dermatol 2010;62:67-75.
    """
    places.outline(canvas, rng, rng.uniform(0.42, 0.7), lobes=0.10, rough_u=0.03, rough_cells=6)
    body = canvas.inside(0.2)
    _flush(canvas, rng, body, rng.uniform(0.12, 0.38))
    surface.white_area(canvas, rng, body, "translucency", strength=rng.uniform(0.05, 0.25))
    pigment.blue_grey_nests(canvas, rng, int(rng.integers(1, 9)))
    if rng.random() < 0.45:
        pigment.leaf_like_areas(canvas, rng, int(rng.integers(1, 4)))
    surface.arborising_vessels(canvas, rng, int(rng.integers(2, 8)), rng.uniform(0.009, 0.019))
    if rng.random() < 0.4:
        surface.shiny_white_lines(canvas, rng, int(rng.integers(6, 20)))
    if rng.random() < 0.5:
        sore = ramp(noise(rng, canvas.size, 5, 5, 0.7), 1.0, 2.0) * canvas.inside(0.05, 0.08)
        surface.ulceration(canvas, rng, sore)


def intraepidermal_carcinoma(canvas: Canvas, rng: Rng) -> None:
    """Clustered glomerular vessels and surface scale (Zalaudek et al., Br J Dermatol 2004;150:1112-1116)."""
    places.outline(canvas, rng, rng.uniform(0.45, 0.72), lobes=0.12, rough_u=0.035, rough_cells=6, stretch=1.5)
    body = canvas.inside(0.16)
    _flush(canvas, rng, body, rng.uniform(0.15, 0.40))
    if rng.random() < 0.35:
        brown = places.patch(canvas, rng, 0.35)
        _pigment(canvas, rng, brown, rng.uniform(0.15, 0.4), 0.3)
        pigment.globules(canvas, rng, brown, int(rng.integers(20, 50)), radius_u=(0.007, 0.013), name="dots")
    clusters = places.patch(canvas, rng, rng.uniform(0.3, 0.7), 4, 0.6)
    surface.glomerular_vessels(canvas, rng, clusters, int(rng.integers(150, 450)), (0.005, 0.014))
    surface.scale(canvas, rng, rng.uniform(0.08, 0.22), cells=6, yellow=rng.uniform(0.1, 0.5))


def actinic_keratosis(canvas: Canvas, rng: Rng) -> None:
    """Strawberry pattern and fine scale (Zalaudek et al., Br J Dermatol 2006;155:951-956).

    Grading against Bowen and SCC: Zalaudek et al., J Am Acad Dermatol 2012;66:589-597.
    """
    places.outline(canvas, rng, rng.uniform(0.55, 0.8), lobes=0.12, rough_u=0.05, rough_cells=6, stretch=1.5)
    surface.strawberry_pattern(canvas, rng, rng.uniform(0.3, 0.6))
    if rng.random() < 0.4:
        _pigment(canvas, rng, places.patch(canvas, rng, 0.4), rng.uniform(0.15, 0.35), 0.4)
    surface.scale(canvas, rng, rng.uniform(0.05, 0.14), cells=11, yellow=rng.uniform(0.1, 0.6))


def atypical_naevus(canvas: Canvas, rng: Rng) -> None:
    """Irregular network, eccentric pigmentation (Hofmann-Wellenhof et al., Arch Dermatol 2001;137:1575-1580)."""
    places.outline(canvas, rng, rng.uniform(0.40, 0.62), lobes=0.10, rough_u=0.025, rough_cells=7, stretch=1.5)
    body = canvas.inside(rng.uniform(0.14, 0.24))
    _pigment(canvas, rng, body, rng.uniform(0.2, 0.45), 0.28)
    canvas.blood += rng.uniform(0.05, 0.3) * places.patch(canvas, rng, 0.5)
    region = np.maximum(places.patch(canvas, rng, 0.6, soft=1.0), 0.4 * body)
    strength = rng.uniform(0.3, 0.55)
    pigment.atypical_network(canvas, rng, region, pitch_u=rng.uniform(0.038, 0.05), strength=strength, irregular=0.6)
    pigment.blotches(canvas, rng, rng.uniform(0.15, 0.35), rng.uniform(0.2, 0.45))
    pigment.globules(canvas, rng, places.patch(canvas, rng, 0.3), int(rng.integers(8, 25)), strength=0.4)


def vascular_lesion(canvas: Canvas, rng: Rng) -> None:
    """Red-blue lacunae, dark ones and a veil (angiokeratoma: Zaballos et al., Arch Dermatol 2007;143:318-325)."""
    places.outline(canvas, rng, rng.uniform(0.20, 0.48), lobes=0.08, rough_u=0.015, rough_cells=8)
    body = canvas.inside(0.06)
    canvas.blood += rng.uniform(0.3, 1.0) * body + rng.uniform(0.0, 0.2) * ramp(canvas.depth_u, -0.3, 0.0)
    dark = float(rng.choice([0.0, 0.0, 0.1, 0.6]))
    strength, blue = rng.uniform(0.7, 1.4), rng.uniform(0.0, 0.45)
    surface.lacunae(canvas, rng, rng.uniform(0.10, 0.22), dark=dark, strength=strength, blue=blue)
    if rng.random() < 0.4:
        surface.white_area(canvas, rng, places.patch(canvas, rng, 0.4, soft=1.0), "whitish_veil")


def seborrhoeic_keratosis(canvas: Canvas, rng: Rng) -> None:
    """Milia-like cysts, comedo-like openings, fissures, sharp edge (Braun et al., Arch Dermatol 2002;138:1556-1560)."""
    places.outline(canvas, rng, rng.uniform(0.42, 0.66), lobes=0.09, rough_u=0.025, rough_cells=9, stretch=1.6)
    body = canvas.inside(0.035)
    _pigment(canvas, rng, body, rng.uniform(0.25, 1.0), 0.3)
    waxy = np.clip(0.8 + 0.3 * noise(rng, canvas.size, 6, 4, 0.75), 0, 1.5)
    canvas.cover(rng.uniform(0.0, 0.35) * body * waxy, (0.74, 0.62, 0.44))
    pigment.fissures(canvas, rng, rng.uniform(0.3, 0.8))
    pigment.comedo_like_openings(canvas, rng, int(rng.integers(4, 20)))
    surface.milia_like_cysts(canvas, rng, int(rng.integers(10, 50)))


def dermatofibroma(canvas: Canvas, rng: Rng) -> None:
    """Central white patch, delicate peripheral network (Zaballos et al., Arch Dermatol 2008;144:75-83)."""
    places.outline(canvas, rng, rng.uniform(0.45, 0.7), lobes=0.05, rough_u=0.03, rough_cells=5, stretch=1.25)
    body = canvas.inside(0.32)
    _pigment(canvas, rng, body, rng.uniform(0.25, 0.5), 0.18)
    canvas.blood += rng.uniform(0.0, 0.25) * body
    centre = places.middle(canvas, rng, rng.uniform(0.2, 0.36))
    rim, strength = body * (1 - centre), rng.uniform(0.25, 0.45)
    pigment.pigment_network(canvas, rng, rim, pitch_u=rng.uniform(0.034, 0.045), strength=strength, irregular=0.15)
    paleness, strands = rng.uniform(0.25, 0.55), bool(rng.random() < 0.7)
    surface.white_area(canvas, rng, centre, "central_white_patch", strength=paleness, strands=strands)


def solar_lentigo(canvas: Canvas, rng: Rng) -> None:
    """Moth-eaten border, fingerprint lines, faint network (Schiffner et al., J Am Acad Dermatol 2000;42:25-32)."""
    places.outline(canvas, rng, rng.uniform(0.48, 0.7), lobes=0.12, rough_u=0.06, rough_cells=7, stretch=1.7)
    body = canvas.inside(0.10)
    canvas.note("moth_eaten_border", (canvas.depth_u > 0) & (canvas.depth_u < 0.05))
    worn = np.clip(0.65 + 0.4 * noise(rng, canvas.size, 7, 5, 0.75), 0.0, 1.3)
    _pigment(canvas, rng, body * worn, rng.uniform(0.25, 0.65), 0.3)
    pigment.fingerprint(canvas, rng, places.patch(canvas, rng, rng.uniform(0.35, 0.7)), rng.uniform(0.15, 0.32))
    if rng.random() < 0.6:
        region = places.patch(canvas, rng, 0.5)
        pigment.pigment_network(canvas, rng, region, pitch_u=rng.uniform(0.04, 0.06), strength=0.3, irregular=0.4)


def benign_naevus(canvas: Canvas, rng: Rng) -> None:
    """Regular network, globules or both, symmetric (Argenziano et al., Br J Dermatol 2007;157:217-227)."""
    places.outline(canvas, rng, rng.uniform(0.22, 0.58), lobes=0.04, rough_u=0.018, rough_cells=7, stretch=1.4)
    body = canvas.inside(rng.uniform(0.08, 0.3))
    _pigment(canvas, rng, body, rng.uniform(0.25, 0.9), 0.18)
    pattern = rng.choice(["network", "globules", "both"])
    centre = places.middle(canvas, rng, 0.3)
    if rng.random() < 0.4:
        canvas.melanin += rng.uniform(0.2, 0.5) * centre
    if pattern != "globules":
        strength = rng.uniform(0.3, 0.6)
        pigment.pigment_network(canvas, rng, body, pitch_u=rng.uniform(0.034, 0.048), strength=strength, irregular=0.12)
    if pattern != "network":
        region = centre if pattern == "both" else body
        pigment.globules(canvas, rng, region, int(rng.integers(25, 110)), radius_u=(0.011, 0.022), strength=0.55)


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
