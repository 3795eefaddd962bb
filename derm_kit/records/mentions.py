"""Where a person may be named in the register beside their own row: texts of others, which erasing leaves alone."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from derm_kit.records.people import Person
from derm_kit.records.tables import SEALED, PersonRow
from derm_kit.records.text import FaithfulText

SHORTEST_WORD = 3
"""Letters of a word of a name that is looked for by itself."""
_BLOCK = 5_000


@dataclass(frozen=True)
class Mention:
    """A text that holds a person's name, registration or login, or one word of the name."""

    subject: str
    """The record as the audit log names it, such as `reviews/ID`."""
    column: str
    found: str


def mentions(session: Session, person: Person) -> list[Mention]:
    """Every text of every record but those of people, in the order of the tables; letters' case does not count.

    A word of a name may be somebody else's, or a word like any other: a person looks at each.
    """
    wanted = _pattern(person)
    found = []
    for table in SEALED:
        if table is PersonRow:
            continue
        columns = [c for c in table.__table__.columns if isinstance(c.type, FaithfulText) and c.name != "id"]
        rows = session.execute(
            select(table.__table__.c.id, *columns).order_by(table.__table__.c.entry).execution_options(yield_per=_BLOCK)
        )
        names = [column.name for column in columns]
        for own_id, *texts in rows:
            for name, text in zip(names, texts, strict=True):
                match = wanted.search(text) if text else None
                if match:
                    found.append(Mention(f"{table.__tablename__}/{own_id}", name, match[0]))
    return found


def _pattern(person: Person) -> re.Pattern[str]:
    """Whole words; the longest first, so that a full name is found as one."""
    words = [word for word in re.findall(r"\w+", person.name) if len(word) >= SHORTEST_WORD]
    wanted = {person.name, person.registration, person.login, *words} - {""}
    return re.compile(
        "|".join(rf"(?<!\w){re.escape(text)}(?!\w)" for text in sorted(wanted, key=lambda text: (-len(text), text))),
        re.IGNORECASE,
    )
