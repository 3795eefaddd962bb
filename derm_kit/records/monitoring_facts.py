"""Everything that surveillance says of a feed, worked out once for a monitoring report."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from derm_kit.records.provenance import Source
from derm_kit.records.report_inputs import end_of
from derm_kit.surveillance.deliveries import read_feed
from derm_kit.surveillance.feed import Feed, FeedError
from derm_kit.surveillance.input_drift import InputDrift, input_drift
from derm_kit.surveillance.known_outcomes import can_see_missed, known_outcomes, standing
from derm_kit.surveillance.moments import TIMEZONE
from derm_kit.surveillance.quality_drift import SharesDrift, quality_drift
from derm_kit.surveillance.rates import Rates, rates
from derm_kit.surveillance.signal import said_on
from derm_kit.surveillance.signals import Plan, Signals, signals
from derm_kit.surveillance.watched import Watched
from derm_kit.triage.policy import TriagePolicy


@dataclass(frozen=True)
class Monitored:
    """A feed with its rates, its signals and its drift; `no_input_drift` says why there is none of the pictures."""

    feed: Feed
    rates: Rates
    signals: Signals
    plan: Plan
    shares_drift: SharesDrift
    input_drift: InputDrift | None
    no_input_drift: str

    @classmethod
    def of(cls, feed: Feed, plan: Plan | None = None) -> Monitored:
        """All of it, the charts in the time of the rest. Raises FeedError where the feed has no case."""
        used = plan or Plan()
        stands = standing(feed)
        known = known_outcomes(feed, lag_days=used.registry_lag_days, audit_lag_days=used.audit_lag_days, stands=stands)
        watched = Watched(feed, known)
        with ThreadPoolExecutor(1) as beside:
            rest = [beside.submit(*work) for work in ((_input_drift, feed), (rates, watched), (quality_drift, feed))]
            charts = signals(feed, used, stands=stands)
            (drift, why), counted, shares = (work.result() for work in rest)
        return cls(feed, counted, charts, used, shares, drift, why)

    @property
    def sees_missed(self) -> bool:
        """Whether missed cancers can be seen in this feed."""
        return can_see_missed(self.rates.verified)

    @property
    def source(self) -> Source:
        """The feed as a source."""
        cases, outcomes = self.feed.cases, self.feed.outcomes
        first, last = (said_on(cases["imaged_at"].iloc[place]) for place in (0, -1))
        return Source(
            "feed",
            f"{len(cases):,} cases imaged from {first} to {last}, and {len(outcomes):,} outcomes told of them",
            (("cases, SHA-256", table_hash(cases)), ("outcomes, SHA-256", table_hash(outcomes))),
        )

    @property
    def seeds(self) -> Source:
        """The random numbers that drawn run lengths and looks for drift rest on."""
        drift = self.input_drift.plan.seed if self.input_drift else None
        return Source("seed", "where random numbers begin", (
            ("run lengths that are drawn", str(self.plan.seed)),
            ("looks for input drift", "–" if drift is None else str(drift)),
        ))  # fmt: skip


def read_monitored(folder: Path, policy: TriagePolicy, as_of: date, timezone: str = TIMEZONE) -> Monitored:
    """The feed in a folder at the end of that day: later rows are set aside and told of. Raises FeedError."""
    return Monitored.of(read_feed(folder, policy, timezone=timezone, now=end_of(as_of)))


def table_hash(table: pd.DataFrame) -> str:
    """SHA-256 over the columns of a table and its values, row by row."""
    found = hashlib.sha256("\n".join(map(str, table.columns)).encode())
    if len(table):
        found.update(np.ascontiguousarray(pd.util.hash_pandas_object(table, index=False).to_numpy()).tobytes())
    return found.hexdigest()


def _input_drift(feed: Feed) -> tuple[InputDrift | None, str]:
    if feed.features is None:
        return None, "The feed holds no features of the network, in which input drift is looked for."
    try:
        return input_drift(feed), ""
    except FeedError as error:
        return None, f"{error.finding}."
