"""What the pages of a parquet file unfold to, by their own headers: what a footer says of them may be a lie.

A header is a struct of Thrift's compact protocol (https://github.com/apache/thrift/blob/master/doc/specs/
thrift-compact-protocol.md), `PageHeader` of https://github.com/apache/parquet-format. pyarrow shows none of it before
the page is unfolded.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, Final

import pyarrow.parquet as pq

UNFOLDED, FOLDED = 2, 3
"""Fields of a header: the bytes of its page in memory, and in the file."""
_BYTES_AT_ONCE: Final = (2**10, 2**14, 2**18, 2**22)
"""Read for a header, the next where one is longer: the last for each would be gigabytes for a file of many pages."""
_MOST_DEPTH: Final = 8
_BOOLEANS, _BYTE, _INTEGERS, _DOUBLE, _BINARY, _LISTS, _STRUCT = (1, 2), 3, (4, 5, 6), 7, 8, (9, 10), 12


def unfolded_bytes(path: Path, said: pq.FileMetaData) -> int:
    """Bytes in memory of all pages of the file at `path`, whose footer is `said`.

    Raises OSError where a page has no header that can be read, or columns lie over each other.
    """
    parts = [said.row_group(i).column(k) for i in range(said.num_row_groups) for k in range(said.num_columns)]
    if sum(max(part.total_compressed_size, 0) for part in parts) > path.stat().st_size:
        raise OSError("its columns are said to take more bytes than the file has")
    with path.open("rb") as file:
        return sum(_of_column(file, part) for part in parts if part.num_values)


def _of_column(file: BinaryIO, part: pq.ColumnChunkMetaData) -> int:
    at = part.data_page_offset
    if part.has_dictionary_page and 0 < part.dictionary_page_offset < at:
        at = part.dictionary_page_offset
    end = at + part.total_compressed_size
    total = 0
    while at < end:
        fields, length = _header(file, at)
        if fields[UNFOLDED] < 0 or fields[FOLDED] < 0:
            raise OSError("a page of fewer than no bytes")
        total += fields[UNFOLDED]
        at += length + fields[FOLDED]
    return total


def _header(file: BinaryIO, at: int) -> tuple[dict[int, int], int]:
    """The whole numbers of the header at this place, by field, and its length."""
    for size in _BYTES_AT_ONCE:
        file.seek(at)
        data = file.read(size)
        try:
            fields, length = _struct(data, 0, 0)
        except IndexError:
            continue
        if fields.keys() >= {UNFOLDED, FOLDED}:
            return fields, length
    raise OSError("a page without a header that can be read")


def _struct(data: bytes, at: int, depth: int) -> tuple[dict[int, int], int]:
    """The integers of a struct by field, and where it ends. Raises IndexError where `data` ends before."""
    if depth > _MOST_DEPTH:
        raise OSError("a page whose header is nested too deeply")
    found: dict[int, int] = {}
    field = 0
    while byte := data[at]:
        kind, step = byte & 15, byte >> 4
        if step:
            field, at = field + step, at + 1
        else:
            number, at = _varint(data, at + 1)
            field = _signed(number)
        if kind in _INTEGERS:
            number, at = _varint(data, at)
            found[field] = _signed(number)
        elif kind not in _BOOLEANS:
            at = _past(data, at, kind, depth)
    return found, at + 1


def _past(data: bytes, at: int, kind: int, depth: int) -> int:
    """Where a value of this kind ends that begins at `at`."""
    if kind in (*_BOOLEANS, _BYTE):  # a boolean in a list: those of a struct are their own kind
        return at + 1
    if kind == _DOUBLE:
        return at + 8
    if kind in _INTEGERS:
        return _varint(data, at)[1]
    if kind == _BINARY:
        length, at = _varint(data, at)
        return at + length
    if kind in _LISTS:
        count, inner, at = data[at] >> 4, data[at] & 15, at + 1
        if count == 15:
            count, at = _varint(data, at)
        for _ in range(count):
            at = _past(data, at, inner, depth + 1)
            data[at]
        return at
    if kind == _STRUCT:
        return _struct(data, at, depth + 1)[1]
    raise OSError(f"a page whose header has a value of the unknown kind {kind}")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[at]
        number |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return number, at
        if shift > 63:
            raise OSError("a page whose header has a number of more than 64 bits")


def _signed(zigzag: int) -> int:
    return (zigzag >> 1) ^ -(zigzag & 1)
