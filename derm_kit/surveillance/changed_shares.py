"""What changed most between two groups of cases, in a clinic's words: device, quality, age, sex, skin, suspicion."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from derm_kit.triage.subgroups import AGE_BANDS, AGE_FROM_YEARS, UNKNOWN

FIGURES = {
    "device": "device",
    "quality": "quality_reason",
    "age": "age_years",
    "sex": "sex",
    "skin type": "skin_type",
    "suspected": "suspected",
    "disposition": "disposition",
}
"""What people call a figure, and the feed's column that it is made from."""
MOST = 3
SOUND = "passes"


def labelled(cases: pd.DataFrame, figure: str) -> tuple[npt.NDArray[np.int64], tuple[str, ...]]:
    """Code (N,) of each case in one of FIGURES, and what the codes stand for.

    A quality reason counts by its kind, the words before its figures ("out of focus"); an age by its band.
    """
    values = cases[FIGURES[figure]]
    if figure == "age":
        return _bands(values.to_numpy(np.float32))
    values = values.astype("category")
    names = [_name(figure, str(name)) for name in values.cat.categories]
    labels = tuple(sorted({*names, UNKNOWN}))
    place = np.array([*(labels.index(name) for name in names), labels.index(UNKNOWN)], np.int64)
    return place[values.cat.codes.to_numpy(np.int64)], labels


def changed_shares(cases: pd.DataFrame, now: npt.NDArray[np.int64], before: npt.NDArray[np.int64]) -> pd.DataFrame:
    """The MOST shares that moved most from the cases at `before` to those at `now`: figure, value, both shares."""
    rows: list[tuple[str, str, float, float]] = []
    both = cases.iloc[np.concatenate([now, before])]
    for figure in FIGURES:
        codes, labels = labelled(both, figure)
        shares_now = np.bincount(codes[: len(now)], minlength=len(labels)) / len(now)
        shares_before = np.bincount(codes[len(now) :], minlength=len(labels)) / len(before)
        rows += zip([figure] * len(labels), labels, shares_now, shares_before, strict=True)
    table = pd.DataFrame(rows, columns=["figure", "value", "share_now", "share_baseline"])
    moved = (table["share_now"] - table["share_baseline"]).abs()
    return table.loc[moved.sort_values(ascending=False, kind="stable").index[:MOST]].reset_index(drop=True)


def in_words(changed: pd.DataFrame) -> str:
    """The sentence that says what changed most."""
    parts = [
        f"{row.figure} {row.value} {row.share_now:.0%} of cases (baseline {row.share_baseline:.0%})"
        for row in changed.itertuples()
    ]
    return f"Shares that changed most: {'; '.join(parts)}."


def _name(figure: str, value: str) -> str:
    if figure == "quality":
        return value.partition(":")[0].strip() or SOUND
    return value or UNKNOWN


def _bands(age_years: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.int64], tuple[str, ...]]:
    codes = np.searchsorted(AGE_FROM_YEARS[1:], age_years, side="right")
    return np.where(np.isnan(age_years), len(AGE_BANDS), codes), (*AGE_BANDS, UNKNOWN)
