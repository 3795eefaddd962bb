"""Who approves a version of a hazard, and what it must say by then."""

from __future__ import annotations

from datetime import UTC, datetime

from derm_kit.errors import RecordError
from derm_kit.records.hazard_content import PROPOSED, HazardContent
from derm_kit.records.people import Person, Role


def require_right(person: Person, *, author: str, case: str) -> None:
    """Raise RecordError unless `person` is a safety officer, a registered clinician, and not the version's author."""
    if person.id == author:
        raise RecordError(
            "approve: nobody approves what they wrote",
            case=case,
            next_step="Ask another safety officer who is a registered clinician.",
        )
    require_officer(person, "approve", case)


def require_officer(person: Person, step: str, case: str) -> None:
    """Raise RecordError unless `person` is a safety officer who is a registered clinician."""
    if person.role is not Role.SAFETY_OFFICER:
        raise RecordError(
            f"{step}: only a safety officer may",
            case=case,
            value=person.role,
            next_step="Ask somebody who holds the role: derm-kit people list.",
        )
    if not person.registered:
        raise RecordError(
            f"{step}: only a registered clinician may",
            case=case,
            next_step="Ask somebody whose professional registration stands in the register: derm-kit people list.",
        )


def require_ready(content: HazardContent, case: str, *, approved: bool) -> None:
    """Raise RecordError unless the version may be approved today."""
    today = datetime.now(UTC).date()
    revise = "Revise the hazard first: derm-kit hazards revise."
    problems = (
        (approved, "this version was approved already", "", "derm-kit hazards show says by whom, and why."),
        (
            content.proposed,
            "the judgements of likelihood and severity are your own, with what they rest on, not those that derm-kit "
            "proposes",
            PROPOSED,
            revise,
        ),
        (not content.owner.strip(), "a hazard has an owner before it is approved", "nobody", revise),
        (
            content.next_review is None or content.next_review < today,
            "a hazard has a review date, today or later, before it is approved",
            content.next_review or "none",
            revise,
        ),
    )
    for broken, rule, value, next_step in problems:
        if broken:
            raise RecordError(f"approve: {rule}", case=case, value=value or None, next_step=next_step)
