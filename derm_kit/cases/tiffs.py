"""TIFF: what its tags say of its values and its place in the file, and libtiff kept from the terminal."""

from __future__ import annotations

import ctypes
import io
from contextlib import suppress
from functools import cache

import numpy as np
from PIL import TiffImagePlugin, _imaging

from derm_kit.cases.headers import DAMAGE, check_size, cut_off, not_rgb

_KINDS = {1: "unsigned", 2: "signed", 3: "floating-point"}
_BITS, _PLANES, _SAMPLE_FORMAT = 258, 284, 339
_TILE_WIDTH, _TILE_LENGTH = 322, 323
_PLACES = ((273, 279), (324, 325))
"""Tags of the offsets and byte counts of strips and of tiles (TIFF 6.0)."""


def check_tiff(image: TiffImagePlugin.TiffImageFile, have: int, case: str) -> None:
    """Raise CaseError for tiles beyond the limits, 16-bit planes, and data outside the file's `have` bytes."""
    tags = image.tag_v2
    check_size(int(tags.get(_TILE_WIDTH, 1)), int(tags.get(_TILE_LENGTH, 1)), case)
    if tags.get(_PLANES) == 2 and max(tags.get(_BITS, (8,))) > 8:  # Pillow reads such planes as 8 bit
        raise not_rgb(case, "16 bit values in separate planes")
    for offsets, counts in _PLACES:
        starts, lengths = (np.atleast_1d(np.array(tags.get(tag, ()), np.int64)) for tag in (offsets, counts))
        if starts.size and starts.size == lengths.size and (want := int((starts + lengths).max())) > have:
            raise cut_off(case, have, want)


def values_of(data: bytes) -> str:
    """In words, what values a TIFF holds that Pillow does not read, such as "32-bit floating-point values"."""
    try:
        big = data[2:4] in (b"+\0", b"\0+")
        tags = TiffImagePlugin.ImageFileDirectory_v2(data[: 16 if big else 8])
        file = io.BytesIO(data)
        file.seek(tags.next)
        tags.load(file)
        bits = int(max(np.atleast_1d(tags.get(_BITS, 1))))
        kind = _KINDS.get(int(np.atleast_1d(tags.get(_SAMPLE_FORMAT, 1))[0]), "unusual")
    except DAMAGE:
        return "values of an unknown kind"
    return f"{bits}-bit {kind} values"


@cache
def hush_libtiff() -> None:
    """Keep libtiff, which Pillow brings, from writing its own lines to the terminal; Pillow raises what matters."""
    pillow = ctypes.CDLL(_imaging.__file__)  # the functions of its libraries are found through it
    for kind in ("Error", "Warning"):
        with suppress(AttributeError):  # a Pillow that keeps libtiff's names to itself
            getattr(pillow, f"TIFFSet{kind}Handler")(None)
