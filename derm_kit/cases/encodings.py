"""What encoding a text file has, and its text in blocks of whole lines, whatever its line ends."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from derm_kit.errors import CohortError

MAX_BYTES: Final = 4 * 2**30
MAX_LINE: Final = 1_000_000
"""Characters in one line; a longer one is refused as a row (the reader's memory stays bounded)."""

_BLOCK: Final = 16 * 2**20
_MAGIC: Final = {
    b"PK\x03\x04": (
        "a text table is needed, and this is a spreadsheet or zip file",
        "Save it as CSV (UTF-8), or unpack it.",
    ),
    b"\xd0\xcf\x11\xe0": ("a text table is needed, and this is an old spreadsheet file", "Save it as CSV (UTF-8)."),
    b"PAR1": ("a text table is needed, and this is a Parquet file", "Save it as CSV (UTF-8)."),
    b"\x1f\x8b": ("a text table is needed, and this is a compressed file", "Unpack it first."),
    b"\xff\xd8\xff": ("a text table is needed, and this is a picture", "Name the table, or the folder of pictures."),
    b"\x89PNG": ("a text table is needed, and this is a picture", "Name the table, or the folder of pictures."),
}


def unreadable(path: Path, error: Exception) -> CohortError:
    """The refusal of a file or folder that the system will not give."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return CohortError(
        "the file or folder must be readable",
        case=str(path),
        value=reason,
        next_step="Check the path, that it exists, and the right to read it.",
    )


def encoding_of(path: Path) -> tuple[str, list[str]]:
    """The encoding of the file and notes on it; refuses what is no text table."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(4096)
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
    if not start.strip(b"\x00\xef\xbb\xbf\xff\xfe \t\r\n"):
        raise CohortError(
            "a table must not be empty", case=str(path), value=f"{size} bytes", next_step="Export the table again."
        )
    if size > MAX_BYTES:
        raise CohortError(
            f"a table has at most {MAX_BYTES // 2**30} GiB",
            case=str(path),
            value=f"{size:,} bytes",
            next_step="Split the table.",
        )
    for magic, (rule, next_step) in _MAGIC.items():
        if start.startswith(magic):
            raise CohortError(rule, case=str(path), next_step=next_step)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16", [f"{path.name} is read as UTF-16."]
    nul_even, nul_odd = start[0::2].count(0), start[1::2].count(0)
    half = len(start) // 2
    if max(nul_even, nul_odd) > half * 0.7 and min(nul_even, nul_odd) < half * 0.1:
        return ("utf-16-le" if nul_odd > nul_even else "utf-16-be"), [
            f"{path.name} is read as UTF-16 (without its mark)."
        ]
    if _decodes(path, "utf-8"):
        return ("utf-8-sig" if start.startswith(codecs.BOM_UTF8) else "utf-8"), []
    if _decodes(path, "cp1252"):
        return "cp1252", [f"{path.name} is not UTF-8 and is read as Windows-1252: check its accented letters."]
    return "latin-1", [
        f"{path.name} is neither UTF-8 nor Windows-1252 and is read as Latin-1: check its accented letters."
    ]


def _decodes(path: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        with path.open("rb") as file:
            while block := file.read(2**20):
                decoder.decode(block)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    except OSError as error:
        raise unreadable(path, error) from error
    return True


def blocks(path: Path, encoding: str) -> Iterator[bytes]:
    """The file as UTF-8 with plain line feeds, in blocks that end with a whole line.

    A line too long for a block comes as a NUL character, which is refused as a row.
    """
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    held = b""
    skipping = False
    with path.open("rb") as file:
        while True:
            raw = file.read(_BLOCK)
            text = decoder.decode(raw, final=not raw).encode() if encoding != "utf-8" else raw
            block = held + text
            if raw and block.endswith(b"\r"):
                block, held = block[:-1], b"\r"
            else:
                held = b""
            if b"\r" in block:
                block = block.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            if skipping:
                _, end, block = block.partition(b"\n")
                skipping = not end
                block = b"\x00\n" + block if end else b""
            if not raw:
                if skipping:
                    block = b"\x00\n"
                if block:
                    yield block
                return
            cut = block.rfind(b"\n") + 1
            if not cut and len(block) > MAX_LINE:
                block, skipping = b"", True
            held = block[cut:] + held
            if cut:
                yield block[:cut]
