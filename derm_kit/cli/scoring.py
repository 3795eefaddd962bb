"""derm-kit score and check: what runs the network."""

from __future__ import annotations

import csv
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.markup import escape

from derm_kit.cli.cluster import ClosedNetwork, Scheduler, TlsCa, TlsCert, TlsKey, address_of, client_of, tell
from derm_kit.cli.console import console, errors, frame_table
from derm_kit.cli.inputs import CohortPath, ModelFolder, read_cohort
from derm_kit.errors import RunError, printable

if TYPE_CHECKING:
    from derm_kit.model.classifier import Classifier
    from derm_kit.model.cluster import ClusterAddress
    from derm_kit.model.cluster_scoring import ClusterScorer

NOTES = 4
"""How many notes on a cohort `score` prints."""


def score(
    cohort: CohortPath = None,
    out: Annotated[str, typer.Option("--out", help="Run folder to write or continue.")] = "derm-kit-run",
    model: ModelFolder = None,
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where the network runs.")] = "auto",
    batch_size: Annotated[int | None, typer.Option(min=1, max=4096, help="Pictures a batch.")] = None,
    table: Annotated[Path | None, typer.Option(help="Metadata table, where it is not in the folder.")] = None,
    partitioned: Annotated[
        bool, typer.Option("--partitioned", help="Write each table as a folder of parquet files.")
    ] = False,
    scheduler: Scheduler = "",
    tls_ca: TlsCa = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    closed_network: ClosedNetwork = False,
) -> None:
    """Score every picture of a cohort over the eleven lesion types."""
    from derm_kit.model.run import REJECTS_FILE, RUN_FILE
    from derm_kit.model.scoring import may_be_continued
    from derm_kit.model.scoring import score as score_cohort

    folder = _run_folder(out)
    finished_before = (folder / RUN_FILE).is_file()
    try:
        cases = read_cohort(cohort, table)
        with _scorer(model, device, address_of(scheduler, tls_ca, tls_cert, tls_key, closed_network)) as scorer:
            run = score_cohort(cases, scorer, folder, batch_size=batch_size, partitioned=partitioned)
    except KeyboardInterrupt:
        if may_be_continued(folder):
            errors.print("Stopped. The same command continues where it was.")
        raise
    if finished_before:
        when = str(run.meta.get("finished", ""))[:16].replace("T", " ")
        console.print(f"This run was already finished on {when} UTC; nothing was scored again.")
    failed = int(run.cases["quality_fail"].sum())
    rejected = int(run.meta["n_rejected"])
    console.print(f"Cases scored: {len(run):,}. Failing the quality check: {failed:,}. Rejected: {rejected:,}.")
    rejects = folder / REJECTS_FILE
    if rejected:
        console.print(f"Each rejected case, its rule and what to do: {escape(str(rejects))}")
    _say_notes(cases.notes, cohort, table)
    if not len(run):
        errors.print(f"[bold red]derm-kit:[/bold red] no case could be scored. {escape(_first_reject(rejects))}")
        raise typer.Exit(1)
    console.print(f"Run folder: {escape(str(folder))}. Next: derm-kit show {escape(str(folder))}")


@contextmanager
def _scorer(
    model: Path | None, device: Literal["auto", "cpu", "cuda"], at: ClusterAddress | None
) -> Iterator[Classifier | ClusterScorer]:
    """The model in this process, or on the workers of the cluster `at`."""
    if at is None:
        from derm_kit.model.classifier import Classifier

        yield Classifier(model, device)
        return
    from derm_kit.model.cluster_scoring import ClusterScorer

    with client_of(at) as client:
        yield ClusterScorer.of(client, model, device, tell)


def check(model: ModelFolder = None, device: Literal["auto", "cpu", "cuda"] = "auto") -> None:
    """Constancy check: score the demo phantoms and compare with the values in the model's card."""
    from derm_kit.model.classifier import Classifier
    from derm_kit.model.constancy import compare

    result = compare(Classifier(model, device))
    console.print(result.sentence)
    if not result.passed:
        console.print(frame_table(result.differences))
        raise typer.Exit(1)


def _run_folder(out: str) -> Path:
    if not out.strip():
        raise RunError("--out names a folder", value=repr(out), next_step="Name one, or give no --out.")
    return Path(out)


def _say_notes(notes: tuple[str, ...], path: str | None, table: Path | None) -> None:
    """The first notes on a cohort, cut short, and the command that prints all of them."""
    for note in notes[:NOTES]:
        console.print(escape(printable(note, 200)))
    if notes:
        words = ["derm-kit", "cohort", *([path] if path else []), *(["--table", str(table)] if table else [])]
        more = f"{len(notes) - NOTES:,} more notes. " if len(notes) > NOTES else ""
        console.print(f"{more}All that was understood of the cohort, and what was not: {escape(shlex.join(words))}")


def _first_reject(rejects: Path) -> str:
    with rejects.open(encoding="utf-8", newline="") as file:
        first = next(csv.DictReader(file))
    return f"The first, {first['file'] or first['case_id']}: {first['rule']}. {first['next_step']}"
