"""The recipe of the quality limits: fit them on the `train` split, and print how often each rule is broken.

    python models/quality_limits.py DATA          print the table for the limits that ship
    python models/quality_limits.py DATA --fit    set them anew, write derm_kit/cases/quality_limits.json, then print

DATA is a folder with `metadata.csv` (image_id, split, source, skin_tone_class) and `images/<image_id>.jpg`. Limits on
single figures are quantiles of the real train pictures. The skin model is a logistic regression of train pictures,
each also with its colours shifted as another camera would, and phantoms of six
skin tones, against pictures of anything else: scikit-image's,
scikit-learn's, and drawn ones (plain colours, ramps, noise, documents, landscapes, textures, charts).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd
from non_skin import crops, drawn, scikit_image_pictures
from sklearn.datasets import load_sample_images
from sklearn.linear_model import LogisticRegression

from derm_kit.cases import phantom, quality
from derm_kit.cases.images import central_square, decode
from derm_kit.cases.quality_figures import SKIN_FEATURES, WORKING_SIDE_PX, Figures, measure
from derm_kit.lesions import LESION_TYPES

Pixels = npt.NDArray[np.uint8]
SEED = 2
DRAWN = 1200
PHANTOMS = 264
FIRST_PHANTOM_SEED = 500_000
PHANTOM_WEIGHT = 0.2  # of the real pictures' weight
# Shares of real train pictures that each rule may fail; their sum stays under the 2 % that all rules together may.
BUDGET = {"skin": 0.008, "detail_ratio": 0.003, "fine_detail": 0.001, "hair": 0.0005, "glare": 0.0005}
WARNED = 0.03
STORE = Path(quality.__file__).with_name("quality_limits.json")


def blurred(rgb: Pixels) -> Pixels:
    """Gaussian blur of sigma 4 px on a picture of 256 px."""
    return cv2.GaussianBlur(rgb, (0, 0), 4.0 * min(rgb.shape[:2]) / 256.0)


def darkened(rgb: Pixels) -> Pixels:
    """Every value times 0.2."""
    return cv2.LUT(rgb, (np.arange(256) * 0.2).round().astype(np.uint8))


def washed_out(rgb: Pixels) -> Pixels:
    """0.85 + 0.15 x on the scale 0 to 1."""
    return cv2.LUT(rgb, (255 * 0.85 + np.arange(256) * 0.15).round().astype(np.uint8))


SPOILED: dict[str, Callable[[Pixels], Pixels]] = {
    "blurred": blurred,
    "darkened": darkened,
    "washed out": washed_out,
}


def of_each(work: Callable[[tuple[str, str, int]], Any], data: Path, table: pd.DataFrame, processes: int) -> list[Any]:
    """`work` on (file, split, row number) of each row of `table`, in order."""
    jobs = [
        (str(data / "images" / f"{name}.jpg"), split, row)
        for row, (name, split) in enumerate(zip(table["image_id"], table["split"], strict=True))
    ]
    with multiprocessing.Pool(processes) as pool:
        return pool.map(work, jobs, chunksize=64)


def read_picture(file: str) -> Pixels:
    """The pixels of one file."""
    return decode(Path(file), case=Path(file).stem).rgb


def another_camera(rgb: Pixels, rng: np.random.Generator) -> Pixels:
    """The working picture with gamma, saturation, exposure and white balance moved as between cameras and skins.

    Exposure goes down to 0.55, because darker skin is rare in the pictures that the limits are set on.
    """
    values = central_square(rgb, WORKING_SIDE_PX) / np.float32(255)
    values = values ** np.float32(np.exp(rng.uniform(-0.25, 0.25)))
    grey = values.mean(axis=2, keepdims=True)
    gain = rng.uniform(0.88, 1.12, 3) * np.exp(rng.uniform(np.log(0.55), np.log(1.12)))
    values = (grey + (values - grey) * np.float32(rng.uniform(0.75, 1.3))) * gain.astype(np.float32)
    return np.clip(255 * values, 0, 255).astype(np.uint8)


def phantom_features(rng: np.random.Generator) -> list[npt.NDArray[np.float64]]:
    """Skin features of phantoms of every type and tone, with and without caption; their seeds are not the demo's."""
    features = []
    for number in range(PHANTOMS):
        rgb = phantom.draw(
            LESION_TYPES[number % len(LESION_TYPES)],
            FIRST_PHANTOM_SEED + number,
            skin_tone=number % 6,
            caption=number % 4 != 0,
        ).image
        features += [measure(picture).skin_features for picture in (rgb, another_camera(rgb, rng))]
    return features


def non_skin_features(rng: np.random.Generator) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Skin features of all non-skin pictures (n, 20) and their weights: a photograph and its crops share theirs."""
    rows, weights = [], []
    samples = load_sample_images()
    photographs = scikit_image_pictures() | dict(zip(samples.filenames, samples.images, strict=True))
    for rgb in photographs.values():
        parts = [rgb, *crops(rgb, rng)]
        rows += [measure(part).skin_features for part in parts]
        weights += [len(parts) ** -0.5] * len(parts)
    for number in range(DRAWN):
        rows.append(measure(drawn(rng, number % 8)).skin_features)
        weights.append(8 / DRAWN)
    weighed = np.array(weights)
    weighed[-DRAWN:] *= weighed[:-DRAWN].sum() / weighed[-DRAWN:].sum()
    return np.array(rows), weighed


def measure_both(job: tuple[str, str, int]) -> tuple[Figures, npt.NDArray[np.float64]]:
    """The figures of a picture, and its skin features as of another camera."""
    file, _, row = job
    rgb = read_picture(file)
    return measure(rgb), measure(another_camera(rgb, np.random.default_rng([SEED, row]))).skin_features


def fit(data: Path, train: pd.DataFrame, processes: int) -> dict[str, object]:
    """The limits and the skin model, as they are stored."""
    rng = np.random.default_rng(SEED)
    real, moved = zip(*of_each(measure_both, data, train, processes), strict=True)
    skin = np.array([figures.skin_features for figures in real])
    shown = np.array(phantom_features(rng))
    other, weights = non_skin_features(rng)
    centre, spread = skin.mean(axis=0), skin.std(axis=0)

    def terms(features: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        z = np.clip((features - centre) / spread, -6, 6)
        return np.hstack([z, z * z])

    rows = np.vstack([skin, moved, shown, other])
    is_skin = np.arange(len(rows)) < len(rows) - len(other)
    weight = np.concatenate(
        [
            np.ones(2 * len(skin)),
            np.full(len(shown), PHANTOM_WEIGHT * 2 * len(skin) / len(shown)),
            weights * (2 * len(skin) / weights.sum()),
        ]
    )
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
        "warn_glare_share": 0.02,
    }
    columns = zip(SKIN_FEATURES, centre.round(5), spread.round(5), linear, square, strict=True)
    features = {n: {"centre": c, "spread": s, "linear": b, "square": q} for n, c, s, b, q in columns}
    return {
        "made_by": f"models/quality_limits.py --fit, seed {SEED}, {len(train)} train pictures, {len(other)} of no skin",
        "limits": limits,
        "skin_model": {"intercept": round(float(model.intercept_[0]), 4), "features": features},
    }


def judge(job: tuple[str, str, int]) -> dict[str, object]:
    """The reason of a real picture, and whether it fails once spoiled (but for `reference`)."""
    file, split, _ = job
    rgb = read_picture(file)
    found = quality.assess(rgb)
    row: dict[str, object] = {"reason": found.reason.split(":")[0], "warned": bool(found.warning)}
    if split != "reference":
        row |= {name: float(quality.assess(spoil(rgb)).fail) for name, spoil in SPOILED.items()}
    return row


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
        print(f"\nPer cent by {title} (spoiled: without `reference`)\n{rates.to_string()}")
    reasons = judged[judged["fails"]].groupby(["split", "reason"]).size()
    print(f"\nPictures that fail, by first reason\n{reasons.to_string()}")


def main() -> None:
    """Fit where asked to, then print."""
    parser = argparse.ArgumentParser(description="Set and measure the limits of derm_kit.cases.quality.")
    parser.add_argument("data", type=Path, help="folder with metadata.csv and images/")
    parser.add_argument("--fit", action="store_true", help="set the limits anew on the train split and store them")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    table = pd.read_csv(options.data / "metadata.csv", dtype={"mask": str})
    if options.fit:
        stored = fit(options.data, table[table["split"] == "train"], options.processes)
        STORE.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
        quality.LIMITS = quality.read_limits()
    print(json.dumps(json.loads(STORE.read_text("utf-8"))["limits"], indent=1))
    judged = pd.DataFrame(of_each(judge, options.data, table, options.processes))
    print_rates(pd.concat([table, judged], axis=1))
    phantoms = [quality.assess(phantom.draw(t, tone, skin_tone=tone).image) for t in LESION_TYPES for tone in range(6)]
    print(f"\nPhantoms of the demo cohort: {sum(v.fail for v in phantoms)} of {len(phantoms)} fail")
    verdicts = {name: quality.assess(rgb) for name, rgb in scikit_image_pictures().items()}
    print(f"\nscikit-image's pictures: {sum(v.fail for v in verdicts.values())} of {len(verdicts)} fail")
    for name, verdict in verdicts.items():
        print(f"  {name:24s} log odds {verdict.skin_log_odds:7.1f}  {verdict.reason or 'PASSES'}")


if __name__ == "__main__":
    main()
