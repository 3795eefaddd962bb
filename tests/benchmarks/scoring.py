"""Speed of scoring as ratios in one run: DERM_KIT_DATA=FOLDER python -m tests.benchmarks.scoring [--cases N].

end to end   derm-kit's score() from the JPEG files to the run folder, quality checks on
bare ONNX    the same ONNX file in a default session, on tensors already in memory
plain loop   Pillow, then torch eager, one batch after another

The three take turns over the same cases at the same batch size; the ratios are medians over the rounds. Memory is the
peak of a fresh process each, over one eighth of the cases and over all.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from PIL import Image

from derm_kit import Classifier, Cohort, score
from derm_kit.model._torch import load_network
from derm_kit.model.card import ONNX_FILE, default_model
from tests.benchmarks.real_pictures import real_pictures

BATCH = 8


def bare_onnx(cohort: Cohort, size: int) -> Callable[[], None]:
    """The network alone, at the session's default number of threads."""
    session = onnxruntime.InferenceSession(default_model() / ONNX_FILE, providers=["CPUExecutionProvider"])
    pixels = np.random.default_rng(0).uniform(-1, 1, (BATCH, 3, size, size)).astype(np.float32)

    def run() -> None:
        for _ in range(0, len(cohort), BATCH):
            session.run(["logits", "feature_map"], {"pixels": pixels})

    return run


def plain_loop(cohort: Cohort, classifier: Classifier) -> Callable[[], None]:
    """What one writes first."""
    card = classifier.card
    network = load_network(default_model(), card, torch.device("cpu")).to(memory_format=torch.contiguous_format)
    size = card.preprocessing.input_size_px
    paths = [cohort.root / image for image in cohort.cases["image"]]

    def tensor(path: Path) -> torch.Tensor:
        picture = Image.open(path).convert("RGB")
        side = min(picture.size)
        left, top = (picture.width - side) // 2, (picture.height - side) // 2
        square = picture.crop((left, top, left + side, top + side)).resize((size, size))
        return (torch.from_numpy(np.array(square)).permute(2, 0, 1).float() - 127.5) / 127.5

    def run() -> None:
        with torch.inference_mode():
            for i in range(0, len(paths), BATCH):
                torch.softmax(network(torch.stack([tensor(p) for p in paths[i : i + BATCH]])) / card.temperature, dim=1)

    return run


def end_to_end(cohort: Cohort, classifier: Classifier) -> Callable[[], None]:
    """The product."""

    def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            score(cohort, classifier, Path(folder) / "run", batch_size=BATCH, progress=False)

    return run


def peak_memory_mb(data: str, cases: int) -> float:
    """Peak resident memory (MB) of a process that scores the first `cases` cases."""
    script = (
        "import tempfile; from pathlib import Path; import numpy as np; from derm_kit import *\n"
        "from tests.peak import peak_mb\n"
        f"all_cases = read(Path({data!r})); few = all_cases.select(np.arange(len(all_cases)) < {cases})\n"
        "with tempfile.TemporaryDirectory() as folder:\n"
        "    score(few, Classifier(device='cpu'), Path(folder) / 'run', progress=False)\n"
        "print(peak_mb())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> None:
    """Print rates and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=320)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory-cases", type=int, default=1_600)
    args = parser.parse_args()
    cohort = real_pictures(args.cases)
    classifier = Classifier(device="cpu")
    runs = {
        "end to end": end_to_end(cohort, classifier),
        "bare ONNX": bare_onnx(cohort, classifier.card.preprocessing.input_size_px),
        "plain loop": plain_loop(cohort, classifier),
    }
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for counted in range(-1, args.rounds):
        for name, run in runs.items():
            began = time.perf_counter()
            run()
            if counted >= 0:
                seconds[name].append(time.perf_counter() - began)
    print(f"{len(cohort)} cases, batch {BATCH}, {args.rounds} rounds, {len(os.sched_getaffinity(0))} cores")
    for name, times in seconds.items():
        print(f"{name:11} {len(cohort) / statistics.median(times):7.1f} images/s")
    for other, wanted in (("bare ONNX", 0.85), ("plain loop", 3.0)):
        ratios = [b / a for a, b in zip(seconds["end to end"], seconds[other], strict=True)]
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        print(f"end to end / {other}: {statistics.median(ratios):.2f} ({spread}), wanted at least {wanted}")
    n = args.memory_cases
    folder = str(cohort.root)
    few, many = peak_memory_mb(folder, n // 8), peak_memory_mb(folder, n)
    print(f"peak memory, {n} / {n // 8} cases: {many / few:.2f} ({many:.0f} and {few:.0f} MB), wanted about 1")


if __name__ == "__main__":
    main()
