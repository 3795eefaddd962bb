"""People of the register: who may review and approve, and how they prove who they are.

Everywhere else a person is an id drawn at random. The name lies in one row that can be emptied, with all that leads to
it, while the log stays whole.
"""

from __future__ import annotations

import secrets
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from derm_kit.errors import RecordError
from derm_kit.records.audit import now
from derm_kit.records.sealing import seal
from derm_kit.records.tables import PersonRow

if TYPE_CHECKING:
    from argon2 import PasswordHasher

SHORTEST_PASSPHRASE = 12
LONGEST_NAME = 1_000
LONGEST_LOGIN = 255
FREE_FAILURES = 3
"""Wrong passphrases in a row before the next try has to wait: 2, 4, 8 ... seconds, at most LONGEST_WAIT."""
LONGEST_WAIT = timedelta(minutes=15)


class Role(StrEnum):
    """What a person does here."""

    REVIEWER = "reviewer"
    DERMATOLOGIST = "dermatologist"
    SAFETY_OFFICER = "safety officer"
    ADMINISTRATOR = "administrator"


@dataclass(frozen=True)
class Person:
    """A person as the register knows them; name, registration and login are "" once erased."""

    id: str
    name: str
    role: Role
    registration: str
    added_at: str
    erased_at: str | None = None
    login: str = ""

    @property
    def registered(self) -> bool:
        """Whether a professional registration (GMC, NMC ...) stands here: what a registered clinician has."""
        return bool(self.registration)


def add(session: Session, actor: str, name: str, role: Role, registration: str, hashed: str) -> Person:
    """A new person, with an id drawn at random; `hashed` is of hashed(). Raises RecordError for an empty name."""
    name, registration = name.strip(), registration.strip()
    if not name or len(name) > LONGEST_NAME or len(registration) > LONGEST_NAME:
        raise RecordError(
            f"a person has a name; name and registration have at most {LONGEST_NAME:,} characters",
            next_step="Give the name that the person signs with.",
        )
    row = PersonRow(
        id=secrets.token_hex(16),
        name=name,
        role=Role(role).value,
        registration=registration,
        passphrase=hashed,
        salt=secrets.token_hex(16),
        failures=0,
        failed_at=None,
        added_at=now(),
        erased_at=None,
        login=None,
    )
    seal(session, row, actor, "person added", role=row.role, registered=bool(registration))
    return person_of(row)


def everybody(session: Session) -> list[Person]:
    """All people, the erased among them, in the order in which they came."""
    return [person_of(row) for row in session.scalars(select(PersonRow).order_by(PersonRow.added_at, PersonRow.id))]


def require(session: Session, person: str) -> PersonRow:
    """The row of a person who is still here. Raises RecordError."""
    row = session.get(PersonRow, person)
    if row is None or row.erased_at is not None:
        raise RecordError(
            "no such person in the register" if row is None else "this person was erased from the register",
            case=person,
            next_step="derm-kit people list shows who is there.",
        )
    return row


def find(session: Session, person: str) -> Person:
    """A person who is still here. Raises RecordError."""
    return person_of(require(session, person))


def erase(session: Session, actor: str, person: str) -> None:
    """Empty all that says who a person was: name, registration, passphrase, login. What they did stays under the id."""
    row = require(session, person)
    row.name = row.registration = row.passphrase = row.salt = ""
    row.failures, row.failed_at, row.login, row.erased_at = 0, None, None, now()
    seal(session, row, actor, "person erased")


def name_login(session: Session, actor: str, person: str, login: str) -> Person:
    """Have a login name stand for a person, "" for none. The log says that it was named, never what it is.

    Raises RecordError for a login that stands for somebody else, or that no proxy could send.
    """
    row, login = require(session, person), login.strip()
    if len(login) > LONGEST_LOGIN or not login.isprintable():
        raise RecordError(
            f"a login name is printable and has at most {LONGEST_LOGIN} characters",
            value=login[:LONGEST_LOGIN],
            next_step="Give it as the proxy or the hub sends it.",
        )
    other = session.scalar(select(PersonRow).where(PersonRow.login == login))
    if other is not None and other.id != row.id:
        raise RecordError(
            "a login name stands for one person; this one stands for somebody else",
            case=login,
            value=other.id,
            next_step=f"Take it away there first: derm-kit people login {other.id} --none.",
        )
    row.login = login or None
    seal(session, row, actor, "login named" if login else "login taken away")
    return person_of(row)


def change_passphrase(session: Session, actor: str, person: str, hashed: str) -> None:
    """Give a person a new passphrase, and end a wait after wrong ones."""
    row = require(session, person)
    row.passphrase, row.failures, row.failed_at = hashed, 0, None
    seal(session, row, actor, "passphrase changed")


def fits(row: PersonRow, passphrase: str) -> bool:
    """Whether this is the person's passphrase. Raises RecordError, without a look, during a wait after wrong ones."""
    from argon2.exceptions import VerificationError

    _require_no_wait(row)
    try:
        return _hasher().verify(row.passphrase, _bytes(passphrase))
    except VerificationError:
        return False


def note_attempt(session: Session, person: str, *, good: bool) -> int:
    """Count and log one try; returns how many were wrong in a row.

    Raises RecordError where other tries have brought on a wait by now.
    """
    row = require(session, person)
    _require_no_wait(row)
    row.failures, row.failed_at = (0, None) if good else (row.failures + 1, now())
    seal(session, row, person, "passphrase accepted" if good else "passphrase refused", failures=row.failures)
    return row.failures


def refused(failures: int) -> RecordError:
    """What a person is told after a wrong passphrase."""
    wait = _wait(failures).total_seconds()
    return RecordError(
        "the passphrase is wrong; this was counted and logged",
        value=f"{failures} wrong in a row",
        next_step=f"Try again in {wait:.0f} s." if wait else "Try again, or ask the administrator for a new one.",
    )


def _wait(failures: int) -> timedelta:
    over = failures - FREE_FAILURES + 1
    return min(timedelta(seconds=2 ** min(over, 20)), LONGEST_WAIT) if over > 0 else timedelta(0)


def _require_no_wait(row: PersonRow) -> None:
    if row.failed_at is None:
        return
    left = datetime.fromisoformat(row.failed_at) + _wait(row.failures) - datetime.fromisoformat(now())
    if timedelta(0) < left < 2 * LONGEST_WAIT:  # any longer, and the clock was set back since
        raise RecordError(
            "after wrong passphrases the next try has to wait",
            value=f"{row.failures} wrong in a row",
            next_step=f"Try again in {left.total_seconds():.0f} s, or ask the administrator for a new passphrase.",
        )


def hashed(passphrase: str) -> str:
    """What is kept of a passphrase. Slow on purpose: never while others wait for the writers' lock.

    Raises RecordError for a short one.
    """
    if len(passphrase) < SHORTEST_PASSPHRASE:
        raise RecordError(
            f"a passphrase has at least {SHORTEST_PASSPHRASE} characters",
            next_step="Take three or four words that do not belong together.",
        )
    return _hasher().hash(_bytes(passphrase))


def _bytes(passphrase: str) -> bytes:
    """The same bytes for the same letters, whichever keyboard composed them (NFKC, as RFC 8265 asks)."""
    return unicodedata.normalize("NFKC", passphrase).encode("utf-8", "surrogatepass")


@cache
def _hasher() -> PasswordHasher:
    """Argon2id with the library's cost (RFC 9106, low-memory option): tens of milliseconds and 64 MiB a try."""
    from argon2 import PasswordHasher

    return PasswordHasher()


def person_of(row: PersonRow) -> Person:
    """The row as others see it: without the passphrase."""
    return Person(row.id, row.name, Role(row.role), row.registration, row.added_at, row.erased_at, row.login or "")
