"""The command line: derm-kit score, show, decide, cohort, policy, check, phantoms, fetch-isic, serve."""

from __future__ import annotations

import csv
import io
import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from derm_kit.errors import DermKitError, RunError, printable

if TYPE_CHECKING:
    import pandas as pd

NOTICE = "For research and teaching. Not a medical device. If you are worried, refer."

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help=f"Open workbench for safe AI triage of skin lesions. {NOTICE}",
)
console = Console()
errors = Console(stderr=True, soft_wrap=True)
WIDE = 150
"""Characters that a table with all eleven scores needs."""
NOTES = 4
"""How many notes on a cohort `score` prints."""

CohortPath = Annotated[Path | None, typer.Argument(help="Folder, table, archive or picture. Left out: the phantoms.")]
RunPath = Annotated[
    Path | None, typer.Argument(help="Run folder, joined parquet or CSV of scores. Left out: the reference cohort.")
]
ModelFolder = Annotated[Path | None, typer.Option("--model", help="Model folder. Left out: the one that ships.")]
Rows = Annotated[int, typer.Option("--rows", min=0, help="How many cases to print; 0 prints all.")]


@app.command()
def score(
    cohort: CohortPath = None,
    out: Annotated[str, typer.Option("--out", help="Run folder to write or continue.")] = "derm-kit-run",
    model: ModelFolder = None,
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where the network runs.")] = "auto",
    batch_size: Annotated[int | None, typer.Option(min=1, max=4096, help="Pictures a batch.")] = None,
    table: Annotated[Path | None, typer.Option(help="Metadata table, where it is not in the folder.")] = None,
) -> None:
    """Score every picture of a cohort over the eleven lesion types."""
    from derm_kit.model.classifier import Classifier
    from derm_kit.model.run import REJECTS_FILE, RUN_FILE
    from derm_kit.model.scoring import may_be_continued
    from derm_kit.model.scoring import score as score_cohort

    folder = _run_folder(out)
    finished_before = (folder / RUN_FILE).is_file()
    try:
        cases = _read_cohort(cohort, table)
        run = score_cohort(cases, Classifier(model, device), folder, batch_size=batch_size)
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


@app.command()
def show(run: RunPath = None, rows: Rows = 20) -> None:
    """Print the scores of a run: all eleven where the window is wide enough, else the two highest."""
    from derm_kit.lesions import LESION_TYPES, parse_truth

    scores = _read_run(run)
    trained = set(scores.trained)
    untrained = ", ".join(t.label for i, t in enumerate(LESION_TYPES) if i not in trained)
    caption = f"Not trained, no score: {untrained}. {NOTICE}" if untrained else NOTICE
    n = len(scores)
    table = Table(title=f"Model scores of {n:,} case{'s' * (n != 1)}", caption=caption, caption_style="dim")
    table.add_column("case", no_wrap=True, overflow="ellipsis", max_width=26)
    table.add_column("truth", min_width=8)
    wide = console.width >= WIDE
    for heading in [t.short for t in LESION_TYPES] if wide else ["highest", "second"]:
        table.add_column(heading, justify="right", no_wrap=not wide)
    table.add_column("quality", min_width=8)
    for i, values in enumerate(scores.matrix[: rows or n]):
        case = scores.cases.iloc[i]
        order = sorted((k for k in trained if values[k] == values[k]), key=lambda k: -values[k])
        if wide:
            cells = ["not trained" if v != v else f"{v:.2f}" for v in values]
            if order:
                cells[order[0]] = f"[bold]{cells[order[0]]}[/bold]"
        else:
            cells = [f"{LESION_TYPES[k].short} {values[k]:.2f}" for k in order[:2]]
            cells += ["no score"] * (2 - len(cells))
        truth = " or ".join(t.short for t in LESION_TYPES if t in parse_truth(case["truth"]))
        table.add_row(_plain(case["case_id"]), truth, *cells, _plain(case["quality_reason"]))
    console.print(table)
    _say_rest(n, rows)


@app.command()
def decide(
    run: RunPath = None,
    policy: Annotated[Path | None, typer.Option(help="Policy file. Left out: the model's default.")] = None,
    model: ModelFolder = None,
    out: Annotated[Path | None, typer.Option(help="Write every decision to this CSV file.")] = None,
    rows: Rows = 20,
) -> None:
    """Print what a triage policy does with each case of a run, and why."""
    from derm_kit.cases.cohort import write_csv
    from derm_kit.triage.policy import TriagePolicy
    from derm_kit.triage.policy import decide as decide_run

    chosen = TriagePolicy.read(policy) if policy else _default_policy(model)
    decisions = decide_run(_read_run(run), chosen).table
    counts = decisions.groupby(["disposition", "suspected"], sort=False).size().sort_values(ascending=False)
    table = Table(title=f"{_plain(chosen.name)}: {len(decisions):,} cases", caption=NOTICE, caption_style="dim")
    for heading in ("disposition", "suspected", "cases", "share"):
        table.add_column(heading, justify="right" if heading in ("cases", "share") else "left")
    for key, n in counts.items():
        disposition, suspected = str(key[0]), str(key[1])  # type: ignore[index]
        table.add_row(disposition, suspected.replace("_", " ") or "–", f"{n:,}", f"{n / len(decisions):.1%}")
    console.print(table)
    console.print(_frame_table(decisions.head(rows or len(decisions))))
    _say_rest(len(decisions), rows)
    if out:
        write_csv(out, decisions)
        console.print(f"All decisions: {escape(str(out))}")


@app.command()
def cohort(path: CohortPath = None, table: Annotated[Path | None, typer.Option()] = None) -> None:
    """Say what a cohort's pictures and table were understood to mean, and what was not understood."""
    for line in _read_cohort(path, table).describe():
        console.print(escape(line))


@app.command()
def policy(
    model: ModelFolder = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema of policies instead.")] = False,
) -> None:
    """Print the model's default triage policy as JSON, to start one's own from."""
    from derm_kit.triage.policy import TriagePolicy

    if schema:
        text = json.dumps(TriagePolicy.model_json_schema(), indent=2)
    else:
        text = _default_policy(model).model_dump_json(indent=2)
    sys.stdout.write(text + "\n")


@app.command()
def check(model: ModelFolder = None, device: Literal["auto", "cpu", "cuda"] = "auto") -> None:
    """Constancy check: score the demo phantoms and compare with the values in the model's card."""
    from derm_kit.model.classifier import Classifier
    from derm_kit.model.constancy import compare

    result = compare(Classifier(model, device))
    console.print(result.sentence)
    if not result.passed:
        console.print(_frame_table(result.differences))
        raise typer.Exit(1)


@app.command()
def phantoms(
    folder: Annotated[Path, typer.Argument(help="A new folder.")],
    each: Annotated[int, typer.Option(min=1, max=10_000, help="Phantoms a lesion type.")] = 6,
    first_seed: Annotated[int, typer.Option(min=0, help="Seeds from here on; the demo cohort has 0 to 5.")] = 5_000,
) -> None:
    """Draw phantoms, test objects with known truth, with their masks and a table."""
    from derm_kit.cases.phantom import write_phantoms
    from derm_kit.errors import CohortError
    from derm_kit.lesions import LESION_TYPES

    try:
        write_phantoms(folder, [(t, first_seed + i, None) for t in LESION_TYPES for i in range(each)])
    except OSError as error:
        raise CohortError(
            f"phantoms are drawn into a new folder that can be written ({error.strerror})",
            case=str(folder),
            next_step="Name another folder.",
        ) from None
    console.print(f"{each * len(LESION_TYPES)} phantoms in {escape(str(folder))}. They are test objects, not patients.")


@app.command()
def fetch_isic(
    reference: Annotated[bool, typer.Option("--reference", help="Pictures of the reference cases.")] = False,
    search: Annotated[str, typer.Option(help="Pictures of a search in the archive's own words.")] = "",
    n: Annotated[int, typer.Option("--n", min=1, help="How many pictures at most.")] = 60,
    out: Annotated[Path | None, typer.Option(help="Folder to fill. Left out: derm-kit's own.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before the download.")] = False,
) -> None:
    """Bring real pictures from the ISIC Archive, with attribution; number, size and licences are said first."""
    from tqdm.auto import tqdm

    from derm_kit.cases import isic
    from derm_kit.cases.pictures import fetched_folder

    if reference == bool(search):
        raise typer.BadParameter("say either --reference or --search WORDS")
    found = isic.find_by_search(search, n) if search else isic.find_by_id(list(_read_run(None).cases["case_id"][:n]))
    folder = out or fetched_folder()
    console.print(f"{found.sentence} They go to {escape(str(folder))}; each keeps its own licence.")
    if not found.records or not (yes or typer.confirm("Fetch them?")):
        raise typer.Exit(0 if found.records else 1)
    with tqdm(total=len(found.records), unit="picture", desc="Fetching", disable=None) as bar:
        isic.download(found, folder, advance=lambda k: bar.update(k) and None)
    console.print(f"Fetched {len(found.records)} pictures to {escape(str(folder))}, attribution in attribution.txt.")


@app.command()
def serve(
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Port to listen on.")] = 8866,
    address: Annotated[str, typer.Option(help="Address to listen on; the default is this machine only.")] = "127.0.0.1",
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")] = True,
) -> None:
    """Open the workbench in a browser; Ctrl-C stops it."""
    from derm_kit.serve import serve as serve_pages

    serve_pages(port, address, open_browser=browser, ready=console.print)


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


def _run_folder(out: str) -> Path:
    if not out.strip():
        raise RunError("--out names a folder", value=repr(out), next_step="Name one, or give no --out.")
    return Path(out)


def _say_notes(notes: tuple[str, ...], path: Path | None, table: Path | None) -> None:
    """The first notes on a cohort, cut short, and the command that prints all of them."""
    for note in notes[:NOTES]:
        console.print(escape(printable(note, 200)))
    if notes:
        words = ["derm-kit", "cohort", *([str(path)] if path else []), *(["--table", str(table)] if table else [])]
        more = f"{len(notes) - NOTES:,} more notes. " if len(notes) > NOTES else ""
        console.print(f"{more}All that was understood of the cohort, and what was not: {escape(shlex.join(words))}")


def _first_reject(rejects: Path) -> str:
    with rejects.open(encoding="utf-8", newline="") as file:
        first = next(csv.DictReader(file))
    return f"The first, {first['file'] or first['case_id']}: {first['rule']}. {first['next_step']}"


def _read_cohort(path: Path | None, table: Path | None) -> Cohort:
    from derm_kit.cases.phantom import demo_cohort
    from derm_kit.cases.sources import read

    return demo_cohort() if path is None else read(path, table=table)


def _read_run(path: Path | None) -> ScoreRun:
    from derm_kit.model.card import default_model
    from derm_kit.model.run import read_run

    return read_run(default_model() / "reference_scores.parquet" if path is None else path)


def _default_policy(model: Path | None) -> TriagePolicy:
    from derm_kit.model.card import default_model, load_card
    from derm_kit.triage.policy import TriagePolicy

    return TriagePolicy.from_card(load_card(model or default_model()))


def _frame_table(frame: pd.DataFrame) -> Table:
    table = Table()
    for column in frame:
        table.add_column(str(column), overflow="fold")
    for row in frame.itertuples(index=False):
        table.add_row(*(_plain(f"{v:.3f}" if isinstance(v, float) else v) for v in row))
    return table


def _plain(text: object) -> str:
    """`text` as a cell: neither mark-up nor escape sequences of the terminal have an effect."""
    return escape(printable(text, limit=1000))


def _say_rest(n: int, rows: int) -> None:
    if rows and n > rows:
        console.print(f"{n - rows:,} more cases; --rows 0 prints all.")


if TYPE_CHECKING:
    from derm_kit.cases.cohort import Cohort
    from derm_kit.model.run import ScoreRun
    from derm_kit.triage.policy import TriagePolicy
