"""JPEG headers against Pillow; padding that every viewer passes over, and what only looks like it."""

from __future__ import annotations

import io

import numpy as np
import pytest
import skimage.data
from PIL import Image

from derm_kit.cases.images import decode
from derm_kit.cases.jpegs import jpeg_header
from derm_kit.errors import CaseError
from tests.hostile import dicom, encoded, jpeg_of_kind, picture

END = b"\xff\xd9"
PADDING = {
    "fill bytes": b"\xff" * 9,
    "one zero": b"\0",
    "eight zeros": b"\0" * 8,
    "a block of zeros": b"\0" * 5_000,
}


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"comment": b"c" * 500}, {"icc_profile": b"p" * 70_000}]
)
@pytest.mark.parametrize("size", [(1, 1), (97, 31)])
def test_a_jpeg_header_says_what_pillow_reads(options: dict[str, object], size: tuple[int, int]) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "Maker"
    for mode, components in (("RGB", 3), ("L", 1), ("CMYK", 4)):
        data = encoded("JPEG", Image.new(mode, size), exif=exif, **options)
        header, peer = jpeg_header(data, "1"), Image.open(io.BytesIO(data))
        assert (header.width_px, header.height_px) == peer.size == size
        assert header.components == components
        assert header.orientation == peer.getexif()[0x0112] == 6
        assert header.profile == options.get("icc_profile", b"")


def test_fill_bytes_and_lone_markers_are_skipped() -> None:
    data = encoded("JPEG", picture(40, 30))
    odd = data[:2] + b"\xff\xff\xff" + data[2:4].replace(b"\xff", b"") + data[4:]
    assert jpeg_header(odd, "1") == jpeg_header(data, "1")
    assert jpeg_header(data[:2] + b"\xff\x01" + data[2:], "1") == jpeg_header(data, "1")


def test_a_scan_without_a_frame_is_refused() -> None:
    with pytest.raises(CaseError, match="without a frame"):
        jpeg_header(b"\xff\xd8\xff\xda\0\x02" + b"\0" * 20, "1")


@pytest.mark.parametrize("padding", PADDING)
@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"quality": 30}, {"subsampling": 0}, {"optimize": True}]
)
@pytest.mark.parametrize("side", [64, 500, 1200])
def test_padding_before_the_end_mark_changes_nothing(padding: str, options: dict[str, int], side: int) -> None:
    photo = Image.fromarray(skimage.data.astronaut()).resize((side, side + 3))
    plain = encoded("JPEG", photo, **options)
    padded = plain[:-2] + PADDING[padding] + END + b"\0" * 512 + plain
    np.testing.assert_array_equal(decode(padded, case="1").rgb, decode(plain, case="1").rgb)


def test_padding_is_passed_over_in_dicom_too() -> None:
    plain = encoded("JPEG", picture())
    padded = dicom(jpeg=plain[:-2] + b"\0" * 100 + END, PhotometricInterpretation="YBR_FULL_422")
    whole = dicom(jpeg=plain, PhotometricInterpretation="YBR_FULL_422")
    np.testing.assert_array_equal(decode(padded, case="1").rgb, decode(whole, case="1").rgb)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.8, 0.95, 0.99])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("fill", [b"\0", b"\xff"])
def test_a_picture_whose_rest_is_a_hole_is_never_taken_for_padded(share: float, progressive: bool, fill: bytes) -> None:
    data = encoded("JPEG", skimage.data.astronaut(), quality=90, progressive=progressive)
    kept = int(share * len(data))
    for hole in (len(data) - kept, 400, 2**21):
        with pytest.raises(CaseError):
            decode(data[:kept] + fill * hole + END, case="1")


def test_letters_before_the_end_mark_are_damage() -> None:
    with pytest.raises(CaseError, match="extraneous"):
        decode(encoded("JPEG")[:-2] + b"letters that are no padding" + END, case="1")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (jpeg_of_kind(0xC1, 12), "a JPEG must have 8 bits a colour (found: 12 bits)"),
        (jpeg_of_kind(0xC3, 16), "a JPEG must have 8 bits a colour (found: 16 bits)"),
        (jpeg_of_kind(0xF7), "a JPEG must be of a kind that can be decoded (found: JPEG-LS)"),
        (jpeg_of_kind(0xC5), "a JPEG must be of a kind that can be decoded (found: hierarchical JPEG)"),
        (jpeg_of_kind(0xCB), "a JPEG must be of a kind that can be decoded (found: arithmetic lossless JPEG)"),
    ],
)
def test_a_jpeg_of_another_kind_is_named_with_what_to_do(data: bytes, words: str) -> None:
    with pytest.raises(CaseError) as refusal:
        decode(data, case="7")
    assert str(refusal.value) == f"7: {words}. Save it as an 8-bit JPEG or PNG"


def test_a_jpeg_that_does_not_fit_into_memory_is_not_at_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise ValueError("Insufficient memory (case 4)")

    monkeypatch.setattr("derm_kit.cases.jpegs.decode_jpeg", full)
    with pytest.raises(MemoryError):
        decode(encoded("JPEG"), case="1")


@pytest.mark.parametrize(
    ("stuffing", "why"), [(b"\xff" * 3_000_000, "segments"), (b"\xff\xe1\0\2" * 300_000, "segments"), (b"", "21 scans")]
)
def test_what_only_costs_time_is_refused_before_it_does(stuffing: bytes, why: str) -> None:
    data = encoded("JPEG", picture(40, 30), progressive=not stuffing)
    if not stuffing:
        last = data[data.rindex(b"\xff\xda") : -2]
        data = data[:-2] + last * (21 - data.count(b"\xff\xda")) + data[-2:]
        at = data.index(b"\xff\xc2") + 5
        data = data[:at] + (8_900).to_bytes(2, "big") * 2 + data[at + 4 :]
    with pytest.raises(CaseError, match=why):
        decode(data[:2] + stuffing + data[2:], case="1")
