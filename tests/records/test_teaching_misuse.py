"""What goes wrong in a seminar room: wrong codes, aliases taken, answers too late or twice, all at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from derm_kit.errors import RecordError
from derm_kit.lesions import LesionType
from derm_kit.records import teaching, teaching_joining
from derm_kit.records.register import Register
from derm_kit.records.teaching_answers import answer
from derm_kit.records.teaching_joining import checked_alias, invitation, join
from derm_kit.records.teaching_reading import show, standing
from derm_kit.records.teaching_results import export, progress
from derm_kit.records.teaching_steps import Action, Mode, Phase
from tests.records import seminar as seminars
from tests.records.places import Place
from tests.records.seminar import CONSENT, Seminar


def test_a_code_is_read_however_it_is_typed(register: Register):
    seminar = Seminar.begin(register)
    code = seminar.session.code
    assert invitation(register, f" {code[:3].lower()} {code[3:]}\n").id == seminar.id
    assert join(register, code.lower(), "Ada").alias == "Ada"


@pytest.mark.parametrize("code", ["", "AAAAAA", "x" * 10_000, "' OR 1=1", "<b>", "\0\0\0\0\0\0", "ＡＢＣＤＥＦ"])
def test_a_wrong_code_is_told_in_plain_words(register: Register, code: str):
    Seminar.begin(register)
    for refused in (lambda: invitation(register, code), lambda: join(register, code, "Ada")):
        with pytest.raises(RecordError, match=r"no session has this code.*type it again"):
            refused()


def test_nobody_joins_once_the_truth_is_out_or_the_session_ended(register: Register):
    seminar = Seminar.begin(register)
    seminar.take(Action.OPEN_FIRST)
    seminar.join("late")
    seminar.take(Action.REVEAL)
    with pytest.raises(RecordError, match="has come to its results: nobody can join"):
        seminar.join("later")
    seminar.take(Action.END)
    with pytest.raises(RecordError, match="has ended: nobody can join"):
        seminar.join("latest")
    assert [p.alias for p in progress(register, seminar.id)] == ["late"]


def test_an_alias_is_taken_once_however_it_is_written_and_nothing_of_its_owner_is_handed_over(register: Register):
    seminar = Seminar.begin(register)
    first = seminar.join("Zoë  Straße")
    assert first.alias == "Zoë Straße"
    for same in ("Zoë Straße", "zoë STRASSE", "Zoe\u0308 Straße", "Ｚoë Straße", "Zoë\u200d Straße", "  Zoë Straße "):
        with pytest.raises(RecordError, match=r"has this alias already.*Choose another") as told:
            seminar.join(same)
        assert first.token not in str(told.value)
        assert first.reader not in str(told.value)
    assert len(progress(register, seminar.id)) == 1
    assert Seminar.begin(register).join("Zoë Straße").reader != first.reader, "another session, another reader"


def test_a_join_whose_reply_was_lost_is_sent_again_under_its_request(register: Register):
    seminar = Seminar.begin(register)
    lost = seminar.join(request="a secret of this browser")
    again = seminar.join(request="a secret of this browser")
    assert again.reader == lost.reader
    assert standing(register, again.token).reader == lost.reader
    for refused in ("", "a guess"):
        with pytest.raises(RecordError, match="has this alias already"):
            seminar.join(request=refused)
    with pytest.raises(RecordError, match="has not joined"):
        show(register, lost.token)
    assert register.verify().sound


def test_markup_in_an_alias_is_text(register: Register):
    seminar = Seminar.begin(register)
    for alias in ("<b onclick=x>Al</b>", "'); DROP TABLE--", "Ünal \N{GRINNING FACE}", "\\u0041", "علي", "क्‍ष"):
        assert standing(register, seminar.join(alias).token).alias == alias
    assert register.verify().sound


@pytest.mark.parametrize(
    "alias", ["", "  ", "x" * 31, "a\0b", "\N{RIGHT-TO-LEFT OVERRIDE}gnp", "\u200d", "\x1b[2J", "\ud800", "\u200b"]
)
def test_an_alias_that_cannot_be_seen_or_is_long_is_refused(register: Register, alias: str):
    seminar = Seminar.begin(register)
    with pytest.raises(RecordError, match="an alias has 1 to 30 characters"):
        seminar.join(alias)
    assert progress(register, seminar.id) == ()


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(alias=st.text(st.characters(codec=None), max_size=32))
def test_whatever_is_typed_as_an_alias_is_kept_or_refused(register: Register, alias: str):
    seminar = Seminar.begin(register)
    try:
        kept = checked_alias(alias)
    except RecordError:
        kept = None
    if kept is not None:
        assert standing(register, seminar.join(alias).token).alias == kept
        with pytest.raises(RecordError, match="already"):
            seminar.join(kept.upper())


def test_consent_is_to_the_text_as_it_stands(register: Register):
    seminar = Seminar.begin(register, consent=CONSENT)
    for version in ("", "yes", Seminar.begin(register, consent="other").session.consent_version):
        with pytest.raises(RecordError, match="agrees to its consent text first"):
            join(register, seminar.session.code, "Ada", consent_version=version)
    reader = seminar.join()
    found = export(register, seminar.id).readers
    assert found["consent_sha256"].tolist() == [seminar.session.consent_version]
    assert found["reader"].tolist() == [reader.reader]


@pytest.mark.parametrize("token", ["", "x", "\0", "\ud800", "a" * 100_000])
def test_who_has_no_token_sees_nothing(register: Register, token: str):
    Seminar.begin(register).join()
    for refused in (lambda: show(register, token), lambda: standing(register, token)):
        with pytest.raises(RecordError, match="has not joined a session"):
            refused()


def test_the_token_itself_is_nowhere_on_disk(register: Register, place: Place):
    reader = Seminar.begin(register).join()
    for file in place.folder.iterdir():
        assert reader.token.encode() not in file.read_bytes()


def test_an_answer_sent_again_is_acknowledged_and_another_is_refused(register: Register):
    seminar = Seminar.begin(register)
    reader = seminar.join()
    seminar.take(Action.OPEN_FIRST)
    shown = show(register, reader.token)
    first = seminars.given(shown, confidence_percent=70)
    stored = answer(register, reader.token, first)
    again = answer(register, reader.token, first)
    assert (again.answer, again.again, again.then) == (stored.answer, True, stored.then)
    for other in (
        replace(first, request="another"),
        replace(first, confidence_percent=71),
        replace(first, request="another", diagnosis=LesionType.DERMATOFIBROMA),
    ):
        with pytest.raises(RecordError, match=r"the first answer stands.*melanoma, urgent suspected cancer, 70% sure"):
            answer(register, reader.token, other)
    seminar.take(Action.REVEAL)
    assert answer(register, reader.token, first).again, "a reply that was lost is asked for after the close too"
    assert len(export(register, seminar.id).answers) == 1
    assert register.verify().sound


def test_an_answer_after_the_close_is_refused_in_plain_words_and_leaves_nothing(register: Register):
    seminar = Seminar.begin(register)
    reader = seminar.join()
    seminar.take(Action.OPEN_FIRST)
    late = seminars.given(show(register, reader.token))
    for action, words in (
        (Action.CLOSE, "this reading is closed"),
        (Action.OPEN_SECOND, "this reading is closed"),
        (Action.REVEAL, "the results are out"),
        (Action.END, "the session has ended"),
    ):
        seminar.take(action)
        before = register.head()
        with pytest.raises(RecordError, match=f"this answer was not stored: {words}"):
            answer(register, reader.token, late)
        assert register.head() == before


def test_nobody_gets_ahead_to_the_models_view(register: Register):
    """Not by answering unasked, nor by answering "after" first."""
    seminar = Seminar.begin(register)
    reader = seminar.join()
    seminar.take(Action.OPEN_FIRST)
    shown = show(register, reader.token)
    with pytest.raises(RecordError, match="this reading is closed"):
        answer(register, reader.token, replace(seminars.given(shown), phase=Phase.AFTER))
    unseen = next(number for number in range(1, 7) if number != shown.number)
    with pytest.raises(RecordError, match="once it was shown"):
        answer(register, reader.token, replace(seminars.given(shown), number=unseen))
    seminar.take(Action.OPEN_SECOND)
    assert show(register, reader.token) is None
    with pytest.raises(RecordError, match="this reading is closed"):
        answer(register, reader.token, replace(seminars.given(shown), phase=Phase.AFTER))


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"diagnosis": "wart"}, "one of the eleven lesion types"),
        ({"disposition": "home"}, "one that a policy knows"),
        ({"confidence_percent": 101}, "0 to 100"),
        ({"confidence_percent": -1}, "0 to 100"),
        ({"confidence_percent": 70.5}, "a whole number"),
        ({"confidence_percent": None}, "a whole number"),
        ({"request": ""}, "the id of its request"),
        ({"request": "x" * 101}, "the id of its request"),
        ({"phase": "during"}, "before or after"),
        ({"number": 0}, "the cases 1 to 6"),
        ({"number": 7}, "the cases 1 to 6"),
    ],
)
def test_an_answer_that_breaks_a_rule_is_refused(register: Register, fields: dict[str, object], rule: str):
    seminar = Seminar.begin(register)
    reader = seminar.join()
    seminar.take(Action.OPEN_FIRST)
    shown = show(register, reader.token)
    before = register.head()
    with pytest.raises(RecordError, match=rule):
        answer(register, reader.token, replace(seminars.given(shown), **fields))
    assert register.head() == before


def test_two_hundred_join_in_a_burst_and_each_is_somebody(register: Register):
    seminar = Seminar.begin(register)
    with ThreadPoolExecutor(50) as threads:
        joined = list(threads.map(lambda i: seminar.join(f"reader {i}"), range(200)))
    assert len({one.token for one in joined}) == len({one.reader for one in joined}) == 200
    assert {(p.reader, p.alias) for p in progress(register, seminar.id)} == {(j.reader, j.alias) for j in joined}
    assert standing(register, joined[137].token).alias == "reader 137"
    assert register.verify().sound


def test_of_many_who_want_one_alias_at_once_one_gets_it(register: Register):
    seminar = Seminar.begin(register)

    def try_to(_: int) -> str:
        try:
            return seminar.join("Ada").token
        except RecordError as told:
            assert "already" in str(told)
            return ""

    with ThreadPoolExecutor(12) as threads:
        tokens = list(threads.map(try_to, range(12)))
    assert sum(token != "" for token in tokens) == 1
    assert len(progress(register, seminar.id)) == 1


def test_a_full_session_takes_nobody_else(register: Register, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(teaching_joining, "MOST_READERS", 2)
    seminar = Seminar.begin(register)
    seminar.join("Ada")
    seminar.join("Bo")
    with pytest.raises(RecordError, match="at most 2 readers"):
        seminar.join("Cy")


def test_one_answer_sent_many_times_at_once_is_stored_once_and_acknowledged_each_time(register: Register, place: Place):
    seminar = Seminar.begin(register)
    reader = seminar.join()
    seminar.take(Action.OPEN_FIRST)
    with ThreadPoolExecutor(8) as threads:
        shown = list(threads.map(lambda _: show(register, reader.token), range(8)))
        assert len(set(shown)) == 1
        given_once = seminars.given(shown[0])
        with place.open() as another_process:
            both = [register, another_process] * 4
            told = list(threads.map(lambda where: answer(where, reader.token, given_once), both))
    assert sorted(one.again for one in told) == [False, *[True] * 7]
    assert len({one.answer for one in told}) == len({one.then for one in told}) == 1
    assert len(export(register, seminar.id).answers) == 1
    assert register.verify().sound


def test_readers_who_answer_at_once_lose_nothing_and_meet_nobody_elses(register: Register):
    seminar = Seminar.begin(register, Mode.AI_AT_ONCE)
    readers = [seminar.join(f"reader {i}") for i in range(12)]
    seminar.take(Action.OPEN_SECOND)
    with ThreadPoolExecutor(12) as threads:
        list(threads.map(lambda i: seminar.answer_all(readers[i], confidence_percent=i), range(12)))
    found = export(register, seminar.id).answers.groupby("reader")["confidence"].agg(["size", "min", "max"])
    for i, reader in enumerate(readers):
        assert found.loc[reader.reader].tolist() == [6, i, i]
    assert register.verify().sound


def test_a_code_is_never_that_of_another_open_session(register: Register, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(teaching, "CODE_ALPHABET", "AB")
    monkeypatch.setattr(teaching, "CODE_LENGTH", 3)
    codes = [Seminar.begin(register).session.code for _ in range(8)]
    assert len(set(codes)) == 8
