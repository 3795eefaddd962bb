"""What the safety page reads of the register: nothing is made by looking."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape

from derm_kit.panels.changes_words import names_of
from derm_kit.panels.parts import notice_html
from derm_kit.records.here import is_register_here
from derm_kit.records.people import Person
from derm_kit.records.register import Register
from derm_kit.records.report_inputs import Registered

NO_REGISTER = (
    "There is no register on this machine yet, so there is no hazard log and nothing can be stored. An administrator "
    "makes one by adding the first person: derm-kit people add."
)


CHECKED_AT_ONCE = 1_000
"""Entries of an audit log that are checked while a page opens; a report checks all there are."""


def registered(checked_up_to: float = math.inf) -> Registered:
    """The register of this machine as the reports read it, empty where there is none. Raises RecordError."""
    if not is_register_here():
        return Registered()
    with Register.open(make=False) as register:
        return Registered.of(register, checked_up_to=checked_up_to)


def names(known: Registered) -> Mapping[str, str]:
    """What people are called, by id."""
    return names_of((person.id, person.name) for person in known.people.values())


def people(known: Registered) -> list[Person]:
    """Everybody, for a list to sign from."""
    return list(known.people.values())


def who_html(known: Registered, person: str) -> str:
    """A person by name, whichever way its script runs."""
    return f"<bdi>{escape(names(known).get(person, person or 'derm-kit'))}</bdi>"


def without_html(known: Registered) -> str:
    """That there is no register, where there is none."""
    return "" if known.head else notice_html("info", NO_REGISTER)
