"""Calibration of the top score: hand counts, closed forms and simulated perfect calibration."""

from __future__ import annotations

import math

import numpy as np
import pytest

from derm_kit.triage.calibration import (
    calibration_error,
    calibration_error_difference,
    calibration_floor,
    expected_calibration_error,
    top_score,
)
from derm_kit.triage.scores import truth_matrix
from tests.score_tables import LENTIGO, MEL, NAEVUS, SK, dirichlet, drawn_truth, scores_of


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
