"""Tables of the hazard log on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from derm_kit.cli.console import console
from derm_kit.cli.signatures import print_table

if TYPE_CHECKING:
    from derm_kit.records.hazard_import import Import
    from derm_kit.records.hazards import Hazard
    from derm_kit.records.register import Register


def print_list(title: str, found: list[Hazard]) -> None:
    """Hazards, one a row."""
    rows = [
        (
            hazard.id,
            hazard.content.name,
            hazard.content.initial_risk.in_words(),
            hazard.content.residual_risk.in_words() if hazard.content.residual_risk else "not judged",
            hazard.content.status,
            hazard.content.owner,
            f"{hazard.standing}, version {hazard.version}",
            hazard.content.next_review or "none set",
        )
        for hazard in found
    ]
    print_table(
        title, ("id", "hazard", "initial risk", "residual risk", "status", "owner", "newest", "next review"), rows
    )


def print_matrix() -> None:
    """The matrix of DCB0129 with what its words mean."""
    from derm_kit.records.risk_matrix import MATRIX, Risk, Severity

    print_table(
        "Risk by likelihood and severity (DCB0129): looked up, never multiplied",
        ("", *Severity),
        ((likelihood, *(str(level.value) for level in levels.values())) for likelihood, levels in MATRIX.items()),
    )
    print_table("Likelihood", ("", "means"), ((likelihood, likelihood.meaning) for likelihood in MATRIX))
    print_table("Severity", ("", "means"), ((severity, severity.meaning) for severity in Severity))
    print_table("Risk", ("", "is"), ((str(level.value), level.acceptability) for level in Risk))


def print_hazard(register: Register, hazard: Hazard) -> None:
    """One version whole, with whether its evidence is there."""
    from derm_kit.records.hazard_evidence import standing

    content = hazard.content
    controls = content.new_controls.model_dump()
    print_table(
        f"Hazard {hazard.id}, version {hazard.version}: {hazard.standing}",
        ("", ""),
        (
            ("name", content.name),
            ("description", content.description),
            *(("cause", cause) for cause in content.causes),
            ("effect", content.effect),
            ("harm", content.harm),
            *(("existing control", control) for control in content.existing_controls),
            ("initial", content.initial_in_words()),
            *((f"new control: {kind}", control) for kind, said in controls.items() for control in said),
            ("residual", content.residual_in_words()),
            ("why it is worse", content.residual_reason),
            ("what the judgements rest on", content.basis),
            ("owner", content.owner),
            ("transferred to", content.transferred_to),
            ("status", content.status),
            ("leads to", ", ".join(content.leads_to)),
            ("next review", content.next_review),
        ),
    )
    with register.reading() as session:
        evidence = [(e.kind, e.reference, e.shows, standing(session, e)) for e in content.evidence]
    print_table("Evidence", ("kind", "where", "what it shows", "here"), evidence)


def print_versions(who: dict[str, str], versions: list[Hazard]) -> None:
    """Every version: who wrote it, who approved it and why. `who` is what people are called, by id."""
    rows = [
        (
            hazard.version,
            hazard.at[:16],
            who.get(hazard.author, hazard.author),
            who.get(hazard.approval.approver, hazard.approval.approver) if hazard.approval else "",
            hazard.approval.at[:16] if hazard.approval else "",
            hazard.approval.reason if hazard.approval else "",
        )
        for hazard in versions
    ]
    print_table("Versions", ("version", "written (UTC)", "by", "approved by", "approved (UTC)", "why"), rows)


def print_import(done: Import) -> None:
    """Every row of a file with what becomes of it."""
    rows = [
        (
            row.number,
            row.hazard,
            row.outcome,
            row.content.name if row.content else "",
            row.broken.said if row.broken else "",
            row.broken.value if row.broken else "",
            row.broken.next_step if row.broken else "",
        )
        for row in done.rows
    ]
    print_table("What the file says", ("row", "hazard", "what", "name", "rule", "found", "next step"), rows)
    console.print(f"{done.in_words()}.")
