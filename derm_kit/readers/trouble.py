"""What a phone is told where something is refused or fails, and what whoever runs the server is told of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import NamedTuple

from derm_kit.errors import RecordError
from derm_kit.records.teaching_refusals import ReaderError

CANNOT_STORE = (
    "The server cannot do this at the moment. Nothing is lost: it is tried again by itself. If this stays, tell "
    "whoever leads the session."
)
BUSY = "The server has much to do at the moment. Nothing is lost: it is tried again by itself."
UNREADABLE = "What was sent cannot be read, and nothing of it was stored. Load the page again."
EVERY_S = 60.0
"""The same trouble is told once in so many seconds, however many phones meet it."""
_log = logging.getLogger("derm_kit.readers")


class BusyError(Exception):
    """The register did not take it in time; it may still be stored, and sending it again does no harm."""


class Refusal(NamedTuple):
    """Status and words. 503 is tried again by the page; other refusals stand."""

    status: int
    words: str


def refusal(error: RecordError) -> Refusal:
    """What a phone is told of an error: a reader's own doing in its words, all else without a word on this machine."""
    if isinstance(error, ReaderError):
        return Refusal(409, f"{error.rule[:1].upper()}{error.rule[1:]}. {error.next_step}")
    return Refusal(503, CANNOT_STORE)


class Told:
    """Tells whoever runs the server of trouble, in full, and not over and over."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._at: dict[str, float] = {}

    def tell(self, words: str) -> None:
        """Say it on the console, unless that was said just now."""
        now = self._clock()
        if now - self._at.get(words, -EVERY_S) >= EVERY_S:
            self._at = {said: at for said, at in self._at.items() if now - at < EVERY_S} | {words: now}
            _log.error("%s", words)
