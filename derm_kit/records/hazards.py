"""The hazard log: every version of every hazard, who wrote it, and which of them a clinical safety officer approved.

A version is never changed and never deleted: a revision is the next version, and what was approved before stands until
the next is. Every step is one transaction that looks at the stored record and asks for the passphrase.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime

from sqlalchemy import ColumnElement, exists, select
from sqlalchemy.orm import Session, aliased

from derm_kit.errors import RecordError
from derm_kit.records import people
from derm_kit.records.audit import now
from derm_kit.records.change_steps import checked_reason
from derm_kit.records.conflicts import ConflictError
from derm_kit.records.hazard_approval import require_ready, require_right
from derm_kit.records.hazard_content import HazardContent, HazardFields
from derm_kit.records.hazard_evidence import missing_evidence
from derm_kit.records.hazard_links import Links, broken_link
from derm_kit.records.hazard_names import known_names, somebody_named
from derm_kit.records.hazard_rules import Broken, together
from derm_kit.records.register import Register
from derm_kit.records.sealing import seal
from derm_kit.records.tables import HazardApprovalRow, HazardRow
from derm_kit.records.vouching import require_vouched


@dataclass(frozen=True)
class Approval:
    """Who approved a version (id), when (UTC), and why."""

    approver: str
    at: str
    reason: str


@dataclass(frozen=True)
class Hazard:
    """One version of a hazard as stored: `id` such as H-001, author by id, `at` in UTC; `record` is its row's id."""

    id: str
    version: int
    author: str
    at: str
    content: HazardContent
    approval: Approval | None
    record: str

    @property
    def standing(self) -> str:
        """Whether this version was approved."""
        return "approved" if self.approval else "draft"

    def is_overdue(self, on: date) -> bool:
        """Whether its review date went by before the day `on`, or was never set."""
        return self.content.next_review is None or self.content.next_review < on

    def in_words(self) -> str:
        """The version on one line."""
        residual = self.content.residual_in_words()
        return f"version {self.version} of {self.at[:19]} UTC, {self.content.status}, residual {residual}"


def add(register: Register, content: HazardContent, by: str, passphrase: str) -> Hazard:
    """Store a new hazard under the next id, as a draft. Raises RecordError where a rule is broken."""
    _require_fit(register, "", content)
    register.check_passphrase(by, passphrase)
    with register.writing() as session:
        return store(session, next_id(session), content, by)


def revise(register: Register, seen: Hazard, content: HazardContent, by: str, passphrase: str) -> Hazard:
    """Store `content` as the next version, a draft, of the hazard as it was `seen`.

    Raises RecordError where a rule is broken or nothing would change, and ConflictError, with both, where somebody
    stored another version meanwhile.
    """
    _require_fit(register, seen.id, content)
    register.check_passphrase(by, passphrase)
    with register.writing() as session:
        return store(session, seen.id, content, by, seen=seen.version)


def approve(register: Register, seen: Hazard, by: str, passphrase: str, reason: str) -> Hazard:
    """Approve the newest version, as it was `seen`: a clinical safety officer who is not its author, and says why.

    Raises RecordError where `by` may not or the version is not ready, and ConflictError where there is a newer one.
    """
    register.check_passphrase(by, passphrase)
    with register.writing() as session:
        row = newest_row(session, seen.id)
        if row is None:
            raise unknown(seen.id)
        require_vouched(session, row)
        if row.version != seen.version:
            raise _conflict(seen.id, _of(row, None), seen, f"an approval of version {seen.version}")
        require_right(people.find(session, by), author=row.author, case=f"hazard {seen.id}")
        stored = _of(row, _approval_of(session, row))
        require_ready(stored.content, f"hazard {seen.id}", approved=stored.approval is not None)
        approval = HazardApprovalRow(
            id=secrets.token_hex(16), hazard_version=row.id, approver=by, at=now(),
            reason=checked_reason(session, reason), content_sha256=stored.content.sha256,
        )  # fmt: skip
        facts = {"hazard": row.hazard, "version": row.version, "content_sha256": approval.content_sha256}
        seal(session, approval, by, "hazard approved", **facts, reason=approval.reason)
        return _of(row, approval)


def log(register: Register) -> list[Hazard]:
    """The newest version of every hazard, approved or not, in the order of their ids."""
    with register.reading() as session:
        return newest(session)


def versions(register: Register) -> list[Hazard]:
    """Every version of every hazard, in the order of their ids, oldest first."""
    with register.reading() as session:
        return _versions(session)


def history(register: Register, hazard: str) -> list[Hazard]:
    """Every version of one hazard, oldest first. Raises RecordError where there is none."""
    with register.reading() as session:
        found = _versions(session, HazardRow.hazard == hazard)
    if not found:
        raise unknown(hazard)
    return found


def find(register: Register, hazard: str) -> Hazard:
    """The newest version of one hazard. Raises RecordError."""
    return history(register, hazard)[-1]


def of_version(register: Register, hazard: str, version: int) -> Hazard:
    """One version of one hazard. Raises RecordError."""
    found = [one for one in history(register, hazard) if one.version == version]
    if not found:
        raise RecordError(
            "the hazard has no such version",
            case=f"hazard {hazard}",
            value=version,
            next_step=f"derm-kit hazards show {hazard} lists them.",
        )
    return found[0]


def overdue(register: Register, on: date | None = None) -> list[Hazard]:
    """Hazards whose review date went by before the day `on` (today, UTC) or was never set; the latest first."""
    day = on or datetime.now(UTC).date()
    found = [hazard for hazard in log(register) if hazard.is_overdue(day)]
    return sorted(found, key=lambda hazard: (hazard.content.next_review or date.min, number(hazard.id)))


def newest(session: Session) -> list[Hazard]:
    """The newest version of every hazard, as `session` sees it."""
    later = aliased(HazardRow)
    is_newest = ~exists().where(later.hazard == HazardRow.hazard, later.version > HazardRow.version)
    return _versions(session, is_newest)


def links_of(found: Iterable[Hazard]) -> dict[str, tuple[str, ...]]:
    """Which hazards each of these leads to."""
    return {hazard.id: hazard.content.leads_to for hazard in found}


def newest_row(session: Session, hazard: str) -> HazardRow | None:
    """The row of the newest version of one hazard."""
    wanted = select(HazardRow).where(HazardRow.hazard == hazard).order_by(HazardRow.version.desc()).limit(1)
    return session.scalars(wanted).first()


def store(
    session: Session, hazard: str, content: HazardContent, by: str, *, seen: int = 0, links: Links | None = None
) -> Hazard:
    """Store one version after the one `seen` (0: none), under the writers' lock. Its evidence was looked up before.

    `links` are those of the whole log once all is stored, where several hazards are stored at once.
    """
    people.require(session, by)
    named = somebody_named(known_names(session), content)
    if named:
        raise together(named).error(f"hazard {hazard}")
    before = newest_row(session, hazard)
    if (before.version if before else 0) != seen:
        raise _conflict(hazard, _of(before, None) if before else None, content, f"{content.status}: {content.name}")
    if before is not None:
        require_vouched(session, before)
        if before.content == content.text:
            raise RecordError(
                "this is what the log says already: nothing would change",
                case=f"hazard {hazard}",
                next_step="Change what should be changed, then save.",
            )
    broken = broken_link(links or links_of(newest(session)) | {hazard: content.leads_to}, hazard)
    if broken:
        raise broken.error(f"hazard {hazard}")
    row = HazardRow(
        id=secrets.token_hex(16), hazard=hazard, version=seen + 1, author=by, at=now(), content=content.text
    )
    residual = content.residual_risk
    facts = {
        "status": content.status.value,
        "initial_risk": int(content.initial_risk),
        "sha256_content": content.sha256,
    }
    seal(
        session, row, by, "hazard revised" if seen else "hazard added", hazard=hazard, version=row.version,
        residual_risk=None if residual is None else int(residual), **facts,
    )  # fmt: skip
    return _of(row, None)


def beside_the_log(session: Session, hazard: str, content: HazardFields) -> list[Broken]:
    """Every rule that `content` breaks beside what the register holds, as a version of `hazard`, "" for a new one."""
    known = hazard or next_id(session)
    link = broken_link(links_of(newest(session)) | {known: content.leads_to}, known)
    named = somebody_named(known_names(session), content)
    return [*named, *([link] if link else []), *missing_evidence(session, content)]


def _require_fit(register: Register, hazard: str, content: HazardContent) -> None:
    """Raise RecordError with all of that before others wait for the writers' lock."""
    with register.reading() as session:
        found = beside_the_log(session, hazard, content)
    if found:
        raise together(found).error(f"hazard {hazard}" if hazard else "new hazard")


def next_id(session: Session) -> str:
    """The id after the highest that was ever given."""
    given = map(number, session.scalars(select(HazardRow.hazard).distinct()))
    return f"H-{max(given, default=0) + 1:03d}"


def number(hazard: str) -> int:
    """The number in a hazard's id."""
    return int(hazard.removeprefix("H-"))


def _versions(session: Session, *wanted: ColumnElement[bool]) -> list[Hazard]:
    rows = (
        select(HazardRow, HazardApprovalRow)
        .outerjoin(HazardApprovalRow, HazardApprovalRow.hazard_version == HazardRow.id)
        .where(*wanted)
    )
    found = [_of(row, approval) for row, approval in session.execute(rows)]
    return sorted(found, key=lambda hazard: (number(hazard.id), hazard.version))


def _approval_of(session: Session, row: HazardRow) -> HazardApprovalRow | None:
    return session.scalars(select(HazardApprovalRow).where(HazardApprovalRow.hazard_version == row.id)).first()


def _of(row: HazardRow, approval: HazardApprovalRow | None) -> Hazard:
    given = None if approval is None else Approval(approval.approver, approval.at, approval.reason)
    content = HazardContent.model_validate_json(row.content)
    return Hazard(row.hazard, row.version, row.author, row.at, content, given, row.id)


def unknown(hazard: str) -> RecordError:
    """What somebody is told who names a hazard that is not in the log."""
    return RecordError(
        "there is no such hazard", case=f"hazard {hazard}", next_step="derm-kit hazards list shows them."
    )


def _conflict(hazard: str, stored: Hazard | None, yours: object, shown: str) -> ConflictError:
    return ConflictError(
        f"hazard {hazard}",
        stored=stored,
        yours=yours,
        shown=(stored.in_words() if stored else "no such hazard", shown),
        next_step=f"Look at what is stored (derm-kit hazards show {hazard}), then save yours again if it should stand.",
    )
