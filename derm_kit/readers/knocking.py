"""The readers' server at its door: who knocks and does not finish the TLS handshake keeps nobody else out."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream, SSLIOStream

from derm_kit.readers.limits import network_of

HANDSHAKE_S = 10.0
"""A phone in a full room needs well below a second."""
MOST_PENDING = 256
"""Unfinished handshakes from one network. A room may share one address: as many phones may knock at one moment."""


class ReadersServer(HTTPServer):
    """Tornado's server with a limit for TLS handshakes that are not finished, in time and in number from one network.

    Without it whoever connects and says nothing holds a connection as long as an idle phone does.
    """

    def initialize(self, *args: Any, **named: Any) -> None:  # noqa: ANN401 - handed on
        """As the server's."""
        super().initialize(*args, **named)
        self._pending = Counter[str]()

    def handle_stream(self, stream: IOStream, address: Any) -> Awaitable[None] | None:  # type: ignore[override]  # noqa: ANN401
        """A connection was made; over TLS its requests are read once the handshake is done."""
        if isinstance(stream, SSLIOStream):
            return self._once_shaken(stream, address)
        super().handle_stream(stream, address)
        return None

    async def _once_shaken(self, stream: SSLIOStream, address: Any) -> None:  # noqa: ANN401 - a socket's
        network = network_of(address[0])
        if self._pending[network] >= MOST_PENDING:
            stream.close()
            return
        self._pending[network] += 1
        try:
            await asyncio.wait_for(stream.wait_for_handshake(), HANDSHAKE_S)
        except OSError:  # too late, hung up, no TLS at all, or a phone that doubts the certificate
            stream.close()
            return
        finally:
            self._pending[network] -= 1
            self._pending += Counter()  # without those who left
        super().handle_stream(stream, address)
