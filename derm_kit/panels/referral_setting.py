"""What the simulation page works on: a pathway, the scores and policy behind it, and the scenario that is set."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from derm_kit.errors import PathwayError
from derm_kit.model.run import ScoreRun
from derm_kit.pathway.capacity import load
from derm_kit.pathway.definition import Pathway
from derm_kit.pathway.measures import table
from derm_kit.pathway.outcomes import Outcomes
from derm_kit.pathway.scenario import Scenario
from derm_kit.pathway.simulation import simulate
from derm_kit.pathway.yaml_file import MOST_BYTES
from derm_kit.triage.policy import TriagePolicy

FIRST_LOOK = 10
"""Replications that are shown before all are done."""
MOST_YEARS, MOST_PEOPLE, HIGHEST_SEED = 1_000, 500_000_000, 2**31 - 1
"""What a page simulates at most, all replications and arms together: a few minutes on two cores."""
YOURS = "your file"


@dataclass(frozen=True)
class Opened:
    """A pathway as it is, with scores and the policy in force; `brought` to this page as a file or one that ships."""

    pathway: Pathway
    run: ScoreRun
    policy: TriagePolicy
    brought: bool = False


@dataclass(frozen=True)
class Found:
    """Outcomes of a scenario, every figure of them, and by arm the load on its stages; `whole` where all are in."""

    opened: Opened
    scenario: Scenario
    outcomes: Outcomes
    figures: pd.DataFrame
    loads: dict[str, pd.DataFrame]
    whole: bool


def require(opened: Opened, scenario: Scenario) -> None:
    """Raise DermKitError where a scenario does not fit what is opened, or asks for more than a page simulates."""
    pathway = scenario.pathway(opened.pathway)
    scenario.policy(opened.policy)
    hidden = [kind.label.lower() for kind in scenario.thresholds if kind not in opened.policy.thresholds]
    unknown = [arm for arm in scenario.arms if arm not in pathway.arms]
    people = scenario.people(opened.pathway)
    for broken, rule, value, next_step in (
        (hidden, "a threshold is moved here for a type that the policy has one for", hidden,
         "Give the policy that threshold on page 03 first."),
        (unknown, "an arm is one of the pathway's", unknown, f"Choose from: {', '.join(pathway.arms)}."),
        (not 1 <= scenario.replications <= MOST_YEARS, f"a page simulates from 1 to {MOST_YEARS:,} years",
         [scenario.replications], "Choose another number, or use 'derm-kit simulate'."),
        (not 0 <= scenario.seed <= HIGHEST_SEED, f"a seed is from 0 to {HIGHEST_SEED:,}", [scenario.seed],
         "Choose another number."),
        (people > MOST_PEOPLE, f"a page simulates at most {MOST_PEOPLE:,} people, all years and arms together",
         [f"{people:,.0f}"], "Choose fewer simulated years or arms, or use 'derm-kit simulate'."),
    ):  # fmt: skip
        if broken:
            raise PathwayError(rule, case=pathway.name, value=value[0], next_step=next_step)


def brought(content: bytes, size: int) -> Pathway:
    """A YAML file's bytes as a pathway, on disk only while they are read. Raises PathwayError."""
    if not content and size:
        raise PathwayError(
            f"a pathway's file has at most {MOST_BYTES:,} bytes",
            case=YOURS,
            value=f"{size:,} bytes",
            next_step="Choose a smaller file.",
        )
    with tempfile.TemporaryDirectory() as private:
        path = Path(private) / "pathway.yaml"
        path.write_bytes(content)
        try:
            return Pathway.read(path)
        except PathwayError as error:
            case = str(error.case or YOURS).replace(str(path), YOURS)
            raise PathwayError(error.rule, case=case, value=error.value, next_step=error.next_step) from None


def look(
    opened: Opened,
    scenario: Scenario,
    show: Callable[[Found], None],
    progress: Callable[[int, int], None],
    known: Outcomes | None = None,
) -> None:
    """Simulate a scenario: a few replications are shown while all are simulated. Ends where `progress` raises.

    Arms that a step does not move are taken from `known`, the outcomes before it.
    """
    pathway, policy = scenario.pathway(opened.pathway), scenario.policy(opened.policy)

    def found(replications: int) -> Outcomes:
        return simulate(
            pathway, opened.run, policy, seed=scenario.seed, replications=replications, arms=scenario.arms or None,
            progress=progress, known=known,
        )  # fmt: skip

    def tell(outcomes: Outcomes) -> None:
        loads = {arm: load(pathway, arm, opened.run, policy) for arm in outcomes.arms}
        whole = outcomes.replications == scenario.replications
        show(Found(opened, scenario, outcomes, table(outcomes), loads, whole))

    with ThreadPoolExecutor(1) as beside:
        first = beside.submit(tell, found(FIRST_LOOK)) if scenario.replications > FIRST_LOOK else None
        outcomes = found(scenario.replications)
        if first:
            first.result()
    tell(outcomes)
