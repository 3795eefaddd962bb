"""Audit samples: published zero-miss sizes, the rule of three, and run lengths drawn case by case."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from scipy.stats import binom

from derm_kit.errors import DermKitError
from derm_kit.surveillance.audit_sample import (
    audit_sample_for,
    cases_without_a_miss,
    plan_audit_sample,
)
from derm_kit.surveillance.cusum import design
from derm_kit.surveillance.feed import Way
from derm_kit.surveillance.run_lengths import simulated
from derm_kit.surveillance.scenarios import TRUST, Scenario, planted_feed


@pytest.mark.parametrize(("bound", "n"), [(0.9, 29), (0.95, 59), (0.97, 99), (0.98, 149), (0.99, 299)])
def test_verified_cancers_without_a_miss_are_the_published_numbers(bound: float, n: int):
    assert cases_without_a_miss(bound) == n
    assert binom.cdf(0, n, 1 - bound) <= 0.05 < binom.cdf(0, n - 1, 1 - bound)


def test_the_planned_sample_finds_the_drop_in_time_and_a_smaller_one_does_not():
    plan = plan_audit_sample(1_667, 0.03)
    assert plan.found.p90 <= 12
    assert plan.false_alarm.mean >= 60
    assert plan.cases_a_month is not None
    smaller = 0.9 * plan.cancers_a_month
    chart = design(60 * smaller, 0.05, changed=0.12)
    drawn = simulated(chart, 0.05, seed=3, actual_odds_ratio=chart.odds_ratio, runs=4_000).in_months(smaller)
    assert drawn.p90 > 12


def test_the_plan_keeps_its_promise_when_months_of_a_service_are_drawn_case_by_case():
    """Binomial audit samples each month, the log-likelihood ratio added by hand: no run-length code is used."""
    plan = plan_audit_sample(1_667, 0.03)
    assert plan.cases_a_month is not None
    rng = np.random.default_rng(11)
    chart = design(60 * plan.cancers_a_month, 0.05, changed=0.12)
    hit, miss = np.log(0.88 / 0.95), np.log(0.12 / 0.05)
    months = []
    for _ in range(1_500):
        value, month = 0.0, 0
        while value < chart.limit_log:
            month += 1
            for missed in rng.random(rng.binomial(plan.cases_a_month, 0.03)) < 0.12:
                value = max(0.0, value + (miss if missed else hit))
                if value >= chart.limit_log:
                    break
        months.append(month)
    within = np.mean(np.array(months) <= 12)
    assert 0.87 < within < 0.94


def test_more_prevalence_needs_fewer_cases_and_a_smaller_drop_more():
    cases = {p: plan_audit_sample(100_000, p).cases_a_month for p in (0.01, 0.02, 0.04)}
    assert cases[0.01] > cases[0.02] > cases[0.04]
    assert cases[0.01] == pytest.approx(2 * cases[0.02], rel=0.01)
    smaller = plan_audit_sample(100_000, 0.02, after_prob=0.92)
    assert smaller.cases_a_month > 2 * cases[0.02]
    sooner = plan_audit_sample(100_000, 0.02, within_months=6)
    assert sooner.cases_a_month > 1.5 * cases[0.02]


def test_a_small_site_is_told_that_it_cannot_see_the_drop_even_by_verifying_all():
    plan = plan_audit_sample(30, 0.01)
    assert plan.cases_a_month is None
    assert math.isnan(plan.share)
    assert plan.cancers_a_month == pytest.approx(0.3)
    assert plan.found.p90 > 12
    assert "cannot be seen within 12 months" in plan.sentences[0]
    assert "Pool sites" in plan.sentences[2]


def test_sentences_hold_the_figures_of_the_plan():
    plan = plan_audit_sample(1_667, 0.03)
    assert f"Draw {plan.cases_a_month:,} of 1,667 cases a month" in plan.sentences[0]
    assert "whatever the model said" in plan.sentences[0]
    assert "59 verified melanoma, none of them missed, show a sensitivity of at least 95%" in plan.sentences[3]
    assert f"about {math.ceil(59 / 0.03):,} cases" in plan.sentences[3]


@pytest.mark.parametrize(
    "figures",
    [
        {"volume_a_month": 0}, {"prevalence_prob": 0}, {"prevalence_prob": 1}, {"after_prob": 0.96},
        {"before_prob": 1.0}, {"within_months": 60}, {"within_months": 0},
    ],
)  # fmt: skip
def test_figures_that_cannot_be_are_refused(figures: dict[str, float]):
    with pytest.raises(DermKitError):
        plan_audit_sample(**({"volume_a_month": 100, "prevalence_prob": 0.03} | figures))


def test_a_feed_is_sized_on_its_own_volume_and_on_cases_drawn_at_random():
    feed, _ = planted_feed(Scenario.IN_CONTROL, TRUST, features=False)
    plan, basis = audit_sample_for(feed)
    drawn = feed.outcomes[feed.outcomes["way"] == Way.AUDIT_SAMPLE.value]
    melanoma = drawn[drawn["truth"] == "melanoma"]["case_id"].nunique()
    assert plan is not None
    assert plan.prevalence_prob == melanoma / drawn["case_id"].nunique()
    assert plan.volume_a_month == pytest.approx(len(feed.cases) / (12 * TRUST.years), rel=0.01)
    assert f"{melanoma:,} melanoma among" in basis
    biopsies = feed.outcomes[feed.outcomes["way"] == Way.BIOPSY.value].reset_index(drop=True)
    plan, basis = audit_sample_for(dataclasses.replace(feed, outcomes=biopsies))
    assert plan is not None
    assert "too few" in basis
    plan, basis = audit_sample_for(dataclasses.replace(feed, outcomes=biopsies.head(0)))
    assert plan is None
    assert "cannot be sized" in basis
    one = drawn[drawn["truth"] == "melanoma"].head(1)
    plan, basis = audit_sample_for(dataclasses.replace(feed, outcomes=one.reset_index(drop=True)))
    assert plan is not None and plan.prevalence_prob == 1 / len(feed.cases)
    assert "known by any way" in basis
    alone = feed.cases[feed.cases["case_id"].isin(one["case_id"])].reset_index(drop=True)
    plan, basis = audit_sample_for(dataclasses.replace(feed, cases=alone, outcomes=one.reset_index(drop=True)))
    assert (plan, basis) == (None, "Each of 1 cases was melanoma: an audit sample cannot be sized on so few.")
