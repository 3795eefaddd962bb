"""What a triage policy reads of a case is written one way, wherever the table came from."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from derm_kit import ScoreRun, TriagePolicy, decide, read_run
from derm_kit.errors import RunError
from derm_kit.lesions import LESION_TYPES
from derm_kit.model.run_tables import sound_cases

CANCERS = [t for t in LESION_TYPES if t.cancer]
POLICY = TriagePolicy(name="test", version="1", model_hash="", thresholds=dict.fromkeys(CANCERS, 0.5), autonomous=True)
KINDS = ("csv", "parquet", "in memory")


def run_of(tmp_path: Path, kind: str, **columns: list) -> ScoreRun:
    """A run of cases that the model takes for harmless, from a file or built by hand."""
    n = len(next(iter(columns.values())))
    scores = dict.fromkeys(CANCERS, 0.01) | {"benign_naevus": 0.99}
    table = pd.DataFrame({"case_id": [f"case{i}" for i in range(n)]} | scores | columns)
    if kind == "in memory":
        return ScoreRun(table[["case_id", *scores]], table)
    path = tmp_path / f"scores.{kind}"
    if kind == "csv":
        table.to_csv(path, index=False)
    else:
        table.to_parquet(path, index=False)
    return read_run(path)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("column", "values", "rule"),
    [
        ("skin_type", ["6", "vi", "Fitzpatrick V", "V ", "type 5"], "skin type"),
        ("skin_type", [5, 6], "skin type"),
        ("skin_type", ["V-VI", "brown"], "exclusion"),
        ("skin_tone_class", ["0", "1.0"], "skin tone"),
        ("skin_tone_class", [0.0, 1.0], "skin tone"),
        ("skin_tone_class", ["very dark"], "exclusion"),
        ("age_years", ["3", "17,5", "3 years", "a child"], "exclusion"),
        ("age_years", [3, 17.25068], "exclusion"),
        ("anatomical_site", ["genital", "Genital", "fingernail"], "exclusion"),
        ("quality_fail", ["yes", "TRUE", "1", "1.0"], "quality"),
        ("quality_fail", [True, True], "quality"),
        ("quality_reason", ["out of focus"], "quality"),
    ],
)
def test_a_case_that_a_clinician_must_see_is_never_discharged(
    tmp_path: Path, kind: str, column: str, values: list, rule: str
):
    decisions = decide(run_of(tmp_path, kind, **{column: values}), POLICY).table
    assert set(decisions["disposition"]) == {"clinician review"}
    assert set(decisions["rule"]) == {rule}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("skin_type", ["4", "", "unknown", "I"]),
        ("skin_tone_class", ["2", "5", ""]),
        ("age_years", ["18", "42.123456", "", "85+"]),
        ("anatomical_site", ["upper limb", ""]),
        ("quality_fail", ["no", "", "0", "False"]),
        ("quality_fail", [None, False, False]),
        ("exclusion", ["", "none", "no", "False"]),
    ],
)
def test_a_case_that_nothing_speaks_against_is_read_by_its_scores(tmp_path: Path, kind: str, column: str, values: list):
    decisions = decide(run_of(tmp_path, kind, **{column: values}), POLICY).table
    assert set(decisions["rule"]) == {"no threshold"}


def test_a_tone_beside_words_is_still_a_tone(tmp_path: Path):
    decisions = decide(run_of(tmp_path, "csv", skin_tone_class=["0", "very dark", "3"]), POLICY).table
    assert list(decisions["rule"]) == ["skin tone", "exclusion", "no threshold"]
    assert "skin tone not understood: very dark" in decisions["reason"].iloc[1]


@pytest.mark.parametrize("header", ["fitzpatrick_skin_type", "Skin Type", "fitspatrick"])
def test_columns_under_other_names_count_too(tmp_path: Path, header: str):
    run = run_of(tmp_path, "csv", **{header: ["6"], "age": ["40"], "localization": ["scalp"]})
    assert list(decide(run, POLICY).table["rule"]) == ["skin type"]
    assert run.cases[["age_years", "anatomical_site"]].to_numpy().tolist() == [[40.0, "scalp"]]


def test_of_two_columns_the_first_that_says_something_counts(tmp_path: Path):
    run = run_of(tmp_path, "parquet", skin_type=["", "II"], fitzpatrick=[6, 5])
    assert list(run.cases["skin_type"]) == ["VI", "II"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("said", ["perhaps", "2", "NA"])
def test_a_flag_that_is_neither_yes_nor_no_is_refused_by_case(tmp_path: Path, kind: str, said: str):
    with pytest.raises(RunError, match=rf"case1: quality_fail is yes or no .*found: {said.casefold()}"):
        run_of(tmp_path, kind, quality_fail=["no", said])


def test_null_flags_of_a_parquet_are_no(tmp_path: Path):
    run = run_of(tmp_path, "parquet", quality_fail=[True, None, False])
    assert list(run.cases["quality_fail"]) == [True, False, False]


def test_a_failed_picture_without_a_reason_says_that_there_is_none(tmp_path: Path):
    decisions = decide(run_of(tmp_path, "csv", quality_fail=["yes"]), POLICY).table
    assert decisions["reason"].iloc[0] == "quality: no reason is given"


def test_sound_cases_stay_as_they_are(tmp_path: Path):
    cases = run_of(
        tmp_path, "csv", skin_type=["6", "?", "dark"], age_years=["3", "40", ""], quality_fail=["", "yes", "no"]
    ).cases
    pd.testing.assert_frame_equal(sound_cases(cases), cases)


def test_a_run_keeps_its_own_copy_of_the_tables(tmp_path: Path):
    run = run_of(tmp_path, "csv", skin_type=["VI"])
    table = run.cases
    again = ScoreRun(run.scores, table)
    table.loc[0, "skin_type"] = ""
    assert list(again.cases["skin_type"]) == ["VI"]


@pytest.mark.parametrize("column", ["sex", "device", "truth_source", "source"])
def test_a_group_that_is_no_text_is_refused_with_its_case(tmp_path: Path, column: str):
    with pytest.raises(RunError, match=f"{column} holds text") as told:
        run_of(tmp_path, "parquet", **{column: [b"camera", b"\xff\xfe"]})
    assert told.value.case == "case0"
