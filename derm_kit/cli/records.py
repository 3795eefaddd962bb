"""derm-kit people, audit and register: who may sign, whether the log is whole, backup and restore."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from derm_kit.cli.console import console, errors, plain
from derm_kit.cli.signatures import open_existing
from derm_kit.errors import RecordError

people = typer.Typer(name="people", no_args_is_help=True, help="Who may review, approve and administer.")
audit = typer.Typer(name="audit", no_args_is_help=True, help="Check or export the audit log.")
register = typer.Typer(name="register", no_args_is_help=True, help="Back up or restore the register.")
GROUPS = (people, audit, register)

ROLES = ("reviewer", "dermatologist", "safety officer", "administrator")
"""The roles of derm_kit.records.people, which is not imported to print a help text."""
MOST_MENTIONS = 50
"""Texts told one by one after a person was erased."""
NewFile = Annotated[Path, typer.Option("--out", help="New file to write.")]


@people.command()
def add(
    name: Annotated[str, typer.Argument(help="Name that the person signs with.")],
    role: Annotated[str, typer.Option(help=f"One of: {', '.join(ROLES)}.")],
    registration: Annotated[str, typer.Option(help="Professional registration, such as 'GMC 1234567'.")] = "",
) -> None:
    """Add a person; the passphrase is asked for, twice."""
    from derm_kit.records.people import Role
    from derm_kit.records.register import Register

    if role not in set(Role):
        raise RecordError(f"a role is one of: {', '.join(Role)}", value=role, next_step="Name one of them.")
    passphrase = typer.prompt("Passphrase (12 characters or more)", hide_input=True, confirmation_prompt=True)
    with Register.open() as opened:
        person = opened.add_person(name, Role(role), passphrase, registration=registration)
    console.print(f"Added: {plain(person.name)}, {person.role}, id {person.id}")


@people.command("list")
def list_people() -> None:
    """Print everybody: name, role, registration and the id that the audit log knows them by."""
    with open_existing() as opened:
        everybody = opened.people()
    table = Table()
    for heading in ("name", "role", "registration", "login", "added", "id"):
        table.add_column(heading, overflow="fold", no_wrap=heading == "id")
    for person in everybody:
        name = "(erased)" if person.erased_at else person.name
        cells = name, person.role, person.registration, person.login, person.added_at[:10], person.id
        table.add_row(*map(plain, cells))
    console.print(table)


@people.command()
def erase(
    person: Annotated[str, typer.Argument(help="Id, as 'derm-kit people list' prints it.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Erase a person's name, registration, passphrase and login; what they did stays under the id.

    Says where else in the register the name may stand.
    """
    with open_existing() as opened:
        found = opened.person(person)
        if not yes:
            typer.confirm(f"Erase who {plain(found.name)} is? This cannot be undone", abort=True)
        named = opened.mentions(person)
        opened.erase_person(person)
    console.print(f"Erased. Reviews and audit log keep the id {plain(person)}. Older backups still hold the name.")
    if not named:
        console.print("No other text in the register holds a word of the name, the registration or the login.")
        return
    console.print(f"Texts that others wrote are not changed; {len(named):,} may name the person. Look at each:")
    for one in named[:MOST_MENTIONS]:
        console.print(f"  {plain(one.subject)}, {plain(one.column)}: '{plain(one.found)}'", soft_wrap=True)
    if len(named) > MOST_MENTIONS:
        console.print(f"  and {len(named) - MOST_MENTIONS:,} more")


@people.command()
def login(
    person: Annotated[str, typer.Argument(help="Id, as 'derm-kit people list' prints it.")],
    name: Annotated[str, typer.Argument(help="Login name, as the proxy or the JupyterHub sends it.")] = "",
    none: Annotated[bool, typer.Option("--none", help="Take the login away.")] = False,
) -> None:
    """Have a login name stand for a person on the pages; a decision still needs their passphrase."""
    if bool(name.strip()) == none:
        raise RecordError(
            "a person is given one login name, or --none",
            case=person,
            value=name,
            next_step="derm-kit people login ID NAME, or: derm-kit people login ID --none.",
        )
    with open_existing() as opened:
        found = opened.name_login(person, name)
    if none:
        console.print(f"No login stands for {plain(found.name)} any more.")
    else:
        console.print(f"The login {plain(found.login)} stands for {plain(found.name)}.")


@people.command()
def passphrase(person: Annotated[str, typer.Argument(help="Id, as 'derm-kit people list' prints it.")]) -> None:
    """Give a person a new passphrase, asked for twice; a wait after wrong ones ends."""
    with open_existing() as opened:
        opened.person(person)
        new = typer.prompt("New passphrase (12 characters or more)", hide_input=True, confirmation_prompt=True)
        opened.change_passphrase(person, new)
    console.print("Changed.")


@audit.command()
def verify(
    against: Annotated[Path | None, typer.Option(help="Earlier export of the log, kept elsewhere.")] = None,
) -> None:
    """Check every entry and record: whether it is what was written. Status 1 where anything is not."""
    with open_existing() as opened:
        found = opened.verify(against)
    console.print(f"{found.head.count:,} entries. Head: {found.head.seal}", soft_wrap=True)
    if found.unanchored:
        console.print(
            f"The anchor does not know the last {found.unanchored:,} yet: a write was cut off after it was stored. "
            "The next write moves it on."
        )
    if found.sound:
        held = "the log fits its key, its anchor" + (", the export" if against else "") + " and every record"
        console.print(f"Sound: {held}.")
        return
    for finding in found.findings:
        errors.print(f"[bold red]Not sound:[/bold red] {plain(finding)}")
    raise typer.Exit(1)


@audit.command()
def export(out: NewFile) -> None:
    """Write the whole audit log, its count and its head to a file; keep it where the register's users cannot reach."""
    with open_existing() as opened:
        head = opened.export_audit(out)
    console.print(f"{head.count:,} entries in {escape(str(out))}. Head: {head.seal}", soft_wrap=True)


@register.command()
def backup(out: NewFile) -> None:
    """Write the register to one file and check it. The workspace's two keys are not in it: keep copies elsewhere."""
    from derm_kit.records.signing import key_file

    with open_existing() as opened:
        head = opened.backup(out)
        keys = (opened.workspace.key_file, "seals the audit log"), (key_file(opened.workspace), "signs releases")
    console.print(f"{head.count:,} entries and their records in {escape(str(out))}, checked.", soft_wrap=True)
    console.print("Not in it, and without them no restore is whole: keep copies apart from it, and safe:")
    for path, what in keys:
        there = "" if path.exists() else "; made with the first release"
        console.print(f"  {escape(str(path))} ({what}{there})", soft_wrap=True)


@register.command()
def restore(
    file: Annotated[Path, typer.Argument(help="File of 'derm-kit register backup'.")],
    accept_loss: Annotated[bool, typer.Option("--accept-loss", help="Give up entries newer than the backup.")] = False,
) -> None:
    """Check a backup and put it into an empty database; the workspace holds the key already."""
    from derm_kit.records.backup import restore as restore_register
    from derm_kit.records.database import URL_VARIABLE
    from derm_kit.records.signing import key_file
    from derm_kit.records.workspace import Workspace

    workspace = Workspace.named()
    head = restore_register(file, workspace, os.environ.get(URL_VARIABLE), accept_loss=accept_loss)
    console.print(f"Restored and checked: {head.count:,} entries, the restore itself among them.")
    key = key_file(workspace)
    if not key.exists():
        console.print(f"If releases were made, put the key that signs them back: {escape(str(key))}", soft_wrap=True)
