"""Answers of a teaching session's readers: stored at once, never changed, acknowledged as often as they are sent."""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from derm_kit.lesions import LesionType
from derm_kit.records.audit import now
from derm_kit.records.register import Register
from derm_kit.records.sealing import seal
from derm_kit.records.tables import TeachingAnswerRow
from derm_kit.records.teaching_place import Answer, Place, answer_of
from derm_kit.records.teaching_reading import Shown, Standing, show_next, standing_of
from derm_kit.records.teaching_refusals import ReaderError
from derm_kit.records.teaching_steps import Phase, State
from derm_kit.records.teaching_writing import write
from derm_kit.triage.policy import Disposition
from derm_kit.triage.teaching_list import TeachingCase

LONGEST_REQUEST = 100
_SAID = ("diagnosis", "disposition", "confidence_percent")


@dataclass(frozen=True)
class Given:
    """An answer as a reader sends it. `number` is the case's in the list, from 1.

    `request` is drawn by the browser for this answer, so that it may send it again where the reply was lost;
    `client_seconds` is what its own clock made of the time, kept beside the server's.
    """

    number: int
    phase: Phase
    diagnosis: LesionType
    disposition: Disposition
    confidence_percent: int
    request: str
    client_seconds: float | None = None


@dataclass(frozen=True)
class Acknowledged:
    """The answer is safe on disk; `again`: it was before. `then` is the case that is next, None where none waits."""

    answer: Answer
    again: bool
    standing: Standing
    then: Shown | None


def answer(register: Register, token: str, given: Given) -> Acknowledged:
    """Store a reader's answer and show the next case, in one transaction: both are on disk when this returns.

    The same answer sent again, under the same `request`, is acknowledged again, also after the reading was closed.
    Raises ReaderError for another answer to the same question (the first stands), for one that comes after the reading
    was closed or that was not asked for, for values that break their rules, and for an unknown token.
    """
    _require_sound(given)
    return write(register, lambda session: _answered(session, token, given))


def _answered(session: Session, token: str, given: Given) -> Acknowledged:
    place = Place.of(session, token)
    case = place.case(given.number)
    stands = _stands(place, case, given)
    if stands is None:
        place = place.having(_store(session, place, case, given))
    answer = stands or answer_of(place.answers[case.case_id, given.phase])
    return Acknowledged(answer, stands is not None, standing_of(place), show_next(session, place))


def _stands(place: Place, case: TeachingCase, given: Given) -> Answer | None:
    """The very same answer, if it is stored already. Raises ReaderError where another is."""
    row = place.answers.get((case.case_id, given.phase))
    if row is None:
        return None
    stored = answer_of(row)
    if row.request == given.request and all(getattr(stored, name) == getattr(given, name) for name in _SAID):
        return stored
    raise ReaderError(
        "this question is answered already, and the first answer stands", case=f"case {given.number}",
        value=stored.in_words(), next_step="Go on with the next case.",
    )  # fmt: skip


def _store(session: Session, place: Place, case: TeachingCase, given: Given) -> TeachingAnswerRow:
    shown_at, at = _shown_at(place, case, given), now()
    took = (datetime.fromisoformat(at) - datetime.fromisoformat(shown_at)).total_seconds()
    row = TeachingAnswerRow(
        id=secrets.token_hex(16), reader=place.row.id, case_id=case.case_id, phase=Phase(given.phase).value,
        request=given.request, at=at, diagnosis=LesionType(given.diagnosis).value,
        disposition=Disposition(given.disposition).value, confidence_percent=int(given.confidence_percent),
        seconds=max(0.0, took), client_seconds=_sound_seconds(given.client_seconds),
    )  # fmt: skip
    facts = {"case": row.case_id, "phase": row.phase, "diagnosis": row.diagnosis, "disposition": row.disposition}
    seal(session, row, row.reader, "answer stored", **facts)
    return row


def _shown_at(place: Place, case: TeachingCase, given: Given) -> str:
    """When the case was shown, if its answer is due. Raises ReaderError."""
    state, where = place.session.state, f"case {given.number}"
    if (case, given.phase) not in place.waiting:
        told = {State.ENDED: "the session has ended", State.REVEALED: "the results are out"}
        raise ReaderError(
            f"this answer was not stored: {told.get(state, 'this reading is closed')}", case=where,
            value=f"your answer {given.phase} the model's view",
            next_step="Load the page again. All that was stored before stays.",
        )  # fmt: skip
    shown_at = place.shown.get((case.case_id, given.phase))
    if shown_at is None:
        raise ReaderError(
            "this answer was not stored: a case is answered once it was shown", case=where,
            next_step="Load the page again: it shows the case that is next.",
        )  # fmt: skip
    return shown_at


def _sound_seconds(seconds: float | None) -> float | None:
    """What a browser's clock said, None where that is no time: a clock that is wrong loses no answer."""
    return float(seconds) if seconds is not None and math.isfinite(seconds) and seconds >= 0 else None


def _require_sound(given: Given) -> None:
    percent = given.confidence_percent
    problems = (
        (given.phase in tuple(Phase), "an answer is given before or after the model's view", given.phase),
        (given.diagnosis in tuple(LesionType), "the diagnosis is one of the eleven lesion types", given.diagnosis),
        (given.disposition in tuple(Disposition), "the disposition is one that a policy knows", given.disposition),
        (isinstance(percent, int) and 0 <= percent <= 100, "confidence is a whole number, 0 to 100 percent", percent),
        (1 <= len(given.request) <= LONGEST_REQUEST, "an answer has the id of its request", len(given.request)),
    )
    for holds, rule, value in problems:
        if not holds:
            raise ReaderError(
                rule, case=f"case {given.number}", value=value, next_step="Nothing was stored. Choose, then send again."
            )
