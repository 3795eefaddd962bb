"""Measure every kind of map on pictures with a lesion mask, and whether maps depend on the weights at all.

    python models/explain.py DATA --model models/derm11 [--cases N] [--methods a,b]

Writes explanations.csv into the model's folder: for each method the pointing game (Zhang 2018), the share of the map's
energy that lies in the lesion beside the lesion's share of the picture, the gains of deletion and insertion over random
orders (Petsiuk 2018), the share of maps that beat every random order, and milliseconds a case; each with its 95 %
interval. `sanity` is the rank correlation of a map with that of the same network with its layers made random from the
last to the first (Adebayo 2018): near 0 at the end, or the map does not depend on what was learnt.
"""

from __future__ import annotations

import argparse
import time
from itertools import chain
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch

from derm_kit import Classifier, Cohort, read
from derm_kit.cases.images import central_square, decode
from derm_kit.model import faithfulness
from derm_kit.model._torch import load_network
from derm_kit.model.explanation import DEFAULT_METHOD, METHODS
from derm_kit.triage.accuracy import clopper_pearson

SEED = 20
LAST_TO_FIRST = ("classifier", "conv_head", "blocks.6", "blocks.5", "blocks.4", "blocks.3", "blocks.2", "blocks.1")
"""Layers as each backbone names them; the classifier is shared."""


def masked_cases(everyone: Cohort, cases: int) -> Cohort:
    """`cases` cases of `reference` with a mask and a truth of one type, drawn by a fixed seed."""
    table = everyone.cases
    fit = (table["split"] == "reference") & (table["mask"] != "") & (table["truth"] != "")
    rows = np.flatnonzero(fit & ~table["truth"].str.contains("|", regex=False))
    drawn = np.random.default_rng(SEED).permutation(rows)[:cases]
    return everyone.select(np.isin(np.arange(len(table)), drawn))


def squares_and_masks(cohort: Cohort, classifier: Classifier) -> tuple[np.ndarray, np.ndarray]:
    """Central squares (N, S, S, 3) and the lesion's mask in them, bool (N, S, S)."""
    squares, masks = [], []
    size = classifier.card.preprocessing.input_size_px
    for image, mask, case in zip(*(cohort.cases[c] for c in ("image", "mask", "case_id")), strict=True):
        rgb = decode(cohort.root / image, case=case).rgb
        drawn = decode(cohort.root / mask, case=case).rgb
        drawn = cv2.resize(drawn, rgb.shape[1::-1], interpolation=cv2.INTER_NEAREST)
        squares.append(classifier.square(rgb))
        masks.append(central_square(drawn, size)[..., 0] > 127)
    return np.stack(squares), np.stack(masks)


def measured(name: str, classifier: Classifier, squares: np.ndarray, masks: np.ndarray) -> list[dict[str, object]]:
    """The rows of one method."""
    columns = classifier.infer(squares[:1]).logits.argmax(1)
    METHODS[name].maps(classifier, squares[:1], columns)
    rows, seconds = [], []
    for square, mask in zip(squares, masks, strict=True):
        columns = classifier.infer(square[None]).logits.argmax(1)
        began = time.perf_counter()
        drawn = METHODS[name].maps(classifier, square[None], columns)[0]
        seconds.append(time.perf_counter() - began)
        found = faithfulness.measure(classifier, square, drawn, classifier.card.types[columns[0]])
        rows.append((
            faithfulness.points_at_lesion(drawn, mask), faithfulness.energy_in_lesion(drawn, mask), mask.mean(),
            found.deletion_gain, found.insertion_gain, found.explains,
        ))  # fmt: skip
    table = pd.DataFrame(rows, columns=["pointing", "energy", "area", "deletion_gain", "insertion_gain", "explains"])
    out = [_share(name, column, table[column]) for column in ("pointing", "explains")]
    out += [_mean(name, column, table[column]) for column in ("energy", "area", "deletion_gain", "insertion_gain")]
    return [*out, _mean(name, "ms_a_case", pd.Series(seconds) * 1000)]


def sanity(classifier: Classifier, squares: np.ndarray) -> list[dict[str, object]]:
    """Rank correlation of one-pass maps with those of networks made random layer by layer from the last."""
    network = load_network(classifier.folder, classifier.card, torch.device("cpu"))
    columns = classifier.infer(squares).logits.argmax(1)
    own = METHODS[DEFAULT_METHOD].maps(classifier, squares, columns)
    torch.manual_seed(SEED)
    rows = []
    for layer in LAST_TO_FIRST:
        owners = [network] if layer == "classifier" else list(network.backbones)
        for module in chain.from_iterable(owner.get_submodule(layer).modules() for owner in owners):
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
        with torch.inference_mode():
            feature_map = network.forward_features(torch.from_numpy(classifier.pixels(squares)))
            maps = torch.einsum("kc,nchw->nkhw", network.classifier.weight, feature_map).numpy()
        others = np.maximum(maps[np.arange(len(columns)), columns], 0)
        same = pd.Series([faithfulness.agreement(a, b) for a, b in zip(own, others, strict=True)])
        rows.append(_mean(DEFAULT_METHOD, f"sanity, random down to {layer}", same))
    return rows


def _share(method: str, metric: str, hits: pd.Series) -> dict[str, object]:
    low, high = clopper_pearson(int(hits.sum()), len(hits))
    return {"method": method, "metric": metric, "n": len(hits), "value": hits.mean(), "low": low, "high": high}


def _mean(method: str, metric: str, values: pd.Series) -> dict[str, object]:
    known = values.dropna()
    half = 1.96 * known.std() / np.sqrt(len(known))
    middle = known.mean()
    return {
        "method": method,
        "metric": metric,
        "n": len(known),
        "value": middle,
        "low": middle - half,
        "high": middle + half,
    }


def main() -> None:
    """Measure and write explanations.csv."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--cases", type=int, default=60)
    parser.add_argument("--methods", default=",".join(METHODS))
    args = parser.parse_args()
    classifier = Classifier(args.model, "cpu")
    cohort = masked_cases(read(args.data), args.cases)
    squares, masks = squares_and_masks(cohort, classifier)
    rows = sanity(classifier, squares)
    for name in args.methods.split(","):
        rows += measured(name, classifier, squares, masks)
        print(pd.DataFrame(rows)[lambda t, name=name: t["method"] == name].to_string(index=False), flush=True)
    table = pd.DataFrame(rows)
    table.insert(0, "weights_hash", classifier.card.model_hash)
    table.to_csv(args.model / "explanations.csv", index=False, float_format="%.5g", lineterminator="\n")


if __name__ == "__main__":
    main()
