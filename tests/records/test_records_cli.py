"""derm-kit people, audit and register, as an administrator runs them."""

from __future__ import annotations

import subprocess
import sys

import pytest
from sqlalchemy import inspect, select

from derm_kit.records.register import Register
from derm_kit.records.tables import ReviewRow
from tests.records.places import PASSPHRASE, Place, review
from tests.records.terminal import TWICE, Terminal

NOTHING_HERE = (
    "people list",
    "people erase 0123 --yes",
    "people passphrase 0123",
    "people login 0123 ada",
    "audit verify",
    "audit export --out {}/file",
    "register backup --out {}/file",
    "change list",
    "change show 0123",
    "change check 0123",
    "change approve 0123 --by Ada --reason because",
    "change reject 0123 --by Ada --reason because",
    "change withdraw 0123 --by Ada",
    "change release 0123 --by Ada --out {}/file",
    "change rollback 1 --by Ada --reason because",
    "policy releases",
    "policy export 1 --out {}/file",
    "policy new-key",
)
"""Every command on the register but those that begin one: the first person, a restore."""


@pytest.fixture
def reader(place: Place) -> str:
    with place.open() as register:
        return register.add_person("Ada", "reviewer", PASSPHRASE).id


@pytest.mark.parametrize("words", NOTHING_HERE)
def test_where_there_is_no_register_that_is_said_and_none_is_made(terminal: Terminal, words: str):
    place, folder = terminal.place, terminal.folder
    place.folder.rmdir()
    told = terminal.refused(words.format(folder))
    where = "register.sqlite" if place.url is None else "postgresql+psycopg://derm_kit:***@"
    assert told.index(where) < told.index("there is no register here. If it lies elsewhere, name its folder in")
    assert told.endswith("To begin one, add its first person: derm-kit people add.")
    assert list(folder.iterdir()) == []
    if place.url:
        with place.sql() as connection:
            assert inspect(connection).get_table_names() == []


def test_a_proposal_is_not_stored_where_there_is_no_register(terminal: Terminal):
    from tests.records.proposals import default, moved

    (terminal.folder / "proposal.json").write_text(moved(default(), 0.05).model_dump_json())
    told = terminal.refused("change propose", terminal.folder / "proposal.json", "--by", "Ada")
    assert "there is no register here" in told
    assert list(terminal.place.folder.iterdir()) == []


def test_a_database_without_its_workspace_is_not_read_and_no_key_is_made_for_it(terminal: Terminal, reader: str):
    place = terminal.place
    for file in place.folder.iterdir():
        if not file.name.startswith("register.sqlite"):
            file.unlink()
    assert "its key is not in the workspace" in terminal.refused("audit verify")
    assert not (place.folder / "audit.key").exists()


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_a_person_is_added_listed_and_erased(terminal: Terminal):
    added = terminal.process(
        "people add", "Ada [bold]Reader", "--role", "safety officer", "--registration", "GMC 1", typed=TWICE
    )
    assert added.returncode == 0, added.stderr
    assert PASSPHRASE not in added.stdout + added.stderr
    person = added.stdout.split("id ")[1].strip()
    listed = terminal("people list")
    assert all(word in listed for word in ("Ada [bold]Reader", "safety officer", "GMC 1", person))
    with terminal.place.open() as register:
        assert register.check_passphrase(person, PASSPHRASE).registered
    kept = terminal.run("people erase", person, typed="n")
    assert kept.exit_code == 1
    assert "Ada" in terminal("people list")
    terminal("people erase", person, "--yes")
    listed = terminal("people list")
    assert "(erased)" in listed
    assert "Ada" not in listed
    assert "this person was erased" in terminal.refused("people erase", person, "--yes")


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_what_cannot_be_added_is_told_in_one_line(terminal: Terminal):
    refused = terminal.process("people add", "Ada", "--role", "king")
    assert refused.returncode == 2
    assert "a role is one of: reviewer, dermatologist, safety officer, administrator (found: king)" in refused.stderr
    assert "Traceback" not in refused.stderr
    short = terminal.refused("people add", "Ada", "--role", "reviewer", typed="short\nshort")
    assert "a passphrase has at least 12 characters" in short
    assert "Ada" not in terminal("people list")


def test_a_login_is_named_listed_and_taken_away(terminal: Terminal, reader: str):
    assert "The login ada@trust stands for Ada." in terminal("people login", reader, "ada@trust")
    assert "ada@trust" in terminal("people list")
    assert "No login stands for Ada any more." in terminal("people login", reader, "--none")
    assert "ada@trust" not in terminal("people list")
    for more in ((), ("ada@trust", "--none")):
        assert "a person is given one login name, or --none" in terminal.refused("people login", reader, *more)


def test_erasing_tells_in_which_texts_of_others_the_name_may_stand(terminal: Terminal):
    with terminal.place.open() as register:
        ada = register.add_person("Ada Reader", "reviewer", PASSPHRASE, registration="GMC 1234567").id
        ben = register.add_person("Ben Nevis", "reviewer", PASSPHRASE).id
        register.name_login(ada, "areader7")
        notes = "As READER says", "Adaptive", "See gmc 1234567", "areader7 wrote", "Nothing of it"
        said = [register.save_review(review(ben, f"case {n}", note=note)) for n, note in enumerate(notes)]
        ids = {r.case_id: r.subject for r in _rows(register)}
    told = terminal("people erase", ada, "--yes")
    assert "3 may name the person" in told
    for n, found in ((0, "READER"), (2, "gmc 1234567"), (3, "areader7")):
        assert f"{ids[said[n].case]}, note: '{found}'" in told
    for n in (1, 4):
        assert ids[said[n].case] not in told
    assert "Sound" in terminal("audit verify")
    assert "No other text in the register" in terminal("people erase", ben, "--yes")


def _rows(register: Register) -> list[ReviewRow]:
    with register.reading() as session:
        rows = list(session.scalars(select(ReviewRow)))
        session.expunge_all()
    return rows


def test_a_new_passphrase_is_asked_for(terminal: Terminal, reader: str):
    terminal("people passphrase", reader, typed="another set of words\nanother set of words")
    with terminal.place.open() as register:
        assert register.check_passphrase(reader, "another set of words")


def test_verify_says_sound_or_names_what_is_not(terminal: Terminal, reader: str):
    place, log = terminal.place, terminal.folder / "log.jsonl"
    with place.open() as register:
        register.save_review(review(reader))
    terminal("audit export", "--out", log)
    sound = terminal("audit verify", "--against", log)
    assert "Sound: the log fits its key, its anchor, the export and every record." in sound
    place.rewrite(place.key, "UPDATE audit_log SET actor = 'x' WHERE position = 2")
    unsound = terminal.run("audit verify", "--against", log)
    assert unsound.exit_code == 1
    assert "Not sound: entry 3 is not the one that the anchor knows" in unsound.stderr
    assert "Not sound: entry 3 is not the one that the export knows" in unsound.stderr
    assert "Sound:" not in unsound.stdout


def test_backup_and_restore_by_command(terminal: Terminal, reader: str):
    place, backup = terminal.place, terminal.folder / "backup"
    with place.open() as register:
        saved = register.save_review(review(reader))
    made = terminal("register backup", "--out", backup)
    for key in ("audit.key (seals the audit log)", "release.key (signs releases; made with the first release)"):
        assert f"{place.folder}/{key}" in made
    assert "into an empty database only" in terminal.refused("register restore", backup)
    other = Terminal(place.elsewhere("other"))
    assert f"{other.place.folder}/release.key" in other("register restore", backup)
    with other.place.open() as register:
        assert register.reviews(saved.run, saved.case) == [saved]
    other("audit verify")


def test_the_command_line_starts_without_a_database_library():
    code = (
        "import sys; import derm_kit.cli.app; "
        "sys.exit(str({'sqlalchemy', 'alembic', 'argon2', 'psycopg'} & set(sys.modules) or ''))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""


def test_a_register_in_use_has_no_use_for_the_library_of_migrations(sqlite_place: Place):
    sqlite_place.make()
    code = """
import sys
from derm_kit.records.register import Register
with Register.open(sys.argv[1]) as register:
    assert register.verify().sound
sys.exit(str({"alembic", "argon2", "psycopg"} & set(sys.modules) or ""))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(sqlite_place.folder)], capture_output=True, text=True, check=False
    )
    assert done.stderr.strip() == ""
