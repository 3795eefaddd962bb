"""The table of cases of a feed: its columns, and one delivery that has them already, read at once."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from derm_kit.cases.parquets import is_text, read_parquet
from derm_kit.lesions import LESION_TYPES
from derm_kit.model.run import MOST_ROWS
from derm_kit.surveillance.feed import SUSPECTED
from derm_kit.triage.policy import Disposition

SCORES: Final = tuple(t.value for t in LESION_TYPES)
MOMENTS: Final = ("imaged_at", "decided_at")
SKIN_TYPES: Final = ("", "I", "II", "III", "IV", "V", "VI")
CATEGORIES: Final[dict[str, tuple[str, ...] | None]] = {
    "product": None,
    "site": None,
    "device": None,
    "suspected": SUSPECTED,
    "disposition": tuple(Disposition),
    "quality_reason": None,
    "sex": None,
    "skin_type": SKIN_TYPES,
}
"""Columns of categories, and what they hold where that is fixed."""

WORDS: Final = pa.dictionary(pa.int32(), pa.large_string())
MOMENT: Final = pa.timestamp("us", "UTC")
SCHEMA: Final = pa.schema(
    [
        ("case_id", pa.large_string()),
        *((name, WORDS) for name in ("product", "site", "device")),
        *((name, MOMENT) for name in MOMENTS),
        *((name, WORDS) for name in ("suspected", "disposition")),
        *((name, pa.float32()) for name in SCORES),
        ("quality_fail", pa.bool_()),
        ("quality_reason", WORDS),
        ("age_years", pa.float32()),
        *((name, WORDS) for name in ("sex", "skin_type")),
    ]
)
_PLAIN_ID: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$"


def read_at_once(path: Path) -> pa.Table | None:
    """A parquet whose columns are those of a feed already, sound in every cell, as a table of SCHEMA; else None.

    Raises OSError or pyarrow.ArrowException where the file cannot be read.
    """
    held = pq.read_schema(path)
    if any(held.names.count(field.name) != 1 or not fits(held.field(field.name).type, field.type) for field in SCHEMA):
        return None
    if pq.read_metadata(path).num_rows > MOST_ROWS:
        return None
    table = read_parquet(path, SCHEMA.names, tuple(CATEGORIES)).select(SCHEMA.names)
    made = pa.table([_cast(table[field.name], field.type) for field in SCHEMA], schema=SCHEMA)
    return made if _sound(made) else None


def fits(held: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether a column of a parquet can be taken as `wanted` without a look at its cells."""
    if wanted == WORDS:
        return is_text(held.value_type if pa.types.is_dictionary(held) else held)
    if wanted == pa.large_string():
        return is_text(held)
    if wanted == MOMENT:
        return pa.types.is_timestamp(held) and held.tz is not None
    return bool(held == wanted)


def _cast(column: pa.ChunkedArray, wanted: pa.DataType) -> pa.ChunkedArray:
    if pa.types.is_floating(wanted) and column.null_count:
        column = pc.fill_null(column, np.nan)
    return column if column.type == wanted else column.cast(wanted)


def _sound(table: pa.Table) -> bool:
    if any(table[name].null_count for name in SCHEMA.names if name != "decided_at"):
        return False
    for name, allowed in CATEGORIES.items():
        for chunk in table[name].chunks:
            words = chunk.dictionary.to_pylist()
            if not (set(words) <= set(allowed) if allowed else all(_is_plain(word) for word in words)):
                return False
    for name in SCORES:
        scores = table[name].to_numpy()
        if ((scores < 0) | (scores > 1)).any():
            return False
    ages = table["age_years"].to_numpy()
    if ((ages < 0) | (ages > 120)).any():
        return False
    return bool(pc.all(pc.match_substring_regex(table["case_id"], _PLAIN_ID), min_count=0).as_py())


def _is_plain(word: str) -> bool:
    return word.isprintable() and word == word.strip()
