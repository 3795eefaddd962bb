"""What the pages of a parquet unfold to, by headers that are honest, odd or hostile."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from derm_kit.cases.parquet_pages import unfolded_bytes
from derm_kit.cases.parquets import read_parquet


def test_pages_of_every_kind_say_what_they_unfold_to(tmp_path: Path):
    """As the footer of an honest file does, less the headers themselves."""
    path = tmp_path / "t.parquet"
    words = pa.array([str(i % 700) for i in range(50_000)])
    table = pa.table({"word": words, "list": pa.array([[1.5], None] * 25_000), "yes": pa.array([True, None] * 25_000)})
    for more in (
        {},
        {"data_page_version": "2.0", "compression": "none"},
        {"use_dictionary": False, "column_encoding": {"word": "DELTA_BYTE_ARRAY"}},
        {"write_page_checksum": True, "data_page_size": 2_000},
    ):
        pq.write_table(table, path, row_group_size=20_000, **more)
        said = pq.read_metadata(path)
        parts = [said.row_group(i).column(k) for i in range(3) for k in range(3)]
        honest = sum(part.total_uncompressed_size for part in parts)
        assert 0.97 * honest < unfolded_bytes(path, said) < honest


SIZES = bytes.fromhex("15 80 01 15 00")
"""Fields 2 and 3 of a page's header, if field 1 stands before them: 64 bytes in memory, none in the file."""


def with_header(path: Path, header: bytes) -> int:
    """What a file says that it unfolds to whose first page begins with this header; the rest of it is nothing."""
    pq.write_table(pa.table({"a": range(1_000)}), path, compression="none", use_dictionary=False)
    whole = path.read_bytes()
    part = pq.read_metadata(path).row_group(0).column(0)
    start, end = part.data_page_offset, part.data_page_offset + part.total_compressed_size
    path.write_bytes(whole[:start] + header.ljust(end - start, b"\x01")[: end - start] + whole[end:])
    return unfolded_bytes(path, pq.read_metadata(path))


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (bytes.fromhex("1d"), "unknown kind 13"),
        (bytes.fromhex("1b 01"), "unknown kind 11"),
        (bytes.fromhex("1c") * 20, "nested too deeply"),
        (bytes.fromhex("15") + b"\xff" * 20, "more than 64 bits"),
        (bytes.fromhex("15 00 15 01 15 00 00"), "fewer than no bytes"),
        (bytes.fromhex("15 00 15 00 15 01 00"), "fewer than no bytes"),
        (bytes.fromhex("00"), "without a header"),
        (bytes.fromhex("15 00") + SIZES + bytes.fromhex("18 ff ff ff ff 0f"), "without a header"),
        (bytes.fromhex("15 00") + SIZES + bytes.fromhex("19 f3 ff ff ff ff 0f"), "without a header"),
    ],
)
def test_a_page_whose_header_cannot_be_read_is_an_error(tmp_path: Path, header: bytes, said: str):
    with pytest.raises(OSError, match=said):
        with_header(tmp_path / "t.parquet", header)
    with pytest.raises(OSError, match=said):
        read_parquet(tmp_path / "t.parquet")


MORE = {
    "nothing": "",
    "true": "11",
    "false": "12",
    "byte": "13 07",
    "double": "17 00 00 00 00 00 00 00 00",
    "binary": "18 02 61 62",
    "long binary": "18 d0 0f" + " 61" * 2_000,
    "booleans": "19 21 01 02",
    "set": "1a 25 02 04",
    "structs": "19 1c 15 02 00",
    "struct": "1c 15 02 00",
    "field by its number": "05 14 02",
    "long list": "19 f3 10" + " 07" * 16,
}


@pytest.mark.parametrize("more", MORE.values(), ids=MORE)
def test_whatever_else_a_header_holds_is_passed_over(tmp_path: Path, more: str):
    header = bytes.fromhex("15 00 15 80 01")
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": range(1_000)}), path, compression="none", use_dictionary=False)
    size = pq.read_metadata(path).row_group(0).column(0).total_compressed_size
    folded = size - len(header) - 4 - len(bytes.fromhex(more))
    sizes = bytes([folded << 1 & 127 | 128, folded << 1 >> 7 & 127])
    assert with_header(path, header + b"\x15" + sizes + bytes.fromhex(more) + b"\x00") == 64


@given(st.binary(min_size=1, max_size=64))
def test_any_bytes_for_a_header_end_in_a_number_or_an_error(header: bytes):
    with tempfile.TemporaryDirectory() as folder:
        try:
            assert with_header(Path(folder) / "t.parquet", header) >= 0
        except OSError as error:
            assert "a page" in str(error)


def test_columns_that_lie_over_each_other_are_an_error(tmp_path: Path):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": range(1_000)}), path, compression="none", use_dictionary=False)
    said = pq.read_metadata(path)
    path.write_bytes(path.read_bytes()[:1_000])
    with pytest.raises(OSError, match="more bytes than the file has"):
        unfolded_bytes(path, said)
