"""Work in a thread of its own beside the page, of which the newest wins."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from derm_kit.errors import DermKitError
from derm_kit.panels.parts import notice_html

_log = logging.getLogger("derm_kit.panels")

Speak = Callable[[Callable[[], None]], None]
"""Says something on the page, one at a time; raises Superseded where newer work has begun or all was stopped."""


class Superseded(Exception):  # noqa: N818 - not an error: somebody moved on
    """The work under way is for what is no longer set."""


class Newest:
    """One piece of work at a time: where another begins, the one before says no more on the page.

    `under_way` is told when work begins and when the last has ended; `told` is given the notice of what went wrong.
    """

    def __init__(self, under_way: Callable[[bool], None], told: Callable[[str], None]) -> None:
        self._under_way, self._told = under_way, told
        self._turn = 0
        self._lock = threading.Lock()
        self._thread = threading.Thread()

    def begin(self, work: Callable[[Speak], None]) -> None:
        """Start `work`; what was under way ends at its next word."""
        with self._lock:
            self._turn += 1
            self._under_way(True)
            self._thread = threading.Thread(target=self._run, args=(self._turn, work), daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Nothing is under way any more."""
        with self._lock:
            self._turn += 1
            self._under_way(False)

    def wait(self) -> None:
        """Return when nothing is under way."""
        while self._thread.is_alive():
            self._thread.join()

    def _run(self, turn: int, work: Callable[[Speak], None]) -> None:
        def speak(say: Callable[[], None]) -> None:
            with self._lock:
                if turn != self._turn:
                    raise Superseded
                say()

        def end(notice: str) -> None:
            self._under_way(False)
            if notice:
                self._told(notice)

        try:
            notice = _tried(work, speak)
            speak(lambda: end(notice))
        except Superseded:
            return


def _tried(work: Callable[[Speak], None], speak: Speak) -> str:
    """Do the work; the notice of what went wrong, empty where nothing did."""
    try:
        work(speak)
    except Superseded:
        raise
    except DermKitError as error:
        return notice_html("error", str(error))
    except Exception:  # noqa: BLE001 - the page lives on, and the log has the traceback
        _log.exception("work beside a page failed")
        return notice_html(
            "error", "This failed in a way that derm-kit did not foresee. What you set is kept.",
            "The person who runs this workbench finds the cause in its log.",
        )  # fmt: skip
    return ""
