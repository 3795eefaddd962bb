"""Whether readers follow the model where it is right and hold out where it is wrong: corrections, errors, switches.

A view on a case is a diagnosis (of eleven), or management: held back or discharged, on cancers and benign types only.
A model that gave no view on a case counts in no switch.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from derm_kit.triage.definition import Disposition
from derm_kit.triage.proportions import Estimate
from derm_kit.triage.reader_study_estimates import between, share
from derm_kit.triage.reader_study_tables import VIEWS, Answers, Study

CORRECTION, ERROR = "correction", "AI-induced error"
RIGHT, WRONG, DIFFERENCE = "right", "wrong", "right less wrong"


def corrections(study: Study, *, level: float = 0.95) -> pd.DataFrame:
    """Of what was wrong before the model, how much became right; of what was right before, how much became wrong.

    Columns: reader (GROUP for all), view, kind ("correction", "AI-induced error"), n (wrong, or right, before), count,
    with_model (of these, now of the model's view), value, low, high, method, reason.
    """
    rows = []
    for view in VIEWS:
        pairs = _views(study, view)
        for kind, at_risk in ((CORRECTION, ~pairs["right_before"]), (ERROR, pairs["right_before"])):
            for reader, own in pairs.where(at_risk).by_reader(study):
                e, turned = share(own, "turned", level=level), own["turned"]
                counts = int(turned.sum()), int((turned & own["followed"]).sum())
                rows.append((reader, view, kind, e.n, *counts, e.value, e.low, e.high, e.method, e.reason))
    columns = "reader view kind n count with_model value low high method reason"
    return pd.DataFrame(rows, columns=columns.split())


def reliance(study: Study, *, level: float = 0.95) -> pd.DataFrame:
    """Of those who disagreed with the model before seeing it, the share that moved to its view.

    Where the model is right, moving is well-placed reliance; where it is wrong, automation bias. Columns: reader (GROUP
    for all), view, model ("right", "wrong", and the difference of the two), n (disagreed before), count (moved),
    value, low, high, method, reason.
    """
    rows = []
    for view in VIEWS:
        pairs = _views(study, view)
        for reader, own in pairs.where(pairs["disagreed"]).by_reader(study):
            sides = ((RIGHT, own.where(own["model_right"])), (WRONG, own.where(~own["model_right"])))
            found: list[tuple[str, Answers, Estimate]] = [
                (model, part, share(part, "followed", level=level)) for model, part in sides
            ]
            found.append((DIFFERENCE, own, between(own, "followed", "model_right", level=level)))
            for model, part, e in found:
                count = int(part["followed"].sum())
                rows.append((reader, view, model, e.n, count, e.value, e.low, e.high, e.method, e.reason))
    columns = "reader view model n count value low high method reason"
    return pd.DataFrame(rows, columns=columns.split())


def _views(study: Study, view: str) -> Answers:
    """The pairs: right_before, turned (right to wrong or back), followed (now of the model's view), disagreed, ..."""
    pairs = study.pairs
    if view == "management":
        pairs = pairs[pairs["side"] != "neither"]
        columns = [pairs[f"disposition_{phase}"] for phase in ("before", "after")] + [pairs["model_disposition"]]
        before, after, model = (_held(column) for column in columns)
        right = np.where(pairs["side"] == "cancer", "held", "discharged").astype(object)
    else:
        names = ("diagnosis_before", "diagnosis_after", "model_diagnosis", "truth")
        before, after, model, right = (pairs[name].to_numpy(object) for name in names)
    return Answers.of(
        study, pairs,
        right_before=before == right, turned=(before == right) != (after == right), followed=after == model,
        disagreed=(before != model) & (model != ""), model_right=model == right,
    )  # fmt: skip


def _held(disposition: pd.Series) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    """Held or discharged (N,); "" where there is no disposition."""
    sides = [disposition == "", disposition == Disposition.DISCHARGE_ADVICE.value]
    return np.select(sides, ["", "discharged"], "held").astype(object)
