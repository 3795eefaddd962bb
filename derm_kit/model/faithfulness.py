"""How far to trust a map: hide and show what it marks, compare it with the lesion's mask and with a second method.

Deletion and insertion follow Petsiuk 2018 (RISE), with the blurred picture in place of what is hidden, so that the
skin's colour stays; an order is judged against random orders of the same places. Everything runs on the classifier
alone, so a page needs no torch for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from derm_kit.lesions import LESION_TYPES, LesionType
from derm_kit.model.classifier import Classifier, Floats, Inference, Pixels

GRID = 14
"""Places a side that a picture is cut into."""

STEPS = 14
RANDOM_ORDERS = 5
BLUR_SHARE = 1 / 12
"""Blur (sigma) of what is hidden as a share of the picture's side: the skin's colour stays, every structure goes."""

VIEWS_A_PASS = 8
MEASURE_PASSES = 2 * sum(-(-n * (STEPS + 1) // VIEWS_A_PASS) for n in (1, RANDOM_ORDERS))
PLACES_PASSES = -(-((GRID // 2) ** 2 + 1) // VIEWS_A_PASS)
"""Passes through the network that measure() and, for each picture, places_that_matter() take."""

Mask = npt.NDArray[np.bool_]
Advance = Callable[[], None]
"""Called after each pass through the network; an exception from it ends the work."""


def no_progress() -> None:
    """Nobody asks how far the work is."""


@dataclass(frozen=True)
class Faithfulness:
    """What hiding and showing the marked places does to the score of the explained type.

    shares (STEPS + 1,) of the picture hidden or shown; deletion and insertion (STEPS + 1,) are the scores in the map's
    order, random_deletion and random_insertion (R, STEPS + 1) those of random orders.
    """

    shares: Floats
    deletion: Floats
    insertion: Floats
    random_deletion: Floats
    random_insertion: Floats

    @property
    def deletion_gain(self) -> float:
        """Area that random orders leave above the map's deletion curve; above 0 is better than chance."""
        return float(np.mean(_area(self.random_deletion, self.shares)) - _area(self.deletion, self.shares))

    @property
    def insertion_gain(self) -> float:
        """Area of the map's insertion curve above that of random orders; above 0 is better than chance."""
        return float(_area(self.insertion, self.shares) - np.mean(_area(self.random_insertion, self.shares)))

    @property
    def explains(self) -> bool:
        """Whether the map beats every random order, hiding and showing."""
        hidden = _area(self.deletion, self.shares) < _area(self.random_deletion, self.shares)
        shown = _area(self.insertion, self.shares) > _area(self.random_insertion, self.shares)
        return bool(np.all(hidden) and np.all(shown))

    @property
    def sentence(self) -> str:
        """The verdict for a reader who has never seen such a curve."""
        if self.explains:
            return (
                "Hiding the marked places lowers the score faster than hiding others, and showing them alone brings it "
                "back: the map shows what the score rests on."
            )
        return (
            "This map does not explain the score: hiding or showing the marked places changes the score no more than "
            "other places do."
        )


def random_curves(
    classifier: Classifier, square: Pixels, lesion_type: LesionType, advance: Advance = no_progress, *, seed: int = 0
) -> tuple[Floats, Floats]:
    """Deletion and insertion (R, STEPS + 1) of random orders of a picture's places: the same for every map of it."""
    rng = np.random.default_rng(seed)
    orders = np.stack([rng.permutation(GRID * GRID) for _ in range(RANDOM_ORDERS)])
    return _both_ways(classifier, square, orders, lesion_type, advance)


def measure(
    classifier: Classifier,
    square: Pixels,
    drawn: Floats,
    lesion_type: LesionType,
    advance: Advance = no_progress,
    *,
    random: tuple[Floats, Floats] | None = None,
) -> Faithfulness:
    """Deletion and insertion of one map (h, w) on its central square (S, S, 3), for the score of `lesion_type`.

    `random` are that picture's random_curves() where they are known already.
    """
    beside = random_curves(classifier, square, lesion_type, advance) if random is None else random
    order = np.argsort(-on_grid(drawn).ravel(), kind="stable")
    deletion, insertion = _both_ways(classifier, square, order[None], lesion_type, advance)
    shares = np.linspace(0, 1, STEPS + 1, dtype=np.float32)
    return Faithfulness(shares, deletion[0], insertion[0], *beside)


def places_that_matter(
    classifier: Classifier, squares: Pixels, columns: npt.NDArray[np.intp], advance: Advance = no_progress
) -> Floats:
    """What a type's logit loses where one of 7 x 7 places is hidden: maps (N, 7, 7), below 0 where it gains."""
    side = GRID // 2
    maps = []
    for square, column in zip(squares, columns, strict=True):
        hidden = ~np.eye(side * side, dtype=bool).reshape(-1, side, side)
        views = _mixed(square, np.concatenate([np.ones((1, side, side), bool), hidden]))
        logits = np.concatenate([found.logits for found in _passes(classifier, views, advance)])[:, column]
        maps.append((logits[0] - logits[1:]).reshape(side, side))
    return np.asarray(maps, np.float32)


def energy_in_lesion(drawn: Floats, mask: Mask) -> float:
    """Share of a map's positive part that lies in the lesion's mask (S, S); NaN where there is no positive part."""
    heat = np.maximum(cv2.resize(drawn, mask.shape[::-1], interpolation=cv2.INTER_LINEAR), 0)
    total = float(heat.sum())
    return float(heat[mask].sum()) / total if total > 0 else float("nan")


def points_at_lesion(drawn: Floats, mask: Mask) -> bool:
    """Pointing game (Zhang 2018) without tolerance: the map's highest place lies in the lesion's mask (S, S)."""
    heat = cv2.resize(drawn, mask.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return bool(mask[np.unravel_index(int(heat.argmax()), heat.shape)])


def agreement(one: Floats, other: Floats) -> float:
    """Spearman's rank correlation of two maps on the same grid of places; NaN where a map is flat."""
    a, b = (on_grid(drawn).ravel() for drawn in (one, other))
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    from scipy.stats import spearmanr  # 45 MB that a page's kernel can do without

    return float(spearmanr(a, b).statistic)


def on_grid(drawn: Floats) -> Floats:
    """A map (h, w) as the mean over each of GRID x GRID places, or drawn out to them where it is coarser."""
    way = cv2.INTER_AREA if min(drawn.shape) > GRID else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(drawn, (GRID, GRID), interpolation=way), np.float32)


def _both_ways(
    classifier: Classifier, square: Pixels, orders: npt.NDArray[np.intp], lesion_type: LesionType, advance: Advance
) -> tuple[Floats, Floats]:
    hidden, shown = (_curves(classifier, square, orders, lesion_type, advance, hide=hide) for hide in (True, False))
    return hidden, shown


def _curves(
    classifier: Classifier,
    square: Pixels,
    orders: npt.NDArray[np.intp],
    lesion_type: LesionType,
    advance: Advance,
    *,
    hide: bool,
) -> Floats:
    """Scores (R, STEPS + 1) as more and more places of each order (R, GRID * GRID) are hidden, or shown."""
    rank = np.argsort(orders, axis=1).reshape(len(orders), 1, GRID, GRID)
    reached = np.round(np.linspace(0, GRID * GRID, STEPS + 1)).reshape(1, -1, 1, 1)
    touched = (rank < reached).reshape(-1, GRID, GRID)
    views = _mixed(square, ~touched if hide else touched)
    column = LESION_TYPES.index(lesion_type)
    scores = [found.scores[:, column] for found in _passes(classifier, views, advance)]
    return np.concatenate(scores).reshape(len(orders), STEPS + 1)


def _passes(classifier: Classifier, views: Pixels, advance: Advance) -> Iterator[Inference]:
    for i in range(0, len(views), VIEWS_A_PASS):
        yield classifier.infer(views[i : i + VIEWS_A_PASS])
        advance()


def _mixed(square: Pixels, keep: Mask) -> Pixels:
    """Copies (M, S, S, 3) of a picture, blurred in the places (M, g, g) that are not kept."""
    side = len(square)
    edges = np.floor(np.arange(side) * keep.shape[1] / side).astype(int)
    kept = keep[:, edges][:, :, edges, None]
    return np.where(kept, square, blurred(square))


def blurred(square: Pixels) -> Pixels:
    """The picture (S, S, 3) without structure: what stands where a place is hidden."""
    return np.asarray(cv2.GaussianBlur(square, (0, 0), len(square) * BLUR_SHARE), np.uint8)


def _area(curves: Floats, shares: Floats) -> Floats:
    return np.asarray(np.trapezoid(curves, shares, axis=-1))
