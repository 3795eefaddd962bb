"""Who leads teaching sessions at this page, and which of those in the register are theirs."""

from __future__ import annotations

from derm_kit.errors import RecordError
from derm_kit.records import teaching
from derm_kit.records.here import register_here
from derm_kit.records.people import Person, Role
from derm_kit.records.register import Register
from derm_kit.records.teaching import TeachingSession
from derm_kit.records.teaching_steps import STEPS, Action

LEADING = (Action.OPEN_FIRST, Action.OPEN_SECOND, Action.CLOSE, Action.REVEAL, Action.END)
"""Steps that are taken with a session once it is made."""


class TeachingDesk:
    """The register of this machine and the person who signed in to lead. Methods raise RecordError as it does."""

    def __init__(self, register: Register | None = None) -> None:
        self.person: Person | None = None
        self._register = register

    def open(self) -> None:
        """Take the register of this machine's workspace, if somebody has made one by now."""
        self._register = self._register or register_here()

    def people(self) -> list[Person]:
        """Everybody who may sign in."""
        return [p for p in self._register.people() if p.erased_at is None] if self._register else []

    def sign_in(self, person: str, passphrase: str) -> None:
        """Have `person` lead from now on, if this is their passphrase."""
        self.person = self.register.check_passphrase(person, passphrase)

    def sign_out(self) -> None:
        """Nobody leads."""
        self.person = None

    @property
    def register(self) -> Register:
        """The register of this machine."""
        if self._register is None:
            raise RecordError(
                "there is no register on this machine yet",
                next_step="Have an administrator add the first person: derm-kit people add.",
            )
        return self._register

    @property
    def leader(self) -> Person:
        """Who has signed in."""
        if self.person is None:
            raise RecordError("a session is led by somebody who is signed in", next_step="Sign in above.")
        return self.person

    def sessions(self) -> list[TeachingSession]:
        """Sessions that this person may lead, the newest first: their own; an administrator's are all of them."""
        everybody = self.leader.role is Role.ADMINISTRATOR
        return teaching.sessions(self.register, None if everybody else self.leader.id)

    def find(self, session_id: str) -> TeachingSession:
        """One of them. A session holds the truth of its cases: nobody else opens it here."""
        leader = self.leader
        session = teaching.find(self.register, session_id)
        if session.facilitator != leader.id and leader.role is not Role.ADMINISTRATOR:
            raise RecordError(
                "a session is opened by whoever made it, or by an administrator",
                case=session.title,
                next_step="Open one of yours, or make one.",
            )
        return session

    def on_offer(self, session: TeachingSession) -> tuple[Action, ...]:
        """The steps that the one table lets this person take with the session as it stands."""
        person = self.leader
        return tuple(
            action
            for action in LEADING
            if session.state in STEPS[action].before
            and session.mode in STEPS[action].modes
            and (person.id == session.facilitator or person.role in STEPS[action].others)
        )
