"""JPEG: what its header says, and its pixels, decoded whole or not at all."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
from simplejpeg import decode_jpeg

from derm_kit.cases.headers import SAVE_AS_8_BIT, cut_off, damaged, exif_orientation, refuse

MAX_SCANS: Final = 500
"""Of a progressive JPEG, as libjpeg-turbo's own limit: more is a file made to stall the reader."""
MAX_SCANNED_PX: Final = 1_600_000_000
"""Pixels times scans, 20 scans of the largest picture: each scan after the first goes over every pixel again,
and encoders write about 10."""

MAX_SEGMENTS: Final = 100_000
"""Before the first scan; cameras write some tens."""

_BITS: Final = 8
_UNREAD_KINDS: Final = dict.fromkeys((0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF), "hierarchical JPEG") | {
    0xCB: "arithmetic lossless JPEG",
    0xF7: "JPEG-LS",
}
_PADDED: Final = re.compile(r"(\d+) extraneous bytes before marker 0xd9")
_READ_AHEAD: Final = 8
"""Bytes that libjpeg-turbo takes into its bit buffer beyond the last one that it needs."""


@dataclass(frozen=True)
class JpegHeader:
    """What a JPEG says of itself before its first scan: size in pixels, components, EXIF orientation, ICC profile.

    `scan_at` is the byte at which its first scan begins.
    """

    width_px: int
    height_px: int
    components: int
    orientation: int
    profile: bytes
    scan_at: int = field(compare=False)


def jpeg_header(data: bytes, case: str) -> JpegHeader:
    """Read the segments of a JPEG up to its first scan (ITU-T T.81, annex B). Raises CaseError."""
    width = height = components = 0
    exif = b""
    chunks: dict[int, bytes] = {}
    at, end = 2, len(data)
    for _ in range(MAX_SEGMENTS):
        if at + 4 > end:
            raise cut_off(case, end)
        marker = data[at + 1]
        if data[at] != 0xFF:
            raise damaged(case, "JPEG", f"no marker at byte {at:,}")
        if marker in (0xFF, 0x01) or 0xD0 <= marker <= 0xD8:
            at += 1 if marker == 0xFF else 2
            continue
        stop = at + 2 + int.from_bytes(data[at + 2 : at + 4])
        if marker == 0xDA:
            if not components:
                raise damaged(case, "JPEG", "a scan without a frame header")
            scans = data.count(b"\xff\xda")
            if scans > MAX_SCANS or (scans > 1 and scans * width * height > MAX_SCANNED_PX):
                raise damaged(case, "JPEG", f"{scans:,} scans")
            profile = b"".join(chunks[number] for number in sorted(chunks))
            return JpegHeader(width, height, components, exif_orientation(exif), profile, at)
        if stop > end:
            raise cut_off(case, end)
        body = data[at + 4 : stop]
        if marker in _UNREAD_KINDS:
            raise refuse("a JPEG must be of a kind that can be decoded", SAVE_AS_8_BIT, case, _UNREAD_KINDS[marker])
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC) and len(body) >= 6:
            bits, height, width, components = struct.unpack(">BHHB", body[:6])
            if bits != _BITS:
                raise refuse("a JPEG must have 8 bits a colour", SAVE_AS_8_BIT, case, f"{bits} bits")
        elif marker == 0xE1 and body.startswith(b"Exif\0\0") and not exif:
            exif = body
        elif marker == 0xE2 and body.startswith(b"ICC_PROFILE\0") and len(body) > 14:
            chunks[body[12]] = body[14:]
        at = max(stop, at + 4)
    raise damaged(case, "JPEG", f"more than {MAX_SEGMENTS:,} segments before the first scan")


def whole_jpeg(data: bytes, case: str, **options: int | str) -> npt.NDArray[np.uint8]:
    """The pixels of a JPEG as `simplejpeg.decode_jpeg` gives them, uint8 (H, W, C).

    Zeros with which a camera fills its file before the end mark are passed over, as every viewer does. Raises CaseError
    for a picture that is cut off or damaged, MemoryError where the machine runs short.
    """
    shorter = data
    while True:
        try:
            pixels: npt.NDArray[np.uint8] = decode_jpeg(shorter, **options)
        except (ValueError, RuntimeError, TypeError) as error:
            if "nsufficient memory" in str(error):
                raise MemoryError(str(error)) from None
            if "remature end" in str(error):
                raise cut_off(case, len(data)) from None
            shorter = _without_padding(shorter, str(error), case)
            if not shorter:
                raise damaged(case, "JPEG", error) from None
        else:
            return pixels


def _without_padding(data: bytes, complaint: str, case: str) -> bytes:
    """`data` without the zeros before its end mark that are complained of, b"" where more than that is wrong.

    A hole in the picture that was filled with zeros is decoded as picture for much longer than the read-ahead: only
    zeros that follow right upon the last pixel are padding.
    """
    found = _PADDED.search(complaint)
    end = data.find(b"\xff\xd9", jpeg_header(data, case).scan_at)
    if not found or end < 0:
        return b""
    unused = int(found[1])
    zeros = end - len(data[:end].rstrip(b"\0"))
    return data[: end - unused] + data[end:] if 0 < unused <= zeros <= unused + _READ_AHEAD else b""
