"""The Markov cohort model: against two models of a textbook, by hand, and by what must hold of any rates."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from derm_kit.pathway.disease_course import (
    ADVANCED,
    ALIVE,
    EARLY,
    NOT_FOUND,
    NOT_FOUND_ADVANCED,
    Rates,
    course,
    discounting,
    gompertz_deaths,
    table_deaths,
    trace,
    years_alive,
)

CHANCES = st.floats(0, 1)


def of_chances(*, other=0.2, deaths=(0.0, 0.5, 0.1, 0.5), advances=0.5, found=(0.5, 1.0), cycles=2) -> Rates:
    return Rates(np.full((cycles, 1), other), np.array([deaths]), np.array([advances]), np.array([found]))


def test_zidovudine_and_lamivudine_as_in_the_textbook():
    """Chancellor et al. 1997 as exercise 2.5 of Briggs, Claxton and Sculpher, Decision Modelling for Health Economic
    Evaluation (2006). The numbers are those of the book's own spreadsheet, to seven places, as the R package heemod
    holds itself to them (tests/testthat/test_dmhee.R): a year's money and life are counted at its end.
    """
    alone = np.array(
        [
            [0, 350 / 1734, 116 / 1734, 17 / 1734],
            [0, 0, 512 / 1258, 15 / 1258],
            [0, 0, 0, 437 / 1749],
            [0, 0, 0, 0],
        ]
    )

    def life(relative_risk, lamivudine_gbp):
        moves = alone * np.asarray(relative_risk)[:, None, None]
        for stays in range(4):
            moves[:, stays, stays] = 1 - moves[:, stays].sum(axis=1)
        shares = trace(np.array([1.0, 0, 0, 0]), moves)[1:]
        care_gbp = np.array([2756.0, 3052, 9007]) + 2278 + np.asarray(lamivudine_gbp)[:, None]
        cost = (shares[:, :3] * care_gbp * discounting(np.array([0.06]), 20)[1:]).sum()
        return cost, shares[:, :3].sum()

    mono = life(np.ones(20), np.zeros(20))
    both = life([0.509] * 2 + [1] * 18, [2086.5] * 2 + [0] * 18)
    assert mono == pytest.approx((44_663.4535637, 7.9912066), rel=1e-8)
    assert both == pytest.approx((50_601.6513312, 8.9373889), rel=1e-8)
    assert (both[0] - mono[0]) / (both[1] - mono[1]) == pytest.approx(6_275.95560, rel=1e-8)


def test_hip_replacement_as_in_the_textbook():
    """Exercise 3.5 of the same book: chances that change with age and with time since the operation, over 60 years."""
    age = 60 + np.arange(1, 61)
    dies = np.array([0.0067, 0.0193, 0.0535, 0.1548])[np.digitize(age, [65, 75, 85])]
    scale, shape = np.exp(-5.490935 - 0.0367022 * 60), np.exp(0.3740968)
    since = np.arange(1.0, 61)

    def life(relative_risk, prosthesis_gbp):
        revised = 1 - np.exp(scale * relative_risk * ((since - 1) ** shape - since**shape))
        moves = np.zeros((60, 5, 5))  # primary operation, well, revision, well again, dead
        moves[:, 0, 4], moves[:, 1, 2], moves[:, 1, 4] = 0.02, revised, dies
        moves[:, 2, 4], moves[:, 3, 2], moves[:, 3, 4] = 0.02 + dies, 0.04, dies
        moves[:, 0, 1], moves[:, 1, 1] = 0.98, 1 - revised - dies
        moves[:, 2, 3], moves[:, 3, 3], moves[:, 4, 4] = 0.98 - dies, 0.96 - dies, 1
        shares = trace(np.array([1.0, 0, 0, 0, 0]), moves)
        cost = prosthesis_gbp + (shares[:, 2] * 5294 * discounting(np.array([0.06]), 60)[:, 0]).sum()
        utility = np.array([0, 0.85, 0.3, 0.75, 0])
        return cost, (shares @ utility * discounting(np.array([0.015]), 60)[:, 0]).sum()

    standard, new = life(1, 394), life(np.exp(-1.344474), 579)
    assert standard == pytest.approx((512.434658, 14.6531896), rel=1e-7)
    assert new == pytest.approx((610.311818, 14.69770986), rel=1e-7)
    assert (new[0] - standard[0]) / (new[1] - standard[1]) == pytest.approx(2_198.486665, rel=1e-6)


def test_two_years_by_hand():
    """One in five dies of other causes each year; of the disease as `of_chances` says."""
    found = course(of_chances())
    years = found.years(np.zeros(1)).sum(axis=0)[0]
    # Found early: 1, .8, .64 alive: (1 + .8)/2 + (.8 + .64)/2. Found advanced, half of those die of it: 1, .4, .16.
    assert years[0] == pytest.approx([1.62, 0, 0, 0])
    assert years[1] == pytest.approx([0, 0.98, 0, 0])
    # Not found: .8 x .9 = .72 live; half advance, half are found: .18 each way. In the second year the .18 not found do
    # so again (.0324 each way), .18 x .8 = .144 of those found early live, .18 x .4 = .072 of those advanced, and as
    # many of the advanced who were not found, all found now.
    assert found.shares[1, 0, 2, ALIVE] == pytest.approx([0.18, 0.18, 0.18, 0.18])
    assert found.shares[2, 0, 2, ALIVE] == pytest.approx([0.144 + 0.0324, 0.072 + 0.072 + 0.0324, 0.0324, 0.0324])
    assert years[2] == pytest.approx([0.2682, 0.2682, 0.6962, 0.1962])
    assert found.findings(np.zeros(1)).sum(axis=0)[0, 2] == pytest.approx([0.18 + 0.0324, 0.18 + 0.0324 + 0.072])
    # Discounted by 10 % a year: 1, .8/1.1, .64/1.21, and a finding in the middle of its year.
    at_ten = found.years(np.array([0.1])).sum(axis=0)[0, 0, 0]
    assert at_ten == pytest.approx((1 + 0.8 / 1.1) / 2 + (0.8 / 1.1 + 0.64 / 1.21) / 2)
    first = found.findings(np.array([0.1]))[0, 0, 2]
    assert first == pytest.approx([0.18 * (1 + 1 / 1.1) / 2] * 2)


@settings(max_examples=60)
@given(CHANCES, st.tuples(*[CHANCES] * 4), CHANCES, st.tuples(CHANCES, CHANCES))
def test_nobody_is_lost_whatever_the_chances(other, deaths, advances, found):
    rates = of_chances(other=other, deaths=deaths, advances=advances, found=found, cycles=7)
    assert (rates.transitions >= 0).all()
    assert rates.transitions.sum(axis=-1) == pytest.approx(1)
    lived = course(rates)
    assert lived.shares.sum(axis=-1) == pytest.approx(1)
    assert (lived.found >= 0).all()
    assert lived.findings(np.zeros(1)).sum(axis=0).max() <= 1 + 1e-12


def test_without_death_a_life_is_as_long_as_its_cycles():
    lived = course(of_chances(other=0, deaths=(0, 0, 0, 0), cycles=30))
    assert lived.years(np.zeros(1)).sum(axis=(0, 3)) == pytest.approx(30)
    assert years_alive(np.zeros((30, 1)), np.zeros(1)) == pytest.approx(30)


def test_a_disease_that_nobody_dies_of_leaves_the_years_of_everybody():
    rates = of_chances(deaths=(0, 0, 0, 0), cycles=40)
    for rate in (0.0, 0.035):
        own = course(rates).years(np.array([rate])).sum(axis=(0, 3))
        assert own == pytest.approx(float(years_alive(rates.other_deaths, np.array([rate]))[0]))


def test_constant_mortality_is_a_geometric_series():
    # Sum over t of .9^t (1 + .9)/2 for 50 years: .95 (1 - .9^50)/.1.
    assert years_alive(np.full((50, 1), 0.1), np.zeros(1)) == pytest.approx(0.95 * (1 - 0.9**50) / 0.1)


def test_who_is_found_at_once_starts_early_or_advanced_by_how_fast_it_advances():
    lived = course(of_chances(other=0, deaths=(0, 0, 0, 0), advances=0.3, found=(1, 1), cycles=1))
    end = lived.shares[-1, 0, 2]
    assert end[[EARLY, ADVANCED, NOT_FOUND, NOT_FOUND_ADVANCED]] == pytest.approx([0.7, 0.3, 0, 0])


def test_gompertz_deaths_add_up_to_the_integral_of_the_hazard():
    age = np.arange(60.0, 100)[:, None]
    alive = np.prod(1 - gompertz_deaths(age, 60, np.array([0.01]), np.array([0.1])))
    assert alive == pytest.approx(np.exp(-0.01 * (np.exp(0.1 * 40) - 1) / 0.1))
    steady = gompertz_deaths(age, 60, np.array([0.01]), np.array([0.0]))
    assert steady == pytest.approx(1 - np.exp(-0.01))


def test_a_life_table_is_read_by_whole_years_and_its_ends_hold_beyond_it():
    table = (0.1, 0.2, 0.4)
    ages = np.array([58.0, 60, 60.9, 61, 62, 75])
    assert table_deaths(ages, 60, table) == pytest.approx([0.1, 0.1, 0.1, 0.2, 0.4, 0.4])
