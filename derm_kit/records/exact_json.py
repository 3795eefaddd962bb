"""JSON that is signed and hashed: one way to write it, and nothing is read that can be understood in two ways."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from derm_kit import plain_json
from derm_kit.errors import PolicyError, printable

MOST_BYTES = plain_json.MOST_BYTES


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
        found = plain_json.read(path)
    except OSError as error:
        raise _unreadable(path, what, error.strerror) from None
    except ValueError as error:
        raise _unreadable(path, what, printable(error)) from None
    if not isinstance(found, dict):
        raise _unreadable(path, what, "it is no JSON object")
    return found


def _unreadable(path: Path, what: str, why: object) -> PolicyError:
    return PolicyError(
        f"{what} cannot be read ({why})", case=str(path), next_step="Name a JSON file as derm-kit writes it."
    )
