"""People: who they are, how they prove it, and how they are forgotten."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from derm_kit.errors import RecordError
from derm_kit.records import people
from derm_kit.records.people import Role
from derm_kit.records.register import Register
from tests.records.places import PASSPHRASE, RUN, Place, review


def test_a_passphrase_is_kept_as_argon2_only_with_the_work_that_rfc_9106_asks(
    true_cost: None, register: Register, place: Place, reader: str
):
    """Its second recommended option: 3 passes over 64 MiB, 4 lanes."""
    with place.sql() as connection:
        kept = connection.scalar(text("SELECT passphrase FROM people"))
    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert register.check_passphrase(reader, PASSPHRASE).name == "Ada Reader"


def test_the_same_letters_composed_otherwise_are_the_same_passphrase(register: Register):
    person = register.add_person("Zoe", Role.REVIEWER, "cafe\N{COMBINING ACUTE ACCENT} au lait macule")
    assert register.check_passphrase(person.id, "caf\N{LATIN SMALL LETTER E WITH ACUTE} au lait macule")


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_a_wrong_passphrase_is_slow_counted_logged_and_makes_the_next_try_wait(
    true_cost: None, register: Register, reader: str
):
    """In real time; on PostgreSQL too with a clock that is moved on, below."""
    begin = time.perf_counter()
    with pytest.raises(RecordError, match="the passphrase is wrong"):
        register.check_passphrase(reader, "wrong horse battery staple")
    assert time.perf_counter() - begin > 0.01
    for _ in range(2):
        with pytest.raises(RecordError, match="the passphrase is wrong"):
            register.check_passphrase(reader, "wrong horse battery staple")
    before = register.head()
    with pytest.raises(RecordError, match=r"the next try has to wait.*3 wrong in a row") as told:
        register.check_passphrase(reader, PASSPHRASE)
    assert reader not in str(told.value), "an id that nobody typed says nothing to them"
    assert register.head() == before
    refused = [e for e in register.entries() if e.action == "passphrase refused"]
    assert [e.details["failures"] for e in refused] == [1, 2, 3]
    assert {e.actor for e in refused} == {reader}
    time.sleep(2)
    assert register.check_passphrase(reader, PASSPHRASE).id == reader
    assert register.verify().sound


def test_each_wrong_passphrase_doubles_the_wait_up_to_a_quarter_of_an_hour(
    register: Register, reader: str, monkeypatch: pytest.MonkeyPatch
):
    moment = datetime.now(UTC)
    monkeypatch.setattr(people, "now", lambda: moment.isoformat(timespec="microseconds"))
    waits_s = (0, 0, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900)
    for wait_s in waits_s:
        with pytest.raises(RecordError, match="the passphrase is wrong"):
            register.check_passphrase(reader, "wrong horse battery staple")
        before = register.head()
        if wait_s:
            moment += timedelta(seconds=wait_s - 0.1)
            with pytest.raises(RecordError, match="the next try has to wait"):
                register.check_passphrase(reader, PASSPHRASE)
            moment += timedelta(seconds=0.1)
        assert register.head() == before
    refused = [e for e in register.entries() if e.action == "passphrase refused"]
    assert [e.details["failures"] for e in refused] == list(range(1, len(waits_s) + 1))
    assert {e.actor for e in refused} == {reader}
    assert register.check_passphrase(reader, PASSPHRASE).id == reader
    assert register.verify().sound


def test_a_new_passphrase_ends_the_wait_and_the_old_one(register: Register, reader: str):
    for _ in range(3):
        with pytest.raises(RecordError):
            register.check_passphrase(reader, "wrong horse battery staple")
    register.change_passphrase(reader, "another set of words")
    assert register.check_passphrase(reader, "another set of words").id == reader
    with pytest.raises(RecordError, match="wrong"):
        register.check_passphrase(reader, PASSPHRASE)


def test_an_erased_person_is_gone_from_every_file_and_their_work_and_the_chain_stay(
    register: Register, place: Place, reader: str
):
    saved = register.save_review(review(reader))
    register.name_login(reader, "lovelace-1815")
    register.erase_person(reader)
    assert [(p.name, p.registration, p.login, bool(p.erased_at)) for p in register.people()] == [("", "", "", True)]
    assert register.reviews(RUN, "case 1") == [saved]
    assert register.verify().sound
    with place.sql() as connection:
        row = connection.execute(text("SELECT * FROM people")).mappings().one()
    assert (row["name"], row["registration"], row["passphrase"], row["salt"]) == ("", "", "", "")
    for file in place.folder.iterdir():
        assert b"Ada Reader" not in file.read_bytes()
        assert b"1234567" not in file.read_bytes()
        assert b"lovelace-1815" not in file.read_bytes()
    for refused in (
        lambda: register.save_review(review(reader)),
        lambda: register.check_passphrase(reader, PASSPHRASE),
        lambda: register.name_login(reader, "lovelace-1815"),
    ):
        with pytest.raises(RecordError, match="this person was erased"):
            refused()


def test_no_name_stands_in_the_audit_log(register: Register, reader: str):
    register.save_review(review(reader, note="seen by Ada Reader"))
    register.check_passphrase(reader, PASSPHRASE)
    register.name_login(reader, "Ada@trust")
    assert "Ada" not in repr(list(register.entries()))
    assert "GMC" not in repr(list(register.entries()))


@pytest.mark.parametrize(("name", "passphrase"), [("  ", PASSPHRASE), ("Ada", "short words"), ("A" * 1001, PASSPHRASE)])
def test_a_person_has_a_name_and_a_long_passphrase(register: Register, name: str, passphrase: str):
    with pytest.raises(RecordError):
        register.add_person(name, Role.REVIEWER, passphrase)
    assert register.people() == []


def test_registered_is_who_has_a_registration(register: Register, reader: str):
    assert register.person(reader).registered
    assert not register.add_person("Bo", Role.SAFETY_OFFICER, PASSPHRASE, registration="  ").registered


def test_a_login_stands_for_one_person_until_it_is_taken_away(register: Register, reader: str):
    ben = register.add_person("Ben", Role.REVIEWER, PASSPHRASE)
    assert register.name_login(reader, " ada@trust ").login == "ada@trust"
    with pytest.raises(RecordError, match="stands for somebody else") as told:
        register.name_login(ben.id, "ada@trust")
    assert f"people login {reader} --none" in str(told.value)
    assert register.name_login(reader, "ada@trust").login == "ada@trust", "said twice"
    assert register.name_login(reader, "").login == ""
    assert register.name_login(ben.id, "ada@trust").login == "ada@trust"
    assert register.person(reader).login == ""
    register.erase_person(ben.id)
    assert register.name_login(reader, "ada@trust").login == "ada@trust", "free again once its person was erased"
    assert register.verify().sound


@pytest.mark.parametrize("login", ["a" * 256, "ada\nben", "ada\0"])
def test_a_login_that_no_proxy_sends_is_refused(register: Register, reader: str, login: str):
    with pytest.raises(RecordError, match="a login name is printable"):
        register.name_login(reader, login)
    assert register.person(reader).login == ""


def test_a_clock_that_was_set_back_locks_nobody_out_for_long(
    register: Register, reader: str, monkeypatch: pytest.MonkeyPatch
):
    moment = datetime.now(UTC)
    monkeypatch.setattr(people, "now", lambda: moment.isoformat(timespec="microseconds"))
    for _ in range(3):
        with pytest.raises(RecordError, match="the passphrase is wrong"):
            register.check_passphrase(reader, "wrong horse battery staple")
    moment -= timedelta(minutes=10)
    with pytest.raises(RecordError, match="the next try has to wait"):
        register.check_passphrase(reader, PASSPHRASE)
    moment -= timedelta(days=1)
    assert register.check_passphrase(reader, PASSPHRASE).id == reader
