"""The address of the readers' page: as the facilitator enters it, what serves it there, and its QR code."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from html import escape
from urllib.parse import parse_qs, urlsplit

import segno

from derm_kit.errors import DermKitError
from derm_kit.readers.opening import PORT

LONGEST = 200
_NO_PACKET = ("192.0.2.1", 9)
"""An address for documentation (RFC 5737): the way there names our own address, and nothing is sent."""


@dataclass(frozen=True)
class ReadersAddress:
    """Where readers find their page; `text` is what they type, without a code."""

    scheme: str
    host: str
    port: int | None

    @classmethod
    def from_text(cls, text: str, code: str) -> ReadersAddress:
        """An address as typed, or as the server printed it. Raises DermKitError for none, or one of another code."""
        typed = text.strip()
        typed = typed if "//" in typed else f"https://{typed}"
        try:
            parts = urlsplit(typed)
            host, port = parts.hostname or "", parts.port
            sound = parts.scheme in ("http", "https") and bool(host) and not parts.username and len(typed) <= LONGEST
            sound = sound and host.isprintable() and not any(c in host for c in " <>\"'")
        except ValueError:
            sound = False
        if not sound:
            raise DermKitError(
                "the readers' page has an address such as https://192.168.1.20:8443",
                value=text,
                next_step="Copy the one that derm-kit serve printed when it started.",
            )
        named = "".join(parse_qs(parts.query).get("code", [code])[-1].split()).upper()
        if named != code:
            raise DermKitError(
                "this is the address of another session's page",
                value=f"code {named}, here {code}",
                next_step="Start this session's page with the command below, then copy its address.",
            )
        return cls(parts.scheme, host, port)

    @property
    def text(self) -> str:
        """The address that readers type."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}{f':{self.port}' if self.port else ''}"

    def joining(self, code: str) -> str:
        """The address with the code in it, as the QR code holds it."""
        return f"{self.text}/?code={code}"

    def command(self, code: str) -> str:
        """What serves the page there."""
        host = "" if _is_loopback(self.host) else f" --host {self.host}"
        port = f" --port {self.port}" if self.port not in (None, PORT) else ""
        return f"derm-kit serve --session {code}{host}{port}"


def likely() -> ReadersAddress:
    """Where this machine's page would be in the network that it is in; on loopback where it is in none."""
    host = _own_address()
    return ReadersAddress("http" if _is_loopback(host) else "https", host, PORT)


def qr_html(address: str) -> str:
    """A QR code as SVG, black on white in any colour scheme, with the quiet zone that phones need."""
    code = segno.make(address, error="m", micro=False)
    drawn = code.svg_inline(omitsize=True, border=4, dark="#000", light="#fff")
    return drawn.replace("<svg ", f"<svg role='img' aria-label='QR code of {escape(address, quote=True)}' ", 1)


def _own_address() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_NO_PACKET)
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
