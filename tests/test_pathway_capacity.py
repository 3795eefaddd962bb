"""Load, growing queues, and how many slots hold a clock."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from derm_kit.errors import PathwayError
from derm_kit.model.run import ScoreRun
from derm_kit.pathway.capacity import enough_slots, growing, load, spread_over, with_slots
from derm_kit.pathway.definition import Pathway
from derm_kit.pathway.measures import visits_by_stage
from derm_kit.pathway.simulation import simulate
from derm_kit.pathway.stages import WEEKDAYS
from derm_kit.triage.policy import TriagePolicy
from tests.pathways import clinic, pathway

SKIN = Pathway.read("skin-usc")


def fixed(slots: int, **fields: Any) -> Pathway:
    """A clinic five days a week for 50 people, whose clock stops when they are seen."""
    clocks = {"seen": {"limit": 14, "stops": ["out"], "target": 0.8}}
    return pathway({"clinic": clinic(slots)}, per_week=50, clocks=clocks, calendar={"days": 182}, **fields)


@pytest.mark.parametrize("arm", list(SKIN.arms))
def test_what_comes_to_a_stage_is_what_a_simulation_sends_there(arm: str, reference: ScoreRun, policy: TriagePolicy):
    found = simulate(SKIN, reference, policy, replications=10, arms=[arm], bootstrap=False).arms[arm]
    visits = dict(zip(SKIN.stages, visits_by_stage(found).mean(axis=0) * 7 / SKIN.calendar.days, strict=True))
    for row in load(SKIN, arm, reference, policy).itertuples():
        people = row.demand / (5 if row.unit == "minutes" else 1)  # five minutes a picture
        assert visits[row.stage] == pytest.approx(people, rel=0.05, abs=1.5)


def test_a_stage_that_keeps_up_is_not_said_to_grow():
    assert growing(simulate(fixed(11), replications=3), "only") == []


def test_a_queue_that_grows_is_told_with_its_numbers_and_since_when():
    short = fixed(8)
    [row] = load(short, "only").to_dict("records")
    assert row["grows_by"] == pytest.approx(10)
    [said] = growing(simulate(short, replications=5), "only")
    assert "40 slots a week for 50" in said
    assert "passes 28 days on about" in said


def test_no_slots_at_all_is_told_and_nobody_is_seen():
    none = fixed(0)
    found = simulate(none, replications=2)
    assert found.arms["only"].tally.flow.sum() == 0
    assert "0 slots a week" in growing(found, "only")[0]


def test_the_slots_that_are_enough_are_the_fewest():
    found = enough_slots(fixed(6), "only", "clinic", "seen", replications=5)
    assert found.slots_per_week is not None
    within = found.tries.set_index("slots")["within"]
    assert within[found.slots_per_week] >= 0.8 > within[found.slots_per_week - 1]
    assert within.is_monotonic_increasing
    assert f"{found.slots_per_week} slots a week" in found.why


def test_where_no_number_is_enough_it_is_said_why():
    late = fixed(10)
    slow = late.changed(
        stages={"clinic": clinic(10, "letter"), "letter": {"kind": "delay", "delay_days": 30, "then": "out"}}
    )
    found = enough_slots(slow, "only", "clinic", "seen", replications=2)
    assert found.slots_per_week is None
    assert "No number of slots" in found.why


@pytest.mark.parametrize(
    ("arm", "stage", "clock"), [("x", "clinic", "seen"), ("only", "x", "seen"), ("only", "clinic", "x")]
)
def test_an_unknown_place_is_refused(arm: str, stage: str, clock: str):
    with pytest.raises(PathwayError, match="capacity that is sought"):
        enough_slots(fixed(5), arm, stage, clock)


@given(
    st.dictionaries(st.sampled_from(WEEKDAYS), st.integers(0, 500)),
    st.integers(0, 5_000),
)
def test_slots_are_spread_without_losing_one(week: dict[Any, int], slots: int):
    spread = spread_over(week, slots)
    assert sum(spread.values()) == slots
    shape = np.array([week.get(day, 0) for day in WEEKDAYS], float)
    if shape.sum():
        exact = slots * shape / shape.sum()
        assert np.abs(np.array([spread.get(day, 0) for day in WEEKDAYS]) - exact).max() < 1


def test_slots_of_one_arm_leave_the_others_as_they_are():
    changed = with_slots(SKIN, "AI", "clinic", {"mon": 5})
    assert changed.arms["AI"].slots["clinic"] == {"mon": 5}
    assert changed.arms["face to face"] == SKIN.arms["face to face"]
    assert "clinic" not in SKIN.arms["AI"].slots
