"""Releases: which is in force when, how one goes back, and the key that signs them."""

from __future__ import annotations

import base64
import json
import stat
import subprocess
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from derm_kit.errors import RecordError
from derm_kit.records import change, release
from derm_kit.records.conflicts import ConflictError
from derm_kit.records.register import Register
from derm_kit.records.signing import encoded, key_file, make_key, public_pem, read_key
from derm_kit.triage.policy import TriagePolicy
from tests.records.places import PASSPHRASE, Place
from tests.records.proposals import MELANOMA, REASON, Staff, a_release, default, moved, staff

WAIT = timedelta(days=30)


@pytest.fixture
def people(register: Register) -> Staff:
    return staff(register)


def put(register: Register, people: Staff, old: TriagePolicy, melanoma: float, effective: date | None = None):
    return a_release(register, people, moved(old, melanoma), effective)


def back(register: Register, people: Staff, to: int, effective: date | None = None, by: str = "") -> release.Release:
    newest = len(release.releases(register))
    return change.roll_back(register, to, newest, by or people.officer, PASSPHRASE, REASON, effective)


def melanoma_at(register: Register, at: datetime | None = None) -> float:
    return release.policy_in_force(register, at).thresholds[MELANOMA]


# Which is in force


def test_before_the_first_release_the_default_is_in_force_and_then_the_newest_whose_date_has_come(
    register: Register, people: Staff
):
    assert release.policy_in_force(register) == default()
    assert release.release_in_force(register) is None
    first = put(register, people, default(), 0.05)
    later = datetime.now(UTC).date() + WAIT
    second = put(register, people, first.policy, 0.04, later)
    begins = datetime(later.year, later.month, later.day, tzinfo=UTC)
    assert second.signed.effective_from == f"{later}T00:00:00.000000+00:00"
    assert melanoma_at(register) == 0.05
    assert melanoma_at(register, begins - timedelta(microseconds=1)) == 0.05
    assert melanoma_at(register, begins) == 0.04
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    assert release.policy_in_force(register, long_ago) == default()


def test_a_date_gone_by_is_refused_and_today_means_now(register: Register, people: Staff):
    made = change.propose(register, moved(default(), 0.05), people.author, PASSPHRASE)
    made = change.approve(register, made, people.officer, PASSPHRASE, REASON)
    today = datetime.now(UTC).date()
    with pytest.raises(RecordError, match=r"takes effect today .* or later"):
        change.release_change(register, made, people.officer, PASSPHRASE, today - timedelta(days=1))
    assert change.find(register, made.id) == made
    released = change.release_change(register, made, people.officer, PASSPHRASE, today)
    assert (
        timedelta(0)
        <= datetime.now(UTC) - datetime.fromisoformat(released.signed.effective_from)
        < timedelta(minutes=5)
    )
    assert melanoma_at(register) == 0.05


# Back to an earlier one


def test_a_roll_back_releases_the_older_text_anew_and_deletes_nothing(register: Register, people: Staff):
    first = put(register, people, default(), 0.05)
    put(register, people, first.policy, 0.3)
    third = back(register, people, 1)
    assert (third.version, third.policy, third.signed.change) == (3, first.policy, first.signed.change)
    fourth = back(register, people, 0)
    assert (fourth.version, fourth.policy, fourth.signed.change) == (4, default(), None)
    fifth = put(register, people, fourth.policy, 0.02)
    assert [r.policy.thresholds[MELANOMA] for r in release.releases(register)] == [
        0.05, 0.3, 0.05, default().thresholds[MELANOMA], 0.02,
    ]  # fmt: skip
    assert release.release_in_force(register) == fifth
    said = [e.details for e in register.entries() if e.action == "policy released"]
    assert [(d.get("rolled_back_to"), d.get("reason")) for d in said] == [
        (None, None), (None, None), (1, REASON), (0, REASON), (None, None),
    ]  # fmt: skip
    assert all(r.signed.fits for r in release.releases(register))
    assert register.verify().sound


def test_a_roll_back_ends_a_release_that_still_waits(register: Register, people: Staff):
    first = put(register, people, default(), 0.05)
    later = datetime.now(UTC).date() + WAIT
    put(register, people, first.policy, 0.9, later)
    back(register, people, 1)
    assert melanoma_at(register, datetime.now(UTC) + 2 * WAIT) == 0.05


def test_who_may_roll_back_and_where_to(register: Register, people: Staff):
    with pytest.raises(RecordError, match="nothing was released yet"):
        back(register, people, 0)
    made = change.propose(register, moved(default(), 0.05), people.officer, PASSPHRASE)
    made = change.approve(register, made, people.second, PASSPHRASE, REASON)
    first = change.release_change(register, made, people.administrator, PASSPHRASE)
    put(register, people, first.policy, 0.04)
    for by in (people.author, people.administrator, people.unregistered, people.dermatologist):
        with pytest.raises(RecordError, match=r"roll back: only a (safety officer|registered clinician) may"):
            back(register, people, 1, by=by)
    with pytest.raises(RecordError, match="roll back: nobody decides on their own change"):
        back(register, people, 1, by=people.officer)
    with pytest.raises(RecordError, match="this policy is the one released last"):
        back(register, people, 2)
    with pytest.raises(RecordError, match="there is no such release"):
        back(register, people, 3)
    assert len(release.releases(register)) == 2
    assert back(register, people, 1, by=people.second).version == 3


def test_of_two_roll_backs_the_second_is_told(register: Register, people: Staff):
    first = put(register, people, default(), 0.05)
    put(register, people, first.policy, 0.04)
    change.roll_back(register, 1, 2, people.officer, PASSPHRASE, REASON)
    with pytest.raises(ConflictError, match=r"Stored: release 3 .*Yours, not saved: a roll-back to 0"):
        change.roll_back(register, 0, 2, people.second, PASSPHRASE, REASON)
    assert len(release.releases(register)) == 3


@pytest.mark.parametrize(
    "forged", ["UPDATE policies SET policy = replace(policy, '0.05', '0.9')", "UPDATE policies SET change = NULL"]
)
def test_a_release_changed_with_sql_is_not_released_again(register: Register, place: Place, people: Staff, forged: str):
    first = put(register, people, default(), 0.05)
    put(register, people, first.policy, 0.04)
    place.attack(forged + " WHERE version = 1")
    for to in (0, 1):
        with pytest.raises(RecordError, match="not what the audit log says was written"):
            back(register, people, to)


def test_a_change_is_not_measured_against_a_release_that_was_changed_with_sql(
    register: Register, place: Place, people: Staff
):
    first = put(register, people, default(), 0.05)
    place.attack("UPDATE policies SET policy = replace(policy, '0.05', '0.9')")
    forged = first.policy.changed(thresholds=first.policy.thresholds | {MELANOMA: 0.9}, name="melanoma at 0.9")
    with pytest.raises(RecordError, match="not what the audit log says was written"):
        change.propose(register, moved(forged, 0.8), people.author, PASSPHRASE)


# The key


def test_the_key_is_its_owners_alone_and_nowhere_else(register: Register, place: Place, people: Staff, tmp_path: Path):
    put(register, people, default(), 0.05)
    path = key_file(register.workspace)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    key = read_key(register.workspace)
    assert key is not None
    secret = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    register.backup(tmp_path / "backup.sqlite")
    register.export_audit(tmp_path / "log.jsonl")
    for file in (*place.folder.iterdir(), *tmp_path.glob("*.*")):
        if file.is_file() and file != path:
            for known in (secret, secret.hex().encode(), base64.b64encode(secret), path.read_bytes().splitlines()[1]):
                assert known not in file.read_bytes(), file


@pytest.mark.parametrize("trouble", ["gone", "another", "no key", "others may read it"])
def test_with_another_key_nothing_is_released_until_a_new_one_is_taken(register: Register, people: Staff, trouble: str):
    first = put(register, people, default(), 0.05)
    path = key_file(register.workspace)
    if trouble == "gone":
        path.unlink()
    elif trouble == "another":
        other = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        path.write_bytes(other)
    elif trouble == "no key":
        path.write_text("nothing")
    else:
        path.chmod(0o644)
    made = change.propose(register, moved(first.policy, 0.04), people.author, PASSPHRASE)
    made = change.approve(register, made, people.officer, PASSPHRASE, REASON)
    with pytest.raises(RecordError, match="key") as told:
        change.release_change(register, made, people.officer, PASSPHRASE)
    assert "derm-kit policy new-key" in told.value.next_step
    assert change.find(register, made.id) == made
    assert len(release.releases(register)) == 1

    release.new_key(register)
    again = back(register, people, 1, by=people.second) if trouble == "another" else None
    second = change.release_change(register, made, people.officer, PASSPHRASE)
    assert second.version == (3 if again else 2)
    assert second.signed.public_key != first.signed.public_key
    assert all(r.signed.fits for r in release.releases(register))
    with pytest.raises(RecordError, match="the one released last"):
        back(register, people, second.version, by=people.second)
    assert [e.action for e in register.entries(release.KEY_SUBJECT)] == ["signing key made"] * 2
    assert register.verify().sound


def test_where_the_key_cannot_be_written_nothing_is_released(register: Register, people: Staff):
    made = change.propose(register, moved(default(), 0.05), people.author, PASSPHRASE)
    made = change.approve(register, made, people.officer, PASSPHRASE, REASON)
    key_file(register.workspace).mkdir(mode=0o700)
    with pytest.raises(RecordError, match="cannot be"):
        change.release_change(register, made, people.officer, PASSPHRASE)
    assert change.find(register, made.id) == made
    key_file(register.workspace).rmdir()
    assert change.release_change(register, made, people.officer, PASSPHRASE).signed.fits


def test_a_key_left_by_a_release_that_failed_is_taken_and_written_down(register: Register, people: Staff):
    key = make_key(register.workspace)
    assert put(register, people, default(), 0.05).signed.public_key == encoded(key.public_key())
    assert [e.action for e in register.entries(release.KEY_SUBJECT)] == ["signing key taken"]


def test_who_may_roll_back_is_read_from_a_change_that_the_log_vouches_for(
    register: Register, place: Place, people: Staff
):
    made = change.propose(register, moved(default(), 0.05), people.officer, PASSPHRASE)
    made = change.approve(register, made, people.second, PASSPHRASE, REASON)
    first = change.release_change(register, made, people.administrator, PASSPHRASE)
    put(register, people, first.policy, 0.04)
    place.attack("UPDATE changes SET author = :other WHERE id = :id", other=people.author, id=made.id)
    with pytest.raises(RecordError, match="not what the audit log says was written"):
        back(register, people, 1, by=people.officer)


def test_openssl_verifies_a_release_by_what_the_document_says(register: Register, people: Staff, tmp_path: Path):
    released = put(register, people, default(), 0.05)
    key = read_key(register.workspace)
    assert key is not None
    (tmp_path / "key.pem").write_text(public_pem(key.public_key()))
    found = json.loads(released.signed.text)
    (tmp_path / "signature").write_bytes(base64.b64decode(found.pop("signature")))
    signed = json.dumps(found, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    def openssl(said: bytes) -> int:
        (tmp_path / "signed").write_bytes(said)
        words = ["-inkey", "key.pem", "-rawin", "-in", "signed", "-sigfile", "signature"]
        return subprocess.run(
            ["openssl", "pkeyutl", "-verify", "-pubin", *words], cwd=tmp_path, capture_output=True, check=False
        ).returncode

    assert openssl(signed) == 0
    assert openssl(signed.replace(b"0.05", b"0.06")) != 0
