"""What commands on the register share: where it is, who signs, tables, files that are written once."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from derm_kit.cli.console import console, plain
from derm_kit.errors import DermKitError

if TYPE_CHECKING:
    from datetime import date

    from derm_kit.records.people import Person
    from derm_kit.records.register import Register

By = Annotated[str, typer.Option("--by", help="Who takes this step: id or name; asked for the passphrase.")]
Reason = Annotated[str, typer.Option("--reason", help="Why. It stays in the audit log for good: name nobody.")]
Effective = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d"], help="From 0:00 UTC of this date. Left out: now.")
]
NOTHING_SENT = "Nothing was sent to any device: whoever runs one fetches the file and verifies it."


def open_existing() -> Register:
    """The register of this machine. Raises RecordError, and makes nothing, where there is none."""
    from derm_kit.records.register import Register

    return Register.open(make=False)


def signer(register: Register, named: str) -> tuple[Person, str]:
    """The person named by id or name, and the passphrase that they type. Raises RecordError."""
    from derm_kit.errors import RecordError

    found = [
        person
        for person in register.people()
        if person.erased_at is None and (person.id == named or person.name.casefold() == named.strip().casefold())
    ]
    if len(found) != 1:
        raise RecordError(
            "several people have this name" if found else "there is nobody of this id or name in the register",
            case=named,
            next_step="Give the id: derm-kit people list.",
        )
    return found[0], typer.prompt(f"Passphrase of {plain(found[0].name)}", hide_input=True, err=True)


def names(register: Register) -> dict[str, str]:
    """What people are called, by id."""
    return {p.id: p.name or f"erased person {p.id[:8]}" for p in register.people()}


def day(effective: datetime | None) -> date | None:
    """The date of an option."""
    return None if effective is None else effective.replace(tzinfo=UTC).date()


def print_table(title: str, headings: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Rows under their headings; numbers on the right, floats with three decimals, nothing as a dash."""
    table, lines = Table(title=plain(title), title_justify="left"), [tuple(row) for row in rows]
    for i, heading in enumerate(headings):
        number = any(isinstance(line[i], int | float) for line in lines)
        table.add_column(heading, justify="right" if number else "left", overflow="fold")
    for line in lines:
        table.add_row(*(_cell(value) for value in line))
    console.print(table)


def _cell(value: object) -> str:
    if value is None or value == "":
        return "–"
    if isinstance(value, float):
        return f"{value:.3f}"
    return plain(f"{value:,}" if isinstance(value, int) else value)


def write_new(path: Path, text: str, what: str) -> None:
    """Write a new file and say so. Raises DermKitError where it exists or cannot be written."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise DermKitError(
            f"{what} cannot be written ({error.strerror})",
            case=str(path),
            next_step="Name a file that does not exist, in a folder that may be written. 'derm-kit policy export' "
            "writes any release again.",
        ) from None
    console.print(f"{what[0].upper()}{what[1:]}: {escape(str(path))}")
