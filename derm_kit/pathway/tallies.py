"""What is counted while replications run: plain arrays, first axis the replications."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

BINS = 2_048
"""Waits are counted by whole units (days or minutes) up to this many; longer ones in the last place."""


class Tally(NamedTuple):
    """Counts of the people who are counted (referred from the calendar's start on), by replication R.

    Stages S, outcomes K, conditions G, exits E, clocks C, days D; `found` and `advanced` have the first
    referral at 0 and later ones at 1. `slots_used` and `busy_days` are of everybody, in the counted days; `backlog` of
    everybody at each day's end, -1 for days that were not simulated since all who are counted had left.
    """

    referred: Ints  # R, G
    entered: Ints  # R, S, G
    flow: Ints  # R, S, K, G: visits that ended with an outcome
    flow_today: Ints  # R, S, K, G: those of them by people who follow today's routes in another arm
    not_attended: Ints  # R, S, G
    lost: Ints  # R, S, G: not rebooked either
    wait_days: Floats  # R, S: sum of waits from joining to being seen
    delayed: Ints  # R, S: visits that waited at all
    stage_wait: Ints  # R, S, BINS
    slots_used: Ints  # R, S
    slots_offered: Ints  # R, S
    busy_days: Floats  # R, S
    backlog: npt.NDArray[np.int32]  # R, D, S
    clock: Ints  # R, C, BINS
    clock_within: Ints  # R, C
    clock_overdue: Ints  # R, C: not stopped at the end, and over the limit by then
    clock_open: Ints  # R, C: not stopped at the end, and still within the limit
    missed: Ints  # R, E, G: target conditions that left untreated the first time
    found: Ints  # R, 2, G
    found_days: Floats  # R, 2, G: sum of days from referral to treatment
    found_delay: Ints  # R, 2, BINS
    advanced: Ints  # R, 2, G: found at a later stage of disease
    ended: Ints  # R, E, G: the exit by which each was out at the end
    still_in: Ints  # R, S, G
    record_referred: Floats  # R, N (or 0): time in days from the first simulated day
    record_condition: npt.NDArray[np.int16]
    record_case: npt.NDArray[np.int32]
    record_exit: npt.NDArray[np.int16]  # -1: still in
    record_left: Floats
    record_seen: Floats  # R, N, S: the first time that a stage was done; -1 never


def empty_tally(
    replications: int,
    stages: int,
    outcomes: int,
    conditions: int,
    exits: int,
    clocks: int,
    days: int,
    recorded: int = 0,
) -> Tally:
    """Zeros of the shapes that `Tally` names; room for the records of `recorded` people a replication."""
    r, s, k, g, e, c = replications, stages, outcomes, conditions, exits, clocks

    def ints(*shape: int) -> Ints:
        return np.zeros((r, *shape), np.int64)

    def floats(*shape: int) -> Floats:
        return np.zeros((r, *shape), np.float64)

    return Tally(
        ints(g), ints(s, g), ints(s, k, g), ints(s, k, g), ints(s, g), ints(s, g), floats(s), ints(s), ints(s, BINS),
        ints(s), ints(s), floats(s), np.zeros((r, days, s), np.int32), ints(c, BINS), ints(c), ints(c), ints(c),
        ints(e, g), ints(2, g), floats(2, g), ints(2, BINS), ints(2, g), ints(e, g), ints(s, g),
        np.full((r, recorded), -1.0), np.full((r, recorded), -1, np.int16), np.full((r, recorded), -1, np.int32),
        np.full((r, recorded), -1, np.int16), np.full((r, recorded), -1.0), np.full((r, recorded, s), -1.0),
    )  # fmt: skip
