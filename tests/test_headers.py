"""Opening files and what their first bytes say, against the system itself."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from derm_kit.cases.headers import (
    MAX_CHUNKS,
    MAX_FILE_BYTES,
    check_png,
    exif_orientation,
    file_format,
    format_of,
    read_file,
)
from derm_kit.cases.images import decode
from derm_kit.errors import CaseError, DermKitError
from tests.hostile import HOSTILE, dicom, encoded, png_chunk


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("value, want", [*((v, v) for v in range(1, 9)), (0, 1), (9, 1), (65_535, 1)])
def test_exif_orientation_in_both_byte_orders(order: str, value: int, want: int) -> None:
    mark = b"II*\0" if order == "<" else b"MM\0*"
    entries = struct.pack(f"{order}HHHLL", 2, 0x010F, 2, 4, 0) + struct.pack(f"{order}HHLHH", 0x0112, 3, 1, value, 0)
    block = mark + struct.pack(f"{order}L", 8) + entries
    assert exif_orientation(block) == exif_orientation(b"Exif\0\0" + block) == want


def test_formats_are_read_from_the_first_bytes() -> None:
    found = [file_format(encoded(kind), "1") for kind in ("JPEG", "PNG", "TIFF", "WEBP", "BMP")]
    assert [*found, file_format(dicom(), "1")] == ["JPEG", "PNG", "TIFF", "WebP", "BMP", "DICOM"]


def test_the_format_of_a_file_is_known_by_its_signature_or_not_at_all(tmp_path: Path) -> None:
    for kind in ("JPEG", "PNG", "TIFF", "WEBP", "BMP"):
        (tmp_path / "a.dcm").write_bytes(encoded(kind))
        assert format_of(tmp_path / "a.dcm") == file_format(encoded(kind), "1")
    (tmp_path / "a.jpg").write_bytes(dicom())
    assert format_of(tmp_path / "a.jpg") == "DICOM"
    (tmp_path / "a.txt").write_bytes(dicom()[:131])
    os.mkfifo(tmp_path / "pipe")
    for name in ("a.txt", "missing", "pipe", "a\0b"):
        assert format_of(tmp_path / name) == ""


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\xff\x4f\xff\x51\0\x2f", "a JPEG 2000 picture"),
        (b"\xff\x0a\x40\x60", "a JPEG XL picture"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL picture"),
    ],
)
def test_formats_that_are_not_decoded_are_named(data: bytes, words: str) -> None:
    with pytest.raises(CaseError, match=words):
        file_format(data, "1")


def test_a_png_is_whole_only_with_right_checksums_and_an_end() -> None:
    data = encoded("PNG")
    check_png(data, "1")
    for place in range(33, len(data) - 12, 97):
        broken = bytearray(data)
        broken[place] ^= 1
        with pytest.raises(CaseError):
            check_png(bytes(broken), "1")
    with pytest.raises(CaseError, match="cut off"):
        check_png(data[:-12] + png_chunk(b"tEXt", b"a\0b"), "1")


def test_a_cut_off_file_says_how_much_is_there() -> None:
    data = encoded("BMP")
    with pytest.raises(CaseError, match=r"7: the file is cut off \(found: it ends after 1,203 bytes\)\. Copy it again"):
        decode(data[:1203], case="7")
    data = encoded("TIFF")
    with pytest.raises(CaseError, match=f"12,000 of {len(data):,} bytes"):
        decode(data[:12_000], case="7")


def test_hostile_files_have_names_of_their_own() -> None:
    assert len({hostile.name for hostile in HOSTILE}) == len(HOSTILE)


def test_the_largest_file_holds_the_largest_picture_in_16_bits() -> None:
    assert MAX_FILE_BYTES > 80_000_000 * 6


def test_a_file_that_is_longer_than_it_says_is_refused() -> None:
    growing = Path("/proc/self/status")  # its size is given as 0 and it is not empty
    if not growing.exists():
        pytest.skip("no /proc on this system")
    with pytest.raises(CaseError, match="must stay as it is"):
        read_file(growing, "1")


@pytest.mark.parametrize("name", ["a\0b.jpg", "x" * 300 + ".jpg"])
def test_an_impossible_name_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(DermKitError):
        decode(tmp_path / name, case="1")


def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "locked.png"
    path.write_bytes(encoded("PNG"))
    path.chmod(0)
    try:
        path.read_bytes()
    except PermissionError:
        with pytest.raises(CaseError, match="Permission denied"):
            decode(path, case="1")
    else:
        pytest.skip("this account reads every file")


def test_a_png_that_only_costs_time_or_memory_is_refused() -> None:
    plain = encoded("PNG")
    many = plain[:33] + png_chunk(b"tEXt", b"a\0b") * (MAX_CHUNKS + 1) + plain[33:]
    deep = plain[:16] + struct.pack(">LLBB", 8_900, 8_900, 16, 6) + plain[26:]
    for data, why in ((many, "chunks"), (deep, "bytes of pixel values")):
        with pytest.raises(CaseError, match=why):
            check_png(data, "1")
