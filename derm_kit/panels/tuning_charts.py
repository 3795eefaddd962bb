"""Charts of the threshold page: ROC and calibration of one type's score, and the decision curve of any cancer."""

from __future__ import annotations

import numpy as np
import pandas as pd

from derm_kit.lesions import LESION_TYPES, LesionType
from derm_kit.panels.plots import Series, chart_html
from derm_kit.triage.benefit import decision_curve
from derm_kit.triage.counts import CaseCounter
from derm_kit.triage.curves import calibration_curve, roc_curve
from derm_kit.triage.measures import Rates, net_benefits
from derm_kit.triage.scores import one_against_rest, summed_score

CANCERS = tuple(t for t in LESION_TYPES if t.cancer)
PROBABILITIES = np.round(np.arange(0.01, 0.51, 0.01), 2)
TABLE_ROWS = 30


class TuningCharts:
    """The charts of one counter; what does not depend on thresholds is worked out once a type."""

    def __init__(self, counter: CaseCounter) -> None:
        kept = ~counter.review
        self._scores, self._truth = counter.matrix[kept].astype(np.float64), counter.truth[kept]
        cancer, rows = one_against_rest(self._truth, CANCERS)
        self._by_score = decision_curve(summed_score(self._scores[rows], CANCERS), cancer[rows], PROBABILITIES)
        self._still: dict[LesionType, tuple[pd.DataFrame, str]] = {}

    def html(self, kind: LesionType, thresholds: dict[LesionType, float], found: Rates) -> tuple[str, str, str]:
        """ROC with the threshold as it is set, calibration, and the decision curve of the policy as it is set.

        `found` are the policy's rates at `thresholds`.
        """
        roc, calibration = self._of(kind)
        at = roc[roc["threshold"] >= thresholds[kind]].tail(1)
        dot = Series(
            "the threshold as it is set", 1 - at["specificity"].to_numpy(), at["sensitivity"].to_numpy(), "dots"
        )
        line = Series(
            f"{kind.label.lower()} against every other lesion, whatever the other thresholds",
            1 - roc["specificity"].to_numpy(), roc["sensitivity"].to_numpy(),
        )  # fmt: skip
        some = roc.iloc[np.unique(np.linspace(0, len(roc) - 1, TABLE_ROWS).astype(int))]
        missing = "" if roc["sensitivity"].notna().all() else "No case of this type here."
        drawn = chart_html(
            f"ROC of {kind.label.lower()}", ("1 − specificity", "sensitivity"), [line, dot],
            pd.concat([some, at]).sort_values("threshold", ascending=False), remark=missing,
        )  # fmt: skip
        return drawn, calibration, self._decision(found)

    def _of(self, kind: LesionType) -> tuple[pd.DataFrame, str]:
        if kind not in self._still:
            positive, rows = one_against_rest(self._truth, (kind,))
            score, positive = self._scores[rows, LESION_TYPES.index(kind)], positive[rows]
            bins = calibration_curve(score, positive)
            even = Series("perfect calibration", np.array([0.0, 1.0]), np.array([0.0, 1.0]), "third")
            found = Series(
                "share with that truth at each mean score, with its 95% interval",
                bins["mean_score"].to_numpy(),
                bins["share"].to_numpy(),
                "dots",
                bins["low"].to_numpy(),
                bins["high"].to_numpy(),
            )
            drawn = chart_html(
                f"Calibration of {kind.label.lower()}", ("mean score", "share of cases"), [even, found], bins
            )
            self._still[kind] = (roc_curve(score, positive), drawn)
        return self._still[kind]

    def _decision(self, found: Rates) -> str:
        by_score = self._by_score
        numbers = pd.DataFrame(
            {
                "threshold": PROBABILITIES,
                "policy": net_benefits(found, PROBABILITIES),
                "summed score": by_score["model"],
                "refer all": by_score["treat_all"],
                "refer none": by_score["treat_none"],
            }
        )
        names = {"policy": "line", "summed score": "other", "refer all": "third"}
        lines = [Series(name, PROBABILITIES, numbers[name].to_numpy(), kind) for name, kind in names.items()]  # type: ignore[arg-type]
        top = float(np.nanmax([0.05, *numbers[["policy", "summed score"]].to_numpy().ravel()]))
        return chart_html(
            "Decision curve of any cancer", ("threshold probability", "net benefit"), lines, numbers.iloc[::5],
            x_range=(0, 0.5), y_range=(-0.05 * top, round(top * 1.1, 2)), remark=str(by_score["remark"].iloc[0]),
        )  # fmt: skip
