"""Parquet from outside: a file of kilobytes may stand for gigabytes, so what it would unfold to is bounded first."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from derm_kit.cases.parquet_pages import unfolded_bytes

MOST_TIMES: Final = 100
"""What a table may be in memory, in times of its file's size; tables of scores take 1 to 20."""

ALWAYS_BYTES: Final = 128 * 2**20
"""A table of this size in memory is read whatever its file's size."""

MOST_ROWS_A_BYTE: Final = 10
"""Each row of a table of cases has an id of its own, which takes bytes however well it is packed."""

ALWAYS_ROWS: Final = 20_000

BYTES_A_GROUP: Final = 1_000
"""What a file has at least for each of its row groups: to say where the columns of one lie takes as much."""

ALWAYS_GROUPS: Final = 1_000

_BYTES: Final = {"BOOLEAN": 1, "INT32": 4, "FLOAT": 4, "BYTE_ARRAY": 4}
_USUAL_BYTES: Final = 8
_CODED: Final = frozenset({"RLE_DICTIONARY", "PLAIN_DICTIONARY", "DELTA_BYTE_ARRAY"})
"""Encodings by which a word takes fewer bytes than it has."""


class UnfoldsError(ValueError):
    """A parquet that would unfold to more than its file gives reason for."""


def read_parquet(path: Path, columns: list[str] | None = None, coded: Collection[str] = ()) -> pa.Table:
    """The table of a parquet file, or some of its columns, the text columns in `coded` as dictionaries of their words.

    Raises OSError or pyarrow.ArrowException where the file cannot be read, UnfoldsError (a ValueError) where it is
    written so tightly that its rows would fill the memory.
    """
    size = path.stat().st_size
    with pq.ParquetFile(path) as file:
        said, schema = file.metadata, file.schema_arrow
    if said.num_row_groups > max(ALWAYS_GROUPS, size // BYTES_A_GROUP):
        raise UnfoldsError(f"it has {said.num_row_groups:,} row groups, more than a file of its size has reason for")
    _require_columns_described(said, size)
    if said.num_rows > max(ALWAYS_ROWS, MOST_ROWS_A_BYTE * size):
        raise UnfoldsError(f"it has {said.num_rows:,} rows, more than a file of its size can say anything of")
    most = max(ALWAYS_BYTES, MOST_TIMES * size)
    _require(max(_announced(said), unfolded_bytes(path, said)), most)
    unfolds = _may_be(said) > ALWAYS_BYTES
    words = [field.name for field in schema if _has_words(field.type) and (unfolds or field.name in coded)]
    with pq.ParquetFile(path, read_dictionary=words) as file:
        table = file.read(columns=columns)
    _require(sum(_plain_bytes(column) for column in table.columns), most)
    given = schema if columns is None else [schema.field(name) for name in table.column_names]
    for i, field in enumerate(given):
        if field.name not in coded and table.column(i).type != field.type:
            table = table.set_column(i, field.name, table.column(i).cast(field.type))
    return table


def is_text(kind: pa.DataType) -> bool:
    """Whether a column holds plain text."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _has_words(kind: pa.DataType) -> bool:
    return is_text(kind) or bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _require(would_be: int, most: int) -> None:
    if would_be > most:
        raise UnfoldsError(f"its rows would take {would_be:,} bytes of memory, many times the file's size")


class _NoPages(io.RawIOBase):
    """A file of `size` bytes that ends before its first, and whether anything was `wanted` of it."""

    def __init__(self, size: int) -> None:
        self._size, self._at = size, 0
        self.wanted = False

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def read(self, size: int = -1) -> bytes:
        self.wanted = True
        return b""


def _require_columns_described(said: pq.FileMetaData, size: int) -> None:
    """Raise OSError where what a file says of a column cannot be: to ask pyarrow for it would end the process.

    (FileMetaData.row_group(i).column(k) lets a C++ exception through, std::terminate; reading tells it as an error.)
    """
    for group in range(said.num_row_groups):
        pages = _NoPages(size)
        try:
            with pq.ParquetFile(pa.PythonFile(pages, "r"), metadata=said, buffer_size=4096) as file:
                next(file.iter_batches(1, row_groups=[group], use_threads=False), None)
        except (OSError, pa.ArrowException):
            if not pages.wanted:
                raise


def _parts(said: pq.FileMetaData) -> Iterator[pq.ColumnChunkMetaData]:
    groups = (said.row_group(i) for i in range(said.num_row_groups))
    return (group.column(i) for group in groups for i in range(group.num_columns))


def _announced(said: pq.FileMetaData) -> int:
    """Bytes (at least) of all values that a file says it has."""
    return sum(part.num_values * _BYTES.get(part.physical_type, _USUAL_BYTES) for part in _parts(said))


def _may_be(said: pq.FileMetaData) -> int:
    """Bytes (at most) of all words: one that is written once may stand in every row."""
    return sum(
        part.total_uncompressed_size * (part.num_values if _CODED.intersection(part.encodings) else 1)
        for part in _parts(said)
        if part.physical_type == "BYTE_ARRAY"
    )


def _plain_bytes(column: pa.ChunkedArray) -> int:
    """Bytes of a column once its words are written out row by row."""
    if not (pa.types.is_dictionary(column.type) and _has_words(column.type.value_type)):
        return int(column.nbytes)
    total = 0
    for chunk in column.chunks:
        lengths = pc.binary_length(chunk.dictionary).cast(pa.int64())
        total += 4 * len(chunk) + (pc.sum(lengths.take(chunk.indices)).as_py() or 0)
    return total
