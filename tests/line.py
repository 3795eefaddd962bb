"""A line between a browser and a server that a test can cut, hold and mend: a TCP proxy on a port of its own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

UP, DOWN = "to the server", "to the page"


class Line:
    """Carries bytes both ways from `address` to the server's port, in a thread, until it is told otherwise."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._loop = asyncio.new_event_loop()
        self._flows = {UP: asyncio.Event(), DOWN: asyncio.Event()}
        self._ends: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._port = 0
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.mend()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def mend(self) -> None:
        """Carry everything again; what is held goes on its way."""
        self._run(self._mend())

    def hold(self, *ways: str) -> None:
        """Carry nothing more in these directions; nobody is told, as where packets are dropped."""
        self._run(self._hold(ways))

    def cut(self) -> None:
        """End every connection, with what is held in it, and refuse new ones."""
        self._run(self._cut())

    def close(self) -> None:
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _mend(self) -> None:
        for flows in self._flows.values():
            flows.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._join, "127.0.0.1", self._port)
            self._port = self._server.sockets[0].getsockname()[1]

    async def _hold(self, ways: tuple[str, ...]) -> None:
        for way in ways:
            self._flows[way].clear()

    async def _cut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for end in self._ends:
            end.transport.abort()
        carrying = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in carrying:
            task.cancel()
        await asyncio.gather(*carrying, return_exceptions=True)

    async def _join(self, page: asyncio.StreamReader, to_page: asyncio.StreamWriter) -> None:
        ends = {to_page}
        self._ends |= ends
        try:
            server, to_server = await asyncio.open_connection("127.0.0.1", self._to)
            ends.add(to_server)
            self._ends |= ends
            await asyncio.gather(self._carry(page, to_server, UP), self._carry(server, to_page, DOWN))
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._ends -= ends
            for end in ends:
                end.transport.abort()

    async def _carry(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, way: str) -> None:
        while data := await source.read(65_536):
            await self._flows[way].wait()
            target.write(data)
            await target.drain()
        with contextlib.suppress(OSError):
            target.write_eof()


@contextmanager
def line_to(address: str) -> Iterator[Line]:
    """A line to the server at `address`, closed at the end."""
    line = Line(int(address.rsplit(":", 1)[1]))
    try:
        yield line
    finally:
        line.close()
