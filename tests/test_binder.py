"""Binder: its files make an environment from nothing, whose notebook server opens the front page in Voila."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import cv2
import psutil
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from derm_kit.cases.phantom import draw
from derm_kit.lesions import LesionType
from derm_kit.serve import CONTENT_SECURITY_POLICY, LARGEST_MESSAGE_BYTES
from tests.environments import ROOT, Environment, checkout, project
from tests.serving import chromium, free_port, kernels, wait_until_it_answers

BINDER = ROOT / "binder"
BASE = "/user/derm-kit-abc123/"
TOKEN = "a-token-of-binder"  # noqa: S105 - of this test's server
MEMORY_B = 2_000_000_000
"""What Binder gives a visitor."""
WAIT = 120_000
TORCH = {"torch", "torchvision", "timm", "captum", "grad-cam"}


def locked(path: Path) -> dict[str, str]:
    """Each package of a lock with its version, markers and hashes."""
    entries = path.read_text().replace("\\\n", " ").splitlines()
    return {entry.split("==")[0]: " ".join(entry.split()) for entry in entries if "==" in entry}


def test_its_packages_are_those_of_the_lock_without_pytorch():
    lock, binder = locked(ROOT / "requirements.lock"), locked(BINDER / "requirements.txt")
    assert binder.items() <= lock.items()
    assert all(" --hash=sha256:" in entry for entry in lock.values())
    dependencies = project()["dependencies"]
    assert isinstance(dependencies, list)
    needed = {re.split(r"[>=\[]", name)[0] for name in dependencies}
    assert needed <= set(lock)
    assert needed - TORCH <= set(binder)
    assert not (TORCH | {name for name in lock if name.startswith("nvidia")}) & set(binder)


def test_its_python_is_one_that_derm_kit_runs_on():
    assert (BINDER / "runtime.txt").read_text().strip() == f"python-{str(project()['requires-python']).lstrip('>=')}"


def test_its_pages_may_ask_for_no_more_than_those_of_the_workbench():
    settings = json.loads((BINDER / "jupyter_server_config.json").read_text())["ServerApp"]["tornado_settings"]
    assert settings["headers"]["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert settings["websocket_max_message_size"] == LARGEST_MESSAGE_BYTES


def test_the_address_opens_the_front_page_in_voila(tmp_path: Path):
    if chromium() is None:
        assert not os.environ.get("DERM_KIT_REQUIRE_BROWSER"), "no Chromium on this machine"
        pytest.skip("no Chromium on this machine: the page is not looked at")
    tree = checkout(tmp_path / "tree")
    environment = Environment(tmp_path / "environment", tree / "binder" / "requirements.txt")
    environment.run("binder/postBuild", cwd=tree)
    picture = tmp_path / "phantom.png"
    cv2.imwrite(str(picture), draw(LesionType.MELANOMA, 9_000).image[..., ::-1])
    with started(environment, tree) as (address, server), ThreadPoolExecutor(1) as thread:
        used = thread.submit(visit, address, server, picture).result()
    assert max(used) < MEMORY_B


@contextmanager
def started(environment: Environment, tree: Path) -> Iterator[tuple[str, psutil.Process]]:
    """The notebook server as BinderHub starts it, but on loopback: its address, and its process."""
    port = free_port()
    settings = {"base_url": BASE, "token": TOKEN, "trust_xheaders": "True"}
    command = [
        "binder/start", "jupyter-lab", "--ip=127.0.0.1", f"--port={port}", "--no-browser", "--allow-root",
        *(f"--{app}.{name}={value}" for app in ("NotebookApp", "ServerApp") for name, value in settings.items()),
    ]  # fmt: skip
    server = subprocess.Popen(
        command, cwd=tree, env=environment.variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    address = f"http://127.0.0.1:{port}{BASE}"
    try:
        wait_until_it_answers(address.rstrip("/"), server)
        yield address, psutil.Process(server.pid)
    finally:
        kept = psutil.Process(server.pid).children(recursive=True)
        server.terminate()
        server.wait(60)
        _, left = psutil.wait_procs(kept, timeout=30)
        assert left == [], "processes left"


def visit(address: str, server: psutil.Process, picture: Path) -> list[int]:
    """Open the front page by Binder's address, follow it to page 01, score a picture; the memory used, in bytes."""
    errors: list[str] = []
    asked: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        page = browser.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{address}voila/render/notebooks/00_start_here.ipynb?token={TOKEN}", timeout=WAIT)
        expect(page.get_by_role("heading", name="Start here", level=1)).to_be_visible(timeout=WAIT)
        used = [memory(server)]
        page.get_by_role("link", name="Quick demo").click()
        expect(page.get_by_role("heading", name="Triage a case", level=1)).to_be_visible(timeout=WAIT)
        scored(page, picture)
        assert kernels_come_down_to(1, server), "the kernel of a page that was left goes on"
        used.append(memory(server))
        browser.close()
    assert errors == []
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(f"{address}voila/files/notebooks/00_start_here.ipynb?token={TOKEN}", timeout=30)
    return used


def scored(page: Page, picture: Path) -> None:
    """The page's own map is there; of the others it says what they need."""
    page.get_by_label("Skin type").select_option(label="II: white, usually burns", timeout=WAIT)
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose or take a picture").click()
    chooser.value.set_files(picture)
    expect(page.locator(".dk-verdict")).to_have_text("Melanoma", timeout=WAIT)
    expect(page.locator(".dk-viewer canvas")).to_have_attribute("data-shown", "colour", timeout=WAIT)
    expect(page.get_by_text("9 other ways to draw a map need PyTorch, which is not installed here")).to_be_visible()
    assert page.get_by_label("By", exact=True).locator("option").count() == 2


def kernels_come_down_to(n: int, server: psutil.Process) -> bool:
    """Whether no more than `n` kernels are left within a minute."""
    until = time.monotonic() + 60
    while len(kernels(server)) > n and time.monotonic() < until:
        time.sleep(0.2)
    return len(kernels(server)) <= n


def memory(server: psutil.Process) -> int:
    """Memory of a server and its kernels in bytes, what they share counted once."""
    return sum(process.memory_full_info().pss for process in (server, *server.children(recursive=True)))
