"""TIFF values that Pillow does not read are named, tiles are held to the limits, and libtiff keeps silent."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, TiffImagePlugin

from derm_kit.cases.images import decode
from derm_kit.errors import CaseError
from tests.hostile import encoded, picture


@pytest.mark.parametrize(
    ("dtype", "colour", "words"),
    [
        (np.float32, False, "32-bit floating-point values"),
        (np.float32, True, "32-bit floating-point values"),
        (np.float64, True, "64-bit floating-point values"),
        (np.float16, False, "16-bit floating-point values"),
        (np.int16, False, "16-bit signed values"),
        (np.uint32, False, "32-bit unsigned values"),
    ],
)
@pytest.mark.parametrize("options", [{}, {"bigtiff": True}, {"byteorder": ">"}])
def test_values_that_are_no_colours_are_named_with_what_to_do(
    dtype: type, colour: bool, words: str, options: dict[str, object], tmp_path: Path
) -> None:
    values = picture().astype(dtype) if colour else picture()[..., 0].astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb" if colour else "minisblack", **options)
    with pytest.raises(CaseError) as refusal:
        decode(tmp_path / "a.tif", case="7")
    assert str(refusal.value) == (
        f"7: a picture must hold 8 or 16 bit RGB, grey or palette values (found: {words}). "
        "Save it as an 8-bit JPEG or PNG in sRGB"
    )


def test_tiles_beyond_the_limits_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", picture(), photometric="rgb", tile=(64, 64), compression="zlib")
    data = bytearray((tmp_path / "a.tif").read_bytes())
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        for tag in ("TileWidth", "TileLength"):
            at = file.pages[0].tags[tag].valueoffset
            data[at : at + 2] = (65_520).to_bytes(2, "little")
    with pytest.raises(CaseError, match="a picture may have at most"):
        decode(bytes(data), case="1")


def test_libtiff_writes_nothing_to_the_terminal(tmp_path: Path) -> None:
    lzw = encoded("TIFF", compression="tiff_lzw")
    for i, data in enumerate((lzw[:2000] + b"\xff" * 300 + lzw[2300:], lzw[:2000] + b"\0" * 300 + lzw[2300:])):
        (tmp_path / f"{i}.tif").write_bytes(data)
    code = """
import sys
from pathlib import Path
from derm_kit.cases.images import decode
from derm_kit.errors import CaseError
for path in sorted(Path(sys.argv[1]).glob("*.tif")):
    try:
        decode(path, case=path.name)
    except CaseError:
        print(path.name)
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert (done.stdout.split(), done.stderr) == (["0.tif", "1.tif"], "")


def test_a_tiff_that_does_not_fit_into_memory_is_not_at_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: object) -> None:
        raise OSError("out of memory error when reading image file")

    monkeypatch.setattr(TiffImagePlugin.TiffImageFile, "load", full)
    with pytest.raises(MemoryError):
        decode(encoded("TIFF", Image.fromarray(picture())), case="1")
