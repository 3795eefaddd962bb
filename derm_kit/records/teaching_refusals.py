"""What a reader of a teaching session did that cannot be: told in its own words, as no trouble of the register is."""

from __future__ import annotations

from derm_kit.errors import RecordError


class ReaderError(RecordError):
    """A reader's own doing is refused; nothing of it was stored, and rule and next step are for their eyes."""


class UnknownReaderError(ReaderError):
    """No reader has this token, or has it any more."""

    def __init__(self) -> None:
        super().__init__(
            "this browser has not joined a session here, or another took its place",
            next_step="Join with the code on the wall. What was answered before stays stored.",
        )
