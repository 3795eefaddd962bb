"""The pathways that ship: each is read and simulates, keeps up with its people, and shows the sources it claims."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pytest

from derm_kit.model.run import ScoreRun
from derm_kit.pathway.definition import Pathway, presets
from derm_kit.pathway.economic_inputs import VIEWS
from derm_kit.pathway.economics import base_case, model_of
from derm_kit.pathway.expected import expected
from derm_kit.pathway.outcomes import Outcomes
from derm_kit.pathway.patients import expected_referrals
from derm_kit.pathway.plan import days_of, plan_of
from derm_kit.pathway.quantities import Duration, Part, Quantity
from derm_kit.pathway.simulation import simulate
from derm_kit.pathway.stages import ServersStage, SlotsStage
from derm_kit.triage.policy import TriagePolicy

REPLICATIONS = 6
NAMES = ("lung-chest-x-ray", "skin-primary-care", "skin-usc", "stroke-imaging")


@pytest.fixture(scope="module")
def pathways() -> dict[str, Pathway]:
    return {name: Pathway.read(name) for name in NAMES}


@pytest.fixture(scope="module")
def outcomes(pathways: dict[str, Pathway], reference: ScoreRun, policy: TriagePolicy) -> dict[str, Outcomes]:
    return {
        name: simulate(pathway, reference, policy, replications=REPLICATIONS, seed=20)
        for name, pathway in pathways.items()
    }


def quantities(part: object) -> Iterator[Quantity | Duration]:
    """Every number and time that a pathway says, defaults left out."""
    if isinstance(part, Quantity | Duration):
        yield part
    elif isinstance(part, Part):
        for name in part.model_fields_set:
            yield from quantities(getattr(part, name))
    elif isinstance(part, dict):
        for value in part.values():
            yield from quantities(value)
    elif isinstance(part, tuple):
        for value in part:
            yield from quantities(value)


def within(found: Outcomes, arm: str, clock: str) -> float:
    """Share of those whose clock was to stop who stopped it in time, over all replications."""
    at, tally = list(found.pathway.clocks).index(clock), found.arms[arm].tally
    return float(tally.clock_within[:, at].sum() / (tally.clock[:, at].sum() + tally.clock_overdue[:, at].sum()))


def late(found: Outcomes, arm: str, clock: str) -> float:
    """The 90th percentile of a clock, at the mean of replications, in the pathway's unit."""
    return float(found.arms[arm].clock_quantiles[:, list(found.pathway.clocks).index(clock), 1].mean())


def test_the_presets_are_the_four_of_this_file():
    assert presets() == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_each_person_ends_in_one_place_and_every_arm_meets_the_same_people(name: str, outcomes: dict[str, Outcomes]):
    found = outcomes[name]
    for arm in found.arms.values():
        tally = arm.tally
        assert (tally.ended.sum(axis=1) + tally.still_in.sum(axis=1) == tally.referred).all()
        assert tally.still_in.sum() < 0.02 * tally.referred.sum()
    first, *others = (arm.tally.referred for arm in found.arms.values())
    assert all((first == other).all() for other in others)


@pytest.mark.parametrize("name", NAMES)
def test_referrals_come_at_the_rate_and_mix_that_the_file_says(name: str, outcomes: dict[str, Outcomes]):
    pathway = outcomes[name].pathway
    referred = next(iter(outcomes[name].arms.values())).tally.referred.sum(axis=0)
    shares = np.array([condition.share.value for condition in pathway.conditions.values()])
    counted = slice(pathway.calendar.warm_up_days, pathway.calendar.warm_up_days + pathway.calendar.days)
    expected_total = expected_referrals(pathway.referrals, days_of(pathway))[counted].sum() * REPLICATIONS
    assert abs(referred.sum() - expected_total) < 5 * np.sqrt(expected_total)
    assert (np.abs(referred - shares * referred.sum()) < 5 * np.sqrt(referred.sum() * shares) + 1).all()


@pytest.mark.parametrize("name", NAMES)
def test_the_arm_of_today_keeps_up_at_every_stage(name: str, outcomes: dict[str, Outcomes]):
    """First visits alone, without queues: a load that the stage can carry; and no backlog that grows."""
    found = outcomes[name]
    pathway = found.pathway
    shares = np.array([condition.share.value for condition in pathway.conditions.values()])
    visits = shares @ expected(plan_of(pathway, pathway.today)).visits[:, 0] * pathway.referrals.per_week.value
    for of, stage in zip(visits, pathway.stages.values(), strict=True):
        if isinstance(stage, SlotsStage):
            kept = sum(stage.carve_out.slots.values()) if stage.carve_out else 0
            assert of < 0.98 * (sum(stage.slots.values()) + kept)
        elif isinstance(stage, ServersStage):
            open_minutes = 60 * (stage.open_hours[1] - stage.open_hours[0]) * len(stage.open_days) * stage.servers
            assert of * stage.service_minutes.expected < 0.98 * open_minutes
    backlog = found.arms[pathway.today].tally.backlog.mean(axis=0)
    first = pathway.calendar.warm_up_days
    early, end = (
        backlog[first : first + 28].mean(axis=0),
        backlog[first + pathway.calendar.days - 28 :][:28].mean(axis=0),
    )
    assert (end < 2 * early + 10).all()


@pytest.mark.parametrize("name", NAMES)
def test_every_stage_and_outcome_is_used_and_no_arm_is_overloaded(name: str, outcomes: dict[str, Outcomes]):
    found = outcomes[name]
    flow = sum(arm.tally.flow.sum(axis=(0, 3)) for arm in found.arms.values())
    assert (flow.sum(axis=1) > 0).all()
    for arm in found.arms.values():
        offered, used = arm.tally.slots_offered.sum(axis=0), arm.tally.slots_used.sum(axis=0)
        assert (used[offered > 0] < 0.99 * offered[offered > 0]).all()


@pytest.mark.parametrize("name", NAMES)
def test_numbers_without_a_source_say_so_and_the_others_name_one(name: str, pathways: dict[str, Pathway]):
    said = list(quantities(pathways[name]))
    sources = {quantity.source for quantity in said if quantity.sourced}
    assert sum(not quantity.sourced for quantity in said) > 30
    own_sense = ("seconds a picture", "at the appointment", "sent and received on the same day", "no time of its own")
    own_sense += ("the clocks start here",)
    known = re.compile(r"NICE|NHS|Phillips|Bradley|Matsoukas|Frontiers in Neurology|Zhelev")
    economics = pathways[name].economics
    of_economics = {quantity.source for quantity in quantities(economics)} if economics else set()
    assert [s for s in sources - of_economics if s not in own_sense and not known.search(s)] == []


def test_the_first_look_of_teledermatology_splits_people_as_the_trust_reported(pathways: dict[str, Pathway]):
    """domain.md: 42 % discharged, 27 % routine, 5 % urgent, 17 % urgent biopsy, 9 % routine biopsy."""
    pathway = pathways["skin-usc"]
    reads = pathway.stages["teledermatology"].reads
    assert isinstance(reads, dict)
    published = {"discharge": 42, "routine clinic": 27, "urgent clinic": 5, "urgent biopsy": 17, "routine biopsy": 9}
    for outcome, per_cent in published.items():
        found = sum(100 * pathway.conditions[name].share.value * row[outcome].value for name, row in reads.items())
        assert abs(found - per_cent) < 1, (outcome, found)


def test_a_gp_alone_has_the_published_sensitivity_and_specificity(outcomes: dict[str, Outcomes]):
    """Phillips et al. 2020: primary care physicians refer 79.9 % of melanomas and 29.1 % of what is benign."""
    found = outcomes["skin-primary-care"]
    conditions, stage = list(found.pathway.conditions), list(found.pathway.stages).index("GP's decision")
    flow = found.arms["GP alone"].tally.flow[:, stage].sum(axis=0)
    reassured = list(found.pathway.stages["GP's decision"].ways).index("reassurance")
    for condition, refers in (("melanoma", 0.799), ("naevus", 0.291)):
        seen = flow[:, conditions.index(condition)]
        share = 1 - seen[reassured] / seen.sum()
        assert abs(share - refers) < 4 * np.sqrt(refers * (1 - refers) / seen.sum())


def test_skin_presets_tell_the_same_conditions_in_the_same_groups(pathways: dict[str, Pathway]):
    trust, practice = pathways["skin-usc"], pathways["skin-primary-care"]
    assert {n: (c.types, c.group) for n, c in trust.conditions.items()} == {
        n: (c.types, c.group) for n, c in practice.conditions.items()
    }
    assert trust.target_groups == practice.target_groups


def test_what_is_valued_in_both_skin_presets_is_valued_alike(pathways: dict[str, Pathway]):
    trust, practice = (pathways[name].economics for name in ("skin-usc", "skin-primary-care"))
    assert trust is not None
    assert practice is not None
    alike = set(type(trust).model_fields) - {"visits"}
    assert {name: getattr(trust, name) for name in alike} == {name: getattr(practice, name) for name in alike}


@pytest.mark.parametrize("name", ["skin-usc", "skin-primary-care"])
def test_a_worth_that_rests_on_settings_is_illustrative(name: str, outcomes: dict[str, Outcomes]):
    """Only what is published has one: thresholds, discount rates, the prices of AI and of a dermatologist's read."""
    found = outcomes[name]
    economics = found.pathway.economics
    sourced = {quantity.source for quantity in quantities(economics) if quantity.sourced}
    assert all(source.startswith(("NICE", "HM Treasury Green Book")) for source in sourced)
    assert len(sourced) == 4
    assert float(found.pathway.stages["AI"].cost_gbp.value) == 30.00
    prices = {stage.cost_gbp.value for stage in found.pathway.stages.values() if stage.cost_gbp.sourced}
    assert {30.00, 8.20} <= prices
    for view in VIEWS:
        model = model_of(found, view)
        assert model.illustrative
        worth = base_case(model)
        assert np.isfinite(worth.cost_gbp).all()
        assert ((worth.qaly > 0) & (worth.qaly < 0.8 * 40)).all()


@pytest.mark.parametrize("name", ["lung-chest-x-ray", "stroke-imaging"])
def test_presets_without_a_price_or_an_effect_to_name_have_no_economics(name: str, pathways: dict[str, Pathway]):
    assert pathways[name].economics is None


def test_a_dermatologist_behind_the_model_misses_fewer_than_the_model_alone(outcomes: dict[str, Outcomes]):
    tallies = {name: arm.tally for name, arm in outcomes["skin-primary-care"].arms.items()}
    missed = {name: tally.missed.sum() for name, tally in tallies.items()}
    assert missed["GP with AI + advice"] < missed["GP with AI"] < missed["GP alone"]


def test_the_chest_x_ray_has_the_accuracy_of_the_cohort_that_it_cites(pathways: dict[str, Pathway]):
    """Bradley et al. 2021: of 8,996 people 114 had lung cancer; sensitivity 75.4 %, specificity 90.2 %."""
    pathway = pathways["lung-chest-x-ray"]
    reads = pathway.stages["reporting"].reads
    assert isinstance(reads, dict)
    assert abs(pathway.conditions["lung cancer"].share.value - 114 / 8_996) < 0.0005
    assert reads["lung cancer"]["suspected cancer"].value == 0.754
    others = {name: c.share.value for name, c in pathway.conditions.items() if name != "lung cancer"}
    suspected = sum(share * reads[name]["suspected cancer"].value for name, share in others.items())
    assert abs(1 - suspected / sum(others.values()) - 0.902) < 0.002


def test_flagged_x_rays_are_reported_sooner_and_treatment_hardly_so_as_in_the_trial(outcomes: dict[str, Outcomes]):
    """LungIMPACT (Woznitza et al., Nature Medicine 2026): no shorter time to CT or diagnosis; 44 against 46 days."""
    found = outcomes["lung-chest-x-ray"]
    before, after = "order of coming", "AI prioritisation"
    assert within(found, after, "X-ray to report") > within(found, before, "X-ray to report") + 0.1
    assert abs(within(found, after, "request to treatment") - within(found, before, "request to treatment")) < 0.05
    assert (found.arms[before].tally.ended.sum(axis=0) - found.arms[after].tally.ended.sum(axis=0) < 20).all()


def test_stroke_is_counted_in_minutes_day_and_night(outcomes: dict[str, Outcomes]):
    """Door in door out: 92 minutes at the median in Hesse (PMC8327429), 102 in Quebec, plus the drive."""
    found = outcomes["stroke-imaging"]
    arrival = list(found.pathway.clocks).index("door to arrival at the centre")
    assert 92 < found.arms["without AI"].clock_quantiles[:, arrival, 0].mean() < 102 + 90
    for clock in ("door to needle", "door to arrival at the centre", "door to clot removed"):
        assert within(found, "AI support", clock) > within(found, "without AI", clock)
        assert late(found, "AI support", clock) < late(found, "without AI", clock)
    stages = list(found.pathway.stages)
    assert found.arms["without AI"].tally.flow[:, stages.index("AI")].sum() == 0
