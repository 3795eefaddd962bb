"""What stays for good names roles, not people: a name could never be erased from it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from sqlalchemy.orm import Session

from derm_kit.records import people
from derm_kit.records.hazard_content import HazardFields
from derm_kit.records.hazard_rules import UNSTORED, Broken


def known_names(session: Session) -> tuple[str, ...]:
    """What people of the register are called."""
    return tuple(person.name for person in people.everybody(session) if person.name)


def somebody_in_text(names: Iterable[str], field: str, text: str) -> Broken | None:
    """The first of `names` that stands in `text`."""
    for name in names:
        if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE):
            rule = "it stays in the register for good, so it names nobody"
            return Broken(field, name, rule, f"{UNSTORED} Name the role instead.")
    return None


def somebody_named(names: Iterable[str], content: HazardFields) -> list[Broken]:
    """Where owner or party of a hazard is a person of the register by name."""
    known = tuple(names)
    said = {"owner": content.owner, "transferred_to": content.transferred_to}
    found = (somebody_in_text(known, field, text) for field, text in said.items())
    return [one for one in found if one]
