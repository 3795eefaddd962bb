"""The first part of the safety page: what is missing, as the safety case puts it on page one."""

from __future__ import annotations

from datetime import date

import ipywidgets as w

from derm_kit.model.card import ModelCard
from derm_kit.model.run import ScoreRun
from derm_kit.panels.parts import Panel, guarded
from derm_kit.panels.safety_places import missing_html
from derm_kit.panels.safety_watched import watched
from derm_kit.panels.tuning_words import counted
from derm_kit.records.document_template import Missing
from derm_kit.records.release import default_policy
from derm_kit.records.report_inputs import Registered
from derm_kit.records.safety_case_figures import performance
from derm_kit.records.safety_case_missing import missing

PLAIN = (
    "This workbench is not a medical device, and nothing on this page makes a service or a product compliant with "
    "anything. People do that, and sign for it."
)


class MissingPart(Panel):
    """What derm-kit can see to be missing from the safety case on the policy in force."""

    def __init__(self, run: ScoreRun, card: ModelCard | None) -> None:
        super().__init__()
        self._run, self._card = run, card
        self.found: tuple[Missing, ...] = ()
        self.words, self.listed = w.HTML(), w.HTML()
        self.view = w.VBox([self.words, self.notice, self.listed])

    @guarded
    def show(self, known: Registered, on: date) -> None:
        """The list as of a day."""
        self.notice.value = ""
        release = known.in_force(on)
        measured = performance(self._run, release.policy if release else default_policy(), self._card)
        self.found = tuple(missing(measured, known, on, None, monitored=bool(watched())))
        said = counted(len(self.found), "thing is missing", "things are missing")
        self.words.value = (
            f"<p><strong>{said}</strong> from the safety case as it could be written today, the gravest first. The "
            f"report has the same list on its first page.</p><p>{PLAIN}</p>"
        )
        self.listed.value = missing_html(self.found)
