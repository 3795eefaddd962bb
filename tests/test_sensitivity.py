"""Probabilistic and one-way sensitivity: closed forms, what must hold of any draws, progress and stopping."""

from __future__ import annotations

import copy
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from derm_kit.errors import PathwayError
from derm_kit.model.run import ScoreRun
from derm_kit.pathway.definition import Pathway
from derm_kit.pathway.economic_inputs import Input, at_values
from derm_kit.pathway.economics import ILLUSTRATIVE, Model, base_case, evaluate, model_of
from derm_kit.pathway.one_way import threshold_prices, tornado
from derm_kit.pathway.quantities import Quantity
from derm_kit.pathway.sensitivity import CHUNK, acceptability, evpi, perfect_information, plane, psa, shares_of_best
from derm_kit.pathway.simulation import simulate
from derm_kit.triage.policy import TriagePolicy
from tests import two_arms


@pytest.fixture(scope="module")
def skin(reference: ScoreRun, policy: TriagePolicy) -> Model:
    return model_of(simulate(Pathway.read("skin-usc"), reference, policy, seed=3, replications=4))


def with_price(price: dict) -> Model:
    """Two arms, of which everything is fixed but the price of the test."""
    changed = copy.deepcopy(two_arms.PATHWAY)
    changed["stages"]["test"]["cost_gbp"] = price
    return model_of(two_arms.outcomes(Pathway.model_validate(changed)))


def test_draws_lie_around_the_base_case_and_come_again_with_the_seed(skin: Model):
    found, again = psa(skin, 400, seed=5), psa(skin, 400, seed=5)
    assert (found.evaluation.cost_gbp == again.evaluation.cost_gbp).all()
    assert (found.evaluation.qaly == again.evaluation.qaly).all()
    assert (psa(skin, 400, seed=6).evaluation.cost_gbp != found.evaluation.cost_gbp).all()
    base = base_case(skin)
    for mine, theirs in ((found.evaluation.cost_gbp, base.cost_gbp), (found.evaluation.qaly, base.qaly)):
        error = mine.std(axis=0) / np.sqrt(400) + theirs.std(axis=0) / np.sqrt(skin.tree.replications)
        assert (abs(mine.mean(axis=0) - theirs.mean(axis=0)) < 4 * error + 0.001 * theirs.mean(axis=0)).all()


def test_a_thousand_draws_of_four_arms_take_less_than_ten_seconds(skin: Model):
    begun = time.perf_counter()
    assert psa(skin, 1_000).draws == 1_000
    assert time.perf_counter() - begun < 10


def test_draws_hold_the_chance_of_the_simulated_years_or_leave_it_out(skin: Model):
    as_they_stand = {name: Input(Quantity(value=one.quantity.value)) for name, one in skin.inputs.items()}
    fixed = replace(skin, inputs=as_they_stand)
    of_years = psa(fixed, 200).evaluation.cost_gbp
    years = base_case(fixed).cost_gbp
    assert {tuple(row) for row in of_years.round(9)} == {tuple(row) for row in years.round(9)}
    of_mean = psa(fixed, 200, resample=False).evaluation.cost_gbp
    assert np.ptp(of_mean, axis=0) == pytest.approx(0)
    assert of_mean[0] == pytest.approx(years.mean(axis=0))


def test_progress_is_told_and_a_stop_leaves_what_is_done(skin: Model):
    told: list[tuple[int, int]] = []
    psa(skin, 2 * CHUNK + 10, progress=lambda done, total: told.append((done, total)))
    assert told == [(CHUNK, 2 * CHUNK + 10), (2 * CHUNK, 2 * CHUNK + 10), (2 * CHUNK + 10, 2 * CHUNK + 10)]
    stop = threading.Event()
    found = psa(skin, 4 * CHUNK, progress=lambda done, _: stop.set() if done >= 2 * CHUNK else None, stop=stop.is_set)
    assert (found.draws, found.asked) == (2 * CHUNK, 4 * CHUNK)
    whole = psa(skin, 4 * CHUNK)
    assert (whole.evaluation.qaly[: 2 * CHUNK] == found.evaluation.qaly).all()
    assert len(plane(found)) == 3 * found.draws


@pytest.mark.parametrize("draws", [0, -1, 100_001])
def test_a_number_of_draws_out_of_range_is_refused(skin: Model, draws: int):
    with pytest.raises(PathwayError, match="draws are from 1 to 100,000"):
        psa(skin, draws)


def test_acceptability_adds_up_to_one_and_its_ends_are_known(skin: Model):
    found = psa(skin, 300)
    table = acceptability(found, (0, 20_000, 10**12))
    assert table.groupby("gbp_per_qaly")["share"].sum().to_numpy() == pytest.approx(1)
    assert (table["remark"] == ILLUSTRATIVE).all()
    cheapest = np.bincount(found.evaluation.cost_gbp.argmin(axis=1), minlength=4) / 300
    healthiest = np.bincount(found.evaluation.qaly.argmax(axis=1), minlength=4) / 300
    assert table[table["gbp_per_qaly"] == 0]["share"].to_numpy() == pytest.approx(cheapest)
    assert table[table["gbp_per_qaly"] == 10**12]["share"].to_numpy() == pytest.approx(healthiest)
    assert (table.groupby("gbp_per_qaly")["highest_mean"].sum() == 1).all()


def test_arms_that_are_level_share_a_draw():
    assert shares_of_best(np.array([[1.0, 1, 0], [2, 1, 0]])) == pytest.approx([0.75, 0.25, 0])


def test_the_plane_is_the_difference_from_today(skin: Model):
    found = psa(skin, 20)
    points = plane(found).query("arm == 'AI'")
    assert list(points["draw"]) == list(range(1, 21))
    a = skin.place("AI")
    assert points["more_cost_gbp"].to_numpy() == pytest.approx(
        found.evaluation.cost_gbp[:, a] - found.evaluation.cost_gbp[:, skin.today]
    )


def test_perfect_information_by_hand():
    # Best of each draw 12, 14, 11: 37/3; means 11 and 34/3: 37/3 - 34/3 = 1, lost 2, 0, 1 by always choosing the first.
    value, error = evpi(np.array([[10.0, 12], [14, 10], [10, 11]]))
    assert value == pytest.approx(37 / 3 - 34 / 3)
    assert error == pytest.approx(np.std([2, 0, 1], ddof=1) / np.sqrt(3))
    assert evpi(np.array([[3.0, 2]]))[0] == 0


@pytest.mark.parametrize(("mean", "sd"), [(0.0, 10.0), (5.0, 10.0), (-20.0, 10.0)])
def test_perfect_information_of_a_normal_gain_is_its_unit_loss(mean: float, sd: float):
    """Two arms whose difference is normal: s phi(m/s) - |m| Phi(-|m|/s) (Raiffa and Schlaifer 1961)."""
    gain = norm(mean, sd).ppf((np.arange(200_000) + 0.5) / 200_000)
    value, error = evpi(np.stack([np.zeros_like(gain), gain], axis=1))
    expected = sd * norm.pdf(mean / sd) - abs(mean) * norm.cdf(-abs(mean) / sd)
    assert value == pytest.approx(expected, rel=1e-3)
    assert 0 < error < 0.05


def test_perfect_information_is_worth_something_or_nothing_and_scales_with_people(skin: Model):
    table = perfect_information(psa(skin, 500))
    assert (table["evpi_gbp"] >= 0).all()
    assert list(table["gbp_per_qaly"]) == [20_000, 30_000, 70_000]
    assert table["evpi_gbp_a_year"].to_numpy() == pytest.approx(table["evpi_gbp"] * table["people_a_year"])
    assert table["people_a_year"].iloc[0] == pytest.approx(5_218, rel=0.03)
    certain = with_price({"value": 30})
    assert (perfect_information(psa(certain, 40))["evpi_gbp"] == 0).all()


def test_only_what_varies_has_a_bar(skin: Model):
    table = tornado(skin, "AI", 20_000)
    assert list(table["width_gbp"]) == sorted(table["width_gbp"], reverse=True)
    for row in table.itertuples():
        if skin.inputs[row.input].quantity.distribution == "fixed":
            assert row.width_gbp == 0
            assert row.gain_at_low_gbp == row.gain_at_high_gbp == row.gain_gbp
    assert table["gain_gbp"].to_numpy() == pytest.approx(base_case(skin).gain_gbp(20_000)[:, skin.place("AI")].mean())
    assert set(table["source"].str[:15]) >= {"source required"}
    assert (tornado(skin, "face to face", 20_000)["width_gbp"] == 0).all()


def test_a_bar_by_hand():
    """Each of 1,000 people has the test once, so a GBP more on its price is a GBP less to gain."""
    model = with_price({"value": 30, "distribution": "uniform", "low": 20, "high": 50})
    widest = tornado(model, "test first", 20_000).iloc[0]
    assert widest["input"] == "stages / test / cost_gbp"
    assert widest["gain_at_low_gbp"] - widest["gain_gbp"] == pytest.approx(10)
    assert widest["gain_at_high_gbp"] - widest["gain_gbp"] == pytest.approx(-20)
    assert widest["width_gbp"] == pytest.approx(30)


@pytest.mark.parametrize("arm", ["AI", "AI + second read"])
def test_at_its_threshold_price_an_arm_is_level_with_today(skin: Model, arm: str):
    table = threshold_prices(base_case(skin), arm)
    assert (table["price_now_gbp"] == 30).all()
    for row in table.itertuples():
        assert ("no price brings the two level" in row.remark) == (row.price_gbp < 0)
        values = at_values(skin.inputs) | {"stages / AI / cost_gbp": np.array([row.price_gbp])}
        gain = evaluate(skin, values).gain_gbp(row.gbp_per_qaly)[0, skin.place(arm)]
        assert gain == pytest.approx(0, abs=1e-6)


def test_a_threshold_price_by_hand_does_not_depend_on_the_price_that_was_drawn():
    model = with_price({"value": 30, "distribution": "gamma", "standard_error": 10})
    base, found = base_case(model), psa(model, 100)
    gain = base.gain_gbp(20_000)[0, 1]
    table = threshold_prices(base, "test first", found).set_index("threshold")
    assert table.loc["lower", "price_gbp"] == pytest.approx(30 + gain)
    assert (table["low"] - table["price_gbp"]).to_numpy() == pytest.approx(0, abs=1e-6)
    assert (table["high"] - table["price_gbp"]).to_numpy() == pytest.approx(0, abs=1e-6)


def test_a_price_that_does_not_exist_is_not_made_up(skin: Model):
    table = threshold_prices(base_case(skin), "teledermatology", psa(skin, 10))
    assert table[["price_gbp", "low", "high"]].isna().all(axis=None)
    assert table["remark"].str.contains("no more visits to this stage than today's").all()
    economics = {**two_arms.ECONOMICS, "price_of": None}
    nameless = model_of(two_arms.outcomes(two_arms.pathway(**economics)))
    with pytest.raises(PathwayError, match="a threshold price needs a stage"):
        threshold_prices(base_case(nameless), "test first")
