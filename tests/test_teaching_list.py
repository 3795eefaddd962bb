"""Case lists for teaching: true errors of the model, spread over types and difficulty, never without pictures."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from derm_kit.cases.phantom import demo_cohort
from derm_kit.errors import DermKitError, PolicyError
from derm_kit.lesions import FLAGGED, LesionType
from derm_kit.model.run import SCORE_COLUMNS, ScoreRun
from derm_kit.triage.policy import Disposition, TriagePolicy, decide
from derm_kit.triage.teaching_list import (
    MIDDLE_FACTOR,
    Difficulty,
    PicturesMissingError,
    TeachingCase,
    TeachingList,
    WrongWay,
    draw_list,
    phantom_list,
)
from derm_kit.triage.worklist import NEAR_FACTOR

MEL, BCC, NAEVUS = (
    LesionType.MELANOMA,
    LesionType.BASAL_CELL_CARCINOMA,
    LesionType.BENIGN_NAEVUS,
)
HERE = Path(__file__)
THRESHOLDS = {MEL: 0.2, BCC: 0.5}


def by_hand(*rows: tuple[dict[LesionType, float], str], **columns: list) -> ScoreRun:
    scores = pd.DataFrame(0.001, index=range(len(rows)), columns=list(SCORE_COLUMNS), dtype=np.float32)
    for at, (given_scores, _) in enumerate(rows):
        for kind, score in given_scores.items():
            scores.loc[at, kind.value] = score
    scores.insert(0, "case_id", [f"case{i}" for i in range(len(rows))])
    cases = pd.DataFrame({"case_id": scores["case_id"], "truth": [truth for _, truth in rows], **columns})
    return ScoreRun(scores, cases, meta={"model_hash": "m"})


def policy_by_hand(**changes: object) -> TriagePolicy:
    return TriagePolicy(**({"name": "p", "version": "1", "model_hash": "m", "thresholds": THRESHOLDS} | changes))


def drawn(run: ScoreRun, policy: TriagePolicy, n: int, wrong: int, seed: int = 1) -> dict[str, TeachingCase]:
    cases = draw_list(run, policy, n, wrong, seed, picture=lambda _: HERE).cases
    return {case.case_id: case for case in cases}


def test_right_and_wrong_as_counted_by_hand():
    run = by_hand(
        ({MEL: 0.9}, "melanoma"),  # right
        ({NAEVUS: 0.9}, "melanoma"),  # missed
        ({BCC: 0.6}, "melanoma"),  # sent too slowly
        ({MEL: 0.3}, "basal_cell_carcinoma"),  # sent too fast
        ({MEL: 0.24}, "benign_naevus"),  # called without need
        ({NAEVUS: 0.9}, "benign_naevus"),  # right
        ({NAEVUS: 0.9, LesionType.DERMATOFIBROMA: 0.5}, "dermatofibroma"),  # sent right, named otherwise: in no list
        ({MEL: 0.9}, "squamous_cell_carcinoma"),  # the same
        ({MEL: 0.9}, "melanoma|basal_cell_carcinoma"),  # truth is open
        ({MEL: 0.9}, ""),  # truth is unknown
        ({MEL: 0.9}, "melanoma"),  # excluded
        ({MEL: 0.9}, "melanoma"),  # learnt from
        exclusion=["", *[""] * 9, "under 18", ""],
        split=[*["reference"] * 11, "train"],
    )
    found = drawn(run, policy_by_hand(), 6, 4)
    assert {case_id: str(case.error) for case_id, case in found.items()} == {
        "case0": "",
        "case1": "less urgent",
        "case2": "less urgent",
        "case3": "more urgent",
        "case4": "more urgent",
        "case5": "",
    }
    assert found["case1"].model_diagnosis == NAEVUS
    assert found["case1"].truth_disposition == Disposition.URGENT_SUSPECTED_CANCER
    assert found["case5"].truth_disposition == Disposition.SECOND_READ
    assert found["case4"].times_threshold == pytest.approx(1.2)
    assert (found["case4"].difficulty, found["case3"].difficulty) == (Difficulty.NEAR, Difficulty.MIDDLE)
    assert found["case0"].difficulty == Difficulty.FAR


def test_under_an_autonomous_policy_a_benign_case_read_once_more_to_be_safe_is_no_error():
    run = by_hand(({MEL: 0.19, NAEVUS: 0.5}, "benign_naevus"), ({NAEVUS: 0.9}, "benign_naevus"), ({}, "melanoma"))
    every = dict.fromkeys(FLAGGED, 0.2)
    found = drawn(run, policy_by_hand(thresholds=every, autonomous=True, second_read_margin=0.2), 3, 1)
    assert found["case0"].model_disposition == Disposition.SECOND_READ
    assert not found["case0"].model_wrong
    assert found["case1"].model_disposition == Disposition.DISCHARGE_ADVICE
    assert found["case2"].error == WrongWay.LESS_URGENT


@settings(max_examples=15)
@given(n=st.integers(1, 60), share=st.floats(0, 1), seed=st.integers(0, 2**31 - 1))
def test_on_the_reference_cases_errors_are_the_models_own_and_as_many_as_asked(
    reference: ScoreRun, policy: TriagePolicy, n: int, share: float, seed: int
):
    wrong = round(share * n)
    found = drawn(reference, policy, n, wrong, seed)
    assert len(found) == n
    assert sum(case.model_wrong for case in found.values()) == wrong
    decided = decide(reference, policy).table.set_index("case_id")
    truths = reference.cases.set_index("case_id")["truth"]
    for case_id, case in found.items():
        assert case.truth == truths[case_id]
        assert case.model_disposition == decided.loc[case_id, "disposition"]
        assert case.model_wrong == (case.model_disposition != case.truth_disposition)
        assert case.model_wrong == (case.model_diagnosis != case.truth)
        assert decided.loc[case_id, "suspected"] in ("", case.model_diagnosis)
        factor = max(case.times_threshold, 1 / case.times_threshold)
        assert case.difficulty == (
            Difficulty.NEAR
            if factor <= NEAR_FACTOR
            else Difficulty.MIDDLE
            if factor <= MIDDLE_FACTOR
            else Difficulty.FAR
        )
        assert case.attribution


def test_types_kinds_of_error_and_difficulties_are_spread(reference: ScoreRun, policy: TriagePolicy):
    found = drawn(reference, policy, 40, 12).values()
    types = Counter(case.truth for case in found)
    assert len(types) == 10, "every type that the reference cases hold"
    assert set(types.values()) == {4}
    assert Counter(case.error for case in found if case.model_wrong) == {
        WrongWay.LESS_URGENT: 6,
        WrongWay.MORE_URGENT: 6,
    }
    assert min(Counter(case.difficulty for case in found).values()) >= 8


def test_the_same_seed_gives_the_same_list_and_another_another(reference: ScoreRun, policy: TriagePolicy):
    one, again, other = (list(drawn(reference, policy, 20, 5, seed)) for seed in (3, 3, 4))
    assert one == again
    assert one != other


def test_the_order_says_nothing_of_where_the_model_is_wrong(reference: ScoreRun, policy: TriagePolicy):
    """Were the wrong ones first, their places would add up to 66 of 40; mixed, to about 246."""
    places = [
        sum(at for at, case in enumerate(drawn(reference, policy, 40, 12, seed).values(), 1) if case.model_wrong)
        for seed in range(10)
    ]
    assert 200 < np.mean(places) < 290


def test_errors_are_never_made_up(reference: ScoreRun, policy: TriagePolicy):
    run = by_hand(({MEL: 0.9}, "melanoma"), ({NAEVUS: 0.9}, "melanoma"))
    with pytest.raises(DermKitError, match=r"there are 1 cases that the model is wrong on; none is made up.*2 wanted"):
        drawn(run, policy_by_hand(), 2, 2)
    with pytest.raises(DermKitError, match=r"there are 1 cases that the model is right on"):
        drawn(run, policy_by_hand(), 3, 1)
    with pytest.raises(PolicyError):
        drawn(reference, policy_by_hand(), 2, 1)


@pytest.mark.parametrize(
    ("n", "wrong", "seed"), [(0, 0, 1), (201, 0, 1), (5, 6, 1), (5, -1, 1), (5, 1, -1), (5, 1, 2**31)]
)
def test_sizes_that_make_no_sense_are_refused(reference: ScoreRun, policy: TriagePolicy, n: int, wrong: int, seed: int):
    with pytest.raises(DermKitError):
        drawn(reference, policy, n, wrong, seed)


def test_without_pictures_a_list_of_real_cases_is_refused_and_says_which_to_fetch(
    reference: ScoreRun, policy: TriagePolicy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("DERM_KIT_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    with pytest.raises(PicturesMissingError, match=r"pictures on this machine.*10 of 10 missing.*Fetch them") as told:
        draw_list(reference, policy, 10, 3, 1)
    assert set(told.value.case_ids) == set(drawn(reference, policy, 10, 3))
    with pytest.raises(DermKitError, match="there are 0 cases"):
        draw_list(reference, policy, 10, 3, 1, only_at_hand=True)
    for case_id in told.value.case_ids:
        (tmp_path / f"{case_id}.jpg").touch()
    assert {case.case_id for case in draw_list(reference, policy, 10, 3, 1).cases} == set(told.value.case_ids)
    assert len(draw_list(reference, policy, 10, 3, 2, only_at_hand=True).cases) == 10


def test_real_pictures_are_found_and_keep_their_attribution(
    reference: ScoreRun, policy: TriagePolicy, data_folder: Path
):
    found = draw_list(reference, policy, 12, 4, 5)
    assert not found.phantoms
    for case in found.cases:
        assert case.picture_path is not None
        assert case.picture_path.is_relative_to(data_folder)
        assert case.licence
        assert case.attribution
    moved = replace(found.cases[0], picture="/gone/x.jpg")
    assert moved.picture_path == found.cases[0].picture_path, "known pictures are found wherever they lie now"


def test_the_list_of_phantoms_is_a_dry_run_and_says_so():
    found = phantom_list(20, 5, 1)
    assert found.phantoms
    assert sum(case.model_wrong for case in found.cases) == 5
    root = demo_cohort().root
    for case in found.cases:
        assert case.case_id.startswith(f"phantom-{case.truth}-")
        assert case.picture_path is not None
        assert case.picture_path.is_relative_to(root)
        assert "not a patient" in case.attribution


def test_a_list_comes_back_from_json_and_gives_the_table_of_cases():
    found = phantom_list(8, 2, 1)
    assert TeachingList.from_json(found.to_json()) == found
    table = found.table()
    assert list(table) == ["case_id", "truth", "truth_disposition", "model_diagnosis", "model_disposition"]
    assert set(table["truth"]) <= set(LesionType)
    assert set(table["model_disposition"]) <= set(Disposition)
