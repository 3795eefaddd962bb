"""The sequential test against Wald's bounds, the gambler's ruin, and tests drawn anew."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from derm_kit.errors import DermKitError
from derm_kit.surveillance.chart import follow
from derm_kit.surveillance.run_lengths import drawn, exact, exact_mean
from derm_kit.surveillance.sequential_test import (
    design,
    design_for_run_length,
    exact_error_rates,
    simulated_error_rates,
    wald_bounds,
)


def test_bounds_are_walds():
    assert wald_bounds(0.05, 0.05) == pytest.approx((-math.log(19), math.log(19)))
    assert wald_bounds(0.01, 0.1) == pytest.approx((math.log(0.1 / 0.99), math.log(90)))


@pytest.mark.parametrize("k", [1, 2, 4, 7])
def test_error_rates_and_cases_of_a_fair_step_are_the_gamblers_ruin(k):
    """At p = 1/3 against 2/3 each case moves the ratio by log 2: ruin at k steps has probability 1 / (1 + 2^k)."""
    error = 1 / (1 + 2**k)
    found = exact_error_rates(design(error, error, 1 / 3, changed=2 / 3), 1 / 3)
    cases = 3 * k * (1 - 2 * error)
    assert found.false_alarm_prob == pytest.approx(error, rel=1e-9)
    assert found.missed_change_prob == pytest.approx(error, rel=1e-9)
    assert (found.mean_cases_unchanged, found.mean_cases_changed) == pytest.approx((cases, cases), rel=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.floats(0.1, 0.45), st.floats(0.005, 0.2), st.floats(0.005, 0.2))
def test_real_error_rates_obey_walds_inequalities(p, a, b):
    """Between p and 1 - p the weights are equal and opposite, so that rounding leaves them as they are."""
    found = exact_error_rates(design(a, b, p, changed=1 - p), p)
    assert 0 <= found.false_alarm_prob <= a / (1 - b) * (1 + 1e-9)
    assert 0 <= found.missed_change_prob <= b / (1 - a) * (1 + 1e-9)


@settings(max_examples=30, deadline=None)
@example(0.48245866, 0.04142036, 0.06388948, 0.00983049)
@example(0.47841893, 0.04587809, 0.00940305, 0.04115611)
@given(st.floats(0.02, 0.5), st.floats(0.04, 0.4), st.floats(0.005, 0.2), st.floats(0.005, 0.2))
def test_rounded_weights_leave_the_error_rates_near_walds(p, rise, a, b):
    found = exact_error_rates(design(a, b, p, changed=p + rise), p)
    assert found.false_alarm_prob <= 1.15 * a / (1 - b)
    assert found.missed_change_prob <= 1.15 * b / (1 - a)


def test_drawn_error_rates_agree_with_the_exact_ones():
    test = design(0.05, 0.1, 0.05, changed=0.12)
    stated, found = exact_error_rates(test, 0.05), simulated_error_rates(test, 0.05, seed=4, runs=20_000)
    for name in ("false_alarm_prob", "missed_change_prob"):
        prob = getattr(stated, name)
        assert abs(getattr(found, name) - prob) < 4 * math.sqrt(prob * (1 - prob) / 20_000)
    assert found.mean_cases_unchanged == pytest.approx(stated.mean_cases_unchanged, rel=0.03)
    assert found.mean_cases_changed == pytest.approx(stated.mean_cases_changed, rel=0.03)
    assert found.how == "20,000 tests drawn each way"


def test_error_rates_hold_in_plain_python_with_unrounded_weights():
    a, b, runs = 0.05, 0.1, 6_000
    stated = exact_error_rates(design(a, b, 0.05, changed=0.12), 0.05)
    lower, upper = wald_bounds(a, b)
    caught, missed, rng = math.log(0.88 / 0.95), math.log(0.12 / 0.05), random.Random(77)
    for rate, expected in ((0.05, stated.false_alarm_prob), (0.12, 1 - stated.missed_change_prob)):
        alarms = 0
        for _ in range(runs):
            x = 0.0
            while lower < x < upper:
                x += missed if rng.random() < rate else caught
            alarms += x >= upper
        assert alarms / runs == pytest.approx(expected, abs=0.02)


def test_started_anew_at_each_verdict_it_runs_as_many_cases_as_renewal_says():
    test = design(0.02, 0.05, 0.05, changed=0.12)
    once = exact_error_rates(test, 0.05)
    length, _ = drawn(test, 0.05, seed=6, runs=3_000)
    stated = once.mean_cases_unchanged / once.false_alarm_prob
    assert exact(test, 0.05).mean == pytest.approx(stated, rel=1e-9)
    assert abs(length.mean() - stated) < 4 * length.std() / math.sqrt(3_000)


@pytest.mark.parametrize("wanted", [200, 5_000])
def test_it_can_be_designed_for_a_run_length(wanted):
    test = design_for_run_length(wanted, 0.05, 0.05, changed=0.12)
    assert exact_mean(test, 0.05) >= wanted
    assert 0.02 < exact_error_rates(test, 0.05).missed_change_prob < 0.055


def test_a_path_counts_how_often_no_change_was_found():
    test = design(0.05, 0.05, 0.05, changed=0.12)
    per_verdict = math.ceil(math.log(19) / math.log(0.95 / 0.88))
    path = follow(test, np.zeros(10 * per_verdict, bool), 0.05)
    assert path.fell == pytest.approx(10, abs=1)
    assert not path.alarms.size
    assert follow(test, np.ones(4, bool), 0.05).alarms.tolist() == [3], "four misses in a row pass log 19"


@pytest.mark.parametrize(("a", "b"), [(0, 0.1), (0.1, 0), (0.5, 0.5), (-0.1, 0.1)])
def test_error_rates_that_leave_no_test_are_refused(a, b):
    with pytest.raises(DermKitError, match="error rates"):
        wald_bounds(a, b)


def test_a_test_without_a_change_is_refused():
    with pytest.raises(DermKitError, match="looks for a change"):
        design(0.05, 0.05, 0.05)
