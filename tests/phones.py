"""Readers' phones without a screen, and the readers' server for them: in a thread, or as the command that serves it."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import secrets
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from derm_kit.readers.opening import server_of
from derm_kit.readers.pictures import CasePictures
from derm_kit.readers.room import Room
from derm_kit.records import teaching, teaching_results
from derm_kit.records.register import Register
from derm_kit.records.teaching import TeachingSession
from derm_kit.records.teaching_steps import Action

READY_S = 90
AGAIN_S = 0.2


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def said(self) -> Any:
        """The JSON in it."""
        return json.loads(self.body)


@dataclass
class Phone:
    """A phone at `base`; keeps its cookie, and its connection where `kept`. `source` is its own address."""

    base: str
    cookie: str = ""
    source: str = ""
    tls: ssl.SSLContext | None = None
    kept: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    heard: list[Reply] = field(default_factory=list)
    _connection: http.client.HTTPConnection | None = None

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Reply:
        """One request as it stands; the reply is kept in `heard`."""
        connection = self._connection or self._connected()
        try:
            cookie = {"Cookie": self.cookie} if self.cookie else {}
            sent = self.headers | cookie | {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            reply = Reply(answer.status, dict(answer.getheaders()), answer.read())
        except OSError:
            self._connection = None
            connection.close()
            raise
        if self.kept:
            self._connection = connection
        else:
            connection.close()
        if set_cookie := reply.headers.get("Set-Cookie"):
            self.cookie = set_cookie.partition(";")[0]
        self.heard.append(reply)
        return reply

    def get(self, path: str) -> Reply:
        """A GET."""
        return self.ask("GET", path)

    def post(self, what: str, **said: object) -> Reply:
        """A POST as the page sends it."""
        return self.ask("POST", f"/api/{what}", json.dumps(said).encode(), Content_Type="application/json")

    def until_taken(self, what: str, **said: object) -> Reply:
        """A POST, again and again as the page does it, and the last reply if it is never taken."""
        until = time.monotonic() + READY_S
        while True:
            try:
                reply = self.post(what, **said)
                if reply.status not in (429, 503) or time.monotonic() > until:
                    return reply
            except OSError:
                if time.monotonic() > until:
                    raise
            time.sleep(AGAIN_S)

    def join(self, code: str, alias: str, request: str = "") -> Reply:
        """Join, having ticked the box."""
        return self.until_taken("join", code=code, alias=alias, consent=True, request=request or secrets.token_hex(16))

    def state(self) -> Any:
        """Where the server says that the reader stands."""
        return self.get("/api/state").said

    def answer(self, case: Mapping[str, Any], **other: object) -> Reply:
        """Answer a case that the state showed."""
        return self.until_taken("answer", **answer_to(case) | other)

    def close(self) -> None:
        """Hang up."""
        if self._connection:
            self._connection.close()
            self._connection = None

    def _connected(self) -> http.client.HTTPConnection:
        where = urlsplit(self.base)
        source = (self.source, 0) if self.source else None
        if where.scheme == "https":
            return http.client.HTTPSConnection(
                str(where.hostname), where.port, timeout=60, source_address=source, context=self.tls
            )
        return http.client.HTTPConnection(str(where.hostname), where.port, timeout=60, source_address=source)


def answer_to(case: Mapping[str, Any]) -> dict[str, object]:
    """An answer as the page sends it."""
    return {
        "number": case["number"], "phase": case["phase"], "diagnosis": "melanoma",
        "disposition": "urgent suspected cancer", "confidence": 70, "seconds": 4.5, "request": secrets.token_hex(16),
    }  # fmt: skip


def room_of(register: Register, session: TeachingSession) -> Room:
    """A room with its pictures coded."""
    pictures = CasePictures(session.cases.cases, session.cases.model_hash)
    pictures.code_all()
    return Room(register, session, pictures, secure=False)


@dataclass
class Lesson:
    """A session that is served, and the facilitator's hand on it."""

    base: str
    room: Room
    by: str
    tls: ssl.SSLContext | None = None

    @property
    def code(self) -> str:
        return self.room.session.code

    def phone(self, alias: str = "", **other: Any) -> Phone:
        """A phone; one that has joined where it has an alias."""
        phone = Phone(self.base, tls=self.tls, **other)
        if alias:
            assert phone.join(self.code, alias).status == 200
        return phone

    def step(self, *actions: Action) -> None:
        for action in actions:
            teaching.take_step(self.room.register, self.room.session.id, action, self.by)

    def answers(self) -> int:
        return len(teaching_results.export(self.room.register, self.room.session.id).answers)


@contextmanager
def in_thread(room: Room, *, proxy: bool = False, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """The address of the readers' server of a room, in a thread of this process."""
    started, where, stopping = threading.Event(), [], []

    async def serve() -> None:
        server = server_of(room, tls=tls, proxy=proxy)
        server.listen(0, "127.0.0.1")
        where.append(next(iter(server._sockets.values())).getsockname()[1])
        stop = asyncio.Event()
        stopping.append((asyncio.get_running_loop(), stop))
        started.set()
        await stop.wait()
        server.stop()
        await server.close_all_connections()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert started.wait(10)
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{where[0]}"
    finally:
        loop, stop = stopping[0]
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        room.close()


@dataclass
class Served:
    """`derm-kit serve --session` as it runs: where, and the lines that it printed."""

    process: subprocess.Popen[str]
    base: str
    lines: list[str]

    def stop(self, number: int) -> int:
        """Send a signal; the exit status."""
        self.process.send_signal(number)
        return self.process.wait(30)


@contextmanager
def by_command(workspace: Path, code: str, port: int, *options: str) -> Iterator[Served]:
    """The command that serves a session, once it said where."""
    environment = {name: value for name, value in os.environ.items() if name != "DERM_KIT_DATABASE_URL"}
    process = subprocess.Popen(
        [Path(sys.executable).with_name("derm-kit"), "serve", "--session", code, "--port", str(port), *options],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment | {
            "DERM_KIT_WORKSPACE": str(workspace), "PYTHONUNBUFFERED": "1",
        },
    )  # fmt: skip
    lines: list[str] = []
    ready = threading.Event()

    def read() -> None:
        assert process.stdout
        for line in process.stdout:
            lines.append(line.rstrip())
            if "Ctrl-C" in line:
                ready.set()
        ready.set()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        assert ready.wait(READY_S), "the server did not come up"
        found = re.search(r"(https?://\S+)/\?code=", "\n".join(lines))
        assert found, lines
        yield Served(process, found[1], lines)
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(30)
        reader.join(10)
        assert process.stdout
        process.stdout.close()
