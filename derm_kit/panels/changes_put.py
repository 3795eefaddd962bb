"""A proposal put into the register: signed by its author, for somebody else to decide on."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets as w

from derm_kit.panels.changes_signing import Signature, opened
from derm_kit.panels.changes_words import SHORT_ID
from derm_kit.panels.parts import Panel, guarded, notice_html
from derm_kit.records import change as changes
from derm_kit.triage.proposal import ChangeProposal


class PutPanel(Panel):
    """The form below a proposal that was made; `then` is called once it lies in the register."""

    def __init__(self, then: Callable[[], None]) -> None:
        super().__init__()
        self._then = then
        self._proposal: ChangeProposal | None = None
        self.signature = Signature()
        self.button = w.Button(description="Put it into the register")
        self.button.on_click(lambda _: self.put())
        words = w.HTML("<p>Or put it into the register of this machine, as its author:</p>")
        self.form = w.VBox([words, self.signature.view, self.button])
        self.view = w.VBox([self.form, self.notice])
        self.forget()

    @guarded
    def offer(self, proposal: ChangeProposal) -> None:
        """Ask who its author is."""
        self.forget()
        with opened() as register:
            self.signature.offer(register.people())
        self._proposal, self.form.layout.display = proposal, ""

    def forget(self) -> None:
        """There is no proposal, or another."""
        self._proposal = None
        self.form.layout.display, self.notice.value = "none", ""

    @guarded
    def put(self) -> None:
        """Propose the change; once it is stored it cannot be stored again by the same press."""
        if self._proposal is None or self.signature.pressed_again(self.notice):
            return
        self.notice.value = ""
        by, passphrase = self.signature.take()
        with opened() as register:
            made = changes.propose(register, self._proposal, by, passphrase)
        self._proposal, self.form.layout.display = None, "none"
        self.notice.value = notice_html(
            "success",
            f"It is in the register as change {made.id[:SHORT_ID]}. Nothing has changed yet.",
            "Next, somebody else approves or rejects it: a safety officer who is a registered clinician, below under "
            "“Changes under way”.",
        )
        self._then()
