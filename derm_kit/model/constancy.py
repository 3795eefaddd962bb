"""Constancy check: whether the demo phantoms still score as the model's card says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from derm_kit.cases.images import decode
from derm_kit.cases.phantom import demo_cohort
from derm_kit.errors import ModelError
from derm_kit.lesions import LESION_TYPES, LesionType
from derm_kit.model.classifier import Classifier


@dataclass(frozen=True)
class ConstancyResult:
    """Outcome of a constancy check; `differences` has one row a phantom and type outside the tolerance."""

    passed: bool
    sentence: str
    largest: float
    differences: pd.DataFrame


def measure(classifier: Classifier) -> dict[str, tuple[float, ...]]:
    """Scores of the demo phantoms over the trained types, in the card's order, by phantom."""
    cohort = demo_cohort()
    squares = np.stack(
        [
            classifier.square(decode(cohort.root / image, case=case_id).rgb)
            for case_id, image in zip(cohort.cases["case_id"], cohort.cases["image"], strict=True)
        ]
    )
    trained = [LESION_TYPES.index(t) for t in classifier.card.types]
    scores = np.concatenate([classifier.infer(squares[i : i + 8]).scores for i in range(0, len(squares), 8)])[
        :, trained
    ]
    return {case_id: tuple(float(v) for v in row) for case_id, row in zip(cohort.cases["case_id"], scores, strict=True)}


def compare(classifier: Classifier) -> ConstancyResult:
    """Score the demo phantoms now and hold them against the card, type by type under its name.

    A type that only one of the two has is outside the tolerance. Raises ModelError where the card was made with another
    set of phantoms.
    """
    stored, now = classifier.card.constancy, measure(classifier)
    if stored.scores.keys() != now.keys():
        raise ModelError(
            "the card's constancy values are for another set of phantoms",
            case=classifier.card.name,
            next_step="Use the model with the derm-kit version that it was released for.",
        )
    in_card, found = _by_name(stored.scores, stored.types), _by_name(now, classifier.card.types)
    rows = [(*pair, in_card.get(pair, np.nan), found.get(pair, np.nan)) for pair in in_card | found]
    table = pd.DataFrame(rows, columns=["phantom", "lesion_type", "in_card", "now"])
    difference = (table["now"] - table["in_card"]).abs()
    outside = table[~(difference <= stored.tolerance)].reset_index(drop=True)
    passed = outside.empty
    verdict = "Constancy check passed" if passed else f"Constancy check FAILED: {len(outside)} scores changed"
    return ConstancyResult(
        passed,
        f"{verdict}: {len(now)} phantoms on {classifier.device}, largest difference {difference.max():.1e}, "
        f"tolerance {stored.tolerance:.0e}."
        + ("" if passed else " Do not use this machine's scores before the cause is known."),
        float(difference.max()),
        outside,
    )


def _by_name(scores: dict[str, tuple[float, ...]], types: tuple[LesionType, ...]) -> dict[tuple[str, str], float]:
    """Scores by phantom and lesion type."""
    return {(case_id, t.value): v for case_id, row in scores.items() for t, v in zip(types, row, strict=True)}
