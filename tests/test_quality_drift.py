"""Drift of shares and late outcomes: the test against SciPy's, uneven baselines, what is said, what cannot be."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2_contingency, f, fisher_exact

from derm_kit.surveillance.changed_shares import labelled
from derm_kit.surveillance.drift_trials import in_control
from derm_kit.surveillance.feed import Feed, FeedError
from derm_kit.surveillance.late_outcomes import late_outcomes
from derm_kit.surveillance.looks import WHOLE, Looks
from derm_kit.surveillance.monthly_shares import judged
from derm_kit.surveillance.quality_drift import FAILURES, SharesPlan, quality_drift
from derm_kit.surveillance.reference_pool import ReferencePool
from derm_kit.surveillance.scenario_service import TRUST, Service
from derm_kit.surveillance.scenarios import Scenario, planted_feed

SMALL = dataclasses.replace(TRUST, name="a small trust", cases_a_year=10_000, years=3)


@pytest.fixture(scope="module")
def pool() -> ReferencePool:
    return ReferencePool.shipped()


@pytest.fixture(scope="module")
def small_feed(pool: ReferencePool) -> Feed:
    return planted_feed(Scenario.IN_CONTROL, SMALL, seed=3, pool=pool)[0]


def test_p_value_is_that_of_the_contingency_table() -> None:
    even = np.tile([300, 150, 50], (12, 1))
    for month in ([290, 170, 60], [340, 120, 30], [30, 25, 15]):
        found = judged(np.vstack([even, month]), 12, 50)
        expected = chi2_contingency([even.sum(axis=0), month], correction=False)
        assert found.p_value[0] == pytest.approx(expected.pvalue, rel=1e-9)
        assert found.statistic[0] == pytest.approx(expected.statistic / 2, rel=1e-9)
        shares = np.array(month) / np.sum(month) - np.array([0.6, 0.3, 0.1])
        assert found.moved[0] == pytest.approx(np.abs(shares).sum() / 2)


def test_two_categories_are_held_apart_exactly() -> None:
    even = np.tile([295, 5], (12, 1))
    for month in ([290, 10], [180, 20], [300, 0], [48, 2]):
        found = judged(np.vstack([even, month]), 12, 50)
        sides = [fisher_exact([even.sum(axis=0), month], side).pvalue for side in ("less", "greater")]
        assert found.p_value[0] == pytest.approx(min(1, 2 * min(sides)), rel=1e-9)


def test_an_uneven_baseline_is_the_yardstick() -> None:
    """Baseline months that differ by four times chance: the month's chi-square is divided by that and read from F."""
    rng = np.random.default_rng(3)
    uneven = np.column_stack([counts := rng.binomial(500, np.clip(rng.normal(0.3, 0.04, 12), 0, 1)), 500 - counts])
    month = np.array([190, 310])
    found = judged(np.vstack([uneven, month]), 12, 50)
    among = chi2_contingency(uneven, correction=False)
    plain = chi2_contingency([uneven.sum(axis=0), month], correction=False)
    assert found.dispersion == pytest.approx(among.statistic / 11, rel=1e-9)
    assert found.dispersion > 2
    assert found.p_value[0] == pytest.approx(f.sf(plain.statistic / found.dispersion, 1, 11), rel=1e-9)
    assert found.p_value[0] > 10 * plain.pvalue


def test_one_case_of_something_new_is_no_alarm_and_a_month_of_it_is() -> None:
    old = np.tile([400, 0], (12, 1))
    found = judged(np.vstack([old, [399, 1], [0, 400], [0, 0], [20, 0]]), 12, 50)
    assert found.p_value[0] == pytest.approx(2 * 400 / 5_200)
    assert found.p_value[1] < 1e-100
    assert np.isnan(found.p_value[2:]).all()
    assert found.n.tolist() == [400, 400, 0, 20]


def test_level_holds_with_many_small_categories() -> None:
    rng = np.random.default_rng(6)
    shares = np.array([0.5, 0.3, 0.15, 0.03, 0.01, 0.006, 0.004])
    p_values = np.concatenate([judged(rng.multinomial(200, shares, 60), 12, 50).p_value for _ in range(60)])
    for level in (0.05, 0.01):
        assert 0.5 * level < (p_values <= level).mean() < 1.3 * level


def test_false_alarms_are_as_promised(pool: ReferencePool) -> None:
    plan = SharesPlan(months_between=10)
    for looks in (lambda feed: quality_drift(feed, plan).looks, lambda feed: late_outcomes(feed, plan).drift.looks):
        found = in_control(looks, 10, runs=12, service=SMALL, seed=50)
        assert found.kept, found.sentence
        assert found.monthly.value > 0.02, found.sentence


def with_failures(feed: Feed, since: str, share: float, site: str) -> Feed:
    rng = np.random.default_rng(1)
    hit = ((feed.cases["imaged_at"] >= since) & (feed.cases["site"] == site)).to_numpy() & (
        rng.random(len(feed.cases)) < share
    )
    reason = feed.cases["quality_reason"].astype("str").mask(hit, "out of focus: fine over coarse detail 0.40")
    worse = feed.cases.assign(quality_fail=feed.cases["quality_fail"] | hit, quality_reason=reason.astype("category"))
    return dataclasses.replace(feed, cases=worse)


def test_more_failures_at_one_site_are_found_and_said(small_feed: Feed) -> None:
    found = quality_drift(with_failures(small_feed, "2023-01-01", 0.1, "Site 2"))
    at_site = found.alarms[(found.alarms["figure"] == FAILURES) & (found.alarms["group"] == "Site 2")]
    assert at_site["month"].min() == pd.Timestamp("2023-01-01", tz="UTC")
    assert len(at_site) == 12
    assert set(found.alarms.loc[found.alarms["figure"] == FAILURES, "group"]) <= {"Site 2", WHOLE}
    now = small_feed.cases[small_feed.cases["imaged_at"].between("2023-01-01", "2023-02-01")]
    n = int((now["site"] == "Site 2").sum())
    assert f"of {n:,} cases (baseline" in at_site.iloc[0]["says"]
    reasons = found.alarms[(found.alarms["figure"] == "quality") & (found.alarms["group"] == "Site 2")]
    assert reasons["says"].str.contains("passes|out of focus").all()


def test_reasons_are_counted_by_kind_and_ages_by_band() -> None:
    cases = pd.DataFrame(
        {
            "quality_reason": pd.Categorical(["", "out of focus: 0.5", "out of focus: 0.4", "heavy glare: 46%"]),
            "age_years": np.array([np.nan, 17.9, 18, 80], np.float32),
            "sex": pd.Categorical(["", "male", None, "female"]),
        }
    )
    codes, labels = labelled(cases, "quality")
    assert [labels[c] for c in codes] == ["passes", "out of focus", "out of focus", "heavy glare"]
    codes, labels = labelled(cases, "age")
    assert [labels[c] for c in codes] == ["not recorded", "under 18 years", "18 to 39 years", "80 years and over"]
    codes, labels = labelled(cases, "sex")
    assert [labels[c] for c in codes] == ["not recorded", "male", "not recorded", "female"]


def test_small_sites_and_empty_months_say_too_few(pool: ReferencePool) -> None:
    tiny = Service("two practices", ("Large", "Small"), 900, 2)
    feed, _ = planted_feed(Scenario.IN_CONTROL, tiny, seed=2, pool=pool)
    gap = ~feed.cases["imaged_at"].between("2022-05-01", "2022-06-01")
    found = quality_drift(dataclasses.replace(feed, cases=feed.cases[gap].reset_index(drop=True)))
    small = found.looks[found.looks["group"] == "Small"]
    assert (small["says"] == "Too few to say.").all()
    assert not small["alarm"].any()
    may = found.looks[(found.looks["group"] == WHOLE) & (found.looks["n_cases"] == 0)]
    assert len(may) == found.looks["figure"].nunique()
    nothing = dataclasses.replace(feed, cases=feed.cases[:0], outcomes=feed.outcomes[:0])
    assert quality_drift(nothing).looks.empty
    assert late_outcomes(nothing).drift.looks.empty


def test_one_site_is_looked_at_once(small_feed: Feed) -> None:
    one = small_feed.cases[(small_feed.cases["site"] == "Site 1").to_numpy()].reset_index(drop=True)
    found = quality_drift(dataclasses.replace(small_feed, cases=one))
    assert found.looks["group"].unique().tolist() == ["Site 1"]
    assert found.false_alarms.looks_a_month == found.looks["figure"].nunique()


def test_months_are_those_of_the_services_clock() -> None:
    times = pd.to_datetime(["2021-03-31 22:59", "2021-03-31 23:00", "2021-05-02 10:00"], utc=True).as_unit("us")
    looks = Looks.of(pd.DataFrame({"imaged_at": times, "site": pd.Categorical(["A", "B", "A"])}))
    assert looks.labels == ("2021-03", "2021-04", "2021-05")
    assert looks.month.tolist() == [0, 1, 2]
    assert looks.places(0, 0, 3).tolist() == [0, 2]
    assert looks.places(1, 1).tolist() == [1]


def test_only_months_old_enough_are_looked_at_for_late_outcomes(small_feed: Feed) -> None:
    found = late_outcomes(small_feed, within_days=60)
    assert found.complete_until == pd.Timestamp("2023-11-01", tz="UTC")
    assert found.drift.looks["month"].max() == pd.Timestamp("2023-10-01", tz="UTC") - pd.Timedelta(hours=1)
    with pytest.raises(FeedError, match="some days"):
        late_outcomes(small_feed, within_days=0)


def test_late_outcomes_are_said_with_counts_made_by_hand(pool: ReferencePool) -> None:
    feed, planted = planted_feed(Scenario.LATE_LABELS, SMALL, seed=3, pool=pool)
    alarms = late_outcomes(feed).drift.alarms
    alarm = alarms[(alarms["month"] == planted.starts_at) & (alarms["group"] == planted.site)].iloc[0]
    told = feed.outcomes[(feed.outcomes["way"] == "biopsy").to_numpy()].merge(feed.cases, on="case_id")
    early = set(told.loc[told["told_at"] - told["imaged_at"] <= pd.Timedelta(days=60), "case_id"])
    flagged = ~feed.cases["suspected"].isin(["none", "not assessed"])
    mine = feed.cases[flagged & (feed.cases["site"] == planted.site)]
    now = mine[mine["imaged_at"].between(planted.starts_at, planted.starts_at + pd.DateOffset(months=1))]
    before = mine[mine["imaged_at"] < "2022-01-01"]
    late_now, late_before = (1 - part["case_id"].isin(early).mean() for part in (now, before))
    assert f"not told in time {late_now:.1%} of {len(now):,} cases" in alarm["says"]
    assert f"(baseline {late_before:.1%} of {len(before):,})" in alarm["says"]
