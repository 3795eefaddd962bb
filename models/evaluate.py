"""Evaluate one set of weights once on a split, log it in results.csv and write MODEL_CARD.md from that log.

    python models/evaluate.py RUN [--baseline RUN --baseline-model FOLDER] --out models/derm11 --weights-hash H

RUN is a run folder, a parquet of scores joined with cases, or a CSV of scores with truth. Where --out holds a
card.json, the card must be of weights H; calls are then also made free of the type shares that its scores speak of, and
what its default thresholds do is evaluated and written into it. The baseline's card does the first for the baseline.
A second look at the same split with the same weights is refused unless --again says why.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parent))
from figures import UNKNOWN, Figure, Scored, figures, groups_of, scored
from model_card import BARS, COLUMNS, HEADLINES, model_card, read_results

from derm_kit.errors import DermKitError, RunError
from derm_kit.lesions import FLAGGED, LESION_TYPES, LesionType
from derm_kit.model.card import CARD_FILE, ModelCard, OperatingCharacteristic, load_card, write_card
from derm_kit.model.run import ScoreRun, read_run
from derm_kit.triage import accuracy
from derm_kit.triage.policy import TriagePolicy, decide


def operating_figures(run: ScoreRun, policy: TriagePolicy) -> Iterator[Figure]:
    """What the default policy does to each flagged type, over all cases and per source.

    `caught` and `caught_as_own_type` count every case (those in clinician review are never caught by the model),
    `caught_assessed` those the model decided alone; `clinician_review` is the share that it did not.
    """
    truth = accuracy.truth_matrix(run.cases["truth"])
    review = decide(run, policy).in_review
    sources = groups_of(run.cases).get("source", np.full(len(run), UNKNOWN, dtype=object))
    for source in ("all", *sorted(set(sources))):
        rows = np.full(len(run), True) if source == "all" else sources == source
        everyone, decided = (
            accuracy.operating_characteristics(
                run.matrix[keep], truth[keep], policy.thresholds, review=review[keep]
            ).set_index("type")
            for keep in (rows, rows & ~review)
        )
        stratum = "type" if source == "all" else "type and source"
        for t in FLAGGED:
            value = t.value if source == "all" else f"{t.value}, {source}"
            n, n_decided = int(everyone.loc[t, "n"]), int(decided.loc[t, "n"])
            yield "caught", stratum, value, accuracy.proportion(int(everyone.loc[t, "caught"]), n)
            own = int(everyone.loc[t, "caught_as_own_type"])
            yield "caught_as_own_type", stratum, value, accuracy.proportion(own, n)
            yield "caught_assessed", stratum, value, accuracy.proportion(int(decided.loc[t, "caught"]), n_decided)
            yield "clinician_review", stratum, value, accuracy.proportion(n - n_decided, n)


def characteristics(figures_of_policy: list[Figure]) -> tuple[OperatingCharacteristic, ...]:
    """The rows of `caught` and `caught_as_own_type` as the card keeps them; source "all" stands over every case."""
    own = {(s, v): e for m, s, v, e in figures_of_policy if m == "caught_as_own_type"}
    rows = []
    for metric, stratum, value, e in figures_of_policy:
        if metric == "caught":
            name, _, source = value.partition(", ")
            counts = [round(x.value * x.n) if x.n else 0 for x in (e, own[stratum, value])]
            low, high = (e.low, e.high) if e.n else (None, None)
            rows.append(
                OperatingCharacteristic(
                    lesion_type=LesionType(name), source=source or "all", n=e.n, caught=counts[0],
                    caught_as_own_type=counts[1], low=low, high=high,
                )
            )  # fmt: skip
    return tuple(rows)


def of_split(run: ScoreRun, split: str) -> ScoreRun:
    """The cases of one split; a table that names no split at all counts wholly as the one asked for."""
    found = run.cases["split"].fillna("").astype(str) if "split" in run.cases else pd.Series("", run.cases.index)
    rows = (found == split).to_numpy() | (found == "").all()
    if not rows.any():
        raise RunError(
            f"the run holds cases of the split {split!r}",
            value=", ".join(sorted(set(found))),
            next_step="Name one of these with --split, or score the split first.",
        )
    return ScoreRun(run.scores[rows].reset_index(drop=True), run.cases[rows].reset_index(drop=True), None, run.meta)


def require_first(path: Path, weights_hash: str, split: str, again: str) -> None:
    """Refuse to look at a split a second time with the same weights unless `again` says why. Raises RunError."""
    if not path.exists() or again:
        return
    log = read_results(path)
    before = log[(log["weights_hash"] == weights_hash) & (log["split"] == split) & (log["run"] == "model")]
    if len(before):
        raise RunError(
            f"{split} is evaluated once per weights; these were on {before['date'].iloc[0]}",
            case=str(path),
            value=weights_hash,
            next_step="Use the figures in results.csv, or give --again with the reason for another look.",
        )


def as_rows(run: str, found: Iterable[Figure], **about: str) -> list[dict[str, object]]:
    """Figures as rows of results.csv."""
    return [
        {
            **about, "run": run, "metric": metric, "stratum": stratum, "stratum_value": value, "n": e.n,
            "n_positive": e.n_positive, "value": e.value, "low": e.low, "high": e.high, "method": e.method,
            "reason": e.reason,
        }
        for metric, stratum, value, e in found
    ]  # fmt: skip


def bar_rows(**about: str) -> list[dict[str, object]]:
    """The bars that the figures are held against, as rows of runs `must` and `aim`."""
    return [
        {**about, "run": run, "metric": metric, "stratum": "all", "stratum_value": "", "value": bar, "method": "bar"}
        for metric, pair in BARS.items()
        for run, bar in zip(("must", "aim"), pair, strict=True)
        if bar is not None
    ]


Evaluation = tuple[pd.DataFrame, tuple[OperatingCharacteristic, ...]]
"""Rows of results.csv, and operating characteristics for the card."""


def spoken_shares(*cards: ModelCard | None) -> tuple[np.ndarray, ...]:
    """The share (11,) of each type in the set that each card's scores speak of; none where a card is missing."""
    told = [card.spoken_shares or card.training_cases for card in cards if card is not None]
    known = [np.array([of_type.get(t, 0.0) for t in LESION_TYPES]) for of_type in told]
    return tuple(counts / counts.sum() for counts in known) if len(known) == len(cards) else ()


def evaluate(run: ScoreRun, card: ModelCard | None, about: dict[str, str], baseline: ScoreRun | None = None,
             baseline_card: ModelCard | None = None, baseline_hash: str = "") -> Evaluation:  # fmt: skip
    """Every row of one evaluation, and the card's operating characteristics (empty without a card).

    `about` holds date, weights_hash, split and note.
    """
    pair = scored(run, baseline, spoken_shares(card, baseline_card)) if baseline is not None else None
    rows = as_rows("model", figures(scored(run, shares=spoken_shares(card))), **about)
    kept: tuple[OperatingCharacteristic, ...] = ()
    if card is not None:
        of_policy = list(operating_figures(run, TriagePolicy.from_card(card)))
        rows += as_rows("model", of_policy, **about)
        kept = characteristics(of_policy)
    if pair is not None:
        alone = Scored(pair.models[1:], pair.truth, pair.groups, pair.shares[1:])
        rows += as_rows("baseline", figures(alone), **{**about, "weights_hash": baseline_hash})
        rows += as_rows("difference", figures(pair), **about)
    if about["split"] == "reference":
        rows += bar_rows(**about)
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.astype({"n": "Int64", "n_positive": "Int64"}), kept


def file_hash(path: Path) -> str:
    """SHA-256 of the scores of a run: what a baseline without a hash is known by."""
    with (path / "scores.parquet" if path.is_dir() else path).open("rb") as file:
        return "scores:" + hashlib.file_digest(file, "sha256").hexdigest()


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--baseline", type=Path, help="scores of the naive baseline on the same cases")
    parser.add_argument(
        "--baseline-model", type=Path, help="its model folder; without it the hash of its scores stands"
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="the model folder: results.csv, MODEL_CARD.md, card.json"
    )
    parser.add_argument("--weights-hash", required=True)
    parser.add_argument("--split", default="reference")
    parser.add_argument(
        "--again", default="", metavar="WHY", help="why this split is looked at again with these weights"
    )
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Evaluate, append to results.csv, and write MODEL_CARD.md and the card's operating characteristics."""
    args = parse(arguments)
    results = args.out / "results.csv"
    require_first(results, args.weights_hash, args.split, args.again)
    card = load_card(args.out) if (args.out / CARD_FILE).is_file() else None
    run = of_split(read_run(args.run), args.split)
    for name, found in (("the card", card.model_hash if card else ""), ("the run", run.model_hash)):
        if found and found != args.weights_hash:
            raise RunError(
                f"{name} and --weights-hash speak of the same weights",
                value=found,
                next_step="Score with the weights in --out and give their hash.",
            )
    about = {
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "weights_hash": args.weights_hash,
        "split": args.split,
        "note": args.again,
    }
    baseline = read_run(args.baseline) if args.baseline else None
    baseline_card = load_card(args.baseline_model) if args.baseline_model else None
    baseline_hash = baseline_card.model_hash if baseline_card else file_hash(args.baseline) if args.baseline else ""
    table, kept = evaluate(run, card, about, baseline, baseline_card, baseline_hash)
    args.out.mkdir(parents=True, exist_ok=True)
    table.to_csv(results, mode="a", header=not results.exists(), index=False, float_format="%.6g", lineterminator="\n")
    print(f"{about['date']} {args.split} {args.weights_hash}: {len(table)} rows in {results}")
    shown = table[(table["stratum"] == "all") & table["metric"].isin(HEADLINES)]
    print(shown[["run", "metric", "n", "value", "low", "high", "reason"]].to_string(index=False))
    if card is None:
        print(f"no {CARD_FILE} in {args.out}: MODEL_CARD.md is written once the model folder has one")
        return
    if args.split == "reference":
        card = card.model_copy(update={"operating_characteristics": kept})
        write_card(card, args.out)
    text = model_card(read_results(results), card.model_dump(mode="json"), args.out)
    (args.out / "MODEL_CARD.md").write_text(text, "utf-8")


if __name__ == "__main__":
    try:
        main()
    except DermKitError as error:
        raise SystemExit(str(error)) from None
