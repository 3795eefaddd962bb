"""An nginx of a test's own: its servers' text from a test or from the guide, in a folder of its own, on free ports."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

GUIDE = Path(__file__).parent.parent / "docs" / "administrator.md"
READY_S = 30
FRAME = """
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxied;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{servers}
}}
"""


def program() -> str:
    """Path of nginx; without one the test skips, or fails where it is required."""
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found:
        return found
    missing = "no nginx on this machine: tests/nginx.sh gets one"
    if os.environ.get("DERM_KIT_REQUIRE_NGINX"):
        pytest.fail(missing)
    pytest.skip(missing)


def from_guide(port: int, upstream: int, files: dict[str, Path]) -> str:
    """The guide's configuration on other ports, its files in other places. Each must stand in it."""
    text = re.search(r"```nginx\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)[1]  # type: ignore[index]
    changes = {"listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;", "127.0.0.1:8866": f"127.0.0.1:{upstream}"}
    for old, new in (changes | {name: str(path) for name, path in files.items()}).items():
        assert old in text, f"the guide no longer says {old}"
        text = text.replace(old, new)
    return text


@contextmanager
def running(folder: Path, port: int, servers: str) -> Iterator[Path]:
    """nginx with these servers, one of them on `port`; the folder has its logs. Ended in the end."""
    user = "user root;" if os.name == "posix" and os.geteuid() == 0 else ""
    config = folder / "nginx.conf"
    config.write_text(FRAME.format(folder=folder, servers=servers, user=user), "utf-8")
    command = [program(), "-e", str(folder / "error.log"), "-p", str(folder), "-c", str(config), "-g", "daemon off;"]
    nginx = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(port, nginx, folder)
        yield folder
    finally:
        nginx.send_signal(signal.SIGTERM)
        nginx.wait(30)


def _wait(port: int, nginx: subprocess.Popen[bytes], folder: Path) -> None:
    until = time.monotonic() + READY_S
    while time.monotonic() < until:
        if nginx.poll() is not None:
            raise RuntimeError(f"nginx stopped: {(folder / 'error.log').read_text('utf-8')}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
            continue
        return
    raise RuntimeError(f"nginx did not listen within {READY_S} s")
