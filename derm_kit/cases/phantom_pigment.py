"""Structures made of pigment: network, clods, streaks, veil, nests, clefts.

Structures are named as in Kittler et al. 2016 (J Am Acad Dermatol 74:1093). Each function paints one on a canvas and
notes its place under its own name. `region` is a field (0 to 1) that says where it may lie; lengths are in u (half
pictures), angles in radians.
"""

from __future__ import annotations

import numpy as np

from derm_kit.cases.phantom_canvas import Canvas, Colour, Field, Ink, Rng, blur, mosaic, noise, ramp, wavy
from derm_kit.cases.phantom_places import patch, sites

BLUE_WHITE: Colour = (0.60, 0.64, 0.74)


def pigment_network(
    canvas: Canvas,
    rng: Rng,
    region: Field,
    *,
    pitch_u: float,
    strength: float,
    irregular: float,
    name: str = "pigment_network",
) -> None:
    """Brown lines round paler holes (rete ridges); `irregular` (0 to 1) varies pitch, width and tone of the lines."""
    size = canvas.size
    amount = 0.02 + 0.07 * irregular
    warp = (amount * noise(rng, size, 5), amount * noise(rng, size, 5))
    cells = mosaic(rng, size, pitch_u, 0.5 + 0.5 * irregular, warp)
    width = 0.24 * pitch_u * np.maximum(0.4, 1 + (0.15 + 0.4 * irregular) * noise(rng, size, 9, 3))
    walls = wavy(rng, cells.wall_u, 0.25 * irregular * pitch_u, 1.0 / pitch_u) if irregular > 0.3 else cells.wall_u
    line = np.exp(-((walls / width) ** 2))
    tone = np.clip(1 + (0.25 + 0.35 * irregular) * noise(rng, size, 6, 5, 0.8), 0.0, 2.2)
    amount_here = region * tone
    canvas.melanin += strength * amount_here * (line - 0.25)
    np.maximum(canvas.melanin, 0.0, out=canvas.melanin)
    canvas.note(name, (line > 0.5) & (amount_here > 0.25))


def atypical_network(
    canvas: Canvas, rng: Rng, region: Field, *, pitch_u: float, strength: float, irregular: float
) -> None:
    """A pigment network of irregular holes and of broad, dark, uneven lines."""
    marked = {"pitch_u": pitch_u, "strength": strength, "irregular": irregular}
    pigment_network(canvas, rng, region, **marked, name="atypical_pigment_network")


def globules(
    canvas: Canvas,
    rng: Rng,
    region: Field,
    count: int,
    *,
    radius_u: tuple[float, float] = (0.018, 0.035),
    strength: float = 0.9,
    name: str = "globules",
    blue: float = 0.0,
) -> None:
    """Round brown to black (or, with `blue`, grey-blue) clods; small ones are dots."""
    ink = Ink(canvas.size)
    for x, y in sites(canvas, rng, region, count):
        ink.disc(x, y, rng.uniform(*radius_u), rng.uniform(0.5, 1.0))
    drawn = blur(ink.field(), 0.007)
    canvas.melanin += strength * (1 - blue) * drawn
    canvas.deep += strength * blue * drawn
    canvas.note(name, drawn > 0.25)


def streaks(canvas: Canvas, rng: Rng, count: int, strength: float, *, spread: float = 1.2) -> None:
    """Dark radial projections at one part of the border, some with a bulb at the tip (pseudopods)."""
    ink = Ink(canvas.size)
    gy, gx = (np.asarray(slope, dtype=np.float64) for slope in np.gradient(blur(canvas.depth_u, 0.06)))
    ring = ramp(canvas.depth_u, 0.015, 0.03) * ramp(canvas.depth_u, 0.09, 0.07)
    heading = rng.uniform(-np.pi, np.pi)
    turn = np.abs((np.arctan2(-gy, -gx) - heading + np.pi) % (2 * np.pi) - np.pi)
    for x, y in sites(canvas, rng, ring * ramp(turn, spread + 0.3, spread), count):
        i = min(max(int((y + 1) * canvas.size / 2), 0), canvas.size - 1)
        j = min(max(int((x + 1) * canvas.size / 2), 0), canvas.size - 1)
        out = np.arctan2(-gy[i, j], -gx[i, j]) + rng.normal(0, 0.2)
        reach = rng.uniform(0.06, 0.13)
        start = np.array([x, y]) - 0.04 * np.array([np.cos(out), np.sin(out)])
        tip = start + reach * np.array([np.cos(out), np.sin(out)])
        ink.stroke(np.stack([start, tip]), rng.uniform(0.010, 0.022), rng.uniform(0.4, 1.0))
        if rng.random() < 0.4:
            ink.disc(tip[0], tip[1], rng.uniform(0.010, 0.020), 0.8)
    drawn = blur(ink.field(), 0.012)
    canvas.melanin += strength * drawn
    canvas.note("streaks", drawn > 0.3)


def blotches(canvas: Canvas, rng: Rng, share: float, strength: float) -> None:
    """Structureless dark pigment, off centre and of any shape."""
    where = patch(canvas, rng, share, 3, 1.2, 0.08)
    canvas.melanin += strength * where * np.maximum(0, 1 + 0.22 * noise(rng, canvas.size, 10, 4, 0.8))
    canvas.note("blotches", where > 0.5)


def blue_white_veil(canvas: Canvas, rng: Rng, share: float, strength: float = 1.0) -> None:
    """Confluent blue pigment with a whitish ground-glass haze above it."""
    where = patch(canvas, rng, share, 2.5, 1.6) * canvas.inside(0.2)
    canvas.deep += 0.6 * strength * where * np.maximum(0, 1 + 0.2 * noise(rng, canvas.size, 12, 3, 0.8))
    mottle = np.clip(0.42 + 0.16 * noise(rng, canvas.size, 9, 5, 0.75), 0, 1)
    canvas.cover(np.clip(0.8 * strength * canvas.paleness * where * mottle, 0, 0.8), BLUE_WHITE)
    canvas.note("blue_white_veil", where > 0.5)


def blue_grey_nests(canvas: Canvas, rng: Rng, count: int) -> None:
    """Large blue-grey ovoid clods, well defined, and smaller globules beside them."""
    ink = Ink(canvas.size)
    turn = np.linspace(0, 2 * np.pi, 20)
    for x, y in sites(canvas, rng, canvas.inside(0.05, 0.07), count):
        big, phase = rng.uniform(0.025, 0.09), rng.uniform(0, 6.3)
        wave = 1 + 0.12 * np.cos(2 * turn + phase) + 0.1 * np.cos(3 * turn + 2 * phase)
        squeeze = rng.uniform(0.6, 1.0)
        a, b = big * wave * np.cos(turn), big * squeeze * wave * np.sin(turn)
        c, s = np.cos(phase), np.sin(phase)
        ink.shape(np.stack([x + a * c - b * s, y + a * s + b * c], axis=1), rng.uniform(0.35, 1.0))
    for x, y in sites(canvas, rng, canvas.inside(0.05, 0.07), int(rng.integers(0, 25))):
        ink.disc(x, y, rng.uniform(0.008, 0.02), rng.uniform(0.3, 0.8))
    drawn = blur(ink.field(), rng.uniform(0.010, 0.026))
    mottled = drawn * np.clip(0.85 + 0.2 * noise(rng, canvas.size, 12, 4, 0.75), 0.2, 1.3)
    brown = rng.uniform(0.1, 0.5)
    canvas.deep += rng.uniform(0.6, 1.0) * mottled
    canvas.melanin += brown * mottled
    canvas.note("blue_grey_ovoid_nests", drawn > 0.3)


def leaf_like_areas(canvas: Canvas, rng: Rng, count: int) -> None:
    """Brown to grey-blue bulbous extensions joined at a base, like a maple leaf, near the border."""
    ink = Ink(canvas.size)
    rim = ramp(canvas.depth_u, 0.03, 0.06) * ramp(canvas.depth_u, 0.16, 0.12)
    for x, y in sites(canvas, rng, rim, count):
        head, fan = rng.uniform(0, 2 * np.pi), int(rng.integers(4, 7))
        for spread in np.linspace(-1.1, 1.1, fan):
            reach = rng.uniform(0.06, 0.10)
            tip = np.array([x + reach * np.cos(head + spread), y + reach * np.sin(head + spread)])
            ink.stroke(np.stack([[x, y], tip]), 0.022, 0.8)
            ink.disc(tip[0], tip[1], 0.022, 0.8)
    drawn = blur(ink.field(), 0.01)
    canvas.deep += 0.5 * drawn
    canvas.melanin += 0.45 * drawn
    canvas.note("leaf_like_areas", drawn > 0.3)


def fingerprint(canvas: Canvas, rng: Rng, region: Field, strength: float) -> None:
    """Fine parallel brown lines that run like a fingerprint."""
    size = canvas.size
    turn = rng.uniform(0, np.pi)
    along = canvas.x * np.cos(turn) + canvas.y * np.sin(turn) + 0.12 * noise(rng, size, 4, 2)
    wave = 0.5 + 0.5 * np.cos(along * (2 * np.pi / rng.uniform(0.030, 0.044)) + 1.3 * noise(rng, size, 22, 2))
    wave = wave * np.clip(0.7 + 0.55 * noise(rng, size, 12, 3, 0.8), 0, 1.6)
    canvas.melanin += strength * region * (wave - 0.35)
    np.maximum(canvas.melanin, 0.0, out=canvas.melanin)
    canvas.note("fingerprint_lines", (wave > 0.5) & (region > 0.3))


def fissures(canvas: Canvas, rng: Rng, strength: float) -> None:
    """Wide dark clefts between pale ridges (cerebriform surface)."""
    size = canvas.size
    warp = (0.05 * noise(rng, size, 7), 0.05 * noise(rng, size, 7))
    cells = mosaic(rng, size, rng.uniform(0.08, 0.13), 1.0, warp, oversample=1)
    open_here = np.clip(0.5 + 0.5 * noise(rng, size, 5, 2), 0, 1.3)
    walls = wavy(rng, cells.wall_u, 0.025, 14)
    cleft = ramp(walls, 0.030, 0.002) * open_here * canvas.inside(0.03, 0.02)
    canvas.melanin += strength * (cleft + 0.5 * (blur(cells.value, 0.012) - 0.5) * canvas.inside(0.03))
    np.maximum(canvas.melanin, 0.0, out=canvas.melanin)
    canvas.note("fissures", cleft > 0.5)


def comedo_like_openings(canvas: Canvas, rng: Rng, count: int) -> None:
    """Sharp brown to black keratin plugs with a paler rim."""
    ink, rim = Ink(canvas.size), Ink(canvas.size)
    turn = np.linspace(0, 2 * np.pi, 14)
    for x, y in sites(canvas, rng, canvas.inside(0.02, 0.06), count):
        wave = 1 + 0.2 * rng.normal(size=14)
        wave[-1] = wave[0]
        reach = rng.choice([0.6, 1.0, 1.5]) * rng.uniform(0.014, 0.026) * wave
        shape = np.stack([x + reach * np.cos(turn), y + rng.uniform(0.6, 1) * reach * np.sin(turn)], axis=1)
        rim.disc(x, y, float(reach.mean()) * 1.5, 0.7)
        ink.shape(shape, rng.uniform(0.7, 1.0))
    drawn = blur(ink.field(), 0.006)
    canvas.cover(0.30 * blur(rim.field(), 0.012), (0.86, 0.74, 0.56))
    canvas.cover(0.85 * drawn, (0.22, 0.13, 0.08))
    canvas.note("comedo_like_openings", drawn > 0.35)
