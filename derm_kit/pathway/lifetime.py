"""QALYs and costs of the life that follows the pathway, by target condition and the state in which people leave it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from derm_kit.pathway.decision_tree import DAYS_A_YEAR
from derm_kit.pathway.disease_course import Rates, course, gompertz_deaths, table_deaths
from derm_kit.pathway.economic_inputs import progression_of
from derm_kit.pathway.tallies import Floats
from derm_kit.pathway.valuation import YEARS_OF_BUDGET, Economics

Values = Mapping[str, Floats]
LIVING = ("found_early", "found_advanced", "not_found", "not_found_advanced")
DAYS_OF_PROGRESSION = 30
"""`progression_per_30_days` is the chance over so many days."""


@dataclass(frozen=True)
class Lifetime:
    """Of one person by the state in which it leaves the pathway (found early, found advanced, not found), N draws.

    qaly, care_gbp, lost_work_gbp  (N, 3) for life, discounted; lost work is 0 in the view of the NHS.
    care_by_year_gbp               (N, 3, Y) the years of a budget, not discounted.
    """

    qaly: Floats
    care_gbp: Floats
    lost_work_gbp: Floats
    care_by_year_gbp: Floats


def lifetime(economics: Economics, condition: str, values: Values) -> Lifetime:
    """The life of people with a target condition, for `values` by place in the pathway's file, each (N,)."""
    where = f"economics / diseases / {economics.disease_of(condition)}"

    def by_state(name: str) -> Floats:
        nothing = np.zeros_like(values["economics / utility"])
        return np.stack([values.get(f"{where} / {state} / {name}", nothing) for state in LIVING], axis=-1)

    once = values[f"{where} / advanced_once_gbp"]
    outside = values[f"{where} / found_outside_gbp"]
    at_finding = np.stack([outside, outside + once], axis=-1)
    lived = course(
        Rates(
            other_deaths(economics, values),
            by_state("deaths_a_year"),
            chance_over(values[progression_of(condition)], DAYS_A_YEAR),
            np.stack([values[f"{where} / {name}"] for name in ("found_a_year", "found_a_year_advanced")], axis=-1),
        )
    )

    def care(discount: Floats) -> Floats:
        years = (lived.years(discount) * by_state("cost_gbp_a_year")[:, None]).sum(axis=-1)
        cost: Floats = years + (lived.findings(discount) * at_finding[:, None]).sum(axis=-1)
        cost[0, :, 1] += once
        return cost

    discount = values["economics / discount_costs_a_year"]
    utility = values["economics / utility"][:, None] - by_state("utility_loss")
    years = lived.years(values["economics / discount_qalys_a_year"]).sum(axis=0)
    each_year = np.zeros((YEARS_OF_BUDGET, *years.shape[:2]))
    spent = care(np.zeros_like(discount))[:YEARS_OF_BUDGET]
    each_year[: len(spent)] = spent
    return Lifetime(
        (years * utility[:, None]).sum(axis=-1),
        care(discount).sum(axis=0),
        (lived.years(discount).sum(axis=0) * by_state("lost_work_gbp_a_year")[:, None]).sum(axis=-1),
        np.moveaxis(each_year, 0, -1),
    )


def other_deaths(economics: Economics, values: Values) -> Floats:
    """Chance (T, N) of dying of other causes in each year of life from the age at the start on."""
    said = economics.mortality
    age = np.arange(economics.years)[:, None] + values["economics / age_at_start_years"]
    if said.life_table:
        return table_deaths(age, float(said.from_age_years), said.life_table)
    hazard, growth = (values[f"economics / mortality / {name}"] for name in ("hazard_a_year", "growth_a_year"))
    return gompertz_deaths(age, float(said.from_age_years), hazard, growth)


def chance_over(per_30_days: Floats, days: Floats | float) -> Floats:
    """Chance of having advanced after `days`, from that over 30 days, as in the simulation: 1 - (1 - p)^(days/30)."""
    chance: Floats = 1 - (1 - per_30_days) ** (np.asarray(days) / DAYS_OF_PROGRESSION)
    return chance
