"""The section `economics` of a pathway: what does not hold together is refused in plain words, where it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from derm_kit.errors import PathwayError
from derm_kit.pathway.definition import Pathway
from tests import two_arms
from tests.test_pathway_definition import ECONOMICS, EXAMPLE, Slip, fit_to_read_aloud, refused, written

DISCOUNT = "discount_costs_a_year: {value: 0.035"
UTILITY = "utility: {value: 0.8, distribution: beta, standard_error: 0.02}"
DEATHS = "mortality: {from_age_years: 65, hazard_a_year: 0.012, growth_a_year: 0.1}"
BY_ITS_WAYS = "by hazard_a_year and growth_a_year, or by a life_table"

WITH_SOURCE = EXAMPLE + ECONOMICS.replace("distribution: beta, standard_error: 0.02", "source: mine")
TWIN = re.search(r"      conditions: .*?(?=  budget)", ECONOMICS, re.DOTALL)[0].replace(
    "[cancer]", "[cancer] # the same"
)

SLIPS = {
    "a discount in per cent": Slip(DISCOUNT, "discount_costs_a_year: {value: 3.5", ("from 0 to 1", "found: 3.5")),
    "a discount below 0": Slip(DISCOUNT, "discount_costs_a_year: {value: -0.035", ("from 0 to 1", "found: -0.035")),
    "a discount with its unit": Slip(DISCOUNT, "discount_costs_a_year: {value: 3.5 %", ("a number", "3.5 %")),
    "a negative price": Slip(
        "found_outside_gbp: 1500", "found_outside_gbp: -1500", ("found_outside_gbp", "0 or more", "found: -1500")
    ),
    "a price with its sign": Slip("found_outside_gbp: 1500", "found_outside_gbp: £1500", ("a number", "£1500")),
    "a negative QALY": Slip("qaly_loss: 0.0005", "qaly_loss: -0.0005", ("visits / scan / qaly_loss", "-0.0005")),
    "a chance above 1": Slip(
        "deaths_a_year: 0.03}", "deaths_a_year: 1.03}", ("found_early / deaths_a_year", "from 0 to 1", "found: 1.03")
    ),
    "a chance below 0": Slip("{value: 0.6,", "{value: -0.6,", ("found_a_year", "-0.6")),
    "an uptake above 1": Slip("[0.5, 1, 1, 1, 1]", "[0.5, 1, 1, 1, 2]", ("no. 5", "from 0 to 1", "found: 2")),
    "four years": Slip("[0.5, 1, 1, 1, 1]", "[0.5, 1, 1, 1]", ("at least 5", "[0.5, 1, 1, 1]")),
    "a price of no stage": Slip("price_of: scan", "price_of: scam", ("price_of", "no such stage", "'scan'?", "scam")),
    "a visit to no stage": Slip("    clinic: {patient", "    clinc: {patient", ("visits / clinc", "'clinic'?")),
    "a visit to an exit": Slip("    clinic: {patient", "    treated: {patient", ("no such stage", "found: treated")),
    "an unknown condition": Slip("[cancer]", "[cancr]", ("conditions / no. 1", "no such target condition; did you")),
    "a condition that is no target": Slip("[cancer]", "[other lump]", ("there is cancer", "found: other lump")),
    "a disease of nothing": Slip("[cancer]", "[]", ("at least 1 is needed", "found: []")),
    "a list that is none": Slip("conditions: [cancer]", "conditions: cancer", ("a list is needed", "found: cancer")),
    "a distribution without its spread": Slip(
        UTILITY, "utility: {value: 0.8, distribution: beta}", ("either a standard_error, or low and high",)
    ),
    "half its limits": Slip(UTILITY, "utility: {value: 0.8, distribution: beta, low: 0.7}", ("or low and high",)),
    "a spread said twice": Slip(
        "standard_error: 0.02}", "standard_error: 0.02, low: 0.7, high: 0.9}", ("either a standard_error, or",)
    ),
    "a spread without distribution": Slip(
        UTILITY, "utility: {value: 0.8, standard_error: 0.02}", ("a spread needs a distribution",)
    ),
    "a distribution that is none": Slip("0.8, distribution: beta", "0.8, distribution: bta", ("'beta'?", "found: bta")),
    "low above high": Slip(UTILITY, "utility: {value: 0.8, distribution: beta, low: 0.9, high: 0.7}", ("low is",)),
    "a value outside its limits": Slip(
        UTILITY, "utility: {value: 0.8, distribution: beta, low: 0.85, high: 0.9}", ("lies from low to high", "0.8")
    ),
    "a spread below 0": Slip("standard_error: 3000", "standard_error: -3000", ("above 0", "found: -3000")),
    "too wide a spread": Slip("standard_error: 0.02", "standard_error: 0.9", ("a beta value spreads less",)),
    "a mean left out": Slip("once_gbp: {value: 12000, ", "once_gbp: {", ("gbp / value", "this field is needed")),
    "life that does not last": Slip(
        "age_at_start_years: 65", "age_at_start_years: 99.5", ("age_at_start_years", "a year or more", "found: 99.5")
    ),
    "life that ends before": Slip(
        "age_at_start_years: 65", "age_at_end_years: 60\n  age_at_start_years: 65", ("(65)", "age_at_end_years (60)")
    ),
    "half a year": Slip(
        "age_at_start_years: 65", "age_at_end_years: 99.5\n  age_at_start_years: 65", ("a whole number", "99.5")
    ),
    "deaths without growth": Slip(
        DEATHS, "mortality:\n    from_age_years: 65\n    hazard_a_year: 0.012", (BY_ITS_WAYS, "0.012"), "hazard_a_year:"
    ),
    "deaths said twice": Slip(
        DEATHS, DEATHS.replace("}", ", life_table: [0.01]}"), ("mortality / life_table", "not by both", "[0.01]")
    ),
    "deaths not said": Slip(DEATHS, "mortality: {from_age_years: 65}", ("economics / mortality", BY_ITS_WAYS)),
    "a life table in per cent": Slip(
        DEATHS, "mortality: {from_age_years: 65, life_table: [0.5, 2]}", ("life_table / no. 2", "at most 1", "found: 2")
    ),
    "a threshold in words": Slip("NICE: {value: 20000", "NICE: {value: 20k", ("a number is needed", "20k")),
    "a threshold below 0": Slip("NICE: {value: 20000", "NICE: {value: -1", ("0 or more", "-1")),
    "a year as a number": Slip("price_year: 2025/26", "price_year: 2025", ("text is needed", "2025")),
    "a misspelt field": Slip("waiting_utility_loss", "waiting_utilty_loss", ("did you mean 'waiting_utility_loss'?",)),
    "a misspelt state": Slip("not_found: {", "not_fund: {", ("no such field", "did you mean 'not_found'?")),
    "a field left out": Slip("      found_outside_gbp: 1500\n", "", ("field is needed",), "cancer of the head"),
    "a section that is none": Slip(ECONOMICS, "economics: 30000\n", ("fields are needed here", "30000")),
    "limits of a chance above 1": Slip(
        UTILITY, "utility: {value: 0.8, distribution: uniform, low: 0.6, high: 1.1}", ("from 0 to 1", "found: 1.1")
    ),
    "a chance above 1 on a line of its own": Slip(
        UTILITY, "utility:\n    source: a\n    value: 1.8", ("utility / value", "found: 1.8"), "value: 1.8"
    ),
    "low above high on a line of its own": Slip(
        UTILITY,
        "utility:\n    value: 0.8\n    distribution: beta\n    low: 0.9\n    high: 0.7",
        ("utility / low", "low is below high", "found: 0.9"),
        "low: 0.9",
    ),
    "a spread of next to nothing": Slip("standard_error: 3000", "standard_error: 1.0e-300", ("a millionth",)),
    "a spread without end": Slip("standard_error: 3000", "standard_error: 1.0e+12", ("at most 10 times",)),
    "a condition in two diseases": Slip(
        "  budget: {", f"    twin:\n{TWIN}  budget: {{", ("twin / conditions / no. 1", "found: cancer"), "# the same"
    ),
    "a misspelt mark": Slip("{value: 0.6,", "{value: 0.6, source: source requred,", ("names who said it", "requred")),
    "a source of nobody": Slip("{value: 0.6,", "{value: 0.6, source: TBC,", ("write source required", "found: TBC")),
    "a blank source": Slip("{value: 0.6,", "{value: 0.6, source: ' ',", ("names who said it",)),
    "an empty source": Slip("{value: 0.6,", "{value: 0.6, source: '',", ("source", "this text is empty")),
}  # fmt: skip


@pytest.mark.parametrize("what", SLIPS)
def test_a_slip_in_a_file_is_refused_with_its_line_value_rule_and_next_step(what: str, tmp_path: Path):
    slip, whole = SLIPS[what], EXAMPLE + ECONOMICS
    assert whole.count(slip.old) == 1
    text = whole.replace(slip.old, slip.new)
    path = written(tmp_path, text)
    error = refused(path)
    fit_to_read_aloud(error, path)
    assert "economics" in str(error)
    for words in slip.says:
        assert words in str(error), str(error)
    marker = slip.line or slip.new.splitlines()[0]
    [line] = [i + 1 for i, line in enumerate(text.splitlines()) if marker in line]
    assert f"line {line}:" in str(error), str(error)


def test_an_age_is_named_where_the_file_gives_it(tmp_path: Path):
    """Both ages on one's own: a value from outside a file has no line, and is named by its field."""
    whole = Pathway.read(written(tmp_path, EXAMPLE + ECONOMICS))
    economics = whole.economics.model_dump(exclude_unset=True)
    with pytest.raises(PathwayError, match=r"^neck-lump: economics / age_at_end_years: .*\(found: 65\)"):
        whole.changed(economics=economics | {"age_at_end_years": 65})
    with pytest.raises(PathwayError, match=r"^neck-lump: economics / age_at_start_years: .*\(found: 100\)"):
        whole.changed(economics=economics | {"age_at_start_years": 100})


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"price_of": "tset"}, "economics / price_of: there is no such stage; did you mean 'test'?"),
        ({"visits": {"x-ray": {}}}, "economics / visits / x-ray: there is no such stage"),
        (
            {"diseases": {"a": {**two_arms.DISEASE, "conditions": ["cancer", "benign"]}}},
            "conditions / no. 2: there is no such target condition",
        ),
        ({"diseases": {"a": two_arms.DISEASE, "b": two_arms.DISEASE}}, "'cancer' is in a and b"),
        (
            {"mortality": {"from_age_years": 60, "hazard_a_year": 0.1, "life_table": [0.1]}},
            "by hazard_a_year and growth_a_year, or by a life_table, not by both (found: [0.1])",
        ),
        ({"utility": 1.2}, "economics / utility: the value is from 0 to 1 (found: 1.2)"),
    ],
)
def test_a_change_that_does_not_hold_together_is_refused(change: dict, rule: str):
    good = two_arms.pathway()
    economics = good.economics.model_dump(exclude_unset=True) | change
    with pytest.raises(PathwayError, match=re.escape(rule)):
        good.changed(economics=economics)


@pytest.mark.parametrize(
    "mark",
    [
        "source required",
        "Source Required",
        "SOURCE-REQUIRED",
        "source_required",
        "sourcerequired",
        "' source  required'",
    ],
)
def test_the_mark_of_a_value_without_a_source_may_be_written_in_any_way(mark: str, tmp_path: Path):
    text = WITH_SOURCE.replace("source: mine", f"source: {mark}")
    economics = Pathway.read(written(tmp_path, text)).economics
    assert economics.utility.source == "source required"
    assert not economics.utility.sourced
    assert Pathway.read(written(tmp_path, WITH_SOURCE)).economics.utility.sourced


def test_a_remark_after_the_mark_is_kept(tmp_path: Path):
    text = WITH_SOURCE.replace("source: mine", "source: 'Source-required: as elsewhere'")
    assert Pathway.read(written(tmp_path, text)).economics.utility.source == "source required: as elsewhere"


@pytest.mark.parametrize("source", ["Sourcebook of the NHS", "Unknown et al. 2020", "required reading 7", "NICE"])
def test_a_name_that_is_like_the_mark_is_a_source(source: str, tmp_path: Path):
    text = WITH_SOURCE.replace("source: mine", f"source: {source}")
    assert Pathway.read(written(tmp_path, text)).economics.utility.source == source
