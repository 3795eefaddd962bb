"""Scenarios: what they change, how an address holds them, and what they refuse."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from derm_kit.errors import DermKitError, PathwayError, PolicyError
from derm_kit.lesions import FLAGGED, LesionType
from derm_kit.pathway.definition import Pathway
from derm_kit.pathway.scenario import Scenario
from derm_kit.triage.policy import TriagePolicy

SKIN = Pathway.read("skin-usc")
finite = st.floats(0, 1e6, allow_nan=False)
names = st.text(min_size=1, max_size=20)

SCENARIOS = st.builds(
    Scenario,
    per_week=st.none() | finite,
    groups=st.dictionaries(names, st.floats(0, 1), max_size=3),
    slots=st.dictionaries(names, st.integers(0, 10_000), max_size=3),
    uptake=st.none() | st.floats(0, 1),
    thresholds=st.dictionaries(st.sampled_from(FLAGGED), st.floats(1e-6, 1), max_size=4),
    second_read_margin=st.none() | st.floats(0, 0.99),
    arms=st.lists(st.text("abc +", min_size=1), max_size=3).map(tuple),
    replications=st.integers(1, 1_000),
    seed=st.integers(0, 2**31),
)


@given(SCENARIOS)
def test_an_address_holds_all_of_it(scenario: Scenario):
    text = scenario.text()
    assert (Scenario.from_text(text) if text else Scenario()) == scenario


@given(SCENARIOS)
def test_words_say_something_of_every_change(scenario: Scenario):
    said = scenario.in_words()
    assert (said == "nothing") == (scenario == Scenario())
    assert all(name in said for name in (*scenario.groups, *scenario.slots, *scenario.arms))


def test_words_name_settings_as_people_do():
    text = "per_week=150.0&slots.clinic=90&threshold.melanoma=0.25&uptake=0.8&replications=50"
    assert Scenario.from_text(text).in_words() == (
        "150 referrals a week; 90 slots a week for clinic; uptake 80%; melanoma threshold 0.250; 50 simulated years"
    )


@given(st.text())
def test_any_other_address_is_told_in_words(text: str):
    try:
        Scenario.from_text(text)
    except DermKitError as told:
        assert "address" in told.rule


def test_nothing_set_changes_nothing(policy: TriagePolicy):
    assert Scenario().pathway(SKIN) is SKIN
    assert Scenario().policy(policy) is policy


def test_shares_of_the_others_keep_their_proportions():
    found = Scenario(groups={"melanoma or SCC": 0.124}).pathway(SKIN)
    share = {name: condition.share.value for name, condition in found.conditions.items()}
    assert sum(share.values()) == pytest.approx(1)
    assert share["melanoma"] / share["squamous cell carcinoma"] == pytest.approx(30 / 32)
    assert share["melanoma"] + share["squamous cell carcinoma"] == pytest.approx(0.124)
    assert share["naevus"] / share["actinic keratosis"] == pytest.approx(27 / 8)
    assert not found.conditions["naevus"].share.sourced


def test_slots_uptake_and_referrals_reach_the_arms():
    found = Scenario(per_week=55, slots={"clinic": 60}, uptake=0.5).pathway(SKIN)
    assert found.referrals.per_week.value == 55
    assert sum(found.stages["clinic"].slots.values()) == 60
    assert found.arms["AI"].uptake.value == 0.5
    assert found.arms["face to face"].uptake.value == 1


def test_thresholds_and_margin_reach_the_policy(policy: TriagePolicy):
    found = Scenario(thresholds={LesionType.MELANOMA: 0.5}, second_read_margin=0.25).policy(policy)
    assert found.thresholds == policy.thresholds | {LesionType.MELANOMA: 0.5}
    assert found.second_read_margin == 0.25


@pytest.mark.parametrize(
    "scenario",
    [
        Scenario(per_week=-1), Scenario(per_week=float("nan")), Scenario(uptake=1.1), Scenario(groups={"x": 0.1}),
        Scenario(groups={"melanoma or SCC": 0.7, "BCC or Bowen": 0.4}), Scenario(groups={"melanoma or SCC": -0.1}),
        Scenario(groups={"melanoma or SCC": float("nan")}), Scenario(slots={"histology": 5}),
        Scenario(slots={"clinic": -5}), Scenario(slots={"nowhere": 5}),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(scenario: Scenario):
    with pytest.raises(PathwayError) as told:
        scenario.pathway(SKIN)
    assert told.value.next_step


def test_a_threshold_out_of_range_is_refused(policy: TriagePolicy):
    with pytest.raises(PolicyError):
        Scenario(thresholds={LesionType.MELANOMA: 2.0}).policy(policy)
