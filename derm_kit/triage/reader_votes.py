"""How many readers of a study said what of each case, before and after they saw the model's view."""

from __future__ import annotations

import pandas as pd

from derm_kit.triage.reader_study_tables import PHASES, VIEWS, Study


def reader_votes(study: Study) -> pd.DataFrame:
    """One row a case, view and name that anybody gave it, the most frequent after the model first.

    Columns: case_id, view ("diagnosis", "management"), name (a lesion type or a disposition), before, after (answers).
    """
    parts = []
    for view, column in zip(VIEWS, ("diagnosis", "disposition"), strict=True):
        answers = study.answers
        counts = pd.crosstab([answers["case_id"], answers[column]], answers["phase"])
        counts = counts.reindex(columns=list(PHASES), fill_value=0).rename_axis(["case_id", "name"]).reset_index()
        parts.append(counts.assign(view=view))
    votes = pd.concat(parts, ignore_index=True)[["case_id", "view", "name", *PHASES]]
    order = ["case_id", "view", "after", "before", "name"]
    return votes.sort_values(order, ascending=[True, True, False, False, True]).reset_index(drop=True)
