"""The recipe of derm11: ImageNet weights to lesion-type weights, on one CPU or one CUDA device.

    for stage in body finish second baseline; do python models/train.py DATA --work WORK --stage $stage; done

DATA is any cohort with our columns, `split` and truth among them. Two networks ship side by side (models/export.py).
`finish` starts from the averaged weights of `body` and sees a larger input and a small share of phantoms; `second`
learns for longer from mixed pairs of pictures. Both are scored at 256 px, where validation was better than at the
224 px they end on. derm11 0.3.0 is `second` of --seed 22 and 0.6 of the logits, `finish` 0.4, --prevalence-power 0.75:
chosen on validation. The same networks at power 0.4 were looked at once on `reference` (results.csv): balanced accuracy
.634 by highest score instead of .607, any-cancer specificity .728 instead of .748; they do not ship. `baseline` is the
naive network that every figure is held against. Every choice rests on `validation`; `reference` is never opened here
(models/evaluate.py does that, once per released weights).

On a CPU the allocator matters: with MALLOC_MMAP_THRESHOLD_=4000000000 MALLOC_TRIM_THRESHOLD_=16000000000
GLIBC_TUNABLES=glibc.malloc.hugetlb=1 in the environment a step takes little more than half the time.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from sklearn.metrics import roc_auc_score

sys.path.insert(0, str(Path(__file__).parent))
from backbone import create_network, imagenet_weights
from pictures import Pictures, batches, load, phantoms

from derm_kit.cases.images import central_square
from derm_kit.cases.sources import read
from derm_kit.lesions import LESION_TYPES, LesionType, parse_truth


@dataclass(frozen=True)
class Stage:
    """One stage: input side of each epoch (px), learning rates, how cases are drawn, phantoms a type (none: 0).

    mixup: parameter of the beta distribution that a batch's pictures and labels are mixed by (none: 0; Zhang 2018).
    """

    architecture: str
    sizes: tuple[int, ...]
    lr_start: float
    lr_end: float
    warmup_steps: int
    start_from: str | None = None
    favour_rare: bool = True
    phantoms_a_type: int = 0
    mixup: float = 0.0
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
    "second": Stage(
        "tf_efficientnet_lite2", (128,) * 4 + (160,) * 9 + (192,) * 7 + (224,) * 4, 1e-3, 1e-5, 300,
        phantoms_a_type=20, mixup=0.3,
    ),
    "baseline": Stage(
        "tf_efficientnet_lite0", (160,) * 5, 1e-3, 1e-5, 100, favour_rare=False, drop_rate=0.2, drop_path_rate=0.0
    ),
}  # fmt: skip


def to_tensor(views: list[np.ndarray], device: torch.device) -> torch.Tensor:
    """Views as a normalised channels-last tensor (N, 3, size, size), values in [-1, 1]."""
    batch = torch.from_numpy(np.stack(views)).to(device).permute(0, 3, 1, 2)
    return batch.float().sub_(127.5).div_(127.5)


def partial_label_loss(logits: torch.Tensor, allowed: torch.Tensor) -> torch.Tensor:
    """Minus log of the summed probability of the allowed types; plain cross-entropy where one is allowed."""
    inside = logits.masked_fill(~allowed, float("-inf"))
    return (logits.logsumexp(1) - inside.logsumexp(1)).mean()


def batch_loss(
    network: torch.nn.Module, stage: Stage, x: torch.Tensor, allowed: torch.Tensor, rng: np.random.Generator
) -> torch.Tensor:
    """The loss of one batch (N, 3, size, size), each picture and its label mixed with another's."""
    own = float(rng.beta(stage.mixup, stage.mixup)) if stage.mixup else 1.0
    other = torch.from_numpy(rng.permutation(len(x))).to(x.device)
    if own < 1:
        x = x.lerp(x[other], 1 - own).contiguous(memory_format=torch.channels_last)
    with autocast(x.device):
        logits = network(x).float()
    loss = own * partial_label_loss(logits, allowed)
    if own < 1:
        loss = loss + (1 - own) * partial_label_loss(logits, allowed[other])
    return loss


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


@dataclass(frozen=True)
class Job:
    """All that one stage is trained on, and where its weights and its log go."""

    name: str
    stage: Stage
    seed: int
    types: list[LesionType]
    pictures: Pictures
    validation: Pictures
    work: Path
    device: torch.device


def train(network: torch.nn.Module, job: Job) -> None:
    """Run one stage; its averaged weights end as WORK/<name>.safetensors, a line an epoch in train_log.jsonl."""
    stage, seed = job.stage, job.seed
    average = {k: v.detach().clone() for k, v in network.state_dict().items()}
    groups = [
        {"params": [p for p in network.parameters() if p.ndim > 1], "weight_decay": stage.weight_decay},
        {"params": [p for p in network.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, lr=stage.lr_start)
    steps, step = len(job.pictures.images) // stage.batch_size * len(stage.sizes), 0
    mixing = np.random.default_rng(seed)
    note(job.work, {"stage": job.name, "seed": seed, "n": len(job.pictures.images), **asdict(stage)})
    for epoch, size in enumerate(stage.sizes):
        began, losses = time.time(), []
        network.train()
        for views, mask in batches(
            job.pictures, size, stage.batch_size, favour_rare=stage.favour_rare, seed=seed * 1000 + epoch
        ):
            cosine = 0.5 * (1 + math.cos(math.pi * step / steps))
            lr = (stage.lr_end + (stage.lr_start - stage.lr_end) * cosine) * min(1, (step + 1) / stage.warmup_steps)
            for group in optimiser.param_groups:
                group["lr"] = lr
            x = to_tensor(views, job.device).contiguous(memory_format=torch.channels_last)
            loss = batch_loss(network, stage, x, torch.from_numpy(mask).to(job.device), mixing)
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
        save_file({k: v.contiguous() for k, v in average.items()}, job.work / f"{job.name}.partial.safetensors")
        line: dict[str, object] = {"stage": job.name, "epoch": epoch, "size": size, "loss": float(np.mean(losses))}
        line["seconds"] = time.time() - began
        if epoch % 2 == 1 or epoch == len(stage.sizes) - 1:
            current = {k: v.detach().clone() for k, v in network.state_dict().items()}
            network.load_state_dict(average)
            logits = predict(network, job.validation.images, max(size, 160), job.device)
            line |= progress_figures(logits, job.validation.allowed, job.types)
            network.load_state_dict(current)
        note(job.work, line)
        print(line, flush=True)
    (job.work / f"{job.name}.partial.safetensors").replace(job.work / f"{job.name}.safetensors")


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
    train(network, Job(name, stage, seed, types, pictures, load(validation_cohort, types), work, device))


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
