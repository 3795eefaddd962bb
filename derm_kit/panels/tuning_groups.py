"""Whom the thresholds serve less well: subgroups beside the rest, and benign lesions by how their truth is known."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape

import pandas as pd

from derm_kit.errors import DermKitError
from derm_kit.lesions import LesionType
from derm_kit.panels.tables import shares, table_html
from derm_kit.triage.measures import Rates
from derm_kit.triage.proportions import Estimate
from derm_kit.triage.truth_checks import TruthChecks

WANTED = {
    ("cancers flagged", None): "Cancers that are flagged",
    ("sensitivity", LesionType.MELANOMA): "Melanomas that are called melanoma",
    ("benign not flagged", None): "Benign lesions that are not flagged",
}


def groups_html(found: Rates, grouping: str | None) -> str:
    """Three rates by the groups of a grouping, all cases, each beside all other groups together."""
    if not grouping:
        return "<p>Nothing is recorded by which these cases could be parted.</p>"
    cut = found.of_grouping(grouping, [found.place(name, kind) for name, kind in WANTED])
    rates, gaps = cut.frame().iloc[len(WANTED) :], cut.differences()
    tables = []
    for i, words in enumerate(WANTED.values()):
        own, gap = rates.iloc[i :: len(WANTED)], gaps.iloc[i :: len(WANTED)]
        shown = pd.DataFrame(
            {
                "group": own["group"].to_numpy(),
                "cases": [f"{k} of {n}" for k, n in zip(own["count"], own["n"], strict=True)],
                "rate": shares(own["value"], own["low"], own["high"]),
                "less that of the others": shares(gap["difference"], gap["low"], gap["high"], signed=True),
                "remark": own["remark"].to_numpy(),
            }
        )
        tables.append(table_html(shown, f"{words}, by {grouping}, 95% interval"))
    return "".join(tables)


def truth_html(checks: TruthChecks, thresholds: Mapping[LesionType, float]) -> str:
    """Specificity by source of truth, and Begg and Greenes' correction or why there is none."""
    return _by_source(checks.by_source(thresholds)) + f"<p>{escape(_corrected(checks, thresholds))}</p>"


def _by_source(found: pd.DataFrame | None) -> str:
    if found is None:
        return "<p>How the truth of these cases is known was not recorded.</p>"
    shown = pd.DataFrame(
        {
            "truth known by": found["truth_source"],
            "cases": [f"{k} of {n}" for k, n in zip(found["not_flagged"], found["n"], strict=True)],
            "rate": shares(found["specificity"], found["low"], found["high"]),
            "remark": found["remark"],
        }
    )
    why = "Biopsied lesions are those that looked worst: specificity among them alone says less than it seems."
    caption = "Benign lesions that are not flagged, assessed cases, by how their truth is known, 95% interval"
    return table_html(shown, caption) + f"<p>{why}</p>"


def _corrected(checks: TruthChecks, thresholds: Mapping[LesionType, float]) -> str:
    try:
        found = checks.corrected(thresholds)
    except DermKitError as error:
        return f"Begg and Greenes' correction for unverified cases is not applied: {error.rule}."
    return (
        f"Corrected for {found.n_unverified:,} cases with scores and no truth (Begg and Greenes), any cancer: "
        f"sensitivity {_estimate(found.sensitivity)}, specificity {_estimate(found.specificity)}; verified cases "
        f"alone: {_estimate(found.sensitivity_verified)} and {_estimate(found.specificity_verified)}. "
        f"{found.assumption}"
    )


def _estimate(e: Estimate) -> str:
    if math.isnan(e.value):
        return e.reason
    interval = "no interval" if math.isnan(e.low) else f"{e.low:.0%} to {e.high:.0%}"
    return f"{e.value:.0%} ({interval}{'; ' + e.reason if e.reason else ''})"
