"""The cases of a feed made ready for counting, once; what is chosen of them is counted at every step of a page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from derm_kit.lesions import FLAGGED, LESION_TYPES, LesionType, parse_truth
from derm_kit.surveillance.case_tables import SCORES
from derm_kit.surveillance.choice import EVERYTHING, Chosen, require_names, require_some
from derm_kit.surveillance.feed import SUSPECTED, Feed, FeedError
from derm_kit.surveillance.known_outcomes import KnownOutcomes, call_of
from derm_kit.surveillance.moments import TIMEZONE, micros
from derm_kit.surveillance.periods import Every, Periods
from derm_kit.triage.definition import Disposition
from derm_kit.triage.subgroups import AGE_BANDS, AGE_FROM_YEARS, UNKNOWN

Codes = npt.NDArray[np.signedinteger[Any]]
Flags = npt.NDArray[np.bool_]
T = TypeVar("T", bound=np.generic)
EMPTY: Final = -(2**63)
"""NaT as `micros` gives it."""

GROUPINGS: Final = {
    "site": "site",
    "device": "device",
    "product": "product",
    "age group": "age_years",
    "sex": "sex",
    "skin type": "skin_type",
}
"""What people call a grouping, and the column of `Feed.cases` that it is made from."""


@dataclass(frozen=True)
class Group:
    """One way to part the cases: names of its groups, and the group of each case (N,)."""

    labels: tuple[str, ...]
    codes: Codes


@dataclass(frozen=True)
class Truths:
    """What the K known outcomes of a feed say, in the order of `KnownOutcomes.table`.

    own (K,): column of the one type that it is, -1 where several are open or none; flags (K,): wholly cancer, wholly
    free of cancer, wholly benign (no flagged type).
    """

    own: Codes
    cancer: Flags
    no_cancer: Flags
    benign: Flags


@dataclass(frozen=True)
class Picked:
    """The n cases chosen of N: their positions `rows` (None for all), and the P periods from their first to their last.

    `period` (n,) of each case, `n` (P,) cases of each period; `known` (K,) says which known outcomes are theirs, and
    `known_period` (K,) in which period (meaningless for others).
    """

    rows: npt.NDArray[np.int64] | None
    labels: tuple[str, ...]
    period: npt.NDArray[np.int32]
    n: npt.NDArray[np.int64]
    known: Flags
    known_period: npt.NDArray[np.int32]

    def of(self, column: npt.NDArray[T]) -> npt.NDArray[T]:
        """The cases' part (n,) of a column (N,)."""
        return column if self.rows is None else column[self.rows]


class Watched:
    """The N cases of a feed as codes, in order of time, with their K known outcomes.

    Every array of cases has N entries. `call` and `suspected` are columns of CALLS and SUSPECTED, `disposition` of
    Disposition in its order; `imaged`, `decided` are microseconds since 1970 in UTC, EMPTY where missing. Raises
    FeedError where the feed has no case.
    """

    def __init__(self, feed: Feed, known: KnownOutcomes, *, every: Every = "month", timezone: str = TIMEZONE) -> None:
        cases = feed.cases
        if not len(cases):
            raise FeedError("a feed has at least one case", next_step="Deliver cases first.")
        self.known, self.every = known, every
        self.periods = Periods.of(cases["imaged_at"], every, timezone)
        self.period = self.periods.codes()
        self.imaged = micros(cases["imaged_at"])
        self.decided = micros(cases["decided_at"])
        self.call = call_of(cases["suspected"]).codes
        self.suspected = _fixed(cases["suspected"], SUSPECTED)
        self.disposition = _fixed(cases["disposition"], tuple(Disposition))
        self.failed = cases["quality_fail"].to_numpy(np.bool_)
        self.rule = _rules(cases["quality_reason"])
        self.groups = {name: _group(cases[column]) for name, column in GROUPINGS.items()}
        self.scores = {name: cases[name].to_numpy(np.float32) for name in SCORES}
        self.row = known.table["row"].to_numpy(np.int64)
        self.truths = _truths(known.table["truth"])

    def __len__(self) -> int:
        return len(self.period)

    def picked(self, chosen: Chosen) -> Picked:
        """What is chosen, ready to be counted. Raises FeedError as `_rows`."""
        rows = self._rows(chosen)
        period = self.period if rows is None else self.period[rows]
        first, last = int(period[0]), int(period[-1])
        labels = self.periods.labels[first : last + 1]
        known = np.ones(len(self.row), np.bool_)
        if rows is not None:
            among = np.zeros(len(self), np.bool_)
            among[rows] = True
            known = among[self.row]
        period = period - np.int32(first)
        known_period = np.clip(self.period[self.row] - np.int32(first), 0, last - first)
        return Picked(rows, labels, period, np.bincount(period, minlength=len(labels)), known, known_period)

    def _rows(self, chosen: Chosen) -> npt.NDArray[np.int64] | None:
        """Positions of the cases chosen, in order of time; None for all of them.

        Raises FeedError where a name is none of the feed's, or no case is left.
        """
        if chosen == EVERYTHING:
            return None
        first, last = 0, len(self)
        if chosen.since is not None:
            first = int(np.searchsorted(self.imaged, int(chosen.since.timestamp() * 1e6)))
        if chosen.until is not None:
            last = int(np.searchsorted(self.imaged, int(chosen.until.timestamp() * 1e6)))
        kept = np.ones(max(last - first, 0), np.bool_)
        for grouping, names in chosen.named():
            labels = tuple("" if label == UNKNOWN else label for label in self.groups[grouping].labels)
            require_names(grouping, names, labels)
            kept &= np.array([label in names for label in labels], np.bool_)[self.groups[grouping].codes[first:last]]
        rows = np.flatnonzero(kept) + first
        require_some(len(rows), chosen)
        return rows


def _fixed(column: pd.Series[Any], words: tuple[str, ...]) -> Codes:
    """Codes (N,) of a column of categories in the order of `words`; -1 for what is none of them."""
    place = {word: i for i, word in enumerate(words)}
    of_word: Codes = np.array([place.get(str(word), -1) for word in column.cat.categories] + [-1], np.int8)
    return of_word[column.cat.codes]


def _rules(reasons: pd.Series[Any]) -> Group:
    """Quality failures by the rule that was broken: what stands before the colon of its reason."""
    names = [str(reason).split(":")[0].strip() or "no reason given" for reason in reasons.cat.categories]
    codes, labels = pd.factorize(pd.Series([*names, "no reason given"], dtype="str"), sort=True)
    return Group(tuple(map(str, labels)), codes.astype(np.int16)[reasons.cat.codes])


def _group(column: pd.Series[Any]) -> Group:
    if column.name == "age_years":
        ages = column.to_numpy(np.float32)
        bands = np.digitize(ages, AGE_FROM_YEARS[1:]).astype(np.int16)
        return Group((*AGE_BANDS, UNKNOWN), np.where(np.isnan(ages), np.int16(len(AGE_BANDS)), bands))
    labels = tuple(str(name) or UNKNOWN for name in column.cat.categories)
    codes = column.cat.codes.to_numpy().astype(np.int32)
    if (codes >= 0).all():
        return Group(labels, codes)
    return Group((*labels, UNKNOWN), np.where(codes < 0, len(labels), codes))


def _truths(truth: pd.Series[Any]) -> Truths:
    sets = [parse_truth(str(text)) for text in truth.cat.categories]
    codes = truth.cat.codes.to_numpy()

    def wholly(belongs: Callable[[LesionType], bool]) -> Flags:
        return np.array([bool(types) and all(belongs(t) for t in types) for types in sets] + [False], np.bool_)[codes]

    own = np.array([LESION_TYPES.index(next(iter(types))) if len(types) == 1 else -1 for types in sets] + [-1], np.int8)
    return Truths(
        own[codes],
        wholly(lambda t: t.cancer),
        wholly(lambda t: not t.cancer),
        wholly(lambda t: t not in FLAGGED),
    )
