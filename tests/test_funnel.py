"""Funnels: limits against SciPy's binomial and by hand, over-dispersion by its formula, false signals counted."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from derm_kit.errors import DermKitError
from derm_kit.surveillance.funnel import ALARM, WARNING, funnel, limits

SITES = [f"Site {i}" for i in range(1, 31)]


def test_limits_by_hand():
    """Of 10 at one half P(X <= 1) = 11 / 1024 and P(X <= 2) = 56 / 1024, so that 2 and 8 lie inside 95 %."""
    low, high = limits([10], 0.5, 0.95)
    assert (low.tolist(), high.tolist()) == ([2], [8])


@given(st.integers(1, 5_000), st.floats(0.0005, 0.9995), st.sampled_from([WARNING, ALARM]))
def test_limits_are_the_binomial_quantiles(n, rate, level):
    low, high = limits([n], rate, level)
    tail = (1 - level) / 2
    assert low[0] == binom.ppf(tail, n, rate)
    assert high[0] == binom.ppf(1 - tail, n, rate)
    assert binom.cdf(low[0] - 1, n, rate) <= tail * (1 + 1e-9)
    assert binom.sf(high[0], n, rate) <= tail * (1 + 1e-9)


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_a_rate_of_nothing_or_everything_leaves_one_count(rate):
    low, high = limits([7, 40], rate, WARNING)
    assert low.tolist() == high.tolist() == [7 * rate, 40 * rate]
    assert set(funnel("x", "site", ["a", "b"], [20, 40], [20 * rate, 40 * rate]).table["verdict"]) == {"inside"}


def test_a_table_by_hand():
    found = funnel("discharge rate", "site", ["a", "b", "c"], [100, 400, 5], [70, 160, 5], target=0.4)
    table = found.table.set_index("group")
    assert found.table["group"].tolist() == ["b", "a", "c"], "largest first"
    assert table.loc["a", "z"] == pytest.approx(0.3 / math.sqrt(0.24 / 100))
    assert table["verdict"].to_dict() == {"b": "inside", "a": "above the 99.8 % limits", "c": "too few to say"}
    assert (table.loc["b", "low"], table.loc["b", "high"]) == pytest.approx((0.3517, 0.4498), abs=1e-4)
    assert "1 with too few cases to say" in found.finding
    assert "outside the 99.8 % limits: a (above the 99.8 % limits)" in found.finding


def test_false_signals_that_chance_would_give_are_said_and_come():
    rng, n = np.random.default_rng(5), np.array([12, 40, 75, 130, 260, 500, 900, 1_500])
    outside = np.zeros((4_000, 2))
    for i in range(len(outside)):
        events = rng.binomial(n, 0.4)
        for j, level in enumerate((WARNING, ALARM)):
            low, high = limits(n, 0.4, level)
            outside[i, j] = ((events < low) | (events > high)).sum()
    said = funnel("x", "site", SITES[:8], n, np.rint(0.4 * n), target=0.4)
    error = outside.std(0) / math.sqrt(len(outside))
    assert (np.abs(outside.mean(0) - said.expected_false) < 4 * error).all()
    assert said.expected_false[0] <= 0.05 * 8
    assert said.expected_false[1] <= 0.002 * 8
    assert "by chance alone" in said.finding


def test_over_dispersion_is_the_papers_formula():
    """Spiegelhalter 2005: phi is the mean square of winsorised z, tau^2 = (k phi - (k - 1)) / (W - W2 / W)."""
    rng = np.random.default_rng(1)
    n = rng.integers(200, 2_000, 30)
    events = rng.binomial(n, np.clip(rng.normal(0.4, 0.06, 30), 0.05, 0.95))
    found = funnel("x", "site", SITES, n, events, target=0.4)
    z = (events / n - 0.4) / np.sqrt(0.24 / n)
    z = np.sort(z)
    low, high = np.quantile(z, 0.1), np.quantile(z, 0.9)
    phi = sum(min(max(one, low), high) ** 2 for one in z) / 30
    weight = n / 0.24
    tau_squared = (30 * phi - 29) / (weight.sum() - (weight**2).sum() / weight.sum())
    assert found.dispersion == pytest.approx(phi)
    assert found.tau == pytest.approx(math.sqrt(tau_squared))
    assert 0.03 < found.tau < 0.08
    assert "differ by more than chance" in found.finding
    exact_only = (found.table["rate"] < found.table["low_998"]) | (found.table["rate"] > found.table["high_998"])
    judged_outside = found.table["verdict"].str.contains("99.8")
    assert judged_outside.sum() < exact_only.sum(), "the random effect lets sites differ"


def test_an_outlier_does_not_hide_itself_by_making_the_limits_wide():
    rng, n = np.random.default_rng(2), np.full(20, 1_000)
    events = rng.binomial(n, 0.4)
    events[3] = 700
    found = funnel("x", "site", SITES[:20], n, events)
    assert found.table.loc[found.table["verdict"].str.contains("99.8"), "group"].tolist() == ["Site 4"]


def test_sites_that_are_alike_have_no_random_effect():
    rng, n = np.random.default_rng(3), np.full(30, 800)
    taus = [funnel("x", "site", SITES, n, rng.binomial(n, 0.4)).tau for _ in range(50)]
    assert np.mean(np.array(taus) == 0) > 0.7
    assert max(taus) < 0.015


def test_one_site_only_is_said():
    found = funnel("discharge rate", "site", ["Site 1"], [500], [200])
    assert found.finding == "one site only: there is nothing to compare it with"
    assert math.isnan(found.dispersion)


def test_one_large_site_among_small_ones_is_said():
    found = funnel("discharge rate", "device", ["a", "b", "c"], [500, 3, 4], [200, 1, 0])
    assert found.finding.startswith("1 device with enough cases: there is nothing to compare")
    assert "2 with too few cases" in found.finding


def test_no_case_is_said():
    found = funnel("x", "site", ["a", "b"], [0, 0], [0, 0])
    assert found.finding == "no case to compare"
    assert math.isnan(found.target)


def test_a_site_without_a_case_stays_in_the_list():
    found = funnel("x", "site", ["a", "b", "c"], [100, 200, 0], [40, 80, 0])
    assert found.table["verdict"].tolist() == ["inside", "inside", "too few to say"]
    assert math.isnan(found.table["rate"].iloc[2])


def test_counts_that_are_none_are_refused():
    with pytest.raises(DermKitError, match="successes"):
        funnel("x", "site", ["a", "b"], [10, 10], [11, 3])
    with pytest.raises(DermKitError, match="target"):
        funnel("x", "site", ["a", "b"], [10, 10], [5, 3], target=1.2)
