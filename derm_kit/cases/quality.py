"""Is this picture fit to be scored? Size, exposure, haze, focus, skin at all, clipped lesion, glare, hair.

`quality_figures.py` measures, this module judges. The limits lie beside it in `quality_limits.json`;
`models/quality_limits.py` set them on real dermoscopic pictures and prints how often each is broken. A failure never
stops scoring: it sends the case to clinician review.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
import numpy.typing as npt

from derm_kit.cases.quality_figures import SKIN_FEATURES, Figures, measure
from derm_kit.errors import CaseError

# Below this the working picture would be invented by enlargement, and dots and network (about 1 % of the field of
# view) fall under two pixels.
MIN_SHORT_SIDE_PX = 128


@dataclass(frozen=True)
class Quality:
    """What was measured on one picture and what follows.

    `short_side_px` is that of the picture handed in. Luma is 0-255 (ITU-R BT.601); shares lie in 0..1.
    `fine_detail_levels` is the mean absolute detail finer than Gaussian sigma 0.7 px of the working picture, in grey
    levels. `detail_ratio` is the detail between sigma 0.7 and 1.4 px over that between 1.4 and 2.8 px (blur empties the
    finer band first); NaN when the picture has neither. `edge_lesion_share` is the share of the frame's edge that is
    lesion; NaN when no outline stands out. `skin_log_odds` are the natural log odds of the skin model.
    `reason` is "" exactly when `fail` is False; `warning` is "" or one sentence and never decides anything.
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


LIMITS = read_limits()
