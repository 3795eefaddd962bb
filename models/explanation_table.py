"""The section on maps in MODEL_CARD.md, from explanations.csv as models/explain.py wrote it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd

from derm_kit.model.explanation import DEFAULT_METHOD, METHODS

FILE = "explanations.csv"
SANITY = "sanity, random down to "
HEADS = {
    "pointing": "highest place in the lesion",
    "energy": "share of the map in the lesion",
    "deletion_gain": "gain by hiding",
    "insertion_gain": "gain by showing",
    "explains": "beats every random order",
    "agreement": "agreement with one-pass",
    "ms_a_case": "ms a case",
}


def explanation_section(folder: Path, weights: str, sanity: list[dict[str, Any]]) -> str:
    """What was measured of the maps of these weights, "" where nothing was; `sanity` as card.json has it."""
    path = folder / FILE
    if not path.is_file():
        return ""
    table = pd.read_csv(path)
    table = table[table["weights_hash"] == weights]
    if table.empty:
        return ""
    figures = {(r.method, r.metric): r for r in table.itertuples(index=False)}
    lines = ["| method | cases | " + " | ".join(HEADS.values()) + " |", "|" + " --- |" * (2 + len(HEADS))]
    for name, method in METHODS.items():
        if (name, "energy") in figures:
            cells = [_cell(figures[name, metric], places=0 if metric == "ms_a_case" else 2) for metric in HEADS]
            lines.append(f"| {method.label} | {figures[name, 'pointing'].n} | {' | '.join(cells)} |")
    area = figures[next(iter(METHODS)), "area"]
    checks = [f"| {c['random_down_to']} | {c['flat']} of {c['n']} | {_text(c['correlation'])} |" for c in sanity]
    passed = figures[DEFAULT_METHOD, "explains"]
    return f"""## Maps

Measured by `models/explain.py` on pictures of `reference` whose lesion is outlined, for the type of the highest score;
value (95 % interval). The lesion covers {area.value:.0%} of the picture on average: a map that marks places at random
would have that share of itself in the lesion. Gains are areas between curves of the score as marked places are hidden,
or shown, before random ones: above 0 is better than chance. Time on one machine in one thread, the network loaded anew
each time by methods of other libraries.

{chr(10).join(lines)}

The check on page 01 trusts a map only where it beats every random order both ways. The default map does so on
{passed.value:.0%} of these pictures ({passed.low:.0%} to {passed.high:.0%}); on the others the page says that the map
does not explain the score. Random orders scatter what they hide; a map marks places that lie together.

Model randomisation (Adebayo 2018): rank correlation of one-pass maps with those of the same network whose layers were
made random from the last to the one named. Near 0, or flat, is right: such maps depend on what was learnt.

| random down to | flat maps | correlation of the others |
| --- | --- | --- |
{chr(10).join(checks)}"""


def _cell(row: object, places: int) -> str:
    value, low, high = (getattr(row, name) for name in ("value", "low", "high"))
    if math.isnan(value):
        return "–"
    return f"{value:.{places}f} ({low:.{places}f} to {high:.{places}f})"


def _text(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
