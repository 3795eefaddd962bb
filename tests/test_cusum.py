"""CUSUM charts and their run lengths: against closed forms, small chains solved by hand, and charts drawn anew."""

from __future__ import annotations

import math
import random
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from derm_kit.errors import DermKitError
from derm_kit.surveillance import cusum
from derm_kit.surveillance.chart import Chart, follow, lattice_step, log_likelihood_weights, odds_ratio_of, shifted
from derm_kit.surveillance.cusum import MELANOMA_MISSED, MELANOMA_MISSED_CHANGED, design, thinned
from derm_kit.surveillance.run_lengths import exact, exact_mean, simulated

MIX = np.array([0.05, 0.2, 0.45, 0.7])
SHARES = np.array([0.4, 0.3, 0.2, 0.1])


# Weights


def test_weights_are_those_of_a_probability_ratio_where_all_cases_are_alike():
    odds = odds_ratio_of(0.05, 0.12)
    assert odds == pytest.approx((0.12 / 0.88) / (0.05 / 0.95))
    ((without, with_event),) = log_likelihood_weights(0.05, odds)
    assert (without, with_event) == pytest.approx((math.log(0.88 / 0.95), math.log(0.12 / 0.05)))


@given(st.floats(0.001, 0.999), st.floats(0.1, 10).filter(lambda r: abs(r - 1) > 1e-6))
def test_watching_for_more_of_an_event_is_watching_for_less_of_its_absence(p, odds):
    forwards, backwards = log_likelihood_weights(p, odds)[0], log_likelihood_weights(1 - p, 1 / odds)[0]
    assert forwards == pytest.approx(backwards[::-1], rel=1e-9, abs=1e-12)


@given(st.floats(0.01, 0.99), st.floats(0.05, 20))
def test_shifting_the_odds_multiplies_them(p, odds):
    (after,) = shifted([p], odds)
    assert after / (1 - after) == pytest.approx(odds * p / (1 - p))


@pytest.mark.parametrize(("p", "odds"), [(0.05, 2.59), (0.4, 1.2), (0.4, 1 / 1.2), (0.001, 500.0), (0.6, 1.02)])
def test_the_lattice_keeps_the_drift_of_the_exact_weights(p, odds):
    weights = log_likelihood_weights(p, odds)
    rounded = np.rint(weights / lattice_step(p, 1, odds)) * lattice_step(p, 1, odds)
    for rate in (p, shifted([p], odds)[0]):
        drift, as_run = (w[0, 0] * (1 - rate) + w[0, 1] * rate for w in (weights, rounded))
        assert as_run == pytest.approx(drift, rel=0.02)


# The path


def plain_path(chart: Chart, event, expected):
    """The chart by its definition, in plain Python."""
    x, first, values, alarms, began = 0, 0, [], [], []
    for i, (seen, p) in enumerate(zip(event, expected, strict=True)):
        denominator = 1 - p + chart.odds_ratio * p
        weight = math.log((chart.odds_ratio if seen else 1) / denominator)
        x = x + round(weight / chart.step)
        x = 0 if x < chart.lowest else x
        values.append(x)
        if x >= chart.limit:
            alarms.append(i)
            began.append(first)
            x = 0
        if x <= 0:
            first = i + 1
    return values, alarms, began


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(0, 400), st.sampled_from([0, -30]), st.sampled_from([2.6, 0.4]))
def test_the_compiled_path_is_the_plain_one(seed, n, lowest, odds):
    rng = np.random.default_rng(seed)
    group, event = rng.integers(0, 4, n), rng.random(n) < rng.random()
    chart = Chart(odds, 0.0131, limit=70, lowest=lowest)
    path = follow(chart, event, MIX, group)
    values, alarms, began = plain_path(chart, event, MIX[group])
    assert path.steps.tolist() == values
    assert (path.alarms.tolist(), path.began.tolist()) == (alarms, began)
    one_a_case = follow(chart, event, MIX[group]) if n > 1 else path
    assert one_a_case.steps.tolist() == values


def test_an_alarm_starts_the_chart_anew_and_names_where_the_change_began():
    chart = Chart(odds_ratio_of(0.05, 0.12), 0.0765, limit=21)
    missed = np.zeros(60, bool)
    missed[[40, 42, 50, 52]] = True
    path = follow(chart, missed, 0.05)
    assert path.alarms.tolist() == [42, 52]
    assert path.began.tolist() == [40, 50]
    assert path.steps[42] >= chart.limit > path.steps[43]


def test_no_case_is_an_empty_path():
    path = follow(design(500), [], 0.05)
    assert path.steps.size == path.alarms.size == 0
    assert thinned(path).size == 0


# Run lengths against closed forms and small chains


def reflected_walk_mean(limit: int, up: Fraction) -> Fraction:
    """Mean steps of a walk +1, -1 that stays at 0 instead of going below it, from 0 until `limit`, in exact fractions.

    From k to k + 1 it takes e(0) = 1 / up, e(k) = 1 / up + (1 - up) / up * e(k - 1) on average.
    """
    step, total = 1 / up, Fraction(0)
    for _ in range(limit):
        total += step
        step = 1 / up + (1 - up) / up * step
    return total


@pytest.mark.parametrize("limit", [1, 2, 5, 12])
def test_mean_run_length_of_a_reflected_walk_is_the_closed_form(limit):
    """Odds ratio 4 at p = 1/3 gives weights of plus and minus log 2."""
    step = lattice_step(1 / 3, 1, 4.0)
    unit = round(math.log(2) / step)
    chart = Chart(4.0, step, limit * unit)
    assert chart.weights(1 / 3).tolist() == [[-unit, unit]]
    assert exact(chart, 1 / 3).mean == pytest.approx(float(reflected_walk_mean(limit, Fraction(1, 3))), rel=1e-9)
    changed = exact(chart, 1 / 3, actual_odds_ratio=4.0).mean
    assert changed == pytest.approx(float(reflected_walk_mean(limit, Fraction(2, 3))), rel=1e-9)
    assert exact(chart, 1 / 3).mean >= math.exp(chart.limit_log), "Lorden 1971: at least exp(limit)"


def dense_chain(chart: Chart, expected, shares, actual: float) -> np.ndarray:
    """The chart's transition matrix between alarms, state by state."""
    states = list(range(chart.lowest, chart.limit))
    matrix = np.zeros((len(states), len(states)))
    for i, x in enumerate(states):
        for p, share in zip(expected, shares, strict=True):
            rate = actual * p / (1 - p + actual * p)
            for weight, prob in zip(chart.weights([p])[0], (1 - rate, rate), strict=True):
                to = x + int(weight)
                to = 0 if to < chart.lowest else to
                if to < chart.limit:
                    matrix[i, states.index(to)] += share * prob
    return matrix


@pytest.mark.parametrize("lowest", [0, -25])
@pytest.mark.parametrize("odds", [3.0, 1 / 3])
@pytest.mark.parametrize("actual", [1.0, 3.0, 1 / 3])
def test_run_lengths_of_a_mix_are_those_of_the_chain_solved_state_by_state(odds, actual, lowest):
    chart = Chart(odds, 0.03, limit=40, lowest=lowest)
    matrix = dense_chain(chart, MIX, SHARES, actual)
    start = -lowest
    mean = np.linalg.solve(np.eye(len(matrix)) - matrix, np.ones(len(matrix)))[start]
    found = exact(chart, MIX, shares=SHARES, actual_odds_ratio=actual)
    assert found.mean == pytest.approx(mean, rel=1e-8)
    left, n, quantiles = np.eye(len(matrix))[start], 0, {}
    while left.sum() > 0.1 and n < 200_000:
        left, n = left @ matrix, n + 1
        for share in (0.5, 0.1):
            if left.sum() <= share:
                quantiles.setdefault(share, n)
    assert (found.median, found.p90) == pytest.approx((quantiles[0.5], quantiles[0.1]), abs=1)


def test_quantiles_of_a_long_run_are_those_of_its_geometric_tail():
    chart = design(20_000, 0.4, changed=0.5)
    found = exact(chart, 0.4)
    survival = found.mean * math.log(2), found.mean * math.log(10)
    assert (found.median, found.p90) == pytest.approx(survival, rel=0.02)


@settings(max_examples=25, deadline=None)
@given(st.floats(0.02, 0.6), st.floats(1.3, 4))
def test_a_chart_runs_longer_with_a_higher_limit_and_without_a_change(p, odds):
    step = lattice_step(p, 1, odds)
    means = [exact_mean(Chart(odds, step, limit), p) for limit in (20, 40, 80)]
    assert means == sorted(means)
    chart = Chart(odds, step, 80)
    by_shift = [exact_mean(chart, p, actual_odds_ratio=r) for r in (1.0, 1.2, odds)]
    assert by_shift == sorted(by_shift, reverse=True)


# Design, and charts drawn anew


@pytest.mark.parametrize("wanted", [50, 500, 5_000])
@pytest.mark.parametrize(("p", "changed"), [(0.05, 0.12), (0.05, 0.02), (0.4, 0.45)])
def test_the_limit_is_the_lowest_that_runs_as_long_as_wanted(p, changed, wanted):
    chart = design(wanted, p, changed=changed)
    assert exact_mean(chart, p) >= wanted
    assert exact_mean(Chart(chart.odds_ratio, chart.step, chart.limit - 1), p) < wanted


def test_the_default_change_is_melanoma_sensitivity_from_95_to_88_percent():
    chart = design(1_000)
    assert pytest.approx((0.95, 0.88)) == (1 - MELANOMA_MISSED, 1 - MELANOMA_MISSED_CHANGED)
    assert shifted([MELANOMA_MISSED], chart.odds_ratio)[0] == pytest.approx(0.12)


def plain_runs(chart: Chart, missed_prob: float, runs: int, seed: int, exact_weights: bool = False) -> list[int]:
    """Cases until each chart alarms, in plain Python with its own random numbers and its own weights."""
    rng, lengths = random.Random(seed), []
    caught, missed = math.log(0.88 / 0.95), math.log(0.12 / 0.05)
    limit = chart.limit_log
    if not exact_weights:
        caught, missed, limit = round(caught / chart.step), round(missed / chart.step), chart.limit
    for _ in range(runs):
        x, n = 0.0, 0
        while x < limit:
            x = max(0.0, x + (missed if rng.random() < missed_prob else caught))
            n += 1
        lengths.append(n)
    return lengths


def test_in_control_run_length_is_within_a_tenth_of_the_stated():
    chart = design(500)
    stated = exact(chart, MELANOMA_MISSED)
    anew = plain_runs(chart, 0.05, 3_000, seed=20_261_128)
    assert np.mean(anew) == pytest.approx(stated.mean, rel=0.1)
    assert np.median(anew) == pytest.approx(stated.median, rel=0.1)
    assert np.quantile(anew, 0.9) == pytest.approx(stated.p90, rel=0.1)


def test_a_drop_from_95_to_88_percent_is_found_in_the_stated_number_of_cases():
    chart = design(1_000)
    stated = exact(chart, MELANOMA_MISSED, actual_odds_ratio=chart.odds_ratio)
    anew = plain_runs(chart, 0.12, 8_000, seed=8)
    assert np.mean(anew) == pytest.approx(stated.mean, rel=0.05)
    assert np.median(anew) == pytest.approx(stated.median, abs=3)
    assert np.quantile(anew, 0.9) == pytest.approx(stated.p90, rel=0.05)
    assert stated.mean < 75, "found within 75 verified melanomas on average"


def test_rounding_the_weights_changes_a_chart_by_less_than_a_tenth():
    chart = design(500)
    for missed_prob, odds in ((0.05, 1.0), (0.12, chart.odds_ratio)):
        unrounded = np.mean(plain_runs(chart, missed_prob, 3_000, seed=5, exact_weights=True))
        assert unrounded == pytest.approx(exact(chart, 0.05, actual_odds_ratio=odds).mean, rel=0.1)


@pytest.mark.parametrize("odds", [2.0, 0.5])
@pytest.mark.parametrize("changed", [False, True])
def test_drawn_run_lengths_of_a_mix_agree_with_the_exact_ones(odds, changed):
    chart = design(800, MIX, odds_ratio=odds, shares=SHARES)
    actual = odds if changed else 1.0
    stated = exact(chart, MIX, shares=SHARES, actual_odds_ratio=actual)
    drawn = simulated(chart, MIX, seed=11, shares=SHARES, actual_odds_ratio=actual, runs=6_000)
    assert abs(drawn.mean - stated.mean) < 4 * drawn.standard_error
    assert drawn.median == pytest.approx(stated.median, rel=0.08)
    assert drawn.p90 == pytest.approx(stated.p90, rel=0.08)


def test_the_same_seed_draws_the_same_charts():
    chart = design(200)
    assert simulated(chart, 0.05, seed=3, runs=50) == simulated(chart, 0.05, seed=3, runs=50)
    assert simulated(chart, 0.05, seed=3, runs=50) != simulated(chart, 0.05, seed=4, runs=50)


def test_months_follow_from_the_cases_a_month():
    found = exact(design(1_000), 0.05)
    months = found.in_months(2)
    assert (months.mean, months.median, months.p90) == (found.mean / 2, found.median / 2, found.p90 / 2)
    assert math.isnan(found.in_months(0).mean)


# Thinning


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40_000))
def test_thinning_keeps_the_ends_the_highest_points_and_the_first_alarm(seed, n):
    rng = np.random.default_rng(seed)
    path = follow(design(100), rng.random(n) < 0.07, 0.05)
    at = thinned(path)
    assert at.size <= cusum.MOST_POINTS
    assert (np.diff(at) > 0).all()
    assert (at[0], at[-1]) == (0, n - 1)
    assert path.steps[at].max() == path.steps.max()
    assert path.steps[at].min() == path.steps.min()
    assert not path.alarms.size or path.alarms[0] in at
    window = max(1, -(-n // 998))
    for alarm in path.alarms:
        near = at[(at > alarm - window) & (at < alarm + window)]
        assert path.steps[near].max() >= path.chart.limit, "an alarm is drawn within its stretch"


# What is refused


@pytest.mark.parametrize("p", [0.0, 1.0, -0.1, math.nan])
def test_a_probability_of_nothing_or_everything_is_refused(p):
    with pytest.raises(DermKitError, match="between 0 and 1"):
        design(500, p, odds_ratio=2.0)


@pytest.mark.parametrize("odds", [1.0, 0.0, -2.0, math.inf])
def test_no_change_is_refused(odds):
    with pytest.raises(DermKitError, match="odds ratio"):
        design(500, 0.05, odds_ratio=odds)


@pytest.mark.parametrize("wanted", [1.0, 0.0, math.nan, math.inf])
def test_a_run_length_that_is_none_is_refused(wanted):
    with pytest.raises(DermKitError, match="run length"):
        design(wanted)


def test_probabilities_that_do_not_fit_the_cases_are_refused():
    with pytest.raises(DermKitError, match="each case has one"):
        follow(design(500), [True, False], [0.1, 0.1, 0.1])
    with pytest.raises(DermKitError, match="each case has one"):
        follow(design(500), [True, False], [0.1], group=[0, 1])


def test_a_drawn_chart_that_does_not_end_is_said():
    with pytest.raises(DermKitError, match="ends within 10 cases"):
        simulated(design(500), 0.05, seed=1, runs=5, longest=10)


def test_an_event_that_is_too_rare_for_a_chart_is_refused():
    with pytest.raises(DermKitError, match="frequent enough"):
        design(1_000, 1e-6, changed=1e-5)
