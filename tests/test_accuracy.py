"""Accuracy over the eleven types: hand counts, scikit-learn and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score

from derm_kit import TriagePolicy, decide, read_run
from derm_kit.errors import DermKitError, DiagnosisError
from derm_kit.lesions import FLAGGED, LESION_TYPES, LesionType
from derm_kit.triage.accuracy import (
    balanced_accuracy,
    balanced_accuracy_difference,
    calibration_error,
    calibration_floor,
    clopper_pearson,
    one_against_rest,
    operating_characteristics,
    summed_score,
    top_score,
    top_type,
    truth_matrix,
)
from tests.score_tables import (
    AK,
    BCC,
    BOWEN,
    LENTIGO,
    MEL,
    NAEVUS,
    SCC,
    SK,
    dirichlet,
    drawn_truth,
    scores_of,
)

CANCERS = [t for t in LESION_TYPES if t.cancer]


def test_truth_matrix_reads_one_several_and_no_type():
    truth = truth_matrix(["melanoma", "seborrhoeic_keratosis|solar_lentigo", ""])
    assert [set(np.flatnonzero(row)) for row in truth] == [{MEL}, {SK, LENTIGO}, set()]
    assert truth_matrix([]).shape == (0, 11)
    with pytest.raises(DiagnosisError):
        truth_matrix(["wart-like thing"])


def test_open_truth_counts_only_where_all_its_types_lie_on_one_side():
    truth = truth_matrix(
        [
            "melanoma",
            "seborrhoeic_keratosis|solar_lentigo",
            "intraepidermal_carcinoma|actinic_keratosis",
            "squamous_cell_carcinoma|basal_cell_carcinoma",
            "",
            "benign_naevus",
        ]
    )
    positive, counted = one_against_rest(truth, [LesionType.MELANOMA])
    assert positive.tolist() == [True, False, False, False, False, False]
    assert counted.tolist() == [True, True, True, True, False, True]
    positive, counted = one_against_rest(truth, CANCERS)
    assert positive.tolist() == [True, False, False, True, False, False]
    assert counted.tolist() == [True, True, False, True, False, True]
    positive, counted = one_against_rest(truth, [LesionType.SEBORRHOEIC_KERATOSIS])
    assert (positive.any(), counted.tolist()) == (False, [True, False, True, True, False, True])


def test_summed_score_leaves_untrained_types_out():
    scores = scores_of({MEL: 0.2, SCC: 0.1, BOWEN: 0.3, NAEVUS: 0.4})
    assert summed_score(scores, CANCERS) == pytest.approx([0.6])
    assert summed_score(scores, [LesionType.ATYPICAL_NAEVUS, LesionType.MELANOMA]) == pytest.approx([0.2])
    assert np.isnan(summed_score(scores, [LesionType.ATYPICAL_NAEVUS])).all()


def test_a_case_without_the_score_of_a_trained_type_has_no_summed_score():
    scores = scores_of({MEL: 0.2, SCC: 0.1}, {MEL: np.nan, SCC: 0.1})
    np.testing.assert_allclose(summed_score(scores, CANCERS), [0.3, np.nan])


def test_top_type_with_and_without_prevalence():
    scores = scores_of({MEL: 0.3, NAEVUS: 0.7})
    shares = np.array([0.1] + [0.05] * 9 + [0.45])
    assert top_type(scores).tolist() == [NAEVUS]
    assert top_type(scores, shares=shares).tolist() == [MEL]
    shares[MEL] = 0
    with pytest.raises(DermKitError, match="share above 0"):
        top_type(scores, shares=shares)


def test_missing_scores_are_refused():
    scores = dirichlet(4, seed=1)
    scores[2, MEL] = np.nan
    with pytest.raises(DermKitError, match="1 of 4 cases"):
        top_type(scores)
    with pytest.raises(DermKitError, match="3 of 3 cases"):
        top_type(np.full((3, 11), np.nan))
    with pytest.raises(DermKitError, match="eleven lesion types"):
        top_type(np.zeros((3, 10)))


def test_balanced_accuracy_by_hand_leaves_open_and_empty_truth_out():
    truth = truth_matrix(
        ["melanoma", "melanoma", "melanoma", "melanoma", "benign_naevus", "seborrhoeic_keratosis|solar_lentigo", ""]
    )
    called = [MEL, MEL, MEL, NAEVUS, NAEVUS, SK, MEL]
    found = balanced_accuracy(called, truth)
    assert found.value == pytest.approx((3 / 4 + 1) / 2)
    assert found.n == 5
    assert "2 types" in found.method
    assert "1 cases only" in found.reason


@given(
    st.lists(st.tuples(st.integers(0, 10), st.integers(0, 10)), min_size=2, max_size=80).filter(
        lambda pairs: len({own for _, own in pairs}) > 1
    )
)
def test_balanced_accuracy_agrees_with_scikit_learn(pairs):
    called, own = (np.array(column) for column in zip(*pairs, strict=True))
    called = np.where(np.isin(called, own), called, own[0])  # scikit-learn warns of calls without a case
    found = balanced_accuracy(called, np.eye(11, dtype=bool)[own], replicates=10)
    assert found.value == pytest.approx(balanced_accuracy_score(own, called))


def test_balanced_accuracy_interval_agrees_with_the_closed_form():
    """A bootstrap within types has variance sum p (1 - p) / n over types, divided by the types squared."""
    n = {MEL: 200, BCC: 300, NAEVUS: 500}
    right = {MEL: 150, BCC: 270, NAEVUS: 300}
    own = np.concatenate([np.full(count, k) for k, count in n.items()])
    called = np.concatenate([np.r_[np.full(right[k], k), np.full(n[k] - right[k], SK)] for k in n])
    found = balanced_accuracy(called, np.eye(11, dtype=bool)[own], replicates=20_000)
    sd = math.sqrt(sum(right[k] / n[k] * (1 - right[k] / n[k]) / n[k] for k in n)) / 3
    assert found.value == pytest.approx((0.75 + 0.9 + 0.6) / 3)
    assert found.low == pytest.approx(found.value - 1.96 * sd, abs=0.0015)
    assert found.high == pytest.approx(found.value + 1.96 * sd, abs=0.0015)


def test_balanced_accuracy_difference_is_paired():
    """Gains and losses within a type: variance of the mean of -1, 0, 1 (McNemar's table), not of two single recalls."""
    own = np.full(400, MEL)
    a = np.where(np.arange(400) < 300, MEL, NAEVUS)
    b = np.where((np.arange(400) >= 20) & (np.arange(400) < 310), MEL, NAEVUS)
    truth = np.eye(11, dtype=bool)[own]
    found = balanced_accuracy_difference(a, b, truth, replicates=20_000)
    gain, loss = 20 / 400, 10 / 400
    sd = math.sqrt((gain + loss - (gain - loss) ** 2) / 400)
    assert found.value == pytest.approx(gain - loss)
    assert (found.high - found.low) / (2 * 1.96) == pytest.approx(sd, rel=0.03)
    same = balanced_accuracy_difference(a, a, truth)
    assert same.value == 0
    assert math.isnan(same.low)
    assert "every resample" in same.reason


def test_figures_without_a_case_are_nan_and_say_why():
    scores, truth = dirichlet(3, seed=0), truth_matrix([""] * 3)
    for found in (
        balanced_accuracy(top_type(scores), truth),
        balanced_accuracy_difference(top_type(scores), top_type(scores), truth),
        calibration_error(scores, truth),
        calibration_floor(top_score(scores, truth)[0]),
    ):
        assert math.isnan(found.value)
        assert math.isnan(found.high)
        assert found.reason
        assert found.n == 0
    one = calibration_error(scores[:1], truth_matrix(["melanoma"]))
    assert math.isnan(one.low)
    assert "every resample" in one.reason


def test_operating_characteristics_by_hand():
    """BCC caught as melanoma is caught, not as its own type; melanoma called BCC is missed."""
    scores = scores_of(
        {MEL: 0.9},
        {MEL: 0.05, BCC: 0.9},
        {MEL: 0.3, BCC: 0.6},
        {MEL: 0.1, BCC: 0.6},
        {MEL: 0.1, BCC: 0.2, AK: 0.5},
        {MEL: 0.1, BCC: 0.2, AK: 0.2},
        {AK: 0.5},
        {MEL: 0.9, NAEVUS: 0.1},
        {BCC: 0.9},
    )
    truth = truth_matrix(
        ["melanoma"] * 2
        + ["basal_cell_carcinoma"] * 4
        + ["actinic_keratosis", "benign_naevus", "squamous_cell_carcinoma|basal_cell_carcinoma"]
    )
    thresholds = {LesionType.MELANOMA: 0.3, LesionType.BASAL_CELL_CARCINOMA: 0.5, LesionType.ACTINIC_KERATOSIS: 0.5}
    nobody = np.zeros(len(truth), bool)
    table = operating_characteristics(scores, truth, thresholds, review=nobody).set_index("type")
    counts = table[["n", "caught", "caught_as_own_type"]]
    assert counts.loc["melanoma"].tolist() == [2, 1, 1]
    assert counts.loc["basal_cell_carcinoma"].tolist() == [4, 2, 1]
    assert counts.loc["actinic_keratosis"].tolist() == [1, 1, 1]
    assert counts.loc["atypical_naevus"].tolist() == [0, 0, 0]
    assert list(table.index) == [t.value for t in FLAGGED]
    low, high = clopper_pearson(2, 4)
    assert table.loc["basal_cell_carcinoma", ["low", "high"]].tolist() == [low, high]
    assert table.loc["basal_cell_carcinoma", ["low_assessed", "high_assessed"]].tolist() == [low, high]
    assert table.loc["atypical_naevus", ["low", "high", "low_assessed", "high_assessed"]].isna().all()
    assert (table["clinician_review"] == 0).all()


def test_cases_in_review_stay_in_n_are_counted_as_lost_and_never_caught():
    """Without review 20 of 21; the 21st lost: 20 of 21 over all cases, 20 of 20 over those assessed."""
    scores = scores_of(*[{MEL: 0.9}] * 21)
    truth = truth_matrix(["melanoma"] * 21)
    thresholds = {LesionType.MELANOMA: 0.3}
    row = operating_characteristics(scores, truth, thresholds, review=np.arange(21) == 20).iloc[0]
    assert row[["n", "clinician_review", "caught"]].tolist() == [21, 1, 20]
    assert (round(row["low"], 3), round(row["high"], 3)) == (0.762, 0.999)
    assert row["low_assessed"] == pytest.approx(0.025 ** (1 / 20))
    assert row["high_assessed"] == 1
    scores[19, NAEVUS] = np.nan
    row = operating_characteristics(scores, truth, thresholds, review=np.arange(21) == 20).iloc[0]
    assert row[["n", "clinician_review", "caught"]].tolist() == [21, 2, 19]


def test_what_is_excluded_or_of_poor_quality_is_lost_to_the_model_and_never_caught(tmp_path):
    """A close-up, a child, a nail, a blurred picture and a dark skin, all scored as sure melanomas, beside one read."""
    (tmp_path / "scores.csv").write_text(
        "case_id,truth,image_type,age,anatomical_site,quality_fail,skin_type,"
        "melanoma,squamous_cell_carcinoma,basal_cell_carcinoma,intraepidermal_carcinoma,benign_naevus\n"
        "read,melanoma,dermoscopic,40,,no,II,.9,0,0,0,.1\n"
        "close-up,melanoma,clinical: close-up,40,,no,II,.9,0,0,0,.1\n"
        "child,melanoma,dermoscopic,9,,no,II,.9,0,0,0,.1\n"
        "nail,melanoma,dermoscopic,40,fingernail,no,II,.9,0,0,0,.1\n"
        "blurred,melanoma,dermoscopic,40,,yes,II,.9,0,0,0,.1\n"
        "dark,melanoma,dermoscopic,40,,no,VI,.9,0,0,0,.1\n"
        "open,melanoma|squamous_cell_carcinoma,dermoscopic,40,,no,II,.9,0,0,0,.1\n"
        "unlabelled,,dermoscopic,40,,no,II,.9,0,0,0,.1\n"
    )
    run = read_run(tmp_path / "scores.csv")
    thresholds = {LesionType.MELANOMA: 0.5}
    decisions = decide(run, TriagePolicy(name="test", version="1", model_hash="", thresholds=thresholds))
    table = operating_characteristics(
        run.matrix, truth_matrix(run.cases["truth"]), thresholds, review=decisions.in_review
    )
    assert table.iloc[0][["n", "clinician_review", "caught", "caught_as_own_type"]].tolist() == [6, 5, 1, 1]
    assert table.iloc[1:][["n", "clinician_review"]].to_numpy().sum() == 0


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 0.5))
def test_a_lower_threshold_above_never_loses_a_case_below(seed, threshold):
    scores = dirichlet(60, seed=seed)
    truth = drawn_truth(scores, seed=seed)
    low = dict.fromkeys((t for t in FLAGGED if t is not LesionType.ATYPICAL_NAEVUS), threshold)
    nobody = np.zeros(len(truth), bool)
    table = operating_characteristics(scores, truth, low, review=nobody)
    lower = operating_characteristics(scores, truth, low | {LesionType.MELANOMA: threshold / 2}, review=nobody)
    assert (lower["caught"] >= table["caught"]).all()
    assert (table["caught_as_own_type"] <= table["caught"]).all()
    assert (table["caught"] <= table["n"]).all()
