"""Whether readers follow the model where it is right and hold out where it is wrong: corrections, errors, switches.

A view on a case is a diagnosis (of eleven), or management (a disposition), on cancers and benign types only. Management
is right, no error, or wrong as `reader_study_management.sent` has it: for a benign lesion a second read is no error but
no discharge, so that who turns to it is neither led astray nor corrected, and a model that advises it is not wrong. A
model that gave no view on a case counts in no switch.
"""

from __future__ import annotations

import pandas as pd

from derm_kit.triage.proportions import Estimate
from derm_kit.triage.reader_study_estimates import between, share
from derm_kit.triage.reader_study_management import Sent
from derm_kit.triage.reader_study_tables import VIEWS, Answers, Study

CORRECTION, ERROR = "correction", "AI-induced error"
TURNS = ((CORRECTION, "wrong_before", "right_after"), (ERROR, "right_before", "wrong_after"))
RIGHT, WRONG, DIFFERENCE = "right", "wrong", "right less wrong"


def corrections(study: Study, *, level: float = 0.95) -> pd.DataFrame:
    """Of what was wrong before the model, how much became right; of what was right before, how much became wrong.

    Columns: reader (GROUP for all), view, kind ("correction", "AI-induced error"), n (wrong, or right, before), count,
    with_model (of these, now of the model's view), value, low, high, method, reason.
    """
    rows = []
    for view in VIEWS:
        pairs = _views(study, view)
        for kind, at_risk, became in TURNS:
            for reader, own in pairs.where(pairs[at_risk]).by_reader(study):
                e, turned = share(own, became, level=level), own[became]
                counts = int(turned.sum()), int((turned & own["followed"]).sum())
                rows.append((reader, view, kind, e.n, *counts, e.value, e.low, e.high, e.method, e.reason))
    columns = "reader view kind n count with_model value low high method reason"
    return pd.DataFrame(rows, columns=columns.split())


def reliance(study: Study, *, level: float = 0.95) -> pd.DataFrame:
    """Of those who disagreed with the model before seeing it, the share that moved to its view.

    Where the model is right (or makes no error), moving is well-placed reliance; where it is wrong, automation bias.
    Columns: reader (GROUP for all), view, model ("right", "wrong", and the difference of the two), n (disagreed
    before), count (moved), value, low, high, method, reason.
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
    """The pairs: right and wrong before and after, followed (now of the model's view), disagreed (before), ..."""
    pairs = study.pairs
    if view == "management":
        pairs = pairs[pairs["side"] != "neither"]
        column, bad = "disposition", [one.value for one in Sent if one.wrong]
        verdicts = [(pairs[name] == Sent.RIGHT.value, pairs[name].isin(bad)) for name in ("sent_before", "sent_after")]
        model_wrong = pairs["model_sent"].isin(bad)
    else:
        column = "diagnosis"
        verdicts = [(pairs[name] == pairs["truth"], pairs[name] != pairs["truth"])
                    for name in ("diagnosis_before", "diagnosis_after")]  # fmt: skip
        model_wrong = pairs["model_diagnosis"] != pairs["truth"]
    (right_before, wrong_before), (right_after, wrong_after) = verdicts
    model = pairs[f"model_{column}"]
    return Answers.of(
        study, pairs,
        right_before=right_before, wrong_before=wrong_before, right_after=right_after, wrong_after=wrong_after,
        followed=pairs[f"{column}_after"] == model, disagreed=(pairs[f"{column}_before"] != model) & (model != ""),
        model_right=~model_wrong,
    )  # fmt: skip
