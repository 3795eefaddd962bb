"""The budget of five years: by hand, and by what must hold of any uptake."""

from __future__ import annotations

import numpy as np
import pytest

from derm_kit.pathway.budget import budget_impact
from derm_kit.pathway.economics import ILLUSTRATIVE, base_case, model_of
from derm_kit.pathway.sensitivity import psa
from tests import two_arms


def budget_of(**budget):
    pathway = two_arms.pathway(budget=budget) if budget else two_arms.pathway()
    return budget_impact(base_case(model_of(two_arms.outcomes(pathway))), "test first")


PEOPLE = 1_000 * 365.25 / 365
"""1,000 were referred in 365 days."""
# Care in the first and the second year after referral, of one person with a cancer, by how the pathway is left (years
# by hand in test_disease_course). Found early: .9 and .72 years at 100 GBP; advanced: .7 and .28 at 1,000, 2,000 once.
EARLY = (90, 72)
ADVANCED = (2_700, 280)
# Not found: .09 years early, .09 advanced, .59 and .09 not found, .18 and .18 found; then .1782, .1782, .1062, .1062,
# and .0324 and .1044 found.
NOT_FOUND = (
    0.09 * 100 + 0.09 * 1_000 + 0.59 * 10 + 0.09 * 50 + 0.18 * 500 + 0.18 * 2_500,
    0.1782 * 100 + 0.1782 * 1_000 + 0.1062 * 10 + 0.1062 * 50 + 0.0324 * 500 + 0.1044 * 2_500,
)


def care(early: int, advanced: int, not_found: int) -> np.ndarray:
    """A person referred, by year since."""
    people = np.array([early, advanced, not_found]) / 1_000
    return people @ np.array([EARLY, ADVANCED, NOT_FOUND])


def test_five_years_by_hand():
    table = budget_of()
    more = care(78, 12, 10) - care(85, 10, 5)
    each_year = np.array([more[0], *[more.sum()] * 4]) * PEOPLE
    assert table["care_gbp"].to_numpy() == pytest.approx(each_year)
    # 126 against 195.50 a referral, and 10,000 a year.
    assert table["pathway_gbp"].to_numpy() == pytest.approx(np.full(5, (126 - 195.5) * PEOPLE + 10_000))
    assert table["change_gbp"].to_numpy() == pytest.approx(table["care_gbp"] + table["pathway_gbp"])
    now = care(85, 10, 5)
    assert table["today_gbp"].to_numpy() == pytest.approx(
        195.5 * PEOPLE + np.array([now[0], *[now.sum()] * 4]) * PEOPLE
    )
    assert table["arm_gbp"].to_numpy() == pytest.approx(table["today_gbp"] + table["change_gbp"])
    assert (table["remark"] == ILLUSTRATIVE).all()


def test_uptake_and_growth_by_hand():
    table = budget_of(uptake_by_year=[0, 0.5, 1, 1, 1], referral_growth_a_year=0.1)
    assert table["people"].to_numpy() == pytest.approx(PEOPLE * 1.1 ** np.arange(5))
    assert table["change_gbp"][0] == 0
    second = (126 - 195.5) * PEOPLE * 1.1 * 0.5 + 10_000
    assert table["pathway_gbp"][1] == pytest.approx(second)
    more = care(78, 12, 10) - care(85, 10, 5)
    assert table["care_gbp"][1] == pytest.approx(more[0] * PEOPLE * 1.1 * 0.5)
    assert table["care_gbp"][2] == pytest.approx(more[0] * PEOPLE * 1.1**2 + more[1] * PEOPLE * 1.1 * 0.5)


def test_a_budget_is_not_discounted():
    pathway = two_arms.pathway(discount_costs_a_year=0.1, discount_qalys_a_year=0.1)
    found = budget_impact(base_case(model_of(two_arms.outcomes(pathway))), "test first")
    assert found["change_gbp"].to_numpy() == pytest.approx(budget_of()["change_gbp"])


def test_today_changes_nothing():
    base = base_case(model_of(two_arms.outcomes(two_arms.pathway())))
    assert (budget_impact(base, "today")["change_gbp"] == 0).all()


def test_draws_give_the_change_an_interval():
    price = {"value": 30, "distribution": "uniform", "low": 20, "high": 40}
    changed = {**two_arms.PATHWAY["stages"], "test": {**two_arms.PATHWAY["stages"]["test"], "cost_gbp": price}}
    model = model_of(two_arms.outcomes(two_arms.pathway().changed(stages=changed)))
    table = budget_impact(psa(model, 2_000).evaluation, "test first")
    width = (table["change_high_gbp"] - table["change_low_gbp"]).to_numpy()
    # 95 % of 20 GBP a person.
    assert width == pytest.approx(np.full(5, 19 * PEOPLE), rel=0.02)
