"""What the reports read from a register, once and of one moment: people, hazards, releases, and the head of its log."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import select

from derm_kit.errors import RecordError
from derm_kit.records import hazards, incidents, release
from derm_kit.records.chain import Head
from derm_kit.records.hazard_content import EvidenceLink
from derm_kit.records.hazard_evidence import Standing, standing
from derm_kit.records.hazards import Hazard
from derm_kit.records.incidents import Incident
from derm_kit.records.people import Person, Role
from derm_kit.records.register import Register
from derm_kit.records.release import Release
from derm_kit.records.tables import AuditEntry

TRIES = 3


@dataclass(frozen=True)
class Registered:
    """A register as its reports see it; without one everything is empty and `head` None.

    `hazards` are the newest versions, `versions` all; `evidence` says of what the newest name whether it is there.
    `unsound` is what a check of the audit log found, None where it was not checked.
    """

    head: Head | None = None
    last_entry: date | None = None
    people: Mapping[str, Person] = field(default_factory=dict)
    hazards: tuple[Hazard, ...] = ()
    versions: tuple[Hazard, ...] = ()
    evidence: Mapping[EvidenceLink, Standing] = field(default_factory=dict)
    incidents: tuple[Incident, ...] = ()
    releases: tuple[Release, ...] = ()
    unsound: tuple[str, ...] | None = None

    @classmethod
    def of(cls, register: Register, *, checked_up_to: float = math.inf) -> Registered:
        """Read all of it, and check the audit log where it has no more than `checked_up_to` entries.

        Raises RecordError where others write so often that no moment can be read.
        """
        for _ in range(TRIES):
            head, last = register.head(), _last_entry(register)
            people = {person.id: person for person in register.people()}
            versions = tuple(hazards.versions(register))
            newest = tuple({version.id: version for version in versions}.values())
            found = cls(
                head, last, people, newest, versions, _evidence(register, newest),
                tuple(incidents.incidents(register)), tuple(release.releases(register)),
            )  # fmt: skip
            if register.head() == head:
                return found if head.count > checked_up_to else replace(found, unsound=register.verify().findings)
        raise RecordError(
            "a report speaks of one state of the register, and others are writing to it",
            next_step="Make the report again in a moment.",
        )

    def in_force(self, as_of: date) -> Release | None:
        """The newest release that is effective by the end of the day (UTC); None before the first."""
        end = end_of(as_of)
        return next((found for found in reversed(self.releases) if found.effective(end)), None)

    @property
    def check(self) -> str:
        """What became of the check of the audit log, in words."""
        if self.head is None or self.unsound is None:
            return "not checked for this report"
        entries = f"checked for this report, {self.head.count:,} entries"
        return f"{entries}: it does NOT verify" if self.unsound else f"{entries}: it verifies"

    def who(self, person: str | None) -> str:
        """A person with what they are here, an erased one by id; None is nobody, "" derm-kit itself."""
        found = self.people.get(person or "")
        if found is None:
            return "nobody" if person is None else person or "derm-kit itself"
        name = found.name or f"erased person {found.id[:8]}"
        return f"{name} ({', '.join(part for part in (found.role, found.registration) if part)})"

    @property
    def officers(self) -> tuple[Person, ...]:
        """Safety officers who are registered clinicians and still here."""
        return tuple(
            person for person in self.people.values()
            if person.role is Role.SAFETY_OFFICER and person.registered and person.erased_at is None
        )  # fmt: skip


def end_of(day: date) -> datetime:
    """The last moment of a day, UTC."""
    return datetime.combine(day + timedelta(days=1), time(), UTC) - timedelta(microseconds=1)


def in_words(day: date) -> str:
    """A date as documents have it."""
    return f"{day.day} {day:%B %Y}"


def _evidence(register: Register, newest: tuple[Hazard, ...]) -> Mapping[EvidenceLink, Standing]:
    links = {link for hazard in newest for link in hazard.content.evidence}
    with register.reading() as session:
        return {link: standing(session, link) for link in links}


def _last_entry(register: Register) -> date | None:
    with register.reading() as session:
        at = session.scalar(select(AuditEntry.at).order_by(AuditEntry.position.desc()).limit(1))
    return date.fromisoformat(at[:10]) if at else None
