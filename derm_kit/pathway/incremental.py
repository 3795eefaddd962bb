"""Which arms buy health at what price: a fully incremental analysis, with dominance and extended dominance named."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from derm_kit.pathway.tallies import Floats

COLUMNS = [
    "arm", "cost_gbp", "qaly", "status", "by", "against", "more_cost_gbp", "more_qaly", "icer_gbp_per_qaly",
]  # fmt: skip
DOMINATED, EXTENDEDLY, EQUAL = "dominated", "extendedly dominated", "equal"


def fully_incremental(arms: Sequence[str], cost_gbp: Floats, qaly: Floats) -> pd.DataFrame:
    """Arms from the cheapest on, each that remains against the next cheaper one that remains.

    Columns: arm, cost_gbp, qaly, status ("" for those that remain), by (which arms rule it out), against,
    more_cost_gbp, more_qaly, icer_gbp_per_qaly (empty for the first, and for those ruled out). An arm is dominated
    where another has as many QALYs or more for as little money or less, and is better in one; extendedly dominated
    where a mixture of two others is: its ICER is above that of the next dearer one (Drummond et al., Methods for the
    Economic Evaluation of Health Care Programmes, 4th edition, 2015).
    """
    order = sorted(range(len(arms)), key=lambda i: (cost_gbp[i], -qaly[i]))
    ruled_out: dict[int, tuple[str, str]] = {}
    left: list[int] = []
    for i in order:
        if not left or qaly[i] > qaly[left[-1]]:
            left.append(i)
        else:
            same = qaly[i] == qaly[left[-1]] and cost_gbp[i] == cost_gbp[left[-1]]
            ruled_out[i] = (EQUAL if same else DOMINATED, arms[left[-1]])
    while True:
        ratios = [_icer(cost_gbp, qaly, high, low) for low, high in pairwise(left)]
        steep = [k for k in range(len(ratios) - 1) if ratios[k] > ratios[k + 1]]
        if not steep:
            break
        k = steep[0]
        ruled_out[left[k + 1]] = (EXTENDEDLY, f"{arms[left[k]]} and {arms[left[k + 2]]}")
        del left[k + 1]
    rows = []
    for i in order:
        status, by = ruled_out.get(i, ("", ""))
        before = left[left.index(i) - 1] if i in left and i != left[0] else None
        step = (
            ("", np.nan, np.nan, np.nan)
            if before is None
            else (
                arms[before],
                cost_gbp[i] - cost_gbp[before],
                qaly[i] - qaly[before],
                _icer(cost_gbp, qaly, i, before),
            )
        )
        rows.append((arms[i], float(cost_gbp[i]), float(qaly[i]), status, by, *step))
    return pd.DataFrame(rows, columns=COLUMNS)


def _icer(cost_gbp: Floats, qaly: Floats, high: int, low: int) -> float:
    return float((cost_gbp[high] - cost_gbp[low]) / (qaly[high] - qaly[low]))
