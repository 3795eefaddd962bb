"""Parquet files that would unfold to gigabytes are refused before they do; all others are read as they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from derm_kit.cases.parquets import ALWAYS_BYTES, BYTES_A_GROUP, UnfoldsError, read_parquet
from derm_kit.errors import RunError
from derm_kit.model.card import default_model
from derm_kit.model.run import SCORE_COLUMNS, read_run
from tests.fuzz.tables import with_forged_sizes
from tests.peak import forget_peak, held_bytes


def said_in_every_row(word: str, rows: int) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array([word], pa.large_string()))


@pytest.mark.parametrize(
    "column",
    [
        said_in_every_row("x" * 60_000, 20_000),
        said_in_every_row("x" * 200, 1_000_000),
        pa.nulls(40_000_000, pa.int32()),
    ],
    ids=["long words", "many rows", "nulls"],
)
def test_what_would_fill_the_memory_is_refused(tmp_path: Path, column: pa.Array):
    path = tmp_path / "bomb.parquet"
    pq.write_table(pa.table({"case_id": column, "melanoma": column}), path, compression="zstd")
    assert path.stat().st_size < 200_000
    before = pa.total_allocated_bytes()
    with pytest.raises(UnfoldsError, match=r"bytes of memory|rows, more than"):
        read_parquet(path)
    assert pa.total_allocated_bytes() - before < ALWAYS_BYTES
    with pytest.raises(RunError, match=r"bytes of memory|rows, more than|at most 20,000,000 rows"):
        read_run(path)


@pytest.mark.parametrize("forged", [False, True])
def test_one_cell_of_hundreds_of_megabytes_is_refused_before_it_is_unfolded(tmp_path: Path, forged: bool):
    """Whether the footer owns up to it or not: the page's own header must."""
    path = tmp_path / "bomb.parquet"
    pq.write_table(
        pa.table({"case_id": pa.array(["x" * 200_000_000], pa.large_string())}), path,
        compression="zstd", use_dictionary=False, write_statistics=False,
    )  # fmt: skip
    if forged:
        path.write_bytes(with_forged_sizes(path.read_bytes()))
        assert pq.read_metadata(path).row_group(0).column(0).total_uncompressed_size == 10_000
    assert path.stat().st_size < 100_000
    pa.default_memory_pool().release_unused()
    forget_peak()
    before = held_bytes("VmHWM")
    with pytest.raises(UnfoldsError, match="200,000,0"):
        read_parquet(path)
    assert held_bytes("VmHWM") - before < ALWAYS_BYTES


def test_groups_of_next_to_nothing_are_refused_and_many_small_ones_read(tmp_path: Path):
    path, table = tmp_path / "t.parquet", pa.table({"a": pa.array([True, False])})
    with pq.ParquetWriter(path, table.schema, write_statistics=False, compression="none") as writer:
        for _ in range(1_001):
            writer.write_table(table)
    assert path.stat().st_size < 1_001 * BYTES_A_GROUP
    with pytest.raises(UnfoldsError, match="it has 1,001 row groups"):
        read_parquet(path)
    wide = pa.table({column: [0.5] for column in SCORE_COLUMNS})
    with pq.ParquetWriter(path, wide.schema) as writer:
        for _ in range(1_200):
            writer.write_table(wide)
    assert read_parquet(path).num_rows == 1_200


@pytest.mark.parametrize("column", range(3))
def test_a_column_described_as_it_cannot_be_is_an_error_and_no_end_of_the_process(tmp_path: Path, column: int):
    """One byte of the schema says that a column whose pages count its nulls has none."""
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({name: ["x", None] for name in "abc"}), path, row_group_size=1)
    whole = path.read_bytes()
    footer = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    optional = [at for at in range(footer, len(whole)) if whole[at : at + 2] == b"\x25\x02"][column]
    path.write_bytes(whole[: optional + 1] + b"\x00" + whole[optional + 2 :])
    with pytest.raises(OSError, match="level histogram size mismatch"):
        read_parquet(path)


def test_real_tables_are_read_as_pyarrow_reads_them():
    for path in default_model().glob("*.parquet"):
        assert read_parquet(path).equals(pq.read_table(path))


def test_columns_of_one_name_and_of_all_kinds_are_read(tmp_path: Path):
    words = pa.array(["a", "b", None])
    kinds = [
        words,
        words.dictionary_encode(),
        pa.array([[1], [], None]),
        pa.array([1.5, None, 2]),
        words.cast(pa.large_string()),
    ]
    table = pa.table(kinds, names=["a", "b", "c", "d", "a"])
    pq.write_table(table, tmp_path / "t.parquet")
    assert read_parquet(tmp_path / "t.parquet").equals(table)
    empty = pd.DataFrame({"a": pd.Series([], dtype="str")})
    empty.to_parquet(tmp_path / "empty.parquet")
    assert read_parquet(tmp_path / "empty.parquet").num_rows == 0
