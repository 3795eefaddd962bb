"""What an arm does to the budget in its first five years: cash, not discounted, and no QALYs."""

from __future__ import annotations

import numpy as np
import pandas as pd

from derm_kit.pathway.economic_inputs import unsourced_in
from derm_kit.pathway.economics import ILLUSTRATIVE, Evaluation
from derm_kit.pathway.measures import summary
from derm_kit.pathway.tallies import Floats
from derm_kit.pathway.valuation import YEARS_OF_BUDGET


def budget_impact(evaluation: Evaluation, arm: str) -> pd.DataFrame:
    """Money that the health service spends in each of five years if an arm takes over from today's.

    Columns: year (from 1), people (referred in it), uptake, today_gbp, arm_gbp, change_gbp with change_low_gbp and
    change_high_gbp (95 % of the draws, or of the simulated years), pathway_gbp and care_gbp (the two parts of the
    change), remark. Uptake is the share of the simulated change that is reached. An arm's yearly cost falls due in full
    in a year with any uptake, and today's ends with full uptake. Care of the disease is that of everybody referred from
    the first year on, in the years after their referral. Raises PathwayError for an unknown arm.
    """
    model, a = evaluation.model, evaluation.model.place(arm)
    said, today = model.economics.budget, model.today
    uptake = np.array([float(share.value) for share in said.uptake_by_year])
    growth = 1 + float(said.referral_growth_a_year.value)
    people: Floats = float(model.tree.referred.mean()) * np.power(growth, np.arange(float(YEARS_OF_BUDGET)))
    stages = evaluation.stage_gbp.sum(axis=2)
    begins, ends = evaluation.yearly_gbp[:, [a]] * (uptake > 0), evaluation.yearly_gbp[:, [today]] * (uptake == 1)
    fixed = begins - ends if a != today else np.zeros_like(begins)
    pathway = (stages[:, [a]] - stages[:, [today]]) * people * uptake + fixed
    care_by_year = evaluation.care_by_year_gbp
    care = _over_cohorts(care_by_year[:, a] - care_by_year[:, today], people * uptake)
    now = (
        stages[:, [today]] * people + evaluation.yearly_gbp[:, [today]] + _over_cohorts(care_by_year[:, today], people)
    )
    change = pathway + care
    low, high = np.array([summary(change[:, y])[1:] for y in range(YEARS_OF_BUDGET)]).T
    return pd.DataFrame(
        {
            "year": np.arange(1, YEARS_OF_BUDGET + 1),
            "people": people,
            "uptake": uptake,
            "today_gbp": now.mean(axis=0),
            "arm_gbp": (now + change).mean(axis=0),
            "change_gbp": change.mean(axis=0),
            "change_low_gbp": low,
            "change_high_gbp": high,
            "pathway_gbp": pathway.mean(axis=0),
            "care_gbp": care.mean(axis=0),
            "remark": ILLUSTRATIVE if model.illustrative or unsourced_in(said) else "",
        }
    )


def _over_cohorts(by_year_gbp: Floats, people: Floats) -> Floats:
    """Cost (N, Y) in each year of cohorts of `people` (Y,), whose cost by year since referral is (N, Y)."""
    total = np.zeros_like(by_year_gbp)
    for first, count in enumerate(people):
        total[:, first:] += count * by_year_gbp[:, : len(people) - first]
    return total
