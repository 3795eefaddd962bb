"""The table of outcomes of a feed: its columns, what a truth may say, and a delivery in that layout, read at once."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from derm_kit.cases.parquets import read_parquet
from derm_kit.diagnoses import is_outside, lesion_types
from derm_kit.errors import DiagnosisError
from derm_kit.lesions import LESION_TYPES, format_truth, parse_truth
from derm_kit.model.run import MOST_ROWS
from derm_kit.surveillance.case_tables import MOMENT, WORDS, fits
from derm_kit.surveillance.feed import Way

OUT_OF_SCOPE: Final = "none of the eleven types"
"""A truth that is known, and is no lesion type."""

_NOT_CANCER: Final = format_truth(t for t in LESION_TYPES if not t.cancer)
_BENIGN: Final = format_truth(t for t in LESION_TYPES if not t.flagged)
_WIDE: Final = {
    **dict.fromkeys(("no cancer", "not cancer", "no skin cancer", "no malignancy"), _NOT_CANCER),
    **dict.fromkeys(("benign", "benign lesion"), _BENIGN),
    OUT_OF_SCOPE: "",
}
"""What registries and letters say of a lesion that is no cancer, without its name: the types that this leaves open."""

UNREAD: Final = "?"
"""What `read_truth` gives for a truth that nobody knows."""

SCHEMA: Final = pa.schema(
    [
        ("case_id", pa.large_string()),
        ("truth", WORDS),
        ("known_at", MOMENT),
        ("told_at", MOMENT),
        ("way", WORDS),
        ("row", pa.int64()),
        ("day_only", pa.bool_()),
    ]
)
"""Rows of one delivery: `row` is their number in it (a text table's line); `day_only`: known_at has no time of day."""


def read_at_once(path: Path) -> pa.Table | None:
    """A parquet that has a feed's columns, sound in every cell, as a table of SCHEMA; else None."""
    held = pq.read_schema(path)
    named = ("case_id", "truth", "known_at", "told_at", "way")
    if any(held.names.count(name) != 1 or not fits(held.field(name).type, SCHEMA.field(name).type) for name in named):
        return None
    if pq.read_metadata(path).num_rows > MOST_ROWS:
        return None
    table = read_parquet(path, list(named), ("truth", "way")).combine_chunks()
    ids, truth, way = (table[name].combine_chunks() for name in ("case_id", "truth", "way"))
    if not table.num_rows or any(column.null_count for column in table.columns):
        return None
    truths = [read_truth(word) if word else UNREAD for word in truth.dictionary.to_pylist()]
    if UNREAD in truths or len(set(truths)) < len(truths) or not set(way.dictionary.to_pylist()) <= set(Way):
        return None
    if not pc.all(pc.and_(pc.not_equal(ids, ""), pc.equal(ids, pc.utf8_trim_whitespace(ids)))).as_py():
        return None
    columns = {
        "case_id": ids,
        "truth": pa.DictionaryArray.from_arrays(truth.indices, pa.array(truths, pa.large_string())),
        "known_at": table["known_at"],
        "told_at": table["told_at"],
        "way": way,
        "row": pa.array(np.arange(1, table.num_rows + 1)),
        "day_only": pa.array(np.zeros(table.num_rows, np.bool_)),
    }
    return pa.table([columns[field.name].cast(field.type) for field in SCHEMA], schema=SCHEMA)


def read_truth(text: str) -> str:
    """Lesion types joined by "|", "" for a known diagnosis that is none of the eleven, "?" where nobody knows it."""
    plain = " ".join(text.replace("_", " ").casefold().split())
    if plain in _WIDE or not text:
        return _WIDE.get(plain, "")
    try:
        return format_truth(parse_truth(text))
    except DiagnosisError:
        pass
    try:
        types = lesion_types(text)
        return format_truth(types) if types or is_outside(text) else UNREAD
    except DiagnosisError:
        return UNREAD
