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
from psycopg.errors import DiskFull
from sqlalchemy import inspect, make_url, text
from sqlalchemy.exc import DBAPIError

from derm_kit.errors import RecordError
from derm_kit.records import change
from derm_kit.records.people import Role
from derm_kit.records.register import Register
from derm_kit.records.workspace import Workspace
from tests.records.places import PASSPHRASE, RUN, Place, on_connect, review
from tests.records.proposals import default, moved
from tests.records.terminal import TWICE, Terminal


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


@pytest.mark.parametrize("place", ["postgresql"], indirect=True)
def test_who_only_reads_cannot_write_and_leaves_the_next_writer_alone(register: Register, reader: str):
    with pytest.raises(RecordError, match="the register may only be read"), register.reading() as session:
        session.execute(text("DELETE FROM people"))
    assert register.save_review(review(reader)).version == 1
    assert register.verify().sound


FULL = """
CREATE FUNCTION no_space() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
RAISE EXCEPTION 'could not extend file "base/5/16384": No space left on device' USING ERRCODE = 'disk_full';
END $$
"""
FULL_AT = {
    "the log": "CREATE TRIGGER full_disk BEFORE INSERT ON audit_log FOR EACH ROW EXECUTE FUNCTION no_space()",
    "the record, with its entry written": (
        "CREATE TRIGGER full_disk BEFORE INSERT ON {} FOR EACH ROW EXECUTE FUNCTION no_space()"
    ),
    "the end, with all written": (
        "CREATE CONSTRAINT TRIGGER full_disk AFTER INSERT ON {} DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION no_space()"
    ),
}


@pytest.mark.parametrize("place", ["postgresql"], indirect=True)
@pytest.mark.parametrize("when", FULL_AT)
def test_a_full_disk_of_postgresql_is_told_and_nothing_of_the_write_is_stored(
    register: Register, place: Place, reader: str, when: str
):
    """The server's own error, through the real driver, at each point of a write."""
    saved = register.save_review(review(reader))
    with place.sql() as connection:
        connection.execute(text(FULL))
        connection.execute(text(FULL_AT[when].format("reviews")))
    before = register.head()
    with pytest.raises(
        RecordError, match=r"the database's disk is full: nothing of this was stored.*Free space"
    ) as told:
        register.save_review(review(reader, "case 2"))
    assert isinstance(told.value.__cause__, DBAPIError)
    assert isinstance(told.value.__cause__.orig, DiskFull)
    assert register.head() == before == register.anchor.read()
    assert register.reviews(RUN, "case 1") == [saved]
    assert register.reviews(RUN, "case 2") == []
    assert register.verify().sound
    with place.sql() as connection:
        connection.execute(text("DROP FUNCTION no_space() CASCADE"))
    assert register.save_review(review(reader, "case 2")).version == 1
    assert register.verify().sound


@pytest.mark.parametrize("place", ["postgresql"], indirect=True)
def test_whoever_types_a_command_is_told_that_the_disk_is_full(terminal: Terminal):
    place = terminal.place
    place.make()
    with place.sql() as connection:
        connection.execute(text(FULL))
        connection.execute(text(FULL_AT["the record, with its entry written"].format("people")))
    words = ("people add", "Ada", "--role", "reviewer")
    told = terminal.refused(*words, typed=TWICE)
    assert "the database's disk is full: nothing of this was stored" in told
    assert told.endswith("Free space there, then save again.")
    assert ":***@" in told
    assert "Ada" not in terminal("people list")
    assert "Sound" in terminal("audit verify")


def only_read(place: Place) -> Place:
    """The same place for somebody whose sessions PostgreSQL opens read-only."""
    assert place.url
    options = str(make_url(place.url).query["options"])
    url = make_url(place.url).update_query_dict({"options": f"{options} -cdefault_transaction_read_only=on"})
    return Place(place.folder, url.render_as_string(hide_password=False))


@pytest.mark.parametrize("place", ["postgresql"], indirect=True)
def test_a_read_only_postgresql_is_told_by_every_step_and_command_and_can_be_read(
    register: Register, place: Place, reader: str, terminal: Terminal
):
    before = register.head()
    other = Terminal(only_read(place))
    with other.place.open() as opened:
        for write in (
            lambda: opened.add_person("Bo", Role.REVIEWER, PASSPHRASE),
            lambda: opened.check_passphrase(reader, PASSPHRASE),
            lambda: opened.erase_person(reader),
            lambda: opened.save_review(review(reader)),
            lambda: change.propose(opened, moved(default(), 0.05), reader, PASSPHRASE),
        ):
            with pytest.raises(
                RecordError, match=r"the register may only be read.*Ask who set the database to read-only"
            ):
                write()
        assert opened.verify().sound
    assert "the register may only be read" in other.refused("people add", "Bo", "--role", "reviewer", typed=TWICE)
    assert "Ada Reader" in other("people list")
    other("register backup", "--out", terminal.folder / "backup")
    assert register.head() == before == register.anchor.read()
    assert register.check_passphrase(reader, PASSPHRASE)


@pytest.mark.parametrize("place", ["postgresql"], indirect=True)
def test_no_register_is_half_made_in_a_read_only_postgresql(place: Place, terminal: Terminal):
    with pytest.raises(RecordError, match="the register may only be read"):
        only_read(place).open()
    with place.sql() as connection:
        assert inspect(connection).get_table_names() == []
    assert "there is no register here" in terminal.refused("audit verify")
    with place.open() as register:
        assert [entry.action for entry in register.entries()] == ["register made"]
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
