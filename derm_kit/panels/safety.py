"""Page 07: what a safety case lacks, the hazard log, its incidents, the reports, and what they can answer to."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from importlib import resources
from typing import Any

import ipywidgets as w

from derm_kit.errors import DermKitError
from derm_kit.model.card import ModelCard, default_model, load_card
from derm_kit.model.run import ScoreRun
from derm_kit.panels.changes_policy import Arrival
from derm_kit.panels.hazards_log import LogPart
from derm_kit.panels.inputs import Address, Keeper
from derm_kit.panels.parts import Panel, guarded, notice_html, page, section
from derm_kit.panels.safety_incidents import IncidentsPart
from derm_kit.panels.safety_map import MapPart
from derm_kit.panels.safety_missing import MissingPart
from derm_kit.panels.safety_register import CHECKED_AT_ONCE, registered
from derm_kit.panels.safety_reports import ReportsPart
from derm_kit.panels.safety_setting import TITLES, Looking, Tab
from derm_kit.panels.safety_widgets import Tabs
from derm_kit.records.report_inputs import Registered
from derm_kit.triage.opening import Opening


class SafetyPanel(Panel):
    """`looking` is what is on show; `look()` is the one way it changes. All else lies in the register."""

    def __init__(self, run: ScoreRun, card: ModelCard) -> None:
        super().__init__()
        self.looking = Looking()
        self.tabs = Tabs(tabs=[[tab.value, TITLES[tab]] for tab in Tab])
        self.address, self.arrival = Address(), Arrival()
        self.missing = MissingPart(run, card)
        self.hazards = LogPart(self._want, self.refresh, self.tabs.bring)
        self.incidents = IncidentsPart(self.refresh)
        self.reports = ReportsPart(run, card)
        self.map = MapPart(self._want)
        self.parts = {
            Tab.MISSING: section(TITLES[Tab.MISSING], self.missing.view),
            Tab.HAZARDS: self.hazards.view,
            Tab.INCIDENTS: self.incidents.view,
            Tab.REPORTS: self.reports.view,
            Tab.MAP: self.map.view,
        }
        self.address.observe(lambda change: self._on_address(change["new"]), "opened_with")
        self.arrival.observe(lambda _: self.refresh(), "times")
        style = resources.files("derm_kit.panels").joinpath("safety.css").read_text("utf-8")
        self.view = page(
            "Safety case",
            "Keep the hazard log, close incidents, and write the documents that DCB0129 and DCB0160 ask for, what is "
            "missing first.",
            w.HTML(f"<style>{style}</style>"), self.address, self.arrival, Keeper(), self.tabs, self.notice,
            *self.parts.values(),
        )  # fmt: skip
        self.look(self.looking)

    @guarded
    def look(self, looking: Looking) -> None:
        """Show this, as the register has it now."""
        known = self._read(looking.tab)
        before, self.looking = self.looking, looking
        on = _today()
        for tab, part in self.parts.items():
            part.layout.display = "" if tab is looking.tab else "none"
        self.tabs.chosen = looking.tab.value
        self.address.state = looking.text()
        match looking.tab:
            case Tab.MISSING:
                self.missing.show(known, on)
            case Tab.HAZARDS:
                self.hazards.show(known, looking, on)
            case Tab.INCIDENTS:
                self.incidents.show(known, looking)
            case Tab.REPORTS:
                self.reports.show(known)
            case Tab.MAP:
                self.map.show(looking)
        opened = {Tab.HAZARDS: looking.hazard, Tab.INCIDENTS: looking.incident}.get(looking.tab, "")
        shown = {Tab.HAZARDS: before.hazard, Tab.INCIDENTS: before.incident}.get(before.tab, "")
        if opened and (opened != shown or before.tab is not looking.tab):
            self.tabs.bring(opened)

    def refresh(self) -> None:
        """The same, as the register has it now."""
        self.look(self.looking)

    def _read(self, tab: Tab) -> Registered:
        """What the register says; where it cannot be read that is told, and the page shows what needs none."""
        self.notice.value = ""
        try:
            return registered(CHECKED_AT_ONCE if tab is Tab.MISSING else 0)
        except DermKitError as error:
            self.notice.value = notice_html("warning", str(error), "So the page shows no register.")
            return Registered()

    def _want(self, fields: dict[str, Any]) -> None:
        self.look(replace(self.looking, **fields))

    @guarded
    def _on_address(self, text: str) -> None:
        if text:
            self.address.opened_with = ""
            self.look(Looking.from_text(text))


def _today() -> date:
    return datetime.now(UTC).date()


def safety_page() -> w.VBox:
    """The page for what the workbench was opened on: the reference cohort, if nothing else."""
    return SafetyPanel(Opening.named().run, load_card(default_model())).view
