"""JSON that is signed and hashed: one way to write it, and nothing is read that can be understood in two ways."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from derm_kit.errors import PolicyError, printable

MOST_BYTES = 16 * 1024 * 1024


def canonical(value: object) -> str:
    """`value` as JSON on one line: keys sorted, no spaces, numbers as Python writes them (shortest that reads back)."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)


def sha256(text: str) -> str:
    """SHA-256 (hexadecimal) of `text` in UTF-8."""
    return hashlib.sha256(text.encode()).hexdigest()


def read_object(path: Path, what: str) -> dict[str, Any]:
    """The JSON object in a file. `what` names such files in an error ("a change proposal").

    Raises PolicyError where the file is not a regular one, is too long, is no JSON object, says a field twice, or holds
    a number or a text that JSON cannot.
    """
    try:
        if path.exists() and not path.is_file():
            raise _unreadable(path, what, "it is a pipe, device or folder")
        if path.stat().st_size > MOST_BYTES:
            raise _unreadable(path, what, f"it has more than {MOST_BYTES // 2**20} MiB")
        found = json.loads(path.read_bytes(), object_pairs_hook=_said_once, parse_constant=_no_number)
        canonical(found).encode()
    except OSError as error:
        raise _unreadable(path, what, error.strerror) from None
    except (ValueError, RecursionError) as error:
        raise _unreadable(path, what, printable(error)) from None
    if not isinstance(found, dict):
        raise _unreadable(path, what, "it is no JSON object")
    return found


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


def _unreadable(path: Path, what: str, why: object) -> PolicyError:
    return PolicyError(
        f"{what} cannot be read ({why})", case=str(path), next_step="Name a JSON file as derm-kit writes it."
    )
