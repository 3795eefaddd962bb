"""The readers' server over real HTTP: hostile and unlucky phones, and what nobody may see before the reveal."""

from __future__ import annotations

import dataclasses
import json
import secrets
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import text

from derm_kit.lesions import LESION_TYPES
from derm_kit.readers import limits, server
from derm_kit.readers.limits import WrongCodes
from derm_kit.records import teaching, teaching_results
from derm_kit.records.register import Register
from derm_kit.records.teaching_steps import Action, Mode
from derm_kit.triage.definition import Disposition
from derm_kit.triage.teaching_list import Difficulty, TeachingList, WrongWay, phantom_list
from tests.phones import Lesson, Phone, answer_to, by_command, in_thread, room_of
from tests.readers import copied
from tests.records.places import on_connect
from tests.serving import free_port

CONSENT = "Your answers are stored on this practice's computer."
JSON = "application/json"
POST = f"POST /api/join HTTP/1.1\r\nHost: x\r\nContent-Type: {JSON}\r\nContent-Length: {{}}\r\n\r\n"


@pytest.fixture(scope="module")
def cases() -> TeachingList:
    return phantom_list(6, 2, 1)


@pytest.fixture
def workspace(staffed: tuple[Path, dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("DERM_KIT_DATABASE_URL", raising=False)
    return copied(staffed[0], tmp_path / "workspace")


@pytest.fixture
def register(workspace: Path) -> Iterator[Register]:
    with Register.open(workspace) as opened:
        yield opened


@pytest.fixture
def ada(staffed: tuple[Path, dict[str, str]]) -> str:
    return staffed[1]["ada"]


@pytest.fixture
def lesson(register: Register, ada: str, cases: TeachingList) -> Iterator[Lesson]:
    session = teaching.make(register, ada, "Skin lesions", cases, Mode.BLIND_FIRST, 3, consent=CONSENT)
    room = room_of(register, session)
    with in_thread(room) as base:
        yield Lesson(base, room, ada)


# Joining


def test_a_phone_without_the_code_is_told_nothing_of_the_session(lesson: Lesson):
    phone = Phone(lesson.base)
    told = b"".join(phone.get(path).body for path in ("/", "/api/state", "/api/choices", "/reader.js"))
    told += phone.post("invitation", code="AAAAAA").body
    assert b"Skin lesions" not in told
    assert CONSENT.encode() not in told
    assert phone.post("invitation", code=lesson.code.lower()).said["session"] == {
        "title": "Skin lesions",
        "consent": CONSENT,
    }


def test_two_hundred_join_in_a_burst_from_one_address(lesson: Lesson):
    def join(i: int) -> int:
        return lesson.phone().join(lesson.code, f"Reader {i}").status

    with ThreadPoolExecutor(200) as together:
        assert set(together.map(join, range(200))) == {200}
    there = teaching_results.progress(lesson.room.register, lesson.room.session.id)
    assert {one.alias for one in there} == {f"Reader {i}" for i in range(200)}


def test_a_second_reader_of_one_name_is_refused_and_a_lost_reply_is_not_a_second_reader(lesson: Lesson):
    first, lost = lesson.phone(), secrets.token_hex(16)
    first.join(lesson.code, "Bee", lost)
    old = first.cookie
    assert first.join(lesson.code, "Bee", lost).status == 200
    assert first.state()["reader"] == {"alias": "Bee"}
    assert Phone(lesson.base, cookie=old).state() == {"reader": None}
    refused = lesson.phone().join(lesson.code, "ｂｅｅ")
    assert refused.status == 409
    assert refused.said["error"].startswith("Somebody in this session has this alias already. Choose another.")
    assert len(teaching_results.progress(lesson.room.register, lesson.room.session.id)) == 1


@pytest.mark.parametrize(
    "alias", ["<script>alert(1)</script>", "\u202eeeB", "B\u200bee", "B\x00ee", "", "   ", "x" * 31, "\ud800", "B\ne"]
)
def test_an_alias_is_shown_as_text_or_refused_in_plain_words(lesson: Lesson, alias: str):
    reply = lesson.phone().join(lesson.code, alias)
    if reply.status == 200:
        assert reply.said["reader"]["alias"] == " ".join(alias.split())
        assert reply.headers["Content-Type"].startswith(JSON)
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
    else:
        assert reply.status == 409
        assert reply.said["error"].startswith("An alias has 1 to 30 characters, all of which can be seen. Choose")


@pytest.mark.parametrize("alias", ["👩🏽‍⚕️ Ana", "דנה", "Zoë"])
def test_names_of_all_scripts_join(lesson: Lesson, alias: str):
    assert lesson.phone(alias).state()["reader"] == {"alias": alias}


def test_who_did_not_tick_does_not_join(lesson: Lesson):
    for consent in (False, "true", 1, None):
        said = {"code": lesson.code, "alias": "Bee", "request": "0" * 32, "consent": consent}
        assert lesson.phone().post("join", **said).status == 409
    assert teaching_results.progress(lesson.room.register, lesson.room.session.id) == ()


def test_nobody_joins_once_the_results_are_out(lesson: Lesson):
    lesson.step(Action.REVEAL)
    assert "come to its results" in lesson.phone().join(lesson.code, "Late").said["error"]
    lesson.step(Action.END)
    assert "has ended" in lesson.phone().join(lesson.code, "Later").said["error"]


# Wrong codes


def test_wrong_codes_slow_down_their_own_network_alone_and_for_seconds(lesson: Lesson):
    guesser = lesson.phone()
    for _ in range(limits.FROM_ONE.free):
        assert guesser.post("invitation", code="AAAAAA").status == 409
    slowed = guesser.post("invitation", code="AAAAAA")
    assert slowed.status == 429
    assert 1 <= int(slowed.headers["Retry-After"]) <= limits.FROM_ONE.every_s
    assert lesson.phone(source="127.0.0.2").join(lesson.code, "Bee").status == 200
    began = time.monotonic()
    assert lesson.phone().join(lesson.code, "Of the same room").status == 200
    assert time.monotonic() - began < limits.FROM_ONE.every_s + 5


def test_right_codes_are_not_counted_and_wrong_ones_from_everywhere_are():
    moment = [0.0]
    wrong = WrongCodes(lambda: moment[0])
    for i in range(limits.IN_ALL.free):
        assert wrong.wait_s("192.0.2.1") == 0
        wrong.count(f"2001:db8::{i:x}:0:0:0:1")
    assert wrong.wait_s("192.0.2.1") == 1
    moment[0] += limits.IN_ALL.every_s
    assert wrong.wait_s("192.0.2.1") == 0
    looked_at = 0
    for _ in range(86_400):
        moment[0] += 1
        while not wrong.wait_s("192.0.2.1"):
            wrong.count("192.0.2.1")
            looked_at += 1
    assert looked_at <= limits.FROM_ONE.free + 86_400 / limits.FROM_ONE.every_s


def test_all_addresses_of_one_ipv6_network_are_one_guesser():
    wrong = WrongCodes(lambda: 0.0)
    for i in range(limits.FROM_ONE.free):
        wrong.count(f"2001:db8::{i:x}")
    assert wrong.wait_s("2001:db8::ffff") == limits.FROM_ONE.every_s
    assert wrong.wait_s("2001:db8:0:1::1") == 0


@pytest.mark.parametrize("proxy", [True, False])
def test_behind_a_proxy_readers_have_their_own_addresses_and_else_nobody_can_claim_one(lesson: Lesson, proxy: bool):
    room = room_of(lesson.room.register, lesson.room.session)
    with in_thread(room, proxy=proxy) as base:
        for i in range(limits.FROM_ONE.free):
            claimed = "203.0.113.5" if proxy else f"203.0.113.{i}"
            assert Phone(base, headers={"X-Forwarded-For": claimed}).post("invitation", code="WRONG2").status == 409
        other = Phone(base, headers={"X-Forwarded-For": "203.0.113.200"})
        assert other.post("invitation", code="WRONG2").status == (409 if proxy else 429)


# What can be reached

NOWHERE = (
    "/voila/", "/voila/render/05_teaching_session.ipynb", "/voila/static/", "/api/kernels", "/api/contents",
    "/api/sessions", "/api/terminals", "/lab", "/tree", "/notebooks/", "/files/", "/static/", "/metrics", "/login",
    "/reader.js/", "/page/reader.js", "/server.py", "/../server.py", "/..%2fserver.py", "/%2e%2e/server.py",
    "//etc/passwd", "/api/picture/../../server.py", "/api/picture/0", "/api/picture/-1", "/api/picture/1.jpg",
    "/api/picture/1000", "/api/map/1/", "/api/picture/%31%00", "/index.html", "/.git/config", "/audit.key", "/api/",
    "/api/State", "/reader.js%00.html", "/robots.txt",
)  # fmt: skip


@pytest.mark.parametrize("path", NOWHERE)
def test_nothing_else_is_reachable(lesson: Lesson, path: str):
    for method in ("GET", "POST"):
        reply = lesson.phone().ask(method, path, b"{}" if method == "POST" else None, Content_Type=JSON)
        assert reply.status == 404, (method, reply)
        assert reply.said == {"error": "There is nothing here."}


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "JUNK"])
@pytest.mark.parametrize("path", ["/", "/api/state", "/api/answer", "/api/picture/1"])
def test_other_methods_do_nothing(lesson: Lesson, method: str, path: str):
    assert lesson.phone("Bee").ask(method, path).status == 405


def test_a_get_changes_nothing(lesson: Lesson):
    for what in ("join", "answer", "names", "leave", "invitation"):
        assert lesson.phone().get(f"/api/{what}?code={lesson.code}&alias=Bee&consent=true").status == 405


def test_junk_in_host_and_headers_changes_nothing(lesson: Lesson):
    for host in ("evil.example", "127.0.0.1:1", "\x80", "a" * 5_000):
        reply = lesson.phone().ask("GET", "/", Host=host, X_Forwarded_Host="evil.example", Origin="null")
        assert reply.status == (400 if host == "\x80" else 200)
        assert b"evil" not in reply.body
        assert "Access-Control-Allow-Origin" not in reply.headers


def test_every_reply_forbids_what_the_page_does_not_need(lesson: Lesson):
    for path in ("/", "/reader.js", "/api/state", "/nothing", "/api/picture/1"):
        headers = lesson.phone().get(path).headers
        assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'")
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Server"] == "derm-kit"
        assert headers["Cache-Control"] == "no-store"


def test_another_sites_form_cannot_send_anything(lesson: Lesson):
    body = json.dumps({"code": lesson.code, "alias": "Bee", "consent": True, "request": "0" * 32}).encode()
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "text/json"):
        assert lesson.phone().ask("POST", "/api/join", body, Content_Type=kind).status in (400, 415)
    cookie = lesson.phone().join(lesson.code, "Bee").headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie


# What is sent


DEEP = b'{"code":' + b"[" * 8_000 + b"]" * 8_000 + b"}"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"1", b"null", b'"x"', b"\xff\xfe", DEEP, b'{"a":' + b"9" * 9_000])
@pytest.mark.parametrize("what", ["join", "answer", "names", "invitation"])
def test_what_is_no_json_of_ours_is_refused_in_plain_words(lesson: Lesson, what: str, body: bytes):
    reply = lesson.phone("Bee").ask("POST", f"/api/{what}", body, Content_Type=JSON)
    assert reply.status == 400
    assert reply.said == {"error": "What was sent cannot be read, and nothing of it was stored. Load the page again."}


BENT = [
    ("confidence", value)
    for value in (50.7, True, "50", 1e9, -1, None, 101, [50], 10**400, float("nan"), float("inf"), 50.0)
]
BENT += [("number", value) for value in ("1", 1.5, 0, -1, 7, True, None, 10**30)]
BENT += [("phase", value) for value in ("", "BEFORE", 1, None, "after ", ["before"])]
BENT += [("diagnosis", value) for value in ("", "Melanoma", "naevus", None, 3, {"a": 1})]
BENT += [("disposition", value) for value in ("", "discharge", None, Disposition.CLINICIAN_REVIEW.value)]
BENT += [("request", value) for value in ("", "x", "g" * 32, "0" * 33, None, 5, "\ud800" * 32)]


@pytest.mark.parametrize(("name", "value"), BENT)
def test_a_value_of_another_kind_is_refused_and_never_bent(lesson: Lesson, name: str, value: object):
    phone = lesson.phone("Bee")
    lesson.step(Action.OPEN_FIRST)
    case = phone.state()["case"]
    reply = phone.answer(case, **{name: value})
    assert reply.status in (400, 409)
    assert phone.answer({**case}).status == 200
    assert lesson.answers() == 1


@pytest.mark.parametrize("seconds", [-5, 1e308, float("nan"), float("-inf"), "4", True, None, 10**400, [], -0.0, 3.25])
def test_a_phone_whose_clock_is_wrong_loses_no_answer(lesson: Lesson, seconds: object):
    phone = lesson.phone("Bee")
    lesson.step(Action.OPEN_FIRST)
    assert phone.answer(phone.state()["case"], seconds=seconds).status == 200
    told = teaching_results.export(lesson.room.register, lesson.room.session.id).details["client_seconds"]
    believed = seconds if seconds in (-0.0, 3.25) and not isinstance(seconds, bool) else None
    assert told.tolist() == [believed] if believed is not None else told.isna().all()


def test_an_oversized_body_is_refused_before_it_is_read(lesson: Lesson):
    for head in (POST.format(20_000), POST.format(10**18), f"GET / HTTP/1.1\r\nHost: x\r\nX: {'x' * 20_000}\r\n\r\n"):
        with _connected(lesson) as large:
            large.sendall(head.encode())
            assert large.recv(1_000).startswith(b"HTTP/1.1 400 Bad Request") or b"x" * 20_000 in head.encode()
    assert lesson.phone("Bee").state()["reader"]


def test_a_slow_body_is_cut_off_and_others_go_on_meanwhile(lesson: Lesson):
    with _connected(lesson) as slow:
        slow.sendall(POST.format(99).encode() + b"{")
        assert lesson.phone("Bee").state()["reader"]
        assert slow.recv(100) == b"", "hung up after BODY_S"


def _connected(lesson: Lesson) -> socket.socket:
    where = urlsplit(lesson.base)
    return socket.create_connection((where.hostname, where.port), timeout=30)


def test_a_phone_that_hangs_up_in_the_middle_harms_nobody(lesson: Lesson):
    phone = lesson.phone("Bee")
    lesson.step(Action.OPEN_FIRST)
    said = answer_to(phone.state()["case"])
    body = json.dumps(said).encode()
    head = f"POST /api/answer HTTP/1.1\r\nHost: x\r\nContent-Type: {JSON}\r\nCookie: {phone.cookie}\r\n"
    for sent in (b"GET", head.encode(), head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body):
        with _connected(lesson) as gone:
            gone.sendall(sent)
    assert phone.until_taken("answer", **said).status == 200
    assert lesson.answers() == 1


# Whose phone it is


def test_without_a_cookie_of_this_session_nothing_is_shown_or_taken(lesson: Lesson, ada: str, cases: TeachingList):
    other = teaching.make(lesson.room.register, ada, "Another", cases, Mode.AI_AT_ONCE, 3)
    teaching.take_step(lesson.room.register, other.id, Action.OPEN_SECOND, ada)
    with in_thread(room_of(lesson.room.register, other)) as base:
        stranger = Phone(base)
        stranger.join(other.code, "Stranger")
        case = stranger.state()["case"]
    lesson.step(Action.OPEN_FIRST)
    token = stranger.cookie.partition("=")[2]
    for cookie in ("", stranger.cookie, f"reader-{lesson.code}={token}", f"reader-{lesson.code}=x; y; ;="):
        phone = Phone(lesson.base, cookie=cookie)
        assert phone.state() == {"reader": None}
        phone.cookie = cookie
        assert phone.get(f"/api/picture/{case['number']}").status == 401
        assert phone.get(f"/api/map/{case['number']}").status == 401
        assert phone.get("/api/debrief").status == 401
        refused = phone.post("answer", **answer_to(case))
        assert refused.status == 401
        assert refused.said["error"].startswith("This phone is not in this session: join with its code.")
        assert phone.post("names", agreed=True).status == 401
    assert lesson.answers() == 0


def test_a_picture_a_map_and_the_debrief_come_when_they_are_due(lesson: Lesson):
    lesson.room.pictures.draw_maps().join()
    phone = lesson.phone("Bee")
    everything = [f"/api/{kind}/{n}" for kind in ("picture", "map") for n in range(1, 7)]
    assert {phone.get(path).status for path in everything} == {409}
    lesson.step(Action.OPEN_FIRST)
    case = phone.state()["case"]
    assert {path: phone.get(path).status for path in everything} == {
        path: 200 if path == f"/api/picture/{case['number']}" else 409 for path in everything
    }
    assert phone.get("/api/debrief").status == 409
    phone.answer(case)
    lesson.step(Action.OPEN_SECOND)
    assert phone.state()["case"]["number"] == case["number"]
    assert phone.get(f"/api/map/{case['number']}").status == 200
    lesson.step(Action.REVEAL)
    assert {phone.get(path).status for path in everything} == {200}
    assert len(phone.get("/api/debrief").said["cases"]) == 6


def test_a_picture_kept_by_a_phone_is_asked_for_again(lesson: Lesson):
    """Another session on the same address has other pictures under the same numbers."""
    phone = lesson.phone("Bee")
    lesson.step(Action.OPEN_FIRST)
    path = f"/api/picture/{phone.state()['case']['number']}"
    first = phone.get(path)
    assert first.headers["Cache-Control"] == "private, no-cache"
    assert phone.ask("GET", path, If_None_Match=first.headers["Etag"]).status == 304
    assert lesson.phone().ask("GET", path, If_None_Match=first.headers["Etag"]).status == 401


# Answers


def test_answers_after_the_close_or_a_second_one_are_refused_in_plain_words(lesson: Lesson):
    phone = lesson.phone("Bee")
    lesson.step(Action.OPEN_FIRST)
    case = phone.state()["case"]
    said = answer_to(case)
    then = phone.until_taken("answer", **said).said
    assert then["progress"]["done"] == 1
    assert phone.until_taken("answer", **said).said == then, "the same answer sent again is the same answer"
    second = phone.answer(case, diagnosis="benign_naevus")
    assert second.status == 409
    told = "This question is answered already, and the first answer stands. Go on with the next case."
    assert second.said["error"] == told
    lesson.step(Action.CLOSE)
    late = phone.answer(then["case"])
    assert late.said["error"].startswith("This answer was not stored: this reading is closed.")
    assert phone.until_taken("answer", **said).status == 200, "acknowledged again, also after the close"
    assert lesson.answers() == 1


def test_a_reader_goes_on_where_they_were(lesson: Lesson):
    phone = lesson.phone("Bee")
    lesson.step(Action.OPEN_FIRST)
    seen = []
    while case := phone.state()["case"]:
        again = Phone(lesson.base, cookie=phone.cookie)
        assert again.state()["case"]["number"] == case["number"]
        seen.append(case["number"])
        phone.answer(case)
    assert sorted(seen) == [1, 2, 3, 4, 5, 6]
    assert phone.post("leave").status == 200
    assert phone.state() == {"reader": None}


def test_the_time_of_a_case_runs_by_the_servers_clock_and_a_late_answer_counts(
    register: Register, ada: str, cases: TeachingList
):
    session = teaching.make(register, ada, "Timed", cases, Mode.BLIND_FIRST, 3, seconds_a_case=5)
    with in_thread(room_of(register, session)) as base:
        timed = Lesson(base, room_of(register, session), ada)
        phone = timed.phone("Bee")
        timed.step(Action.OPEN_FIRST)
        case = phone.state()["case"]
        assert case["seconds"] == 5
        assert 0 < case["seconds_left"] <= 5
        time.sleep(1)
        assert phone.state()["case"]["seconds_left"] <= case["seconds_left"] - 1
        time.sleep(max(0, 4.5))
        assert phone.state()["case"]["seconds_left"] == 0
        assert phone.answer(case).status == 200


# Nobody sees too much


def _play(lesson: Lesson, *, others: bool) -> list[bytes]:
    """Bodies of all that a phone hears until the reveal; beside it another phone answers, or only joins."""
    lesson.room.pictures.draw_maps().join()
    phone, other = lesson.phone("Bee"), lesson.phone("Other")
    phone.get("/api/state")
    for action in (Action.OPEN_FIRST, Action.OPEN_SECOND):
        lesson.step(action)
        while case := phone.state()["case"]:
            for kind in ("picture", "map"):
                phone.get(f"/api/{kind}/{case['number']}")
                phone.get(f"/api/{kind}/{case['number'] % 6 + 1}")
            phone.get("/api/debrief")
            if others:
                other.answer(other.state()["case"], diagnosis="vascular_lesion", confidence=95)
            phone.answer(case)
            phone.answer(case, diagnosis="dermatofibroma")
    phone.get("/api/state")
    return [reply.body for reply in phone.heard]


def _other_truths(cases: TeachingList) -> TeachingList:
    """The same pictures and the same model, and all else that is known of the cases another."""
    kinds = list(LESION_TYPES)
    return dataclasses.replace(cases, phantoms=cases.phantoms, policy="Another, version 9", cases=tuple(
        dataclasses.replace(
            case, case_id=f"other_{i}", truth=kinds[(kinds.index(case.truth) + 3) % 11],
            truth_disposition=Disposition.SECOND_READ, times_threshold=9.0, difficulty=Difficulty.FAR,
            error=WrongWay.MORE_URGENT if case.error is WrongWay.NONE else WrongWay.NONE, licence="X", attribution="Y",
        )
        for i, case in enumerate(cases.cases)
    ))  # fmt: skip


def test_no_byte_before_the_reveal_depends_on_the_truth_or_on_others(register: Register, ada: str, cases: TeachingList):
    """Sessions that differ only in what a reader must not know are the same to a phone, byte by byte."""
    heard = []
    for listed, others in ((cases, False), (_other_truths(cases), False), (cases, True)):
        session = teaching.make(register, ada, "Skin lesions", listed, Mode.BLIND_FIRST, 3, consent=CONSENT)
        room = room_of(register, session)
        with in_thread(room) as base:
            heard.append(_play(Lesson(base, room, ada), others=others))
    assert len(heard[0]) > 80
    assert heard[1] == heard[0], "the truth"
    assert heard[2] == heard[0], "what others answered"


@pytest.mark.parametrize("mode", Mode)
def test_no_reply_before_the_reveal_names_a_case_its_file_or_its_truth(
    register: Register, ada: str, cases: TeachingList, mode: Mode
):
    session = teaching.make(register, ada, "Skin lesions", cases, mode, 3)
    room = room_of(register, session)
    with in_thread(room) as base:
        lesson = Lesson(base, room, ada)
        phone = lesson.phone("Bee")
        for action in (Action.OPEN_FIRST, Action.OPEN_SECOND) if mode is not Mode.AI_AT_ONCE else (Action.OPEN_SECOND,):
            lesson.step(action)
            while case := phone.state()["case"]:
                assert set(case) == {"number", "phase", "seconds", "seconds_left", "phantom", "model", "mine"}
                if case["phase"] == "before":
                    assert case["model"] is None
                else:
                    view = cases.cases[case["number"] - 1]
                    assert case["model"]["diagnosis"] == view.model_diagnosis
                phone.get(f"/api/picture/{case['number']}")
                phone.answer(case, diagnosis="vascular_lesion")
    everything = b"".join(str(sorted(reply.headers.items())).encode() + reply.body for reply in phone.heard)
    for one in cases.cases:
        for secret in filter(None, (one.case_id, Path(one.picture).name, one.truth.plain, one.attribution)):
            assert secret.encode() not in everything
    assert b"truth" not in everything.lower()


# The register in trouble


@pytest.fixture
def reading(lesson: Lesson) -> tuple[Lesson, Phone, dict[str, Any]]:
    """A lesson with a phone that is about to answer."""
    phone = lesson.phone("Bee")
    lesson.step(Action.OPEN_FIRST)
    return lesson, phone, answer_to(phone.state()["case"])


def test_a_busy_register_is_told_in_time_and_no_answer_is_lost_or_stored_twice(
    reading: tuple[Lesson, Phone, dict[str, Any]], workspace: Path, monkeypatch: pytest.MonkeyPatch
):
    lesson, phone, said = reading
    monkeypatch.setattr(server, "PATIENCE_S", 0.5)
    holder = sqlite3.connect(workspace / "register.sqlite", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    for _ in range(3):
        reply = phone.post("answer", **said)
        assert reply.status == 503
        assert reply.said["error"].startswith("The server has much to do at the moment. Nothing is lost")
    holder.execute("ROLLBACK")
    holder.close()
    monkeypatch.setattr(server, "PATIENCE_S", 30)
    assert phone.until_taken("answer", **said).said["progress"]["done"] == 1
    assert lesson.answers() == 1
    assert lesson.room.register.verify().sound


def _fill(lesson: Lesson) -> Callable[[], None]:
    with lesson.room.register.reading() as session:
        pages = session.scalar(text("PRAGMA page_count"))
    on_connect(lesson.room.register, f"PRAGMA max_page_count = {pages}")
    return lambda: on_connect(lesson.room.register, f"PRAGMA max_page_count = {pages + 1_000}")


def _forbid(lesson: Lesson) -> Callable[[], None]:
    on_connect(lesson.room.register, "PRAGMA query_only = ON")
    return lambda: on_connect(lesson.room.register, "PRAGMA query_only = OFF")


def _lose_anchor(lesson: Lesson) -> Callable[[], None]:
    path = lesson.room.register.anchor.path
    kept = path.read_bytes()
    path.write_bytes(b"{}")

    def mend() -> None:
        path.write_bytes(kept)

    return mend


@pytest.mark.parametrize("harm", [_fill, _forbid, _lose_anchor])
def test_a_full_disk_and_other_trouble_is_told_and_the_answer_is_stored_once_it_is_over(
    reading: tuple[Lesson, Phone, dict[str, Any]], harm: Callable[[Lesson], Callable[[], None]],
    workspace: Path, caplog: pytest.LogCaptureFixture,
):  # fmt: skip
    lesson, phone, said = reading
    mend = harm(lesson)
    status = 200
    while status == 200:  # a full disk has room for a few more
        reply = phone.post("answer", **said)
        status = reply.status
        if status == 200:
            said = answer_to(reply.said["case"])
    stored = lesson.answers()
    assert status == 503
    assert reply.said["error"].startswith("The server cannot do this at the moment. Nothing is lost")
    for secret in (str(workspace), "sqlite", "anchor", "register"):
        assert secret not in reply.said["error"]
    assert any(str(workspace) in line for line in caplog.messages), "whoever runs it is told in full"
    mend()
    assert phone.until_taken("answer", **said).status == 200
    assert lesson.answers() == stored + 1


# The command, killed and stopped


def test_a_killed_server_loses_no_answer_and_stores_none_twice(
    register: Register, workspace: Path, ada: str, cases: TeachingList
):
    session = teaching.make(register, ada, "Skin lesions", cases, Mode.BLIND_FIRST, 3)
    teaching.take_step(register, session.id, Action.OPEN_FIRST, ada)
    port, lost = free_port(), secrets.token_hex(16)

    def stored() -> int:
        return len(teaching_results.export(register, session.id).answers)

    with by_command(workspace, session.code, port) as served:
        Phone(served.base).join(session.code, "Bee", lost)  # the reply never reaches the phone
        served.stop(signal.SIGKILL)
    with by_command(workspace, session.code, port) as served:
        phone = Phone(served.base)
        case = phone.join(session.code, "Bee", lost).said["case"]
        said = answer_to(case)
        threading.Thread(target=_sent_and_forgotten, args=(phone, said)).start()
        until = time.monotonic() + 30
        while not stored():
            assert time.monotonic() < until
        served.stop(signal.SIGKILL)
    with by_command(workspace, session.code, port) as served:
        assert phone.until_taken("answer", **said).said["progress"]["done"] == 1
        assert phone.state()["case"]["number"] != case["number"]
        assert served.stop(signal.SIGINT) == 0
    assert stored() == 1
    assert register.verify().sound


def _sent_and_forgotten(phone: Phone, said: dict[str, Any]) -> None:
    try:
        Phone(phone.base, cookie=phone.cookie).post("answer", **said)
    except OSError:
        return
