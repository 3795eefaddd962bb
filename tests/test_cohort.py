"""Cohort: validation on construction, selection, description, and a list of rejects that no spreadsheet runs."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from derm_kit.cases.cohort import (
    COLUMNS,
    NUMBER_COLUMNS,
    REJECT_COLUMNS,
    Cohort,
    complete,
    id_fault,
    id_faults,
    reject_table,
    sound_rows,
    write_csv,
)
from derm_kit.errors import CohortError


def cohort(**columns) -> Cohort:
    columns = {"case_id": ["a", "b", "c"]} | columns
    return Cohort("three", complete(pd.DataFrame(columns)), reject_table(), ("A note.",), Path())


def test_complete_gives_every_column_in_order_with_its_type():
    table = complete(pd.DataFrame({"age_years": [50, None], "case_id": ["a", "b"], "sex": ["female", None]}))
    assert tuple(table.columns) == COLUMNS
    assert {name: str(kind) for name, kind in table.dtypes.items()} == {
        name: "float64" if name in NUMBER_COLUMNS else "str" for name in COLUMNS
    }
    assert table["sex"].tolist() == ["female", ""]
    assert table["age_years"].iloc[0] == 50
    assert np.isnan(table["age_years"].iloc[1])
    assert table["skin_tone_class"].isna().all()


def test_complete_of_nothing_is_an_empty_cohort():
    empty = Cohort("empty", complete(pd.DataFrame({"case_id": []})), reject_table(), (), Path())
    assert len(empty) == 0
    assert empty.describe() == ["empty: 0 cases, 0 with a picture, 0 with a mask, 0 with a truth, 0 rejected."]


def test_complete_refuses_a_column_that_no_cohort_has():
    with pytest.raises(CohortError, match="shoe_size"):
        complete(pd.DataFrame({"case_id": ["a"], "shoe_size": [43]}))


@pytest.mark.parametrize(
    ("columns", "rule"),
    [
        ({"case_id": ["a", "b", "a"]}, "unique"),
        ({"case_id": ["a", "", "c"]}, "needs an id"),
        ({"case_id": ["a", "=1+1", "c"]}, "formula"),
        ({"truth": ["melanoma", "naevus", ""]}, "lesion types"),
        ({"truth": ["benign_naevus|melanoma", "", ""]}, "order of risk"),
        ({"truth": ["melanoma|melanoma", "", ""]}, "order of risk"),
        ({"age_years": [1.0, 121.0, 3.0]}, "between 0 and 120"),
        ({"age_years": [1.0, -1.0, 3.0]}, "between 0 and 120"),
        ({"image": ["a.jpg", "/etc/passwd", ""]}, "inside it"),
        ({"image": ["a.jpg", "x/../../b.jpg", ""]}, "inside it"),
        ({"mask": ["..", "", ""]}, "inside it"),
        ({"mask": ["C:/m.png", "", ""]}, "inside it"),
        ({"image": ["a\\b.jpg", "", ""]}, "inside it"),
    ],
)
def test_a_cohort_refuses_what_breaks_its_rules(columns, rule):
    with pytest.raises(CohortError, match=rule) as caught:
        cohort(**columns)
    assert caught.value.case == "three"
    assert caught.value.next_step


@pytest.mark.parametrize(
    "spoil",
    [
        lambda table: table.drop(columns="sex"),
        lambda table: table[[*COLUMNS[::-1]]],
        lambda table: table.set_index(pd.Index([3, 4, 5])),
        lambda table: table.astype({"age_years": "str"}),
        lambda table: table.astype({"sex": "object"}),
        lambda table: table.assign(sex=pd.Series(["f", None, "m"], dtype="str")),
    ],
)
def test_a_cohort_refuses_a_table_of_another_form(spoil):
    table = complete(pd.DataFrame({"case_id": ["a", "b", "c"]}))
    with pytest.raises(CohortError):
        Cohort("odd", spoil(table), reject_table(), (), Path())


def test_a_cohort_refuses_rejects_of_another_form():
    table = complete(pd.DataFrame({"case_id": ["a"]}))
    with pytest.raises(CohortError, match="rejects"):
        Cohort("odd", table, pd.DataFrame({"case_id": ["a"]}), (), Path())


def test_a_file_name_with_two_dots_is_no_way_out():
    assert cohort(image=["a..b.jpg", "..c.jpg", "d..jpg"]).cases["image"].tolist() == ["a..b.jpg", "..c.jpg", "d..jpg"]


def test_a_cohort_is_frozen_and_keeps_its_own_copy():
    table = complete(pd.DataFrame({"case_id": ["a"], "sex": ["female"]}))
    held = Cohort("one", table, reject_table(), (), Path())
    table.loc[0, "sex"] = "male"
    assert held.cases["sex"].tolist() == ["female"]
    with pytest.raises(dataclasses.FrozenInstanceError):
        held.name = "two"


def test_select_by_mask_by_series_and_by_ids():
    held = cohort(age_years=[10.0, 20.0, 30.0])
    assert held.select(held.cases["age_years"] > 15).cases["case_id"].tolist() == ["b", "c"]
    assert held.select(np.array([True, False, False])).cases["case_id"].tolist() == ["a"]
    chosen = held.select(["c", "a"])
    assert chosen.cases["case_id"].tolist() == ["c", "a"]
    assert chosen.cases["age_years"].tolist() == [30.0, 10.0]
    assert isinstance(chosen.cases.index, pd.RangeIndex)
    assert held.select("b").cases["case_id"].tolist() == ["b"]
    assert len(held.select([])) == 0
    assert len(held.select(np.zeros(3, dtype=bool))) == 0


@pytest.mark.parametrize("which", [["a", "nobody"], ["a", "a"], [True, False]])
def test_select_refuses_what_names_no_case_once(which):
    with pytest.raises(CohortError):
        cohort().select(which)


def test_describe_counts_what_was_not_understood_together():
    reasons = ["age not understood: child", "age not understood: infant", "skin tone not understood: x; genital"]
    lines = cohort(exclusion=reasons).describe()
    assert "Excluded, for clinician review, age not understood: 2." in lines
    assert "Excluded, for clinician review, skin tone not understood; genital: 1." in lines


def test_describe_counts_pictures_truth_exclusions_and_rejects():
    table = complete(
        pd.DataFrame(
            {
                "case_id": ["a", "b", "c", "d"],
                "image": ["a.jpg", "b.jpg", "", ""],
                "truth": ["benign_naevus", "melanoma", "seborrhoeic_keratosis|solar_lentigo", ""],
                "exclusion": ["under 18", "", "", ""],
            }
        )
    )
    rejects = reject_table(
        [("x", "x.jpg", "the picture must exist", "Add it."), ("y", "", "the picture must exist", "")]
    )
    assert Cohort("four", table, rejects, ("The separator is a tab.",), Path()).describe() == [
        "four: 4 cases, 2 with a picture, 0 with a mask, 3 with a truth, 2 rejected.",
        "  Melanoma: 1",
        "  Seborrhoeic keratosis or solar lentigo: 1",
        "  Benign naevus: 1",
        "Excluded, for clinician review, under 18: 1.",
        "Rejected, the picture must exist: 2.",
        "The separator is a tab.",
    ]


@pytest.mark.parametrize("case_id", ["ISIC_0000001", "1", "lésion 7", "A&E 12", "a.b", "O'Brien", "病变1", "x" * 200])
def test_sound_ids(case_id):
    assert id_fault(case_id) == ""


@pytest.mark.parametrize(
    ("case_id", "word"),
    [
        ("", "needs an id"),
        ("=HYPERLINK(1)", "formula"),
        ("+1", "formula"),
        ("-1", "formula"),
        ("@SUM(A1)", "formula"),
        ("<b>x</b>", "HTML"),
        ("x\" onload=1 y='", "HTML"),
        ("&lt;script&gt;", "HTML"),
        ("a\tb", "control"),
        ("a\x00b", "control"),
        ("a\u202eb", "invisible"),
        ("a\nb", "control"),
        ("../x", "path"),
        ("a/b", "path"),
        ("a\\b", "path"),
        ("..", "path"),
        (" a", "spaces"),
        ("x" * 201, "200"),
    ],
)
def test_unsafe_ids_are_refused(case_id, word):
    assert word in id_fault(case_id)
    assert id_faults(pd.Series([case_id, "ok"], dtype="str")).tolist() == [id_fault(case_id), ""]


def test_sound_rows_keeps_the_first_of_an_id_and_loses_none():
    rejects = []
    cases = pd.DataFrame({"case_id": pd.Series(["a", "<i>", "a", "b"], dtype="str")})
    kept = sound_rows(cases, lambda i: f"line {i}", rejects)
    assert kept["case_id"].tolist() == ["a", "b"]
    assert [(reject[0], reject[1]) for reject in rejects] == [("<i>", "line 1"), ("a", "line 2")]


def test_rejects_are_written_so_that_no_spreadsheet_runs_them(tmp_path):
    odd = ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", " =1", "plain", "a\nb", "<b>", 'quo"te', "é"]
    write_csv(tmp_path / "rejects.csv", reject_table([(text, text, "rule", "step") for text in odd]))
    with (tmp_path / "rejects.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert tuple(header) == REJECT_COLUMNS
    assert [row[0] for row in rows] == [
        "'=1+1", "'+1", "'-1", "'@x", "'\\t=1", "'\\r=1", "' =1", "plain", "a\\nb", "<b>", 'quo"te', "é",
    ]  # fmt: skip


def test_rejects_that_cannot_be_written_are_a_cohort_error(tmp_path):
    with pytest.raises(CohortError, match="writable"):
        write_csv(tmp_path / "nowhere" / "rejects.csv", reject_table())
