"""assess(): what fails, with which figure, and what never raises."""

from __future__ import annotations

import dataclasses
import math
import re
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import skimage.data
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from derm_kit.cases.images import decode
from derm_kit.cases.phantom import draw
from derm_kit.cases.quality import LIMITS, MIN_SHORT_SIDE_PX, Quality, assess
from derm_kit.cases.quality_figures import SKIN_FEATURES, measure
from derm_kit.errors import CaseError
from derm_kit.lesions import LESION_TYPES

Pixels = npt.NDArray[np.uint8]


def disc_on_skin(centre: tuple[int, int], radius: int, side: int = 256, seed: int = 0) -> Pixels:
    """Brown disc on finely grained pink ground: every figure of it can be worked out by hand."""
    rng = np.random.default_rng(seed)
    rgb = np.full((side, side, 3), (215, 165, 150), np.uint8)
    cv2.circle(rgb, centre, radius, (110, 70, 55), -1, cv2.LINE_AA)
    grain = cv2.GaussianBlur(rng.normal(0, 12, (side, side)), (0, 0), 1.0)
    return np.clip(rgb + grain[..., None], 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def skin() -> Pixels:
    return disc_on_skin((128, 128), 45)


def spoilt(rgb: Pixels) -> dict[str, Pixels]:
    """The three ways of spoiling a picture that the limits are set against."""
    values = rgb / 255.0
    return {
        "blurred": cv2.GaussianBlur(rgb, (0, 0), 4.0 * min(rgb.shape[:2]) / 256.0),
        "darkened": np.round(255 * values * 0.2).astype(np.uint8),
        "washed out": np.round(255 * (0.85 + 0.15 * values)).astype(np.uint8),
    }


# All that comes inside scikit-image (its other loaders download); `lfw_subset` and `stereo_motorcycle` hold several.
BUNDLED = (
    "astronaut",
    "binary_blobs",
    "brick",
    "camera",
    "cat",
    "cell",
    "checkerboard",
    "clock",
    "coffee",
    "coins",
    "colorwheel",
    "grass",
    "gravel",
    "horse",
    "hubble_deep_field",
    "immunohistochemistry",
    "lfw_subset",
    "logo",
    "microaneurysms",
    "moon",
    "page",
    "retina",
    "rocket",
    "shepp_logan_phantom",
    "stereo_motorcycle",
    "text",
)


def bundled_picture(name: str) -> Pixels:
    """One of scikit-image's pictures as RGB, transparency dropped."""
    loaded = getattr(skimage.data, name)()
    array = loaded[0] if name in ("lfw_subset", "stereo_motorcycle") else loaded
    if array.dtype != np.uint8:
        array = np.round(255.0 * array.astype(np.float64) / array.max()).astype(np.uint8)
    return np.ascontiguousarray(array[..., :3]) if array.ndim == 3 else np.stack([array] * 3, axis=-1)


@pytest.mark.parametrize("name", BUNDLED)
def test_every_bundled_picture_of_no_skin_fails(name: str) -> None:
    whole = bundled_picture(name)
    at_256_px = cv2.resize(whole, (256, 256), interpolation=cv2.INTER_AREA)
    variants = (whole, at_256_px, np.rot90(whole), np.clip(whole * 1.2, 0, 255).astype(np.uint8))
    assert [assess(rgb).fail for rgb in variants] == [True] * 4


@pytest.mark.parametrize("value", [0, 60, 128, 200, 255])
def test_plain_grey_fails(value: int) -> None:
    assert assess(np.full((256, 256, 3), value, np.uint8)).fail


def test_ramps_noise_and_a_plain_skin_colour_fail() -> None:
    rng = np.random.default_rng(4)
    ramp = np.repeat(np.tile(np.arange(256, dtype=np.uint8), (256, 1))[..., None], 3, axis=2)
    pictures = [
        ramp,
        ramp.transpose(1, 0, 2),
        rng.integers(0, 256, (256, 256, 3), dtype=np.uint8),
        np.clip(rng.normal(128, 40, (256, 256, 1)) * np.ones(3), 0, 255).astype(np.uint8),
        np.full((256, 256, 3), (224, 172, 150), np.uint8),
    ]
    assert [assess(np.ascontiguousarray(rgb)).fail for rgb in pictures] == [True] * 5


def test_skin_passes_and_says_nothing(skin: Pixels) -> None:
    verdict = assess(skin)
    assert (verdict.fail, verdict.reason, verdict.warning) == (False, "", "")


@pytest.mark.parametrize(
    ("way", "reason"), [("blurred", "out of focus"), ("darkened", "too dark"), ("washed out", "washed out")]
)
def test_a_spoilt_picture_fails_for_what_was_done_to_it(skin: Pixels, way: str, reason: str) -> None:
    assert assess(spoilt(skin)[way]).reason.startswith(reason)


def test_the_reason_carries_the_figure_and_the_limit(skin: Pixels) -> None:
    verdict = assess(spoilt(skin)["darkened"])
    assert re.findall(r"\d+", verdict.reason) == [f"{verdict.luma_p95:.0f}", "255", f"{LIMITS.min_luma_p95:.0f}"]


@pytest.mark.parametrize(("side", "fails"), [(MIN_SHORT_SIDE_PX - 1, True), (MIN_SHORT_SIDE_PX, False)])
def test_size_is_judged_by_the_short_side(side: int, fails: bool) -> None:
    wide = cv2.resize(disc_on_skin((128, 128), 45), (side, side), interpolation=cv2.INTER_AREA)
    wide = cv2.copyMakeBorder(wide, 0, 0, 40, 40, cv2.BORDER_REFLECT)
    verdict = assess(wide)
    assert verdict.short_side_px == side
    assert verdict.reason.startswith("too small") is fails


@pytest.mark.parametrize("seed", range(4))
def test_more_blur_never_means_more_focus(seed: int) -> None:
    rgb = draw(LESION_TYPES[seed], seed + 70, caption=False).image
    series = [assess(rgb if sigma == 0 else cv2.GaussianBlur(rgb, (0, 0), sigma)) for sigma in (0, 1, 2, 3, 4, 6)]
    fine = [verdict.fine_detail_levels for verdict in series]
    ratio = [verdict.detail_ratio for verdict in series[:4]]
    assert fine == sorted(fine, reverse=True)
    assert ratio == sorted(ratio, reverse=True)


@pytest.mark.parametrize("kernel", ["gauss 3", "gauss 5", "box 13", "disc 7"])
def test_other_blurs_near_sigma_4_fail_too(kernel: str) -> None:
    disc = np.zeros((15, 15), np.float32)
    cv2.circle(disc, (7, 7), 7, 1, -1)
    for seed, lesion_type in enumerate(LESION_TYPES[::3]):
        rgb = draw(lesion_type, seed, caption=False).image
        spoilt_picture = {
            "gauss 3": lambda x: cv2.GaussianBlur(x, (0, 0), 3),
            "gauss 5": lambda x: cv2.GaussianBlur(x, (0, 0), 5),
            "box 13": lambda x: cv2.blur(x, (13, 13)),
            "disc 7": lambda x: cv2.filter2D(x, -1, disc / disc.sum()),
        }[kernel](rgb)
        assert assess(spoilt_picture).fail, lesion_type


def test_edge_share_of_a_disc_matches_geometry() -> None:
    # Circle of radius r centred on the left edge meets it along 2 r; the frame is 4 * 256 px long.
    verdict = assess(disc_on_skin((0, 128), 90))
    assert verdict.edge_lesion_share == pytest.approx(180 / 1024, abs=0.03)
    assert verdict.warning.startswith("lesion on")
    assert not verdict.reason.startswith("lesion clipped")
    assert assess(disc_on_skin((128, 128), 60)).edge_lesion_share == 0.0


def test_a_lesion_on_most_of_the_frame_fails() -> None:
    # Centred on a corner with r = 250: 2 * 250 of 1,024 px, plus nothing of the far sides.
    verdict = assess(disc_on_skin((0, 0), 250))
    assert verdict.edge_lesion_share == pytest.approx(500 / 1024, abs=0.03)
    assert verdict.reason.startswith(("lesion clipped", "not a skin picture"))


def test_glare_share_is_the_white_share(skin: Pixels) -> None:
    rgb = skin.copy()
    rgb[:64] = 255
    assert assess(rgb).glare_share == pytest.approx(0.25, abs=0.01)
    assert "glare on" in assess(rgb).warning


def test_hair_share_is_the_share_under_thin_dark_lines(skin: Pixels) -> None:
    rgb = skin.copy()
    for x in range(6, 256, 16):
        cv2.line(rgb, (x, 0), (x, 255), (40, 25, 20), 4)
    assert assess(skin).hair_share < 0.01
    assert assess(rgb).hair_share == pytest.approx(5 / 16, abs=0.1)
    assert "hair" in assess(rgb).warning


def test_warnings_do_not_fail_a_picture() -> None:
    # The chord at the left edge is 2 * sqrt(90^2 - 50^2) = 150 of 1,024 px, met in steps of 8 px.
    verdict = assess(disc_on_skin((50, 128), 90))
    assert verdict.warning == "lesion on 16% of the frame's edge (over 10%)"
    assert not verdict.fail


def test_phantoms_of_all_types_and_tones_pass() -> None:
    verdicts = [assess(draw(t, 900 + tone, skin_tone=tone).image) for t in LESION_TYPES[::2] for tone in range(6)]
    assert sum(verdict.fail for verdict in verdicts) <= 0.05 * len(verdicts)


@given(
    hnp.arrays(
        np.uint8,
        st.tuples(st.integers(0, 40), st.integers(0, 40), st.just(3)),
        elements=st.integers(0, 255),
        fill=st.integers(0, 255),
    ),
    st.sampled_from([1, 8]),
)
@settings(max_examples=80, deadline=None)
def test_any_picture_is_judged_and_never_refused(small: Pixels, times: int) -> None:
    verdict = assess(small.repeat(times, axis=0).repeat(times, axis=1))
    assert verdict.fail is (verdict.reason != "")
    for name, value in dataclasses.asdict(verdict).items():
        if name in ("detail_ratio", "edge_lesion_share"):
            assert math.isnan(value) or math.isfinite(value)
        elif isinstance(value, float):
            assert math.isfinite(value), name
    if math.isnan(verdict.detail_ratio):
        assert verdict.fail
    for share in (verdict.hair_share, verdict.glare_share):
        assert 0.0 <= share <= 1.0


def test_a_view_of_a_larger_array_is_judged_as_its_copy(skin: Pixels) -> None:
    assert assess(skin[::-1, 10:-10][:, ::-1]) == assess(np.ascontiguousarray(skin[::-1, 10:-10][:, ::-1]))


@pytest.mark.parametrize("wrong", [np.zeros((9, 9)), np.zeros((9, 9), np.uint8), np.zeros((9, 9, 4), np.uint8)])
def test_what_is_no_rgb_picture_is_refused(wrong: npt.NDArray[np.generic]) -> None:
    with pytest.raises(CaseError, match="uint8 array"):
        assess(wrong)  # type: ignore[arg-type]


def test_the_skin_model_has_one_row_a_feature(skin: Pixels) -> None:
    assert LIMITS.skin.shape == (4, len(SKIN_FEATURES))
    assert measure(skin).skin_features.shape == (len(SKIN_FEATURES),)
    assert (LIMITS.skin[1] > 0).all()


@pytest.mark.data
def test_limits_hold_on_real_pictures(data_folder: Path) -> None:
    table = pd.read_csv(data_folder / "metadata.csv", usecols=["image_id", "split"])
    sample = table[table["split"] == "train"].sample(300, random_state=11)
    fails: dict[str, int] = dict.fromkeys(("as it is", "blurred", "darkened", "washed out"), 0)
    for name in sample["image_id"]:
        rgb = decode(data_folder / "images" / f"{name}.jpg", case=name).rgb
        for way, picture in ({"as it is": rgb} | spoilt(rgb)).items():
            verdict: Quality = assess(picture)
            fails[way] += verdict.fail
    assert fails["as it is"] <= 0.03 * len(sample)
    assert min(fails["blurred"], fails["darkened"], fails["washed out"]) >= 0.95 * len(sample)
