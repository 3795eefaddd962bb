"""The steps that the state of a change allows, each signed for. Who may take one is decided in the records alone."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets as w

from derm_kit.panels.changes_signing import Signature, effective_date, effective_field, opened
from derm_kit.panels.changes_words import NOTHING_SENT, SHORT_ID
from derm_kit.panels.parts import Panel, guarded, notice_html
from derm_kit.records import change as changes
from derm_kit.records.change import Change
from derm_kit.records.change_steps import STEPS, Action, Author, Step
from derm_kit.records.conflicts import ConflictError
from derm_kit.records.people import Person, Role
from derm_kit.records.register import Register

ON_A_CHANGE = (Action.APPROVE, Action.REJECT, Action.WITHDRAW, Action.RELEASE)
NEXT = {
    Action.APPROVE: "Next: a safety officer or an administrator releases it.",
    Action.REJECT: "It goes no further. Another change may be proposed.",
    Action.WITHDRAW: "It goes no further. Another change may be proposed.",
}
SEE_BOTH = "The page shows the change as it stands now. What you entered is kept, but for the passphrase."


class StepsPanel(Panel):
    """The form below an opened change; `then` is called once something has changed, here or by somebody else."""

    def __init__(self, then: Callable[[], None]) -> None:
        super().__init__()
        self._then = then
        self._seen: Change | None = None
        self.words = w.HTML()
        self.signature = Signature()
        self.reason = w.Textarea(
            description="Reason", placeholder="It stays in the audit log for good: name nobody", continuous_update=False
        )
        self.effective = effective_field()
        self.buttons = {action: w.Button(description=action.value.capitalize()) for action in ON_A_CHANGE}
        for action, button in self.buttons.items():
            button.on_click(lambda _, action=action: self.take(action))
            if action is not Action.APPROVE and action is not Action.RELEASE:
                button.add_class("dk-second")
        row = w.HBox(list(self.buttons.values()))
        row.add_class("dk-buttons")
        self.form = w.VBox([self.words, self.signature.view, self.reason, self.effective, row])
        self.view = w.VBox([self.form, self.notice])

    def show(self, seen: Change | None, people: list[Person]) -> None:
        """Offer what the state of a change allows; nothing for none."""
        if seen is None or self._seen is None or seen.id != self._seen.id:
            self.reason.value = self.effective.value = self.notice.value = ""
        self._seen = seen
        self.signature.offer(people)
        on_offer = [action for action in ON_A_CHANGE if seen and seen.state in STEPS[action].before]
        self.form.layout.display = "" if on_offer else "none"
        for action, button in self.buttons.items():
            button.layout.display = "" if action in on_offer else "none"
        self.reason.layout.display = "" if any(STEPS[action].reason for action in on_offer) else "none"
        self.effective.layout.display = "" if Action.RELEASE in on_offer else "none"
        rights = "".join(f"<li>{who_may(action)}</li>" for action in on_offer)
        self.words.value = f"<h3>Next step</h3><ul class='dk-table-list'>{rights}</ul>" if on_offer else ""

    @guarded
    def take(self, action: Action) -> None:
        """Take one step with the change as it was seen; where somebody was quicker nothing is written."""
        seen = self._seen
        if seen is None or self.signature.pressed_again(self.notice) or seen.state not in STEPS[action].before:
            return
        self.notice.value = ""
        by, passphrase = self.signature.take()
        try:
            with opened() as register:
                said = self._taken(register, action, seen, by, passphrase)
        except ConflictError as error:
            self._then()
            self.notice.value = notice_html("error", str(error), SEE_BOTH)
            return
        self.reason.value = self.effective.value = ""
        self._then()
        self.notice.value = notice_html("success", *said)

    def _taken(self, register: Register, action: Action, seen: Change, by: str, passphrase: str) -> tuple[str, ...]:
        """Take the step, and what is said of it."""
        if action is Action.RELEASE:
            released = changes.release_change(register, seen, by, passphrase, effective_date(self.effective.value))
            return f"Released: {released.in_words()}. Its signed file is below, under Releases.", NOTHING_SENT
        if action is Action.WITHDRAW:
            changes.withdraw(register, seen, by, passphrase)
        else:
            step = changes.approve if action is Action.APPROVE else changes.reject
            step(register, seen, by, passphrase, self.reason.value)
        return f"Change {seen.id[:SHORT_ID]} is {STEPS[action].after}.", NEXT[action]


def who_may(action: Action) -> str:
    """Who may take a step, in words, from the one table."""
    step = STEPS[action]
    reason = ", with a reason" if step.reason else ""
    return f"<strong>{action.value.capitalize()}</strong>: {_who(step)}{reason}."


def _who(step: Step) -> str:
    if step.author is Author.ALONE:
        return "the author alone"
    who = f"a {' or '.join(step.roles)}" if len(step.roles) < len(Role) else "anybody in the register"
    registered = ", registered as a clinician" if step.registered else ""
    return f"{who}{registered}{', never the author' if step.author is Author.NEVER else ''}"
