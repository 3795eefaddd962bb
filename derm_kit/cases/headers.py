"""What a picture's file says of itself before any pixel is decoded: opening it, its format, its size, its end."""

from __future__ import annotations

import logging
import os
import stat
import struct
import warnings
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from derm_kit.cases.places import store_bytes
from derm_kit.errors import CaseError

if TYPE_CHECKING:
    from derm_kit.cases.places import Place

MAX_PIXELS = 80_000_000
MAX_SIDE_PX = 20_000
MAX_FILE_BYTES = 512 * 2**20
MAX_CHUNKS = 100_000
"""Of a PNG: a picture of MAX_FILE_BYTES has 65,536, as encoders write them."""
MAX_UNFOLDED_BYTES = 320_000_000
"""Of a PNG's pixel values before they become 8-bit RGB: as many as MAX_PIXELS with transparency have."""

_PNG_KIND = 25
"""Where a PNG says whether it is grey, colour or palette, with transparency or without (PNG, 11.2.2)."""
_PNG_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}

EXPORT_AGAIN = "Export the picture again from its source as JPEG or PNG"
SAVE_AS_8_BIT = "Save it as an 8-bit JPEG or PNG"

DAMAGE = (
    ArithmeticError, AttributeError, BufferError, EOFError, LookupError, OSError, RuntimeError, SyntaxError, TypeError,
    ValueError, Warning, struct.error, zlib.error,
)  # fmt: skip
"""What Pillow, libjpeg-turbo and pydicom raise on data that do not hold together."""

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
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (0, b"\xff\x0a", "a JPEG XL picture"),
    (4, b"JXL ", "a JPEG XL picture"),
    (0, b"%PDF", "a PDF document"),
    (0, b"PK\x03\x04", "a ZIP archive or office document"),
)
_FIRST_BYTES = 132
_WITHOUT_WAITING = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)


def read_file(path: Place, case: str) -> bytes:
    """The bytes of a regular file of at most `MAX_FILE_BYTES`; never waits on a pipe or device.

    Raises CaseError, and StoreError where a store does not answer.
    """
    if not isinstance(path, Path):
        return store_bytes(path, case, MAX_FILE_BYTES)
    try:
        _check_regular(path.stat(), case)
        with open(os.open(path, _WITHOUT_WAITING), "rb") as file:  # noqa: PTH123 (a descriptor, opened so that it cannot wait)
            found = os.fstat(file.fileno())
            _check_regular(found, case)
            data = file.read(found.st_size + 1)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise refuse(
            "the file must be readable", "Check that it is there and that you may read it", case, why
        ) from None
    except ValueError:
        raise refuse("a file name must be valid", "Rename the file", case, path.name) from None
    if len(data) != found.st_size:
        told = f"{len(data):,} of {found.st_size:,} bytes"
        raise refuse(
            "a file must stay as it is while it is read", "Wait until it is fully copied, then retry", case, told
        )
    return data


def file_format(data: bytes, case: str) -> str:
    """JPEG, PNG, TIFF, WebP, BMP or DICOM, by the first bytes. Raises CaseError for anything else."""
    if name := _signed(data):
        return name
    foreign = [name for at, signature, name in _FOREIGN if data.startswith(signature, at)]
    if not data:
        found = "an empty file"
    elif foreign:
        found = foreign[0]
    else:
        text = all(32 <= byte < 127 or byte in b"\t\r\n" for byte in data[:64])
        found = "text" if text else f"{len(data):,} bytes of an unknown kind"
    raise refuse("a picture must be a JPEG, PNG, TIFF, WebP, BMP or DICOM file", EXPORT_AGAIN, case, found)


def format_of(path: Path) -> str:
    """The format of a file as `file_format` names it, by its first 132 bytes; "" for any other and where it is shut."""
    try:
        with open(os.open(path, _WITHOUT_WAITING), "rb", buffering=0) as file:  # noqa: PTH123 (as in read_file)
            return _signed(file.read(_FIRST_BYTES) or b"")
    except (OSError, ValueError):
        return ""


def _signed(data: bytes) -> str:
    return next((name for at, signature, name in _SIGNATURES if data.startswith(signature, at)), "")


def check_size(width: int, height: int, case: str) -> None:
    """Raise CaseError for a picture without pixels, or with more than the limits allow."""
    found = f"{width:,} x {height:,} px"
    if width < 1 or height < 1:
        raise refuse("a picture must have at least one pixel", EXPORT_AGAIN, case, found)
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE_PX:
        raise too_large(case, found)


def exif_orientation(exif: bytes) -> int:
    """Orientation 1 to 8 of an EXIF block (Exif 2.32, tag 0x0112); 1 where it is missing or makes no sense."""
    body = exif.removeprefix(b"Exif\0\0")
    order = "<" if body.startswith(b"II") else ">"
    try:
        (start,) = struct.unpack_from(f"{order}L", body, 4)
        (entries,) = struct.unpack_from(f"{order}H", body, start)
        for i in range(entries):
            tag, value = struct.unpack_from(f"{order}H6xH", body, start + 2 + 12 * i)
            if tag == 0x0112:
                return int(value) if 1 <= value <= 8 else 1
    except struct.error:
        return 1
    return 1


def check_png(data: bytes, case: str) -> None:
    """Raise CaseError unless every chunk is whole, by length and checksum, up to the end mark (PNG, 5.3).

    Also where there are more chunks, or pixel values of more bytes, than any picture within the limits needs.
    """
    if data[12:16] == b"IHDR" and len(data) > _PNG_KIND:
        width, height, bits = struct.unpack_from(">LLB", data, 16)
        unfolded = width * height * bits * _PNG_SAMPLES.get(data[_PNG_KIND], 1) // 8
        if unfolded > MAX_UNFOLDED_BYTES:
            rule = f"a PNG may have at most {MAX_UNFOLDED_BYTES:,} bytes of pixel values"
            raise refuse(rule, f"{SAVE_AS_8_BIT} without transparency", case, f"{unfolded:,} bytes")
    at, view = 8, memoryview(data)
    for _ in range(MAX_CHUNKS):
        if at + 12 > len(data):
            raise cut_off(case, len(data))
        stop = at + 8 + int.from_bytes(data[at : at + 4])
        if stop + 4 > len(data):
            raise cut_off(case, len(data), stop + 4)
        if zlib.crc32(view[at + 4 : stop]) != int.from_bytes(data[stop : stop + 4]):
            raise damaged(case, "PNG", f"wrong checksum at byte {stop:,}")
        if data[at + 4 : at + 8] == b"IEND":
            return
        at = stop + 4
    raise damaged(case, "PNG", f"more than {MAX_CHUNKS:,} chunks")


def refuse(rule: str, next_step: str, case: str, found: object = None) -> CaseError:
    """The refusal of one case, to be raised."""
    return CaseError(rule, next_step=next_step, case=case, value=found)


def too_large(case: str, found: str) -> CaseError:
    """The refusal of a picture beyond the limits, made before it is decoded."""
    rule = f"a picture may have at most {MAX_PIXELS:,} pixels and sides of at most {MAX_SIDE_PX:,} px"
    return refuse(rule, "Export it at a smaller size", case, found)


def cut_off(case: str, have: int, want: int | None = None) -> CaseError:
    """The refusal of a file that ends after `have` of `want` bytes."""
    found = f"it ends after {have:,} bytes" if want is None else f"{have:,} of {want:,} bytes"
    return refuse("the file is cut off", "Copy it again, or export the picture again", case, found)


def damaged(case: str, kind: str, found: object = None) -> CaseError:
    """The refusal of a file whose data do not hold together."""
    return refuse(f"the {kind} data are damaged", EXPORT_AGAIN, case, found)


def not_rgb(case: str, found: str) -> CaseError:
    """The refusal of a picture whose values name no screen colours."""
    rule = "a picture must hold 8 or 16 bit RGB, grey or palette values"
    return refuse(rule, f"{SAVE_AS_8_BIT} in sRGB", case, found)


def hush() -> None:
    """Keep the libraries' own warnings off screen and log: they quote the file's text, which may name a patient.

    One narrow filter rather than warnings.catch_warnings, which is not safe while several threads decode.
    """
    warnings.filterwarnings("ignore", module=r"(PIL|pydicom)\.")
    for library in ("PIL", "pydicom"):
        logging.getLogger(library).setLevel(logging.CRITICAL)


def _check_regular(found: os.stat_result, case: str) -> None:
    kinds = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"))
    if not stat.S_ISREG(found.st_mode):
        what = next((name for test, name in kinds if test(found.st_mode)), "a device")
        raise refuse("a picture must be an ordinary file", "Name the picture's file itself", case, what)
    if found.st_size > MAX_FILE_BYTES:
        rule = f"a picture's file may have at most {MAX_FILE_BYTES:,} bytes"
        raise refuse(rule, "Export it at a smaller size", case, f"{found.st_size:,} bytes")
