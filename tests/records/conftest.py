"""Every test of the register runs on SQLite and on PostgreSQL."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from typer.main import get_command

from derm_kit.cli.console import console, errors
from derm_kit.records import people
from derm_kit.records.people import Role
from derm_kit.records.register import Register
from tests.records.places import PASSPHRASE, Place, drop_schema, new_schema
from tests.records.terminal import Terminal

_hasher = people._hasher
COMMAND = cache(get_command)


def postgresql() -> str:
    """The address that DERM_KIT_TEST_DATABASE_URL names; without it the test skips, or fails where it is required."""
    named = os.environ.get("DERM_KIT_TEST_DATABASE_URL")
    if named:
        return named
    missing = 'DERM_KIT_TEST_DATABASE_URL names no PostgreSQL; eval "$(tests/postgresql.sh start)" starts one'
    if os.environ.get("DERM_KIT_REQUIRE_POSTGRESQL"):
        pytest.fail(missing)
    pytest.skip(missing)


@pytest.fixture(autouse=True)
def _little_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passphrases are hashed with little work, but where a test asks for `true_cost` and in processes of their own."""
    monkeypatch.setattr(people, "_hasher", lambda: PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@pytest.fixture
def true_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passphrases are hashed as everywhere outside these tests."""
    monkeypatch.setattr(people, "_hasher", _hasher)


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Nothing yet: a workspace and an empty database."""
    url = new_schema(postgresql()) if request.param == "postgresql" else None
    (tmp_path / "workspace").mkdir(mode=0o700)
    yield Place(tmp_path / "workspace", url)
    if url:
        drop_schema(url)


@pytest.fixture
def sqlite_place(tmp_path: Path) -> Place:
    """An empty workspace, for what only a file can suffer."""
    return Place(tmp_path / "workspace", None)


@pytest.fixture(scope="session")
def just_made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workspace of a register on SQLite to which nothing was written yet."""
    folder = tmp_path_factory.mktemp("just made") / "workspace"
    Place(folder, None).make()
    return folder


@pytest.fixture
def register(place: Place, just_made: Path) -> Iterator[Register]:
    """A new register; on SQLite, where that is quicker than to make it, a copy of one."""
    if place.url is None:
        shutil.copytree(just_made, place.folder, dirs_exist_ok=True)
    with place.open() as opened:
        yield opened


@pytest.fixture
def reader(register: Register) -> str:
    """The id of somebody who reviews."""
    return register.add_person("Ada Reader", Role.DERMATOLOGIST, PASSPHRASE, registration="GMC 1234567", actor="").id


@pytest.fixture
def terminal(place: Place, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Where somebody types commands; there is no register yet."""
    monkeypatch.setattr("typer.testing._get_command", COMMAND)  # built once, not for each that is typed
    for printer in (console, errors):
        monkeypatch.setattr(printer, "_file", None)  # another test's main() may have bound it
        monkeypatch.setattr(printer, "_width", 200)
    return Terminal(place)
