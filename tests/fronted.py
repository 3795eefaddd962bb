"""The workbench behind an nginx that the guide configures: who is logged in there, and plain requests to either."""

from __future__ import annotations

import base64
import http.client
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from playwright.sync_api import Page

from derm_kit.model.card import share
from derm_kit.readers.certificate import self_made
from derm_kit.records.register import Register
from tests.nginx import from_guide, running
from tests.serving import free_port, wait_until_it_answers

SECRET = "0123456789abcdef" * 4
PASSWORD = "of a test"  # noqa: S105
LOGINS = ("ada@trust", "ben")
PAGES = ("00_start_here.ipynb", "01_triage_a_case.ipynb", "02_case_review.ipynb", "07_safety_case.ipynb")
SERVER = """
import sys
from pathlib import Path
import derm_kit.serve as s
from derm_kit.cli import main
pages = Path(sys.argv.pop(1))
s.share = lambda _: pages
main()
"""
"""The command itself over a folder with a few of the pages: each has a kernel that waits for it."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    text: str


@dataclass(frozen=True)
class Fronted:
    """`proxied` is nginx's port, `port` the workbench's own; `workspace` has the register."""

    proxied: int
    port: int
    workspace: Path
    server: psutil.Process
    nginx: Path

    @property
    def base(self) -> str:
        return f"https://127.0.0.1:{self.proxied}"

    def ask(self, path: str, login: str | None = LOGINS[0], method: str = "GET", **headers: str) -> Answer:
        """Through nginx, with a login's password; `_` in a header's name stands for a hyphen."""
        context = ssl.create_default_context(cafile=str(self.nginx / "127.0.0.1.pem"))
        connection = http.client.HTTPSConnection("127.0.0.1", self.proxied, timeout=60, context=context)
        return _asked(connection, method, path, authorization(login) | _named(headers))

    def ask_past_it(self, path: str, headers: Mapping[str, str] | list[tuple[str, str]] = ()) -> Answer:
        """Straight to the workbench, as any account of the machine can."""
        return _asked(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60), "GET", path, headers)


def authorization(login: str | None) -> dict[str, str]:
    """The header that a browser sends once somebody has entered their password; none for nobody."""
    coded = base64.b64encode(f"{login}:{PASSWORD}".encode()).decode()
    return {"Authorization": f"Basic {coded}"} if login else {}


UPGRADE = {
    "Connection": "Upgrade", "Upgrade": "websocket", "Sec_WebSocket_Version": "13",
    "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==",
}  # fmt: skip


def kernel_of(page: Page) -> str:
    """Id of the kernel behind a page."""
    found = re.search(r'"kernelId": "([0-9a-f-]{36})"', page.content())
    assert found
    return found[1]


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def _asked(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    headers: Mapping[str, str] | list[tuple[str, str]],
) -> Answer:
    try:
        connection.putrequest(method, path)
        for name, value in headers.items() if isinstance(headers, Mapping) else headers:
            connection.putheader(name, value)
        connection.endheaders()
        with connection.getresponse() as answer:
            body = b"" if answer.status == http.HTTPStatus.SWITCHING_PROTOCOLS else answer.read()
            return Answer(answer.status, dict(answer.headers), body.decode("utf-8", "replace"))
    finally:
        connection.close()


@contextmanager
def fronted(folder: Path, workspace: Path, ada: str) -> Iterator[Fronted]:
    """The workbench of the register in `workspace`, in which the first login stands for `ada`, and nginx before it."""
    with Register.open(workspace) as register:
        register.name_login(ada, LOGINS[0])
    pages = folder / "pages"
    pages.mkdir()
    for name in PAGES:
        shutil.copy(share("notebooks") / name, pages)
    secret = folder / "proxy.secret"
    secret.touch(mode=0o600)
    secret.write_text(f"{SECRET}\n", "utf-8")
    port, proxied = free_port(), free_port()
    nginx = running(folder, proxied, from_guide(proxied, port, _files(folder)))
    with _workbench(pages, port, secret, workspace) as server, nginx:
        yield Fronted(proxied, port, workspace, psutil.Process(server.pid), folder)


@contextmanager
def _workbench(pages: Path, port: int, secret: Path, workspace: Path) -> Iterator[subprocess.Popen[bytes]]:
    named = {name: value for name, value in os.environ.items() if name != "DERM_KIT_DATABASE_URL"}
    long = pages.parent / ("too-long-for-the-path-of-a-socket-" * 4)
    long.mkdir()
    own = {"DERM_KIT_WORKSPACE": str(workspace), "TMPDIR": str(long)}
    with (pages.parent / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [
                sys.executable, "-c", SERVER, pages, "serve", "--port", str(port), "--base-url", "derm",
                "--proxy-secret", secret, "--user-header", "X-Remote-User",
            ],
            stdout=log, stderr=log, start_new_session=True, env=named | own,
        )  # fmt: skip
        try:
            wait_until_it_answers(f"http://127.0.0.1:{port}", server)
            yield server
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(60)


def _files(folder: Path) -> dict[str, Path]:
    """What the guide's configuration names, in a folder of the test's."""
    made = self_made(folder, "127.0.0.1")
    logins, include = folder / "logins", folder / "secret.conf"
    logins.write_text("".join(f"{login}:{{PLAIN}}{PASSWORD}\n" for login in LOGINS), "utf-8")
    include.write_text(f'proxy_set_header X-Derm-Kit-Proxy "{SECRET}";\n', "utf-8")
    return {
        "/etc/nginx/derm-kit-certificate.pem": made.certificate,
        "/etc/nginx/derm-kit-key.pem": made.key,
        "/etc/nginx/derm-kit-logins": logins,
        "/etc/nginx/derm-kit-secret.conf": include,
    }
