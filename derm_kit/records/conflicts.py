"""Two writers, one record: the second is told, and shown both."""

from __future__ import annotations

from derm_kit.errors import RecordError, printable


class ConflictError(RecordError):
    """A record was changed since the writer read it; nothing was written. `stored` and `yours` are both, whole."""

    def __init__(self, what: str, *, stored: object, yours: object, shown: tuple[str, str], next_step: str) -> None:
        self.stored = stored
        self.yours = yours
        super().__init__(
            f"somebody saved this meanwhile. Stored: {printable(shown[0])}. Yours, not saved: {printable(shown[1])}",
            case=what,
            next_step=next_step,
        )
