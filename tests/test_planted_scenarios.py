"""Planted scenarios: each is found by the signals that should find it, and years in which nothing changes are not."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import cache

import pandas as pd
import pytest
from scipy.stats import poisson
from threadpoolctl import threadpool_limits

from derm_kit.surveillance.feed import Feed
from derm_kit.surveillance.input_drift import input_drift
from derm_kit.surveillance.late_outcomes import late_outcomes
from derm_kit.surveillance.plan import Plan
from derm_kit.surveillance.quality_drift import quality_drift
from derm_kit.surveillance.reference_pool import ReferencePool
from derm_kit.surveillance.scenario_service import TRUST
from derm_kit.surveillance.scenarios import PRODUCT, TEACHING_SEED, Planted, Scenario, Signal, planted_feed
from derm_kit.surveillance.signals import signals

CHARTS = Plan(drawn_cases=0)
NAMES = {Signal.SENSITIVITY: "Melanoma sensitivity", Signal.DISCHARGE_RATE: "discharge rate"}
SEEDS = (TEACHING_SEED, 101, 202)
"""The seed for teaching, and two that nobody chose."""


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    with threadpool_limits(1, user_api="blas"):
        yield


@cache
def pool() -> ReferencePool:
    return ReferencePool.shipped()


@cache
def fed(name: Scenario, seed: int) -> tuple[Feed, Planted]:
    return planted_feed(name, TRUST, seed=seed, pool=pool())


def alarm_months(feed: Feed, signal: Signal) -> pd.DataFrame:
    """When each of a signal's alarms was raised on: instant and group."""
    if signal in NAMES:
        charts = [s for s in signals(feed, CHARTS).signals if s.name.startswith(NAMES[signal]) and s.points is not None]
        points = [s.points[s.points["alarm"]] for s in charts if s.points is not None]
        return pd.concat(points).rename(columns={"imaged_at": "month"}).assign(group="")
    if signal is Signal.INPUT_DRIFT:
        return input_drift(feed).alarms
    if signal is Signal.MIX_DRIFT:
        return quality_drift(feed).alarms
    return late_outcomes(feed).drift.alarms


MONTHS_TO_FIND = {
    Signal.INPUT_DRIFT: 1,
    Signal.MIX_DRIFT: 12,
    Signal.LATE_OUTCOMES: 1,
    Signal.SENSITIVITY: 9,
    Signal.DISCHARGE_RATE: 6,
}
PLANTED = [s for s in Scenario if s is not Scenario.IN_CONTROL]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", PLANTED)
def test_what_is_planted_is_found_where_and_when_it_was_planted(name: Scenario, seed: int) -> None:
    feed, planted = fed(name, seed)
    assert planted.starts_at is not None
    for signal in planted.found_by:
        alarms = alarm_months(feed, signal)
        since = alarms[alarms["month"] >= planted.starts_at]
        in_time = since[since["month"] < planted.starts_at + pd.DateOffset(months=MONTHS_TO_FIND[signal])]
        assert len(in_time), f"{signal} does not find {planted.sentence}"
        if planted.site:
            assert planted.site in set(in_time["group"])


@pytest.mark.parametrize("signal", Signal)
def test_the_year_for_teaching_raises_no_alarm(signal: Signal) -> None:
    feed, planted = fed(Scenario.IN_CONTROL, SEEDS[0])
    assert planted.found_by == ()
    assert alarm_months(feed, signal).empty


def test_silent_signals_stay_silent_about_what_does_not_concern_them() -> None:
    """Under the seed for teaching, where no false alarm stands in the way."""
    for name in PLANTED:
        feed, planted = fed(name, SEEDS[0])
        for signal in planted.silent:
            assert alarm_months(feed, signal).empty, f"{signal} alarms though {planted.sentence}"


def test_false_alarms_over_several_services_are_no_more_than_promised() -> None:
    """All alarms of twelve services in control: at most what each signal promises, by the Poisson distribution.

    Alarms of one service share its baseline and those of one month their cases, so months with an alarm are counted,
    and for charts each alarm from which it starts anew.
    """
    seen = dict.fromkeys([*Signal, "charts"], 0.0)
    promised = dict.fromkeys(seen, 0.0)
    for seed in range(300, 312):
        feed, _ = planted_feed(Scenario.IN_CONTROL, TRUST, seed=seed, pool=pool(), features=False)
        for signal, looks in (
            (Signal.MIX_DRIFT, quality_drift(feed).looks),
            (Signal.LATE_OUTCOMES, late_outcomes(feed).drift.looks),
        ):
            seen[signal] += looks.groupby("month")["alarm"].any().sum()
            promised[signal] += looks["month"].nunique() / 60
        found = signals(feed, CHARTS)
        charts = [s for s in found.signals if s.promise is not None and s.name.endswith("CUSUM")]
        seen["charts"] += sum(s.alarms for s in charts)
        promised["charts"] += found.expected_false_alarms(PRODUCT, "CUSUM")
    for signal, alarms in seen.items():
        if promised[signal]:
            assert poisson.sf(alarms - 1, promised[signal]) > 0.01, (
                f"{signal}: {alarms}, promised {promised[signal]:.1f}"
            )
    assert promised["charts"] > 5
    assert seen["charts"] > 0


def test_sensitivity_falls_from_95_to_88_under_an_unchanged_name() -> None:
    """The figures of the sentence, from the policy's calls on the reference melanomas and on the service's."""
    reference = pool()
    melanoma = (reference.run.cases["truth"] == "melanoma").to_numpy()
    for read, wanted in ((reference.before, 0.95), (reference.after, 0.88)):
        called = pd.Series(read.suspected[melanoma])
        assert (called == "melanoma").sum() / (called != "not assessed").sum() == pytest.approx(wanted, abs=0.003)
    feed, planted = fed(Scenario.SILENT_MODEL_CHANGE, SEEDS[0])
    assert list(feed.cases["product"].cat.categories) == [PRODUCT]
    told = feed.outcomes[
        (feed.outcomes["truth"] == "melanoma").to_numpy() & (feed.outcomes["way"] == "registry").to_numpy()
    ]
    cases = feed.cases.set_index("case_id").loc[told["case_id"]]
    assessed = cases[(cases["suspected"] != "not assessed").to_numpy()]
    after = (assessed["imaged_at"] >= planted.starts_at).to_numpy()
    caught = (assessed["suspected"] == "melanoma").to_numpy()
    assert caught[~after].mean() == pytest.approx(0.95, abs=0.02)
    assert caught[after].mean() == pytest.approx(0.88, abs=0.03)


def test_other_lesions_keep_their_scores_and_sites_when_the_model_changes_silently() -> None:
    before, after = (fed(name, SEEDS[0])[0].cases for name in (Scenario.IN_CONTROL, Scenario.SILENT_MODEL_CHANGE))
    kept = ["case_id", "site", "imaged_at", "basal_cell_carcinoma", "benign_naevus", "age_years", "quality_fail"]
    pd.testing.assert_frame_equal(before[kept], after[kept])
    changed = before["melanoma"].ne(after["melanoma"]) & before["melanoma"].notna()
    assert changed.mean() == pytest.approx(0.4, abs=0.05)
    assert (after.loc[changed, "melanoma"] < before.loc[changed, "melanoma"]).all()


def test_late_labels_are_the_same_outcomes_told_later() -> None:
    before, late = (fed(name, SEEDS[0])[0] for name in (Scenario.IN_CONTROL, Scenario.LATE_LABELS))
    assert before.cases.equals(late.cases)
    both = before.outcomes.merge(late.outcomes, on=["case_id", "way"], suffixes=("", "_late"), validate="one_to_one")
    waited = both["told_at_late"] - both["told_at"]
    assert set(waited.dt.days.unique()) == {0, 120}
    assert (both["known_at"] == both["known_at_late"]).all()
    assert len(late.outcomes) < len(before.outcomes)


def test_the_same_seed_gives_the_same_feed_and_another_one_another() -> None:
    small = dataclasses.replace(TRUST, cases_a_year=2_000)
    once, again, other = (planted_feed(Scenario.NEW_CAMERA, small, seed=s, pool=pool())[0] for s in (9, 9, 10))
    assert once.features is not None
    assert again.features is not None
    assert once.cases.equals(again.cases)
    assert once.outcomes.equals(again.outcomes)
    assert once.features.equals(again.features)
    assert not once.cases["imaged_at"].equals(other.cases["imaged_at"])


def test_a_service_of_one_site_and_one_year_has_its_scenarios_too() -> None:
    small = dataclasses.replace(TRUST, name="one practice", sites=("Practice",), cases_a_year=400, years=1)
    for name in Scenario:
        feed, planted = planted_feed(name, small, seed=1, pool=pool())
        assert len(feed.cases) == 400
        assert planted.site in ("", "Practice")
        assert input_drift(feed).looks.empty
        assert quality_drift(feed).alarms.empty
