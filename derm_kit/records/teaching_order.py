"""In which order a reader gets the cases of a session, and which half comes with the model's view first.

Both follow from the session's seed and the reader's place among those who joined, so that nothing of it is stored and a
reader who comes back goes on in the same order.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from derm_kit.triage.teaching_list import TeachingCase

_ORDER, _HALF, _HALVES = range(3)
"""Streams of random numbers, so that none follows from another."""


def order_of(seed: int, place: int, cases: Sequence[TeachingCase]) -> list[TeachingCase]:
    """The cases in the order of the reader who joined as number `place`, counted from 0."""
    return [cases[i] for i in _permutation(seed, place, len(cases))]


def model_first(seed: int, place: int, cases: Sequence[TeachingCase]) -> frozenset[str]:
    """Ids of the half that a reader of a crossover gets with the model's view first.

    The two halves hold each lesion type, and the cases that the model is wrong on, as evenly as can be. Of two readers
    who join one after the other each gets one half; which is by chance.
    """
    halves = np.random.default_rng([_HALVES, seed])
    ranked = sorted(cases, key=lambda case: (case.model_wrong, case.error, case.truth, halves.random()))
    second = (np.random.default_rng([_HALF, seed, place // 2]).integers(2) + place) % 2
    return frozenset(case.case_id for case in ranked[second::2])


@lru_cache(1_024)
def _permutation(seed: int, place: int, n: int) -> tuple[int, ...]:
    """Kept, as it is asked for several times at every click."""
    return tuple(np.random.default_rng([_ORDER, seed, place]).permutation(n).tolist())
