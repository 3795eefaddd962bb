"""Part of a feed: some of its sites, products and devices, and a stretch of time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from derm_kit.surveillance.feed import Feed, FeedError
from derm_kit.triage.proportions import BoolArray


@dataclass(frozen=True)
class Chosen:
    """What of a feed is looked at: sites, products and devices by name (none named: all), from `since` up to `until`.

    Moments in UTC; a case imaged at `until` is out.
    """

    sites: tuple[str, ...] = ()
    products: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    since: pd.Timestamp | None = None
    until: pd.Timestamp | None = None

    def named(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Columns of `Feed.cases` and the names chosen of each, where some are."""
        columns = (("site", self.sites), ("product", self.products), ("device", self.devices))
        return tuple((column, names) for column, names in columns if names)


EVERYTHING: Final = Chosen()


def part_of(feed: Feed, chosen: Chosen) -> Feed:
    """The cases of a feed that are chosen, with their outcomes and features; its remarks are those of the whole feed.

    Raises FeedError where a name is none of the feed's, or no case is left.
    """
    if chosen == EVERYTHING:
        return feed
    kept = np.ones(len(feed.cases), np.bool_)
    for column, names in chosen.named():
        require_names(column, names, tuple(map(str, feed.cases[column].cat.categories)))
        kept &= feed.cases[column].isin(names).to_numpy()
    if chosen.since is not None:
        kept &= (feed.cases["imaged_at"] >= chosen.since).to_numpy()
    if chosen.until is not None:
        kept &= (feed.cases["imaged_at"] < chosen.until).to_numpy()
    require_some(int(kept.sum()), chosen)
    cases = feed.cases[kept].reset_index(drop=True)
    for column, _ in chosen.named():
        cases[column] = cases[column].cat.remove_unused_categories()

    ids = pa.array(cases["case_id"], pa.large_string())

    def theirs(table: pd.DataFrame) -> pd.DataFrame:
        named = pa.chunked_array(pa.array(table["case_id"], pa.large_string()))
        kept: BoolArray = pc.is_in(named, value_set=ids).to_numpy()
        return table[kept].reset_index(drop=True)

    features = None if feed.features is None else theirs(feed.features)
    return Feed(cases, theirs(feed.outcomes), feed.remarks, features, feed.set_aside)


def require_names(column: str, names: tuple[str, ...], known: tuple[str, ...]) -> None:
    """Raise FeedError for a name that is none of those `known`."""
    strange = [name for name in names if name not in known]
    if strange:
        shown = ", ".join(name or "(blank)" for name in known[:20]) + (" and more" if len(known) > 20 else "")
        raise FeedError(
            f"a {column} is one that the feed has: {shown}",
            value=", ".join(strange),
            next_step="Write it as the deliveries do.",
        )


def require_some(n: int, chosen: Chosen) -> None:
    """Raise FeedError unless cases are left."""
    if not n:
        raise FeedError(
            "the choice leaves at least one case",
            value=chosen,
            next_step="Choose more sites, products or devices, or a longer time.",
        )
