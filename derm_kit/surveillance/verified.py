"""The cases that are verified whatever the model said, each with its truth and when that could count."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from derm_kit.lesions import LESION_TYPES, LesionType
from derm_kit.surveillance.feed import Feed
from derm_kit.surveillance.known_outcomes import standing, told_whatever
from derm_kit.surveillance.moments import micros
from derm_kit.triage.proportions import BoolArray
from derm_kit.triage.scores import truth_matrix

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Verified:
    """K cases of a feed, in order of imaging, with an outcome by a way that does not depend on what the model said.

    row       (K,) position in the feed's cases.
    types     (K, 11) lesion types that the truth leaves open.
    seen_us   (K,) microseconds since 1970 from which the outcome can count: it was told, and its way's lag was over.
    counts    (K,) False where an outcome may still be on its way for cases imaged as late: what has been told of them
              would depend on how fast it was told.
    """

    row: IntArray
    types: BoolArray
    seen_us: IntArray
    counts: BoolArray


def verified(feed: Feed, registry_lag_days: int, audit_lag_days: int, stands: pd.DataFrame | None = None) -> Verified:
    """Cases of `feed` verified by an audit sample, a full second read or a registry.

    An outcome counts for cases imaged at least its way's lag before the last outcome of that way was told. A case's
    truth is that which stands first by the precedence of `known_outcomes`.
    """
    stands = standing(feed) if stands is None else stands
    row = stands["row"].to_numpy(np.int64)
    first = np.append(True, row[1:] != row[:-1]) if row.size else np.zeros(0, np.bool_)
    case = np.cumsum(first) - 1
    imaged_us = micros(feed.cases["imaged_at"])[row]
    whatever, complete = np.zeros(row.size, np.bool_), np.zeros(row.size, np.bool_)
    seen = micros(stands["told_at"])
    for told in told_whatever(stands, imaged_us, registry_lag_days, audit_lag_days):
        whatever |= told.mine
        complete |= told.complete
        seen = np.where(told.mine, np.maximum(seen, imaged_us + told.lag_us), seen)
    n = int(first.sum())
    any_way, counts = _any(case, whatever, n), _any(case, complete, n)
    earliest = np.full(n, np.iinfo(np.int64).max)
    used = np.where(counts[case], complete, whatever) if n else whatever
    np.minimum.at(earliest, case[used], seen[used])
    truths = truth_matrix([*stands["truth"].cat.categories.astype(str), ""])
    types = truths[stands["truth"].cat.codes.to_numpy()[first]]
    return Verified(row[first][any_way], types[any_way], earliest[any_way], counts[any_way])


def single_type(verified_cases: Verified, kind: LesionType) -> tuple[BoolArray, BoolArray]:
    """Cases (K,) whose truth is `kind` and nothing else, and those (K,) whose truth leaves it open among others."""
    has = verified_cases.types[:, LESION_TYPES.index(kind)]
    alone = has & (verified_cases.types.sum(1) == 1)
    return alone, has & ~alone


def _any(case: IntArray, flag: BoolArray, n: int) -> BoolArray:
    return np.asarray(np.bincount(case[flag], minlength=n) > 0)
