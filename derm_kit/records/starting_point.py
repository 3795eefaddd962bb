"""The policy that a change starts from: the release made last, or the model's default before the first."""

from __future__ import annotations

from sqlalchemy.orm import Session

from derm_kit.errors import RecordError
from derm_kit.records import release
from derm_kit.records.register import Register
from derm_kit.records.tables import PolicyRow
from derm_kit.records.vouching import require_vouched
from derm_kit.triage.proposal import ChangeProposal


def require_current(session: Session, proposal: ChangeProposal, case: str, *, vouched: bool = True) -> PolicyRow | None:
    """The release that a proposal starts from, which must be the last; None before the first. Raises RecordError.

    Before the first release a change starts from the thresholds of its model's default policy, where the model is the
    one that ships; no default is known of others.
    """
    last, old = release.newest_row(session), proposal.old_policy
    if last is None:
        default = release.default_policy()
        if old.model_hash == default.model_hash and old.thresholds != default.thresholds:
            raise RecordError(
                "nothing was released yet, so the thresholds in force are the model's defaults; this proposal starts "
                "from others",
                case=case,
                next_step="Propose anew from the default policy: derm-kit policy prints it.",
            )
        return None
    if vouched:
        require_vouched(session, last)
    if old != release.of(last).policy:
        raise RecordError(
            f"the proposal starts from another policy than release {last.version}, the last",
            case=case,
            value=f"{old.name}, version {old.version}",
            next_step=f"Propose anew against it: derm-kit policy export {last.version} --plain --out FILE, then "
            "derm-kit serve --policy FILE.",
        )
    return last


def starting_point(register: Register, proposal: ChangeProposal) -> str:
    """Which policy a proposal starts from, in words, and what an approver must know of it."""
    with register.reading() as session:
        last = release.newest_row(session)
        try:
            require_current(session, proposal, "", vouched=False)
        except RecordError as error:
            return f"{error.finding}. It can no longer be approved or released."
        if last is not None:
            return f"release {last.version}, the last"
    default, old = release.default_policy(), proposal.old_policy
    if old.model_hash != default.model_hash:
        return "a policy as the proposal gives it: nothing was released yet, and no default is known for its model"
    others = [field for field in type(old).model_fields if getattr(old, field) != getattr(default, field)]
    differs = f", but with its own {', '.join(others)}: look at them" if others else ""
    return f"the default policy of the model, since nothing was released yet{differs}"
