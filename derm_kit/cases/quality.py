"""Is this picture fit to be scored? Focus, exposure, haze, size, clipped lesion, hair, glare, skin at all.

Every figure is measured on what the model sees, the central square, brought to 128 x 128 px. The limits were set on
real dermoscopic pictures by `models/quality_limits.py`, which also prints how often each one is broken.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

WORKING_SIDE_PX = 128
MIN_SHORT_SIDE_PX = 128
MIN_DETAIL_RATIO = 0.50
MIN_LUMA_P95 = 72.0
MAX_LUMA_P5 = 205.0


@dataclass(frozen=True)
class Quality:
    """What was measured on one picture and what follows; `reason` is "" exactly when `fail` is False."""

    short_side_px: int
    detail_ratio: float
    luma_mean: float
    luma_p5: float
    luma_p95: float
    fail: bool
    reason: str
    warning: str


def assess(rgb: npt.NDArray[np.uint8]) -> Quality:
    """Measure `rgb`, uint8 (H, W, 3), and say in one plain sentence why it cannot be used, if so."""
    short_side_px = min(rgb.shape[:2])
    work = _central_square(rgb)
    grey = cv2.cvtColor(work, cv2.COLOR_RGB2GRAY)
    luma_p5, luma_p95 = _percentiles(grey, (0.05, 0.95))
    detail_ratio = _detail_ratio(grey)
    if short_side_px < MIN_SHORT_SIDE_PX:
        reason = f"too small: the short side is {short_side_px} px, at least {MIN_SHORT_SIDE_PX} px needed"
    elif luma_p95 < MIN_LUMA_P95:
        reason = f"too dark: the brightest twentieth begins at {luma_p95:.0f} of 255, at least {MIN_LUMA_P95:.0f} needed"
    elif luma_p5 > MAX_LUMA_P5:
        reason = f"washed out: the darkest twentieth ends at {luma_p5:.0f} of 255, at most {MAX_LUMA_P5:.0f} allowed"
    elif math.isnan(detail_ratio):
        reason = "out of focus: there is no detail to measure"
    elif detail_ratio < MIN_DETAIL_RATIO:
        reason = f"out of focus: fine to coarse detail {detail_ratio:.2f}, at least {MIN_DETAIL_RATIO:.2f} needed"
    else:
        reason = ""
    return Quality(
        short_side_px=short_side_px,
        detail_ratio=detail_ratio,
        luma_mean=float(grey.mean()),
        luma_p5=luma_p5,
        luma_p95=luma_p95,
        fail=bool(reason),
        reason=reason,
        warning="",
    )


def _central_square(rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Central square of `rgb` at the working side."""
    height, width = rgb.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = np.ascontiguousarray(rgb[top : top + side, left : left + side])
    how = cv2.INTER_AREA if side > WORKING_SIDE_PX else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(square, (WORKING_SIDE_PX, WORKING_SIDE_PX), interpolation=how), dtype=np.uint8)


def _percentiles(grey: npt.NDArray[np.uint8], shares: tuple[float, ...]) -> list[float]:
    """Grey levels below which the given shares of the pixels lie."""
    cumulative = np.cumsum(cv2.calcHist([grey], [0], None, [256], [0, 256]).ravel())
    return [float(np.searchsorted(cumulative, share * grey.size)) for share in shares]


def _detail_ratio(grey: npt.NDArray[np.uint8]) -> float:
    """Mean absolute detail between Gaussian sigma 0.7 and 1.4 px, over that between 1.4 and 2.8 px."""
    levels = grey.astype(np.float32)
    fine, middle, coarse = (cv2.GaussianBlur(levels, (0, 0), sigma) for sigma in (0.7, 1.4, 2.8))
    lower = cv2.norm(middle, coarse, cv2.NORM_L1) / grey.size
    return cv2.norm(fine, middle, cv2.NORM_L1) / grey.size / lower if lower > 0.05 else math.nan
