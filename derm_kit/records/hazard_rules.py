"""The rules between the fields of a hazard: when it may be closed or transferred, and how its risk may move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from derm_kit.errors import RecordError
from derm_kit.records.risk_matrix import Likelihood, Severity

if TYPE_CHECKING:
    from derm_kit.records.hazard_content import HazardFields

UNSTORED = "Nothing was stored."


class Status(StrEnum):
    """Where a hazard stands."""

    OPEN = "open"
    TRANSFERRED = "transferred"
    CLOSED = "closed"


@dataclass(frozen=True)
class Broken:
    """A rule that a hazard breaks: in which field ("" for the whole), with which value, and what to do."""

    field: str
    value: str
    rule: str
    next_step: str = f"{UNSTORED} Mend it, then save."

    @property
    def said(self) -> str:
        """The rule with its field."""
        return f"{self.field.replace('_', ' ')}: {self.rule}" if self.field else self.rule

    def error(self, case: str) -> RecordError:
        """The same as an error."""
        return RecordError(self.said, case=case, value=self.value, next_step=self.next_step)


def together(found: Sequence[Broken]) -> Broken:
    """Several as one, so that they are mended at once; the only one as it is."""
    if len(found) == 1:
        return found[0]
    said = "; ".join(f"({n}) {one.said} (found: {one.value[:200]})" for n, one in enumerate(found, 1))
    fields = dict.fromkeys(one.field for one in found if one.field)
    return Broken("", "; ".join(fields), f"{len(found)} rules are broken: {said}", f"{UNSTORED} Mend each, then save.")


def broken_rules(content: HazardFields) -> list[Broken]:
    """Which of the rules do not hold, all of them."""
    rules = (_half_judged, _closed, _transferred, _risen, _fallen, _linked_twice)
    return [broken for rule in rules if (broken := rule(content))]


def _half_judged(content: HazardFields) -> Broken | None:
    if (content.residual_likelihood is None) == (content.residual_severity is None):
        return None
    missing = "residual_likelihood" if content.residual_likelihood is None else "residual_severity"
    return Broken(
        missing, "nothing", "residual likelihood and severity are judged together, or neither", f"{UNSTORED} Give both."
    )


def _closed(content: HazardFields) -> Broken | None:
    if content.status is not Status.CLOSED:
        return None
    residual = content.residual_risk
    if residual is None:
        return Broken(
            "status",
            "closed, without a residual risk",
            "a hazard is closed only once its residual risk was judged",
            f"{UNSTORED} Judge residual likelihood and severity, or leave it open.",
        )
    if residual.must_be_reduced:
        return Broken(
            "status",
            f"closed with a residual risk of {residual.in_words()}",
            "a hazard with a residual risk of 4 or 5 is never closed",
            f"{UNSTORED} Add controls that reduce the risk, or leave it open.",
        )
    return None


def _transferred(content: HazardFields) -> Broken | None:
    named = {"owner": content.owner.strip(), "transferred_to": content.transferred_to.strip()}
    if content.status is not Status.TRANSFERRED or all(named.values()):
        return None
    return Broken(
        next(field for field, said in named.items() if not said),
        "nothing",
        "a transferred hazard names its owner here and the party that took it over",
        f"{UNSTORED} Name both: the role that owns it here, and who agreed to take it.",
    )


def _risen(content: HazardFields) -> Broken | None:
    likelihood, severity, residual = content.residual_likelihood, content.residual_severity, content.residual_risk
    if likelihood is None or severity is None or residual is None or content.residual_reason.strip():
        return None
    likelihoods, severities = list(Likelihood), list(Severity)
    risen = (
        residual > content.initial_risk
        or likelihoods.index(likelihood) < likelihoods.index(content.initial_likelihood)
        or severities.index(severity) > severities.index(content.initial_severity)
    )
    if not risen:
        return None
    return Broken(
        "residual_reason",
        f"initial {content.initial_in_words()}; residual {content.residual_in_words()}",
        "a residual likelihood, severity or risk above the initial one has its reason",
        f"{UNSTORED} Say why it is worse than before the new controls, or judge it again.",
    )


def _fallen(content: HazardFields) -> Broken | None:
    residual = content.residual_risk
    if residual is None or residual >= content.initial_risk or content.new_controls.any:
        return None
    return Broken(
        "new_controls",
        f"initial {content.initial_in_words()}; residual {content.residual_in_words()}",
        "a risk that falls has a new control that lowers it",
        f"{UNSTORED} Name the control: design, test, training or process.",
    )


def _linked_twice(content: HazardFields) -> Broken | None:
    if len(set(content.leads_to)) == len(content.leads_to):
        return None
    return Broken("leads_to", ", ".join(content.leads_to), "a hazard is linked once")
