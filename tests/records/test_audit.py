"""The audit log: whoever changes it, or a record that it vouches for, is found out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from derm_kit.errors import RecordError
from derm_kit.records import audit
from derm_kit.records.audit import append
from derm_kit.records.chain import START, Content, Head, seal_entry
from derm_kit.records.people import Role
from derm_kit.records.register import Register
from derm_kit.records.tables import Base, ReviewRow
from tests.records.places import PASSPHRASE, Place, review

ENTRIES = 8
"""In the log of `filled`: the register was made, a person added, six reviews saved."""


@pytest.fixture
def filled(register: Register, reader: str) -> Register:
    for i in range(ENTRIES - 2):
        register.save_review(review(reader, f"case {i}"))
    return register


def findings(register: Register, exported: Path | None = None) -> str:
    return "\n".join(register.verify(exported).findings)


def test_an_untouched_log_is_sound_and_its_head_is_the_anchor(filled: Register):
    found = filled.verify()
    assert found.sound
    assert found.unanchored == 0
    assert found.head == filled.head() == filled.anchor.read()
    assert found.head.count == ENTRIES
    assert [entry.position for entry in filled.entries()] == list(range(1, ENTRIES + 1))


def test_the_seal_is_the_hmac_that_the_documents_name(filled: Register, place: Place):
    """Worked out here with the standard library alone, as an auditor would."""
    import hashlib
    import hmac

    before = START
    with place.sql() as connection:
        for row in connection.execute(text("SELECT * FROM audit_log ORDER BY position")).mappings():
            parts = ["entry", before, *(row[n] for n in ("at", "actor", "action", "subject", "details"))]
            before = hmac.new(place.key, json.dumps(parts).encode(), hashlib.sha256).hexdigest()
            assert row["seal"] == before


@pytest.mark.parametrize("table", ["audit_log", "reviews"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET at = 'x'", "DELETE FROM {}", "TRUNCATE {} CASCADE"])
def test_the_database_itself_refuses_to_change_what_was_written(
    filled: Register, place: Place, table: str, statement: str
):
    if place.url is None and "TRUNCATE" in statement:
        statement = "DELETE FROM {} WHERE 1"
    with pytest.raises(DBAPIError, match="append-only"), place.sql() as connection:
        connection.execute(text(statement.format(table)))
    assert filled.verify().sound


@pytest.mark.parametrize("what", ["INSERT OR REPLACE INTO audit_log", "INSERT INTO audit_log"])
def test_sqlite_refuses_an_entry_in_the_place_of_another(sqlite_place: Place, what: str):
    with sqlite_place.open() as register:
        for position in (1, 5):
            with pytest.raises(DBAPIError, match="append-only"), sqlite_place.sql() as connection:
                connection.execute(text(f"{what} VALUES ({position}, '', '', '', '', '', '', '')"))
        assert register.verify().sound


@pytest.mark.parametrize("column", ["at", "actor", "action", "details", "seal"])
def test_a_changed_entry_is_named(filled: Register, place: Place, column: str):
    place.attack(f"UPDATE audit_log SET {column} = '{{}}' WHERE position = 4")  # noqa: S608 - a name listed above
    assert "entry 4 was changed, or not written by derm-kit" in findings(filled)
    assert "entry 3" not in findings(filled)
    assert "entry 6" not in findings(filled)


def test_a_removed_entry_is_missed(filled: Register, place: Place):
    place.attack("DELETE FROM reviews WHERE entry = 4", "DELETE FROM audit_log WHERE position = 4")
    assert "before entry 5 at least one entry was removed" in findings(filled)


def test_a_removed_entry_is_missed_where_the_others_are_numbered_anew(filled: Register, place: Place):
    place.attack(
        "DELETE FROM reviews",
        "DELETE FROM audit_log WHERE position = 4",
        "UPDATE audit_log SET position = -position WHERE position > 4",
        "UPDATE audit_log SET position = -position - 1 WHERE position < 0",
    )
    assert "before entry 4 at least one entry was removed" in findings(filled)
    assert f"entries {ENTRIES} to {ENTRIES} are missing at the end: the anchor knows them" in findings(filled)


def test_entries_in_another_order_are_named_with_the_place_that_was_theirs(filled: Register, place: Place):
    place.attack(
        "DELETE FROM reviews",
        "UPDATE audit_log SET position = 100 WHERE position = 4",
        "UPDATE audit_log SET position = 4 WHERE position = 6",
        "UPDATE audit_log SET position = 6 WHERE position = 100",
    )
    assert "entry 4 stands in the wrong place: it was written right after entry 5" in findings(filled)
    assert "entry 6 stands in the wrong place: it was written right after entry 3" in findings(filled)


def test_an_entry_with_another_number_is_named(filled: Register, place: Place):
    place.attack("DELETE FROM reviews", "UPDATE audit_log SET position = 50 WHERE position = 8")
    assert f"entry {ENTRIES} is numbered 50" in findings(filled)


def test_entries_cut_off_at_the_end_are_missed(filled: Register, place: Place):
    place.attack("DELETE FROM reviews WHERE entry > 5", "DELETE FROM audit_log WHERE position > 5")
    assert findings(filled) == f"entries 6 to {ENTRIES} are missing at the end: the anchor knows them"


def test_a_log_that_was_emptied_is_missed(filled: Register, place: Place):
    place.attack("DELETE FROM reviews", "DELETE FROM people", "DELETE FROM audit_log")
    assert findings(filled) == f"entries 1 to {ENTRIES} are missing at the end: the anchor knows them"


def test_a_forged_entry_is_named(filled: Register, place: Place):
    place.attack(
        "INSERT INTO audit_log VALUES (:position, 'now', 'me', 'did', 'policies/1', '{}', :previous, :seal)",
        position=ENTRIES + 1,
        previous=filled.head().seal,
        seal="a" * 64,
    )
    assert f"entry {ENTRIES + 1} was changed, or not written by derm-kit" in findings(filled)
    assert "policies/1 is missing" in findings(filled)


def test_a_copied_entry_is_named(filled: Register, place: Place):
    place.attack(
        "INSERT INTO audit_log SELECT 9, at, actor, action, subject, details, previous, seal "
        "FROM audit_log WHERE position = 5"
    )
    assert f"entry {ENTRIES + 1} stands in the wrong place: it was written right after entry 4" in findings(filled)


def test_a_whole_log_sealed_anew_without_the_key_is_told_as_such(filled: Register, place: Place):
    place.rewrite(b"guess" * 8, "UPDATE audit_log SET actor = 'somebody else' WHERE position = 4")
    assert f"none of the {ENTRIES} entries fits the key: the whole log was rewritten" in findings(filled)
    assert f"entry {ENTRIES} is not the one that the anchor knows" in findings(filled)


def test_a_log_rewritten_with_the_key_is_caught_by_the_anchor(filled: Register, place: Place):
    place.rewrite(place.key, "UPDATE audit_log SET actor = 'somebody else' WHERE position = 4")
    assert findings(filled) == (f"entry {ENTRIES} is not the one that the anchor knows: the log was rewritten up to it")


def test_a_log_rewritten_with_the_key_and_the_anchor_is_caught_by_an_earlier_export(
    filled: Register, place: Place, reader: str, tmp_path: Path
):
    filled.export_audit(tmp_path / "export.jsonl")
    filled.save_review(review(reader, "later"))
    place.rewrite(place.key, "UPDATE audit_log SET actor = 'somebody else' WHERE position = 4")
    filled.anchor.reset(filled.head())
    assert filled.verify().sound, "with all three, nothing inside the workspace shows it"
    assert f"entry {ENTRIES} is not the one that the export knows" in findings(filled, tmp_path / "export.jsonl")


def test_an_export_catches_a_register_made_anew_with_a_key_of_its_own(filled: Register, place: Place, tmp_path: Path):
    filled.export_audit(tmp_path / "export.jsonl")
    forged = b"\7" * 32
    place.rewrite(forged, "UPDATE audit_log SET actor = 'somebody else' WHERE position = 4")
    (place.folder / "audit.key").write_text(forged.hex())
    with place.open() as opened:
        opened.anchor.reset(opened.head())
        assert opened.verify().sound
        assert "the export knows" in findings(opened, tmp_path / "export.jsonl")


@pytest.mark.parametrize(
    ("attack", "told"),
    [
        ("UPDATE reviews SET verdict = 'dermatofibroma' WHERE entry = 4", "is not what entry 4 says was written"),
        ("UPDATE reviews SET note = 'edited' WHERE entry = 4", "is not what entry 4 says was written"),
        ("UPDATE reviews SET seconds = 9 WHERE entry = 4", "is not what entry 4 says was written"),
        ("UPDATE reviews SET entry = 5 WHERE entry = 4", "is not what entry 4 says was written"),
        ("DELETE FROM reviews WHERE entry = 4", "is missing, though entry 4 says that it was written"),
        ("UPDATE reviews SET id = 'f00' WHERE entry = 4", "reviews/f00 stands in no entry of the log"),
        ("UPDATE people SET role = 'safety officer'", "is not what entry 2 says was written"),
        ("UPDATE people SET passphrase = '$argon2id$mine'", "is not what entry 2 says was written"),
        ("UPDATE people SET name = 'Somebody Else'", "is not what entry 2 says was written"),
    ],
)
def test_a_record_that_is_not_what_was_written_is_named(filled: Register, place: Place, attack: str, told: str):
    place.attack(attack)
    assert told in findings(filled)


def test_a_record_put_back_to_an_earlier_state_is_named(filled: Register, place: Place, reader: str):
    with place.sql() as connection:
        old = dict(connection.execute(text("SELECT * FROM people")).mappings().one())
    filled.change_passphrase(reader, "another set of words")
    assert filled.verify().sound
    place.attack(
        "UPDATE people SET passphrase = :passphrase, entry = :entry", **{k: old[k] for k in ("passphrase", "entry")}
    )
    assert f"people/{reader} is not what entry {ENTRIES + 1} says was written" in findings(filled)


def test_many_findings_are_counted_rather_than_listed(register: Register, place: Place, reader: str):
    for i in range(30):
        register.save_review(review(reader, f"case {i}"))
    place.attack("UPDATE audit_log SET actor = '' WHERE position > 2")
    found = register.verify().findings
    assert len(found) == 21
    assert found[-1] == "and 10 more findings"


@pytest.mark.parametrize("nonsense", [b"\0\xff", 12, "{", "[]", r"\ud800", ""])
def test_nonsense_in_the_log_is_a_finding_not_a_crash(sqlite_place: Place, nonsense: object):
    with sqlite_place.open() as register:
        reader = register.add_person("Ada", Role.REVIEWER, PASSPHRASE).id
        register.save_review(review(reader))
        sqlite_place.attack("UPDATE audit_log SET details = :nonsense WHERE position = 3", nonsense=nonsense)
        assert "entry 3 was changed" in findings(register)
        sqlite_place.attack("UPDATE reviews SET note = :nonsense, verdict = :nonsense", nonsense=nonsense)
        assert "entry 3" in findings(register)


def test_nothing_is_written_to_a_log_that_was_cut(filled: Register, place: Place, reader: str):
    place.attack("DELETE FROM reviews WHERE entry > 5", "DELETE FROM audit_log WHERE position > 5")
    with pytest.raises(RecordError, match="shorter than its anchor; nothing more is written"):
        filled.save_review(review(reader, "new"))
    assert filled.head().count == 5


def test_nothing_is_written_to_a_log_that_was_rewritten(filled: Register, place: Place, reader: str):
    place.rewrite(b"guess" * 8, "UPDATE audit_log SET actor = 'somebody else' WHERE position = 4")
    with pytest.raises(RecordError, match="not the one that its anchor knows"):
        filled.save_review(review(reader, "new"))


def test_a_crash_between_commit_and_anchor_is_no_tampering_and_the_next_write_moves_the_anchor(
    filled: Register, reader: str, monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as crash:
        crash.setattr(type(filled.anchor), "advance", lambda *_: None)
        filled.save_review(review(reader, "unanchored"))
    found = filled.verify()
    assert found.sound
    assert found.unanchored == 1
    filled.save_review(review(reader, "next"))
    assert filled.anchor.read() == filled.head()
    assert filled.verify().unanchored == 0


def test_the_anchor_never_moves_back(filled: Register):
    filled.anchor.advance(Head(3, "0" * 64))
    assert filled.anchor.read() == filled.head()


def test_an_anchor_without_its_key_is_found_and_stops_writing(filled: Register, reader: str):
    path = filled.anchor.path
    said = json.loads(path.read_text())
    for forged in (said | {"count": 5}, said | {"sealed": "ä"}, {}, [], None):
        path.write_text(json.dumps(forged))
        assert "sealed with its key; here they are not" in findings(filled)
        with pytest.raises(RecordError, match="sealed with its key"):
            filled.save_review(review(reader, "new"))
    path.write_bytes(b"\xff")
    assert "sealed with its key" in findings(filled)
    path.unlink()
    assert "there is no anchor" in findings(filled)
    with pytest.raises(RecordError, match="has no anchor"):
        filled.save_review(review(reader, "new"))


def test_the_first_line_of_an_export_stands_in_for_a_lost_anchor(filled: Register, reader: str, tmp_path: Path):
    filled.export_audit(tmp_path / "export.jsonl")
    filled.anchor.path.write_text((tmp_path / "export.jsonl").read_text().splitlines()[0])
    filled.save_review(review(reader, "new"))
    assert filled.verify().sound


def test_an_export_holds_every_entry_and_the_head(filled: Register, tmp_path: Path):
    head = filled.export_audit(tmp_path / "export.jsonl")
    first, *lines = map(json.loads, (tmp_path / "export.jsonl").read_text().splitlines())
    assert (first["count"], first["head"]) == (head.count, head.seal) == (len(lines), lines[-1]["seal"])
    assert [line["position"] for line in lines] == list(range(1, ENTRIES + 1))
    assert filled.verify(tmp_path / "export.jsonl").sound
    with pytest.raises(RecordError, match="goes to a new file"):
        filled.export_audit(tmp_path / "export.jsonl")
    (tmp_path / "other").write_text("{}")
    with pytest.raises(RecordError, match="no export of an audit log"):
        filled.verify(tmp_path / "other")


def test_the_key_is_its_owners_alone_and_in_no_table(filled: Register, place: Place):
    path = place.folder / "audit.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert place.folder.stat().st_mode & 0o777 == 0o700
    with place.sql() as connection:
        for table in Base.metadata.sorted_tables:
            assert path.read_text() not in repr(connection.execute(select(table)).all())
    path.chmod(0o640)
    with pytest.raises(RecordError, match="only its owner may read the key"):
        place.open()


def test_a_lost_key_is_never_replaced_while_the_log_has_entries(filled: Register, place: Place):
    key = place.folder / "audit.key"
    key.rename(place.folder / "elsewhere")
    with pytest.raises(RecordError, match="its key is not in the workspace"):
        place.open()
    key.touch(0o600)
    key.write_text("short")
    with pytest.raises(RecordError, match="64 hexadecimal digits"):
        place.open()


def test_a_write_without_an_entry_is_undone(filled: Register, reader: str):
    before = filled.head()
    with pytest.raises(RuntimeError, match="entry in the audit log"), filled.writing() as session:
        session.add(
            ReviewRow(
                id="x", entry=3, run="r", case_id="c", reviewer=reader, version=1, at="", verdict="", disposition="",
                note="", blind=False, adjudication=False,
            )
        )  # fmt: skip
        session.flush()
    assert filled.reviews("r", "c") == []
    assert filled.head() == before


def test_an_error_within_a_write_undoes_all_of_it(filled: Register, reader: str):
    before = filled.head()
    with pytest.raises(ZeroDivisionError), filled.writing() as session:
        append(session, reader, "something done", "register")
        append(session, reader, "something else done", "register", {"n": 1 / 0})
    assert filled.head() == before == filled.anchor.read()


def test_several_entries_of_one_write_follow_one_another(filled: Register, reader: str):
    with filled.writing() as session:
        for n in range(3):
            append(session, reader, "step", "register", {"n": n, "text": "\0 \ud800"})
    assert [e.details for e in filled.entries("register")][1:] == [{"n": n, "text": "\0 \ud800"} for n in range(3)]
    assert filled.verify().sound


def test_no_shift_of_letters_between_fields_gives_the_same_seal():
    one = Content("at", "actor", "action", "subject", "details")
    assert seal_entry(b"k", START, one) != seal_entry(b"k", START, one._replace(at="ata", actor="ctor"))


def test_the_first_entry_after_the_clock_was_set_back_says_so(
    register: Register, reader: str, monkeypatch: pytest.MonkeyPatch
):
    moments = iter(
        f"2090-01-01T{time}.000000+00:00" for time in ("12:00:00", "11:59:56", "10:59:50", "10:59:51", "12:00:00")
    )
    monkeypatch.setattr(audit, "now", lambda: next(moments))
    for case in range(5):
        register.save_review(review(reader, f"case {case}"))
    said = [entry.details.get(audit.SET_BACK) for entry in register.entries()][-5:]
    assert said == [None, None, 3_606, None, None]
    assert register.verify().sound
