"""Rates of a triage policy with their intervals, from the counts of `counts`: one matrix product for all subgroups.

Cases whose truth is open between the two sides of a rate, or unknown, stay out of it. Every interval assumes
independent lesions: no source names the patient.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from derm_kit.lesions import FLAGGED, LESION_TYPES, LesionType
from derm_kit.triage.counts import CALLS, NOT_FLAGGED_CALL, REVIEW_CALL, Counts, Truths, wholly
from derm_kit.triage.proportions import (
    BoolArray,
    FloatArray,
    clopper_pearson,
    newcombe,
    normal_quantile,
    wilson,
)
from derm_kit.triage.subgroups import FEW

Interval = Literal["Clopper-Pearson", "Wilson"]
NO_INTERVAL = "no interval: too few clusters, or no resample changes it"
_INTERVALS = {"Clopper-Pearson": clopper_pearson, "Wilson": wilson}

_CALL = np.arange(len(CALLS))
_ANY_CALL, _ASSESSED, _FLAGGED = _CALL >= 0, _CALL != REVIEW_CALL, _CALL < NOT_FLAGGED_CALL
_NOT_FLAGGED, _REVIEW = _CALL == NOT_FLAGGED_CALL, _CALL == REVIEW_CALL
_CALLED_CANCER = sum(t.cancer for t in FLAGGED) > _CALL


@dataclass(frozen=True)
class Measure:
    """One rate: the cells of a table of counts (U, 8) that it is taken of, and those among them that are hits.

    `lesion_type` is what it speaks of, None where it is of all cancers, of benign lesions or of all cases. `assessed`
    rates leave cases in clinician review out; in the others they count, never as caught by the model.
    """

    name: str
    lesion_type: LesionType | None
    assessed: bool
    among: BoolArray
    hits: BoolArray


@dataclass(frozen=True)
class Rates:
    """Rates of every stratum (R) and measure (M): `count` of `n` cases and the interval, (R, M); NaN where n is 0."""

    strata: tuple[tuple[str, str], ...]
    measures: tuple[Measure, ...]
    count: npt.NDArray[np.int64]
    n: npt.NDArray[np.int64]
    low: FloatArray
    high: FloatArray
    level: float
    method: str

    @property
    def value(self) -> FloatArray:
        """Count over n (R, M)."""
        return np.where(self.n > 0, self.count / np.maximum(self.n, 1), np.nan)

    def place(self, name: str, lesion_type: LesionType | None = None, *, assessed: bool = False) -> int:
        """The column of a measure. Raises KeyError where there is none."""
        for i, measure in enumerate(self.measures):
            if (measure.name, measure.lesion_type, measure.assessed) == (name, lesion_type, assessed):
                return i
        raise KeyError(name)

    def frame(self) -> pd.DataFrame:
        """One row a stratum and measure; the remark says why a figure is undefined or weak."""
        made = _frame(self.strata, self.measures)
        made["count"], made["n"] = self.count.ravel(), self.n.ravel()
        made["value"], made["low"], made["high"] = self.value.ravel(), self.low.ravel(), self.high.ravel()
        why = {"no case": made["n"] == 0, NO_INTERVAL: made["low"].isna(), "too few to say": made["n"] < FEW}
        made["remark"] = np.select(list(why.values()), list(why), "")
        return made

    def of_grouping(self, grouping: str, wanted: Iterable[int]) -> Rates:
        """All cases and the groups of one grouping, and of the measures those in the columns `wanted`."""
        rows = [i for i, (name, _) in enumerate(self.strata) if i == 0 or name == grouping]
        columns = list(wanted)
        cut = np.ix_(rows, columns)
        return Rates(
            tuple(self.strata[i] for i in rows), tuple(self.measures[j] for j in columns),
            self.count[cut], self.n[cut], self.low[cut], self.high[cut], self.level, self.method,
        )  # fmt: skip

    def differences(self) -> pd.DataFrame:
        """Each subgroup's rate less that of the rest of its grouping, by Newcombe's method; n is the smaller of both.

        Where either side has no case the difference is NaN, and the remark says so.
        """
        groups = slice(1, None)
        rest_count, rest_n = self.count[:1] - self.count[groups], self.n[:1] - self.n[groups]
        found = newcombe(self.count[groups], self.n[groups], rest_count, rest_n, level=self.level)
        made = _frame(self.strata[groups], self.measures)
        made["n"] = np.minimum(self.n[groups], rest_n).ravel()
        made["difference"], made["low"], made["high"] = (part.ravel() for part in found)
        made["remark"] = np.select([made["n"] == 0, made["n"] < FEW], ["no case on a side", "too few to say"], "")
        return made


def rates(counts: Counts, *, level: float = 0.95, method: Interval = "Clopper-Pearson") -> Rates:
    """Every measure of `measures` in every stratum, with its interval."""
    wanted = measures(counts.truths)
    flat = counts.table.reshape(len(counts.table), -1).astype(np.float64)
    count, n = (
        np.rint(flat @ np.stack([cells.ravel() for cells in side], axis=1).astype(np.float64)).astype(np.int64)
        for side in ([m.hits for m in wanted], [m.among for m in wanted])
    )
    low, high = _INTERVALS[method](count, n, level=level)
    return Rates(counts.strata, wanted, count, n, low, high, level, method)


@lru_cache(maxsize=8)
def measures(truths: Truths) -> tuple[Measure, ...]:
    """All rates that counts over these truths (U) allow, in the order in which an officer reads them."""
    return tuple(_measures(truths))


def _measures(truths: Truths) -> Iterator[Measure]:
    def having(side: BoolArray, among: BoolArray, hit_side: BoolArray, hit: BoolArray) -> tuple[BoolArray, BoolArray]:
        of = np.outer(side, among)
        return of, of & np.outer(hit_side, hit)

    everyone = np.ones(len(truths), dtype=np.bool_)
    labelled = np.array([bool(truth) for truth in truths], dtype=np.bool_)
    cancer, no_cancer = wholly(truths, lambda t: t.cancer), wholly(truths, lambda t: not t.cancer)
    benign = wholly(truths, lambda t: not t.flagged)
    for assessed, among in ((False, _ANY_CALL), (True, _ASSESSED)):
        for column, t in enumerate(FLAGGED):
            own = np.array([truth == {t} for truth in truths], dtype=np.bool_)
            yield Measure("sensitivity", t, assessed, *having(own, among, own, np.asarray(column >= _CALL)))
            yield Measure("caught as own type", t, assessed, *having(own, among, own, np.asarray(column == _CALL)))
        yield Measure("cancers flagged", None, assessed, *having(cancer, among, cancer, _FLAGGED))
        yield Measure("cancers called a cancer", None, assessed, *having(cancer, among, cancer, _CALLED_CANCER))
        yield Measure("benign not flagged", None, assessed, *having(benign, among, benign, _NOT_FLAGGED))
        yield Measure("no cancer, not flagged", None, assessed, *having(no_cancer, among, no_cancer, _NOT_FLAGGED))
    definite = cancer | no_cancer
    yield Measure("cancers among flagged", None, True, *having(definite, _FLAGGED, cancer, _FLAGGED))
    yield Measure("no cancer among not flagged", None, True, *having(definite, _NOT_FLAGGED, no_cancer, _NOT_FLAGGED))
    yield Measure("cancers missed among not flagged", None, True, *having(definite, _NOT_FLAGGED, cancer, _NOT_FLAGGED))
    for column, t in enumerate(FLAGGED):
        own = np.array([truth == {t} for truth in truths], dtype=np.bool_)
        called = np.asarray(column == _CALL)
        single = np.array([len(truth) == 1 for truth in truths], dtype=np.bool_)
        yield Measure("right among those called so", t, True, *having(single, called, own, called))
    for name, hit in (("flagged", _FLAGGED), ("not flagged", _NOT_FLAGGED), ("clinician review", _REVIEW)):
        yield Measure(name, None, False, *having(everyone, _ANY_CALL, everyone, hit))
    yield Measure("truth known", None, False, *having(everyone, _ANY_CALL, labelled, _ANY_CALL))


def likelihood_ratios(found: Rates, row: int = 0) -> pd.DataFrame:
    """How much a flag raises, and none lowers, the odds of any cancer: assessed cases of one stratum.

    Intervals on the log scale: Simel et al., Journal of Clinical Epidemiology 44 (1991) 763. Columns: measure, value,
    low, high, remark; NaN where a side has no case.
    """
    caught = found.place("cancers flagged", assessed=True)
    cleared = found.place("no cancer, not flagged", assessed=True)
    a, m = int(found.count[row, caught]), int(found.n[row, caught])
    d, o = int(found.count[row, cleared]), int(found.n[row, cleared])
    lines = [("likelihood ratio of a flag", *_ratio(a, m, o - d, o, found.level)),
             ("likelihood ratio of no flag", *_ratio(m - a, m, d, o, found.level))]  # fmt: skip
    return pd.DataFrame(lines, columns=["measure", "value", "low", "high", "remark"])


def net_benefits(found: Rates, threshold_probs: npt.ArrayLike, row: int = 0) -> FloatArray:
    """Net benefit of a policy's flags for any cancer at each p of `threshold_probs` (T,): assessed cases, one stratum.

    As `benefit.net_benefit` of calls, in true positives per case; NaN without a case.
    """
    caught = found.place("cancers flagged", assessed=True)
    cleared = found.place("no cancer, not flagged", assessed=True)
    p: FloatArray = np.asarray(threshold_probs, np.float64)
    n = int(found.n[row, caught] + found.n[row, cleared])
    alarms = found.n[row, cleared] - found.count[row, cleared]
    return (found.count[row, caught] - alarms * p / (1 - p)) / n if n else np.full(p.shape, np.nan)


def confusion(counts: Counts, row: int = 0) -> pd.DataFrame:
    """Cases of exactly one type (rows) by call (columns, as CALLS) in one stratum; attrs count those left out."""
    table = np.zeros((len(LESION_TYPES), len(CALLS)), dtype=np.int64)
    left = {"open": 0, "unknown": 0}
    for truth, line in zip(counts.truths, counts.table[row], strict=True):
        if len(truth) == 1:
            table[LESION_TYPES.index(next(iter(truth)))] = line
        else:
            left["open" if truth else "unknown"] += int(line.sum())
    made = pd.DataFrame(table, index=pd.Index([t.value for t in LESION_TYPES], name="truth"), columns=list(CALLS))
    made.attrs |= left
    return made


def _ratio(a: int, m: int, b: int, n: int, level: float) -> tuple[float, float, float, str]:
    """(a / m) / (b / n) with its interval and a remark."""
    if not (m and n):
        return np.nan, np.nan, np.nan, "undefined: a side has no case"
    if not b:
        return np.nan, np.nan, np.nan, "undefined: no case on the lower side"
    value = (a / m) / (b / n)
    if not a:
        return value, np.nan, np.nan, "no interval: no case on the upper side"
    spread = normal_quantile(level) * float(np.sqrt(1 / a - 1 / m + 1 / b - 1 / n))
    return value, value * float(np.exp(-spread)), value * float(np.exp(spread)), ""


def _frame(strata: tuple[tuple[str, str], ...], wanted: tuple[Measure, ...]) -> pd.DataFrame:
    names = tuple((m.name, m.lesion_type or "", "assessed" if m.assessed else "all") for m in wanted)
    return _names(strata, names).copy(deep=False)


@lru_cache(maxsize=16)
def _names(strata: tuple[tuple[str, str], ...], wanted: tuple[tuple[str, str, str], ...]) -> pd.DataFrame:
    """The columns of text of a table of rates: the same for every step of a slider, and slow to make."""
    grouping, group = zip(*strata, strict=True) if strata else ((), ())
    measure, lesion_type, cases = zip(*wanted, strict=True) if wanted else ((), (), ())
    rows = {"grouping": grouping, "group": group}
    columns = {"measure": measure, "lesion_type": lesion_type, "cases": cases}
    repeated = {name: np.repeat(np.array(texts, dtype=object), len(wanted)) for name, texts in rows.items()}
    return pd.DataFrame(
        repeated | {name: np.tile(np.array(texts, dtype=object), len(strata)) for name, texts in columns.items()}
    )
