"""The pages as a service of a real JupyterHub, configured with the guide's text: its log-in, its groups, its people."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import indent

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from derm_kit.model.card import share
from derm_kit.records.register import Register
from tests.fronted import SERVER, kernel_of
from tests.nginx import GUIDE, program, running
from tests.readers import copied
from tests.serving import free_port

WAIT = 60_000
READY_S = 120
PAGES = ("00_start_here.ipynb", "02_case_review.ipynb")
SERVICE = "/services/derm-kit/"
REVIEW = f"{SERVICE}voila/render/02_case_review.ipynb"
PASSWORD = "of-a-test-hub"  # noqa: S105
HUB = """
from jupyterhub.proxy import Proxy

class Nginx(Proxy):
    \"\"\"The routes stand in nginx's configuration already.\"\"\"
    should_start = False
    routes = {{}}
    async def add_route(self, routespec, target, data):
        self.routes[routespec] = {{"routespec": routespec, "target": target, "data": data}}
    async def delete_route(self, routespec):
        self.routes.pop(routespec, None)
    async def get_all_routes(self):
        return self.routes

c.JupyterHub.proxy_class = Nginx
c.JupyterHub.bind_url = "http://127.0.0.1:{proxied}"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{hub}"
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = "{password}"
c.Authenticator.allowed_users = {{"ada", "ben", "cleo"}}
c.JupyterHub.load_groups = {{"derm-kit": {{"users": ["ada", "ben"]}}}}
"""
NGINX = """
map $http_upgrade $upgraded {{ default upgrade; "" close; }}
server {{
    listen 127.0.0.1:{proxied};
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $upgraded;
    proxy_set_header X-Forwarded-Proto $scheme;
    location / {{ proxy_pass http://127.0.0.1:{hub}; }}
    location /services/derm-kit/ {{ proxy_pass http://127.0.0.1:{service}; }}
}}
"""
Enter = Callable[[str], Page]


@pytest.fixture(scope="module")
def base(staffed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a hub that has started the workbench, behind nginx in the place of the hub's usual proxy."""
    program()
    folder = tmp_path_factory.mktemp("hub")
    workspace = copied(staffed[0], folder / "workspace")
    with Register.open(workspace) as register:
        register.name_login(staffed[1]["ada"], "ada")
    ports = {"proxied": free_port(), "hub": free_port(), "service": free_port()}
    (folder / "jupyterhub_config.py").write_text(
        HUB.format(**ports, password=PASSWORD) + _guide(folder, workspace, ports["service"]), "utf-8"
    )
    with (folder / "hub.log").open("wb") as log, running(folder, ports["proxied"], NGINX.format(**ports)):
        hub = subprocess.Popen(
            [sys.executable, "-m", "jupyterhub", "-f", "jupyterhub_config.py"],
            cwd=folder, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        try:
            found = f"http://127.0.0.1:{ports['proxied']}"
            _wait(f"{found}{SERVICE}voila/static/voila.js", hub, folder / "hub.log")
            yield found
        finally:
            hub.send_signal(signal.SIGTERM)
            hub.wait(60)


def _guide(folder: Path, workspace: Path, port: int) -> str:
    """The guide's configuration of the hub, with a command that has a few of the pages."""
    pages, command = folder / "pages", folder / "command.py"
    pages.mkdir()
    for name in PAGES:
        shutil.copy(share("notebooks") / name, pages)
    as_program = indent(f"sys.argv.insert(1, {str(pages)!r})\n{SERVER}", "    ")
    command.write_text(f"import sys\nif __name__ == '__main__':\n{as_program}", "utf-8")
    text = re.search(r"```python\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)[1]  # type: ignore[index]
    changes = {
        '"/srv/derm-kit/venv/bin/derm-kit"': f"{sys.executable!r}, {str(command)!r}",
        "http://127.0.0.1:8866": f"http://127.0.0.1:{port}",
        '"DERM_KIT_WORKSPACE": "/srv/derm-kit/workspace"': f'"DERM_KIT_WORKSPACE": {str(workspace)!r}, '
        f'"PYTHONPATH": {os.environ.get("PYTHONPATH", "")!r}',
    }
    for old, new in changes.items():
        assert old in text, f"the guide no longer says {old}"
        text = text.replace(old, new)
    return text


def _wait(address: str, hub: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + READY_S
    while time.monotonic() < until:
        if hub.poll() is not None:
            raise RuntimeError(f"the hub stopped: {log.read_text('utf-8')}")
        try:
            urllib.request.urlopen(address, timeout=5).close()
        except urllib.error.HTTPError as answer:
            answer.close()
        except OSError:
            pass
        else:
            return
        time.sleep(0.5)
    raise RuntimeError(f"the workbench did not answer within {READY_S} s: {log.read_text('utf-8')}")


@pytest.fixture
def enter(browser: Browser, base: str) -> Iterator[Enter]:
    """The workbench as somebody sees it who has logged in at the hub on the way."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def log_in(login: str) -> Page:
        contexts.append(browser.new_context(base_url=base))
        page = contexts[-1].new_page()
        page.goto(SERVICE)
        expect(page).to_have_url(re.compile("/hub/login"))
        page.get_by_label("Username").fill(login)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.on("pageerror", lambda e: errors.append(str(e)))
        return page

    yield log_in
    for context in contexts:
        context.close()
    assert errors == []


def test_the_hub_logs_in_and_its_user_is_named_on_a_page_that_works(enter: Enter):
    page = enter("ada")
    expect(page.get_by_role("heading", name="Start here", level=1)).to_be_visible(timeout=WAIT)
    assert SERVICE in page.url
    page.goto(REVIEW)
    expect(page.get_by_text("Logged in as ada.")).to_be_visible(timeout=WAIT)
    expect(page.get_by_label("I am").first.locator("option:checked")).to_have_text("Ada Lovelace, dermatologist")


def test_a_page_is_its_users_own_and_ends_when_it_is_left(enter: Enter):
    ada, ben = enter("ada"), enter("ben")
    ada.goto(REVIEW)
    expect(ada.get_by_text("Logged in as ada.")).to_be_visible(timeout=WAIT)
    kernel = f"{SERVICE}api/kernels/{kernel_of(ada)}"
    expect(ben.get_by_role("heading", name="Start here", level=1)).to_be_visible(timeout=WAIT)
    assert ben.request.get(kernel).status == 404
    assert ada.request.get(kernel).status == 200
    ada.goto(SERVICE)
    expect(ada.get_by_role("heading", name="Start here", level=1)).to_be_visible(timeout=WAIT)
    until = time.monotonic() + 60
    while ada.request.get(kernel).status != 404:
        assert time.monotonic() < until, "the kernel of a page that was left still runs"
        time.sleep(0.5)


def test_who_is_not_of_the_group_is_not_let_in(enter: Enter):
    page = enter("cleo")
    expect(page.get_by_text("403").first).to_be_visible(timeout=WAIT)
    assert page.request.get(REVIEW).status == 403


@pytest.mark.parametrize("path", ["", "voila/render/02_case_review.ipynb", "api/kernels/" + "0-" * 4 + "0"])
def test_who_is_not_logged_in_sees_the_hubs_log_in_or_nothing(browser: Browser, base: str, path: str):
    context = browser.new_context(base_url=base)
    answer = context.request.get(f"{SERVICE}{path}")
    assert answer.status == 403 or "/hub/login" in answer.url
    context.close()
