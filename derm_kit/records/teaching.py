"""Teaching sessions: made by a facilitator with a list of cases, led from the lobby to the end.

A session, its list and everything that readers do in it are sealed records as all else in the register. Whatever
decides what a reader may send (the state, the list, what was answered) is read under the writers' lock.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from derm_kit.errors import RecordError
from derm_kit.records import people
from derm_kit.records.audit import now
from derm_kit.records.exact_json import sha256
from derm_kit.records.register import Register
from derm_kit.records.sealing import seal
from derm_kit.records.tables import TeachingSessionRow
from derm_kit.records.teaching_steps import STEPS, Action, Mode, State, require_step
from derm_kit.triage.teaching_list import TeachingList

CODE_ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
"""Letters and digits that nobody takes for another when they stand on a wall: no I, L, O, 0, 1."""
CODE_LENGTH = 6
LONGEST_TITLE, LONGEST_CONSENT = 120, 10_000
SHORTEST_CASE_S, LONGEST_CASE_S = 5, 3_600


@dataclass(frozen=True)
class TeachingSession:
    """A session as stored. `consent` is what readers agree to, "" where nothing is asked; times are UTC.

    `seconds_a_case` is how long a page gives for a case (None: as long as it takes). It hurries nobody here: a late
    answer is stored with the time that it took.
    """

    id: str
    code: str
    title: str
    facilitator: str
    mode: Mode
    seed: int
    seconds_a_case: int | None
    consent: str
    cases: TeachingList
    state: State
    made_at: str
    revealed_at: str | None
    ended_at: str | None

    @property
    def consent_version(self) -> str:
        """SHA-256 of the consent text: what a reader's consent is recorded with; "" where nothing is asked."""
        return sha256(self.consent) if self.consent else ""


def make(
    register: Register,
    by: str,
    title: str,
    cases: TeachingList,
    mode: Mode,
    seed: int,
    *,
    consent: str = "",
    seconds_a_case: int | None = None,
) -> TeachingSession:
    """A new session in the lobby, its list frozen in it, with a code that no other open session has.

    `by` is a person of the register who has signed in. Raises RecordError where a value breaks its rule.
    """
    title, consent = " ".join(title.split()), consent.strip()
    _require_sound(title, consent, cases, seed, seconds_a_case)
    with register.writing() as session:
        people.require(session, by)
        row = TeachingSessionRow(
            id=secrets.token_hex(16), code=_free_code(session), title=title, facilitator=by, mode=Mode(mode).value,
            seed=int(seed), seconds_a_case=seconds_a_case, consent=consent, cases=cases.to_json(),
            state=State.LOBBY.value, made_at=now(), revealed_at=None, ended_at=None,
        )  # fmt: skip
        facts = {"mode": row.mode, "cases": len(cases.cases), "cases_sha256": sha256(row.cases), "seed": row.seed}
        seal(session, row, by, STEPS[Action.MAKE].entry, **facts)
        return session_of(row)


def take_step(register: Register, session_id: str, action: Action, by: str) -> TeachingSession:
    """Open or close a reading, reveal the truth, or end a session. Raises RecordError where the table forbids it."""
    with register.writing() as session:
        row = session_row(session, session_id)
        require_step(
            action, people.find(session, by), facilitator=row.facilitator, state=State(row.state), mode=Mode(row.mode),
            case=row.title,
        )  # fmt: skip
        before, row.state = row.state, STEPS[action].after.value
        if action is Action.REVEAL:
            row.revealed_at = now()
        elif action is Action.END:
            row.ended_at = now()
        seal(session, row, by, STEPS[action].entry, state_before=before, state=row.state)
        return session_of(row)


def find(register: Register, session_id: str) -> TeachingSession:
    """A session by its id. Raises RecordError."""
    with register.reading() as session:
        return session_of(session_row(session, session_id))


def sessions(register: Register, facilitator: str | None = None) -> list[TeachingSession]:
    """All sessions, or those of one facilitator, the newest first."""
    wanted = select(TeachingSessionRow).order_by(TeachingSessionRow.made_at.desc(), TeachingSessionRow.id)
    if facilitator is not None:
        wanted = wanted.where(TeachingSessionRow.facilitator == facilitator)
    with register.reading() as session:
        return [session_of(row) for row in session.scalars(wanted)]


def session_row(session: Session, session_id: str) -> TeachingSessionRow:
    """The row of a session. Raises RecordError."""
    row = session.get(TeachingSessionRow, session_id)
    if row is None:
        raise RecordError("no such teaching session", case=session_id, next_step="Choose one of those that are listed.")
    return row


def session_of(row: TeachingSessionRow | Row[Any]) -> TeachingSession:
    """The row as others see it."""
    return TeachingSession(
        row.id, row.code, row.title, row.facilitator, Mode(row.mode), row.seed, row.seconds_a_case, row.consent,
        _list(row.cases), State(row.state), row.made_at, row.revealed_at, row.ended_at,
    )  # fmt: skip


def newest_with_code(session: Session, code: str) -> TeachingSessionRow | None:
    """The session that was made last under a code: while one is open, that one."""
    return session.scalars(
        select(TeachingSessionRow)
        .where(TeachingSessionRow.code == code)
        .order_by(TeachingSessionRow.made_at.desc())
        .limit(1)
    ).first()


@lru_cache(32)
def _list(text: str) -> TeachingList:
    return TeachingList.from_json(text)


def _free_code(session: Session) -> str:
    while True:
        code = "".join(secrets.choice(CODE_ALPHABET) for _ in range(CODE_LENGTH))
        row = newest_with_code(session, code)
        if row is None or row.state == State.ENDED:
            return code


def _require_sound(title: str, consent: str, cases: TeachingList, seed: int, seconds_a_case: int | None) -> None:
    ids = [case.case_id for case in cases.cases]
    in_time = seconds_a_case is None or SHORTEST_CASE_S <= seconds_a_case <= LONGEST_CASE_S
    problems = (
        (1 <= len(title) <= LONGEST_TITLE, f"a session has a title of 1 to {LONGEST_TITLE} characters", len(title)),
        (len(consent) <= LONGEST_CONSENT, f"a consent text has at most {LONGEST_CONSENT:,} characters", len(consent)),
        (bool(ids) and len(set(ids)) == len(ids), "a session has cases, each of them once", len(ids)),
        (0 <= seed < 2**31, "a seed is a whole number from 0 to 2,147,483,647", seed),
        (in_time, f"the time for a case is {SHORTEST_CASE_S} to {LONGEST_CASE_S:,} seconds", seconds_a_case),
    )
    for holds, rule, value in problems:
        if not holds:
            raise RecordError(rule, value=value, next_step="Nothing was stored. Mend it, then make the session.")
