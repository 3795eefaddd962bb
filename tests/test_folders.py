"""What lies in a folder: names that cannot go on, shut, linked, hidden and deep folders; each is said."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from derm_kit.cases.folder_walk import listing
from derm_kit.cases.folders import DEEPEST, LINKED, NO_RIGHT, ODD_NAME
from derm_kit.cases.sources import read
from tests.test_sources import folder, noted, picture

TABLE = "image_id,sex\nI1,male\nI2,female\n"


@contextmanager
def as_nobody() -> Iterator[None]:
    """Without root's right to read everything."""
    me = os.geteuid()
    if me == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        if me == 0:
            os.seteuid(me)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that anyone may read."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.parametrize("odd", ["a\\b.jpg", "C:/c.jpg", "sub/a\\b.jpg", "x\\y/z.jpg", "images\\I2.jpg", "d:/I2.jpg"])
def test_one_odd_name_is_one_reject_and_the_rest_are_cases(tmp_path, odd):
    picture(tmp_path / "I1.jpg")
    picture(tmp_path / odd)
    cohort = read(tmp_path)
    assert cohort.cases["case_id"].tolist() == ["I1"]
    named = odd if "\\" in odd.rpartition("/")[2] else odd.partition("/")[0]
    assert cohort.rejects[["file", "rule", "next_step"]].to_numpy().tolist() == [[named, *ODD_NAME]]
    cohort = read(folder(tmp_path, TABLE))
    assert cohort.cases["case_id"].tolist() == ["I1"]
    assert cohort.rejects["rule"].tolist() == ["the picture must exist"]


def test_an_odd_name_as_the_only_picture_is_one_reject(tmp_path):
    picture(tmp_path / "a\\b.jpg")
    assert read(tmp_path / "a\\b.jpg").rejects["rule"].tolist() == [ODD_NAME[0]]


def test_names_that_only_look_like_a_drive_are_cases(tmp_path):
    for name in ("a:b.jpg", "sub/C:/c.jpg", "CC:/d.jpg"):
        picture(tmp_path / name)
    assert sorted(read(tmp_path).cases["case_id"]) == ["a:b", "c", "d"]


@pytest.mark.parametrize("row", ["I1", "I1.jpg", "images/I1.jpg"])
@pytest.mark.parametrize("alone", [False, True])
def test_a_shut_folder_of_pictures_is_the_reason_that_is_given(open_folder, row, alone):
    picture(open_folder / "images" / "I1.jpg")
    picture(open_folder / "I2.jpg")
    (open_folder / "metadata.csv").write_text(f"image\n{row}\nI2.jpg\n")
    (open_folder / "images").chmod(0)
    try:
        with as_nobody():
            cohort = read(open_folder / "metadata.csv" if alone else open_folder)
    finally:
        (open_folder / "images").chmod(stat.S_IRWXU)
    assert cohort.cases["case_id"].tolist() == ["I2"]
    (rule,), (next_step,) = cohort.rejects["rule"], cohort.rejects["next_step"]
    assert rule.endswith(NO_RIGHT[0])
    assert next_step == NO_RIGHT[1]


def test_a_lone_table_beside_a_shut_folder_does_not_say_that_there_are_no_pictures(open_folder):
    picture(open_folder / "images" / "I1.jpg")
    (open_folder / "metadata.csv").write_text(TABLE)
    (open_folder / "images").chmod(0)
    try:
        with as_nobody():
            cohort = read(open_folder / "metadata.csv")
    finally:
        (open_folder / "images").chmod(stat.S_IRWXU)
    assert len(cohort) == 0
    assert set(cohort.rejects["next_step"]) == {NO_RIGHT[1]}
    assert "No picture lies beside" not in noted(cohort)


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("row", ["I1", "I1.jpg", "images/I1.jpg"])
@pytest.mark.parametrize("alone", [False, True])
def test_a_linked_folder_of_pictures_is_the_reason_that_is_given(tmp_path, inside, row, alone):
    root = folder(tmp_path / "in", f"image\n{row}\nI2.jpg\n", "I2.jpg")
    picture((root / ".store" if inside else tmp_path / "out") / "I1.jpg")
    (root / "images").symlink_to(".store" if inside else "../out")
    cohort = read(root / "metadata.csv" if alone else root)
    assert cohort.cases["case_id"].tolist() == ["I2"]
    (rule,), (next_step,) = cohort.rejects["rule"], cohort.rejects["next_step"]
    assert rule.endswith(LINKED[0])
    assert next_step == LINKED[1]


def test_a_link_into_a_shut_folder_is_one_fault(open_folder):
    picture(open_folder / "shut" / "I1.jpg")
    picture(open_folder / "I2.jpg")
    (open_folder / "I1.jpg").symlink_to("shut/I1.jpg")
    (open_folder / "shut").chmod(0)
    try:
        with as_nobody():
            cohort = read(open_folder)
    finally:
        (open_folder / "shut").chmod(stat.S_IRWXU)
    assert cohort.cases["case_id"].tolist() == ["I2"]
    assert sorted(cohort.rejects["file"]) == ["I1.jpg", "shut"]


@pytest.mark.parametrize("table", [False, True])
def test_hidden_files_and_deep_folders_are_counted_named_and_listed_in_full(tmp_path, table):
    deep = "/".join(["d"] * (DEEPEST + 1))
    for file in (
        "I1.jpg",
        "I2.jpg",
        "I9.jpg",
        ".trash/I3.jpg",
        ".I4.jpg",
        ".notes",
        f"{deep}/I5.jpg",
        f"{deep[:-2]}/I6.jpg",
    ):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        picture(tmp_path / file) if file.endswith("jpg") else (tmp_path / file).write_text("x")
    if table:
        folder(tmp_path, TABLE)
    cohort = read(tmp_path)
    assert "3 hidden files or folders (their names begin with a dot) are passed over, such as .I4.jpg." in cohort.notes
    assert f"1 folders that lie more than {DEEPEST} levels deep are not searched, such as {deep[:59]}….".replace(
        "…", ""
    ) in (noted(cohort).replace("…", ""))
    others = ("I9.jpg", f"{deep[:-2]}/I6.jpg") if table else ()
    assert cohort.ignored == (*others, ".I4.jpg", ".notes", ".trash", deep)


def test_every_ignored_file_is_listed_where_the_note_names_five(tmp_path):
    names = [f"note{i}.txt" for i in range(9)]
    for name in names:
        (tmp_path / name).write_text("x")
    picture(tmp_path / "a.jpg")
    cohort = read(tmp_path)
    assert "and 4 more" in noted(cohort)
    assert list(cohort.ignored) == names


def test_a_plain_folder_has_nothing_to_say(tmp_path):
    picture(tmp_path / "a.jpg")
    found = listing(tmp_path)
    assert (found.others({"a.jpg"}), found.ignored({"a.jpg"})) == ([], ())
