"""The clinical safety case report, in the structure of DCB0129: what is missing, the system, its hazards, the evidence.

It is written from the register and from scored cases, never from memory, and it signs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from derm_kit.lesions import LESION_TYPES
from derm_kit.model.card import ModelCard
from derm_kit.model.run import ScoreRun
from derm_kit.records.document_template import Given, Template, write_from
from derm_kit.records.evidence_map import evidence_tables, map_sources
from derm_kit.records.provenance import NONE, Source
from derm_kit.records.provenance_sources import card_source, policy_source, register_source, scores_source
from derm_kit.records.release import default_policy
from derm_kit.records.report import Document
from derm_kit.records.report_inputs import Registered, in_words
from derm_kit.records.run_of_tests import TestRun
from derm_kit.records.safety_case_figures import Performance, performance
from derm_kit.records.safety_case_hazards import hazard_tables, statement
from derm_kit.records.safety_case_missing import missing
from derm_kit.triage.policy import TriagePolicy

TEMPLATE = "safety_case"


@dataclass(frozen=True)
class Evidence:
    """What a safety case rests on beside the register: scored cases, the model's card, a run of the tests.

    `monitoring` says in a sentence how the service is watched, "" where it is not known to be.
    """

    run: ScoreRun
    card: ModelCard | None
    tests: TestRun | None = None
    monitoring: str = ""


def safety_case(known: Registered, evidence: Evidence, as_of: date, template: Template | None = None) -> Document:
    """The report on the policy in force at the end of that day.

    Raises PolicyError where the policy cannot be read on the scores, RecordError where the template breaks a rule.
    """
    release = known.in_force(as_of)
    policy = release.policy if release else default_policy()
    found = performance(evidence.run, policy, evidence.card)
    card, tests = evidence.card, evidence.tests
    values: dict[str, object] = {
        "as_of": in_words(as_of),
        "policy": f"{policy.name}, version {policy.version}",
        "release": release.in_words() if release else "",
        "autonomous": policy.autonomous,
        "reviewed": _reviewed(policy),
        "remarks": found.remarks(),
        "card": _card(card),
        "officers": tuple(known.who(one.id) for one in known.officers),
        "hazards": len(known.hazards),
        "incidents": len(known.incidents),
        "people": len(known.people),
        "audit_log": known.check,
        "statement": statement(known),
        "kept_out": found.kept_out,
        "unmet": tuple({"kind": kind, "said": said} for kind, said in found.unmet().items()),
        **map_sources(),
        "tests": _tests(tests),
        "monitoring": evidence.monitoring,
        "configuration": _configuration(found, policy),
        **found.figures(),
    }
    tables = {**found.tables(), **hazard_tables(known, as_of, tests), **evidence_tables()}
    lacking = tuple(missing(found, known, as_of, tests, monitored=bool(evidence.monitoring)))
    sources = tuple(_sources(known, evidence, policy, as_of))
    charts = {"caught": found.chart()}
    return write_from(
        template or Template.shipped(TEMPLATE), Given(values, tables, lacking, sources, charts)
    )  # fmt: skip


def _sources(known: Registered, evidence: Evidence, policy: TriagePolicy, as_of: date) -> Iterator[Source]:
    yield scores_source(evidence.run)
    yield policy_source(policy, known.in_force(as_of))
    register = register_source(known.head)
    if register:
        yield register
    if evidence.card:
        yield card_source(evidence.card)
    if evidence.tests:
        yield evidence.tests.source


def _card(card: ModelCard | None) -> dict[str, object]:
    """What the model's card says, as texts; dashes where there is no card."""
    if card is None:
        return dict.fromkeys(("name", "intended_use", "not_for", "architecture", "released", "licence", "untrained",
                              "types", "calibrated_on"), NONE)  # fmt: skip
    untrained = ", ".join(t.label.lower() for t in card.untrained)
    return {
        "name": f"{card.name} {card.version}",
        "intended_use": card.intended_use,
        "not_for": card.not_for,
        "architecture": card.architecture,
        "released": card.released,
        "licence": card.licence,
        "untrained": untrained or "none",
        "types": f"{len(card.types)} of {len(LESION_TYPES)}",
        "calibrated_on": card.calibrated_on,
    }


def _reviewed(policy: TriagePolicy) -> tuple[str, ...]:
    """Who goes to a clinician whatever the scores."""
    also = {
        "skin types": policy.review_skin_types,
        "skin tone classes (0 the darkest)": policy.review_skin_tone_classes,
        "sites": policy.review_sites,
    }
    return (
        "pictures that fail quality",
        "excluded cases: under 18, ulcerated, subungual, genital, not clearly photographable",
        "cases that lack the score of a trained type",
        *(f"{name} {', '.join(map(str, given))}" for name, given in also.items() if given),
    )


def _configuration(found: Performance, policy: TriagePolicy) -> tuple[str, ...]:
    """The configuration of the release, as DCB0129 7.1.3 asks for it."""
    return (
        f"Policy {policy.name}, version {policy.version}, for weights {policy.model_hash or 'that it does not name'}.",
        f"Scores by the weights {found.run.model_hash or 'that they do not name'}, of {len(found.run):,} cases.",
        f"Autonomous use: {'yes' if policy.autonomous else 'no, a clinician sees every case'}.",
        f"Second read near a threshold: {policy.second_read_margin:.0%} below it.",
        f"Read although the picture fails quality: {', '.join(policy.read_despite_quality) or 'none'}.",
    )


def _tests(tests: TestRun | None) -> str:
    if tests is None:
        return ""
    counts = ", ".join(f"{n:,} {became}" for became, n in sorted(tests.counts.items()))
    return f"{counts}; run of {tests.at or 'a time that the file does not say'}"
