"""derm-kit people, audit and register, as an administrator runs them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.records.places import PASSPHRASE, Place, review

COMMAND = Path(sys.executable).with_name("derm-kit")


def derm_kit(place: Place, *words: str | Path, typed: str = "") -> subprocess.CompletedProcess[str]:
    told = {"COLUMNS": "200", "DERM_KIT_WORKSPACE": str(place.folder)} | (
        {"DERM_KIT_DATABASE_URL": place.url} if place.url else {}
    )
    return subprocess.run(
        [COMMAND, *map(str, words)],
        input=typed,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | told,
        start_new_session=True,  # no terminal to ask on: what is typed comes in by stdin
    )


def test_a_person_is_added_listed_and_erased(sqlite_place: Place):
    place = sqlite_place
    twice = f"{PASSPHRASE}\n{PASSPHRASE}\n"
    added = derm_kit(
        place, "people", "add", "Ada [bold]Reader", "--role", "safety officer", "--registration", "GMC 1", typed=twice
    )
    assert added.returncode == 0, added.stderr
    assert PASSPHRASE not in added.stdout + added.stderr
    person = added.stdout.split("id ")[1].strip()
    listed = derm_kit(place, "people", "list").stdout
    assert all(word in listed for word in ("Ada [bold]Reader", "safety officer", "GMC 1", person))
    with place.open() as register:
        assert register.check_passphrase(person, PASSPHRASE).registered
    kept = derm_kit(place, "people", "erase", person, typed="n\n")
    assert kept.returncode == 1
    erased = derm_kit(place, "people", "erase", person, "--yes")
    assert erased.returncode == 0, erased.stderr
    listed = derm_kit(place, "people", "list").stdout
    assert "(erased)" in listed
    assert "Ada" not in listed
    again = derm_kit(place, "people", "erase", person, "--yes")
    assert again.returncode == 2
    assert "this person was erased" in again.stderr


@pytest.mark.parametrize(
    ("role", "typed", "told"),
    [
        ("king", "", "a role is one of: reviewer, dermatologist, safety officer, administrator (found: king)"),
        ("reviewer", "short\nshort\n", "a passphrase has at least 12 characters"),
    ],
)
def test_what_cannot_be_added_is_told_in_one_line(sqlite_place: Place, role: str, typed: str, told: str):
    done = derm_kit(sqlite_place, "people", "add", "Ada", "--role", role, typed=typed)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_new_passphrase_is_asked_for(sqlite_place: Place):
    place = sqlite_place
    with place.open() as register:
        person = register.add_person("Ada", "reviewer", PASSPHRASE).id
    done = derm_kit(place, "people", "passphrase", person, typed="another set of words\n" * 2)
    assert done.returncode == 0, done.stderr
    with place.open() as register:
        assert register.check_passphrase(person, "another set of words")


def test_verify_says_sound_or_names_what_is_not(place: Place, tmp_path: Path):
    with place.open() as register:
        reader = register.add_person("Ada", "reviewer", PASSPHRASE).id
        register.save_review(review(reader))
    exported = derm_kit(place, "audit", "export", "--out", tmp_path / "log.jsonl")
    assert exported.returncode == 0, exported.stderr
    sound = derm_kit(place, "audit", "verify", "--against", tmp_path / "log.jsonl")
    assert sound.returncode == 0, sound.stderr
    assert "Sound: the log fits its key, its anchor, the export and every record." in sound.stdout
    place.rewrite(place.key, "UPDATE audit_log SET actor = 'x' WHERE position = 2")
    unsound = derm_kit(place, "audit", "verify", "--against", tmp_path / "log.jsonl")
    assert unsound.returncode == 1
    assert "Not sound: entry 3 is not the one that the anchor knows" in unsound.stderr
    assert "Not sound: entry 3 is not the one that the export knows" in unsound.stderr
    assert "Sound:" not in unsound.stdout


def test_backup_and_restore_by_command(sqlite_place: Place, tmp_path: Path):
    place = sqlite_place
    with place.open() as register:
        reader = register.add_person("Ada", "reviewer", PASSPHRASE).id
        saved = register.save_review(review(reader))
    made = derm_kit(place, "register", "backup", "--out", tmp_path / "backup")
    assert made.returncode == 0, made.stderr
    assert f"Keep a copy of the key apart from it: {place.folder / 'audit.key'}" in made.stdout
    refused = derm_kit(place, "register", "restore", tmp_path / "backup")
    assert refused.returncode == 2
    assert "into an empty database only" in refused.stderr
    other = place.elsewhere("other")
    restored = derm_kit(other, "register", "restore", tmp_path / "backup")
    assert restored.returncode == 0, restored.stderr
    with other.open() as register:
        assert register.reviews(saved.run, saved.case) == [saved]
    assert derm_kit(other, "audit", "verify").returncode == 0


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
