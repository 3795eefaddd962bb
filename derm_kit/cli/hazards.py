"""derm-kit hazards: the hazard log, its approval, its reviews that are due, its way to a spreadsheet and back."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from derm_kit.cli.console import console, plain
from derm_kit.cli.hazard_tables import print_hazard, print_import, print_list, print_matrix, print_versions
from derm_kit.cli.inputs import require_new
from derm_kit.cli.signatures import By, Reason, day, names, open_existing, signer, write_new

if TYPE_CHECKING:
    from derm_kit.errors import RecordError
    from derm_kit.records.hazards import Hazard

hazards = typer.Typer(
    name="hazards",
    no_args_is_help=True,
    help="The hazard log (DCB0129, DCB0160): versions are approved by a clinical safety officer and never deleted.",
)
HazardId = Annotated[str, typer.Argument(metavar="ID", help="The hazard, such as H-001.")]
ContentFile = Annotated[Path, typer.Argument(metavar="FILE", help="Its content as JSON: see hazards show --out.")]
LogFile = Annotated[Path, typer.Argument(metavar="FILE", help="A .csv or .json file as hazards export writes it.")]


@hazards.command()
def seed(by: By) -> None:
    """Begin an empty log with the ten hazards that derm-kit ships, as drafts: every judgement in them is proposed."""
    from derm_kit.records.hazard_import import seed as begin

    with open_existing() as register:
        person, passphrase = signer(register, by)
        made = begin(register, person.id, passphrase)
    console.print(f"Begun: {len(made.rows)} hazards as drafts of {plain(person.name)}.")
    console.print(
        "Every likelihood and severity in them is proposed, to be confirmed by your clinical safety officer: none is "
        "approved until somebody here has revised it. Next: derm-kit hazards list."
    )


@hazards.command()
def matrix() -> None:
    """Print the risk matrix of DCB0129, and what each likelihood and severity means."""
    print_matrix()


@hazards.command("list")
def list_hazards() -> None:
    """Print every hazard: its risks, where it stands, and whether its newest version was approved."""
    from derm_kit.records import hazards as log

    with open_existing() as register:
        found = log.log(register)
    print_list("Hazard log", found)


@hazards.command()
def overdue(
    on: Annotated[datetime | None, typer.Option("--on", formats=["%Y-%m-%d"], help="As of this day. Today.")] = None,
) -> None:
    """Print the hazards whose review date went by, or was never set."""
    from derm_kit.records import hazards as log

    with open_existing() as register:
        found = log.overdue(register, day(on))
    print_list("Reviews that are due", found)
    console.print(f"{len(found):,} reviews are due." if found else "No review is due.")


@hazards.command()
def show(
    hazard: HazardId,
    version: Annotated[int | None, typer.Option(min=1, help="An earlier version. Left out: the newest.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write its content to this new file, to revise it.")] = None,
) -> None:
    """Print a version of a hazard whole, its evidence, and who wrote and approved which version."""
    from derm_kit.records import hazards as log

    require_new(out)
    with open_existing() as register:
        found = log.of_version(register, hazard, version) if version else log.find(register, hazard)
        print_hazard(register, found)
        print_versions(names(register), log.history(register, hazard))
    if out:
        said = {"version": found.version, "content": found.content.model_dump(mode="json")}
        write_new(out, json.dumps(said, ensure_ascii=False, indent=1) + "\n", "the content")


@hazards.command()
def add(file: ContentFile, by: By) -> None:
    """Add a hazard, as a draft."""
    from derm_kit.records import hazards as log
    from derm_kit.records.hazard_content import content_of

    raw, _ = _content_in(file)
    content = content_of(raw, str(file))
    with open_existing() as register:
        person, passphrase = signer(register, by)
        made = log.add(register, content, person.id, passphrase)
    _say_drafted(made)


@hazards.command()
def revise(
    hazard: HazardId,
    by: By,
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="Its new content, from show --out.")] = None,
    changes: Annotated[list[str] | None, typer.Option("--set", help="One field: --set owner='safety lead'.")] = None,
) -> None:
    """Write the next version of a hazard, as a draft: from a file, or field by field."""
    from derm_kit.records import hazards as log
    from derm_kit.records.hazard_import import full_content

    with open_existing() as register:
        seen = log.find(register, hazard)
        raw, version = _content_in(file) if file else (seen.content.model_dump(mode="json"), seen.version)
        if version is None:
            raise _without_version(file)
        content = full_content(raw | _set(changes or [], seen), f"hazard {hazard}")
        seen = seen if version == seen.version else log.of_version(register, hazard, version)
        person, passphrase = signer(register, by)
        made = log.revise(register, seen, content, person.id, passphrase)
    _say_drafted(made)


@hazards.command()
def approve(
    hazard: HazardId,
    by: By,
    reason: Reason,
    version: Annotated[int | None, typer.Option(min=1, help="The version that was read. Left out: the newest.")] = None,
) -> None:
    """Approve the newest version. Only a safety officer who is a registered clinician and did not write it may."""
    from derm_kit.records import hazards as log

    with open_existing() as register:
        seen = log.of_version(register, hazard, version) if version else log.find(register, hazard)
        person, passphrase = signer(register, by)
        made = log.approve(register, seen, person.id, passphrase, reason)
    console.print(f"Approved: hazard {made.id}, version {made.version}.")


@hazards.command()
def export(out: Annotated[Path, typer.Option("--out", help="New .csv or .json file to write.")]) -> None:
    """Write the newest version of every hazard to a file; import reads it back exactly."""
    from derm_kit.records import hazards as log
    from derm_kit.records.hazard_files import write

    with open_existing() as register:
        found = log.log(register)
    write(found, out)
    console.print(f"{len(found):,} hazards in {plain(out)}.")


@hazards.command("import")
def import_log(
    file: LogFile,
    by: Annotated[str, typer.Option("--by", help="Who imports, id or name; asked for the passphrase.")] = "",
    check: Annotated[bool, typer.Option("--check", help="Only say what would be done.")] = False,
    without_refused: Annotated[bool, typer.Option("--without-refused", help="Store the rows that hold.")] = False,
) -> None:
    """Read a log from a file: new and changed hazards become drafts. Where a row is refused nothing is stored."""
    from derm_kit.errors import RecordError
    from derm_kit.records import hazard_import
    from derm_kit.records.hazard_files import read

    if not by and not check:
        raise RecordError(
            "what is imported is written by somebody",
            case=str(file),
            next_step="Name them: --by. To look first: --check.",
        )
    given = read(file)
    with open_existing() as register:
        if check:
            done = hazard_import.look_through(register, given)
        else:
            person, passphrase = signer(register, by)
            done = hazard_import.import_log(register, given, person.id, passphrase, without_refused=without_refused)
    print_import(done)
    refused = len(done.of(hazard_import.Outcome.REFUSED))
    if refused and not done.stored and not check:
        raise RecordError(
            "where a row is refused nothing of the file is stored",
            case=str(file),
            value=f"{refused:,} refused",
            next_step="Mend those rows, or store the others: --without-refused.",
        )
    console.print("Stored, as drafts." if done.stored else "Nothing was stored.")


def _without_version(file: Path | None) -> RecordError:
    from derm_kit.errors import RecordError

    return RecordError(
        "a revision says which version it starts from",
        case=str(file),
        next_step="Start from the file that hazards show --out writes.",
    )


def _content_in(file: Path) -> tuple[dict[str, Any], int | None]:
    """The content in a file, and the version that it starts from where it says one."""
    from derm_kit.errors import RecordError
    from derm_kit.records.exact_json import read_object

    found = read_object(file, "a hazard")
    if not isinstance(found.get("content"), dict):
        return found, None
    version = found.get("version")
    if type(version) is not int or set(found) - {"version", "content"}:
        raise RecordError(
            "a file of a hazard holds its version and its content", case=str(file), next_step="See hazards show --out."
        )
    return found["content"], version


def _set(changes: list[str], seen: Hazard) -> dict[str, Any]:
    """Fields that are given on the command line; the raw text is judged with the rest."""
    from derm_kit.errors import RecordError

    raw = seen.content.model_dump(mode="json")
    found: dict[str, Any] = {}
    for change in changes:
        field, sign, text = change.partition("=")
        if not sign or field not in raw or isinstance(raw[field], list | dict):
            raise RecordError(
                "--set gives one field that holds a single text, as FIELD=TEXT",
                value=change,
                next_step="Lists are changed in a file: hazards show ID --out FILE, then hazards revise ID FILE.",
            )
        found[field] = text or (None if raw[field] is None else "")
    return found


def _say_drafted(made: Hazard) -> None:
    console.print(f"Stored: hazard {made.id}, version {made.version}, a draft.")
    console.print(f"A safety officer other than its author approves it: derm-kit hazards approve {made.id}.")
