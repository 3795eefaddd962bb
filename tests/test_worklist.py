"""The worklist: who comes first, what is marked, what each filter lists."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from derm_kit.errors import DermKitError, PolicyError
from derm_kit.lesions import FLAGGED, LESION_TYPES, LesionType
from derm_kit.model.run import SCORE_COLUMNS, ScoreRun
from derm_kit.triage.counts import CALLS
from derm_kit.triage.policy import TriagePolicy, decide
from derm_kit.triage.worklist import (
    BY_CASE,
    BY_NEARNESS,
    DIFFERS,
    NEAR,
    NEAR_FACTOR,
    POOR,
    SORTS,
    UNKNOWN_TRUTH,
    Wanted,
    Worklist,
)

MEL, SCC, BCC, AK = (
    LesionType.MELANOMA,
    LesionType.SQUAMOUS_CELL_CARCINOMA,
    LesionType.BASAL_CELL_CARCINOMA,
    LesionType.ACTINIC_KERATOSIS,
)
HALVES = {MEL: 0.5, BCC: 0.5}
NOBODY: dict[str, np.ndarray] = {}


def run_of(*rows: tuple[dict[LesionType, float], str], ids: list[str] | None = None, **columns: list) -> ScoreRun:
    """A run by hand: each row scores by type (others 0, atypical naevus untrained) and the truth."""
    scores = pd.DataFrame(0.0, index=range(len(rows)), columns=list(SCORE_COLUMNS), dtype=np.float32)
    scores["atypical_naevus"] = np.float32(np.nan)
    for at, (given_scores, _) in enumerate(rows):
        for lesion_type, score in given_scores.items():
            scores.loc[at, lesion_type.value] = score
    scores.insert(0, "case_id", ids or [f"case{i}" for i in range(len(rows))])
    cases = pd.DataFrame({"case_id": scores["case_id"], "truth": [truth for _, truth in rows], **columns})
    return ScoreRun(scores, cases)


def halves(**changes: object) -> TriagePolicy:
    return TriagePolicy(**({"name": "by hand", "version": "1", "model_hash": "", "thresholds": HALVES} | changes))


def ids(worklist: Worklist, wanted: Wanted, read: dict[str, np.ndarray] = NOBODY) -> list[str]:
    return worklist.table["case_id"].iloc[worklist.positions(wanted, read)].tolist()


def marked(worklist: Worklist, mark: str) -> list[str]:
    return worklist.table["case_id"][worklist.marks[mark]].tolist()


@pytest.fixture(scope="module")
def shipped(reference: ScoreRun, policy: TriagePolicy) -> Worklist:
    return Worklist.of(reference, policy)


@pytest.fixture(scope="module")
def by_hand(reference: ScoreRun, policy: TriagePolicy) -> pd.DataFrame:
    """Of each reference case what decide() says and the ratios of its scores, worked out with pandas alone."""
    decided = decide(reference, policy).table
    ratios = pd.DataFrame({t.value: reference.scores[t.value].astype(float) / v for t, v in policy.thresholds.items()})
    own = pd.Series(
        [
            row[call] if call else row.max()
            for call, (_, row) in zip(decided["suspected"], ratios.iterrows(), strict=True)
        ]
    )
    rank = decided["suspected"].map({t.value: i for i, t in enumerate(FLAGGED)})
    rank = rank.fillna(decided["disposition"].map({"clinician review": 7.0, "dermatologist second read": 8.0}))
    return decided.assign(ratio=own, rank=rank, truth=reference.cases["truth"])


def test_the_most_serious_come_first_as_pandas_sorts_them(shipped, by_hand):
    expected = by_hand.sort_values(["rank", "ratio"], ascending=[True, False], kind="stable")
    assert ids(shipped, Wanted()) == expected["case_id"].tolist()
    assert shipped.table["call"].iloc[shipped.by_risk[0]] == "melanoma"
    assert shipped.table["call"].iloc[shipped.by_risk[-1]] == "not flagged"


def test_a_row_says_what_decide_says(shipped, by_hand):
    for column in ("case_id", "disposition", "rule", "reason", "truth"):
        assert shipped.table[column].tolist() == by_hand[column].tolist()
    called = shipped.table["call"].where(shipped.table["call"].isin([t.value for t in FLAGGED]), "")
    assert called.tolist() == by_hand["suspected"].tolist()


def test_marks_on_the_reference_cohort_are_those_counted_with_pandas(shipped, by_hand, reference):
    cancers, benign = [t.value for t in LESION_TYPES[:4]], {t.value for t in LESION_TYPES[6:]}
    parts = by_hand["truth"].str.split("|")
    is_cancer, is_benign = parts.map(lambda p: set(p) <= set(cancers)), parts.map(lambda p: set(p) <= benign)
    missed = is_cancer & (by_hand["rule"] == "no threshold")
    over = is_benign & (by_hand["suspected"] != "")
    assert (shipped.marks[DIFFERS] == (missed | over).to_numpy()).all()
    assert shipped.marks[POOR].sum() == 39 + 38 - 1, "39 fail quality, 38 are excluded, one of them for both"
    assert (shipped.marks[NEAR] == (shipped.table["nearest"] <= 1.25)).all()


def test_model_and_truth_differ_where_a_cancer_is_not_flagged_or_a_benign_lesion_is():
    worklist = Worklist.of(
        run_of(
            ({MEL: 0.9}, "melanoma"),
            ({MEL: 0.1}, "melanoma"),
            ({MEL: 0.9}, "benign_naevus"),
            ({MEL: 0.1}, "benign_naevus"),
            ({BCC: 0.9}, "melanoma"),
            ({MEL: 0.1}, "actinic_keratosis"),
            ({MEL: 0.9}, "actinic_keratosis"),
            ({MEL: 0.9}, "melanoma|benign_naevus"),
            ({MEL: 0.1}, "melanoma|benign_naevus"),
            ({MEL: 0.9}, "seborrhoeic_keratosis|solar_lentigo"),
            ({MEL: 0.9}, ""),
            ({MEL: 0.1}, ""),
            ({MEL: 0.1}, "melanoma"),
            quality_fail=[False] * 12 + [True],
        ),
        halves(),
    )
    assert marked(worklist, DIFFERS) == ["case1", "case2", "case9"], "one in review is neither flagged nor cleared"
    assert marked(worklist, POOR) == ["case12"]


@pytest.mark.parametrize(
    ("score", "near"), [(0.5, True), (0.625, True), (0.626, False), (0.4, True), (0.399, False), (0.0, False)]
)
def test_a_score_is_near_within_a_quarter_of_its_threshold_either_way(score, near):
    worklist = Worklist.of(run_of(({MEL: score}, "")), halves())
    assert worklist.marks[NEAR].tolist() == [near]
    assert NEAR_FACTOR == 1.25


def test_the_nearest_threshold_counts_whichever_type_is_called():
    worklist = Worklist.of(run_of(({MEL: 0.99, BCC: 0.45}, ""), ({MEL: 0.99, BCC: 0.1}, "")), halves())
    assert marked(worklist, NEAR) == ["case0"]
    assert ids(worklist, Wanted(sort=BY_NEARNESS)) == ["case0", "case1"]


def test_cases_that_change_sides_are_those_called_otherwise_by_other_thresholds():
    run = run_of(({MEL: 0.6}, ""), ({MEL: 0.4}, ""), ({MEL: 0.6, BCC: 0.9}, ""), ({BCC: 0.9}, ""))
    worklist = Worklist.of(run, halves())
    assert worklist.changes_sides(HALVES | {MEL: 0.7}).tolist() == [True, False, True, False]
    assert not worklist.changes_sides(HALVES).any()


def test_within_a_call_the_score_furthest_above_its_threshold_comes_first():
    run = run_of(
        ({BCC: 0.99}, ""), ({}, ""), ({MEL: 0.6}, ""), ({MEL: 0.9}, ""), ({MEL: 0.4}, ""), ({MEL: 0.99}, ""),
        ids=list("abcdef"), exclusion=["", "", "", "", "", "under 18"],
    )  # fmt: skip
    assert ids(Worklist.of(run, halves()), Wanted()) == ["d", "c", "a", "f", "e", "b"]


@pytest.mark.parametrize("call", CALLS)
def test_the_filter_of_calls_lists_the_cases_so_called(shipped, by_hand, call):
    words = by_hand["suspected"].where(by_hand["suspected"] != "", by_hand["disposition"])
    words = words.replace("dermatologist second read", "not flagged")
    assert sorted(ids(shipped, Wanted(call=call))) == sorted(by_hand["case_id"][words == call])


@pytest.mark.parametrize("truth", [t.value for t in LESION_TYPES])
def test_the_filter_of_truths_lists_the_cases_that_may_be_of_the_type(shipped, reference, truth):
    cases = reference.cases
    may_be = cases["truth"].str.split("|").map(lambda parts: truth in parts)
    assert sorted(ids(shipped, Wanted(truth=truth))) == sorted(cases["case_id"][may_be])


def test_the_29_cases_of_unknown_truth_can_be_listed(shipped):
    assert len(ids(shipped, Wanted(truth=UNKNOWN_TRUTH))) == 29


def test_a_subgroup_lists_its_cases_and_all_its_groups_together_every_case(shipped, reference):
    women = ids(shipped, Wanted(grouping="sex", group="female"))
    assert sorted(women) == sorted(reference.cases["case_id"][reference.cases["sex"] == "female"])
    (sex,) = (g for g in shipped.groupings if g.name == "sex")
    parts = [ids(shipped, Wanted(grouping="sex", group=label)) for label in sex.labels]
    assert sorted(case for part in parts for case in part) == sorted(reference.cases["case_id"])
    assert len(ids(shipped, Wanted(grouping="sex"))) == 2419, "no group chosen yet: every case"


def test_filters_hold_together_and_the_order_stays(shipped):
    both = ids(shipped, Wanted(call="melanoma", truth="benign_naevus", show=DIFFERS))
    one = set(ids(shipped, Wanted(truth="benign_naevus"))) & set(ids(shipped, Wanted(show=DIFFERS)))
    assert both == [case for case in ids(shipped, Wanted(call="melanoma")) if case in one]
    assert both


def test_readers_marks_are_filters_too(shipped):
    mine = np.zeros(2419, np.bool_)
    mine[[3, 700]] = True
    expected = shipped.table["case_id"].iloc[[3, 700]].tolist()
    assert ids(shipped, Wanted(show="read by me", sort=BY_CASE), {"read by me": mine}) == sorted(expected)


def test_the_other_orders_are_by_id_and_by_nearness(shipped):
    assert ids(shipped, Wanted(sort=BY_CASE)) == sorted(shipped.table["case_id"])
    nearest = shipped.table["nearest"].iloc[shipped.positions(Wanted(sort=BY_NEARNESS), NOBODY)]
    assert nearest.is_monotonic_increasing
    assert nearest.min() >= 1


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (Wanted(show="no such mark"), "what to show is one of: model and truth differ"),
        (Wanted(call="melanom"), "a call is one of: melanoma"),
        (Wanted(truth="cold sore"), "a truth is one of: melanoma"),
        (Wanted(grouping="shoe size"), "a way to part the cases is one of: age"),
        (Wanted(grouping="shoe size", group="43"), "a way to part the cases is one of: age"),
        (Wanted(group="female"), "a way to part the cases is one of: age"),
        (Wanted(grouping="sex", group="43"), "a group is one of: female"),
        (Wanted(sort="price"), "an order of the cases is one of: risk"),
    ],
)
def test_a_filter_that_this_run_does_not_have_is_refused_with_those_it_has(shipped, wanted, told):
    with pytest.raises(DermKitError, match=told):
        shipped.positions(wanted, NOBODY)


def test_a_policy_without_thresholds_leaves_nothing_flagged_and_nothing_near(reference, policy):
    worklist = Worklist.of(reference, policy.changed(thresholds={}))
    assert set(worklist.table["call"]) == {"not flagged", "clinician review"}
    assert not worklist.marks[NEAR].any()
    assert np.isinf(worklist.table["nearest"]).all()
    assert len(ids(worklist, Wanted())) == len(set(ids(worklist, Wanted()))) == 2419
    for sort in SORTS:
        assert len(worklist.positions(Wanted(sort=sort), NOBODY)) == 2419


def test_a_missing_score_of_a_trained_type_is_no_ratio_and_goes_to_review():
    worklist = Worklist.of(run_of(({MEL: 0.5, BCC: np.nan}, ""), ({BCC: 0.2}, "")), halves())
    assert worklist.table["call"].tolist() == ["clinician review", "not flagged"]
    assert worklist.table["times_threshold"].tolist() == [1.0, pytest.approx(0.4)]
    assert worklist.table["nearest"].tolist() == [1.0, pytest.approx(2.5)]


def test_a_run_of_no_case_has_an_empty_list():
    run = ScoreRun(
        pd.DataFrame({"case_id": pd.Series([], dtype="str")}), pd.DataFrame({"case_id": pd.Series([], dtype="str")})
    )
    worklist = Worklist.of(run, halves())
    for sort in SORTS:
        assert ids(worklist, Wanted(sort=sort, call="melanoma", truth=UNKNOWN_TRUTH, show=DIFFERS)) == []


def test_without_any_truth_nothing_differs_and_all_is_unknown():
    worklist = Worklist.of(run_of(({MEL: 0.9}, ""), ({}, "")), halves())
    assert marked(worklist, DIFFERS) == []
    assert ids(worklist, Wanted(truth=UNKNOWN_TRUTH)) == ["case0", "case1"]
    assert ids(worklist, Wanted(truth="melanoma")) == []


def test_a_policy_of_another_model_is_refused(reference, policy):
    with pytest.raises(PolicyError, match="of the model it was made for"):
        Worklist.of(reference, policy.changed(model_hash="0" * 64))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32))
def test_the_order_of_the_cases_in_the_run_changes_nothing(reference, policy, shipped, seed):
    turned = np.random.default_rng(seed).permutation(2419)
    run = ScoreRun(reference.scores.iloc[turned], reference.cases.iloc[turned], meta=reference.meta)
    worklist = Worklist.of(run, policy)
    for mark, cases in shipped.marks.items():
        assert sorted(marked(worklist, mark)) == sorted(shipped.table["case_id"][cases])
    for wanted in (Wanted(), Wanted(sort=BY_NEARNESS), Wanted(show=DIFFERS, grouping="sex", group="male")):
        assert ids(worklist, wanted) == ids(shipped, wanted)
