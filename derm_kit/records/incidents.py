"""Incidents: an alarm opens one, linked to a hazard; what was done about it is added step by step and never deleted.

The facts of the alarm are frozen as they were. One alarm opens one incident: whoever opens it again is told which
stands.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from derm_kit.errors import RecordError
from derm_kit.records import hazards, people
from derm_kit.records.alarms import Alarm
from derm_kit.records.audit import now
from derm_kit.records.change_steps import checked_reason
from derm_kit.records.conflicts import ConflictError
from derm_kit.records.exact_json import sha256
from derm_kit.records.hazard_approval import require_officer
from derm_kit.records.hazard_names import known_names, somebody_in_text
from derm_kit.records.register import Register
from derm_kit.records.sealing import seal
from derm_kit.records.tables import HazardRow, IncidentRow, IncidentStepRow
from derm_kit.records.vouching import require_vouched

LONGEST_NOTE = 10_000


class Kind(StrEnum):
    """What was done about an incident."""

    OPENED = "opened"
    NOTED = "noted"
    HAZARD_REVIEWED = "hazard reviewed"
    CLOSED = "closed"


@dataclass(frozen=True)
class Step:
    """One step: who (id) did what when (UTC), and what they said; `hazard_version` is the version reviewed."""

    number: int
    kind: Kind
    person: str
    at: str
    said: str
    hazard_version: int | None = None


@dataclass(frozen=True)
class Incident:
    """An incident as stored: `id` such as I-001, the alarm as it was, the hazard's id, every step, oldest first."""

    id: str
    hazard: str
    alarm: Alarm
    opened_by: str
    opened_at: str
    steps: tuple[Step, ...]

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self.steps[-1].kind is Kind.CLOSED

    @property
    def state(self) -> str:
        """Open or closed."""
        return "closed" if self.closed else "open"

    @property
    def hazard_reviewed(self) -> bool:
        """Whether the linked hazard was looked at since."""
        return any(step.kind is Kind.HAZARD_REVIEWED for step in self.steps)

    def in_words(self) -> str:
        """Where it stands, on one line."""
        last = self.steps[-1]
        return f"{self.state}, step {last.number}: {last.kind} at {last.at[:19]} UTC"


class StandsAlreadyError(RecordError):
    """The same alarm has opened an incident before; `incident` is the one that stands."""

    def __init__(self, incident: Incident) -> None:
        self.incident = incident
        super().__init__(
            "this alarm has opened an incident already; that one stands",
            case=f"incident {incident.id}",
            value=f"{incident.alarm.in_words()}; {incident.in_words()}",
            next_step=f"Go on there: derm-kit incidents show {incident.id}.",
        )


def open_incident(register: Register, alarm: Alarm, hazard: str, by: str, passphrase: str) -> Incident:
    """Open an incident for an alarm, linked to a hazard of the log.

    Raises RecordError for an unknown hazard or person, and StandsAlreadyError where this alarm has opened one before.
    """
    register.check_passphrase(by, passphrase)
    with register.writing() as session:
        people.require(session, by)
        stands = session.scalars(select(IncidentRow).where(IncidentRow.signal_key == alarm.key)).first()
        if stands is not None:
            raise StandsAlreadyError(_of(session, stands))
        if hazards.newest_row(session, hazard) is None:
            raise hazards.unknown(hazard)
        row = IncidentRow(
            id=secrets.token_hex(16), name=_next_id(session), hazard=hazard, signal=alarm.text, signal_key=alarm.key,
            opened_by=by, opened_at=now(),
        )  # fmt: skip
        seal(
            session, row, by, "incident opened",
            incident=row.name, hazard=hazard, alarm_sha256=sha256(alarm.text), raised_at=alarm.raised_at,
        )  # fmt: skip
        return _stepped(session, row, Kind.OPENED, by, alarm.said)


def note(register: Register, incident: str, text: str, by: str, passphrase: str) -> Incident:
    """Add a note to an open incident; two people who note at once are both stored."""
    register.check_passphrase(by, passphrase)
    with register.writing() as session:
        row = _open_row(session, incident)
        return _stepped(session, row, Kind.NOTED, by, _checked_note(session, incident, text))


def hazard_reviewed(register: Register, incident: str, text: str, by: str, passphrase: str) -> Incident:
    """Say that the linked hazard, as it stands now, was reviewed in the light of this incident, and what came of it."""
    register.check_passphrase(by, passphrase)
    with register.writing() as session:
        row = _open_row(session, incident)
        hazard = hazards.newest_row(session, row.hazard)
        return _stepped(session, row, Kind.HAZARD_REVIEWED, by, _checked_note(session, incident, text), hazard)


def close(register: Register, seen: Incident, by: str, passphrase: str, reason: str) -> Incident:
    """Close an incident as it was `seen`: a safety officer, once the linked hazard was reviewed, and says why.

    Raises RecordError where that does not hold, and ConflictError where a step was added meanwhile.
    """
    register.check_passphrase(by, passphrase)
    with register.writing() as session:
        row = _open_row(session, seen.id)
        require_officer(people.find(session, by), "close", f"incident {seen.id}")
        there = _of(session, row)
        if len(there.steps) != len(seen.steps):
            raise ConflictError(
                f"incident {seen.id}",
                stored=there,
                yours=seen,
                shown=(there.in_words(), f"close, having seen it {seen.in_words()}"),
                next_step=f"Look at the incident as it stands now: derm-kit incidents show {seen.id}.",
            )
        if not there.hazard_reviewed:
            raise RecordError(
                "an incident is closed only once the linked hazard was reviewed in its light",
                case=f"incident {seen.id}",
                value=f"hazard {row.hazard} not reviewed since",
                next_step=f"Review hazard {row.hazard}, then say so: derm-kit incidents reviewed {seen.id}.",
            )
        return _stepped(session, row, Kind.CLOSED, by, checked_reason(session, reason))


def incidents(register: Register, hazard: str | None = None) -> list[Incident]:
    """Every incident, or those linked to one hazard, oldest first."""
    wanted = select(IncidentRow).order_by(IncidentRow.entry)
    if hazard is not None:
        wanted = wanted.where(IncidentRow.hazard == hazard)
    with register.reading() as session:
        rows = list(session.scalars(wanted))
        steps = _steps(session)
        return [_with(row, steps[row.id]) for row in rows]


def find(register: Register, incident: str) -> Incident:
    """One incident by its id. Raises RecordError."""
    with register.reading() as session:
        return _of(session, _row(session, incident))


def _row(session: Session, incident: str) -> IncidentRow:
    row = session.scalars(select(IncidentRow).where(IncidentRow.name == incident)).first()
    if row is None:
        raise RecordError(
            "there is no such incident", case=f"incident {incident}", next_step="derm-kit incidents list shows them."
        )
    return row


def _open_row(session: Session, incident: str) -> IncidentRow:
    """The row of an incident that is still open; it and its steps are what the log says. Raises RecordError."""
    row = _row(session, incident)
    for record in (row, *session.scalars(select(IncidentStepRow).where(IncidentStepRow.incident == row.id))):
        require_vouched(session, record)
    there = _of(session, row)
    if there.closed:
        raise RecordError(
            "a closed incident takes no further step",
            case=f"incident {incident}",
            value=there.in_words(),
            next_step="If it happens again, the next alarm opens the next incident.",
        )
    return row


def _checked_note(session: Session, incident: str, text: str) -> str:
    if not text.strip() or len(text) > LONGEST_NOTE:
        raise RecordError(
            f"a note has 1 to {LONGEST_NOTE:,} characters",
            case=f"incident {incident}",
            value=f"{len(text):,} characters",
            next_step="Nothing was stored. Say it in so many, or attach the rest as a document's name.",
        )
    named = somebody_in_text(known_names(session), "note", text)
    if named:
        raise named.error(f"incident {incident}")
    return text


def _stepped(
    session: Session, row: IncidentRow, kind: Kind, by: str, said: str, hazard: HazardRow | None = None
) -> Incident:
    """Store the next step; the incident as it stands then."""
    people.require(session, by)
    numbers = session.scalars(select(IncidentStepRow.number).where(IncidentStepRow.incident == row.id))
    step = IncidentStepRow(
        id=secrets.token_hex(16), incident=row.id, number=max(numbers, default=0) + 1, kind=kind.value, person=by,
        at=now(), said=said, hazard_version=hazard.id if hazard else None,
    )  # fmt: skip
    facts = {"hazard_version": hazard.version} if hazard else {}
    seal(session, step, by, f"incident: {kind}", incident=row.name, number=step.number, **facts)
    return _of(session, row)


def _next_id(session: Session) -> str:
    given = (int(name.removeprefix("I-")) for name in session.scalars(select(IncidentRow.name)))
    return f"I-{max(given, default=0) + 1:03d}"


def _of(session: Session, row: IncidentRow) -> Incident:
    return _with(row, _steps(session, row.id)[row.id])


def _steps(session: Session, incident: str | None = None) -> Mapping[str, list[Step]]:
    """The steps of one incident, or of all, by the id of its row."""
    wanted = select(IncidentStepRow, HazardRow.version).outerjoin(
        HazardRow, IncidentStepRow.hazard_version == HazardRow.id
    )
    if incident is not None:
        wanted = wanted.where(IncidentStepRow.incident == incident)
    found: dict[str, list[Step]] = {}
    for row, version in session.execute(wanted.order_by(IncidentStepRow.entry)):
        step = Step(row.number, Kind(row.kind), row.person, row.at, row.said, version)
        found.setdefault(row.incident, []).append(step)
    return found


def _with(row: IncidentRow, steps: list[Step]) -> Incident:
    facts: dict[str, Any] = json.loads(row.signal)
    return Incident(row.name, row.hazard, Alarm(**facts), row.opened_by, row.opened_at, tuple(steps))
