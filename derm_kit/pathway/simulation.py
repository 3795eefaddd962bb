"""simulate(): many replications of each arm, over people drawn from real scores, in parallel and always the same."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from derm_kit.errors import PathwayError
from derm_kit.model.run import ScoreRun
from derm_kit.pathway.arrivals import arrival_moments
from derm_kit.pathway.definition import Pathway
from derm_kit.pathway.engine import run as run_engine
from derm_kit.pathway.expected import Expected, expected
from derm_kit.pathway.graph import reached
from derm_kit.pathway.outcomes import ArmOutcomes, Outcomes, joined, pooled
from derm_kit.pathway.patients import Cases, dispositions, expected_referrals, streams
from derm_kit.pathway.plan import Plan, days_of, plan_of
from derm_kit.pathway.tallies import Floats, empty_tally
from derm_kit.triage.policy import TriagePolicy

PIECES, SMALLEST_PIECE, MOST_PEOPLE = 16, 5, 2_000_000
"""Pieces that replications are parted into where each then holds at least so many, and at most so many people."""
NOBODY = np.zeros(0, np.int64)


@dataclass(frozen=True)
class Work:
    """One arm: all that a worker needs to simulate replications of it."""

    arm: str
    plan: Plan
    at_the_mean: Expected
    referrals: Floats  # D
    cases: Cases | None
    disposition: npt.NDArray[np.int64]
    seed: int
    records: bool
    bootstrap: bool
    fingerprint: str


def simulate(
    pathway: Pathway,
    run: ScoreRun | None = None,
    policy: TriagePolicy | None = None,
    *,
    seed: int = 1,
    replications: int = 100,
    arms: Sequence[str] | None = None,
    records: bool = False,
    bootstrap: bool = True,
    executor: Executor | None = None,
    progress: Callable[[int, int], None] | None = None,
    known: Outcomes | None = None,
) -> Outcomes:
    """What becomes of the people referred, arm by arm, over `replications` of the calendar.

    Where a stage reads a policy, people are cases of `run` drawn within their condition, and `policy` decides on each
    as `decide` does, with the arm's own `autonomous`. Each replication first draws the cases of every condition anew
    (with `bootstrap`), so that intervals hold the uncertainty of the cohort. The same seed gives the same people in
    every arm and the same outcomes on any number of workers; `executor` may be any (a Dask client's too), left out: one
    thread for each core. `progress` is told how many replications are done, and of how many; what it raises ends the
    simulation. `records` keeps one row a person. Arms that would come out just as in `known` are taken from there.

    Raises PathwayError where scores or policy are missing, a condition has too few cases, a number is out of range, or
    somebody goes round without end; PolicyError where policy and scores do not belong together.
    """
    chosen = _arms(pathway, arms)
    if not 1 <= replications <= 100_000:
        raise PathwayError(
            "replications are from 1 to 100,000",
            case=pathway.name,
            value=replications,
            next_step="Choose another number.",
        )
    works = _works(pathway, run, policy, chosen, seed, replications, records, bootstrap)
    found = {arm: known.arms[arm] for arm, work in works.items() if known and _same(known.arms.get(arm), work)}
    anew = tuple(work for arm, work in works.items() if arm not in found)
    if progress:
        progress(replications * len(found), replications * len(works))
    if executor:
        done = _together(executor, anew, replications, len(found), progress)
    else:
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            done = _together(threads, anew, replications, len(found), progress)
    for arm, parts in done.items():
        found[arm] = joined([outcome for _, outcome in sorted(parts, key=lambda one: one[0])], works[arm].fingerprint)
    if not pathway.reads_policy:
        run = policy = None
    return Outcomes(pathway, policy, seed, replications, {arm: found[arm] for arm in chosen}, run)


def _arms(pathway: Pathway, arms: Sequence[str] | None) -> list[str]:
    unknown = [arm for arm in arms or () if arm not in pathway.arms]
    if unknown:
        raise PathwayError(
            "an arm is one of the pathway's",
            case=pathway.name,
            value=unknown[0],
            next_step=f"Choose from: {', '.join(pathway.arms)}.",
        )
    return [arm for arm in pathway.arms if arms is None or arm in arms]


def _same(known: ArmOutcomes | None, work: Work) -> bool:
    return known is not None and known.fingerprint == work.fingerprint


def _works(
    pathway: Pathway,
    run: ScoreRun | None,
    policy: TriagePolicy | None,
    arms: list[str],
    seed: int,
    replications: int,
    records: bool,
    bootstrap: bool,
) -> dict[str, Work]:
    """All that is to be done for each arm."""
    cases, decided = None, {}
    if pathway.reads_policy:
        if run is None or policy is None:
            raise PathwayError(
                "a pathway with a stage that reads a policy needs scores and a policy",
                case=pathway.name,
                next_step="Give a run and a policy.",
            )
        cases = Cases.of(pathway, run)
        for autonomous in {pathway.arms[arm].autonomous for arm in arms}:
            decided[autonomous] = dispositions(run, policy.changed(autonomous=autonomous))
    referrals = expected_referrals(pathway.referrals, days_of(pathway))
    works = {}
    for arm in arms:
        plan = plan_of(pathway, arm)
        disposition = decided.get(pathway.arms[arm].autonomous, NOBODY)
        reads = any(pathway.stages[stage].reads == "policy" for stage in reached(pathway, pathway.arms[arm]))
        works[arm] = Work(
            arm, plan, expected(plan), referrals, cases, disposition, seed, records, bootstrap,
            _fingerprint(
                plan, referrals, cases, disposition if reads else NOBODY, seed, replications, records, bootstrap
            ),
        )  # fmt: skip
    return works


def _fingerprint(
    plan: Plan, referrals: Floats, cases: Cases | None, disposition: npt.NDArray[np.int64], *settings: int
) -> str:
    """SHA-256 of everything that an arm's outcomes depend on."""
    said = hashlib.sha256(repr(settings).encode())
    for part in (*plan, referrals, cases.condition if cases else NOBODY, disposition):
        array = np.asarray(part)
        said.update(f"{array.dtype}{array.shape}".encode())
        said.update(np.ascontiguousarray(array).tobytes())
    return said.hexdigest()


def _together(
    executor: Executor,
    works: tuple[Work, ...],
    replications: int,
    known: int,
    progress: Callable[[int, int], None] | None,
) -> dict[str, list[tuple[int, ArmOutcomes]]]:
    """Outcomes of each arm with the first replication of each piece; all arms grow together."""
    pieces = _pieces(replications, float(works[0].referrals.sum())) if works else []
    futures: dict[Future[dict[str, ArmOutcomes]], range] = {
        executor.submit(simulate_piece, works, piece): piece for piece in pieces
    }
    done: dict[str, list[tuple[int, ArmOutcomes]]] = {}
    n_done = replications * known
    try:
        for future in as_completed(futures):
            piece = futures[future]
            for arm, outcomes in future.result().items():
                done.setdefault(arm, []).append((piece.start, outcomes))
            n_done += len(piece) * len(works)
            if progress:
                progress(n_done, replications * (known + len(works)))
    finally:
        for future in futures:
            future.cancel()
    return done


def _pieces(replications: int, people: float) -> list[range]:
    """Parts of the replications, of `people` each."""
    size = min(max(SMALLEST_PIECE, replications // PIECES), max(1, int(MOST_PEOPLE / max(people, 1))))
    return [range(at, min(at + size, replications)) for at in range(0, replications, size)]


@dataclass(frozen=True)
class _People:
    """Who is referred in some replications R, the same for every arm, as `engine.run` takes it."""

    keys: npt.NDArray[np.uint64]
    arrivals: npt.NDArray[np.int64]
    moments: Floats
    sample: npt.NDArray[np.int64]
    bounds: npt.NDArray[np.int64]

    @classmethod
    def of(cls, work: Work, replications: range) -> _People:
        n, cases = len(replications), work.cases
        keys, arrivals = np.empty(n, np.uint64), np.empty((n, work.referrals.size), np.int64)
        bounds = cases.bounds if cases else np.zeros(work.plan.condition_until.size + 1, np.int64)
        sample = np.zeros((n, int(bounds[-1])), np.int64)
        for i, replication in enumerate(replications):
            keys[i], rng = streams(work.seed, replication)
            arrivals[i] = rng.poisson(work.referrals)
            if cases:
                sample[i] = cases.sample(rng) if work.bootstrap else cases.in_order
        moments = arrival_moments(keys, arrivals, work.plan.hour_from, work.plan.hour_to)
        return cls(keys, arrivals, moments, sample, bounds)


def simulate_piece(works: Sequence[Work], replications: range) -> dict[str, ArmOutcomes]:
    """Some replications of each arm."""
    people = _People.of(works[0], replications)
    return {work.arm: _arm(work, people) for work in works}


def _arm(work: Work, people: _People) -> ArmOutcomes:
    # Arrays of one's own: those from another process may be read-only, for which the engine would be compiled again.
    plan = Plan._make(np.array(part) if isinstance(part, np.ndarray) else part for part in work.plan)
    _, stages, outcomes = plan.to.shape
    counted = slice(plan.first_day, plan.last_day + 1)
    tally = empty_tally(
        len(people.keys), stages, outcomes, plan.condition_until.size, plan.treated.size, plan.clock_starts.shape[0],
        work.referrals.size, int(people.arrivals[:, counted].sum(axis=1).max()) if work.records else 0,
    )  # fmt: skip
    disposition = np.array(work.disposition)
    if run_engine(plan, people.keys, people.arrivals, people.moments, people.sample, people.bounds, disposition, tally):
        raise PathwayError(
            "everybody leaves after at most 1,000 visits",
            case=work.arm,
            value="somebody goes round and round",
            next_step="Give the loop of stages a way out that is taken more often.",
        )
    return pooled(tally, _missed_prob(work, people.sample, people.bounds))


def _missed_prob(work: Work, sample: npt.NDArray[np.int64], bounds: npt.NDArray[np.int64]) -> Floats:
    """Chance (R, G) of each condition's people to leave untreated the first time, given each replication's cases."""
    found = work.at_the_mean
    shares = np.ones((len(sample), *found.visits.shape[:2]))
    if shares.shape[2] > 1:
        shape, counts = shares.shape, np.diff(bounds)
        condition = np.repeat(np.arange(shape[1]), counts)
        place = np.ravel_multi_index((np.arange(shape[0])[:, None], condition, work.disposition[sample]), shape)
        shares = np.bincount(place.ravel(), minlength=shares.size).reshape(shape) / np.maximum(counts, 1)[:, None]
    return found.missed_prob(shares, np.asarray(work.plan.treated))
