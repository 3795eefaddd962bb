"""Expected harm by hand, and of the thresholds of a policy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from derm_kit.errors import DermKitError
from derm_kit.lesions import FLAGGED, LESION_TYPES, LesionType
from derm_kit.triage.case_mix import CaseMix
from derm_kit.triage.changes import compare
from derm_kit.triage.counts import CaseCounter
from derm_kit.triage.harm import Harms, expected_harm, policy_harm

MELANOMA, NAEVUS = LesionType.MELANOMA, LesionType.BENIGN_NAEVUS
NOT_FLAGGED = {t: 100.0 if t.cancer else 10.0 for t in FLAGGED}


def truth_of(*types: LesionType | None) -> np.ndarray:
    return np.array([[t == own for t in LESION_TYPES] for own in types])


@pytest.fixture(scope="module")
def counter(reference, policy) -> CaseCounter:
    return CaseCounter(reference, policy)


def test_expected_harm_by_hand():
    """Of 4 counted cases one melanoma is discharged (20) and one naevus sent on (1): 21 / 4 = 5.25 a case."""
    truth = truth_of(MELANOMA, MELANOMA, NAEVUS, NAEVUS, None)
    truth[4, :2] = True
    called = ["", "melanoma", "melanoma", "", ""]
    harms = Harms(
        {(MELANOMA, ""): 20, (MELANOMA, "melanoma"): 0, (NAEVUS, "melanoma"): 1, (NAEVUS, ""): 0}, "a made-up scale"
    )
    found = expected_harm(called, truth, harms)
    assert found.per_case.value == 5.25
    assert found.per_1000.value == 5250
    error = stats.sem([20, 0, 1, 0])
    assert found.per_1000.high == pytest.approx(1000 * (5.25 + 1.959964 * error), rel=1e-6)
    assert (found.left_out, found.per_case.n, found.source) == (1, 4, "a made-up scale")
    assert found.per_1000.low == 0, "a harm is never negative, whatever the interval of its mean says"
    weighted = expected_harm(called, truth, harms, weights=[0, 1, 3, 0, 9])
    assert weighted.per_case.value == 0.75


def test_a_harm_that_nobody_gave_is_refused_and_there_is_no_default():
    truth = truth_of(MELANOMA, NAEVUS)
    harms = Harms({(MELANOMA, ""): 20}, "a made-up scale")
    with pytest.raises(DermKitError, match="benign_naevus, called melanoma"):
        expected_harm(["", "melanoma"], truth, harms)
    with pytest.raises(DermKitError, match="benign_naevus, called none"):
        expected_harm(["", ""], truth, harms)
    assert expected_harm(["", "melanoma"], truth, harms, weights=[1, 0]).per_case.value == 20
    for source in ("", "  "):
        with pytest.raises(DermKitError, match="source and a unit"):
            Harms({(MELANOMA, ""): 20}, source)
    for harm in (-1, math.nan, math.inf):
        with pytest.raises(DermKitError, match="finite number from 0 up"):
            Harms({(MELANOMA, ""): harm}, "a made-up scale")
    with pytest.raises(DermKitError, match="one length"):
        expected_harm([""], truth, harms)


def test_the_harm_of_a_policy_is_that_of_its_mistakes(counter, policy):
    """Against a count: cases of one type, by what they are called."""
    harms = Harms.of_mistakes(NOT_FLAGGED, benign_flagged=1, review=0.5, source="made-up points")
    found = policy_harm(counter, policy.thresholds, policy.thresholds, harms)
    called, truth = counter.called(policy.thresholds), counter.truth
    single = truth.sum(1) == 1
    by_hand = 0.0
    for kind, row in zip(LESION_TYPES, truth.T, strict=True):
        own = called[row & single]
        by_hand += 0.5 * (own == 7).sum()
        by_hand += (own == 6).sum() * NOT_FLAGGED[kind] if kind.flagged else (own < 6).sum()
    assert found.before.per_1000.value == pytest.approx(1000 * by_hand / single.sum())
    assert found.before.left_out == (~single).sum() > 0
    assert found.difference_per_1000.value == 0
    assert "same figure" in found.difference_per_1000.reason


def test_the_harm_of_a_change_is_that_of_the_cases_that_change_sides(counter, policy):
    lower = policy.thresholds | {MELANOMA: policy.thresholds[MELANOMA] / 10}
    harms = Harms.of_mistakes(dict.fromkeys(FLAGGED, 7.0), benign_flagged=2, review=0, source="made-up points")
    found = policy_harm(counter, policy.thresholds, lower, harms)
    moved = compare(counter, policy.thresholds, lower).moved
    one = moved[~moved["truth"].str.contains("|", regex=False) & (moved["truth"] != "")]
    newly = one[(one["before"] == "not flagged") & (one["after"] != "not flagged")]
    sick = newly["truth"].isin([t.value for t in FLAGGED]).sum()
    total = 2 * (len(newly) - sick) - 7 * sick
    n = found.after.per_case.n
    assert found.difference_per_1000.value == pytest.approx(1000 * total / n)
    assert found.difference_per_1000.low < found.difference_per_1000.value < found.difference_per_1000.high
    after, before = found.after.per_1000.value, found.before.per_1000.value
    assert after - before == pytest.approx(found.difference_per_1000.value)


def test_where_cancer_is_rarer_false_alarms_weigh_more(counter, policy):
    only = {"missed": (1.0, 0.0), "alarms": (0.0, 1.0)}
    mix = CaseMix.of({"|".join(t for t in LESION_TYPES if t.cancer): 0.03}, name="clinic", source="a test")
    for name, (missed, alarm) in only.items():
        harms = Harms.of_mistakes(
            dict.fromkeys(FLAGGED, 0.0) | {t: missed for t in FLAGGED if t.cancer},
            benign_flagged=alarm, review=0, source="made-up points",
        )  # fmt: skip
        here, there = (policy_harm(counter, policy.thresholds, policy.thresholds, harms, m).after for m in (None, mix))
        assert (there.per_1000.value > here.per_1000.value) == (name == "alarms")


def test_a_mistake_without_a_harm_is_refused():
    with pytest.raises(DermKitError, match="none for atypical naevus"):
        Harms.of_mistakes(
            {t: 1.0 for t in FLAGGED if t is not LesionType.ATYPICAL_NAEVUS},
            benign_flagged=1, review=0, source="made-up points",
        )  # fmt: skip
