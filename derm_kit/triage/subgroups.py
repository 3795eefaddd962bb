"""Subgroups of cases, by age band, sex, site, skin, source, device and source of truth, as labels and codes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

FEW = 30
"""A rate over fewer cases than this is "too few to say": shown with its interval, never dropped."""

UNKNOWN = "not recorded"
AGE_FROM_YEARS = (0, 18, 40, 60, 80)
AGE_BANDS = ("under 18 years", "18 to 39 years", "40 to 59 years", "60 to 79 years", "80 years and over")
TONES = ("0 very dark", "1", "2", "3", "4", "5 very light")
COLUMNS = {
    "age": "age_years",
    "sex": "sex",
    "site": "anatomical_site",
    "skin tone": "skin_tone_class",
    "skin type": "skin_type",
    "source": "source",
    "device": "device",
    "source of truth": "truth_source",
}
"""What people call a grouping, and the column of a run's table of cases that it is made from."""

MOST_GROUPS = 60


@dataclass(frozen=True)
class Grouping:
    """One way to part the cases: `labels` of its groups and the group of each case, `codes` (N,)."""

    name: str
    labels: tuple[str, ...]
    codes: npt.NDArray[np.uint8]


def groupings(cases: pd.DataFrame) -> tuple[Grouping, ...]:
    """The ways to part `cases` (N rows, a run's table) by what was recorded; one that parts nothing is left out.

    The MOST_GROUPS largest groups of a column stand; its others are one group together. What was not recorded is a
    group of its own.
    """
    made = [_grouping(name, _labels(column, cases[column])) for name, column in COLUMNS.items() if column in cases]
    return tuple(grouping for grouping in made if len(grouping.labels) > 1)


def _labels(column: str, values: pd.Series) -> pd.Series:
    if column == "age_years":
        return pd.cut(values, [*AGE_FROM_YEARS, np.inf], right=False, labels=list(AGE_BANDS))
    if column == "skin_tone_class":
        return values.map(dict(enumerate(TONES)))
    return values.fillna("").astype("str").replace("", None)


def _grouping(name: str, labels: pd.Series) -> Grouping:
    ordered = (
        labels.cat.categories if isinstance(labels.dtype, pd.CategoricalDtype) else sorted(labels.dropna().unique())
    )
    counts = labels.value_counts()
    large = set(counts.index[counts > 0][:MOST_GROUPS])
    kept = [str(label) for label in ordered if label in large]
    place = {label: i for i, label in enumerate(kept)}
    rest, unknown = len(kept), len(kept) + (len(counts[counts > 0]) > len(kept))
    codes = np.asarray(labels.astype(object).map(place).fillna(rest), np.uint8)
    codes[labels.isna().to_numpy()] = unknown
    names = [*kept, *(["all others"] if unknown > rest else []), *([UNKNOWN] if labels.isna().any() else [])]
    return Grouping(name, tuple(names), codes)
