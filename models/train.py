"""The recipe of derm11: ImageNet weights to lesion-type weights, on one CPU or one CUDA device.

    python models/train.py DATA --work WORK --stage body
    python models/train.py DATA --work WORK --stage finish
    python models/train.py DATA --work WORK --stage baseline

DATA is any cohort with our columns, `split` and truth among them. `body` learns from real pictures at growing sizes;
`finish` starts from its averaged weights, sees the shipped input size and adds a small share of phantoms; `baseline` is
the naive network that every figure is held against. Every choice rests on `validation`; `reference` is never opened
here (models/evaluate.py does that, once per released weights).

On a CPU the allocator matters: with MALLOC_MMAP_THRESHOLD_=4000000000 MALLOC_TRIM_THRESHOLD_=16000000000
GLIBC_TUNABLES=glibc.malloc.hugetlb=1 in the environment a step takes little more than half the time.
"""

from __future__ import annotations

import argparse
import json
import math
import queue
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.torch import load_file, save_file
from sklearn.metrics import roc_auc_score

sys.path.insert(0, str(Path(__file__).parent))
from backbone import create_network, imagenet_weights

from derm_kit.cases.cohort import Cohort
from derm_kit.cases.images import central_square, decode
from derm_kit.cases.phantom import draw
from derm_kit.cases.sources import read
from derm_kit.lesions import LESION_TYPES, LesionType, parse_truth

PHANTOM_SEEDS_FROM = 1_000_000
VIEWS_AHEAD = 6


@dataclass(frozen=True)
class Stage:
    """One stage: input side of each epoch (px), learning rates, how cases are drawn, phantoms a type (none: 0)."""

    architecture: str
    sizes: tuple[int, ...]
    lr_start: float
    lr_end: float
    warmup_steps: int
    start_from: str | None = None
    favour_rare: bool = True
    phantoms_a_type: int = 0
    batch_size: int = 32
    weight_decay: float = 0.02
    ema_decay: float = 0.998
    drop_rate: float = 0.3
    drop_path_rate: float = 0.2


STAGES = {
    "body": Stage("tf_efficientnet_lite2", (128,) * 5 + (160,) * 7 + (192,) * 4, 1e-3, 2e-4, 300),
    "finish": Stage(
        "tf_efficientnet_lite2", (224,) * 4, 3e-4, 3e-6, 100, start_from="body", phantoms_a_type=40
    ),
    "baseline": Stage(
        "tf_efficientnet_lite0", (160,) * 5, 1e-3, 1e-5, 100, favour_rare=False, drop_rate=0.2, drop_path_rate=0.0
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Pictures:
    """Decoded pictures, RGB uint8 (H, W, 3) each, and the types each may be, bool (N, K)."""

    images: list[np.ndarray]
    allowed: np.ndarray

    def __add__(self, other: Pictures) -> Pictures:
        return Pictures(self.images + other.images, np.concatenate([self.allowed, other.allowed]))


def load(cohort: Cohort, types: list[LesionType]) -> Pictures:
    """Every labelled case of a cohort, decoded."""
    truths = [parse_truth(t) for t in cohort.cases["truth"]]
    allowed = np.array([[t in truth for t in types] for truth in truths])
    labelled = cohort.cases[allowed.any(axis=1)]
    paths = [(cohort.root / image, case) for image, case in zip(labelled["image"], labelled["case_id"], strict=True)]
    with ThreadPoolExecutor(2) as pool:
        images = list(pool.map(lambda item: decode(item[0], case=item[1]).rgb, paths))
    return Pictures(images, allowed[allowed.any(axis=1)])


def phantoms(types: list[LesionType], each: int) -> Pictures:
    """`each` phantoms of every trained type, from seeds that no demo or test phantom uses."""
    jobs = [(t, PHANTOM_SEEDS_FROM + k * 100_000 + i) for k, t in enumerate(types) for i in range(each)]
    with ThreadPoolExecutor(2) as pool:
        images = list(pool.map(lambda job: draw(*job).image, jobs))
    return Pictures(images, np.array([[t == u for u in types] for t, _ in jobs]))


def augment(image: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """A random view: crop of 45-100 % of the central square's area, rotation, mirror, colour. (size, size, 3) uint8."""
    h, w = image.shape[:2]
    side = min(h, w)
    zoom = math.sqrt(rng.uniform(0.45, 1.0))
    stretch = math.exp(rng.uniform(-0.12, 0.12))
    angle = math.radians(90 * rng.integers(4) + rng.uniform(-20, 20))
    slack = (1 - zoom) * side / 2
    cx = w / 2 + rng.uniform(-1, 1) * (slack + 0.25 * (w - side) / 2)
    cy = h / 2 + rng.uniform(-1, 1) * (slack + 0.25 * (h - side) / 2)
    sx, sy = side * zoom * stretch / size, side * zoom / stretch / size
    if rng.random() < 0.5:
        sx = -sx
    c, s = math.cos(angle), math.sin(angle)
    linear = np.array([[c * sx, -s * sy], [s * sx, c * sy]])
    offset = np.array([cx, cy]) - linear @ np.array([(size - 1) / 2, (size - 1) / 2])
    view = cv2.warpAffine(
        image, np.hstack([linear, offset[:, None]]), (size, size),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REFLECT_101,
    )  # fmt: skip
    if rng.random() < 0.1:
        view = cv2.GaussianBlur(view, (0, 0), rng.uniform(0.4, 1.2))
    x = view.astype(np.float32)
    grey = x.mean(axis=2, keepdims=True)
    x = grey + (x - grey) * rng.uniform(0.75, 1.25)
    mean = grey.mean()
    x = mean + (x - mean) * rng.uniform(0.8, 1.25)
    x *= rng.uniform(0.8, 1.2) * rng.uniform(0.93, 1.07, size=3).astype(np.float32)
    return np.clip(x, 0, 255).astype(np.uint8)


def to_tensor(views: list[np.ndarray], device: torch.device) -> torch.Tensor:
    """Views as a normalised channels-last tensor (N, 3, size, size), values in [-1, 1]."""
    batch = torch.from_numpy(np.stack(views)).to(device).permute(0, 3, 1, 2)
    return batch.float().sub_(127.5).div_(127.5)


def sampling_weights(allowed: np.ndarray) -> np.ndarray:
    """Chance of each case to be drawn: types in proportion to the square root of their size."""
    share = allowed / allowed.sum(1, keepdims=True)
    n = share.sum(0)
    weight_of_type = np.where(n > 0, 1 / np.sqrt(np.maximum(n, 1)), 0)
    w = (share * weight_of_type).sum(1)
    return w / w.sum()


def partial_label_loss(logits: torch.Tensor, allowed: torch.Tensor) -> torch.Tensor:
    """Minus log of the summed probability of the allowed types; plain cross-entropy where one is allowed."""
    inside = logits.masked_fill(~allowed, float("-inf"))
    return (logits.logsumexp(1) - inside.logsumexp(1)).mean()


def batches(pictures: Pictures, stage: Stage, size: int, seed: int) -> Iterator[tuple[list[np.ndarray], np.ndarray]]:
    """One epoch of augmented batches, made ahead of the network by two threads."""
    rng = np.random.default_rng(seed)
    images, allowed = pictures.images, pictures.allowed
    n = len(images)
    order = rng.choice(n, size=n, p=sampling_weights(allowed)) if stage.favour_rare else rng.permutation(n)
    chunks = [order[i : i + stage.batch_size] for i in range(0, n - stage.batch_size + 1, stage.batch_size)]
    ready: queue.Queue = queue.Queue(maxsize=VIEWS_AHEAD)

    def work() -> None:
        with ThreadPoolExecutor(2) as pool:
            for chunk in chunks:
                seeds = rng.integers(2**63, size=len(chunk))
                views = pool.map(lambda i, s: augment(images[i], size, np.random.default_rng(s)), chunk, seeds)
                ready.put((list(views), allowed[chunk]))
        ready.put(None)

    threading.Thread(target=work, daemon=True).start()
    while (item := ready.get()) is not None:
        yield item


@torch.inference_mode()
def predict(network: torch.nn.Module, images: list[np.ndarray], size: int, device: torch.device) -> np.ndarray:
    """Logits (N, K) of the central squares."""
    network.eval()
    out = []
    for i in range(0, len(images), 64):
        x = to_tensor([central_square(image, size) for image in images[i : i + 64]], device)
        with autocast(device):
            out.append(network(x.contiguous(memory_format=torch.channels_last)).float().cpu().numpy())
    return np.concatenate(out)


def autocast(device: torch.device) -> torch.autocast:
    """bf16 where the device computes it natively, otherwise plain float32."""
    native = device.type == "cuda" or torch.cpu._is_avx512_bf16_supported()
    return torch.autocast(device.type, torch.bfloat16, enabled=native)


def progress_figures(logits: np.ndarray, allowed: np.ndarray, types: list[LesionType]) -> dict[str, float]:
    """Figures to follow training by; the released ones are models/evaluate.py's."""
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    call, single = p.argmax(axis=1), allowed.sum(axis=1) == 1
    recalls = [(call[of_type] == k).mean() for k in range(len(types)) if (of_type := single & allowed[:, k]).any()]
    figures = {
        "balanced_accuracy": float(np.mean(recalls)),
        "nll": float(-np.log((p * allowed).sum(axis=1) + 1e-9).mean()),
    }
    for name, group in (("melanoma", [LesionType.MELANOMA]), ("cancer", [t for t in LESION_TYPES if t.cancer])):
        columns = [types.index(t) for t in group if t in types]
        positive = allowed[:, columns].any(axis=1)
        if positive.any() and not positive.all():
            figures[f"{name}_auc"] = float(roc_auc_score(positive, p[:, columns].sum(axis=1)))
    return figures


def train(network: torch.nn.Module, stage: Stage, name: str, pictures: Pictures, validation: Pictures,
          types: list[LesionType], work: Path, seed: int, device: torch.device) -> None:  # fmt: skip
    """Run one stage; its averaged weights end as WORK/<name>.safetensors, a line an epoch in train_log.jsonl."""
    average = {k: v.detach().clone() for k, v in network.state_dict().items()}
    groups = [
        {"params": [p for p in network.parameters() if p.ndim > 1], "weight_decay": stage.weight_decay},
        {"params": [p for p in network.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, lr=stage.lr_start)
    steps, step = len(pictures.images) // stage.batch_size * len(stage.sizes), 0
    note(work, {"stage": name, "seed": seed, "n": len(pictures.images), **asdict(stage)})
    for epoch, size in enumerate(stage.sizes):
        began, losses = time.time(), []
        network.train()
        for views, mask in batches(pictures, stage, size, seed * 1000 + epoch):
            cosine = 0.5 * (1 + math.cos(math.pi * step / steps))
            lr = (stage.lr_end + (stage.lr_start - stage.lr_end) * cosine) * min(1, (step + 1) / stage.warmup_steps)
            for group in optimiser.param_groups:
                group["lr"] = lr
            x = to_tensor(views, device).contiguous(memory_format=torch.channels_last)
            with autocast(device):
                logits = network(x).float()
            loss = partial_label_loss(logits, torch.from_numpy(mask).to(device))
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimiser.step()
            optimiser.zero_grad()
            losses.append(loss.item())
            step += 1
            keep = min(stage.ema_decay, (1 + step) / (10 + step))
            with torch.no_grad():
                for k, v in network.state_dict().items():
                    if v.dtype.is_floating_point:
                        average[k].lerp_(v, 1 - keep)
        save_file({k: v.contiguous() for k, v in average.items()}, work / f"{name}.partial.safetensors")
        line = {
            "stage": name,
            "epoch": epoch,
            "size": size,
            "loss": float(np.mean(losses)),
            "seconds": time.time() - began,
        }
        if epoch % 2 == 1 or epoch == len(stage.sizes) - 1:
            current = {k: v.detach().clone() for k, v in network.state_dict().items()}
            network.load_state_dict(average)
            line |= progress_figures(
                predict(network, validation.images, max(size, 160), device), validation.allowed, types
            )
            network.load_state_dict(current)
        note(work, line)
        print(line, flush=True)
    (work / f"{name}.partial.safetensors").replace(work / f"{name}.safetensors")


def note(work: Path, line: dict[str, object]) -> None:
    """Add a line to WORK/train_log.jsonl."""
    with (work / "train_log.jsonl").open("a") as log:
        log.write(json.dumps(line) + "\n")


def run_stage(data: Path, work: Path, name: str, stage: Stage, seed: int) -> None:
    """Train one stage on the cohort at `data`; the types are those with at least one training picture."""
    work.mkdir(parents=True, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(seed)
    everyone = read(data)
    split = everyone.cases["split"]
    train_cohort, validation_cohort = everyone.select(split == "train"), everyone.select(split == "validation")
    present = {t for truth in train_cohort.cases["truth"] for t in parse_truth(truth)}
    types = [t for t in LESION_TYPES if t in present]
    pictures = load(train_cohort, types)
    if stage.phantoms_a_type:
        pictures += phantoms(types, stage.phantoms_a_type)
    network = create_network(
        stage.architecture, len(types), drop_rate=stage.drop_rate, drop_path_rate=stage.drop_path_rate
    ).to(device, memory_format=torch.channels_last)
    if stage.start_from is None:
        network.load_state_dict(imagenet_weights(stage.architecture, network), strict=False)
    else:
        network.load_state_dict(load_file(work / f"{stage.start_from}.safetensors"))
    train(network, stage, name, pictures, load(validation_cohort, types), types, work, seed, device)


def main() -> None:
    """Run one stage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, required=True, help="folder for checkpoints and the log")
    parser.add_argument("--stage", choices=sorted(STAGES), required=True)
    parser.add_argument("--seed", type=int, default=11)
    args = parser.parse_args()
    run_stage(args.data, args.work, args.stage, STAGES[args.stage], args.seed)


if __name__ == "__main__":
    main()
