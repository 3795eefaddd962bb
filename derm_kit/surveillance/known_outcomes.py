"""Which outcome of a case counts, and for what: biopsied only, or verified whatever the model said."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from derm_kit.lesions import FLAGGED
from derm_kit.surveillance.feed import NOT_ASSESSED, WHATEVER_THE_MODEL_SAID, Feed, FeedError, Way
from derm_kit.surveillance.moments import DAY_US, micros
from derm_kit.surveillance.outcome_deliveries import rows_of
from derm_kit.triage.proportions import clopper_pearson

PRECEDENCE: Final = (Way.BIOPSY, Way.REGISTRY, Way.FULL_SECOND_READ, Way.AUDIT_SAMPLE, Way.CLINICAL)
"""Whose truth stands where a case's outcomes by several ways differ: tissue first, then the cancer registry."""

LAG_DAYS: Final = 365
"""Until a registry has heard of a cancer. Source required: confirm with the registry that is linked."""

AUDIT_LAG_DAYS: Final = 90
"""Until an audit sample or a full second read has its result. Source required: confirm locally."""

CALLS: Final = ("flagged", "not flagged", NOT_ASSESSED)
CANNOT_BE_SEEN: Final = "Missed cancers cannot be seen here"
_BY_CALL: Final = pd.CategoricalDtype(pd.Index(CALLS, dtype="str"))


@dataclass(frozen=True)
class KnownOutcomes:
    """The K cases of a feed with an outcome, one row each, in order of the feed's cases.

    table       row (int64, position in the feed's cases), case_id, truth (category), way (category: whose truth it is),
                known_at, told_at (of that truth), biopsied (bool), whatever (bool: verified whatever the model said, by
                an audit sample, a full second read or a registry, each of which had time enough to find out).
    lag_days    of a registry; `audit_lag_days` of an audit sample and a full second read.
    complete_until   of each of these ways that is there: cases imaged up to then had its lag until its last word.
    waiting     outcomes by each of them on cases imaged later: they do not count as verified whatever the model said
                yet, as cancers that were flagged are heard of before those that were missed.
    """

    table: pd.DataFrame
    lag_days: int
    audit_lag_days: int
    complete_until: dict[Way, pd.Timestamp]
    waiting: dict[Way, int]


def standing(feed: Feed, until: pd.Timestamp | None = None) -> pd.DataFrame:
    """The outcomes (S rows) that stand: of each case and way the last one told, with `row`, its case's position.

    `until`: as known at that moment. Columns of `Feed.outcomes` after `row`, in order of row and precedence of way.
    """
    told = feed.outcomes if until is None else feed.outcomes[(feed.outcomes["told_at"] <= until).to_numpy()]
    last = told[~told.duplicated(["case_id", "way"], keep="last").to_numpy()]
    ids = pa.chunked_array(pa.array(feed.cases["case_id"], pa.large_string()))
    found = last.reset_index(drop=True)
    found.insert(0, "row", rows_of(ids, found["case_id"]))
    found = found[found["row"] >= 0]
    order = np.lexsort((_rank(found["way"]), found["row"]))
    return found.iloc[order].reset_index(drop=True)


def known_outcomes(
    feed: Feed,
    *,
    lag_days: int = LAG_DAYS,
    audit_lag_days: int = AUDIT_LAG_DAYS,
    until: pd.Timestamp | None = None,
    stands: pd.DataFrame | None = None,
) -> KnownOutcomes:
    """What is known of the cases of `feed`, as told up to `until` (else all of it).

    `stands` is `standing(feed, until)` where the caller has it already.

    An outcome counts as verified whatever the model said only for a case imaged at least its way's lag before the last
    outcome by that way was told. Raises FeedError for a negative lag.
    """
    if min(lag_days, audit_lag_days) < 0:
        raise FeedError("a lag has 0 days or more", value=min(lag_days, audit_lag_days), next_step="Give 0 or more.")
    if stands is None:
        stands = standing(feed, until)
    imaged_us = micros(feed.cases["imaged_at"].iloc[stands["row"]])
    counts = np.zeros(len(stands), np.bool_)
    complete_until: dict[Way, pd.Timestamp] = {}
    waiting: dict[Way, int] = {}
    for told in told_whatever(stands, imaged_us, lag_days, audit_lag_days):
        complete_until[told.way] = pd.Timestamp(told.until_us, unit="us", tz="UTC")
        waiting[told.way] = int((told.mine & ~told.complete).sum())
        counts |= told.complete
    first = ~stands["row"].duplicated().to_numpy()
    case_of = np.cumsum(first) - 1
    table = stands.loc[first, ["row", "case_id", "truth", "way", "known_at", "told_at"]].reset_index(drop=True)
    table["biopsied"] = _any(case_of, (stands["way"] == Way.BIOPSY.value).to_numpy(), len(table))
    table["whatever"] = _any(case_of, counts, len(table))
    return KnownOutcomes(table, lag_days, audit_lag_days, complete_until, waiting)


@dataclass(frozen=True)
class ToldWhatever:
    """Which of S outcomes were told by one way whatever the model said.

    mine        (S,) those by `way`; `complete` (S,) those of cases imaged up to `until_us`, which had the way's lag of
                `lag_us` until its last word. What has been told of later ones depends on how fast it was told.
    """

    way: Way
    lag_us: int
    until_us: int
    mine: npt.NDArray[np.bool_]
    complete: npt.NDArray[np.bool_]


def told_whatever(
    stands: pd.DataFrame, imaged_us: npt.NDArray[np.int64], registry_lag_days: int, audit_lag_days: int
) -> Iterator[ToldWhatever]:
    """Each way that is independent of the model, of those among `stands` (S rows) of cases imaged then (S,)."""
    told_us = micros(stands["told_at"])
    for way in sorted(WHATEVER_THE_MODEL_SAID):
        mine = (stands["way"] == way.value).to_numpy()
        if mine.any():
            lag_us = DAY_US * (registry_lag_days if way is Way.REGISTRY else audit_lag_days)
            until_us = int(told_us[mine].max()) - lag_us
            yield ToldWhatever(way, lag_us, until_us, mine, mine & (imaged_us <= until_us))


def call_of(suspected: pd.Series) -> pd.Categorical:
    """What each case (N,) of `Feed.cases` was called: "flagged", "not flagged" or "not assessed"."""
    flagged = {t.value for t in FLAGGED}
    of_word = [0 if w in flagged else 2 if w == NOT_ASSESSED else 1 for w in suspected.cat.categories]
    codes = np.append(np.array(of_word, np.int8), np.int8(-1))[suspected.cat.codes]
    return pd.Categorical.from_codes(codes, dtype=_BY_CALL)


def verified_by_call(feed: Feed, known: KnownOutcomes) -> pd.DataFrame:
    """How many cases of each call have an outcome: rows of CALLS, with `cases`.

    For each of "any" (an outcome by any way), "biopsied" and "whatever" (whatever the model said): the count under that
    name, `<name>_share`, `<name>_low` and `<name>_high`, the exact interval; NaN where there is no case.
    """
    call = call_of(feed.cases["suspected"]).codes
    return verified_table(np.bincount(call, minlength=len(CALLS)), call[known.table["row"]], known)


def verified_table(
    cases: npt.NDArray[np.int64],
    call: npt.NDArray[np.int8],
    known: KnownOutcomes,
    chosen: npt.NDArray[np.bool_] | None = None,
) -> pd.DataFrame:
    """`verified_by_call` from the cases of each call (3,) and the call of each known case (K,), of those `chosen`."""
    table = pd.DataFrame({"call": CALLS, "cases": cases})
    picked = np.ones(len(call), np.bool_) if chosen is None else chosen
    for name, which in (
        ("any", picked),
        ("biopsied", picked & known.table["biopsied"].to_numpy()),
        ("whatever", picked & known.table["whatever"].to_numpy()),
    ):
        table[name] = np.bincount(call[which], minlength=len(CALLS))
        table[f"{name}_share"] = table[name] / table["cases"].where(table["cases"] > 0)
        table[f"{name}_low"], table[f"{name}_high"] = clopper_pearson(table[name], table["cases"])
    return table


def can_see_missed(verified: pd.DataFrame) -> bool:
    """Whether a cancer that was not flagged would be seen: a case that was not is verified whatever the model said."""
    return _count(verified, "not flagged", "whatever") > 0


def verification_note(verified: pd.DataFrame, known: KnownOutcomes) -> tuple[str, ...]:
    """What `verified_by_call` means for sensitivity, in sentences for a clinician."""
    flagged, cleared = (
        {name: _count(verified, call, name) for name in ("cases", "biopsied", "whatever")} for call in CALLS[:2]
    )
    said = [
        f"Biopsied: {flagged['biopsied']:,} of {flagged['cases']:,} cases that were flagged, {cleared['biopsied']:,} "
        f"of {cleared['cases']:,} that were not. Who is biopsied depends on what the model said, so sensitivity on "
        "biopsied cases looks better than it is and specificity worse (verification bias)."
    ]
    if not can_see_missed(verified):
        said.append(
            f"{CANNOT_BE_SEEN}: of {cleared['cases']:,} cases that were not flagged none is verified whatever the "
            "model said (by a random audit sample, a registry or a full second read). Sensitivity could look perfect "
            "while harm grows. Plan an audit sample."
        )
    else:
        said.append(
            f"Verified whatever the model said: {cleared['whatever']:,} of {cleared['cases']:,} cases that were not "
            f"flagged, {flagged['whatever']:,} of {flagged['cases']:,} that were. Only on these are missed cancers "
            "seen."
        )
    for way, until in known.complete_until.items():
        lag = known.lag_days if way is Way.REGISTRY else known.audit_lag_days
        said.append(
            f"{way.replace('_', ' ').capitalize()}: cases imaged up to {until.day} {until:%B %Y} had {lag} days until "
            f"its last word and count; outcomes of later cases wait: {known.waiting[way]:,}. (Lag: source required, "
            "confirm it locally.)"
        )
    if Way.REGISTRY in known.complete_until:
        said.append("A case of which the registry says nothing is not taken to be free of cancer.")
    return tuple(said)


def _count(verified: pd.DataFrame, call: str, name: str) -> int:
    return int(verified[name].to_numpy()[CALLS.index(call)])


def _rank(way: pd.Series) -> npt.NDArray[np.int64]:
    ranks = [PRECEDENCE.index(Way(str(name))) for name in way.cat.categories]
    return np.append(np.array(ranks, np.int64), len(PRECEDENCE))[way.cat.codes]


def _any(case_of: npt.NDArray[np.int64], flag: npt.NDArray[np.bool_], n: int) -> npt.NDArray[np.bool_]:
    return np.bincount(case_of[flag], minlength=n) > 0
