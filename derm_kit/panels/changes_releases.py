"""Releases, their signed files, and the way back to an earlier one."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import ipywidgets as w

from derm_kit.errors import RecordError
from derm_kit.panels.changes_files import releases_html, standing
from derm_kit.panels.changes_signing import Signature, effective_date, effective_field, opened
from derm_kit.panels.changes_steps import who_may
from derm_kit.panels.changes_words import NOTHING_SENT
from derm_kit.panels.parts import Panel, guarded, notice_html
from derm_kit.records import change as changes
from derm_kit.records.change_steps import Action
from derm_kit.records.conflicts import ConflictError
from derm_kit.records.people import Person
from derm_kit.records.register import Register
from derm_kit.records.release import BEFORE_THE_FIRST, known_public_key, release_in_force, releases

CHOOSE = -1
SEE_BOTH = "The page shows the releases as they stand now. What you entered is kept, but for the passphrase."


class ReleasesPanel(Panel):
    """The list and the form below it; `then` is called once something has changed, here or by somebody else."""

    def __init__(self, then: Callable[[], None]) -> None:
        super().__init__()
        self._then, self._newest = then, BEFORE_THE_FIRST
        self.listed = w.HTML()
        self.version = w.Dropdown(description="Roll back to", options=[("Choose a release…", CHOOSE)])
        self.signature = Signature()
        self.reason = w.Textarea(
            description="Reason to roll back", placeholder="It stays in the audit log for good: name nobody",
            continuous_update=False,
        )  # fmt: skip
        self.effective = effective_field()
        self.button = w.Button(description="Roll back")
        self.button.add_class("dk-second")
        self.button.on_click(lambda _: self.roll_back())
        words = w.HTML(
            "<h3>Roll back</h3><p>An earlier policy is released again under the next version. Nothing is deleted. "
            f"{who_may(Action.ROLL_BACK)}</p>"
        )
        self.form = w.VBox([words, self.version, self.signature.view, self.reason, self.effective, self.button])
        self.view = w.VBox([w.HTML("<h3>Releases</h3>"), self.listed, self.form, self.notice])

    def show(self, register: Register, people: list[Person], names: Mapping[str, str]) -> None:
        """The releases as the register has them now."""
        found, in_force = releases(register), release_in_force(register)
        with register.reading() as session:
            key = known_public_key(session)
        self.listed.value = releases_html(found, in_force, names, key or "")
        self._newest = found[-1].version if found else BEFORE_THE_FIRST
        chosen = self.version.value
        self.version.options = [
            ("Choose a release…", CHOOSE),
            *((f"{r.version}, {standing(r, in_force)}", r.version) for r in reversed(found)),
            (f"{BEFORE_THE_FIRST}, the policy from before the first release", BEFORE_THE_FIRST),
        ]
        self.version.value = chosen if chosen in {CHOOSE, BEFORE_THE_FIRST, *(r.version for r in found)} else CHOOSE
        self.signature.offer(people)
        self.form.layout.display = "" if found else "none"

    @guarded
    def roll_back(self) -> None:
        """Release the chosen policy again; where somebody released another meanwhile nothing is written."""
        if self.signature.pressed_again(self.notice):
            return
        self.notice.value = ""
        by, passphrase = self.signature.take()
        if self.version.value == CHOOSE:
            raise RecordError("a roll-back goes to one release", next_step="Choose it in the list.")
        try:
            with opened() as register:
                made = changes.roll_back(
                    register, self.version.value, self._newest, by, passphrase, self.reason.value,
                    effective_date(self.effective.value),
                )  # fmt: skip
        except ConflictError as error:
            self._then()
            self.notice.value = notice_html("error", str(error), SEE_BOTH)
            return
        self.reason.value = self.effective.value = ""
        self.version.value = CHOOSE
        self._then()
        self.notice.value = notice_html("success", f"Rolled back: {made.in_words()}.", NOTHING_SENT)
