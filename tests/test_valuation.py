"""The section `economics` of a pathway: what does not hold together is refused in plain words."""

from __future__ import annotations

import re

import pytest

from derm_kit.errors import PathwayError
from tests import two_arms


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"price_of": "tset"}, "economics / price_of: there is no such stage; did you mean 'test'?"),
        ({"visits": {"x-ray": {}}}, "economics / visits / x-ray: there is no such stage"),
        (
            {"diseases": {"a": {**two_arms.DISEASE, "conditions": ["benign"]}}},
            "conditions / no. 1: there is no such target condition; there is cancer (found: benign)",
        ),
        ({"diseases": {"a": two_arms.DISEASE, "b": two_arms.DISEASE}}, "'cancer' is in a and b"),
        (
            {"diseases": {"a": {**two_arms.DISEASE, "conditions": ["cancer", "benign"]}}},
            "conditions / no. 2: there is no such target condition",
        ),
        ({"age_at_start_years": 99.5}, "at least one year after"),
        ({"mortality": {"from_age_years": 60}}, "by hazard_a_year and growth_a_year, or by a life_table"),
        (
            {"mortality": {"from_age_years": 60, "hazard_a_year": 0.1, "life_table": [0.1]}},
            "by hazard_a_year and growth_a_year, or by a life_table",
        ),
        ({"utility": 1.2}, "from 0 to 1"),
        ({"budget": {"uptake_by_year": [1, 1]}}, "uptake_by_year"),
    ],
)
def test_a_section_that_does_not_hold_together_is_refused(change: dict, rule: str):
    good = two_arms.pathway()
    economics = good.economics.model_dump(exclude_unset=True) | change
    with pytest.raises(PathwayError, match=re.escape(rule)):
        good.changed(economics=economics)
