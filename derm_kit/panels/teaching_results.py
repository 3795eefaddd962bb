"""The results of a teaching session on the projector, once its truth is out."""

from __future__ import annotations

import ipywidgets as w

from derm_kit.panels.parts import Panel, guarded, notice_html, second_button, section
from derm_kit.panels.teaching_cases import CasesPart
from derm_kit.panels.teaching_desk import TeachingDesk
from derm_kit.panels.teaching_figures import (
    agreement_html,
    confidence_html,
    headlines_html,
    multi_reader_html,
    rates_html,
    reliance_html,
    time_html,
)
from derm_kit.panels.teaching_files import archive_html, page_html
from derm_kit.records import teaching_results
from derm_kit.records.teaching import TeachingSession
from derm_kit.records.teaching_results import TeachingExport
from derm_kit.triage.reader_study import ReaderStudy, analyse_study

PARTS = (
    ("What the model did to the readers", "headlines"), ("Before and after", "rates"),
    ("How sure, and how right", "confidence"), ("Time", "time"), ("How far readers agreed", "agreement"),
    ("All changes", "reliance"), ("For those who publish: multi-reader analysis", "multi_reader"),
)  # fmt: skip
NOBODY = "Nobody answered a case: there is nothing to analyse. The cases and their truth are below."


class ResultsPart(Panel):
    """What the session on show came to; nothing before its truth is out."""

    def __init__(self, desk: TeachingDesk) -> None:
        super().__init__()
        self._desk = desk
        self._session: TeachingSession | None = None
        self._tables: TeachingExport | None = None
        self.found: ReaderStudy | None = None
        self.shown = {name: w.HTML() for _, name in PARTS}
        self.cases = CasesPart()
        self.make_files, self.files = second_button("Make files"), w.HTML()
        self.make_files.on_click(lambda _: self.write())
        self._figures = w.VBox([section(title, self.shown[name]) for title, name in PARTS])
        self.view = w.VBox([
            self._figures.children[0], section("Case by case", self.cases.view), *self._figures.children[1:],
            section("Files", self.make_files, self.files), self.notice,
        ])  # fmt: skip
        self.forget()

    @guarded
    def show(self, session: TeachingSession | None) -> None:
        """The results of a session; where its truth is not out, nothing."""
        if session is None or session.revealed_at is None:
            self.forget()
            return
        known = self._session is not None and self._session.id == session.id
        if not known:
            self.forget()
        self.view.layout.display = ""
        if not known:
            self._work_out(session)

    def forget(self) -> None:
        """Nothing is on show, and nothing is kept."""
        self._session = self._tables = self.found = None
        for place in (*self.shown.values(), self.files, self.notice):
            place.value = ""
        self.cases.forget()
        self.view.layout.display = "none"

    @guarded
    def write(self) -> None:
        """Links that keep tables and results."""
        session, tables = self._session, self._tables
        if session is None or tables is None:
            return
        parts = [(title, self.shown[name].value) for title, name in PARTS]
        links = (archive_html(session, tables, self.found), page_html(session, len(tables.readers), parts))
        self.files.value = "".join(f"<p>{link}</p>" for link in links)

    def _work_out(self, session: TeachingSession) -> None:
        tables = teaching_results.export(self._desk.register, session.id)
        self._session, self._tables = session, tables
        if not len(tables.answers):
            self.shown["headlines"].value = notice_html("info", NOBODY)
            self.cases.show(session, None)
            return
        self.found = found = analyse_study(tables.answers, tables.cases)
        self.shown["headlines"].value = headlines_html(found, session.mode)
        for name, html in (
            ("rates", rates_html), ("confidence", confidence_html), ("time", time_html), ("agreement", agreement_html),
            ("reliance", reliance_html), ("multi_reader", multi_reader_html),
        ):  # fmt: skip
            self.shown[name].value = html(found)
        self.cases.show(session, found.study)
