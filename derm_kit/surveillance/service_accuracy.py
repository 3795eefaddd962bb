"""Sensitivity and specificity in service, on biopsied cases and on those verified whatever the model said, apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from derm_kit.lesions import FLAGGED, LESION_TYPES
from derm_kit.surveillance.feed import NOT_ASSESSED, SUSPECTED
from derm_kit.surveillance.known_outcomes import CANNOT_BE_SEEN
from derm_kit.surveillance.watched import Codes, Flags, Watched
from derm_kit.triage.proportions import clopper_pearson
from derm_kit.triage.subgroups import FEW

WHATEVER = "verified whatever the model said"
BASES = ("biopsied only", WHATEVER)
ALL, ASSESSED = OVER = ("all cases", "assessed cases")
Counts = npt.NDArray[np.int64]
_NOT_ASSESSED = SUSPECTED.index(NOT_ASSESSED)
_FLAGGED, _CANCERS = len(FLAGGED), sum(t.cancer for t in FLAGGED)
MEASURES: Final = (
    *(("sensitivity", t.value) for t in FLAGGED),
    ("sensitivity", "any cancer"),
    ("specificity", "benign"),
    ("specificity", "no cancer"),
)
"""A type is caught when it is called that type or a more serious one; "any cancer" when it is called a flagged type.
Of benign lesions those are right that are called no flagged type, of lesions without cancer those called no cancer."""


def accuracy_table(watched: Watched, chosen: Flags, codes: Codes, labels: tuple[str, ...], name: str) -> pd.DataFrame:
    """Sensitivity and specificity by group, from the known outcomes (K,) that are `chosen`, each in group `codes` (K,).

    Columns: `name` (its label), measure and of (MEASURES), basis (BASES), over (OVER: "all cases" counts those that the
    model did not assess as not caught, intention to treat), n, count, value, low, high (Clopper-Pearson), not_assessed
    (of all), own (caught as their own type; empty for others), reason why there is no figure, or why to distrust it.
    """
    suspected = watched.suspected[watched.row]
    lost = suspected == _NOT_ASSESSED
    table = watched.known.table
    size = len(labels)
    n, count, missing, own = (np.zeros((len(BASES), len(MEASURES), size), np.int64) for _ in range(4))
    blind = np.zeros(n.shape, np.bool_)
    for b, column in enumerate(("biopsied", "whatever")):
        seen = table[column].to_numpy() & chosen
        cannot_see = BASES[b] == WHATEVER and not (seen & (suspected >= _FLAGGED) & ~lost).any()
        for m, (measure, of) in enumerate(MEASURES):
            belongs, right, as_own = _sides(watched, suspected, measure, of)
            belongs = belongs & seen
            for counts, which in ((n, belongs), (missing, belongs & lost), (count, belongs & right & ~lost)):
                counts[b, m] = np.bincount(codes[which], minlength=size)
            own[b, m] = np.bincount(codes[belongs & as_own], minlength=size)
            blind[b, m] = cannot_see and measure == "sensitivity"
    return _figures(np.stack([n, n - missing], 2), count, missing, own, blind, labels, name)


def _sides(watched: Watched, suspected: Codes, measure: str, of: str) -> tuple[Flags, Flags, Flags]:
    """Of the known outcomes (K,): those that a measure is over, those called right, those called as their own type."""
    truths = watched.truths
    nothing = np.zeros(len(suspected), np.bool_)
    if of == "any cancer":
        return truths.cancer, suspected < _FLAGGED, nothing
    if measure == "specificity":
        cleared = suspected >= (_FLAGGED if of == "benign" else _CANCERS)
        return (truths.benign if of == "benign" else truths.no_cancer), cleared, nothing
    column = [t.value for t in LESION_TYPES].index(of)
    return truths.own == column, suspected <= column, suspected == column


def _figures(
    n: Counts, count: Counts, missing: Counts, own: Counts, blind: Flags, labels: tuple[str, ...], name: str
) -> pd.DataFrame:
    """`n` is (basis, measure, over, group), the others (basis, measure, group): a row for each cell of `n`."""
    basis, measure, over, group = (axis.ravel() for axis in np.indices(n.shape))
    both = [np.repeat(part[:, :, None], len(OVER), 2).ravel() for part in (count, missing, own, blind)]
    total, counts, unseen = n.ravel(), both[0], both[3].astype(np.bool_)
    value, low, high = (np.where(unseen, np.nan, figure) for figure in share(counts, total))
    why = np.select([unseen, total == 0, total < FEW], [1, 2, 3], 0)
    of_own = np.array([of in SUSPECTED for _, of in MEASURES])[measure]
    return pd.DataFrame(
        {
            name: words(labels, group),
            "measure": words([measure for measure, _ in MEASURES], measure),
            "of": words([of for _, of in MEASURES], measure),
            "basis": words(BASES, basis),
            "over": words(OVER, over),
            "n": total,
            "count": counts,
            "value": value,
            "low": low,
            "high": high,
            "not_assessed": both[1],
            "own": pd.arrays.IntegerArray(both[2].astype(np.int64), ~of_own),
            "reason": words(("", CANNOT_BE_SEEN.lower(), "no verified case", "too few to say"), why),
        }
    )


def words(of: Sequence[str], codes: npt.NDArray[np.integer[Any]]) -> pd.api.extensions.ExtensionArray:
    """The word of each code (n,), as an array of text."""
    return pd.array(list(of), "str").take(codes) if len(codes) else pd.array([], "str")


def share(
    count: npt.NDArray[Any], n: npt.NDArray[Any]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Share and its exact (Clopper-Pearson) interval, element by element; NaN where n is 0."""
    pairs, place = np.unique(np.asarray(n, np.int64) * 2**31 + count, return_inverse=True)  # most cells are alike
    low, high = clopper_pearson(pairs % 2**31, pairs // 2**31)
    value = np.divide(count, n, out=np.full(np.shape(n), np.nan), where=np.asarray(n) > 0)
    return value, low[place], high[place]
