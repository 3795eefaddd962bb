"""Accuracy over the eleven types: hand counts, scikit-learn, closed forms and simulated perfect calibration."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score

from derm_kit.errors import DermKitError, DiagnosisError
from derm_kit.lesions import FLAGGED, LESION_TYPES, LesionType
from derm_kit.triage.accuracy import (
    balanced_accuracy,
    balanced_accuracy_difference,
    calibration_error,
    calibration_error_difference,
    calibration_floor,
    clopper_pearson,
    expected_calibration_error,
    one_against_rest,
    operating_characteristics,
    summed_score,
    top_score,
    top_type,
    truth_matrix,
)

MEL, SCC, BCC, BOWEN, AK, ATYPICAL, _, SK, _, LENTIGO, NAEVUS = range(11)
CANCERS = [t for t in LESION_TYPES if t.cancer]


def dirichlet(n: int, *, seed: int, concentration: float = 0.6) -> np.ndarray:
    """Scores (n, 11) that sum to one, atypical naevus untrained."""
    scores = np.full((n, 11), np.nan)
    trained = [k for k in range(11) if k != ATYPICAL]
    scores[:, trained] = np.random.default_rng(seed).dirichlet(np.full(10, concentration), size=n)
    return scores


def drawn_truth(scores: np.ndarray, *, seed: int) -> np.ndarray:
    """Truth (n, 11) drawn from the scores themselves: what a perfectly calibrated model would meet."""
    cumulative = np.nancumsum(scores, axis=1)
    place = (np.random.default_rng(seed).random((len(scores), 1)) < cumulative).argmax(1)
    return np.eye(11, dtype=bool)[place]


def scores_of(*rows: dict[int, float]) -> np.ndarray:
    """Scores by column number; others 0, atypical naevus NaN."""
    table = np.zeros((len(rows), 11))
    table[:, ATYPICAL] = np.nan
    for row, given_scores in zip(table, rows, strict=True):
        for column, score in given_scores.items():
            row[column] = score
    return table


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


def test_calibration_error_by_hand():
    """Bins of 1/15, right end closed: .50 lies in (7/15, 8/15], .95 and 1 in the last."""
    top, correct = [0.50, 0.50, 0.95, 1.0], [True, False, True, False]
    assert expected_calibration_error(top, correct) == pytest.approx((0 + abs(1 - 1.95)) / 4)
    assert expected_calibration_error([1 / 15, 1 / 15 + 1e-9], [True, True]) == pytest.approx(1 - 1 / 15)
    assert expected_calibration_error([0.25, 0.75], [True, True], bins=1) == pytest.approx(0.5)
    assert math.isnan(expected_calibration_error([], []))


def test_open_truth_is_right_with_either_type_and_empty_truth_leaves():
    scores = scores_of({SK: 0.8, NAEVUS: 0.2}, {LENTIGO: 0.6, MEL: 0.4}, {MEL: 0.9, SK: 0.1}, {MEL: 0.7, SK: 0.3})
    truth = truth_matrix(["seborrhoeic_keratosis|solar_lentigo"] * 3 + [""])
    top, correct = top_score(scores, truth)
    assert top.tolist() == [0.8, 0.6, 0.9]
    assert correct.tolist() == [True, True, False]


def test_perfect_calibration_lies_within_the_floor_and_over_confidence_above_it():
    scores = dirichlet(2400, seed=7)
    errors = []
    for seed in range(20):
        truth = drawn_truth(scores, seed=seed)
        errors.append(calibration_error(scores, truth, replicates=50).value)
    floor = calibration_floor(top_score(scores, truth)[0])
    assert np.mean(errors) == pytest.approx(floor.value, abs=3 * np.std(errors) / math.sqrt(20))
    assert sum(floor.low <= e <= floor.high for e in errors) >= 16
    sharpened = scores**2 / np.nansum(scores**2, axis=1, keepdims=True)
    found = calibration_error(sharpened, truth)
    assert found.low > calibration_floor(top_score(sharpened, truth)[0]).high
    assert found.low < found.value < found.high


def test_calibration_floor_agrees_with_the_half_normal_mean():
    """One bin of M equal scores c: the error is |mean - c|, about half-normal with mean sqrt(2 c (1 - c) / (pi M))."""
    found = calibration_floor(np.full(3000, 0.7), replicates=4000)
    sd = math.sqrt(0.7 * 0.3 / 3000)
    assert found.value == pytest.approx(sd * math.sqrt(2 / math.pi), rel=0.04)
    assert found.high == pytest.approx(2.2414 * sd, rel=0.05)
    assert found.low == pytest.approx(0.0313 * sd, abs=0.03 * sd)


def test_calibration_bootstrap_agrees_with_the_closed_form():
    """All cases in one bin, far from calibrated: the error is c - mean, so its sd is that of a proportion."""
    scores = scores_of(*[{MEL: 0.9, NAEVUS: 0.1}] * 1000)
    truth = np.eye(11, dtype=bool)[np.where(np.arange(1000) < 600, MEL, NAEVUS)]
    found = calibration_error(scores, truth, replicates=5000)
    assert found.value == pytest.approx(0.3)
    assert found.high - found.value == pytest.approx(1.96 * math.sqrt(0.6 * 0.4 / 1000), rel=0.05)


def test_calibration_difference_is_paired():
    scores = dirichlet(600, seed=2)
    truth = drawn_truth(scores, seed=3)
    same = calibration_error_difference(scores, scores, truth)
    assert same.value == 0
    assert math.isnan(same.low)
    assert "every resample" in same.reason
    sharpened = scores**2 / np.nansum(scores**2, axis=1, keepdims=True)
    found = calibration_error_difference(sharpened, scores, truth)
    single = [calibration_error(s, truth).value for s in (sharpened, scores)]
    assert found.value == pytest.approx(single[0] - single[1])
    assert 0 < found.low < found.value


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
    table = operating_characteristics(scores, truth, thresholds).set_index("type")
    counts = table[["n", "caught", "caught_as_own_type"]]
    assert counts.loc["melanoma"].tolist() == [2, 1, 1]
    assert counts.loc["basal_cell_carcinoma"].tolist() == [4, 2, 1]
    assert counts.loc["actinic_keratosis"].tolist() == [1, 1, 1]
    assert counts.loc["atypical_naevus"].tolist() == [0, 0, 0]
    assert list(table.index) == [t.value for t in FLAGGED]
    low, high = clopper_pearson(2, 4)
    assert table.loc["basal_cell_carcinoma", ["low", "high"]].tolist() == [low, high]
    assert table.loc["atypical_naevus", ["low", "high"]].isna().all()


def test_cases_in_review_stay_in_n_and_are_never_caught():
    scores = scores_of({MEL: 0.9}, {MEL: 0.9}, {MEL: 0.9})
    scores[1, NAEVUS] = np.nan
    truth = truth_matrix(["melanoma"] * 3)
    thresholds = {LesionType.MELANOMA: 0.3}
    row = operating_characteristics(scores, truth, thresholds).iloc[0]
    assert (row["n"], row["caught"]) == (3, 2)
    row = operating_characteristics(scores, truth, thresholds, review=[True, False, False]).iloc[0]
    assert (row["n"], row["caught"]) == (3, 1)


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 0.5))
def test_a_lower_threshold_above_never_loses_a_case_below(seed, threshold):
    scores = dirichlet(60, seed=seed)
    truth = drawn_truth(scores, seed=seed)
    low = dict.fromkeys((t for t in FLAGGED if t is not LesionType.ATYPICAL_NAEVUS), threshold)
    table = operating_characteristics(scores, truth, low)
    lower = operating_characteristics(scores, truth, low | {LesionType.MELANOMA: threshold / 2})
    assert (lower["caught"] >= table["caught"]).all()
    assert (table["caught_as_own_type"] <= table["caught"]).all()
    assert (table["caught"] <= table["n"]).all()
