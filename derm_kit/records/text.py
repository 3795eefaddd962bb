"""Text that comes back from any database exactly as it went in."""

from __future__ import annotations

import re

from sqlalchemy import Dialect, Text
from sqlalchemy.types import TypeDecorator

_UNSTORABLE = re.compile("[\\\\\0\ud800-\udfff]")
_ESCAPED = re.compile(r"\\u([0-9a-f]{4})")


def stored(text: str) -> str:
    r"""`text` as it lies in the database: NUL, lone surrogates and the backslash itself stand as \uXXXX.

    PostgreSQL keeps no NUL in text, and neither database keeps half of a surrogate pair.
    """
    return _UNSTORABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def shown(text: str) -> str:
    """What stored() was given."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text) if "\\" in text else text


class FaithfulText(TypeDecorator[str]):
    """A text column that keeps every Python string: NUL bytes, right-to-left marks, emoji, markup, SQL."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """On the way in."""
        return None if value is None else stored(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """On the way out."""
        return None if value is None else shown(str(value))
