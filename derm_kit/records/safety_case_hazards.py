"""Hazards as the reports show them: summary, matrix, controls, evidence, and what can be said of the residual risk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date

from derm_kit.records.hazard_content import HazardContent
from derm_kit.records.hazards import Hazard
from derm_kit.records.provenance import NONE
from derm_kit.records.report import Table, Value
from derm_kit.records.report_inputs import Registered, in_words
from derm_kit.records.report_tables import table
from derm_kit.records.risk_matrix import MATRIX, Likelihood, Risk, Severity
from derm_kit.records.run_of_tests import TestRun

_FROM = ("register",)
Place = tuple[Likelihood, Severity] | None


def hazard_tables(known: Registered, as_of: date, tests: TestRun | None) -> dict[str, Table]:
    """Each table by the name that a template calls it by."""
    hazards = known.hazards
    return {
        "hazards": table(
            "Hazards", ("hazard", "name", "status", "initial risk", "residual risk", "owner", "review by", "standing"),
            [_summary(one, as_of) for one in hazards], _FROM,
        ),
        "matrix_initial": _matrix("Initial risk: which hazards lie where", hazards, _initial),
        "matrix_residual": _matrix("Residual risk: which hazards lie where", hazards, _residual),
        "controls": table(
            "Controls", ("hazard", "kind", "control"), [row for one in hazards for row in _controls(one)], _FROM
        ),
        "evidence": table(
            "Evidence that the controls work", ("hazard", "kind", "where", "what it shows", "looked up"),
            [row for one in hazards for row in _evidence(one, known, tests)],
            ("register", "tests") if tests else _FROM,
        ),
        "incidents": table(
            "Incidents", ("incident", "hazard", "alarm", "what was said", "opened (UTC)", "by", "standing"),
            [(one.id, one.hazard, one.alarm.in_words(), one.alarm.said, one.opened_at[:16], known.who(one.opened_by),
              one.in_words()) for one in known.incidents], _FROM,
        ),
        "people": table(
            "People of the clinical risk management", ("name", "role", "professional registration", "since"),
            [(one.name or f"erased person {one.id[:8]}", one.role.value, one.registration or NONE, one.added_at[:10])
             for one in known.people.values()], _FROM,
        ),
        "levels": table(
            "Hazards by risk level", ("risk level", "initial", "residual"), _levels(hazards), _FROM
        ),
        "versions": table(
            "Every version of every hazard",
            ("hazard", "version", "written (UTC)", "by", "approved (UTC)", "approved by", "why"),
            [_version(one, known) for one in known.versions], _FROM,
        ),
    }  # fmt: skip


def statement(known: Registered) -> tuple[str, ...]:
    """What can be said of the residual risk, from the log alone; it never says that something is safe."""
    hazards = known.hazards
    if known.unsound:
        return ("No statement on residual risk can be made: the audit log does not verify.",)
    if not hazards:
        return ("No statement on residual risk can be made: the hazard log is empty.",)
    return tuple(_statement(hazards))


def which(ids: Sequence[str], of: int) -> str:
    """Hazards by id, or "all" where it is all of them."""
    return "all" if len(ids) == of else f"{len(ids)} ({', '.join(ids)})"


def numbered(texts: Sequence[str]) -> str:
    """Texts one after the other, numbered where there are several."""
    if len(texts) < 2:
        return " ".join(texts)
    return " ".join(f"({n}) {text}" for n, text in enumerate(texts, 1))


def _statement(hazards: Sequence[Hazard]) -> Iterator[str]:
    unsettled = {
        "not approved": [one.id for one in hazards if not one.approval],
        "with likelihoods that are only proposed": [one.id for one in hazards if one.content.proposed],
        "without a judged residual risk": [one.id for one in hazards if one.content.residual_risk is None],
    }
    open_ends = [f"{which(ids, len(hazards))} {why}" for why, ids in unsettled.items() if ids]
    if open_ends:
        yield f"No statement on residual risk can be made yet: of {len(hazards)} hazards {'; '.join(open_ends)}."
    grave = [one for one in hazards if (found := one.content.residual_risk) and found.must_be_reduced]
    for one in grave:
        yield f"{one.id}, {one.content.name}: residual {one.content.residual_in_words()}. Such a risk may not stay."
    undesirable = [one.id for one in hazards if one.content.residual_risk is Risk.THREE]
    if undesirable:
        yield (
            f"Residual risk 3, undesirable: {', '.join(undesirable)}. It stays only where the clinical safety officer "
            "writes why it cannot reasonably be reduced further."
        )
    if not open_ends and not grave:
        yield (
            "By the log no residual risk is 4 or 5. Whether the system is safe enough to be used is for the clinical "
            "safety officer to say and sign: this document does not say it."
        )


def fields_of(hazard: Hazard, known: Registered, as_of: date) -> Mapping[str, object]:
    """One hazard as a template's mapping: every field of the log."""
    content = hazard.content
    approval = hazard.approval
    said = (
        f"approved by {known.who(approval.approver)} on {approval.at[:10]}: {approval.reason}"
        if approval
        else "draft, not approved"
    )
    return {
        "id": hazard.id,
        "name": content.name,
        "description": content.description,
        "causes": numbered(content.causes),
        "effect": content.effect,
        "harm": content.harm,
        "existing_controls": numbered(content.existing_controls) or "None.",
        "initial": content.initial_in_words(),
        "new_controls": numbered(
            [f"{kind.capitalize()}: {control}" for _, kind, control in _controls(hazard) if kind != "existing"]
        ) or "None.",
        "residual": content.residual_in_words(),
        "residual_reason": content.residual_reason,
        "basis": content.basis,
        "owner": content.owner or NONE,
        "transferred_to": content.transferred_to,
        "status": content.status.value,
        "review": _review(hazard, as_of),
        "leads_to": content.leads_to,
        "evidence": len(content.evidence),
        "incidents": tuple(f"{one.id}, {one.in_words()}" for one in known.incidents if one.hazard == hazard.id),
        "standing": said,
        "version": hazard.version,
        "written": f"{hazard.at[:10]} by {known.who(hazard.author)}",
        "proposed": content.proposed,
        "sha256": content.sha256,
    }  # fmt: skip


def _summary(one: Hazard, as_of: date) -> tuple[Value, ...]:
    content = one.content
    residual = content.residual_risk
    proposed = ", proposed only" if content.proposed else ""
    return (
        one.id, content.name, content.status.value, content.initial_risk.in_words(),
        residual.in_words() if residual else "not judged", content.owner or NONE, _review(one, as_of),
        f"version {one.version}, {one.standing}{proposed}",
    )  # fmt: skip


def _review(one: Hazard, as_of: date) -> str:
    due = one.content.next_review
    if due is None:
        return "never set"
    return f"{in_words(due)}, OVERDUE" if one.is_overdue(as_of) else in_words(due)


def _initial(content: HazardContent) -> Place:
    return content.initial_likelihood, content.initial_severity


def _residual(content: HazardContent) -> Place:
    if content.residual_likelihood is None or content.residual_severity is None:
        return None
    return content.residual_likelihood, content.residual_severity


def _matrix(caption: str, hazards: Sequence[Hazard], place: Callable[[HazardContent], Place]) -> Table:
    """The 25 cells, each with its level and the hazards in it; a last row for those not judged."""
    at: dict[Place, list[str]] = {}
    for one in hazards:
        at.setdefault(place(one.content), []).append(one.id)
    rows = [
        (likelihood.value, *(_cell(MATRIX[likelihood][severity], at.get((likelihood, severity), []))
                             for severity in Severity)) for likelihood in Likelihood
    ]  # fmt: skip
    if None in at:
        rows.append(("not judged", ", ".join(at[None]), *[NONE] * (len(Severity) - 1)))
    return table(caption, ("likelihood", *(severity.value for severity in Severity)), rows, _FROM)


def _cell(level: Risk, ids: list[str]) -> str:
    return f"{level.value}: {', '.join(ids)}" if ids else f"{level.value}"


def _controls(one: Hazard) -> Iterator[tuple[str, str, str]]:
    new = one.content.new_controls
    kinds = {"existing": one.content.existing_controls, "design": new.design, "test": new.test,
             "training": new.training, "process": new.process}  # fmt: skip
    for kind, controls in kinds.items():
        for control in controls:
            yield one.id, kind, control


def _evidence(one: Hazard, known: Registered, tests: TestRun | None) -> Iterator[tuple[Value, ...]]:
    for link in one.content.evidence:
        found = known.evidence[link].value
        ran = tests.said_of(link.reference) if tests and link.kind == "test" else ""
        yield one.id, link.kind.value, link.reference, link.shows, f"{found}; {ran}" if ran else found


def _levels(hazards: Sequence[Hazard]) -> list[tuple[Value, ...]]:
    residual = [one.content.residual_risk for one in hazards]
    rows: list[tuple[Value, ...]] = [
        (level.in_words(), sum(one.content.initial_risk is level for one in hazards), residual.count(level))
        for level in reversed(Risk)
    ]
    return [*rows, ("not judged", 0, residual.count(None))]


def _version(one: Hazard, known: Registered) -> tuple[Value, ...]:
    approval = one.approval
    said = (approval.at[:19], known.who(approval.approver), approval.reason) if approval else (NONE, NONE, NONE)
    return (one.id, one.version, one.at[:19], known.who(one.author), *said)
