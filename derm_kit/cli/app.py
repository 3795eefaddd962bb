"""The commands together, and how a person's call becomes an exit status."""

from __future__ import annotations

import io
import sys

import typer
from rich.markup import escape

from derm_kit.cli.changes import change
from derm_kit.cli.console import NOTICE, console, errors
from derm_kit.cli.hazards import hazards
from derm_kit.cli.incidents import incidents
from derm_kit.cli.monitoring import monitor
from derm_kit.cli.pictures import cohort, fetch_isic, phantoms
from derm_kit.cli.records import GROUPS
from derm_kit.cli.releases import policy
from derm_kit.cli.reports import report
from derm_kit.cli.results import decide, show
from derm_kit.cli.scoring import check, score
from derm_kit.cli.serving import serve
from derm_kit.cli.simulation import simulate
from derm_kit.cli.tuning import accuracy, tune
from derm_kit.cli.workbench import workbench
from derm_kit.errors import DermKitError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help=f"Open workbench for safe AI triage of skin lesions. {NOTICE}",
)


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


for command in (
    score, show, decide, tune, accuracy, simulate, cohort, check, phantoms, fetch_isic, workbench, serve, monitor,
):  # fmt: skip
    app.command()(command)
for group in (*GROUPS, change, policy, hazards, incidents, report):
    app.add_typer(group)
