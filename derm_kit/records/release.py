"""Releases: the signed policies of the register, in their order, and which of them is in force.

A release is a record and a file that people fetch. Nothing is ever sent to a device.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select
from sqlalchemy.orm import Session

from derm_kit.errors import RecordError
from derm_kit.model.card import default_model, load_card
from derm_kit.records import audit
from derm_kit.records.exact_json import canonical
from derm_kit.records.register import Register
from derm_kit.records.sealing import seal
from derm_kit.records.signing import SignedPolicy, encoded, key_file, make_key, read_key, signed
from derm_kit.records.tables import PolicyRow
from derm_kit.records.workspace import Workspace
from derm_kit.triage.policy import TriagePolicy

KEY_SUBJECT = "signing key"
"""How the audit log names the key that releases are signed with; its newest entry holds the public key."""
BEFORE_THE_FIRST = 0
"""Stands for the policy that the first released change started from, as a version to roll back to."""


@dataclass(frozen=True)
class Release:
    """One release: the signed policy, and who released it when. A roll-back names the older text's change again."""

    id: str
    signed: SignedPolicy
    released_by: str
    released_at: str

    @property
    def version(self) -> int:
        """Counts the releases from 1."""
        return self.signed.version

    @property
    def policy(self) -> TriagePolicy:
        """The policy. Raises PolicyError where this derm-kit cannot read it."""
        return self.signed.triage_policy

    def effective(self, at: datetime) -> bool:
        """Whether its date has come."""
        return datetime.fromisoformat(self.signed.effective_from) <= at

    def in_words(self) -> str:
        """The release on one line."""
        return f"release {self.version}, effective from {self.signed.effective_from[:16]} UTC"


def releases(register: Register) -> list[Release]:
    """Every release, oldest first."""
    with register.reading() as session:
        return [of(row) for row in session.scalars(select(PolicyRow).order_by(PolicyRow.version))]


def find(register: Register, version: int) -> Release:
    """One release by its version. Raises RecordError."""
    with register.reading() as session:
        return of(row_of(session, version))


def release_in_force(register: Register, at: datetime | None = None) -> Release | None:
    """The newest release whose effective date has come at the moment `at` (now); None before the first."""
    moment = at or datetime.now(UTC)
    return next((found for found in reversed(releases(register)) if found.effective(moment)), None)


def policy_in_force(register: Register, at: datetime | None = None) -> TriagePolicy:
    """The policy of that release; before the first, the default of the model that ships."""
    found = release_in_force(register, at)
    return found.policy if found else default_policy()


@cache
def default_policy() -> TriagePolicy:
    """What is in force before the first release: the default operating points of the model that ships.

    Read once: to check the model's files takes tens of milliseconds, and others wait for the writers' lock.
    """
    return TriagePolicy.from_card(load_card(default_model()))


def newest_row(session: Session) -> PolicyRow | None:
    """The last release, whether or not its date has come."""
    return session.scalars(select(PolicyRow).order_by(PolicyRow.version.desc()).limit(1)).first()


def row_of(session: Session, version: int) -> PolicyRow:
    """The row of one release. Raises RecordError."""
    row = session.scalars(select(PolicyRow).where(PolicyRow.version == version)).first()
    if row is None:
        raise RecordError(
            "there is no such release", case=f"release {version}", next_step="derm-kit policy releases lists them."
        )
    return row


def add(
    session: Session, workspace: Workspace, policy: dict[str, Any], change: str | None, by: str, effective_from: str,
    **facts: object,
) -> Release:  # fmt: skip
    """Sign `policy` and store it as the next version, in the transaction of `session`."""
    before = newest_row(session)
    version = before.version + 1 if before else 1
    key = _signing_key(session, workspace)
    made = signed(key, version=version, effective_from=effective_from, change=change, policy=policy)
    row = PolicyRow(
        id=secrets.token_hex(16),
        version=version,
        policy=canonical(policy),
        sha256=made.sha256,
        effective_from=effective_from,
        signature=f"{made.public_key} {made.signature}",
        change=change,
        released_by=by,
        released_at=audit.now(),
    )
    said = {"version": version, "effective_from": effective_from, "change": change, "policy_sha256": made.sha256}
    seal(session, row, by, "policy released", **said, **facts)
    return of(row)


def effective_moment(effective: date | None, no_earlier: str = "") -> str:
    """When a release takes effect: now, or at 0:00 UTC of a later date. Raises RecordError for a date gone by."""
    moment = audit.now()
    if effective is not None and effective != datetime.now(UTC).date():
        moment = f"{effective.isoformat()}T00:00:00.000000+00:00"
        if moment < audit.now():
            raise RecordError(
                "a release takes effect today (UTC) or later, never before it was made",
                value=effective,
                next_step="Name a later date, or none for now.",
            )
    if moment < no_earlier:
        raise RecordError(
            "a release takes effect no earlier than the one before it, which waits for its date",
            value=f"{moment[:16]}, the one before: {no_earlier[:16]} UTC",
            next_step="Name a later date. To stop the release that waits: derm-kit change rollback.",
        )
    return moment


def new_key(register: Register, actor: str = audit.COMMAND_LINE) -> Ed25519PrivateKey:
    """Sign with a new key from now on: the old one was lost or read by others. Its file stays, under another name."""
    path = key_file(register.workspace)
    with register.writing() as session:
        if path.exists():
            path.rename(path.with_name(f"{path.name}.{secrets.token_hex(4)}.retired"))
        return _made(session, register.workspace, actor)


def known_public_key(session: Session) -> str | None:
    """The public key (base64) that releases are signed with, as the audit log has it."""
    found = [entry.details["public_key"] for entry in audit.entries(session, KEY_SUBJECT)]
    return str(found[-1]) if found else None


def _signing_key(session: Session, workspace: Workspace) -> Ed25519PrivateKey:
    """The key; made with the first release. Raises RecordError where it is not the one that the audit log knows."""
    known, key = known_public_key(session), read_key(workspace)
    if known is None and key is None:
        return _made(session, workspace, "")
    if known is None and key is not None:
        audit.append(session, "", "signing key taken", KEY_SUBJECT, {"public_key": encoded(key.public_key())})
        return key
    if key is None or encoded(key.public_key()) != known:
        raise RecordError(
            "releases of this register are signed with another key than the one in this workspace"
            if key
            else "the key that signs releases is not in this workspace",
            case=str(key_file(workspace)),
            next_step="Put its copy back. If it is lost: derm-kit policy new-key, then give the new public key to "
            "everybody who verifies.",
        )
    return key


def _made(session: Session, workspace: Workspace, actor: str) -> Ed25519PrivateKey:
    key = make_key(workspace)
    audit.append(session, actor, "signing key made", KEY_SUBJECT, {"public_key": encoded(key.public_key())})
    return key


def of(row: PolicyRow) -> Release:
    """The release that a row holds."""
    public_key, _, signature = (row.signature or "").partition(" ")
    found = SignedPolicy(
        row.version, row.effective_from, row.change, json.loads(row.policy), row.sha256, public_key, signature
    )
    return Release(row.id, found, row.released_by, row.released_at)
