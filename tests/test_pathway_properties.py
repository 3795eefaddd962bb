"""What must hold of every pathway: nobody is lost or made, capacity and thresholds push one way, a seed decides."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from derm_kit.errors import PathwayError
from derm_kit.pathway import simulation
from derm_kit.pathway.capacity import growing, load
from derm_kit.pathway.definition import Pathway
from derm_kit.pathway.expected import expected
from derm_kit.pathway.plan import DISPOSITIONS, plan_of
from derm_kit.pathway.simulation import simulate
from derm_kit.triage.definition import Disposition
from derm_kit.triage.policy import decide
from tests.pathways import (
    JANUARY_ONLY,
    assert_is,
    clinic,
    desk,
    mean_and_error,
    mean_waits,
    only_arm,
    pathway,
    recorded,
    sorting,
)

EXITS = ("treated", "home", "lost")
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def weeks(most: int = 9, fewest_days: int = 0):
    return st.dictionaries(st.sampled_from(WEEKDAYS), st.integers(0, most), min_size=fewest_days, max_size=7)


def times(longest: float):
    third = longest / 3
    return st.sampled_from(
        [
            {"mean": third},
            {"mean": 0},
            {"distribution": "exponential", "mean": third},
            {"distribution": "uniform", "low": third, "high": longest},
            {"distribution": "triangular", "low": 0, "mode": third, "high": longest},
            {"distribution": "lognormal", "mean": third, "sd": third},
        ]
    )


def probs():
    return st.sampled_from([0, 0.05, 0.3, 0.9, 1])


@st.composite
def stages(draw, name, following, earlier):
    """A stage from which everybody gets to the one that follows, some also elsewhere."""
    onward = {"to": following}
    if draw(st.booleans()):
        onward["priority"] = draw(st.sampled_from(["urgent", "routine"]))
    kind = draw(st.sampled_from(["slots", "slots", "servers", "delay"]))
    stage = {"kind": kind, "then": onward}
    if draw(st.booleans()):
        other = draw(st.sampled_from(["home", *earlier, name]))
        share = draw(st.sampled_from([0.1, 0.3, 0.5]))
        stage = {
            "kind": kind,
            "reads": {"ill": {"on": 1 - share, "other": share}, "well": {"on": share, "other": 1 - share}},
            "routes": {"on": onward, "other": other},
        }
    if kind == "delay":
        return stage | {"delay_days": draw(times(20))}
    if kind == "servers":
        opens = draw(st.integers(0, 20))
        return stage | {
            "servers": draw(st.integers(0, 2)),
            "service_minutes": draw(times(600)),
            "open_hours": [opens, draw(st.integers(opens + 1, 24))],
            "open_days": draw(st.lists(st.sampled_from(WEEKDAYS), min_size=1, unique=True)),
        }
    stage |= {
        "slots": draw(weeks()),
        "lead_days": draw(st.integers(0, 4)),
        "did_not_attend": draw(st.sampled_from([0, 0.1, 0.5])),
        "rebooked": draw(st.sampled_from([0, 0.5, 0.9, 1])),
        "rebooked_after_days": draw(st.integers(0, 9)),
        "lost_to": "lost",
        "backlog": draw(st.integers(0, 15)),
        "open_on_holidays": draw(st.booleans()),
    }
    if draw(st.booleans()):
        carve_out = {"slots": draw(weeks(3)), "released": draw(st.booleans())}
        stage["carve_out"] = carve_out | {"priority": draw(st.sampled_from(["urgent", "routine"]))}
    return stage


@st.composite
def pathway_texts(draw, *, returns=True):
    """A valid small pathway as YAML."""
    names = ["a", "b", "c", "d"][: draw(st.integers(1, 4))]
    start = date(2026, 1, 1) + timedelta(days=draw(st.integers(0, 400)))
    home: dict = {}
    if returns and draw(st.booleans()):
        home["returns"] = {
            "share": {"ill": draw(probs())},
            "after_days": draw(times(30)),
            "to": draw(st.sampled_from(names)),
            "priority": draw(st.sampled_from([None, "urgent"])),
        }
    arms = {"today": {"entry": "a", "today": True}}
    if draw(st.booleans()):
        arms["new"] = {"entry": draw(st.sampled_from(names)), "uptake": draw(probs())}
    return yaml.safe_dump(
        {
            "name": "drawn",
            "summary": "drawn by a test",
            "time_unit": draw(st.sampled_from(["days", "minutes"])),
            "calendar": {
                "start": start,
                "days": draw(st.integers(1, 30)),
                "warm_up_days": draw(st.integers(0, 10)),
                "follow_up_days": draw(st.integers(0, 40)),
                "holidays": [start + timedelta(days=i) for i in sorted(draw(st.sets(st.integers(-5, 30), max_size=4)))],
            },
            "referrals": {
                "per_week": draw(st.sampled_from([0, 0.5, 10, 60])),
                "by_weekday": draw(weeks(fewest_days=1).filter(lambda week: sum(week.values()) > 0)),
                "hours": draw(st.sampled_from([[8, 18], [0, 24], [23, 24]])),
                "priority": draw(st.sampled_from([None, "urgent", "routine"])),
            },
            "priorities": ["urgent", "routine"],
            "conditions": {
                "ill": {"share": 0.3, "target": True, "progression_per_30_days": 0.1},
                "well": {"share": 0.7},
            },
            "stages": {name: draw(stages(name, [*names, "treated"][i + 1], names[:i])) for i, name in enumerate(names)},
            "exits": {"treated": {"treated": True}, "home": home, "lost": {}},
            "clocks": {
                "until out": {"limit": draw(st.sampled_from([0.5, 7, 2_000])), "stops": list(EXITS), "target": 0.9},
                "first stage": {"limit": 14, "starts": "a", "stops": ["home", names[-1]], "only": ["ill"], "target": 1},
            },
            "arms": arms,
        },
        sort_keys=False,
    )


@settings(max_examples=150)
@given(text=pathway_texts(), seed=st.integers(0, 9))
def test_everybody_who_is_referred_ends_in_one_state(text, seed, tmp_path_factory):
    file = tmp_path_factory.mktemp("drawn") / "drawn.yaml"
    file.write_text(text)
    of = Pathway.read(file)
    found = simulate(of, seed=seed, replications=2, records=True)
    for name, arm in found.arms.items():
        tally = arm.tally
        assert (tally.ended.sum(axis=1) + tally.still_in.sum(axis=1)).tolist() == tally.referred.tolist()
        assert tally.entered.sum(axis=1).tolist() == tally.referred.tolist()
        assert (tally.slots_used <= tally.slots_offered).all()
        assert (tally.wait_days >= -1e-9).all()
        seen = [stage.kind == "slots" for stage in of.stages.values()] * tally.flow.sum(axis=(2, 3)).sum(axis=0)
        assert (tally.stage_wait[0].sum(axis=1) >= seen).all()
        assert (tally.clock[0, 0].sum() + tally.clock_overdue[:, 0].sum() + tally.clock_open[:, 0].sum()) == (
            tally.referred.sum()
        )
        assert (tally.clock_within.sum(axis=0) <= tally.clock[0].sum(axis=1)).all()
        assert (tally.found[:, 0] + tally.missed.sum(axis=1) <= tally.referred).all()
        assert (tally.found[:, 1] <= tally.missed.sum(axis=1)).all()
        assert (tally.advanced <= tally.found).all()
        assert not tally.found[..., 1].any() and not tally.missed[..., 1].any()
        for r in range(2):
            people = found.people(name, r)
            assert len(people) == tally.referred[r].sum()
            out = people["exit"].value_counts()
            assert [out.get(leaving, 0) for leaving in EXITS] == tally.ended[r].sum(axis=1).tolist()
            assert people["left"].isna().sum() >= tally.still_in[r].sum()
            assert not (people["left"] < people["referred"]).any()
    assert len({arm.tally.referred.tobytes() for arm in found.arms.values()}) == 1


@settings(max_examples=60)
@given(text=pathway_texts(returns=False), seed=st.integers(0, 9))
def test_who_comes_to_a_stage_leaves_it_or_is_still_there(text, seed):
    of = Pathway.model_validate(yaml.safe_load(text))
    for arm in simulate(of, seed=seed, replications=2).arms.values():
        tally = arm.tally
        for s, name in enumerate(of.stages):
            came = tally.entered[:, s] + sum(
                tally.flow[:, other, k]
                for other, stage in enumerate(of.stages.values())
                for k, route in enumerate(stage.ways.values())
                if route.to == name
            )
            gone = tally.flow[:, s].sum(axis=1) + tally.lost[:, s] + tally.still_in[:, s]
            assert came.tolist() == gone.tolist()
        assert tally.lost.sum(axis=1).tolist() == tally.ended[:, EXITS.index("lost")].tolist()


@pytest.mark.parametrize(("servers", "minutes"), [(1, 9), (3, 28)])
def test_littles_law_of_servers(servers, minutes):
    """Mean number waiting = arrivals a day x mean wait (Little, 1961), the number as it is at the end of each day."""
    of = pathway(
        {"desk": desk(servers, minutes)},
        per_week=7 * 130,
        calendar={"days": 3_000, "warm_up_days": 5, "follow_up_days": 3},
    )
    arm = only_arm(simulate(of, replications=12))
    waiting = arm.tally.backlog[:, 5:3_005, 0].mean(axis=1)
    by_waits = arm.tally.wait_days[:, 0] / 3_000
    assert_is(by_waits, waiting.mean(), sharp=0.15)
    difference, error = mean_and_error(waiting - by_waits)
    assert abs(difference) < 4 * error < 0.1 * waiting.mean()


@given(
    week=weeks(6, fewest_days=1).filter(lambda w: sum(w.values()) > 2), lead=st.integers(0, 5), seed=st.integers(0, 99)
)
def test_littles_law_of_slots_is_exact(week, lead, seed):
    """Each night that somebody waits is counted once by the day and once by the person."""
    arm = recorded(january({"clinic": clinic(week, lead_days=lead)}), seed=seed)
    assert arm.tally.still_in.sum() == 0
    assert arm.tally.backlog[0].clip(0).sum() == arm.tally.wait_days.sum()


def january(stages):
    """Some 30 people arrive in January only, so that all who ever come are counted, and leave within the year."""
    calendar = {"start": "2026-01-01", "days": 360, "follow_up_days": 0}
    return pathway(stages, referrals={"by_month": JANUARY_ONLY}, calendar=calendar, per_week=0.6)


@given(
    week=weeks(6, fewest_days=1).filter(lambda w: sum(w.values()) > 2),
    more=weeks(4),
    lead=st.integers(0, 3),
    seed=st.integers(0, 99),
)
def test_more_slots_never_lengthen_a_wait_where_people_are_seen_in_turn(week, more, lead, seed):
    wider = {day: week.get(day, 0) + more.get(day, 0) for day in {*week, *more}}
    few, many = (recorded(january({"clinic": clinic(w, lead_days=lead)}), seed=seed).tally for w in (week, wider))
    assert few.record_referred.tolist() == many.record_referred.tolist()
    assert (many.record_seen <= few.record_seen).all()
    assert many.wait_days.sum() <= few.wait_days.sum()


@given(servers=st.integers(1, 4), time=times(500), seed=st.integers(0, 99))
def test_more_servers_never_lengthen_a_wait_where_people_are_served_in_turn(servers, time, seed):
    hours = {"open_hours": (9, 12), "open_days": ("mon", "tue", "fri")}
    few, many = (recorded(january({"desk": desk(n, time, **hours)}), seed=seed).tally for n in (servers, servers + 1))
    assert (many.record_seen <= few.record_seen + 1e-9).all()
    assert many.wait_days.sum() <= few.wait_days.sum() + 1e-9


def test_more_slots_shorten_the_mean_wait_with_priorities_and_missed_slots_too():
    def mean(slots):
        shares = {"urgent": {"urgent": 1}, "routine": {"routine": 1}}
        of = pathway(
            {
                "sort": sorting(shares, {n: {"to": "clinic", "priority": n} for n in shares}),
                "clinic": clinic(slots, did_not_attend=0.1, rebooked=0.9, lost_to="lost"),
            },
            priorities=("urgent", "routine"),
            conditions={"urgent": {"share": 0.3}, "routine": {"share": 0.7}},
            exits={"out": {}, "lost": {}},
            calendar={"days": 60, "follow_up_days": 300},
        )
        return mean_waits(only_arm(simulate(of, replications=20)), 1).mean()

    means = [mean(slots) for slots in (11, 13, 15, 17, 19)]
    assert means == sorted(means, reverse=True)


def test_lower_thresholds_never_discharge_more(reference, policy):
    """The same people in every replication, so that not one more leaves with advice."""
    of = Pathway.read("skin-usc")
    ai, advice = list(of.stages).index("AI"), list(of.stages["AI"].ways).index(Disposition.DISCHARGE_ADVICE.value)
    left = []
    for factor in (4, 2, 1, 0.5, 0.1):
        lower = policy.changed(thresholds={t: min(1.0, factor * x) for t, x in policy.thresholds.items()})
        arm = simulate(of, reference, lower, arms=["AI"], replications=4).arms["AI"]
        left.append(arm.tally.flow[:, ai, advice].sum(axis=1))
    assert (np.diff(left, axis=0) <= 0).all()
    assert (left[0] > left[2]).all() and (left[2] > left[3]).all()
    assert (left[3] > left[4]).all()


def test_without_capacity_everybody_waits_and_it_is_told():
    of = pathway(
        {"desk": desk(1, 10, then="clinic"), "clinic": clinic(0)},
        arms={"open": {"entry": "desk", "today": True}, "shut": {"entry": "desk", "servers": {"desk": 0}}},
        clocks={"28 days": {"limit": 28, "stops": ["out"], "target": 0.9}},
    )
    found = simulate(of, replications=3)
    for name, stage in (("open", 1), ("shut", 0)):
        tally = found.arms[name].tally
        assert tally.still_in[:, stage].sum(axis=1).tolist() == tally.referred.sum(axis=1).tolist()
        assert not tally.clock.any() and not tally.ended.any()
        said = growing(found, name)
        assert any(f"{name}: {list(of.stages)[stage]} has 0 " in sentence for sentence in said)
        assert load(of, name)["use"].max() == math.inf
    shut = found.arms["shut"]
    assert np.isnan(shut.stage_quantiles).all() and np.isnan(shut.clock_quantiles).all()


def test_without_referrals_nothing_happens():
    arm = only_arm(simulate(pathway({"desk": desk(1, 10)}, per_week=0), replications=2, records=True))
    assert not arm.tally.referred.any() and not arm.tally.flow.any() and not arm.tally.slots_used.any()
    assert np.isnan(arm.stage_quantiles).all()
    assert (arm.tally.backlog[:, 28:] == -1).all()


MANY = {"per_week": 7_000, "calendar": {"days": 14, "follow_up_days": 400}}
PLENTY = dict.fromkeys(WEEKDAYS, 9_999)


def test_missed_slots_rebooking_and_people_who_are_lost():
    """Of those who come, each time 30 % do not attend and 60 % of these come again a week later."""
    missing, again = 0.3, 0.6
    of = pathway(
        {"clinic": clinic(PLENTY, did_not_attend=missing, rebooked=again, rebooked_after_days=7, lost_to="lost")},
        exits={"out": {}, "lost": {}},
        **MANY,
    )
    arm = only_arm(simulate(of, replications=4))
    tally, n = arm.tally, int(arm.tally.referred.sum())
    lost = missing * (1 - again) / (1 - missing * again)
    assert abs(tally.ended[:, 1].sum() / n - lost) < 4 * math.sqrt(lost * (1 - lost) / n)
    visits = 1 / (1 - missing * again)
    spread = math.sqrt(missing * again) * visits
    assert abs((tally.not_attended.sum() + tally.flow.sum()) / n - visits) < 4 * spread / math.sqrt(n)
    counts = tally.stage_wait[0, 0]
    assert counts.sum() == tally.flow.sum() == counts[::7].sum()
    for weeks_late in range(3):
        share = (1 - missing) * (missing * again) ** weeks_late / (1 - lost)
        wanted = share * tally.flow.sum()
        assert abs(counts[7 * weeks_late] - wanted) < 4 * math.sqrt(wanted)


def test_people_who_left_untreated_come_back():
    """All who are ill are sent home at first; half come back ten days later, and are found then."""
    of = pathway(
        {
            "first": sorting({"ill": {"home": 1}, "well": {"home": 1}}, {"home": "home"}, days=1),
            "second": {"kind": "delay", "delay_days": 2, "then": "treated"},
        },
        conditions={"ill": {"share": 0.4, "target": True, "progression_per_30_days": 0.5}, "well": {"share": 0.6}},
        exits={
            "home": {"returns": {"share": {"ill": 0.5}, "after_days": 10, "to": "second"}},
            "treated": {"treated": True},
        },
        **MANY,
    )
    tally = only_arm(simulate(of, replications=4)).tally
    ill = int(tally.referred[:, 0].sum())
    assert tally.missed[:, 0, 0].sum() == ill and not tally.missed[:, 1].any() and not tally.found[:, 0].any()
    back = tally.found[:, 1, 0].sum()
    assert abs(back - ill / 2) < 4 * math.sqrt(ill / 4)
    assert tally.found_days.sum() == pytest.approx(13 * back)
    assert tally.found_delay[0, 1].nonzero()[0].tolist() in ([12], [13], [12, 13])
    assert tally.ended[:, 1].sum() == back
    chance = 1 - 0.5 ** (13 / 30)
    assert abs(tally.advanced.sum() - back * chance) < 4 * math.sqrt(back * chance * (1 - chance))


def test_uptake_sends_its_share_of_the_same_people_another_way():
    of = pathway(
        {"old": clinic(PLENTY), "new": clinic(PLENTY)},
        arms={"today": {"entry": "old", "today": True}, "next": {"entry": "new", "uptake": 0.3}},
        **MANY,
    )
    found = simulate(of, replications=4)
    entered, n = found.arms["next"].tally.entered, found.arms["today"].tally.referred.sum()
    assert found.arms["today"].tally.entered[:, 0].sum() == n == entered.sum()
    assert abs(entered[:, 1].sum() - 0.3 * n) < 4 * math.sqrt(0.21 * n)


def test_who_does_not_take_an_arm_up_goes_todays_way():
    """Today all go on from old to new; the next arm ends at old, but 70 % are not in it."""
    of = pathway(
        {"old": clinic(PLENTY, then="new"), "new": clinic(PLENTY)},
        arms={
            "today": {"entry": "old", "today": True},
            "next": {"entry": "old", "uptake": 0.3, "routes": {"old": {"seen": "out"}}},
        },
        **MANY,
    )
    tally = simulate(of, replications=4).arms["next"].tally
    flow = tally.flow.sum(axis=(0, 2, 3))
    assert flow[0] == tally.referred.sum() == tally.ended.sum()
    assert abs(flow[1] - 0.7 * flow[0]) < 4 * math.sqrt(0.21 * flow[0])
    assert expected(plan_of(of, "next")).visits[0, 0] == pytest.approx([1, 0.7])
    assert expected(plan_of(of, "today")).visits[0, 0] == pytest.approx([1, 1])


def test_a_policy_that_reads_todays_people_is_the_same_in_an_arm_that_not_all_take_up():
    with pytest.raises(PathwayError, match="autonomous is as in today's arm"):
        reading_a_policy().changed(
            arms={"today": {"entry": "AI", "today": True}, "next": {"entry": "AI", "autonomous": True, "uptake": 0.5}}
        )


def test_a_backlog_is_there_when_counting_starts_and_waits_its_turn():
    week = dict.fromkeys(WEEKDAYS, 4)
    stage = {"clinic": clinic(week, backlog=30)}
    arm = only_arm(simulate(pathway(stage, per_week=0), replications=1))
    assert arm.tally.backlog[0, :10, 0].tolist() == [26, 22, 18, 14, 10, 6, 2, 0, 0, 0]
    assert arm.tally.slots_used[0, 0] == 30 and not arm.tally.flow.any() and not arm.tally.referred.any()
    warm = {"days": 28, "warm_up_days": 40, "follow_up_days": 60}
    waited = [
        only_arm(simulate(pathway({"clinic": clinic(week, backlog=n)}, calendar=warm), replications=1))
        for n in (0, 100, 200, 400)
    ]
    at_start = [int(arm.tally.backlog[0, 39, 0]) for arm in waited]
    assert 200 < at_start[0] == at_start[3] < 350
    for fewer in waited[1:3]:
        assert fewer.tally.backlog.tolist() == waited[0].tally.backlog.tolist()
    more = waited[3].tally.backlog[0, 40:68, 0] - waited[0].tally.backlog[0, 40:68, 0]
    assert more.tolist() == [400 - at_start[0]] * 28


def test_warm_up_fills_the_clinic_and_is_not_counted():
    def arm(warm_up_days):
        calendar = {"days": 28, "warm_up_days": warm_up_days, "follow_up_days": 200}
        return recorded(pathway({"clinic": clinic(dict.fromkeys(WEEKDAYS, 9))}, calendar=calendar))

    cold, warm = arm(0), arm(60)
    referred = warm.tally.record_referred[0]
    assert referred.min() >= 60 and referred.max() < 88
    assert warm.tally.referred.sum() == len(referred)
    assert mean_waits(warm)[0] > mean_waits(cold)[0] + 2


def test_clocks_of_people_who_still_wait_at_the_end():
    """Nobody is seen: at the end of day 48, who was referred more than 20 days before is overdue."""
    of = pathway(
        {"clinic": clinic(0)},
        calendar={"days": 28, "follow_up_days": 20},
        clocks={
            "20 days": {"limit": 20, "stops": ["out"], "target": 1},
            "60 days": {"limit": 60, "stops": ["out"], "target": 1},
        },
    )
    tally = recorded(of).tally
    overdue = int((48 - tally.record_referred[0] > 20).sum())
    n = int(tally.referred.sum())
    assert 0 < overdue <= n
    assert tally.clock_overdue[0].tolist() == [overdue, 0]
    assert tally.clock_open[0].tolist() == [n - overdue, n]


def test_the_same_person_is_the_same_in_every_arm(reference, policy):
    found = simulate(Pathway.read("skin-usc"), reference, policy, replications=1, records=True)
    people = [found.people(arm) for arm in found.arms]
    for other in people[1:]:
        assert other[["condition", "case_id", "referred"]].equals(people[0][["condition", "case_id", "referred"]])
    kinds = reference.cases.set_index("case_id")["truth"]
    of = found.pathway
    for condition, own in people[0].groupby("condition"):
        types = {t.value for t in of.conditions[condition].types}
        assert all(set(truth.split("|")) <= types for truth in kinds[own["case_id"]])


def held(found):
    """Everything that outcomes hold, arm by arm."""
    return [
        array
        for arm in found.arms.values()
        for array in (*arm.tally, arm.stage_quantiles, arm.clock_quantiles, arm.missed_prob)
    ]


def same(one, other):
    """Whether two outcomes are equal in all they hold."""
    return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(held(one), held(other), strict=True))


@pytest.fixture(scope="module")
def skin(reference, policy):
    """The skin pathway over a short calendar, to simulate as asked."""
    of = Pathway.read("skin-usc")
    short = of.changed(
        calendar=of.calendar.model_copy(update={"days": 60, "warm_up_days": 20, "follow_up_days": 40, "holidays": ()})
    )
    return lambda **asked: simulate(
        short, reference, policy, **{"replications": 12, "records": True, "seed": 8} | asked
    )


def test_a_seed_gives_the_same_outcomes_however_the_work_is_shared(skin, monkeypatch):
    once = skin()
    assert same(once, skin())
    for threads in (1, 2, 5):
        with ThreadPoolExecutor(threads) as executor:
            assert same(once, skin(executor=executor))
    for chunk in (1, 7, 100):
        monkeypatch.setattr(simulation, "SMALLEST_PIECE", chunk)
        assert same(once, skin())
    assert not same(once, skin(seed=9))
    tally = once.arms["AI"].tally
    assert len({tally.referred[r].tobytes() for r in range(12)}) == 12


def test_more_replications_begin_with_the_same_ones(skin):
    few, many = skin(replications=4), skin(replications=9)
    for name, arm in few.arms.items():
        assert many.arms[name].tally.ended[:4].tolist() == arm.tally.ended.tolist()
        assert many.arms[name].missed_prob[:4].tolist() == arm.missed_prob.tolist()


def test_one_arm_alone_is_the_same_as_among_others(skin):
    alone, among = skin(arms=["AI"]), skin()
    assert np.array_equal(alone.arms["AI"].tally.record_left, among.arms["AI"].tally.record_left)


def test_a_cluster_gives_the_same_outcomes(skin):
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        assert same(skin(executor=client.get_executor()), skin())


def test_progress_counts_up_and_can_end_the_work(skin):
    told = []
    skin(progress=lambda done, of: told.append((done, of)))
    assert [of for _, of in told] == [48] * len(told)
    assert told[-1] == (48, 48) and [done for done, _ in told] == sorted({done for done, _ in told})

    def stop(done, of):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        skin(progress=stop)


def reading_a_policy():
    """Every case is read by the policy and nothing else: discharged, or treated."""
    of = Pathway.read("skin-usc")
    routes = {d.value: "home" if d is Disposition.DISCHARGE_ADVICE else "treated" for d in Disposition}
    return pathway(
        {"AI": {"kind": "delay", "delay_days": 0, "reads": "policy", "routes": routes}},
        conditions=of.model_dump()["conditions"],
        exits={"home": {}, "treated": {"treated": True}},
        arms={"only": {"entry": "AI", "today": True, "autonomous": True}},
        calendar={"days": 40, "follow_up_days": 0},
        per_week=7_000,
    )


def discharged(of, reference, policy):
    """Share of each condition's cases that the policy discharges, and how many cases there are, by `decide`."""
    table = decide(reference, policy.changed(autonomous=True)).table
    kept = table["disposition"].to_numpy() != Disposition.DISCHARGE_ADVICE.value
    truth = reference.cases["truth"].to_numpy(object)
    share, n = [], []
    for condition in of.conditions.values():
        own = [set(str(t).split("|")) <= {kind.value for kind in condition.types} for t in truth]
        share.append(1 - kept[own].mean())
        n.append(sum(own))
    return np.array(share), np.array(n)


def test_the_bootstrap_spreads_as_drawing_cases_with_replacement_does(reference, policy):
    """Share p of n cases, drawn anew: mean p, standard deviation sqrt(p (1 - p) / n)."""
    of = reading_a_policy().changed(calendar={"start": "2026-01-05", "days": 1, "warm_up_days": 0, "follow_up_days": 0})
    p, n = discharged(of, reference, policy)
    drawn = only_arm(simulate(of, reference, policy, replications=2_000)).missed_prob
    sd = np.sqrt(p * (1 - p) / n)
    assert (sd > 0).sum() >= 6
    assert (np.abs(drawn.mean(axis=0) - p) <= 4 * sd / math.sqrt(2_000)).all()
    assert drawn.std(axis=0, ddof=1) == pytest.approx(sd, rel=4 / math.sqrt(2 * 2_000), abs=1e-12)


def test_without_the_bootstrap_the_chance_of_being_missed_does_not_vary(reference, policy):
    of = reading_a_policy()
    p, _ = discharged(of, reference, policy)
    arm = only_arm(simulate(of, reference, policy, replications=3, bootstrap=False))
    assert arm.missed_prob == pytest.approx(np.tile(p, (3, 1)))
    targets = [c.target for c in of.conditions.values()]
    missed, referred = arm.tally.missed.sum(axis=(0, 1)), arm.tally.referred.sum(axis=0)
    error = np.sqrt(p * (1 - p) / referred)
    assert (np.abs(missed / referred - p)[targets] <= 4 * error[targets]).all()
    assert not missed[np.logical_not(targets)].any()


def test_the_chance_of_being_missed_is_the_mean_of_what_is_simulated(reference, policy):
    """Over the whole skin pathway, its loops and lost people: counted misses less chances, by replication."""
    of = Pathway.read("skin-usc")
    busy = of.changed(
        referrals=of.referrals.model_copy(update={"per_week": of.referrals.per_week.model_copy(update={"value": 400})})
    )
    stages = of.model_dump(exclude_unset=True)["stages"]
    for stage in stages.values():
        stage |= {"slots": {"slots": PLENTY}, "servers": {"servers": 50}, "delay": {}}[stage["kind"]]
    found = simulate(busy.changed(stages=stages), reference, policy, replications=24)
    targets = [c.target for c in of.conditions.values()]
    for arm in found.arms.values():
        tally = arm.tally
        done = tally.referred - tally.still_in.sum(axis=1)
        rest = (tally.missed.sum(axis=1) - arm.missed_prob * done)[:, targets].sum(axis=1)
        difference, error = mean_and_error(rest)
        assert abs(difference) < 4 * error < 0.1 * tally.missed.sum() / 24


def test_every_disposition_has_its_place():
    assert tuple(Disposition) == DISPOSITIONS
