"""Rates and ROC figures against published numbers, scikit-learn, DeLong's variance as defined, and closed forms."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score, roc_curve

from derm_kit.errors import DermKitError
from derm_kit.triage.proportions import Estimate, clopper_pearson, newcombe, proportion, wilson, zero_miss_sample_size
from derm_kit.triage.rates import (
    auc,
    auc_difference,
    hanley_mcneil,
    specificity_at_sensitivity,
    specificity_difference,
    specificity_estimate,
)


def random_scores(n_positive: int, n_negative: int, *, seed: int, decimals: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Two correlated scores (2, N) with ties, and which cases are positive (N,)."""
    rng = np.random.default_rng(seed)
    positive = np.arange(n_positive + n_negative) < n_positive
    shared = rng.normal(size=positive.size) + 1.2 * positive
    scores = np.stack([shared + rng.normal(size=positive.size), shared + 1.5 * rng.normal(size=positive.size)])
    order = rng.permutation(positive.size)
    return np.round(stats.norm.cdf(scores / 2), decimals)[:, order], positive[order]


def delong_by_definition(a: np.ndarray, b: np.ndarray, positive: np.ndarray) -> float:
    """Covariance of two AUCs from every pair of cases, as DeLong et al. 1988 write it."""

    def kernel(score: np.ndarray) -> np.ndarray:
        gap = score[positive][:, None] - score[~positive][None, :]
        return (gap > 0) + 0.5 * (gap == 0)

    total = 0.0
    for axis, count in ((1, positive.sum()), (0, (~positive).sum())):
        x, y = kernel(a).mean(axis), kernel(b).mean(axis)
        total += ((x - x.mean()) * (y - y.mean())).sum() / (count - 1) / count
    return total


@pytest.mark.parametrize(
    ("successes", "n", "low", "high", "digits"),
    [
        (28, 32, 0.71, 0.96, 2),
        (27, 35, 0.60, 0.90, 2),
        (17, 33, 0.34, 0.69, 2),
        (59, 68, 0.76, 0.94, 2),
        (20, 21, 0.762, 0.999, 3),
        (11, 11, 0.715, 1.0, 3),
    ],
)
def test_clopper_pearson_gives_published_intervals(successes, n, low, high, digits):
    found = clopper_pearson(successes, n)
    assert (round(float(found[0]), digits), round(float(found[1]), digits)) == (low, high)


@given(st.integers(0, 400), st.integers(1, 400))
def test_clopper_pearson_agrees_with_scipy_exact_binomial(successes, n):
    successes = min(successes, n)
    expected = stats.binomtest(successes, n).proportion_ci(0.95, method="exact")
    assert np.allclose(clopper_pearson(successes, n), (expected.low, expected.high), atol=1e-9)


def test_clopper_pearson_of_arrays_and_of_no_case():
    low, high = clopper_pearson([0, 5, 0], [5, 5, 0])
    assert low[0] == 0
    assert high[1] == 1
    assert np.isnan([low[2], high[2]]).all()
    assert proportion(0, 0).reason == "no case"


@pytest.mark.parametrize(("successes", "n"), [(5, 4), (-1, 4), (math.nan, 4)])
def test_clopper_pearson_refuses_impossible_counts(successes, n):
    with pytest.raises(DermKitError, match="between 0 and n"):
        clopper_pearson(successes, n)


@pytest.mark.parametrize(("bound", "n"), [(0.90, 29), (0.95, 59), (0.97, 99), (0.98, 149), (0.99, 299)])
def test_zero_miss_sample_size_is_the_first_n_whose_exact_bound_holds(bound, n):
    assert zero_miss_sample_size(bound) == n
    low, _ = clopper_pearson([n - 1, n], [n - 1, n], level=0.90)
    assert low[0] < bound <= low[1]


def test_zero_miss_sample_size_refuses_certainty():
    with pytest.raises(DermKitError, match="between 0 and 1"):
        zero_miss_sample_size(1.0)


def test_hanley_mcneil_gives_the_published_interval():
    low, high = hanley_mcneil(0.93, 1704, 5398)
    assert (round(low, 3), round(high, 3)) == (0.921, 0.939)


@pytest.mark.parametrize("arguments", [(1.2, 5, 5), (0.8, 0, 5), (0.8, 5, 0)])
def test_hanley_mcneil_refuses_impossible_input(arguments):
    with pytest.raises(DermKitError, match="both groups"):
        hanley_mcneil(*arguments)


def test_auc_and_delong_standard_error_of_the_hanley_mcneil_ratings():
    """109 CT scans rated 1 to 5 (Hanley and McNeil 1982, table I).

    Stata's manual, [R] roctab, gives for them area .8932, DeLong standard error .0307 and, on the plain scale, the 95 %
    interval .83295 to .95339; ours is on the logit scale, so the standard error is compared.
    """
    normal, abnormal = [33, 6, 6, 11, 2], [3, 2, 2, 11, 33]
    rating = np.repeat([1, 2, 3, 4, 5] * 2, normal + abnormal)
    diseased = np.arange(109) >= 58
    found = auc(rating, diseased)
    logit = [math.log(p / (1 - p)) for p in (found.low, found.value, found.high)]
    error = (logit[2] - logit[0]) / (2 * 1.959964) * found.value * (1 - found.value)
    assert found.value == pytest.approx(0.8932, abs=5e-5)
    assert error == pytest.approx(0.0307, abs=5e-5)
    assert found.value - 1.959964 * error == pytest.approx(0.83295, abs=1e-5)
    assert found.value + 1.959964 * error == pytest.approx(0.95339, abs=1e-5)
    assert logit[2] - logit[1] == pytest.approx(logit[1] - logit[0])
    assert (found.n, found.n_positive) == (109, 51)


@pytest.mark.parametrize("seed", range(5))
def test_auc_and_variance_agree_with_scikit_learn_and_the_definition(seed):
    (a, b), positive = random_scores(37, 90, seed=seed, decimals=2)
    found = auc(a, positive)
    assert found.value == pytest.approx(roc_auc_score(positive, a), abs=1e-12)
    width = math.log(found.high / (1 - found.high)) - math.log(found.low / (1 - found.low))
    error = width / (2 * 1.959964) * found.value * (1 - found.value)
    assert error**2 == pytest.approx(delong_by_definition(a, a, positive), rel=1e-6)

    paired = auc_difference(a, b, positive)
    variance = (
        delong_by_definition(a, a, positive)
        + delong_by_definition(b, b, positive)
        - 2 * delong_by_definition(a, b, positive)
    )
    assert paired.value == pytest.approx(roc_auc_score(positive, a) - roc_auc_score(positive, b), abs=1e-12)
    assert paired.high - paired.value == pytest.approx(1.959964 * math.sqrt(variance), rel=1e-6)
    assert paired.value - paired.low == pytest.approx(paired.high - paired.value)


def test_auc_interval_covers_the_true_area_as_often_as_it_says():
    """Two normals one sd apart have area Phi(1 / sqrt 2); 95 % of 400 intervals: 366 to 393 within three sd."""
    area = stats.norm.cdf(1 / math.sqrt(2))
    rng = np.random.default_rng(5)
    positive = np.arange(90) < 30
    intervals = [auc(rng.normal(size=90) + positive, positive) for _ in range(400)]
    assert 366 <= sum(i.low <= area <= i.high for i in intervals) <= 393


@pytest.mark.parametrize(
    ("score", "positive", "reason"),
    [
        ([0.1, 0.2], [False, False], "no positive case"),
        ([0.1, 0.2], [True, True], "no negative case"),
        ([math.nan, math.nan], [True, False], "type not trained"),
        ([], [], "no positive case"),
    ],
)
def test_undefined_figures_are_nan_and_say_why(score, positive, reason):
    undefined = [
        auc(score, positive),
        auc_difference(score, score, positive),
        specificity_estimate(score, positive),
        specificity_difference(score, score, positive),
    ]
    for estimate in undefined:
        assert math.isnan(estimate.value)
        assert math.isnan(estimate.low)
        assert estimate.reason == reason
        assert estimate.n == len(score)
    assert math.isnan(specificity_at_sensitivity(score, positive).threshold)


def test_perfect_separation_has_an_area_but_no_interval():
    found = auc([0.1, 0.2, 0.8, 0.9], [False, False, True, True])
    assert found.value == 1
    assert math.isnan(found.low)
    assert "variance is zero" in found.reason
    specificity = specificity_estimate([0.1, 0.2, 0.8, 0.9], [False, False, True, True])
    assert specificity.value == 1
    assert math.isnan(specificity.low)
    assert "every resample" in specificity.reason
    single = auc([0.1, 0.2, 0.8], [False, False, True])
    assert math.isnan(single.high)
    assert "fewer than 2 cases" in single.reason


def test_partly_missing_scores_and_unequal_lengths_are_refused():
    with pytest.raises(DermKitError, match="1 of 2 missing"):
        auc([0.1, math.nan], [True, False])
    with pytest.raises(DermKitError, match="one length"):
        auc([0.1, 0.2, 0.3], [True, False])


def test_specificity_at_sensitivity_by_hand():
    positives, negatives = np.arange(1, 21) / 20, np.arange(0, 40) / 40
    score = np.concatenate([positives, negatives])
    point = specificity_at_sensitivity(score, np.arange(60) < 20, target=0.95)
    assert (point.threshold, point.sensitivity, point.specificity) == (0.1, 0.95, 4 / 40)
    assert specificity_at_sensitivity(score, np.arange(60) < 20, target=1.0).threshold == 0.05


def test_ties_with_the_threshold_are_called():
    point = specificity_at_sensitivity(
        [0.9, 0.5, 0.5, 0.5, 0.5, 0.2], [True, True, True, True, False, False], target=0.5
    )
    assert (point.threshold, point.sensitivity, point.specificity) == (0.5, 1.0, 0.5)


@given(
    st.lists(st.tuples(st.integers(0, 12), st.booleans()), min_size=2, max_size=60).filter(
        lambda rows: 0 < sum(p for _, p in rows) < len(rows)
    ),
    st.sampled_from([0.5, 0.8, 0.9, 0.95, 1.0]),
)
def test_specificity_at_sensitivity_is_the_best_of_scikit_learns_curve(rows, target):
    score, positive = (np.array(column) for column in zip(*rows, strict=True))
    fpr, tpr, thresholds = roc_curve(positive, score, drop_intermediate=False)
    reached = tpr >= target - 1e-9
    point = specificity_at_sensitivity(score, positive, target=target)
    assert point.threshold == thresholds[reached].max()
    assert point.specificity == pytest.approx(1 - fpr[reached].min())
    assert point.sensitivity >= target


@pytest.mark.parametrize("target", [0.0, 1.1, math.nan])
def test_target_sensitivity_must_be_a_share(target):
    with pytest.raises(DermKitError, match="above 0 and at most 1"):
        specificity_at_sensitivity([0.1, 0.9], [False, True], target=target)


def test_specificity_bootstrap_agrees_with_the_exact_distribution_over_all_resamples():
    """Three positives and two negatives: 27 x 4 equally likely resamples, listed one by one."""
    positives, negatives = [0.3, 0.6, 0.9], [0.2, 0.5]
    exact = [
        np.mean([n < sorted(p)[1] for n in draw])
        for p in itertools.product(positives, repeat=3)
        for draw in itertools.product(negatives, repeat=2)
    ]
    found = [
        specificity_estimate(
            positives + negatives, [True] * 3 + [False] * 2, target=0.6, level=level, replicates=20_000
        )
        for level in (0.98, 0.5)
    ]
    for estimate, level in zip(found, (0.98, 0.5), strict=True):
        expected = np.quantile(np.repeat(exact, 100), [(1 - level) / 2, (1 + level) / 2])
        assert (estimate.low, estimate.high) == tuple(expected)


def test_specificity_bootstrap_agrees_with_the_asymptotic_variance():
    """Uniform negatives, so specificity is the threshold; its variance adds that of a quantile of the positives.

    Var = t (1 - t) / n + q (1 - q) / (m f(t)^2) (Linnet, Stat Med 6 (1987) 147), here with density f = 2t of positives.
    """
    rng = np.random.default_rng(3)
    m, n = 4000, 4000
    positives, negatives = np.sqrt(rng.random(m)), rng.random(n)
    found = specificity_estimate(np.r_[positives, negatives], np.arange(m + n) < m, target=0.8, replicates=600)
    t = math.sqrt(0.2)
    sd = math.sqrt(t * (1 - t) / n + 0.8 * 0.2 / (m * (2 * t) ** 2))
    assert found.value == pytest.approx(t, abs=4 * sd)
    assert (found.high - found.low) / (2 * 1.96) == pytest.approx(sd, rel=0.15)


def test_specificity_difference_is_paired():
    (a, b), positive = random_scores(60, 300, seed=9)
    same = specificity_difference(a, a, positive)
    assert same.value == 0
    assert math.isnan(same.low)
    found = specificity_difference(a, b, positive)
    single = [specificity_at_sensitivity(s, positive).specificity for s in (a, b)]
    assert found.value == pytest.approx(single[0] - single[1])
    assert found.low < found.value < found.high
    mirrored = specificity_difference(b, a, positive)
    assert (mirrored.low, mirrored.high) == pytest.approx((-found.high, -found.low))


def test_seed_decides_the_bootstrap():
    (a, _), positive = random_scores(30, 80, seed=1)
    first, second, other = (specificity_estimate(a, positive, seed=s, replicates=50) for s in (4, 4, 5))
    assert first == second
    assert (first.low, first.high) != (other.low, other.high)


def test_few_positives_are_named_in_the_reason():
    (a, _), positive = random_scores(12, 80, seed=1)
    assert "12 positives allow no miss" in specificity_estimate(a, positive).reason
    assert isinstance(specificity_estimate(a, positive, target=0.9), Estimate)
    assert specificity_estimate(a, positive, target=0.9).reason == ""


def test_newcombe_gives_the_published_differences_of_his_table():
    """Newcombe 1998 (Statistics in Medicine 17, 873), table II, method 10, contrasts a to h."""
    published = {
        (56, 70, 48, 80): (0.0524, 0.3339),
        (9, 10, 3, 10): (0.1705, 0.8090),
        (6, 7, 2, 7): (0.0582, 0.8062),
        (5, 56, 0, 29): (-0.0381, 0.1926),
        (0, 10, 0, 20): (-0.1611, 0.2775),
        (0, 10, 0, 10): (-0.2775, 0.2775),
        (10, 10, 0, 20): (0.6791, 1.0),
        (10, 10, 0, 10): (0.6075, 1.0),
    }
    for (k, m, j, o), (low, high) in published.items():
        value, found_low, found_high = newcombe(k, m, j, o)
        assert float(value) == pytest.approx(k / m - j / o)
        assert (float(found_low), float(found_high)) == pytest.approx((low, high), abs=6e-5)


@given(st.integers(0, 300), st.integers(1, 300))
def test_wilson_solves_the_score_equation(k, n):
    k = min(k, n)
    low, high = (float(bound) for bound in wilson(k, n))
    z = stats.norm.ppf(0.975)
    assert 0 <= low <= k / n <= high <= 1
    for bound, reached in ((low, k > 0), (high, k < n)):
        if reached:
            assert abs(k / n - bound) == pytest.approx(z * math.sqrt(bound * (1 - bound) / n), rel=1e-9)


def test_wilson_and_newcombe_are_undefined_without_cases():
    assert np.isnan(wilson(0, 0)).all()
    assert np.isnan(newcombe([0, 1], [0, 2], [1, 0], [2, 0])).all()
