"""Measure every kind of map on pictures with a lesion mask, and whether maps depend on the weights at all.

    python models/explain.py DATA --model models/derm11 [--cases N] [--methods a,b]

Writes explanations.csv into the model's folder: for each method the pointing game (Zhang 2018), the share of the map's
energy that lies in the lesion beside the lesion's share of the picture, the gains of deletion and insertion over random
orders (Petsiuk 2018), the share of maps that beat every random order, the agreement with the one-pass map, and
milliseconds a case; each with its 95 % interval. Into the card goes the rank correlation of maps with those of the same
network with its layers made random from the last to the first (Adebayo 2018): near 0 at the end, or the maps do not
depend on what was learnt. MODEL_CARD.md is written anew with both.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch

sys.path.insert(0, str(Path(__file__).parent))
from explanation_table import FILE
from model_card import model_card, read_results

from derm_kit import Classifier, Cohort, read
from derm_kit.cases.images import central_square, decode
from derm_kit.model import faithfulness
from derm_kit.model._torch import load_network
from derm_kit.model.card import MapSanity, write_card
from derm_kit.model.explanation import DEFAULT_METHOD, METHODS
from derm_kit.triage.accuracy import clopper_pearson

SEED = 20
MEANS = ("energy", "area", "deletion_gain", "insertion_gain", "agreement", "ms_a_case")
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


def measured(
    names: list[str], classifier: Classifier, squares: np.ndarray, masks: np.ndarray
) -> list[dict[str, object]]:
    """The rows of the methods. One picture after another, so that they share its random orders."""
    found: dict[str, list[tuple[float, ...]]] = {name: [] for name in names}
    for name in names:
        METHODS[name].maps(classifier, squares[:1], np.array([0]))
    for square, mask in zip(squares, masks, strict=True):
        columns = classifier.infer(square[None]).logits.argmax(1)
        lesion_type = classifier.card.types[columns[0]]
        random = faithfulness.random_curves(classifier, square, lesion_type)
        maps, seconds = {}, {}
        for name in names:
            began = time.perf_counter()
            maps[name] = METHODS[name].maps(classifier, square[None], columns)[0]
            seconds[name] = time.perf_counter() - began
        for name, drawn in maps.items():
            measure = faithfulness.measure(classifier, square, drawn, lesion_type, random=random)
            found[name].append((
                faithfulness.points_at_lesion(drawn, mask), faithfulness.energy_in_lesion(drawn, mask), mask.mean(),
                measure.deletion_gain, measure.insertion_gain, measure.explains,
                faithfulness.agreement(drawn, maps[DEFAULT_METHOD]), 1000 * seconds[name],
            ))  # fmt: skip
    rows = []
    for name in names:
        table = pd.DataFrame(found[name], columns=["pointing", *MEANS[:4], "explains", *MEANS[4:]])
        rows += [_share(name, column, table[column].astype(bool)) for column in ("pointing", "explains")]
        rows += [_mean(name, column, table[column]) for column in MEANS]
    return rows


def sanity(classifier: Classifier, squares: np.ndarray) -> Iterator[MapSanity]:
    """One-pass maps beside those of networks made random layer by layer from the last."""
    network = load_network(classifier.folder, classifier.card, torch.device("cpu"))
    columns = classifier.infer(squares).logits.argmax(1)
    own = METHODS[DEFAULT_METHOD].maps(classifier, squares, columns)
    torch.manual_seed(SEED)
    for layer in LAST_TO_FIRST:
        owners = [network] if layer == "classifier" else list(network.backbones)
        for module in chain.from_iterable(owner.get_submodule(layer).modules() for owner in owners):
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
        maps = []
        for square, column in zip(squares, columns, strict=True):
            with torch.inference_mode():
                (places,) = network.forward_features(torch.from_numpy(classifier.pixels(square[None])))
                drawn = torch.einsum("c,chw->hw", network.classifier.weight[column], places)
            maps.append(np.maximum(drawn.numpy(), 0))
        same = np.array([faithfulness.agreement(a, b) for a, b in zip(own, maps, strict=True)])
        flat = int(np.isnan(same).sum())
        mean = None if flat == len(same) else float(np.nanmean(same))
        yield MapSanity(method=DEFAULT_METHOD, random_down_to=layer, n=len(same), flat=flat, correlation=mean)


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
    torch.set_num_threads(1)
    classifier = Classifier(args.model, "cpu")
    cohort = masked_cases(read(args.data), args.cases)
    squares, masks = squares_and_masks(cohort, classifier)
    table = pd.DataFrame(measured(args.methods.split(","), classifier, squares, masks))
    table.insert(0, "weights_hash", classifier.card.model_hash)
    table.to_csv(args.model / FILE, index=False, float_format="%.5g", lineterminator="\n")
    card = classifier.card.model_copy(update={"map_sanity": tuple(sanity(classifier, squares))})
    write_card(card, args.model)
    words = model_card(read_results(args.model / "results.csv"), card.model_dump(mode="json"), args.model)
    (args.model / "MODEL_CARD.md").write_text(words, encoding="utf-8")
    print(table.to_string(index=False), *card.map_sanity, sep="\n")


if __name__ == "__main__":
    main()
