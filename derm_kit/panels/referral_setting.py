"""What the simulation page works on: a pathway, the scores and policy behind it, and the scenario that is set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from derm_kit.model.run import ScoreRun
from derm_kit.pathway.definition import Pathway
from derm_kit.pathway.measures import table
from derm_kit.pathway.outcomes import Outcomes
from derm_kit.pathway.scenario import Scenario
from derm_kit.pathway.simulation import simulate
from derm_kit.triage.policy import TriagePolicy

FIRST_LOOK = 10
"""Replications that are shown before all are done."""


@dataclass(frozen=True)
class Opened:
    """A pathway as it is, with scores and the policy in force; `brought` to this page as a file or one that ships."""

    pathway: Pathway
    run: ScoreRun
    policy: TriagePolicy
    brought: bool = False


@dataclass(frozen=True)
class Found:
    """Outcomes of a scenario, and every figure of them; `whole` where all replications are in."""

    scenario: Scenario
    outcomes: Outcomes
    figures: pd.DataFrame
    whole: bool


def look(
    opened: Opened, scenario: Scenario, show: Callable[[Found], None], progress: Callable[[int, int], None]
) -> None:
    """Simulate a scenario: a few replications are shown at once, then all. Ends where `progress` raises."""
    pathway, policy = scenario.pathway(opened.pathway), scenario.policy(opened.policy)
    for n in sorted({min(FIRST_LOOK, scenario.replications), scenario.replications}):
        outcomes = simulate(
            pathway, opened.run, policy, seed=scenario.seed, replications=n, arms=scenario.arms or None,
            progress=progress,
        )  # fmt: skip
        show(Found(scenario, outcomes, table(outcomes), n == scenario.replications))
