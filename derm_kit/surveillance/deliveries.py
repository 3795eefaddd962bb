"""A feed on disk: a folder of deliveries, FEED/cases and FEED/outcomes, read as one."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from derm_kit.cases.parquets import read_parquet
from derm_kit.errors import DermKitError, printable
from derm_kit.surveillance.case_deliveries import read_cases
from derm_kit.surveillance.case_tables import CATEGORIES
from derm_kit.surveillance.delivery_files import (
    ABOUT_FILE,
    CASES,
    FEATURES,
    OUTCOMES,
    about,
    deliveries_of,
    inside_of,
)
from derm_kit.surveillance.feed import Feed, FeedError
from derm_kit.surveillance.feed_remarks import tell_of_cases
from derm_kit.surveillance.feed_writing import write_feed
from derm_kit.surveillance.moments import TIMEZONE, micros, require_timezone
from derm_kit.surveillance.oddities import Oddities
from derm_kit.surveillance.outcome_deliveries import against_cases, no_outcomes, read_outcomes, together
from derm_kit.triage.definition import TriagePolicy

__all__ = ["read_feed", "write_feed"]

T = TypeVar("T")


def read_feed(
    folder: Path,
    policy: TriagePolicy | None = None,
    *,
    timezone: str = TIMEZONE,
    now: datetime.datetime | None = None,
    features: bool = True,
) -> Feed:
    """The feed in `folder`: `cases/` (run folders, joined parquets, CSVs of scores), `outcomes/` (parquets, CSVs).

    A delivery of cases has what `model.run.read_run` reads and imaged_at, and may have site, device, product (else the
    run's model hash), decided_at, suspected and disposition; where the last two are blank `policy` says them. One of
    outcomes has case_id, truth, known_at, way and may have told_at. Times without an offset are local to `timezone`;
    what lies after `now` (else the clock's time, or the last moment of a feed that `write_feed` wrote, where that is
    later) is set aside. Deliveries are taken in the order of their names.

    A delivery that cannot be read hides no other: the remarks begin with it. Raises FeedError where the folder is no
    feed, or none of its deliveries of cases can be read.
    """
    require_timezone(timezone)
    oddities = Oddities()
    found = deliveries_of(folder, CASES, oddities)
    if not found and not oddities.broken:
        raise FeedError(
            "a feed is a folder with deliveries of cases in its folder 'cases' and of outcomes in 'outcomes'",
            case=str(folder),
            next_step="Put run folders, parquets or CSVs of scores into FEED/cases.",
        )
    tables, rows, named, parts = [], [], [], []
    for path in found:
        delivery = f"{CASES}/{path.name}"
        made = _attempt(
            partial(read_cases, path, delivery, policy, timezone, oddities),
            delivery,
            oddities,
        )
        if made is not None:
            tables.append(made[0])
            rows.append(made[1])
            named.append(delivery)
            parts += [made[2]] if made[2] is not None else []
    if not tables:
        first = oddities.broken[0].sentence.removesuffix(".")
        n = len(oddities.broken)
        raise FeedError(
            f"a feed needs a delivery of cases that can be read; of {n} none can. The first: {first}",
            case=str(folder),
            next_step="Mend it and read the feed again.",
        )
    earlier, as_of = _attempt(partial(about, folder), ABOUT_FILE, oddities) or ((), None)
    clock = now or max(filter(None, (as_of, datetime.datetime.now(datetime.UTC))))
    now_us = int(clock.timestamp() * 1e6)
    cases = _together(tables, rows, named, now_us, oddities)
    del tables
    ids = pa.chunked_array(pa.array(cases["case_id"], pa.large_string()))
    outcomes = _outcomes(folder, ids, micros(cases["imaged_at"]), timezone, now_us, oddities)
    tell_of_cases(cases, timezone, oddities)
    components = _features(folder, parts, cases["case_id"], oddities) if features else None
    oddities.told = [*earlier, *oddities.told]
    return Feed(cases, outcomes, oddities.remarks(), components, oddities.all_set_aside())


def _attempt(read: Callable[[], T], delivery: str, oddities: Oddities) -> T | None:
    """What `read` gives, or None with the delivery told as broken."""
    try:
        return read()
    except DermKitError as error:
        oddities.breaks(delivery, error)
    except (OSError, pa.ArrowException, ValueError) as error:
        said = str(error).splitlines()
        oddities.breaks(
            delivery,
            FeedError(
                f"the file cannot be read: {printable(said[0]).rstrip('.') if said else type(error).__name__}",
                next_step="Deliver it again, or move it out of the feed.",
            ),
        )
    return None


def _together(
    tables: list[pa.Table], rows: list[npt.NDArray[np.int64]], named: list[str], now_us: int, oddities: Oddities
) -> pd.DataFrame:
    """The cases of all deliveries in order of time, each once; `rows` says where each stood in its delivery."""
    table = pa.concat_tables(tables).unify_dictionaries()
    imaged = table["imaged_at"].cast(pa.int64()).to_numpy()
    ids = table["case_id"].to_pandas()
    again = ids.duplicated().to_numpy()
    future = imaged > now_us
    if again.any() or future.any():
        origin = np.repeat(np.arange(len(tables)), [t.num_rows for t in tables])
        _set_aside(table, ids, again, future, np.array(named, object)[origin], np.concatenate(rows), oddities)
        chosen = np.flatnonzero(~again & ~future)
        table, imaged = table.take(chosen), imaged[chosen]
    if (np.diff(imaged) < 0).any():
        table = table.take(np.argsort(imaged, kind="stable"))
    if not table.num_rows:
        raise FeedError(
            "a feed has at least one case that was imaged before now",
            next_step="Check the clock of this machine, and imaged_at in the deliveries.",
        )
    frame: pd.DataFrame = table.combine_chunks().to_pandas(self_destruct=True)
    for name, known in CATEGORIES.items():
        column = frame[name].cat
        frame[name] = column.set_categories(pd.Index(known, dtype="str")) if known else _used(frame[name])
    return frame


def _used(column: pd.Series[Any]) -> pd.Series[Any]:
    """A column of categories without those that no row has."""
    codes = column.cat.codes.to_numpy()
    counts = np.bincount(codes, minlength=len(column.cat.categories))
    return column if counts.all() else column.cat.remove_categories(column.cat.categories[counts == 0])


def _set_aside(
    table: pa.Table,
    ids: pd.Series[str],
    again: npt.NDArray[np.bool_],
    future: npt.NDArray[np.bool_],
    origin: npt.NDArray[np.object_],
    place: npt.NDArray[np.int64],
    oddities: Oddities,
) -> None:
    """Cases delivered twice with other content, and of the future; those delivered again alike are only told of."""
    shared = np.flatnonzero(ids.isin(ids[again]).to_numpy() | future)
    rows = table.take(shared).to_pandas()
    rows = rows.astype(dict.fromkeys(CATEGORIES, "str"))
    repeat = again[shared]
    alike = repeat & rows.duplicated(keep="first").to_numpy()
    oddities.tell(
        "Cases delivered again with the same content, counted once: {n:,}.",
        rows["case_id"][alike],
        count=int(alike.sum()),
    )
    rows.insert(0, "row", place[shared])
    from_where = origin[shared]
    oddities.set_aside(
        rows, repeat & ~alike, delivery=from_where, what="case",
        rule="a case is delivered once, or again with the same content",
        next_step="The first delivery stands; say in the deliveries which one holds.",
    )  # fmt: skip
    oddities.set_aside(
        rows, future[shared] & ~repeat, delivery=from_where, what="case", rule="a case is not imaged in the future",
        next_step="Check the clock of the camera, and imaged_at in the delivery.",
    )  # fmt: skip


def _outcomes(
    folder: Path, ids: pa.ChunkedArray, imaged: npt.NDArray[np.int64], timezone: str, now_us: int, oddities: Oddities
) -> pd.DataFrame:
    tables, named = [], []
    for path in deliveries_of(folder, OUTCOMES, oddities):
        delivery = f"{OUTCOMES}/{path.name}"
        made = _attempt(partial(read_outcomes, path, delivery, timezone, oddities), delivery, oddities)
        if made is not None:
            tables.append(made)
            named.append(delivery)
    if not tables:
        oddities.tell("There is no outcome in this feed: nothing is known of what any case was.", [], count=1)
        return no_outcomes()
    return against_cases(together(tables, named), ids, imaged, now_us, oddities)


def _components(path: Path) -> pd.DataFrame:
    frame: pd.DataFrame = read_parquet(path).to_pandas(ignore_metadata=True)
    return frame


def _features(folder: Path, parts: list[pd.DataFrame], ids: pd.Series[str], oddities: Oddities) -> pd.DataFrame | None:
    """Components of the pooled features of the feed's cases; what belongs to no case is told of."""
    for path in inside_of(folder, sorted((folder / FEATURES).glob("*.parquet")), oddities):
        made = _attempt(partial(_components, path), f"{FEATURES}/{path.name}", oddities)
        parts += [made] if made is not None and "case_id" in made else []
    if not parts:
        return None
    if len(parts) == 1 and parts[0]["case_id"].equals(ids):  # as `write_feed` wrote them: millions need no search
        return parts[0]
    features = pd.concat(parts, ignore_index=True)
    features = features[~features["case_id"].duplicated()]
    strange = ~features["case_id"].isin(ids)
    oddities.tell("Features of cases that are not in the feed, left out: {n:,}.", features["case_id"][strange])
    return features[~strange].reset_index(drop=True)
