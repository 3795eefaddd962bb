"""Who takes a step of change control, and their passphrase, which is forgotten at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime

import ipywidgets as w

from derm_kit.errors import RecordError
from derm_kit.panels.login import person_here
from derm_kit.panels.parts import notice_html
from derm_kit.records.here import register_here
from derm_kit.records.people import Person
from derm_kit.records.register import Register

PRESSED_AGAIN = (
    "Nothing was done this time: no passphrase was entered since the button was last pressed. Every step asks for it."
)


class Signature:
    """The fields of one form that somebody signs."""

    def __init__(self) -> None:
        self._signed = False
        self.person = w.Dropdown(description="I am")
        self.passphrase = w.Password(description="Passphrase", continuous_update=False)
        self.view = w.HBox([self.person, self.passphrase])
        self.view.add_class("dk-buttons")
        self.view.add_class("dk-sign")

    def offer(self, people: list[Person]) -> None:
        """Everybody who is still there; who was chosen stays chosen, else whoever is logged in at the page."""
        chosen, here = self.person.value, [p for p in people if p.erased_at is None]
        self.person.options = [("Choose your name…", ""), *((f"{p.name}, {p.role}", p.id) for p in here)]
        self.person.value = chosen if chosen in {p.id for p in here} else person_here(here)

    def pressed_again(self, notice: w.HTML) -> bool:
        """Whether a press follows one that was signed, itself unsigned: `notice` then adds that to what it says."""
        again = self._signed and not self.passphrase.value
        if again and PRESSED_AGAIN not in notice.value:
            notice.value += notice_html("info", PRESSED_AGAIN)
        return again

    def take(self) -> tuple[str, str]:
        """Id and passphrase of who signs. Raises RecordError where nobody is named."""
        passphrase, self.passphrase.value = self.passphrase.value, ""
        self._signed = self._signed or bool(passphrase)
        if not self.person.value:
            raise RecordError("every step is signed for by name", next_step="Choose your name in the list.")
        if not passphrase:
            raise RecordError("every step asks for the passphrase", next_step="Enter yours, then press again.")
        return self.person.value, passphrase


def effective_field() -> w.Text:
    """A date to be written: a half-chosen one must not count as none, which means at once."""
    field = w.Text(description="Effective from", placeholder="YYYY-MM-DD; empty: at once", continuous_update=False)
    field.add_class("dk-sign")
    return field


def effective_date(text: str) -> date | None:
    """The date that was written, None for none. Raises RecordError."""
    if not text.strip():
        return None
    try:
        return datetime.strptime(text.strip(), "%Y-%m-%d").date()
    except ValueError:
        raise RecordError(
            "a date is written as year, month and day", value=text, next_step="Write it as 2027-01-31."
        ) from None


@contextmanager
def opened() -> Iterator[Register]:
    """The register of this machine. Raises RecordError where there is none or it cannot be used."""
    register = register_here()
    if register is None:
        raise RecordError(
            "there is no register on this machine any more",
            next_step="Ask the administrator where it is; a backup comes back with: derm-kit register restore.",
        )
    with register:
        yield register
