"""Charts of the threshold page: ROC, precision and calibration of one type's score; decision curve of any cancer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from derm_kit.lesions import LESION_TYPES, LesionType
from derm_kit.panels.plots import Series, chart_html
from derm_kit.triage.benefit import decision_curve
from derm_kit.triage.counts import CaseCounter
from derm_kit.triage.curves import calibration_curve, precision_recall_curve, roc_curve
from derm_kit.triage.measures import Rates, net_benefits
from derm_kit.triage.scores import one_against_rest, summed_score

CANCERS = tuple(t for t in LESION_TYPES if t.cancer)
PROBABILITIES = np.round(np.arange(0.01, 0.51, 0.01), 2)
TABLE_ROWS = 30
SET = "the threshold as it is set"


@dataclass(frozen=True)
class _OneType:
    """Curves of one type's score, `share` of the cases that are of it, and its calibration chart as HTML."""

    roc: pd.DataFrame
    precision: pd.DataFrame
    share: float
    calibration: str


class TuningCharts:
    """The charts of one counter; what does not depend on thresholds is worked out once a type."""

    def __init__(self, counter: CaseCounter) -> None:
        kept = ~counter.review
        self._scores, self._truth = counter.matrix[kept].astype(np.float64), counter.truth[kept]
        cancer, rows = one_against_rest(self._truth, CANCERS)
        self._by_score = decision_curve(summed_score(self._scores[rows], CANCERS), cancer[rows], PROBABILITIES)
        self._still: dict[LesionType, _OneType] = {}

    def html(self, kind: LesionType, thresholds: Mapping[LesionType, float], found: Rates) -> dict[str, str]:
        """ROC, precision and recall with the threshold as it is set, calibration; the decision curve of the policy.

        `found` are the policy's rates at `thresholds`.
        """
        one, name, set_at = self._of(kind), kind.label.lower(), thresholds.get(kind, np.inf)
        at = one.roc[one.roc["threshold"] >= set_at].tail(1)
        alone = f"{name} against every other lesion, whatever the other thresholds"
        missing = "" if one.roc["sensitivity"].notna().all() else "No case of this type here."
        roc = chart_html(
            f"ROC of {name}", ("1 − specificity", "sensitivity"),
            [
                Series(alone, 1 - one.roc["specificity"].to_numpy(), one.roc["sensitivity"].to_numpy()),
                Series(SET, 1 - at["specificity"].to_numpy(), at["sensitivity"].to_numpy(), "dots"),
            ],
            _with(one.roc, at), remark=missing,
        )  # fmt: skip
        at = one.precision[one.precision["threshold"] >= set_at].tail(1)
        ends, share = np.array([0.0, 1.0]), one.share
        precision = chart_html(
            f"Precision and recall of {name}", ("sensitivity (recall)", "PPV (precision)"),
            [
                Series(alone, one.precision["sensitivity"].to_numpy(), one.precision["ppv"].to_numpy()),
                Series(f"calling every case: {share:.1%} here, elsewhere otherwise", ends, ends * 0 + share, "third"),
                Series(SET, at["sensitivity"].to_numpy(), at["ppv"].to_numpy(), "dots"),
            ],
            _with(one.precision, at), remark=missing,
        )  # fmt: skip
        return {"roc": roc, "precision": precision, "calibration": one.calibration, "decision": self._decision(found)}

    def _of(self, kind: LesionType) -> _OneType:
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
            share = float(positive.mean()) if len(positive) else np.nan
            self._still[kind] = _OneType(
                roc_curve(score, positive), precision_recall_curve(score, positive), share, drawn
            )
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


def _with(curve: pd.DataFrame, at: pd.DataFrame) -> pd.DataFrame:
    """Some rows of a curve, and that of the threshold as it is set."""
    some = np.unique(np.linspace(0, max(len(curve) - 1, 0), TABLE_ROWS).astype(int))
    return pd.concat([curve[curve.index.isin(some)], at]).drop_duplicates().sort_values("threshold", ascending=False)
