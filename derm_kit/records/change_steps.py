"""The states of a change, and who may take which step: one table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy.orm import Session

from derm_kit.errors import RecordError
from derm_kit.records import people
from derm_kit.records.people import Person, Role

SHORTEST_REASON, LONGEST_REASON = 10, 2_000


class State(StrEnum):
    """Where a change stands."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    RELEASED = "released"


OPEN = (State.PROPOSED, State.APPROVED)
"""States of a change that somebody may still decide on."""


class Action(StrEnum):
    """What people do with a change."""

    PROPOSE = "propose"
    APPROVE = "approve"
    REJECT = "reject"
    WITHDRAW = "withdraw"
    RELEASE = "release"
    ROLL_BACK = "roll back"


class Author(StrEnum):
    """Whether the author of a change may take a step."""

    MAY = "may"
    NEVER = "never"
    ALONE = "alone"


@dataclass(frozen=True)
class Step:
    """One line of the table: from which states, into which, and who may. Every step asks for the passphrase."""

    before: tuple[State, ...]
    after: State
    roles: tuple[Role, ...]
    author: Author
    registered: bool
    reason: bool
    entry: str


_ANYBODY, _OFFICER, _RELEASING = tuple(Role), (Role.SAFETY_OFFICER,), (Role.SAFETY_OFFICER, Role.ADMINISTRATOR)
STEPS: Mapping[Action, Step] = {
    Action.PROPOSE: Step((), State.PROPOSED, _ANYBODY, Author.ALONE, False, True, "change proposed"),
    Action.APPROVE: Step((State.PROPOSED,), State.APPROVED, _OFFICER, Author.NEVER, True, True, "change approved"),
    Action.REJECT: Step(OPEN, State.REJECTED, _OFFICER, Author.NEVER, True, True, "change rejected"),
    Action.WITHDRAW: Step(OPEN, State.WITHDRAWN, _ANYBODY, Author.ALONE, False, False, "change withdrawn"),
    Action.RELEASE: Step((State.APPROVED,), State.RELEASED, _RELEASING, Author.MAY, False, False, "change released"),
    Action.ROLL_BACK: Step((State.RELEASED,), State.RELEASED, _OFFICER, Author.NEVER, True, True, "policy released"),
}
"""The one table of states and rights; docs/change-control.md shows it. The reason to propose is the rationale.

A roll-back releases the text of a released change anew: its state stays, and its author may not do it.
"""


def require_right(
    action: Action, person: Person, *, author: str | None, state: State | None = None, case: str = ""
) -> None:
    """Raise RecordError unless the table lets `person` take the step."""
    step = STEPS[action]
    if state is not None and state not in step.before:
        raise RecordError(
            f"{action}: only a change that is {' or '.join(step.before)} can be taken there",
            case=case,
            value=state.value,
            next_step="derm-kit change show says how it came there.",
        )
    own = author == person.id
    problems = (
        (
            step.author is Author.NEVER and own,
            "nobody decides on their own change",
            "Ask another safety officer who is a registered clinician.",
        ),
        (
            step.author is Author.ALONE and not own,
            "only the author may",
            "Ask the author, or a safety officer to reject it.",
        ),
        (
            person.role not in step.roles,
            f"only {_with_article(' or '.join(step.roles))} may, not {_with_article(person.role)}",
            "Ask somebody who holds the role: derm-kit people list.",
        ),
        (
            step.registered and not person.registered,
            "only a registered clinician may",
            "Ask somebody whose professional registration stands in the register: derm-kit people list.",
        ),
    )
    for broken, rule, next_step in problems:
        if broken:
            raise RecordError(f"{action}: {rule}", case=case or None, next_step=next_step)


def _with_article(role: str) -> str:
    return f"an {role}" if role.startswith(("a", "e", "i", "o", "u")) else f"a {role}"


def checked_reason(session: Session, reason: str) -> str:
    """The reason as the audit log keeps it for good: said, short, and without the name of anybody here."""
    text = reason.strip()
    if not SHORTEST_REASON <= len(text) <= LONGEST_REASON:
        raise RecordError(
            f"a decision has a stated reason of {SHORTEST_REASON} to {LONGEST_REASON:,} characters",
            value=f"{len(text):,} characters",
            next_step="Say why, for somebody who reads it in ten years.",
        )
    for person in people.everybody(session):
        if person.name and re.search(rf"(?<!\w){re.escape(person.name)}(?!\w)", text, re.IGNORECASE):
            raise RecordError(
                "a reason stays in the audit log for good, so it names nobody",
                value=person.name,
                next_step="Name the role instead.",
            )
    return text
