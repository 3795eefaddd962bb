"""Incidents on the safety page: the list, one opened with every step, and what is done about it."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from html import escape

import ipywidgets as w

from derm_kit.errors import RecordError
from derm_kit.panels.changes_signing import Signature, opened
from derm_kit.panels.parts import Panel, guarded, named_box, notice_html, second_button, section
from derm_kit.panels.safety_incident_words import NONE_YET, incident_html, list_html
from derm_kit.panels.safety_register import people, without_html
from derm_kit.panels.safety_setting import Looking
from derm_kit.records import incidents
from derm_kit.records.conflicts import ConflictError
from derm_kit.records.incidents import Incident
from derm_kit.records.register import Register
from derm_kit.records.report_inputs import Registered


class Step(StrEnum):
    """What somebody may do about an open incident."""

    NOTE = "Add a note"
    REVIEWED = "Say that the hazard was reviewed"
    CLOSE = "Close the incident"


RIGHTS = (
    "Anybody in the register may add a note, and say that the linked hazard was reviewed and what came of it. A safety "
    "officer who is a registered clinician closes an incident, once its hazard was reviewed, with a reason."
)


class IncidentsPart(Panel):
    """`then` is called once something has changed, here or by somebody else."""

    def __init__(self, then: Callable[[], None]) -> None:
        super().__init__()
        self._then = then
        self._seen: Incident | None = None
        self.words, self.listed, self.detail = w.HTML(), w.HTML(), w.HTML()
        self.signature = Signature()
        self.said = w.Textarea(
            description="What was found or done", placeholder="It stays for good: name nobody", continuous_update=False
        )
        self.buttons = {Step.NOTE: w.Button(description=Step.NOTE.value)}
        self.buttons |= {step: second_button(step.value) for step in (Step.REVIEWED, Step.CLOSE)}
        for step, button in self.buttons.items():
            button.on_click(lambda _, step=step: self.take(step))
        row = w.HBox(list(self.buttons.values()))
        row.add_class("dk-buttons")
        words = w.HTML(f"<h4>Next step</h4><p>{RIGHTS}</p>")
        self.form = w.VBox([words, self.signature.view, self.said, row])
        self._open = named_box("dk-section", self.detail, self.form, self.notice)
        self.view = w.VBox([section("Incidents", self.words, self.listed), self._open])

    @guarded
    def show(self, known: Registered, looking: Looking) -> None:
        """The incidents as the register has them."""
        self.words.value = without_html(known) or (
            "" if known.incidents else f"<p>{escape(NONE_YET)}</p>"
        )  # fmt: skip
        self.listed.value = list_html(known, looking) if known.incidents else ""
        seen = next((one for one in known.incidents if one.id == looking.incident), None)
        if seen is None or self._seen is None or seen.id != self._seen.id:
            self.said.value = self.notice.value = ""
        self._seen = seen
        self.signature.offer(people(known))
        self.detail.value = incident_html(seen, known, looking) if seen else ""
        self.form.layout.display = "" if seen and not seen.closed else "none"
        self._open.layout.display = "" if looking.incident else "none"
        if looking.incident and seen is None:
            raise RecordError("there is no such incident", value=looking.incident, next_step="Open one of the list.")

    @guarded
    def take(self, step: Step) -> None:
        """Take one step with the incident as it was seen; where somebody was quicker nothing is closed."""
        seen = self._seen
        if seen is None or seen.closed or self.signature.pressed_again(self.notice):
            return
        self.notice.value = ""
        by, passphrase = self.signature.take()
        try:
            with opened() as register:
                made = self._taken(register, step, seen, by, passphrase)
        except ConflictError as error:
            self._then()
            self.notice.value = notice_html(
                "error", str(error), "The page shows every step now. What you wrote is kept, but for the passphrase."
            )
            return
        self.said.value = ""
        self._then()
        self.notice.value = notice_html("success", f"Incident {made.id} is {made.in_words()}.")

    def _taken(self, register: Register, step: Step, seen: Incident, by: str, passphrase: str) -> Incident:
        match step:
            case Step.NOTE:
                return incidents.note(register, seen.id, self.said.value, by, passphrase)
            case Step.REVIEWED:
                return incidents.hazard_reviewed(register, seen.id, self.said.value, by, passphrase)
            case Step.CLOSE:
                return incidents.close(register, seen, by, passphrase, self.said.value)
