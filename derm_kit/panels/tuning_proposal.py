"""The last part of the threshold page: why a change is proposed, and the proposal to keep."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets as w

from derm_kit.panels.parts import Panel, guarded
from derm_kit.panels.tuning_words import proposal_html
from derm_kit.triage.proposal import ChangeProposal


class ProposalPanel(Panel):
    """The rationale and its button; `made` gives the proposal for a rationale, or raises."""

    def __init__(self, made: Callable[[str], ChangeProposal]) -> None:
        super().__init__()
        self._made = made
        self.rationale = w.Textarea(description="Why", placeholder="What the change is for, and which harm it accepts")
        self.button = w.Button(description="Propose this change")
        self.button.on_click(lambda _: self.propose())
        self.result = w.HTML()
        self.view = w.VBox([self.rationale, self.button, self.notice, self.result])

    @guarded
    def propose(self) -> None:
        """Make the proposal and offer it; a refused one leaves nothing of an earlier one."""
        self.result.value = self.notice.value = ""
        self.result.value = proposal_html(self._made(self.rationale.value).model_dump_json(indent=2))

    def forget(self, changed: bool) -> None:
        """What was proposed speaks of other thresholds; without a change there is nothing to propose."""
        self.result.value = self.notice.value = ""
        self.button.disabled = not changed
