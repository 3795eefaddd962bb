"""What a reader of a teaching session sees, one case at a time.

What must not be seen too early is held back here, not on a page: the model's view of a case until it is due, the truth
until the facilitator reveals it. Even the id of a case can give it away (a phantom's says its type, an archive's can be
looked up), so that until then a case has only its number in the list.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from sqlalchemy.orm import Session

from derm_kit.lesions import LesionType
from derm_kit.records.audit import now
from derm_kit.records.register import Register
from derm_kit.records.sealing import seal
from derm_kit.records.tables import TeachingShowingRow
from derm_kit.records.teaching_joining import reader_of
from derm_kit.records.teaching_order import order_of
from derm_kit.records.teaching_place import Answer, Place
from derm_kit.records.teaching_refusals import ReaderError
from derm_kit.records.teaching_steps import Mode, Phase, State
from derm_kit.records.teaching_writing import write
from derm_kit.triage.policy import Disposition
from derm_kit.triage.teaching_list import TeachingCase


class ModelView(NamedTuple):
    """What the model makes of a case, and the policy's sentence on it."""

    diagnosis: LesionType
    disposition: Disposition
    reason: str


@dataclass(frozen=True)
class Shown:
    """A case on a reader's screen; `model` where its view is due, `first` the reader's own answer before it."""

    number: int
    phase: Phase
    shown_at: str
    model: ModelView | None
    first: Answer | None


@dataclass(frozen=True)
class Standing:
    """Where a reader stands: answers given, of how many cases; `left` are cases that wait for an answer now."""

    reader: str
    alias: str
    session: str
    title: str
    mode: Mode
    state: State
    revealed: bool
    phantoms: bool
    seconds_a_case: int | None
    of: int
    before: int
    after: int
    left: int
    names_agreed: bool | None


@dataclass(frozen=True)
class Debriefed:
    """A case after the reveal: all that is known of it, and what the reader said."""

    number: int
    case: TeachingCase
    before: Answer | None
    after: Answer | None


def standing(register: Register, token: str) -> Standing:
    """Where the reader with this token stands. All functions here raise UnknownReaderError for an unknown token."""
    with register.reading() as session:
        return standing_of(Place.of(session, token))


def show(register: Register, token: str) -> Shown | None:
    """The reader's next case, None where none waits now. Its first showing is stored: the time runs from there."""
    return look(register, token)[1]


def look(register: Register, token: str) -> tuple[Standing, Shown | None]:
    """Where a reader stands as of one moment, with the next case as show() gives it."""
    with register.reading() as session:
        place = Place.of(session, token)
        if not place.waiting or _key(*place.waiting[0]) in place.shown:
            return standing_of(place), show_next(session, place)
    return write(register, lambda session: _look_anew(session, token))


def standing_of(place: Place) -> Standing:
    """Where the reader of a place stands."""
    s, given = place.session, [phase for _, phase in place.answers]
    return Standing(
        place.row.id, place.row.alias, s.id, s.title, s.mode, s.state, s.revealed_at is not None,
        s.cases.phantoms, s.seconds_a_case, len(s.cases.cases), given.count(Phase.BEFORE), given.count(Phase.AFTER),
        len(place.waiting), place.row.names_agreed,
    )  # fmt: skip


def show_next(session: Session, place: Place) -> Shown | None:
    """As show(), in the transaction of `session`."""
    if not place.waiting:
        return None
    case, phase = place.waiting[0]
    if _key(case, phase) in place.shown:
        return _shown(place, case, phase, place.shown[_key(case, phase)])
    row = TeachingShowingRow(
        id=secrets.token_hex(16), reader=place.row.id, case_id=case.case_id, phase=phase.value, at=now()
    )
    seal(session, row, row.reader, "case shown", case=row.case_id, phase=row.phase)
    return _shown(place, case, phase, row.at)


def picture(register: Register, token: str, number: int) -> Path:
    """The picture of a case that was shown to the reader, or of any after the reveal.

    A page sends its pixels, never the file: name and metadata may say what the case is.
    """
    with register.reading() as session:
        place = Place.of(session, token)
        case = place.case(number)
    seen = place.session.revealed_at is not None or any(_key(case, phase) in place.shown for phase in Phase)
    path = case.picture_path if seen else None
    if path is None:
        raise ReaderError(
            "the picture of this case is not on the server any more" if seen else "this case was not shown to you yet",
            case=f"case {number}",
            next_step="Tell the facilitator." if seen else "Load the page again: it shows the case that is next.",
        )
    return path


def debrief(register: Register, token: str) -> tuple[Debriefed, ...]:
    """Every case in the reader's own order, with what they said. Raises ReaderError before the reveal."""
    with register.reading() as session:
        place = Place.of(session, token)
        s = place.session
        if s.revealed_at is None:
            raise ReaderError(
                "the truth is shown once the facilitator reveals it", next_step="Wait; this page shows it then."
            )
        return tuple(
            Debriefed(place.number(case), case, place.answer(case, Phase.BEFORE), place.answer(case, Phase.AFTER))
            for case in order_of(s.seed, place.row.place, s.cases.cases)
        )


def agree_to_names(register: Register, token: str, *, agreed: bool) -> None:
    """Record whether the reader agrees that the group's results name everybody by alias; the last word counts."""

    def agree(session: Session) -> None:
        row = reader_of(session, token)
        row.names_agreed = agreed
        seal(session, row, row.id, "agreement to names", agreed=agreed)

    write(register, agree)


def _look_anew(session: Session, token: str) -> tuple[Standing, Shown | None]:
    place = Place.of(session, token)
    return standing_of(place), show_next(session, place)


def _shown(place: Place, case: TeachingCase, phase: Phase, at: str) -> Shown:
    due = phase is Phase.AFTER
    model = ModelView(case.model_diagnosis, case.model_disposition, case.reason) if due else None
    return Shown(place.number(case), phase, at, model, place.answer(case, Phase.BEFORE) if due else None)


def _key(case: TeachingCase, phase: Phase) -> tuple[str, Phase]:
    return case.case_id, phase
