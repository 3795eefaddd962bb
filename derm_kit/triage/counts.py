"""What thresholds do to the cases of a run, counted by truth, by call and by subgroup: quick enough for a slider."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from derm_kit.lesions import FLAGGED, LESION_TYPES, LesionType, parse_truth
from derm_kit.model.run import ScoreRun
from derm_kit.triage.policy import TriagePolicy, require_match, review_rules, unscored_cancers
from derm_kit.triage.proportions import BoolArray
from derm_kit.triage.subgroups import Grouping, groupings

IntArray = npt.NDArray[np.int64]
Truths = tuple[frozenset[LesionType], ...]

NOT_FLAGGED_CALL = len(FLAGGED)
REVIEW_CALL = len(FLAGGED) + 1
CALLS = (*(t.value for t in FLAGGED), "not flagged", "clinician review")
"""What a case may be called, in the order of the columns of a table of counts: the flagged types first."""

ALL_CASES = ("", "")


@dataclass(frozen=True)
class Counts:
    """Cases of each distinct truth by what they are called.

    table (R, U, 8): rows as `strata` names them (grouping and group; ALL_CASES first), `truths` (U) as sets of types
    (empty: unknown), calls as in CALLS.
    """

    strata: tuple[tuple[str, str], ...]
    truths: Truths
    table: IntArray


def wholly(truths: Truths, belongs: Callable[[LesionType], bool]) -> BoolArray:
    """Which of `truths` (U,) are known and name only types that belong: one open between both sides is on neither."""
    return np.array([bool(truth) and all(belongs(t) for t in truth) for truth in truths], dtype=np.bool_)


class CaseCounter:
    """The cases of a run made ready for counting under the rules of one policy, whatever its thresholds.

    A case is called as `policy.decide` calls it; those that the policy's other rules send to a clinician are counted
    there. `called` (N,) are columns of CALLS, `matrix` (N, 11) the run's scores. Raises PolicyError where the policy
    cannot be read on them.
    """

    def __init__(self, run: ScoreRun, policy: TriagePolicy) -> None:
        require_match(run, policy)
        self.run, self.policy = run, policy
        self.matrix = run.matrix
        self.trained = tuple(LESION_TYPES[i] for i in run.trained)
        self._scores = {t: np.ascontiguousarray(self.matrix[:, LESION_TYPES.index(t)]) for t in FLAGGED}
        self.review = np.zeros(len(run), dtype=np.bool_)
        for _, cases in review_rules(run, policy):
            self.review |= cases
        self._nowhere = REVIEW_CALL if policy.autonomous and unscored_cancers(run) else NOT_FLAGGED_CALL
        codes, texts = pd.factorize(run.cases["truth"], sort=True)
        self.truths: Truths = tuple(parse_truth(text) for text in texts)
        self.truth_codes = codes.astype(np.int32)
        self.groupings: tuple[Grouping, ...] = groupings(run.cases)
        self._cells = [self.truth_codes * len(CALLS)]
        for grouping in self.groupings:
            self._cells.append((grouping.codes.astype(np.int32) * len(self.truths) + self.truth_codes) * len(CALLS))
        self.strata = (ALL_CASES, *((g.name, label) for g in self.groupings for label in g.labels))

    @cached_property
    def truth(self) -> BoolArray:
        """Types that each case may be of (N, 11), in order of risk."""
        of_each = np.array([[t in truth for t in LESION_TYPES] for truth in self.truths], dtype=np.bool_)
        return of_each.reshape(-1, len(LESION_TYPES))[self.truth_codes]

    def called(self, thresholds: Mapping[LesionType, float]) -> npt.NDArray[np.uint8]:
        """What each case is called (N,), as columns of CALLS."""
        rank = self.review.view(np.uint8) * np.uint8(len(FLAGGED) + 1)
        for column, t in enumerate(FLAGGED):
            threshold = thresholds.get(t)
            if threshold is not None:  # by arithmetic: writing through a mask takes sixty times as long
                reached = self._scores[t] >= _as_float32(threshold)
                np.maximum(rank, reached.view(np.uint8) * np.uint8(len(FLAGGED) - column), out=rank)
        calls = np.array([self._nowhere, *reversed(range(len(FLAGGED))), REVIEW_CALL], dtype=np.uint8)
        called: npt.NDArray[np.uint8] = calls[rank]
        return called

    def count(self, thresholds: Mapping[LesionType, float]) -> Counts:
        """Cases by stratum, truth and call."""
        called = self.called(thresholds)
        shape = (len(self.truths), len(CALLS))
        sizes = [1, *(len(grouping.labels) for grouping in self.groupings)]
        tables = [
            np.bincount(cells + called, minlength=size * shape[0] * shape[1]).reshape(size, *shape)
            for cells, size in zip(self._cells, sizes, strict=True)
        ]
        return Counts(self.strata, self.truths, np.concatenate(tables))


def _as_float32(threshold: float) -> np.float32:
    """The lowest float32 that is at least `threshold`: scores (float32) reach either or neither."""
    near = np.float32(threshold)
    return near if float(near) >= threshold else np.nextafter(near, np.float32(np.inf))
