"""derm-kit tune and accuracy: thresholds with a guarantee or a refusal, and what a policy does, with intervals."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from derm_kit.cli.console import NOTICE, console, plain
from derm_kit.cli.inputs import ModelFolder, RunPath, default_policy, read_run, require_new
from derm_kit.errors import DermKitError

if TYPE_CHECKING:
    import pandas as pd

    from derm_kit.lesions import LesionType
    from derm_kit.triage.case_mix import CaseMix
    from derm_kit.triage.counts import CaseCounter
    from derm_kit.triage.policy import TriagePolicy

PolicyFile = Annotated[Path | None, typer.Option("--policy", help="Policy file. Left out: the model's default.")]
Mix = Annotated[Path | None, typer.Option("--prevalence", help="JSON file of the case mix at the place of use.")]


class Method(StrEnum):
    """How a guaranteed threshold is found."""

    ORDER_STATISTIC = "order statistic"
    LEARN_THEN_TEST = "learn then test"


class Interval(StrEnum):
    """How intervals of rates are made."""

    CLOPPER_PEARSON = "Clopper-Pearson"
    WILSON = "Wilson"


def tune(
    run: RunPath = None,
    policy: PolicyFile = None,
    target: Annotated[
        list[str] | None,
        typer.Option("--target", metavar="TYPE=SHARE", help="Sensitivity to hold, say melanoma=.95; may be repeated."),
    ] = None,
    confidence: Annotated[float, typer.Option(help="Confidence of all guarantees together.")] = 0.95,
    within: Annotated[str, typer.Option(help="Hold them in each group of: age, sex, site, source, ...")] = "",
    method: Annotated[Method, typer.Option(help="How thresholds are found.")] = Method.ORDER_STATISTIC,
    prevalence: Mix = None,
    model: ModelFolder = None,
    out: Annotated[Path | None, typer.Option(help="Write the tuned policy to this new JSON file.")] = None,
) -> None:
    """Find the highest thresholds that hold target sensitivities, or say why none can be had."""
    from derm_kit.triage.changes import compare
    from derm_kit.triage.tuning import targets_for
    from derm_kit.triage.tuning import tune as tuned_policy

    require_new(out)
    mix = _mix(prevalence)
    counter = _counter(run, policy, model)
    targets = _targets(target) if target else targets_for(counter)
    tuned = tuned_policy(counter, targets, confidence=confidence, within=within, method=method.value)
    for found in tuned.guarantees:
        console.print(plain(found.sentence))
    console.print(f"Every guarantee assumes independent lesions, drawn as those at the place of use are. {NOTICE}")
    _print(_by_type(counter, tuned.policy), f"{tuned.policy.name}: sensitivity over all cases")
    changes = compare(counter, counter.policy.thresholds, tuned.policy.thresholds)
    _print(changes.per_1000(), "Against the policy before")
    if mix:
        _print_case_mix(counter, tuned.policy, mix)
    if out:
        _write_policy(tuned.policy, out)


def accuracy(
    run: RunPath = None,
    policy: PolicyFile = None,
    by: Annotated[str, typer.Option(help="Also by: age, sex, site, skin tone, source, ...; 'all' for each.")] = "",
    interval: Annotated[Interval, typer.Option(help="How intervals are made.")] = Interval.CLOPPER_PEARSON,
    cluster: Annotated[str, typer.Option(help="Cases that belong together: lesion_id or patient_id.")] = "",
    prevalence: Mix = None,
    model: ModelFolder = None,
    out: Annotated[Path | None, typer.Option(help="Write every rate, subgroups and all, to this CSV file.")] = None,
) -> None:
    """Print what a policy does to a run with truth: every rate with its interval, and the cases it rests on."""
    from derm_kit.cases.cohort import write_csv
    from derm_kit.triage.clusters import clustered_rates
    from derm_kit.triage.measures import confusion, likelihood_ratios, rates

    require_new(out)
    mix = _mix(prevalence)
    counter = _counter(run, policy, model)
    known = [grouping.name for grouping in counter.groupings]
    if by and by not in ("all", *known):
        raise DermKitError(
            "cases are parted by something recorded of them",
            value=by,
            next_step=f"Choose one of: {', '.join(known) or 'none is recorded here'}.",
        )
    counts = counter.count(counter.policy.thresholds)
    found = rates(counts, method=interval.value)
    frame = found.frame()
    shown = clustered_rates(counter, counter.policy.thresholds, cluster).frame() if cluster else frame
    columns = ["measure", "lesion_type", "cases", "count", "n", "value", "low", "high", "remark"]
    _print(shown.loc[shown["grouping"] == "", columns], f"{counter.policy.name}: {len(counter.run):,} cases")
    _print(likelihood_ratios(found), "Likelihood ratios of any cancer, assessed cases")
    table = confusion(counts)
    _print(
        table.reset_index(), f"Calls by truth; left out: {table.attrs['open']} open, {table.attrs['unknown']} unknown"
    )
    for grouping in known if by == "all" else [by] if by else []:
        rows = frame[(frame["grouping"] == grouping) & (frame["cases"] == "all") & (frame["n"] > 0)]
        _print(rows[["group", *columns]].drop(columns="cases"), f"By {grouping}, all cases")
    if mix:
        _print_case_mix(counter, counter.policy, mix)
    if cluster:
        console.print(f"Intervals over all cases: bootstrap over {cluster}; those of subgroups assume independence.")
    console.print(NOTICE if cluster else f"Intervals assume independent lesions. {NOTICE}")
    if out:
        write_csv(out, frame)
        console.print(f"All rates: {escape(str(out))}")


def _counter(run: Path | None, policy: Path | None, model: Path | None) -> CaseCounter:
    from derm_kit.triage.counts import CaseCounter
    from derm_kit.triage.policy import TriagePolicy

    scores = read_run(run)
    if not (scores.cases["truth"] != "").any():
        raise DermKitError(
            "accuracy is measured on cases whose truth is known",
            case=str(run),
            value="no case has a truth",
            next_step="Add a column truth with lesion types, or take another run.",
        )
    return CaseCounter(scores, TriagePolicy.read(policy) if policy else default_policy(model))


def _targets(given: list[str]) -> dict[LesionType, float]:
    from derm_kit.lesions import FLAGGED, LesionType

    targets: dict[LesionType, float] = {}
    for text in given:
        name, _, share = text.partition("=")
        try:
            kind, value = LesionType(name.strip().lower().replace(" ", "_")), float(share)
        except ValueError:
            raise DermKitError(
                "a target is a flagged type and the sensitivity to hold",
                value=text,
                next_step=f"Write, say, melanoma=.95; the types are {', '.join(FLAGGED)}.",
            ) from None
        if kind in targets:
            raise DermKitError("each type has one target", value=text, next_step="Leave one of the two out.")
        targets[kind] = value
    return targets


def _by_type(counter: CaseCounter, policy: TriagePolicy) -> pd.DataFrame:
    from derm_kit.lesions import LesionType
    from derm_kit.triage.guarantee import rounded_down
    from derm_kit.triage.measures import rates

    frame = rates(counter.count(policy.thresholds)).frame()
    rows = frame[(frame["grouping"] == "") & (frame["measure"] == "sensitivity") & (frame["cases"] == "all")]
    set_at = policy.thresholds
    thresholds = [
        rounded_down(set_at[kind]) if kind in set_at else "–" for kind in map(LesionType, rows["lesion_type"])
    ]
    return rows[["lesion_type", "count", "n", "value", "low", "high", "remark"]].assign(threshold=thresholds)


def _mix(path: Path | None) -> CaseMix | None:
    from derm_kit.triage.case_mix import CaseMix

    return CaseMix.read(path) if path else None


def _print_case_mix(counter: CaseCounter, policy: TriagePolicy, mix: CaseMix) -> None:
    from derm_kit.triage.tuning import in_case_mix

    found = in_case_mix(counter, policy.thresholds, mix)
    _print(found.table, f"In the case mix {found.name!r}: any cancer, assessed cases")
    for sentence in found.sentences:
        console.print(plain(sentence))


def _print(frame: pd.DataFrame, title: str) -> None:
    from rich.table import Table

    table = Table(title=plain(title), title_justify="left")
    for column in frame:
        number = frame[column].dtype.kind in "if"
        table.add_column(str(column).replace("_", " "), justify="right" if number else "left", overflow="fold")
    for row in frame.itertuples(index=False):
        table.add_row(*("–" if v != v else plain(f"{v:.3f}" if isinstance(v, float) else v) for v in row))
    console.print(table)


def _write_policy(policy: TriagePolicy, out: Path) -> None:
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(policy.model_dump_json(indent=2) + "\n")
    except OSError as error:
        raise DermKitError(
            "the policy must be writable",
            case=str(out),
            value=error.strerror,
            next_step="Name a file that does not exist, in a folder that may be written.",
        ) from None
    console.print(f"The tuned policy: {escape(str(out))}")
