"""How far readers agree with each other and with the model, and their reviews as a file."""

from __future__ import annotations

import ipywidgets as w

from derm_kit.panels.parts import Panel, guarded
from derm_kit.panels.tables import download_html, table_html
from derm_kit.records.desk import Desk


class AgreementPanel(Panel):
    """Worked out when asked for."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk
        self.count, self.make_file = (
            w.Button(description="Work out agreement"),
            w.Button(description="Make a file (CSV)"),
        )
        self.table, self.file = w.HTML(), w.HTML()
        for button, act in ((self.count, self.work_out), (self.make_file, self.write)):
            button.add_class("dk-second")
            button.on_click(lambda _, act=act: act())
        row = w.HBox([self.count, self.make_file])
        row.add_class("dk-buttons")
        self.view = w.VBox([row, self.notice, self.table, self.file])

    @guarded
    def work_out(self) -> None:
        """Agreement of readers, with intervals."""
        self.notice.value = ""
        self.table.value = table_html(self._desk.agreement(), "Agreement of readers, 95% interval")

    @guarded
    def write(self) -> None:
        """A link that keeps every review of the run, readers by their ids."""
        self.notice.value = ""
        self.file.value = f"<p>{download_html(self._desk.export(), 'reviews')}</p>"
