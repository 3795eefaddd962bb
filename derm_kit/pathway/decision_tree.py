"""The simulation as the decision tree of an economic evaluation: what came of people, per person referred."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from derm_kit.errors import PathwayError
from derm_kit.pathway.measures import visits_by_stage
from derm_kit.pathway.outcomes import ArmOutcomes, Outcomes
from derm_kit.pathway.tallies import Floats

DAYS_A_YEAR = 365.25


@dataclass(frozen=True)
class Tree:
    """Per person referred, by replication R and arm A; stages S, target conditions G.

    visits        (R, A, S) visits, slots that nobody attended included.
    found         (R, A, G) treated in the pathway, by whichever referral.
    later         (R, A, G) of these, by a later referral.
    advanced      (R, A, G) of those found, at a later stage of the disease.
    found_days    (R, A, G) days from first referral to treatment, summed over those found.
    not_found     (R, A, G) not treated in the simulated days, those who still wait included.
    no_target     (R, A)    without a target condition.
    false_alarms  (R, A)    their visits to stages that are alarms.
    waited_days   (R, A)    days in queues.
    still_in      (R, A)    still in the pathway at the end.
    fixed_years   (R, A)    years of running the arm.
    referred      (R, A)    people referred a year (not per person).
    """

    arms: tuple[str, ...]
    visits: Floats
    found: Floats
    later: Floats
    advanced: Floats
    found_days: Floats
    not_found: Floats
    no_target: Floats
    false_alarms: Floats
    waited_days: Floats
    still_in: Floats
    fixed_years: Floats
    referred: Floats

    @property
    def replications(self) -> int:
        """How many replications there are."""
        return len(self.referred)

    def of(self, replication: npt.NDArray[np.int64]) -> Tree:
        """The replications at these places (N,), one after another."""
        return self._each(lambda values: values[replication])

    def mean(self) -> Tree:
        """The mean replication."""
        return self._each(lambda values: values.mean(axis=0, keepdims=True))

    def _each(self, change: Callable[[Floats], Floats]) -> Tree:
        changed = {f.name: change(getattr(self, f.name)) for f in fields(self) if f.name != "arms"}
        return Tree(self.arms, **changed)


def tree_of(outcomes: Outcomes) -> Tree:
    """The simulation per person referred. Raises PathwayError where nobody was referred in some replication."""
    if any((arm.tally.referred.sum(axis=1) == 0).any() for arm in outcomes.arms.values()):
        raise PathwayError(
            "an economic evaluation needs people who are referred in every replication",
            case=outcomes.pathway.name,
            value="a replication without a referral",
            next_step="Simulate more days, or more referrals a week.",
        )
    branches = [_branch(outcomes, arm) for arm in outcomes.arms.values()]
    joined = {name: np.stack([branch[name] for branch in branches], axis=1) for name in branches[0]}
    return Tree(tuple(outcomes.arms), **joined)


def _branch(outcomes: Outcomes, arm: ArmOutcomes) -> dict[str, Floats]:
    """The fields of Tree but `arms`, of one arm."""
    pathway, tally = outcomes.pathway, arm.tally
    target = np.array([condition.target for condition in pathway.conditions.values()])
    alarm = np.array([stage.alarm for stage in pathway.stages.values()])
    referred = tally.referred.sum(axis=1).astype(np.float64)
    years = pathway.calendar.days / DAYS_A_YEAR
    found = tally.found.sum(axis=1)
    counts = {
        "visits": visits_by_stage(arm),
        "found": found[:, target],
        "later": tally.found[:, 1][:, target],
        "advanced": tally.advanced.sum(axis=1)[:, target],
        "found_days": tally.found_days.sum(axis=1)[:, target],
        "not_found": (tally.referred - found)[:, target],
        "no_target": tally.referred[:, ~target].sum(axis=1),
        "false_alarms": tally.flow[:, alarm][..., ~target].sum(axis=(1, 2, 3)),
        "waited_days": tally.wait_days.sum(axis=1),
        "still_in": tally.still_in.sum(axis=(1, 2)),
        "fixed_years": np.full(len(referred), years),
    }
    each = {name: (values.T / referred).T for name, values in counts.items()}
    return each | {"referred": referred / years}
