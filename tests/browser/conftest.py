"""One server and one browser for all tests, a fresh browser context for each."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.readers import staff
from tests.serving import free_port, wait_until_it_answers


@pytest.fixture(scope="session")
def readers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workspace of the workbench that is served: its register knows READERS."""
    folder = tmp_path_factory.mktemp("served") / "workspace"
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DERM_KIT_DATABASE_URL", raising=False)
        staff(folder)
    return folder


@pytest.fixture(scope="session")
def address(readers: Path) -> Iterator[str]:
    """The workbench served on a free port; stopped by Ctrl-C at the end, with no process left."""
    _chromium()
    port = free_port()
    named = {name: value for name, value in os.environ.items() if name != "DERM_KIT_DATABASE_URL"}
    server = subprocess.Popen(
        [Path(sys.executable).with_name("derm-kit"), "serve", "--port", str(port), "--no-browser"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env=named | {"DERM_KIT_WORKSPACE": str(readers)},
    )
    base = f"http://127.0.0.1:{port}"
    wait_until_it_answers(base, server)
    yield base
    kernels = psutil.Process(server.pid).children(recursive=True)
    assert kernels, "a page runs in a kernel of its own"
    server.send_signal(signal.SIGINT)
    server.wait(30)
    _, left = psutil.wait_procs(kernels, timeout=10)
    assert left == [], "processes left after Ctrl-C"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium from the system."""
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=_chromium(), args=["--no-sandbox"])
        yield found
        found.close()


LEFT = """addEventListener("beforeunload", () => {
    for (const kind of ["error", "unhandledrejection"]) addEventListener(kind, event => event.preventDefault());
})"""
"""Voila ends the kernel of a page that is left; what a widget still sends until the next one stands is nobody's."""


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """A page of 1440 x 900 whose console errors and requests beyond loopback fail the test while it is open."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, base_url=address)
    errors: list[str] = []
    hosts: set[str] = set()
    context.add_init_script(LEFT)
    opened = context.new_page()
    opened.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
    opened.on("pageerror", lambda e: errors.append(str(e)))
    opened.on("request", lambda r: hosts.add(r.url.split("/")[2]) if r.url.startswith(("http", "ws")) else None)
    yield opened
    if not opened.is_closed():
        opened.goto("about:blank")  # a page that is left ends its kernel; one whose browser goes does not
    context.close()
    assert errors == []
    assert hosts <= {address.removeprefix("http://")}


def _chromium() -> str:
    """Path of a Chromium; without one the tests skip, or fail where it is required."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found:
        return found
    missing = "no Chromium on this machine: the pages are not looked at"
    if os.environ.get("DERM_KIT_REQUIRE_BROWSER"):
        pytest.fail(missing)
    pytest.skip(missing)
