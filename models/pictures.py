"""What training sees: decoded pictures with the types each may be, random views of them, batches drawn by type."""

from __future__ import annotations

import math
import queue
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np

from derm_kit.cases.cohort import Cohort
from derm_kit.cases.images import decode
from derm_kit.cases.phantom import draw
from derm_kit.lesions import LesionType, parse_truth

PHANTOM_SEEDS_FROM = 1_000_000
VIEWS_AHEAD = 6

Batch = tuple[list[np.ndarray], np.ndarray]
"""Views, RGB uint8 (size, size, 3) each, and the types each may be, bool (N, K)."""


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


def sampling_weights(allowed: np.ndarray) -> np.ndarray:
    """Chance of each case to be drawn: types in proportion to the square root of their size."""
    share = allowed / allowed.sum(1, keepdims=True)
    n = share.sum(0)
    weight_of_type = np.where(n > 0, 1 / np.sqrt(np.maximum(n, 1)), 0)
    w = (share * weight_of_type).sum(1)
    return w / w.sum()


def batches(pictures: Pictures, size: int, batch_size: int, *, favour_rare: bool, seed: int) -> Iterator[Batch]:
    """One epoch of augmented views and allowed types, made ahead of the network by two threads."""
    rng = np.random.default_rng(seed)
    images, allowed = pictures.images, pictures.allowed
    n = len(images)
    order = rng.choice(n, size=n, p=sampling_weights(allowed)) if favour_rare else rng.permutation(n)
    chunks = [order[i : i + batch_size] for i in range(0, n - batch_size + 1, batch_size)]
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
