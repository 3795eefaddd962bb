"""Decoding against Pillow, OpenCV, tifffile and formulas; hostile files; random damage."""

from __future__ import annotations

import dataclasses
import io
import math
import struct
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageFile, ImageOps

from derm_kit.cases.headers import MAX_PIXELS, MAX_SIDE_PX
from derm_kit.cases.images import Picture, central_square, decode
from derm_kit.errors import CaseError
from tests.hostile import HOSTILE, Hostile, dicom, encoded, picture, png_chunk

LOSSLESS = {"PNG": {}, "TIFF": {}, "BMP": {}, "WEBP": {"lossless": True}}
SAMPLES = ("astronaut", "chelsea", "coffee")


def pillow(data: bytes) -> np.ndarray:
    return np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))


def grey_profile(gamma: float) -> bytes:
    """A monochrome display profile with a pure power curve (ICC.1:2010, 8.3.4)."""
    white = b"XYZ \0\0\0\0" + struct.pack(">3l", 63190, 65536, 54061)
    curve = b"curv\0\0\0\0" + struct.pack(">LH", 1, round(gamma * 256)) + b"\0\0"
    text = b"desc\0\0\0\0" + struct.pack(">L", 5) + b"grey\0" + b"\0" * 79
    tags, body = b"", b""
    for name, part in ((b"desc", text), (b"wtpt", white), (b"kTRC", curve)):
        tags += name + struct.pack(">LL", 128 + 4 + 36 + len(body), len(part))
        body += part
    size = 128 + 4 + 36 + len(body)
    head = struct.pack(">L", size) + b"lcms\x02\x10\0\0mntrGRAYXYZ " + struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp"
    return (
        (head + b"\0" * 28 + struct.pack(">3l", 63190, 65536, 54061)).ljust(128, b"\0")
        + struct.pack(">L", 3)
        + tags
        + body
    )


def swapped_profile() -> bytes:
    """sRGB with the primaries of red and green exchanged: a picture in it is sRGB with those channels exchanged."""
    table = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, green = table.index(b"rXYZ"), table.index(b"gXYZ")
    table[red : red + 4], table[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(table)


@pytest.mark.parametrize("kind", LOSSLESS)
def test_a_lossless_picture_comes_back_exactly(kind: str) -> None:
    rgb = skimage.data.chelsea()[100:200, 50:200]
    found = decode(encoded(kind, rgb, **LOSSLESS[kind]), case="1")
    np.testing.assert_array_equal(found.rgb, rgb)
    assert (found.height_px, found.width_px) == rgb.shape[:2]
    assert found.format == {"WEBP": "WebP"}.get(kind, kind)
    assert found.rgb.flags.c_contiguous


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"subsampling": 2, "quality": 30}])
@pytest.mark.parametrize("sample", SAMPLES)
def test_jpeg_equals_opencv_and_pillow(sample: str, options: dict[str, int]) -> None:
    data = encoded("JPEG", getattr(skimage.data, sample)(), **options)
    found = decode(data, case="1").rgb.astype(int)
    opencv = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert np.abs(found - opencv).max() <= 1
    assert np.abs(found - pillow(data)).max() <= 1


def test_lossy_webp_equals_opencv() -> None:
    data = encoded("WEBP", skimage.data.chelsea(), quality=80)
    opencv = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert np.abs(decode(data, case="1").rgb.astype(int) - opencv).mean() < 0.5


@pytest.mark.parametrize(
    "width, height, shape", [(1024, 1023, (1023, 1024)), (1500, 1024, (512, 750)), (2101, 2051, (513, 526))]
)
def test_a_large_jpeg_is_decoded_smaller_but_keeps_twice_the_side(
    width: int, height: int, shape: tuple[int, int]
) -> None:
    rgb = cv2.resize(skimage.data.astronaut(), (width, height))
    found = decode(encoded("JPEG", rgb, quality=95), case="1", min_side_px=256)
    assert found.rgb.shape[:2] == shape
    assert (found.width_px, found.height_px) == (width, height)
    step = -(-height // shape[0])
    full = np.pad(rgb, ((0, -height % step), (0, -width % step), (0, 0)), mode="edge")
    want = full.reshape(shape[0], step, shape[1], step, 3).mean((1, 3))
    assert np.abs(found.rgb - want).mean() < 1.5


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation_is_applied_as_pillow_does(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(kind, picture(64, 40), exif=exif, **LOSSLESS.get(kind, {}))
    found = decode(data, case="1")
    want = pillow(data)
    np.testing.assert_array_equal(found.rgb, want)
    assert (found.height_px, found.width_px) == want.shape[:2]
    assert (found.width_px, found.height_px) == ((64, 40) if orientation < 5 else (40, 64))


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0", b"Exif\0\0MM\0*\xff\xff\xff\xff", b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\x12\x01" * 40]
)
def test_a_senseless_exif_block_turns_nothing(exif: bytes) -> None:
    plain = encoded("JPEG")
    data = plain[:2] + b"\xff\xe1" + struct.pack(">H", 2 + len(exif)) + exif + plain[2:]
    np.testing.assert_array_equal(decode(data, case="1").rgb, pillow(plain))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_a_colour_profile_is_converted(kind: str) -> None:
    options = {"quality": 100, "subsampling": 0} if kind == "JPEG" else LOSSLESS[kind]
    data = encoded(kind, icc_profile=swapped_profile(), **options)
    found = decode(data, case="1").rgb.astype(int)
    stored = pillow(data)
    assert np.abs(found - stored[..., [1, 0, 2]]).max() <= 2
    source = ImageCms.ImageCmsProfile(io.BytesIO(swapped_profile()))
    peer = ImageCms.profileToProfile(Image.fromarray(stored), source, ImageCms.createProfile("sRGB"))
    np.testing.assert_array_equal(found, np.asarray(peer))


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_grey_profile_follows_the_srgb_curve(kind: str) -> None:
    ramp = Image.fromarray(np.tile(np.arange(256, dtype=np.uint8), (16, 1)))
    options = {"quality": 100} if kind == "JPEG" else {}
    data = encoded(kind, ramp, icc_profile=grey_profile(1.0), **options)
    linear = np.asarray(Image.open(io.BytesIO(data))) / 255
    want = 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)  # IEC 61966-2-1
    found = decode(data, case="1").rgb
    assert np.abs(found - want[..., None]).max() <= 0.51
    assert np.array_equal(found[..., 0], found[..., 1])


def test_an_srgb_profile_moves_nothing() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    np.testing.assert_array_equal(decode(encoded("PNG", icc_profile=srgb), case="1").rgb, picture())


def test_a_profile_in_several_segments_is_joined() -> None:
    long = swapped_profile() + b"\0" * 100_000
    long = struct.pack(">L", len(long)) + long[4:]
    data = encoded("JPEG", icc_profile=long, quality=100, subsampling=0)
    assert data.count(b"ICC_PROFILE\0") == 2
    assert np.abs(decode(data, case="1").rgb.astype(int) - pillow(data)[..., [1, 0, 2]]).max() <= 2


def test_sixteen_bits_keep_the_high_byte(tmp_path: Path) -> None:
    values = np.random.default_rng(2).integers(0, 65_536, (40, 50, 3), dtype=np.uint16)
    values[0, :2] = [[0, 255, 256], [65_535, 65_280, 65_279]]
    want = values >> 8
    tifffile.imwrite(tmp_path / "big.tif", values, byteorder=">", photometric="rgb")
    tifffile.imwrite(tmp_path / "small.tif", values, photometric="rgb", compression="zlib", predictor=False)
    tifffile.imwrite(tmp_path / "grey.tif", values[..., 0], byteorder=">")
    (tmp_path / "rgb.png").write_bytes(cv2.imencode(".png", values[..., ::-1])[1].tobytes())
    (tmp_path / "grey.png").write_bytes(cv2.imencode(".png", values[..., 0])[1].tobytes())
    for name in ("big.tif", "small.tif", "rgb.png"):
        np.testing.assert_array_equal(decode(tmp_path / name, case=name).rgb, want, err_msg=name)
    for name in ("grey.tif", "grey.png"):
        np.testing.assert_array_equal(decode(tmp_path / name, case=name).rgb, want[..., [0, 0, 0]], err_msg=name)


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"])
def test_compressed_tiff_equals_tifffile_or_pillow(compression: str) -> None:
    data = encoded("TIFF", skimage.data.chelsea(), compression=compression)
    assert np.abs(decode(data, case="1").rgb.astype(int) - pillow(data)).max() == 0
    if compression != "jpeg":
        np.testing.assert_array_equal(decode(data, case="1").rgb, skimage.data.chelsea())


@pytest.mark.parametrize(
    "options", [{"tile": (64, 64), "compression": "zlib"}, {"planarconfig": "separate"}, {"bigtiff": True}]
)
def test_unusual_tiff_layouts_equal_tifffile(options: dict[str, object], tmp_path: Path) -> None:
    rgb = skimage.data.chelsea()
    tifffile.imwrite(
        tmp_path / "a.tif", rgb.transpose(2, 0, 1) if "planarconfig" in options else rgb, photometric="rgb", **options
    )
    np.testing.assert_array_equal(decode(tmp_path / "a.tif", case="1").rgb, rgb)


def test_a_tiff_whose_zero_is_white_is_turned(tmp_path: Path) -> None:
    for dtype, value in ((np.uint8, 10), (np.uint16, 10 * 257)):
        tifffile.imwrite(tmp_path / "a.tif", np.full((4, 5), value, dtype), photometric="miniswhite")
        assert np.all(decode(tmp_path / "a.tif", case="1").rgb == 245)


def test_sixteen_bit_planes_are_refused_because_pillow_misreads_them(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((3, 8, 8), np.uint16), photometric="rgb", planarconfig="separate")
    with pytest.raises(CaseError, match="separate planes"):
        decode(tmp_path / "a.tif", case="1")


def test_grey_palette_and_one_bit_pictures_become_rgb() -> None:
    grey = picture()[..., 0]
    for kind in ("JPEG", "PNG", "TIFF", "BMP"):
        data = encoded(kind, grey)
        np.testing.assert_array_equal(decode(data, case="1").rgb, pillow(data))
    palette = Image.fromarray(picture()).quantize(32)
    one_bit = Image.fromarray(grey > 120)
    for image in (palette, one_bit):
        for kind in ("PNG", "TIFF", "BMP"):
            np.testing.assert_array_equal(decode(encoded(kind, image), case="1").rgb, np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_transparency_is_laid_over_white(kind: str) -> None:
    rgb = picture()
    alpha = np.tile(np.linspace(0, 255, rgb.shape[1]).astype(np.uint8), (rgb.shape[0], 1))
    options = {"exact": True} if kind == "WEBP" else {}
    data = encoded(kind, np.dstack([rgb, alpha]), **LOSSLESS[kind], **options)
    share = alpha[..., None] / 255
    assert np.abs(decode(data, case="1").rgb - (rgb * share + 255 * (1 - share))).max() <= 0.51
    opaque = encoded(kind, np.dstack([rgb, np.full_like(alpha, 255)]), **LOSSLESS[kind])
    np.testing.assert_array_equal(decode(opaque, case="1").rgb, rgb)


def test_a_transparent_palette_entry_is_white() -> None:
    palette = Image.fromarray(np.zeros((4, 4), np.uint8), "P")
    palette.putpalette([10, 20, 30])
    assert np.all(decode(encoded("PNG", palette, transparency=0), case="1").rgb == 255)


@pytest.mark.parametrize("kind", [*LOSSLESS, "JPEG"])
def test_one_pixel_is_a_picture_and_fills_the_square(kind: str) -> None:
    found = decode(encoded(kind, np.full((1, 1, 3), 90, np.uint8), **LOSSLESS.get(kind, {})), case="1")
    assert found.rgb.shape == (1, 1, 3)
    assert np.all(central_square(found.rgb, 224) == 90)


def test_central_square_averages_areas_and_interpolates() -> None:
    rgb = np.random.default_rng(3).integers(0, 256, (64, 100, 3), dtype=np.uint8)
    middle = rgb[:, 18:82]
    blocks = middle.reshape(16, 4, 16, 4, 3).mean((1, 3))
    assert np.abs(central_square(rgb, 16) - blocks).max() <= 0.51
    np.testing.assert_array_equal(central_square(rgb, 64), middle)
    np.testing.assert_array_equal(central_square(rgb.transpose(1, 0, 2), 64), middle.transpose(1, 0, 2))
    ramp = np.repeat(np.arange(0, 200, 10, dtype=np.uint8)[None, :, None], 20, 0).repeat(3, 2)
    want = np.interp((np.arange(40) + 0.5) / 2 - 0.5, np.arange(20), ramp[0, :, 0])
    assert np.abs(central_square(ramp, 40)[0, :, 0] - want).max() <= 1


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda h: h.name)
def test_a_hostile_file_is_refused_by_name_rule_and_next_step(hostile: Hostile, tmp_path: Path) -> None:
    path = hostile.build(tmp_path)
    began = time.perf_counter()
    with pytest.raises(CaseError) as refusal:
        decode(path, case=hostile.name)
    assert time.perf_counter() - began < 2
    assert hostile.rule in refusal.value.rule
    assert refusal.value.case == hostile.name
    assert len(refusal.value.next_step) > 10
    assert str(tmp_path) not in str(refusal.value)


def test_the_limits_are_exact() -> None:
    assert decode(encoded("PNG", Image.new("1", (MAX_SIDE_PX, 1))), case="1").width_px == MAX_SIDE_PX
    for size in ((MAX_SIDE_PX + 1, 1), (10_000, MAX_PIXELS // 10_000 + 1)):
        with pytest.raises(CaseError, match="may have at most 80,000,000 pixels"):
            decode(encoded("PNG", Image.new("1", size)), case="1")


@pytest.mark.parametrize(
    ("kind", "place"),
    [
        ("JPEG", "read_file"), ("JPEG", "whole_jpeg"), ("JPEG", "_to_srgb"), ("PNG", "_flatten"), ("TIFF", "_flatten"),
        ("WEBP", "_to_srgb"), ("BMP", "_upright"),
    ],
)  # fmt: skip
def test_a_machine_short_of_memory_is_no_fault_of_the_picture(
    kind: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise MemoryError

    profile = {} if kind == "BMP" else {"icc_profile": swapped_profile()}
    (tmp_path / "a").write_bytes(encoded(kind, **profile))
    monkeypatch.setattr(f"derm_kit.cases.images.{place}", full)
    with pytest.raises(MemoryError):
        decode(tmp_path / "a", case="1")


def test_bytes_after_the_end_do_not_matter() -> None:
    plain = encoded("JPEG")
    np.testing.assert_array_equal(decode(plain + b"trailer" * 20, case="1").rgb, pillow(plain))


def test_pillow_told_to_fill_cut_off_pictures_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(CaseError, match="LOAD_TRUNCATED_IMAGES"):
        decode(encoded("BMP")[:-5_000], case="1")


def test_a_lower_limit_of_pillow_is_a_refusal_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert decode(encoded("PNG"), case="1").width_px == 96
    with pytest.raises(CaseError, match="Pillow's own limit"):
        decode(encoded("WEBP"), case="1")


def test_nothing_but_pixels_leaves() -> None:
    exif = Image.Exif()
    exif[0x013B] = "JANE DOE"
    exif.get_ifd(0x8825).update({1: "N", 2: (51.0, 30.0, 26.0), 3: "W", 4: (0.0, 7.0, 39.0)})
    plain = encoded("PNG")
    sources = [
        encoded("JPEG", exif=exif, comment=b"JANE DOE"),
        plain[:33] + png_chunk(b"tEXt", b"Author\0JANE DOE") + plain[33:],
        encoded("TIFF", exif=exif),
        dicom(PatientName="DOE^JANE", PatientComments="JANE DOE"),
    ]
    assert [field.name for field in dataclasses.fields(Picture)] == ["rgb", "width_px", "height_px", "format"]
    for data in sources:
        assert b"JANE" in data
        found = decode(data, case="1")
        assert type(found.rgb) is np.ndarray
        assert found.rgb.dtype == np.uint8
        assert found.rgb.nbytes == found.width_px * found.height_px * 3
        assert found.format in ("JPEG", "PNG", "TIFF", "DICOM")


VALID = {
    "JPEG": encoded("JPEG", picture(40, 32)),
    "progressive": encoded("JPEG", picture(40, 32), progressive=True, icc_profile=swapped_profile()),
    "PNG": encoded("PNG", picture(40, 32)),
    "TIFF": encoded("TIFF", picture(40, 32)),
    "LZW": encoded("TIFF", picture(40, 32), compression="tiff_lzw"),
    "WebP": encoded("WEBP", picture(40, 32)),
    "BMP": encoded("BMP", picture(40, 32)),
    "DICOM": dicom(picture(40, 32)),
    "DICOM JPEG": dicom(picture(40, 32), jpeg=encoded("JPEG", picture(40, 32))),
}


def decode_or_refuse(data: bytes) -> Picture | None:
    """The picture, or None after a refusal; anything else raised, or more than five seconds, fails the test."""
    began = time.perf_counter()
    try:
        return decode(data, case="1")
    except CaseError:
        return None
    finally:
        assert time.perf_counter() - began < 5


@pytest.mark.parametrize("kind", VALID)
@settings(max_examples=40, deadline=None)
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_cut_off_picture_is_refused_or_whole(kind: str, share: float) -> None:
    data = VALID[kind]
    found = decode_or_refuse(data[: int(share * len(data))])
    if found is not None:
        np.testing.assert_array_equal(found.rgb, decode(data, case="1").rgb)


@pytest.mark.parametrize("kind", VALID)
@settings(max_examples=100, deadline=None)
@given(damage=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6))
def test_damaged_bytes_are_refused_or_decoded(kind: str, damage: list[tuple[float, int]]) -> None:
    data = bytearray(VALID[kind])
    for place, value in damage:
        data[int(place**2 * len(data))] = value  # squared: most of the harm lies in the headers
    found = decode_or_refuse(bytes(data))
    if found is not None:
        assert found.rgb.ndim == 3
        assert found.rgb.shape[2] == 3
        assert found.rgb.dtype == np.uint8


@settings(max_examples=150, deadline=None)
@given(
    start=st.sampled_from([b"", *(data[:16] for data in VALID.values()), b"\0" * 128 + b"DICM"]),
    rest=st.binary(max_size=400),
)
def test_random_bytes_are_refused_or_decoded(start: bytes, rest: bytes) -> None:
    found = decode_or_refuse(start + rest)
    assert found is None or found.rgb.dtype == np.uint8


def test_threads_decode_alike() -> None:
    sources = [*VALID.values()] * 6
    alone = [decode(data, case="1").rgb for data in sources]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda data: decode(data, case="1").rgb, sources))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.data
def test_real_pictures_equal_pillow(data_folder: Path) -> None:
    paths = sorted((data_folder / "images").glob("*.jpg"))[::190][:50]
    assert len(paths) == 50
    for path in paths:
        found = decode(path, case=path.stem).rgb.astype(int)
        assert np.abs(found - pillow(path.read_bytes())).mean() <= 2


ROOT = Path(__file__).parents[1]
PEAK = """
import sys
from pathlib import Path
from derm_kit.cases.images import decode
from tests.peak import peak_mb
before = peak_mb()
decode(Path(sys.argv[1]), case="large")
print(peak_mb() - before)
"""


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_the_largest_picture_takes_less_than_a_gigabyte(tmp_path: Path, mode: str) -> None:
    side = math.isqrt(MAX_PIXELS)
    Image.new(mode, (side, side), (200, 90, 20, 180)[: len(mode)]).save(tmp_path / "large.png", compress_level=1)
    done = subprocess.run(
        [sys.executable, "-c", PEAK, tmp_path / "large.png"], capture_output=True, check=True, cwd=ROOT
    )
    assert 500 < float(done.stdout) < 1_000, "MB, of which the picture itself takes the least"
