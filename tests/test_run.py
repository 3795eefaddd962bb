"""A run is read wherever it comes from: our folder, a joined parquet, or somebody else's CSV."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from derm_kit import ScoreRun, read_run
from derm_kit.errors import RunError
from derm_kit.model.card import default_model
from derm_kit.model.run import MOST_ROWS, SCORE_COLUMNS, write_joined


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


def read_text(tmp_path: Path, text: str, encoding: str = "utf-8") -> ScoreRun:
    (tmp_path / "scores.csv").write_bytes(text.encode(encoding))
    return read_run(tmp_path / "scores.csv")


def read_parquet(tmp_path: Path, *, meta: str | None = None, **changes: object) -> ScoreRun:
    columns = pa.table({"case_id": ["a", "b"], "melanoma": [0.2, 0.7]} | changes)
    pq.write_table(columns.replace_schema_metadata(meta and {"derm_kit": meta}), tmp_path / "scores.parquet")
    return read_run(tmp_path / "scores.parquet")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A finished run folder of two cases."""
    path = tmp_path / "run"
    path.mkdir()
    run = read_csv(tmp_path, table())
    run.scores.to_parquet(path / "scores.parquet", index=False)
    run.cases.to_parquet(path / "cases.parquet", index=False)
    (path / "run.json").write_text(json.dumps({"trained_types": ["melanoma", "benign_naevus"]}))
    return path


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
        ({"melanoma": [0.2, 1.7]}, r"b: the melanoma score lies between 0 and 1 \(found: 1\.7.*no percentages"),
        ({"case_id": ["a", "a"]}, "a: each case stands once"),
        ({"truth": ["wart", ""]}, "truth must name lesion types"),
        ({"melanoma": ["high", "low"]}, r"a: the melanoma score lies between 0 and 1 \(found: high"),
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
    (tmp_path / "scores.xlsx").write_text("case_id")
    with pytest.raises(RunError, match="run is a folder"):
        read_run(tmp_path / "scores.xlsx")


def test_scores_and_cases_of_other_rows_are_refused(tmp_path: Path):
    run = read_csv(tmp_path, table())
    with pytest.raises(RunError, match="same order"):
        ScoreRun(run.scores, run.cases.iloc[::-1].reset_index(drop=True))


def test_cells_stand_below_their_own_heading_also_with_a_comma_at_the_end_of_the_row(tmp_path: Path):
    run = read_text(tmp_path, "case_id,melanoma,benign_naevus,basal_cell_carcinoma\nA,0.9,0.05,0.05,\n")
    assert list(run.scores["case_id"]) == ["A"]
    np.testing.assert_allclose(run.scores["melanoma"], 0.9, rtol=1e-6)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("case_id,melanoma,benign_naevus\nA,0.9,0.1,0.2\n", "line 2: a row has as many cells as the header"),
        ("case_id,melanoma,benign_naevus\nA,0.9\n", "line 2: a row has as many cells as the header"),
        ("case_id,melanoma,melanoma\nA,0.9,0.1\n", "a column stands in a score table once"),
        ("case_id,melanoma,Melanoma\nA,0.9,0.1\n", "a column stands in a score table once"),
        ("case_id,melanoma\nA,0.9\n,0.1\n", "row 2: a case needs an id"),
        ("case_id,melanoma\nA,0.9\nA ,0.1\n", "A: each case stands once"),
        ("case_id,melanoma\nA\x1b[31m,0.9\n", r"A\\x1b\[31m: a case id holds no control"),
        ("case_id,melanoma\n=A1,0.9\n", "does not begin as a spreadsheet formula"),
        ("colour,melanoma\nred,0.9\n", "has a column of case ids"),
        ("case_id,melanoma\n", "at least one row"),
    ],
)
def test_a_foreign_csv_that_could_be_misread_is_refused(tmp_path: Path, text: str, message: str):
    with pytest.raises(RunError, match=message):
        read_text(tmp_path, text)


def test_an_id_that_reads_na_is_an_id(tmp_path: Path):
    assert list(read_text(tmp_path, "case_id,melanoma\nNA,0.9\nnan,0.1\n").scores["case_id"]) == ["NA", "nan"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_what_spreadsheets_export_is_read(tmp_path: Path, encoding: str):
    run = read_text(tmp_path, "case_id;Melanoma;Benign naevus\nJosé;0,9;0,1\n", encoding)
    assert list(run.scores["case_id"]) == ["José"]
    np.testing.assert_allclose(run.scores[["melanoma", "benign_naevus"]], [[0.9, 0.1]], rtol=1e-6)


@pytest.mark.parametrize(
    "meta",
    [
        "[]",
        "null",
        '{"scoring_sha256": 5}',
        '{"trained_types": 5}',
        '{"trained_types": []}',
        '{"trained_types": ["wart"]}',
        "[" * 100_000,
    ],
)
def test_what_a_run_says_of_itself_must_make_sense(tmp_path: Path, folder: Path, meta: str):
    (folder / "run.json").write_text(meta)
    for read in (lambda: read_run(folder), lambda: read_parquet(tmp_path, meta=meta)):
        with pytest.raises(RunError, match=r"JSON object|trained_types|scoring_sha256|cannot be read"):
            read()


def test_a_folder_of_pictures_named_as_a_run_is_told_what_to_do(tmp_path: Path):
    (tmp_path / "one.jpg").write_bytes(b"")
    with pytest.raises(RunError, match=r"run\.json, which is missing here.*folder of pictures is scored first"):
        read_run(tmp_path)


@pytest.mark.parametrize("column", ["case_id", "truth", "exclusion", "quality_fail", "quality_reason"])
def test_a_run_folder_whose_cases_lack_a_column_is_refused(folder: Path, column: str):
    cases = pd.read_parquet(folder / "cases.parquet")
    cases.drop(columns=column).to_parquet(folder / "cases.parquet", index=False)
    with pytest.raises(RunError, match=rf"cases\.parquet: .*{column}|cases\.parquet: .*case ids"):
        read_run(folder)


@pytest.mark.parametrize("order", [[1, 0], [0], [0, 1, 1]])
def test_a_run_folder_of_other_cases_or_another_order_is_refused(folder: Path, order: list[int]):
    pd.read_parquet(folder / "cases.parquet").iloc[order].to_parquet(folder / "cases.parquet", index=False)
    with pytest.raises(RunError, match="same cases in the same order"):
        read_run(folder)


@pytest.mark.parametrize("name", ["scores.parquet", "cases.parquet"])
def test_a_run_folder_that_lacks_a_file_says_which(folder: Path, name: str):
    (folder / name).unlink()
    with pytest.raises(RunError, match=rf"{name}: the file is missing"):
        read_run(folder)


@pytest.mark.parametrize("name", ["scores.parquet", "cases.parquet"])
def test_a_broken_file_of_a_run_folder_is_named(folder: Path, name: str):
    (folder / name).write_bytes(b"PAR1 but not really")
    with pytest.raises(RunError, match=rf"{name}: the run cannot be read"):
        read_run(folder)


def test_columns_of_other_kinds_are_read_or_refused_by_name(tmp_path: Path):
    truth = pa.array(["melanoma", None]).dictionary_encode()
    assert list(read_parquet(tmp_path, truth=truth).cases["truth"]) == ["melanoma", ""]
    for scores in ([[0.2], [0.7]], [{"p": 0.2}, {"p": 0.7}]):
        with pytest.raises(RunError, match="a: melanoma holds text, numbers"):
            read_parquet(tmp_path, melanoma=scores)
    with pytest.raises(RunError, match="the melanoma score lies between 0 and 1"):
        read_parquet(tmp_path, melanoma=[True, False])


@pytest.mark.parametrize("name", ["pipe.csv", "pipe.parquet", "pipe"])
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path, name: str):
    os.mkfifo(tmp_path / name)
    with pytest.raises(RunError, match="a regular file is needed"):
        read_run(tmp_path / name)


@pytest.mark.parametrize("name", ["run.json", "scores.parquet", "cases.parquet", "features.parquet"])
def test_a_link_out_of_a_run_folder_is_refused_and_one_inside_it_is_read(folder: Path, tmp_path: Path, name: str):
    source = folder / name if (folder / name).exists() else folder / "scores.parquet"
    outside = tmp_path / "elsewhere"
    outside.write_bytes(source.read_bytes())
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(outside)
    with pytest.raises(RunError, match="a link that leads out of it"):
        read_run(folder)
    if name != "features.parquet":
        (folder / name).unlink()
        (folder / "kept").write_bytes(outside.read_bytes())
        (folder / name).symlink_to("kept")
        assert len(read_run(folder)) > 0


@pytest.mark.parametrize("name", ["scores.parquet", "cases.parquet", "features.parquet"])
def test_a_folder_outside_that_a_link_leads_to_is_not_even_listed(folder: Path, tmp_path: Path, name: str, monkeypatch):
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(tmp_path)
    listed: list[Path] = []
    monkeypatch.setattr(Path, "glob", lambda path, pattern: listed.append(path) or [])
    with pytest.raises(RunError, match=f"{name}: a run's files lie in its own folder"):
        read_run(folder)
    assert folder / name not in listed


def test_a_moment_whose_own_zone_puts_it_beyond_the_last_is_written_out_in_utc(tmp_path: Path):
    last = np.array([2**63 - 2_000, 0]).astype("datetime64[ms]")
    imaged = pd.Series(last).dt.tz_localize("UTC").dt.tz_convert("Asia/Kathmandu")
    assert "292278994-08-17" in read_parquet(tmp_path, imaged_at=imaged).cases.to_csv()


def test_a_pipe_inside_a_run_folder_is_refused(folder: Path):
    (folder / "cases.parquet").unlink()
    os.mkfifo(folder / "cases.parquet")
    with pytest.raises(RunError, match=r"cases\.parquet: a regular file is needed"):
        read_run(folder)


@pytest.mark.parametrize("odd", ["0,5", " 0.5 ", "nan", "not known", ""])
def test_a_score_written_otherwise_changes_no_other_score(tmp_path: Path, odd: str):
    plain = np.random.default_rng(0).random(500).astype(np.float32)
    text = "case_id;melanoma\n" + "".join(f"c{i};{score:.9g}\n" for i, score in enumerate(plain))
    read = read_text(tmp_path, f"{text}odd;{odd}\n").scores["melanoma"].to_numpy()
    np.testing.assert_array_equal(read[:-1], plain)
    np.testing.assert_array_equal(read[-1], 0.5 if "5" in odd else np.nan)


def test_a_table_of_nothing_but_broken_rows_is_refused_at_its_first(tmp_path: Path):
    """Held until the end of the table, millions of them would fill the memory."""
    path = tmp_path / "scores.csv"
    path.write_text("case_id,melanoma\n" + "a,0.1,x\n" * 200_000)
    tracemalloc.start()
    with pytest.raises(RunError, match=r"scores\.csv, line 2: a row has as many cells"):
        read_run(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50 * path.stat().st_size


def test_a_small_parquet_of_more_rows_than_fit_into_memory_is_refused_unread(tmp_path: Path):
    many = pa.table({"case_id": pa.nulls(MOST_ROWS + 1, pa.bool_())})
    pq.write_table(many, tmp_path / "scores.parquet")
    assert (tmp_path / "scores.parquet").stat().st_size < 1_000_000
    with pytest.raises(RunError, match="at most 20,000,000 rows"):
        read_run(tmp_path / "scores.parquet")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps a process to the memory that it is given")
@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_a_run_that_does_not_fit_into_memory_is_refused_in_words(tmp_path: Path, kind: str):
    script = """
        import resource, sys
        from pathlib import Path
        from derm_kit.model.run import read_run
        read_run(Path(sys.argv[1]))
        held = resource.getpagesize() * int(Path("/proc/self/statm").read_text().split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (held + 2**26, held + 2**26))
        read_run(Path(sys.argv[2]))
    """
    for name, n in (("few", 2), ("many", 1_000_000)):
        cases = pa.table({"case_id": [f"case-of-a-long-name-{i}" for i in range(n)], "melanoma": np.full(n, 0.5)})
        (pq.write_table if kind == "parquet" else pacsv.write_csv)(cases, tmp_path / f"{name}.{kind}")
    few, many = (str(tmp_path / f"{name}.{kind}") for name in ("few", "many"))
    command = [sys.executable, "-c", textwrap.dedent(script), few, many]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert "RunError: " in done.stderr.splitlines()[-1]
    assert f"many.{kind}: a run fits into memory" in done.stderr


def test_a_score_that_is_no_number_at_all_is_refused_in_words(tmp_path: Path):
    for score in (pd.Series([1e300, 0.5]), pd.Series(np.array([-(2**63) + 1, 0], "datetime64[ms]"))):
        table(melanoma=score).to_parquet(tmp_path / "scores.parquet")
        with pytest.raises(RunError) as found:
            read_run(tmp_path / "scores.parquet")
        assert "melanoma" in str(found.value)
