"""Approval of the newest version of a hazard, by a safety officer who did not write it."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets as w

from derm_kit.errors import RecordError
from derm_kit.panels.changes_signing import Signature, opened
from derm_kit.panels.parts import Panel, guarded, notice_html
from derm_kit.panels.safety_register import people
from derm_kit.records import hazards
from derm_kit.records.conflicts import ConflictError
from derm_kit.records.hazard_approval import require_ready
from derm_kit.records.hazards import Hazard
from derm_kit.records.report_inputs import Registered

WHO = "A safety officer who is a registered clinician approves a version; never its author (DCB0129 3.3.2)."


class ApprovePart(Panel):
    """The form below an opened hazard; `then` is called once something has changed, here or by somebody else."""

    def __init__(self, then: Callable[[], None]) -> None:
        super().__init__()
        self._then = then
        self._seen: Hazard | None = None
        self.words = w.HTML()
        self.signature = Signature()
        self.reason = w.Textarea(
            description="Reason", placeholder="It stays in the audit log for good: name nobody", continuous_update=False
        )
        self.button = w.Button(description="Approve this version")
        self.button.on_click(lambda _: self.approve())
        self.form = w.VBox([self.words, self.signature.view, self.reason, self.button])
        self.view = w.VBox([self.form, self.notice])

    def show(self, seen: Hazard | None, known: Registered) -> None:
        """Offer to approve the newest version of what is open, if it is a draft."""
        if seen is None or self._seen is None or seen.id != self._seen.id:
            self.reason.value = self.notice.value = ""
        self._seen = seen
        self.signature.offer(people(known))
        drafted = seen is not None and seen.approval is None
        self.form.layout.display = "" if drafted else "none"
        if seen is not None and drafted:
            self.words.value = f"<h4>Approve version {seen.version}</h4><p>{WHO}</p>{_before_html(seen)}"

    @guarded
    def approve(self) -> None:
        """Approve it as it was seen; where somebody stored a newer version nothing is approved."""
        seen = self._seen
        if seen is None or seen.approval is not None or self.signature.pressed_again(self.notice):
            return
        self.notice.value = ""
        by, passphrase = self.signature.take()
        try:
            with opened() as register:
                made = hazards.approve(register, seen, by, passphrase, self.reason.value)
        except ConflictError as error:
            self._then()
            self.notice.value = notice_html(
                "error", str(error), "The page shows the newest version now. Read it, then approve that one."
            )
            return
        self.reason.value = ""
        self._then()
        self.notice.value = notice_html("success", f"Version {made.version} of {made.id} is approved.")


def _before_html(seen: Hazard) -> str:
    """What has to be mended before anybody may approve it."""
    try:
        require_ready(seen.content, f"hazard {seen.id}", approved=False)
    except RecordError as error:
        return notice_html("warning", f"It cannot be approved yet: {error.rule.removeprefix('approve: ')}.",
                           "Revise it first.")  # fmt: skip
    return ""
