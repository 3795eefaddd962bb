"""What a phantom is painted on: skin, pigment, blood and keratin as fields, seen through a dermatoscope.

Lengths are in half pictures ("u"): the frame runs from -1 to 1 in x (right) and y (down), so a phantom keeps its
proportions at every size. Fields are float64 arrays (size, size). Colour follows Beer and Lambert on display values:
each chromophore's density is multiplied by its absorbance in R, G, B and the sum darkens the white of the tissue,
as Tsumura et al. (ACM SIGGRAPH 2003; melanin and haemoglobin separate in log colour space) model photographs of skin.
The melanin ratio is softened from the wavelength^-3.33 law of Jacques (Phys Med Biol 2013;58:R37) for a camera's
broad bands; melanin in the dermis looks blue-grey because light scatters above it (Tyndall effect).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Field = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Rng = np.random.Generator
Colour = tuple[float, float, float]

MELANIN: Colour = (0.56, 1.0, 1.48)
BLOOD: Colour = (0.16, 1.0, 0.70)
DEEP: Colour = (1.0, 0.80, 0.46)
SKIN: Colour = (0.76, 1.0, 1.12)
TISSUE: Colour = (0.93, 0.88, 0.87)
SKIN_DENSITY = (1.20, 0.74, 0.46, 0.30, 0.18, 0.07)
"""Density of the skin's own melanin, tone 0 (very dark) to 5 (very light)."""

_INK_SCALE = 2
_SHIFT = 6


@lru_cache(maxsize=4)
def grid(size: int) -> tuple[Field, Field]:
    """Pixel centres of a (size, size) picture in u: x and y, read-only."""
    axis = (np.arange(size, dtype=np.float64) + 0.5) * (2.0 / size) - 1.0
    x, y = np.meshgrid(axis, axis)
    x.setflags(write=False)
    y.setflags(write=False)
    return x, y


def ramp(values: Field, low: float, high: float) -> Field:
    """Smooth step: 0 below `low`, 1 above `high` (`low` > `high` turns it round)."""
    t: Field = (values - low) * (1.0 / (high - low))
    np.clip(t, 0.0, 1.0, out=t)
    curve: Field = 3.0 - 2.0 * t
    curve *= t
    curve *= t
    return curve


def resized(values: npt.NDArray[Any], size: int, interpolation: int) -> Field:
    """`values` as a field (size, size)."""
    return np.asarray(cv2.resize(values, (size, size), interpolation=interpolation), dtype=np.float64)


def noise(rng: Rng, size: int, cells: float, octaves: int = 1, gain: float = 0.55) -> Field:
    """Value noise (size, size) of about zero mean and unit deviation; `cells` lattice cells span the frame.

    Each further octave is twice as fine and `gain` times as strong.
    """
    total: Field = np.zeros((2, 2))
    power = 0.0
    for octave in range(octaves):
        n = min(max(2, round(cells * 2**octave)) + 1, size)
        share: float = gain**octave
        total = resized(total, n, cv2.INTER_CUBIC)
        total += share * (rng.random((n, n)) - 0.5)
        power += share * share
    return resized(total, size, cv2.INTER_CUBIC) * (1.0 / (0.21 * math.sqrt(power)))


def grain(rng: Rng, size: int, sigma_px: float) -> Field:
    """Fine isotropic noise of about unit deviation, as fine as `sigma_px`."""
    white = rng.random((size, size)) - 0.5
    if sigma_px < 0.3:
        return white * (1.0 / 0.2887)
    return blur(white, 2 * sigma_px / size) * (3.545 * sigma_px / 0.2887)


def blur(values: Field, sigma_u: float) -> Field:
    """Gaussian blur, sigma in u."""
    sigma_px = sigma_u * values.shape[0] / 2
    return values if sigma_px < 0.25 else np.asarray(cv2.GaussianBlur(values, (0, 0), sigma_px), dtype=np.float64)


class Ink:
    """A drawing of strokes, discs and shapes, anti-aliased; `field` gives it as a field from 0 to 1."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.pixels = np.zeros((size * _INK_SCALE, size * _INK_SCALE), np.uint8)

    def _fixed(self, values: Field) -> npt.NDArray[np.int32]:
        """Coordinates in u as OpenCV's fixed-point pixels."""
        pixels = (values + 1.0) * (self.size * _INK_SCALE / 2) - 0.5
        return np.rint(pixels * (1 << _SHIFT)).astype(np.int32)

    def _pixels(self, length_u: float) -> float:
        return length_u * self.size * _INK_SCALE / 2

    def stroke(self, points: Field, width_u: float, value: float = 1.0) -> None:
        """A polyline through `points` (n, 2)."""
        width = max(1, round(self._pixels(width_u)))
        cv2.polylines(self.pixels, [self._fixed(points)], False, round(value * 255), width, cv2.LINE_AA, _SHIFT)

    def disc(self, x: float, y: float, radius_u: float, value: float = 1.0) -> None:
        """A filled disc."""
        centre = self._fixed(np.array([x, y]))
        radius = max(1, round(self._pixels(radius_u) * (1 << _SHIFT)))
        cv2.circle(
            self.pixels, (int(centre[0]), int(centre[1])), radius, round(value * 255), cv2.FILLED, cv2.LINE_AA, _SHIFT
        )

    def shape(self, points: Field, value: float = 1.0) -> None:
        """A filled polygon through `points` (n, 2)."""
        cv2.fillPoly(self.pixels, [self._fixed(points)], round(value * 255), cv2.LINE_AA, _SHIFT)

    def field(self) -> Field:
        """What was drawn, (size, size), 0 to 1."""
        return resized(self.pixels, self.size, cv2.INTER_AREA) * (1.0 / 255.0)


@dataclass(frozen=True)
class Cells:
    """A Voronoi mosaic: distance to the nearest cell wall and to the cell's own seed (u), one value a cell."""

    wall_u: Field
    seed_u: Field
    value: Field


def wavy(rng: Rng, values: Field, reach_u: float, cells: float) -> Field:
    """`values` with every line bent by up to about `reach_u`, so that straight walls become natural ones."""
    size = values.shape[0]
    scale = reach_u * size / 2
    i, j = np.indices(values.shape, dtype=np.float32)
    dx, dy = scale * noise(rng, size, cells, 2), scale * noise(rng, size, cells, 2)
    at = (j + dx.astype(np.float32), i + dy.astype(np.float32))
    return np.asarray(cv2.remap(values, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT), dtype=np.float64)


def mosaic(
    rng: Rng,
    size: int,
    pitch_u: float,
    jitter: float,
    warp: tuple[Field, Field] | None = None,
    *,
    oversample: int = _INK_SCALE,
) -> Cells:
    """Voronoi cells about `pitch_u` wide on a hexagonal lattice, disordered by `jitter` (0 honeycomb, 1 irregular).

    `warp` (two low-frequency fields in u) stretches the lattice, so that cells differ in size across the frame.
    """
    rows = int(2.4 / (pitch_u * 0.866)) + 2
    columns = int(2.4 / pitch_u) + 2
    row, column = np.divmod(np.arange(rows * columns), columns)
    x = -1.2 + pitch_u * (column + 0.5 * (row % 2) + jitter * (rng.random(rows * columns) - 0.5))
    y = -1.2 + pitch_u * (0.866 * row + jitter * (rng.random(rows * columns) - 0.5))
    if warp is not None:
        i = np.clip(((y + 1) * size / 2).astype(np.int64), 0, size - 1)
        j = np.clip(((x + 1) * size / 2).astype(np.int64), 0, size - 1)
        x, y = x + warp[0][i, j], y + warp[1][i, j]
    fine = size * oversample
    px = np.floor((x + 1) * fine / 2).astype(np.int64)
    py = np.floor((y + 1) * fine / 2).astype(np.int64)
    inside = (px >= 0) & (px < fine) & (py >= 0) & (py < fine)
    seeds = np.full((fine, fine), 255, np.uint8)
    seeds[py[inside], px[inside]] = 0
    seeds[0, 0] = 0
    to_seed, label = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    within = np.ones((fine, fine), np.uint8)
    within[1:, 1:] = (label[1:, 1:] == label[1:, :-1]) & (label[1:, 1:] == label[:-1, 1:])
    # OpenCV's builds disagree in the fifth digit here; rounding to 1/64 px makes the picture the same on all of them.
    to_wall = np.rint(64.0 * resized(cv2.distanceTransform(within, cv2.DIST_L2, 3), size, cv2.INTER_AREA)) / 64.0
    unit = 2.0 / fine
    drawn = rng.random(int(label.max()) + 1)
    return Cells(
        wall_u=to_wall * unit,
        seed_u=resized(to_seed, size, cv2.INTER_AREA) * unit,
        value=drawn[label[::oversample, ::oversample]],
    )


@dataclass
class Canvas:
    """The picture while it is painted: chromophore densities under, covers (keratin, hair) over, places noted."""

    size: int
    skin_tone: int
    skin: Field = field(init=False)
    melanin: Field = field(init=False)
    blood: Field = field(init=False)
    deep: Field = field(init=False)
    paint: npt.NDArray[np.float64] = field(init=False)
    clear: Field = field(init=False)
    depth_u: Field = field(init=False)
    fray: Field = field(init=False)
    places: dict[str, Mask] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shape = (self.size, self.size)
        self.skin = np.full(shape, SKIN_DENSITY[self.skin_tone])
        self.melanin = np.zeros(shape)
        self.blood = np.zeros(shape)
        self.deep = np.zeros(shape)
        self.paint = np.zeros((3, *shape))
        self.clear = np.ones(shape)
        self.depth_u = np.full(shape, -1.0)
        self.fray = np.zeros(shape)

    @property
    def x(self) -> Field:
        """Pixel centres, u."""
        return grid(self.size)[0]

    @property
    def y(self) -> Field:
        """Pixel centres, u."""
        return grid(self.size)[1]

    def inside(self, soft_u: float = 0.04, inset_u: float = 0.0) -> Field:
        """The lesion as a soft, frayed field: 0 outside, 1 well below the border drawn in by `inset_u`."""
        return ramp(self.depth_u - min(soft_u, 0.12) * self.fray, inset_u, inset_u + soft_u)

    @property
    def paleness(self) -> float:
        """How white a scar, halo or veil looks over this skin, 0 to 1: darker skin shows less of it."""
        return 0.6 + 0.08 * self.skin_tone

    def cover(self, alpha: Field, colour: Colour | npt.NDArray[np.float64]) -> None:
        """Lay `colour` (display values 0 to 1) over what is there, as opaque as `alpha` (0 to 1)."""
        left = 1.0 - alpha
        self.clear *= left
        self.paint *= left
        for channel in range(3):
            self.paint[channel] += alpha * colour[channel]

    def note(self, name: str, where: Mask) -> None:
        """Keep the place of a structure; several of one name share a mask."""
        known = self.places.get(name)
        self.places[name] = where if known is None else known | where

    def render(self) -> npt.NDArray[np.float64]:
        """Display values (3, size, size) before the camera, about 0 to 1."""
        seen = np.empty((3, self.size, self.size))
        for c in range(3):
            seen[c] = MELANIN[c] * self.melanin + BLOOD[c] * self.blood + DEEP[c] * self.deep + SKIN[c] * self.skin
            seen[c] = TISSUE[c] * np.exp(-seen[c])
        return seen * self.clear + self.paint
