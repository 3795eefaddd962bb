"""What came of a teaching session: how far readers are, tables for the analysis, and aliases erased afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from derm_kit.errors import RecordError
from derm_kit.records import people
from derm_kit.records.audit import now
from derm_kit.records.people import Role
from derm_kit.records.register import Register
from derm_kit.records.sealing import seal
from derm_kit.records.tables import TeachingAnswerRow, TeachingReaderRow, TeachingShowingRow
from derm_kit.records.teaching import session_of, session_row
from derm_kit.records.teaching_steps import Mode, Phase, State

ANSWER_COLUMNS = ("reader", "case_id", "phase", "diagnosis", "disposition", "confidence", "seconds")
DETAIL_COLUMNS = ("reader", "case_id", "phase", "shown_at", "at", "client_seconds", "entry")
READER_COLUMNS = ("reader", "joined_at", "consent_sha256", "names_agreed")


_Latest = Mapping[tuple[str, Phase], tuple[int, str]]


@dataclass(frozen=True)
class ReaderProgress:
    """How far a reader is: answers before and after the model's view, each of `of` cases; `alias` "" once erased.

    `last_seen` is when they last joined, were shown a new case or answered one, UTC.
    """

    reader: str
    alias: str
    joined_at: str
    before: int
    after: int
    of: int
    last_seen: str
    names_agreed: bool | None


@dataclass(frozen=True)
class TeachingExport:
    """A session as tables.

    answers    ANSWER_COLUMNS, one row an answer, confidence 0 to 100, seconds by the server's clock; and `mode` where
               the model's view was there at once
    cases      case_id, truth, model_diagnosis, model_disposition: one row a case
    details    DETAIL_COLUMNS, the same rows as answers: times (UTC), the browser's seconds, place in the audit log
    readers    READER_COLUMNS, one row a reader: when they joined, and which consent text (its SHA-256) they agreed to
    """

    answers: pd.DataFrame
    cases: pd.DataFrame
    details: pd.DataFrame
    readers: pd.DataFrame


def progress(register: Register, session_id: str) -> tuple[ReaderProgress, ...]:
    """Each reader, in the order in which they joined."""
    with register.reading() as session:
        of = len(session_of(session_row(session, session_id)).cases.cases)
        readers = _readers(session, session_id)
        given = _latest(session, session_id, TeachingAnswerRow)
        seen = _latest(session, session_id, TeachingShowingRow)
        return tuple(_progress(row, of, given, seen) for row in readers)


def may_name(register: Register, session_id: str) -> bool:
    """Whether the group's results may name readers by alias: everybody who joined and is not erased agreed."""
    with register.reading() as session:
        return _may_name(_readers(session, session_id))


def export(register: Register, session_id: str, *, by_alias: bool = False) -> TeachingExport:
    """The session as tables, readers by their random ids, or by alias where all agreed. Raises RecordError otherwise.

    For derm_kit.cases.cohort.safe_csv: an alias may hold anything that can be seen.
    """
    with register.reading() as session:
        made = session_of(session_row(session, session_id))
        readers = _readers(session, session_id)
        if by_alias and not _may_name(readers):
            raise RecordError(
                "results name readers only where every one of them has agreed",
                next_step="Show them without names, or ask the readers: each agrees on their own page.",
            )
        names = {row.id: row.alias if by_alias and row.alias else row.id for row in readers}
        rows = _answers(session, session_id)
        said = [
            (names[a.reader], a.case_id, a.phase, a.diagnosis, a.disposition, a.confidence_percent, a.seconds)
            for a, _ in rows
        ]
        details = [(names[a.reader], a.case_id, a.phase, at, a.at, a.client_seconds, a.entry) for a, at in rows]
        joined = [(names[row.id], row.joined_at, row.consent_sha256, row.names_agreed) for row in readers]
    answers = pd.DataFrame(said, columns=list(ANSWER_COLUMNS)).astype({"confidence": float, "seconds": float})
    return TeachingExport(
        answers.assign(mode=made.mode.value) if made.mode is Mode.AI_AT_ONCE else answers,
        made.cases.table(),
        pd.DataFrame(details, columns=list(DETAIL_COLUMNS)).astype({"client_seconds": float}),
        pd.DataFrame(joined, columns=list(READER_COLUMNS)).astype({"names_agreed": object}),
    )


def erase_aliases(register: Register, session_id: str, by: str) -> int:
    """Erase who the readers of an ended session were; their answers stay, under random ids. Returns how many.

    For the facilitator or an administrator. Raises RecordError for others, and before the end.
    """
    with register.reading() as session:
        if not [row for row in _readers(session, session_id) if row.erased_at is None]:
            return 0
    with register.writing() as session:
        person, row = people.find(session, by), session_row(session, session_id)
        if by != row.facilitator and person.role is not Role.ADMINISTRATOR:
            raise RecordError(
                "only the facilitator or an administrator erases the aliases of a session", case=row.title,
                next_step="Ask whoever made the session.",
            )  # fmt: skip
        if row.state != State.ENDED:
            raise RecordError(
                "aliases are erased once the session has ended", case=row.title, value=row.state,
                next_step="End it first.",
            )  # fmt: skip
        left = [reader for reader in _readers(session, session_id) if reader.erased_at is None]
        for reader in left:
            reader.alias = reader.salt = reader.request_sha256 = ""
            reader.alias_key, reader.erased_at = reader.id, now()
            seal(session, reader, by, "alias erased", teaching_session=session_id)
    register.forget_erased()
    return len(left)


def _progress(row: TeachingReaderRow, of: int, given: _Latest, seen: _Latest) -> ReaderProgress:
    moments = [last[row.id, phase][1] for last in (given, seen) for phase in Phase if (row.id, phase) in last]
    before, after = (given.get((row.id, phase), (0, ""))[0] for phase in Phase)
    last_seen = max([row.joined_at, *moments])
    return ReaderProgress(row.id, row.alias, row.joined_at, before, after, of, last_seen, row.names_agreed)


def _readers(session: Session, session_id: str) -> Sequence[TeachingReaderRow]:
    table = TeachingReaderRow
    return session.scalars(select(table).where(table.session == session_id).order_by(table.place)).all()


def _may_name(readers: Sequence[TeachingReaderRow]) -> bool:
    there = [row for row in readers if row.erased_at is None]
    return bool(there) and all(row.names_agreed for row in there)


def _latest(session: Session, session_id: str, table: type[TeachingAnswerRow] | type[TeachingShowingRow]) -> _Latest:
    """By reader and phase: how many rows, and when the newest was written."""
    found = session.execute(
        select(table.reader, table.phase, func.count(), func.max(table.at))
        .join(TeachingReaderRow, TeachingReaderRow.id == table.reader)
        .where(TeachingReaderRow.session == session_id)
        .group_by(table.reader, table.phase)
    )
    return {(reader, Phase(phase)): (count, at) for reader, phase, count, at in found}


def _answers(session: Session, session_id: str) -> list[tuple[TeachingAnswerRow, str]]:
    """Every answer with the moment at which its case was shown, in the order in which they were stored."""
    answers, shown = TeachingAnswerRow, TeachingShowingRow
    same = (shown.reader == answers.reader) & (shown.case_id == answers.case_id) & (shown.phase == answers.phase)
    wanted = (
        select(answers, shown.at)
        .join(shown, same)
        .join(TeachingReaderRow, TeachingReaderRow.id == answers.reader)
        .where(TeachingReaderRow.session == session_id)
        .order_by(answers.entry)
    )
    return [(row, at) for row, at in session.execute(wanted)]
