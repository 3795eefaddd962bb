"""A page that loses the workbench says so and picks up again: what was entered is neither lost nor taken twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
from IPython import get_ipython
from ipywidgets.widgets.widget import _instances as widgets_by_id

REMEMBERED = 10_000
"""So many messages are known again when they come a second time; a page waits for far fewer at once."""


class Connection(anywidget.AnyWidget):
    """Watches the line between page and kernel, in the browser; see connection.js.

    After a break the page sends again whatever it has no answer to, and asks for all that is on show.
    """

    _esm = Path(__file__).with_name("connection.js")

    def __init__(self) -> None:
        super().__init__()
        take_each_once()
        self.on_msg(lambda _, asked, __: self.say_all_again(asked))

    def say_all_again(self, asked: Any) -> None:  # noqa: ANN401 - what a browser sent
        """Send the state of every widget: some of what was sent before may have gone into a dead line."""
        for widget in list(widgets_by_id.values()):
            widget.send_state()
        self.send(asked)


class Once:
    """A handler of a kernel's messages that lets each message through once, by its id."""

    def __init__(self, handle: Callable[..., object]) -> None:
        self._handle = handle
        self._taken: dict[str, None] = {}

    def __call__(self, stream: object, ident: object, message: dict[str, Any]) -> object:
        """Handle `message`, unless it was taken before."""
        name = str(message["header"]["msg_id"])
        if name in self._taken:
            return None
        self._taken[name] = None
        if len(self._taken) > REMEMBERED:
            del self._taken[next(iter(self._taken))]
        return self._handle(stream, ident, message)


def take_each_once() -> None:
    """Have this kernel, if this is one, take each message of a widget once."""
    kernel = getattr(get_ipython(), "kernel", None)
    if kernel is not None and not isinstance(kernel.shell_handlers["comm_msg"], Once):
        kernel.shell_handlers["comm_msg"] = Once(kernel.shell_handlers["comm_msg"])
