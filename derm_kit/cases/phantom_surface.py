"""Structures made of blood, keratin and scar: vessels, lacunae, scale, white areas.

Structures are named as in Kittler et al. 2016 (J Am Acad Dermatol 74:1093). Each function paints one on a canvas and
notes its place under its own name. `region` is a field (0 to 1) that says where it may lie; lengths are in u (half
pictures), angles in radians.
"""

from __future__ import annotations

import numpy as np

from derm_kit.cases.phantom_canvas import Canvas, Colour, Field, Ink, Rng, blur, mosaic, noise, ramp
from derm_kit.cases.phantom_places import sites

WHITE: Colour = (0.95, 0.92, 0.93)


def _wander(rng: Rng, start: Field, heading: float, length_u: float, bend: float, steps: int = 14) -> Field:
    """A smooth random curve (steps, 2) from `start`."""
    turn = np.cumsum(rng.normal(0, bend, steps)) + heading
    turn = turn + bend * 1.5 * np.sin(np.linspace(0, rng.uniform(3, 9), steps))
    step = length_u / steps * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    return np.asarray(start + np.cumsum(step, axis=0))


def white_area(
    canvas: Canvas, rng: Rng, where: Field, name: str, *, strength: float = 0.4, strands: bool = False
) -> None:
    """Scar-like white: paler than the skin around, with white strands where `strands` is set."""
    alpha = strength * where * np.clip(0.8 + 0.25 * noise(rng, canvas.size, 8, 5, 0.75), 0, 1.3)
    if strands:
        warp = (0.06 * noise(rng, canvas.size, 6), 0.06 * noise(rng, canvas.size, 6))
        cells = mosaic(rng, canvas.size, rng.uniform(0.06, 0.10), 0.9, warp, oversample=1)
        alpha = alpha + 0.7 * strength * blur(where, 0.05) * np.exp(-((cells.wall_u / 0.014) ** 2))
    canvas.melanin *= 1 - 0.6 * where
    canvas.skin *= 1 - 0.25 * where
    canvas.cover(np.clip(canvas.paleness * alpha, 0, 0.85), (0.93, 0.87, 0.87))
    canvas.note(name, where > 0.5)


def milia_like_cysts(canvas: Canvas, rng: Rng, count: int) -> None:
    """Round white or yellowish bright spots: small keratin cysts that shine through."""
    ink = Ink(canvas.size)
    for x, y in sites(canvas, rng, canvas.inside(0.02, 0.05), count):
        ink.disc(x, y, rng.uniform(0.008, 0.022), rng.uniform(0.5, 1.0))
    drawn = blur(ink.field(), 0.009)
    canvas.cover(0.85 * drawn, (0.95, 0.90, 0.78))
    canvas.note("milia_like_cysts", drawn > 0.25)


def arborising_vessels(canvas: Canvas, rng: Rng, trees: int, width_u: float) -> None:
    """Bright red, sharply focused stems that branch into ever finer twigs."""
    ink = Ink(canvas.size)
    for start in sites(canvas, rng, canvas.inside(0.05) * ramp(canvas.depth_u, 0.35, 0.1), trees):
        centre = sites(canvas, rng, canvas.inside(0.2, 0.1), 1)
        aim = centre[0] if len(centre) else np.zeros(2)
        heading = float(np.arctan2(aim[1] - start[1], aim[0] - start[0])) + rng.normal(0, 0.5)
        todo = [(start, heading, rng.uniform(0.35, 0.7), width_u * rng.uniform(0.6, 1.2), 0)]
        while todo:
            at, head, length, width, order = todo.pop()
            path = _wander(rng, at, head, length, 0.22)
            third = len(path) // 3
            for k in range(3):
                part = path[max(0, k * third - 1) : (k + 1) * third + 2]
                ink.stroke(part, width * (1 - 0.22 * k), 0.95 - 0.1 * order)
            if order < 3:
                for _ in range(int(rng.integers(2, 4))):
                    k = int(rng.integers(2, len(path) - 1))
                    side = rng.choice([-1.0, 1.0]) * rng.uniform(0.4, 1.1)
                    todo.append((path[k], head + side, length * rng.uniform(0.35, 0.65), width * 0.62, order + 1))
    drawn = ink.field() * ramp(canvas.depth_u, -0.04, 0.02)
    canvas.blood += 0.25 * blur(drawn, 0.03) + 0.75 * blur(drawn, 0.006)
    canvas.note("arborising_vessels", drawn > 0.3)


def glomerular_vessels(
    canvas: Canvas, rng: Rng, region: Field, count: int, radius_u: tuple[float, float] = (0.012, 0.022)
) -> None:
    """Small tortuous capillaries, coiled like a glomerulus or seen as red dots, in clusters."""
    ink = Ink(canvas.size)
    turn = np.linspace(0, 4.4 * np.pi, 18)
    for x, y in sites(canvas, rng, region, count):
        radius = rng.uniform(*radius_u)
        if rng.random() < 0.5:
            ink.disc(x, y, radius * rng.uniform(0.3, 0.6), rng.uniform(0.3, 1.0))
            continue
        reach = radius * np.linspace(0.25, 1, 18) * (1 + 0.25 * rng.normal(size=18))
        phase = rng.uniform(0, 6.3)
        ink.stroke(
            np.stack([x + reach * np.cos(turn + phase), y + reach * np.sin(turn + phase)], axis=1),
            0.008,
            rng.uniform(0.4, 0.9),
        )
    drawn = ink.field()
    canvas.blood += 0.25 * blur(drawn, 0.03) + 0.7 * blur(drawn, 0.006)
    canvas.note("glomerular_vessels", drawn > 0.3)


def hairpin_vessels(canvas: Canvas, rng: Rng, region: Field, count: int) -> None:
    """Looped and linear irregular vessels, each in a whitish halo of keratin."""
    ink = Ink(canvas.size)
    for x, y in sites(canvas, rng, region, count):
        turn, length, gap = rng.uniform(0, 2 * np.pi), rng.uniform(0.03, 0.09), rng.uniform(0.006, 0.012)
        t = np.linspace(0, np.pi, 9)
        loop = np.concatenate([[[-length, -gap]], np.stack([gap * np.sin(t), -gap * np.cos(t)], 1), [[-length, gap]]])
        loop = loop + rng.normal(0, 0.004, loop.shape)
        c, s = np.cos(turn), np.sin(turn)
        ink.stroke(loop @ np.array([[c, s], [-s, c]]) + [x, y], 0.009, rng.uniform(0.7, 1.0))
    drawn = ink.field()
    canvas.cover(0.35 * canvas.paleness * np.clip(1.5 * blur(drawn, 0.03), 0, 1), WHITE)
    canvas.blood += 0.8 * blur(drawn, 0.006)
    canvas.note("hairpin_vessels", drawn > 0.3)


def scale(canvas: Canvas, rng: Rng, share: float, *, cells: float = 7, yellow: float = 0.3) -> None:
    """Flakes of white to yellow keratin on the surface, sharp-edged, bright on one side."""
    size = canvas.size
    values = noise(rng, size, cells, 5, 0.72)
    inside = canvas.depth_u > 0.05
    level = float(np.quantile(values[inside][::7], 1 - share)) if inside.any() else 9.0
    flake = ramp(values, level, level + 0.7) * canvas.inside(0.08)
    height = values + 0.5 * noise(rng, size, 40, 2)
    relief = np.clip(0.5 + 0.5 * (np.roll(height, 1, 0) - np.roll(height, -1, 1)), 0, 1)
    tint = np.array([0.97, 0.93 - 0.06 * yellow, 0.91 - 0.35 * yellow])[:, None, None] * (0.70 + 0.30 * relief)
    canvas.cover(flake * np.clip(0.15 + 0.75 * relief, 0, 1), tint)
    canvas.note("scale", flake > 0.35)


def keratin_mass(canvas: Canvas, rng: Rng, where: Field) -> None:
    """Amorphous yellow-white to light brown keratin that fills the centre, with blood spots."""
    size = canvas.size
    body = np.clip(rng.uniform(0.45, 0.7) + 0.17 * noise(rng, size, 9, 5, 0.75), 0.0, 1.0)
    pale = rng.uniform(0.0, 0.25)
    tint = np.stack([0.52 + 0.46 * body, 0.36 + pale * 0.3 + 0.52 * body, 0.18 + pale + 0.50 * body])
    canvas.cover(np.clip(where * (0.6 + 0.4 * body), 0, 0.92), np.clip(tint, 0, 1))
    canvas.note("keratin", where > 0.5)


def white_circles(canvas: Canvas, rng: Rng, region: Field, count: int) -> None:
    """White rings round yellow follicle openings."""
    ring, plug = Ink(canvas.size), Ink(canvas.size)
    turn = np.linspace(0, 2 * np.pi, 24)
    for x, y in sites(canvas, rng, region, count):
        radius = rng.uniform(0.016, 0.032)
        ring.stroke(
            np.stack([x + radius * np.cos(turn), y + radius * np.sin(turn)], axis=1), 0.012, rng.uniform(0.5, 0.9)
        )
        plug.disc(x, y, radius * 0.6, 0.7)
    drawn = blur(ring.field(), 0.007)
    canvas.cover(0.45 * canvas.paleness * blur(plug.field(), 0.01), (0.88, 0.72, 0.48))
    canvas.cover(0.65 * canvas.paleness * drawn, WHITE)
    canvas.note("white_circles", drawn > 0.25)


def strawberry_pattern(canvas: Canvas, rng: Rng, strength: float) -> None:
    """A pink-red pseudonetwork between yellowish follicle openings, each with a white halo."""
    size = canvas.size
    warp = (0.05 * noise(rng, size, 7), 0.05 * noise(rng, size, 7))
    pitch = rng.uniform(0.06, 0.10)
    cells = mosaic(rng, size, pitch, 0.95, warp, oversample=1)
    where = canvas.inside(0.2) * np.clip(0.8 + 0.3 * noise(rng, size, 4, 4, 0.7), 0, 1.2)
    radius = pitch * (0.16 + 0.20 * cells.value)
    from_plug = cells.seed_u / radius + 0.35 * noise(rng, size, 30, 2)
    halo = ramp(from_plug, 2.2, 1.0)
    plug = ramp(from_plug, 0.9, 0.3)
    net = (1 - 0.75 * halo) * np.clip(0.8 + 0.45 * noise(rng, size, 16, 4, 0.8), 0, 1.8)
    canvas.blood += strength * where * net
    seen = canvas.paleness * where * np.clip(cells.value * 1.4 - 0.3, 0, 1)
    canvas.cover(np.clip(0.22 * seen * blur(halo * (1 - plug), 0.008), 0, 1), (0.94, 0.86, 0.82))
    canvas.cover(np.clip(0.40 * seen * blur(plug, 0.008), 0, 1), (0.82, 0.64, 0.44))
    canvas.note("strawberry_pattern", where > 0.4)


def lacunae(canvas: Canvas, rng: Rng, pitch_u: float, *, dark: float, strength: float, blue: float) -> None:
    """Round red, maroon or (with `dark`) blue-black blood lakes, parted by pale septa."""
    size = canvas.size
    warp = (0.07 * noise(rng, size, 5), 0.07 * noise(rng, size, 5))
    cells = mosaic(rng, size, pitch_u, 1.0, warp, oversample=1)
    centre = ramp(cells.seed_u, 0.75 * pitch_u, 0.35 * pitch_u)
    lake = ramp(blur(cells.wall_u, 0.018) + 0.3 * pitch_u * centre, 0.012, 0.05 + 0.2 * pitch_u)
    lake = lake * canvas.inside(0.05, 0.01) * np.clip(0.9 + 0.2 * noise(rng, size, 8, 4), 0, 1.2)
    clotted = blur((cells.value < dark).astype(np.float64), 0.012)
    canvas.blood += lake * ((0.45 + 0.75 * blur(cells.value, 0.02)) * strength + 0.9 * clotted)
    canvas.deep += lake * (blue + 1.2 * clotted)
    canvas.note("lacunae", lake > 0.5)


def ulceration(canvas: Canvas, rng: Rng, where: Field) -> None:
    """A loss of surface: red-orange to dark brown crust of serum and blood, glossy."""
    size = canvas.size
    crust = np.clip(rng.uniform(0.3, 0.5) + 0.22 * noise(rng, size, 10, 5, 0.75), 0, 1)
    tint = np.stack([0.28 + 0.48 * crust, 0.06 + 0.34 * crust, 0.06 + 0.22 * crust])
    canvas.blood += 0.4 * blur(where, 0.05)
    canvas.cover(0.85 * where, tint)
    gloss = ramp(noise(rng, size, 26, 2), 1.9, 2.3) * where
    canvas.cover(0.8 * gloss, (1.0, 0.97, 0.93))
    canvas.note("ulceration", where > 0.5)


def shiny_white_lines(canvas: Canvas, rng: Rng, count: int) -> None:
    """Short bright lines, parallel or at right angles, seen in polarised light only."""
    ink = Ink(canvas.size)
    turn = rng.uniform(0, np.pi)
    for x, y in sites(canvas, rng, canvas.inside(0.1, 0.1), count):
        head = turn + (np.pi / 2 if rng.random() < 0.3 else 0.0) + rng.normal(0, 0.08)
        half = rng.uniform(0.02, 0.05) * np.array([np.cos(head), np.sin(head)])
        ink.stroke(np.array([x, y]) + np.stack([-half, half]), 0.010, rng.uniform(0.5, 1.0))
    drawn = blur(ink.field(), 0.006)
    canvas.cover(0.55 * drawn, (0.98, 0.95, 0.97))
    canvas.note("shiny_white_lines", drawn > 0.2)
