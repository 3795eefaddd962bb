"""What another set of thresholds changes: who is called otherwise, and what that costs and saves per 1,000 cases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from derm_kit.lesions import FLAGGED, LesionType, format_truth
from derm_kit.triage.counts import CALLS, NOT_FLAGGED_CALL, CaseCounter, Truths, wholly
from derm_kit.triage.proportions import BoolArray, FloatArray, normal_quantile

NEWLY_MISSED = "cancer no longer flagged"
NEWLY_FLAGGED = "cancer newly flagged"
SPARED = "no cancer, no longer flagged"
BURDENED = "no cancer, newly flagged"
OTHER_CALL = "flagged as another type"
OPEN = "truth open or unknown, flag changes"


@dataclass(frozen=True)
class Changes:
    """Cases by truth and by their calls before and after.

    table (U, 8, 8): truths as `truths`, calls before and after as CALLS. `moved` has one row a case whose call changes:
    case_id, truth, before, after, kind, and the score of the type that decides, most serious first.
    """

    truths: Truths
    table: npt.NDArray[np.int64]
    moved: pd.DataFrame
    level: float = 0.95

    def by_type(self) -> pd.DataFrame:
        """Per flagged type: n, caught before and after, newly_caught, newly_missed, and the paired difference.

        Over all cases of exactly that type; caught means called that type or a more serious one.
        """
        rows = []
        for column, t in enumerate(FLAGGED):
            own = np.array([truth == {t} for truth in self.truths], dtype=np.bool_)
            rows.append((t.value, *self._paired(own, np.asarray(np.arange(len(CALLS)) <= column))))
        return pd.DataFrame(rows, columns=["lesion_type", *_PAIRED])

    def overall(self) -> pd.DataFrame:
        """The same of all cancers (caught: flagged at all), of benign lesions and of every case (caught: flagged)."""
        flagged = np.arange(len(CALLS)) < NOT_FLAGGED_CALL
        cancer, benign = wholly(self.truths, lambda t: t.cancer), wholly(self.truths, lambda t: not t.flagged)
        everyone = np.ones(len(self.truths), dtype=np.bool_)
        sides = {"cancers flagged": cancer, "benign flagged": benign, "all cases flagged": everyone}
        rows = [(name, *self._paired(side, flagged)) for name, side in sides.items()]
        return pd.DataFrame(rows, columns=["measure", *_PAIRED])

    def per_1000(self) -> pd.DataFrame:
        """How many of 1,000 cases like these are of each kind of change: kind, cases, per_1000."""
        kinds = (NEWLY_MISSED, NEWLY_FLAGGED, SPARED, BURDENED, OTHER_CALL, OPEN)
        n = max(int(self.table.sum()), 1)
        count = self.moved["kind"].value_counts()
        rows = [(kind, int(count.get(kind, 0)), 1000 * int(count.get(kind, 0)) / n) for kind in kinds]
        return pd.DataFrame(rows, columns=["kind", "cases", "per_1000"])

    def _paired(self, side: BoolArray, caught: BoolArray) -> tuple[int, int, int, int, int, float, float, float]:
        of = self.table[side].sum(axis=0)
        n, gained, lost = int(of.sum()), int(of[~caught][:, caught].sum()), int(of[caught][:, ~caught].sum())
        low, high = paired_difference(gained, lost, n, level=self.level)
        value = (gained - lost) / n if n else np.nan
        return n, int(of[caught].sum()), int(of[:, caught].sum()), gained, lost, value, float(low), float(high)


_PAIRED = ("n", "before", "after", "gained", "lost", "difference", "low", "high")


def compare(counter: CaseCounter, before: Mapping[LesionType, float], after: Mapping[LesionType, float]) -> Changes:
    """What `after` changes against `before`, under the other rules of the counter's policy."""
    old, new = counter.called(before), counter.called(after)
    size = len(CALLS)
    cells = (counter.truth_codes * size + old) * size + new
    table = np.bincount(cells, minlength=len(counter.truths) * size * size).reshape(-1, size, size)
    return Changes(counter.truths, table, _moved(counter, old, new))


def paired_difference(
    gained: npt.ArrayLike, lost: npt.ArrayLike, n: npt.ArrayLike, *, level: float = 0.95
) -> tuple[FloatArray, FloatArray]:
    """Interval of (gained - lost) / n, a difference of two proportions of the same n cases; NaN where n is 0.

    Adjusted Wald: Bonett and Price, British Journal of Mathematical and Statistical Psychology 65 (2012) 479.
    """
    a, b, total = (np.asarray(part, np.float64) for part in (gained, lost, n))
    p, q = (a + 1) / (total + 2), (b + 1) / (total + 2)
    half = normal_quantile(level) * np.sqrt((p + q - (p - q) ** 2) / (total + 2))
    undefined = total == 0
    low, high = (np.where(undefined, np.nan, np.clip(p - q + sign * half, -1, 1)) for sign in (-1, 1))
    return low, high


def _moved(counter: CaseCounter, old: npt.NDArray[np.uint8], new: npt.NDArray[np.uint8]) -> pd.DataFrame:
    rows = np.flatnonzero(old != new)
    truth_codes = counter.truth_codes[rows]
    cancer = wholly(counter.truths, lambda t: t.cancer)[truth_codes]
    clear = wholly(counter.truths, lambda t: not t.cancer)[truth_codes]
    was, now = old[rows] < NOT_FLAGGED_CALL, new[rows] < NOT_FLAGGED_CALL
    kind = np.select(
        [was & now, cancer & was, cancer & now, clear & was, clear & now],
        [OTHER_CALL, NEWLY_MISSED, NEWLY_FLAGGED, SPARED, BURDENED],
        OPEN,
    )
    names = np.array(CALLS, dtype=object)
    texts = np.array([format_truth(truth) for truth in counter.truths], dtype=object)
    deciding = np.minimum(old[rows], new[rows])
    made = pd.DataFrame(
        {
            "case_id": counter.run.scores["case_id"].iloc[rows].to_numpy(object),
            "truth": texts[truth_codes],
            "before": names[old[rows]],
            "after": names[new[rows]],
            "kind": kind,
            "score": counter.matrix[rows, deciding],
        }
    )
    order = np.lexsort((deciding, kind != NEWLY_MISSED))
    return made.iloc[order].reset_index(drop=True)
