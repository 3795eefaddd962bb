"""The last part of the threshold page: why a change is proposed, and the proposal to keep or to put on record."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import ipywidgets as w

from derm_kit.panels.parts import Panel, guarded
from derm_kit.panels.tuning_words import proposal_html
from derm_kit.records.here import is_register_here
from derm_kit.triage.proposal import ChangeProposal

if TYPE_CHECKING:
    from derm_kit.panels.changes_put import PutPanel


class ProposalPanel(Panel):
    """The rationale and its button; `made` gives the proposal for a rationale, or raises.

    `then` is called once a proposal was put into the register.
    """

    def __init__(self, made: Callable[[str], ChangeProposal], then: Callable[[], None]) -> None:
        super().__init__()
        self._made, self._then = made, then
        self.put: PutPanel | None = None
        self.rationale = w.Textarea(description="Why", placeholder="What the change is for, and which harm it accepts")
        self.button = w.Button(description="Propose this change")
        self.button.on_click(lambda _: self.propose())
        self.result = w.HTML()
        self.view = w.VBox([self.rationale, self.button, self.notice, self.result])

    @guarded
    def propose(self) -> None:
        """Make the proposal and offer it; a refused one leaves nothing of an earlier one."""
        self._clear()
        proposal = self._made(self.rationale.value)
        self.result.value = proposal_html(proposal.model_dump_json(indent=2))
        if is_register_here():
            self._form().offer(proposal)

    def forget(self, changed: bool) -> None:
        """What was proposed speaks of other thresholds; without a change there is nothing to propose."""
        self._clear()
        self.button.disabled = not changed

    def _clear(self) -> None:
        self.result.value = self.notice.value = ""
        if self.put is not None:
            self.put.forget()

    def _form(self) -> PutPanel:
        """The form, made with the first proposal: until then the page does without a database's toolkit."""
        if self.put is None:
            from derm_kit.panels.changes_put import PutPanel

            self.put = PutPanel(self._then)
            self.view.children = [*self.view.children, self.put.view]
        return self.put
