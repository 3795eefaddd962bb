"""One delivery of outcomes -> rows of a feed, and all deliveries of them held against its cases."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from derm_kit.cases import values
from derm_kit.cases.parquets import read_parquet
from derm_kit.model.run import MOST_ROWS
from derm_kit.surveillance.case_deliveries import read_text, require_once, tell_of_clock
from derm_kit.surveillance.case_tables import WORDS
from derm_kit.surveillance.feed import FeedError, Way
from derm_kit.surveillance.moments import DAY_US, Moments, as_text, micros, read_moments
from derm_kit.surveillance.oddities import Oddities, found
from derm_kit.surveillance.outcome_tables import SCHEMA, UNREAD, read_at_once, read_truth

OUTCOME_COLUMNS: Final = ("case_id", "truth", "known_at", "told_at", "way", "delivery")
_NEEDED: Final = ("case_id", "truth", "known_at", "way")
_TRUTH_RULE: Final = (
    "the truth of an outcome is a lesion type, a diagnosis that derm-kit knows, 'benign' or 'no cancer'"
)


def no_outcomes() -> pd.DataFrame:
    """An empty table of outcomes."""
    words = pd.CategoricalDtype(pd.Index([], dtype="str"))
    table = {"case_id": pd.Series(dtype="str"), "truth": pd.Series(dtype=words)}
    table |= {name: pd.Series(dtype="datetime64[us, UTC]") for name in ("known_at", "told_at")}
    return pd.DataFrame(table | {"way": pd.Series(dtype=_ways()), "delivery": pd.Series(dtype=words)})


def read_outcomes(path: Path, delivery: str, timezone: str, oddities: Oddities) -> pa.Table:
    """The rows of one delivery that can be read, in their order, as a table of SCHEMA.

    A row whose truth, way or time is not understood is set aside with the rule. Raises DermKitError where the delivery
    as a whole cannot be read.
    """
    quick = read_at_once(path) if path.suffix.lower() == ".parquet" else None
    if quick is not None:
        return quick
    table, numbers = _open(path, delivery, oddities)
    columns = {re.sub(r"[^a-z0-9]+", "_", name.casefold()).strip("_"): name for name in map(str, table)}
    columns.setdefault("truth", columns.get("diagnosis", ""))
    missing = [name for name in _NEEDED if not columns.get(name)]
    if missing:
        raise FeedError(
            f"a delivery of outcomes has the columns {', '.join(_NEEDED)}",
            case=delivery,
            value=f"no {', '.join(missing)}",
            next_step="Add them, or move the file out of the feed.",
        )
    ids = values.trimmed(as_text(table[columns["case_id"]].reset_index(drop=True)))
    truth = values.tidy(as_text(table[columns["truth"]].reset_index(drop=True)))
    way = values.tidy(as_text(table[columns["way"]].reset_index(drop=True)))
    known = read_moments(table[columns["known_at"]], timezone)
    told = read_moments(table[columns["told_at"]], timezone) if "told_at" in columns else None
    made = pd.DataFrame(
        {
            "case_id": ids,
            "truth": values.by_value(truth, read_truth),
            "known_at": known.utc,
            "told_at": known.utc if told is None else told.utc.fillna(known.utc),
            "way": values.by_value(way, lambda text: re.sub(r"[\s-]+", "_", text.casefold())),
            "row": numbers,
            "day_only": known.day_only,
        }
    )
    _tell(known, told, ids, delivery, timezone, oddities)
    kept = made[_kept(made, table, truth, way, delivery, oddities)]
    return pa.table([_array(kept[field.name], field.type) for field in SCHEMA], schema=SCHEMA)


def together(tables: list[pa.Table], names: list[str]) -> pd.DataFrame:
    """The rows of deliveries, one after the other, with the name of each row's `delivery`."""
    frame: pd.DataFrame = pa.concat_tables(tables).unify_dictionaries().combine_chunks().to_pandas()
    codes = np.repeat(np.arange(len(tables), dtype=np.int32), [table.num_rows for table in tables])
    frame["delivery"] = pd.Categorical.from_codes(codes, pd.Index(names, dtype="str"))
    frame["way"] = frame["way"].cat.set_categories(_ways().categories)
    return frame


def against_cases(
    outcomes: pd.DataFrame, ids: pa.ChunkedArray, imaged: npt.NDArray[np.int64], now_us: int, oddities: Oddities
) -> pd.DataFrame:
    """Outcomes of known cases in order of `told_at`, with the columns of a feed; others are set aside and told of.

    `outcomes` as `together` gives them; `ids` and `imaged` (microseconds since 1970) are those of the cases (N,).
    """
    row = rows_of(ids, outcomes["case_id"])
    known, told = micros(outcomes["known_at"]), micros(outcomes["told_at"])
    taken = imaged[np.maximum(row, 0)]
    future = (known > now_us) | (told > now_us)
    strange = (row < 0) & ~future
    early = (row >= 0) & ~future & (known + np.where(outcomes["day_only"], DAY_US, 0) < taken)
    for wrong, rule, next_step in (
        (future, "an outcome is not known or told in the future", "Mend known_at or told_at in the delivery."),
        (strange, "an outcome belongs to a case of the feed", "Deliver its case, or mend its case_id."),
        (early, "an outcome becomes known after the image was taken", "Check whose outcome it is, and both times."),
    ):
        oddities.set_aside(
            outcomes.drop(columns=["delivery", "day_only"]), wrong, delivery=outcomes["delivery"], what="outcome",
            rule=rule, next_step=next_step,
        )  # fmt: skip
    sound = np.flatnonzero((row >= 0) & ~early & ~future)
    sound = sound[~_again(outcomes.iloc[sound], row[sound], oddities)]
    kept = outcomes.iloc[sound[np.argsort(told[sound], kind="stable")]].reset_index(drop=True)
    before = (kept["told_at"] < kept["known_at"]).to_numpy()
    oddities.tell("Outcomes told before they were known: {n:,}. Check these times.", kept["case_id"][before])
    kept["truth"] = kept["truth"].cat.set_categories(sorted(map(str, kept["truth"].unique())))
    kept["delivery"] = kept["delivery"].cat.remove_unused_categories()
    return kept[list(OUTCOME_COLUMNS)]


def _again(outcomes: pd.DataFrame, row: npt.NDArray[np.int64], oddities: Oddities) -> npt.NDArray[np.bool_]:
    """Which outcomes (n,) of the cases `row` (n,) stand there already; tells of them, and of those that changed."""
    of = row * len(Way) + outcomes["way"].cat.codes.to_numpy()
    shared = pd.Series(of).duplicated(keep=False).to_numpy()
    several = outcomes[shared].assign(of=of[shared])
    same = several.duplicated(["of", "truth", "known_at", "told_at"]).to_numpy()
    oddities.tell(
        "Outcomes delivered again with the same content, counted once: {n:,}.", several["case_id"][same],
        count=int(same.sum()),
    )  # fmt: skip
    truths = several.groupby("of", sort=False)["truth"].transform("nunique")
    oddities.tell(
        "Cases whose outcome changed: {n:,}. The last told stands, the earlier ones are kept as its history.",
        several["case_id"][truths > 1],
    )
    again = np.zeros(len(outcomes), np.bool_)
    again[np.flatnonzero(shared)[same]] = True
    return again


def rows_of(ids: pa.ChunkedArray, wanted: pd.Series[str]) -> npt.NDArray[np.int64]:
    """Where among `ids` (N, unique) each of `wanted` (m,) stands; -1 where it does not."""
    codes, distinct = pd.factorize(wanted)
    at = np.full(len(distinct) + 1, -1, np.int64)
    if len(distinct):
        place = pc.index_in(ids, value_set=pa.array(distinct, pa.large_string()))
        hits = pc.indices_nonzero(pc.is_valid(place)).to_numpy().astype(np.int64)
        at[place.drop_null().to_numpy()] = hits
    return at[codes]


def _array(column: pd.Series[Any], kind: pa.DataType) -> pa.Array:
    if kind == WORDS:
        return pa.array(column.astype("str"), pa.large_string()).dictionary_encode().cast(WORDS)
    return pa.array(column, kind)


def _open(path: Path, delivery: str, oddities: Oddities) -> tuple[pd.DataFrame, npt.NDArray[np.int64]]:
    """A delivery as it lies on disk, and the number of each row."""
    if path.suffix.lower() == ".csv":
        return read_text(path, delivery, oddities)
    with pq.ParquetFile(path) as file:
        if file.metadata.num_rows > MOST_ROWS:
            raise FeedError(
                f"a delivery has at most {MOST_ROWS:,} rows",
                case=delivery,
                value=f"{file.metadata.num_rows:,} rows",
                next_step="Split it, by month say.",
            )
    frame: pd.DataFrame = read_parquet(path).to_pandas(ignore_metadata=True)
    require_once(frame.columns, delivery)
    return frame, np.arange(1, len(frame) + 1)


def _tell(
    known: Moments, told: Moments | None, ids: pd.Series[str], delivery: str, timezone: str, oddities: Oddities
) -> None:
    tell_of_clock(known, ids, f"{delivery}, known_at", timezone, oddities)
    if told is None:
        oddities.tell(
            f"{delivery} has no column told_at: its {{n:,}} outcomes count from when they were known.",
            ids,
            count=len(ids),
        )
        return
    tell_of_clock(told, ids, f"{delivery}, told_at", timezone, oddities)
    oddities.tell(
        f"{delivery}: {{n:,}} times of told_at are empty or no time as ISO 8601; the outcomes count from when they "
        "were known.",
        ids[told.utc.isna()],
    )


def _kept(
    made: pd.DataFrame,
    table: pd.DataFrame,
    truth: pd.Series[str],
    way: pd.Series[str],
    delivery: str,
    oddities: Oddities,
) -> npt.NDArray[np.bool_]:
    """Rows (n,) that can be read; the others are set aside."""
    rows = table.reset_index(drop=True).assign(case_id=made["case_id"], row=made["row"])
    kept = np.ones(len(made), np.bool_)
    for wrong, rule, next_step in (
        (made["case_id"] == "", "an outcome names its case", "Fill in case_id in the delivery."),
        (
            ~made["way"].isin(list(Way)),
            f"the way an outcome became known is one of: {', '.join(Way)}",
            f"Mend the column way ({found(way[~made['way'].isin(list(Way))])}).",
        ),
        (
            (truth == "") | (made["truth"] == UNREAD),
            _TRUTH_RULE,
            f"Mend the column truth ({found(truth[made['truth'] == UNREAD])}).",
        ),
        (
            made["known_at"].isna(),
            "an outcome says when it became known, as ISO 8601: 2026-03-05",
            "Mend the column known_at.",
        ),
    ):
        bad = wrong.to_numpy(np.bool_) & kept
        oddities.set_aside(rows, bad, delivery=delivery, what="outcome", rule=rule, next_step=next_step)
        kept &= ~bad
    return kept


def _ways() -> pd.CategoricalDtype:
    return pd.CategoricalDtype(pd.Index([way.value for way in Way], dtype="str"))
