"""Ratings of cases by several readers under several modalities, their figures of merit, and how these vary together.

A modality is a way of reading: before and after the model's view, or two methods. A figure of merit maps ratings
(..., C) and `positive` (C,) to figures (...); any such function serves, those of FIGURES are known by name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from derm_kit.errors import DermKitError
from derm_kit.triage.proportions import BoolArray, FloatArray

Figure = Callable[[FloatArray, BoolArray], FloatArray]
COLUMNS = ("reader", "modality", "case_id", "positive", "rating")


@dataclass(frozen=True)
class Ratings:
    """What each of R readers gave each of C cases under each of M modalities: `given` (M, R, C); `positive` (C,)."""

    modalities: tuple[str, ...]
    readers: tuple[str, ...]
    case_ids: tuple[str, ...]
    positive: BoolArray
    given: FloatArray


def read_ratings(table: pd.DataFrame, *, modalities: Sequence[str] | None = None) -> Ratings:
    """The tidy `table` (one row a rating, COLUMNS) as arrays; modalities in the order given, or else in their own.

    Raises DermKitError where a column is missing, a rating is missing, not finite or given twice, a case's truth is not
    known or not one, or a reader did not rate every case under every modality: the analysis needs a full table.
    """
    absent = [name for name in COLUMNS if name not in table]
    if absent:
        raise DermKitError(
            f"ratings have the columns {', '.join(COLUMNS)}",
            value=f"no {absent[0]}",
            next_step="Add the column; one row is one rating.",
        )
    keys = table[["modality", "reader", "case_id"]].astype(str)
    named = tuple(modalities) if modalities is not None else tuple(sorted(keys["modality"].unique()))
    rating = pd.to_numeric(table["rating"], errors="coerce").to_numpy(np.float64)
    _refuse(keys, ~np.isfinite(rating), table["rating"], "a rating is a finite number", "Give the rating as a number.")
    _refuse(keys, ~keys["modality"].isin(named).to_numpy(), keys["modality"], "a modality is one of those named",
            f"Leave these rows out, or name it beside {', '.join(named)}.")  # fmt: skip
    _refuse(keys, keys.duplicated().to_numpy(), table["rating"],
            "a reader rates a case once under a modality", "Keep one of the rows.")  # fmt: skip
    truth = _truth(keys["case_id"], table["positive"])
    readers = tuple(sorted(keys["reader"].unique()))
    cells = pd.MultiIndex.from_product([named, readers, truth.index])
    values = pd.Series(rating, index=pd.MultiIndex.from_frame(keys)).reindex(cells)
    missing = values.isna().to_numpy()
    if missing.any():
        modality, reader, case = cells[int(missing.argmax())]
        raise DermKitError(
            f"every reader rates every case under every modality; {int(missing.sum())} ratings are missing",
            case=str(case),
            value=f"none by {reader} under {modality}",
            next_step="Leave out the readers or the cases that lack ratings, and say how many.",
        )
    shape = (len(named), len(readers), len(truth))
    return Ratings(named, readers, tuple(truth.index), truth.to_numpy(np.bool_), values.to_numpy().reshape(shape))


def auc(values: FloatArray, positive: BoolArray) -> FloatArray:
    """Area under the empirical (trapezoidal) ROC curve, ties counted half; NaN where a side has no case."""
    m, n = int(positive.sum()), int((~positive).sum())
    if not m or not n:
        return np.full(values.shape[:-1], np.nan)
    ahead = np.asarray(rankdata(values, axis=-1), np.float64)[..., positive].sum(axis=-1) - m * (m + 1) / 2
    area: FloatArray = ahead / (m * n)
    return area


def sensitivity(values: FloatArray, positive: BoolArray) -> FloatArray:
    """Share of positives called (1), not passed over (0); NaN without one."""
    return _mean(values[..., positive])


def specificity(values: FloatArray, positive: BoolArray) -> FloatArray:
    """Share of negatives passed over (0), not called (1); NaN without one."""
    return _mean(1 - values[..., ~positive])


def accuracy(values: FloatArray, positive: BoolArray) -> FloatArray:
    """Share of cases answered right (1), not wrong (0)."""
    del positive
    return _mean(values)


FIGURES: dict[str, Figure] = {"auc": auc, "sensitivity": sensitivity, "specificity": specificity, "accuracy": accuracy}
YES_OR_NO = (sensitivity, specificity, accuracy)
"""Figures of ratings that are 0 or 1."""


def require_scale(ratings: Ratings, figure: Figure) -> None:
    """Raise DermKitError where `figure` counts yes and no, and a rating is neither 1 nor 0."""
    other = ~np.isin(ratings.given, (0, 1))
    if figure in YES_OR_NO and other.any():
        modality, reader, case = np.unravel_index(int(other.argmax()), other.shape)
        raise DermKitError(
            "this figure is a share of cases, so that a rating is 1 or 0",
            case=ratings.case_ids[case],
            value=f"{ratings.given[modality, reader, case]:g} by {ratings.readers[reader]}",
            next_step="Choose the rating from which a case counts as called, or take the figure 'auc'.",
        )


def jackknife(ratings: Ratings, figure: Figure, *, within_classes: bool = False) -> FloatArray:
    """Covariance (M * R, M * R) of the figures of every modality and reader, by leaving out one case at a time.

    Efron and Stein, Annals of Statistics 9 (1981) 586: (C - 1) / C times the sum of products about the mean. Within
    classes, positives and negatives are left out apart and the two sums added: for the AUC this is DeLong's covariance
    (Biometrics 44 (1988) 837). Sensitivity and specificity rest on one class, and only its cases are left out. NaN
    where leaving a case out leaves a figure undefined.
    """
    n = len(ratings.case_ids)
    flat = ratings.given.reshape(-1, n)
    left = np.empty((n, len(flat)))
    for i in range(n):
        kept = np.arange(n) != i
        left[i] = figure(flat[:, kept], ratings.positive[kept])
    apart = within_classes or figure in (sensitivity, specificity)
    classes = [ratings.positive, ~ratings.positive] if apart else [np.ones(n, np.bool_)]
    total = np.zeros((len(flat), len(flat)))
    for members in (left[own] for own in classes if own.any()):
        shift = members - members.mean(axis=0)
        total += (len(members) - 1) / len(members) * shift.T @ shift
    return total


def _mean(values: FloatArray) -> FloatArray:
    if not values.shape[-1]:
        return np.full(values.shape[:-1], math.nan)
    share: FloatArray = values.mean(axis=-1)
    return share


def _truth(case_id: pd.Series[str], positive: pd.Series) -> pd.Series:
    """Whether each case is positive, by case in order of first appearance."""
    known = positive.isin([True, False, 0, 1]).to_numpy()
    keys = case_id.to_frame()
    _refuse(keys, ~known, positive, "whether a case is positive is true or false", "Fill in its truth.")
    one = positive.astype(bool).groupby(case_id.to_numpy(), sort=False)
    torn = case_id.isin(one.nunique()[lambda n: n > 1].index).to_numpy()
    _refuse(keys, torn, positive, "a case has one truth", "Give all rows of the case the same truth.")
    return one.first()


def _refuse(keys: pd.DataFrame, bad: BoolArray, value: pd.Series, rule: str, next_step: str) -> None:
    if bad.any():
        row = int(bad.argmax())
        where = f" (reader {keys['reader'].iloc[row]})" if "reader" in keys else ""
        case, found = keys["case_id"].iloc[row], value.iloc[row]
        raise DermKitError(f"{rule}{where}", case=str(case), value=found, next_step=next_step)
