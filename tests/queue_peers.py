"""Networks of queues as Ciw and SimPy run them, and as pathways: the same model three times."""

from __future__ import annotations

import random
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import ciw
import numpy as np
import numpy.typing as npt
import simpy

from derm_kit.pathway.definition import Pathway
from tests.pathways import MINUTES_A_DAY, desk, pathway

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Network:
    """Stages S with servers, exponential service and Poisson arrivals at the first; `onward` (S, S) are the chances of
    going on from stage to stage, the rest leave.
    """

    per_day: float
    servers: tuple[int, ...]
    minutes: tuple[float, ...]
    onward: tuple[tuple[float, ...], ...]

    @classmethod
    def line(cls, per_day: float, servers: tuple[int, ...], minutes: tuple[float, ...]) -> Network:
        """Every stage after the one before."""
        n = len(servers)
        return cls(per_day, servers, minutes, tuple(tuple(float(j == i + 1) for j in range(n)) for i in range(n)))

    def pathway(self, days: int, warm_up_days: int = 0) -> Pathway:
        """The same as a pathway, with people counted for `days` after the warm-up."""
        stages = {}
        for s, (servers, minutes, row) in enumerate(zip(self.servers, self.minutes, self.onward, strict=True)):
            shares = {f"stage {to}": share for to, share in enumerate(row)} | {"out": 1 - sum(row)}
            taken = {to: share for to, share in shares.items() if share}
            several = {"reads": {"all": taken}, "routes": {to: to for to in taken}} if len(taken) > 1 else {}
            stages[f"stage {s}"] = desk(servers, minutes, then=next(iter(taken)), **several)
        return pathway(
            stages,
            per_week=7 * self.per_day,
            time_unit="minutes",
            calendar={"days": days, "warm_up_days": warm_up_days, "follow_up_days": 5},
        )


def ciw_waits(network: Network, days: float, warm_up_days: float, seed: int) -> Floats:
    """Mean wait in days at each stage (S,) of those who join after the warm-up, by Ciw."""
    n = len(network.servers)
    ciw.seed(seed)
    simulation = ciw.Simulation(
        ciw.create_network(
            arrival_distributions=[ciw.dists.Exponential(network.per_day), *[None] * (n - 1)],
            service_distributions=[ciw.dists.Exponential(MINUTES_A_DAY / minutes) for minutes in network.minutes],
            number_of_servers=list(network.servers),
            routing=[list(row) for row in network.onward],
        )
    )
    simulation.simulate_until_max_time(warm_up_days + days)
    waits: list[list[float]] = [[] for _ in range(n)]
    for record in simulation.get_all_records():
        if record.arrival_date >= warm_up_days:
            waits[record.node - 1].append(record.waiting_time)
    return np.array([np.mean(own) for own in waits])


def simpy_waits(network: Network, days: float, warm_up_days: float, seed: int) -> Floats:
    """The same by SimPy."""
    rng = random.Random(seed)
    environment = simpy.Environment()
    desks = [simpy.Resource(environment, servers) for servers in network.servers]
    n = len(desks)
    waits: list[list[float]] = [[] for _ in range(n)]

    def person() -> Generator[Any, Any, None]:
        at: int | None = 0
        while at is not None:
            joined = environment.now
            with desks[at].request() as turn:
                yield turn
                if joined >= warm_up_days:
                    waits[at].append(environment.now - joined)
                yield environment.timeout(rng.expovariate(MINUTES_A_DAY / network.minutes[at]))
            u, to = rng.random(), None
            for place, share in enumerate(network.onward[at]):
                if u < share:
                    to = place
                    break
                u -= share
            at = to

    def arrivals() -> Generator[Any, Any, None]:
        while True:
            yield environment.timeout(rng.expovariate(network.per_day))
            environment.process(person())

    environment.process(arrivals())
    environment.run(until=warm_up_days + days)
    return np.array([np.mean(own) for own in waits])


Visit = tuple[int, int, float, float]
"""Person from 0, stage, when service began, when it ended."""


def ciw_visits(
    arrivals: Floats, servers: list[Any], routes: list[list[int]], service: Callable[[int, int, int], float]
) -> list[Visit]:
    """Visits by Ciw of people whose times of arrival, ways (stages after the first) and service days are given.

    `service` has them by person, stage and number of visits there before. `servers` may hold Ciw's schedules.
    """

    class Given(ciw.dists.Distribution):  # type: ignore[misc]
        def __init__(self, stage: int) -> None:
            self.stage, self.visits = stage, [0] * len(arrivals)

        def sample(self, t: float | None = None, ind: Any = None) -> float:
            person = ind.id_number - 1
            self.visits[person] += 1
            return service(person, self.stage, self.visits[person] - 1)

    gaps = [*np.diff(arrivals, prepend=0).tolist(), float("inf")]
    simulation = ciw.Simulation(
        ciw.create_network(
            arrival_distributions=[ciw.dists.Sequential(gaps), *[None] * (len(servers) - 1)],
            service_distributions=[Given(stage) for stage in range(len(servers))],
            number_of_servers=servers,
            routing=ciw.routing.ProcessBased(lambda one, _: [s + 1 for s in routes[one.id_number - 1]]),
        )
    )
    simulation.simulate_until_max_time(arrivals[-1] + 1_000)
    return sorted(
        (record.id_number - 1, record.node - 1, record.service_start_date, record.service_end_date)
        for record in simulation.get_all_records()
    )


def simpy_visits(
    arrivals: Floats, servers: list[Any], routes: list[list[int]], service: Callable[[int, int, int], float]
) -> list[Visit]:
    """The same by SimPy; in the place of a number of servers, slots on each day of a week stand for a clinic."""
    environment = simpy.Environment()
    visits: list[Visit] = []
    desks = [simpy.Resource(environment, n) if isinstance(n, int) else simpy.Store(environment) for n in servers]

    def person(one: int) -> Generator[Any, Any, None]:
        yield environment.timeout(arrivals[one])
        before = [0] * len(servers)
        for stage in (0, *routes[one]):
            if isinstance(servers[stage], int):
                with desks[stage].request() as turn:
                    yield turn
                    began = environment.now
                    yield environment.timeout(service(one, stage, before[stage]))
            else:
                called = environment.event()
                desks[stage].put(called)
                yield called
                began = environment.now
            before[stage] += 1
            visits.append((one, stage, began, environment.now))

    def day_by_day(stage: int) -> Generator[Any, Any, None]:
        queue = desks[stage]
        for day in range(int(arrivals[-1]) + 1_000):
            yield environment.timeout(day + 1 - environment.now)
            for _ in range(min(servers[stage][day % 7], len(queue.items))):
                queue.items.pop(0).succeed()

    for one in range(len(arrivals)):
        environment.process(person(one))
    for stage, n in enumerate(servers):
        if not isinstance(n, int):
            environment.process(day_by_day(stage))
    environment.run()
    return sorted(visits)
