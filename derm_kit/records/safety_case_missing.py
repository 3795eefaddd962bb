"""What a safety case lacks, the gravest first: it stands on the first page, before anything that is there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from derm_kit.records.document_template import Missing
from derm_kit.records.report_inputs import Registered, in_words
from derm_kit.records.run_of_tests import TestRun
from derm_kit.records.safety_case_figures import Performance
from derm_kit.records.safety_case_hazards import which

FEW_DARK = 30


def missing(
    found: Performance, known: Registered, as_of: date, tests: TestRun | None, *, monitored: bool
) -> Iterator[Missing]:
    """Everything that derm-kit can see to be missing."""
    yield from of_officers(known)
    yield from of_hazards(known, as_of)
    yield from _performance(found)
    yield from _policy(found, known, as_of)
    yield from _service(known, monitored=monitored)
    yield from _tests(tests)
    yield Missing(
        "The approval of this report", "A clinical safety case report counts once its clinical safety officer has "
        "approved it (DCB0129 3.5.2); derm-kit signs none.", "Sign it under your own document control.",
    )  # fmt: skip
    yield Missing(
        "The clinical risk management plan and file", "Acceptability criteria, approvals and records are set there "
        "(DCB0129 3.1 and 3.2); derm-kit holds neither.", "Name them in your own template: --template.",
    )  # fmt: skip
    yield from of_date(known, as_of)


def of_date(known: Registered, as_of: date) -> Iterator[Missing]:
    """That the register goes on beyond the day of the report."""
    if known.last_entry is not None and known.last_entry > as_of:
        yield Missing(
            f"A register as it stood on {in_words(as_of)}", f"The records are as of {in_words(known.last_entry)}, when "
            "the log was last written; only what is in force and overdue is told as of the day above.",
            "Make the report as of a later day.",
        )  # fmt: skip


def of_audit_log(known: Registered) -> Iterator[Missing]:
    """That what the register says may not be what was written, or that nobody looked."""
    if known.head is None:
        return
    if known.unsound is None:
        yield Missing(
            "A check of the audit log", "Approvals, hazards and incidents are quoted as they stand; whether somebody "
            "changed them behind derm-kit's back was not looked at.", "derm-kit audit verify.",
        )  # fmt: skip
    elif known.unsound:
        more = f", and {len(known.unsound) - 1} more" if len(known.unsound) > 1 else ""
        yield Missing(
            "An audit log that verifies", f"It does NOT: {known.unsound[0]}{more}. Approvals, hazards and incidents "
            "below are quoted as the database holds them, and may not be what people stored.",
            "Rely on none of them until somebody has looked: derm-kit audit verify; docs/register.md says what to do.",
        )  # fmt: skip


def of_officers(known: Registered) -> Iterator[Missing]:
    """That there is no register, or nobody in it who may approve."""
    yield from of_audit_log(known)
    if known.head is None:
        yield Missing(
            "A register", "There are no named people, no hazard log, no change control and no audit trail.",
            "Begin one: derm-kit people add.",
        )  # fmt: skip
    if not known.officers:
        yield Missing(
            "A clinical safety officer", "Nobody here may approve a hazard or a change (DCB0129 2.3: a registered "
            "clinician, trained in clinical risk management).",
            "derm-kit people add NAME --role 'safety officer' --registration NUMBER.",
        )  # fmt: skip


def of_hazards(known: Registered, as_of: date) -> Iterator[Missing]:
    """What the hazard log lacks."""
    hazards = known.hazards
    if not hazards:
        yield Missing(
            "A hazard log", "No hazard was identified, judged or controlled (DCB0129 3.3 and 4.3).",
            "Begin with the ten that ship: derm-kit hazards --help.",
        )  # fmt: skip
        return
    findings = (
        ([one for one in hazards if one.content.residual_risk and one.content.residual_risk.must_be_reduced],
         "Control of a residual risk of 4 or 5", "Such a risk may not stay.", "Add controls, then judge again."),
        ([one for one in hazards if not one.approval],
         "Approval of hazards by a clinical safety officer", "DCB0129 3.3.2: every version of the log is approved.",
         "derm-kit hazards approve, by a safety officer who is not the author."),
        ([one for one in hazards if one.content.proposed],
         "Likelihoods and severities that somebody here has judged", "They are those that derm-kit proposes, without a "
         "source.", "Judge them for your service, and say on what: derm-kit hazards revise."),
        ([one for one in hazards if one.content.residual_risk is None],
         "A judged residual risk", "Whether the controls are enough is not known (DCB0129 6.1.4).",
         "Judge likelihood and severity with the new controls."),
        ([one for one in hazards if not one.content.owner.strip()],
         "An owner", "Nobody answers for the hazard.", "Name the role that owns it."),
        ([one for one in hazards if one.is_overdue(as_of)],
         "A review in time", "The review date went by, or was never set.", "Review the hazard and set the next date."),
        ([one for one in hazards if not one.content.evidence],
         "Evidence that controls work", "DCB0129 6.3.2 and 6.3.3: each control is verified, and its effect.",
         "Link tests, figures, releases or documents to the hazard."),
        ([one for one in hazards if any(known.evidence[link] == "missing" for link in one.content.evidence)],
         "Evidence that a hazard names and that is not there", "What was thought to be shown is not.",
         "Mend the reference."),
    )  # fmt: skip
    for of, what, follows, next_step in findings:
        if of:
            said = which([one.id for one in of], len(hazards))
            yield Missing(f"{what}: {said}", follows, next_step)


def _performance(found: Performance) -> Iterator[Missing]:
    unmet = found.unmet()
    if unmet:
        yield Missing(
            f"Evidence that targets are met: {', '.join(unmet)}",
            f"Over all cases, {'; '.join(f'{kind}: {said}' for kind, said in unmet.items())}.",
            "Weigh it in the hazard log; page 03 and derm-kit tune say which thresholds would hold them.",
        )  # fmt: skip
    dark = found.dark()
    if dark < FEW_DARK:
        yield Missing(
            "Skin types V and VI in the data", f"{dark} of {len(found.run):,} scored cases are recorded so: nothing "
            "can be said of brown or black skin.", "Keep clinician review for it (NICE HTE24), and audit it.",
        )  # fmt: skip
    absent = [t.label.lower() for t in found.counter.policy.dispositions if found.rate("sensitivity", t).n == 0]
    if absent:
        yield Missing(
            f"Cases of {', '.join(absent)}", "What becomes of such lesions is not known.", "Leave them to clinicians."
        )
    yield Missing(
        "Patients' identities in the data", "Intervals take lesions as independent and may be too narrow; lesions of "
        "one patient are not.", "Validate on local cases with patient ids.",
    )  # fmt: skip


def _policy(found: Performance, known: Registered, as_of: date) -> Iterator[Missing]:
    policy = found.policy
    if known.in_force(as_of) is None:
        yield Missing(
            "A released policy", "The model's default thresholds are in force; nobody approved them here.",
            "Propose on page 03, approve and release: docs/change-control.md.",
        )  # fmt: skip
    elif found.card and policy.model_hash not in ("", found.card.model_hash):
        yield Missing(
            "The card of the policy's model", "Intended use and limits below are another model's.", "Name it."
        )
    if "source required" in policy.dispositions_source:
        yield Missing(
            "The source of where each call goes", f"The policy says: {policy.dispositions_source}.",
            "Agree the dispositions locally and write down where.",
        )  # fmt: skip


def _service(known: Registered, *, monitored: bool) -> Iterator[Missing]:
    if not monitored:
        yield Missing(
            "Monitoring in service", "Drift and missed cancers would not be seen (DCB0129 7.2). No monitoring feed was "
            "named, and so no random audit sample: without one, sensitivity in service is not known.",
            "Gather a feed with a random sample, then make a monitoring report: derm-kit report monitoring.",
        )  # fmt: skip
    waiting = [one.id for one in known.incidents if not one.closed]
    if waiting:
        yield Missing(
            f"The closing of incidents {', '.join(waiting)}", "What they mean for the safety case is open (7.2.2).",
            "derm-kit incidents show.",
        )  # fmt: skip


def _tests(tests: TestRun | None) -> Iterator[Missing]:
    if tests is None:
        yield Missing(
            "A run of the tests", "That tests are named does not say that they passed here.",
            "python -m pytest --junitxml tests.xml, then --tests tests.xml.",
        )  # fmt: skip
        return
    failed = sorted(name for name, became in tests.results.items() if became in ("failed", "error"))
    skipped = tests.counts["skipped"]
    if failed:
        more = f" and {len(failed) - 5} more" if len(failed) > 5 else ""
        yield Missing(
            f"Tests that pass: {len(failed)} do not", f"{', '.join(failed[:5])}{more}.", "Mend what they found."
        )
    if skipped:
        yield Missing(f"Tests that ran: {skipped} were skipped", "What they check was not checked.", "See the run.")
