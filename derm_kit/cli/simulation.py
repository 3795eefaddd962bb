"""derm-kit simulate: what a policy does to the people referred, arm by arm."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from derm_kit.cli.cluster import ClosedNetwork, Scheduler, TlsCa, TlsCert, TlsKey, address_of, client_of
from derm_kit.cli.console import console, errors, plain
from derm_kit.cli.inputs import default_policy, read_run, require_new_folder, results_in
from derm_kit.errors import DermKitError

if TYPE_CHECKING:
    import pandas as pd
    from rich.status import Status

    from derm_kit.model.cluster import ClusterAddress
    from derm_kit.pathway.definition import Pathway
    from derm_kit.pathway.outcomes import Outcomes


def simulate(
    pathway: Annotated[str, typer.Argument(help="Name of a pathway that ships, or a YAML file.")] = "skin-usc",
    run: Annotated[Path | None, typer.Option(help="Scores with truth. Left out: the reference cohort.")] = None,
    policy: Annotated[Path | None, typer.Option(help="Policy file. Left out: the model's default.")] = None,
    arm: Annotated[list[str] | None, typer.Option(help="Only these arms (again for each).")] = None,
    replications: Annotated[int, typer.Option(min=1, max=100_000, help="Simulated years of each arm.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same people and figures.")] = 1,
    out: Annotated[Path | None, typer.Option(help="New folder for the tables, the pathway and the policy.")] = None,
    people: Annotated[bool, typer.Option("--people", help="Also one row a person of the first replication.")] = False,
    report: Annotated[
        list[Path] | None,
        typer.Option(help="Value-for-money report, to a new .html or .docx (again for both). Needs economics."),
    ] = None,
    scheduler: Scheduler = "",
    tls_ca: TlsCa = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    closed_network: ClosedNetwork = False,
    names: Annotated[bool, typer.Option("--list", help="Name the pathways that ship, and stop.")] = False,
) -> None:
    """Simulate a pathway's arms: waits, time standards, cancers missed and found late, clinics and costs."""
    from derm_kit.pathway.definition import Pathway
    from derm_kit.pathway.measures import table
    from derm_kit.pathway.simulation import simulate as simulate_arms
    from derm_kit.pathway.words import headline, remarks

    if names:
        _print_presets()
        return
    require_new_folder(out)
    read = Pathway.read(pathway)
    if report:
        _require_reportable(read, arm, report)
    scores = chosen = None
    if read.reads_policy:
        from derm_kit.triage.policy import TriagePolicy

        scores = read_run(run)
        chosen = TriagePolicy.read(policy) if policy else default_policy(None)
    at = address_of(scheduler, tls_ca, tls_cert, tls_key, closed_network)
    with _workers(at) as executor, console.status("Simulating") as status:
        outcomes = simulate_arms(
            read, scores, chosen, seed=seed, replications=replications, arms=arm or None, records=people,
            executor=executor, progress=_Pace(status),
        )  # fmt: skip
    figures = table(outcomes)
    console.print(f"[bold]{escape(plain(read.summary))}[/bold]")
    _print_arms(read, figures)
    for name in outcomes.arms:
        console.print(plain(headline(outcomes, name, figures)))
    for sentence in remarks(outcomes):
        console.print(plain(sentence))
    if report:
        _write_reports(outcomes, report)
    if out:
        _write(outcomes, figures, out, people=people)


class _Pace:
    """Tells how far a simulation is, and once, where it will take minutes, how many."""

    def __init__(self, status: Status) -> None:
        self._status, self._began, self._told = status, time.monotonic(), False

    def __call__(self, done: int, of: int) -> None:
        self._status.update(f"Simulating: {done:,} of {of:,} years")
        if done and not self._told:
            minutes, self._told = (time.monotonic() - self._began) * (of / done - 1) / 60, True
            if minutes > 1:
                errors.print(f"This takes about {minutes:,.0f} more minutes; fewer --replications take less.")


def _print_presets() -> None:
    from derm_kit.pathway.definition import Pathway, presets

    for name in presets():
        console.print(f"[bold]{name}[/bold]: {escape(Pathway.read(name).summary)}")


def _print_arms(pathway: Pathway, figures: pd.DataFrame) -> None:
    from rich.table import Table

    from derm_kit.pathway.words import key_figures, said

    arms = list(figures["arm"].unique())
    shown = Table(title="Mean over simulated years; below it, what 95 % of the years lie between", title_justify="left")
    shown.add_column("", overflow="fold")
    for name in arms:
        shown.add_column(plain(name) + (" (today)" if name == pathway.today else ""), justify="right", overflow="fold")
    rows = key_figures(pathway, figures)
    for label in rows["label"].drop_duplicates():
        own = rows[rows["label"] == label]
        numbers = zip(own["arm"], own["value"], own["low"], own["high"], own["unit"], strict=True)
        cells = {name: "\n".join(said(value, low, high, unit)) for name, value, low, high, unit in numbers}
        shown.add_row(plain(label), *(cells.get(name, "–") for name in arms))
    console.print(shown)


@contextmanager
def _workers(at: ClusterAddress | None) -> Iterator[Executor | None]:
    """The executor of a Dask cluster, or None for threads here."""
    if at is None:
        yield None
        return
    with client_of(at) as client:
        yield client.get_executor(pure=False)


def _require_reportable(pathway: Pathway, arms: list[str] | None, files: list[Path]) -> None:
    """Refuse before anything is simulated what no report can be made of or written to."""
    from derm_kit.records.report import require_report_file

    for file in files:
        require_report_file(file)
    if pathway.economics is None:
        raise DermKitError(
            "a value-for-money report needs the pathway's section 'economics'",
            case=pathway.name,
            next_step="Add the section (the preset skin-usc has one to start from), or leave --report out.",
        )
    if arms and pathway.today not in arms:
        raise DermKitError(
            "a value-for-money report holds arms against today's, which --arm leaves out",
            case=pathway.name,
            value=", ".join(arms),
            next_step=f"Add --arm '{pathway.today}'.",
        )


def _write_reports(outcomes: Outcomes, files: list[Path]) -> None:
    from derm_kit.records.report import write
    from derm_kit.records.value_for_money import value_for_money

    with console.status("Drawing the values of the economic evaluation"):
        document = value_for_money(outcomes)
    for file in files:
        write(document, file)
        console.print(f"Value-for-money report: {escape(str(file))}")


def _write(outcomes: Outcomes, figures: pd.DataFrame, out: Path, *, people: bool) -> None:
    """Tables as CSV, and all that is needed to simulate the same again."""
    from derm_kit.cases.cohort import write_csv
    from derm_kit.pathway import measures
    from derm_kit.pathway.capacity import load

    def of_each(part: Callable[[Outcomes, str], pd.DataFrame]) -> pd.DataFrame:
        return _arms_together({name: part(outcomes, name) for name in outcomes.arms})

    loads = {name: load(outcomes.pathway, name, outcomes.run, outcomes.policy) for name in outcomes.arms}
    tables = {
        "figures": figures,
        "missed": of_each(measures.missed_parts),
        "routes": of_each(measures.routes),
        "waiting": of_each(measures.waiting),
        "backlog": of_each(measures.backlogs),
        "load": _arms_together(loads),
    }
    if people:
        tables |= {f"people {name}": _moments_in_words(outcomes.people(name)) for name in outcomes.arms}
    with results_in(out):
        for name, frame in tables.items():
            write_csv(out / f"{name.replace(' ', '_')}.csv", frame)
        (out / "pathway.json").write_text(outcomes.pathway.model_dump_json(indent=2, exclude_unset=True) + "\n")
        if outcomes.policy:
            (out / "policy.json").write_text(outcomes.policy.model_dump_json(indent=2) + "\n")
        about = {"derm_kit": version("derm-kit"), "seed": outcomes.seed, "replications": outcomes.replications}
        (out / "simulation.json").write_text(json.dumps(about | (outcomes.run.meta if outcomes.run else {}), indent=2))
    console.print(f"Tables, pathway and policy: {escape(str(out))}")


def _moments_in_words(people: pd.DataFrame) -> pd.DataFrame:
    """Moments to the second, nothing where there is none."""
    moments = people.select_dtypes("datetime").columns
    return people.assign(**{name: people[name].dt.strftime("%Y-%m-%d %H:%M:%S").fillna("") for name in moments})


def _arms_together(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    import pandas as pd

    return pd.concat(
        [frame.assign(arm=name)[["arm", *frame.columns]] for name, frame in tables.items()], ignore_index=True
    )
