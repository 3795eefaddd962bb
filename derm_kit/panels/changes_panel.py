"""Changes of thresholds under way: the list, one opened, its steps, and the releases. Made when first looked at."""

from __future__ import annotations

from collections.abc import Callable
from itertools import zip_longest

import ipywidgets as w

from derm_kit.panels.changes_releases import ReleasesPanel
from derm_kit.panels.changes_signing import opened
from derm_kit.panels.changes_steps import StepsPanel
from derm_kit.panels.changes_words import NOTHING_SENT, SHORT_ID, change_html, names_of, row_html
from derm_kit.panels.parts import Panel, guarded
from derm_kit.panels.tuning_words import counted
from derm_kit.records import change as changes
from derm_kit.records.change_steps import OPEN
from derm_kit.records.register import Register
from derm_kit.records.starting_point import starting_point

ROWS = 10


class Row:
    """A place in the list: it stays where it is while what it shows changes, and keeps the keyboard's focus."""

    def __init__(self, opens: Callable[[str], None]) -> None:
        self.change_id = ""
        self.button, self.words = w.Button(), w.HTML()
        self.button.add_class("dk-second")
        self.button.on_click(lambda _: opens(self.change_id))
        self.view = w.HBox([self.button, self.words])
        self.view.add_class("dk-change-row")

    def show(self, change_id: str, html: str) -> None:
        """One change, or nothing."""
        self.change_id, self.words.value = change_id, html
        self.button.description = f"Open {change_id[:SHORT_ID]}"
        self.view.layout.display = "" if change_id else "none"


class ChangesPanel(Panel):
    """What the register holds; `then` is called after each step, as another policy may be in force."""

    def __init__(self, then: Callable[[], None]) -> None:
        super().__init__()
        self._then, self._page, self._open = then, 0, ""
        self.words, self.detail = w.HTML(), w.HTML()
        self.rows = [Row(self.open) for _ in range(ROWS)]
        self.newer, self.older = w.Button(description="Newer changes"), w.Button(description="Older changes")
        for button, by in ((self.newer, -1), (self.older, 1)):
            button.add_class("dk-second")
            button.on_click(lambda _, by=by: self.turn(by))
        turning = w.HBox([self.newer, self.older])
        turning.add_class("dk-buttons")
        self.steps, self.releases = StepsPanel(self._after), ReleasesPanel(self._after)
        self.view = w.VBox(
            [
                self.words,
                self.notice,
                *(row.view for row in self.rows),
                turning,
                self.detail,
                self.steps.view,
                self.releases.view,
            ]
        )

    @guarded
    def refresh(self) -> None:
        """Everything as the register has it now."""
        self._look(self._page, self._open)

    @guarded
    def open(self, change_id: str) -> None:
        """Show one change."""
        self._look(self._page, change_id)

    @guarded
    def turn(self, by: int) -> None:
        """Show newer or older changes."""
        self._look(self._page + by, self._open)

    def _look(self, page: int, change_id: str) -> None:
        self.notice.value = ""
        with opened() as register:
            self._show(register, page, change_id)

    def _after(self) -> None:
        self.refresh()
        self._then()

    def _show(self, register: Register, page: int, change_id: str) -> None:
        """All of it from the register, then onto the page: what cannot be read changes nothing there."""
        everybody = register.people()
        names = names_of((p.id, p.name) for p in everybody)
        newest_first = changes.standings(register)[::-1]
        page = min(max(page, 0), max(len(newest_first) - 1, 0) // ROWS)
        listed = newest_first[page * ROWS : (page + 1) * ROWS]
        rows = [(one.id, row_html(one, changes.find(register, one.id).report.rationale, names)) for one in listed]
        seen = changes.find(register, change_id) if change_id else None
        detail = ""
        if seen is not None:
            from_where = starting_point(register, seen.proposal) if seen.state in OPEN else ""
            detail = change_html(seen, from_where, changes.history(register, seen.id), names)
        self.releases.show(register, everybody, names)
        self._page, self._open = page, change_id
        under_way = sum(one.state in OPEN for one in newest_first)
        self.words.value = (
            f"<p>{counted(len(newest_first), 'change', 'changes')} in the register, {under_way} under way, newest "
            f"first. {NOTHING_SENT}</p>"
        )
        for row, shown in zip_longest(self.rows, rows):
            row.show(*(shown or ("", "")))
        self.newer.layout.display = "" if page else "none"
        self.older.layout.display = "" if len(newest_first) > (page + 1) * ROWS else "none"
        self.detail.value = detail
        self.steps.show(seen, everybody)
