"""The evidence map's lists for DCB0129 and DCB0160."""

from __future__ import annotations

from derm_kit.records.evidence_map import Ask, Clause
from derm_kit.records.provenance import NONE


def _of(number: str, topic: str, cannot: str, *places: str) -> Clause:
    return Clause(Ask.DCB0129, number, topic, places, cannot)


DCB0129 = (
    _of("2.2.1", "Top management gives resources and competent people and nominates a clinical safety officer",
        "Nominate anybody. It shows who holds the role in the register.", "derm-kit people list"),
    _of("2.3.1 to 2.3.4", "The clinical safety officer: a clinician, registered, trained in clinical risk management",
        "Check a registration or training with the professional body; it holds what was typed in.",
        "derm_kit/records/people.py",
        "tests/records/test_change.py::test_only_a_registered_safety_officer_decides"),
    _of("2.5.1", "Third-party products in a release are assessed", "Assess them: it names versions, no more.",
        "models/derm11/MODEL_CARD.md"),
    _of("3.1.1 to 3.1.4", "A clinical risk management file, kept for the life of the system",
        "Be that file. Reports and exports of the audit log go into it.", "derm-kit audit export", "docs/register.md"),
    _of("3.3.1", "A hazard log is kept", "Find the hazards of your service: ten to start from ship with it.",
        "derm-kit hazards list", "derm-kit report hazard-log"),
    _of("3.3.2", "The clinical safety officer approves every version of the hazard log",
        "Tell whether the person read what they approved.", "derm-kit hazards approve",
        "derm_kit/records/hazard_approval.py"),
    _of("3.3.3 and 3.5.1", "A clinical safety case report at each stage of the plan, with the hazard log",
        "Argue that a system is safe: it lists evidence, and what is missing first.",
        "derm-kit report safety-case", "docs/safety-case.md"),
    _of("3.5.2", "The clinical safety officer approves every clinical safety case report",
        "Sign a document. Sign it under your own document control.", "docs/safety-case.md"),
    _of("3.6.1", "A log of safety incidents", "Know of incidents that nobody enters.",
        "derm-kit incidents list", "derm_kit/records/incidents.py"),
    _of("4.2.1 and 4.2.2", "Clinical scope and intended use are defined",
        "Define them for your service: the card speaks of research and teaching.", "models/derm11/MODEL_CARD.md"),
    _of("4.3.1", "Known and foreseeable hazards are identified, in normal use and in fault",
        "Replace the people who look for them.", "derm_kit/records/hazards.py", "docs/simulation.md"),
    _of("4.4.1", "Severity, likelihood and risk of each hazard are estimated",
        "Know how likely harm is in your service: what ships is proposed only, and marked so.",
        "derm_kit/records/risk_matrix.py"),
    _of("5.1.1", "Whether each initial risk is acceptable",
        "Set your criteria of acceptability: it uses the standard's example matrix.",
        "derm_kit/records/risk_matrix.py"),
    _of("6.1.2", "Controls are looked at for new hazards and for what they do to known ones",
        "See effects outside the scored cases.", "notebooks/03_threshold_tuning.ipynb",
        "notebooks/04_referral_simulation.ipynb", "derm_kit/records/impact.py"),
    _of("6.1.4 and 6.1.5", "The residual risk is evaluated, and reduced where it is unacceptable",
        "Judge it. A hazard with a residual risk of 4 or 5 is never closed.", "derm_kit/records/hazard_rules.py"),
    _of("6.2.1", "Where a risk cannot be reduced, whether benefits outweigh it",
        "Weigh them: it shows both sides, with weights that you enter.", "docs/thresholds.md", "docs/simulation.md"),
    _of("6.3.2", "Each control is verified to be there", "Verify training and process: link your own documents.",
        "derm_kit/records/hazard_evidence.py", "tests/test_policy.py::test_review_cases_never_leave_by_the_model"),
    _of("6.3.3", "Each control is verified to work",
        "Show that it works in your clinic: its figures are of a research collection.",
        "derm_kit/records/safety_case_figures.py", "docs/thresholds.md"),
    _of("6.4.1", "All hazards were considered and accepted", "Accept them.",
        "derm_kit/records/safety_case_hazards.py"),
    _of("7.1.3", "The configuration of the release stands in the safety case report",
        "Know the configuration of cameras, network or another maker's device.", "derm_kit/records/release.py",
        "derm-kit policy verify",
        "tests/records/test_release.py::test_openssl_verifies_a_release_by_what_the_document_says"),
    _of("7.2.1 to 7.2.3", "Safety concerns in service are gathered, and what they mean for the safety case",
        "See missed cancers without outcomes that are known whatever the model said.",
        "derm_kit/surveillance/feed.py", "derm-kit report monitoring"),
    _of("7.2.5", "Incidents and their resolution are recorded", "Report to anybody outside.",
        "derm-kit incidents show"),
    _of("7.3.1 to 7.3.3", "Modifications go through the same process, and a safety case report supports them",
        "Change a device. A new threshold on a marked device may be a modification of it: ask its maker.",
        "derm-kit change approve", "derm-kit report change-record", "docs/change-control.md",
        "tests/records/test_change.py::test_an_officer_never_decides_on_their_own_change_whatever_is_sent"),
    _of("7.3.4", "An audit trail of all releases", "See what was done outside of it.", "derm-kit audit verify",
        "docs/register.md",
        "tests/records/test_audit.py::test_a_log_rewritten_with_the_key_is_caught_by_the_anchor"),
)  # fmt: skip


def _deployed(topic: str, cannot: str, *places: str) -> Clause:
    return Clause(Ask.DCB0160, NONE, topic, places, cannot)


DCB0160 = (
    _deployed("The organisation that deploys has its own clinical safety officer and process",
              "Stand in for either.", "derm-kit people list"),
    _deployed("Hazards of the local deployment: pathway, people, cameras, second readers",
              "Know them. The simulation shows where queues grow and who waits.",
              "notebooks/04_referral_simulation.ipynb", "docs/pathways.md"),
    _deployed("A hazard log and safety case report of its own, from the manufacturer's",
              "Read a manufacturer's log that is not in its format.", "derm_kit/records/hazards.py",
              "derm_kit/records/safety_case.py"),
    _deployed("Training of users is a control", "Train anybody alone: a session lets people see over-reliance.",
              "notebooks/05_teaching_session.ipynb", "docs/teaching.md"),
    _deployed("Incidents are managed, and use is monitored", "Take the place of the incident system of the trust.",
              "derm_kit/records/incidents.py", "derm_kit/surveillance/feed.py"),
    _deployed("Changes and decommissioning go through the process", "Plan a decommissioning.",
              "derm-kit change rollback", "docs/change-control.md"),
)  # fmt: skip
