"""Predictive values against published numbers and Bayes' rule; weighted rates against counts and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from derm_kit.errors import DermKitError
from derm_kit.lesions import LesionType
from derm_kit.triage.benefit import net_benefit, net_benefit_of_calls, treat_all
from derm_kit.triage.case_mix import CaseMix, case_weights
from derm_kit.triage.prevalence import compare_npvs, npv_at, predictive_values, shifted_score, weighted_rates
from tests.test_case_mix import cohort

MELANOMA, BCC, NAEVUS = LesionType.MELANOMA, LesionType.BASAL_CELL_CARCINOMA, LesionType.BENIGN_NAEVUS
SHARE = st.integers(1, 99).map(lambda i: i / 100)


def calls(*groups: tuple[int, int]) -> np.ndarray:
    """Calls of groups of (n, called) cases in a row."""
    return np.concatenate([np.arange(n) < k for n, k in groups])


def test_predictive_values_are_the_published_ones():
    found = predictive_values(0.97, 0.71, 0.06)
    assert (round(found.ppv, 4), round(found.npv, 4)) == (0.1759, 0.9973)
    assert found.lr_negative == pytest.approx(0.03 / 0.71)
    assert found.missed_per_1000 == pytest.approx(1000 * (1 - found.npv))
    assert found.reason == ""


def test_npv_travels_with_prevalence_as_published():
    assert npv_at(0.989, 0.027, 0.015) == pytest.approx(0.9939, abs=5e-5)
    found = compare_npvs(0.989, 0.027, 0.998, 0.015)
    assert found.carried_over == pytest.approx(0.9939, abs=5e-5)
    assert found.all_benign == pytest.approx(0.985)
    assert found.gain == pytest.approx(0.009)
    assert found.from_prevalence == pytest.approx(0.0049, abs=5e-5)
    assert 0.5 < found.share_from_prevalence < 0.6
    assert [round(x, 2) for x in found.lr_negative] == [0.40, 0.13]
    assert [round(x, 1) for x in found.missed_per_1000] == [6.1, 2.0]
    for words in (
        "99.39%",
        "98.50%",
        "0.90 percentage points",
        "0.49 are prevalence",
        "2.0 against 6.1",
        "same verification",
    ):
        assert words in found.sentence


@given(SHARE, SHARE, SHARE, SHARE)
def test_npv_carried_over_agrees_with_bayes_at_the_new_prevalence(sensitivity, specificity, prevalence, new):
    here, there = (predictive_values(sensitivity, specificity, p) for p in (prevalence, new))
    assert npv_at(here.npv, prevalence, new) == pytest.approx(there.npv)
    same = compare_npvs(here.npv, prevalence, there.npv, new)
    assert same.lr_negative[0] == pytest.approx(same.lr_negative[1])
    assert same.from_prevalence == pytest.approx(same.gain, abs=1e-12)


def test_edges_of_npv():
    assert npv_at(1.0, 0.1, 0.2) == 1
    assert npv_at(0.0, 0.1, 0.2) == 0
    assert math.isnan(compare_npvs(0.99, 0.02, 0.99, 0.02).share_from_prevalence)
    for arguments in ((1.1, 0.1, 0.1), (math.nan, 0.1, 0.1), (0.9, 0.0, 0.1), (0.9, 0.1, 1.0), (0.9, math.nan, 0.1)):
        with pytest.raises(DermKitError):
            npv_at(*arguments)


@pytest.mark.parametrize(
    ("arguments", "missing", "reason"),
    [
        ((0, 1, 0.1), ("ppv",), "no case is called"),
        ((1, 0, 0.1), ("npv", "missed_per_1000", "lr_negative"), "every case is called; LR-: specificity is 0"),
        ((0.9, 0.8, 0), (), ""),
    ],
)
def test_undefined_predictive_values_are_nan_and_say_why(arguments, missing, reason):
    found = predictive_values(*arguments)
    assert {f for f in ("ppv", "npv", "missed_per_1000", "lr_negative") if math.isnan(getattr(found, f))} == {*missing}
    assert found.reason == reason


@pytest.mark.parametrize("arguments", [(1.1, 0.5, 0.1), (0.5, -0.1, 0.1), (0.5, 0.5, math.nan)])
def test_predictive_values_refuse_impossible_shares(arguments):
    with pytest.raises(DermKitError, match="between 0 and 1"):
        predictive_values(*arguments)


def test_weighted_rates_by_hand():
    """Melanoma 100 (90 called) meant to be 2 %, BCC 100 (80) meant to be 8 %, the other 800 (200) 90 %."""
    truth = cohort({MELANOMA: 100, BCC: 100, NAEVUS: 800})
    called = calls((100, 90), (100, 80), (800, 200))
    weighted = case_weights(truth, CaseMix.of({"melanoma": 0.02, "basal_cell_carcinoma": 0.08}))
    found = weighted_rates(called, truth[:, :4].any(1), weighted)
    sensitivity = (0.02 * 0.9 + 0.08 * 0.8) / 0.1
    closed = predictive_values(sensitivity, 0.75, 0.1)
    assert found.prevalence == pytest.approx(0.1)
    assert found.sensitivity.value == pytest.approx(sensitivity)
    assert found.specificity.value == pytest.approx(0.75)
    for name in ("ppv", "npv", "lr_negative", "missed_per_1000"):
        estimate = getattr(found, name)
        assert estimate.value == pytest.approx(getattr(closed, name))
        assert estimate.low < estimate.value < estimate.high
    assert (found.sensitivity.n, found.specificity.n, found.npv.n, found.npv.n_positive) == (200, 800, 630, 30)
    assert found.effective_n_positive == pytest.approx(10**2 / (100 * (0.02**2 + 0.08**2)))
    assert found.effective_n_negative == pytest.approx(800)
    assert found.assumption == weighted.assumption
    assert found == weighted_rates(called, truth[:, :4].any(1), weighted)
    assert found.npv.low != weighted_rates(called, truth[:, :4].any(1), weighted, seed=1).npv.low


def test_in_the_cohorts_own_mix_the_interval_is_the_jeffreys_one():
    truth = cohort({MELANOMA: 60, NAEVUS: 240})
    called = calls((60, 52), (240, 90))
    found = weighted_rates(called, truth[:, 0], case_weights(truth, CaseMix.of({})), replicates=40_000)
    for estimate, k, n in ((found.sensitivity, 52, 60), (found.specificity, 150, 240)):
        assert estimate.value == pytest.approx(k / n)
        expected = stats.beta(k + 0.5, n - k + 0.5).ppf([0.025, 0.975])
        assert (estimate.low, estimate.high) == pytest.approx(tuple(expected), abs=2e-3)


def test_weighted_intervals_cover_as_often_as_they_say():
    """Cancers weighted down to 3 %; 95 % of 500 is 475, four sd about it 456 to 494."""
    rng = np.random.default_rng(2)
    truth = cohort({MELANOMA: 60, BCC: 40, NAEVUS: 300})
    positive = truth[:, :4].any(1)
    weighted = case_weights(truth, CaseMix.of({"melanoma": 0.01, "basal_cell_carcinoma": 0.02}))
    chance = np.repeat([0.95, 0.85, 0.3], [60, 40, 300])
    closed = predictive_values((0.95 + 2 * 0.85) / 3, 0.7, 0.03)
    true = {"sensitivity": (0.95 + 2 * 0.85) / 3, "specificity": 0.7}
    true |= {name: getattr(closed, name) for name in ("ppv", "npv", "lr_negative", "missed_per_1000")}
    hits = dict.fromkeys(true, 0)
    for trial in range(500):
        found = weighted_rates(rng.random(400) < chance, positive, weighted, replicates=1000, seed=trial)
        for name, value in true.items():
            hits[name] += getattr(found, name).low <= value <= getattr(found, name).high
    assert all(456 <= count <= 494 for count in hits.values()), hits


def test_no_miss_still_has_an_interval_that_reaches_the_figure():
    truth = cohort({MELANOMA: 40, NAEVUS: 60})
    found = weighted_rates(truth[:, 0], truth[:, 0], case_weights(truth, CaseMix.of({"melanoma": 0.02})))
    assert found.sensitivity.value == found.sensitivity.high == 1
    assert 0.9 < found.sensitivity.low < 0.96
    assert found.missed_per_1000.value == found.missed_per_1000.low == 0
    assert found.missed_per_1000.high > 0.5


def test_undefined_weighted_rates_are_nan_and_say_why():
    truth = cohort({MELANOMA: 30, NAEVUS: 30})
    everyone = weighted_rates(np.ones(60, bool), truth[:, 0], case_weights(truth, CaseMix.of({"melanoma": 0.1})))
    for name in ("npv", "missed_per_1000", "lr_negative"):
        assert math.isnan(getattr(everyone, name).value)
        assert "every" in getattr(everyone, name).reason
    assert everyone.ppv.value == pytest.approx(0.1)
    nobody = weighted_rates(np.zeros(60, bool), truth[:, 0], case_weights(truth, CaseMix.of({"melanoma": 0.1})))
    assert math.isnan(nobody.ppv.high)
    assert nobody.ppv.reason == "no case is called"
    weightless = weighted_rates(truth[:, 0], truth[:, 0], case_weights(truth, CaseMix.of({"melanoma": 0})))
    assert weightless.sensitivity.reason == "no positive case has a weight"
    assert math.isnan(weightless.sensitivity.value)
    assert weightless.effective_n_positive == 0
    assert weightless.prevalence == 0
    with pytest.raises(DermKitError, match="one length"):
        weighted_rates([True], [True], case_weights(truth, CaseMix.of({})))


@given(st.integers(0, 40), st.integers(0, 60), SHARE, st.integers(0, 19).map(lambda i: i / 20))
def test_weighted_net_benefit_is_that_of_the_rates_at_the_new_prevalence(caught, flagged, prevalence, p):
    """Pfeiffer and Gail, Biometrical Journal 62 (2020) 764: case-control data carried over to a prevalence."""
    truth = cohort({MELANOMA: 40, NAEVUS: 60})
    weights = case_weights(truth, CaseMix.of({"melanoma": prevalence})).weights
    found = net_benefit_of_calls(calls((40, caught), (60, flagged)), truth[:, 0], p, weights=weights)
    expected = prevalence * caught / 40 - (1 - prevalence) * flagged / 60 * p / (1 - p)
    assert found.value == pytest.approx(expected, abs=1e-12)


def test_a_calibrated_score_shifted_is_calibrated_at_the_new_prevalence():
    """Of 100 cases at each score s, 100 s are melanoma; weighted to 2 %, the shifted score is again the share."""
    levels = np.arange(1, 10) / 10
    score = np.repeat(levels, 100)
    positive = np.concatenate([calls((100, round(100 * s))) for s in levels])
    truth = np.zeros((900, 11), bool)
    truth[:, 0], truth[:, 10] = positive, ~positive
    weights = case_weights(truth, CaseMix.of({"melanoma": 0.02})).weights
    shifted = shifted_score(score, positive.mean(), 0.02)
    for s in levels:
        own = score == s
        assert shifted[own][0] == pytest.approx(weights[own & positive].sum() / weights[own].sum())
    probs = np.arange(0, 60) / 100
    curve = net_benefit(shifted, positive, probs, weights=weights)
    assert np.all(curve >= np.maximum(treat_all(positive, probs, weights=weights), 0) - 1e-12)
    unshifted = net_benefit(score, positive, probs, weights=weights)
    assert unshifted.min() < -0.01


@given(SHARE, SHARE, SHARE)
def test_shifting_there_and_back_changes_nothing(score, prevalence, new):
    there = shifted_score([score], prevalence, new)
    assert shifted_score(there, new, prevalence) == pytest.approx([score])
    assert shifted_score([prevalence], prevalence, new) == pytest.approx([new])


def test_shifted_score_keeps_the_ends_and_gaps_and_refuses_what_is_no_probability():
    found = shifted_score([0.0, 1.0, math.nan], 0.3, 0.01)
    assert found[:2] == pytest.approx([0, 1], abs=1e-15)
    assert math.isnan(found[2])
    with pytest.raises(DermKitError, match="lies between 0 and 1"):
        shifted_score([1.2], 0.3, 0.01)
    with pytest.raises(DermKitError, match="prevalence"):
        shifted_score([0.2], 0.3, 0)
