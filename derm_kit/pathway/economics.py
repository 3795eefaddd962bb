"""Costs and QALYs of the arms of a simulated pathway.

The simulation is the decision tree and says in which state each person with a target condition leaves it; a Markov
cohort model follows them for life (after Zhelev et al., British Journal of Dermatology 2024, BT29).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from derm_kit.errors import PathwayError
from derm_kit.pathway.decision_tree import DAYS_A_YEAR, Tree, tree_of
from derm_kit.pathway.definition import Pathway
from derm_kit.pathway.disease_course import years_alive
from derm_kit.pathway.economic_inputs import (
    NHS,
    VIEWS,
    Input,
    arm_cost_of,
    at_values,
    inputs,
    progression_of,
    stage_cost_of,
    unsourced,
)
from derm_kit.pathway.lifetime import Lifetime, Values, chance_over, lifetime, other_deaths
from derm_kit.pathway.outcomes import Outcomes
from derm_kit.pathway.quantities import SOURCE_REQUIRED
from derm_kit.pathway.tallies import Floats
from derm_kit.pathway.valuation import Economics

ILLUSTRATIVE = f"illustrative: {SOURCE_REQUIRED}"


@dataclass(frozen=True)
class Model:
    """What an evaluation is computed from: the tree, and the values with their distributions.

    `unsourced` are the places of the values that nobody gave a source for; with any of them the result is illustrative.
    """

    pathway: Pathway
    economics: Economics
    view: str
    tree: Tree
    inputs: dict[str, Input]
    unsourced: tuple[str, ...]

    @property
    def illustrative(self) -> bool:
        """Whether the result rests on a value without a source, so that no verdict may be read from it."""
        return bool(self.unsourced)

    @property
    def remark(self) -> str:
        """What stands beside every figure of an illustrative result; nothing otherwise."""
        return ILLUSTRATIVE if self.illustrative else ""

    @property
    def arms(self) -> tuple[str, ...]:
        """Names of the arms that were simulated, A of them."""
        return self.tree.arms

    @property
    def today(self) -> int:
        """Place of today's arm among them."""
        return self.arms.index(self.pathway.today)

    @property
    def thresholds(self) -> dict[str, float]:
        """GBP per QALY by name."""
        return {name: float(said.value) for name, said in self.economics.thresholds_gbp_per_qaly.items()}

    def place(self, arm: str) -> int:
        """Place of an arm among them. Raises PathwayError where it was not simulated."""
        if arm not in self.arms:
            raise PathwayError(
                "an arm is one of those simulated",
                case=self.pathway.name,
                value=arm,
                next_step=f"Choose from: {', '.join(self.arms)}.",
            )
        return self.arms.index(arm)


@dataclass(frozen=True)
class Evaluation:
    """Costs and QALYs per person referred; N draws (or replications), arms A, stages S, years Y of a budget.

    visits               (N, A, S) visits to each stage; prices_gbp (N, S) what one costs.
    yearly_gbp           (N, A) what the arm costs a year however many are referred (not per person);
    fixed_gbp            (N, A) the same per person.
    disease_gbp          (N, A) care of the disease after the pathway, for life, discounted.
    patient_gbp          (N, A) travel and time of visits; 0 in the view of the NHS, and so is
    lost_work_gbp        (N, A) for life, discounted.
    life_qaly            (N, A) for life, discounted, before what the pathway itself takes:
    waiting_qaly, alarm_qaly, visit_qaly  (N, A), each 0 or less.
    care_by_year_gbp     (N, A, Y) care of the disease in each year after the referral, not discounted.
    """

    model: Model
    visits: Floats
    prices_gbp: Floats
    yearly_gbp: Floats
    fixed_gbp: Floats
    disease_gbp: Floats
    patient_gbp: Floats
    lost_work_gbp: Floats
    life_qaly: Floats
    waiting_qaly: Floats
    alarm_qaly: Floats
    visit_qaly: Floats
    care_by_year_gbp: Floats

    @property
    def stage_gbp(self) -> Floats:
        """Cost of each stage (N, A, S)."""
        cost: Floats = self.visits * self.prices_gbp[:, None]
        return cost

    @property
    def pathway_gbp(self) -> Floats:
        """Cost of the pathway (N, A): its stages, and what the arm costs anyway."""
        cost: Floats = self.stage_gbp.sum(axis=2) + self.fixed_gbp
        return cost

    @property
    def cost_gbp(self) -> Floats:
        """All costs of the view (N, A)."""
        return self.pathway_gbp + self.disease_gbp + self.patient_gbp + self.lost_work_gbp

    @property
    def qaly(self) -> Floats:
        """QALYs (N, A)."""
        return self.life_qaly + self.waiting_qaly + self.alarm_qaly + self.visit_qaly

    def net_benefit_gbp(self, threshold_gbp: float) -> Floats:
        """Net monetary benefit (N, A): QALYs x threshold - cost (Stinnett and Mullahy, Med Decis Making, 1998)."""
        return threshold_gbp * self.qaly - self.cost_gbp

    def gain_gbp(self, threshold_gbp: float) -> Floats:
        """Net monetary benefit (N, A) over today's arm of the same draw."""
        benefit = self.net_benefit_gbp(threshold_gbp)
        return benefit - benefit[:, [self.model.today]]


def model_of(outcomes: Outcomes, view: str = NHS) -> Model:
    """The evaluation of what was simulated, in the view of the NHS and personal social services, or of society.

    Raises PathwayError where the pathway has no section `economics`, today's arm was not simulated, or there is no such
    view.
    """
    pathway = outcomes.pathway
    if view not in VIEWS:
        raise PathwayError(
            "there is no such view", case=pathway.name, value=view, next_step=f"Choose from: {', '.join(VIEWS)}."
        )
    if pathway.economics is None:
        raise PathwayError(
            "an economic evaluation needs the pathway's section 'economics'",
            case=pathway.name,
            next_step="Add the section; the preset skin-usc has one to start from.",
        )
    if pathway.today not in outcomes.arms:
        raise PathwayError(
            "the arms are held against today's, which was not simulated",
            case=pathway.name,
            value=pathway.today,
            next_step="Simulate it too.",
        )
    without = unsourced(pathway, view)
    return Model(pathway, pathway.economics, view, tree_of(outcomes), inputs(pathway, view), without)


def base_case(model: Model) -> Evaluation:
    """Every value as it stands, replication by replication (N = R): the base case is the mean over N."""
    return evaluate(model, at_values(model.inputs), np.arange(model.tree.replications))


def evaluate(model: Model, values: Values, replication: npt.NDArray[np.int64] | None = None) -> Evaluation:
    """Costs and QALYs for `values` by input (all (1,) or all (N,)), each draw on its replication (N,).

    With `replication` left out, every draw takes the mean of the replications.
    """
    pathway, tree = model.pathway, model.tree.mean() if replication is None else model.tree.of(replication)
    deaths = other_deaths(model.economics, values)
    well = values["economics / utility"] * years_alive(deaths, values["economics / discount_qalys_a_year"])
    starts = _starts(pathway, tree, values)
    lives = [(starts[:, :, g], lifetime(model.economics, name, values)) for g, name in enumerate(pathway.targets)]
    yearly = np.stack([values[arm_cost_of(arm)] for arm in model.arms], axis=-1)
    found = {
        "visits": tree.visits,
        "prices_gbp": np.stack([values[stage_cost_of(stage)] for stage in pathway.stages], axis=-1),
        "yearly_gbp": yearly,
        "fixed_gbp": tree.fixed_years * yearly,
        "disease_gbp": _summed(lives, "care_gbp"),
        "patient_gbp": _at_visits(model, tree.visits, "patient_cost_gbp", values),
        "lost_work_gbp": _summed(lives, "lost_work_gbp"),
        "life_qaly": tree.no_target * well[:, None] + _summed(lives, "qaly"),
        "waiting_qaly": -tree.waited_days / DAYS_A_YEAR * values["economics / waiting_utility_loss"][:, None],
        "alarm_qaly": -tree.false_alarms * values["economics / false_alarm_qaly_loss"][:, None],
        "visit_qaly": -_at_visits(model, tree.visits, "qaly_loss", values),
        "care_by_year_gbp": _summed(lives, "care_by_year_gbp"),
    }
    return Evaluation(model, **_as_long(found))


def _starts(pathway: Pathway, tree: Tree, values: Values) -> Floats:
    """People (N, A, G, 3) by the state in which they leave the tree: found early, found advanced, not found.

    Where a draw has another rate of progression than the simulation had, the advanced are scaled by the chance of
    having advanced at the mean delay: the disease does not change who is seen when.
    """
    names = [progression_of(condition) for condition in pathway.targets]
    simulated = np.array([float(pathway.conditions[name].progression_per_30_days.value) for name in pathway.targets])
    delay = np.divide(tree.found_days, tree.found, out=np.zeros_like(tree.found), where=tree.found > 0)
    chance = chance_over(simulated, delay)
    other = chance_over(np.stack([values[name] for name in names], axis=-1)[:, None], delay)
    scaled = np.where(chance > 0, tree.advanced * other / np.where(chance > 0, chance, 1), tree.found * other)
    advanced = np.minimum(scaled, tree.found)
    early, not_found = np.broadcast_arrays(tree.found - advanced, tree.not_found)
    return np.stack([early, advanced, not_found], axis=-1)


def _summed(lives: Sequence[tuple[Floats, Lifetime]], field: str) -> Floats:
    """A field of Lifetime, by start, summed over people (N, A, 3) of every target condition: (N, A), or (N, A, Y)."""
    total: Floats = np.zeros(())
    for people, life in lives:
        values = getattr(life, field)[:, None]
        total = total + (people.reshape(people.shape + (1,) * (values.ndim - people.ndim)) * values).sum(axis=2)
    return total


def _at_visits(model: Model, visits: Floats, field: str, values: Values) -> Floats:
    """What visits (N, A, S) take by a field of VisitValues (N, A); 0 for stages and views without it."""
    nothing = np.zeros_like(values["economics / utility"])
    each = [values.get(f"economics / visits / {stage} / {field}", nothing) for stage in model.pathway.stages]
    taken: Floats = (visits * np.stack(each, axis=-1)[:, None]).sum(axis=-1)
    return taken


def _as_long(found: dict[str, Floats]) -> dict[str, Floats]:
    """All with the first axis of the longest."""
    draws = max(len(values) for values in found.values())
    return {name: np.broadcast_to(values, (draws, *values.shape[1:])) for name, values in found.items()}


def joined(pieces: Sequence[Evaluation]) -> Evaluation:
    """Draws of one model, one piece after another."""
    names = [field.name for field in fields(Evaluation) if field.name != "model"]
    return Evaluation(pieces[0].model, **{name: np.concatenate([getattr(p, name) for p in pieces]) for name in names})
