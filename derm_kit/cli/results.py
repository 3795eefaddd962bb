"""derm-kit show, decide and policy: scores, and what a triage policy makes of them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from derm_kit.cli.console import NOTICE, console, frame_table, plain, say_rest
from derm_kit.cli.inputs import ModelFolder, Rows, RunPath, default_policy, read_run, require_new

WIDE = 150
"""Characters that a table with all eleven scores needs."""


def show(run: RunPath = None, rows: Rows = 20) -> None:
    """Print the scores of a run: all eleven where the window is wide enough, else the two highest."""
    from derm_kit.lesions import LESION_TYPES, parse_truth

    scores = read_run(run)
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
        table.add_row(plain(case["case_id"]), truth, *cells, plain(case["quality_reason"]))
    console.print(table)
    say_rest(n, rows)


def decide(
    run: RunPath = None,
    policy: Annotated[Path | None, typer.Option(help="Policy file. Left out: the model's default.")] = None,
    model: ModelFolder = None,
    out: Annotated[Path | None, typer.Option(help="Write every decision to this new CSV file.")] = None,
    rows: Rows = 20,
) -> None:
    """Print what a triage policy does with each case of a run, and why."""
    from derm_kit.cases.cohort import write_csv
    from derm_kit.triage.policy import TriagePolicy
    from derm_kit.triage.policy import decide as decide_run

    require_new(out)
    chosen = TriagePolicy.read(policy) if policy else default_policy(model)
    decided = decide_run(read_run(run), chosen)
    decisions = decided.table
    counts = decisions.groupby(["disposition", "suspected"], sort=False).size().sort_values(ascending=False)
    table = Table(title=f"{plain(chosen.name)}: {len(decisions):,} cases", caption=NOTICE, caption_style="dim")
    for heading in ("disposition", "suspected", "cases", "share"):
        table.add_column(heading, justify="right" if heading in ("cases", "share") else "left")
    for key, n in counts.items():
        disposition, suspected = str(key[0]), str(key[1])  # type: ignore[index]
        table.add_row(disposition, suspected.replace("_", " ") or "–", f"{n:,}", f"{n / len(decisions):.1%}")
    console.print(table)
    for remark in decided.remarks:
        console.print(remark)
    console.print(frame_table(decisions.head(rows or len(decisions))))
    say_rest(len(decisions), rows)
    if out:
        write_csv(out, decisions)
        console.print(f"All decisions: {escape(str(out))}")


def policy(
    context: typer.Context,
    model: ModelFolder = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema of policies instead.")] = False,
) -> None:
    """Print the model's default triage policy as JSON, to start one's own from; or list, export, verify releases."""
    from derm_kit.triage.policy import TriagePolicy

    if context.invoked_subcommand:
        return
    if schema:
        text = json.dumps(TriagePolicy.model_json_schema(), indent=2)
    else:
        text = default_policy(model).model_dump_json(indent=2)
    sys.stdout.write(text + "\n")
