"""Agreement of readers against published tables, R, statsmodels, the jackknife, and simulated readers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.inter_rater import aggregate_raters, cohens_kappa
from statsmodels.stats.inter_rater import fleiss_kappa as peer_fleiss_kappa

from derm_kit.errors import DermKitError
from derm_kit.triage.agreement import FEWEST, cohen_kappa, fleiss_kappa, percent_agreement

PSYCHIATRISTS = """
444444 222555 233335 555555 222444 113333 333355 113334 114444 555555 144444 124444 222333 144444 224445
333335 111455 111112 224444 133555 555555 244444 224555 114444 144445 222224 111155 224444 133333 555555
"""
"""Fleiss, Psychological Bulletin 76 (1971) 378, table 1: six diagnoses of each of 30 patients; kappa = .430."""


def paired(table: list[list[int]]) -> tuple[list[int], list[int]]:
    """The readings behind a table of counts, first reader in rows."""
    pairs = [(i, j) for i, row in enumerate(table) for j, n in enumerate(row) for _ in range(n)]
    return [i for i, _ in pairs], [j for _, j in pairs]


def spread(counts: list[str]) -> list[list[int]]:
    """The readings behind counts a category, one digit each, case by case."""
    return [[k for k, n in enumerate(row) for _ in range(int(n))] for row in counts]


def simulated(rng: np.random.Generator, cases: int, readers: int, kappa: float) -> np.ndarray:
    """Readings (N, R): each reader sees the truth with chance sqrt(kappa), else guesses by how common the types are."""
    common = [0.6, 0.3, 0.1]
    truth, guess = rng.choice(3, (cases, 1), p=common), rng.choice(3, (cases, readers), p=common)
    return np.where(rng.random((cases, readers)) < math.sqrt(kappa), truth, guess)


@pytest.mark.parametrize(
    ("table", "kappa", "low", "high"),
    [
        ([[0, 4, 1], [0, 8, 0], [0, 1, 5]], 0.4842, 0.2137, 0.7547),  # SAS PROC FREQ, as printed by statsmodels' tests
        ([[13, 0, 0], [0, 20, 7], [0, 4, 56]], 0.7964094, 0.68, 0.913),  # R irrCAC, vignette: cont3x3abstractors
        ([[20, 5], [10, 15]], 0.4, None, None),  # Wikipedia's grant proposals
    ],
)
def test_cohens_kappa_of_published_tables(table: list[list[int]], kappa: float, low: float | None, high: float | None):
    found = cohen_kappa(*paired(table))
    assert found.value == pytest.approx(kappa, abs=5e-5)
    if low is not None:
        assert (found.low, found.high) == pytest.approx((low, high), abs=1.2e-3)
    assert found.n == sum(map(sum, table))


def test_cohens_kappa_and_its_interval_are_those_of_statsmodels():
    rng = np.random.default_rng(1)
    for _ in range(30):
        table = rng.integers(0, 30, (4, 4)) + 40 * np.eye(4, dtype=int)
        found, peer = cohen_kappa(*paired(table.tolist())), cohens_kappa(table)
        assert (found.value, found.low, found.high) == pytest.approx((peer.kappa, peer.kappa_low, peer.kappa_upp))


def test_fleiss_kappa_of_the_psychiatric_diagnoses_of_1971():
    found = fleiss_kappa([list(row) for row in PSYCHIATRISTS.split()])
    assert found.value == pytest.approx(0.430, abs=5e-4)
    assert found.n == 30


def test_fleiss_kappa_and_its_interval_are_those_of_r():
    """R package irrCAC, vignette: fleiss.kappa.dist(distrib.6raters) is 0.4139265, standard error 0.08119291."""
    rows = "00060 03003 01401 00006 03030 20400 00402 20310 20040 00006 10050 11040 03300 10050 02031"
    found = fleiss_kappa(spread(rows.split()))
    assert found.value == pytest.approx(0.4139265, abs=5e-8)
    assert (found.low, found.high) == pytest.approx((0.24, 0.588), abs=5e-4)
    assert (found.high - found.low) / 2 == pytest.approx(2.144787 * 0.08119291, rel=1e-6)  # Student's t, 14 degrees


@settings(deadline=None)
@given(st.integers(2, 60), st.integers(2, 6), st.integers(2, 5), st.integers(0, 10**6))
def test_fleiss_kappa_is_that_of_statsmodels(cases: int, readers: int, kinds: int, seed: int):
    readings = np.random.default_rng(seed).integers(0, kinds, (cases, readers))
    found = fleiss_kappa(readings)
    if len(np.unique(readings)) > 1:
        assert found.value == pytest.approx(peer_fleiss_kappa(aggregate_raters(readings)[0]), abs=1e-12)
    else:
        assert math.isnan(found.value)


def test_the_linearised_variance_of_fleiss_kappa_is_about_the_jackknifes():
    readings = simulated(np.random.default_rng(2), 400, 3, 0.5)
    found = fleiss_kappa(readings)
    without = [fleiss_kappa(np.delete(readings, i, axis=0)).value for i in range(len(readings))]
    jackknife = math.sqrt((len(readings) - 1) * np.var(without))
    assert (found.high - found.low) / (2 * 1.96593) == pytest.approx(jackknife, rel=0.01)


@pytest.mark.parametrize(("kappa", "cases"), [(0.09, 100), (0.64, 100), (0.81, 200)])
def test_the_intervals_hold_the_true_kappa_about_as_often_as_they_say(kappa: float, cases: int):
    rng = np.random.default_rng(3)
    held = np.zeros(3)
    for _ in range(300):
        readings = simulated(rng, cases, 4, kappa)
        found = [cohen_kappa(readings[:, 0], readings[:, 1]), fleiss_kappa(readings[:, :2]), fleiss_kappa(readings)]
        held += [f.low <= kappa <= f.high for f in found]
    assert (held / 300 > 0.90).all()
    assert (held / 300 < 0.985).all()


@settings(deadline=None)
@given(st.lists(st.lists(st.sampled_from("abc"), min_size=3, max_size=3), min_size=2, max_size=30), st.randoms())
def test_neither_the_order_of_readers_nor_of_cases_nor_the_names_matter(readings: list[list[str]], order):
    columns = order.sample(range(3), 3)
    rows = order.sample(range(len(readings)), len(readings))
    renamed = dict(zip("abc", (("x", 1), "b", 7.5), strict=True))
    other = np.empty((len(readings), 3), dtype=object)
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            other[i, j] = renamed[readings[row][column]]
    same = {"nan_ok": True, "abs": 1e-9}
    for one, two in (
        (fleiss_kappa(readings), fleiss_kappa(other)),
        (percent_agreement(readings), percent_agreement(other)),
        (cohen_kappa(*np.array(readings).T[:2]), cohen_kappa(*np.array(readings).T[1::-1])),
    ):
        assert (one.value, one.low, one.high) == pytest.approx((two.value, two.low, two.high), **same)
        assert one.reason == two.reason


def test_perfect_agreement_is_one_without_an_interval_and_full_disagreement_is_below_0():
    said = ["a", "b"] * 50
    for found in (cohen_kappa(said, said), fleiss_kappa(np.array([said] * 3).T)):
        assert found.value == pytest.approx(1)
        assert math.isnan(found.low)
        assert found.reason == "no interval: the readings never differ"
    assert cohen_kappa(said, said[::-1]).value == pytest.approx(-1)


def test_a_reader_who_always_says_the_same_gives_a_kappa_of_0_without_an_interval():
    found = cohen_kappa(["a"] * 60, ["a", "b"] * 30)
    assert found.value == pytest.approx(0)
    assert math.isnan(found.high)
    assert "variance" in found.reason


@pytest.mark.parametrize(
    ("readings", "reason"),
    [
        (np.empty((0, 2)), "no case"),
        ([["a", "b"]], "fewer than 2 cases"),
        ([["a", "a"], ["a", "a"]], "only one reading was ever given"),
    ],
)
def test_what_cannot_be_had_is_nan_and_says_why(readings, reason: str):
    table = np.asarray(readings, dtype=object)
    for found in (fleiss_kappa(table), cohen_kappa(table[:, 0], table[:, 1])):
        assert np.isnan([found.value, found.low, found.high]).all()
        assert found.reason.startswith(reason)
        assert found.n == len(table)


def test_one_reader_agrees_with_nobody():
    for found in (fleiss_kappa([["a"], ["b"]]), percent_agreement([["a"], ["b"]])):
        assert math.isnan(found.value)
        assert found.reason == "fewer than 2 readers"


def test_few_cases_are_told_to_have_a_rough_interval():
    readings = simulated(np.random.default_rng(5), FEWEST, 2, 0.6)
    assert "rough" in fleiss_kappa(readings[1:]).reason
    assert fleiss_kappa(readings).reason == ""


def test_percent_agreement_is_a_share_of_cases_with_its_exact_interval():
    found = percent_agreement([["a", "a", "a"]] * 9 + [["a", "a", "b"]])
    assert found.value == 0.9
    assert (found.low, found.high) == pytest.approx((0.55498, 0.99747), abs=1e-5)  # binom.test(9, 10) in R
    assert percent_agreement(np.empty((0, 2))).reason == "no case"


@pytest.mark.parametrize("missing", [None, math.nan])
def test_a_missing_reading_is_refused(missing: float | None):
    for refused in (
        lambda: cohen_kappa(["a", "b"], ["a", missing]),
        lambda: fleiss_kappa([["a", "b"], ["a", missing]]),
        lambda: percent_agreement([["a", "b"], ["a", missing]]),
    ):
        with pytest.raises(DermKitError, match=r"every reader said something.*1 missing.*Leave out"):
            refused()


def test_readings_of_other_cases_are_refused():
    with pytest.raises(DermKitError, match="on the same cases"):
        cohen_kappa(["a", "b"], ["a"])
    with pytest.raises(DermKitError, match="a table of cases by readers"):
        fleiss_kappa(["a", "b"])
