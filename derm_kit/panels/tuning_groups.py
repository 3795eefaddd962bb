"""Whom the thresholds serve less well: subgroups beside the rest, and benign lesions by how their truth is known."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape

import numpy as np
import pandas as pd

from derm_kit.errors import DermKitError
from derm_kit.lesions import LESION_TYPES, LesionType
from derm_kit.panels.tables import shares, table_html
from derm_kit.triage.counts import NOT_FLAGGED_CALL, CaseCounter
from derm_kit.triage.measures import Rates
from derm_kit.triage.proportions import BoolArray, Estimate
from derm_kit.triage.scores import one_against_rest
from derm_kit.triage.verification import begg_greenes, specificity_by_truth_source

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


class TruthChecks:
    """Of one counter's assessed cases: whether a figure hangs on who looked, and on who was looked at."""

    def __init__(self, counter: CaseCounter) -> None:
        self._counter, cases = counter, counter.run.cases
        truth = counter.truth
        assessed = ~counter.review
        self._assessed = assessed
        benign, _ = one_against_rest(truth, [t for t in LESION_TYPES if not t.flagged])
        self._benign = benign[assessed]
        self._source = cases["truth_source"].to_numpy(object)[assessed] if "truth_source" in cases else None
        self._cancer, counted = one_against_rest(truth, [t for t in LESION_TYPES if t.cancer])
        said = cases["diagnosis"].to_numpy(object) if "diagnosis" in cases else np.full(len(cases), "", object)
        unverified = (cases["truth"] == "").to_numpy() & (said == "")
        self._used, self._verified = assessed & (counted | unverified), counted

    def html(self, thresholds: Mapping[LesionType, float]) -> str:
        """Specificity by source of truth, and Begg and Greenes' correction or why there is none."""
        flagged = self._counter.called(thresholds) < NOT_FLAGGED_CALL
        return self._by_source(flagged) + f"<p>{escape(self._corrected(flagged))}</p>"

    def _by_source(self, flagged: BoolArray) -> str:
        if self._source is None:
            return "<p>How the truth of these cases is known was not recorded.</p>"
        found = specificity_by_truth_source(flagged[self._assessed], self._benign, self._source)
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

    def _corrected(self, flagged: BoolArray) -> str:
        used = self._used
        try:
            found = begg_greenes(flagged[used], self._cancer[used], self._verified[used])
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
