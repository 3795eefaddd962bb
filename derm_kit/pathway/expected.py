"""What a pathway does at the mean, without queues: the load on each stage, and the chance of each way out.

A person's way is a Markov chain over the stages once condition and disposition are known, so both come from one linear
system (Kemeny and Snell, Finite Markov Chains, 1960, chapter 3).
"""

from __future__ import annotations

from dataclasses import dataclass

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
    n_stages, read = plan.kind.size, _outcome_shares(plan)
    visits: Floats = np.zeros((*read.shape[:2], n_stages))
    leaves: Floats = np.zeros((*read.shape[:2], plan.treated.size))
    for way, (entry, share) in enumerate(((plan.entry, plan.uptake), (plan.other_entry, 1 - plan.uptake))):
        onward, out = _steps(plan, way, read)
        stays = np.swapaxes(np.eye(n_stages) - onward, -1, -2)
        start = np.broadcast_to(share * np.eye(1, n_stages, entry)[0], onward.shape[:-1])
        seen = _solved(stays, start)
        left: Floats = np.einsum("gas,gase->gae", seen, out)
        visits += seen + _solved(stays, _referred_again(plan, left))
        leaves += left
    return Expected(visits * _slots_per_visit(plan), leaves)


def _solved(matrices: Floats, right: Floats) -> Floats:
    return np.asarray(np.linalg.solve(matrices, right[..., None])[..., 0], np.float64)


def _outcome_shares(plan: Plan) -> Floats:
    """Chance (G, A, S, K) of each outcome of a stage, by condition and disposition."""
    n_dispositions = len(DISPOSITIONS) if (plan.reads == BY_POLICY).any() else 1
    n_stages, n_conditions, n_outcomes = plan.outcome_until.shape
    shares = np.zeros((n_conditions, n_dispositions, n_stages, n_outcomes))
    for s, reads in enumerate(plan.reads):
        if reads == BY_POLICY:
            shares[:, :, s] = np.eye(n_outcomes)[plan.of_disposition[s]]
        elif reads == BY_CONDITION:
            shares[:, :, s] = np.diff(plan.outcome_until[s], prepend=0)[:, None]
        else:
            shares[:, :, s, 0] = 1
    return shares


def _steps(plan: Plan, way: int, read: Floats) -> tuple[Floats, Floats]:
    """Chances from stage to stage (G, A, S, S) and from stage to exit (G, A, S, E), of who has joined a stage."""
    *each, n_stages, n_outcomes = read.shape
    onward, out = np.zeros((*each, n_stages, n_stages)), np.zeros((*each, n_stages, plan.treated.size))
    for s in range(n_stages):
        lost = _lost(plan, s)
        for k in range(n_outcomes):
            to, share = plan.to[way, s, k], (1 - lost) * read[:, :, s, k]
            if to >= 0:
                onward[:, :, s, to] += share
            else:
                out[:, :, s, -1 - to] += share
        if lost:
            out[:, :, s, plan.lost_to[s]] += lost
    return onward, out


def _referred_again(plan: Plan, leaves: Floats) -> Floats:
    """Chance (G, A, S) of coming back to each stage after leaving untreated the first time, as (G, A, E) say."""
    back = np.zeros((*leaves.shape[:2], plan.kind.size))
    for e in np.flatnonzero(~plan.treated):
        back[..., plan.return_to[e]] += leaves[..., e] * (plan.return_share[e] * plan.target)[:, None]
    return back


def _lost(plan: Plan, s: int) -> float:
    """Chance that somebody who joins a stage with slots never attends it."""
    missing = float(plan.did_not_attend[s])
    again = float(plan.rebooked[s])
    return missing * (1 - again) / (1 - missing * again)


def _slots_per_visit(plan: Plan) -> Floats:
    """Slots that one person who joins uses at each stage (S,), those not attended included."""
    again = np.where(plan.kind == SLOTS, plan.did_not_attend * plan.rebooked, 0)
    return 1 / (1 - again)
