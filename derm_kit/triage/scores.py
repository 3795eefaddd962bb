"""Scores and truth as arrays: one condition against the rest, summed scores, and the type of the highest score.

Scores are (N, 11) arrays in order of risk, NaN in the columns of untrained types; truth is a boolean array of the same
shape: no True in a row means out of scope, several mean that the label leaves the type open.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from derm_kit.errors import DermKitError
from derm_kit.lesions import LESION_TYPES, LesionType, parse_truth
from derm_kit.triage.proportions import BoolArray, FloatArray

IntArray = npt.NDArray[np.intp]


def truth_matrix(truths: Iterable[str]) -> BoolArray:
    """Truth texts ("a|b", "" for out of scope) as bool (N, 11). Raises DiagnosisError for an unknown type."""
    parsed = [parse_truth(text) for text in truths]
    return np.array([[t in types for t in LESION_TYPES] for types in parsed], dtype=bool).reshape(-1, len(LESION_TYPES))


def one_against_rest(truth: BoolArray, types: Iterable[LesionType]) -> tuple[BoolArray, BoolArray]:
    """Cases of `types` against every other labelled case: `positive` (N,) and `counted` (N,).

    A case left open between types counts where all of them lie on one side; a case without a type never counts.
    """
    inside = np.isin(np.array(LESION_TYPES), list(types))
    some_inside: BoolArray = np.asarray(truth[:, inside].any(1))
    some_outside: BoolArray = np.asarray(truth[:, ~inside].any(1))
    return some_inside & ~some_outside, some_inside ^ some_outside


def summed_score(scores: npt.ArrayLike, types: Iterable[LesionType]) -> FloatArray:
    """Sum of the scores of `types` (N,), untrained types left out.

    NaN where none of them is trained, and in a case that lacks the score of one that is.
    """
    s = score_table(scores)
    trained = np.isin(np.array(LESION_TYPES), list(types)) & ~np.isnan(s).all(0)
    total: FloatArray = s[:, trained].sum(1) if trained.any() else np.full(len(s), np.nan)
    return total


def top_type(scores: npt.ArrayLike, *, shares: npt.ArrayLike | None = None) -> IntArray:
    """Column of the highest score of each case (N,); with `shares` (11,), of the highest score / share.

    Shares are those of the types in the set the scores are calibrated to: dividing takes that set's prevalence out of
    the call. Raises DermKitError where a trained type's score is NaN or its share is not positive.
    """
    s = _complete(score_table(scores))
    if shares is not None:
        share = np.asarray(shares, np.float64)
        if np.any(~np.isnan(s).all(0) & ~(share > 0)):
            raise DermKitError(
                "each trained type has a share above 0",
                value=share.tolist(),
                next_step="Give the share of every trained type in the set that the scores are calibrated to.",
            )
        s = s / np.where(share > 0, share, np.nan)
    return np.asarray(np.where(np.isnan(s), -np.inf, s).argmax(1), np.intp)


def score_table(scores: npt.ArrayLike) -> FloatArray:
    """Scores as float64 (N, 11). Raises DermKitError for another shape."""
    s = np.asarray(scores, np.float64)
    if s.ndim != 2 or s.shape[1] != len(LESION_TYPES):
        raise DermKitError(
            "scores have a row a case and a column for each of the eleven lesion types",
            value=s.shape,
            next_step="Order the columns by risk; an untrained type is a column of NaN.",
        )
    return s


def incomplete_rows(scores: FloatArray) -> BoolArray:
    """Cases (N,) without the score of a type that other cases have one for."""
    missing = np.isnan(scores)
    return np.asarray((missing & ~missing.all(0)).any(1))


def _complete(scores: FloatArray) -> FloatArray:
    incomplete = incomplete_rows(scores).sum()
    if incomplete or (len(scores) and np.isnan(scores).all()):
        raise DermKitError(
            "every case has a score for every trained type",
            value=f"{incomplete or len(scores)} of {len(scores)} cases lack one",
            next_step="Leave these cases out and count them beside the figure: they go to a clinician.",
        )
    return scores
