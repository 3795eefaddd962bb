"""The tables of the register.

A record that people sign for is sealed: `entry` is the position of its newest entry in the audit log, and that entry
holds the digest of the row. NULL is left out of a digest, so that a later version of derm-kit may add a column that may
be NULL without breaking old seals. Times are ISO 8601 in UTC, as text: both databases give back what was stored.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Double, ForeignKey, Index, Integer, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from derm_kit.records.text import FaithfulText

Position = BigInteger().with_variant(Integer, "sqlite")
"""Counts entries; on SQLite the row's own number, so that the log is read in the order in which it lies."""


AnyText = FaithfulText().with_variant(FaithfulText(collation="C"), "postgresql")
"""Sorted by code point on both: PostgreSQL would sort by the language of the machine that it was set up on."""


class Base(DeclarativeBase):
    """Every text column keeps any text."""

    type_annotation_map = {str: AnyText, float: Double}  # noqa: RUF012 - SQLAlchemy's name and kind


class AuditEntry(Base):
    """One entry of the append-only log; `previous` and `seal` chain it (see chain.py)."""

    __tablename__ = "audit_log"
    __table_args__ = (Index("audit_log_subject", "subject", "position"),)

    position: Mapped[int] = mapped_column(Position, primary_key=True, autoincrement=False)
    at: Mapped[str]
    actor: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]
    details: Mapped[str]
    previous: Mapped[str]
    seal: Mapped[str]


class SealedRow(Base):
    """What every sealed record has: an id drawn at random, and its newest entry in the audit log."""

    __abstract__ = True

    id: Mapped[str] = mapped_column(primary_key=True)
    entry: Mapped[int] = mapped_column(Position, ForeignKey("audit_log.position"))

    @property
    def subject(self) -> str:
        """How the audit log names this record."""
        return f"{self.__tablename__}/{self.id}"


class PersonRow(SealedRow):
    """Somebody who reviews, approves or administers. Erasing empties all that says who it was."""

    __tablename__ = "people"
    __table_args__ = (Index("people_login", "login", unique=True),)

    name: Mapped[str]
    role: Mapped[str]
    registration: Mapped[str]
    passphrase: Mapped[str]
    salt: Mapped[str]
    """Random, part of the digest: once erased with the name, no old digest can be tried against a guessed name."""
    failures: Mapped[int]
    failed_at: Mapped[str | None]
    added_at: Mapped[str]
    erased_at: Mapped[str | None]
    login: Mapped[str | None]
    """What a proxy or a JupyterHub calls this person; it names them on pages and signs nothing."""


class ReviewRow(SealedRow):
    """One version of one reader's review of one case. Never changed: a correction is the next version."""

    __tablename__ = "reviews"
    __table_args__ = (
        UniqueConstraint("run", "case_id", "reviewer", "version", name="reviews_version"),
        Index("reviews_run", "run", "entry"),
    )

    run: Mapped[str]
    case_id: Mapped[str]
    reviewer: Mapped[str] = mapped_column(ForeignKey("people.id"))
    version: Mapped[int]
    at: Mapped[str]
    verdict: Mapped[str]
    disposition: Mapped[str]
    agrees: Mapped[bool | None]
    confidence_percent: Mapped[int | None]
    note: Mapped[str]
    seconds: Mapped[float | None]
    blind: Mapped[bool]
    adjudication: Mapped[bool]


class ChangeRow(SealedRow):
    """A proposed change of a policy on its way; `version` counts its steps: the second of two writers is refused."""

    __tablename__ = "changes"

    state: Mapped[str]
    proposal: Mapped[str]
    report: Mapped[str | None]
    author: Mapped[str] = mapped_column(ForeignKey("people.id"))
    approver: Mapped[str | None] = mapped_column(ForeignKey("people.id"))
    version: Mapped[int]
    created_at: Mapped[str]
    changed_at: Mapped[str]


class PolicyRow(SealedRow):
    """A released policy file. Never changed: a roll-back releases the older text anew under the next version."""

    __tablename__ = "policies"
    __table_args__ = (UniqueConstraint("version", name="policies_version"),)

    version: Mapped[int]
    policy: Mapped[str]
    sha256: Mapped[str]
    effective_from: Mapped[str]
    signature: Mapped[str | None]
    change: Mapped[str | None] = mapped_column(ForeignKey("changes.id"))
    released_by: Mapped[str] = mapped_column(ForeignKey("people.id"))
    released_at: Mapped[str]


class TeachingSessionRow(SealedRow):
    """A teaching session with its list of cases, frozen when it was made; only its state and its times change."""

    __tablename__ = "teaching_sessions"
    __table_args__ = (Index("teaching_sessions_code", "code"),)

    code: Mapped[str]
    title: Mapped[str]
    facilitator: Mapped[str] = mapped_column(ForeignKey("people.id"))
    mode: Mapped[str]
    seed: Mapped[int]
    seconds_a_case: Mapped[int | None]
    consent: Mapped[str]
    cases: Mapped[str]
    state: Mapped[str]
    made_at: Mapped[str]
    revealed_at: Mapped[str | None]
    ended_at: Mapped[str | None]


class TeachingReaderRow(SealedRow):
    """Somebody who joined a session under an alias. Erasing empties all that says who it was."""

    __tablename__ = "teaching_readers"
    __table_args__ = (
        UniqueConstraint("session", "alias_key", name="teaching_readers_alias"),
        UniqueConstraint("session", "place", name="teaching_readers_place"),
        UniqueConstraint("token_sha256", name="teaching_readers_token"),
    )

    session: Mapped[str] = mapped_column(ForeignKey("teaching_sessions.id"))
    place: Mapped[int]
    """The how-manieth to join, from 0: order and halves of the cases hang on it."""
    alias: Mapped[str]
    alias_key: Mapped[str]
    salt: Mapped[str]
    """Random, as of a person: once erased with the alias, no old digest can be tried against a guessed one."""
    token_sha256: Mapped[str]
    request_sha256: Mapped[str]
    consent_sha256: Mapped[str]
    joined_at: Mapped[str]
    names_agreed: Mapped[bool | None]
    erased_at: Mapped[str | None]


class TeachingShowingRow(SealedRow):
    """The moment at which a case was first shown to a reader, before or after the model's view. Never changed."""

    __tablename__ = "teaching_showings"
    __table_args__ = (UniqueConstraint("reader", "case_id", "phase", name="teaching_showings_once"),)

    reader: Mapped[str] = mapped_column(ForeignKey("teaching_readers.id"))
    case_id: Mapped[str]
    phase: Mapped[str]
    at: Mapped[str]


class TeachingAnswerRow(SealedRow):
    """A reader's answer to a case, before or after the model's view. Never changed: the first stands."""

    __tablename__ = "teaching_answers"
    __table_args__ = (UniqueConstraint("reader", "case_id", "phase", name="teaching_answers_once"),)

    reader: Mapped[str] = mapped_column(ForeignKey("teaching_readers.id"))
    case_id: Mapped[str]
    phase: Mapped[str]
    request: Mapped[str]
    at: Mapped[str]
    diagnosis: Mapped[str]
    disposition: Mapped[str]
    confidence_percent: Mapped[int]
    seconds: Mapped[float]
    client_seconds: Mapped[float | None]


class HazardRow(SealedRow):
    """One version of a hazard, its content as JSON. Never changed: a revision is the next version."""

    __tablename__ = "hazards"
    __table_args__ = (UniqueConstraint("hazard", "version", name="hazards_version"),)

    hazard: Mapped[str]
    version: Mapped[int]
    author: Mapped[str] = mapped_column(ForeignKey("people.id"))
    at: Mapped[str]
    content: Mapped[str]


class HazardApprovalRow(SealedRow):
    """The approval of one version of a hazard. Never changed: what is revised is approved anew."""

    __tablename__ = "hazard_approvals"
    __table_args__ = (UniqueConstraint("hazard_version", name="hazard_approvals_once"),)

    hazard_version: Mapped[str] = mapped_column(ForeignKey("hazards.id"))
    approver: Mapped[str] = mapped_column(ForeignKey("people.id"))
    at: Mapped[str]
    reason: Mapped[str]
    content_sha256: Mapped[str]


class IncidentRow(SealedRow):
    """An incident, with the facts of the alarm that opened it frozen. Never changed, never deleted."""

    __tablename__ = "incidents"
    __table_args__ = (
        UniqueConstraint("name", name="incidents_name"),
        UniqueConstraint("signal_key", name="incidents_signal"),
    )

    name: Mapped[str]
    hazard: Mapped[str]
    signal: Mapped[str]
    signal_key: Mapped[str]
    """SHA-256 of what tells this alarm from every other: one alarm opens one incident."""
    opened_by: Mapped[str] = mapped_column(ForeignKey("people.id"))
    opened_at: Mapped[str]


class IncidentStepRow(SealedRow):
    """What was done about an incident, step after step. Never changed."""

    __tablename__ = "incident_steps"
    __table_args__ = (UniqueConstraint("incident", "number", name="incident_steps_number"),)

    incident: Mapped[str] = mapped_column(ForeignKey("incidents.id"))
    number: Mapped[int]
    kind: Mapped[str]
    person: Mapped[str] = mapped_column(ForeignKey("people.id"))
    at: Mapped[str]
    said: Mapped[str]
    hazard_version: Mapped[str | None] = mapped_column(ForeignKey("hazards.id"))


SEALED: tuple[type[SealedRow], ...] = (
    PersonRow, ReviewRow, ChangeRow, PolicyRow,
    TeachingSessionRow, TeachingReaderRow, TeachingShowingRow, TeachingAnswerRow,
    HazardRow, HazardApprovalRow, IncidentRow, IncidentStepRow,
)  # fmt: skip
"""Every table whose rows the audit log vouches for."""

APPEND_ONLY = tuple(
    table.__tablename__
    for table in (
        AuditEntry, ReviewRow, PolicyRow, TeachingShowingRow, TeachingAnswerRow,
        HazardRow, HazardApprovalRow, IncidentRow, IncidentStepRow,
    )
)  # fmt: skip
"""Tables whose triggers refuse UPDATE and DELETE."""
