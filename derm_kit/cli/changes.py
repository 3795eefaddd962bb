"""derm-kit change: propose a change of thresholds, decide on it, release it, roll it back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from derm_kit.cli.console import console, plain
from derm_kit.cli.inputs import RunPath, require_new
from derm_kit.cli.signatures import (
    NOTHING_SENT,
    By,
    Effective,
    Reason,
    day,
    names,
    open_existing,
    print_table,
    signer,
    write_new,
)

if TYPE_CHECKING:
    from derm_kit.records.change import Change
    from derm_kit.records.impact import ImpactReport
    from derm_kit.records.register import Register
    from derm_kit.records.release import Release

change = typer.Typer(
    name="change",
    no_args_is_help=True,
    help="Change control of thresholds: every step is signed for and logged. Nothing is ever sent to a device.",
)
ChangeId = Annotated[str, typer.Argument(metavar="ID", help="The change, or a beginning of its id.")]
Out = Annotated[Path | None, typer.Option(help="Write the signed policy to this new file.")]


@change.command()
def propose(file: Annotated[Path, typer.Argument(help="Change proposal of page 03, as JSON.")], by: By) -> None:
    """Store a proposal with its impact report, for somebody else to decide on."""
    from derm_kit.records import change as changes
    from derm_kit.records.proposals import read_proposal

    proposal = read_proposal(file)
    with open_existing() as register:
        person, passphrase = signer(register, by)
        made = changes.propose(register, proposal, person.id, passphrase)
    console.print(f"Proposed: change {made.id}.")
    console.print(f"A safety officer other than {plain(person.name)} decides: derm-kit change show {made.id[:8]}.")


@change.command("list")
def list_changes() -> None:
    """Print every change and where it stands."""
    from derm_kit.records import change as changes

    with open_existing() as register:
        who = names(register)
        rows = [
            (c.id[:8], c.state, who[c.author], who.get(c.approver or "", ""), c.created_at[:16], c.changed_at[:16])
            for c in changes.standings(register)
        ]
    print_table("Changes", ("id", "state", "author", "approved by", "proposed (UTC)", "last step (UTC)"), rows)


@change.command()
def show(
    change_id: ChangeId,
    every: Annotated[bool, typer.Option("--all", help="Also subgroups and calls in which nothing changes.")] = False,
) -> None:
    """Print a change: the report that was frozen with it, where it starts from, and who did what."""
    from derm_kit.records import change as changes

    with open_existing() as register:
        found = changes.find(register, change_id)
        _print_standing(register, found)
        _print_report(found.report, every=every)
        who = names(register)
        rows = [
            (entry.at[:16], who.get(entry.actor, entry.actor), entry.action, entry.details.get("reason"))
            for entry in changes.history(register, found.id)
        ]
    print_table("What was done, as the audit log has it", ("at (UTC)", "who", "what", "reason"), rows)


@change.command()
def check(change_id: ChangeId, run: RunPath = None) -> None:
    """Work the report, but for guarantees, out anew from the scores it names; say whether they bear it out."""
    from derm_kit.cli.inputs import read_run
    from derm_kit.errors import RecordError
    from derm_kit.records import change as changes
    from derm_kit.records.impact import ImpactReport, unlike

    with open_existing() as register:
        found = changes.find(register, change_id)
    parts = unlike(found.proposal, read_run(run))
    if ImpactReport.of(found.proposal).text != found.report_text:
        parts = ("the report is not that of the proposal", *parts)
    if parts:
        raise RecordError(
            f"the scores do not bear this report out: {', '.join(parts)}",
            case=f"change {found.id}",
            next_step="Ask the author how it was made; reject it if that stays unclear.",
        )
    console.print("The scores bear this report out: every figure is the same when it is worked out anew.")


@change.command()
def approve(change_id: ChangeId, by: By, reason: Reason) -> None:
    """Approve a change. Only a safety officer who is a registered clinician and not the author may."""
    from derm_kit.records import change as changes

    with open_existing() as register:
        seen = changes.find(register, change_id)
        person, passphrase = signer(register, by)
        made = changes.approve(register, seen, person.id, passphrase, reason)
    console.print(f"Approved: change {made.id}. Next: derm-kit change release {made.id[:8]}.")


@change.command()
def reject(change_id: ChangeId, by: By, reason: Reason) -> None:
    """Reject a change, or take an approval back. As for approve, never the author."""
    from derm_kit.records import change as changes

    with open_existing() as register:
        seen = changes.find(register, change_id)
        person, passphrase = signer(register, by)
        made = changes.reject(register, seen, person.id, passphrase, reason)
    console.print(f"Rejected: change {made.id}.")


@change.command()
def withdraw(change_id: ChangeId, by: By) -> None:
    """Withdraw one's own change before its release."""
    from derm_kit.records import change as changes

    with open_existing() as register:
        seen = changes.find(register, change_id)
        person, passphrase = signer(register, by)
        made = changes.withdraw(register, seen, person.id, passphrase)
    console.print(f"Withdrawn: change {made.id}.")


@change.command()
def release(change_id: ChangeId, by: By, effective: Effective = None, out: Out = None) -> None:
    """Release an approved change as the next version of the policy, signed."""
    from derm_kit.records import change as changes

    require_new(out)
    with open_existing() as register:
        seen = changes.find(register, change_id)
        person, passphrase = signer(register, by)
        made = changes.release_change(register, seen, person.id, passphrase, day(effective))
    _say_released(made, out)


@change.command()
def rollback(
    version: Annotated[int, typer.Argument(min=0, help="Release to go back to; 0 is what the first started from.")],
    by: By,
    reason: Reason,
    effective: Effective = None,
    out: Out = None,
) -> None:
    """Release the text of an earlier version anew, as the next version. Nothing is deleted."""
    from derm_kit.records import change as changes
    from derm_kit.records.release import releases

    require_new(out)
    with open_existing() as register:
        known = releases(register)
        person, passphrase = signer(register, by)
        newest = known[-1].version if known else 0
        made = changes.roll_back(register, version, newest, person.id, passphrase, reason, day(effective))
    _say_released(made, out)


def _say_released(made: Release, out: Path | None) -> None:
    from derm_kit.records.signing import fingerprint

    key = fingerprint(made.signed.public_key)
    console.print(f"Released: {made.in_words()}, signed with the key {key}.", highlight=False)
    if out:
        write_new(out, made.signed.text, "the signed policy")
    else:
        console.print(f"To write the signed file: derm-kit policy export {made.version} --out FILE")
    console.print(NOTHING_SENT)


def _print_standing(register: Register, found: Change) -> None:
    from derm_kit.records.change_steps import OPEN
    from derm_kit.records.starting_point import starting_point

    who, report = names(register), found.report
    rows = (
        ("state", found.in_words()),
        ("author", who[found.author]),
        ("approved by", who.get(found.approver or "", "")),
        ("from", report.old_policy),
        ("that is", starting_point(register, found.proposal) if found.state in OPEN else ""),
        ("to", report.new_policy),
        ("why", report.rationale),
        ("model (SHA-256)", report.model_hash or "the scores do not say which model gave them"),
        ("scoring (SHA-256)", report.scoring_sha256),
        ("scores and truth (SHA-256)", report.run_sha256),
        ("cases", f"{report.cases:,}"),
        ("linked hazards", ", ".join(report.hazard_ids) or "none named"),
        ("capacity", report.capacity if isinstance(report.capacity, str) else str(report.capacity)),
    )
    print_table(f"Change {found.id}", ("", ""), rows)


def _print_report(report: ImpactReport, *, every: bool) -> None:
    from derm_kit.triage.guarantee import rounded_down

    shown = [tuple("" if x is None else rounded_down(x) for x in (row.old, row.new)) for row in report.thresholds]
    print_table(
        "Thresholds",
        ("lesion type", "old", "new"),
        ((row.lesion_type.label, *pair) for row, pair in zip(report.thresholds, shown, strict=True)),
    )
    print_table(
        "Caught: called that type or a more serious one, all cases; 95 % intervals of the paired difference",
        ("of", "cases", "before", "after", "gained", "lost", "difference", "low", "high"),
        (
            (c.of.replace("_", " "), c.n, c.before, c.after, c.gained, c.lost, c.difference, c.low, c.high)
            for c in (*report.by_type, *report.overall)
        ),
    )
    print_table(
        "In 1,000 cases like these, with 95 % intervals",
        ("kind of change", "cases", "per 1,000", "low", "high"),
        ((k.kind, k.cases, k.per_1000, k.low, k.high) for k in report.per_1000),
    )
    extra, low, high = report.extra_missed_per_1000, report.extra_missed_low, report.extra_missed_high
    console.print(
        f"Extra missed cancers per 1,000 cases, those newly flagged taken off: {extra:.1f} "
        f"(95 % interval {low:.1f} to {high:.1f})."
    )
    print_table(
        "Calls by truth",
        ("truth", "call", "before", "after"),
        (
            (cell.truth.label, cell.call.replace("_", " "), cell.before, cell.after)
            for cell in report.confusion
            if every or cell.before != cell.after
        ),
    )
    print_table(
        "By subgroup, all cases; each count with the 95 % interval of its rate",
        ("group", "rate", "cases", "before", "interval", "after", "interval"),
        (
            (
                f"{g.grouping}: {g.group}" if g.grouping else "all cases",
                f"{g.measure} {g.lesion_type.replace('_', ' ')}".strip(),
                g.n,
                g.before,
                f"{g.before_low:.3f} to {g.before_high:.3f}",
                g.after,
                f"{g.after_low:.3f} to {g.after_high:.3f}",
            )
            for g in report.by_subgroup
            if every or g.before != g.after
        ),
    )
    if not every:
        console.print("Subgroups and calls in which nothing changes are left out; --all prints them.")
    console.print(
        "Guarantees as the author's proposal states them:" if report.guarantees else "No guarantee is claimed."
    )
    for guarantee in report.guarantees:
        console.print(plain(f"{guarantee.get('lesion_type', '')}: {guarantee.get('reason', '')}".replace("_", " ")))
    console.print("Every interval assumes independent lesions.")
