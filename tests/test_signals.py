"""Signals of a feed: what is found and when, what cannot be seen, what is left out, and how often in vain."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest

from derm_kit.errors import DermKitError
from derm_kit.lesions import LESION_TYPES, LesionType
from derm_kit.surveillance.chart import odds_ratio_of
from derm_kit.surveillance.cusum import design
from derm_kit.surveillance.feed import NONE, NOT_ASSESSED, Feed, Way
from derm_kit.surveillance.promises import Mix
from derm_kit.surveillance.run_lengths import exact_mean
from derm_kit.surveillance.signals import Plan, Signal, Signals, Status, WatchedType, signals
from derm_kit.triage.definition import Disposition

MELANOMA, SCC, BCC = "melanoma", "squamous_cell_carcinoma", "basal_cell_carcinoma"
START = pd.Timestamp("2026-01-01", tz="UTC")
SOON = pd.Timedelta(days=20)
LATE = pd.Timestamp("2031-12-31", tz="UTC")
ONLY_MELANOMA = Plan(types=(WatchedType(LesionType.MELANOMA, 0.95, 0.88),))


def words(values) -> pd.Categorical:
    found = pd.Categorical(np.asarray(values, object))
    return found.set_categories(pd.Index(found.categories, dtype="str"))


def case_table(n: int, days: float = 1_461.0, **columns) -> pd.DataFrame:
    """`n` cases spread evenly over `days`; columns given override one site, one device, one product, all discharged."""
    imaged = START + pd.to_timedelta(np.linspace(0, days * 86_400, n).astype(np.int64), unit="s")
    table = {
        "case_id": pd.Series([f"C{i:07d}" for i in range(n)], dtype="str"),
        "product": words(["product A"] * n),
        "site": words(["North"] * n),
        "device": words(["Camera 1"] * n),
        "imaged_at": imaged.as_unit("us"),
        "decided_at": (imaged + pd.Timedelta(hours=1)).as_unit("us"),
        "suspected": words([NONE] * n),
        "disposition": words([Disposition.DISCHARGE_ADVICE.value] * n),
    }
    table |= {kind.value: np.zeros(n, np.float32) for kind in LESION_TYPES}
    table |= {
        "quality_fail": np.zeros(n, bool),
        "quality_reason": words([""] * n),
        "age_years": np.full(n, 55, np.float32),
        "sex": words([""] * n),
        "skin_type": words([""] * n),
    }
    for name, values in columns.items():
        table[name] = words(values) if isinstance(table[name], pd.Categorical) else values
    return pd.DataFrame(table)


def outcome_table(cases: pd.DataFrame, rows, truth, way, told_at=None) -> pd.DataFrame:
    """Outcomes of the cases `rows`; told SOON after the image unless said otherwise."""
    ids, imaged = cases["case_id"].iloc[rows].array, cases["imaged_at"].iloc[rows]
    told = pd.Series(imaged.to_numpy() + SOON) if told_at is None else pd.Series([told_at] * len(ids))
    told = pd.to_datetime(told, utc=True).astype("datetime64[us, UTC]")
    table = pd.DataFrame(
        {
            "case_id": pd.Series(ids, dtype="str"),
            "truth": words(np.broadcast_to(truth, len(ids))),
            "known_at": told,
            "told_at": told,
            "way": words(np.broadcast_to([str(w) for w in np.atleast_1d(way)], len(ids))),
        }
    )
    table["delivery"] = words(["one.csv"] * len(ids))
    return table.sort_values("told_at", kind="stable", ignore_index=True)


def melanoma_feed(caught: np.ndarray, way: Way = Way.AUDIT_SAMPLE, **columns) -> Feed:
    """A feed of melanomas, caught or missed as given, and of one benign discharged case after each, all verified."""
    n = 2 * len(caught)
    suspected = np.array([NONE] * n, object)
    suspected[::2] = np.where(caught, MELANOMA, NONE)
    cases = case_table(n, suspected=suspected, **columns)
    truth = np.where(np.arange(n) % 2 == 0, MELANOMA, "benign_naevus")
    return Feed(cases, outcome_table(cases, np.arange(n), truth, way))


def one(found: Signals, name: str, product: str = "product A") -> Signal:
    (signal,) = (s for s in found.signals if s.name == name and s.product == product)
    return signal


def missed_from(n: int, at: int, before: float, after: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.random(n) >= np.where(np.arange(n) < at, before, after)


# Sensitivity


def test_perfect_biopsies_say_that_missed_cancers_cannot_be_seen():
    feed = melanoma_feed(np.ones(400, bool), Way.BIOPSY)
    found = signals(feed, ONLY_MELANOMA)
    signal = one(found, "Melanoma sensitivity")
    assert signal.status is Status.CANNOT_BE_SEEN
    assert signal.finding.startswith("Missed cancers cannot be seen here")
    assert signal.promise is None
    assert any("cases a month" in sentence for sentence in found.audit_sample), "a sample is sized"


def test_a_sample_of_flagged_cases_only_cannot_show_what_was_missed():
    cases = case_table(300, suspected=[MELANOMA] * 150 + [NONE] * 150)
    feed = Feed(cases, outcome_table(cases, np.arange(150), MELANOMA, Way.AUDIT_SAMPLE))
    assert one(signals(feed, ONLY_MELANOMA), "Melanoma sensitivity").status is Status.CANNOT_BE_SEEN


@pytest.mark.parametrize("method", ["CUSUM", "sequential test"])
def test_a_drop_is_found_soon_after_it_and_its_beginning_named(method):
    feed = melanoma_feed(missed_from(1_600, 1_000, 0.03, 0.20, seed=2))
    signal = one(signals(feed, ONLY_MELANOMA), f"Melanoma sensitivity, {method}")
    alarm = signal.first_alarm
    assert signal.status is Status.ALARM
    assert signal.n == signal.rate.n < 1_600
    assert 1_000 < alarm.number <= 1_000 + 2 * signal.promise.delay.p90
    assert abs(alarm.began_number - 1_000) < 60
    assert feed.cases["case_id"].iloc[alarm.row] == alarm.case_id == f"C{2 * (alarm.number - 1):07d}"
    assert alarm.imaged_at == feed.cases["imaged_at"].iloc[alarm.row]
    assert alarm.seen_from == alarm.imaged_at + pd.Timedelta(days=90), "the audit's lag, longer than it took"
    assert str(alarm.imaged_at.year) in signal.finding
    assert signal.points["alarm"].any()
    assert signal.points["value"].max() >= signal.limit


def test_without_a_drop_it_is_quiet_and_says_on_how_many_it_rests():
    signal = one(
        signals(melanoma_feed(missed_from(800, 0, 0.04, 0.04, seed=3)), ONLY_MELANOMA), "Melanoma sensitivity, CUSUM"
    )
    assert signal.status is Status.QUIET
    assert signal.first_alarm is signal.last_alarm is None
    assert signal.finding.startswith("No sign of it: ")


def test_a_handful_is_too_few_to_be_quiet():
    signal = one(signals(melanoma_feed(np.ones(30, bool)), ONLY_MELANOMA), "Melanoma sensitivity, CUSUM")
    assert signal.status is Status.TOO_FEW
    assert signal.n < signal.promise.delay.median


def test_caught_is_called_the_type_or_a_more_serious_one():
    suspected = [MELANOMA, SCC, BCC, NONE, NOT_ASSESSED] * 40
    cases = case_table(200, suspected=suspected)
    feed = Feed(cases, outcome_table(cases, np.arange(200), SCC, Way.FULL_SECOND_READ, LATE))
    plan = dataclasses.replace(Plan(), types=(WatchedType(LesionType.SQUAMOUS_CELL_CARCINOMA, 0.95, 0.88),))
    signal = one(signals(feed, plan), "SCC sensitivity, CUSUM")
    assert signal.n == 160
    assert signal.rate.value == 0.5, "melanoma and SCC are caught, BCC and none are missed"
    (lost,) = (remark for remark in signal.left_out if "not assessed" in remark.sentence)
    assert lost.count == 40


def test_cases_whose_outcome_may_still_come_are_left_out_and_counted():
    cases = case_table(1_000, days=1_000, suspected=[MELANOMA, NONE] * 500)
    rows = np.arange(1_000)
    feed = Feed(cases, outcome_table(cases, rows, MELANOMA, Way.REGISTRY))
    plan = dataclasses.replace(ONLY_MELANOMA, registry_lag_days=365)
    signal = one(signals(feed, plan), "Melanoma sensitivity, CUSUM")
    until = feed.outcomes["told_at"].max() - pd.Timedelta(days=365)
    counted = int((cases["imaged_at"] <= until).sum())
    assert signal.n == counted
    (waiting,) = (remark for remark in signal.left_out if "on their way" in remark.sentence)
    assert waiting.count == 1_000 - counted
    assert waiting.examples[0] == f"C{counted:07d}"


def test_cancers_that_were_flagged_reach_a_registry_first_and_do_not_hide_a_drop():
    """Missed ones are told a year later: without the lag the newest cases would look perfect."""
    caught = missed_from(1_000, 500, 0.05, 0.5, seed=9)
    cases = case_table(1_000, days=1_000, suspected=np.where(caught, MELANOMA, NONE))
    outcomes = outcome_table(cases, np.arange(1_000), MELANOMA, Way.REGISTRY)
    delay = pd.to_timedelta(np.where(caught, 20, 300), unit="D")
    told = pd.Series((cases["imaged_at"] + delay).astype("datetime64[us, UTC]"))
    outcomes = outcomes.assign(told_at=told, known_at=told).sort_values("told_at", ignore_index=True)
    outcomes = outcomes[outcomes["told_at"] <= START + pd.Timedelta(days=1_000)]
    signal = one(signals(Feed(cases, outcomes), ONLY_MELANOMA), "Melanoma sensitivity, CUSUM")
    assert signal.n == pytest.approx(635, abs=3)
    assert signal.first_alarm.number > 500
    assert signal.rate.value == pytest.approx(caught[: signal.n].mean(), abs=1e-9)


def test_a_truth_that_leaves_melanoma_open_is_counted_apart():
    feed = melanoma_feed(np.ones(200, bool))
    truth = feed.outcomes["truth"].astype(str).to_numpy()
    truth[:20] = np.where(truth[:20] == MELANOMA, "melanoma|atypical_naevus", truth[:20])
    feed = dataclasses.replace(feed, outcomes=feed.outcomes.assign(truth=words(truth)))
    signal = one(signals(feed, ONLY_MELANOMA), "Melanoma sensitivity, CUSUM")
    (left,) = (remark for remark in signal.left_out if "leaves it open" in remark.sentence)
    assert left.count == 10


def test_a_changed_outcome_counts_as_told_last():
    feed = melanoma_feed(np.ones(200, bool))
    rows = np.arange(0, 100, 2)
    changed = outcome_table(feed.cases, rows, "benign_naevus", Way.AUDIT_SAMPLE, LATE)
    both = pd.concat([feed.outcomes, changed], ignore_index=True)
    both = both.assign(truth=words(both["truth"].astype(str)), way=words(both["way"].astype(str)))
    signal = one(signals(dataclasses.replace(feed, outcomes=both), ONLY_MELANOMA), "Melanoma sensitivity, CUSUM")
    assert signal.n == 150


def test_no_outcome_at_all():
    feed = melanoma_feed(np.ones(200, bool))
    feed = dataclasses.replace(feed, outcomes=feed.outcomes.iloc[:0])
    signal = one(signals(feed, ONLY_MELANOMA), "Melanoma sensitivity")
    assert signal.status is Status.CANNOT_BE_SEEN


# Rates


def dispositions(discharged: np.ndarray) -> np.ndarray:
    return np.where(discharged, Disposition.DISCHARGE_ADVICE.value, Disposition.URGENT_SUSPECTED_CANCER.value)


@pytest.mark.parametrize("direction", ["rise", "fall"])
def test_a_change_of_the_discharge_rate_is_found_in_about_the_stated_cases(direction):
    n, at, after = 24_000, 16_000, 0.48 if direction == "rise" else 0.32
    rng = np.random.default_rng(4)
    discharged = rng.random(n) < np.where(np.arange(n) < at, 0.4, after)
    found = signals(Feed(case_table(n, disposition=dispositions(discharged)), no_outcomes()))
    signal = one(found, f"discharge rate, {direction}, CUSUM")
    other = one(found, f"discharge rate, {'fall' if direction == 'rise' else 'rise'}, CUSUM")
    changed = START + pd.Timedelta(days=1_461 * at / n)
    assert other.status is Status.QUIET
    assert signal.first_alarm.began_at == pytest.approx(changed, abs=pd.Timedelta(days=30))
    assert (
        changed < signal.first_alarm.imaged_at < changed + pd.Timedelta(days=1_461 * 2 * signal.promise.delay.p90 / n)
    )
    referral = one(found, f"referral rate, {'fall' if direction == 'rise' else 'rise'}, CUSUM")
    assert referral.status is Status.ALARM, "who is not discharged is referred here"


def no_outcomes() -> pd.DataFrame:
    return outcome_table(case_table(2), [0, 1], MELANOMA, Way.BIOPSY).iloc[:0]


def test_another_mix_of_sites_is_no_change_of_the_rate():
    """Crude, the rate rises by 15 points as the site that discharges much takes over: adjusted, nothing changed."""
    n, rng = 24_000, np.random.default_rng(5)
    late = np.arange(n) >= 12_000
    south = rng.random(n) < np.where(late, 0.8, 0.3)
    discharged = rng.random(n) < np.where(south, 0.65, 0.35)
    cases = case_table(n, site=np.where(south, "South", "North"), disposition=dispositions(discharged))
    assert discharged[late].mean() - discharged[~late].mean() > 0.13
    found = signals(Feed(cases, no_outcomes()))
    assert {s.status for s in found.signals if "rate" in s.name} == {Status.QUIET}


def test_a_new_camera_that_discharges_less_is_seen_though_it_had_no_baseline():
    n, rng = 24_000, np.random.default_rng(6)
    new = np.arange(n) >= 15_000
    discharged = rng.random(n) < np.where(new, 0.30, 0.40)
    cases = case_table(n, device=np.where(new, "Camera 2", "Camera 1"), disposition=dispositions(discharged))
    found = signals(Feed(cases, no_outcomes()))
    assert one(found, "discharge rate, fall, CUSUM").status is Status.ALARM


def test_nobody_discharged_in_the_baseline_and_then_some_is_found():
    n = 6_000
    cases = case_table(n, disposition=dispositions((np.arange(n) > 4_000) & (np.arange(n) % 10 == 0)))
    found = signals(Feed(cases, no_outcomes()))
    alarm = one(found, "discharge rate, rise, CUSUM").first_alarm
    assert alarm.row > 4_000
    assert one(found, "discharge rate, fall").finding.startswith("Not watched: from 0.5 % in the baseline")


def test_cases_without_a_disposition_are_left_out_and_counted():
    n = 6_000
    given = dispositions(np.arange(n) % 2 == 0)
    given[::100] = ""
    signal = one(signals(Feed(case_table(n, disposition=given), no_outcomes())), "discharge rate, rise, CUSUM")
    assert [remark.count for remark in signal.left_out] == [60]


def test_too_short_a_baseline_is_said():
    found = signals(Feed(case_table(60), no_outcomes()))
    signal = one(found, "discharge rate")
    assert signal.status is Status.TOO_FEW
    assert signal.finding.startswith("Too few cases to say: 15 in the baseline")


def test_a_baseline_that_leaves_the_rate_open_is_said_with_the_cases_needed():
    cases = case_table(2_000, disposition=dispositions(np.arange(2_000) % 2 == 0))
    signal = one(signals(Feed(cases, no_outcomes())), "discharge rate")
    assert signal.status is Status.TOO_FEW
    needed = math.ceil((1.2816 * 0.5 / (0.4 * 0.05)) ** 2)
    assert f"where {needed:,} are needed" in signal.finding


@pytest.mark.parametrize("odds_ratio", [1.25, 0.8])
def test_in_nine_of_ten_baselines_the_run_length_is_at_least_the_wanted(odds_ratio):
    """Baselines of 4,000 cases whose real rate is 40 %: the exact run length of each chart at the real rate."""
    wanted, rng = 50_000, np.random.default_rng(13)
    held = []
    for estimate in rng.binomial(4_000, 0.4, 60) / 4_000:
        off = Mix((estimate,), known_from=4_000).off_odds_ratio(odds_ratio > 1)
        chart = design(wanted, estimate, odds_ratio=odds_ratio, unchanged_odds_ratio=off)
        held.append(exact_mean(chart, estimate, actual_odds_ratio=odds_ratio_of(estimate, 0.4)) >= wanted)
    assert 0.8 <= np.mean(held) <= 0.98


def test_the_baseline_can_be_named():
    n, rng = 8_000, np.random.default_rng(7)
    discharged = rng.random(n) < np.where(np.arange(n) < 4_000, 0.3, 0.5)
    cases = case_table(n, disposition=dispositions(discharged))
    begins = cases["imaged_at"].iloc[4_000]
    plan = Plan(baseline_from=begins, baseline_until=cases["imaged_at"].iloc[6_000])
    signal = one(signals(Feed(cases, no_outcomes()), plan), "discharge rate, rise, CUSUM")
    assert signal.n == 2_000
    assert signal.status is Status.QUIET
    assert f"{begins:%Y-%m-%d}" in signal.watches


# Products, sites, points


def test_two_products_are_watched_apart_and_the_change_is_said():
    n, at = 3_000, 1_500
    caught = missed_from(n, at, 0.03, 0.25, seed=8)
    product = np.repeat(["product A", "product B"], [2 * at, 2 * (n - at)])
    found = signals(melanoma_feed(caught, product=product), ONLY_MELANOMA)
    (change,) = (s for s in found.signals if s.name == "product in use")
    assert change.status is Status.ALARM
    assert "product B on " in change.finding
    assert one(found, "Melanoma sensitivity, CUSUM", "product A").status is Status.QUIET
    second = one(found, "Melanoma sensitivity, CUSUM", "product B")
    assert second.status is Status.ALARM
    assert second.first_alarm.row >= 2 * at
    assert second.first_alarm.began_number < 30, "its chart starts with its own cases"


def test_two_products_side_by_side_are_no_change():
    found = signals(melanoma_feed(np.ones(500, bool), product=["product A", "product B"] * 500), ONLY_MELANOMA)
    assert found.signals[0].status is Status.QUIET
    assert found.signals[0].finding.startswith("Products side by side from the start: product A, 500 cases")
    assert {s.product for s in found.signals[1:]} == {"product A", "product B"}


def test_one_product_is_no_change():
    found = signals(melanoma_feed(np.ones(50, bool)), ONLY_MELANOMA)
    assert found.signals[0].status is Status.QUIET
    assert found.signals[0].finding.startswith("One product throughout: product A, 100 cases")


def test_one_site_only_is_said_and_two_are_compared():
    n, rng = 2_000, np.random.default_rng(10)
    south = np.arange(n) % 2 == 0
    discharged = rng.random(n) < np.where(south, 0.7, 0.3)
    cases = case_table(n, days=300, site=np.where(south, "South", "North"), disposition=dispositions(discharged))
    funnels = {(f.name.split(" of ")[0], f.what): f for f in signals(Feed(cases, no_outcomes())).funnels}
    assert "South (above the 99.8 % limits)" in funnels["discharge rate", "site"].finding
    assert funnels["discharge rate", "device"].finding.startswith("one device only")
    assert funnels["melanoma sensitivity", "site"].finding == "no case to compare"


def test_a_chart_has_at_most_two_thousand_points_and_its_highest_and_first_alarm():
    n, rng = 30_000, np.random.default_rng(11)
    discharged = rng.random(n) < np.where(np.arange(n) < 20_000, 0.4, 0.46)
    found = signals(Feed(case_table(n, disposition=dispositions(discharged)), no_outcomes()))
    signal = one(found, "discharge rate, rise, CUSUM")
    assert len(signal.points) <= 2_000
    row = signal.points[signal.points["number"] == signal.first_alarm.number]
    assert row["alarm"].all()
    assert row["imaged_at"].iloc[0] == signal.first_alarm.imaged_at
    assert signal.points["imaged_at"].is_monotonic_increasing


# The promise


def test_the_promise_gives_cases_and_months_with_median_and_90th_percentile():
    promise = one(signals(melanoma_feed(np.ones(500, bool)), ONLY_MELANOMA), "Melanoma sensitivity, CUSUM").promise
    assert promise.cases_a_month == pytest.approx(500 / 48, rel=0.05)
    assert promise.false_alarm_months.mean == pytest.approx(promise.false_alarm.mean / promise.cases_a_month)
    charts = len(ONLY_MELANOMA.types) + 4
    assert promise.false_alarm_months.mean == pytest.approx(60 * charts, rel=0.1)
    assert promise.false_alarm.median == pytest.approx(promise.false_alarm.mean * math.log(2), rel=0.05)
    for figure in (promise.false_alarm.median, promise.delay.p90):
        assert f"{figure:,.0f}" in promise.sentence
    assert "from 95 % to 88 %" in promise.sentence


def test_what_was_drawn_agrees_with_what_is_stated():
    found = signals(melanoma_feed(np.ones(500, bool)), dataclasses.replace(ONLY_MELANOMA, false_alarm_months=12))
    for method in ("CUSUM", "sequential test"):
        made = one(found, f"Melanoma sensitivity, {method}").promise.made
        for stated, drawn in ((made.false_alarm, made.false_alarm_drawn), (made.delay, made.delay_drawn)):
            assert drawn.runs >= 50
            assert abs(drawn.mean - stated.mean) < 4 * drawn.standard_error
    assert made.errors_drawn.false_alarm_prob == pytest.approx(made.errors.false_alarm_prob, abs=0.02)


def test_a_baseline_that_may_be_off_shortens_the_run_length_and_that_is_said():
    cases = case_table(6_000, disposition=dispositions(np.arange(6_000) % 5 < 2))
    made = one(signals(Feed(cases, no_outcomes())), "discharge rate, rise, CUSUM").promise
    wanted = 60 * 7 * made.cases_a_month
    assert wanted * 0.95 < made.false_alarm_at_least < made.false_alarm.mean
    assert f"at least {made.false_alarm_at_least:,.0f} cases in nine of ten baselines" in made.sentence


def test_false_alarms_come_as_often_as_expected_in_services_where_nothing_changed():
    plan = dataclasses.replace(ONLY_MELANOMA, false_alarm_months=6.0, fewest_run_cases=50, drawn_cases=0)
    expected, alarms = 0.0, 0
    for seed in range(20):
        found = signals(melanoma_feed(missed_from(1_500, 0, 0.05, 0.05, seed)), plan)
        signal = one(found, "Melanoma sensitivity, CUSUM")
        alarms += signal.alarms
        expected += signal.n / signal.promise.false_alarm.mean
    assert 20 < expected < 100
    assert abs(alarms - expected) < 4 * math.sqrt(expected)


def test_false_alarms_to_expect_are_added_up_by_method():
    found = signals(melanoma_feed(np.ones(500, bool)), ONLY_MELANOMA)
    parts = [s.n / s.promise.false_alarm_at_least for s in found.signals if s.promise and s.name.endswith("CUSUM")]
    assert found.expected_false_alarms("product A", "CUSUM") == pytest.approx(sum(parts))
    assert found.alarms == tuple(s for s in found.signals if s.status is Status.ALARM)


def test_the_same_feed_gives_the_same_signals():
    feed = melanoma_feed(missed_from(300, 200, 0.05, 0.4, seed=12))
    first, second = signals(feed), signals(feed)
    for a, b in zip(first.signals, second.signals, strict=True):
        assert repr(dataclasses.replace(a, points=None)) == repr(dataclasses.replace(b, points=None))
        if a.points is not None:
            pd.testing.assert_frame_equal(a.points, b.points)


# Feeds with next to nothing in them


def test_an_empty_feed_has_no_signal():
    assert signals(Feed(case_table(2).iloc[:0], no_outcomes())) == Signals((), ())


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_feed_of_some_cases_is_too_few_or_cannot_be_seen(n):
    cases = case_table(n, days=1)
    for outcomes in (no_outcomes(), outcome_table(cases, np.arange(n), MELANOMA, Way.AUDIT_SAMPLE, LATE)):
        found = signals(Feed(cases, outcomes))
        assert not [s for s in found.alarms if s.name != "product in use"]
        assert all(s.promise is None or s.promise.sentence for s in found.signals)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"types": ()}, "a lesion type"),
        ({"discharge_change_prob": 0.0}, "discharge_change_prob"),
        ({"false_alarm_months": 1.0}, "false_alarm_months"),
        ({"registry_lag_days": -1}, "registry_lag_days"),
        ({"baseline_from": pd.Timestamp("2026-01-01")}, "UTC"),
        ({"baseline_from": LATE, "baseline_until": START}, "baseline"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(change, rule):
    with pytest.raises(DermKitError, match=rule):
        Plan(**change)


def test_a_sensitivity_that_would_rise_is_refused():
    with pytest.raises(DermKitError, match="lies below"):
        WatchedType(LesionType.MELANOMA, 0.88, 0.95)
