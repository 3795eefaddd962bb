"""Tables over replications: sums that must hold, changes pair by pair, and sentences that say what the tables say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from derm_kit.model.run import ScoreRun
from derm_kit.pathway.definition import Pathway
from derm_kit.pathway.measures import backlogs, measures, missed_parts, routes, table, waiting
from derm_kit.pathway.outcomes import Outcomes
from derm_kit.pathway.quantities import unsourced_inputs
from derm_kit.pathway.simulation import simulate
from derm_kit.pathway.words import figures_of, headline, key_figures, remarks, said
from derm_kit.triage.policy import TriagePolicy
from tests.pathways import clinic, pathway, sorting

SKIN = Pathway.read("skin-usc")


@pytest.fixture(scope="module")
def skin(reference: ScoreRun, policy: TriagePolicy) -> Outcomes:
    """Twenty years of each arm."""
    return simulate(SKIN, reference, policy, replications=20, seed=3)


@pytest.fixture(scope="module")
def figures(skin: Outcomes) -> pd.DataFrame:
    return table(skin)


def test_ways_out_and_those_still_in_are_everybody(figures: pd.DataFrame):
    people = figures[
        (figures["topic"] == "people") & figures["measure"].isin(["way out", "still in the pathway at the end"])
    ]
    assert people.groupby("arm")["value"].sum().to_numpy() == pytest.approx([1_000] * 4)


def test_a_figure_is_the_mean_of_its_replications_and_lies_in_its_range(skin: Outcomes, figures: pd.DataFrame):
    by_hand = measures(SKIN, skin.arms["AI"])
    for row in figures[figures["arm"] == "AI"].itertuples():
        [values] = [v for m, v in by_hand.items() if (m.topic, m.name, m.of) == (row.topic, row.measure, row.of)]
        assert row.value == pytest.approx(np.nanmean(values), nan_ok=True)
        assert not row.value < row.low - 1e-9
        assert row.replications == np.isfinite(values).sum()


def test_a_change_is_that_of_the_same_people_in_todays_arm(skin: Outcomes, figures: pd.DataFrame):
    today, ai = (measures(SKIN, skin.arms[arm]) for arm in (SKIN.today, "AI"))
    row = figures[(figures["arm"] == "AI") & (figures["measure"] == "referral to treatment")].iloc[0]
    [differences] = [ai[m] - today[m] for m in ai if (m.name, m.of) == (row["measure"], row["of"])]
    assert row["change"] == pytest.approx(differences.mean())
    assert (row["change_low"], row["change_high"]) == pytest.approx(tuple(np.quantile(differences, (0.025, 0.975))))
    assert figures.loc[figures["arm"] == SKIN.today, "change"].isna().all()
    referred = figures[
        (figures["topic"] == "people") & (figures["measure"] == "referred") & (figures["arm"] != SKIN.today)
    ]
    assert (referred["change"] == 0).all()


def test_cancers_are_missed_only_where_a_pathway_sends_them_away(skin: Outcomes):
    parts = {arm: missed_parts(skin, arm).set_index("group") for arm in skin.arms}
    for frame in parts.values():
        assert (frame["low"] <= frame["missed"]).all()
        assert (frame["missed"] <= frame["referred"]).all()
    by_people = parts["face to face"].loc["melanoma or SCC"]
    assert by_people["cohort_high"] - by_people["cohort_low"] == pytest.approx(0, abs=1e-9)
    by_model = parts["AI"].loc["melanoma or SCC"]
    assert 0 < by_model["cohort_high"] - by_model["cohort_low"] < by_model["high"] - by_model["low"]


def test_who_goes_into_a_stage_comes_out_of_it_or_is_still_there(skin: Outcomes):
    for arm in skin.arms:
        flows, tally = routes(skin, arm), skin.arms[arm].tally
        into, out = flows.groupby("to")["people"].sum(), flows.groupby("source")["people"].sum()
        assert out["referral"] == pytest.approx(tally.referred.sum(axis=1).mean())
        for s, stage in enumerate(SKIN.stages):
            if stage != "clinic" and stage in into:  # people who are referred again come to the clinic
                still = tally.still_in[:, s].sum(axis=1).mean()
                assert out[stage] + still == pytest.approx(into[stage], abs=1e-6)


def test_routes_below_full_uptake_are_those_of_both_ways():
    """Who does not take the arm up goes where today's route leads, at the stages that both share as well."""
    shares = {"all": {"worried": 0.5, "well": 0.5}}
    of = pathway(
        {"gp": sorting(shares, {"worried": "clinic", "well": "out"}), "clinic": clinic(100), "AI": clinic(100)},
        arms={
            "today": {"entry": "gp", "today": True},
            "new": {"entry": "gp", "routes": {"gp": {"worried": "AI"}}, "uptake": 0.3},
        },
    )
    found = routes(simulate(of, replications=40), "new").set_index(["source", "outcome", "to"])["people"]
    referred = found["referral", "referred", "gp"]
    assert found["gp", "worried", "AI"] == pytest.approx(0.15 * referred, rel=0.05)
    assert found["gp", "worried", "clinic"] == pytest.approx(0.35 * referred, rel=0.05)
    assert found["gp", "worried", "AI"] == found["AI", "seen", "out"]
    assert found["gp", "worried", "clinic"] == found["clinic", "seen", "out"]
    assert found["gp", "well", "out"] == pytest.approx(0.5 * referred, rel=0.05)
    assert found.index.is_unique


def test_shares_seen_within_a_time_rise_to_one(skin: Outcomes):
    for _, curve in waiting(skin, "AI").groupby(["by", "name"]):
        assert (np.diff(curve["share"]) >= 0).all()
        assert curve["share"].iloc[-1] == pytest.approx(1)
        assert list(curve["units"]) == list(range(len(curve)))


def test_queues_are_told_for_every_counted_day(skin: Outcomes):
    queue = backlogs(skin, "face to face")
    own = queue[queue["stage"] == "clinic"]
    assert own["date"].iloc[0] == pd.Timestamp(SKIN.calendar.start)
    assert len(own) == SKIN.calendar.days
    assert ((own["low"] <= own["value"] + 1e-9) & (own["value"] <= own["high"] + 1e-9)).all()


def test_costs_add_up_and_say_what_has_no_source(figures: pd.DataFrame):
    for arm in SKIN.arms:
        costs = figures[(figures["arm"] == arm) & (figures["topic"] == "cost")].set_index("of")
        assert costs["value"].drop("").sum() == pytest.approx(costs.loc["", "value"])
        assert costs.loc["", "remark"] == "source required"
    of_ai = figures[(figures["measure"] == "cost") & (figures["of"] == "AI")]
    assert set(of_ai["remark"]) == {"rests on settings: source required"}
    assert of_ai["value"].between(29.5, 30.0).all()


def test_words_say_what_the_table_says(skin: Outcomes, figures: pd.DataFrame):
    own = figures_of(figures, "AI")
    words = headline(skin, "AI", figures)
    tally, advice = skin.arms["AI"].tally, list(SKIN.exits).index("left with advice")
    model = list(SKIN.stages).index("AI")
    advised = tally.flow[:, model, list(SKIN.stages["AI"].ways).index("discharge advice with safety-netting")].sum(
        axis=1
    )
    assert f"about {(1_000 * advised / tally.referred.sum(axis=1)).mean():,.0f} of 1,000 people" in words
    assert tally.ended[:, advice].sum() < advised.sum()  # some of them are referred again
    missed = own["missed, left with advice", "melanoma or SCC"]
    assert f"{missed.value:.1f} of {own['referred', 'melanoma or SCC'].value:,.0f} with melanoma or SCC" in words
    assert "found late or never" in words
    assert "nobody would leave unseen by a person" in headline(skin, "AI + second read", figures)


def test_remarks_hold_what_nobody_gave_a_source_for(skin: Outcomes):
    unsourced = unsourced_inputs(SKIN)
    assert "conditions / melanoma / share" in unsourced
    assert "stages / AI / cost_gbp" not in unsourced
    together = " ".join(remarks(skin))
    assert f"{len(unsourced)} inputs have no source" in together
    assert "independent" in together
    assert "not a medical device" in together


def test_key_figures_have_each_arm_once_a_label(figures: pd.DataFrame):
    keys = key_figures(SKIN, figures)
    assert not keys.duplicated(["label", "arm"]).any()
    assert any("source required" in label for label in keys["label"])


def test_an_undefined_figure_is_a_dash():
    assert said(float("nan"), 0, 1, "share") == ("–", "")
    assert said(0.123, 0.1, 0.2, "share of them") == ("12.3%", "10.0% to 20.0%")
    assert said(1234.5, 1, 2000, "days") == ("1,234.5", "1.0 to 2,000.0")


def test_only_arms_that_would_come_out_otherwise_are_simulated_again(
    skin: Outcomes, reference: ScoreRun, policy: TriagePolicy
):
    lower = policy.changed(thresholds={kind: value / 2 for kind, value in policy.thresholds.items()})
    again = simulate(SKIN, reference, lower, replications=20, seed=3, known=skin)
    kept = [arm for arm in skin.arms if again.arms[arm] is skin.arms[arm]]
    assert kept == ["face to face", "teledermatology"]
    anew = simulate(SKIN, reference, lower, replications=20, seed=3)
    pd.testing.assert_frame_equal(table(again), table(anew))
    assert list(again.arms) == list(anew.arms)
    other_seed = simulate(SKIN, reference, policy, replications=20, seed=4, known=skin, arms=["face to face"])
    assert other_seed.arms["face to face"] is not skin.arms["face to face"]


def test_a_figure_says_whether_it_rests_on_settings_or_costs_without_a_source(figures: pd.DataFrame):
    """Of the shipped pathway every figure does; of one whose inputs all have a source, only a cost without one."""
    assert (figures["remark"] != "").all()
    sourced = {"value": 1, "source": "a register"}
    given = {
        "conditions": {"all": {"share": sourced, "progression_per_30_days": sourced | {"value": 0}}},
        "referrals": {"source": "a register", "per_week": sourced | {"value": 70}},
    }
    priced = {"cost_gbp": {"value": 100}}
    for price, wanted in (({}, {""}), (priced, {"", "source required"})):
        of = pathway({"clinic": clinic(20, **price)}, **given)
        found = table(simulate(of, replications=2))
        assert set(found["remark"]) == wanted
        assert set(found.loc[found["topic"] != "cost", "remark"]) == {""}
