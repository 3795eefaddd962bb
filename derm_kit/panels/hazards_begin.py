"""An empty log is begun with the ten hazards that derm-kit ships."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets as w

from derm_kit.panels.changes_signing import Signature, opened
from derm_kit.panels.parts import Panel, guarded, notice_html
from derm_kit.panels.safety_register import people
from derm_kit.records.hazard_import import seed
from derm_kit.records.report_inputs import Registered

WORDS = (
    "<p>The log is empty. Ten hazards of AI triage ship with derm-kit, with causes, controls and evidence; every "
    "likelihood and severity in them is <strong>proposed</strong>. They are stored as drafts under your name, and none "
    "is approved before somebody here has judged it anew.</p>"
)


class BeginPart(Panel):
    """The form of an empty log; `then` is called once it was begun."""

    def __init__(self, then: Callable[[], None]) -> None:
        super().__init__()
        self._then = then
        self.signature = Signature()
        self.button = w.Button(description="Begin with the ten hazards")
        self.button.on_click(lambda _: self.begin())
        self.form = w.VBox([w.HTML(WORDS), self.signature.view, self.button])
        self.view = w.VBox([self.form, self.notice])

    def show(self, known: Registered) -> None:
        """Offer it where there is a register whose log is empty."""
        self.signature.offer(people(known))
        self.form.layout.display = "" if known.head and not known.hazards else "none"

    @guarded
    def begin(self) -> None:
        """Store the ten as drafts."""
        if self.signature.pressed_again(self.notice):
            return
        self.notice.value = ""
        by, passphrase = self.signature.take()
        with opened() as register:
            made = seed(register, by, passphrase)
        self._then()
        self.notice.value = notice_html(
            "success", f"The log is begun: {len(made.rows)} hazards, as drafts.",
            "Next: open each, judge it for your service, name its owner and its next review.",
        )  # fmt: skip
