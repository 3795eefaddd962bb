"""Curves against scikit-learn's, on scores with ties and on the shipped reference scores."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.calibration
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st

from derm_kit.errors import DermKitError
from derm_kit.model.card import default_model
from derm_kit.model.run import read_run
from derm_kit.triage.curves import calibration_curve, precision_recall_curve, roc_curve, threshold_counts

SOME = st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=2, max_size=60).filter(
    lambda cases: len({positive for _, positive in cases}) == 2
)


@given(SOME)
def test_roc_and_precision_recall_are_scikit_learns(cases):
    score, positive = np.array([s / 20 for s, _ in cases]), np.array([p for _, p in cases])
    fpr, tpr, thresholds = sklearn.metrics.roc_curve(positive, score, drop_intermediate=False)
    ours = roc_curve(score, positive)
    assert np.allclose(ours["sensitivity"], tpr)
    assert np.allclose(1 - ours["specificity"], fpr)
    assert np.allclose(ours["threshold"], thresholds)
    precision, recall, thresholds = sklearn.metrics.precision_recall_curve(positive, score)
    curve = precision_recall_curve(score, positive)[::-1]
    assert np.allclose(curve["ppv"], precision[:-1])
    assert np.allclose(curve["sensitivity"], recall[:-1])
    assert np.allclose(curve["threshold"], thresholds)


def test_calibration_of_melanoma_on_the_reference_scores_is_scikit_learns():
    run = read_run(default_model() / "reference_scores.parquet")
    known = (run.cases["truth"] != "").to_numpy()
    score = run.scores["melanoma"].to_numpy(np.float64)[known]
    positive = (run.cases["truth"] == "melanoma").to_numpy()[known]
    share, mean = sklearn.calibration.calibration_curve(positive, score, n_bins=10)
    ours = calibration_curve(score, positive, bins=10)
    assert np.allclose(ours["share"], share)
    assert np.allclose(ours["mean_score"], mean)
    assert ours["n"].sum() == known.sum()
    assert (ours["low"] <= ours["share"]).all()


def test_one_class_only_is_undefined_and_not_one():
    curve = roc_curve([0.2, 0.7], [True, True])
    assert curve["specificity"][1:].isna().all()
    assert roc_curve([0.2, 0.7], [False, False])["sensitivity"][1:].isna().all()


def test_no_case_gives_an_empty_table():
    assert threshold_counts([], []).empty


@pytest.mark.parametrize(("score", "positive"), [([0.1, np.nan], [True, False]), ([0.1], [True, False])])
def test_scores_that_do_not_match_are_refused(score, positive):
    with pytest.raises(DermKitError, match="one score and one truth a case"):
        roc_curve(score, positive)
