"""The simulation engine against theory: queues with known answers, and day loops written out a second time."""

from __future__ import annotations

import heapq
import math
from datetime import date, timedelta

import numpy as np
import pytest
from scipy import stats

from derm_kit.pathway.engine import END_OF_DAY
from derm_kit.pathway.quantities import Duration
from derm_kit.pathway.random_numbers import TIME_KINDS, duration, normal_quantile, uniform
from derm_kit.pathway.simulation import simulate
from tests.pathways import (
    JANUARY_ONLY,
    MINUTES_A_DAY,
    assert_is,
    clinic,
    desk,
    mean_waits,
    only_arm,
    pathway,
    recorded,
    sorting,
)

# Erlang C: servers, offered load in erlangs, chance of waiting, mean number waiting, visits that make the test sharp.
ERLANG_C = [
    (1, 0.8, 0.8, 3.2, 1_600_000),
    (2, 1.6, 0.711111, 2.844444, 1_600_000),
    (5, 4, 0.554113, 2.216450, 2_000_000),
    (10, 8, 0.409180, 1.636721, 6_000_000),
    (10, 9, 0.668732, 6.018584, 12_000_000),
]
SERVICE_MINUTES = 5


def queue(servers: int, erlangs: float, visits: int, time: dict | None = None, replications: int = 16, seed: int = 6):
    """A stage that is never closed, with Poisson arrivals that bring `erlangs` of work."""
    a_day = erlangs * MINUTES_A_DAY / SERVICE_MINUTES
    of = pathway(
        {"desk": desk(servers, time or SERVICE_MINUTES)},
        per_week=7 * a_day,
        time_unit="minutes",
        calendar={"days": math.ceil(visits / replications / a_day), "warm_up_days": 12, "follow_up_days": 4},
    )
    return only_arm(simulate(of, seed=seed, replications=replications)), a_day


@pytest.mark.parametrize(("servers", "erlangs", "waits_prob", "waiting", "visits"), ERLANG_C)
def test_erlang_c(servers, erlangs, waits_prob, waiting, visits):
    arm, a_day = queue(servers, erlangs, visits)
    seen = arm.tally.flow[:, 0].sum(axis=(1, 2))
    assert_is(arm.tally.delayed[:, 0] / seen, waits_prob)
    assert_is(mean_waits(arm) * a_day, waiting)
    assert_is(arm.tally.busy_days[:, 0] * a_day / seen, erlangs, sharp=0.02)


def test_waits_of_erlang_c_spread_as_they_should():
    """Of M/M/5, P(wait > t) = P(wait > 0) exp(-(5 / service - arrivals) t); Kleinrock, Queueing Systems, 1975."""
    minutes, longer = np.array([1, 2, 5, 10]), []
    for seed in range(24):
        arm, a_day = queue(5, 4, 120_000, replications=1, seed=seed)
        counts = arm.tally.stage_wait[0, 0]
        longer.append(1 - np.cumsum(counts)[minutes - 1] / counts.sum())
    rate = 5 / SERVICE_MINUTES - a_day / MINUTES_A_DAY
    for place, wanted in enumerate(0.554113 * np.exp(-rate * minutes)):
        assert_is(np.array(longer)[:, place], wanted, sharp=0.08)


def test_md1():
    arm, a_day = queue(1, 0.8, 1_600_000, {"mean": SERVICE_MINUTES})
    assert_is(mean_waits(arm) * a_day, 1.6)


@pytest.mark.parametrize(
    ("time", "second_moment"),
    [
        ({"distribution": "uniform", "low": 2, "high": 8}, (64 + 16 + 4) / 3),
        ({"distribution": "triangular", "low": 1, "mode": 3, "high": 11}, (1 + 9 + 121 + 3 + 11 + 33) / 6),
        ({"distribution": "lognormal", "mean": 5, "sd": 3}, 25 + 9),
    ],
)
def test_mg1_of_each_service_time(time, second_moment):
    """Pollaczek and Khinchine: mean wait = arrival rate x second moment of service / (2 (1 - load))."""
    arm, a_day = queue(1, 0.8, 1_600_000, time)
    rate = a_day / MINUTES_A_DAY
    assert_is(mean_waits(arm) * MINUTES_A_DAY, rate * second_moment / (2 * (1 - 0.8)))


def test_two_priorities_of_one_server():
    """Cobham (Operations Research, 1954): the urgent wait R / (1 - u), all others R / ((1 - u)(1 - load))."""
    share, load = 0.4, 0.75
    a_day = load * MINUTES_A_DAY / SERVICE_MINUTES
    shares = {"urgent": {"urgent": 1}, "routine": {"routine": 1}}
    routes = {name: {"to": "desk", "priority": name} for name in shares}
    of = pathway(
        {"sort": sorting(shares, routes), "desk": desk(1, SERVICE_MINUTES)},
        per_week=7 * a_day,
        priorities=("urgent", "routine"),
        conditions={"urgent": {"share": share}, "routine": {"share": 1 - share}},
        calendar={"days": 300, "warm_up_days": 10, "follow_up_days": 4},
    )
    tally = only_arm(simulate(of, seed=2, replications=16, records=True)).tally
    residual, urgent = load * SERVICE_MINUTES, share * load
    for g, wanted in ((0, residual / (1 - urgent)), (1, residual / ((1 - urgent) * (1 - load)))):
        means = []
        for r in range(16):
            own = (tally.record_condition[r] == g) & (tally.record_seen[r, :, 1] >= 0)
            spent = tally.record_seen[r, own, 1] - tally.record_referred[r, own]
            means.append(spent.mean() * MINUTES_A_DAY - SERVICE_MINUTES)
        assert_is(np.array(means), wanted)


WEEKS = [14, {"mon": 30, "wed": 25, "fri": 20}, {"sat": 40, "sun": 40}, {"thu": 71}]
HOLIDAYS = ("2026-01-01", "2026-01-07", "2026-01-10", "2026-01-15", "2026-01-16")
DAYS = [date(2026, 1, 1) + timedelta(days=i) for i in range(120)]
PLACE = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def slots_by_day(week, *, holidays=True):
    """Slots on each of DAYS, from the dates themselves."""
    week = dict.fromkeys(PLACE[:5], week) if isinstance(week, int) else week
    closed = {date.fromisoformat(day) for day in HOLIDAYS} if holidays else set()
    return np.array([0 if day in closed else week.get(PLACE[day.weekday()], 0) for day in DAYS])


def january(stages, **fields):
    """People arrive in January only, so that all who ever come are counted and leave."""
    return pathway(
        stages,
        calendar={"start": "2026-01-01", "days": 120, "follow_up_days": 0, "holidays": HOLIDAYS},
        referrals={"by_month": JANUARY_ONLY, "by_weekday": {"mon": 3, "tue": 1, "fri": 1, "sat": 0.5}},
        **fields,
    )


@pytest.mark.parametrize("week", WEEKS)
def test_backlog_of_slots_is_the_lindley_recursion(week):
    """Lindley (1952) by the day: waiting tonight = max(waiting last night + arrived - slots, 0), exactly."""
    for seed in range(5):
        arm = recorded(january({"clinic": clinic(week)}, per_week=8), seed=seed)
        arrived = np.bincount(np.floor(arm.tally.record_referred[0]).astype(int), minlength=len(DAYS))
        slots, queue, waiting = slots_by_day(week), [], 0
        for day in range(len(DAYS)):
            waiting = max(waiting + arrived[day] - slots[day], 0)
            queue.append(waiting)
        assert queue[-1] == 0
        n = np.flatnonzero(arm.tally.backlog[0, :, 0] >= 0)[-1] + 1
        assert arm.tally.backlog[0, :n, 0].tolist() == queue[:n]
        seen_on = np.repeat(np.arange(len(DAYS)), arrived - np.diff(queue, prepend=0))
        assert np.floor(arm.tally.record_seen[0, :, 0]).tolist() == seen_on.tolist()
        waits = seen_on - np.floor(arm.tally.record_referred[0])
        assert arm.tally.wait_days[0, 0] == waits.sum() == sum(queue)
        assert arm.tally.delayed[0, 0] == (waits > 0).sum()
        assert arm.tally.stage_wait[0, 0, :40].tolist() == np.bincount(waits.astype(int), minlength=40).tolist()
        assert arm.stage_quantiles[0, 0].tolist() == [np.sort(waits)[math.ceil(q * len(waits)) - 1] for q in (0.5, 0.9)]


def day_loop(joined, priority, slots, kept, kept_until, lead_days, released):
    """On which day each person is seen: the words of SlotsStage and CarveOut as a plain loop, -1 for never."""
    seen = np.full(len(joined), -1)
    order = sorted(range(len(joined)), key=lambda i: (priority[i], joined[i]))
    for day in range(len(slots)):
        left, left_kept = slots[day], kept[day]
        for stage_of_day in ("own slots", "released") if released else ("own slots",):
            if stage_of_day == "released":
                left, left_kept = left + left_kept, 0
            for i in order:
                if seen[i] >= 0 or math.floor(joined[i]) + lead_days > day:
                    continue
                if priority[i] <= kept_until and left_kept:
                    left_kept, seen[i] = left_kept - 1, day
                elif left:
                    left, seen[i] = left - 1, day
    return seen


@pytest.mark.parametrize("released", [True, False])
@pytest.mark.parametrize(("kept_for", "lead_days"), [("urgent", 0), ("soon", 2), ("routine", 5)])
@pytest.mark.parametrize("open_on_holidays", [True, False])
def test_priorities_and_carve_out_person_by_person(released, kept_for, lead_days, open_on_holidays):
    names = ("urgent", "soon", "routine")
    week, carved = {"mon": 9, "tue": 2, "thu": 7, "sat": 3}, {"mon": 3, "wed": 4, "fri": 2}
    of = january(
        {
            "sort": sorting({n: {n: 1} for n in names}, {n: {"to": "clinic", "priority": n} for n in names}),
            "clinic": clinic(
                week,
                lead_days=lead_days,
                carve_out={"priority": kept_for, "slots": carved, "released": released},
                open_on_holidays=open_on_holidays,
            ),
        },
        priorities=names,
        conditions={"urgent": {"share": 0.25}, "soon": {"share": 0.25}, "routine": {"share": 0.5}},
        per_week=2.2,
    )
    for seed in range(3):
        tally = recorded(of, seed=seed).tally
        slots, kept = (slots_by_day(w, holidays=not open_on_holidays) for w in (week, carved))
        joined, priority = tally.record_referred[0], tally.record_condition[0]
        wanted = day_loop(joined, priority, slots, kept, names.index(kept_for), lead_days, released)
        assert len(set(wanted - np.floor(joined))) > 5
        assert np.floor(tally.record_seen[0, :, 1]).tolist() == wanted.tolist()
        assert tally.slots_used[0, 1] == len(wanted)
        n = np.flatnonzero(tally.backlog[0, :, 1] >= 0)[-1] + 1
        assert tally.slots_offered[0, 1] == (slots + kept)[:n].sum()


def opening_minutes(time, opens, closes, weekdays, holidays):
    """Minutes of work that lie between the start of DAYS[0] and `time` (days); none on `holidays`."""
    is_open = [day.weekday() in weekdays and str(day) not in holidays for day in DAYS]
    whole = math.floor(time)
    session = (closes - opens) * 60
    past = sum(is_open[:whole]) * session
    within = min(max((time - whole) * MINUTES_A_DAY - opens * 60, 0), session)
    return past + within * is_open[whole]


@pytest.mark.parametrize("servers", [1, 3])
@pytest.mark.parametrize("open_on_holidays", [True, False])
@pytest.mark.parametrize("minutes", [{"mean": 17}, {"distribution": "uniform", "low": 5, "high": 200}, {"mean": 30}])
def test_open_hours_over_nights_weekends_and_holidays(servers, open_on_holidays, minutes):
    """The same queue in minutes of opening time only, by a second event loop: who arrives at night is served by
    priority at opening, and work that closing breaks off goes on afterwards.
    """
    hours = 9, 13, {0, 2, 4}, () if open_on_holidays else HOLIDAYS
    names = ("urgent", "routine")
    of = january(
        {
            "sort": sorting({n: {n: 1} for n in names}, {n: {"to": "desk", "priority": n} for n in names}),
            "desk": desk(
                servers,
                minutes,
                open_hours=hours[:2],
                open_days=("mon", "wed", "fri"),
                open_on_holidays=open_on_holidays,
            ),
        },
        priorities=names,
        conditions={"urgent": {"share": 0.3}, "routine": {"share": 0.7}},
        per_week=servers * (3 if "mean" in minutes else 1.2),
        time_unit="minutes",
    )
    arm = recorded(of, seed=4)
    tally, people = arm.tally, int(arm.tally.referred.sum())
    assert people > 50
    key = _key(seed=4)
    low, high = (minutes["mean"],) * 2 if "mean" in minutes else (minutes["low"], minutes["high"])
    work = [low + (high - low) * uniform(key, i, _service_tag(stage=1)) for i in range(people)]
    joined = [opening_minutes(t, *hours) for t in tally.record_referred[0, :people]]
    wanted = _served(joined, tally.record_condition[0, :people], work, servers)
    found = [opening_minutes(t - 1e-7, *hours) for t in tally.record_seen[0, :people, 1]]
    assert found == pytest.approx(wanted, abs=1e-3)
    assert tally.busy_days[0, 1] * MINUTES_A_DAY == pytest.approx(sum(work))


def _served(joined, priority, work, servers):
    """When each person is done, for servers that are always open and nobody interrupted."""
    done, free, waiting = [0.0] * len(joined), [0.0] * servers, []
    coming = sorted(range(len(joined)), key=lambda i: joined[i])
    at, now = 0, 0.0
    while at < len(coming) or waiting:
        now = max(now, heapq.heappop(free), joined[coming[at]] if not waiting else 0)
        while at < len(coming) and joined[coming[at]] <= now + 1e-9:
            heapq.heappush(waiting, (priority[coming[at]], at, coming[at]))
            at += 1
        _, _, who = heapq.heappop(waiting)
        done[who] = now + work[who]
        heapq.heappush(free, done[who])
    return done


def _key(seed):
    """The key of the first replication."""
    return np.random.SeedSequence(seed, spawn_key=(0,)).generate_state(1, np.uint64)[0]


def _service_tag(stage, visit=0):
    return (stage * 32_768 + visit) * 8 + 64


def test_work_that_fills_a_session_ends_with_it():
    """Eight times 30 minutes fill 9 to 13 o'clock: the eighth person leaves at 13:00, not at the next opening."""
    of = pathway(
        {"desk": desk(1, {"mean": 30}, open_hours=(9, 13))},
        calendar={"days": 5, "follow_up_days": 30},
        referrals={"hours": (0, 1)},
        per_week=7 * 20,
    )
    arm = recorded(of)
    clock = np.sort(arm.tally.record_seen[0, : int(arm.tally.referred.sum()), 0])
    assert clock[7] == pytest.approx(13 / 24)
    assert clock[8] == pytest.approx(1 + 9.5 / 24)


def test_people_keep_their_order_where_several_are_due_at_the_same_moment():
    """Twenty a day leave the first clinic together and wait a week; three a day are seen at the second, in turn."""
    week = dict.fromkeys(PLACE, 20)
    of = january(
        {
            "first": clinic(week, then="letter"),
            "letter": {"kind": "delay", "delay_days": 7, "then": "second"},
            "second": clinic(dict.fromkeys(PLACE, 3)),
        },
        per_week=4,
    )
    for seed in range(3):
        seen = recorded(of, seed=seed).tally.record_seen[0, :, 2]
        assert seen.min() > 0 and (np.diff(seen) >= 0).all()


def test_a_visit_to_a_clinic_ends_at_the_end_of_its_day():
    arm = recorded(pathway({"clinic": clinic(3)}))
    seen = arm.tally.record_seen[0][arm.tally.record_seen[0] >= 0]
    assert seen - np.floor(seen) == pytest.approx(np.full(len(seen), END_OF_DAY))


KEYS = [_key(seed) for seed in (1, 2)]
N = 40_000


def numbers(persons, tags, key=KEYS[0]):
    return np.array([uniform(key, int(p), int(t)) for p, t in zip(*np.broadcast_arrays(persons, tags), strict=True)])


RUNS = {
    "people in a row": (np.arange(N), 0),
    "backlog people in a row": (np.arange(N) + (1 << 40), 3),
    "visits of one person": (7, np.arange(N) * 8 + 64),
    "stages of one person": (7, np.arange(N) * 8 * 32_768 + 64),
    "days": (0, -1 - np.arange(N)),
    "returns": (np.arange(N), 8_000_000_005),
}


@pytest.mark.parametrize("run", RUNS)
def test_random_numbers_are_uniform_and_unrelated(run):
    """Kolmogorov-Smirnov, no serial correlation to lag 5, and pairs spread evenly over 16 x 16 fields; 1 in 10,000 of
    good generators would fail each.
    """
    u = numbers(*RUNS[run])
    assert u.min() >= 0 and u.max() < 1
    assert stats.kstest(u, "uniform").pvalue > 1e-4
    for lag in range(1, 6):
        assert stats.pearsonr(u[:-lag], u[lag:]).pvalue > 1e-4
    fields = np.histogram2d(u[:-1:2], u[1::2], bins=16, range=[[0, 1]] * 2)[0]
    assert stats.chisquare(fields.ravel()).pvalue > 1e-4
    assert len(np.unique(u)) > N - 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((np.arange(N), 0), (np.arange(N), 1)),
        ((np.arange(N), 64), (np.arange(N), 72)),
        ((np.arange(N), 64), (np.arange(N), 64 + 8 * 32_768)),
        ((np.arange(N), 2), (np.arange(N) + 1, 1)),
        ((np.arange(N), 0, KEYS[0]), (np.arange(N), 0, KEYS[1])),
        ((np.arange(N), 0, np.uint64(5)), (np.arange(N), 0, np.uint64(6))),
    ],
)
def test_numbers_for_other_people_purposes_and_replications_are_unrelated(one, other):
    u, v = numbers(*one), numbers(*other)
    assert stats.pearsonr(u, v).pvalue > 1e-4
    fields = np.histogram2d(u, v, bins=16, range=[[0, 1]] * 2)[0]
    assert stats.chisquare(fields.ravel()).pvalue > 1e-4
    assert not np.intersect1d(u, v).size


DURATIONS = {
    "exponential": ({"mean": 3}, stats.expon(scale=3)),
    "uniform": ({"low": 2, "high": 5}, stats.uniform(2, 3)),
    "triangular": ({"low": 4, "mode": 8, "high": 18}, stats.triang(4 / 14, 4, 14)),
    "lognormal": (
        {"mean": 5, "sd": 3},
        stats.lognorm(math.sqrt(math.log1p(0.36)), scale=5 / math.sqrt(1.36)),
    ),
}


@pytest.mark.parametrize("name", DURATIONS)
def test_durations_have_their_distribution(name):
    given, wanted = DURATIONS[name]
    time = Duration(distribution=name, **given)
    drawn = np.array([duration(TIME_KINDS.index(name), *time.parameters, u) for u in numbers(np.arange(N), 64)])
    assert stats.kstest(drawn, wanted.cdf).pvalue > 1e-4
    assert abs(drawn.mean() - wanted.mean()) < 4 * wanted.std() / math.sqrt(N)
    assert time.expected == pytest.approx(wanted.mean())
    for q in (0.05, 0.5, 0.95):
        assert abs((drawn <= wanted.ppf(q)).mean() - q) < 4 * math.sqrt(q * (1 - q) / N)


def test_fixed_times_do_not_vary_and_extremes_stay_finite():
    assert duration(TIME_KINDS.index("fixed"), 2.5, 0.0, 0.0, 0.9) == 2.5
    most = 1 - 2.0**-53
    for kind, name in enumerate(TIME_KINDS):
        for u in (0.0, most):
            assert 0 <= duration(kind, 1.0, 2.0, 3.0, u) < 1e9, name


def test_normal_quantiles_are_those_of_scipy():
    u = np.concatenate([np.linspace(0, 1, 20_001)[1:-1], 10.0 ** -np.arange(1, 16), [2.0**-53, 2.0**-30]])
    assert [normal_quantile(x) for x in u] == pytest.approx(stats.norm.ppf(u + 2.0**-54), rel=1e-6, abs=1e-7)
    assert normal_quantile(0.0) == pytest.approx(stats.norm.ppf(2.0**-54), rel=1e-6)
    assert normal_quantile(1 - 2.0**-53) == pytest.approx(-stats.norm.ppf(2.0**-54), rel=1e-6)


def test_arrivals_are_poisson_by_the_day_and_even_over_the_hours():
    of = pathway(
        {"clinic": clinic(1000)},
        per_week=2_800,
        referrals={"hours": (8, 18)},
        calendar={"days": 56, "follow_up_days": 0},
    )
    arrivals = recorded(of).tally.record_referred[0]
    assert (np.diff(arrivals) >= 0).all()
    hours = 24 * (arrivals - np.floor(arrivals))
    assert stats.kstest(hours, stats.uniform(8, 10).cdf).pvalue > 1e-4
    by_day = np.bincount(np.floor(arrivals).astype(int))
    assert abs(by_day.mean() - 400) < 4 * math.sqrt(400 / 56)
    assert stats.kstest(by_day, stats.poisson(400).cdf).pvalue > 1e-4
