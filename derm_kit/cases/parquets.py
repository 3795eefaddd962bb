"""Parquet from outside: a file of kilobytes may stand for gigabytes, so what it would unfold to is bounded first."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

MOST_TIMES: Final = 100
"""What a table may be in memory, in times of its file's size; tables of scores take 1 to 20."""

ALWAYS_BYTES: Final = 128 * 2**20
"""A table of this size in memory is read whatever its file's size."""

MOST_ROWS_A_BYTE: Final = 10
"""Each row of a table of cases has an id of its own, which takes bytes however well it is packed."""

ALWAYS_ROWS: Final = 20_000

_BYTES: Final = {"BOOLEAN": 1, "INT32": 4, "FLOAT": 4, "BYTE_ARRAY": 4}
_USUAL_BYTES: Final = 8


class UnfoldsError(ValueError):
    """A parquet that would unfold to more than its file gives reason for."""


def read_parquet(path: Path) -> pa.Table:
    """The table of a parquet file. Raises OSError, pyarrow.ArrowException or UnfoldsError, as `read_coded` does."""
    schema, table = pq.read_schema(path), read_coded(path)
    for i, field in enumerate(schema):
        if is_text(field.type):
            table = table.set_column(i, field.name, table.column(i).cast(field.type))
    return table


def read_coded(path: Path, columns: list[str] | None = None) -> pa.Table:
    """The table of a parquet file, or some of its columns, each text column as a dictionary of its words.

    Raises OSError or pyarrow.ArrowException where the file cannot be read, UnfoldsError (a ValueError) where it is
    written so tightly that its rows would fill the memory.
    """
    most = max(ALWAYS_BYTES, MOST_TIMES * path.stat().st_size)
    words = [field.name for field in pq.read_schema(path) if is_text(field.type)]
    with pq.ParquetFile(path, read_dictionary=words) as file:
        rows = file.metadata.num_rows
        if rows > max(ALWAYS_ROWS, MOST_ROWS_A_BYTE * path.stat().st_size):
            raise UnfoldsError(f"it has {rows:,} rows, more than a file of its size can say anything of")
        _require(_announced(file.metadata), most)
        table = file.read(columns=columns)
    _require(sum(_plain_bytes(column) for column in table.columns), most)
    return table


def is_text(kind: pa.DataType) -> bool:
    """Whether a column holds plain text."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _require(would_be: int, most: int) -> None:
    if would_be > most:
        raise UnfoldsError(f"its rows would take {would_be:,} bytes of memory, many times the file's size")


def _announced(said: pq.FileMetaData) -> int:
    """Bytes (at least) of all values that a file says it has."""
    groups = (said.row_group(i) for i in range(said.num_row_groups))
    columns = (group.column(i) for group in groups for i in range(group.num_columns))
    return sum(column.num_values * _BYTES.get(column.physical_type, _USUAL_BYTES) for column in columns)


def _plain_bytes(column: pa.ChunkedArray) -> int:
    """Bytes of a column once its words are written out row by row."""
    if not (pa.types.is_dictionary(column.type) and is_text(column.type.value_type)):
        return int(column.nbytes)
    total = 0
    for chunk in column.chunks:
        lengths = pc.binary_length(chunk.dictionary).cast(pa.int64())
        total += 4 * len(chunk) + (pc.sum(lengths.take(chunk.indices)).as_py() or 0)
    return total
