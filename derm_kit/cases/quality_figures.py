"""Figures of a picture's quality: detail, exposure, outline at the frame, hair, glare, and what skin looks like.

Every figure is measured on what the model sees, the central square, brought to 128 x 128 px (colour: 32 x 32 px), so
that pictures of any size compare. What a figure means for the case is judged in `quality.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

from derm_kit.cases.images import central_square

WORKING_SIDE_PX = 128
COLOUR_SIDE_PX = 32
HAIR_DEPTH_LEVELS = 25
GLARE_LUMA = 240

SKIN_FEATURES = (
    "log_red_green",
    "log_green_blue",
    "luma_mean",
    "log_spread_red_green",
    "log_spread_green_blue",
    "log_spread_luma",
    "log_slope_red_green",
    "log_slope_green_blue",
    "log_slope_luma",
    "correlation_colours",
    "correlation_red_green_luma",
    "log_chroma",
    "log_detail_fine",
    "log_detail_middle",
    "log_detail_coarse",
    "log_spread_rim",
    "rim_less_centre",
    "dark_share",
    "bright_share",
    "flat_share",
)

_LEVELS = np.arange(256)
_LUMA_WEIGHTS = np.array([0.299, 0.587, 0.114], np.float32)
_SPREAD_FLOOR = np.array([0.02, 0.02, 1.0])
_SLOPE_FLOOR = np.array([0.01, 0.01, 0.5])
_HAIR_KERNEL = np.ones((7, 7), np.uint8)
_EDGE = np.pad(np.zeros((30, 30), dtype=bool), 1, constant_values=True)
_RIM = np.pad(np.zeros((10, 10), dtype=bool), 3, constant_values=True)


@dataclass(frozen=True)
class Figures:
    """The bare measurements of one picture: those of `Quality`, and the features of the skin model."""

    short_side_px: int
    luma_mean: float
    luma_p5: float
    luma_p95: float
    fine_detail_levels: float
    detail_ratio: float
    edge_lesion_share: float
    edge_certain: bool
    hair_share: float
    glare_share: float
    skin_features: npt.NDArray[np.float64]


def measure(rgb: npt.NDArray[np.uint8]) -> Figures:
    """All figures of `rgb`, uint8 (H, W, 3); an empty picture (a side of 0 px) measures as one black pixel."""
    short_side_px = min(rgb.shape[:2])
    square = central_square(rgb if short_side_px else np.zeros((1, 1, 3), np.uint8), max(short_side_px, 1))
    luma = np.asarray(cv2.cvtColor(square, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    grey = _resized(luma, WORKING_SIDE_PX)
    colour = _resized(square, COLOUR_SIDE_PX)
    histogram = np.bincount(grey.ravel(), minlength=256)
    below = np.cumsum(histogram)
    detail = _detail_levels(grey)
    edge_lesion_share, edge_certain = _edge_lesion_share(colour)
    closed = cv2.morphologyEx(grey, cv2.MORPH_CLOSE, _HAIR_KERNEL)
    hair_px = np.count_nonzero(cv2.subtract(closed, grey) > HAIR_DEPTH_LEVELS)
    return Figures(
        short_side_px=short_side_px,
        luma_mean=float(histogram @ _LEVELS) / grey.size,
        luma_p5=float(np.searchsorted(below, 0.05 * grey.size)),
        luma_p95=float(np.searchsorted(below, 0.95 * grey.size)),
        fine_detail_levels=detail[0],
        detail_ratio=detail[1] / detail[2] if detail[2] > 0.05 else math.nan,
        edge_lesion_share=edge_lesion_share,
        edge_certain=edge_certain,
        hair_share=float(hair_px) / grey.size,
        glare_share=float(histogram[GLARE_LUMA:].sum()) / grey.size,
        skin_features=_skin_features(colour, grey, detail),
    )


def _resized(square: npt.NDArray[np.uint8], side: int) -> npt.NDArray[np.uint8]:
    """A square picture at `side` px: area average when it shrinks, linear when it grows."""
    way = cv2.INTER_AREA if square.shape[0] > side else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(square, (side, side), interpolation=way), dtype=np.uint8)


def _detail_levels(grey: npt.NDArray[np.uint8]) -> tuple[float, float, float]:
    """Mean absolute detail in grey levels: finer than sigma 0.7 px, from 0.7 to 1.4 px, from 1.4 to 2.8 px."""
    levels = grey.astype(np.float32)
    kernels = ((5, 0.7), (9, 1.4), (17, 2.8))
    scales = [levels, *(cv2.GaussianBlur(levels, (size, size), sigma) for size, sigma in kernels)]
    fine, middle, coarse = (cv2.norm(finer, blurred, cv2.NORM_L1) / grey.size for finer, blurred in pairwise(scales))
    return fine, middle, coarse


def _edge_lesion_share(colour: npt.NDArray[np.uint8]) -> tuple[float, bool]:
    """Share of the frame's edge that is lesion, and whether the outline is certain enough to fail the picture.

    The lesion is what Otsu's threshold (IEEE Trans SMC 1979;9:62-6) calls dark in the blue channel at 32 x 32 px and
    what reaches into the central half; the black surround of a round field of view is left out. NaN when dark and
    light differ by under 30 levels or explain under 65 % of the variance, or when the dark lies round the light
    (more than half of the edge and denser there than in the centre);
    certain from 40 levels and 75 %.
    """
    inside = colour.max(axis=2) >= 40
    blue = np.ascontiguousarray(colour[..., 2])
    seen = blue[inside]
    if seen.size < 64:
        return math.nan, False
    threshold, _ = cv2.threshold(seen, 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    dark = (blue <= threshold) & inside
    dark_px = np.count_nonzero(dark)
    if dark_px in (0, seen.size):
        return math.nan, False
    share = dark_px / seen.size
    dark_mean = float(blue[dark].mean())
    contrast = (float(seen.mean()) - dark_mean) / (1.0 - share)
    explained = share * (1.0 - share) * contrast**2 / max(float(seen.var()), 1e-9)
    surrounds = dark[_EDGE].mean() > max(0.5, dark[8:24, 8:24].mean())
    if contrast < 30 or explained < 0.65 or surrounds:
        return math.nan, False
    count, labels = cv2.connectedComponents(dark.view(np.uint8), connectivity=4)
    central = np.bincount(labels[8:24, 8:24].ravel(), minlength=count)
    central[0] = 0
    lesion = (central >= 6)[labels]
    return float(lesion[_EDGE].mean()), contrast >= 40 and explained >= 0.75


def _skin_features(
    colour: npt.NDArray[np.uint8], grey: npt.NDArray[np.uint8], detail: tuple[float, float, float]
) -> npt.NDArray[np.float64]:
    """What tells skin under a dermatoscope from anything else, in the order of SKIN_FEATURES.

    Colour ratios, their spread and slope and the lay of light are taken at 16 x 16 px, detail at 128 x 128 px.
    """
    small = _resized(colour, 16).astype(np.float32)
    red, green, blue = np.log(small + 16.0).transpose(2, 0, 1)
    luma = small @ _LUMA_WEIGHTS
    planes = np.stack((red - green, green - blue, luma))
    centred = planes.reshape(3, 256)
    mean = centred.mean(axis=1)
    centred = centred - mean[:, None]
    covariance = (centred @ centred.T) / 256.0
    spread = np.sqrt(np.maximum(covariance.diagonal(), 0.0))
    slope = np.abs(planes[:, 1:] - planes[:, :-1]).mean(axis=(1, 2)) + np.abs(
        planes[:, :, 1:] - planes[:, :, :-1]
    ).mean(axis=(1, 2))
    chroma = np.abs(small[..., :2] - small[..., 1:]).sum() / 256.0
    rim = luma[_RIM]
    flat_px = grey[:, 1:].size - cv2.countNonZero(cv2.absdiff(grey[:, 1:], grey[:, :-1]))
    return np.array(
        [
            mean[0],
            mean[1],
            mean[2] / 255.0,
            *np.log(spread + _SPREAD_FLOOR),
            *np.log(slope + _SLOPE_FLOOR),
            covariance[0, 1] / (spread[0] * spread[1] + 1e-3),
            covariance[0, 2] / (spread[0] * spread[2] + 1e-2),
            math.log(chroma + 2.0),
            *(math.log(level + 0.1) for level in detail),
            math.log(rim.std() + 1.0),
            (rim.mean() - luma[4:12, 4:12].mean()) / 64.0,
            np.count_nonzero(luma < 40) / 256.0,
            np.count_nonzero(luma > 225) / 256.0,
            flat_px / grey[:, 1:].size,
        ],
        dtype=np.float64,
    )
