"""Backup and restore: all of it comes back, on either database, or it is refused."""

from __future__ import annotations

import random
import shutil
import sqlite3
from pathlib import Path

import pytest

from derm_kit.errors import RecordError
from derm_kit.records.backup import restore
from derm_kit.records.register import Register
from derm_kit.records.workspace import Workspace
from tests.records.places import PASSPHRASE, RUN, Place, review

CASES = [f"case {i}" for i in range(12)]
NOTE = "\0 note \ud800 \N{RIGHT-TO-LEFT OVERRIDE}'; --"


@pytest.fixture
def filled(register: Register, reader: str) -> Register:
    for case in CASES:
        register.save_review(review(reader, case, note=NOTE, agrees=True, seconds=1.5))
    register.save_review(review(reader, CASES[0], verdict="dermatofibroma", version=1))
    return register


def everything(register: Register) -> list[object]:
    return [register.people(), [register.reviews(RUN, case) for case in CASES], list(register.entries())[:15]]


def test_all_comes_back_from_a_backup_with_a_sound_log_that_says_so(filled: Register, place: Place, tmp_path: Path):
    head = filled.backup(tmp_path / "backup")
    other = place.elsewhere("other")
    restored = restore(tmp_path / "backup", Workspace(other.folder), other.url)
    with other.open() as again:
        assert everything(again) == everything(filled)
        assert again.verify().sound
        assert again.head() == restored == again.anchor.read()
        assert restored.count == head.count + 1
        assert list(again.entries())[-1].action == "register restored"
        assert again.check_passphrase(again.people()[0].id, PASSPHRASE)
        again.save_review(review(again.people()[0].id, "new"))


@pytest.mark.parametrize("place", ["postgresql"], indirect=True)
def test_a_backup_of_one_database_restores_into_the_other(filled: Register, place: Place, tmp_path: Path):
    filled.backup(tmp_path / "backup")
    lite = Place(place.elsewhere("other").folder, None)
    restore(tmp_path / "backup", Workspace(lite.folder), None)
    with lite.open() as on_sqlite:
        assert everything(on_sqlite) == everything(filled)
        on_sqlite.backup(tmp_path / "second")
    back = place.elsewhere("third")
    restore(tmp_path / "second", Workspace(back.folder), back.url)
    with back.open() as on_postgresql:
        assert everything(on_postgresql) == everything(filled)
        assert on_postgresql.verify().sound


def test_a_backup_holds_no_key_and_goes_to_a_new_file(filled: Register, place: Place, tmp_path: Path):
    filled.backup(tmp_path / "backup")
    kept = (tmp_path / "backup").read_bytes()
    assert place.key not in kept
    assert place.key.hex().encode() not in kept
    with pytest.raises(RecordError, match="goes to a new file"):
        filled.backup(tmp_path / "backup")
    with pytest.raises(RecordError, match="the backup cannot be written"):
        filled.backup(tmp_path / "nowhere" / "backup")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup", "workspace"]


def test_a_backup_damaged_anywhere_is_refused_or_restores_all_the_same(filled: Register, place: Place, tmp_path: Path):
    """Bytes flipped at 40 places; a place that holds nothing may be flipped without harm."""
    filled.backup(tmp_path / "backup")
    whole, wanted, chance = (tmp_path / "backup").read_bytes(), everything(filled), random.Random(3)
    refused = 0
    for i in range(40 if place.url is None else 8):
        damaged = bytearray(whole)
        at = chance.randrange(len(whole))
        damaged[at : at + 20] = chance.randbytes(20)
        (tmp_path / f"damaged{i}").write_bytes(damaged[: len(whole)])
        other = place.elsewhere(f"other{i}")
        try:
            restore(tmp_path / f"damaged{i}", Workspace(other.folder), other.url)
        except RecordError as error:
            refused += "does not hold together" in str(error)
            assert not (other.folder / "audit.anchor.json").exists()
        else:
            with other.open() as again:
                assert everything(again) == wanted
    assert refused


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE reviews SET verdict = 'solar_lentigo'",
        "DELETE FROM reviews WHERE case_id = 'case 3'",
        "DELETE FROM audit_log WHERE position > 10",
        "UPDATE people SET role = 'safety officer'",
        "UPDATE backup_head SET head = replace(head, '15', '14')",
        "UPDATE backup_head SET head = 'x'",
        "DROP TABLE backup_head",
        "DROP TABLE alembic_version",
        "DROP TABLE people",
        "CREATE TABLE more AS SELECT 1 AS x",
    ],
)
def test_a_backup_that_was_changed_is_refused_and_leaves_the_database_empty(
    filled: Register, place: Place, tmp_path: Path, statement: str
):
    filled.backup(tmp_path / "backup")
    shutil.copy(tmp_path / "backup", tmp_path / "changed")
    changed = sqlite3.connect(tmp_path / "changed")
    for (trigger,) in changed.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        changed.execute(f"DROP TRIGGER {trigger}")
    changed.execute(statement)
    changed.commit()
    changed.close()
    other = place.elsewhere("other")
    with pytest.raises(RecordError):
        restore(tmp_path / "changed", Workspace(other.folder), other.url)
    restore(tmp_path / "backup", Workspace(other.folder), other.url)


def test_what_is_no_backup_is_refused(place: Place, register: Register, tmp_path: Path):
    other = place.elsewhere("other")
    (tmp_path / "text").write_text("no backup")
    (tmp_path / "empty").touch()
    for name in ("text", "empty"):
        with pytest.raises(RecordError, match="does not hold together"):
            restore(tmp_path / name, Workspace(other.folder), other.url)
    for name in ("nothing", "."):
        with pytest.raises(RecordError, match="a backup is a file"):
            restore(tmp_path / name, Workspace(other.folder), other.url)


def test_a_backup_is_restored_only_into_an_empty_database_and_only_with_its_key(
    filled: Register, place: Place, tmp_path: Path
):
    filled.backup(tmp_path / "backup")
    with pytest.raises(RecordError, match="into an empty database only"):
        restore(tmp_path / "backup", Workspace(place.folder), place.url)
    other = place.elsewhere("other")
    (other.folder / "audit.key").write_text("ab" * 32)
    with pytest.raises(RecordError, match="sealed with its key; here they are not"):
        restore(tmp_path / "backup", Workspace(other.folder), other.url)
    (other.folder / "audit.key").unlink()
    with pytest.raises(RecordError, match="only be checked with the key"):
        restore(tmp_path / "backup", Workspace(other.folder), other.url)


def test_entries_newer_than_the_backup_are_given_up_only_on_purpose_and_in_writing(
    filled: Register, place: Place, reader: str, tmp_path: Path
):
    filled.backup(tmp_path / "backup")
    filled.save_review(review(reader, "after the backup"))
    lost = place.elsewhere("other")
    shutil.copy(place.folder / "audit.anchor.json", lost.folder)
    with pytest.raises(RecordError, match=r"the register had 16 entries, the backup has 15.*--accept-loss"):
        restore(tmp_path / "backup", Workspace(lost.folder), lost.url)
    restore(tmp_path / "backup", Workspace(lost.folder), lost.url, accept_loss=True)
    with lost.open() as again:
        assert list(again.entries())[-1].details == {"entries": 15, "entries_before": 16}
        assert again.verify().sound


def test_a_log_that_was_cut_makes_no_backup(filled: Register, place: Place, tmp_path: Path):
    place.attack("DELETE FROM reviews WHERE entry > 9", "DELETE FROM audit_log WHERE position > 9")
    with pytest.raises(RecordError, match=r"entries 10 to 15 are missing at the end"):
        filled.backup(tmp_path / "backup")
    assert not (tmp_path / "backup").exists()


def test_a_backup_of_a_register_that_was_tampered_with_is_refused(filled: Register, place: Place, tmp_path: Path):
    place.attack("UPDATE reviews SET note = 'edited' WHERE entry = 5")
    with pytest.raises(RecordError, match=r"does not hold together.*entry 5"):
        filled.backup(tmp_path / "backup")
    assert not (tmp_path / "backup").exists()
