"""Intervals over clusters: what one picture a cluster gives, what copies do, and coverage where cases are alike."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from derm_kit.errors import DermKitError
from derm_kit.lesions import LesionType
from derm_kit.model.card import default_model, load_card
from derm_kit.model.run import ScoreRun, read_run
from derm_kit.triage.clusters import clustered_rates
from derm_kit.triage.counts import CaseCounter
from derm_kit.triage.measures import rates
from derm_kit.triage.policy import TriagePolicy
from tests.test_policy import make_policy, make_run

THRESHOLDS = make_policy().thresholds


def run_of(caught: np.ndarray, lesions: list[str]) -> ScoreRun:
    """Melanomas that the thresholds of make_policy catch or miss, with the lesion of each."""
    made = make_run([{"melanoma": 0.5 if hit else 0.0} for hit in caught])
    cases = made.cases.assign(truth="melanoma", lesion_id=lesions)
    return ScoreRun(made.scores, cases, None, made.meta)


def bounds(run: ScoreRun, **settings) -> tuple[float, float]:
    found = clustered_rates(CaseCounter(run, make_policy()), THRESHOLDS, "lesion_id", **settings)
    place = found.place("sensitivity", LesionType.MELANOMA)
    return float(found.low[0, place]), float(found.high[0, place])


def test_one_picture_a_lesion_gives_about_the_binomial_interval():
    caught = np.arange(200) < 170
    low, high = bounds(run_of(caught, [f"l{i}" for i in range(200)]))
    half = 1.96 * np.sqrt(0.85 * 0.15 / 200)
    assert (low, high) == pytest.approx((0.85 - half, 0.85 + half), abs=0.012)


def test_copies_of_a_picture_say_nothing_new():
    caught = np.arange(200) < 170
    lesions = [f"l{i}" for i in range(200)]
    once = bounds(run_of(caught, lesions))
    copied = bounds(run_of(np.repeat(caught, 4), list(np.repeat(lesions, 4))))
    assert copied == pytest.approx(once, abs=0.012)
    exact = rates(CaseCounter(run_of(np.repeat(caught, 4), lesions * 4), make_policy()).count(THRESHOLDS))
    place = exact.place("sensitivity", LesionType.MELANOMA)
    assert exact.high[0, place] - exact.low[0, place] < 0.7 * (once[1] - once[0])


def test_cases_without_an_id_stand_alone():
    caught = np.arange(200) < 170
    named = bounds(run_of(caught, [f"l{i}" for i in range(200)]))
    unnamed = bounds(run_of(caught, ["l0", *[""] * 199]))
    assert unnamed == pytest.approx(named, abs=0.012)


def test_coverage_where_pictures_of_a_lesion_are_caught_or_missed_together():
    """Of 60 lesions with 5 pictures each, every one caught with a chance of its own, on average .8."""
    rng = np.random.default_rng(4)
    covered = [0, 0]
    for draw in range(80):
        chance = rng.beta(0.8, 0.2, size=60)
        caught = rng.random(300) < np.repeat(chance, 5)
        run = run_of(caught, [f"l{i // 5}" for i in range(300)])
        low, high = bounds(run, replicates=300, seed=draw)
        exact = rates(CaseCounter(run, make_policy()).count(THRESHOLDS))
        place = exact.place("sensitivity", LesionType.MELANOMA)
        covered[0] += low <= 0.8 <= high
        covered[1] += exact.low[0, place] <= 0.8 <= exact.high[0, place]
    assert covered[0] / 80 > 0.86
    assert covered[1] / 80 < 0.85


def test_few_clusters_and_unchanging_rates_have_no_interval():
    assert np.isnan(bounds(run_of(np.ones(200, bool), [f"l{i}" for i in range(200)]))).all()
    assert np.isnan(bounds(run_of(np.arange(100) < 70, [f"l{i % 10}" for i in range(100)]))).all()


def test_a_rate_without_an_interval_says_why():
    run = run_of(np.ones(200, bool), [f"l{i}" for i in range(200)])
    frame = clustered_rates(CaseCounter(run, make_policy()), THRESHOLDS, "lesion_id").frame()
    row = frame[(frame["measure"] == "sensitivity") & (frame["lesion_type"] == "melanoma")].iloc[0]
    assert row["value"] == 1
    assert row["remark"].startswith("no interval: too few clusters")


@pytest.mark.parametrize("cluster", ["lesion_id", "patient_id", "sex"])
def test_without_ids_it_is_refused_in_plain_words(cluster):
    run = run_of(np.ones(3, bool), ["", "", ""])
    with pytest.raises(DermKitError, match="which cases belong together"):
        clustered_rates(CaseCounter(run, make_policy()), THRESHOLDS, cluster)


def test_the_shipped_reference_cases_carry_lesion_ids():
    run, policy = (
        read_run(default_model() / "reference_scores.parquet"),
        TriagePolicy.from_card(load_card(default_model())),
    )
    counter = CaseCounter(run, policy)
    found, exact = clustered_rates(counter, policy.thresholds, "lesion_id"), rates(counter.count(policy.thresholds))
    assert (found.count == exact.count[:1]).all()
    assert pd.Series(run.cases["lesion_id"]).nunique() > 1000
