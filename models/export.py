"""From trained weights to a model folder: calibrate, choose operating points, write ONNX, hashes and the card.

    python models/export.py DATA --member ARCHITECTURE=WEIGHTS[:SHARE] ... --out models/derm11 --version 0.3.0

Each member is a network that models/train.py left in its work folder; several look at the picture side by side and
their logits are added in the given shares, in one network with one linear layer (derm_kit/model/_network.py).

Everything here is chosen on `validation` (temperature, operating points) or fitted on `train` (feature projection);
`reference` is first touched by models/evaluate.py.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from safetensors.numpy import save_file as save_numpy
from safetensors.torch import load_file, save_file
from scipy.optimize import minimize_scalar
from sklearn.decomposition import PCA

sys.path.insert(0, str(Path(__file__).parent))
from onnx_file import write_onnx

from derm_kit.cases.cohort import Cohort
from derm_kit.cases.images import central_square, decode
from derm_kit.cases.sources import read
from derm_kit.lesions import LESION_TYPES, LesionType, parse_truth
from derm_kit.model._network import SideBySide, restored, stored
from derm_kit.model._torch import build_network
from derm_kit.model.card import (
    ONNX_FILE,
    PROJECTION_FILE,
    WEIGHTS_FILE,
    Constancy,
    ModelCard,
    OperatingPoint,
    Preprocessing,
    sha256,
    write_card,
)
from derm_kit.model.classifier import Classifier, softmax
from derm_kit.model.constancy import measure
from derm_kit.triage.proportions import clopper_pearson
from derm_kit.triage.tuning import DEFAULT_TARGETS

COMPONENTS = 64
ALWAYS_CALLED = 0.5
CONSTANCY_TOLERANCE = 2e-3


def truth_matrix(cohort: Cohort, types: list[LesionType]) -> np.ndarray:
    """Allowed types of each case among the trained ones, bool (N, K)."""
    truths = [parse_truth(t) for t in cohort.cases["truth"]]
    return np.array([[t in truth for t in types] for truth in truths])


def forward(model: Path, cohort: Cohort, rule: Preprocessing) -> tuple[np.ndarray, np.ndarray]:
    """Logits (N, K) and pooled features (N, C) of a cohort, by the ONNX file that ships."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    logits, pooled = [], []
    for i in range(0, len(cohort), 32):
        batch = cohort.cases.iloc[i : i + 32]
        squares = np.stack(
            [
                central_square(decode(cohort.root / image, case=case).rgb, rule.input_size_px)
                for case, image in zip(batch["case_id"], batch["image"], strict=True)
            ]
        )
        pixels = (squares.transpose(0, 3, 1, 2).astype(np.float32) - rule.mean) / rule.std
        out, feature_map = session.run(["logits", "feature_map"], {"pixels": pixels})
        logits.append(out)
        pooled.append(feature_map.mean(axis=(2, 3)))
    return np.concatenate(logits), np.concatenate(pooled)


def type_shares(allowed: np.ndarray) -> np.ndarray:
    """Share of each type among labelled cases, an unsplit truth counted in equal parts. Shape (K,)."""
    labelled = allowed[allowed.any(axis=1)]
    parts = labelled / labelled.sum(axis=1, keepdims=True)
    return parts.mean(axis=0)


def spoken_shares(share: np.ndarray, power: float) -> np.ndarray:
    """Shares (K,) of the set that the scores speak of: those of the training set to `power`, normalised.

    1 speaks of the training set as it is, 0 of a set with every type equally frequent.
    """
    raised = share**power
    return raised / raised.sum()


def prevalence_shift(share: np.ndarray, power: float) -> np.ndarray:
    """What to add to the logits of a network trained on drawn cases so that they speak of another set: shape (K,).

    Types were drawn in proportion to the square root of their size (models/train.py), so the drawn share of a type
    is its share to the power 1/2, normalised; the shift is log(share spoken of) - log(drawn share) (Saerens 2002).
    """
    return np.log(spoken_shares(share, power)) - np.log(spoken_shares(share, 0.5))


def fit_temperature(logits: np.ndarray, shift: np.ndarray, allowed: np.ndarray) -> float:
    """Temperature T at which softmax(logits / T + shift) has the least negative log-likelihood (Guo 2017)."""
    labelled = allowed.any(axis=1)

    def loss(log_t: float) -> float:
        p = softmax(logits[labelled] / np.exp(log_t) + shift)
        return float(-np.log((p * allowed[labelled]).sum(axis=1) + 1e-12).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-2, 2), method="bounded").x))


def operating_points(scores: np.ndarray, truth: list[frozenset[LesionType]]) -> dict[LesionType, OperatingPoint]:
    """Going down the order of risk, the highest threshold that reaches each type's target on these cases.

    A case that a more serious threshold already catches counts as caught. A threshold is at most 0.5, so that a type
    with more than half of the score is always called. (N, 11) scores, NaN for untrained types.
    """
    points: dict[LesionType, OperatingPoint] = {}
    already = np.zeros(len(scores), dtype=bool)
    for t, target in DEFAULT_TARGETS.items():
        column = scores[:, LESION_TYPES.index(t)]
        positive = np.array([labels == {t} for labels in truth])
        n = int(positive.sum())
        if np.isnan(column).any() or n == 0:
            continue
        reach = np.sort(np.where(already[positive], np.inf, column[positive]))
        threshold = float(min(reach[int(np.floor(n * (1 - target) + 1e-9))], ALWAYS_CALLED))
        already |= column >= threshold
        caught = int(already[positive].sum())
        low, high = clopper_pearson(caught, n)
        needed = int(np.ceil(np.log(0.05) / np.log(target)))
        why = f"{n} positives, fewer than the {needed} that a one-sided 95 % guarantee needs" if n < needed else (
            f"chosen as an empirical point on {n} positives, which holds no confidence"
        )  # fmt: skip
        points[t] = OperatingPoint(
            threshold=threshold, target_sensitivity=target, sensitivity=caught / n, low=float(low), high=float(high),
            n_positive=n, chosen_on="validation", guarantee=f"no guarantee: n = {n} ({why})",
        )  # fmt: skip
    return points


def joined(members: list[tuple[str, Path, float]], outputs: int) -> SideBySide:
    """One network that says the sum of its members' logits, each times its share, weights rounded as they ship."""
    network = build_network(" + ".join(architecture for architecture, _, _ in members), outputs)
    heads, biases = [], []
    for backbone, (_, weights, share) in zip(network.backbones, members, strict=True):
        state = load_file(weights)
        heads.append(share * state.pop("classifier.weight"))
        biases.append(share * state.pop("classifier.bias"))
        backbone.load_state_dict(state)
    network.load_state_dict(network.state_dict() | {
        "classifier.weight": torch.cat(heads, dim=1), "classifier.bias": torch.stack(biases).sum(dim=0)
    })  # fmt: skip
    network.load_state_dict(restored(stored(network.state_dict())))
    return network.eval()


def member(text: str) -> tuple[str, Path, float]:
    """ARCHITECTURE=WEIGHTS[:SHARE] taken apart; the share is 1 where none is given."""
    architecture, found, rest = text.partition("=")
    weights, _, share = rest.partition(":")
    if not (found and architecture and weights):
        raise argparse.ArgumentTypeError(f"{text!r} is not ARCHITECTURE=WEIGHTS[:SHARE]")
    return architecture, Path(weights), float(share or 1)


def main() -> None:
    """Write the model folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument(
        "--member", type=member, action="append", required=True, dest="members", metavar="ARCHITECTURE=WEIGHTS[:SHARE]"
    )
    parser.add_argument("--input-size", type=int, default=256, help="side of the network's input, px")
    parser.add_argument(
        "--drawn-as-they-are", action="store_true", help="the stage did not favour rare types (the baseline)"
    )
    parser.add_argument(
        "--prevalence-power", type=float, default=1.0,
        help="the scores speak of the training set's shares to this power; chosen on validation",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--version", required=True)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)

    everyone = read(args.data)
    train = everyone.select(everyone.cases["split"] == "train")
    validation = everyone.select(everyone.cases["split"] == "validation")
    named = truth_matrix(train, list(LESION_TYPES)).any(axis=0)
    types = [t for t, n in zip(LESION_TYPES, named, strict=True) if n]
    train_truth, validation_truth = truth_matrix(train, types), truth_matrix(validation, types)

    shares = type_shares(train_truth)
    power = 1.0 if args.drawn_as_they_are else args.prevalence_power
    shift = np.zeros(len(types)) if args.drawn_as_they_are else prevalence_shift(shares, power)
    rule = Preprocessing(input_size_px=args.input_size, mean=127.5, std=127.5)
    network = joined(args.members, len(types))
    write_onnx(network, args.out / ONNX_FILE, rule.input_size_px)
    logits, _ = forward(args.out / ONNX_FILE, validation, rule)
    temperature = fit_temperature(logits, shift, validation_truth)
    inside = (temperature * shift).astype(np.float32)
    logits += inside
    with torch.no_grad():
        network.classifier.bias += torch.from_numpy(inside)
    write_onnx(network, args.out / ONNX_FILE, rule.input_size_px)
    save_file(stored(network.state_dict()), args.out / WEIGHTS_FILE)
    _, pooled = forward(args.out / ONNX_FILE, train, rule)
    components = min(COMPONENTS, len(pooled))
    pca = PCA(components, svd_solver="randomized", random_state=0).fit(pooled)
    projection = {"mean": pca.mean_.astype(np.float32), "components": pca.components_.T.astype(np.float32).copy()}
    save_numpy(projection, args.out / PROJECTION_FILE)

    scores = np.full((len(validation), len(LESION_TYPES)), np.nan, np.float32)
    scores[:, [LESION_TYPES.index(t) for t in types]] = softmax(logits / np.float32(temperature))
    truth = [parse_truth(t) for t in validation.cases["truth"]]
    spoken = spoken_shares(shares, power)
    card = ModelCard(
        name="derm11",
        version=args.version,
        architecture=" + ".join(architecture for architecture, _, _ in args.members),
        types=tuple(types),
        preprocessing=rule,
        temperature=temperature,
        feature_components=components,
        operating_points=operating_points(scores, truth),
        operating_characteristics=(),
        constancy=Constancy(tolerance=CONSTANCY_TOLERANCE, types=tuple(types), scores={}),
        training_cases={
            t: round(float(s) * int(train_truth.any(axis=1).sum()), 1) for t, s in zip(types, shares, strict=True)
        },
        spoken_shares={t: round(float(s), 4) for t, s in zip(types, spoken, strict=True)},
        calibrated_on=f"validation, {int(validation_truth.any(axis=1).sum())} labelled cases",
        intended_use="Research and teaching on dermoscopic images of single skin lesions in adults.",
        not_for="Not a medical device. Not for diagnosis, treatment or triage of patients.",
        licence="Weights: CC BY-NC 4.0, as the pictures they were trained on (non-commercial).",
        attribution=tuple(sorted({a for a in train.cases["attribution"] if a})),
        data_sha256=sha256(args.data / "metadata.csv"),
        files_sha256={name: sha256(args.out / name) for name in (WEIGHTS_FILE, ONNX_FILE, PROJECTION_FILE)},
        code_version=version("derm-kit"),
        released=datetime.now(UTC).date().isoformat(),
    )
    write_card(card, args.out)
    measured = measure(Classifier(args.out, "cpu"))
    six_places = {case_id: tuple(round(v, 6) for v in row) for case_id, row in measured.items()}
    constancy = card.constancy.model_copy(update={"scores": six_places})
    write_card(card.model_copy(update={"constancy": constancy}), args.out)
    print(json.dumps({"temperature": temperature, "weights": card.model_hash, "types": [t.value for t in types]}))


if __name__ == "__main__":
    main()
