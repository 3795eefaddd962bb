"""JSON from outside: read in one way only, or not at all."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

MOST_BYTES = 16 * 1024 * 1024


def parse(text: bytes | str) -> Any:  # noqa: ANN401 - whatever the text holds
    """The value of a JSON text (RFC 8259).

    Raises ValueError, in words, for what readers understand in several ways or cannot hold: a field said twice, NaN and
    infinity, numbers too large, halves of characters, more than MOST_BYTES, values nested too deep.
    """
    if len(text) > MOST_BYTES:
        raise ValueError(f"it has more than {MOST_BYTES // 2**20} MiB")
    said = text if isinstance(text, str) else text.decode(json.detect_encoding(text))
    try:
        found = json.loads(said, object_pairs_hook=_said_once, parse_constant=_no_number, parse_float=_finite)
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("it holds half a character") from None
    except RecursionError:
        raise ValueError("its values are nested too deep") from None
    return found


def read(path: Path) -> Any:  # noqa: ANN401 - whatever the file holds
    """The value of a JSON file. Raises OSError, and ValueError as `parse` does or where it is no ordinary file."""
    if path.exists() and not path.is_file():
        raise ValueError("it is a pipe, device or folder")
    with path.open("rb") as file:
        return parse(file.read(MOST_BYTES + 1))


def _said_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object as a dict; of two fields of one name the last would win unseen."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name} stands there twice")
        found[name] = value
    return found


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number in JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text} is too large for a number")
    return number
