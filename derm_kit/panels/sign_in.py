"""Who is at the page: a person of the register and their passphrase."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Protocol

import ipywidgets as w

from derm_kit.errors import RecordError
from derm_kit.panels.login import login_here, person_here
from derm_kit.panels.parts import Panel, guarded
from derm_kit.records.people import Person

NO_REGISTER = (
    "There is no register on this machine yet, so nothing can be stored{still}. An administrator makes one by adding "
    "the first person: derm-kit people add."
)
UNUSABLE = "The register cannot be used now, so nothing can be stored{still}."

NOBODY = "who stands for nobody in the register yet: an administrator says who it is, with derm-kit people login"


class Seat(Protocol):
    """What somebody signs in to: `person` is who sits there. Methods raise RecordError as the register does."""

    person: Person | None

    def open(self) -> None:
        """Take the register of this machine, if there is one by now."""

    def people(self) -> list[Person]:
        """Everybody who may sign in."""

    def sign_in(self, person: str, passphrase: str) -> None:
        """Seat a person, if this is their passphrase."""

    def sign_out(self) -> None:
        """Nobody sits there."""


class SignInPanel(Panel):
    """Sign in and out; `then` is called after either. `purpose` says what it is for, `still` what goes without it."""

    def __init__(
        self,
        desk: Seat,
        then: Callable[[], None],
        purpose: str = "Sign in to store decisions; without it cases can be looked at.",
        still: str = ": cases can be looked at",
    ) -> None:
        super().__init__()
        self._purpose, self._still = purpose, still
        self._desk, self._then, self._anybody, self._without = desk, then, False, NO_REGISTER
        self._entered, self._login, self._known = False, "", False
        self.words = w.HTML()
        self.person = w.Dropdown(description="I am")
        self.passphrase = w.Password(description="Passphrase", continuous_update=False)
        self.enter, self.leave = w.Button(description="Sign in"), w.Button(description="Sign out")
        self.again = w.Button(description="Look for the register again")
        for button in (self.leave, self.again):
            button.add_class("dk-second")
        self.enter.on_click(lambda _: self.sign_in())
        self.passphrase.on_msg(lambda _, sent, __: self._on_enter(sent))
        self.passphrase.observe(lambda _: self._on_passphrase(), "value")
        self.leave.on_click(lambda _: self.sign_out())
        self.again.on_click(lambda _: self.look())
        row = w.HBox([self.person, self.passphrase, self.enter, self.leave, self.again])
        row.add_class("dk-buttons")
        row.add_class("dk-sign")
        self.view = w.VBox([self.words, row, self.notice])
        self.look()

    @guarded
    def look(self) -> None:
        """Who there is to choose from, as the register has it now."""
        self.notice.value, self._without = "", UNUSABLE
        people: list[Person] = []
        try:
            self._desk.open()
            people, self._without = self._desk.people(), NO_REGISTER
        finally:
            self._offer(people)

    def _offer(self, people: list[Person]) -> None:
        chosen = self.person.value
        self.person.options = [("Choose your name…", ""), *((f"{p.name}, {p.role}", p.id) for p in people)]
        self.person.value = chosen if chosen in {p.id for p in people} else person_here(people)
        self._login, self._known = login_here(), bool(person_here(people))
        self._anybody = bool(people)
        self._show()

    @guarded
    def sign_in(self) -> None:
        """Prove who is at the page; the passphrase is forgotten at once."""
        passphrase, self.passphrase.value = self.passphrase.value, ""
        self.notice.value = ""
        if not self.person.value:
            raise RecordError("somebody signs in by name", next_step="Choose your name in the list.")
        self._desk.sign_in(self.person.value, passphrase)
        self._show()
        self._then()

    @guarded
    def sign_out(self) -> None:
        """Nobody is at the page."""
        self._desk.sign_out()
        self._show()
        self._then()

    def _on_enter(self, sent: dict[str, str]) -> None:
        self._entered = sent.get("event") == "submit"  # the browser says so first, and then what was written

    def _on_passphrase(self) -> None:
        if self._entered and self.passphrase.value:
            self._entered = False
            self.sign_in()

    def _show(self) -> None:
        person, anybody = self._desk.person, self._anybody
        for widget, shown in (
            (self.person, person is None and anybody), (self.passphrase, person is None and anybody),
            (self.enter, person is None and anybody), (self.leave, person is not None), (self.again, not anybody),
        ):  # fmt: skip
            widget.layout.display = "" if shown else "none"
        if person is not None:
            said = f"Signed in: <strong>{escape(person.name)}</strong>, {escape(person.role)}."
        elif anybody:
            said = escape(self._purpose)
        else:
            said = escape(self._without.format(still=self._still))
        self.words.value = f"<p>{said}</p>{self._login_html()}"

    def _login_html(self) -> str:
        """Whom the proxy or hub has let in: it signs nothing."""
        if not self._login:
            return ""
        stands = "" if self._known else f", {NOBODY}"
        return f"<p class='dk-hint'>Logged in as <strong>{escape(self._login)}</strong>{stands}.</p>"
