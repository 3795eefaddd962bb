"""What may stand in front of the workbench: which secrets, paths and headers are taken, and who is named by it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tornado.httputil import HTTPHeaders
from typer.testing import CliRunner

from derm_kit.cli import app
from derm_kit.errors import DermKitError
from derm_kit.hub import hub_here, is_hub_here
from derm_kit.panels.login import claim, forget_ended, login_here, owner
from derm_kit.proxy import SECRET_HEADER, Front, FrontError, checked_base_url, login_of, proxied

SECRET = "0123456789abcdef" * 2
KERNELS = "5ba1b7c4-0000-4000-8000-000000000001", "5ba1b7c4-0000-4000-8000-000000000002"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "secret"
    file.touch(mode=0o600)
    file.write_text(f"{SECRET}\n")
    return file


@pytest.mark.parametrize(
    ("given", "path"),
    [("", "/"), ("/", "/"), ("derm", "/derm/"), ("/derm/", "/derm/"), ("/a/b-c_d", "/a/b-c_d/"), ("/v1.2/", "/v1.2/")],
)
def test_a_base_url_has_a_slash_at_both_ends(given: str, path: str):
    assert checked_base_url(given) == path


@pytest.mark.parametrize(
    "given", ["/a/../b", "/..", "/.a", "/a//b", "/a b", "/a(b)*", "https://x.example/a", "/a?b", "/a#b", "/a\\b", "/ä"]
)
def test_what_is_no_plain_path_is_refused(given: str):
    with pytest.raises(FrontError, match="a base URL is a path"):
        checked_base_url(given)


def test_without_options_nothing_stands_in_front():
    assert proxied() == Front()


def test_a_secret_that_others_can_read_is_refused(secret: Path):
    secret.chmod(0o640)
    with pytest.raises(FrontError, match=r"the workbench's account only.*mode 640.*chmod 600"):
        proxied("/", secret)


@pytest.mark.parametrize("text", ["", "short", "a" * 31, SECRET + "\n" + SECRET, "ä" * 40, f"{SECRET}\x07"])
def test_a_secret_is_one_long_line_of_plain_characters(secret: Path, text: str):
    secret.write_text(text)
    with pytest.raises(FrontError, match=r"at least 32 plain characters.*openssl rand") as told:
        proxied("/", secret)
    assert not text.strip() or text.strip() not in str(told.value)


def test_a_secret_that_is_not_there_is_told(tmp_path: Path):
    with pytest.raises(FrontError, match="cannot be read"):
        proxied("/", tmp_path / "nothing")


def test_who_is_logged_in_is_believed_with_a_secret_only():
    with pytest.raises(FrontError, match=r"only of a proxy that proves itself.*--proxy-secret"):
        proxied("/", None, "X-Remote-User")


@pytest.mark.parametrize("name", ["X Remote", "X-Remote:", "x-derm-kit-proxy", "1"])
def test_a_header_has_a_plain_name_and_is_not_the_secrets(secret: Path, name: str):
    with pytest.raises(FrontError, match="a header's name"):
        proxied("/", secret, name)


def test_a_secret_alone_lets_in_and_names_nobody(secret: Path):
    front = proxied("/derm", secret)
    assert front.identity is None
    assert front.refuse(HTTPHeaders({SECRET_HEADER: SECRET})) == ""
    assert "through its proxy only" in front.refuse(HTTPHeaders({SECRET_HEADER: SECRET[:-1]}))
    assert "through its proxy only" in front.refuse(HTTPHeaders({SECRET_HEADER: "\udcff" * 32}))


def test_the_secret_is_not_shown_with_the_front(secret: Path):
    assert SECRET not in repr(proxied("/", secret, "X-Remote-User"))


def test_a_name_comes_as_utf_8_or_as_latin_1():
    assert login_of(HTTPHeaders({"X-User": "zoë".encode().decode("latin-1")}), "X-User") == "zoë"
    assert login_of(HTTPHeaders({"X-User": "zoë"}), "X-User") == "zoë"


def test_a_kernel_is_its_first_logins_until_it_has_ended(tmp_path: Path):
    first, second = KERNELS
    assert owner(tmp_path, first) is None
    assert claim(tmp_path, first, "ada")
    assert claim(tmp_path, first, "ada")
    assert not claim(tmp_path, first, "ben")
    assert claim(tmp_path, second, "ben")
    assert owner(tmp_path, first) == "ada"
    assert all(file.stat().st_mode & 0o077 == 0 for file in tmp_path.iterdir())
    forget_ended(tmp_path, {second})
    assert (owner(tmp_path, first), owner(tmp_path, second)) == (None, "ben")


def test_outside_a_kernel_nobody_is_logged_in():
    assert login_here() == ""


@pytest.mark.parametrize("option", ["--base-url", "--proxy-secret", "--user-header"])
def test_a_teaching_session_has_its_own_way_through_a_proxy(option: str):
    done = CliRunner().invoke(app, ["serve", "--session", "ABC", option, "x"])
    assert isinstance(done.exception, DermKitError)
    assert f"{option} does not go with --session" in str(done.exception)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """What a JupyterHub sets for a service that it starts."""
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/services/derm-kit/")
    monkeypatch.setenv("JUPYTERHUB_SERVICE_URL", "http://127.0.0.1:18866")
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "token")
    return monkeypatch


def test_a_hub_says_where_to_listen_and_below_which_path(hub: pytest.MonkeyPatch):
    assert is_hub_here()
    found = hub_here()
    assert (found.address, found.port, found.front.base_url) == ("127.0.0.1", 18866, "/services/derm-kit/")
    assert found.front.identity is not None
    hub.delenv("JUPYTERHUB_SERVICE_PREFIX")
    assert not is_hub_here()


@pytest.mark.parametrize("url", ["", "https://127.0.0.1:1", "http://127.0.0.1", "http:///x"])
def test_a_hub_that_gives_no_address_of_this_machine_is_told(hub: pytest.MonkeyPatch, url: str):
    hub.setenv("JUPYTERHUB_SERVICE_URL", url)
    with pytest.raises(FrontError, match="Give the service a url"):
        hub_here()


def test_a_hub_without_a_token_is_told(hub: pytest.MonkeyPatch):
    hub.delenv("JUPYTERHUB_API_TOKEN")
    with pytest.raises(FrontError, match="a token"):
        hub_here()


def test_an_environment_without_the_hubs_tools_is_told(hub: pytest.MonkeyPatch):
    hub.setitem(sys.modules, "jupyterhub.singleuser.extension", None)
    with pytest.raises(FrontError, match=r"the hub's tools.*pip install 'derm-kit\[hub\]'"):
        hub_here()


def test_an_address_beside_the_hubs_is_refused(hub: pytest.MonkeyPatch):
    done = CliRunner().invoke(app, ["serve", "--port", "18867"])
    assert isinstance(done.exception, DermKitError)
    assert "--port does not go with a JupyterHub" in str(done.exception)
