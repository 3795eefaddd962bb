"""MODEL_CARD.md, written from results.csv and card.json alone: no figure in it is typed by hand."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
from explanation_table import explanation_section

from derm_kit.lesions import FLAGGED, LESION_TYPES

COLUMNS = (
    "date", "weights_hash", "run", "split", "metric", "stratum", "stratum_value", "n", "n_positive", "value", "low",
    "high", "method", "reason", "note",
)  # fmt: skip
NUMBERS = ("n", "n_positive", "value", "low", "high")
HEADLINES = {
    "balanced_accuracy": "Balanced accuracy over the types present, by highest score",
    "balanced_accuracy_prevalence_free": "Balanced accuracy, highest score divided by the type's share",
    "balanced_accuracy_trained_types": "Balanced accuracy over the trained types, by highest score",
    "melanoma_auc": "Melanoma AUC",
    "melanoma_specificity_at_95_sensitivity": "Specificity at 95 % melanoma sensitivity",
    "any_cancer_auc": "Any-cancer AUC (melanoma, SCC, BCC, Bowen: summed scores)",
    "any_cancer_specificity_at_95_sensitivity": "Specificity at 95 % any-cancer sensitivity",
    "calibration_error": "Expected calibration error of the top score, 15 bins",
    "calibration_floor": "The same of a perfectly calibrated model, simulated (95 % range)",
}
BARS = {
    "balanced_accuracy": (0.68, 0.75),
    "melanoma_auc": (0.92, 0.945),
    "melanoma_specificity_at_95_sensitivity": (0.68, 0.75),
    "any_cancer_auc": (0.935, 0.955),
    "any_cancer_specificity_at_95_sensitivity": (0.72, 0.80),
    "calibration_error": (0.04, None),
}
"""What the figures must and should reach on `reference`; the aim of the calibration error is its floor."""

LOWER_IS_BETTER = ("calibration_error",)
STRATUM_FIGURES = {
    "balanced_accuracy": "Balanced accuracy",
    "melanoma_auc": "Melanoma AUC",
    "melanoma_sensitivity_at_overall_threshold": "Melanoma sensitivity*",
    "melanoma_specificity_at_overall_threshold": "Melanoma specificity*",
    "any_cancer_auc": "Any-cancer AUC",
    "any_cancer_sensitivity_at_overall_threshold": "Any-cancer sensitivity*",
    "any_cancer_specificity_at_overall_threshold": "Any-cancer specificity*",
    "calibration_error": "Calibration error",
    "calibration_floor": "Its floor",
}
FEW = 20
"""Positives below which a group's figures say too little to be read."""

STRATA_WORDS = (
    (
        "source",
        "source",
        "Type and source are confounded (squamous cell carcinoma comes from one source, most naevi from another), so\n"
        "figures over all sources may in part tell the source, not the lesion.\n\n",
    ),
    (
        "skin_tone_class",
        "skin tone",
        "0 very dark to 5 very light, known for one source only; not Fitzpatrick. The darker classes are tiny:\n"
        "nothing can be said about brown or black skin.\n\n",
    ),
    ("anatomical_site", "site", ""),
    ("sex", "sex", ""),
    ("age_band", "age", ""),
    (
        "truth_source",
        "source of truth",
        "Only some lesions were biopsied: figures on these and on the others differ by verification bias.\n\n",
    ),
)
"""Stratum, its name, and what to know before reading it."""

Rows = dict[tuple[str, str, str, str], Any]


def read_results(path: Path) -> pd.DataFrame:
    """results.csv with its texts as text ("" where empty) and its numbers as float64."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    for column in NUMBERS:
        table[column] = pd.to_numeric(table[column])
    return table


def model_card(results: pd.DataFrame, card: dict[str, Any], folder: Path) -> str:
    """MODEL_CARD.md of the weights that `card` (card.json as a dict) names, from their last evaluation in `results`.

    `folder` is the model's, where explanations.csv lies once models/explain.py was run.
    """
    weights = card["files_sha256"]["weights.safetensors"]
    reference, phantoms = (_last(results, weights, split) for split in ("reference", "phantom"))
    untrained = ", ".join(t.label.lower() for t in LESION_TYPES if t.value not in card["types"])
    parts = [
        f"# {card['name']} {card['version']}\n\nScores of eleven lesion types on dermoscopic pictures. "
        "**For research and teaching: not a medical device.**",
        _what_it_is(card, weights, untrained),
        "## Figures on `reference`\n\n"
        + (_on_reference(reference) if reference else "No evaluation of `reference` is logged for these weights."),
        "## Phantoms\n\n"
        + (_headlines(phantoms) if phantoms else "No evaluation of unseen phantoms is logged for these weights."),
        *filter(None, [explanation_section(folder, weights, card.get("map_sanity", []))]),
        _limits(untrained),
        "## Attribution\n\n" + "\n".join(f"- {a}" for a in card["attribution"]),
        "## Evaluation log\n\n" + _log(results, weights),
    ]
    return "\n\n".join(parts) + "\n"


def _last(results: pd.DataFrame, weights: str, split: str) -> Rows:
    """Rows of the last evaluation of `split` with these weights, by run, metric, stratum and its value."""
    ours = results[(results["weights_hash"] == weights) & (results["split"] == split) & (results["run"] == "model")]
    if ours.empty:
        return {}
    same = results[(results["date"] == ours["date"].max()) & (results["split"] == split)]
    same = same[(same["weights_hash"] == weights) | (same["run"] == "baseline")]
    return {(r.run, r.metric, r.stratum, r.stratum_value): r for r in same.itertuples(index=False)}


def _what_it_is(card: dict[str, Any], weights: str, untrained: str) -> str:
    size = card["preprocessing"]["input_size_px"]
    cases = "; ".join(f"{t.label.lower()} {card['training_cases'][t]:g}" for t in LESION_TYPES if t in card["types"])
    shares = card.get("spoken_shares") or {}
    spoken = "; ".join(f"{t.label.lower()} {shares[t]:.1%}" for t in LESION_TYPES if t in shares) or "as in training"
    return f"""## What it is

A network (backbones side by side: {card["architecture"]}; input {size} x {size} px, central square) that gives a
score to each of {len(card["types"])} lesion types. Not trained: {untrained or "none"}; an untrained type scores NaN,
never 0.
Weights SHA-256 `{weights}`, released {card["released"]}, code {card["code_version"]}.

## Intended use and users

{card["intended_use"]} Users: clinical safety officers, dermatologists, teachers and researchers who want to see how
thresholds, pathways and their harms behave. {card["not_for"]}

## Data and licence

{card["licence"]} The pictures come from public collections (see Attribution) and are not part of this project; SHA-256
of their table: `{card["data_sha256"]}`.

Training cases, open diagnoses counted in parts: {cases}.

## How it was trained

`models/train.py` is the recipe: ImageNet weights, growing picture sizes, a label that leaves the type open trained on
the sum of its types' probabilities, rare types drawn more often, a small share of phantoms. Input size, last bias,
temperature ({card["temperature"]:.3f}) and thresholds were chosen on `validation` (`models/export.py`). `reference` was
opened by `models/evaluate.py` only; each look is in the log below.

Scores speak of a set in which the types have these shares: {spoken}."""


def _on_reference(rows: Rows) -> str:
    strata = "\n\n".join(f"### Per {name}\n\n{remark}{_stratum(rows, key)}" for key, name, remark in STRATA_WORDS)
    return f"""Value (95 % interval) on labelled cases; the baseline is the recipe's naive network on the same cases,
the difference is paired. Intervals assume independent lesions, as no source names the patient.

{_headlines(rows)}

{_calibration(rows)}

### Per lesion type

Recall is the share of a type's cases whose highest score is that type; prevalence-free after dividing each score by its
type's share in the set that the scores speak of. AUC is against every other labelled case.

{_types(rows)}

### Default thresholds

Caught means called that type or a more serious one. All cases: those that go to clinician review (quality, exclusion,
darker skin) are not counted as caught. A low melanoma threshold catches other types for free: read the own-type column.

{_thresholds(rows)}

### Per lesion type and source

Recall by highest score.

{_types_by_source(rows)}

{strata}

\\* at the one threshold that reaches 95 % sensitivity over all cases. A dagger marks an interval not to be
relied on; `results.csv` says why."""


def _headlines(rows: Rows) -> str:
    lines = []
    for metric, label in HEADLINES.items():
        row = rows.get(("model", metric, "all", ""))
        if row is not None:
            others = [rows.get((run, metric, "all", "")) for run in ("baseline", "difference", "must", "aim")]
            bars = [_number(bar.value) if bar is not None else "" for bar in others[2:]]
            lines.append((label, _count(row), _cell(row), _cell(others[0]), _cell(others[1], sign="+"), *bars,
                          _verdict(rows, metric)))  # fmt: skip
    return _table(("figure", "cases", "model", "baseline", "difference", "must", "aim", "verdict"), lines)


def _verdict(rows: Rows, metric: str) -> str:
    """Whether the model's figure reaches its bars, and whether its interval does so wholly."""
    row, must = rows[("model", metric, "all", "")], rows.get(("must", metric, "all", ""))
    if must is None or math.isnan(row.value):
        return ""
    floor = rows.get(("model", "calibration_floor", "all", ""))
    aim = rows.get(("aim", metric, "all", ""))
    sign = -1 if metric in LOWER_IS_BETTER else 1
    worst = row.high if sign < 0 else row.low
    reach = floor.high if metric == "calibration_error" and floor is not None else math.nan
    target = aim.value if aim is not None else reach
    if sign * row.value >= sign * target:
        return "aim met" if sign * worst >= sign * must.value else "aim met, interval reaches below must"
    if sign * row.value >= sign * must.value:
        return "must met" if sign * worst >= sign * must.value else "must met, interval reaches below"
    return "must not met"


def _calibration(rows: Rows) -> str:
    row, floor = (rows.get(("model", m, "all", "")) for m in ("calibration_error", "calibration_floor"))
    if row is None or floor is None or math.isnan(row.value):
        return ""
    place = "within" if row.value <= floor.high else "above"
    return f"The calibration error lies {place} the range of a perfectly calibrated model with the same scores."


def _types(rows: Rows) -> str:
    lines = []
    for t in LESION_TYPES:
        model, free, area = (rows.get(("model", m, "type", t)) for m in ("recall", "recall_prevalence_free", "auc"))
        baseline, difference = (rows.get((run, "recall", "type", t)) for run in ("baseline", "difference"))
        lines.append((t.label, _count(model), _cell(model), _cell(free), _cell(area), _cell(baseline),
                      _cell(difference, sign="+")))  # fmt: skip
    head = ("type", "cases", "recall", "recall, prevalence-free", "AUC", "recall, baseline", "difference in recall")
    return _table(head, lines)


def _thresholds(rows: Rows) -> str:
    metrics = ("caught", "caught_as_own_type", "caught_assessed", "clinician_review")
    if ("model", "caught", "type", FLAGGED[0].value) not in rows:
        return "No default thresholds were evaluated."
    found = [(t, [rows.get(("model", metric, "type", t.value)) for metric in metrics]) for t in FLAGGED]
    lines = [(t.label, _count(cells[0]), *(_cell(cell) for cell in cells)) for t, cells in found]
    head = ("type", "cases", "caught, all cases", "as own type", "caught, decided cases only", "to clinician review")
    return _table(head, lines)


def _types_by_source(rows: Rows) -> str:
    sources = _values(rows, "source")
    lines = []
    for t in LESION_TYPES:
        found = [rows.get(("model", "recall", "type and source", f"{t.value}, {source}")) for source in sources]
        lines.append((t.label, *(text for row in found for text in (_count(row), _cell(row)))))
    return _table(("type", *(head for source in sources for head in (f"{source}: cases", "recall"))), lines)


def _stratum(rows: Rows, stratum: str) -> str:
    lines = []
    for value in _values(rows, stratum):
        found = {metric: rows.get(("model", metric, stratum, value)) for metric in STRATUM_FIGURES}
        melanomas, cancers = (found[metric].n_positive for metric in ("melanoma_auc", "any_cancer_auc"))
        few = "too few to say" if cancers < FEW else "melanoma: too few to say" if melanomas < FEW else ""
        counts = (_count(found["calibration_error"]), f"{melanomas:.0f}", f"{cancers:.0f}")
        lines.append((value, *counts, few, *(_cell(row) for row in found.values())))
    return _table(("group", "cases", "melanomas", "cancers", "remark", *STRATUM_FIGURES.values()), lines)


def _values(rows: Rows, stratum: str) -> list[str]:
    return sorted({value for run, _, name, value in rows if run == "model" and name == stratum})


def _limits(untrained: str) -> str:
    return f"""## Limits

- Not trained: {untrained or "none"}. Such lesions get another type's score.
- No eleven-type model recognises Merkel cell carcinoma, lymphoma, metastasis or combinations; amelanotic lesions are
  untested. If you are worried, refer: this result never overrides clinical suspicion.
- No source names the patient, so intervals assume independent lesions.
- Scores are model scores, not the probability of cancer: they are calibrated to a collection rich in cancers, far from
  what a clinic meets. Predictive values must be worked out for the place of use.
- The pictures were chosen by those who published them, at a few centres: a clinic's own pictures may fare worse.
- Phantoms are test objects: figures on them check the machine, not the diagnosis of lesions."""


def _log(results: pd.DataFrame, weights: str) -> str:
    """Every look, those with weights that do not ship too: what was seen of a split counts, whatever came of it."""
    looks = results[results["run"] == "model"][["date", "split", "weights_hash", "note"]].drop_duplicates()
    looks["weights"] = "`" + looks["weights_hash"].str[:12] + "`"
    looks.loc[looks["weights_hash"] == weights, "weights"] += " (these)"
    lines = [(r.date, r.split, r.weights, r.note or "first") for r in looks.itertuples(index=False)]
    return _table(("date (UTC)", "split", "weights", "why"), lines)


def _table(head: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    rows = [list(head), *(list(line) for line in lines)]
    rows.insert(1, ["---"] * len(rows[0]))
    return "\n".join("| " + " | ".join(cell.replace("|", "/") for cell in row) + " |" for row in rows)


def _count(row: Any) -> str:
    return "" if row is None else f"{row.n:.0f}"


def _number(value: float, sign: str = "") -> str:
    return format(value, f"{sign}.3f")


def _cell(row: Any, sign: str = "") -> str:
    """Value and interval; an undefined one gives its reason, a figure that was not asked for "not run"."""
    if row is None:
        return "not run"
    if math.isnan(row.value):
        return f"– ({row.reason})"
    if math.isnan(row.low):
        return f"{_number(row.value, sign)} ({row.reason})"
    dagger = "†" if row.reason else ""
    return f"{_number(row.value, sign)} ({_number(row.low, sign)} to {_number(row.high, sign)}){dagger}"
