"""Expected harm of a policy by the user's own weights: how bad each mistake is, in a unit that the user names.

Every interval assumes independent lesions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from derm_kit.errors import DermKitError
from derm_kit.lesions import FLAGGED, LESION_TYPES, LesionType
from derm_kit.triage.benefit import case_weights_of, weighted_mean
from derm_kit.triage.case_mix import CaseMix, case_weights
from derm_kit.triage.counts import NOT_FLAGGED_CALL, REVIEW_CALL, CaseCounter
from derm_kit.triage.proportions import BoolArray, Estimate, FloatArray

FLAG, NO_FLAG, REVIEW = "flagged", "not flagged", "clinician review"


@dataclass(frozen=True)
class Harms:
    """Harm of each (lesion type, called as) pair, in one unit that `source` names together with where it is from.

    There are no defaults: no published set of such weights is known. "Called as" is whatever word stands in the calls.
    Raises DermKitError without a source, or for a harm that is no finite number from 0 up.
    """

    weights: Mapping[tuple[LesionType, str], float]
    source: str

    def __post_init__(self) -> None:
        if not self.source.strip():
            raise DermKitError(
                "harms have a source and a unit", next_step="Say who set them, how, and in what unit (say, QALYs lost)."
            )
        for (lesion_type, called), harm in self.weights.items():
            if not 0 <= harm < math.inf:
                raise DermKitError(
                    "a harm is a finite number from 0 up",
                    case=f"{lesion_type}, called {called or 'none'}",
                    value=harm,
                    next_step="Give its size in the unit of the source.",
                )

    @classmethod
    def of_mistakes(
        cls, not_flagged: Mapping[LesionType, float], *, benign_flagged: float, review: float, source: str
    ) -> Harms:
        """Harms for `policy_harm`: of a flagged type that is not flagged, a benign type that is, and any case reviewed.

        A right call harms nobody. Raises DermKitError as the class does, and for a flagged type without a harm.
        """
        silent = [t.label.lower() for t in FLAGGED if t not in not_flagged]
        if silent:
            raise DermKitError(
                "each flagged type has a harm of not being flagged, if only 0",
                value=f"none for {', '.join(silent)}",
                next_step="Give one; there is no default.",
            )
        pairs = {(t, REVIEW): review for t in LESION_TYPES}
        pairs |= {(t, FLAG): 0.0 if t.flagged else benign_flagged for t in LESION_TYPES}
        pairs |= {(t, NO_FLAG): not_flagged[t] if t.flagged else 0.0 for t in LESION_TYPES}
        return cls(pairs, source)


@dataclass(frozen=True)
class ExpectedHarm:
    """Mean harm per case and per 1,000 cases, in the unit of `source`; `left_out` cases were of no or several types."""

    per_case: Estimate
    per_1000: Estimate
    left_out: int
    source: str


@dataclass(frozen=True)
class HarmChange:
    """Harm under two sets of thresholds, and the mean of the paired differences (after less before) per 1,000 cases."""

    before: ExpectedHarm
    after: ExpectedHarm
    difference_per_1000: Estimate


def expected_harm(
    called: npt.ArrayLike,
    truth: BoolArray,
    harms: Harms,
    *,
    weights: npt.ArrayLike | None = None,
    level: float = 0.95,
) -> ExpectedHarm:
    """Mean of the users' own harms over cases of known type, with the interval of a mean, cut at 0.

    `called` (N,) is text: the suspected type ("" for none) or the disposition. In `Decisions` a case in clinician
    review has the suspected type "" too: give dispositions, or another word, where review and no call differ in harm.
    `truth` is (N, 11). The interval knows nothing of a harm that did not occur. Raises DermKitError for a pair that
    occurs and has no weight.
    """
    harm, w = _harm_of_cases(called, truth, harms, weights)
    return _expected(harm, w, truth, harms, level)


def policy_harm(
    counter: CaseCounter,
    before: Mapping[LesionType, float],
    after: Mapping[LesionType, float],
    harms: Harms,
    mix: CaseMix | None = None,
) -> HarmChange:
    """Harm of thresholds `before` and `after` over the counter's cases, calls in words as `Harms.of_mistakes`.

    With a `mix`, cases of known type weigh as `case_weights` gives them. Raises DermKitError as that does.
    """
    words = np.full(REVIEW_CALL + 1, FLAG, object)
    words[NOT_FLAGGED_CALL], words[REVIEW_CALL] = NO_FLAG, REVIEW
    truth = counter.truth
    weights = None if mix is None else case_weights(truth, mix).weights
    one, w = _harm_of_cases(words[counter.called(before)], truth, harms, weights)
    other, _ = _harm_of_cases(words[counter.called(after)], truth, harms, weights)
    return HarmChange(
        _expected(one, w, truth, harms, 0.95),
        _expected(other, w, truth, harms, 0.95),
        _per_1000(weighted_mean(other - one, w, 0.95)),
    )


def _expected(harm: FloatArray, w: FloatArray, truth: BoolArray, harms: Harms, level: float) -> ExpectedHarm:
    mean = weighted_mean(harm, w, level)
    mean = replace(mean, low=mean.low if math.isnan(mean.low) else max(mean.low, 0.0))
    return ExpectedHarm(mean, _per_1000(mean), int((truth.sum(1) != 1).sum()), harms.source)


def _per_1000(mean: Estimate) -> Estimate:
    return replace(mean, value=1000 * mean.value, low=1000 * mean.low, high=1000 * mean.high)


def _harm_of_cases(
    called: npt.ArrayLike, truth: BoolArray, harms: Harms, weights: npt.ArrayLike | None
) -> tuple[FloatArray, FloatArray]:
    """Harm (N,) and weight (N,) of each case, both 0 where it is of no or several types."""
    word = np.asarray(called, object)
    w = np.where(truth.sum(1) == 1, case_weights_of(weights, word, truth[:, 0]), 0.0)
    counted = w > 0
    words, place = np.unique(word.astype(str), return_inverse=True)
    kind, harm = truth.argmax(1), np.zeros(len(w))
    for i in np.unique(kind[counted] * len(words) + place[counted]):
        column, name = divmod(int(i), len(words))
        pair = (LESION_TYPES[column], str(words[name]))
        if pair not in harms.weights:
            raise DermKitError(
                "each pair of lesion type and call that occurs has a harm",
                value=f"{pair[0]}, called {pair[1] or 'none'}",
                next_step="Add this pair to the harms, with its source; there is no default.",
            )
        harm[counted & (kind == column) & (place == name)] = harms.weights[pair]
    return harm, w
