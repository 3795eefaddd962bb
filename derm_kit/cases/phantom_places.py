"""Where a phantom's lesion lies, and where its structures lie within it. Lengths are in u (half pictures)."""

from __future__ import annotations

import numpy as np

from derm_kit.cases.phantom_canvas import Canvas, Field, Rng, noise, ramp


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
    """Set the lesion: an ellipse (axes up to `stretch` apart) with Fourier lobes and a border rough by noise."""
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


def middle(canvas: Canvas, rng: Rng, reach_u: float) -> Field:
    """A soft ragged spot in the depth of the lesion, about `reach_u` from its centre to its edge."""
    deepest = float(canvas.depth_u.max())
    ragged = canvas.depth_u + 0.06 * noise(rng, canvas.size, 6, 4, 0.65)
    return ramp(ragged, deepest - 1.2 * reach_u, deepest - 0.5 * reach_u)


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
