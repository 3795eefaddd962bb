"""A run is read wherever it comes from: our folder, a joined parquet, or somebody else's CSV."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from derm_kit import ScoreRun, read_run
from derm_kit.errors import RunError
from derm_kit.model.card import default_model
from derm_kit.model.run import SCORE_COLUMNS, write_joined


def table(**changes: object) -> pd.DataFrame:
    columns = {
        "case_id": ["a", "b"],
        "melanoma": [0.2, 0.7],
        "benign_naevus": [0.8, 0.3],
        "truth": ["benign_naevus", ""],
    }
    return pd.DataFrame(columns | changes)


def read_csv(tmp_path: Path, frame: pd.DataFrame) -> ScoreRun:
    frame.to_csv(tmp_path / "scores.csv", index=False)
    return read_run(tmp_path / "scores.csv")


def test_the_reference_cohort_ships_without_pictures():
    run = read_run(default_model() / "reference_scores.parquet")
    assert len(run) == 2419
    assert run.model_hash
    assert (run.cases["truth"] == "melanoma").sum() == 228
    assert run.scores["atypical_naevus"].isna().all()
    assert not run.scores["melanoma"].isna().any()
    features = pd.read_parquet(default_model() / "reference_features.parquet")
    assert list(features["case_id"]) == list(run.scores["case_id"])
    assert features.shape == (2419, 65)


def test_a_csv_of_others_scores_serves_and_missing_types_are_untrained(tmp_path: Path):
    run = read_csv(tmp_path, table())
    assert [SCORE_COLUMNS[i] for i in run.trained] == ["melanoma", "benign_naevus"]
    assert np.isnan(run.matrix[:, 1]).all()
    assert not run.cases["quality_fail"].any()
    assert list(run.cases["truth"]) == ["benign_naevus", ""]


def test_a_joined_parquet_gives_back_scores_cases_and_meta(tmp_path: Path):
    run = read_csv(tmp_path, table())
    told = ScoreRun(run.scores, run.cases, meta={"model_hash": "abc"})
    write_joined(told, tmp_path / "joined.parquet")
    again = read_run(tmp_path / "joined.parquet")
    pd.testing.assert_frame_equal(again.scores, run.scores)
    assert list(again.cases["truth"]) == list(run.cases["truth"])
    assert again.model_hash == "abc"


def test_numbers_as_ids_stay_text(tmp_path: Path):
    assert list(read_csv(tmp_path, table(case_id=["007", "8"])).scores["case_id"]) == ["007", "8"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"melanoma": [0.2, 1.7]}, r"b: the melanoma score lies between 0 and 1 \(found: 1\.7"),
        ({"case_id": ["a", "a"]}, "a: each case stands once"),
        ({"truth": ["wart", ""]}, "truth must name lesion types"),
        ({"melanoma": ["high", "low"]}, "cannot be read"),
    ],
)
def test_a_wrong_table_is_refused_with_case_and_value(tmp_path: Path, changes: dict, message: str):
    with pytest.raises(RunError, match=message):
        read_csv(tmp_path, table(**changes))


def test_no_score_column_at_all_is_refused(tmp_path: Path):
    with pytest.raises(RunError, match="named as a lesion type"):
        read_csv(tmp_path, pd.DataFrame({"case_id": ["a"], "score": [0.4]}))


@pytest.mark.parametrize("content", [b"", b"\x00\xff" * 50, b"PAR1 but not really"])
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_broken_file_is_refused(tmp_path: Path, content: bytes, suffix: str):
    path = tmp_path / f"broken.{suffix}"
    path.write_bytes(content)
    with pytest.raises(RunError, match="broken"):
        read_run(path)


def test_a_path_of_another_kind_is_refused(tmp_path: Path):
    with pytest.raises(RunError, match="run is a folder"):
        read_run(tmp_path / "scores.xlsx")


def test_scores_and_cases_of_other_rows_are_refused(tmp_path: Path):
    run = read_csv(tmp_path, table())
    with pytest.raises(RunError, match="same order"):
        ScoreRun(run.scores, run.cases.iloc[::-1].reset_index(drop=True))
