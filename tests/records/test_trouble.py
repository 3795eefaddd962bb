"""A disk that is full, a register that may only be read, a database that is gone: told at once, nothing pretended."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from sqlalchemy import text

from derm_kit.errors import RecordError
from derm_kit.records.register import Register
from derm_kit.records.workspace import Workspace
from tests.records.places import RUN, Place, on_connect, review


def test_a_full_disk_is_told_and_nothing_of_the_review_is_stored(sqlite_place: Place):
    with sqlite_place.open() as register:
        reader = register.add_person("Ada", "reviewer", "correct horse battery").id
        with sqlite_place.sql() as connection:
            pages = connection.scalar(text("PRAGMA page_count"))
        on_connect(register, f"PRAGMA max_page_count = {pages + 2}")
        before = register.head()
        with pytest.raises(RecordError, match=r"the disk is full: nothing of this was stored.*Free space"):
            register.save_review(review(reader, note="x" * 50_000))
        assert register.head() == before == register.anchor.read()
        assert register.reviews(RUN, "case 1") == []
        on_connect(register, f"PRAGMA max_page_count = {pages + 1_000}")
        assert register.save_review(review(reader, note="x" * 50_000)).version == 1
        assert register.verify().sound


def test_a_register_that_may_only_be_read_says_so_and_can_still_be_read_and_verified(
    register: Register, place: Place, reader: str
):
    saved = register.save_review(review(reader))
    only_read = "SET default_transaction_read_only = on" if place.url else "PRAGMA query_only = ON"
    on_connect(register, only_read)
    with pytest.raises(RecordError, match="the register may only be read"):
        register.save_review(review(reader, "case 2"))
    assert register.reviews(RUN, "case 1") == [saved]
    assert register.verify().sound


def test_a_write_whose_anchor_cannot_follow_is_not_acknowledged(register: Register, reader: str):
    blocked = register.anchor.path.with_name("audit.anchor.json.part")
    blocked.mkdir()
    with pytest.raises(RecordError, match=r"the write is stored, but the anchor.*could not follow"):
        register.save_review(review(reader))
    blocked.rmdir()
    assert register.verify().unanchored == 1
    register.save_review(review(reader, "case 2"))
    assert register.verify().unanchored == 0


def test_a_writer_that_hangs_is_told_to_the_next(sqlite_place: Place, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("derm_kit.records.database.PATIENCE_S", 0.2)
    with sqlite_place.open() as register:
        hanging = sqlite3.connect(sqlite_place.folder / "register.sqlite", isolation_level=None)
        hanging.execute("BEGIN IMMEDIATE")
        with pytest.raises(RecordError, match="another process held the register"):
            register.add_person("Ada", "reviewer", "correct horse battery")
        hanging.close()
        assert register.add_person("Ada", "reviewer", "correct horse battery")


def test_a_database_that_cannot_be_reached_is_told_without_its_password(tmp_path: Path):
    pytest.importorskip("psycopg")
    with pytest.raises(RecordError, match="cannot be reached") as told:
        Register.open(tmp_path, "postgresql://me:secret-word@/db?host=/nowhere")
    assert "secret-word" not in str(told.value)


@pytest.mark.parametrize("url", ["mysql://me@host/db", "nonsense", "oracle+what://x", "sqlite:///elsewhere"])
def test_only_postgresql_may_be_named(tmp_path: Path, url: str):
    with pytest.raises(RecordError, match="the register lies in SQLite in the workspace, or in PostgreSQL"):
        Register.open(tmp_path, url)


def test_a_file_that_is_no_database_is_told(sqlite_place: Place):
    sqlite_place.folder.mkdir()
    (sqlite_place.folder / "register.sqlite").write_text("not a database, " * 100)
    with pytest.raises(RecordError, match=r"no SQLite database.*register restore"):
        sqlite_place.open()


def test_a_workspace_that_cannot_be_made_is_told(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match=r"the workspace cannot be made.*DERM_KIT_WORKSPACE"):
        Register.open(tmp_path / "file" / "workspace")


def test_another_database_with_the_workspace_of_the_first_is_refused(sqlite_place: Place):
    with sqlite_place.open() as register:
        register.add_person("Ada", "reviewer", "correct horse battery")
    for file in sqlite_place.folder.glob("register.sqlite*"):
        file.unlink()
    with pytest.raises(RecordError, match=r"shorter than its anchor.*a workspace of its own"):
        sqlite_place.open()


def test_the_workspace_is_the_one_named_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DERM_KIT_WORKSPACE", str(tmp_path / "here"))
    assert Workspace.named().folder == tmp_path / "here"
    monkeypatch.delenv("DERM_KIT_WORKSPACE")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    if sys.platform == "linux":
        assert Workspace.named().folder == tmp_path / "data" / "derm-kit"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize(
    ("own", "rule"),
    [
        (("register.sqlite", "."), "the key of the audit log cannot be read"),
        (("audit.key", "audit.anchor.json"), "the register may only be read"),
    ],
)
def test_files_that_belong_to_somebody_else_are_told(own: tuple[str, ...], rule: str):
    """As a process without root's rights sees them: in a child that gave them up."""
    folder = Path(tempfile.mkdtemp())
    with Place(folder, None).open() as register:
        register.add_person("Ada", "reviewer", "correct horse battery")
    folder.chmod(0o755)
    for name in own:
        os.chown(folder / name, 65_534, 65_534)
    code = """
import os, sys
from derm_kit.errors import RecordError
from derm_kit.records.register import Register
Register.open(sys.argv[1]).close()  # whatever is imported on the way lies where only root may read
os.setgid(65534); os.setuid(65534)
try:
    with Register.open(sys.argv[1]) as register:
        register.add_person("Bo", "reviewer", "correct horse battery")
except RecordError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=False)
    shutil.rmtree(folder)
    assert done.returncode == 0, done.stderr
    assert rule in done.stdout
    assert "end the rights" in done.stdout or "end the folder's rights" in done.stdout
