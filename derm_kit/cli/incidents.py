"""derm-kit incidents: an alarm opens one, linked to a hazard; what was done about it is added and never deleted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from derm_kit.cli.console import console, plain
from derm_kit.cli.signatures import By, Reason, names, open_existing, print_table, signer, write_new

if TYPE_CHECKING:
    from derm_kit.records.incidents import Incident

incidents = typer.Typer(
    name="incidents",
    no_args_is_help=True,
    help="Incidents: an alarm opens one, linked to a hazard. Never deleted.",
)
IncidentId = Annotated[str, typer.Argument(metavar="ID", help="The incident, such as I-001.")]
Said = Annotated[str, typer.Option("--said", help="What was found or done. It stays for good: name nobody.")]


@incidents.command("list")
def list_incidents(
    only_open: Annotated[bool, typer.Option("--open", help="Only those that are not closed.")] = False,
) -> None:
    """Print every incident: its alarm, its hazard, where it stands."""
    from derm_kit.records import incidents as kept

    with open_existing() as register:
        who = names(register)
        rows = [
            (i.id, i.state, i.hazard, i.alarm.signal, i.alarm.scope, i.alarm.raised_at[:16], who[i.opened_by])
            for i in kept.incidents(register)
            if not (only_open and i.closed)
        ]
    print_table("Incidents", ("id", "state", "hazard", "signal", "of", "raised (UTC)", "opened by"), rows)


@incidents.command()
def show(incident: IncidentId) -> None:
    """Print an incident: the alarm as it was frozen, and every step."""
    from derm_kit.records import incidents as kept

    with open_existing() as register:
        found = kept.find(register, incident)
        who = names(register)
    alarm = found.alarm
    print_table(
        f"Incident {found.id}: {found.state}",
        ("", ""),
        (
            ("hazard", found.hazard),
            ("signal", alarm.signal),
            ("of", alarm.scope or "all"),
            ("raised (UTC)", alarm.raised_at),
            ("said", alarm.said),
            *((name, str(value)) for name, value in alarm.facts.items()),
        ),
    )
    steps = [
        (step.number, step.at[:16], who.get(step.person, step.person), step.kind, step.said, step.hazard_version)
        for step in found.steps
    ]
    print_table("Steps", ("step", "at (UTC)", "who", "what", "said", "hazard version"), steps)


@incidents.command()
def alarms(
    feed: Annotated[Path, typer.Argument(help="Folder of a feed, as for derm-kit monitor.")],
    policy: Annotated[Path | None, typer.Option(help="Policy that decides cases without a decision.")] = None,
    out: Annotated[Path | None, typer.Option(help="New folder: each alarm as a file to open an incident with.")] = None,
) -> None:
    """Print every alarm in a feed, and the incident that was opened for it if there is one."""
    from derm_kit.cli.inputs import require_new
    from derm_kit.records import incidents as kept
    from derm_kit.records.found_alarms import alarms_of
    from derm_kit.surveillance.deliveries import read_feed
    from derm_kit.surveillance.findings import findings
    from derm_kit.triage.policy import TriagePolicy

    require_new(out)
    found = findings(read_feed(feed, TriagePolicy.read(policy) if policy else None))
    raised = alarms_of(found)
    with open_existing() as register:
        opened = {incident.alarm.key: incident.id for incident in kept.incidents(register)}
    rows = [
        (i, alarm.signal, alarm.scope, alarm.raised_at[:16], alarm.said, opened.get(alarm.key, "not opened"))
        for i, alarm in enumerate(raised, 1)
    ]
    print_table("Alarms", ("", "signal", "of", "raised (UTC)", "said", "incident"), rows)
    for refused in found.refused:
        console.print(plain(refused))
    if out:
        out.mkdir(parents=True)
        for i, alarm in enumerate(raised, 1):
            write_new(out / f"alarm-{i:03d}.json", f"{alarm.text}\n", "the alarm")


@incidents.command("open")
def open_one(
    file: Annotated[Path, typer.Argument(help="The alarm as JSON: signal, scope, raised_at, said, facts.")],
    hazard: Annotated[str, typer.Option("--hazard", help="The hazard that it speaks of, such as H-006.")],
    by: By,
) -> None:
    """Open an incident for an alarm. One alarm opens one: the second time the one that stands is named.

    The file: {"signal": "CUSUM of melanoma sensitivity", "scope": "site A", "raised_at": "2026-11-28T09:30:00+00:00",
    "said": "one sentence", "facts": {"limit": 3.1, "value": 3.4}}
    """
    from derm_kit.records import incidents as kept
    from derm_kit.records.alarms import Alarm

    alarm = Alarm.read(file)
    with open_existing() as register:
        person, passphrase = signer(register, by)
        made = kept.open_incident(register, alarm, hazard, person.id, passphrase)
    console.print(f"Opened: incident {made.id}, linked to hazard {plain(made.hazard)}.")
    console.print(f"Review that hazard, then: derm-kit incidents reviewed {made.id}.")


@incidents.command()
def note(incident: IncidentId, by: By, said: Said) -> None:
    """Add a note."""
    from derm_kit.records import incidents as kept

    with open_existing() as register:
        person, passphrase = signer(register, by)
        _say_stepped(kept.note(register, incident, said, person.id, passphrase))


@incidents.command()
def reviewed(incident: IncidentId, by: By, said: Said) -> None:
    """Say that the linked hazard, as it stands now, was reviewed, and what came of it."""
    from derm_kit.records import incidents as kept

    with open_existing() as register:
        person, passphrase = signer(register, by)
        _say_stepped(kept.hazard_reviewed(register, incident, said, person.id, passphrase))


@incidents.command()
def close(incident: IncidentId, by: By, reason: Reason) -> None:
    """Close an incident once its hazard was reviewed. Only a safety officer who is a registered clinician may."""
    from derm_kit.records import incidents as kept

    with open_existing() as register:
        seen = kept.find(register, incident)
        person, passphrase = signer(register, by)
        _say_stepped(kept.close(register, seen, person.id, passphrase, reason))


def _say_stepped(made: Incident) -> None:
    console.print(f"Incident {made.id}: {plain(made.in_words())}.")
