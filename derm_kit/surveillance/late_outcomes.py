"""Late outcomes: the share of flagged cases whose biopsy is told in time, site by site, in months old enough to say.

A lower share says that outcomes come late, get lost, or that fewer of the flagged cases are biopsied: which of these it
is, the signal cannot tell.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from derm_kit.surveillance.feed import Feed, FeedError, Way
from derm_kit.surveillance.known_outcomes import CALLS, call_of
from derm_kit.surveillance.looks import Looks
from derm_kit.surveillance.outcome_deliveries import rows_of
from derm_kit.surveillance.quality_drift import Figure, SharesDrift, SharesPlan, drift_of

WITHIN_DAYS = 60.0
FIGURE = "biopsy told in time"
AS_USUAL = SharesPlan()


@dataclass(frozen=True)
class LateOutcomes:
    """What the looks at timeliness found.

    drift        looks of one figure, FIGURE, over flagged cases: told within `within_days` of the image, or not (yet).
    complete_until  cases imaged later are not old enough and are in no look.
    """

    drift: SharesDrift
    within_days: float
    complete_until: pd.Timestamp | None


def late_outcomes(feed: Feed, plan: SharesPlan = AS_USUAL, *, within_days: float = WITHIN_DAYS) -> LateOutcomes:
    """Hold the share of flagged cases with a biopsy told within `within_days` against the baseline months.

    A case that was never biopsied counts as not told: its share is part of the baseline. Only whole months whose cases
    all had that time until the feed's last word are looked at. Raises FeedError unless `within_days` is positive.
    """
    if not within_days > 0:
        raise FeedError("outcomes have some days to come in", value=within_days, next_step="Give, say, 60.")
    if feed.cases.empty or feed.outcomes.empty:
        return LateOutcomes(drift_of([], Looks.of(feed.cases, plan.by), plan), within_days, None)
    last_word = max(feed.outcomes["told_at"].max(), feed.cases["imaged_at"].iloc[-1])
    until = last_word - pd.Timedelta(days=within_days)
    begins = Looks.of(feed.cases, "").begins
    whole = begins[max(int((begins <= until).sum()) - 1, 0)]
    old_enough = (feed.cases["imaged_at"] < whole).to_numpy()
    flagged = call_of(feed.cases["suspected"]).codes == CALLS.index("flagged")
    chosen = np.flatnonzero(old_enough & flagged)
    in_time = _in_time(feed, within_days)[chosen].astype(np.int64)
    figure = Figure(FIGURE, in_time, ("not told in time", "told in time"), rises=0)
    watched = [figure] if len(chosen) else []
    return LateOutcomes(drift_of(watched, Looks.of(feed.cases.iloc[chosen], plan.by), plan), within_days, whole)


def _in_time(feed: Feed, within_days: float) -> npt.NDArray[np.bool_]:
    """Whether each case (N,) has a biopsy told within `within_days` of its image."""
    told = feed.outcomes[(feed.outcomes["way"] == Way.BIOPSY).to_numpy()]
    ids = pa.chunked_array([pa.array(feed.cases["case_id"], pa.large_string())])
    rows = rows_of(ids, told["case_id"].reset_index(drop=True))
    known = rows >= 0
    waited = (
        told["told_at"].to_numpy("datetime64[us]")[known]
        - feed.cases["imaged_at"].to_numpy("datetime64[us]")[rows[known]]
    )
    early = waited <= np.timedelta64(round(within_days * 86_400_000_000), "us")
    in_time = np.zeros(len(feed.cases), np.bool_)
    in_time[rows[known][early]] = True
    return in_time
