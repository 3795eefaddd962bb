"""A reader's place in a teaching session as of one moment: what they have answered, and which cases wait for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from sqlalchemy import Row, Select, bindparam, select
from sqlalchemy.orm import Session

from derm_kit.lesions import LesionType
from derm_kit.records.tables import (
    SealedRow,
    TeachingAnswerRow,
    TeachingReaderRow,
    TeachingSessionRow,
    TeachingShowingRow,
)
from derm_kit.records.teaching import TeachingSession, session_of
from derm_kit.records.teaching_joining import hashed
from derm_kit.records.teaching_order import model_first, order_of
from derm_kit.records.teaching_refusals import ReaderError, UnknownReaderError
from derm_kit.records.teaching_steps import Mode, Phase, open_phase
from derm_kit.triage.policy import Disposition
from derm_kit.triage.teaching_list import TeachingCase


@dataclass(frozen=True)
class Answer:
    """An answer as stored: `seconds` from the first showing of the case to the answer, by the server's clock."""

    diagnosis: LesionType
    disposition: Disposition
    confidence_percent: int
    seconds: float
    at: str

    def in_words(self) -> str:
        """The answer on one line."""
        return f"{self.diagnosis.label.lower()}, {self.disposition}, {self.confidence_percent}% sure"


@dataclass(frozen=True)
class Place:
    """A reader's place in a session, as of one moment: by case and phase, answers and when each was first shown."""

    row: Row[Any]
    session: TeachingSession
    answers: Mapping[tuple[str, Phase], TeachingAnswerRow | Row[Any]]
    shown: Mapping[tuple[str, Phase], str]

    @classmethod
    def of(cls, session: Session, token: str) -> Place:
        """The place of whoever holds the token. Raises UnknownReaderError."""
        found = session.connection()
        row = found.execute(_READER, {"key": hashed(token)}).first()
        if row is None:
            raise UnknownReaderError
        answers = {(one.case_id, Phase(one.phase)): one for one in found.execute(_ANSWERS, {"key": row.id})}
        shown = {(one.case_id, Phase(one.phase)): one.at for one in found.execute(_SHOWN, {"key": row.id})}
        return cls(row, session_of(found.execute(_SESSION, {"key": row.session}).one()), answers, shown)

    def having(self, answer: TeachingAnswerRow) -> Place:
        """The place once this answer is stored."""
        return replace(self, answers={**self.answers, (answer.case_id, Phase(answer.phase)): answer})

    @cached_property
    def waiting(self) -> list[tuple[TeachingCase, Phase]]:
        """Cases that wait for this reader's answer now, in their order, each with the answer that is due."""
        s, row = self.session, self.row
        swapped = model_first(s.seed, row.place, s.cases.cases) if s.mode is Mode.CROSSOVER else frozenset()
        due = []
        for case in order_of(s.seed, row.place, s.cases.cases):
            phase = open_phase(s.mode, s.state, model_first=case.case_id in swapped)
            if phase is None or (case.case_id, phase) in self.answers:
                continue
            if s.mode is Mode.BLIND_FIRST and phase is Phase.AFTER and self.answer(case, Phase.BEFORE) is None:
                continue  # the model's view of a case is for those who have committed to their own
            due.append((case, phase))
        return due

    def answer(self, case: TeachingCase, phase: Phase) -> Answer | None:
        """What the reader said of a case."""
        row = self.answers.get((case.case_id, phase))
        return answer_of(row) if row else None

    def number(self, case: TeachingCase) -> int:
        """The case's number in the list, from 1."""
        return self.session.cases.cases.index(case) + 1

    def case(self, number: int) -> TeachingCase:
        """The case with a number. Raises ReaderError."""
        if not 1 <= number <= len(self.session.cases.cases):
            raise ReaderError(
                f"this session has the cases 1 to {len(self.session.cases.cases)}", value=number,
                next_step="Load the page again.",
            )  # fmt: skip
        return self.session.cases.cases[number - 1]


def answer_of(row: TeachingAnswerRow | Row[Any]) -> Answer:
    """The row as others see it."""
    return Answer(LesionType(row.diagnosis), Disposition(row.disposition), row.confidence_percent, row.seconds, row.at)


def _by(table: type[SealedRow], column: str) -> Select[Any]:
    """Rows as rows, not objects, by a statement that is made once: they are read at every click."""
    columns = table.__table__.c
    return select(*columns).where(columns[column] == bindparam("key"))


_READER, _SESSION = _by(TeachingReaderRow, "token_sha256"), _by(TeachingSessionRow, "id")
_ANSWERS, _SHOWN = _by(TeachingAnswerRow, "reader"), _by(TeachingShowingRow, "reader")
