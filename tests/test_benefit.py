"""Net benefit against the dcurves package and closed forms."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from derm_kit.errors import DermKitError
from derm_kit.triage.benefit import (
    decision_curve,
    flags,
    net_benefit,
    net_benefit_of_calls,
    treat_all,
)

REFERENCE = Path(__file__).parent / "reference"
THRESHOLDS = [0.05, 0.10, 0.15, 0.20]

CASES = st.lists(
    st.tuples(st.integers(0, 20).map(lambda i: i / 20), st.booleans(), st.integers(0, 4)), min_size=1, max_size=60
).filter(lambda rows: any(w for *_, w in rows))
PROBS = st.lists(st.integers(0, 19).map(lambda i: i / 20), min_size=1, max_size=8)


def columns(rows):
    score, positive, weights = (np.array(column) for column in zip(*rows, strict=True))
    return score, positive, weights.astype(float)


@pytest.fixture(scope="module")
def df_binary() -> pd.DataFrame:
    path = REFERENCE / "df_binary.csv"
    assert hashlib.sha256(path.read_bytes()).hexdigest() in (REFERENCE / "df_binary.md").read_text()
    table = pd.read_csv(path)
    assert (len(table), table["cancer"].sum()) == (750, 105)
    return table


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("famhistory", [0.025614, 0.018519, 0.010588, 0.001667]),
        ("cancerpredmarker", [0.105544, 0.087407, 0.079216, 0.067333]),
    ],
)
def test_decision_curve_gives_the_net_benefits_of_dcurves(df_binary, column, expected):
    curve = decision_curve(df_binary[column], df_binary["cancer"], THRESHOLDS)
    assert curve["model"].to_list() == pytest.approx(expected, abs=5e-7)
    assert curve["treat_all"].to_list() == pytest.approx([0.094737, 0.044444, -0.011765, -0.075], abs=5e-7)
    assert curve["treat_none"].to_list() == [0, 0, 0, 0]
    assert curve["threshold"].to_list() == THRESHOLDS
    assert set(curve["n"]) == {750}
    assert set(curve["n_positive"]) == {105}
    assert set(curve["remark"]) == {""}


@given(CASES, PROBS)
def test_net_benefit_is_its_definition_at_every_threshold_ties_called(rows, probs):
    score, positive, weights = columns(rows)
    for w, given_weights in ((weights, weights), (np.ones(len(score)), None)):
        expected = [
            (w[positive & (score >= p)].sum() - w[~positive & (score >= p)].sum() * p / (1 - p)) / w.sum()
            for p in probs
        ]
        assert net_benefit(score, positive, probs, weights=given_weights) == pytest.approx(expected, abs=1e-12)


@given(CASES, PROBS, st.randoms(use_true_random=False))
def test_order_of_cases_and_of_thresholds_does_not_matter(rows, probs, random):
    score, positive, weights = columns(rows)
    found = net_benefit(score, positive, probs, weights=weights)
    shuffled = rows.copy()
    random.shuffle(shuffled)
    other_score, other_positive, other_weights = columns(shuffled)
    again = net_benefit(other_score, other_positive, probs[::-1], weights=other_weights)
    assert again[::-1] == pytest.approx(found, abs=1e-12)


@given(CASES, PROBS)
def test_treat_all_equals_its_formula_and_a_score_that_calls_everyone(rows, probs):
    _, positive, weights = columns(rows)
    prevalence = weights[positive].sum() / weights.sum()
    p = np.array(probs)
    found = treat_all(positive, probs, weights=weights)
    assert found == pytest.approx(prevalence - (1 - prevalence) * p / (1 - p), abs=1e-12)
    assert net_benefit(np.ones(len(positive)), positive, probs, weights=weights) == pytest.approx(found, abs=1e-12)


@given(CASES, st.integers(0, 19).map(lambda i: i / 20))
def test_whole_weights_are_repeated_cases_and_weight_zero_leaves_out(rows, p):
    score, positive, weights = columns(rows)
    repeats = weights.astype(int)
    expected = net_benefit(np.repeat(score, repeats), np.repeat(positive, repeats), [p])
    assert net_benefit(score, positive, [p], weights=weights) == pytest.approx(expected, abs=1e-12)
    unscored = np.where(weights > 0, score, np.nan)
    assert net_benefit(unscored, positive, [p], weights=weights) == pytest.approx(expected, abs=1e-12)
    calls = net_benefit_of_calls(score >= p, positive, p, weights=weights)
    assert calls.value == pytest.approx(expected[0], abs=1e-12)
    assert calls.n == (weights > 0).sum()
    assert calls.n_positive == (positive & (weights > 0)).sum()


def test_a_perfect_score_reaches_the_prevalence():
    found = net_benefit([0.9, 0.1, 0.1, 0.1], [True, False, False, False], [0.2, 0.5])
    assert found.tolist() == [0.25, 0.25]


def test_float32_scores_are_compared_as_a_policy_compares_them():
    """The nearest float32 to .7 lies below .7, that to .3 above .3."""
    assert net_benefit(np.float32([0.7]), [True], [0.7]).tolist() == [0]
    assert net_benefit(np.float32([0.3]), [True], [0.3]).tolist() == [1]


def test_net_benefit_of_calls_by_hand_with_its_interval():
    """40 true and 100 false positives, 10 missed, 850 rightly left: .04 - .1 / 9, and the variance written out."""
    called = np.repeat([True, True, False, False], [40, 100, 10, 850])
    positive = np.repeat([True, False, True, False], [40, 100, 10, 850])
    found = net_benefit_of_calls(called, positive, 0.1)
    assert found.value == pytest.approx(0.04 - 0.1 / 9)
    variance = (0.04 + 0.1 / 81 - found.value**2) / 999
    assert found.high - found.value == pytest.approx(1.959964 * math.sqrt(variance), rel=1e-6)
    assert found.value - found.low == pytest.approx(found.high - found.value)
    assert (found.n, found.n_positive) == (1000, 50)


def test_weighted_interval_covers_as_often_as_it_says():
    """Half the cases weigh 3, half 1: 95 % of 600 intervals is 570, and four sd below 549."""
    rng = np.random.default_rng(8)
    weights = np.repeat([3.0, 1.0], 200)
    true = 0.1 * 0.8 - 0.9 * 0.2 / 4
    hits = 0
    for _ in range(600):
        positive = rng.random(400) < 0.1
        called = rng.random(400) < np.where(positive, 0.8, 0.2)
        found = net_benefit_of_calls(called, positive, 0.2, weights=weights)
        hits += found.low <= true <= found.high
    assert 549 <= hits <= 591


def test_undefined_net_benefit_is_nan_and_says_why():
    curve = decision_curve([math.nan, math.nan], [True, False], [0.1])
    assert curve["model"].isna().all()
    assert curve["remark"].to_list() == ["type not trained"]
    assert curve["treat_all"][0] == pytest.approx(0.5 - 0.5 / 9)
    for empty in (decision_curve([], [], [0.1]), decision_curve([0.5], [True], [0.1], weights=[0])):
        assert empty[["model", "treat_all", "treat_none"]].isna().all(axis=None)
        assert empty["remark"].to_list() == ["no case"]
    nothing = net_benefit_of_calls([], [], 0.1)
    assert math.isnan(nothing.value)
    assert nothing.reason == "no case"
    alike = net_benefit_of_calls([False, False], [True, False], 0.1)
    assert alike.value == 0
    assert math.isnan(alike.low)
    assert "same figure" in alike.reason
    assert "one case" in net_benefit_of_calls([True], [True], 0.1).reason


@pytest.mark.parametrize("p", [1.0, -0.1, math.nan])
def test_threshold_probability_is_below_one(p):
    with pytest.raises(DermKitError, match="at least 0 and below 1"):
        net_benefit([0.5], [True], [p])


@pytest.mark.parametrize("weight", [-1.0, math.nan, math.inf])
def test_impossible_weights_are_refused(weight):
    with pytest.raises(DermKitError, match="finite number"):
        net_benefit([0.5, 0.5], [True, False], [0.1], weights=[1.0, weight])


def test_lengths_missing_scores_and_gaps_in_truth_are_refused():
    with pytest.raises(DermKitError, match="one length"):
        net_benefit([0.5, 0.2], [True], [0.1])
    with pytest.raises(DermKitError, match="one length"):
        net_benefit_of_calls([True], [True], 0.1, weights=[1, 1])
    with pytest.raises(DermKitError, match="1 of 2 missing"):
        net_benefit([0.5, math.nan], [True, False], [0.1])
    for gap in (math.nan, None, "benign", 2):
        with pytest.raises(DermKitError, match="true or false"):
            flags([True, gap], "truth")
    assert flags([1, 0.0], "truth").tolist() == [True, False]
    assert flags(pd.Series([True, False], dtype=object), "truth").tolist() == [True, False]
