"""A feed written to disk, in the layout in which it is read."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from derm_kit.surveillance.case_tables import MOMENT, SCHEMA, WORDS
from derm_kit.surveillance.delivery_files import ABOUT_FILE, CASES, FEATURES, OUTCOMES
from derm_kit.surveillance.feed import Feed, FeedError
from derm_kit.surveillance.outcome_tables import OUT_OF_SCOPE


def write_feed(feed: Feed, folder: Path) -> None:
    """Write a feed's cases, outcomes (one file a delivery), features and remarks into a new folder, to be read again.

    What was set aside is not written: it stands in the deliveries that it came in.

    Raises FeedError where the folder has something in it or cannot be written.
    """
    if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise FeedError(
            "a feed is written to a new or empty folder, so that none is lost",
            case=str(folder),
            next_step="Name a folder that does not exist.",
        )
    try:
        for name in (CASES, OUTCOMES):
            (folder / name).mkdir(parents=True, exist_ok=True)
        pq.write_table(_as_table(feed.cases), folder / CASES / "cases.parquet", compression="zstd")
        for delivery, rows in feed.outcomes.groupby("delivery", observed=True, sort=True):
            stem = re.sub(r"[^A-Za-z0-9._-]+", "_", Path(str(delivery)).stem) or OUTCOMES
            rows = rows.assign(truth=rows["truth"].astype("str").replace("", OUT_OF_SCOPE))
            table = pa.Table.from_pandas(rows.drop(columns="delivery"), preserve_index=False)
            pq.write_table(table, _unused(folder / OUTCOMES, stem), compression="zstd")
        (folder / ABOUT_FILE).write_text(json.dumps(_about(feed), indent=1) + "\n", encoding="utf-8")
        if feed.features is not None:
            (folder / FEATURES).mkdir()
            table = pa.Table.from_pandas(feed.features, preserve_index=False)
            path = folder / FEATURES / "features.parquet"
            pq.write_table(table, path, use_dictionary=False, compression="none")  # read in a third of the time
    except OSError as error:
        raise FeedError(
            "the folder of a feed must be writable",
            case=str(folder),
            value=error.strerror,
            next_step="Name another folder.",
        ) from None


def _about(feed: Feed) -> dict[str, object]:
    """What was said of the feed, and its last moment: a simulated one may lie in the future."""
    moments = [feed.cases["imaged_at"].max(), feed.outcomes["told_at"].max(), feed.outcomes["known_at"].max()]
    last = max((moment for moment in moments if not pd.isna(moment)), default=None)
    return {"remarks": [vars(remark) for remark in feed.remarks], "as_of": None if last is None else last.isoformat()}


def _as_table(cases: pd.DataFrame) -> pa.Table:
    arrays = []
    for field in SCHEMA:
        column = cases[field.name]
        if field.type == WORDS:
            codes = pa.array(column.cat.codes.to_numpy(np.int32))
            arrays.append(pa.DictionaryArray.from_arrays(codes, pa.array(column.cat.categories, pa.large_string())))
        elif field.type == MOMENT:
            arrays.append(pa.array(column.dt.as_unit("us"), MOMENT))
        elif pa.types.is_floating(field.type):
            arrays.append(pa.array(column.to_numpy(np.float32), from_pandas=False))
        else:
            arrays.append(pa.array(column, field.type))
    return pa.table(arrays, schema=SCHEMA)


def _unused(folder: Path, stem: str) -> Path:
    path, number = folder / f"{stem}.parquet", 2
    while path.exists():
        path, number = folder / f"{stem}_{number}.parquet", number + 1
    return path
