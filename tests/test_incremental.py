"""The fully incremental analysis: a published set of five strategies, extended dominance by hand, and its rules."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from derm_kit.pathway.incremental import DOMINATED, EQUAL, EXTENDEDLY, fully_incremental


def test_hiv_screening_as_published():
    """Paltiel et al., Ann Intern Med 145 (2006) 797, as the R package dampack teaches it (vignette basic_cea): costs in
    US dollars, effects in quality-adjusted months."""
    arms = ["status quo", "one time", "5yr", "3yr", "annual"]
    cost = np.array([26_000.0, 27_000, 28_020, 28_440, 29_440])
    effect = np.array([277.25, 277.57, 277.78, 277.83, 277.76]) / 12
    table = fully_incremental(arms, cost, effect).set_index("arm")
    assert list(table["status"]) == ["", "", "", "", DOMINATED]
    assert table.loc["annual", "by"] == "3yr"
    assert math.isnan(table.loc["status quo", "icer_gbp_per_qaly"])
    # 1,000 / (.32/12); 1,020 / (.21/12); 420 / (.05/12)
    ratios = table["icer_gbp_per_qaly"].to_numpy()[1:4]
    assert ratios == pytest.approx([37_500, 58_285.71, 100_800], rel=1e-6)
    assert list(table["against"])[1:4] == ["status quo", "one time", "5yr"]


def test_extended_dominance_by_hand():
    # B buys .1 QALYs at 30,000 each, C another .3 at 10,000: half A and half C cost 3,000 too and give .2 more than A.
    table = fully_incremental(["C", "A", "B"], np.array([6_000.0, 0, 3_000]), np.array([1.4, 1.0, 1.1])).set_index(
        "arm"
    )
    assert list(table.index) == ["A", "B", "C"]
    assert tuple(table.loc["B", ["status", "by"]]) == (EXTENDEDLY, "A and C")
    assert table.loc["C", "against"] == "A"
    assert table.loc["C", "icer_gbp_per_qaly"] == pytest.approx(15_000)
    assert math.isnan(table.loc["B", "icer_gbp_per_qaly"])


def test_ruling_one_out_may_rule_out_the_one_before_it():
    # Ratios 10, 30, 31, 1: d goes, since e is cheaper by the QALY; then c to e is 32/2 < 30, so c goes; b to e is 62/3.
    cost, effect = np.cumsum([0.0, 10, 30, 31, 1]), np.arange(5.0)
    table = fully_incremental(list("abcde"), cost, effect).set_index("arm")
    assert list(table["status"]) == ["", "", EXTENDEDLY, EXTENDEDLY, ""]
    assert table.loc["e", "icer_gbp_per_qaly"] == pytest.approx(62 / 3)


def test_an_arm_that_costs_more_for_the_same_is_dominated_and_one_that_is_the_same_is_not():
    table = fully_incremental(["a", "b", "c"], np.array([1.0, 1, 2]), np.array([3.0, 3, 3]))
    assert list(table["status"]) == ["", EQUAL, DOMINATED]
    assert list(table["by"]) == ["", "a", "a"]


AMOUNTS = st.integers(0, 40).map(float)


@settings(max_examples=200)
@given(st.lists(st.tuples(AMOUNTS, AMOUNTS), min_size=1, max_size=7), st.integers(0, 30))
def test_the_best_arm_at_any_threshold_is_one_that_remains(points, threshold):
    cost, effect = np.array(points).T
    table = fully_incremental([str(i) for i in range(len(points))], cost, effect)
    left = table[table["status"] == ""]
    ratios = left["icer_gbp_per_qaly"].to_numpy()[1:]
    assert (np.diff(ratios) >= 0).all()
    assert (ratios >= 0).all()
    best = (threshold * effect - cost).max()
    assert (threshold * left["qaly"] - left["cost_gbp"]).max() == pytest.approx(best)
