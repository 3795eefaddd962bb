"""Who is referred: how many on each day, and which case of a score run stands for whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property, lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from derm_kit.errors import PathwayError
from derm_kit.lesions import parse_truth
from derm_kit.model.run import ScoreRun
from derm_kit.pathway.definition import Pathway
from derm_kit.pathway.plan import DISPOSITIONS
from derm_kit.pathway.stages import WEEKDAYS, Referrals
from derm_kit.triage.policy import TriagePolicy, decide
from derm_kit.triage.subgroups import FEW

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Cases:
    """Which cases of a score run stand for which condition.

    condition     (N,) place of each case's condition in the pathway; -1 for cases whose truth is unknown, or open
                  between conditions: they stand for nobody.
    n_conditions  how many conditions the pathway has, G.
    """

    condition: Ints
    n_conditions: int

    @classmethod
    def of(cls, pathway: Pathway, run: ScoreRun) -> Cases:
        """Raises PathwayError where a condition that is referred has fewer than FEW cases."""
        place: dict[str, int] = {}
        for truth in run.cases["truth"].unique():
            types = parse_truth(truth)
            fits = [g for g, c in enumerate(pathway.conditions.values()) if types and types <= set(c.types)]
            place[truth] = fits[0] if fits else -1
        condition = np.asarray(run.cases["truth"].map(place), np.int64)
        for g, (name, said) in enumerate(pathway.conditions.items()):
            n = int((condition == g).sum())
            if n < FEW and said.share.value > 0:
                raise PathwayError(
                    f"a condition that is referred has at least {FEW} cases with scores to stand for it",
                    case=pathway.name,
                    value=f"{name}: {n} cases, {said.share.value:.1%} of referrals",
                    next_step="Join it with a like condition, set its share to 0, or take a larger cohort.",
                )
        return cls(condition, len(pathway.conditions))

    @property
    def left_out(self) -> int:
        """Cases that stand for nobody."""
        return int((self.condition < 0).sum())

    @cached_property
    def bounds(self) -> Ints:
        """Where each condition's cases begin in `in_order` and in a sample, and where the last ones end (G + 1,)."""
        counts = np.bincount(self.condition[self.condition >= 0], minlength=self.n_conditions)
        return np.concatenate(([0], np.cumsum(counts)))

    @cached_property
    def in_order(self) -> Ints:
        """Places of the cases that stand for somebody, condition after condition."""
        return np.argsort(self.condition, kind="stable")[self.left_out :]

    def sample(self, rng: np.random.Generator) -> Ints:
        """`in_order`, drawn anew with replacement within each condition (the bootstrap; Efron, 1979)."""
        bounds = self.bounds
        drawn = [rng.integers(low, high, high - low) for low, high in pairwise(bounds)]
        sampled: Ints = self.in_order[np.concatenate(drawn)]
        return sampled


def dispositions(run: ScoreRun, policy: TriagePolicy) -> Ints:
    """What the policy does with each case (N,): the disposition's place in DISPOSITIONS; read-only."""
    return _dispositions(run, policy.model_dump_json())


@lru_cache(maxsize=4)
def _dispositions(run: ScoreRun, policy: str) -> Ints:
    """Kept from step to step: the arms of one setting, and most settings of a page, share a policy's decisions."""
    table = decide(run, TriagePolicy.model_validate_json(policy)).table
    found = np.array(table["disposition"].map({d.value: i for i, d in enumerate(DISPOSITIONS)}), np.int64)
    found.flags.writeable = False
    return found


def expected_referrals(referrals: Referrals, days: Sequence[date]) -> npt.NDArray[np.float64]:
    """Mean number referred on each of the days (D,): the weekly number by weekday, times the month's season."""
    weekday = np.array([referrals.by_weekday.get(day, 0) for day in WEEKDAYS], np.float64)
    month = np.array(referrals.by_month, np.float64)
    share, season = weekday / weekday.sum(), month / month.mean()
    per_week = float(referrals.per_week.value)
    return np.array([per_week * share[day.weekday()] * season[day.month - 1] for day in days])


def streams(seed: int, replication: int) -> tuple[np.uint64, np.random.Generator]:
    """Key of a replication's people, and its generator for arrivals and cases; no other replication shares them."""
    own = np.random.SeedSequence(seed, spawn_key=(replication,))
    return own.generate_state(1, np.uint64)[0], np.random.Generator(np.random.PCG64(own.spawn(1)[0]))
