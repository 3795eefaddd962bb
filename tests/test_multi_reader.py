"""Obuchowski and Rockette's analysis against OR-DBM MRMC, MRMCaov, plain Python, the t test and simulated readers."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_rel
from sklearn.metrics import roc_auc_score

from derm_kit.errors import DermKitError
from derm_kit.triage.multi_reader import Components, MultiReader, analyse_readers, components, contrast
from derm_kit.triage.multi_reader_figures import FIGURES, Ratings, accuracy, auc, jackknife, read_ratings
from derm_kit.triage.multi_reader_intervals import crossed
from derm_kit.triage.rates import auc_difference

OR_DBM = {
    "components": (0.00479617, 0.00383620, 0.00055103, 0.00080229, 0.00034661, 0.00034407, 0.00023903),
    "readers and cases": (4.46, 15.26, 0.0517, 0.02075, -0.00036, 0.08796),
    "cases": (5.47595, math.inf, 0.0193, 0.01872, 0.00711, 0.08049),
    "readers": (8.70, 4, 0.0420, 0.01485, 0.00258, 0.08502),
}
DELONG = (4.484854, 15.06611, 0.05123303, 0.0206825, -0.0002665519, 0.0878671960)
SENSITIVITY = (6.689493, 15.71732, 0.02008822, 0.03780451, 0.0175185, 0.1780371)


def table_of(values: np.ndarray, positive: np.ndarray) -> pd.DataFrame:
    """The tidy table of ratings (M, R, C)."""
    rows = [
        (f"r{j}", f"m{i}", f"c{k}", bool(positive[k]), values[i, j, k])
        for i in range(values.shape[0])
        for j in range(values.shape[1])
        for k in range(values.shape[2])
    ]
    return pd.DataFrame(rows, columns=["reader", "modality", "case_id", "positive", "rating"])


def ratings_of(values: np.ndarray, positive: np.ndarray) -> Ratings:
    return read_ratings(table_of(np.asarray(values, float), positive))


@pytest.fixture(scope="module")
def van_dyke() -> Ratings:
    wide = pd.read_csv(Path(__file__).parent / "reference" / "van_dyke.csv")
    tidy = wide.melt(id_vars=["case_id", "positive"], value_name="rating")
    tidy[["reader", "modality"]] = tidy["variable"].str.extract(r"(reader_\d)_(.*)")
    return read_ratings(tidy, modalities=["cine", "spin_echo"])


def printed(found: MultiReader) -> tuple[float, ...]:
    row = found.differences.iloc[0]
    test = found.contrast
    return test.statistic, test.error_df, test.p_value, row["standard_error"], row["low"], row["high"]


def test_the_components_of_van_dykes_study_are_those_of_or_dbm(van_dyke: Ratings):
    found = analyse_readers(van_dyke).components
    seven = (
        found.ms_modality, found.ms_reader, found.ms_interaction, found.error_variance, found.cov1, found.cov2,
        found.cov3,
    )  # fmt: skip
    assert seven == pytest.approx(OR_DBM["components"], abs=5e-9)
    assert (found.reader_variance, found.interaction_variance) == pytest.approx((0.00153500, 0.00020040), abs=5e-9)


@pytest.mark.parametrize(("random", "places"), [("readers and cases", 2), ("cases", 5), ("readers", 2)])
def test_the_comparison_of_van_dykes_study_is_that_of_or_dbm(van_dyke: Ratings, random, places: int):
    statistic, df, p, error, low, high = printed(analyse_readers(van_dyke, random=random))
    expected = OR_DBM[random]
    assert statistic == pytest.approx(expected[0], abs=0.51 * 10**-places)
    assert df == pytest.approx(expected[1], abs=5e-3)
    assert p == pytest.approx(expected[2], abs=5e-5)
    assert (error, low, high) == pytest.approx(expected[3:], abs=5e-6)


def test_the_areas_and_means_of_van_dykes_study_are_those_of_or_dbm(van_dyke: Ratings):
    found = analyse_readers(van_dyke)
    areas = [0.91964573, 0.85877617, 0.90386473, 0.97310789, 0.82979066]
    areas += [0.94782609, 0.90531401, 0.92173913, 0.99935588, 0.92995169]
    assert found.figures["value"].tolist() == pytest.approx(areas, abs=5e-9)
    columns = ["value", "standard_error", "df", "low", "high"]
    assert found.means[columns].to_numpy().tolist() == [
        pytest.approx([0.89703704, 0.03317360, 12.74, 0.82522360, 0.96885048], abs=5e-3),
        pytest.approx([0.94083736, 0.02156637, 12.71, 0.89413783, 0.98753689], abs=5e-3),
    ]
    assert found.means["low"].tolist() == pytest.approx([0.82522360, 0.89413783], abs=1e-8)
    fixed = analyse_readers(van_dyke, random="cases").means
    assert fixed["standard_error"].tolist() == pytest.approx([0.02428971, 0.01677632], abs=5e-9)
    assert fixed["low"].tolist() == pytest.approx([0.84943008, 0.90795637], abs=1e-8)
    of_readers = analyse_readers(van_dyke, random="readers").means
    assert of_readers["standard_error"].tolist() == pytest.approx([0.02482994, 0.01615303], abs=5e-9)
    assert of_readers["high"].tolist() == pytest.approx([0.96597599, 0.98568536], abs=1e-8)


def test_each_readers_difference_in_van_dykes_study_is_that_of_or_dbm(van_dyke: Ratings):
    found = analyse_readers(van_dyke).by_reader
    assert found["value"].tolist() == pytest.approx([0.02818, 0.04654, 0.01787, 0.02625, 0.10016], abs=5e-6)
    assert found["standard_error"].tolist() == pytest.approx([0.02551, 0.02630, 0.03121, 0.01729, 0.04406], abs=5e-6)
    assert found["p_value"].tolist() == pytest.approx([0.2693, 0.0768, 0.5668, 0.1290, 0.0230], abs=5e-5)


def test_delongs_covariances_and_sensitivity_are_those_of_mrmcaov(van_dyke: Ratings):
    found = analyse_readers(van_dyke, covariances="jackknife within classes")
    assert printed(found) == pytest.approx(DELONG, rel=1e-6)
    called = Ratings(
        van_dyke.modalities, van_dyke.readers, van_dyke.case_ids, van_dyke.positive, (van_dyke.given >= 3).astype(float)
    )
    sensitivity = analyse_readers(called, "sensitivity")
    assert printed(sensitivity) == pytest.approx(SENSITIVITY, rel=1e-6)
    assert sensitivity.means["standard_error"].tolist() == pytest.approx([0.05893747, 0.03741657], abs=5e-9)
    assert sensitivity.means["df"].tolist() == pytest.approx([14.456811, 7.575855], abs=5e-7)


def test_the_test_follows_from_published_components_alone():
    """MRMCaov's binormal areas of Van Dyke's study, as printed in its user guide: mean squares and covariances only."""
    parts = Components(2, 5, 0.004114199, math.nan, 0.0009478898, 0.0010790449, 0.0003125019, 0.000311605, 0.00019377)
    found = contrast(parts)
    assert (found.statistic, found.error_df, found.p_value) == pytest.approx((2.67666, 10.51789, 0.1313682), rel=2e-6)
    assert found.standard_error == pytest.approx(0.02479568, abs=5e-9)


def test_with_fixed_cases_it_is_the_paired_t_test_of_the_readers(van_dyke: Ratings):
    theta = auc(van_dyke.given, van_dyke.positive)
    peer = ttest_rel(theta[1], theta[0])
    found = analyse_readers(van_dyke, random="readers").differences.iloc[0]
    assert (found["statistic"], found["p_value"]) == pytest.approx((peer.statistic, peer.pvalue))


def test_one_reader_is_delongs_test_of_two_areas(van_dyke: Ratings):
    one = Ratings(van_dyke.modalities, ("r",), van_dyke.case_ids, van_dyke.positive, van_dyke.given[:, :1])
    found = analyse_readers(one, random="cases", covariances="jackknife within classes").differences.iloc[0]
    peer = auc_difference(van_dyke.given[1, 0], van_dyke.given[0, 0], van_dyke.positive)
    assert (found["value"], found["low"], found["high"]) == pytest.approx((peer.value, peer.low, peer.high))


def test_the_jackknife_is_that_of_plain_python(van_dyke: Ratings):
    """Case by case in lists, areas by counting pairs, over the first 20 cases of each class and two readers."""
    own = [*range(20), *range(69, 89)]
    given = van_dyke.given[:, :2, own]
    cut = Ratings(van_dyke.modalities, van_dyke.readers[:2], tuple(map(str, own)), van_dyke.positive[own], given)

    def area(scores: list[float], truth: list[bool]) -> float:
        wins = [
            1.0 if p > n else 0.5 if p == n else 0.0
            for p, t in zip(scores, truth, strict=True) if t
            for n, u in zip(scores, truth, strict=True) if not u
        ]  # fmt: skip
        return sum(wins) / len(wins)

    lists, truth = [given[i, j].tolist() for i in range(2) for j in range(2)], cut.positive.tolist()
    without = [[area(s[:k] + s[k + 1 :], truth[:k] + truth[k + 1 :]) for k in range(40)] for s in lists]
    apart = [[a - sum(w) / 40 for a in w] for w in without]
    plain = [[39 / 40 * sum(a * b for a, b in zip(one, other, strict=True)) for other in apart] for one in apart]
    np.testing.assert_allclose(jackknife(cut, auc), plain, rtol=1e-9)


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 4), st.integers(4, 12), st.integers(0, 10**6))
def test_figures_are_those_of_scikit_learn_and_of_counting(readers: int, cases: int, seed: int):
    rng = np.random.default_rng(seed)
    positive = np.arange(cases) % 2 == 0
    values = rng.integers(0, 4, (2, readers, cases)).astype(float)
    found = auc(values, positive)
    assert found[1, 0] == pytest.approx(roc_auc_score(positive, values[1, 0]))
    called = (values > 1).astype(float)
    assert FIGURES["sensitivity"](called, positive)[0, 1] == called[0, 1][positive].mean()
    assert FIGURES["specificity"](called, positive)[0, 1] == (1 - called[0, 1][~positive]).mean()
    assert accuracy(called, positive)[0, 1] == called[0, 1].mean()


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 5), st.integers(6, 12), st.integers(0, 10**6), st.sampled_from(["auc", "accuracy"]))
def test_swapping_modalities_negates_and_no_order_matters(readers: int, cases: int, seed: int, figure: str):
    rng = np.random.default_rng(seed)
    positive = np.arange(cases) % 3 == 0
    values = rng.integers(0, 2, (2, readers, cases)).astype(float)
    one = analyse_readers(ratings_of(values, positive), figure).differences.iloc[0]
    other = analyse_readers(ratings_of(values[::-1], positive), figure).differences.iloc[0]
    same = {"nan_ok": True, "abs": 1e-12}
    assert one["value"] == pytest.approx(-other["value"], **same)
    assert one["low"] == pytest.approx(-other["high"], **same)
    assert one["p_value"] == pytest.approx(other["p_value"], **same)
    order, people = rng.permutation(cases), rng.permutation(readers)
    mixed = analyse_readers(ratings_of(values[:, people][:, :, order], positive[order]), figure).differences.iloc[0]
    for column in ("value", "standard_error", "df", "low", "p_value"):
        assert mixed[column] == pytest.approx(one[column], nan_ok=True, rel=1e-6, abs=1e-12)


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 6), st.integers(5, 20), st.integers(0, 10**6))
def test_the_variance_that_needs_no_full_table_is_the_same_where_the_table_is_full(readers, cases, seed):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 2, (2, readers, cases)).astype(float)
    ratings = ratings_of(values, np.arange(cases) % 2 == 0)
    covariance = jackknife(ratings, accuracy)
    parts = components(ratings.given.mean(axis=2), covariance)
    reader, case = np.divmod(np.arange(readers * cases), cases)
    difference = (ratings.given[1] - ratings.given[0]).ravel()
    found = crossed((difference - difference.mean()) / difference.size, reader, case)
    assert found.reader_part == pytest.approx(2 / readers * parts.ms_interaction, abs=1e-12)
    assert found.case_part == pytest.approx(2 * (parts.cov2 - parts.cov3), abs=1e-12)
    test = contrast(parts)
    if not test.reason:
        assert math.sqrt(found.variance) == pytest.approx(test.standard_error)
        assert found.hillis_df == pytest.approx(test.error_df)


def test_true_null_hypotheses_are_rejected_about_as_often_as_they_should_be():
    """Simulated in the manner of Roe and Metz (Academic Radiology 4 (1997) 298): 5 readers, 25 and 25 cases, areas .87.

    Readers differ in how well they tell the classes apart, and in what the modality does to that. An honest test at .05
    rejects 5 of 100; three standard errors of 600 draws are 2.7 in 100.
    """
    rng = np.random.default_rng(7)
    positive, rejected = np.arange(50) < 25, 0
    cases = ((0.55, (1, 1, 50)), (0.45, (2, 1, 50)), (0.45, (1, 5, 50)), (0.55, (2, 5, 50)))
    for _ in range(600):
        skill = 1.6 + rng.normal(0, 0.25, (1, 5, 1)) + rng.normal(0, 0.25, (2, 5, 1))
        values = skill * positive + sum(rng.normal(0, sd, shape) for sd, shape in cases)
        ratings = Ratings(("a", "b"), tuple("vwxyz"), tuple(map(str, range(50))), positive, values)
        test = contrast(components(auc(values, positive), jackknife(ratings, auc)))
        rejected += test.p_value < 0.05
    assert 0.023 < rejected / 600 < 0.077, rejected


def test_three_modalities_have_three_differences_and_one_test():
    rng = np.random.default_rng(1)
    positive = np.arange(40) < 20
    values = positive + rng.normal(size=(3, 4, 40))
    found = analyse_readers(ratings_of(values, positive))
    assert found.differences[["modality", "less"]].to_numpy().tolist() == [["m1", "m0"], ["m2", "m0"], ["m2", "m1"]]
    assert found.contrast.df == 2
    means = found.means["value"].tolist()
    assert found.differences["value"].tolist() == pytest.approx(
        [means[1] - means[0], means[2] - means[0], means[2] - means[1]]
    )


def test_one_reader_says_nothing_of_others_and_can_be_taken_as_fixed():
    rng = np.random.default_rng(2)
    positive = np.arange(30) < 15
    ratings = ratings_of(positive + rng.normal(size=(2, 1, 30)), positive)
    found = analyse_readers(ratings)
    assert math.isnan(found.differences["low"][0])
    assert found.differences["reason"][0].startswith("one reader says nothing of other readers")
    assert found.differences["reason"][0] == found.contrast.reason == found.means["reason"][0]
    assert found.by_reader["reason"][0] == ""
    fixed = analyse_readers(ratings, random="cases")
    assert fixed.differences["low"][0] == pytest.approx(found.by_reader["low"][0])


def test_one_case_of_a_class_has_a_figure_and_no_interval():
    rng = np.random.default_rng(3)
    positive = np.arange(10) < 1
    found = analyse_readers(ratings_of(rng.normal(size=(2, 3, 10)), positive))
    assert not math.isnan(found.differences["value"][0])
    assert math.isnan(found.differences["low"][0])
    assert found.differences["reason"][0] == "no interval: fewer than 2 cases of a class"
    none = analyse_readers(ratings_of(rng.normal(size=(2, 3, 10)), np.zeros(10, bool)))
    assert none.differences["reason"][0].startswith("the figure is undefined")
    assert none.figures["value"].isna().all()


def test_equal_answers_have_no_variance_and_say_so():
    positive = np.arange(10) < 5
    found = analyse_readers(ratings_of(np.ones((2, 3, 10)), positive), "accuracy")
    assert found.differences["value"][0] == 0
    assert found.contrast.reason == found.differences["reason"][0] == "no interval: nothing varies here"
    assert found.means["reason"].tolist() == ["no interval: nothing varies here"] * 2


def test_readers_who_gain_alike_leave_only_the_cases_variance():
    """The readers are copies of one another: their interaction is 0, the degrees of freedom infinite."""
    rng = np.random.default_rng(4)
    one = rng.integers(0, 2, (2, 1, 40)).astype(float)
    found = analyse_readers(ratings_of(np.repeat(one, 3, axis=1), np.arange(40) < 20), "accuracy")
    alone = analyse_readers(ratings_of(one, np.arange(40) < 20), "accuracy", random="cases")
    assert math.isinf(found.contrast.error_df)
    assert found.contrast.p_value == pytest.approx(alone.contrast.p_value)


def test_any_function_is_a_figure_of_merit():
    def mean_gap(values, positive):
        return values[..., positive].mean(axis=-1) - values[..., ~positive].mean(axis=-1)

    rng = np.random.default_rng(5)
    positive = np.arange(20) < 10
    ratings = ratings_of(positive + rng.normal(size=(2, 3, 20)) / 9, positive)
    found = analyse_readers(ratings, mean_gap)
    assert found.figure == "mean_gap"
    assert found.figures["value"][0] == pytest.approx(mean_gap(ratings.given, positive)[0, 0])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.drop(columns="rating"), "no rating"),
        (lambda t: t.assign(rating=t["rating"].where(t.index != 3)), r"^c1: a rating is a finite number \(reader r1\)"),
        (lambda t: pd.concat([t, t.iloc[:1]]), r"^c0: a reader rates a case once under a modality"),
        (lambda t: t.iloc[1:], r"^c0: every reader rates every case.*1 ratings are missing.*none by r0 under m0"),
        (lambda t: t.assign(positive=t["positive"].astype(object).where(t.index > 0)), "^c0: whether a case is pos"),
        (lambda t: t.assign(positive=[*t["positive"][:-1], not t["positive"].iloc[-1]]), "^c1: a case has one truth"),
    ],
)  # fmt: skip
def test_hostile_tables_are_refused_in_plain_words(change, says: str):
    table = table_of(np.arange(8.0).reshape(2, 2, 2), np.array([True, False]))
    with pytest.raises(DermKitError, match=says):
        read_ratings(change(table))


def test_an_unknown_figure_modality_or_a_share_of_ratings_is_refused():
    positive = np.arange(8) < 4
    ratings = ratings_of(np.arange(32.0).reshape(2, 2, 8), positive)
    with pytest.raises(DermKitError, match=r"known by name.*found: kappa.*auc, sensitivity"):
        analyse_readers(ratings, "kappa")
    with pytest.raises(DermKitError, match=r"^c2: .*a rating is 1 or 0.*2 by r0"):
        analyse_readers(ratings, "sensitivity")
    with pytest.raises(DermKitError, match="a modality is one of those named"):
        read_ratings(table_of(ratings.given, positive), modalities=["m0"])
