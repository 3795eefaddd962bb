"""Reports on the safety page: chosen, made from the register and the scores, and kept as HTML, Word or JSON."""

from __future__ import annotations

from datetime import UTC, date, datetime
from enum import StrEnum

import ipywidgets as w

from derm_kit.errors import DermKitError, RecordError
from derm_kit.model.card import ModelCard
from derm_kit.model.run import ScoreRun
from derm_kit.panels.changes_signing import effective_date, opened
from derm_kit.panels.changes_words import SHORT_ID, moment_words
from derm_kit.panels.monitoring_setting import own_folder
from derm_kit.panels.parts import Panel, guarded, notice_html, section
from derm_kit.panels.safety_files import document_html
from derm_kit.panels.safety_register import NO_REGISTER, registered
from derm_kit.panels.safety_watched import NO_FEED, watched
from derm_kit.records import change as changes
from derm_kit.records.change_record_report import change_record
from derm_kit.records.hazard_log_report import hazard_log
from derm_kit.records.release import default_policy
from derm_kit.records.report import Document
from derm_kit.records.report_inputs import Registered, in_words
from derm_kit.records.safety_case import Evidence, safety_case

WORDS = (
    "<p>Each is written from the register and from scored cases, with what is missing on its first page and the source "
    "of every figure on its last. The same inputs give the same bytes. derm-kit signs none of them.</p>"
)


class Kind(StrEnum):
    """Which report."""

    SAFETY_CASE = "safety-case"
    HAZARD_LOG = "hazard-log"
    CHANGE_RECORD = "change-record"
    MONITORING = "monitoring"


TITLES = {
    Kind.SAFETY_CASE: "Clinical safety case report",
    Kind.HAZARD_LOG: "Hazard log",
    Kind.CHANGE_RECORD: "Change record",
    Kind.MONITORING: "Monitoring report",
}


class ReportsPart(Panel):
    """The four reports on `run`, by the model of `card`."""

    def __init__(self, run: ScoreRun, card: ModelCard) -> None:
        super().__init__()
        self._run, self._card = run, card
        self.kind = w.Dropdown(description="Report", options=[(TITLES[kind], kind.value) for kind in Kind])
        self.change = w.Dropdown(description="Change", options=[("Choose a change…", "")])
        self.as_of = w.Text(
            description="As of", placeholder="YYYY-MM-DD; empty: the newest input’s day", continuous_update=False
        )
        self.as_of.add_class("dk-sign")
        self.button = w.Button(description="Make the report")
        self.made = w.HTML()
        self.button.on_click(lambda _: self.make())
        self.kind.observe(lambda _: self._on_kind(), "value")
        self.view = section(
            "Reports", w.HTML(WORDS), self.kind, self.change, self.as_of, self.button, self.notice, self.made
        )
        self._on_kind()

    @guarded
    def show(self, known: Registered) -> None:
        """Which changes there are to choose from."""
        found = []
        if known.head:
            with opened() as register:
                found = changes.standings(register)[::-1]
        chosen = self.change.value
        self.change.options = [
            ("Choose a change…", ""),
            *((f"{one.id[:SHORT_ID]}, {one.state}, {moment_words(one.created_at)}", one.id) for one in found),
        ]
        self.change.value = chosen if chosen in {one.id for one in found} else ""

    @guarded
    def make(self) -> None:
        """Make the chosen report in all three forms, from the register as it is now."""
        self.made.value = ""
        self.notice.value = notice_html("info", "Making the report; this takes a few seconds…")
        kind, known = Kind(self.kind.value), registered()
        on = effective_date(self.as_of.value) or self._day_of(kind, known)
        document = self._document(kind, known, on)
        self.made.value = document_html(document, f"{kind.value}-{on.isoformat()}")
        self.notice.value = notice_html("success", f"{document.title}, as of {in_words(on)}.")

    def _document(self, kind: Kind, known: Registered, on: date) -> Document:
        if known.head is None and kind in (Kind.HAZARD_LOG, Kind.CHANGE_RECORD):
            raise RecordError("this report is written from a register", next_step=NO_REGISTER)
        match kind:
            case Kind.SAFETY_CASE:
                return safety_case(known, Evidence(self._run, self._card, None, watched()), on)
            case Kind.HAZARD_LOG:
                return hazard_log(known, on)
            case Kind.CHANGE_RECORD:
                return self._change_record(on)
            case Kind.MONITORING:
                return _monitoring(known, on)

    def _change_record(self, on: date) -> Document:
        if not self.change.value:
            raise RecordError("a change record is of one change", next_step="Choose it in the list.")
        with opened() as register:
            return change_record(register, self.change.value, on, run=self._run)

    def _day_of(self, kind: Kind, known: Registered) -> date:
        """The day of the newest input; for a feed, to which deliveries go on being made, today."""
        if kind is Kind.MONITORING:
            return datetime.now(UTC).date()
        days = (known.last_entry, date.fromisoformat(self._card.released[:10]))
        return max(day for day in days if day is not None)

    def _on_kind(self) -> None:
        kind = Kind(self.kind.value)
        self.change.layout.display = "" if kind is Kind.CHANGE_RECORD else "none"
        self.made.value = ""
        without = kind is Kind.MONITORING and own_folder() is None
        self.notice.value = notice_html("info", NO_FEED) if without else ""


def _monitoring(known: Registered, on: date) -> Document:
    from derm_kit.records.monitoring_facts import read_monitored
    from derm_kit.records.monitoring_report import monitoring_report

    folder = own_folder()
    if folder is None:
        raise RecordError(
            "a monitoring report is written from a feed, and none is named on this machine", next_step=NO_FEED
        )
    release = known.in_force(on)
    try:
        found = read_monitored(folder, release.policy if release else default_policy(), on)
    except DermKitError as error:  # a page is seen by others than whoever knows this machine's folders
        case = str(error.case).replace(str(folder), "FEED") if error.case else None
        raise RecordError(error.rule, case=case, value=error.value, next_step=error.next_step) from None
    return monitoring_report(found, known, on)
