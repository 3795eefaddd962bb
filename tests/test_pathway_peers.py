"""The simulation engine beside Ciw and SimPy: the same networks give the same waits, and the same people."""

from __future__ import annotations

import math

import ciw
import numpy as np
import pytest

from derm_kit.pathway.patients import streams
from derm_kit.pathway.random_numbers import uniform
from derm_kit.pathway.simulation import simulate
from tests.pathways import MINUTES_A_DAY, clinic, desk, mean_and_error, only_arm, pathway, recorded
from tests.queue_peers import Network, ciw_visits, ciw_waits, simpy_visits, simpy_waits

# Two servers, then three; of each hundred at the first 70 go on, and 10 of a hundred at the second come back.
NETWORK = Network(300, (2, 3), (5.5, 11), ((0.0, 0.7), (0.1, 0.0)))
PEERS = {"Ciw": (ciw_waits, 16), "SimPy": (simpy_waits, 24)}
DAYS, WARM_UP_DAYS = 20, 2


@pytest.fixture(scope="module")
def our_waits():
    tally = only_arm(simulate(NETWORK.pathway(40, WARM_UP_DAYS), replications=200, seed=3)).tally
    return tally.wait_days / tally.flow.sum(axis=(2, 3))


@pytest.mark.parametrize("peer", PEERS)
def test_mean_waits_of_a_network_as_peers_have_them(our_waits, peer):
    run, replications = PEERS[peer]
    theirs = np.array([run(NETWORK, DAYS, WARM_UP_DAYS, seed) for seed in range(replications)])
    for stage in range(2):
        ours, our_error = mean_and_error(our_waits[:, stage])
        mean, error = mean_and_error(theirs[:, stage])
        both = math.hypot(our_error, error)
        assert 4 * both < 0.2 * ours, f"4 errors are {4 * both / ours:.1%}"
        assert abs(ours - mean) < 4 * both


SEED, STAGE_TAGS, VISIT_TAGS, FIRST_TAG, OUTCOME = 5, 8 * 32_768, 8, 64, 1


def drawn(person, stage, visit, what):
    """The number that the engine draws for a visit."""
    return uniform(streams(SEED, 0)[0], person, stage * STAGE_TAGS + visit * VISIT_TAGS + FIRST_TAG + what)


def service(minutes):
    """Exponential service in days, by the engine's numbers."""
    return lambda person, stage, visit: -minutes[stage] / MINUTES_A_DAY * math.log1p(-drawn(person, stage, visit, 0))


def routes(people, onward):
    """The stages after the first of each person, by the engine's numbers."""
    found = []
    for person in range(people):
        at, visits, way = 0, [0] * len(onward), []
        while at is not None:
            u, visits[at] = drawn(person, at, visits[at], OUTCOME), visits[at] + 1
            until = np.cumsum(onward[at])
            at = next((to for to in range(len(onward)) if u < until[to]), None)
            way += [at] if at is not None else []
        found.append(way)
    return found


def firsts(visits, stage, people, moment):
    """When each person's first visit to a stage began (2) or ended (3); -1 for never."""
    found = np.full(people, -1.0)
    for visit in reversed(visits):
        if visit[1] == stage:
            found[visit[0]] = visit[moment]
    return found


@pytest.mark.parametrize("peer", [ciw_visits, simpy_visits])
def test_the_same_people_are_served_at_the_same_moments(peer):
    """With our arrivals, service times and ways given to it, the peer serves every person when our engine does."""
    arm = recorded(NETWORK.pathway(12), seed=SEED)
    people = int(arm.tally.referred.sum())
    arrivals = arm.tally.record_referred[0, :people]
    ways = routes(people, NETWORK.onward)
    visits = peer(arrivals, list(NETWORK.servers), ways, service(NETWORK.minutes))
    assert len(visits) == people + sum(map(len, ways)) == arm.tally.flow.sum()
    for stage in range(2):
        assert firsts(visits, stage, people, 3) == pytest.approx(arm.tally.record_seen[0, :people, stage], abs=1e-9)
    joined, waits = {}, np.zeros(2)
    for person, stage, began, ended in sorted(visits, key=lambda visit: visit[2]):
        waits[stage] += began - joined.get(person, arrivals[person])
        joined[person] = ended
    assert waits == pytest.approx(arm.tally.wait_days[0], abs=1e-6)


@pytest.mark.parametrize("peer", [ciw_visits, simpy_visits])
def test_a_desk_and_a_clinic_with_slots_see_the_same_people_on_the_same_days(peer):
    """A queue in continuous time, then so many slots at the end of each day of the week (Ciw's slotted services)."""
    week = {"mon": 28, "tue": 6, "wed": 0, "thu": 22, "fri": 3, "sat": 9, "sun": 0}
    sizes, minutes = list(week.values()), (70.0, 0.0)
    of = pathway({"desk": desk(1, minutes[0], then="clinic"), "clinic": clinic(week)}, per_week=84)
    arm = recorded(of, seed=SEED)
    people = int(arm.tally.referred.sum())
    arrivals = arm.tally.record_referred[0, :people]
    servers = [1, ciw.Slotted(slots=[float(d) for d in range(1, 8)], slot_sizes=sizes) if peer is ciw_visits else sizes]
    visits = peer(arrivals, servers, [[1]] * people, service(minutes))
    assert firsts(visits, 0, people, 3) == pytest.approx(arm.tally.record_seen[0, :people, 0], abs=1e-9)
    days = firsts(visits, 1, people, 2) - 1
    assert len(set(days - np.floor(arrivals))) > 4
    assert np.floor(arm.tally.record_seen[0, :people, 1]).tolist() == days.tolist()
