"""Change control of thresholds: proposed, approved by somebody else, released, rolled back. Nothing reaches a device.

Every step is one transaction that looks at the stored record, never at what a page or an address sent: who the author
is, which state the change is in and which policy it starts from are read under the writers' lock.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from datetime import date
from typing import Any

from pydantic_core import PydanticSerializationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from derm_kit.errors import PolicyError, RecordError
from derm_kit.records import people, release
from derm_kit.records.audit import Entry, now
from derm_kit.records.change_steps import STEPS, Action, State, checked_reason, require_right
from derm_kit.records.conflicts import ConflictError
from derm_kit.records.exact_json import canonical, sha256
from derm_kit.records.impact import ImpactReport
from derm_kit.records.register import Register
from derm_kit.records.release import BEFORE_THE_FIRST, Release
from derm_kit.records.sealing import seal
from derm_kit.records.starting_point import require_current
from derm_kit.records.tables import ChangeRow
from derm_kit.records.vouching import require_vouched
from derm_kit.triage.proposal import ChangeProposal


@dataclass(frozen=True)
class Standing:
    """Where a change stands: who proposed it, who approved it (ids); `version` counts its steps."""

    id: str
    state: State
    author: str
    approver: str | None
    version: int
    created_at: str
    changed_at: str

    def in_words(self) -> str:
        """The state on one line."""
        return f"{self.state} at {self.changed_at[:19]} UTC, step {self.version}"


@dataclass(frozen=True)
class Change(Standing):
    """A change with its proposal and the impact report that was frozen with it, as stored."""

    proposal_text: str
    report_text: str

    @property
    def proposal(self) -> ChangeProposal:
        """The proposal."""
        return ChangeProposal.model_validate_json(self.proposal_text)

    @property
    def report(self) -> ImpactReport:
        """The frozen report."""
        return ImpactReport.model_validate_json(self.report_text)


def propose(register: Register, proposal: ChangeProposal, by: str, passphrase: str) -> Change:
    """Store a proposal, with its impact report, as a change in state "proposed".

    Raises PolicyError for a proposal that contradicts itself or does not start from the policy released last, and
    RecordError for a wrong passphrase or an unknown person.
    """
    text = _text(proposal)
    report = ImpactReport.of(proposal).text
    register.check_passphrase(by, passphrase)
    with register.writing() as session:
        require_right(Action.PROPOSE, people.find(session, by), author=by)
        require_current(session, proposal, "change proposal")
        moment = now()
        row = ChangeRow(
            id=secrets.token_hex(16), state=State.PROPOSED.value, proposal=text, report=report, author=by,
            approver=None, version=1, created_at=moment, changed_at=moment,
        )  # fmt: skip
        facts = {"proposal_sha256": sha256(text), "report_sha256": sha256(report)}
        seal(session, row, by, STEPS[Action.PROPOSE].entry, **facts, hazards=proposal.hazard_ids)
        return _change(row)


def approve(register: Register, seen: Standing, by: str, passphrase: str, reason: str) -> Change:
    """Approve the change as it was `seen`. Raises RecordError where `by` may not or the change starts elsewhere.

    Raises ConflictError, with both, where somebody was quicker. So do all steps below.
    """
    register.check_passphrase(by, passphrase)
    with register.writing() as session:
        row = _require_step(session, Action.APPROVE, seen, by)
        require_current(session, _change(row).proposal, f"change {row.id}")
        facts = {"reason": checked_reason(session, reason), "report_sha256": sha256(row.report or "")}
        row.approver = by
        return _moved(session, row, Action.APPROVE, by, **facts)


def reject(register: Register, seen: Standing, by: str, passphrase: str, reason: str) -> Change:
    """Reject the change, or take an approval back before its release."""
    register.check_passphrase(by, passphrase)
    with register.writing() as session:
        row = _require_step(session, Action.REJECT, seen, by)
        row.approver = None
        return _moved(session, row, Action.REJECT, by, reason=checked_reason(session, reason))


def withdraw(register: Register, seen: Standing, by: str, passphrase: str) -> Change:
    """Withdraw one's own change before its release."""
    register.check_passphrase(by, passphrase)
    with register.writing() as session:
        row = _require_step(session, Action.WITHDRAW, seen, by)
        row.approver = None
        return _moved(session, row, Action.WITHDRAW, by)


def release_change(
    register: Register, seen: Standing, by: str, passphrase: str, effective: date | None = None
) -> Release:
    """Release an approved change as the next version: signed, effective now or from 0:00 UTC of a later date."""
    register.check_passphrase(by, passphrase)
    with register.writing() as session:
        row = _require_step(session, Action.RELEASE, seen, by)
        proposal = _change(row).proposal
        before = require_current(session, proposal, f"change {row.id}")
        moment = release.effective_moment(effective, before.effective_from if before else "")
        _moved(session, row, Action.RELEASE, by)
        policy = json.loads(row.proposal)["new_policy"]
        return release.add(session, register.workspace, policy, row.id, by, moment)


def roll_back(
    register: Register, version: int, newest: int, by: str, passphrase: str, reason: str, effective: date | None = None
) -> Release:
    """Release the text of an earlier `version` anew, under the next version; nothing is deleted.

    `newest` is the last release that the person saw. Version 0 is the policy from before the first release.
    """
    register.check_passphrase(by, passphrase)
    with register.writing() as session:
        person = people.find(session, by)
        last = release.newest_row(session)
        if last is None:
            raise RecordError(
                "nothing was released yet, so there is nothing to roll back",
                next_step="The default policy of the model is in force: derm-kit policy prints it.",
            )
        if last.version != newest:
            raise ConflictError(
                "policy",
                stored=last.version,
                yours=version,
                shown=(f"release {last.version} of {last.released_at[:19]} UTC", f"a roll-back to {version}"),
                next_step="Look at the new release, then roll back again if that should stand: derm-kit policy "
                "releases.",
            )
        policy, change = _earlier(session, version)
        if change is None:
            require_right(Action.ROLL_BACK, person, author=None)
        else:
            source = session.get_one(ChangeRow, change)
            require_vouched(session, source)
            require_right(Action.ROLL_BACK, person, author=source.author, state=State(source.state))
        known_key = release.known_public_key(session)  # under a new key the policy in force may be signed anew
        if canonical(policy) == last.policy and release.of(last).signed.public_key == known_key:
            raise RecordError(
                "this policy is the one released last: nothing would change",
                case=f"release {version}",
                next_step="derm-kit policy releases lists the others.",
            )
        facts = {"rolled_back_to": version, "reason": checked_reason(session, reason)}
        moment = release.effective_moment(effective)
        return release.add(session, register.workspace, policy, change, by, moment, **facts)


def standings(register: Register) -> list[Standing]:
    """Every change, oldest first."""
    with register.reading() as session:
        columns = [getattr(ChangeRow, name) for name in Standing.__dataclass_fields__]
        rows = session.execute(select(*columns).order_by(ChangeRow.created_at, ChangeRow.id)).mappings()
        return [Standing(**{**row, "state": State(row["state"])}) for row in rows]


def find(register: Register, change_id: str) -> Change:
    """One change by its id, or by a beginning of it that no other has. Raises RecordError."""
    with register.reading() as session:
        ids = session.scalars(select(ChangeRow.id).where(ChangeRow.id.startswith(change_id, autoescape=True)))
        found = ids.fetchmany(2) if change_id else []
        if len(found) != 1:
            raise RecordError(
                "several changes begin so" if found else "there is no such change",
                case=f"change {change_id}",
                next_step="derm-kit change list shows them.",
            )
        return _change(session.get_one(ChangeRow, found[0]))


def history(register: Register, change_id: str) -> list[Entry]:
    """What the audit log says on a change, oldest first: who took which step, when, and why."""
    return list(register.entries(f"{ChangeRow.__tablename__}/{change_id}"))


def _text(proposal: ChangeProposal) -> str:
    """A proposal as it is stored; a figure that is NaN becomes null. Raises PolicyError."""
    try:
        text = canonical(proposal.model_dump(mode="json"))
        text.encode()
    except (ValueError, PydanticSerializationError) as error:
        raise PolicyError(
            "a proposal holds text and numbers that a file can hold",
            case="change proposal",
            value=error,
            next_step="Make the proposal anew on page 03.",
        ) from None
    return text


def _require_step(session: Session, action: Action, seen: Standing, by: str) -> ChangeRow:
    """The change's row, if `by` may take this step with it now. Raises RecordError, or ConflictError."""
    person = people.find(session, by)
    row = session.get(ChangeRow, seen.id)
    if row is None:
        raise RecordError("there is no such change", case=f"change {seen.id}", next_step="derm-kit change list.")
    require_vouched(session, row)
    if row.version != seen.version:
        there = _change(row)
        raise ConflictError(
            f"change {row.id}",
            stored=there,
            yours=seen,
            shown=(there.in_words(), f"{action}, having seen it {seen.in_words()}"),
            next_step="Look at the change as it stands now: derm-kit change show.",
        )
    require_right(action, person, author=row.author, state=State(row.state), case=f"change {row.id}")
    return row


def _earlier(session: Session, version: int) -> tuple[dict[str, Any], str | None]:
    """The text of an earlier release and its change."""
    row = release.row_of(session, version or 1)
    require_vouched(session, row)
    if version == BEFORE_THE_FIRST:
        first = session.get_one(ChangeRow, row.change)
        require_vouched(session, first)
        return json.loads(first.proposal)["old_policy"], None
    return json.loads(row.policy), row.change


def _moved(session: Session, row: ChangeRow, action: Action, by: str, **facts: object) -> Change:
    step = STEPS[action]
    row.state, row.version, row.changed_at = step.after.value, row.version + 1, now()
    seal(session, row, by, step.entry, version=row.version, **facts)
    return _change(row)


def _change(row: ChangeRow) -> Change:
    values = {name: getattr(row, name) for name in Standing.__dataclass_fields__}
    return Change(**{**values, "state": State(row.state)}, proposal_text=row.proposal, report_text=row.report or "")
