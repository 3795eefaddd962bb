"""How far readers agree with each other and with the model, and their reviews as a file, for those signed in."""

from __future__ import annotations

import ipywidgets as w

from derm_kit.errors import RecordError
from derm_kit.panels.parts import Panel, guarded
from derm_kit.panels.tables import download_html, table_html
from derm_kit.records.desk import Desk

SIGNED_OUT = "Reviews hold what people wrote: how far they agree, and their file, are for readers who are signed in."


class AgreementPanel(Panel):
    """Worked out when asked for; `refresh()` once somebody signed in or out."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk
        self.count, self.make_file = (
            w.Button(description="Work out agreement"),
            w.Button(description="Make a file (CSV)"),
        )
        self.words, self.table, self.file = w.HTML(f"<p>{SIGNED_OUT}</p>"), w.HTML(), w.HTML()
        for button, act in ((self.count, self.work_out), (self.make_file, self.write)):
            button.add_class("dk-second")
            button.on_click(lambda _, act=act: act())
        self.row = w.HBox([self.count, self.make_file])
        self.row.add_class("dk-buttons")
        self.view = w.VBox([self.words, self.row, self.notice, self.table, self.file])
        self.refresh()

    def refresh(self) -> None:
        """Offer both to whoever is signed in; what was worked out for one person is not left to the next."""
        able = self._desk.person is not None
        self.words.layout.display, self.row.layout.display = ("none", "") if able else ("", "none")
        self.notice.value = self.table.value = self.file.value = ""

    @guarded
    def work_out(self) -> None:
        """Agreement of readers, with intervals."""
        self.notice.value = ""
        self._require_reader()
        table = table_html(self._desk.agreement(), "Agreement of readers, 95% interval")
        self.table.value = f"<div class='dk-table-wrapped'>{table}</div>"

    @guarded
    def write(self) -> None:
        """A link that keeps every review of the run, readers by their ids."""
        self.notice.value = ""
        self._require_reader()
        self.file.value = f"<p>{download_html(self._desk.export(), 'reviews')}</p>"

    def _require_reader(self) -> None:
        if self._desk.person is None:
            raise RecordError("reviews are for readers who are signed in", next_step="Sign in above.")
