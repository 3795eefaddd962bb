"""The names that readers gave: shown with their results where all of them agreed, erased once a session has ended."""

from __future__ import annotations

import ipywidgets as w

from derm_kit.panels.parts import Panel, guarded, notice_html, second_button, section
from derm_kit.panels.teaching_desk import TeachingDesk
from derm_kit.panels.teaching_figures import by_name_html
from derm_kit.panels.tuning_words import counted
from derm_kit.records import teaching_results
from derm_kit.records.teaching import TeachingSession
from derm_kit.records.teaching_steps import State
from derm_kit.triage.reader_study import analyse_study

NOT_AGREED = "Nobody is named: that takes the agreement of every reader, which each gives on their own phone."
ASKED = (
    "Erase the names that readers gave? Their answers stay, under random ids, and phones still show each reader’s own "
    "debrief. This cannot be undone."
)


class NamesPart(Panel):
    """Readers of the session on show, by name; nothing while it runs."""

    def __init__(self, desk: TeachingDesk) -> None:
        super().__init__()
        self._desk = desk
        self._session: TeachingSession | None = None
        self.by_name, self.shown = second_button("Show each reader by name"), w.HTML()
        self.erase, self.sure = second_button("Erase the names of the readers"), w.Button(description="Yes, erase them")
        self.by_name.on_click(lambda _: self.name_readers())
        self.erase.on_click(lambda _: self._ask(asking=True))
        self.sure.on_click(lambda _: self.erase_names())
        self.question = w.HTML(f"<p role='alert'>{ASKED}</p>")
        self.view = section(
            "Names of the readers", self.by_name, self.shown, self.erase, self.question, self.sure, self.notice
        )
        self.show(None)

    def show(self, session: TeachingSession | None) -> None:
        """Offer what can be done with the names of a session."""
        if session is None or self._session is None or session.id != self._session.id:
            self.shown.value = self.notice.value = ""
        self._session = session
        named = session is not None and session.revealed_at is not None
        ended = session is not None and session.state is State.ENDED
        self.view.layout.display = "" if named or ended else "none"
        self.by_name.layout.display = "" if named else "none"
        self.erase.layout.display = "" if ended else "none"
        self._ask(asking=False)

    @guarded
    def name_readers(self) -> None:
        """Each reader's figures by name, where everybody agreed to it."""
        self.shown.value = self.notice.value = ""
        session, register = self._session, self._desk.register
        if session is None:
            return
        if not teaching_results.may_name(register, session.id):
            self.shown.value = notice_html("info", NOT_AGREED)
            return
        tables = teaching_results.export(register, session.id, by_alias=True)
        self.shown.value = by_name_html(analyse_study(tables.answers, tables.cases))

    @guarded
    def erase_names(self) -> None:
        """The second press."""
        self._ask(asking=False)
        self.shown.value = ""
        if self._session is not None:
            n = teaching_results.erase_aliases(self._desk.register, self._session.id, self._desk.leader.id)
            self.notice.value = notice_html("success", f"{counted(n, 'name is', 'names are')} erased.")

    def _ask(self, *, asking: bool) -> None:
        self.question.layout.display = self.sure.layout.display = "" if asking else "none"
