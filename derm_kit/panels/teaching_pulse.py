"""A pulse that the browser gives while the page is open: no thread is left behind when it is closed or lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anywidget
import traitlets as t

EVERY_MS = 2_000


class Pulse(anywidget.AnyWidget):
    """Calls `then` every two seconds while it is `on`; a busy kernel is asked again only once it has answered."""

    _esm = Path(__file__).with_name("teaching_pulse.js")

    on = t.Bool(False).tag(sync=True)
    every_ms = t.Int(EVERY_MS).tag(sync=True)
    answered = t.Int(0).tag(sync=True)

    def __init__(self, then: Callable[[], None]) -> None:
        super().__init__()
        self._then = then
        self.on_msg(lambda *_: self.beat())

    def beat(self) -> None:
        """What a message of the browser brings about."""
        try:
            self._then()
        finally:
            self.answered += 1
