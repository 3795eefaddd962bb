"""The hazard log: versions that stay, approval by somebody else, links, evidence, and what SQL does behind its back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from derm_kit.errors import RecordError
from derm_kit.records import hazards
from derm_kit.records.backup import restore
from derm_kit.records.conflicts import ConflictError
from derm_kit.records.exact_json import sha256
from derm_kit.records.hazard_content import PROPOSED, EvidenceKind, EvidenceLink
from derm_kit.records.hazard_evidence import Standing, standing
from derm_kit.records.migrations import SCHEMA, migrate, schema_of
from derm_kit.records.people import Role
from derm_kit.records.register import Register
from derm_kit.records.workspace import Workspace
from tests.records.hazards import HOSTILE, LATER, TODAY, a_hazard, approved, approved_log, attack, content
from tests.records.places import PASSPHRASE, RUN, Place, review
from tests.records.proposals import REASON, Staff, a_release, default, moved, staff


@pytest.fixture
def people(register: Register) -> Staff:
    return staff(register)


def test_a_hazard_goes_from_draft_to_approved_and_every_step_is_in_the_log(register: Register, people: Staff):
    first = a_hazard(register, people)
    assert (first.id, first.version, first.standing, first.author) == ("H-001", 1, "draft", people.author)
    second = hazards.revise(register, first, content(harm="death"), people.dermatologist, PASSPHRASE)
    assert (second.id, second.version, second.content.harm) == ("H-001", 2, "death")
    done = approved(register, people, second)
    assert done.standing == "approved"
    assert done.approval and (done.approval.approver, done.approval.reason) == (people.officer, REASON)
    assert hazards.history(register, "H-001") == [first, done]
    assert hazards.log(register) == [done] == approved_log(register)
    assert hazards.find(register, "H-001") == done
    said = [(e.action, e.actor, e.details.get("version")) for e in register.entries() if e.action.startswith("hazard")]
    assert said == [
        ("hazard added", people.author, 1),
        ("hazard revised", people.dermatologist, 2),
        ("hazard approved", people.officer, 2),
    ]
    [entry] = [e for e in register.entries() if e.action == "hazard approved"]
    assert entry.details["content_sha256"] == sha256(second.content.text)
    assert "death" not in str(list(register.entries())), "the log says ids and choices, never what was written"
    assert register.verify().sound


def test_what_was_approved_stands_until_the_next_version_is(register: Register, people: Staff):
    stands = approved(register, people, a_hazard(register, people))
    draft = hazards.revise(register, stands, content(harm="worse"), people.author, PASSPHRASE)
    assert hazards.log(register) == [draft]
    assert approved_log(register) == [stands]
    newer = approved(register, people, draft)
    assert approved_log(register) == [newer]
    assert [found.approval is not None for found in hazards.history(register, "H-001")] == [True, True]


def test_ids_count_up_and_are_sorted_by_number(register: Register, people: Staff):
    with register.writing() as session:
        for hazard in ("H-998", "H-1001"):
            hazards.store(session, hazard, content(), people.author)
    found = [a_hazard(register, people, name=str(i)).id for i in range(2)]
    assert found == ["H-1002", "H-1003"]
    assert [hazard.id for hazard in hazards.log(register)] == ["H-998", "H-1001", "H-1002", "H-1003"]


def test_only_a_registered_safety_officer_approves_and_never_their_own(register: Register, people: Staff):
    made = a_hazard(register, people)
    told = {}
    for who in people.everybody:
        try:
            hazards.approve(register, made, who, PASSPHRASE, REASON)
        except RecordError as error:
            told[who] = error.rule
            continue
        assert who in people.deciders
        made = hazards.revise(register, made, content(harm=who), people.author, PASSPHRASE)
    assert set(told) == set(people.everybody) - set(people.deciders)
    assert "nobody approves what they wrote" in told[people.author]
    assert "only a registered clinician" in told[people.unregistered]
    assert "only a safety officer" in told[people.administrator]
    mine = hazards.add(register, content(), people.officer, PASSPHRASE)
    with pytest.raises(RecordError, match="nobody approves what they wrote"):
        hazards.approve(register, mine, people.officer, PASSPHRASE, REASON)
    assert hazards.approve(register, mine, people.second, PASSPHRASE, REASON).approval


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"basis": f"{PROPOSED} As shipped."}, "your own, with what they rest on"),
        ({"owner": ""}, "has an owner"),
        ({"next_review": None}, "has a review date"),
        ({"next_review": (TODAY - timedelta(days=1)).isoformat()}, "has a review date, today or later"),
    ],
)
def test_a_version_that_is_not_ready_is_not_approved(
    register: Register, people: Staff, fields: dict[str, object], rule: str
):
    made = a_hazard(register, people, **fields)
    with pytest.raises(RecordError, match=rule) as told:
        approved(register, people, made)
    assert "derm-kit hazards revise" in told.value.next_step
    assert hazards.find(register, made.id).approval is None


def test_an_approval_says_why_names_nobody_and_is_given_once(register: Register, people: Staff):
    made = a_hazard(register, people)
    for reason, rule in (("short", "a stated reason of 10"), ("as Ada Author said to me", "names nobody")):
        with pytest.raises(RecordError, match=rule):
            hazards.approve(register, made, people.officer, PASSPHRASE, reason)
    done = approved(register, people, made)
    with pytest.raises(RecordError, match="approved already"):
        hazards.approve(register, done, people.second, PASSPHRASE, REASON)


def test_the_second_of_two_is_told_and_shown_both(register: Register, place: Place, people: Staff):
    seen = a_hazard(register, people)
    with place.open() as other:
        stays = hazards.revise(other, seen, content(harm="theirs"), people.dermatologist, PASSPHRASE)
    mine = content(harm="mine", name="mine")
    with pytest.raises(ConflictError) as told:
        hazards.revise(register, seen, mine, people.author, PASSPHRASE)
    assert (told.value.stored, told.value.yours) == (stays, mine)
    assert "version 2" in str(told.value) and "mine" in str(told.value)
    with pytest.raises(ConflictError) as told:
        hazards.approve(register, seen, people.officer, PASSPHRASE, REASON)
    assert told.value.stored == stays
    assert hazards.history(register, seen.id) == [seen, stays]
    assert hazards.revise(register, stays, mine, people.author, PASSPHRASE).version == 3


def test_of_many_who_revise_at_the_same_moment_one_does_and_all_who_add_do(register: Register, people: Staff):
    seen = a_hazard(register, people)

    def revise(i: int) -> str:
        try:
            return hazards.revise(register, seen, content(harm=f"by {i}"), people.author, PASSPHRASE).content.harm
        except ConflictError as told:
            return f"stored: {told.stored.content.harm}"

    with ThreadPoolExecutor(5) as threads:
        outcomes = list(threads.map(revise, range(5)))
        added = list(threads.map(lambda i: a_hazard(register, people, name=f"n {i}").id, range(5)))
    stored = hazards.find(register, seen.id)
    assert stored.version == 2
    assert sorted(outcomes) == sorted([stored.content.harm, *[f"stored: {stored.content.harm}"] * 4])
    assert sorted(added) == [f"H-00{i}" for i in range(2, 7)]
    assert register.verify().sound


def test_links_that_come_back_or_lead_nowhere_are_refused(register: Register, people: Staff):
    one = a_hazard(register, people, name="one")
    two = a_hazard(register, people, name="two", leads_to=["H-001"])
    three = a_hazard(register, people, name="three", leads_to=["H-001", "H-002"])
    for hazard, links, value in (
        (one, ["H-003"], "H-001 → H-003 → "),
        (one, ["H-001"], "H-001 → H-001"),
        (two, ["H-003"], "H-002 → H-003 → H-002"),
        (two, ["H-007"], "H-007"),
    ):
        with pytest.raises(RecordError) as told:
            hazards.revise(register, hazard, content(name="x", leads_to=links), people.author, PASSPHRASE)
        assert value in str(told.value.value)
    with pytest.raises(RecordError, match="stand in the log"):
        a_hazard(register, people, leads_to=["H-009"])
    moved_on = hazards.revise(register, three, content(name="three", leads_to=[]), people.author, PASSPHRASE)
    assert hazards.revise(register, one, content(leads_to=[moved_on.id]), people.author, PASSPHRASE).version == 2


def test_evidence_that_is_known_to_be_missing_is_refused(register: Register, people: Staff):
    first = {"kind": "release", "reference": "1", "shows": "the thresholds"}
    with pytest.raises(RecordError, match="a release is named by its number and stands in this register"):
        a_hazard(register, people, evidence=[first])
    with pytest.raises(RecordError, match="a test is named as"):
        a_hazard(register, people, evidence=[{"kind": "test", "reference": "tests/test_policy.py::test_nothing"}])
    a_release(register, people, moved(default(), 0.05))
    made = a_hazard(register, people, evidence=[first, {"kind": "document", "reference": "SOP 7 of the trust"}])
    with register.reading() as session:
        assert [standing(session, link) for link in made.content.evidence] == [Standing.FOUND, Standing.UNCHECKED]
        for reference in ("2", "0", "01", "one", "9" * 30):
            link = EvidenceLink(kind=EvidenceKind.RELEASE, reference=reference)
            assert standing(session, link) is Standing.MISSING


@pytest.mark.parametrize("said", HOSTILE, ids=range(len(HOSTILE)))
def test_any_text_is_stored_as_text_and_comes_back_exactly(register: Register, people: Staff, said: str):
    line = f"x{said}".replace("\r", "").replace("\n", "")
    made = a_hazard(register, people, name=line, description=f"{said} ", causes=[line, "b"], basis=f"{said}.")
    assert hazards.find(register, made.id) == made
    assert made.content.description == f"{said} "
    assert hazards.approve(register, made, people.officer, PASSPHRASE, f"{said} and more words").approval
    assert register.verify().sound


def test_owner_and_party_are_roles_and_not_people(register: Register, people: Staff):
    before = register.head().count
    for fields in ({"owner": "Dr ada author, lead"}, {"transferred_to": "Bo Officer"}):
        with pytest.raises(RecordError, match="names nobody"):
            a_hazard(register, people, **fields)
    assert register.head().count == before


def test_nothing_is_stored_with_a_wrong_passphrase_or_by_nobody(register: Register, people: Staff):
    made = a_hazard(register, people)
    for attempt in (
        lambda: hazards.add(register, content(), people.author, "wrong words, all"),
        lambda: hazards.revise(register, made, content(harm="x"), people.author, "wrong words, all"),
        lambda: hazards.approve(register, made, people.officer, "wrong words, all", REASON),
        lambda: hazards.add(register, content(), "nobody", PASSPHRASE),
    ):
        with pytest.raises(RecordError, match=r"passphrase is wrong|no such person"):
            attempt()
    assert hazards.log(register) == [made]


def test_a_revision_that_changes_nothing_and_a_hazard_that_is_not_there_are_told(register: Register, people: Staff):
    made = a_hazard(register, people)
    with pytest.raises(RecordError, match="nothing would change"):
        hazards.revise(register, made, made.content, people.author, PASSPHRASE)
    for lost in (lambda: hazards.find(register, "H-009"), lambda: hazards.of_version(register, "H-001", 2)):
        with pytest.raises(RecordError, match="no such"):
            lost()
    gone = replace(made, id="H-009")
    with pytest.raises(RecordError, match="no such hazard"):
        approved(register, people, gone)
    with pytest.raises(ConflictError, match="no such hazard"):
        hazards.revise(register, gone, content(harm="x"), people.author, PASSPHRASE)
    assert len(hazards.log(register)) == 1


def test_reviews_that_are_due_are_listed_the_unset_first(register: Register, people: Staff):
    for name, due in (("later", LATER), ("today", TODAY.isoformat()), ("past", "2026-01-31"), ("unset", None)):
        a_hazard(register, people, name=name, next_review=due)
    assert [hazard.content.name for hazard in hazards.overdue(register)] == ["unset", "past"]
    tomorrow = TODAY + timedelta(days=1)
    assert [hazard.content.name for hazard in hazards.overdue(register, tomorrow)] == ["unset", "past", "today"]
    past = hazards.find(register, "H-003")
    hazards.revise(register, past, content(name="past", next_review=LATER), people.author, PASSPHRASE)
    assert [hazard.content.name for hazard in hazards.overdue(register)] == ["unset"]


@pytest.mark.parametrize("table", ["hazards", "hazard_approvals"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET at = 'x'", "DELETE FROM {}", "TRUNCATE {} CASCADE"])
def test_the_database_itself_refuses_to_change_or_delete_a_hazard(
    register: Register, place: Place, people: Staff, table: str, statement: str
):
    approved(register, people, a_hazard(register, people))
    if place.url is None and "TRUNCATE" in statement:
        statement = "DELETE FROM {} WHERE 1"
    with pytest.raises(DBAPIError, match="append-only"), place.sql() as connection:
        connection.execute(text(statement.format(table)))
    assert hazards.log(register) and register.verify().sound


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("UPDATE hazards SET content = replace(content, 'late treatment', 'no harm')", "hazards/"),
        ("UPDATE hazards SET author = (SELECT id FROM people WHERE name = 'Bo Officer')", "hazards/"),
        ("UPDATE hazards SET version = 7", "hazards/"),
        ("UPDATE hazard_approvals SET content_sha256 = 'x'", "hazard_approvals/"),
        ("UPDATE hazard_approvals SET reason = 'another reason'", "hazard_approvals/"),
        ("DELETE FROM hazard_approvals", "is missing, though entry"),
    ],
)
def test_a_hazard_changed_behind_its_back_is_found(
    register: Register, place: Place, people: Staff, statement: str, found: str
):
    approved(register, people, a_hazard(register, people))
    assert register.verify().sound
    attack(place, statement)
    [finding] = register.verify().findings
    assert found in finding


def test_a_hazard_that_was_put_there_by_sql_is_found(register: Register, place: Place, people: Staff):
    a_hazard(register, people)
    attack(place, "INSERT INTO hazards SELECT 'f00', entry, 'H-002', version, author, at, content FROM hazards")
    assert "hazards/f00 stands in no entry of the log" in register.verify().findings


def test_what_was_changed_with_sql_is_neither_approved_nor_revised(register: Register, place: Place, people: Staff):
    seen = a_hazard(register, people)
    attack(place, "UPDATE hazards SET content = replace(content, 'late treatment', 'no harm')")
    seen = hazards.find(register, seen.id)
    with pytest.raises(RecordError, match="not what the audit log says"):
        approved(register, people, seen)
    with pytest.raises(RecordError, match="not what the audit log says"):
        hazards.revise(register, seen, content(harm="x"), people.author, PASSPHRASE)


def test_who_is_erased_stays_as_an_id_and_what_they_wrote_stays(register: Register, people: Staff):
    made = approved(register, people, a_hazard(register, people))
    for person in (people.author, people.officer):
        register.erase_person(person)
    assert hazards.find(register, made.id) == made
    assert register.verify().sound
    with pytest.raises(RecordError, match="was erased"):
        a_hazard(register, people)


def test_a_register_made_before_there_were_hazards_is_brought_to_them(place: Place):
    with place.open() as old:
        reader = old.add_person("Ada Reader", Role.REVIEWER, PASSPHRASE).id
        saved = old.save_review(review(reader, note="\0 note"))
        released = a_release(old, staff(old), moved(default(), 0.05))
        with old._database.writing() as session:
            migrate(session.connection(), "0003")
    with place.sql() as connection:
        assert schema_of(connection) == "0003"
    with place.open() as newer:
        assert list(newer.entries("register"))[-1].details == {"tables": SCHEMA, "tables_before": "0003"}
        assert newer.reviews(RUN, "case 1") == [saved]
        people = staff(newer)
        link = {"kind": "release", "reference": str(released.version)}
        assert approved(newer, people, a_hazard(newer, people, evidence=[link])).approval
        assert newer.verify().sound
    with place.sql() as connection, pytest.raises(DBAPIError, match="append-only"):
        connection.execute(text("UPDATE hazards SET at = at"))


def test_tables_with_a_hazard_in_them_are_not_taken_away(register: Register, place: Place, people: Staff):
    with register._database.writing() as session:
        migrate(session.connection(), "0003")
    with place.open() as newer:
        made = a_hazard(newer, people)
        with pytest.raises(RecordError, match="never taken back"), newer._database.writing() as session:
            migrate(session.connection(), "0003")
        assert hazards.log(newer) == [made]
    with place.sql() as connection:
        assert schema_of(connection) == SCHEMA


def test_a_backup_brings_hazards_and_their_approvals_back(
    register: Register, place: Place, people: Staff, tmp_path: Path
):
    made = approved(register, people, a_hazard(register, people, name="\0 half=1"))
    register.backup(tmp_path / "backup")
    other = place.elsewhere("other")
    restore(tmp_path / "backup", Workspace.named(other.folder), other.url)
    with other.open() as restored:
        assert hazards.log(restored) == [made]
        assert restored.verify().sound
