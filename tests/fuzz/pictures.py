"""Pictures of every format that is read, made in code, and how their senders break them."""

from __future__ import annotations

import struct
import zlib
from functools import cache
from random import Random

import numpy as np
from PIL import Image
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian, JPEG2000Lossless, JPEGBaseline8Bit, RLELossless

from tests import hostile
from tests.fuzz.mutations import bytes_changed
from tests.hostile import encoded, picture


@cache
def seeds() -> dict[str, bytes]:
    """Sound pictures by what they are."""
    rgb = picture()
    image = Image.fromarray(rgb)
    grey16 = Image.fromarray(rgb[..., 0].astype(np.uint16) * 257)
    return {
        "JPEG": encoded("JPEG", quality=90),
        "progressive": encoded("JPEG", progressive=True),
        "grey": encoded("JPEG", image.convert("L")),
        "profile": encoded("JPEG", icc_profile=_srgb(), exif=_exif()),
        "PNG": encoded("PNG"),
        "palette": encoded("PNG", image.convert("P")),
        "alpha": encoded("PNG", image.convert("RGBA")),
        "deep": encoded("PNG", grey16),
        "profiled": encoded("PNG", icc_profile=_srgb()),
        "TIFF": encoded("TIFF"),
        "LZW": encoded("TIFF", compression="tiff_lzw"),
        "deflate": encoded("TIFF", compression="tiff_adobe_deflate"),
        "JPEG in TIFF": encoded("TIFF", compression="jpeg"),
        "deep TIFF": encoded("TIFF", grey16),
        "WebP": encoded("WEBP"),
        "lossless": encoded("WEBP", lossless=True),
        "BMP": encoded("BMP"),
    }


@cache
def dicoms() -> dict[str, bytes]:
    """Sound DICOM files by what they are."""
    rgb = picture()
    named = {
        "PatientName": "Doe^Jane",
        "PatientID": "9434765919",
        "PatientAge": "061Y",
        "PatientSex": "F",
        "BodyPartExamined": "BACK",
        "Manufacturer": "Maker",
        "ManufacturerModelName": "Model",
        "StudyDate": "20260305",
    }
    return {
        "plain": hostile.dicom(**named),
        "grey": hostile.dicom(rgb[..., 0], **named),
        "deep": hostile.dicom(rgb[..., 0].astype(np.uint16) * 16, BitsStored=12, HighBit=11),
        "JPEG": hostile.dicom(jpeg=encoded("JPEG"), PhotometricInterpretation="YBR_FULL_422", **named),
        "implicit": hostile.dicom(syntax=ImplicitVRLittleEndian, **named),
        "big": hostile.dicom(syntax=ExplicitVRBigEndian),
        "JPEG 2000": hostile.dicom(jpeg=encoded("JPEG2000"), syntax=JPEG2000Lossless),
        "said RLE": hostile.dicom(jpeg=_rle(rgb), syntax=RLELossless),
        "said JPEG": hostile.dicom(jpeg=encoded("PNG"), syntax=JPEGBaseline8Bit),
        "frames": hostile.dicom(NumberOfFrames=3),
    }


@cache
def small_seeds() -> tuple[bytes, ...]:
    """What lies in a folder of pictures."""
    return (*seeds().values(), *dicoms().values())


@cache
def _built() -> tuple[bytes, ...]:
    """Hostile pictures that somebody built: bombs of size, scans, chunks and frames."""
    return tuple(one.make() for one in hostile.HOSTILE if not one.on_disk)  # type: ignore[call-arg]


def changed(rng: Random, change: bool, *, dicom: bool) -> bytes:
    """One picture, changed if so wished, or built to hurt."""
    kinds = dicoms() if dicom else seeds()
    data = kinds[rng.choice(list(kinds))]
    if not change:
        return data
    if not dicom and rng.random() < 0.1:
        return _large(rng)
    if rng.random() < 0.1:
        data = rng.choice(_built())
        return data if rng.random() < 0.3 else bytes_changed(rng, data)
    other = rng.choice(small_seeds())
    made = bytes_changed(rng, data, other)
    return _png_sealed(made) if made.startswith(b"\x89PNG") and rng.random() < 0.6 else made


def _large(rng: Random) -> bytes:
    """Small files that take long: many scans, chunks, segments, fill bytes, large plain pictures."""
    way = rng.randrange(8)
    jpeg = seeds()["JPEG"]
    if way == 0:
        return _scans(rng.choice((100, 480)), rng.choice((2_000, 8_900)))
    if way == 1:
        return jpeg[:2] + b"\xff" * rng.choice((10_000, 3_000_000)) + jpeg[2:]
    if way == 2:
        return jpeg[:2] + b"\xff\xe1\0\x02" * rng.choice((1_000, 700_000)) + jpeg[2:]
    if way == 3:
        png = seeds()["PNG"]
        return png[:33] + hostile.png_chunk(b"tEXt", b"") * rng.choice((1_000, 250_000)) + png[33:]
    if way == 4:
        return _flat_png(rng.choice((2_000, 8_900)), rng.choice((0, 2, 4, 6)), rng.choice((8, 8, 16)))
    if way == 5:
        return _text_png(rng)
    if way == 6:
        return _strips(rng.choice((100, 9_000)))
    return jpeg + b"\0" * rng.choice((1_000, 5_000_000)) + b"\xff\xd9"


@cache
def _scans(scans: int, side: int) -> bytes:
    """A progressive JPEG of many scans over many pixels, all of them grey."""
    data = encoded("JPEG", Image.new("L", (side, side), 128), progressive=True, quality=30)
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + last * min(scans, 3_000_000 // max(len(last), 1)) + data[-2:]


@cache
def _flat_png(side: int, kind: int, bits: int) -> bytes:
    """A PNG of one value, `kind` as PNG names them (0 grey, 2 colour, 4 grey and alpha, 6 colour and alpha)."""
    samples = {0: 1, 2: 3, 4: 2, 6: 4}[kind]
    squeeze = zlib.compressobj(6)
    row = b"\0" + bytes([200]) * (side * samples * bits // 8)
    body = b"".join(squeeze.compress(row) for _ in range(side)) + squeeze.flush()
    header = struct.pack(">LLBBBBB", side, side, bits, kind, 0, 0, 0)
    chunk = hostile.png_chunk
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def _text_png(rng: Random) -> bytes:
    """A PNG whose texts or colour profile unfold to much more than they are."""
    png = seeds()["PNG"]
    bomb = zlib.compress(b"\0" * rng.choice((100_000, 60_000_000)))
    body = rng.choice((b"iCCP", b"zTXt")) + b"a\0\0" + bomb
    times = rng.choice((1, 1, 40))
    return png[:33] + hostile.png_chunk(body[:4], body[4:]) * times + png[33:]


def _strips(rows: int) -> bytes:
    """A TIFF of one row a strip, all strips at the same place."""
    width, at = rng_width(rows), 8
    entries = [
        (256, 4, 1, width),
        (257, 4, 1, rows),
        (258, 3, 1, 8),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, rows, 400),
        (277, 3, 1, 1),
        (278, 4, 1, 1),
        (279, 4, rows, 400 + 4 * rows),
    ]
    body = b"".join(struct.pack("<HHLL", *entry) for entry in entries)
    head = (b"II*\0" + struct.pack("<LH", at, len(entries)) + body + b"\0" * 4).ljust(400, b"\0")
    data = 400 + 8 * rows
    return head + struct.pack("<L", data) * rows + struct.pack("<L", width) * rows + b"\x80" * width


def rng_width(rows: int) -> int:
    """As many pixels as are allowed beside `rows`."""
    return min(80_000_000 // rows, 8_000)


def _png_sealed(data: bytes) -> bytes:
    """A changed PNG whose checksums are right again, so that what lies behind them is reached."""
    at, out = 8, bytearray(data[:8])
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        if at + 12 + length > len(data):
            return bytes(out) + data[at:]
        name, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        out += hostile.png_chunk(name, body)
        at += 12 + length
    return bytes(out)


def _rle(rgb: np.ndarray) -> bytes:
    """One frame of plain runs (DICOM PS3.5, annex G)."""
    parts = []
    for plane in range(3):
        part = b"".join(bytes([0, value]) for value in rgb[..., plane].tobytes())
        parts.append(part + b"\0" * (len(part) % 2))
    offsets = [64, 64 + len(parts[0]), 64 + len(parts[0]) + len(parts[1])]
    return struct.pack("<16L", 3, *offsets, *[0] * 12) + b"".join(parts)


def _srgb() -> bytes:
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _exif() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif.tobytes()
