"""Real sockets at the readers' door that begin a TLS handshake and do not finish it."""

from __future__ import annotations

import http.client
import signal
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from derm_kit.readers import knocking
from derm_kit.readers.certificate import self_made
from derm_kit.records import teaching
from derm_kit.records.register import Register
from derm_kit.records.teaching_steps import Mode
from derm_kit.triage.teaching_list import phantom_list
from tests.phones import Lesson, Phone, by_command, in_thread, room_of
from tests.readers import copied
from tests.serving import free_port

HELLO = bytes.fromhex("16030100c8010000c40303")
"""The first bytes of a TLS 1.2 ClientHello (RFC 5246, 7.4.1.2) of 200 bytes."""


@pytest.fixture
def workspace(staffed: tuple[Path, dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("DERM_KIT_DATABASE_URL", raising=False)
    return copied(staffed[0], tmp_path / "workspace")


@pytest.fixture
def lesson(workspace: Path, staffed: tuple[Path, dict[str, str]]) -> Iterator[Lesson]:
    ada = staffed[1]["ada"]
    with Register.open(workspace) as register:
        session = teaching.make(register, ada, "Lunch", phantom_list(2, 1, 1), Mode.BLIND_FIRST, 1)
        room = room_of(register, session)
        made = self_made(workspace / "readers", "127.0.0.1")
        with in_thread(room, tls=made.context()) as base:
            yield Lesson(base, room, ada, ssl.create_default_context(cafile=made.certificate))


def knock(base: str, source: str = "127.0.0.1") -> socket.socket:
    where = urlsplit(base)
    return socket.create_connection((where.hostname, where.port), timeout=30, source_address=(source, 0))


def answers(lesson: Lesson, source: str = "127.0.0.1") -> bool:
    return lesson.phone(source=source).get("/api/choices").status == 200


@pytest.mark.parametrize("sent", [b"", HELLO])
def test_who_does_not_finish_the_handshake_is_hung_up_on(lesson: Lesson, sent: bytes, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(knocking, "HANDSHAKE_S", 0.5)
    with knock(lesson.base) as silent:
        began = time.monotonic()
        silent.sendall(sent)
        assert answers(lesson), "others are served meanwhile"
        assert silent.recv(100) == b""
        assert 0.4 < time.monotonic() - began < 10


def test_a_handshake_in_drops_has_no_more_time_than_another(lesson: Lesson, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(knocking, "HANDSHAKE_S", 0.5)
    began, sent = time.monotonic(), 0
    with knock(lesson.base) as slow, pytest.raises(OSError, match=r"reset|pipe"):
        while sent < len(HELLO):
            slow.sendall(HELLO[sent : sent + 1])
            sent += 1
            time.sleep(0.1)
    assert time.monotonic() - began < 5


def test_one_address_holds_so_many_places_and_no_other_waits_for_it(lesson: Lesson, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(knocking, "MOST_PENDING", 5)
    with ExitStack() as held:
        silent = [held.enter_context(knock(lesson.base)) for _ in range(5)]
        time.sleep(0.3)
        with knock(lesson.base) as sixth:
            sixth.settimeout(5)
            assert sixth.recv(100) == b"", "hung up at once"
        assert answers(lesson, "127.0.0.2")
        silent[0].close()
        time.sleep(0.3)
        assert answers(lesson), "a place that was left is free"


def test_phones_that_are_in_hold_no_place(lesson: Lesson, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(knocking, "MOST_PENDING", 2)
    phones = [lesson.phone(kept=True) for _ in range(6)]
    assert {phone.get("/api/choices").status for phone in phones} == {200}
    assert {phone.get("/api/choices").status for phone in phones} == {200}, "over the connections that they have"
    for phone in phones:
        phone.close()


def test_who_doubts_the_certificate_or_speaks_no_tls_is_nobodys_noise_and_the_page_closes_in_peace(
    workspace: Path, staffed: tuple[Path, dict[str, str]]
):
    with Register.open(workspace) as register:
        session = teaching.make(register, staffed[1]["ada"], "Lunch", phantom_list(2, 1, 1), Mode.BLIND_FIRST, 1)
    made = self_made(workspace / "readers", "127.0.0.1")
    named = ("--certificate", str(made.certificate), "--key", str(made.key))
    with by_command(workspace, session.code, free_port(), *named) as served, knock(served.base):
        with pytest.raises(ssl.SSLError, match="self-signed"):
            Phone(served.base, tls=ssl.create_default_context()).get("/")
        with pytest.raises((OSError, http.client.HTTPException)):
            Phone(served.base.replace("https:", "http:")).get("/")
        time.sleep(0.3)
        assert served.stop(signal.SIGINT) == 0
    assert len(served.lines) == 2, served.lines
