"""Verification bias against the published hepatic scintigraphy example, its delta-method variance and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from derm_kit.errors import DermKitError
from derm_kit.triage.proportions import clopper_pearson
from derm_kit.triage.verification import begg_greenes, specificity_by_truth_source


def study(s1: int, r1: int, u1: int, s0: int, r0: int, u0: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Calls, truth (NaN where unverified) and verified of a study: sick, well, unverified called; then not called."""
    counts = [s1, r1, u1, s0, r0, u0]
    called = np.repeat([True, True, True, False, False, False], counts)
    positive = np.repeat([1.0, 0.0, math.nan] * 2, counts)
    return called, positive, ~np.isnan(positive)


def test_begg_greenes_gives_the_published_hepatic_scintigraphy_figures():
    """650 scans, 344 verified (Drum and Christacopoulos, J Nucl Med 13 (1972) 908).

    The example of Begg and Greenes 1983. By hand: 429 x 231/263 = 376.802 and 221 x 27/81 = 73.667 diseased give
    sensitivity 376.802 / 450.469 = .8365; 221 x 54/81 = 147.333 and 429 x 32/263 = 52.198 give specificity .7384.
    """
    found = begg_greenes(*study(231, 32, 166, 27, 54, 140))
    assert found.sensitivity.value == pytest.approx(0.8365, abs=5e-5)
    assert found.specificity.value == pytest.approx(0.7384, abs=5e-5)
    assert found.sensitivity_verified.value == pytest.approx(0.8953, abs=5e-5)
    assert found.specificity_verified.value == pytest.approx(0.6279, abs=5e-5)
    assert found.n_unverified == 306
    assert "depended on the call alone" in found.assumption
    variance = 650 / (429 * 221) + 32 / (231 * 263) + 54 / (27 * 81)
    logit = math.log(0.836467 / 0.163533)
    low, high = (1 / (1 + math.exp(-logit - z * math.sqrt(variance))) for z in (-1.959964, 1.959964))
    assert (found.sensitivity.low, found.sensitivity.high) == pytest.approx((low, high), abs=1e-5)
    variance = 650 / (429 * 221) + 231 / (32 * 263) + 27 / (54 * 81)
    logit = math.log(0.738398 / 0.261602)
    low, high = (1 / (1 + math.exp(-logit - z * math.sqrt(variance))) for z in (-1.959964, 1.959964))
    assert (found.specificity.low, found.specificity.high) == pytest.approx((low, high), abs=1e-5)


def test_the_intervals_cover_as_often_as_they_say():
    """Verified are 80 % of those called and 25 % of the rest; 95 % of 600 is 570, and four sd below 549."""
    rng = np.random.default_rng(11)
    hits = np.zeros(2)
    for _ in range(600):
        positive = rng.random(1500) < 0.3
        called = rng.random(1500) < np.where(positive, 0.8, 0.3)
        verified = rng.random(1500) < np.where(called, 0.8, 0.25)
        found = begg_greenes(called, positive, verified)
        hits += [
            found.sensitivity.low <= 0.8 <= found.sensitivity.high,
            found.specificity.low <= 0.7 <= found.specificity.high,
        ]
    assert np.all((hits >= 549) & (hits <= 591)), hits


@given(*[st.integers(1, 30)] * 4, st.integers(1, 5))
def test_the_same_share_verified_of_either_call_changes_nothing(s1, r1, s0, r0, times):
    found = begg_greenes(*study(s1, r1, times * (s1 + r1), s0, r0, times * (s0 + r0)))
    assert found.sensitivity.value == pytest.approx(found.sensitivity_verified.value)
    assert found.specificity.value == pytest.approx(found.specificity_verified.value)


@given(*[st.integers(1, 30)] * 6, st.randoms(use_true_random=False))
def test_order_of_cases_does_not_matter(s1, r1, u1, s0, r0, u0, random):
    columns = study(s1, r1, u1, s0, r0, u0)
    order = list(range(len(columns[0])))
    random.shuffle(order)
    found, shuffled = begg_greenes(*columns), begg_greenes(*(column[order] for column in columns))
    assert shuffled == found
    flipped = begg_greenes(~columns[0], 1 - columns[1], columns[2])
    assert flipped.sensitivity.value == pytest.approx(found.specificity.value)


def test_where_nothing_is_to_correct_or_nothing_to_correct_with_it_refuses():
    with pytest.raises(DermKitError, match=r"every case is verified: nothing to correct.*by source of truth"):
        begg_greenes(*study(5, 3, 0, 2, 9, 0))
    with pytest.raises(DermKitError, match="0 of 7 not called"):
        begg_greenes(*study(5, 3, 1, 0, 0, 7))
    with pytest.raises(DermKitError, match="0 of 7 called"):
        begg_greenes(*study(0, 0, 7, 3, 3, 1))
    with pytest.raises(DermKitError, match="0 of 0 not called"):
        begg_greenes(*study(5, 3, 1, 0, 0, 0))
    with pytest.raises(DermKitError, match="true or false"):
        begg_greenes([True, False, True], [1, math.nan, 0], [True, True, False])
    with pytest.raises(DermKitError, match="one length"):
        begg_greenes([True, False], [1, 0, 0], [True, False])


def test_thin_or_empty_cells_say_what_the_figure_hangs_on():
    few = begg_greenes(*study(40, 30, 20, 2, 50, 300))
    assert "2 verified positive cases called wrong" in few.sensitivity.reason
    assert few.specificity.reason == ""
    none = begg_greenes(*study(40, 30, 20, 0, 50, 300))
    assert math.isnan(none.sensitivity.low)
    assert "no verified positive case among those called wrong" in none.sensitivity.reason
    assert none.specificity.low < none.specificity.value
    nobody = begg_greenes(*study(0, 30, 20, 0, 50, 300))
    assert math.isnan(nobody.sensitivity.value)
    assert nobody.sensitivity.reason == "no verified positive case"
    assert nobody.sensitivity_verified.reason == "no case"


def test_specificity_by_source_of_truth_keeps_small_groups_and_marks_them():
    source = np.repeat(["histopathology", "follow-up", "consensus", "", "biopsy of cancers"], [50, 40, 29, 30, 5])
    benign = np.r_[np.ones(149, bool), np.zeros(5, bool)]
    flagged = np.zeros(154, bool)
    flagged[:35] = True
    flagged[50:60] = True
    flagged[149:] = True
    table = specificity_by_truth_source(flagged, benign, source)
    assert table["truth_source"].to_list() == [
        "histopathology",
        "follow-up",
        "not recorded",
        "consensus",
        "biopsy of cancers",
    ]
    assert table["n"].to_list() == [50, 40, 30, 29, 0]
    assert table["not_flagged"].to_list() == [15, 30, 30, 29, 0]
    assert table["specificity"].to_list()[:4] == [0.3, 0.75, 1.0, 1.0]
    assert table[["specificity", "low", "high"]].iloc[4].isna().all()
    assert table["remark"].to_list() == ["", "", "", "too few to say", "no benign case"]
    assert (table["low"][0], table["high"][0]) == pytest.approx(np.array(clopper_pearson(15, 50)).tolist())
    missing = specificity_by_truth_source([False], [True], [None])
    assert missing["truth_source"].to_list() == ["not recorded"]
    assert len(specificity_by_truth_source([], [], [])) == 0
    with pytest.raises(DermKitError, match="one length"):
        specificity_by_truth_source([True], [True], ["a", "b"])
