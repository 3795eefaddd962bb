"""The recipe of the quality limits: fit them on the `train` split, and print how often each rule is broken.

    python models/quality_limits.py DATA          print the table for the limits that ship
    python models/quality_limits.py DATA --fit    set them anew, write derm_kit/cases/quality_limits.json, then print

DATA is a folder with `metadata.csv` (image_id, split, source, skin_tone_class) and `images/<image_id>.jpg`. Limits on
single figures are quantiles of the real train pictures. The skin model is a logistic regression of train pictures,
each also with its colours shifted as another camera would, against pictures of anything else: scikit-image's,
scikit-learn's, and drawn ones (plain colours, ramps, noise, documents, landscapes, textures, charts).
"""

from __future__ import annotations

import argparse
import inspect
import json
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd
import skimage.data
from sklearn.datasets import load_sample_images
from sklearn.linear_model import LogisticRegression

from derm_kit.cases import quality
from derm_kit.cases.images import decode

Pixels = npt.NDArray[np.uint8]
SEED = 2
DRAWN = 1200
CROPS = 8
# Shares of real train pictures that each rule may fail; their sum stays under the 2 % that all rules together may.
BUDGET = {"skin": 0.008, "detail_ratio": 0.003, "fine_detail": 0.001, "hair": 0.0005, "glare": 0.0005}
WARNED = 0.03
STORE = Path(quality.__file__).with_name("quality_limits.json")


def blurred(rgb: Pixels) -> Pixels:
    """Gaussian blur of sigma 4 px on a picture of 256 px."""
    return cv2.GaussianBlur(rgb, (0, 0), 4.0 * min(rgb.shape[:2]) / 256.0)


def darkened(rgb: Pixels) -> Pixels:
    return np.round(rgb * 0.2).astype(np.uint8)


def washed_out(rgb: Pixels) -> Pixels:
    return np.round(255.0 * 0.85 + 0.15 * rgb).astype(np.uint8)


SPOILED: dict[str, Callable[[Pixels], Pixels]] = {
    "blurred": blurred,
    "darkened": darkened,
    "washed out": washed_out,
}


def pictures(data: Path, table: pd.DataFrame) -> Iterator[Pixels]:
    """The pictures of `table`'s rows, in order."""
    for name in table["image_id"]:
        yield decode(data / "images" / f"{name}.jpg", case=name).rgb


def scikit_image_pictures() -> dict[str, Pixels]:
    """Every picture of skimage.data that needs no download, as RGB; those of skin (`skin`) are not among them."""
    found = {}
    for name in sorted(skimage.data.__all__):
        loader = getattr(skimage.data, name)
        if not callable(loader) or name in ("data_dir", "download_all", "file_hash", "skin"):
            continue
        if any(p.default is inspect.Parameter.empty for p in inspect.signature(loader).parameters.values()):
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                loaded = loader()
        except (ModuleNotFoundError, OSError) as gone:
            print(f"  left out, not bundled: skimage.data.{name} ({type(gone).__name__})", file=sys.stderr)
            continue
        for rank, array in enumerate(loaded if isinstance(loaded, tuple) else (loaded,)):
            if not isinstance(array, np.ndarray) or array.ndim not in (2, 3):
                continue
            stack = array[:: len(array) // 8] if name == "lfw_subset" else [array]
            found |= {f"{name}{rank or ''}{n or ''}": as_rgb(a) for n, a in enumerate(stack) if a.shape[0] > 3}
    return found


def as_rgb(array: npt.NDArray[np.generic]) -> Pixels:
    """Any of scikit-image's arrays as uint8 RGB, transparency dropped."""
    values = np.asarray(array, dtype=np.float64)
    if array.dtype != np.uint8:
        values = 255.0 * (values - values.min()) / max(float(np.ptp(values)), 1e-9)
    if values.ndim == 2:
        values = np.repeat(values[..., None], 3, axis=2)
    return np.ascontiguousarray(values[..., :3].round().astype(np.uint8))


def crops(rgb: Pixels, rng: np.random.Generator) -> list[Pixels]:
    """Random square parts of a picture, so that its size and framing do not give it away."""
    height, width = rgb.shape[:2]
    short = min(height, width)
    if short < 160:
        return []
    parts = []
    for _ in range(CROPS):
        side = int(rng.uniform(max(0.35 * short, 100), 0.9 * short))
        top, left = rng.integers(0, height - side + 1), rng.integers(0, width - side + 1)
        parts.append(np.ascontiguousarray(rgb[top : top + side, left : left + side]))
    return parts


def field(rng: np.random.Generator, slope: float, side: int) -> npt.NDArray[np.float64]:
    """Random texture, mean 0 and variance 1, whose amplitude falls with frequency to the power `slope`."""
    spectrum = np.fft.rfft2(rng.normal(size=(side, side)))
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    frequency[0, 0] = 1.0
    texture = np.fft.irfft2(spectrum / frequency**slope, (side, side))
    return (texture - texture.mean()) / texture.std()


def drawn(rng: np.random.Generator, kind: int, side: int = 128) -> Pixels:
    """One drawn picture of no skin; `kind` 0-7: plain, ramp, noise, document, landscape, colour or grey texture, chart."""
    flat = np.ones((side, side, 3))
    if kind == 0:
        values = flat * rng.uniform(0, 255, 3) + rng.normal(0, rng.uniform(0, 15), flat.shape)
    elif kind == 1:
        ends = rng.uniform(0, 255, (2, 3)) if rng.random() < 0.5 else np.repeat(rng.uniform(0, 255, (2, 1)), 3, axis=1)
        y, x = np.mgrid[:side, :side] / side - 0.5
        angle = rng.uniform(0, 2 * np.pi)
        along = np.clip(np.cos(angle) * x + np.sin(angle) * y + 0.5, 0, 1)[..., None]
        values = ends[0] + (ends[1] - ends[0]) * along
    elif kind == 2:
        values = flat * rng.normal(rng.uniform(60, 200), rng.uniform(20, 90), (side, side, rng.choice([1, 3])))
    elif kind == 3:
        values = flat * rng.uniform(170, 255) * rng.uniform(0.9, 1, 3)
        height, ink = int(rng.integers(3, 10)), rng.uniform(0, 90, 3)
        for top in range(height, side - height, int(height * rng.uniform(1.5, 2.5))):
            left = int(rng.integers(2, 20))
            while left < side - 10:
                length = int(rng.integers(2, 14))
                values[top : top + max(1, height // 2), left : left + length] = ink
                left += length + int(rng.integers(1, 6))
    elif kind == 4:
        horizon = int(rng.uniform(0.25, 0.75) * side)
        values = flat * rng.uniform((90, 140, 190), (220, 225, 255))
        values[horizon:] = rng.uniform(20, 190, 3) * (0.9, 1, 0.6)
        values += field(rng, rng.uniform(1, 1.8), side)[..., None] * rng.uniform(8, 35)
        values[horizon:] += rng.normal(0, rng.uniform(3, 25), (side - horizon, side, 1))
    elif kind == 5:
        layers = np.stack([field(rng, rng.uniform(0.8, 1.6), side) for _ in range(3)], axis=-1)
        values = flat * rng.uniform(20, 235, 3) + layers * rng.uniform(15, 60)
    elif kind == 6:
        values = flat * (rng.uniform(50, 200) + field(rng, rng.uniform(0.5, 1.8), side) * rng.uniform(10, 60))[..., None]
    else:
        values = np.ascontiguousarray(flat * rng.choice([0, 255, rng.integers(0, 256)]))
        for _ in range(rng.integers(1, 9)):
            colour, (a, b) = rng.uniform(0, 255, 3).tolist(), rng.integers(0, side, (2, 2)).tolist()
            if rng.random() < 0.5:
                cv2.rectangle(values, a, b, colour, -1 if rng.random() < 0.7 else 2)
            else:
                cv2.circle(values, a, int(rng.integers(5, 60)), colour, -1)
    return np.clip(values, 0, 255).astype(np.uint8)


def another_camera(rgb: Pixels, rng: np.random.Generator) -> Pixels:
    """The picture with gamma, saturation, exposure and white balance moved as between cameras."""
    values = (rgb / 255.0) ** np.exp(rng.uniform(-0.25, 0.25))
    grey = values.mean(axis=2, keepdims=True)
    values = (grey + (values - grey) * rng.uniform(0.75, 1.3)) * rng.uniform(0.88, 1.12, 3) * rng.uniform(0.85, 1.12)
    return np.clip(255.0 * values, 0, 255).astype(np.uint8)


def non_skin_features(rng: np.random.Generator) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Skin features of all non-skin pictures (n, 20) and their weights: a photograph and its crops share theirs."""
    rows, weights = [], []
    samples = load_sample_images()
    photographs = scikit_image_pictures() | dict(zip(samples.filenames, samples.images, strict=True))
    for rgb in photographs.values():
        parts = [rgb, *crops(rgb, rng)]
        rows += [quality.measure(part).skin_features for part in parts]
        weights += [len(parts) ** -0.5] * len(parts)
    for number in range(DRAWN):
        rows.append(quality.measure(drawn(rng, number % 8)).skin_features)
        weights.append(8 / DRAWN)
    weighed = np.array(weights)
    weighed[-DRAWN:] *= weighed[:-DRAWN].sum() / weighed[-DRAWN:].sum()
    return np.array(rows), weighed


def fit(data: Path, train: pd.DataFrame) -> dict[str, object]:
    """The limits and the skin model, as they are stored."""
    rng = np.random.default_rng(SEED)
    real, moved = [], []
    for rgb in pictures(data, train):
        real.append(quality.measure(rgb))
        moved.append(quality.measure(another_camera(rgb, rng)).skin_features)
    skin = np.array([figures.skin_features for figures in real])
    other, weights = non_skin_features(rng)
    centre, spread = skin.mean(axis=0), skin.std(axis=0)

    def terms(features: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        z = np.clip((features - centre) / spread, -6, 6)
        return np.hstack([z, z * z])

    rows = np.vstack([skin, moved, other])
    is_skin = np.arange(len(rows)) < 2 * len(skin)
    weight = np.concatenate([np.ones(2 * len(skin)), weights * (2 * len(skin) / weights.sum())])
    model = LogisticRegression(C=0.1, max_iter=2000).fit(terms(rows), is_skin, sample_weight=weight)
    linear, square = np.split(model.coef_[0].round(4), 2)
    model.coef_[0] = np.concatenate([linear, square])
    log_odds = model.decision_function(terms(skin))

    def figure(name: str) -> npt.NDArray[np.float64]:
        return np.array([getattr(figures, name) for figures in real], dtype=np.float64)

    limits = {
        "min_luma_p95": round(float(np.sqrt(0.2 * 255 * figure("luma_p95").min()))),
        "max_luma_p5": round((0.85 * 255 + figure("luma_p5").max()) / 2),
        "min_fine_detail_levels": round(float(np.nanquantile(figure("fine_detail_levels"), BUDGET["fine_detail"])), 3),
        "min_detail_ratio": round(float(np.nanquantile(figure("detail_ratio"), BUDGET["detail_ratio"])), 4),
        "min_skin_log_odds": round(float(np.quantile(log_odds, BUDGET["skin"])), 3),
        "max_edge_lesion_share": 0.4,
        "warn_edge_lesion_share": 0.1,
        "max_hair_share": round(float(np.quantile(figure("hair_share"), 1 - BUDGET["hair"])), 2),
        "warn_hair_share": round(float(np.quantile(figure("hair_share"), 1 - WARNED)), 2),
        "max_glare_share": round(float(np.quantile(figure("glare_share"), 1 - BUDGET["glare"])), 2),
        "warn_glare_share": round(float(np.quantile(figure("glare_share"), 1 - WARNED)), 3),
    }
    columns = zip(quality.SKIN_FEATURES, centre.round(5), spread.round(5), linear, square, strict=True)
    features = {n: {"centre": c, "spread": s, "linear": b, "square": q} for n, c, s, b, q in columns}
    return {
        "made_by": f"models/quality_limits.py --fit, seed {SEED}, {len(train)} train pictures, {len(other)} of no skin",
        "limits": limits,
        "skin_model": {"intercept": round(float(model.intercept_[0]), 4), "features": features},
    }


def judge(data: Path, table: pd.DataFrame) -> pd.DataFrame:
    """`table` with the reason of each real picture, and whether it fails once spoiled."""
    rows = []
    for rgb in pictures(data, table):
        found = quality.assess(rgb)
        row: dict[str, object] = {"reason": found.reason.split(":")[0], "warned": bool(found.warning)}
        rows.append(row | {name: quality.assess(spoil(rgb)).fail for name, spoil in SPOILED.items()})
    return pd.concat([table.reset_index(drop=True), pd.DataFrame(rows)], axis=1)


def print_rates(judged: pd.DataFrame) -> None:
    """Failure rates by split, source and skin tone, by reason, and after spoiling; n beside every rate."""
    judged = judged.assign(fails=judged["reason"] != "")
    tone = judged["skin_tone_class"].map(lambda t: "not given" if pd.isna(t) else f"{t:.0f}")
    shown = ["fails", "warned", *SPOILED]
    for title, groups in (
        ("split", judged["split"]),
        ("split and source", judged["split"] + ", " + judged["source"]),
        ("skin tone class (0 very dark to 5 very light), all splits", tone),
        ("all", pd.Series("all", index=judged.index)),
    ):
        rates = (100 * judged.groupby(groups)[shown].mean()).round(2)
        rates.insert(0, "n", judged.groupby(groups).size())
        print(f"\nPer cent by {title}\n{rates.to_string()}")
    reasons = judged[judged["fails"]].groupby(["split", "reason"]).size().unstack(0, fill_value=0)
    print(f"\nPictures that fail, by first reason\n{reasons.to_string()}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Set and measure the limits of derm_kit.cases.quality.")
    parser.add_argument("data", type=Path, help="folder with metadata.csv and images/")
    parser.add_argument("--fit", action="store_true", help="set the limits anew on the train split and store them")
    options = parser.parse_args()
    table = pd.read_csv(options.data / "metadata.csv", dtype={"mask": str})
    if options.fit:
        stored = fit(options.data, table[table["split"] == "train"])
        STORE.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
        quality.LIMITS = quality.read_limits()
    print(json.dumps(json.loads(STORE.read_text("utf-8"))["limits"], indent=1))
    print_rates(judge(options.data, table))
    verdicts = {name: quality.assess(rgb) for name, rgb in scikit_image_pictures().items()}
    print(f"\nscikit-image's pictures: {sum(v.fail for v in verdicts.values())} of {len(verdicts)} fail")
    for name, verdict in verdicts.items():
        print(f"  {name:24s} log odds {verdict.skin_log_odds:7.1f}  {verdict.reason or 'PASSES'}")


if __name__ == "__main__":
    main()
