"""Our figures beside those of peer libraries: statsmodels, isic-challenge-scoring and MAPIE."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mapie.risk_control import BinaryClassificationController
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from derm_kit.lesions import LESION_TYPES, LesionType
from derm_kit.model.card import default_model, load_card
from derm_kit.model.run import ScoreRun
from derm_kit.triage.accuracy import auc, balanced_accuracy
from derm_kit.triage.counts import CaseCounter
from derm_kit.triage.curves import precision_recall_curve, roc_curve
from derm_kit.triage.guarantee import GRID, METHODS, Guarantee, safest_thresholds
from derm_kit.triage.measures import rates
from derm_kit.triage.policy import TriagePolicy
from derm_kit.triage.proportions import clopper_pearson, newcombe, wilson
from derm_kit.triage.ranks import order_statistic_rank
from derm_kit.triage.scores import top_type, truth_matrix

MELANOMA = LesionType.MELANOMA


# statsmodels: intervals


def counts(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """2,000 pairs of successes and n from 1 to 5,000, no and full success among them."""
    rng = np.random.default_rng(seed)
    n = np.r_[np.arange(1, 61), rng.integers(1, 5_001, 1_940)]
    k = rng.binomial(n, rng.beta(0.3, 0.3, n.size))
    assert (k == 0).any()
    assert (k == n).any()
    return k, n


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
@pytest.mark.parametrize(("ours", "name"), [(clopper_pearson, "beta"), (wilson, "wilson")])
def test_intervals_of_a_proportion_are_those_of_statsmodels(ours, name, level):
    k, n = counts(1)
    theirs = proportion_confint(k, n, alpha=1 - level, method=name)
    for one, other in zip(ours(k, n, level=level), theirs, strict=True):
        assert one == pytest.approx(other, abs=1e-9)


@pytest.mark.parametrize("level", [0.9, 0.95])
def test_intervals_of_a_difference_are_those_of_statsmodels(level):
    (k, m), (j, o) = counts(2), counts(3)
    _, low, high = newcombe(k, m, j, o, level=level)
    for i in range(0, len(k), 5):
        theirs = confint_proportions_2indep(k[i], m[i], j[i], o[i], compare="diff", method="newcomb", alpha=1 - level)
        assert (low[i], high[i]) == pytest.approx(theirs, abs=1e-9)


def test_every_interval_of_the_reference_cohort_is_statsmodels(reference):
    policy = TriagePolicy.from_card(load_card(default_model()))
    of_policy = CaseCounter(reference, policy).count(policy.thresholds)
    for method, name in (("Clopper-Pearson", "beta"), ("Wilson", "wilson")):
        found = rates(of_policy, method=method)
        known = found.n > 0
        low, high = proportion_confint(found.count[known], found.n[known], method=name)
        assert found.low[known] == pytest.approx(low, abs=1e-9)
        assert found.high[known] == pytest.approx(high, abs=1e-9)
        assert np.isnan(found.low[~known]).all()


# isic-challenge-scoring: the metrics of the ISIC challenges


def challenge_score(truth: pd.DataFrame, scores: pd.DataFrame) -> Any:
    """The challenge's figures, every case counted once.

    No dependency: one of its own (zipfile-deflate64) has to be compiled from Python 3.12 on, and it uses what pandas 4
    takes away.
    """
    theirs = pytest.importorskip("isic_challenge_scoring.classification", reason="pip install isic-challenge-scoring")
    weights = pd.DataFrame(1.0, index=truth.index, columns=["score_weight", "validation_weight"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return theirs.ClassificationScore(truth, scores, weights, theirs.ClassificationMetric.BALANCED_ACCURACY)


@pytest.fixture(scope="module")
def challenge(reference: ScoreRun) -> tuple[pd.DataFrame, pd.DataFrame, Any]:
    """Truth, scores and their figures: cases of exactly one type, the ten types that have scores."""
    types = [LESION_TYPES[i] for i in reference.trained]
    truth = pd.DataFrame(truth_matrix(list(reference.cases["truth"])), columns=list(LESION_TYPES))
    single = truth.sum(axis=1) == 1
    own = truth.loc[single, types].astype(float)
    scores = reference.scores.loc[single, [t.value for t in types]].astype(float).set_axis(types, axis=1)
    return own, scores, challenge_score(own, scores)


def test_the_challenge_figures_of_the_reference_cohort_are_ours(challenge):
    """AUC, average precision, AUC above 80 % sensitivity and balanced accuracy, each from our curves and calls."""
    truth, scores, theirs = challenge
    assert len(truth) == 2231
    for kind in truth:
        score, positive = scores[kind].to_numpy(), truth[kind].to_numpy(bool)
        figures = theirs.per_category.loc[kind]
        assert auc(score, positive).value == pytest.approx(figures["auc"], abs=1e-12)
        pr = precision_recall_curve(score, positive)
        steps = np.diff(pr["sensitivity"], prepend=0)
        assert float((pr["ppv"] * steps).sum()) == pytest.approx(figures["ap"], abs=1e-12)
        roc = roc_curve(score, positive)
        sensitivity, alarms = roc["sensitivity"].to_numpy(), 1 - roc["specificity"].to_numpy()
        first = int((sensitivity < 0.8).sum())
        crossing = np.interp(0.8, sensitivity[first - 1 : first + 1], alarms[first - 1 : first + 1])
        part = np.trapezoid(np.r_[0.8, sensitivity[first:]], np.r_[crossing, alarms[first:]])
        assert float(part) == pytest.approx(figures["auc_sens_80"], abs=1e-9)
    matrix = scores.reindex(columns=list(LESION_TYPES)).to_numpy()
    of_types = truth.reindex(columns=list(LESION_TYPES), fill_value=0).to_numpy(bool)
    ours = balanced_accuracy(top_type(matrix), of_types).value
    assert ours == pytest.approx(theirs.aggregate["balanced_accuracy"], abs=1e-12)


def test_the_challenge_calls_at_one_half_are_ours(reference, challenge):
    """Theirs: score > .5 of each type alone; no score is .5. Ours: a policy of that one threshold, reviews aside."""
    truth, scores, theirs = challenge
    assert not (scores == 0.5).any(axis=None)
    kept = truth.index.to_numpy()
    run = ScoreRun(
        reference.scores.iloc[kept].reset_index(drop=True),
        reference.cases.iloc[kept][["case_id", "truth"]].reset_index(drop=True),
        meta=reference.meta,
    )
    policy = TriagePolicy.from_card(load_card(default_model()))
    counter = CaseCounter(run, policy.changed(review_skin_types=(), review_skin_tone_classes=()))
    for kind in (t for t in map(LesionType, truth) if t.flagged):
        found = rates(counter.count({kind: 0.5}))
        own = found.place("caught as own type", kind)
        called = found.place("right among those called so", kind, assessed=True)
        figures = theirs.per_category.loc[kind]
        assert found.value[0, own] == pytest.approx(figures["sensitivity"])
        assert found.value[0, called] == pytest.approx(figures["ppv"])


def test_where_nothing_is_positive_they_say_one_and_we_say_undefined(reference):
    """The one difference: the challenge gives a category without cases full marks, "a freebie" in its words."""
    theirs = pytest.importorskip("isic_challenge_scoring.metrics", reason="pip install isic-challenge-scoring")
    assert theirs.binary_sensitivity(pd.Series({"TP": 0, "FN": 0, "FP": 3, "TN": 4})) == 1.0
    assert theirs.binary_ppv(pd.Series({"TP": 0, "FN": 5, "FP": 0, "TN": 4})) == 1.0
    others = np.flatnonzero(reference.cases["truth"] != "melanoma")
    run = ScoreRun(
        reference.scores.iloc[others].reset_index(drop=True),
        reference.cases.iloc[others].reset_index(drop=True),
        meta=reference.meta,
    )
    policy = TriagePolicy.from_card(load_card(default_model()))
    found = rates(CaseCounter(run, policy).count({MELANOMA: 1.0})).frame()
    rows = found[(found["grouping"] == "") & (found["lesion_type"] == "melanoma") & (found["cases"] == "assessed")]
    undefined = rows.set_index("measure").loc[["sensitivity", "right among those called so"]]
    assert undefined["n"].tolist() == [0, 0]
    assert undefined["value"].isna().all()
    assert (undefined["remark"] == "no case").all()


# MAPIE: risk control


def melanomas(reference: ScoreRun, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """n melanoma and 300 other scores of the reference cohort, drawn with replacement, and which are melanomas."""
    rng = np.random.default_rng(seed)
    ill = (reference.cases["truth"] == "melanoma").to_numpy()
    score = reference.matrix[:, 0].astype(np.float64)
    return np.r_[rng.choice(score[ill], n), rng.choice(score[~ill], 300)], np.arange(n + 300) < n


def ours(score: np.ndarray, ill: np.ndarray, method: str) -> Guarantee:
    table = np.full((len(score), len(LESION_TYPES)), np.nan)
    table[:, 0], table[:, -1] = score, 1 - score
    truth = np.zeros(table.shape, bool)
    truth[:, 0], truth[:, -1] = ill, ~ill
    return safest_thresholds(table, truth, {MELANOMA: 0.95}, confidence=0.95, method=method)[0]


def mapie(score: np.ndarray, ill: np.ndarray, grid: np.ndarray, fwer_method: str) -> float:
    """MAPIE's highest threshold that holds recall .95 with confidence .95; -inf where it finds none."""
    controller = BinaryClassificationController(
        lambda x: np.column_stack([1 - x[:, 0], x[:, 0]]), "recall", 0.95, confidence_level=0.95,
        list_predict_params=grid, fwer_method=fwer_method,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MAPIE warns where it finds no threshold
        controller.calibrate(score[:, None], ill.astype(int))
    return float(np.max(controller.valid_predict_params, initial=-np.inf))


@pytest.mark.parametrize("n", [58, 59, 100, 200, 300])
@pytest.mark.parametrize("seed", range(3))
def test_our_threshold_is_at_least_as_sharp_as_mapies_at_the_same_guarantee(reference, n, seed):
    score, ill = melanomas(reference, n, seed)
    exact, tested = (ours(score, ill, method) for method in METHODS)
    if n == 58:
        assert exact.threshold is tested.threshold is None
        assert order_statistic_rank(58, 0.95, 0.95) is None
    every_score = np.unique(np.sort(score[ill])[:40])
    for grid in (np.linspace(0, 0.99, 100), every_score):
        for method in ("fixed_sequence", "bonferroni_holm", "bonferroni"):
            assert mapie(score, ill, grid, method) <= (-np.inf if exact.threshold is None else exact.threshold)


@pytest.mark.parametrize("n", [59, 300])
def test_where_mapies_rounding_costs_nothing_both_find_the_same_score(reference, n):
    for seed in range(5):
        score, ill = melanomas(reference, n, seed)
        theirs = mapie(score, ill, np.unique(np.sort(score[ill])[:40]), "fixed_sequence")
        assert theirs == ours(score, ill, METHODS[0]).threshold


@pytest.mark.parametrize("n", [59, 100, 200, 300])
def test_on_one_grid_mapies_fixed_sequence_is_our_learn_then_test_up_to_its_rounding(reference, n):
    """MAPIE's p-value is the lesser of Hoeffding's and the binomial tail at ceil(n (1 - recall)).

    1 - recall is rounded, so that its ceil may count one miss too many; it then stops one score lower.
    """
    same = 0
    for seed in range(10):
        score, ill = melanomas(reference, n, seed)
        found = ours(score, ill, METHODS[1])
        grid = GRID[(found.threshold / 2 < GRID) & (found.threshold * 2 > GRID)]
        theirs = mapie(score, ill, grid, "fixed_sequence")
        assert theirs <= found.threshold * (1 + 1e-12)
        lost = int(((score[ill] >= theirs) & (score[ill] < found.threshold)).sum())
        assert lost <= np.unique(score[ill], return_counts=True)[1].max()
        same += theirs == found.threshold
    assert same >= 1
