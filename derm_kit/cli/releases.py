"""derm-kit policy: the default policy, and signed releases: list, export, verify without database or network."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from derm_kit.cli.console import console, plain
from derm_kit.cli.inputs import ModelFolder, require_new
from derm_kit.cli.results import policy as print_default
from derm_kit.cli.signatures import NOTHING_SENT, names, open_existing, print_table, write_new
from derm_kit.errors import PolicyError

policy = typer.Typer(name="policy", invoke_without_command=True, callback=print_default)


@policy.command()
def verify(
    file: Annotated[Path, typer.Argument(help="Signed policy.")],
    public_key: Annotated[
        Path | None, typer.Option(help="Public key of those who release. Left out: that of this workspace.")
    ] = None,
    model: ModelFolder = None,
    out: Annotated[Path | None, typer.Option(help="Write the policy, once verified, to this new JSON file.")] = None,
) -> None:
    """Check that a signed policy is whole, signed by the key expected, effective, and for this model."""
    from derm_kit.model.card import default_model, load_card
    from derm_kit.records.signing import SignedPolicy, findings, fingerprint, read_key, read_public_key
    from derm_kit.records.workspace import Workspace

    require_new(out)
    signed = SignedPolicy.read(file)
    own = None if public_key else read_key(Workspace.named())
    if public_key:
        expected = read_public_key(public_key)
    elif own:
        expected = own.public_key()
    else:
        raise PolicyError(
            "a signature is checked with the public key of those who release, got from them and not with the file",
            case=str(file),
            next_step="Name it with --public-key; 'derm-kit policy public-key' prints it where policies are released.",
        )
    card = load_card(model or default_model())
    wrong = tuple(findings(signed, expected, card, datetime.now(UTC)))
    if wrong:
        raise PolicyError(
            f"not to be used: {'; '.join(wrong)}",
            case=str(file),
            next_step="Fetch the release again from those who made it, and compare the fingerprint of their key.",
        )
    chosen = signed.triage_policy
    print_table(
        "Verified",
        ("", ""),
        (
            ("policy", f"{chosen.name}, version {chosen.version}"),
            ("release", str(signed.version)),
            ("effective from", signed.effective_from),
            ("change", signed.change or "none: the policy from before the first release"),
            ("policy (SHA-256)", signed.sha256),
            ("signed with the key", fingerprint(signed.public_key)),
            ("model", f"{card.name} {card.version}" if chosen.model_hash else "not named by the policy: not checked"),
        ),
    )
    console.print("Whether a newer release exists, only those who release can say.")
    if out:
        write_new(out, chosen.model_dump_json(indent=2) + "\n", "the policy")


@policy.command("releases")
def list_releases() -> None:
    """Print every release, and which is in force."""
    from derm_kit.records.release import release_in_force, releases

    with open_existing() as register:
        who, found, current = names(register), releases(register), release_in_force(register)
    rows = [
        (
            str(r.version),
            "in force" if current and r.id == current.id else "" if r.effective(datetime.now(UTC)) else "waits",
            r.signed.effective_from[:16],
            r.signed.policy.get("name"),
            (r.signed.change or "before the first")[:16],
            who[r.released_by],
            r.signed.sha256[:12],
        )
        for r in found
    ]
    print_table(
        "Releases", ("version", "", "effective (UTC)", "policy", "change", "released by", "policy (SHA-256)"), rows
    )
    if not current:
        console.print("No release is in force: the default policy of the model is.")


@policy.command()
def export(
    version: Annotated[int, typer.Argument(min=1, help="Release.")],
    out: Annotated[Path, typer.Option(help="New file to write.")],
    plain_policy: Annotated[bool, typer.Option("--plain", help="The policy alone, to open page 03 on.")] = False,
) -> None:
    """Write the signed file of a release."""
    from derm_kit.records.release import find

    require_new(out)
    with open_existing() as register:
        found = find(register, version)
    if not found.signed.fits:
        raise PolicyError(
            "the signature of this release does not fit what the register holds",
            case=f"release {version}",
            next_step="Run: derm-kit audit verify.",
        )
    if plain_policy:
        write_new(out, found.policy.model_dump_json(indent=2) + "\n", "the policy")
    else:
        write_new(out, found.signed.text, "the signed policy")
        console.print(NOTHING_SENT)


@policy.command("public-key")
def print_public_key() -> None:
    """Print the public key that verifies this workspace's releases (PEM), for everybody who verifies."""
    from derm_kit.records.signing import encoded, fingerprint, key_file, public_pem, read_key
    from derm_kit.records.workspace import Workspace

    workspace = Workspace.named()
    key = read_key(workspace)
    if key is None:
        raise PolicyError(
            "this workspace has no key that signs releases",
            case=str(key_file(workspace)),
            next_step="It is made with the first release: derm-kit change release.",
        )
    sys.stdout.write(public_pem(key.public_key()))
    typer.echo(f"Fingerprint: {fingerprint(encoded(key.public_key()))}", err=True)


@policy.command("new-key")
def take_new_key() -> None:
    """Sign with a new key from now on, where the old one was lost or read by others; logged."""
    from derm_kit.records.release import new_key
    from derm_kit.records.signing import encoded, fingerprint

    with open_existing() as register:
        made = new_key(register)
    console.print(f"New key: {plain(fingerprint(encoded(made.public_key())))}", highlight=False)
    console.print("Give its public key to everybody who verifies: derm-kit policy public-key.")
    console.print("To sign the policy in force with it: derm-kit change rollback, to that policy's own version.")
