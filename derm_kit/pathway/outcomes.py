"""Outcomes: what was counted in every replication of every arm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import pandas as pd

from derm_kit.model.run import ScoreRun
from derm_kit.pathway.definition import Pathway
from derm_kit.pathway.plan import days_of
from derm_kit.pathway.tallies import Floats, Ints, Tally
from derm_kit.triage.policy import TriagePolicy

QUANTILES = (0.5, 0.9)
WAITS = ("stage_wait", "clock", "found_delay")
"""Counts by length of time, kept as sums over replications; each replication's quantiles are kept beside them."""


@dataclass(frozen=True)
class ArmOutcomes:
    """One arm over R replications: `tally` with WAITS summed to a first axis of 1, and beside it, by replication.

    stage_quantiles  (R, S, 2) median and 90th percentile of the wait at each stage, whole units; NaN where nobody came.
    clock_quantiles  (R, C, 2) the same of each clock, of those who stopped it.
    clock_stopped    (R, C) people whose clock was stopped.
    missed_prob      (R, G) chance that a person of each condition leaves untreated the first time, given the cases that
                     the replication drew and no other chance: what the cohort's size alone leaves open.
    fingerprint      SHA-256 of all that the outcomes depend on.
    """

    tally: Tally
    stage_quantiles: Floats
    clock_quantiles: Floats
    clock_stopped: Ints
    missed_prob: Floats
    fingerprint: str = ""


@dataclass(frozen=True)
class Outcomes:
    """What `simulate` found, by arm; `policy` and `run` where a stage reads a policy."""

    pathway: Pathway
    policy: TriagePolicy | None
    seed: int
    replications: int
    arms: dict[str, ArmOutcomes]
    run: ScoreRun | None = None

    def people(self, arm: str, replication: int = 0) -> pd.DataFrame:
        """One row a counted person of a replication that kept records.

        person, condition, case_id ("" without scores), referred (date and time), exit ("" for still in the pathway),
        left, then for each stage when it was first done; times are NaT where there is none.
        """
        tally, pathway = self.arms[arm].tally, self.pathway
        n = int(tally.referred[replication].sum())
        start = pd.Timestamp(days_of(pathway)[0])

        def moment(days: Floats) -> pd.Series:
            return start + pd.to_timedelta(pd.Series(np.where(days < 0, np.nan, days)), unit="D")

        case = tally.record_case[replication, :n]
        ids = self.run.scores["case_id"].to_numpy()[case] if self.run is not None else np.full(n, "")
        names = np.array(["", *pathway.exits])
        table = {
            "person": np.arange(1, n + 1),
            "condition": np.array(list(pathway.conditions))[tally.record_condition[replication, :n]],
            "case_id": ids,
            "referred": moment(tally.record_referred[replication, :n]),
            "exit": names[tally.record_exit[replication, :n].astype(int) + 1],
            "left": moment(tally.record_left[replication, :n]),
        }
        seen = {stage: moment(tally.record_seen[replication, :n, s]) for s, stage in enumerate(pathway.stages)}
        return pd.DataFrame(table | seen)


def pooled(tally: Tally, missed_prob: Floats) -> ArmOutcomes:
    """Some replications' counts with their waits summed, after the quantiles of each are taken."""
    sums = {name: getattr(tally, name).sum(axis=0, keepdims=True) for name in WAITS}
    return ArmOutcomes(
        tally._replace(**sums),
        _quantiles(tally.stage_wait),
        _quantiles(tally.clock),
        tally.clock.sum(axis=2),
        missed_prob,
    )


def joined(pieces: Sequence[ArmOutcomes], fingerprint: str = "") -> ArmOutcomes:
    """Pieces of one arm, one after another."""
    longest = max(piece.tally.record_exit.shape[1] for piece in pieces)
    tallies = [_padded(piece.tally, longest) for piece in pieces]
    fields = {
        name: reduce(np.add, (getattr(t, name) for t in tallies))
        if name in WAITS
        else np.concatenate([getattr(t, name) for t in tallies])
        for name in Tally._fields
    }
    return ArmOutcomes(
        Tally(**fields),
        np.concatenate([piece.stage_quantiles for piece in pieces]),
        np.concatenate([piece.clock_quantiles for piece in pieces]),
        np.concatenate([piece.clock_stopped for piece in pieces]),
        np.concatenate([piece.missed_prob for piece in pieces]),
        fingerprint,
    )


def _padded(tally: Tally, people: int) -> Tally:
    """Records with room for as many people as the largest piece has."""
    more = people - tally.record_exit.shape[1]
    if not more:
        return tally
    wider = {
        name: np.pad(
            getattr(tally, name), [(0, 0), (0, more), *[(0, 0)] * (getattr(tally, name).ndim - 2)], constant_values=-1
        )
        for name in Tally._fields
        if name.startswith("record_")
    }
    return tally._replace(**wider)


def _quantiles(counts: Ints) -> Floats:
    """Smallest whole unit by which each of QUANTILES of the people is seen, from counts (R, X, BINS): (R, X, 2)."""
    longest = int(np.flatnonzero(counts.any(axis=(0, 1))).max(initial=0))
    until = counts[..., : longest + 1].cumsum(axis=-1)
    total = until[..., -1]
    found = [(until < np.ceil(q * total)[..., None]).sum(axis=-1) for q in QUANTILES]
    return np.where(total[..., None] > 0, np.stack(found, axis=-1), np.nan)
