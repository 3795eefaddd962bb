"""The chain of the audit log: each entry's seal is a keyed hash of the entry and of the seal before it.

HMAC-SHA-256 (RFC 2104, FIPS 198-1). Without the key nobody can make an entry that fits, and no entry can be changed,
taken out or moved unless every later one is sealed anew.
"""

from __future__ import annotations

import hmac
import json
from dataclasses import dataclass
from typing import NamedTuple

START = "0" * 64
"""Stands for the seal before the first entry."""


class Content(NamedTuple):
    """What is sealed of one entry, as it lies in the database."""

    at: str
    actor: str
    action: str
    subject: str
    details: str


@dataclass(frozen=True)
class Head:
    """How many entries the log holds, and the seal of the last: together they stand for every entry so far."""

    count: int
    seal: str


EMPTY = Head(0, START)


def seal_entry(key: bytes, previous: str, content: Content) -> str:
    """The seal (64 hexadecimal digits) of an entry that follows the one sealed `previous`."""
    return keyed_hash(key, "entry", previous, *content)


def keyed_hash(key: bytes, *parts: str) -> str:
    """HMAC-SHA-256 of `parts`, hexadecimal; written as a JSON list, so that no two lists of parts are alike."""
    return hmac.digest(key, json.dumps(parts, default=repr).encode("ascii"), "sha256").hex()
