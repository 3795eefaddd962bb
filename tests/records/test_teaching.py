"""A teaching session from the lobby to the end: who sees what when, what is stored, and what comes out."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise, product

import numpy as np
import pytest
from sqlalchemy import text

from derm_kit.errors import RecordError
from derm_kit.lesions import LesionType
from derm_kit.records import teaching, teaching_answers, teaching_reading
from derm_kit.records.exact_json import sha256
from derm_kit.records.migrations import SCHEMA, migrate, schema_of
from derm_kit.records.people import Role
from derm_kit.records.register import Register
from derm_kit.records.teaching import CODE_ALPHABET
from derm_kit.records.teaching_joining import join
from derm_kit.records.teaching_order import model_first, order_of
from derm_kit.records.teaching_reading import agree_to_names, debrief, picture, show, standing
from derm_kit.records.teaching_results import erase_aliases, export, may_name, progress
from derm_kit.records.teaching_steps import STEPS, Action, Mode, Phase, State
from derm_kit.triage.policy import Disposition
from derm_kit.triage.teaching_list import phantom_list
from tests.records.places import PASSPHRASE, Place
from tests.records.seminar import CONSENT, Seminar, six_phantoms


def test_a_whole_session_blind_first(register: Register):
    seminar = Seminar.begin(register, consent=CONSENT, seconds_a_case=60)
    assert seminar.session.state is State.LOBBY
    assert len(seminar.session.code) == 6
    assert set(seminar.session.code) <= set(CODE_ALPHABET)
    ada, bo = seminar.join("Ada"), seminar.join("Bo")
    assert show(register, ada.token) is None, "nothing is shown in the lobby"

    seminar.take(Action.OPEN_FIRST)
    first = seminar.answer_all(ada, diagnosis=LesionType.BENIGN_NAEVUS, disposition=Disposition.SECOND_READ)
    assert {(shown.phase, shown.model, shown.first) for shown in first} == {(Phase.BEFORE, None, None)}
    assert sorted(shown.number for shown in first) == [1, 2, 3, 4, 5, 6]
    seen = show(register, bo.token)
    seminar.answer(bo, seen)

    seminar.take(Action.OPEN_SECOND)
    second = seminar.answer_all(ada)
    assert [shown.number for shown in second] == [shown.number for shown in first], "in the same order again"
    for shown in second:
        case = six_phantoms().cases[shown.number - 1]
        assert (shown.model.diagnosis, shown.model.disposition) == (case.model_diagnosis, case.model_disposition)
        assert shown.first.diagnosis == LesionType.BENIGN_NAEVUS
    assert [shown.number for shown in seminar.answer_all(bo)] == [seen.number], "no model's view without an own one"
    assert [(p.alias, p.before, p.after, p.of) for p in progress(register, seminar.id)] == [
        ("Ada", 6, 6, 6),
        ("Bo", 1, 1, 6),
    ]

    with pytest.raises(RecordError, match="the truth is shown once the facilitator reveals it"):
        debrief(register, ada.token)
    seminar.take(Action.REVEAL)
    told = debrief(register, ada.token)
    assert {one.case for one in told} == set(six_phantoms().cases)
    assert all(one.before.diagnosis == LesionType.BENIGN_NAEVUS for one in told)
    assert sum(one.after is not None for one in debrief(register, bo.token)) == 1
    seminar.take(Action.END)
    assert debrief(register, ada.token) == told, "also after the end"
    assert standing(register, ada.token).state is State.ENDED
    assert register.verify().sound


def test_what_readers_do_is_in_the_audit_log_without_their_aliases(register: Register):
    seminar = Seminar.begin(register, consent=CONSENT)
    reader = seminar.join("Zaphod")
    seminar.take(Action.OPEN_FIRST)
    seminar.answer_all(reader)
    seminar.take(Action.OPEN_SECOND, Action.CLOSE, Action.REVEAL, Action.END)
    log = list(register.entries())
    assert Counter(entry.action for entry in log if entry.subject.startswith("teaching_")) == {
        "teaching session made": 1, "reader joined": 1, "first reading opened": 1, "case shown": 6, "answer stored": 6,
        "second reading opened": 1, "reading closed": 1, "teaching session revealed": 1, "teaching session ended": 1,
    }  # fmt: skip
    led = [entry for entry in log if entry.subject == f"teaching_sessions/{seminar.id}"]
    assert {entry.actor for entry in led} == {seminar.facilitator}
    assert [entry.details.get("state") for entry in led] == [
        None, "reading", "after", "lobby", "revealed", "ended",
    ]  # fmt: skip
    assert {entry.actor for entry in log if entry.action == "answer stored"} == {reader.reader}
    [joined] = [entry for entry in log if entry.action == "reader joined"]
    assert joined.details["consent_sha256"] == sha256(CONSENT)
    assert "Zaphod" not in repr(log)
    assert reader.token not in repr(log)


def test_with_the_ai_at_once_there_is_one_reading(register: Register):
    seminar = Seminar.begin(register, Mode.AI_AT_ONCE)
    reader = seminar.join()
    with pytest.raises(RecordError, match="one reading"):
        seminar.take(Action.OPEN_FIRST)
    seminar.take(Action.OPEN_SECOND)
    seen = seminar.answer_all(reader)
    assert len(seen) == 6
    assert all(shown.phase is Phase.AFTER and shown.model and shown.first is None for shown in seen)
    assert set(export(register, seminar.id).answers["mode"]) == {"ai_at_once"}


def test_a_crossover_shows_each_case_both_ways_and_each_half_first_to_one_of_two_readers(register: Register):
    seminar = Seminar.begin(register, Mode.CROSSOVER)
    ada, bo = seminar.join("Ada"), seminar.join("Bo")
    seminar.take(Action.OPEN_FIRST)
    first = {reader.alias: seminar.answer_all(reader) for reader in (ada, bo)}
    with_model = {who: {shown.number for shown in seen if shown.model} for who, seen in first.items()}
    assert with_model["Ada"] | with_model["Bo"] == {1, 2, 3, 4, 5, 6}
    assert not with_model["Ada"] & with_model["Bo"]
    assert all((shown.model is not None) == (shown.phase is Phase.AFTER) for shown in first["Ada"])
    seminar.take(Action.OPEN_SECOND)
    second = seminar.answer_all(ada)
    assert {shown.number for shown in second if shown.model} == with_model["Bo"]
    assert (export(register, seminar.id).answers.groupby("reader").size()[[ada.reader, bo.reader]] == [12, 6]).all()


@pytest.mark.parametrize("seed", range(5))
def test_halves_hold_types_and_errors_as_evenly_as_can_be(seed: int):
    cases = phantom_list(22, 6, seed).cases
    for pair in range(3):
        one, other = model_first(seed, 2 * pair, cases), model_first(seed, 2 * pair + 1, cases)
        assert one | other == {case.case_id for case in cases}
        assert not one & other
        wrong = {case.case_id for case in cases if case.model_wrong}
        assert abs(len(one & wrong) - len(other & wrong)) <= 1
        for kind in LesionType:
            of_kind = {case.case_id for case in cases if case.truth == kind}
            assert abs(len(one & of_kind) - len(other & of_kind)) <= 2


def test_which_half_comes_first_is_by_chance():
    cases = six_phantoms().cases
    firsts = [model_first(7, 2 * pair, cases) for pair in range(200)]
    assert 70 < Counter(firsts)[firsts[0]] < 130  # 99.99% of fair draws


def test_each_reader_has_an_order_of_their_own_and_no_place_is_favoured():
    cases = phantom_list(10, 3, 1).cases
    orders = [[case.case_id for case in order_of(7, place, cases)] for place in range(300)]
    assert orders[:5] == [[case.case_id for case in order_of(7, place, cases)] for place in range(5)]
    assert all(one != other for one, other in pairwise(orders))
    first = np.array(list(Counter(order[0] for order in orders).values()))
    assert ((first - 30) ** 2 / 30).sum() < 33.7  # chi-squared, 9 degrees of freedom: 99.99%


def test_a_reader_who_reloads_goes_on_where_they_were_and_the_clock_with_them(register: Register, place: Place):
    seminar = Seminar.begin(register)
    reader = seminar.join()
    seminar.take(Action.OPEN_FIRST)
    shown = show(register, reader.token)
    assert show(register, reader.token) == shown
    then = seminar.answer(reader, shown).then
    with place.open() as after_a_restart:
        assert show(after_a_restart, reader.token) == then
        assert standing(after_a_restart, reader.token).left == 5


def test_a_reading_is_closed_and_opened_again_and_a_facilitator_comes_back(register: Register, place: Place):
    seminar = Seminar.begin(register)
    reader = seminar.join()
    seminar.take(Action.OPEN_FIRST)
    shown = show(register, reader.token)
    seminar.take(Action.CLOSE)
    assert show(register, reader.token) is None
    with place.open() as another_page:
        [found] = teaching.sessions(another_page, seminar.facilitator)
        assert found == seminar.session
        teaching.take_step(another_page, found.id, Action.OPEN_FIRST, seminar.facilitator)
    assert show(register, reader.token) == shown


@pytest.mark.parametrize("mode", Mode)
def test_the_table_of_steps_is_what_is_done(register: Register, mode: Mode):
    """Every action from every state that can be reached: as the table says, or refused and nothing moved."""
    ways = {
        State.LOBBY: (),
        State.READING: (Action.OPEN_FIRST,),
        State.AFTER: (Action.OPEN_SECOND,),
        State.REVEALED: (Action.REVEAL,),
        State.ENDED: (Action.END,),
    }
    facilitator = register.add_person("Fay Teacher", Role.REVIEWER, PASSPHRASE).id
    for (state, way), action in product(ways.items(), Action):
        if mode is Mode.AI_AT_ONCE and state is State.READING:
            continue
        made = teaching.make(register, facilitator, "t", six_phantoms(), mode, 1)
        for step in way:
            teaching.take_step(register, made.id, step, facilitator)
        allowed = state in STEPS[action].before and mode in STEPS[action].modes
        if allowed:
            assert teaching.take_step(register, made.id, action, facilitator).state is STEPS[action].after
        else:
            with pytest.raises(RecordError):
                teaching.take_step(register, made.id, action, facilitator)
            assert teaching.find(register, made.id).state is state


def test_only_the_facilitator_leads_and_an_administrator_may_end(register: Register):
    seminar = Seminar.begin(register)
    administrator = register.add_person("Al", Role.ADMINISTRATOR, PASSPHRASE).id
    other = register.add_person("Ed", Role.SAFETY_OFFICER, PASSPHRASE).id
    for who, action in ((other, Action.OPEN_FIRST), (other, Action.END), (administrator, Action.REVEAL)):
        with pytest.raises(RecordError, match=r"only the facilitator( or an administrator)? may"):
            teaching.take_step(register, seminar.id, action, who)
    with pytest.raises(RecordError, match="no such person"):
        teaching.take_step(register, seminar.id, Action.END, "nobody")
    assert teaching.take_step(register, seminar.id, Action.END, administrator).state is State.ENDED


def test_a_session_that_was_broken_off_never_tells_the_truth(register: Register):
    seminar = Seminar.begin(register)
    reader = seminar.join()
    seminar.take(Action.OPEN_FIRST)
    seminar.answer_all(reader)
    seminar.take(Action.END)
    with pytest.raises(RecordError, match="reveals"):
        debrief(register, reader.token)


def test_a_picture_is_there_once_its_case_was_shown(register: Register):
    seminar = Seminar.begin(register)
    reader = seminar.join()
    seminar.take(Action.OPEN_FIRST)
    shown = show(register, reader.token)
    assert picture(register, reader.token, shown.number) == six_phantoms().cases[shown.number - 1].picture_path
    for number in {1, 2, 3, 4, 5, 6} - {shown.number}:
        with pytest.raises(RecordError, match="not shown to you yet"):
            picture(register, reader.token, number)
    for number in (0, 7, -1):
        with pytest.raises(RecordError, match="the cases 1 to 6"):
            picture(register, reader.token, number)
    seminar.take(Action.REVEAL)
    assert picture(register, reader.token, 1).is_file()


def test_nothing_that_a_reader_gets_before_the_reveal_names_a_case(register: Register):
    seminar = Seminar.begin(register)
    reader = seminar.join()
    seminar.take(Action.OPEN_FIRST)
    got = repr(seminar.answer_all(reader)) + repr(standing(register, reader.token)) + repr(reader)
    seminar.take(Action.OPEN_SECOND)
    got += repr(seminar.answer_all(reader))
    for case in six_phantoms().cases:
        assert case.case_id not in got
        assert case.picture not in got


def test_the_export_holds_every_answer_as_the_analysis_wants_it(register: Register):
    seminar = Seminar.begin(register)
    readers = {alias: seminar.join(alias) for alias in ("Ada", "=1+1")}
    seminar.take(Action.OPEN_FIRST)
    for confidence, reader in enumerate(readers.values()):
        seminar.answer_all(reader, confidence_percent=confidence, client_seconds=float(confidence))
    seminar.take(Action.OPEN_SECOND)
    seminar.answer_all(readers["Ada"], diagnosis=LesionType.SOLAR_LENTIGO)
    found = export(register, seminar.id)
    assert list(found.answers) == ["reader", "case_id", "phase", "diagnosis", "disposition", "confidence", "seconds"]
    assert found.answers.groupby(["reader", "phase"]).size().to_dict() == {
        (readers["Ada"].reader, "before"): 6, (readers["Ada"].reader, "after"): 6,
        (readers["=1+1"].reader, "before"): 6,
    }  # fmt: skip
    after = found.answers["phase"] == "after"
    assert set(found.answers[after]["diagnosis"]) == {"solar_lentigo"}
    assert set(found.answers[~after]["confidence"]) == {0.0, 1.0}
    assert (found.answers["seconds"] >= 0).all()
    assert found.cases.equals(six_phantoms().table())
    assert found.details[["reader", "case_id", "phase"]].equals(found.answers[["reader", "case_id", "phase"]])
    assert (found.details["at"] >= found.details["shown_at"]).all()
    assert found.readers["reader"].tolist() == [reader.reader for reader in readers.values()]


def test_results_name_readers_only_where_all_agreed(register: Register):
    seminar = Seminar.begin(register)
    ada, bo = seminar.join("Ada"), seminar.join("Bo")
    seminar.take(Action.OPEN_FIRST)
    seminar.answer_all(ada)
    agree_to_names(register, ada.token, agreed=True)
    assert not may_name(register, seminar.id)
    with pytest.raises(RecordError, match="every one of them has agreed"):
        export(register, seminar.id, by_alias=True)
    agree_to_names(register, bo.token, agreed=True)
    assert may_name(register, seminar.id)
    assert set(export(register, seminar.id, by_alias=True).answers["reader"]) == {"Ada"}
    agree_to_names(register, bo.token, agreed=False)
    assert not may_name(register, seminar.id)
    assert "Ada" not in export(register, seminar.id).answers.to_csv()


def test_erased_aliases_are_gone_from_every_file_and_answers_and_chain_stay(register: Register, place: Place):
    seminar = Seminar.begin(register)
    reader = seminar.join("Zaphod Beeblebrox")
    seminar.take(Action.OPEN_FIRST)
    seminar.answer_all(reader)
    answers = export(register, seminar.id).answers
    with pytest.raises(RecordError, match="once the session has ended"):
        erase_aliases(register, seminar.id, seminar.facilitator)
    seminar.take(Action.REVEAL, Action.END)
    other = register.add_person("Ed", Role.SAFETY_OFFICER, PASSPHRASE).id
    with pytest.raises(RecordError, match="only the facilitator or an administrator"):
        erase_aliases(register, seminar.id, other)
    assert erase_aliases(register, seminar.id, seminar.facilitator) == 1
    assert erase_aliases(register, seminar.id, seminar.facilitator) == 0
    assert [p.alias for p in progress(register, seminar.id)] == [""]
    assert export(register, seminar.id).answers.equals(answers)
    assert len(debrief(register, reader.token)) == 6, "who holds the token still has their own results"
    assert register.verify().sound
    for file in place.folder.iterdir():
        assert b"beeblebrox" not in file.read_bytes().lower()


def test_time_is_the_servers_whatever_any_clock_says(register: Register, monkeypatch: pytest.MonkeyPatch):
    seminar = Seminar.begin(register)
    reader = seminar.join()
    seminar.take(Action.OPEN_FIRST)
    moment = {"now": "2026-11-28T10:00:10.000000+00:00"}
    for module in (teaching_reading, teaching_answers):
        monkeypatch.setattr(module, "now", lambda: moment["now"])
    shown = show(register, reader.token)
    moment["now"] = "2026-11-28T10:00:22.500000+00:00"
    first = seminar.answer(reader, shown, client_seconds=-3_600.0)
    assert first.answer.seconds == 12.5
    moment["now"] = "2026-11-28T09:00:00.000000+00:00"  # the server's own clock is set back
    second = seminar.answer(reader, first.then, client_seconds=3.25)
    assert second.answer.seconds == 0.0
    third = seminar.answer(reader, second.then, client_seconds=float("nan"))
    assert third.answer.seconds == 0.0
    assert export(register, seminar.id).details["client_seconds"].tolist()[1] == 3.25
    assert np.isnan(export(register, seminar.id).details["client_seconds"][[0, 2]]).all()


def test_what_was_shown_and_answered_is_never_changed(register: Register, place: Place):
    seminar = Seminar.begin(register)
    reader = seminar.join()
    seminar.take(Action.OPEN_FIRST)
    seminar.answer_all(reader)
    for statement in (
        "UPDATE teaching_answers SET at = at",
        "DELETE FROM teaching_answers",
        "UPDATE teaching_showings SET at = at",
        "DELETE FROM teaching_showings",
    ):
        with place.sql() as connection, pytest.raises(Exception, match="append-only"):
            connection.execute(text(statement))
    with place.sql() as connection:
        connection.execute(text("UPDATE teaching_sessions SET cases = '[]'"))
        connection.execute(text("UPDATE teaching_readers SET names_agreed = true"))
    findings = " ".join(register.verify().findings)
    assert f"teaching_sessions/{seminar.id} is not what" in findings
    assert f"teaching_readers/{reader.reader} is not what" in findings


def test_tables_with_a_session_in_them_are_not_taken_away(register: Register, place: Place):
    seminar = Seminar.begin(register)
    with pytest.raises(RecordError, match="never taken back"), register._database.writing() as session:
        migrate(session.connection(), "0002")
    with place.sql() as connection:
        assert schema_of(connection) == SCHEMA
    assert seminar.session.title == "How to look"


def test_tables_without_a_session_go_down_and_up_with_what_else_was_written(
    register: Register, place: Place, reader: str
):
    with register._database.writing() as session:
        migrate(session.connection(), "0002")
    with place.open() as newer:
        assert newer.person(reader)
        assert newer.verify().sound
        assert Seminar.begin(newer).join().alias == "Ada"


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"title": " "}, "a title of 1 to 120"),
        ({"title": "x" * 121}, "a title of 1 to 120"),
        ({"consent": "x" * 10_001}, "a consent text has at most"),
        ({"seed": -1}, "a seed is"),
        ({"seconds_a_case": 4}, "5 to 3,600 seconds"),
        ({"by": "nobody"}, "no such person"),
    ],
)
def test_a_session_that_breaks_a_rule_is_not_made(register: Register, reader: str, fields: dict, rule: str):
    sound = {"by": reader, "title": "t", "cases": six_phantoms(), "mode": Mode.BLIND_FIRST, "seed": 1}
    with pytest.raises(RecordError, match=rule):
        teaching.make(register, **sound | fields)
    assert teaching.sessions(register) == []


def test_a_code_is_used_again_once_its_session_ended(register: Register, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(teaching, "CODE_ALPHABET", "A")
    old = Seminar.begin(register)
    old.take(Action.END)
    new = Seminar.begin(register)
    assert new.session.code == old.session.code == "AAAAAA"
    assert join(register, "AAAAAA", "Ada").reader == progress(register, new.id)[0].reader
