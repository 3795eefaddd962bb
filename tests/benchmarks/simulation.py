"""Speed of referral simulation: python -m tests.benchmarks.simulation [--largest 10000000] [--repeats 5].

year          one year of 20,000 referrals through five stages with servers: ours over many replications, Ciw and SimPy
              over one each, every one of the 20,000 run; first one thread against one process, then all cores of ours
slider step   the pathway skin-usc, 200 replications of its four arms, and when the first piece is there to be shown
growth        one replication of skin-usc with AI, referrals, slots and desks so many times over: time a person, memory
cluster       200 replications of one arm on two worker processes of a Dask cluster, held against those of threads

Needs what the dev extra brings. Times are the least of several, by the clock and of processor time, as others may use
the machine; memory is the peak of a fresh process (Linux).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
from distributed import Client, LocalCluster

from derm_kit.model.card import default_model, load_card
from derm_kit.model.run import read_run
from derm_kit.pathway.definition import Pathway
from derm_kit.pathway.outcomes import Outcomes
from derm_kit.pathway.simulation import simulate
from derm_kit.pathway.stages import ServersStage, SlotsStage
from derm_kit.triage.policy import TriagePolicy
from tests.pathways import MINUTES_A_DAY
from tests.queue_peers import Network, ciw_waits, simpy_waits

REFERRALS, DAYS, LOAD = 20_000, 365, 0.8
SERVERS = (1, 2, 3, 2, 1)
REPLICATIONS = 100
WANTED = {"Ciw": 200, "SimPy": 100}
WANTED_STEP_S, SMALLEST = 1, 100_000


def network() -> Network:
    """Five stages in a row, each busy for LOAD of its time."""
    per_day = REFERRALS / DAYS
    return Network.line(per_day, SERVERS, tuple(LOAD * n * MINUTES_A_DAY / per_day for n in SERVERS))


def least(run: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Least seconds by the clock, and of processor time."""
    clock, processor = [], []
    for _ in range(repeats):
        began, busy = time.perf_counter(), time.process_time()
        run()
        clock.append(time.perf_counter() - began)
        processor.append(time.process_time() - busy)
    return min(clock), min(processor)


def year(repeats: int) -> None:
    """Print replications a second of the same model in three engines."""
    model = network()
    of = model.pathway(DAYS)
    simulate(of, replications=2)
    with ThreadPoolExecutor(1) as one:
        ours, busy = least(lambda: simulate(of, replications=REPLICATIONS, executor=one), repeats)
    cores, _ = least(lambda: simulate(of, replications=REPLICATIONS), repeats)
    ours, busy, cores = ours / REPLICATIONS, busy / REPLICATIONS, cores / REPLICATIONS
    print(
        f"ours:  {1000 * ours:6.1f} ms a replication in one thread ({1000 * busy:.1f} of processor time), "
        f"{1000 * cores:.1f} ms with all cores"
    )
    for name, run in (("Ciw", ciw_waits), ("SimPy", simpy_waits)):
        theirs, their_busy = least(lambda run=run: run(model, DAYS, 0, 1), 3)  # type: ignore[misc]
        print(
            f"{name + ':':6} {1000 * theirs:6.0f} ms a replication ({1000 * their_busy:.0f} of processor time): "
            f"{theirs / ours:.0f} times one thread of ours ({their_busy / busy:.0f} of processor time), "
            f"{theirs / cores:.0f} times all cores; wanted at least {WANTED[name]}"
        )


def skin() -> Callable[..., Outcomes]:
    """Simulation of skin-usc over the shipped reference scores under the default policy."""
    of = Pathway.read("skin-usc")
    run = read_run(default_model() / "reference_scores.parquet")
    policy = TriagePolicy.from_card(load_card(default_model()))
    return lambda pathway=of, **asked: simulate(pathway, run, policy, **asked)


def slider_step(repeats: int) -> None:
    """Print the time of 200 replications of four arms, and until the first piece."""
    run = skin()
    run(replications=2)
    firsts = []

    def step() -> None:
        began = time.perf_counter()
        told: list[float] = []
        run(replications=200, progress=lambda _, __: told.append(time.perf_counter() - began))
        firsts.append(told[0])

    every, busy = least(step, repeats)
    moved, _ = least(lambda: run(replications=200, arms=["AI", "AI + second read"]), repeats)
    print(
        f"slider step: 200 replications of four arms {every:.2f} s ({busy:.2f} of processor time), wanted below "
        f"{WANTED_STEP_S}; the first piece after {1000 * min(firsts):.0f} ms; the two arms that a threshold moves "
        f"alone {moved:.2f} s"
    )


def times_over(of: Pathway, factor: int) -> Pathway:
    """Referrals, slots and desks as many times over."""
    stages: dict[str, object] = dict(of.stages)
    for name, stage in of.stages.items():
        if isinstance(stage, SlotsStage):
            stages[name] = stage.model_copy(update={"slots": {day: factor * n for day, n in stage.slots.items()}})
        elif isinstance(stage, ServersStage):
            stages[name] = stage.model_copy(update={"servers": factor * stage.servers})
    per_week = of.referrals.per_week.model_copy(update={"value": factor * of.referrals.per_week.value})
    return of.model_copy(update={"stages": stages, "referrals": of.referrals.model_copy(update={"per_week": per_week})})


def one_large(referrals: int) -> tuple[float, float, int]:
    """Of a year with so many referrals: nanoseconds of processor time a simulated person, peak memory (MB), people
    counted.
    """
    run, of = skin(), Pathway.read("skin-usc")
    run(replications=1, arms=["AI"])
    large = times_over(of, round(referrals / (of.referrals.per_week.value * 365 / 7)))
    began = time.process_time()
    tally = run(large, replications=1, arms=["AI"]).arms["AI"].tally
    seconds, counted = time.process_time() - began, int(tally.referred.sum())
    simulated = counted * (of.calendar.warm_up_days + 365 + of.calendar.follow_up_days) / 365
    return 1e9 * seconds / simulated, peak_mb(), counted


def peak_mb() -> float:
    """Peak memory of this process; what resource.getrusage says may be that of the process that began it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def growth(largest: int) -> None:
    """Print time and memory as referrals grow tenfold, each in a fresh process."""
    n, first = SMALLEST, None
    while n <= largest:
        script = f"from tests.benchmarks.simulation import one_large; print(*one_large({n}))"
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        each, memory, counted = done.stdout.split()
        first = first or float(each)
        print(
            f"growth: {int(counted):>10,} referrals in a year: {float(each):4.0f} ns a person "
            f"({float(each) / first:.2f} of the first), peak {float(memory):,.0f} MB"
        )
        n *= 10


def cluster() -> None:
    """Print the time on a Dask cluster, and whether it found the same."""
    run = skin()
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as workers,  # type: ignore[no-untyped-call]
        Client(workers) as client,  # type: ignore[no-untyped-call]
    ):
        executor: Executor = client.get_executor()  # type: ignore[no-untyped-call]
        run(replications=20, arms=["AI"], executor=executor)
        found: list[Outcomes] = []
        seconds, _ = least(lambda: found.append(run(replications=200, arms=["AI"], executor=executor)), 3)
    threads, _ = least(lambda: found.append(run(replications=200, arms=["AI"])), 3)
    here, there = found[-1].arms["AI"], found[0].arms["AI"]
    same = all(np.array_equal(a, b) for a, b in zip(here.tally, there.tally, strict=True))
    print(
        f"cluster: {seconds:.2f} s on two workers, {threads:.2f} s in threads; {'the same' if same else 'OTHER'} counts"
    )


def main() -> None:
    """Print times, ratios and growth."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--largest", type=int, default=10_000_000)
    args = parser.parse_args()
    print(f"{len(os.sched_getaffinity(0))} cores, {os.getloadavg()[0]:.1f} processes wanted them in the last minute")
    year(args.repeats)
    slider_step(args.repeats)
    growth(args.largest)
    cluster()


if __name__ == "__main__":
    main()
