"""The pages behind a real nginx that runs the administrator's guide's very text: links, websockets, who is there."""

from __future__ import annotations

import json
import re
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import psutil
import pytest
from playwright.sync_api import Browser, Page, expect

from derm_kit.cases.phantom import draw
from derm_kit.lesions import LesionType
from derm_kit.proxy import SECRET_HEADER
from derm_kit.records.register import Register
from tests.fronted import LOGINS, PASSWORD, SECRET, UPGRADE, Fronted, fronted, kernel_of
from tests.nginx import program
from tests.readers import PASSPHRASE, copied
from tests.serving import kernel_process, kernels

WAIT = 60_000
HAZARDS = "/derm/voila/render/07_safety_case.ipynb#tab=hazards"
TRIAGE, REVIEW = "/derm/voila/render/01_triage_a_case.ipynb", "/derm/voila/render/02_case_review.ipynb"
ADA, BEN = LOGINS
Open = Callable[[str], Page]


@pytest.fixture(scope="module")
def front(staffed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fronted]:
    program()
    folder = tmp_path_factory.mktemp("fronted")
    workspace = copied(staffed[0], folder / "workspace")
    with fronted(folder, workspace, staffed[1]["ada"]) as found:
        yield found


@pytest.fixture
def browse(browser: Browser, front: Fronted) -> Iterator[Open]:
    """A page of somebody logged in; an error on it, or a request beyond the workbench's path, fails the test."""
    contexts, errors, beyond = [], [], []

    def open_as(login: str) -> Page:
        context = browser.new_context(
            base_url=front.base,
            ignore_https_errors=True,
            http_credentials={"username": login, "password": PASSWORD},
        )
        contexts.append(context)
        page = context.new_page()
        inside = (f"{front.base}/derm/", f"{front.base.replace('https', 'wss')}/derm/", "data:", "blob:")
        page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda e: errors.append(str(e)))
        page.on("request", lambda r: beyond.append(r.url) if not r.url.startswith(inside) else None)
        page.on("websocket", lambda s: beyond.append(s.url) if not s.url.startswith(inside) else None)
        return page

    yield open_as
    for context in contexts:
        context.close()
    assert errors == []
    assert beyond == []


def test_links_stay_below_the_path_and_a_large_picture_goes_through_the_websocket(
    browse: Open, front: Fronted, tmp_path: Path
):
    phantom = cv2.resize(draw(LesionType.MELANOMA, 9_000).image[..., ::-1], (2_000, 2_000))
    cv2.imwrite(str(tmp_path / "phantom.png"), phantom, [cv2.IMWRITE_PNG_COMPRESSION, 0])
    assert (tmp_path / "phantom.png").stat().st_size > 10_000_000, "ten times what nginx takes as a request's body"
    page = browse(ADA)
    page.goto("/derm/")
    demo = page.get_by_role("link", name="Quick demo")
    expect(demo).to_be_visible(timeout=WAIT)
    links = page.evaluate("[...document.querySelectorAll('a')].map(a => a.href)")
    assert len(links) >= 8
    assert [link for link in links if not link.startswith(f"{front.base}/derm/")] == []
    demo.click()
    expect(page).to_have_url(re.compile(re.escape(TRIAGE)))
    page.get_by_label("Skin type").select_option(label="II: white, usually burns", timeout=WAIT)
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose or take a picture").click()
    chooser.value.set_files(tmp_path / "phantom.png")
    expect(page.locator(".dk-verdict")).to_have_text("Melanoma", timeout=WAIT)
    expect(page.locator(".dk-viewer canvas")).to_have_attribute("data-shown", "colour", timeout=WAIT)


def test_a_login_fills_in_its_person_and_signs_nothing(browse: Open, front: Fronted, staffed):
    page = browse(ADA)
    page.goto(REVIEW)
    expect(page.get_by_text(f"Logged in as {ADA}.")).to_be_visible(timeout=WAIT)
    expect(page.get_by_label("I am").first.locator("option:checked")).to_have_text("Ada Lovelace, dermatologist")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert").first).to_contain_text("the passphrase is wrong", timeout=WAIT)
    expect(page.get_by_text("Signed in:")).to_have_count(0)
    page.get_by_label("Passphrase").first.fill(PASSPHRASE)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("Signed in: Ada Lovelace")).to_be_visible(timeout=WAIT)
    with Register.open(front.workspace) as register:
        said = [(e.actor, e.action) for e in register.entries() if e.action.startswith("passphrase ")]
        logged = repr(list(register.entries()))
    ada = staffed[1]["ada"]
    assert said == [(ada, "passphrase refused"), (ada, "passphrase accepted")]
    assert ADA not in logged


def test_where_a_form_is_signed_the_person_of_the_login_is_filled_in(browse: Open):
    page = browse(ADA)
    page.goto(HAZARDS)
    who = page.get_by_label("I am").locator("visible=true").first.locator("option:checked")
    expect(who).to_have_text("Ada Lovelace, dermatologist", timeout=WAIT)


def test_a_login_that_nobody_knows_is_told_so_and_chooses_nobody(browse: Open):
    page = browse(BEN)
    page.goto(REVIEW)
    expect(page.get_by_text(f"Logged in as {BEN}, who stands for nobody in the register yet")).to_be_visible(
        timeout=WAIT
    )
    expect(page.get_by_label("I am").first.locator("option:checked")).to_have_text("Choose your name…")


def test_a_page_belongs_to_the_login_that_opened_it_whatever_a_browser_claims(browse: Open, front: Fronted):
    page = browse(ADA)
    page.goto(REVIEW)
    expect(page.get_by_text(f"Logged in as {ADA}.")).to_be_visible(timeout=WAIT)
    kernel = f"/derm/api/kernels/{kernel_of(page)}"
    claims = {"X_Remote_User": ADA, "X_Derm_Kit_Proxy": SECRET}
    for headers in ({}, claims):
        assert front.ask(kernel, BEN, **headers).status == 404
        assert front.ask(f"{kernel}/channels", BEN, **UPGRADE, **headers).status == 404
    assert front.ask(kernel, ADA).status == 200
    assert front.ask(f"{kernel}/channels", ADA, **UPGRADE).status == 101
    assert front.ask(f"{kernel}/channels", ADA, **UPGRADE, Origin="https://elsewhere.example").status == 403


def test_a_page_that_is_left_ends_its_kernel(browse: Open, front: Fronted):
    page = browse(ADA)
    page.goto(TRIAGE)
    expect(page.locator(".dk-drop")).to_be_visible(timeout=WAIT)
    kernel = kernel_of(page)
    running = [kernel_process(kernel)]
    page.goto("/derm/")
    assert psutil.wait_procs(running, timeout=60)[1] == []
    ended_at = time.monotonic()
    while front.ask(f"/derm/api/kernels/{kernel}").status != 404:
        assert time.monotonic() < ended_at + 30, "a kernel that has ended is still known"
        time.sleep(0.2)


def test_whoever_is_not_logged_in_gets_nothing(front: Fronted):
    for path in ("/derm/", TRIAGE, "/derm/voila/static/voila.js"):
        assert front.ask(path, None).status == 401
    moved = front.ask("/derm", None)
    assert (moved.status, moved.headers["Location"]) == (301, "/derm/")


SAID = (SECRET_HEADER, SECRET)
WHO = ("X-Remote-User", ADA)


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ([], "through its proxy only"),
        ([WHO], "through its proxy only"),
        ([WHO, (SECRET_HEADER, SECRET[:-1] + "0")], "through its proxy only"),
        ([WHO, (SECRET_HEADER, "")], "through its proxy only"),
        ([WHO, SAID, SAID], "through its proxy only"),
        ([SAID], "did not say who is logged in"),
        ([SAID, ("X-Remote-User", " ")], "did not say who is logged in"),
        ([SAID, WHO, ("X-Remote-User", BEN)], "did not say who is logged in"),
    ],
)
@pytest.mark.parametrize(
    "path", ["/derm/", TRIAGE, "/derm/voila/static/voila.js", f"/derm/api/kernels/{'0-' * 4}0/channels", "/else"]
)
def test_past_the_proxy_nothing_is_answered(front: Fronted, path: str, headers: list[tuple[str, str]], told: str):
    refused = front.ask_past_it(path, headers)
    assert refused.status == 403
    assert told in refused.text
    assert SECRET not in refused.text


def test_with_the_secret_and_a_name_the_proxy_is_answered(front: Fronted):
    assert front.ask_past_it("/derm/voila/static/voila.js", [SAID, WHO]).status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/derm/../etc/passwd",
        "/derm/%2e%2e/%2e%2e/etc/passwd",
        "/derm/voila/static/..%2f..%2f..%2fpyproject.toml",
        "/derm/voila/static/../../../pyproject.toml",
        "/derm/voila/templates/derm_kit/static/..%2f..%2fderm_kit%2fconf.json",
        "/derm/voila/labextensions/..%2f..%2fkernels/python3/kernel.json",
        "/derm/voila/render/..%2fpyproject.toml",
        "/derm/voila/files/00_start_here.ipynb",
        "/derm/voila/api/contents/",
        "/derm/voila/tree/",
        f"/derm/voila/query/{'0' * 8}-0000-4000-8000-{'0' * 12}",
        "/derm/api/contents/",
        "/derm/api/kernels",
        "/derm/login",
        "/derm/voila/api/shutdown/..%2fx",
        "/voila/render/00_start_here.ipynb",
        "/",
    ],
)
def test_nothing_but_the_pages_is_served(front: Fronted, path: str):
    assert front.ask(path).status in (400, 403, 404, 405, 500)  # 500: Voila's, for a path that is none of a template's


def test_what_a_kernel_says_goes_through_sockets_in_a_folder_closed_to_others(front: Fronted):
    until = time.monotonic() + 60
    while not (running := kernels(front.server)) or not all(map(sockets, running)):
        assert time.monotonic() < until, "no kernel came"
        time.sleep(0.2)
    for process in running:
        (file,) = sockets(process)[0].parent.glob(f"{process.name()}*.json")
        said = json.loads(file.read_text("utf-8"))
        assert said["transport"] == "ipc"
        assert Path(said["ip"]).parent == file.parent
        assert stat.S_IMODE(file.parent.stat().st_mode) & 0o077 == 0
        assert stat.S_ISSOCK(Path(f"{said['ip']}-{said['iopub_port']}").stat().st_mode)


def sockets(process: psutil.Process) -> list[Path]:
    """Those that a kernel listens on."""
    return [Path(c.laddr) for c in process.net_connections("unix") if "-ipc-" in str(c.laddr)]


def test_no_login_and_no_secret_stand_in_the_log(front: Fronted):
    said = (front.nginx / "server.log").read_text("utf-8")
    assert "open at http://127.0.0.1" in said
    for kept_back in (ADA, SECRET, "Ada Lovelace"):
        assert kept_back not in said
