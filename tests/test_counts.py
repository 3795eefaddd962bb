"""Counting calls: the same calls as decide() makes, by truth and subgroup."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from derm_kit.errors import PolicyError
from derm_kit.lesions import FLAGGED, LesionType
from derm_kit.model.run import ScoreRun
from derm_kit.triage.counts import ALL_CASES, CALLS, CaseCounter
from derm_kit.triage.policy import TriagePolicy, decide
from derm_kit.triage.scores import truth_matrix


def words(run: ScoreRun, policy: TriagePolicy) -> np.ndarray:
    """What decide() makes of each case, in the words of CALLS."""
    table = decide(run, policy).table
    review = (table["disposition"] == "clinician review") & ~table["rule"].isin(["threshold", "no threshold"])
    return np.where(review, "clinician review", table["suspected"].replace("", "not flagged"))


def with_thresholds(policy: TriagePolicy, **thresholds: float) -> TriagePolicy:
    return policy.model_copy(update={"thresholds": {LesionType(t): v for t, v in thresholds.items()}})


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(1e-6, 1), min_size=5, max_size=5), st.booleans())
def test_a_case_is_called_as_decide_calls_it(reference, policy, values, autonomous):
    trained = [t for t in FLAGGED if t is not LesionType.ATYPICAL_NAEVUS]
    other = policy.model_copy(update={"thresholds": dict(zip(trained, values, strict=True)), "autonomous": autonomous})
    called = CaseCounter(reference, other).called(other.thresholds)
    assert (np.array(CALLS, dtype=object)[called] == words(reference, other)).all()


@pytest.mark.parametrize("place", [0, 700, 2000])
def test_a_threshold_equal_to_a_score_is_reached_and_the_next_number_is_not(reference, policy, place):
    score = float(reference.scores["melanoma"].iloc[place])
    counter = CaseCounter(reference, policy)
    counter.review[:] = False
    melanoma = CALLS.index("melanoma")
    assert counter.called({LesionType.MELANOMA: score})[place] == melanoma
    assert counter.called({LesionType.MELANOMA: np.nextafter(score, 2)})[place] != melanoma


def test_every_stratum_counts_every_case_once(reference, policy):
    counts = CaseCounter(reference, policy).count(policy.thresholds)
    assert counts.strata[0] == ALL_CASES
    assert counts.table[0].sum() == len(reference) == 2419
    totals = pd.Series(counts.table.sum(axis=(1, 2))).groupby([name for name, _ in counts.strata], sort=False).sum()
    assert set(totals.index) == {"", "age", "sex", "site", "skin tone", "source", "source of truth"}
    assert (totals == 2419).all()


def test_counts_are_those_of_a_cross_table(reference, policy):
    counter = CaseCounter(reference, policy)
    counts = counter.count(policy.thresholds)
    called = words(reference, policy)
    source, truth = reference.cases["source"], reference.cases["truth"]
    for row, (grouping, group) in enumerate(counts.strata):
        if grouping != "source":
            continue
        for u, types in enumerate(counts.truths):
            text = "|".join(t for t in LesionType if t in types)
            for column, call in enumerate(CALLS):
                expected = int(((source == group) & (truth == text) & (called == call)).sum())
                assert counts.table[row, u, column] == expected


def test_truth_by_case_is_that_of_the_truth_column(reference, policy):
    assert (CaseCounter(reference, policy).truth == truth_matrix(list(reference.cases["truth"]))).all()


def test_a_policy_of_another_model_is_refused(reference, policy):
    with pytest.raises(PolicyError, match="scores of the model it was made for"):
        CaseCounter(reference, policy.model_copy(update={"model_hash": "0" * 64}))
