"""derm-kit report: safety case, hazard log, change record and monitoring report, as HTML, Word or JSON."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from derm_kit.cli.console import console
from derm_kit.cli.signatures import day, open_existing

if TYPE_CHECKING:
    from derm_kit.records.document_template import Template
    from derm_kit.records.report import Document
    from derm_kit.records.report_inputs import Registered
    from derm_kit.records.run_of_tests import TestRun

report = typer.Typer(
    name="report",
    no_args_is_help=True,
    help="Documents for the clinical safety file, what is missing first. The same inputs give the same bytes.",
)
Out = Annotated[list[Path], typer.Option("--out", help="New .html, .docx or .json file (again for each).")]
Own = Annotated[Path | None, typer.Option("--template", help="Your own template. Left out: the one that ships.")]
AsOf = Annotated[
    datetime | None,
    typer.Option("--as-of", formats=["%Y-%m-%d"], help="The document's day, UTC. Left out: that of the newest input."),
]
Run = Annotated[Path | None, typer.Option("--run", help="Scores with truth. Left out: the reference cohort.")]
Model = Annotated[Path | None, typer.Option("--model", help="Folder of the model. Left out: the one that ships.")]
Tests = Annotated[Path | None, typer.Option("--tests", help="JUnit XML file of a run of the tests.")]


@report.command("safety-case")
def safety_case(
    out: Out,
    run: Run = None,
    model: Model = None,
    tests: Tests = None,
    monitoring: Annotated[str, typer.Option(help="How the service is monitored, in a sentence, if it is.")] = "",
    template: Own = None,
    as_of: AsOf = None,
) -> None:
    """The clinical safety case report on the policy in force, in the structure of DCB0129."""
    from derm_kit.cli.inputs import read_run
    from derm_kit.model.card import default_model, load_card
    from derm_kit.records.safety_case import Evidence
    from derm_kit.records.safety_case import safety_case as write_case

    _require_files(out)
    known, own, ran = _registered(), _template(template), _tests(tests)
    scores, card = read_run(run), load_card(model or default_model())
    on = day(as_of) or max(filter(None, (known.last_entry, date.fromisoformat(card.released[:10]))))
    _write(lambda: write_case(known, Evidence(scores, card, ran, monitoring), on, own), out)


@report.command("hazard-log")
def hazard_log(out: Out, tests: Tests = None, template: Own = None, as_of: AsOf = None) -> None:
    """The hazard log: the matrix, every hazard with every field, its evidence, and all versions."""
    from derm_kit.records.hazard_log_report import hazard_log as write_log

    _require_files(out)
    with open_existing():
        known, own, ran = _registered(), _template(template), _tests(tests)
    on = _day_of(as_of, known)
    _write(lambda: write_log(known, on, tests=ran, template=own), out)


@report.command("change-record")
def change_record(
    change: Annotated[str, typer.Argument(metavar="CHANGE", help="The change, or a beginning of its id.")],
    out: Out,
    run: Run = None,
    template: Own = None,
    as_of: AsOf = None,
) -> None:
    """One change of thresholds: what it does, who proposed, approved and released it, and how to go back."""
    from derm_kit.cli.inputs import read_run
    from derm_kit.records.change_record_report import change_record as write_record

    _require_files(out)
    own, scores = _template(template), read_run(run)
    with open_existing() as register:
        on = _day_of(as_of, _registered())
        _write(lambda: write_record(register, change, on, run=scores, template=own), out)


@report.command()
def monitoring(
    feed: Annotated[Path, typer.Argument(metavar="FEED", help="Folder with deliveries: FEED/cases, FEED/outcomes.")],
    out: Out,
    as_of: Annotated[
        datetime,
        typer.Option("--as-of", formats=["%Y-%m-%d"], help="The document's day, UTC: later rows are set aside."),
    ],
    template: Own = None,
) -> None:
    """What a service's feed says: oddities first, then signals with their run lengths, rates and drift."""
    from derm_kit.records.monitoring_facts import read_monitored
    from derm_kit.records.monitoring_report import monitoring_report
    from derm_kit.records.release import default_policy

    _require_files(out)
    known, own, on = _registered(), _template(template), as_of.date()
    release = known.in_force(on)
    with console.status("Working out the signals"):
        found = read_monitored(feed, release.policy if release else default_policy(), on)
    _write(lambda: monitoring_report(found, known, on, own), out)


def _require_files(out: list[Path]) -> None:
    from derm_kit.records.report import require_report_file
    from derm_kit.records.report_json import REPORT_WRITERS

    for file in out:
        require_report_file(file, REPORT_WRITERS)


def _registered() -> Registered:
    """What the register of this machine says; nothing where there is none."""
    from derm_kit.records.database import URL_VARIABLE
    from derm_kit.records.report_inputs import Registered
    from derm_kit.records.workspace import Workspace

    if not os.environ.get(URL_VARIABLE) and not Workspace.named().has_database():
        return Registered()
    with open_existing() as register:
        return Registered.of(register)


def _day_of(as_of: datetime | None, known: Registered) -> date:
    """The day of a document: as said, else that of the register's last entry."""
    from derm_kit.errors import RecordError

    on = day(as_of) or known.last_entry
    if on is None:
        raise RecordError("a document has a day", next_step="Name it: --as-of 2026-12-01.")
    return on


def _template(path: Path | None) -> Template | None:
    from derm_kit.records.document_template import Template

    return Template.read(path) if path else None


def _tests(path: Path | None) -> TestRun | None:
    from derm_kit.records.run_of_tests import TestRun

    return TestRun.read(path) if path else None


def _write(make: Callable[[], Document], out: list[Path]) -> None:
    from derm_kit.records.document_template import MISSING
    from derm_kit.records.report import Table, write
    from derm_kit.records.report_json import REPORT_WRITERS

    document = make()
    for file in out:
        write(document, file, REPORT_WRITERS)
        console.print(f"{escape(document.title)}: {escape(str(file))}")
    first = document.sections[0]
    lacking = [block for block in first.blocks if isinstance(block, Table)]
    if lacking:
        console.print(f"{MISSING}: {len(lacking[0].rows)} things, on the first page.")
