"""Is this picture fit to be scored? Size, exposure, haze, focus, skin at all, clipped lesion, hair, glare.

Every figure is measured on what the model sees, the central square, brought to 128 x 128 px (colour:
32 x 32 px). The limits lie beside
this module in `quality_limits.json`; `models/quality_limits.py` set them on real dermoscopic pictures and prints how
often each is broken. A failure never stops scoring: it sends the case to clinician review.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from importlib.resources import files
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

from derm_kit.cases.images import central_square
from derm_kit.errors import CaseError

WORKING_SIDE_PX = 128
COLOUR_SIDE_PX = 32
# Below this the working picture would be invented by enlargement, and dots and network (about 1 % of the field of
# view) fall under two pixels.
MIN_SHORT_SIDE_PX = 128
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


@dataclass(frozen=True)
class Quality:
    """What was measured on one picture and what follows.

    `short_side_px` is that of the picture handed in. Luma is 0-255 (ITU-R BT.601); shares lie in 0..1. `fine_detail_levels` is the mean
    absolute detail finer than Gaussian sigma 0.7 px of the working picture, in grey levels; `detail_ratio` the detail
    between sigma 0.7 and 1.4 px over that between 1.4 and 2.8 px (blur empties the finer band first); NaN when the
    picture has neither. `edge_lesion_share` is the share of the frame's edge that is lesion; NaN when no outline
    stands out. `skin_log_odds` is the log odds of the skin model. `reason` is "" exactly when `fail` is False;
    `warning` is "" or one sentence and never decides anything.
    """

    short_side_px: int
    luma_mean: float
    luma_p5: float
    luma_p95: float
    fine_detail_levels: float
    detail_ratio: float
    edge_lesion_share: float
    hair_share: float
    glare_share: float
    skin_log_odds: float
    fail: bool
    reason: str
    warning: str


@dataclass(frozen=True)
class Limits:
    """The limits that the recipe set, and the weights of the skin model (rows of `skin`: see `_skin_log_odds`)."""

    min_luma_p95: float
    max_luma_p5: float
    min_fine_detail_levels: float
    min_detail_ratio: float
    min_skin_log_odds: float
    max_edge_lesion_share: float
    warn_edge_lesion_share: float
    max_hair_share: float
    warn_hair_share: float
    max_glare_share: float
    warn_glare_share: float
    skin_intercept: float
    skin: npt.NDArray[np.float64]


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


def read_limits() -> Limits:
    """The limits stored beside this module."""
    stored = json.loads(files("derm_kit.cases").joinpath("quality_limits.json").read_text("utf-8"))
    model = stored["skin_model"]
    rows = [model["features"][name] for name in SKIN_FEATURES]
    return Limits(
        **stored["limits"],
        skin_intercept=model["intercept"],
        skin=np.array([[row[key] for row in rows] for key in ("centre", "spread", "linear", "square")]),
    )


def assess(rgb: npt.NDArray[np.uint8]) -> Quality:
    """Measure `rgb`, uint8 (H, W, 3) of any size, and say in one plain sentence why it cannot be used, if so.

    Raises CaseError when the array is no such picture; any pixels of a proper array are judged, never refused.
    """
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
        raise CaseError(
            "a picture must be a uint8 array (height, width, 3)",
            value=f"{rgb.dtype} {rgb.shape}",
            next_step="Decode the file with derm_kit.cases.images.decode.",
        )
    figures = measure(rgb)
    skin_log_odds = _skin_log_odds(figures.skin_features, LIMITS)
    reason = _reason(figures, skin_log_odds, LIMITS)
    return Quality(
        short_side_px=figures.short_side_px,
        luma_mean=figures.luma_mean,
        luma_p5=figures.luma_p5,
        luma_p95=figures.luma_p95,
        fine_detail_levels=figures.fine_detail_levels,
        detail_ratio=figures.detail_ratio,
        edge_lesion_share=figures.edge_lesion_share,
        hair_share=figures.hair_share,
        glare_share=figures.glare_share,
        skin_log_odds=skin_log_odds,
        fail=bool(reason),
        reason=reason,
        warning=_warning(figures, LIMITS),
    )


def measure(rgb: npt.NDArray[np.uint8]) -> Figures:
    """All figures of `rgb`, uint8 (H, W, 3); an empty picture (a side of 0 px) measures as one black pixel."""
    short_side_px = min(rgb.shape[:2])
    square = central_square(rgb if short_side_px else np.zeros((1, 1, 3), np.uint8), max(short_side_px, 1))
    grey = _resized(cv2.cvtColor(square, cv2.COLOR_RGB2GRAY), WORKING_SIDE_PX)
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
        hair_share=hair_px / grey.size,
        glare_share=float(histogram[GLARE_LUMA:].sum()) / grey.size,
        skin_features=_skin_features(colour, grey, detail),
    )


def _resized(square: npt.NDArray[np.uint8], side: int) -> npt.NDArray[np.uint8]:
    """A square picture at `side` px: area average when it shrinks, linear when it grows."""
    way = cv2.INTER_AREA if square.shape[0] > side else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(square, (side, side), interpolation=way), dtype=np.uint8)


def _detail_levels(grey: npt.NDArray[np.uint8]) -> tuple[float, float, float]:
    """Mean absolute detail in grey levels: finer than sigma 0.7 px, from 0.7 to 1.4 px, from 1.4 to 2.8 px."""
    scales = [grey.astype(np.float32)]
    scales += [cv2.GaussianBlur(scales[0], (size, size), sigma) for size, sigma in ((5, 0.7), (9, 1.4), (17, 2.8))]
    fine, middle, coarse = (cv2.norm(finer, blurred, cv2.NORM_L1) / grey.size for finer, blurred in pairwise(scales))
    return fine, middle, coarse


def _edge_lesion_share(colour: npt.NDArray[np.uint8]) -> tuple[float, bool]:
    """Share of the frame's edge that is lesion, and whether the outline is certain enough to fail the picture.

    The lesion is what Otsu's threshold (IEEE Trans SMC 1979;9:62-6) calls dark in the blue channel at 32 x 32 px and
    what reaches into the central half; the black surround of a round field of view is left out. NaN when dark and
    light differ by under 30 levels or explain under 65 % of the variance; certain from 40 levels and 75 %.
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
    if contrast < 30 or explained < 0.65:
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


def _skin_log_odds(features: npt.NDArray[np.float64], limits: Limits) -> float:
    """Logistic model on standardised features and their squares: each feature adds one parabola."""
    centre, spread, linear, square = limits.skin
    z = np.clip((features - centre) / spread, -6.0, 6.0)
    return float(limits.skin_intercept + z @ linear + (z * z) @ square)


def _reason(figures: Figures, skin_log_odds: float, limits: Limits) -> str:
    """The first rule that the picture breaks, with its figure and the limit; "" when it breaks none."""
    f = figures
    if f.short_side_px < MIN_SHORT_SIDE_PX:
        return f"too small: short side {f.short_side_px} px, at least {MIN_SHORT_SIDE_PX} px needed"
    if f.luma_p95 < limits.min_luma_p95:
        return f"too dark: brightest twentieth from {f.luma_p95:.0f} of 255, at least {limits.min_luma_p95:.0f} needed"
    if f.luma_p5 > limits.max_luma_p5:
        return f"washed out: darkest twentieth up to {f.luma_p5:.0f} of 255, at most {limits.max_luma_p5:.0f} allowed"
    if math.isnan(f.detail_ratio):
        return "out of focus: the picture holds no detail at all"
    if skin_log_odds < limits.min_skin_log_odds:
        return (
            f"not a skin picture: log odds of skin {skin_log_odds:.2f}, at least {limits.min_skin_log_odds:.2f} needed"
        )
    if f.detail_ratio < limits.min_detail_ratio:
        return (
            f"out of focus: fine over coarse detail {f.detail_ratio:.3f}, at least {limits.min_detail_ratio:.3f} needed"
        )
    if f.fine_detail_levels < limits.min_fine_detail_levels:
        return (
            f"out of focus: fine detail {f.fine_detail_levels:.2f} grey levels, "
            f"at least {limits.min_fine_detail_levels:.2f} needed"
        )
    if f.edge_certain and f.edge_lesion_share > limits.max_edge_lesion_share:
        return (
            f"lesion clipped: {f.edge_lesion_share:.0%} of the frame's edge is lesion, "
            f"at most {limits.max_edge_lesion_share:.0%} allowed"
        )
    if f.glare_share > limits.max_glare_share:
        return f"heavy glare: {f.glare_share:.0%} of the picture, at most {limits.max_glare_share:.0%} allowed"
    if f.hair_share > limits.max_hair_share:
        return f"heavy hair: {f.hair_share:.0%} of the picture, at most {limits.max_hair_share:.0%} allowed"
    return ""


def _warning(figures: Figures, limits: Limits) -> str:
    """What a reader of the score should know although the picture may pass; "" when there is nothing."""
    found = [
        f"{what} {share:.0%} of {where} (over {limit:.0%})"
        for what, share, where, limit in (
            ("lesion on", figures.edge_lesion_share, "the frame's edge", limits.warn_edge_lesion_share),
            ("glare on", figures.glare_share, "the picture", limits.warn_glare_share),
            ("hair on", figures.hair_share, "the picture", limits.warn_hair_share),
        )
        if share > limit
    ]
    return "; ".join(found)


_LEVELS = np.arange(256)
_LUMA_WEIGHTS = np.array([0.299, 0.587, 0.114], np.float32)
_SPREAD_FLOOR = np.array([0.02, 0.02, 1.0])
_SLOPE_FLOOR = np.array([0.01, 0.01, 0.5])
_HAIR_KERNEL = np.ones((7, 7), np.uint8)
_EDGE = np.pad(np.zeros((30, 30), dtype=bool), 1, constant_values=True)
_RIM = np.pad(np.zeros((10, 10), dtype=bool), 3, constant_values=True)

LIMITS = read_limits()
