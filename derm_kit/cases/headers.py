"""What a picture's file says of itself before any pixel is decoded: opening it, its format, its size, its end."""

from __future__ import annotations

import os
import stat
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

from derm_kit.errors import CaseError

MAX_PIXELS = 80_000_000
MAX_SIDE_PX = 20_000
MAX_FILE_BYTES = 512 * 2**20
MAX_SCANS = 500  # of a progressive JPEG, as libjpeg-turbo's own limit: more is a file made to stall the reader

EXPORT_AGAIN = "Export the picture again from its source as JPEG or PNG"

_SIGNATURES = (
    (128, b"DICM", "DICOM"),
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (0, b"II+\0", "TIFF"),
    (0, b"MM\0+", "TIFF"),
    (8, b"WEBP", "WebP"),
    (0, b"BM", "BMP"),
)
_FOREIGN = (
    (0, b"GIF8", "a GIF picture"),
    (4, b"ftyp", "a HEIC or AVIF picture, or a film"),
    (4, b"jP  ", "a JPEG 2000 picture"),
    (0, b"%PDF", "a PDF document"),
    (0, b"PK\x03\x04", "a ZIP archive or office document"),
)


@dataclass(frozen=True)
class JpegHeader:
    """What a JPEG says of itself before its first scan: size in pixels, components, EXIF orientation, ICC profile."""

    width_px: int
    height_px: int
    components: int
    orientation: int
    profile: bytes


def read_file(path: Path, case: str) -> bytes:
    """The bytes of a regular file of at most `MAX_FILE_BYTES`; never waits on a pipe or device. Raises CaseError."""
    try:
        _check_regular(path.stat(), case)
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)
        with open(os.open(path, flags), "rb") as file:  # noqa: PTH123 (a descriptor, opened so that it cannot wait)
            size = os.fstat(file.fileno())
            _check_regular(size, case)
            data = file.read(size.st_size + 1)
    except OSError as error:
        found = error.strerror or type(error).__name__
        raise CaseError(
            "the file cannot be read",
            next_step="Check that it is there and that you may read it",
            case=case,
            value=found,
        ) from None
    except ValueError:
        raise CaseError("the file name is not valid", next_step="Rename the file", case=case, value=path.name) from None
    if len(data) != size.st_size:
        raise CaseError(
            "the file changed while it was read",
            next_step="Wait until it is fully copied, then run again",
            case=case,
            value=f"{len(data):,} of {size.st_size:,} bytes",
        )
    return data


def file_format(data: bytes, case: str) -> str:
    for at, signature, name in _SIGNATURES:
        if data.startswith(signature, at):
            return name
    if not data:
        found = "an empty file"
    elif known := [name for at, signature, name in _FOREIGN if data.startswith(signature, at)]:
        found = known[0]
    else:
        start = data[:64]
        found = "text" if all(32 <= b < 127 or b in b"\t\r\n" for b in start) else f"{len(data):,} unknown bytes"
    raise CaseError(
        "a picture is a JPEG, PNG, TIFF, WebP, BMP or DICOM file", next_step=EXPORT_AGAIN, case=case, value=found
    )


def check_size(width: int, height: int, case: str) -> None:
    """Raise CaseError for a picture without pixels, or with more than the limits allow."""
    if width < 1 or height < 1:
        raise CaseError(
            "a picture has at least one pixel", next_step=EXPORT_AGAIN, case=case, value=f"{width} x {height} px"
        )
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE_PX:
        raise CaseError(
            f"a picture has at most {MAX_PIXELS:,} pixels and sides of at most {MAX_SIDE_PX:,} px",
            next_step="Export it at a smaller size",
            case=case,
            value=f"{width:,} x {height:,} px",
        )


def jpeg_header(data: bytes, case: str) -> JpegHeader:
    """Read the segments of a JPEG up to its first scan. Raises CaseError."""
    width = height = components = 0
    exif = b""
    chunks: dict[int, bytes] = {}
    at, end = 2, len(data)
    while at + 4 <= end:
        if data[at] != 0xFF:
            raise damaged(case, "JPEG", f"no marker at byte {at:,}")
        marker = data[at + 1]
        if marker == 0xFF or marker == 0x01 or 0xD0 <= marker <= 0xD8:
            at += 1 if marker == 0xFF else 2
            continue
        stop = at + 2 + int.from_bytes(data[at + 2 : at + 4])
        if marker == 0xDA:
            if not components:
                raise damaged(case, "JPEG", "a scan without a frame header")
            return JpegHeader(
                width, height, components, exif_orientation(exif), b"".join(chunks[k] for k in sorted(chunks))
            )
        if stop > end:
            break
        body = data[at + 4 : stop]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC) and len(body) >= 6:
            height, width, components = struct.unpack(">xHHB", body[:6])
        elif marker == 0xE1 and body.startswith(b"Exif\0\0") and not exif:
            exif = body
        elif marker == 0xE2 and body.startswith(b"ICC_PROFILE\0") and len(body) > 14:
            chunks[body[12]] = body[14:]
        at = max(stop, at + 4)
    raise cut_off(case, end)


def exif_orientation(exif: bytes) -> int:
    """EXIF orientation 1 to 8; 1 where it is missing or makes no sense."""
    body = exif.removeprefix(b"Exif\0\0")
    order = "<" if body.startswith(b"II") else ">"
    try:
        (start,) = struct.unpack_from(f"{order}L", body, 4)
        (entries,) = struct.unpack_from(f"{order}H", body, start)
        for i in range(entries):
            tag, _, _, value = struct.unpack_from(f"{order}HHLH", body, start + 2 + 12 * i)
            if tag == 0x0112:
                return value if 1 <= value <= 8 else 1
    except struct.error:
        return 1
    return 1


def check_png(data: bytes, case: str) -> None:
    """Every chunk whole, by length and checksum, up to the end mark (PNG specification, 5.3)."""
    at = 8
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4])
        if at + 12 + length > len(data):
            raise cut_off(case, len(data), at + 12 + length)
        stop = at + 8 + length
        if zlib.crc32(memoryview(data)[at + 4 : stop]) != int.from_bytes(data[stop : stop + 4]):
            raise damaged(case, "PNG", f"wrong checksum at byte {stop:,}")
        if data[at + 4 : at + 8] == b"IEND":
            return
        at = stop + 4
    raise cut_off(case, len(data))


def cut_off(case: str, have: int, want: int | None = None) -> CaseError:
    """The refusal of a file that ends after `have` of `want` bytes."""
    found = f"the file ends after {have:,} bytes" if want is None else f"{have:,} of {want:,} bytes"
    return CaseError(
        "the file is cut off", next_step="Copy it again, or export the picture again", case=case, value=found
    )


def damaged(case: str, kind: str, found: object = None) -> CaseError:
    """The refusal of a file whose data do not hold together."""
    return CaseError(f"the {kind} data are damaged", next_step=EXPORT_AGAIN, case=case, value=found)


def not_rgb(case: str, found: str) -> CaseError:
    return CaseError(
        "a picture holds 8 or 16 bit RGB, grey or palette values",
        next_step=f"{EXPORT_AGAIN} in sRGB",
        case=case,
        value=found,
    )


def _check_regular(found: os.stat_result, case: str) -> None:
    kinds = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"))
    if not stat.S_ISREG(found.st_mode):
        what = next((name for test, name in kinds if test(found.st_mode)), "a device")
        raise CaseError("a picture is an ordinary file", next_step="Name the picture's file", case=case, value=what)
    if found.st_size > MAX_FILE_BYTES:
        raise CaseError(
            f"a picture's file has at most {MAX_FILE_BYTES:,} bytes",
            next_step="Export it at a smaller size",
            case=case,
            value=f"{found.st_size:,} bytes",
        )
