"""Sound tables of scores, cases and outcomes, and parquet files that were changed or built to mislead."""

from __future__ import annotations

import io
from functools import cache
from random import Random
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from derm_kit.lesions import LESION_TYPES
from tests.fuzz.mutations import bytes_changed
from tests.fuzz.nasty import NASTY, NUMBERS, few

KINDS = [t.value for t in LESION_TYPES]
METADATA = [
    ["case_id", "image", "diagnosis", "age", "sex", "site", "skin_type", "patient_id", "split"],
    ["c0", "IM0.jpg", "melanoma", "61", "female", "back", "II", "p1", "test"],
    ["c1", "images/IM1.jpg", "basal cell carcinoma", "45", "male", "face", "III", "p2", "test"],
    ["c2", "IM2", "naevus", "85+", "", "nail", "", "p3", ""],
    ["c3", "IM3.jpg", "", "", "", "", "", "", ""],
]
_SCORES = ["0.7", "0.05", "0.05", "0.02", "0.02", "", "0.01", "0.05", "0.02", "0.03", "0.05"]
SCORES = [
    [
        "case_id",
        *KINDS,
        "truth",
        "age_years",
        "sex",
        "anatomical_site",
        "skin_type",
        "exclusion",
        "quality_fail",
        "quality_reason",
    ],
    ["a1", *_SCORES, "melanoma", "61", "female", "back", "II", "", "no", ""],
    ["a2", *reversed(_SCORES), "benign_naevus", "45", "male", "face", "III", "", "no", ""],
    ["a3", *_SCORES, "", "", "", "", "", "", "yes", "blurred"],
]
FEED_CASES = [
    [
        "case_id",
        "imaged_at",
        "decided_at",
        "site",
        "device",
        "product",
        "suspected",
        "disposition",
        "melanoma",
        "benign_naevus",
        "age_years",
    ],
    [
        "a1",
        "2026-03-05T10:00:00Z",
        "2026-03-05T10:01:00Z",
        "Leeds",
        "D1",
        "m1",
        "melanoma",
        "urgent suspected cancer",
        "0.7",
        "0.1",
        "61",
    ],
    ["a2", "2026-03-06T10:00:00+01:00", "", "York", "D2", "m1", "none", "discharge advice", "0.1", "0.8", "40"],
    ["a3", "2026-03-07 09:30", "2026-03-07 09:31", "York", "D2", "m1", "not assessed", "clinician review", "", "", ""],
]
FEED_OUTCOMES = [
    ["case_id", "truth", "known_at", "way", "told_at"],
    ["a1", "melanoma", "2026-04-01", "biopsy", "2026-04-09"],
    ["a2", "benign_naevus", "2026-04-01T10:00:00Z", "audit_sample", "2026-04-02"],
    ["a2", "melanoma", "2026-04-03T10:00:00Z", "audit_sample", "2026-04-05"],
]


def parquet_changed(rng: Random, table: pd.DataFrame, about: dict[bytes, bytes]) -> bytes:
    """A parquet of `table` with columns of other types, or built to unfold, or with bytes changed."""
    if rng.random() < 0.04:
        return _bomb(rng, [*map(str, table.columns)])
    made = pa.Table.from_pandas(table, preserve_index=rng.random() < 0.1)
    for _ in few(rng):
        made = _column_changed(rng, made)
    if about and rng.random() < 0.5:
        made = made.replace_schema_metadata(about)
    if rng.random() < 0.1:
        made = made.replace_schema_metadata(
            {b"pandas": rng.choice((b"{}", b"[1", b'{"columns": [{"name": 1}]}', b"null"))}
        )
    file = io.BytesIO()
    try:
        pq.write_table(
            made, file, compression=rng.choice(("none", "snappy", "zstd", "gzip")), use_dictionary=rng.random() < 0.7
        )
    except (pa.ArrowException, ValueError):
        file = io.BytesIO()
        pq.write_table(pa.Table.from_pandas(table), file)
    data = file.getvalue()
    if rng.random() < 0.45:
        data = _footer_changed(rng, data) if rng.random() < 0.5 else bytes_changed(rng, data)
    return data


def _footer_changed(rng: Random, data: bytes) -> bytes:
    """What the file says of its columns, pages and rows, changed; it stands at its end."""
    length = int.from_bytes(data[-8:-4], "little")
    start = max(len(data) - 8 - length, 4)
    return data[:start] + bytes_changed(rng, data[start:-8])[: len(data)] + data[-8:]


def _column_changed(rng: Random, table: pa.Table) -> pa.Table:
    n = table.num_rows
    way = rng.randrange(12)
    if way == 0 and table.num_columns > 1:
        return table.remove_column(rng.randrange(table.num_columns))
    if way == 1:
        return table.append_column(rng.choice((*table.column_names, *NASTY)), _array(rng, n))
    if way == 2:
        at = rng.randrange(table.num_columns)
        return table.rename_columns(
            [rng.choice(NASTY) if i == at else name for i, name in enumerate(table.column_names)]
        )
    if way == 3:
        return table.slice(0, 0) if rng.random() < 0.3 else pa.concat_tables([table] * rng.choice((2, 400)))
    at = rng.randrange(table.num_columns)
    return table.set_column(at, table.column_names[at], _array(rng, n))


def _array(rng: Random, n: int) -> pa.Array:
    """A column of any type, with values that its reader does not expect."""
    makers: tuple[Any, ...] = (
        lambda: pa.array([rng.choice(NASTY) for _ in range(n)], pa.large_string()),
        lambda: pa.array([rng.choice(NASTY) for _ in range(n)]).dictionary_encode(),
        lambda: pa.array([rng.choice((*NUMBERS[11:], None)) for _ in range(n)], pa.float64()),
        lambda: pa.array([rng.choice((0, 1, -1, 2**63 - 1, -(2**63), None)) for _ in range(n)], pa.int64()),
        lambda: pa.array([rng.choice((0, 2**64 - 1)) for _ in range(n)], pa.uint64()),
        lambda: pa.array(
            [rng.choice((0, 10**18, -(2**63) + 1, 2**63 - 1, None)) for _ in range(n)],
            pa.timestamp(rng.choice(("s", "ms", "us", "ns")), rng.choice((None, "UTC", "Asia/Kathmandu"))),
        ),
        lambda: pa.array([rng.choice((0, 40_000, -(2**31), 2**31 - 1)) for _ in range(n)], pa.date32()),
        lambda: pa.array([rng.choice((True, False, None)) for _ in range(n)]),
        lambda: pa.array([rng.choice((b"", b"\xff\xfe", b"melanoma")) for _ in range(n)], pa.binary()),
        lambda: pa.array([[rng.choice(NASTY)] * rng.randrange(3) for _ in range(n)], pa.list_(pa.string())),
        lambda: pa.array(
            [{"a": 1, "b": rng.choice(NASTY)} for _ in range(n)], pa.struct([("a", pa.int8()), ("b", pa.string())])
        ),
        lambda: pa.nulls(n),
        lambda: pa.array([rng.choice((0, 86_399)) for _ in range(n)], pa.time32("s")),
        lambda: pa.array([rng.choice((0, 2**40)) for _ in range(n)], pa.duration("s")),
        lambda: pa.array(np.full(n, np.float16(0.5))),
        lambda: pa.array([None] * n, pa.decimal128(38, 5)),
        lambda: pa.array([[("a", 1)]] * n, pa.map_(pa.string(), pa.int8())),
    )
    try:
        return rng.choice(makers)()
    except (pa.ArrowException, UnicodeError):
        return pa.nulls(n)


def _bomb(rng: Random, names: list[str]) -> bytes:
    """A few kilobytes that unfold to gigabytes: a word or a number, written once and said in every one of many rows."""
    rows, length = rng.choice(((20_000, 60_000), (1_000_000, 20), (1_000_000, 2_000), (1, 1_200_000_000)))
    if rows == 1:
        return _one_cell(names[0], length, rng.random() < 0.5)
    return _unfolding(tuple(names[: rng.choice((2, 12))]), rows, "x" * length if rng.random() < 0.5 else "melanoma")


@cache
def _one_cell(name: str, length: int, forged: bool) -> bytes:
    """One word of more than a gigabyte; a forger's footer says that it has a few bytes."""
    file = io.BytesIO()
    table = pa.table({name: pa.array(["x" * length], pa.large_string())})
    pq.write_table(table, file, compression="zstd", use_dictionary=False, write_statistics=False)
    return with_forged_sizes(file.getvalue()) if forged else file.getvalue()


def with_forged_sizes(parquet: bytes, said: int = 10_000) -> bytes:
    """The same file of one column, whose footer says of its pages that they have `said` bytes in memory."""
    footer = len(parquet) - 8 - int.from_bytes(parquet[-8:-4], "little")
    true = pq.read_metadata(io.BytesIO(parquet)).row_group(0).column(0).total_uncompressed_size
    written = _varint(true)
    forged = _varint(said, len(written))
    return parquet[:footer] + parquet[footer:].replace(written, forged)


def _varint(number: int, length: int = 1) -> bytes:
    """A whole number as Thrift's compact protocol writes it, in at least `length` bytes."""
    rest, parts = number << 1, []
    while rest or len(parts) < length:
        parts.append(rest & 127 | 128)
        rest >>= 7
    return bytes([*parts[:-1], parts[-1] & 127])


@cache
def _unfolding(names: tuple[str, ...], rows: int, word: str) -> bytes:
    codes = pa.array(np.zeros(rows, np.int32))
    said = pa.DictionaryArray.from_arrays(codes, pa.array([word], pa.large_string()))
    file = io.BytesIO()
    pq.write_table(pa.table(dict.fromkeys(names, said)), file, use_dictionary=True, compression="zstd")
    return file.getvalue()
