"""Incidents: opened once an alarm, linked to a hazard, added to step by step, closed by an officer, never deleted."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from derm_kit.errors import DermKitError, RecordError
from derm_kit.records import hazards, incidents
from derm_kit.records.alarms import Alarm
from derm_kit.records.backup import restore
from derm_kit.records.conflicts import ConflictError
from derm_kit.records.exact_json import sha256
from derm_kit.records.found_alarms import alarm_of_signal, alarms_of
from derm_kit.records.incidents import Incident, Kind, StandsAlreadyError
from derm_kit.records.register import Register
from derm_kit.records.workspace import Workspace
from derm_kit.surveillance.findings import Findings, findings
from derm_kit.surveillance.scenario_service import TRUST
from derm_kit.surveillance.scenarios import Scenario, planted_feed
from tests.records.hazards import HOSTILE, a_hazard, an_alarm, attack, content
from tests.records.places import PASSPHRASE, Place
from tests.records.proposals import REASON, Staff, staff


@pytest.fixture
def people(register: Register) -> Staff:
    """Everybody, and a hazard H-001 in the log."""
    found = staff(register)
    a_hazard(register, found)
    return found


def opened(register: Register, people: Staff, **fields: Any) -> Incident:
    return incidents.open_incident(register, an_alarm(**fields), "H-001", people.author, PASSPHRASE)


def reviewed(register: Register, people: Staff, incident: Incident) -> Incident:
    return incidents.hazard_reviewed(register, incident.id, "Likelihood still low.", people.dermatologist, PASSPHRASE)


def test_an_incident_goes_from_its_alarm_to_its_end_and_every_step_is_in_the_log(register: Register, people: Staff):
    first = opened(register, people)
    assert (first.id, first.hazard, first.state, first.alarm) == ("I-001", "H-001", "open", an_alarm())
    assert [(step.kind, step.person, step.said) for step in first.steps] == [
        (Kind.OPENED, people.author, an_alarm().said)
    ]
    noted = incidents.note(register, "I-001", "Site A rang: new camera.", people.administrator, PASSPHRASE)
    seen = reviewed(register, people, noted)
    assert seen.steps[-1].hazard_version == 1
    done = incidents.close(register, seen, people.officer, PASSPHRASE, REASON)
    assert done.closed and done.state == "closed"
    assert [(s.number, s.kind, s.person) for s in done.steps] == [
        (1, Kind.OPENED, people.author), (2, Kind.NOTED, people.administrator),
        (3, Kind.HAZARD_REVIEWED, people.dermatologist), (4, Kind.CLOSED, people.officer),
    ]  # fmt: skip
    assert done.steps[-1].said == REASON
    assert incidents.find(register, "I-001") == done
    assert incidents.incidents(register) == [done] == incidents.incidents(register, "H-001")
    assert incidents.incidents(register, "H-002") == []
    log = [entry for entry in register.entries() if entry.action.startswith("incident")]
    assert [entry.action for entry in log] == [
        "incident opened", "incident: opened", "incident: noted", "incident: hazard reviewed", "incident: closed",
    ]  # fmt: skip
    assert log[0].details["alarm_sha256"] == sha256(an_alarm().text)
    assert log[3].details["hazard_version"] == 1
    assert "new camera" not in str(log)
    assert register.verify().sound


def test_the_same_alarm_twice_opens_one_and_tells_which_stands(register: Register, people: Staff):
    first = opened(register, people)
    for fields in ({}, {"facts": {"value": 9}, "said": "worked out anew"}, {"raised_at": "2026-11-28T10:30:00+01:00"}):
        with pytest.raises(StandsAlreadyError) as told:
            opened(register, people, **fields)
        assert told.value.incident == first
        assert "incident I-001" in str(told.value)
    done = incidents.close(register, reviewed(register, people, first), people.officer, PASSPHRASE, REASON)
    with pytest.raises(StandsAlreadyError) as told:
        opened(register, people)
    assert told.value.incident == done and "closed" in str(told.value)
    for fields in ({"scope": "site B"}, {"signal": "input drift"}, {"raised_at": "2026-11-29T09:30:00+00:00"}):
        opened(register, people, **fields)
    assert [incident.id for incident in incidents.incidents(register)] == ["I-001", "I-002", "I-003", "I-004"]


def test_of_many_who_open_at_the_same_moment_one_does_and_all_notes_are_kept(register: Register, people: Staff):
    def one(_: int) -> str:
        try:
            return opened(register, people).id
        except StandsAlreadyError as told:
            return f"stands: {told.incident.id}"

    with ThreadPoolExecutor(5) as threads:
        assert sorted(threads.map(one, range(5))) == ["I-001", *["stands: I-001"] * 4]
        list(threads.map(lambda i: incidents.note(register, "I-001", f"note {i}", people.author, PASSPHRASE), range(5)))
    found = incidents.find(register, "I-001")
    assert [step.number for step in found.steps] == list(range(1, 7))
    assert {step.said for step in found.steps[1:]} == {f"note {i}" for i in range(5)}
    assert register.verify().sound


def test_an_incident_is_closed_only_once_its_hazard_was_reviewed(register: Register, people: Staff):
    made = opened(register, people)
    with pytest.raises(RecordError, match="only once the linked hazard was reviewed") as told:
        incidents.close(register, made, people.officer, PASSPHRASE, REASON)
    assert "derm-kit incidents reviewed I-001" in told.value.next_step
    hazards.revise(register, hazards.find(register, "H-001"), content(harm="x"), people.author, PASSPHRASE)
    seen = reviewed(register, people, made)
    assert seen.steps[-1].hazard_version == 2, "the version that stood when it was reviewed"
    assert incidents.close(register, seen, people.second, PASSPHRASE, REASON).closed


def test_only_a_registered_safety_officer_closes_and_says_why(register: Register, people: Staff):
    seen = reviewed(register, people, opened(register, people))
    for who in set(people.everybody) - set(people.deciders):
        with pytest.raises(RecordError, match="close: only a"):
            incidents.close(register, seen, who, PASSPHRASE, REASON)
    for reason in ("short", "because Ada Author said so"):
        with pytest.raises(RecordError, match=r"stated reason|names nobody"):
            incidents.close(register, seen, people.officer, PASSPHRASE, reason)
    assert not incidents.find(register, "I-001").closed


def test_who_closes_what_somebody_else_added_to_meanwhile_is_shown_both(register: Register, people: Staff):
    seen = reviewed(register, people, opened(register, people))
    there = incidents.note(register, "I-001", "One more melanoma.", people.dermatologist, PASSPHRASE)
    with pytest.raises(ConflictError) as told:
        incidents.close(register, seen, people.officer, PASSPHRASE, REASON)
    assert (told.value.stored, told.value.yours) == (there, seen)
    assert incidents.close(register, there, people.officer, PASSPHRASE, REASON).closed


def test_a_closed_incident_takes_no_further_step(register: Register, people: Staff):
    seen = reviewed(register, people, opened(register, people))
    done = incidents.close(register, seen, people.officer, PASSPHRASE, REASON)
    for step in (
        lambda: incidents.note(register, "I-001", "more", people.author, PASSPHRASE),
        lambda: reviewed(register, people, done),
        lambda: incidents.close(register, done, people.officer, PASSPHRASE, REASON),
    ):
        with pytest.raises(RecordError, match="takes no further step"):
            step()
    assert incidents.find(register, "I-001") == done


def test_what_is_not_there_is_told_and_leaves_nothing(register: Register, people: Staff):
    with pytest.raises(RecordError, match="no such hazard"):
        incidents.open_incident(register, an_alarm(), "H-009", people.author, PASSPHRASE)
    with pytest.raises(RecordError, match="passphrase is wrong"):
        incidents.open_incident(register, an_alarm(), "H-001", people.author, "wrong words, all")
    with pytest.raises(RecordError, match="no such person"):
        incidents.open_incident(register, an_alarm(), "H-001", "nobody", PASSPHRASE)
    assert incidents.incidents(register) == []
    with pytest.raises(RecordError, match="no such incident"):
        incidents.note(register, "I-001", "x", people.author, PASSPHRASE)
    made = opened(register, people)
    with pytest.raises(RecordError, match="no such incident"):
        incidents.close(register, replace(made, id="I-009"), people.officer, PASSPHRASE, REASON)


@pytest.mark.parametrize("said", ["", " \n", "x" * 10_001, "Bo Officer knows"])
def test_a_note_is_said_short_and_names_nobody(register: Register, people: Staff, said: str):
    made = opened(register, people)
    with pytest.raises(RecordError, match=r"a note has 1 to|names nobody"):
        incidents.note(register, made.id, said, people.author, PASSPHRASE)
    assert incidents.find(register, made.id) == made


@pytest.mark.parametrize("said", HOSTILE, ids=range(len(HOSTILE)))
def test_any_text_is_stored_as_text_and_comes_back_exactly(register: Register, people: Staff, said: str):
    made = opened(register, people, signal=f"x{said}", scope=said, said=f"x{said}", facts={said: [said, None, 1.5]})
    noted = incidents.note(register, made.id, f"{said}.", people.author, PASSPHRASE)
    found = incidents.find(register, made.id)
    assert found == noted
    assert (found.alarm.signal, found.alarm.scope, found.steps[1].said) == (f"x{said}", said, f"{said}.")
    assert found.alarm.facts == {said: [said, None, 1.5]}
    with pytest.raises(StandsAlreadyError):
        opened(register, people, signal=f"x{said}", scope=said)
    assert register.verify().sound


@pytest.mark.parametrize("table", ["incidents", "incident_steps"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET entry = entry", "DELETE FROM {}", "TRUNCATE {} CASCADE"])
def test_the_database_itself_refuses_to_change_or_delete_an_incident(
    register: Register, place: Place, people: Staff, table: str, statement: str
):
    opened(register, people)
    if place.url is None and "TRUNCATE" in statement:
        statement = "DELETE FROM {} WHERE 1"
    with pytest.raises(DBAPIError, match="append-only"), place.sql() as connection:
        connection.execute(text(statement.format(table)))
    assert incidents.incidents(register) and register.verify().sound


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("UPDATE incidents SET signal = replace(signal, '4.2', '1.2')", "incidents/"),
        ("UPDATE incidents SET hazard = 'H-002'", "incidents/"),
        ("UPDATE incidents SET signal_key = 'free'", "incidents/"),
        ("UPDATE incident_steps SET said = 'nothing happened' WHERE number = 1", "incident_steps/"),
        ("DELETE FROM incident_steps WHERE number = 2", "is missing, though entry"),
    ],
)
def test_an_incident_changed_behind_its_back_is_found(
    register: Register, place: Place, people: Staff, statement: str, found: str
):
    incidents.note(register, opened(register, people).id, "note", people.author, PASSPHRASE)
    attack(place, statement)
    [finding] = register.verify().findings
    assert found in finding


def test_what_was_changed_with_sql_takes_no_step(register: Register, place: Place, people: Staff):
    made = opened(register, people)
    attack(place, "UPDATE incidents SET signal = replace(signal, '4.2', '1.2')")
    with pytest.raises(RecordError, match="not what the audit log says"):
        incidents.note(register, made.id, "note", people.author, PASSPHRASE)


def test_a_closing_step_put_there_or_taken_away_by_sql_is_not_believed(register: Register, place: Place, people: Staff):
    made = opened(register, people)
    attack(
        place,
        "INSERT INTO incident_steps SELECT 'f00', entry, incident, 2, 'hazard reviewed', person, at, said, "
        "hazard_version FROM incident_steps",
    )
    assert "incident_steps/f00 stands in no entry of the log" in register.verify().findings
    with pytest.raises(RecordError, match="not what the audit log says"):
        incidents.close(register, incidents.find(register, made.id), people.officer, PASSPHRASE, REASON)


def test_a_backup_brings_incidents_back(register: Register, place: Place, people: Staff, tmp_path: Path):
    made = reviewed(register, people, opened(register, people))
    register.backup(tmp_path / "backup")
    other = place.elsewhere("other")
    restore(tmp_path / "backup", Workspace.named(other.folder), other.url)
    with other.open() as restored:
        assert incidents.incidents(restored) == [made]
        assert restored.verify().sound


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"signal": " "}, "signal: text of 1 to"),
        ({"said": ""}, "said: text of 1 to"),
        ({"scope": "x" * 1_001}, "scope: text of 0 to"),
        ({"signal": 3}, "signal: text of"),
        ({"raised_at": "yesterday"}, "raised_at: a moment in ISO 8601"),
        ({"raised_at": "2026-11-28T09:30:00"}, "with its offset"),
        ({"raised_at": None}, "raised_at: a moment"),
        ({"facts": {"value": float("nan")}}, "that JSON can hold"),
        ({"facts": {"value": object()}}, "that JSON can hold"),
        ({"facts": {"value": "\ud800"}}, "that JSON can hold"),
        ({"facts": [1]}, "facts: a JSON object"),
        ({"facts": {"value": "x" * 1_000_000}}, "at most 1,000,000 characters"),
    ],
)
def test_an_alarm_that_cannot_be_frozen_is_refused(fields: dict[str, Any], rule: str):
    with pytest.raises(RecordError, match=rule) as told:
        an_alarm(**fields)
    assert "Nothing was stored" in told.value.next_step
    assert len(str(told.value)) < 500


@given(st.dictionaries(st.text(st.characters(codec="utf-8")), st.integers() | st.booleans() | st.none(), max_size=4))
def test_an_alarm_comes_back_from_its_text_and_its_figures_do_not_move_its_key(facts: dict[str, Any]):
    made = an_alarm(facts=facts)
    assert Alarm(**json.loads(made.text)) == made
    assert made.key == an_alarm().key
    assert Alarm(**json.loads(made.text)).text == made.text


def test_an_alarm_is_frozen_also_where_its_facts_are_changed_afterwards():
    facts = {"value": 4.2, "by site": {"A": 3}}
    made = an_alarm(facts=facts)
    before = made.text
    facts["value"] = 1.0
    facts["by site"]["A"] = 0  # type: ignore[index]
    assert made.text == before
    assert made.facts == {"value": 4.2, "by site": {"A": 3}}
    with pytest.raises(FrozenInstanceError):
        made.signal = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("said", "rule"),
    [
        ("[]", "no JSON object"),
        ('{"signal": "s"}', "without raised_at, said, scope"),
        ('{"signal": "s", "scope": "", "raised_at": "2026-11-28T09:30:00Z", "said": "x", "more": 1}', "more"),
        ('{"signal": "s", "signal": "t"}', "stands there twice"),
        ('{"facts": {"value": NaN}}', "NaN"),
    ],
)
def test_a_file_that_is_no_alarm_is_told(tmp_path: Path, said: str, rule: str):
    (tmp_path / "alarm.json").write_text(said)
    with pytest.raises(DermKitError, match="an alarm") as told:
        Alarm.read(tmp_path / "alarm.json")
    assert rule in str(told.value)


def test_an_alarm_is_read_from_a_file(tmp_path: Path):
    (tmp_path / "alarm.json").write_text(
        '{"signal": "s", "scope": "", "raised_at": "2026-11-28T09:30:00Z", "said": "x"}'
    )
    found = Alarm.read(tmp_path / "alarm.json")
    assert found.raised_at == "2026-11-28T09:30:00.000000+00:00"
    assert found.in_words() == "s, all, 2026-11-28T09:30 UTC"


SERVICE = replace(TRUST, years=2, cases_a_year=8_000)


@cache
def findings_of(scenario: Scenario) -> Findings:
    """What is found in two years of a trust made of the reference scores."""
    return findings(planted_feed(scenario, SERVICE, after_months=14)[0])


def test_alarms_of_a_planted_camera_open_incidents_once_however_often_it_is_looked_at(
    register: Register, people: Staff
):
    raised = alarms_of(findings_of(Scenario.NEW_CAMERA))
    drift = [alarm for alarm in raised if alarm.signal == "input drift"]
    assert drift and len({alarm.key for alarm in raised}) == len(raised)
    made = incidents.open_incident(register, drift[0], "H-001", people.author, PASSPHRASE)
    assert incidents.find(register, made.id).alarm == drift[0]
    findings_of.cache_clear()
    again = [alarm for alarm in alarms_of(findings_of(Scenario.NEW_CAMERA)) if alarm.key == drift[0].key]
    with pytest.raises(StandsAlreadyError):
        incidents.open_incident(register, again[0], "H-001", people.author, PASSPHRASE)
    assert register.verify().sound


def test_an_alarm_of_a_signal_and_of_a_month_say_when_they_were_raised_and_on_what():
    found = findings_of(Scenario.SILENT_MODEL_CHANGE)
    assert found.signals
    for signal in found.signals.signals:
        if signal.first_alarm is None:
            with pytest.raises(RecordError, match="only a signal that alarmed"):
                alarm_of_signal(signal)
            continue
        alarm = alarm_of_signal(signal)
        assert (alarm.signal, alarm.scope) == (signal.name, signal.product)
        assert alarm.raised_at == signal.first_alarm.seen_from.isoformat(timespec="microseconds")
        assert (alarm.facts["cases"], alarm.facts["alarms_so_far"]) == (signal.n, signal.alarms)
        assert signal.finding.startswith(alarm.said.removesuffix("…"))
    months = [alarm for alarm in alarms_of(found) if "month" in alarm.facts]
    assert months
    for alarm in months:
        began, raised = (datetime.fromisoformat(moment) for moment in (alarm.facts["month"], alarm.raised_at))
        assert 27 < (raised - began).days < 32, "a month is judged once it has ended"


def test_a_year_without_a_change_has_no_alarm_to_open():
    assert alarms_of(findings_of(Scenario.IN_CONTROL)) == []
