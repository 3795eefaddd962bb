"""The commands together, and how a person's call becomes an exit status."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from derm_kit.cli.changes import change
from derm_kit.cli.console import NOTICE, console, errors
from derm_kit.cli.pictures import cohort, fetch_isic, phantoms
from derm_kit.cli.records import GROUPS
from derm_kit.cli.releases import policy
from derm_kit.cli.results import decide, show
from derm_kit.cli.scoring import check, score
from derm_kit.cli.simulation import simulate
from derm_kit.cli.tuning import accuracy, tune
from derm_kit.errors import DermKitError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help=f"Open workbench for safe AI triage of skin lesions. {NOTICE}",
)


def serve(
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Port to listen on.")] = 8866,
    address: Annotated[str, typer.Option(help="Address to listen on; the default is this machine only.")] = "127.0.0.1",
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")] = True,
    run: Annotated[Path | None, typer.Option(help="Scores to open on. Left out: the reference cohort.")] = None,
    policy: Annotated[Path | None, typer.Option(help="Policy in force. Left out: the default of the model.")] = None,
) -> None:
    """Open the workbench in a browser; Ctrl-C stops it."""
    from derm_kit.serve import serve as serve_pages

    if run or policy:
        _open_on(run, policy)
    serve_pages(port, address, open_browser=browser, ready=console.print)


def _open_on(run: Path | None, policy: Path | None) -> None:
    """Refuse here what no page could open on."""
    from derm_kit.triage.counts import CaseCounter
    from derm_kit.triage.opening import Opening, name_opening, policy_for

    opening = Opening.read(run, policy)
    CaseCounter(opening.run, policy_for(opening.run, opening.policy))
    name_opening(run, policy)


def main() -> None:
    """Run the command line; an error that derm-kit foresaw is one line, without a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    console.file, errors.file = sys.stdout, sys.stderr  # only a named file tells rich to draw tables in its letters
    try:
        app()
    except DermKitError as error:
        errors.print(f"[bold red]derm-kit:[/bold red] {escape(str(error))}")
        sys.exit(2)


for command in (score, show, decide, tune, accuracy, simulate, cohort, check, phantoms, fetch_isic, serve):
    app.command()(command)
for group in (*GROUPS, change, policy):
    app.add_typer(group)
