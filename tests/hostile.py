"""Files that must not be scored, each written into a folder by its builder, and the parts they are made of.

`HOSTILE` lists them: `build(folder)` writes one and returns its path, `rule` is a part of the refusal's rule. Tests of
readers and of scoring loop over it: every one gives one refusal, and the pictures beside it go on.
"""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, JPEGBaseline8Bit

DERMOSCOPIC_PHOTOGRAPHY = UID("1.2.840.10008.5.1.4.1.1.77.1.7")


@dataclass(frozen=True)
class Hostile:
    """One hostile file: the name of its file, the builder of its bytes (or of the file itself), a part of the rule."""

    name: str
    make: Callable[[], bytes] | Callable[[Path], None]
    rule: str
    on_disk: bool = False  # the file is more than bytes: a folder, a pipe, a link

    def build(self, folder: Path) -> Path:
        path = folder / self.name
        if self.on_disk:
            self.make(path)  # type: ignore[call-arg,arg-type]
        else:
            path.write_bytes(self.make())  # type: ignore[call-arg,arg-type]
        return path


def picture(width: int = 96, height: int = 80) -> np.ndarray:
    """A smooth picture of skin colours with a dark spot off the centre, uint8 (height, width, 3)."""
    y, x = np.mgrid[0:height, 0:width]
    spot = np.exp(-(((x / width - 0.4) / 0.2) ** 2 + ((y / height - 0.55) / 0.25) ** 2))
    skin = np.stack([225 - 20 * x / width, 170 + 15 * y / height, 150 + 10 * x / width], axis=2)
    return np.clip(skin - spot[..., None] * np.array([120, 110, 90]), 0, 255).astype(np.uint8)


def encoded(kind: str, rgb: np.ndarray | Image.Image | None = None, **options: object) -> bytes:
    """A picture as bytes in one of Pillow's formats (JPEG, PNG, TIFF, WEBP, BMP, GIF)."""
    image = rgb if isinstance(rgb, Image.Image) else Image.fromarray(picture() if rgb is None else rgb)
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def dicom(
    pixels: np.ndarray | None = None, *, jpeg: bytes = b"", syntax: UID = ExplicitVRLittleEndian, **fields: object
) -> bytes:
    """A dermoscopic photograph as a DICOM file; `fields` add to or replace the data elements by keyword."""
    pixels = picture() if pixels is None else pixels
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = DERMOSCOPIC_PHOTOGRAPHY
    meta.MediaStorageSOPInstanceUID = UID("1.2.826.0.1.3680043.8.498.1")
    meta.TransferSyntaxUID = JPEGBaseline8Bit if jpeg and syntax == ExplicitVRLittleEndian else syntax
    meta.ImplementationClassUID = UID("1.2.826.0.1.3680043.8.498.2")
    dataset = Dataset()
    dataset.file_meta, dataset.preamble = meta, b"\0" * 128
    dataset.SOPClassUID = meta.MediaStorageSOPClassUID
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.Modality = "DMS"
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.SamplesPerPixel = 3 if pixels.ndim == 3 else 1
    dataset.PhotometricInterpretation = "RGB" if pixels.ndim == 3 else "MONOCHROME2"
    if pixels.ndim == 3:
        dataset.PlanarConfiguration = 0
    bits = 8 * pixels.dtype.itemsize
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = bits, bits, bits - 1, 0
    raw = pixels.tobytes()
    dataset.PixelData = encapsulate([jpeg]) if jpeg else raw + b"\0" * (len(raw) % 2)
    dataset["PixelData"].VR = "OW" if bits > 8 else "OB"
    dataset["PixelData"].is_undefined_length = bool(jpeg)
    for name, value in fields.items():
        setattr(dataset, name, Sequence(value) if isinstance(value, list) else value)
    file = io.BytesIO()
    way = {"implicit_vr": syntax.is_implicit_VR, "little_endian": syntax.is_little_endian}
    dcmwrite(file, dataset, enforce_file_format=True, **way)
    return file.getvalue()


def png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">L", len(body)) + name + body + struct.pack(">L", zlib.crc32(name + body))


def png_bomb(side: int = 30_000) -> bytes:
    """A whole, valid PNG of `side` squared one-bit pixels in about 100 kB."""
    squeeze = zlib.compressobj(1)
    row = b"\0" * (1 + (side + 7) // 8)
    body = b"".join(squeeze.compress(row * 100) for _ in range(side // 100)) + squeeze.flush()
    header = struct.pack(">LLBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", body) + png_chunk(b"IEND", b"")


def jpeg_with_size(data: bytes, width: int, height: int) -> bytes:
    """The same baseline JPEG claiming another size in its frame header."""
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


def jpeg_of_kind(marker: int, bits: int = 8) -> bytes:
    """A baseline JPEG whose frame header says that it is of another kind, or has other bits."""
    data = encoded("JPEG")
    at = data.index(b"\xff\xc0")
    return data[:at] + bytes([0xFF, marker]) + data[at + 2 : at + 4] + bytes([bits]) + data[at + 5 :]


def jpeg_with_a_hole() -> bytes:
    """A JPEG whose second half was lost; far more zeros than are needed stand in its place, up to its end mark."""
    data = encoded("JPEG", picture(640, 480), quality=95)
    return data[: len(data) // 2] + b"\0" * 2**20 + data[-2:]


def jpeg_of_many_scans(scans: int = 2_000) -> bytes:
    """A progressive JPEG whose last scan is repeated until a reader would stall."""
    data = encoded("JPEG", progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + last * scans + data[-2:]


def tiff_bomb(side: int = 30_000) -> bytes:
    """A TIFF header that announces `side` squared RGB pixels in one deflated strip."""
    entries = ((256, side), (257, side), (258, 8), (259, 8), (262, 2), (273, 200), (277, 3), (278, side), (279, 50))
    body = b"".join(struct.pack("<HHLL", tag, 4, 1, value) for tag, value in entries)
    return (b"II*\0" + struct.pack("<LH", 8, len(entries)) + body + b"\0" * 4).ljust(250, b"\0")


def bmp_bomb(side: int = 30_000) -> bytes:
    data = encoded("BMP")
    return data[:18] + struct.pack("<ll", side, side) + data[26:]


def webp_bomb() -> bytes:
    """An extended WebP whose canvas claims 16,384 x 16,384 pixels."""
    body = encoded("WEBP", lossless=True)[12:]
    canvas = b"VP8X" + struct.pack("<L", 10) + b"\0" * 4 + b"\xff\x3f\0" * 2
    return b"RIFF" + struct.pack("<L", 4 + len(canvas) + len(body)) + b"WEBP" + canvas + body


def animated(kind: str) -> bytes:
    frames = [Image.fromarray(picture()), Image.fromarray(picture()[::-1].copy())]
    return encoded(kind, frames[0], save_all=True, append_images=frames[1:])


def lab_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()


def half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def deflated_dicom() -> bytes:
    """A DICOM file whose dataset inflates from 30 kB to 16 MB."""
    plain = dicom()
    meta_end = plain.index(struct.pack("<HH", 8, 0x16))
    meta = plain[:meta_end].replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99")
    grown = bytearray(meta)
    at = grown.index(b"1.2.840.10008.1.2.1.99")
    grown[at - 2 : at] = struct.pack("<H", 22)
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    assert str(DeflatedExplicitVRLittleEndian) == "1.2.840.10008.1.2.1.99"
    return bytes(grown) + squeeze.compress(plain[meta_end:] + b"\0" * 2**24) + squeeze.flush()


def _huge(path: Path) -> None:
    with path.open("wb") as file:
        file.write(encoded("JPEG"))
        file.truncate(600 * 2**20)  # sparse: it takes no room on disk


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _loop(path: Path) -> None:
    path.symlink_to(path)


def _nothing(path: Path) -> None:
    path.unlink(missing_ok=True)


WRONG_KIND = "a picture must be a JPEG, PNG, TIFF, WebP, BMP or DICOM file"
CUT = "cut off"
DAMAGED = "data are damaged"
TOO_LARGE = "a picture may have at most"
NOT_RGB = "a picture must hold 8 or 16 bit RGB"
SEVERAL = "one file must be one picture"
NO_FILE = "the file must be readable"
NOT_ORDINARY = "a picture must be an ordinary file"

HOSTILE: tuple[Hostile, ...] = (
    Hostile("zero_bytes.jpg", lambda: b"", WRONG_KIND),
    Hostile("text.jpg", lambda: b"case_id,diagnosis\n1,melanoma\n", WRONG_KIND),
    Hostile("page.png", lambda: b"<!doctype html><title>Log in</title>", WRONG_KIND),
    Hostile("noise.jpg", lambda: np.random.default_rng(1).bytes(5_000), WRONG_KIND),
    Hostile("phone.jpg", lambda: b"\0\0\0\x18ftypheic" + b"\0" * 60, WRONG_KIND),
    Hostile("still.gif", lambda: encoded("GIF"), WRONG_KIND),
    Hostile("animated.gif", lambda: animated("GIF"), WRONG_KIND),
    Hostile("letter.jpg", lambda: b"%PDF-1.7\n", WRONG_KIND),
    Hostile("truncated.jpg", lambda: half(encoded("JPEG", quality=95)), CUT),
    Hostile("truncated_progressive.jpg", lambda: half(encoded("JPEG", quality=95, progressive=True)), CUT),
    Hostile("no_end.jpg", lambda: encoded("JPEG")[:-2], CUT),
    Hostile("header_only.jpg", lambda: encoded("JPEG")[:200], CUT),
    Hostile("half_rows.jpg", lambda: jpeg_with_size(encoded("JPEG"), 96, 160), CUT),
    Hostile("truncated.png", lambda: half(encoded("PNG")), CUT),
    Hostile("no_end.png", lambda: encoded("PNG")[:-12], CUT),
    Hostile("checksum.png", lambda: encoded("PNG").replace(b"IDAT", b"IDAT\xff", 1)[:-1], DAMAGED),
    Hostile("truncated.tif", lambda: half(encoded("TIFF")), CUT),
    Hostile("truncated_lzw.tif", lambda: half(encoded("TIFF", compression="tiff_lzw")), DAMAGED),
    Hostile("truncated.webp", lambda: half(encoded("WEBP")), CUT),
    Hostile("truncated.bmp", lambda: half(encoded("BMP")), CUT),
    Hostile("truncated.dcm", lambda: half(dicom()), CUT),
    Hostile("many_scans.jpg", jpeg_of_many_scans, DAMAGED),
    Hostile("hole.jpg", jpeg_with_a_hole, DAMAGED),
    Hostile("twelve_bits.jpg", lambda: jpeg_of_kind(0xC1, 12), "a JPEG must have 8 bits a colour"),
    Hostile("jpeg_ls.jpg", lambda: jpeg_of_kind(0xF7), "a JPEG must be of a kind that can be decoded"),
    Hostile("bomb.png", png_bomb, TOO_LARGE),
    Hostile("bomb.jpg", lambda: jpeg_with_size(encoded("JPEG"), 65_500, 65_500), TOO_LARGE),
    Hostile("bomb.tif", tiff_bomb, TOO_LARGE),
    Hostile("bomb.bmp", bmp_bomb, TOO_LARGE),
    Hostile("bomb.webp", webp_bomb, TOO_LARGE),
    Hostile("bomb.dcm", lambda: dicom(Rows=30_000, Columns=30_000), TOO_LARGE),
    Hostile("deflated.dcm", deflated_dicom, "a DICOM picture must be"),
    Hostile("wide_30000.jpg", lambda: encoded("JPEG", Image.new("RGB", (30_000, 8))), TOO_LARGE),
    Hostile("cmyk.jpg", lambda: encoded("JPEG", Image.fromarray(picture()).convert("CMYK")), NOT_RGB),
    Hostile("cmyk.tif", lambda: encoded("TIFF", Image.fromarray(picture()).convert("CMYK")), NOT_RGB),
    Hostile("float.tif", lambda: encoded("TIFF", Image.fromarray(picture()[..., 0].astype(np.float32))), NOT_RGB),
    Hostile("animated.png", lambda: animated("PNG"), SEVERAL),
    Hostile("animated.webp", lambda: animated("WEBP"), SEVERAL),
    Hostile("pages.tif", lambda: animated("TIFF"), SEVERAL),
    Hostile("broken_profile.jpg", lambda: encoded("JPEG", icc_profile=b"not a profile" * 20), DAMAGED),
    Hostile("lab_profile.png", lambda: encoded("PNG", icc_profile=lab_profile()), "the colour profile must belong"),
    Hostile("scan.dcm", lambda: dicom(Modality="CT"), "visible light"),
    Hostile("named.dcm", lambda: dicom(BurnedInAnnotation="YES"), "burned-in text"),
    Hostile("mismatch.dcm", lambda: dicom(jpeg=encoded("JPEG"), Rows=81), DAMAGED),
    Hostile("cut_frame.dcm", lambda: dicom(jpeg=half(encoded("JPEG"))), CUT),
    Hostile("signed.dcm", lambda: dicom(PixelRepresentation=1), "a DICOM picture must be"),
    Hostile("folder.jpg", Path.mkdir, NOT_ORDINARY, on_disk=True),
    Hostile("pipe.jpg", _pipe, NOT_ORDINARY, on_disk=True),
    Hostile("device.jpg", _device, NOT_ORDINARY, on_disk=True),
    Hostile("loop.jpg", _loop, NO_FILE, on_disk=True),
    Hostile("missing.jpg", _nothing, NO_FILE, on_disk=True),
    Hostile("huge.jpg", _huge, "a picture's file may have at most", on_disk=True),
)
