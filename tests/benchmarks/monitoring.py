"""Speed of surveillance: python -m tests.benchmarks.monitoring [--sizes 300000 3000000] [--repeats 8] [--trials 40].

years       five years of a national service of 30 sites, written as a feed by a made-up service (see
            surveillance.scenarios); a fresh process loads it and recomputes everything that is watched
page step   a trust of 100,000 cases: one site is chosen, its rates and signals are made again
promises    false alarms of the monthly looks over services in which nothing changes, held against their promise

Memory is the peak of the fresh process (Linux). Others may use the machine: its load is printed, and processor time.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from derm_kit.surveillance.choice import Chosen, part_of
from derm_kit.surveillance.deliveries import read_feed, write_feed
from derm_kit.surveillance.drift_trials import in_control
from derm_kit.surveillance.false_alarms import WANTED_MONTHS
from derm_kit.surveillance.feed import Feed
from derm_kit.surveillance.input_drift import InputDriftPlan, input_drift
from derm_kit.surveillance.known_outcomes import known_outcomes, standing
from derm_kit.surveillance.late_outcomes import late_outcomes
from derm_kit.surveillance.plan import Plan
from derm_kit.surveillance.quality_drift import quality_drift
from derm_kit.surveillance.rates import rates
from derm_kit.surveillance.scenario_service import NATIONAL, TRUST
from derm_kit.surveillance.scenarios import Scenario, planted_feed
from derm_kit.surveillance.signals import signals
from derm_kit.surveillance.watched import Watched
from tests.peak import peak_mb

T = TypeVar("T")
STEP = "rates, part and signals together"
SIZES = (300_000, 1_000_000, 3_000_000)
WANTED_S, WANTED_GB, WANTED_STEP_MS = 20, 4, 300


def taken(run: Callable[[], T]) -> tuple[T, float, float]:
    """What `run` gives, its seconds by the clock and of processor time."""
    began, busy = time.perf_counter(), time.process_time()
    made = run()
    return made, time.perf_counter() - began, time.process_time() - busy


def recompute(folder: Path) -> None:
    """In a fresh process: load a feed, recompute everything, print the seconds of each part and the peak as JSON."""
    seconds: dict[str, tuple[float, float]] = {}
    feed, *seconds["load"] = taken(lambda: read_feed(folder))
    stands, *seconds["outcomes that stand"] = taken(lambda: standing(feed))
    steps: dict[str, Callable[[], object]] = {
        "rates": lambda: rates(Watched(feed, known_outcomes(feed, stands=stands))),
        "signals": lambda: signals(feed, stands=stands),
        "quality and mix": lambda: quality_drift(feed),
        "late outcomes": lambda: late_outcomes(feed),
        "input drift": lambda: input_drift(feed),
    }
    for name, step in steps.items():
        _, *seconds[name] = taken(step)
    peak_gb = peak_mb() / 1e3
    sys.stdout.write(json.dumps({"cases": len(feed.cases), "seconds": seconds, "peak_gb": peak_gb}))


def years(sizes: list[int]) -> None:
    """Print the seconds and the peak at each size."""
    print(f"years: {len(NATIONAL.sites)} sites, {NATIONAL.years} years, {Scenario.SILENT_MODEL_CHANGE} planted")
    for size in sizes:
        service = dataclasses.replace(NATIONAL, cases_a_year=size // NATIONAL.years)
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / "feed"
            (feed, _), made_s, _ = taken(partial(planted_feed, Scenario.SILENT_MODEL_CHANGE, service))
            _, written_s, _ = taken(partial(write_feed, feed, folder))
            outcomes = len(feed.outcomes)
            del feed
            command = [sys.executable, "-m", "tests.benchmarks.monitoring", "--recompute", str(folder)]
            said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        found = json.loads(said)
        total, busy = np.sum(list(found["seconds"].values()), axis=0)
        parts = ", ".join(f"{name} {clock:.1f}" for name, (clock, _) in found["seconds"].items())
        verdict = f"wanted below {WANTED_S} s and {WANTED_GB} GB" if size == max(SIZES) else ""
        print(
            f"  {found['cases']:>9,} cases, {outcomes:>9,} outcomes: {total:5.1f} s by the clock "
            f"({1e6 * total / size:.1f} us a case; {parts}), {busy:.1f} s of processor time, "
            f"peak {found['peak_gb']:.2f} GB {verdict}"
        )
        print(f"            made up in {made_s:.1f} s, written in {written_s:.1f} s")


def page_step(repeats: int) -> None:
    """Print the milliseconds of one step on a trust's feed: a site is chosen, and all comes again."""
    feed, _ = planted_feed(Scenario.SILENT_MODEL_CHANGE, TRUST)
    watched, parts = Watched(feed, known_outcomes(feed)), list[Feed]()
    steps: dict[str, Callable[[Chosen], object]] = {
        "rates": lambda chosen: rates(watched, chosen),
        "part of the feed": lambda chosen: parts.append(part_of(feed, chosen)),
        "signals": lambda _: signals(parts[-1], Plan(drawn_cases=0)),
        "quality and mix": lambda _: quality_drift(parts[-1]),
        "late outcomes": lambda _: late_outcomes(parts[-1]),
        "input drift": lambda _: input_drift(parts[-1]),
    }
    ms: dict[str, list[float]] = {name: [] for name in (*steps, STEP)}
    for k in range(repeats):
        chosen = Chosen(sites=(TRUST.sites[k % len(TRUST.sites)],))
        for name, step in steps.items():
            ms[name].append(1e3 * taken(partial(step, chosen))[1])
        ms[STEP].append(sum(ms[name][-1] for name in ("rates", "part of the feed", "signals")))
    print(f"page step on {len(feed.cases):,} cases, one site chosen, {repeats} steps; run lengths exact, none drawn")
    for name, times in ms.items():
        wanted = f"   wanted below {WANTED_STEP_MS}" if name == STEP else ""
        print(f"  {name:<34} least {min(times):5.0f} ms, median {np.median(times):5.0f}, first {times[0]:5.0f}{wanted}")


def promises(trials: int) -> None:
    """Print how often each monthly look alarms while nothing changes."""
    classifier = InputDriftPlan(test="classifier")
    watches = {
        "quality and mix": (lambda feed: quality_drift(feed).looks, False, trials),
        "late outcomes": (lambda feed: late_outcomes(feed).drift.looks, False, trials),
        "input drift, discrepancy": (lambda feed: input_drift(feed).looks, True, trials),
        "input drift, classifier": (lambda feed: input_drift(feed, classifier).looks, True, max(trials // 2, 1)),
    }
    print(f"promises: services in control like {TRUST.name}, {TRUST.n_cases:,} cases in {TRUST.years} years")
    for name, (looks, features, runs) in watches.items():
        found = in_control(looks, WANTED_MONTHS, runs=runs, seed=1_000, features=features)
        print(f"  {name}: {found.sentence}{'' if found.kept else ' NOT KEPT'}")


def main() -> None:
    """Print all of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), help="cases of the national service")
    parser.add_argument("--repeats", type=int, default=8, help="page steps")
    parser.add_argument("--trials", type=int, default=40, help="services in control")
    parser.add_argument("--recompute", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.recompute:
        recompute(given.recompute)
        return
    print(f"{len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}")
    years(given.sizes)
    page_step(given.repeats)
    promises(given.trials)


if __name__ == "__main__":
    main()
