"""Input drift: the discrepancy against a formula written out, its p-values, false alarms, real cameras told apart."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, kstest
from sklearn.metrics import roc_auc_score
from sklearn.metrics.pairwise import rbf_kernel
from threadpoolctl import threadpool_limits

from derm_kit.surveillance.drift_trials import in_control
from derm_kit.surveillance.false_alarms import FalseAlarms
from derm_kit.surveillance.feed import Feed, FeedError
from derm_kit.surveillance.input_drift import COLUMNS, InputDriftPlan, input_drift
from derm_kit.surveillance.reference_pool import ReferencePool
from derm_kit.surveillance.scenario_service import MIX, TRUST
from derm_kit.surveillance.scenarios import Scenario, planted_feed
from derm_kit.surveillance.two_samples import Discrepancy, told_apart

SMALL = dataclasses.replace(TRUST, name="a small trust", cases_a_year=8_000, years=2)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    with threadpool_limits(1, user_api="blas"):
        yield


@pytest.fixture(scope="module")
def pool() -> ReferencePool:
    return ReferencePool.shipped()


@pytest.fixture(scope="module")
def small_feed(pool: ReferencePool) -> Feed:
    return planted_feed(Scenario.IN_CONTROL, SMALL, seed=3, pool=pool)[0]


def written_out(new: np.ndarray, baseline: np.ndarray) -> float:
    """Equation 3 of Gretton et al. 2012, sum by sum, the kernel by scikit-learn."""
    both = np.concatenate([new, baseline]).astype(np.float64)
    gaps = [float(np.sum((both[i] - both[j]) ** 2)) for i in range(len(both)) for j in range(i)]
    gamma = 1 / (2 * np.median(gaps))
    m, n = len(new), len(baseline)
    within_new = sum(rbf_kernel(new[[i]], new[[j]], gamma)[0, 0] for i in range(m) for j in range(m) if i != j)
    within_old = sum(
        rbf_kernel(baseline[[i]], baseline[[j]], gamma)[0, 0] for i in range(n) for j in range(n) if i != j
    )
    across = rbf_kernel(new, baseline, gamma).sum()
    return within_new / (m * (m - 1)) + within_old / (n * (n - 1)) - 2 * across / (m * n)


@pytest.mark.parametrize("shift", [0.0, 0.7])
def test_discrepancy_is_the_published_sum(shift: float) -> None:
    rng = np.random.default_rng(5)
    new, old = rng.normal(shift, 1, (9, 4)).astype(np.float32), rng.normal(0, 1, (13, 4)).astype(np.float32)
    assert Discrepancy(new, old).squared == pytest.approx(written_out(new, old), abs=2e-6)


@given(st.integers(2, 30), st.integers(2, 30), st.integers(1, 8), st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_discrepancy_is_symmetric_and_blind_to_order_and_scale(m: int, n: int, d: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    new, old = rng.normal(size=(m, d)).astype(np.float32), rng.normal(size=(n, d)).astype(np.float32)
    squared = Discrepancy(new, old).squared
    assert Discrepancy(old, new).squared == pytest.approx(squared, abs=1e-4)
    assert Discrepancy(new[::-1] * 8, old * 8).squared == pytest.approx(squared, abs=1e-4)


def test_p_values_are_uniform_where_nothing_changed(pool: ReferencePool) -> None:
    """Drawn from the real features: with all permutations drawn, p is uniform on 1/100 ... 1."""
    rng = np.random.default_rng(8)
    vectors = pool.vectors.astype(np.float32)
    found = []
    for _ in range(400):
        new, old = (vectors[rng.integers(0, len(vectors), n)] for n in (40, 60))
        found.append(Discrepancy(new, old).p_value(rng, 99))
    spread = np.asarray(found) - rng.random(400) / 100
    assert kstest(spread, "uniform").pvalue > 0.01
    assert binomtest(int((np.asarray(found) <= 0.05).sum()), 400, 0.05).pvalue > 0.01


def test_stopping_early_adds_no_alarm() -> None:
    """At a level below that of stopping, the share of alarms stays at or below the level."""
    rng = np.random.default_rng(2)
    alarms = 0
    for _ in range(1_500):
        new, old = rng.normal(size=(20, 3)).astype(np.float32), rng.normal(size=(20, 3)).astype(np.float32)
        alarms += Discrepancy(new, old).p_value(rng, 499) <= 0.02
    assert binomtest(alarms, 1_500, 0.02, alternative="greater").pvalue > 0.01
    assert alarms > 10


def test_identical_samples_are_no_drift() -> None:
    same = np.zeros((30, 3), np.float32)
    found = Discrepancy(same, same)
    assert found.squared == pytest.approx(0, abs=1e-6)
    assert found.p_value(np.random.default_rng(1), 99) == 1.0


def test_classifier_gives_its_own_auc_and_half_where_nothing_changed() -> None:
    rng = np.random.default_rng(4)
    alike = [told_apart(*(rng.normal(size=(60, 5)).astype(np.float32) for _ in range(2)), rng) for _ in range(200)]
    p_values = np.array([p for _, p in alike])
    assert kstest(p_values, "uniform").pvalue > 0.01
    assert np.mean([auc for auc, _ in alike]) == pytest.approx(0.5, abs=0.02)
    new, old = rng.normal(3, 1, (400, 1)).astype(np.float32), rng.normal(0, 1, (400, 1)).astype(np.float32)
    auc, p_value = told_apart(new, old, rng)
    everything = roc_auc_score(np.repeat([1, 0], 400), np.concatenate([new, old])[:, 0])
    assert auc == pytest.approx(everything, abs=0.02)
    assert p_value < 1e-20


def test_promise_is_shared_among_the_looks() -> None:
    promised = FalseAlarms(60, 4)
    assert promised.level == pytest.approx(1 / 240)
    assert promised.yearly_prob == pytest.approx(1 - (59 / 60) ** 12)
    assert "at most one false alarm in 60 months on average over 4 looks a month" in promised.sentence
    with pytest.raises(FeedError, match="at least one month"):
        FalseAlarms(0.5)


def test_run_length_in_control_is_as_promised() -> None:
    """A promise of one false alarm in 10 months, tried on services of real lesions: the interval holds the promise."""
    service = dataclasses.replace(SMALL, years=4)
    plan = InputDriftPlan(months_between=10)
    found = in_control(lambda feed: input_drift(feed, plan).looks, 10, runs=8, service=service, seed=20, features=True)
    assert found.monthly.n == 8 * 36
    assert found.monthly.low <= 0.1 <= found.monthly.high, found.sentence
    assert found.kept
    assert "one in" in found.sentence


@pytest.mark.parametrize("test", ["discrepancy", "classifier"])
def test_real_cameras_are_told_apart_at_once(pool: ReferencePool, test: str) -> None:
    """Lesions of one collection against all three, at the same case mix: found in the first month, at that site."""
    feed, planted = planted_feed(Scenario.NEW_CAMERA, TRUST, seed=5, pool=pool)
    found = input_drift(feed, InputDriftPlan(test=test))  # type: ignore[arg-type]
    at_site = found.alarms[found.alarms["group"] == planted.site]
    assert planted.starts_at is not None
    assert at_site["month"].min() == planted.starts_at
    months = found.looks.loc[(found.looks["group"] == planted.site) & (found.looks["month"] >= planted.starts_at)]
    assert months["alarm"].mean() > 0.9
    assert len(found.alarms) - len(at_site) <= 4
    first = at_site.iloc[0]
    assert first["told_apart_auc"] > 0.6
    assert "device camera 2 100% of cases (baseline 0%)" in first["says"]
    assert set(first["unlike_baseline"]) <= set(feed.cases["case_id"])
    changes = found.changes[found.changes["group"] == planted.site]
    assert {"device", "suspected"} & set(changes["figure"])


def test_cases_least_like_the_baseline_are_those_that_were_moved() -> None:
    rng = np.random.default_rng(1)
    new, old = rng.normal(size=(40, 6)).astype(np.float32), rng.normal(size=(80, 6)).astype(np.float32)
    new[:5] += 6
    assert set(np.argsort(-Discrepancy(new, old).witness)[:5]) == set(range(5))


def test_a_month_is_judged_alike_whatever_other_months_and_sites_are_there(small_feed: Feed) -> None:
    whole = input_drift(small_feed)
    one_site = small_feed.cases[(small_feed.cases["site"] == "Site 2").to_numpy()]
    part = dataclasses.replace(small_feed, cases=one_site[one_site["imaged_at"] < "2022-07-01"].reset_index(drop=True))
    alone = input_drift(part)
    both = whole.looks.merge(alone.looks, on=["month", "group"], suffixes=("", "_alone"))
    assert len(both) == 6
    assert both["discrepancy"].tolist() == both["discrepancy_alone"].tolist()


def test_months_with_too_few_cases_say_so(small_feed: Feed) -> None:
    """A month of ten cases, an empty month, a new site without a baseline: a row each, no alarm, no figure."""
    cases = small_feed.cases
    march = cases["imaged_at"].between("2022-03-01", "2022-04-01")
    april = cases["imaged_at"].between("2022-04-01", "2022-05-01")
    kept = cases[~april & ~(march & (march.cumsum() > 10))].copy()
    kept["site"] = kept["site"].astype("str").mask(kept["imaged_at"] >= "2022-06-15", "New site").astype("category")
    found = input_drift(dataclasses.replace(small_feed, cases=kept.reset_index(drop=True)))
    by = found.looks.set_index(["group", "month"]).sort_index()
    empty = by.loc[("Site 1", pd.Timestamp("2022-03-31 23:00", tz="UTC"))]
    assert (empty["n_cases"], empty["says"]) == (0, "Too few to say: 0 cases with features, at least 50 needed.")
    assert np.isnan(empty["p_value"])
    assert not empty["alarm"]
    new = by.loc["New site"].iloc[-1]
    assert new["says"] == "Too few to say: 0 in the baseline, at least 50 needed."
    assert list(found.looks.columns) == list(COLUMNS)


def test_a_feed_without_features_or_without_months_to_look_at(small_feed: Feed) -> None:
    with pytest.raises(FeedError, match="does not hold"):
        input_drift(dataclasses.replace(small_feed, features=None))
    with pytest.raises(FeedError, match="grouped by a column"):
        input_drift(small_feed, InputDriftPlan(by="hospital"))
    short = small_feed.cases[small_feed.cases["imaged_at"] < "2021-06-01"]
    found = input_drift(dataclasses.replace(small_feed, cases=short))
    assert found.looks.empty
    assert "there is no month to look at yet" in found.remarks[0]
    nothing = input_drift(dataclasses.replace(small_feed, cases=small_feed.cases[:0]))
    assert nothing.looks.empty
    assert nothing.alarms.empty


def test_cases_without_features_are_told_and_the_order_of_features_does_not_matter(small_feed: Feed) -> None:
    assert small_feed.features is not None
    shuffled = small_feed.features.sample(frac=1, random_state=1)
    same = input_drift(dataclasses.replace(small_feed, features=shuffled))
    pd.testing.assert_frame_equal(same.looks, input_drift(small_feed).looks)
    fewer = input_drift(dataclasses.replace(small_feed, features=small_feed.features[1_000:]))
    assert fewer.remarks == ("Cases without features, which no look sees: 1,000.",)


def test_services_are_drawn_from_real_lesions_alone(pool: ReferencePool, small_feed: Feed) -> None:
    """Every row of features is one of the pool's, every score the reference's; the mix is the one asked for."""
    assert small_feed.features is not None
    known = {row.tobytes() for row in pool.vectors}
    drawn = small_feed.features.drop(columns="case_id").to_numpy(np.float16)
    assert all(np.ascontiguousarray(row).tobytes() in known for row in drawn[:500])
    assessed = small_feed.cases["melanoma"].dropna().unique()
    assert np.isin(assessed, pool.run.scores["melanoma"]).all()
    registered = small_feed.outcomes[(small_feed.outcomes["way"] == "audit_sample").to_numpy()]
    melanomas = int((registered["truth"] == "melanoma").sum())
    assert binomtest(melanomas, len(registered), MIX["melanoma"]).pvalue > 0.001
    assert (small_feed.outcomes["told_at"].diff().dropna() >= pd.Timedelta(0)).all()
    assert small_feed.cases["case_id"].is_unique
    assert "Simulated feed" in small_feed.remarks[0].sentence
