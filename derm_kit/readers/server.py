"""The readers' server: one session, a handful of addresses, and nothing else behind them.

It stands alone: no kernel, no notebook, no file of the machine can be reached through it. Each request is one short
read or write of the register in a thread, so that many phones wait for the database and not for each other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, TypeVar

from tornado.web import Application, HTTPError, RequestHandler

from derm_kit.errors import RecordError
from derm_kit.readers import said, trouble
from derm_kit.readers.given import UnreadableError, read_agreed, read_answer, read_code, read_joining, read_json
from derm_kit.readers.room import Room
from derm_kit.records.teaching_refusals import UnknownReaderError

PATIENCE_S = 8.0
"""A phone is told sooner than the register gives up on a lock, and sends again."""
KEPT_DAYS = 2
"""How long a phone remembers who it is."""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Server": "derm-kit",
}
SCRIPTS = ("reader.js", "asking.js", "debrief.js")
PAGE = {"": "text/html", "reader.css": "text/css"} | dict.fromkeys(SCRIPTS, "text/javascript")
WORDS = {400: trouble.UNREADABLE, 404: "There is nothing here.", 405: "This is not done here."}
NOT_IN = "This phone is not in this session: join with its code. What it answered before is stored."
WRONG_CODE = "No session has this code. Look at the wall and type it again."
T = TypeVar("T")


class _Handler(RequestHandler):
    room: Room

    def initialize(self, room: Room) -> None:
        self.room = room

    def set_default_headers(self) -> None:
        for name, value in HEADERS.items():
            self.set_header(name, value)

    def write_error(self, status_code: int, **_: object) -> None:
        """Plain words, never a traceback."""
        self.finish({"error": WORDS.get(status_code, trouble.CANNOT_STORE)})

    @property
    def token(self) -> str:
        return self.get_cookie(self.room.cookie) or ""

    async def reading(self, work: Callable[..., T], *args: Any) -> T:  # noqa: ANN401 - handed on
        """`work`, which seldom writes, in one of a few threads. Raises BusyError where that takes too long."""
        return await self._beside(self.room.reads, work, *args)

    async def writing(self, work: Callable[..., T], *args: Any) -> T:  # noqa: ANN401 - handed on
        """`work` in one of many threads, which write together. Raises BusyError where that takes too long."""
        return await self._beside(self.room.writes, work, *args)

    async def _beside(self, threads: Executor, work: Callable[..., T], *args: Any) -> T:  # noqa: ANN401 - handed on
        """What takes too long runs on, or never begins."""
        try:
            return await asyncio.wait_for(asyncio.get_running_loop().run_in_executor(threads, work, *args), PATIENCE_S)
        except TimeoutError:
            raise trouble.BusyError from None

    async def answering(self, work: Awaitable[said.Json | bytes | None]) -> None:
        """Finish with what `work` gives, or in plain words with why it gives nothing."""
        try:
            self.finish(await work)
        except UnknownReaderError:
            self.refuse(401, NOT_IN)
        except RecordError as error:
            status, words = trouble.refusal(error)
            if status != 409:
                self.room.told.tell(str(error))
            self.refuse(status, words)
        except trouble.BusyError:
            self.room.told.tell(f"the register did not answer within {PATIENCE_S:.0f} s; the phones try again")
            self.refuse(503, trouble.BUSY)
        except UnreadableError:
            self.refuse(400, trouble.UNREADABLE)

    def refuse(self, status: int, words: str) -> None:
        self.set_status(status)
        self.finish({"error": words})


class _Page(_Handler):
    async def get(self, name: str) -> None:
        self.set_header("Content-Type", f"{PAGE[name]}; charset=utf-8")
        self.finish((Path(__file__).parent / "page" / (name or "index.html")).read_bytes())


class _Api(_Handler):
    """JSON in and out. A post is JSON from our own page: another site's form cannot send that type."""

    async def get(self, what: str) -> None:
        work = {"choices": self._choices, "state": self._state, "debrief": self._debrief}.get(what)
        if work is None:
            raise HTTPError(405 if what in self._posts() else 404)
        await self.answering(work())

    async def post(self, what: str) -> None:
        work = self._posts().get(what)
        if work is None:
            raise HTTPError(404)
        if self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower() != "application/json":
            self.refuse(415, "This page sends JSON.")
            return
        await self.answering(self._read(work))

    def _posts(self) -> dict[str, Callable[[dict[str, Any]], Awaitable[said.Json]]]:
        return {
            "invitation": self._invitation, "join": self._join, "answer": self._answer, "names": self._names,
            "leave": self._leave,
        }  # fmt: skip

    async def _read(self, work: Callable[[dict[str, Any]], Awaitable[said.Json]]) -> said.Json:
        return await work(read_json(self.request.body))

    async def _choices(self) -> said.Json:
        return said.choices()

    async def _state(self) -> said.Json:
        try:
            return await self.reading(self.room.state, self.token)
        except UnknownReaderError:
            if self.token:
                self._forget()
            return {"reader": None}

    async def _debrief(self) -> said.Json:
        return await self.reading(self.room.debrief, self.token)

    async def _invitation(self, given: dict[str, Any]) -> said.Json:
        return self._refused_code(given) or {"session": said.of_session(self.room.session)}

    async def _join(self, given: dict[str, Any]) -> said.Json:
        joining = read_joining(given)
        refused = self._refused_code(given)
        if refused:
            return refused
        if not joining.agreed:
            self.set_status(409)
            return {"error": "Read what happens with your answers, and tick that you take part."}
        token, state = await self.writing(self.room.join, joining.alias, joining.request)
        self.set_cookie(
            self.room.cookie, token, expires_days=KEPT_DAYS, httponly=True, secure=self.room.secure, samesite="Strict",
            path="/",
        )  # fmt: skip
        return state

    def _refused_code(self, given: dict[str, Any]) -> said.Json | None:
        code, address = read_code(given), self.request.remote_ip or ""
        waits = self.room.wrong.wait_s(address)
        if waits:
            self.room.told.tell("many wrong codes are tried; phones that try one wait some seconds")
            self.set_header("Retry-After", str(waits))
            self.set_status(429)
            return {"error": "Many wrong codes were tried. Yours is looked at in a few seconds: leave this page open."}
        if code == self.room.session.code:
            return None
        self.room.wrong.count(address)
        self.set_status(409)
        return {"error": WRONG_CODE}

    async def _answer(self, given: dict[str, Any]) -> said.Json:
        return await self.writing(self.room.answer, self.token, read_answer(given))

    async def _names(self, given: dict[str, Any]) -> said.Json:
        await self.writing(self.room.agree_to_names, self.token, read_agreed(given))
        return {}

    async def _leave(self, _: dict[str, Any]) -> said.Json:
        self._forget()
        return {}

    def _forget(self) -> None:
        self.clear_cookie(self.room.cookie, secure=self.room.secure, httponly=True, samesite="Strict")


class _Picture(_Handler):
    """A phone may keep pictures, but asks again each time: another session has others under the same number."""

    async def get(self, kind: str, number: str) -> None:
        work = self.room.picture if kind == "picture" else self.room.map
        await self.answering(self._jpeg(work, int(number)))

    async def _jpeg(self, work: Callable[[str, int], bytes | None], number: int) -> bytes:
        data = await self.reading(work, self.token, number)
        if data is None:
            raise HTTPError(404)
        self.set_header("Content-Type", "image/jpeg")
        self.set_header("Cache-Control", "private, no-cache")
        return data


class _Nothing(_Handler):
    def prepare(self) -> None:
        raise HTTPError(404)


def application(room: Room) -> Application:
    """The addresses that exist; all others answer 404."""
    shared = {"room": room}
    names = "|".join(name.replace(".", r"\.") for name in PAGE)
    return Application(
        [
            (r"/api/(picture|map)/([1-9]\d{0,2})", _Picture, shared),
            (r"/api/([a-z]+)", _Api, shared),
            (f"/({names})", _Page, shared),
        ],
        default_handler_class=_Nothing,
        default_handler_args=shared,
        log_function=_quiet,
    )


def _quiet(_: RequestHandler) -> None:
    """Aliases and answers are nobody's log; trouble is told where it is met."""
