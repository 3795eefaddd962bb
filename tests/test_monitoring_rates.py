"""Monthly rates of a service: hand counts on small feeds, and pandas' own counts on the shipped reference scores."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, poisson

from derm_kit.lesions import FLAGGED, LESION_TYPES, parse_truth
from derm_kit.model.run import ScoreRun
from derm_kit.surveillance.case_tables import SCORES
from derm_kit.surveillance.choice import Chosen, part_of
from derm_kit.surveillance.feed import NONE, NOT_ASSESSED, SUSPECTED, Feed, FeedError, Way
from derm_kit.surveillance.known_outcomes import CANNOT_BE_SEEN, known_outcomes
from derm_kit.surveillance.order_statistics import order_statistics
from derm_kit.surveillance.rates import Rates, rates
from derm_kit.surveillance.watched import Watched
from derm_kit.triage.policy import Disposition, TriagePolicy, decide
from derm_kit.triage.proportions import clopper_pearson

DISCHARGED = Disposition.DISCHARGE_ADVICE.value


def feed_of(n: int = 0, outcomes: tuple[tuple[str, str, str, str], ...] = (), **columns: object) -> Feed:
    """A feed of n cases c0, c1, … with these columns; what is not given is as in a plain service."""
    plain = {
        "product": "p", "site": "A", "device": "d", "imaged_at": "2026-03-05T12:00Z", "decided_at": None,
        "suspected": NONE, "disposition": DISCHARGED, **dict.fromkeys(SCORES, np.float32(0.1)), "quality_fail": False,
        "quality_reason": "", "age_years": np.float32(50), "sex": "", "skin_type": "",
    }  # fmt: skip
    cases = pd.DataFrame({"case_id": [f"c{i}" for i in range(n)]} | {k: columns.get(k, v) for k, v in plain.items()})
    cases = cases.astype({"case_id": "str", "age_years": "float32", **dict.fromkeys(SCORES, "float32")})
    for name in ("product", "site", "device", "suspected", "disposition", "quality_reason", "sex", "skin_type"):
        cases[name] = cases[name].astype("str").astype("category")
    for name in ("imaged_at", "decided_at"):
        cases[name] = pd.to_datetime(cases[name], utc=True).dt.as_unit("us")
    told = pd.DataFrame(list(outcomes), columns=["case_id", "truth", "known_at", "way"]).astype({"case_id": "str"})
    told["known_at"] = pd.to_datetime(told["known_at"], utc=True, format="ISO8601").dt.as_unit("us")
    told["told_at"], told["delivery"] = told["known_at"], "o.csv"
    told = told.sort_values("told_at", kind="stable", ignore_index=True)
    told = told.astype({"truth": "str", "way": "str", "delivery": "str"})
    return Feed(cases, told.astype(dict.fromkeys(("truth", "way", "delivery"), "category")))


def counted(feed: Feed, chosen: Chosen | None = None, **options: object) -> Rates:
    known = known_outcomes(feed, audit_lag_days=0, lag_days=0)
    return rates(Watched(feed, known, **options), chosen or Chosen())  # type: ignore[arg-type]


def row(table: pd.DataFrame, **where: str) -> pd.Series:
    """The one row where these columns have these values."""
    chosen = np.logical_and.reduce([table[name] == value for name, value in where.items()])
    assert chosen.sum() == 1
    return table[chosen].iloc[0]


@pytest.fixture(scope="module")
def service(reference: ScoreRun, policy: TriagePolicy) -> Feed:
    """The reference cases over three years at three sites, each with its truth by a way that goes round."""
    n = len(reference)
    decided = decide(reference, policy)
    suspected = decided.table["suspected"].replace("", NONE).mask(decided.in_review, NOT_ASSESSED)
    moments = pd.date_range("2023-01-01", "2025-12-31", periods=n, tz="UTC")
    ids = [f"c{i}" for i in range(n)]
    truths = reference.cases["truth"]
    ways = [list(Way)[i % 5].value for i in range(n)]
    told = tuple(
        (ids[i], truths[i], (moments[i] + pd.Timedelta(days=20 + i % 7)).isoformat(), ways[i])
        for i in range(n) if truths[i]
    )  # fmt: skip
    scores = {name: reference.scores[name].to_numpy() for name in SCORES}
    return feed_of(
        n, told, imaged_at=moments, decided_at=moments + pd.to_timedelta(np.arange(n) % 50, unit="h"),
        site=np.array(["A", "B", "C"])[np.arange(n) % 3], suspected=suspected,
        disposition=decided.table["disposition"], quality_fail=reference.cases["quality_fail"].to_numpy(),
        quality_reason=reference.cases["quality_reason"], age_years=reference.cases["age_years"].to_numpy(np.float32),
        sex=reference.cases["sex"], **scores,
    )  # fmt: skip


def test_months_are_those_of_the_service_and_empty_ones_have_rows():
    feed = feed_of(4, imaged_at=["2026-01-31T23:59Z", "2026-03-31T22:59Z", "2026-03-31T23:30Z", "2026-05-02T00:00Z"])
    volume = counted(feed).volume
    assert volume["period"].tolist() == ["2026-01", "2026-02", "2026-03", "2026-04", "2026-05"]
    assert volume["cases"].tolist() == [1, 0, 1, 1, 1]  # 23:30 UTC is April in London's summer time
    empty = counted(feed).dispositions.query("period == '2026-02'")
    assert (empty["reason"] == "no case").all()
    assert empty["value"].isna().all()
    weekly = counted(feed, every="week").volume
    assert weekly["period"].iloc[[0, -1]].tolist() == ["2026-01-26", "2026-04-27"]
    assert weekly["cases"].sum() == 4


def test_poisson_intervals_of_volume_are_garwoods():
    volume = counted(feed_of(7)).volume.iloc[0]
    assert poisson.sf(6, volume["low"]) == pytest.approx(0.025)
    assert poisson.cdf(7, volume["high"]) == pytest.approx(0.025)


def test_shares_by_month_are_those_of_a_cross_table(service: Feed):
    made = counted(service)
    month = service.cases["imaged_at"].dt.tz_convert("Europe/London").dt.strftime("%Y-%m")
    for table, column in ((made.suspected, "suspected"), (made.dispositions, "disposition")):
        expected = pd.crosstab(month, service.cases[column].astype(str))
        found = table.pivot_table(index="period", columns="of", values="count", observed=True)
        for name in expected:
            assert found[name].tolist() == expected[name].tolist()
    assert set(made.suspected["of"]) == set(SUSPECTED)
    referred = service.cases["disposition"].isin(
        ["urgent suspected cancer", "routine dermatology", "routine dermatology or GP treatment after clinician review"]
    )
    by_month = made.dispositions.query("of == 'referred, urgent or routine'")
    assert by_month["count"].tolist() == referred.groupby(month).sum().tolist()
    sample = by_month.iloc[5]
    low, high = clopper_pearson(sample["count"], sample["n"])
    assert (sample["low"], sample["high"]) == (float(low), float(high))


def test_quality_failures_are_counted_by_the_rule_that_was_broken(service: Feed, reference: ScoreRun):
    quality = counted(service).quality
    rule = reference.cases["quality_reason"].str.split(":").str[0]
    expected = rule[reference.cases["quality_fail"]].value_counts()
    assert quality.groupby("of")["count"].sum().drop("any").to_dict() == expected.to_dict()
    assert quality.query("of == 'any'")["count"].sum() == 39


def test_score_quantiles_are_numpys_on_assessed_cases(service: Feed):
    scores = counted(service).scores
    month = service.cases["imaged_at"].dt.tz_convert("Europe/London").dt.strftime("%Y-%m")
    assessed = (service.cases["suspected"] != NOT_ASSESSED).to_numpy()
    for period in ("2023-01", "2024-06", "2025-12"):
        values = service.cases["melanoma"].to_numpy(float)[assessed & (month == period).to_numpy()]
        found = row(scores, period=period, type="melanoma")
        assert found["n"] == len(values)
        np.testing.assert_allclose(
            found[["q05", "q25", "q50", "q75", "q95"]].to_numpy(float),
            np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.95]), rtol=1e-6,
        )  # fmt: skip
    untrained = scores[scores["type"] == "atypical_naevus"]
    assert (untrained["n"] == 0).all()
    assert (untrained["reason"] == "no score").all()


@pytest.mark.parametrize("n", [*range(6, 120), 1000, 98_765])
def test_the_interval_of_a_median_is_the_narrowest_exact_one(n: int):
    values = np.arange(n, dtype=float)
    found = order_statistics(values[::-1].copy(), np.array([0, n]), (0.5,))
    low, high = int(found["low"][0]), int(found["high"][0])
    assert low + high == n - 1
    covers = binom.cdf(n - 1 - low, n, 0.5) - binom.cdf(low, n, 0.5)
    narrower = binom.cdf(n - 2 - low, n, 0.5) - binom.cdf(low + 1, n, 0.5)
    assert covers >= 0.95 > narrower


def test_medians_of_few_or_no_values_have_no_interval():
    found = order_statistics(np.array([2.0, 1.0, np.nan, 3.0, np.nan]), np.array([0, 3, 3, 5]), (0.5,))
    assert found["n"].tolist() == [2, 0, 1]
    np.testing.assert_array_equal(found["q50"], [1.5, np.nan, 3.0])
    assert np.isnan(found["low"]).all()


def test_sensitivity_by_hand():
    """Melanomas: called melanoma; called SCC, less serious; called nothing; not assessed. One SCC called melanoma."""
    truths = (*["melanoma"] * 4, "squamous_cell_carcinoma", "benign_naevus", "melanoma|benign_naevus", "")
    outcomes = tuple((f"c{i}", truth, "2026-04-01", "audit_sample") for i, truth in enumerate(truths))
    suspected = ["melanoma", "squamous_cell_carcinoma", NONE, NOT_ASSESSED, "melanoma", "actinic_keratosis", NONE, NONE]
    table = counted(feed_of(8, outcomes, suspected=suspected)).accuracy_total
    of = {"measure": "sensitivity", "basis": "verified whatever the model said"}

    def figures(over: str, of_type: str) -> list[int]:
        return row(table, over=over, of=of_type, **of)[["count", "n", "not_assessed"]].tolist()

    assert figures("all cases", "melanoma") == [1, 4, 1]
    assert figures("assessed cases", "melanoma") == [1, 3, 1]
    assert figures("all cases", "squamous_cell_carcinoma") == [1, 1, 0]
    assert row(table, over="all cases", of="squamous_cell_carcinoma", **of)["own"] == 0
    assert figures("assessed cases", "any cancer") == [3, 4, 1]
    benign = row(table, measure="specificity", of="benign", over="assessed cases", basis=of["basis"])
    assert benign[["count", "n"]].tolist() == [0, 1]
    no_cancer = row(table, measure="specificity", of="no cancer", over="assessed cases", basis=of["basis"])
    assert no_cancer[["count", "n"]].tolist() == [1, 1]
    assert pd.isna(row(table, over="all cases", of="any cancer", **of)["own"])
    biopsied = table[table["basis"] == "biopsied only"]
    assert (biopsied["n"] == 0).all()
    assert (biopsied["reason"] == "no verified case").all()


def test_without_a_sample_of_cases_not_flagged_the_chart_says_that_missed_cancers_cannot_be_seen():
    outcomes = (("c0", "melanoma", "2026-04-01", "registry"), ("c1", "melanoma", "2026-04-01", "biopsy"))
    made = counted(feed_of(3, outcomes, suspected=["melanoma", "melanoma", NONE]))
    whatever = made.accuracy_total[made.accuracy_total["basis"] == "verified whatever the model said"]
    blind = whatever[whatever["measure"] == "sensitivity"]
    assert (blind["reason"] == CANNOT_BE_SEEN.lower()).all()
    assert blind["value"].isna().all()
    assert row(blind, of="melanoma", over="all cases")["n"] == 1
    biopsied = row(made.accuracy_total, measure="sensitivity", of="melanoma", over="all cases", basis="biopsied only")
    assert (biopsied["value"], biopsied["reason"]) == (1.0, "too few to say")
    assert any(CANNOT_BE_SEEN in sentence for sentence in made.notes)


@pytest.mark.parametrize("basis", ["biopsied only", "verified whatever the model said"])
def test_sensitivity_on_the_reference_is_that_of_a_loop_over_its_cases(service: Feed, basis: str):
    ways = {"biopsy"} if basis == "biopsied only" else {"audit_sample", "registry", "full_second_read"}
    until = service.outcomes.query("way == 'registry'")["told_at"].max()
    told = service.outcomes.merge(service.cases[["case_id", "suspected", "imaged_at"]], on="case_id")
    told = told[told["way"].isin(ways) & ((told["way"] != "registry") | (told["imaged_at"] <= until))]
    expected = {kind.value: [0, 0, 0] for kind in FLAGGED}
    names = [kind.value for kind in LESION_TYPES]
    for truth, suspected in zip(told["truth"].astype(str), told["suspected"].astype(str), strict=True):
        types = parse_truth(truth)
        if len(types) == 1 and (kind := next(iter(types))) in FLAGGED:
            expected[kind.value][1] += 1
            expected[kind.value][2] += suspected == NOT_ASSESSED
            expected[kind.value][0] += suspected in names and names.index(suspected) <= names.index(kind.value)
    made = counted(service)
    for kind in FLAGGED:
        found = row(made.accuracy_total, measure="sensitivity", of=kind.value, basis=basis, over="all cases")
        assert found[["count", "n", "not_assessed"]].tolist() == expected[kind.value]
    assert sum(n for _, n, _ in expected.values()) > 100
    by_month = made.accuracy.groupby(["measure", "of", "basis", "over"])[["count", "n", "not_assessed"]].sum()
    total = made.accuracy_total.set_index(["measure", "of", "basis", "over"])[["count", "n", "not_assessed"]]
    pd.testing.assert_frame_equal(by_month.sort_index(), total.sort_index())


def test_subgroups_part_all_cases_and_all_outcomes(service: Feed):
    made = counted(service)
    shares = made.subgroups[made.subgroups["measure"] == "share of cases"]
    assert (shares.groupby("grouping")["count"].sum() == len(service.cases)).all()
    assert set(shares["grouping"]) == {"site", "device", "product", "age group", "sex", "skin type"}
    assert row(shares, grouping="sex", group="female")["count"] == 1019
    assert row(shares, grouping="age group", group="under 18 years")["count"] == 29
    discharged = row(made.subgroups, grouping="site", group="B", measure="discharged")
    at_b = service.cases["site"] == "B"
    assert discharged["n"] == at_b.sum()
    assert discharged["count"] == (at_b & (service.cases["disposition"] == DISCHARGED)).sum()
    by_group = made.subgroup_accuracy.groupby(["grouping", "measure", "of", "basis", "over"])["n"].sum()
    total = made.accuracy_total.set_index(["measure", "of", "basis", "over"])["n"]
    for grouping in ("site", "sex", "age group"):
        pd.testing.assert_series_equal(by_group[grouping].sort_index(), total.sort_index())


def test_turnaround_by_hand():
    at = pd.to_datetime("2026-03-05T12:00Z")
    hours = [1, 2, 3, 4, 100, -5, None]
    decided = [None if h is None else at + pd.Timedelta(hours=h) for h in hours]
    outcomes = (("c0", "melanoma", "2026-03-15T13:00Z", "biopsy"), ("c5", "melanoma", "2026-03-15T13:00Z", "biopsy"))
    made = counted(feed_of(7, outcomes, decided_at=decided)).turnaround
    first = row(made, leg="imaged to decided")
    assert (first["n"], first["median_hours"]) == (5, pytest.approx(3))
    assert first["p90_days"] == pytest.approx(np.quantile([1, 2, 3, 4, 100], 0.9) / 24)
    assert first["reason"] == "too few to say"
    second = row(made, leg="decided to outcome")
    assert second["n"] == 2
    assert second["median_days"] == pytest.approx((10 + 10.25) / 2)


@pytest.mark.parametrize(
    "chosen",
    [
        Chosen(sites=("B",)),
        Chosen(sites=("A", "C"), since=pd.Timestamp("2024-02-10T11:00Z"), until=pd.Timestamp("2025-03-03T00:00Z")),
        Chosen(products=("p",), devices=("d",), until=pd.Timestamp("2023-06-01T00:00Z")),
    ],
)
def test_choosing_in_the_tables_is_choosing_in_the_feed(service: Feed, chosen: Chosen):
    part = part_of(service, chosen)
    assert 0 < len(part.cases) < len(service.cases)
    known = known_outcomes(service, audit_lag_days=0, lag_days=0)
    alone = known_outcomes(part, audit_lag_days=0, lag_days=0)
    rows_of = {case: i for i, case in enumerate(part.cases["case_id"])}
    kept = known.table["case_id"].isin(rows_of)
    same = known.table[kept].assign(row=[rows_of[c] for c in known.table["case_id"][kept]]).reset_index(drop=True)
    alone = type(alone)(same, 0, 0, known.complete_until, known.waiting)
    left, right = rates(Watched(service, known), chosen).tables(), rates(Watched(part, alone)).tables()
    for name, table in left.items():
        pd.testing.assert_frame_equal(table, right[name], obj=name)


def test_a_choice_that_names_nothing_or_leaves_nothing_is_refused_with_the_names(service: Feed):
    with pytest.raises(FeedError, match="a site is one that the feed has: A, B, C") as refused:
        counted(service, Chosen(sites=("D",)))
    assert refused.value.value == "D"
    with pytest.raises(FeedError, match="leaves at least one case"):
        counted(service, Chosen(since=pd.Timestamp("2030-01-01", tz="UTC")))
    with pytest.raises(FeedError, match="leaves at least one case"):
        part_of(service, Chosen(since=pd.Timestamp("2030-01-01", tz="UTC")))


def test_a_feed_without_outcomes_has_every_table():
    made = counted(feed_of(40))
    assert (made.accuracy_total["n"] == 0).all()
    assert made.subgroup_accuracy.empty
    assert row(made.dispositions, of=DISCHARGED)["value"] == 1.0
    assert made.verified["any"].sum() == 0
