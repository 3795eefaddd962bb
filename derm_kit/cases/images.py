"""Pictures come in: six formats to upright sRGB pixels, or a refusal that says why.

The rules, each tested:

* The format is read from the first bytes, never from the suffix. JPEG, PNG, TIFF, WebP, BMP and DICOM are decoded.
* The header is read first: more than `MAX_PIXELS` pixels or a side above `MAX_SIDE_PX` is refused before any decoding.
* A file that ends early or whose checksums or coded data do not hold is refused: no half-grey picture is ever scored.
  Zeros that follow a JPEG's last pixel up to its end mark are a camera's padding and no damage.
* A picture is refused for what is wrong with the picture. A machine short of memory raises MemoryError.
* Several pictures in one file (animation, pages) are refused, because a clinician must know which one was scored.
  DICOM is the exception: frame 1 is decoded and `Picture.format` says so.
* EXIF orientation is applied. A colour profile is converted to sRGB (one that moves no colour by more than one step
  is sRGB); without one the values are taken as sRGB, PNG gamma chunks and EXIF colour tags notwithstanding.
  CMYK is refused: print colours do not name screen colours.
* 16-bit PNG and TIFF keep the high byte (v >> 8, so 65,535 becomes 255), a 12-bit TIFF v >> 4. Transparency is laid
  over white.
* A large JPEG is decoded at 1/2, 1/4 or 1/8 of its size while its short side stays at least 2 * `min_side_px`.
* Only pixels leave: no EXIF, no text, no name.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt
from PIL import BmpImagePlugin, Image, ImageCms, ImageFile, PngImagePlugin, TiffImagePlugin, WebPImagePlugin

from derm_kit.cases.headers import (
    DAMAGE,
    EXPORT_AGAIN,
    check_png,
    check_size,
    cut_off,
    damaged,
    exif_orientation,
    file_format,
    hush,
    not_rgb,
    read_file,
    refuse,
    too_large,
)
from derm_kit.cases.jpegs import jpeg_header, whole_jpeg
from derm_kit.cases.tiffs import check_tiff, hush_libtiff, values_of
from derm_kit.errors import CaseError

if TYPE_CHECKING:
    from derm_kit.cases.places import Place

Pixels = npt.NDArray[np.uint8]

BAND_PX = 2_000_000
"""Pixels that are made sRGB at once."""
_PLUGINS: dict[str, type[ImageFile.ImageFile]] = {
    "PNG": PngImagePlugin.PngImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "WebP": WebPImagePlugin.WebPImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
}
_MODES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "YCbCr"})


@dataclass(frozen=True, eq=False)
class Picture:
    """One decoded picture: pixels and nothing else of the file.

    `rgb` is uint8 (H, W, 3), sRGB, upright. `width_px` and `height_px` are those of the original as shown upright;
    `rgb` may be smaller (see `decode`). `format` is one of JPEG, PNG, TIFF, WebP, BMP, DICOM; for a multi-frame
    DICOM object it names the frame: "DICOM, frame 1 of 3".
    """

    rgb: Pixels
    width_px: int
    height_px: int
    format: str


def decode(source: Place | bytes, *, case: str, min_side_px: int = 256) -> Picture:
    """The picture in `source` (a file or its bytes) as upright sRGB, uint8 (H, W, 3).

    A JPEG with a short side of 4 * `min_side_px` or more comes smaller, its short side never below 2 * `min_side_px`.
    Raises CaseError, naming `case`, for anything that cannot be decoded whole; MemoryError where the machine runs short
    of memory for a picture within the limits, which says nothing against the picture.
    """
    data = source if isinstance(source, bytes) else read_file(source, case)
    kind = file_format(data, case)
    if kind == "JPEG":
        return _decode_jpeg(data, case, min_side_px)
    hush()
    if kind == "DICOM":
        from derm_kit.cases.dicom import dicom_pixels  # pydicom is slow to import and most cohorts have none

        colour, profile, frames = dicom_pixels(data, case)
        height, width = colour.shape[:2]
        named = f"DICOM, frame 1 of {frames:,}" if frames > 1 else "DICOM"
        return Picture(_to_srgb(colour, profile, case), width, height, named)
    return _decode_with_pillow(data, kind, case)


def central_square(rgb: Pixels, size: int) -> Pixels:
    """What the model sees: the central square of `rgb` (H, W, 3), resized to uint8 (size, size, 3).

    Area average when it shrinks, linear when it grows; the same function as the training recipe's.
    """
    height, width = rgb.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = rgb[top : top + side, left : left + side]
    if side == size:
        return np.ascontiguousarray(square)
    way = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(square, (size, size), interpolation=way), dtype=np.uint8)


def _decode_jpeg(data: bytes, case: str, min_side_px: int) -> Picture:
    header = jpeg_header(data, case)
    check_size(header.width_px, header.height_px, case)
    if header.components not in (1, 3):
        raise not_rgb(case, "CMYK" if header.components == 4 else f"{header.components} colour channels")
    width, height = header.width_px, header.height_px
    shrink = next((k for k in (8, 4, 2) if min(width, height) >= 2 * k * min_side_px), 1)  # the steps that are quick
    rgb = whole_jpeg(data, case, min_height=-(-height // shrink), min_width=-(-width // shrink))
    if header.profile:
        rgb = _to_srgb(rgb[..., 0] if header.components == 1 else rgb, header.profile, case)
    return _upright(rgb, width, height, header.orientation, "JPEG")


def _decode_with_pillow(data: bytes, kind: str, case: str) -> Picture:
    if ImageFile.LOAD_TRUNCATED_IMAGES:
        rule = "Pillow must not fill cut-off pictures with grey, for such a picture would be scored"
        raise refuse(rule, "Set PIL.ImageFile.LOAD_TRUNCATED_IMAGES to False", case, True)
    if kind == "PNG":
        check_png(data, case)
    if kind == "TIFF":
        hush_libtiff()
    if kind == "WebP" and len(data) < (want := 8 + int.from_bytes(data[4:8], "little")):
        raise cut_off(case, len(data), want)
    try:
        # The plugin itself, not Image.open: that one warns or raises on size by a limit anyone may have changed.
        with _PLUGINS[kind](io.BytesIO(data)) as image:
            _check_header(image, kind, data, case)
            image.load()
            rgb = _flatten(image, case)
            exif = b"" if kind == "TIFF" else image.info.get("exif") or b""  # Pillow turns a TIFF itself
    except CaseError:
        raise
    except Image.DecompressionBombError:
        raise too_large(case, f"a {kind} picture beyond Pillow's own limit") from None
    except DAMAGE as error:
        if "out of memory" in str(error):
            raise MemoryError(str(error)) from None
        if "unknown pixel mode" in str(error):
            raise not_rgb(case, values_of(data)) from None
        if "truncated" in str(error).lower():
            raise cut_off(case, len(data)) from None
        raise damaged(case, kind, error) from None
    return _upright(rgb, rgb.shape[1], rgb.shape[0], exif_orientation(exif), kind)


def _check_header(image: ImageFile.ImageFile, kind: str, data: bytes, case: str) -> None:
    """One picture of a size and of values that can be decoded, all of it inside the file's `data`."""
    check_size(image.width, image.height, case)
    if getattr(image, "is_animated", False):
        step = "Export the frame or page that is to be scored as a picture of its own"
        raise refuse("one file must be one picture", step, case, f"{kind} with several frames or pages")
    if image.mode not in _MODES and not image.mode.startswith("I;16"):
        found = "CMYK" if image.mode == "CMYK" else f"{image.mode} values"
        raise not_rgb(case, values_of(data) if kind == "TIFF" and image.mode in ("F", "I") else found)
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        check_tiff(image, len(data), case)


def _flatten(image: Image.Image, case: str) -> Pixels:
    """Loaded picture as sRGB (H, W, 3): 16 bit by its high byte, palette and grey expanded, transparency on white.

    Band by band, since each step would take the memory of the whole picture again.
    """
    profile = image.info.get("icc_profile") or b""
    if image.mode.startswith("I;16"):
        return _to_srgb(_high_byte(image), profile, case)
    rgb = np.empty((image.height, image.width, 3), np.uint8)
    rows = max(1, BAND_PX // image.width)
    for top in range(0, image.height, rows):
        bottom = min(top + rows, image.height)
        rgb[top:bottom] = _flat_band(image.crop((0, top, image.width, bottom)), profile, case)
    return rgb


def _flat_band(band: Image.Image, profile: bytes, case: str) -> Pixels:
    grey = band.mode in ("1", "L", "LA")
    if not band.has_transparency_data:
        return _to_srgb(np.asarray(band.convert("L" if grey else "RGB")), profile, case)
    rgba = np.asarray(band.convert("RGBA"))
    rgb = _to_srgb(rgba[..., 0] if grey else rgba[..., :3], profile, case)
    alpha = rgba[..., 3:].astype(np.uint16)
    return ((rgb * alpha + (255 - alpha) * np.uint16(255) + np.uint16(127)) // 255).astype(np.uint8)


def _high_byte(image: Image.Image) -> Pixels:
    """Grey (H, W) of more than 8 bits; a TIFF says how many, and whether 0 is white."""
    values, bits = np.asarray(image).astype(np.uint16), 16
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        bits = int(image.tag_v2.get(258, (16,))[0])
        if image.tag_v2.get(262) == 0:
            values = np.uint16(2**bits - 1) - values
    return (values >> (bits - 8)).astype(np.uint8)


def _upright(rgb: Pixels, width: int, height: int, orientation: int, kind: str) -> Picture:
    """Turn or mirror by the EXIF orientation (Exif 2.32, tag 0x0112)."""
    if orientation > 4:
        rgb, width, height = rgb.transpose(1, 0, 2), height, width
    down, across = {2: (1, -1), 3: (-1, -1), 4: (-1, 1), 6: (1, -1), 7: (-1, -1), 8: (-1, 1)}.get(orientation, (1, 1))
    return Picture(np.ascontiguousarray(rgb[::down, ::across]), width, height, kind)


def _to_srgb(colour: Pixels, profile: bytes, case: str) -> Pixels:
    """Grey (H, W) or colour (H, W, 3) uint8 of a colour profile (b"" for none) as sRGB, uint8 (H, W, 3).

    Perceptual intent, as Pillow's default. Raises CaseError for a damaged profile or one of another kind of picture.
    """
    try:
        grey = colour.ndim == 2
        if not profile:
            return np.repeat(colour[..., None], 3, axis=2) if grey else np.ascontiguousarray(colour)
        space = _colour_space(profile)
        if grey and space == "GRAY":
            return _grey_steps(profile)[colour]
        if space != "RGB":
            rule = "the colour profile must belong to this kind of picture"
            raise refuse(rule, f"{EXPORT_AGAIN} in sRGB", case, f"a {space} profile")
        rgb = np.repeat(colour[..., None], 3, axis=2) if grey else np.ascontiguousarray(colour)
        transform = _transform(profile)
        return rgb if transform is None else np.array(transform.apply(Image.fromarray(rgb)))
    except (*DAMAGE, ImageCms.PyCMSError):
        raise damaged(case, "colour profile", f"a profile of {len(profile):,} bytes") from None


def _profile(profile: bytes) -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(io.BytesIO(profile))


# Kept for the last few profiles, because the pictures of one camera share theirs.
@lru_cache(maxsize=8)
def _colour_space(profile: bytes) -> str:
    return str(_profile(profile).profile.xcolor_space.strip())


@lru_cache(maxsize=8)
def _grey_steps(profile: bytes) -> Pixels:
    """What each of the 256 greys is in sRGB, uint8 (256, 3)."""
    exact = ImageCms.Flags.NOOPTIMIZE
    way = ImageCms.buildTransform(_profile(profile), ImageCms.createProfile("sRGB"), "L", "RGB", flags=exact)
    steps: Pixels = np.array(way.apply(Image.fromarray(np.arange(256, dtype=np.uint8)[None])))
    return steps.reshape(256, 3)


@lru_cache(maxsize=8)
def _transform(profile: bytes) -> ImageCms.ImageCmsTransform | None:
    """The way from a profile to sRGB; None where it moves no colour by more than one step, which is sRGB itself."""
    way = ImageCms.buildTransform(_profile(profile), ImageCms.createProfile("sRGB"), "RGB", "RGB")
    steps = np.arange(0, 256, 15, dtype=np.uint8)
    probe = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    moved = np.abs(np.array(way.apply(Image.fromarray(probe))).astype(int) - probe).max()
    return way if moved > 1 else None
