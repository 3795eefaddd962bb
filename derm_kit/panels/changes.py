"""The last section of the threshold page: changes under way, brought when they are first asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import ipywidgets as w

from derm_kit.panels.changes_words import NO_REGISTER
from derm_kit.panels.parts import Panel, guarded
from derm_kit.records.here import is_register_here

if TYPE_CHECKING:
    from derm_kit.panels.changes_panel import ChangesPanel


class ChangesSection(Panel):
    """A button, and behind it what the register holds: the page opens without a database's toolkit."""

    def __init__(self, then: Callable[[], None]) -> None:
        super().__init__()
        self._then = then
        self.panel: ChangesPanel | None = None
        self.words = w.HTML(
            "<p>Propose, approve, release and roll back thresholds; every step is signed and logged.</p>"
        )
        self.button = w.Button(description="Look at changes under way")
        self.button.add_class("dk-second")
        self.button.on_click(lambda _: self.look())
        self.view = w.VBox([self.words, self.button, self.notice])

    @guarded
    def look(self) -> None:
        """What the register holds now, if there is one."""
        self.notice.value = ""
        if self.panel is None and not is_register_here():
            self.words.value = f"<p>{NO_REGISTER}</p>"
            return
        if self.panel is None:
            from derm_kit.panels.changes_panel import ChangesPanel

            self.panel = ChangesPanel(self._then)
            self.button.description = "Look again"
            self.words.value = ""
            self.view.children = [self.button, self.notice, self.panel.view]
        self.panel.refresh()

    def changed(self) -> None:
        """A change was put into the register: the list shows it, where somebody looks at it."""
        if self.panel is not None:
            self.panel.refresh()
