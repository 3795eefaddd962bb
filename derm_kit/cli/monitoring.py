"""derm-kit monitor: a service's cases and outcomes over time, what they show, and what cannot be seen in them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from derm_kit.cli.console import NOTICE, console, errors, plain
from derm_kit.cli.inputs import require_new_folder
from derm_kit.errors import DermKitError

if TYPE_CHECKING:
    import pandas as pd

    from derm_kit.surveillance.choice import Chosen
    from derm_kit.surveillance.feed import Feed
    from derm_kit.surveillance.findings import Findings
    from derm_kit.surveillance.rates import Rates

_MONTHS_SHOWN = 12
_ALARMS_SHOWN = 10


def monitor(
    feed: Annotated[Path, typer.Argument(help="Folder with deliveries: FEED/cases and FEED/outcomes.")],
    policy: Annotated[Path | None, typer.Option(help="Policy in force, where no decision is recorded.")] = None,
    site: Annotated[list[str] | None, typer.Option(help="Only this site (again for each).")] = None,
    product: Annotated[list[str] | None, typer.Option(help="Only this product (again for each).")] = None,
    device: Annotated[list[str] | None, typer.Option(help="Only this device (again for each).")] = None,
    since: Annotated[str, typer.Option("--from", help="Only cases imaged from this day on (2026-01-01).")] = "",
    until: Annotated[str, typer.Option(help="Only cases imaged before this day.")] = "",
    lag_days: Annotated[int, typer.Option(min=0, help="Until a registry has heard of a cancer.")] = 365,
    timezone: Annotated[str, typer.Option(help="Of times that are written without an offset.")] = "Europe/London",
    out: Annotated[Path | None, typer.Option(help="New folder for every table, as CSV and JSON.")] = None,
) -> None:
    """Watch a service: what is odd in its feed, rates with intervals, and signals with known false-alarm rates."""
    from derm_kit.cli.monitoring_files import write_all
    from derm_kit.surveillance.choice import part_of
    from derm_kit.surveillance.deliveries import read_feed
    from derm_kit.surveillance.findings import findings
    from derm_kit.surveillance.known_outcomes import known_outcomes, standing
    from derm_kit.surveillance.moments import require_timezone
    from derm_kit.surveillance.plan import Plan
    from derm_kit.surveillance.rates import rates
    from derm_kit.surveillance.watched import Watched
    from derm_kit.triage.policy import TriagePolicy

    require_timezone(timezone)
    require_new_folder(out)
    chosen = _chosen(site, product, device, since, until, timezone)
    with console.status("Reading the feed"):
        read = read_feed(feed, TriagePolicy.read(policy) if policy else None, timezone=timezone)
    _print_remarks(read)
    part = part_of(read, chosen)
    stands = standing(part)
    known = known_outcomes(part, lag_days=lag_days, stands=stands)
    with console.status("Counting"):
        counted = rates(Watched(part, known, timezone=timezone))
    _print_counts(part, counted)
    with console.status("Watching"):
        found = findings(part, Plan(registry_lag_days=lag_days), stands=stands)
    _print_signals(found)
    _print_audit(part)
    console.print(NOTICE)
    if out:
        write_all(out, feed, read, counted, found, chosen, lag_days)
        console.print(f"Tables and signals: {escape(str(out))}")
    if any(remark.sentence.startswith("NOT READ") for remark in read.remarks):
        raise typer.Exit(1)


def _chosen(
    site: list[str] | None, product: list[str] | None, device: list[str] | None, since: str, until: str, timezone: str
) -> Chosen:
    from derm_kit.surveillance.choice import Chosen

    begins, ends = _day(since, "--from", timezone), _day(until, "--until", timezone)
    return Chosen(tuple(site or ()), tuple(product or ()), tuple(device or ()), begins, ends)


def _day(text: str, option: str, timezone: str) -> pd.Timestamp | None:
    import pandas as pd

    from derm_kit.surveillance.moments import read_moments

    if not text:
        return None
    moments = read_moments(pd.Series([text], dtype="str"), timezone)
    if moments.utc.isna().any():
        raise DermKitError(f"{option} is a day as 2026-01-31", value=text, next_step="Write year, month and day.")
    return pd.Timestamp(moments.utc.iloc[0])


def _print_remarks(feed: Feed) -> None:
    for remark in feed.remarks:
        where = errors if remark.sentence.startswith("NOT READ") else console
        where.print(f"[bold red]{plain(remark.sentence)}[/bold red]" if where is errors else plain(remark.sentence))
        named = [name for name in remark.examples if name not in remark.sentence]
        if named:
            more = f" and {remark.count - len(remark.examples):,} more" if remark.count > len(remark.examples) else ""
            where.print(f"  [dim]{plain(', '.join(named) + more)}[/dim]")
    if len(feed.set_aside):
        console.print(f"Rows set aside: {len(feed.set_aside):,}; --out lists every one with its rule and next step.")


def _print_counts(feed: Feed, counted: Rates) -> None:
    months = counted.volume["period"]
    console.print(
        f"[bold]{len(feed.cases):,} cases from {months.iloc[0]} to {months.iloc[-1]}, "
        f"{feed.outcomes['case_id'].nunique():,} with an outcome[/bold]"
    )
    shown = Table(title=f"Month by month, {min(len(months), _MONTHS_SHOWN)} of {len(months)}", title_justify="left")
    for heading in ("month", "cases", "quality failures", "discharged", "referred", "days to decision (90th)"):
        shown.add_column(heading, justify="left" if heading == "month" else "right")
    columns = {
        "quality failures": _monthly(counted.quality, "any"),
        "discharged": _monthly(counted.dispositions, "discharge advice with safety-netting"),
        "referred": _monthly(counted.dispositions, "referred, urgent or routine"),
    }
    decided = counted.turnaround[counted.turnaround["leg"] == "imaged to decided"].reset_index(drop=True)
    for i in range(max(0, len(months) - _MONTHS_SHOWN), len(months)):
        days = decided.loc[i]
        took = f"{days['median_days']:.1f} ({days['p90_days']:.1f})" if days["n"] else "–"
        cells = [str(columns[name][i]) for name in columns]
        shown.add_row(str(months.iloc[i]), f"{counted.volume['cases'].iloc[i]:,}", *cells, took)
    console.print(shown)
    accuracy = Table(title="Sensitivity and specificity, assessed cases", title_justify="left")
    for heading in ("", "of", "biopsied only", "verified whatever the model said"):
        accuracy.add_column(heading, justify="right" if heading in ("biopsied only",) else "left")
    total = counted.accuracy_total[counted.accuracy_total["over"] == "assessed cases"]
    for (measure, of), rows in total.groupby(["measure", "of"], sort=False):
        by_basis = {str(row["basis"]): _share(row) for _, row in rows.iterrows()}
        accuracy.add_row(
            plain(measure), plain(str(of).replace("_", " ")), *(plain(by_basis[basis]) for basis in by_basis)
        )
    console.print(accuracy)
    for sentence in counted.notes:
        console.print(plain(sentence))


def _monthly(table: pd.DataFrame, of: str) -> list[str]:
    return [_brief(row) for _, row in table[table["of"] == of].iterrows()]


def _brief(row: pd.Series) -> str:
    """A share of a month's cases, whose number stands beside it."""
    if row["value"] != row["value"]:
        return str(row["reason"])
    return f"{row['value']:.1%} ({100 * row['low']:.1f} to {100 * row['high']:.1f})"


def _share(row: pd.Series) -> str:
    if row["value"] != row["value"]:
        return str(row["reason"])
    few = f", {row['reason']}" if row["reason"] else ""
    return f"{row['value']:.1%} ({row['low']:.1%} to {row['high']:.1%}; {row['count']:,} of {row['n']:,}{few})"


def _print_signals(found: Findings) -> None:
    for signal in found.signals.signals if found.signals else ():
        name = plain(f"{signal.name}: {signal.status}")
        console.print(f"[bold red]{name}[/bold red]" if signal.status == "alarm" else f"[bold]{name}[/bold]")
        console.print(f"  {plain(signal.finding)}")
        if signal.promise:
            console.print(f"  [dim]{plain(signal.promise.sentence)}[/dim]")
    for funnel in found.signals.funnels if found.signals else ():
        console.print(f"Funnel, {plain(funnel.name)} by {plain(funnel.what)}: {plain(funnel.finding)}")
    promises = found.promises()
    for name, looks in found.looks().items():
        if looks.empty:
            console.print(plain(f"{name[0].upper()}{name[1:]}: no month after the baseline has been looked at yet."))
            continue
        alarms = looks[looks["alarm"]]
        heading = plain(f"{name[0].upper()}{name[1:]}: {len(alarms):,} of {len(looks):,} looks alarm")
        console.print(f"[bold red]{heading}[/bold red]" if len(alarms) else f"[bold]{heading}[/bold]")
        for _, look in alarms.head(_ALARMS_SHOWN).iterrows():
            console.print(f"  {look['month']:%Y-%m}, {plain(look['group'])}: {plain(look['says'])}")
        if len(alarms) > _ALARMS_SHOWN:
            console.print(f"  and {len(alarms) - _ALARMS_SHOWN:,} more; --out lists all.")
        console.print(f"  [dim]{plain(promises[name])}[/dim]")
    for sentence in found.refused:
        console.print(plain(sentence))


def _print_audit(feed: Feed) -> None:
    from derm_kit.surveillance.audit_sample import audit_sample_for

    plan, basis = audit_sample_for(feed)
    console.print("[bold]An audit sample that would see missed melanoma[/bold]")
    for sentence in (*(plan.sentences if plan else ()), basis):
        console.print(plain(sentence))
