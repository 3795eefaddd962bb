"""Which hazards of the log are listed, and which of their risks the matrix shows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from enum import StrEnum

from derm_kit.records.hazard_content import HazardContent
from derm_kit.records.hazard_evidence import Standing
from derm_kit.records.hazard_rules import Status
from derm_kit.records.hazards import Hazard
from derm_kit.records.report_inputs import Registered
from derm_kit.records.risk_matrix import Likelihood, Severity

Place = tuple[Likelihood, Severity]


class Show(StrEnum):
    """Which hazards are listed; the value is what the address says."""

    ALL = "all"
    DRAFTS = "drafts"
    OVERDUE = "overdue"
    GRAVE = "grave"
    UNJUDGED = "unjudged"
    PROPOSED = "proposed"
    OWNERLESS = "ownerless"
    UNPROVEN = "unproven"
    BROKEN = "broken"
    OPEN = "open"


SHOWN = {
    Show.ALL: "every hazard",
    Show.DRAFTS: "not approved",
    Show.OVERDUE: "review overdue or never set",
    Show.GRAVE: "residual risk 4 or 5",
    Show.UNJUDGED: "residual risk not judged",
    Show.PROPOSED: "judged by derm-kit only",
    Show.OWNERLESS: "without an owner",
    Show.UNPROVEN: "without evidence",
    Show.BROKEN: "evidence not found here",
    Show.OPEN: "open",
}


class Which(StrEnum):
    """The risk with the existing controls, or with the new ones as well."""

    INITIAL = "initial"
    RESIDUAL = "residual"


def listed(known: Registered, show: Show, on: date) -> tuple[Hazard, ...]:
    """The hazards that `show` asks for, in the order of the log."""
    return tuple(hazard for hazard in known.hazards if _wanted(hazard, known, show, on))


def _wanted(hazard: Hazard, known: Registered, show: Show, on: date) -> bool:
    content = hazard.content
    residual = content.residual_risk
    match show:
        case Show.ALL:
            return True
        case Show.DRAFTS:
            return hazard.approval is None
        case Show.OVERDUE:
            return hazard.is_overdue(on)
        case Show.GRAVE:
            return residual is not None and residual.must_be_reduced
        case Show.UNJUDGED:
            return residual is None
        case Show.PROPOSED:
            return content.proposed
        case Show.OWNERLESS:
            return not content.owner.strip()
        case Show.UNPROVEN:
            return not content.evidence
        case Show.BROKEN:
            return any(known.evidence.get(link) is Standing.MISSING for link in content.evidence)
        case Show.OPEN:
            return content.status is Status.OPEN


def place_of(content: HazardContent, which: Which) -> Place | None:
    """Where a hazard lies in the matrix; None where that was not judged."""
    if which is Which.INITIAL:
        return content.initial_likelihood, content.initial_severity
    if content.residual_likelihood is None or content.residual_severity is None:
        return None
    return content.residual_likelihood, content.residual_severity


def placed(hazards: Sequence[Hazard], which: Which) -> dict[Place | None, list[Hazard]]:
    """Hazards by their place in the matrix."""
    found: dict[Place | None, list[Hazard]] = {}
    for hazard in hazards:
        found.setdefault(place_of(hazard.content, which), []).append(hazard)
    return found
