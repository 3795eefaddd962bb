"""What consequences cost and are worth: the section `economics` of a pathway.

Every value is a Quantity with its source and distribution. After Zhelev et al., British Journal of Dermatology 2024,
BT29: the simulation is the decision tree, and a Markov cohort model follows people for life (`disease_course`).
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, StrictInt, model_validator

from derm_kit.pathway.quantities import SOURCE_REQUIRED, Amount, Number, Part, Quantity, Share, Source
from derm_kit.pathway.refusals import refusal
from derm_kit.pathway.stages import Name, Text

NOT_COUNTED = Quantity(value=0, source="not counted")
YEARS_OF_BUDGET = 5
_DEATHS = "deaths are given by hazard_a_year and growth_a_year, or by a life_table"


class VisitValues(Part):
    """What one visit to a stage takes from the person: QALYs, and (societal view only) travel and time in money."""

    qaly_loss: Amount = NOT_COUNTED
    patient_cost_gbp: Amount = NOT_COUNTED


class DiseaseState(Part):
    """A year in one state of a disease: utility lost against people without it, cost, deaths of the disease.

    `lost_work_gbp_a_year` is counted in the societal view only.
    """

    utility_loss: Share
    cost_gbp_a_year: Amount
    deaths_a_year: Share
    lost_work_gbp_a_year: Amount = NOT_COUNTED


class Disease(Part):
    """The lifetime of people with one or several target conditions.

    Those treated in the pathway start in `found_early` or, where the disease had advanced by then, in `found_advanced`.
    The others start in `not_found`, advance as the condition does while people wait, and are found outside the pathway
    with the chance `found_a_year` (`found_a_year_advanced` once it has advanced). `found_outside_gbp` is what finding
    and treating them costs then, `advanced_once_gbp` the treatment of anybody found at the later stage, over and above
    the pathway's own.
    """

    conditions: Annotated[tuple[Name, ...], Field(min_length=1)]
    found_early: DiseaseState
    found_advanced: DiseaseState
    not_found: DiseaseState
    not_found_advanced: DiseaseState
    found_a_year: Share
    found_a_year_advanced: Share
    found_outside_gbp: Amount
    advanced_once_gbp: Amount = NOT_COUNTED


class Mortality(Part):
    """Deaths of other causes: a Gompertz hazard from an age on, or a life table's yearly probabilities from it on.

    The hazard is `hazard_a_year` at `from_age_years` and grows by the factor exp(`growth_a_year`) with each year of age
    (Gompertz, Phil Trans R Soc 115 (1825) 513). `source` is the life table's.
    """

    from_age_years: Annotated[Number, Field(ge=0, le=120)]
    hazard_a_year: Amount | None = None
    growth_a_year: Share | None = None
    life_table: Annotated[tuple[Annotated[Number, Field(ge=0, le=1)], ...], Field(max_length=121)] = ()
    source: Source = SOURCE_REQUIRED

    @model_validator(mode="after")
    def _is_said_one_way(self) -> Self:
        rates = {"hazard_a_year": self.hazard_a_year, "growth_a_year": self.growth_a_year}
        given = {name: rate.value for name, rate in rates.items() if rate is not None}
        if self.life_table and given:
            raise refusal(f"{_DEATHS}, not by both", ("life_table",), self.life_table)
        if not self.life_table and len(given) < len(rates):
            raise refusal(_DEATHS, tuple(given), next(iter(given.values()), None))
        return self


class Budget(Part):
    """Five years of an arm: the share of its simulated change that is reached in each, and how referrals grow."""

    uptake_by_year: Annotated[tuple[Share, ...], Field(min_length=YEARS_OF_BUDGET, max_length=YEARS_OF_BUDGET)] = (
        Quantity(value=1, source="the arm as simulated"),
    ) * YEARS_OF_BUDGET
    referral_growth_a_year: Share = Quantity(value=0, source="the number of referrals stays the same")


class Economics(Part):
    """The values of an economic evaluation.

    `price_of` is the stage whose price is sought ("how cheap must it be"). `utility` is that of people of this age
    without a target condition; `waiting_utility_loss` is lost for as long as somebody waits in a queue, and
    `false_alarm_qaly_loss` with each visit of somebody without a target condition to a stage that is an alarm. Costs
    and QALYs are counted for life, until `age_at_end_years`.
    """

    price_year: Annotated[Text, Field(min_length=1)]
    price_of: Name | None = None
    thresholds_gbp_per_qaly: Annotated[dict[Name, Amount], Field(min_length=1, max_length=8)]
    discount_costs_a_year: Share
    discount_qalys_a_year: Share
    age_at_start_years: Amount
    age_at_end_years: Annotated[StrictInt, Field(gt=0, le=120)] = 100
    mortality: Mortality
    utility: Share
    waiting_utility_loss: Share
    false_alarm_qaly_loss: Amount
    visits: dict[Name, VisitValues] = Field(default_factory=dict)
    diseases: Annotated[dict[Name, Disease], Field(min_length=1, max_length=30)]
    budget: Budget = Budget()

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if self.years < 1:
            start, end = float(self.age_at_start_years.value), self.age_at_end_years
            said = "age_at_end_years" in self.model_fields_set
            raise refusal(
                f"life is counted for a year or more, from age_at_start_years ({start:g}) to age_at_end_years ({end})",
                ("age_at_end_years" if said else "age_at_start_years",),
                end if said else start,
            )
        return self

    @property
    def years(self) -> int:
        """Yearly cycles from the start to the end of life."""
        return int(self.age_at_end_years - self.age_at_start_years.value)

    def disease_of(self, condition: str) -> str:
        """Name of the disease that a target condition is in."""
        return next(name for name, disease in self.diseases.items() if condition in disease.conditions)
