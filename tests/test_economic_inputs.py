"""What an evaluation's values are drawn from: against SciPy, by their moments, and by where they may lie."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import stats

from derm_kit.pathway.definition import Pathway
from derm_kit.pathway.economic_inputs import NHS, SOCIETAL, Input, drawn, inputs, resampled, unsourced
from derm_kit.pathway.quantities import Quantity
from tests import two_arms

EVENLY = (np.arange(20_000) + 0.5) / 20_000

# By Briggs, Claxton and Sculpher (2006), chapter 4, for mean m and standard error s.
DISTRIBUTIONS = [
    # beta: m = .3, s = .1: m(1 - m)/s^2 - 1 = 20, so 6 and 14.
    ({"distribution": "beta", "value": 0.3, "standard_error": 0.1}, stats.beta(6, 14)),
    # gamma: m = 200, s = 50: shape 16, scale 12.5.
    ({"distribution": "gamma", "value": 200, "standard_error": 50}, stats.gamma(16, scale=12.5)),
    # lognormal: m = 2, s = 1: sigma^2 = ln 1.25, median 2/sqrt(1.25).
    (
        {"distribution": "lognormal", "value": 2, "standard_error": 1},
        stats.lognorm(np.sqrt(np.log(1.25)), scale=2 / np.sqrt(1.25)),
    ),
    # A 95 % interval of 60.8 to 139.2 is s = 20.
    ({"distribution": "normal", "value": 100, "low": 60.80072, "high": 139.19928}, stats.norm(100, 20)),
    ({"distribution": "uniform", "value": 3, "low": 2, "high": 6}, stats.uniform(2, 4)),
]


@pytest.mark.parametrize(("said", "reference"), DISTRIBUTIONS)
def test_quantiles_are_those_of_scipy(said, reference):
    quantity = Quantity(**said)
    assert Input(quantity, lowest=-np.inf).at(EVENLY) == pytest.approx(reference.ppf(EVENLY), rel=1e-5)
    if quantity.distribution != "uniform":
        assert reference.mean() == pytest.approx(float(quantity.value))
        assert reference.std() == pytest.approx(quantity.sd, rel=1e-5)


@pytest.mark.parametrize(("said", "reference"), DISTRIBUTIONS)
def test_ends_of_a_bar_are_those_given_or_of_the_interval(said, reference):
    one = Input(Quantity(**said))
    ends = (said["low"], said["high"]) if "low" in said else tuple(reference.ppf([0.025, 0.975]))
    assert (one.low, one.high) == pytest.approx(ends)


def test_a_distribution_is_cut_off_where_a_value_cannot_be():
    wide = Quantity(value=0.1, distribution="normal", standard_error=0.2)
    cut = Input(wide, highest=0.4).at(EVENLY)
    reference = stats.truncnorm(-0.5, 1.5, loc=0.1, scale=0.2)
    assert cut == pytest.approx(reference.ppf(EVENLY), abs=1e-9)
    assert 0 < Input(wide).low < Input(wide).high
    skewed = Quantity(value=0.8, distribution="lognormal", standard_error=0.4)
    assert Input(skewed, highest=1).at(EVENLY).max() <= 1
    beyond = Quantity(value=0.5, distribution="uniform", low=-1, high=2)
    assert Input(beyond, highest=1).at(EVENLY) == pytest.approx(EVENLY)
    assert (Input(beyond, highest=1).low, Input(beyond, highest=1).high) == (0, 1)


@settings(max_examples=400)
@given(
    st.sampled_from(("beta", "gamma", "lognormal", "normal")),
    st.floats(-300, 12),
    st.floats(-300, 12),
    st.sampled_from((1.0, np.inf)),
)
def test_whatever_spread_is_read_is_drawn_within_its_limits(kind: str, size: float, spread: float, highest: float):
    value = min(10.0**size, highest)
    try:
        quantity = Quantity(value=value, distribution=kind, standard_error=10.0**spread)
    except ValidationError:
        return
    drawn_values = Input(quantity, highest=highest).at(EVENLY[::50])
    assert np.isfinite(drawn_values).all()
    assert ((drawn_values >= 0) & (drawn_values <= highest)).all()
    assert (np.diff(drawn_values) >= 0).all()


def test_a_fixed_value_stays():
    fixed = Input(Quantity(value=7))
    assert (fixed.at(EVENLY) == 7).all()
    assert (fixed.low, fixed.high) == (7, 7)


def test_draws_are_the_same_for_the_same_seed_and_name_whatever_else_is_drawn():
    cost, share = (Input(Quantity(**DISTRIBUTIONS[i][0])) for i in (1, 0))
    both, alone = drawn({"a": cost, "b": share}, 50, 9), drawn({"b": share}, 50, 9)
    assert (both["b"] == alone["b"]).all()
    assert (drawn({"a": cost}, 50, 10)["a"] != both["a"]).all()
    same = drawn({"a": cost, "b": cost}, 2_000, 9)
    assert abs(np.corrcoef(same["a"], same["b"])[0, 1]) < 0.08
    places = resampled(7, 2_000, 9)
    assert set(places) == set(range(7))
    assert (places == resampled(7, 2_000, 9)).all()


def test_every_value_of_the_section_is_an_input_and_knows_its_limits():
    pathway = Pathway.read("skin-usc")
    nhs, society = inputs(pathway, NHS), inputs(pathway, SOCIETAL)
    more = set(society) - set(nhs)
    assert set(nhs) <= set(society)
    assert all(name.endswith(("patient_cost_gbp", "lost_work_gbp_a_year")) for name in more)
    assert len(more) == 13
    for name, one in society.items():
        chance = name.endswith(("deaths_a_year", "utility_loss", "found_a_year", "found_a_year_advanced", "utility"))
        if chance or name.endswith("per_30_days") or "discount" in name:
            assert one.highest == 1, name
        else:
            assert one.highest == np.inf, name
        assert one.lowest <= one.low <= one.high <= one.highest


def test_places_without_a_source_are_named_as_in_the_file():
    pathway = two_arms.pathway()
    names = unsourced(pathway, SOCIETAL)
    assert "referrals" in names
    assert "stages / test / cost_gbp" in names
    assert names.count("stages / clinic / reads") == 1
    assert "economics / mortality" in names
    assert "economics / diseases / the cancer / not_found / deaths_a_year" in names
    assert "economics / visits / clinic / patient_cost_gbp" in names
    assert "economics / visits / clinic / patient_cost_gbp" not in unsourced(pathway, NHS)
    assert unsourced(two_arms.pathway(with_sources=True), SOCIETAL) == ()
