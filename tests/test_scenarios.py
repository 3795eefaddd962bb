"""Kept scenarios: files in the workspace that are never written over, and files that are none."""

from __future__ import annotations

import json
import os
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from derm_kit.errors import RecordError
from derm_kit.pathway.definition import Pathway
from derm_kit.pathway.measures import table
from derm_kit.pathway.simulation import simulate
from derm_kit.records import scenarios as module
from derm_kit.records.scenarios import KeptScenario, Scenarios, kept
from derm_kit.records.workspace import Workspace

LUNG = Pathway.read("lung-chest-x-ray")


@pytest.fixture
def shelf(tmp_path: Path) -> Scenarios:
    return Scenarios.of(Workspace(tmp_path / "workspace"))


@pytest.fixture(scope="module")
def one() -> KeptScenario:
    return named("more scanners")


def named(name: str) -> KeptScenario:
    figures = table(simulate(LUNG, replications=2))
    return kept(name, LUNG.name, ships=True, setting="seed=2", policy="", pathway=LUNG, figures=figures)


def changed(one: KeptScenario, **fields: object) -> dict[str, object]:
    return json.loads(one.model_dump_json()) | fields


def test_what_is_kept_is_read_again(shelf, one):
    path = shelf.keep(one)
    assert path.parent == shelf.folder
    assert path.name.startswith("more-scanners-")
    assert shelf.read().scenarios == (one,)
    assert shelf.read().unread == ()
    assert Pathway.model_validate(one.pathway) == LUNG
    assert {figure.arm for figure in one.figures} == set(LUNG.arms)
    assert all(figure.value is None or figure.low <= figure.value <= figure.high for figure in one.figures)


def test_a_figure_that_is_undefined_is_kept_as_a_gap(shelf):
    nobody = LUNG.model_copy(
        update={
            "referrals": LUNG.referrals.model_copy(
                update={"per_week": LUNG.referrals.per_week.model_copy(update={"value": 0})}
            )
        }
    )
    figures = table(simulate(nobody, replications=2))
    empty = kept("nobody", LUNG.name, ships=True, setting="per_week=0.0", policy="", pathway=LUNG, figures=figures)
    shelf.keep(empty)
    assert any(figure.value is None for figure in empty.figures)
    assert shelf.read().scenarios == (empty,)


def test_only_its_owner_may_enter_the_folder(shelf, one):
    shelf.keep(one)
    assert shelf.folder.stat().st_mode & 0o077 == 0


def test_the_same_name_is_refused_and_the_first_stays(shelf, one):
    path = shelf.keep(one)
    before = path.read_bytes()
    with pytest.raises(RecordError, match=r"kept once under its name.*found: more scanners"):
        shelf.keep(one)
    assert path.read_bytes() == before
    assert len(list(shelf.folder.iterdir())) == 1


def test_names_that_look_alike_in_a_file_s_name_are_kept_apart(shelf, one):
    for name in ("AB", "ab", "a b", "a-b", "Größe", "🩺", "حالة", "x" * 80):
        shelf.keep(one.model_copy(update={"name": name}))
    assert len(shelf.read().scenarios) == 8


@pytest.mark.parametrize(
    "name", ["", " \t ", "x" * 81, "x" * 2_000, "a\x00b", "a\u202eb", "a\u200bb", "\x1b[2J", "\ud800"]
)
def test_an_unusable_name_is_refused(name: str):
    with pytest.raises(RecordError, match="1 to 80 characters, all of which can be seen") as refused:
        named(name)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 400


def test_spaces_in_a_name_are_made_plain():
    assert named("  two \n more  clinics ").name == "two more clinics"


def test_many_that_keep_one_name_at_once_leave_one_file(shelf, one):
    started, said = threading.Barrier(8), []

    def keep() -> None:
        started.wait()
        try:
            shelf.keep(one)
            said.append("kept")
        except RecordError as error:
            said.append(error.rule)

    threads = [threading.Thread(target=keep) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said.count("kept") == 1
    assert all("kept once under its name" in words for words in said if words != "kept")
    assert len(list(shelf.folder.iterdir())) == 1
    assert shelf.read().scenarios == (one,)


def test_many_that_keep_names_of_their_own_at_once_lose_none(shelf, one):
    threads = [
        threading.Thread(target=shelf.keep, args=(one.model_copy(update={"name": f"of {n}"}),)) for n in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(shelf.read().scenarios) == 12


def test_a_full_folder_is_told(shelf, one, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MOST_KEPT", 2)
    for n in range(2):
        shelf.keep(one.model_copy(update={"name": str(n)}))
    with pytest.raises(RecordError, match=r"at most 2 scenarios are kept\. Move files"):
        shelf.keep(one)


def test_files_that_are_no_scenarios_are_named_and_the_others_read(shelf, one):
    shelf.keep(one)
    wrong = {
        "empty.json": b"",
        "half.json": shelf.folder.joinpath(next(shelf.folder.iterdir()).name).read_bytes()[:500],
        "list.json": b"[]",
        "null.json": b"null",
        "bytes.json": b"\xff\xfe\x00",
        "deep.json": b"[" * 100_000,
        "digits.json": b'{"schema_version": ' + b"9" * 10_000 + b"}",
        "later.json": json.dumps(changed(one, schema_version=2)).encode(),
        "more.json": json.dumps(changed(one, surprise=1)).encode(),
        "naive.json": json.dumps(changed(one, kept_at="2026-01-01T00:00:00")).encode(),
        "hidden.json": json.dumps(changed(one, name="a\u202eb")).encode(),
        "lines.json": json.dumps(changed(one, name="a\nb")).encode(),
        "long.json": json.dumps(changed(one, name="x" * 81)).encode(),
        "text.json": json.dumps(changed(one, figures=[{"label": 1}])).encode(),
    }
    for name, content in wrong.items():
        (shelf.folder / name).write_bytes(content)
    (shelf.folder / "notes.txt").write_text("mine")
    found = shelf.read()
    assert found.scenarios == (one,)
    assert set(found.unread) == set(wrong)


def test_a_pipe_a_folder_and_a_giant_are_no_scenarios_and_none_is_waited_for(shelf, one):
    shelf.keep(one)
    (shelf.folder / "folder.json").mkdir()
    os.mkfifo(shelf.folder / "pipe.json")
    (shelf.folder / "nowhere.json").symlink_to("nowhere")
    with (shelf.folder / "giant.json").open("wb") as file:
        file.truncate(50_000_000_000)
    found = shelf.read()
    assert found.scenarios == (one,)
    assert len(found.unread) == 4


def test_scenarios_of_any_zone_are_read_oldest_first(shelf, one):
    for name, moment in (("late", "2026-01-01T00:30:00+00:00"), ("early", "2026-01-01T01:00:00+02:00")):
        shelf.keep(one.model_copy(update={"name": name, "kept_at": datetime.fromisoformat(moment).astimezone(UTC)}))
    assert [scenario.name for scenario in shelf.read().scenarios] == ["early", "late"]


def test_a_place_that_is_no_folder_is_told(tmp_path: Path, one):
    (tmp_path / "workspace").mkdir()
    (tmp_path / "workspace" / "scenarios").write_text("a file")
    shelf = Scenarios.of(Workspace(tmp_path / "workspace"))
    with pytest.raises(RecordError, match=r"the scenario cannot be kept.*still on the page"):
        shelf.keep(one)
    assert (tmp_path / "workspace" / "scenarios").read_text() == "a file"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="a place where not even root may write")
def test_a_place_where_nobody_may_write_is_told(one):
    with pytest.raises(RecordError, match="the scenario cannot be kept"):
        Scenarios(Path("/proc/self/scenarios")).keep(one)


def test_a_disc_that_is_full_leaves_no_half_file(shelf, one, monkeypatch: pytest.MonkeyPatch):
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RecordError, match=r"cannot be kept \(No space left on device\)"):
        shelf.keep(one)
    assert list(shelf.folder.iterdir()) == []
    monkeypatch.undo()
    assert shelf.keep(one).exists()
