"""The change record: one change of thresholds with everything that its approval rested on, and who did what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from derm_kit.lesions import FLAGGED
from derm_kit.model.run import ScoreRun
from derm_kit.records import change as changes
from derm_kit.records.audit import Entry
from derm_kit.records.change import Change
from derm_kit.records.change_record_tables import tables_of
from derm_kit.records.change_steps import State
from derm_kit.records.document_template import Given, Missing, Template, write_from
from derm_kit.records.exact_json import canonical, sha256
from derm_kit.records.impact import NOT_SIMULATED, ImpactReport, unlike
from derm_kit.records.provenance import CODE, PER_1000, Figure, Measured, Source
from derm_kit.records.provenance_sources import register_source
from derm_kit.records.register import Register
from derm_kit.records.release import Release
from derm_kit.records.report import Document
from derm_kit.records.report_inputs import Registered, in_words
from derm_kit.records.safety_case_missing import of_audit_log, of_date
from derm_kit.triage.proposal import run_hash

TEMPLATE = "change_record"
_FROM = ("proposal", CODE)


def change_record(
    register: Register, change_id: str, as_of: date, *, run: ScoreRun | None = None, template: Template | None = None
) -> Document:
    """The record of a change, as it stands in the register.

    With `run`, the scores that the proposal rests on, every figure but guarantees is worked out anew and held against
    the frozen report. Raises RecordError where there is no such change or the template breaks a rule.
    """
    found = changes.find(register, change_id)
    history = changes.history(register, found.id)
    given = _given(found, history, Registered.of(register), as_of, run)
    return write_from(template or Template.shipped(TEMPLATE), given)


def _given(found: Change, history: list[Entry], known: Registered, as_of: date, run: ScoreRun | None) -> Given:
    report, proposal = found.report, found.proposal
    own = [one for one in known.releases if one.signed.change == found.id]
    reproduced = _reproduced(found, run)
    return Given(
        values={
            "as_of": in_words(as_of),
            "change": found.id,
            "state": found.in_words(),
            "author": known.who(found.author),
            "approver": known.who(found.approver),
            "rationale": report.rationale,
            "old_policy": report.old_policy,
            "new_policy": report.new_policy,
            "old_policy_hash": sha256(canonical(proposal.old_policy.model_dump(mode="json"))),
            "new_policy_hash": sha256(canonical(proposal.new_policy.model_dump(mode="json"))),
            "cases": Figure("cases", Measured(report.cases, "cases"), _FROM),
            "extra_missed": Figure("extra missed cancers, those newly flagged taken off", Measured(
                report.extra_missed_per_1000, PER_1000, report.extra_missed_low, report.extra_missed_high), _FROM),
            "kinds": tuple(
                {"kind": k.kind, "figure": Figure(k.kind, Measured(
                    k.per_1000, PER_1000, k.low, k.high, k.cases, report.cases), _FROM)} for k in report.per_1000
            ),
            "capacity": _capacity(report),
            "hazards": tuple(_hazard(name, known) for name in report.hazard_ids),
            "guarantees": tuple(_guarantee(one) for one in report.guarantees),
            "releases": tuple(f"{one.in_words()}, by {known.who(one.released_by)}" for one in own),
            "rollback": _rollback(own, known),
            "reproduced": reproduced,
            "dispositions_source": proposal.new_policy.dispositions_source,
        },
        tables=tables_of(report, history, known),
        missing=(*of_audit_log(known), *_missing(found, known, reproduced), *of_date(known, as_of)),
        sources=tuple(_sources(found, known)),
    )  # fmt: skip


def _sources(found: Change, known: Registered) -> Iterator[Source]:
    report = found.report
    yield Source("proposal", f"the proposal of change {found.id[:8]}, of {found.created_at[:19]} UTC", (
        ("proposal, SHA-256", sha256(found.proposal_text)),
        ("impact report frozen with it, SHA-256", sha256(found.report_text)),
        ("scores and truth that it rests on, SHA-256", report.run_sha256),
        ("weights that gave them, SHA-256", report.model_hash or "not said"),
        ("what else changes a score, SHA-256", report.scoring_sha256 or "not said"),
    ))  # fmt: skip
    register = register_source(known.head)
    if register:
        yield register


def _reproduced(found: Change, run: ScoreRun | None) -> str:
    """Whether the scores bear the report out; "" where they were not at hand."""
    if run is None or run_hash(run) != found.report.run_sha256:
        return ""
    parts = unlike(found.proposal, run)
    if ImpactReport.of(found.proposal).text != found.report_text:
        parts = ("the report is not that of the proposal", *parts)
    return f"They do NOT bear out: {', '.join(parts)}." if parts else "They bear out every figure but guarantees."


def _guarantee(stated: Mapping[str, Any]) -> str:
    return f"{stated.get('lesion_type', '')}: {stated.get('reason', '')}".replace("_", " ").capitalize()


def _capacity(report: ImpactReport) -> str:
    if isinstance(report.capacity, str):
        return report.capacity
    return "; ".join(f"{name.replace('_', ' ')}: {value}" for name, value in sorted(report.capacity.items()))


def _hazard(name: str, known: Registered) -> str:
    hazard = next((one for one in known.hazards if one.id == name), None)
    if hazard is None:
        return f"{name}: not in the hazard log"
    return f"{name}, {hazard.content.name}: {hazard.in_words()}, {hazard.standing}"


def _rollback(own: list[Release], known: Registered) -> str:
    """What the policy would go back to."""
    if not own:
        last = known.releases[-1] if known.releases else None
        return f"release {last.version}, the last before this change" if last else "version 0, the model's default"
    before = own[0].version - 1
    return f"release {before}" if before else "version 0, the policy that the first release started from"


def _missing(found: Change, known: Registered, reproduced: str) -> Iterator[Missing]:
    report, short = found.report, found.id[:8]
    if found.state is State.PROPOSED:
        yield Missing(
            "Approval", "Nobody but the author has vouched for this change; it must not be used.",
            f"A safety officer who is a registered clinician and not the author decides: derm-kit change approve "
            f"{short}.",
        )  # fmt: skip
    elif found.state is State.APPROVED:
        yield Missing(
            "A release", "The change was approved, and the old thresholds are still in force.",
            f"derm-kit change release {short}, with a date.",
        )  # fmt: skip
    if found.state in (State.REJECTED, State.WITHDRAWN):
        yield Missing(f"Everything that follows a change that is {found.state}", "It is kept as a record only.", "–")
    if not report.hazard_ids:
        yield Missing(
            "Linked hazards", "Which risks the change moves was not said (DCB0129 6.1.2 asks).",
            "Propose anew with the ids of the hazards that it touches.",
        )  # fmt: skip
    gone = [name for name in report.hazard_ids if name not in {one.id for one in known.hazards}]
    if gone:
        yield Missing(
            f"Hazards {', '.join(gone)} in the hazard log", "The change names what the log does not hold.",
            "Look for the hazard meant: derm-kit hazards list.",
        )  # fmt: skip
    if report.capacity == NOT_SIMULATED:
        yield Missing(
            "The effect on capacity", "Whether clinics and second reads can take the change is not known.",
            "Simulate it: derm-kit simulate with the new policy, and propose with its result.",
        )  # fmt: skip
    if not reproduced:
        yield Missing(
            "The scores that the figures rest on", "The figures are the proposal's, not worked out anew here.",
            "Make this record with --run naming those scores.",
        )  # fmt: skip
    elif "NOT" in reproduced:
        yield Missing("Agreement of scores and report", reproduced, "Ask the author how it was made; do not release.")
    if not report.model_hash:
        yield Missing("The model's name", "The scores do not say which weights gave them.", "Score with a named model.")
    if not report.guarantees:
        yield Missing(
            "A guarantee", "No threshold of the new policy holds its target with a stated confidence.",
            "derm-kit tune says which could.",
        )  # fmt: skip
    yield from _of_policy(found, report)


def _of_policy(found: Change, report: ImpactReport) -> Iterator[Missing]:
    source = found.proposal.new_policy.dispositions_source
    if "source required" in source:
        yield Missing(
            "The source of where each type is sent", f"The policy says: {source}.", "Agree the dispositions locally."
        )
    groups = {(row.grouping, row.group) for row in report.by_subgroup}
    if not any(grouping == "skin type" and group in ("V", "VI") for grouping, group in groups):
        yield Missing(
            "Skin types V and VI in the data", "Nothing here shows what the change does to brown or black skin.",
            "Keep clinician review for them (NICE HTE24), and audit them.",
        )  # fmt: skip
    untold = [t.label.lower() for t in FLAGGED if next(row.n for row in report.by_type if row.of == t.value) == 0]
    if untold:
        yield Missing(
            f"Cases of {', '.join(untold)}", "What the change does to this type is not known.", "Add labelled cases."
        )
