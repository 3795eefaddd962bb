"""What may stand in front of the workbench: a reverse proxy, which proves itself by a secret and says who is there."""

from __future__ import annotations

import hmac
import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from derm_kit.errors import DermKitError

SECRET_HEADER = "X-Derm-Kit-Proxy"  # noqa: S105 - a header's name
SHORTEST_SECRET = 32
_BASE_URL = re.compile(r"(/[A-Za-z0-9_~%@-][A-Za-z0-9_~%@.-]*)*/")
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]*")

Headers = Any
"""tornado.httputil.HTTPHeaders."""


class FrontError(DermKitError):
    """The workbench cannot be opened behind this proxy or hub."""


@dataclass(frozen=True)
class Front:
    """What stands in front of the workbench.

    `base_url` is the path under which it is reached, with a slash at both ends. `refuse` says why a request is not
    answered, "" for one that is. `identity` makes Jupyter Server's IdentityProvider that knows who is logged in; None
    where nobody is.
    """

    base_url: str = "/"
    refuse: Callable[[Headers], str] | None = None
    identity: Callable[[], Any] | None = None


def proxied(base_url: str = "/", secret_file: Path | None = None, user_header: str = "") -> Front:
    """The front that a reverse proxy makes. Raises FrontError.

    Every request must bring the text of `secret_file` in SECRET_HEADER: whoever else on the machine reaches the port
    is refused. `user_header` names the header in which the proxy says who is logged in; it is believed with the secret
    only.
    """
    if user_header and secret_file is None:
        raise FrontError(
            "who is logged in is believed only of a proxy that proves itself",
            case=f"--user-header {user_header}",
            next_step="Name a file with a secret that the proxy sends: --proxy-secret FILE.",
        )
    if user_header and (not _HEADER.fullmatch(user_header) or user_header.lower() == SECRET_HEADER.lower()):
        raise FrontError(
            "a header's name has letters, digits and hyphens, and is not the one of the secret",
            case="--user-header",
            value=user_header,
            next_step="Name it as the proxy does, such as X-Remote-User.",
        )
    base = checked_base_url(base_url)
    if secret_file is None:
        return Front(base)
    secret = read_secret(secret_file)

    def refuse(headers: Headers) -> str:
        given = headers.get_list(SECRET_HEADER)
        if len(given) != 1 or not hmac.compare_digest(_bytes(given[0]), secret):
            return "This workbench is reached through its proxy only."
        if user_header and not login_of(headers, user_header):
            return "The proxy did not say who is logged in."
        return ""

    return Front(base, refuse, (lambda: _identity(user_header)) if user_header else None)


def checked_base_url(text: str) -> str:
    """The path with a slash at both ends. Raises FrontError for anything else than a plain path."""
    path = f"/{text.strip('/')}/" if text.strip("/") else "/"
    if not _BASE_URL.fullmatch(path):
        raise FrontError(
            "a base URL is a path of letters, digits, hyphens and underscores",
            case="--base-url",
            value=text,
            next_step="Name the path under which the proxy is asked for the workbench, such as /derm/.",
        )
    return path


def read_secret(file: Path) -> bytes:
    """The secret in a file that nobody else may read. Raises FrontError."""
    try:
        mode, text = file.stat().st_mode, file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise FrontError(
            "the proxy's secret cannot be read", case=str(file), value=error, next_step="Name a text file with it."
        ) from None
    if os.name == "posix" and stat.S_IMODE(mode) & (stat.S_IRWXG | stat.S_IRWXO):
        raise FrontError(
            "the proxy's secret is for the workbench's account only",
            case=str(file),
            value=f"mode {stat.S_IMODE(mode):o}",
            next_step=f"Close it to others: chmod 600 {file}",
        )
    if len(text) < SHORTEST_SECRET or not text.isascii() or not text.isprintable():
        raise FrontError(
            f"the proxy's secret is one line of at least {SHORTEST_SECRET} plain characters",
            case=str(file),
            value=f"{len(text)} characters",
            next_step=f"Draw one: openssl rand -hex 32 > {file}",
        )
    return text.encode()


def login_of(headers: Headers, user_header: str) -> str:
    """Who the proxy says is logged in; "" for nobody, and for more than one answer."""
    given = headers.get_list(user_header)
    return _text(given[0]).strip() if len(given) == 1 else ""


def _identity(user_header: str) -> Any:  # noqa: ANN401 - Jupyter Server's class
    from jupyter_server.auth import IdentityProvider, User
    from traitlets import default

    class ProxyIdentity(IdentityProvider):
        """Whoever the proxy says, on every request anew: no cookie of our own, no page to log in."""

        @default("token")
        def _none(self) -> str:
            return ""

        def get_user(self, handler: Any) -> Any:  # noqa: ANN401 - a request handler of tornado's
            """The user, None for nobody."""
            login = login_of(handler.request.headers, user_header)
            return User(login) if login else None

        def get_handlers(self) -> list[Any]:
            """None: the proxy logs people in and out."""
            return []

    return ProxyIdentity


def _bytes(header: str) -> bytes:
    return header.encode("utf-8", "surrogatepass")


def _text(header: str) -> str:
    """Names come as UTF-8, which tornado reads as Latin-1."""
    try:
        return header.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return header
