"""The single dermoscopic structures a phantom is made of, named as in Kittler et al. 2016 (J Am Acad Dermatol 74:1093).

Each function paints one structure on a canvas and notes its place under its own name. `region` is a field (0 to 1)
that says where the structure may lie; lengths are in u (half pictures), angles in radians.
"""

from __future__ import annotations

import numpy as np

from derm_kit.cases.phantom_canvas import Canvas, Colour, Field, Ink, Rng, blur, mosaic, noise, ramp, wavy

KERATIN: Colour = (0.94, 0.89, 0.78)
WHITE: Colour = (0.95, 0.92, 0.93)
BLUE_WHITE: Colour = (0.60, 0.64, 0.74)


def outline(
    canvas: Canvas,
    rng: Rng,
    radius_u: float,
    *,
    lobes: float = 0.08,
    rough_u: float = 0.02,
    rough_cells: float = 14,
    stretch: float = 1.25,
) -> None:
    """Set the lesion: an ellipse (axes up to `stretch` apart) with random Fourier lobes and a noise-roughened border."""
    size = canvas.size
    cx, cy = rng.uniform(-0.14, 0.14, 2)
    turn = rng.uniform(0, np.pi)
    ratio = rng.uniform(1.0, stretch) ** 0.5
    dx, dy = canvas.x - cx, canvas.y - (cy - 0.03)
    a = (dx * np.cos(turn) + dy * np.sin(turn)) / ratio
    b = (dy * np.cos(turn) - dx * np.sin(turn)) * ratio
    around = np.linspace(-np.pi, np.pi, 2049)
    edge = np.ones_like(around)
    for k in range(2, 8):
        edge += lobes * 1.6 / k * rng.normal() * np.cos(k * around + rng.uniform(0, 2 * np.pi))
    edge = radius_u * np.maximum(edge, 0.35)
    angle = np.arctan2(b, a)
    depth = edge[((angle + np.pi) * (2048 / (2 * np.pi))).astype(np.int64)] - np.sqrt(a * a + b * b)
    depth += rough_u * noise(rng, size, rough_cells, 3, 0.45)
    frame = 0.97 - np.maximum(np.abs(canvas.x), np.abs(canvas.y + 0.07) + 0.07)
    canvas.depth_u = np.minimum(depth, frame)
    canvas.fray = np.clip(0.25 * noise(rng, size, 16, 4, 0.8), 0.0, 0.6)


def patch(canvas: Canvas, rng: Rng, share: float, cells: float = 3, soft: float = 0.8, edge_u: float = 0.14) -> Field:
    """An irregular part of the lesion, about `share` of it, as a soft field."""
    values = noise(rng, canvas.size, cells, 5, 0.6)
    level = float(np.quantile(values[canvas.depth_u > 0][::7], 1 - share))
    return ramp(values, level - soft / 2, level + soft / 2) * canvas.inside(edge_u)


def sites(canvas: Canvas, rng: Rng, region: Field, count: int) -> Field:
    """`count` random places (n, 2) in u, drawn with the weight of `region`."""
    step = max(1, canvas.size // 64)
    weight = region[::step, ::step].ravel()
    reach = np.cumsum(weight)
    if reach[-1] <= 0:
        return np.empty((0, 2))
    pick = np.searchsorted(reach, rng.random(count) * reach[-1])
    pick = np.minimum(pick, weight.size - 1)
    x = canvas.x[::step, ::step].ravel()[pick] + rng.uniform(-1, 1, count) * step / canvas.size
    y = canvas.y[::step, ::step].ravel()[pick] + rng.uniform(-1, 1, count) * step / canvas.size
    return np.stack([x, y], axis=1)


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
    gy, gx = np.gradient(blur(canvas.depth_u, 0.06))
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


def white_area(
    canvas: Canvas, rng: Rng, where: Field, name: str, *, strength: float = 0.4, strands: bool = False
) -> None:
    """Scar-like white: paler than the skin around, with white strands where `strands` is set."""
    alpha = strength * where * np.clip(0.8 + 0.25 * noise(rng, canvas.size, 8, 5, 0.75), 0, 1.3)
    if strands:
        warp = (0.06 * noise(rng, canvas.size, 6), 0.06 * noise(rng, canvas.size, 6))
        cells = mosaic(rng, canvas.size, rng.uniform(0.06, 0.10), 0.9, warp)
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


def fissures(canvas: Canvas, rng: Rng, strength: float) -> None:
    """Wide dark clefts between pale ridges (cerebriform surface)."""
    size = canvas.size
    warp = (0.05 * noise(rng, size, 7), 0.05 * noise(rng, size, 7))
    cells = mosaic(rng, size, rng.uniform(0.08, 0.13), 1.0, warp)
    open_here = np.clip(0.5 + 0.5 * noise(rng, size, 5, 2), 0, 1.3)
    walls = wavy(rng, cells.wall_u, 0.025, 14)
    cleft = ramp(walls, 0.030, 0.002) * open_here * canvas.inside(0.03, 0.02)
    canvas.melanin += strength * (cleft + 0.5 * (blur(cells.value, 0.012) - 0.5) * canvas.inside(0.03))
    np.maximum(canvas.melanin, 0.0, out=canvas.melanin)
    canvas.note("fissures", cleft > 0.5)


def _wander(rng: Rng, start: Field, heading: float, length_u: float, bend: float, steps: int = 14) -> Field:
    """A smooth random curve (steps, 2) from `start`."""
    turn = np.cumsum(rng.normal(0, bend, steps)) + heading
    turn = turn + bend * 1.5 * np.sin(np.linspace(0, rng.uniform(3, 9), steps))
    step = length_u / steps * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    return np.asarray(start + np.cumsum(step, axis=0))


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
        ink.stroke(np.stack([x + reach * np.cos(turn + phase), y + reach * np.sin(turn + phase)], axis=1), 0.008, rng.uniform(0.4, 0.9))
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
        ring.stroke(np.stack([x + radius * np.cos(turn), y + radius * np.sin(turn)], axis=1), 0.012, rng.uniform(0.5, 0.9))
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
    cells = mosaic(rng, size, pitch, 0.95, warp)
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
    cells = mosaic(rng, size, pitch_u, 1.0, warp)
    centre = ramp(cells.seed_u, 0.75 * pitch_u, 0.35 * pitch_u)
    lake = ramp(blur(cells.wall_u, 0.018) + 0.3 * pitch_u * centre, 0.012, 0.05 + 0.2 * pitch_u)
    lake = lake * canvas.inside(0.05, 0.01) * np.clip(0.9 + 0.2 * noise(rng, size, 8, 4), 0, 1.2)
    clotted = blur((cells.value < dark).astype(np.float64), 0.012)
    canvas.blood += lake * ((0.45 + 0.75 * blur(cells.value, 0.02)) * strength + 0.9 * clotted)
    canvas.deep += lake * (blue + 1.2 * clotted)
    canvas.note("lacunae", lake > 0.5)


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
        ink.stroke(np.stack([[x, y] - half, [x, y] + half]), 0.010, rng.uniform(0.5, 1.0))
    drawn = blur(ink.field(), 0.006)
    canvas.cover(0.55 * drawn, (0.98, 0.95, 0.97))
    canvas.note("shiny_white_lines", drawn > 0.2)


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
