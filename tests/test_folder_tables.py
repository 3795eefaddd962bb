"""Which table of a folder is read: never one that derm-kit wrote, never one that is passed over in silence."""

from __future__ import annotations

import os

import pandas as pd
import pytest

from derm_kit import ScoreRun, TriagePolicy, decide
from derm_kit.cases.cohort import REJECT_COLUMNS, reject_table, write_csv
from derm_kit.cases.sources import read
from derm_kit.errors import CohortError
from derm_kit.lesions import FLAGGED, LESION_TYPES
from tests.test_sources import noted, picture

REJECTS = "case_id,file,rule,next_step\na,a.jpg,the picture must exist,Add it.\n"
DECISIONS = "case_id,suspected,disposition,rule,reason\na,melanoma,urgent suspected cancer,threshold,x\n"


@pytest.mark.parametrize(
    ("name", "table", "what"),
    [
        ("rejects.csv", REJECTS, "list of rejects"),
        ("decisions.csv", DECISIONS, "list of decisions"),
        ("Copy of results.csv", DECISIONS.replace(",", ";"), "list of decisions"),
        ("sep.csv", "sep=;\n" + REJECTS.replace(",", ";"), "list of rejects"),
        ("excel.tsv", REJECTS.replace(",", "\t").encode("utf-16"), "list of rejects"),
        ("marked.csv", REJECTS.encode("utf-8-sig"), "list of rejects"),
    ],
)
def test_our_own_outputs_are_passed_over_and_named(tmp_path, name, table, what):
    picture(tmp_path / "a.jpg")
    picture(tmp_path / "b.jpg")
    (tmp_path / name).write_bytes(table if isinstance(table, bytes) else table.encode())
    cohort = read(tmp_path)
    assert cohort.cases["case_id"].tolist() == ["a", "b"]
    assert f"{name} is a {what} that derm-kit wrote, no table of cases: it is passed over." in cohort.notes
    (tmp_path / "cases.csv").write_text("image_id,age\na,16\n")
    cohort = read(tmp_path)
    assert cohort.cases["exclusion"].tolist() == ["under 18"]
    assert what in noted(cohort)
    for refused in (lambda: read(tmp_path, table=tmp_path / name), lambda: read(tmp_path / name)):
        with pytest.raises(CohortError, match=f"output of derm-kit .*columns of a {what}"):
            refused()


def test_what_write_csv_writes_of_rejects_is_recognised(tmp_path):
    picture(tmp_path / "a.jpg")
    write_csv(tmp_path / "x.csv", reject_table([("a", "a.jpg", "rule", "step")]))
    assert (tmp_path / "x.csv").read_text().startswith(",".join(REJECT_COLUMNS))
    assert "list of rejects" in noted(read(tmp_path))


def test_what_write_csv_writes_of_decisions_is_recognised(tmp_path):
    picture(tmp_path / "a.jpg")
    scores = pd.DataFrame({"case_id": ["a"]} | dict.fromkeys(LESION_TYPES, 0.1))
    run = ScoreRun(scores, pd.DataFrame({"case_id": ["a"]}))
    policy = TriagePolicy(name="test", version="1", model_hash="", thresholds=dict.fromkeys(FLAGGED, 0.5))
    write_csv(tmp_path / "x.csv", decide(run, policy).table)
    assert "list of decisions" in noted(read(tmp_path))


def test_an_output_that_stands_in_for_metadata_csv_is_refused(tmp_path):
    picture(tmp_path / "a.jpg")
    (tmp_path / "metadata.csv").write_text(DECISIONS)
    with pytest.raises(CohortError, match=r"metadata\.csv: a table of cases is needed"):
        read(tmp_path)


def test_a_table_with_more_than_our_columns_missing_one_is_a_table(tmp_path):
    picture(tmp_path / "a.jpg")
    (tmp_path / "t.csv").write_text("case_id,file,rule,age\na,a.jpg,x,16\n")
    assert read(tmp_path).cases["exclusion"].tolist() == ["under 18"]


def _outside(path):
    (path.parent.parent / "elsewhere.csv").write_text("image_id,age\na,16\n")
    path.symlink_to(path.parent.parent / "elsewhere.csv")


def _linked_folder(path):
    (path.parent / "deep").mkdir()
    path.symlink_to("deep")


@pytest.mark.parametrize("name", ["metadata.csv", "Metadata.CSV", "HAM10000_metadata.csv"])
@pytest.mark.parametrize(
    ("make", "found"),
    [
        (_outside, "a link that leads out of the folder"),
        (lambda path: path.symlink_to("nowhere.csv"), "a link to nothing"),
        (os.mkfifo, "a pipe, a socket or a device"),
        (_linked_folder, "a link to a folder"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_by_name(tmp_path, name, make, found):
    root = tmp_path / "in"
    picture(root / "a.jpg")
    make(root / name)
    with pytest.raises(
        CohortError, match=f"{name}: the table of a folder must be a plain file .*found: {found}"
    ) as caught:
        read(root)
    assert "--table" in caught.value.next_step
    (root / "mine.txt").write_text("image_id,age\na,16\n")
    assert read(root, table=root / "mine.txt").cases["exclusion"].tolist() == ["under 18"]


def test_a_folder_named_metadata_csv_is_refused_by_name(tmp_path):
    picture(tmp_path / "a.jpg")
    (tmp_path / "metadata.csv").mkdir()
    with pytest.raises(CohortError, match=r"metadata\.csv: the table of a folder .*found: a folder"):
        read(tmp_path)


def test_a_link_that_stays_inside_is_a_table_and_a_bad_one_beside_metadata_csv_does_not_matter(tmp_path):
    picture(tmp_path / "a.jpg")
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "t.csv").write_text("image_id,age\na,16\n")
    (tmp_path / "metadata.csv").symlink_to("tables/t.csv")
    (tmp_path / "other.csv").symlink_to("nowhere.csv")
    assert read(tmp_path).cases["exclusion"].tolist() == ["under 18"]
