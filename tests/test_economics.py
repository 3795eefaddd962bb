"""Costs and QALYs of arms: a sheet of two arms worked out by hand, published prices, and what must always hold."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest

from derm_kit.errors import PathwayError
from derm_kit.model.run import ScoreRun
from derm_kit.pathway.definition import Pathway
from derm_kit.pathway.economic_inputs import NHS, SOCIETAL, at_values
from derm_kit.pathway.economic_tables import against_today, consequences, headline, increments, net_benefits, notes
from derm_kit.pathway.economics import ILLUSTRATIVE, base_case, evaluate, model_of
from derm_kit.pathway.lifetime import lifetime
from derm_kit.pathway.outcomes import Outcomes
from derm_kit.pathway.simulation import simulate
from derm_kit.triage.policy import TriagePolicy
from tests import two_arms

YEARS = 365 / 365.25
FIXED = 10_000 * YEARS / 1_000
"""An arm's yearly cost of 10,000 GBP over the 365 days in which 1,000 people are referred, each."""

# A life by how it leaves the pathway, worked out in test_disease_course (years in each state, chances to be found):
# early 1.62 years; advanced .98; not found .2682 early, .2682 advanced, .6962 and .1962 not found, and found with
# chances .2124 and .2844.
LIFE = {
    "early": (1.62 * 0.8, 1.62 * 100, 0),
    # Half a QALY a year, 1,000 GBP a year and 2,000 once, 400 GBP of work lost a year.
    "advanced": (0.98 * 0.5, 0.98 * 1_000 + 2_000, 0.98 * 400),
    "not found": (
        0.2682 * 0.8 + 0.2682 * 0.5 + 0.6962 * 0.7 + 0.1962 * 0.4,  # .91448
        # 311.792 for years, 500 for each found and 2,000 more for each found advanced
        0.2682 * 100 + 0.2682 * 1_000 + 0.6962 * 10 + 0.1962 * 50 + 0.2124 * 500 + 0.2844 * 2_500,
        0.2682 * 400,
    ),
}
PEOPLE = {"today": (85, 10, 5), "test first": (78, 12, 10)}
"""Found early, found advanced, not found, of 100 with a cancer."""


@pytest.fixture(scope="module")
def skin(reference: ScoreRun, policy: TriagePolicy) -> Outcomes:
    return simulate(Pathway.read("skin-usc"), reference, policy, seed=3, replications=4)


def test_two_arms_by_hand():
    model = model_of(two_arms.outcomes(two_arms.pathway()))
    found = base_case(model)
    # Stages: today (1,000 + 50 not attended) x 150 + 95 x 400; else 1,000 x 30 + 400 x 150 + 90 x 400.
    assert found.stage_gbp[0] == pytest.approx(np.array([[0, 157.5, 38], [30, 60, 36]]))
    assert found.fixed_gbp[0] == pytest.approx([0, FIXED])
    assert found.pathway_gbp[0] == pytest.approx([195.5, 126 + FIXED])
    for a, people in enumerate(PEOPLE.values()):
        care = sum(n * gbp for n, (_, gbp, _) in zip(people, LIFE.values(), strict=True)) / 1_000
        assert found.disease_gbp[0, a] == pytest.approx(care)
        own = sum(n * qaly for n, (qaly, _, _) in zip(people, LIFE.values(), strict=True)) / 1_000
        assert found.life_qaly[0, a] == pytest.approx(0.9 * 1.62 * 0.8 + own)
    assert found.disease_gbp[0] == pytest.approx([49.21496, 59.68592])
    assert found.life_qaly[0] == pytest.approx([1.2860324, 1.2825128])
    assert found.waiting_qaly[0] == pytest.approx([-20 / 365.25 * 0.02, -8 / 365.25 * 0.02])
    assert found.alarm_qaly[0] == pytest.approx([-0.9 * 0.001, -0.305 * 0.001])
    assert found.visit_qaly[0] == pytest.approx([-0.095 * 0.002, -0.09 * 0.002])
    assert (found.patient_gbp == 0).all()
    assert (found.lost_work_gbp == 0).all()
    qaly = np.array([1.2860324 - 0.0010951403 - 0.0009 - 0.00019, 1.2825128 - 0.0004380561 - 0.000305 - 0.00018])
    assert found.qaly[0] == pytest.approx(qaly, abs=1e-9)
    cost = np.array([195.5 + 49.21496, 126 + FIXED + 59.68592])
    assert found.net_benefit_gbp(20_000)[0] == pytest.approx(20_000 * qaly - cost, abs=1e-4)
    row = against_today(found).iloc[0]
    assert row["arm"] == "test first"
    assert row["more_cost_gbp"] == pytest.approx(cost[1] - cost[0])
    assert row["more_qaly"] == pytest.approx(qaly[1] - qaly[0], abs=1e-9)
    assert row["icer_gbp_per_qaly"] == pytest.approx((cost[1] - cost[0]) / (qaly[1] - qaly[0]), rel=1e-5)
    assert "saved for each QALY lost" in row["reads"]


def test_society_adds_travel_and_work_and_nothing_else():
    outcomes = two_arms.outcomes(two_arms.pathway())
    nhs, society = base_case(model_of(outcomes, NHS)), base_case(model_of(outcomes, SOCIETAL))
    # 1,050 visits x 20 + 95 x 50; 400 x 20 + 90 x 50.
    assert society.patient_gbp[0] == pytest.approx([25.75, 12.5])
    for a, people in enumerate(PEOPLE.values()):
        work = sum(n * gbp for n, (_, _, gbp) in zip(people, LIFE.values(), strict=True)) / 1_000
        assert society.lost_work_gbp[0, a] == pytest.approx(work)
    added = society.patient_gbp + society.lost_work_gbp
    assert society.cost_gbp == pytest.approx(nhs.cost_gbp + added)
    assert society.qaly == pytest.approx(nhs.qaly)


def test_discounting_takes_from_the_second_year_on():
    pathway = two_arms.pathway(discount_costs_a_year=0.1, discount_qalys_a_year=0)
    plain = base_case(model_of(two_arms.outcomes(two_arms.pathway())))
    found = base_case(model_of(two_arms.outcomes(pathway)))
    assert found.qaly == pytest.approx(plain.qaly)
    assert found.pathway_gbp == pytest.approx(plain.pathway_gbp)
    assert (found.disease_gbp < plain.disease_gbp).all()
    # Found early: 100 GBP a year over (1 + .8/1.1)/2 + (.8/1.1 + .64/1.21)/2 years.
    model = model_of(two_arms.outcomes(pathway))
    life = lifetime(model.economics, "cancer", at_values(model.inputs))
    assert life.care_gbp[0, 0] == pytest.approx(149.173554)
    assert life.care_by_year_gbp[0, 0] == pytest.approx([90, 72, 0, 0, 0])


def test_prices_of_the_nice_consultation():
    """30.00 for the AI and 8.20 for the reading are 38.20 a referral, against 35.90 where histology is shared."""
    changed = copy.deepcopy(two_arms.PATHWAY)
    one_way = {"kind": "delay", "delay_days": 0}
    changed["stages"] = {
        "AI": {**one_way, "cost_gbp": 30.00, "then": "reading"},
        "reading": {**one_way, "cost_gbp": 8.20, "then": "treated"},
        "both, histology shared": {**one_way, "cost_gbp": 35.90, "then": "treated"},
    }
    changed["arms"] = {
        "shared": {"today": True, "entry": "both, histology shared"},
        "one after another": {"entry": "AI"},
    }
    changed["economics"] |= {"price_of": "AI", "visits": {}}
    changed["calendar"] = {"start": "2026-04-01", "days": 28, "warm_up_days": 0, "follow_up_days": 2}
    outcomes = simulate(Pathway.model_validate(changed), seed=1, replications=3)
    found = base_case(model_of(outcomes))
    assert found.pathway_gbp == pytest.approx(np.tile([35.90, 38.20], (3, 1)))
    row = against_today(found).iloc[0]
    assert row["more_cost_gbp"] == pytest.approx(2.30)
    assert row["more_qaly"] == pytest.approx(0)


def test_arms_that_are_the_same_do_not_differ(skin: Outcomes):
    one = skin.arms["AI"]
    found = base_case(model_of(replace(skin, arms=dict.fromkeys(skin.arms, one))))
    table = against_today(found)
    assert (table[["more_cost_gbp", "more_qaly"]] == 0).all(axis=None)
    assert set(table["reads"]) == {"no difference"}
    assert table["icer_gbp_per_qaly"].isna().all()
    assert (net_benefits(found)["gain_gbp"] == 0).all()
    assert list(increments(found)["status"]) == ["", "equal", "equal", "equal"]


def test_twice_the_prices_are_twice_the_costs(skin: Outcomes):
    model = model_of(skin, SOCIETAL)
    once = at_values(model.inputs)
    twice = {name: value * (2 if "gbp" in name else 1) for name, value in once.items()}
    plain, doubled = evaluate(model, once), evaluate(model, twice)
    assert doubled.cost_gbp == pytest.approx(2 * plain.cost_gbp)
    assert doubled.qaly == pytest.approx(plain.qaly)


def test_the_mean_of_the_replications_is_the_replication_of_the_means(skin: Outcomes):
    model = model_of(skin)
    by_replication, of_mean = base_case(model), evaluate(model, at_values(model.inputs))
    assert by_replication.cost_gbp.mean(axis=0) == pytest.approx(of_mean.cost_gbp[0])
    assert by_replication.qaly.mean(axis=0) == pytest.approx(of_mean.qaly[0])


def test_everybody_leaves_the_tree_somewhere(skin: Outcomes):
    tree = model_of(skin).tree
    targets = (tree.found + tree.not_found).sum(axis=-1)
    assert targets + tree.no_target == pytest.approx(1)
    assert (tree.advanced <= tree.found).all()
    assert (tree.later <= tree.found).all()


def test_a_disease_that_advances_faster_costs_qalys(skin: Outcomes):
    model = model_of(skin)
    values = at_values(model.inputs)
    name = "conditions / melanoma / progression_per_30_days"
    faster = values | {name: np.array([0.04])}
    never = values | {name: np.array([0.0])}
    found = [evaluate(model, one).qaly[0] for one in (never, values, faster)]
    assert (found[0] > found[1]).all()
    assert (found[1] > found[2]).all()


def test_advanced_follow_the_rate_that_is_drawn():
    """Today 95 were found after 30 days on average, and 10 had advanced at the rate simulated."""
    pathway = two_arms.pathway()
    model = model_of(two_arms.outcomes(pathway))
    values = at_values(model.inputs)
    faster = 1 - (1 - two_arms.HALF_A_YEAR_S_CHANCE) ** 2
    name = "conditions / cancer / progression_per_30_days"
    more = evaluate(model, values | {name: np.array([faster])})
    chance = (1 - 0.5 ** (60 / 365.25)) / (1 - 0.5 ** (30 / 365.25))
    life = lifetime(model.economics, "cancer", values | {name: np.array([faster])})
    people = np.array([95 - 10 * chance, 10 * chance, 5]) / 1_000
    assert more.disease_gbp[0, 0] == pytest.approx(float((people * life.care_gbp[0]).sum()))


def test_costs_stand_beside_consequences(skin: Outcomes):
    base = base_case(model_of(skin))
    table = consequences(base)
    for arm, own in table.groupby("arm"):
        cost = own[own["topic"] == "cost"].set_index("item")["value"]
        stages = cost[[name for name in skin.pathway.stages if name in cost]]
        assert cost["the pathway in all"] == pytest.approx(stages.sum() + cost.get("the arm's yearly cost", 0))
        assert cost["all costs"] == pytest.approx(cost["the pathway in all"] + cost["care of the disease, for life"])
        qaly = own[own["topic"] == "QALY"].set_index("item")["value"]
        assert qaly["in all"] == pytest.approx(qaly.drop("in all").sum())
        place = base.model.place(str(arm))
        assert cost["all costs"] == pytest.approx(base.cost_gbp[:, place].mean())
    assert (table["low"] <= table["value"]).all()
    assert (table["value"] <= table["high"]).all()
    by_hand = consequences(base_case(model_of(two_arms.outcomes(two_arms.pathway()))))
    own = by_hand[by_hand["arm"] == "test first"].set_index("item")["value"]
    assert own["cancer: treated after the first referral"] == 80
    assert own["cancer: treated after a later referral"] == 10
    assert own["cancer: advanced by treatment"] == 12
    assert own["cancer: not treated"] == 10
    assert own["false alarms"] == 305
    assert own["days in queues"] == 8


def test_a_value_without_a_source_marks_every_table_and_takes_the_verdict_away(skin: Outcomes):
    found = base_case(model_of(skin))
    assert found.model.illustrative
    assert "economics / utility" in found.model.unsourced
    for table in (consequences(found), increments(found), against_today(found), net_benefits(found)):
        assert (table["remark"] == ILLUSTRATIVE).all()
    assert (net_benefits(found)["verdict"] == "").all()
    assert headline(found, "face to face") == "face to face is today's arm, which the others are held against."
    for arm in found.model.arms[1:]:
        said = headline(found, arm)
        assert said.startswith("Illustrative: ")
        assert "effective" not in said


def test_with_a_source_behind_every_value_a_verdict_is_given():
    found = base_case(model_of(two_arms.outcomes(two_arms.pathway(with_sources=True))))
    assert found.model.unsourced == ()
    table = net_benefits(found)
    assert (table["remark"] == "").all()
    best = table[table["verdict"] == "highest net benefit"]
    assert list(best["threshold"]) == ["lower", "upper", "Green Book"]
    assert list(best["arm"]) == ["test first", "today", "today"]
    said = headline(found, "test first")
    assert said.startswith("For 1,000 people referred, test first would cost 49,036 GBP less than today")
    assert "At 20,000 GBP per QALY (lower) it is cost-effective against today" in said
    assert "At 30,000 GBP per QALY (upper) it is not cost-effective" in said


def test_one_value_without_a_source_is_enough():
    pathway = two_arms.pathway(with_sources=True)
    one = pathway.changed(economics=pathway.economics.model_dump(exclude_unset=True) | {"utility": {"value": 0.8}})
    model = model_of(two_arms.outcomes(one))
    assert model.unsourced == ("economics / utility",)
    assert model.illustrative


def test_what_only_society_counts_marks_only_its_view():
    pathway = two_arms.pathway(with_sources=True)
    economics = pathway.economics.model_dump(exclude_unset=True)
    economics["visits"]["clinic"]["patient_cost_gbp"] = {"value": 20}
    changed = two_arms.outcomes(pathway.changed(economics=economics))
    assert not model_of(changed, NHS).illustrative
    assert model_of(changed, SOCIETAL).unsourced == ("economics / visits / clinic / patient_cost_gbp",)


def test_who_is_still_in_the_pathway_is_told():
    outcomes = two_arms.outcomes(two_arms.pathway())
    assert not any("still in the pathway at the end" in note for note in notes(model_of(outcomes)))
    outcomes.arms["today"].tally.still_in[0, 1] = 5, 45
    assert any(note.startswith("today: 5% of those referred are still") for note in notes(model_of(outcomes)))


def test_what_cannot_be_evaluated_is_refused_with_a_next_step():
    pathway = two_arms.pathway()
    outcomes = two_arms.outcomes(pathway)
    with pytest.raises(PathwayError, match=r"there is no such view.*NHS and PSS, societal"):
        model_of(outcomes, "private")
    with pytest.raises(PathwayError, match="needs the pathway's section 'economics'"):
        model_of(two_arms.outcomes(pathway.changed(economics=None)))
    with pytest.raises(PathwayError, match="today's, which was not simulated"):
        model_of(replace(outcomes, arms={"test first": outcomes.arms["test first"]}))
    with pytest.raises(PathwayError, match="an arm is one of those simulated"):
        headline(base_case(model_of(outcomes)), "tset first")
    outcomes.arms["today"].tally.referred[:] = 0
    with pytest.raises(PathwayError, match="people who are referred in every replication"):
        model_of(outcomes)
