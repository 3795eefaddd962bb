"""Two arms and what became of 1,000 people in each, small enough to work out on a sheet of paper.

Of 1,000 referred 100 have a cancer. Today all are seen in the clinic; with the test, 400 are. People are 98 years old
and followed for two years, in each of which one in five dies of other causes; nothing is discounted.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from derm_kit.pathway.definition import Pathway
from derm_kit.pathway.outcomes import ArmOutcomes, Outcomes
from derm_kit.pathway.tallies import empty_tally

HALF_A_YEAR_S_CHANCE = 1 - 0.5 ** (30 / 365.25)
"""By 30 days, so that half have advanced after a year."""

DISEASE: dict[str, Any] = {
    "conditions": ["cancer"],
    "found_early": {"utility_loss": 0, "cost_gbp_a_year": 100, "deaths_a_year": 0},
    "found_advanced": {
        "utility_loss": 0.3,
        "cost_gbp_a_year": 1000,
        "deaths_a_year": 0.5,
        "lost_work_gbp_a_year": 400,
    },
    "not_found": {"utility_loss": 0.1, "cost_gbp_a_year": 10, "deaths_a_year": 0.1},
    "not_found_advanced": {"utility_loss": 0.4, "cost_gbp_a_year": 50, "deaths_a_year": 0.5},
    "found_a_year": 0.5,
    "found_a_year_advanced": 1,
    "found_outside_gbp": 500,
    "advanced_once_gbp": 2000,
}
ECONOMICS: dict[str, Any] = {
    "price_year": "none",
    "price_of": "test",
    "thresholds_gbp_per_qaly": {"lower": 20_000, "upper": 30_000, "Green Book": 70_000},
    "discount_costs_a_year": 0,
    "discount_qalys_a_year": 0,
    "age_at_start_years": 98,
    "age_at_end_years": 100,
    "mortality": {"from_age_years": 98, "life_table": [0.2, 0.2]},
    "utility": 0.8,
    "waiting_utility_loss": 0.02,
    "false_alarm_qaly_loss": 0.001,
    "visits": {
        "clinic": {"patient_cost_gbp": 20},
        "treatment": {"patient_cost_gbp": 50, "qaly_loss": 0.002},
    },
    "diseases": {"the cancer": DISEASE},
}
PATHWAY: dict[str, Any] = {
    "name": "two arms",
    "summary": "A test before the clinic, or none.",
    "calendar": {"start": "2026-04-01", "days": 365, "warm_up_days": 0, "follow_up_days": 0},
    "referrals": {"per_week": 20},
    "conditions": {
        "cancer": {"target": True, "share": 0.1, "progression_per_30_days": HALF_A_YEAR_S_CHANCE},
        "benign": {"share": 0.9},
    },
    "stages": {
        "test": {
            "kind": "delay",
            "delay_days": 0,
            "cost_gbp": 30,
            "reads": {"cancer": {"on": 0.95, "off": 0.05}, "benign": {"on": 0.34, "off": 0.66}},
            "routes": {"on": "clinic", "off": "home"},
        },
        "clinic": {
            "kind": "delay",
            "delay_days": 10,
            "cost_gbp": 150,
            "alarm": True,
            "reads": {"cancer": {"on": 0.95, "off": 0.05}, "benign": {"on": 0, "off": 1}},
            "routes": {"on": "treatment", "off": "home"},
        },
        "treatment": {"kind": "delay", "delay_days": 10, "cost_gbp": 400, "then": "treated"},
    },
    "exits": {"treated": {"treated": True}, "home": {}},
    "arms": {
        "today": {"today": True, "entry": "clinic"},
        "test first": {"entry": "test", "yearly_cost_gbp": 10_000},
    },
    "economics": ECONOMICS,
}

COUNTS: dict[str, dict[str, Any]] = {
    "today": {
        "clinic": (100, 900), "not attended": 50, "treatment": 95, "test": (0, 0),
        "found": (95, 0), "advanced": (10, 0), "found days": (2_850.0, 0.0), "waited": 20_000.0,
    },
    "test first": {
        "clinic": (95, 305), "not attended": 0, "treatment": 90, "test": (100, 900),
        "found": (80, 10), "advanced": (9, 3), "found days": (2_000.0, 1_600.0), "waited": 8_000.0,
    },
}  # fmt: skip


def sourced(part: Any) -> Any:
    """The same with a source behind every number that may have one."""
    if isinstance(part, dict):
        if "value" in part:
            return {**part, "source": "a source"}
        named = {key: item if key in _PLAIN else sourced(item) for key, item in part.items()}
        if "per_week" in part or "life_table" in part:
            named["source"] = "a source"
        return named
    if isinstance(part, int | float) and not isinstance(part, bool):
        return {"value": part, "source": "a source"}
    return part


_PLAIN = ("calendar", "age_at_end_years", "from_age_years", "life_table", "delay_days")


def pathway(*, with_sources: bool = False, **economics: Any) -> Pathway:
    """The pathway, with other values in its section `economics`."""
    made = copy.deepcopy(PATHWAY)
    made["economics"] |= economics
    if with_sources:
        made = sourced(made)
        for stage in made["stages"].values():
            stage["delay_days"] = {"mean": stage["delay_days"], "source": "a source"}
    return Pathway.model_validate(made)


def outcomes(of: Pathway, counts: dict[str, dict[str, Any]] = COUNTS) -> Outcomes:
    """One replication with these counts."""
    arms = {name: _arm(of, one) for name, one in counts.items()}
    return Outcomes(of, None, 1, 1, arms)


def _arm(of: Pathway, counts: dict[str, Any]) -> ArmOutcomes:
    tally = empty_tally(1, 3, 2, 2, 2, 0, 365)
    tally.referred[0] = 100, 900
    for s, stage in enumerate(("test", "clinic")):
        tally.flow[0, s, 0] = counts[stage]
    tally.flow[0, 2, 0] = counts["treatment"], 0
    tally.not_attended[0, 1, 1] = counts["not attended"]
    tally.found[0, :, 0], tally.advanced[0, :, 0] = counts["found"], counts["advanced"]
    tally.found_days[0, :, 0], tally.wait_days[0, 1] = counts["found days"], counts["waited"]
    nothing = np.zeros((1, 3, 2))
    return ArmOutcomes(tally, nothing, np.zeros((1, 0, 2)), np.zeros((1, 0), np.int64), np.zeros((1, 2)))
