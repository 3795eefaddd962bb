"""Every test of the register runs on SQLite and on PostgreSQL."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from derm_kit.records import people
from derm_kit.records.people import Role
from derm_kit.records.register import Register
from tests.records.places import PASSPHRASE, Place, drop_schema, new_schema


def postgresql() -> str:
    """The address that DERM_KIT_TEST_DATABASE_URL names; without it the test skips, or fails where it is required."""
    named = os.environ.get("DERM_KIT_TEST_DATABASE_URL")
    if named:
        return named
    missing = 'DERM_KIT_TEST_DATABASE_URL names no PostgreSQL; eval "$(tests/postgresql.sh start)" starts one'
    if os.environ.get("DERM_KIT_REQUIRE_POSTGRESQL"):
        pytest.fail(missing)
    pytest.skip(missing)


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


@pytest.fixture
def register(place: Place) -> Iterator[Register]:
    """A new register."""
    with place.open() as opened:
        yield opened


@pytest.fixture(scope="session")
def hashed() -> str:
    """The passphrase of the tests, hashed once: each time takes its tenth of a second."""
    return people.hashed(PASSPHRASE)


@pytest.fixture
def reader(register: Register, hashed: str) -> str:
    """The id of somebody who reviews."""
    with register.writing() as session:
        return people.add(session, "", "Ada Reader", Role.DERMATOLOGIST, "GMC 1234567", hashed).id
