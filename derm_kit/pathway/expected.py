"""What a pathway does at the mean, without queues: the load on each stage, and the chance of each way out.

A person's way is a Markov chain over the stages once condition and disposition are known, so both come from one linear
system (Kemeny and Snell, Finite Markov Chains, 1960, chapter 3).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from derm_kit.pathway.engine import BY_CONDITION, BY_POLICY, SLOTS
from derm_kit.pathway.plan import DISPOSITIONS, Plan
from derm_kit.pathway.tallies import Floats


@dataclass(frozen=True)
class Expected:
    """Of one person by condition G and disposition A (one place where no stage reads a policy).

    visits   (G, A, S): visits, slots that nobody attended and those of people referred again included.
    leaves   (G, A, E): chance of leaving by each exit the first time.
    """

    visits: Floats
    leaves: Floats

    def missed_prob(self, shares: Floats, treated: npt.NDArray[np.bool_]) -> Floats:
        """Chance (..., G) of leaving untreated the first time, for `shares` (..., G, A) of dispositions."""
        untreated = self.leaves[:, :, ~treated].sum(axis=2)
        missed: Floats = np.einsum("...ga,ga->...g", shares, untreated)
        return missed


def expected(plan: Plan) -> Expected:
    """Visits and ways out of each condition and disposition in an arm."""
    n_conditions, n_exits = plan.condition_until.size, plan.treated.size
    n_stages = plan.kind.size
    n_dispositions = len(DISPOSITIONS) if (plan.reads == BY_POLICY).any() else 1
    visits = np.zeros((n_conditions, n_dispositions, n_stages))
    leaves = np.zeros((n_conditions, n_dispositions, n_exits))
    for way, (entry, share) in enumerate(((plan.entry, plan.uptake), (plan.other_entry, 1 - plan.uptake))):
        start = np.eye(1, n_stages, entry)[0] * share
        for g, a in product(range(n_conditions), range(n_dispositions) if share else ()):
            onward, out = _steps(plan, way, g, a)
            seen = np.linalg.solve((np.eye(n_stages) - onward).T, start)
            left = seen @ out
            seen += np.linalg.solve((np.eye(n_stages) - onward).T, _referred_again(plan, g, left))
            leaves[g, a] += left
            visits[g, a] += seen * _slots_per_visit(plan)
    return Expected(visits, leaves)


def _referred_again(plan: Plan, g: int, leaves: Floats) -> Floats:
    """Chance (S,) of coming back to each stage after leaving untreated the first time."""
    back = np.zeros(plan.kind.size)
    for e in np.flatnonzero(~plan.treated):
        if plan.target[g]:
            back[plan.return_to[e]] += leaves[e] * plan.return_share[e, g]
    return back


def _steps(plan: Plan, way: int, g: int, a: int) -> tuple[Floats, Floats]:
    """Chances from stage to stage (S, S) and from stage to exit (S, E), of who has joined a stage."""
    _, n_stages, n_outcomes = plan.to.shape
    onward, out = np.zeros((n_stages, n_stages)), np.zeros((n_stages, plan.treated.size))
    for s in range(n_stages):
        if plan.reads[s] == BY_POLICY:
            shares = np.zeros(n_outcomes)
            shares[plan.of_disposition[s, a]] = 1
        elif plan.reads[s] == BY_CONDITION:
            shares = np.diff(plan.outcome_until[s, g], prepend=0)
        else:
            shares = np.eye(1, n_outcomes)[0]
        lost = _lost(plan, s)
        for k in np.flatnonzero(shares):
            to = plan.to[way, s, k]
            if to >= 0:
                onward[s, to] += (1 - lost) * shares[k]
            else:
                out[s, -1 - to] += (1 - lost) * shares[k]
        if lost:
            out[s, plan.lost_to[s]] += lost
    return onward, out


def _lost(plan: Plan, s: int) -> float:
    """Chance that somebody who joins a stage with slots never attends it."""
    missing = float(plan.did_not_attend[s])
    again = float(plan.rebooked[s])
    return missing * (1 - again) / (1 - missing * again)


def _slots_per_visit(plan: Plan) -> Floats:
    """Slots that one person who joins uses at each stage (S,), those not attended included."""
    again = np.where(plan.kind == SLOTS, plan.did_not_attend * plan.rebooked, 0)
    return 1 / (1 - again)
