"""Open the readers' page on an address that the administrator names, over TLS wherever it leaves this machine."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import logging
import signal
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tornado.httpserver import HTTPServer

from derm_kit.errors import DermKitError, RecordError
from derm_kit.readers.certificate import Certificate, self_made
from derm_kit.readers.knocking import ReadersServer
from derm_kit.readers.pictures import CasePictures
from derm_kit.readers.room import Room
from derm_kit.readers.server import application
from derm_kit.records.register import Register
from derm_kit.records.teaching import TeachingSession, newest_with_code, session_of
from derm_kit.records.teaching_steps import State
from derm_kit.records.workspace import Workspace

PORT = 8443
LARGEST_BODY_BYTES = 16_384
IDLE_S, BODY_S = 60, 10
BACKLOG = 256
"""Phones that may knock at one moment."""
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - nothing is bound by naming them


@dataclass(frozen=True)
class Door:
    """Where the page opens. `proxy`: a reverse proxy on this machine brings TLS, and names the readers' addresses."""

    host: str = "127.0.0.1"
    port: int = PORT
    certificate: Path | None = None
    key: Path | None = None
    proxy: bool = False


def serve_session(code: str, door: Door, ready: Callable[[str], None] = print) -> None:
    """Serve the readers of one session until Ctrl-C; `ready` gets lines that name address and certificate.

    Raises RecordError for an unknown or broken-off session, CaseError for a picture that cannot be shown, and
    DermKitError for an address or certificate that cannot be used.
    """
    with Register.open(make=False) as register:
        session = session_with(register, code)
        files = _certificate(door)
        tls = files.context() if files else None
        pictures = CasePictures(session.cases.cases, session.cases.model_hash)
        room = Room(register, session, pictures, secure=tls is not None or door.proxy)
        with _listening(door) as listening:
            pictures.code_all()
            pictures.draw_maps()
            ready(f"Readers of “{session.title}” join at {_address(door, tls is not None)}/?code={session.code}")
            if files and door.certificate is None:
                ready(f"The certificate is self-made, so that phones ask once. Its SHA-256: {files.fingerprint()}")
            try:
                asyncio.run(_serve(server_of(room, tls=tls, proxy=door.proxy), listening, ready))
            finally:
                pictures.close()
                room.close()


def session_with(register: Register, code: str) -> TeachingSession:
    """The session that was made last under a code, unless it ended without results. Raises RecordError."""
    typed = "".join(code.split()).upper()
    with register.reading() as reading:
        row = newest_with_code(reading, typed)
        session = session_of(row) if row else None
    if session is None:
        raise RecordError("no session has this code", value=code, next_step="Page 05 shows the codes of its sessions.")
    if session.state is State.ENDED and session.revealed_at is None:
        raise RecordError("this session has ended", value=typed, next_step="Make another on page 05.")
    return session


def server_of(room: Room, *, tls: ssl.SSLContext | None = None, proxy: bool = False) -> HTTPServer:
    """The server of a room; `proxy`: one on this machine names the readers' addresses."""
    return ReadersServer(
        application(room), ssl_options=tls, xheaders=proxy, max_body_size=LARGEST_BODY_BYTES,
        max_header_size=LARGEST_BODY_BYTES, idle_connection_timeout=IDLE_S, body_timeout=BODY_S,
        trusted_downstream=["127.0.0.1", "::1"] if proxy else None,
    )  # fmt: skip


async def _serve(server: HTTPServer, listening: socket.socket, ready: Callable[[str], None]) -> None:
    logging.getLogger("tornado").setLevel(logging.ERROR)  # not each phone that hangs up or doubts the certificate
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    server.add_sockets([listening])
    ready("Ctrl-C closes the page; every answer that was acknowledged is stored.")
    await stop.wait()
    server.stop()
    await server.close_all_connections()


def _listening(door: Door) -> socket.socket:
    family = socket.AF_INET6 if ":" in door.host else socket.AF_INET
    try:
        listening = socket.create_server((door.host, door.port), family=family, backlog=BACKLOG)
    except OSError as error:
        taken, why = error.errno == errno.EADDRINUSE, str(error.strerror).partition(" (while")[0]
        raise DermKitError(
            "the readers' page needs a free port" if taken else f"the address can be listened on ({why})",
            case=f"{door.host}:{door.port}",
            next_step=f"Name another with --port {door.port + 1}." if taken else "Name an address of this machine.",
        ) from None
    listening.setblocking(False)
    return listening


def _address(door: Door, tls: bool) -> str:
    host = f"[{door.host}]" if ":" in door.host else door.host
    host = "ADDRESS-OF-THIS-MACHINE" if door.host in EVERYWHERE else host
    return f"{'https' if tls else 'http'}://{host}:{door.port}"


def _certificate(door: Door) -> Certificate | None:
    """None where no TLS is needed: on loopback, for this machine or for a proxy."""
    if (door.certificate is None) != (door.key is None):
        raise DermKitError(
            "a certificate and its key are named together", next_step="Name both --certificate and --key, or neither."
        )
    if door.proxy and not _is_loopback(door.host):
        raise DermKitError(
            "behind a proxy the page stays on this machine",
            case=door.host,
            next_step="Leave --host out; the proxy reaches it at 127.0.0.1.",
        )
    if door.certificate and door.key:
        return Certificate(door.certificate, door.key)
    if _is_loopback(door.host):
        return None
    return self_made(Workspace.named().folder / "readers", door.host)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
