"""Where a register of a test lies, and what somebody with SQL may do there behind derm-kit's back."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, event, make_url, text
from sqlalchemy.engine import Row

from derm_kit.records.chain import START, Content, seal_entry
from derm_kit.records.register import Register
from derm_kit.records.reviews import Review
from derm_kit.triage.definition import Disposition

RUN = "run 1"
PASSPHRASE = "correct horse battery staple"  # noqa: S105 - of a test


def review(reviewer: str, case: str = "case 1", verdict: str = "melanoma", **more: Any) -> Review:
    """A review with what the test does not care about."""
    return Review(RUN, case, reviewer, verdict, Disposition.URGENT_SUSPECTED_CANCER, **more)


@dataclass(frozen=True)
class Place:
    """A workspace and, for PostgreSQL, the address of a database of its own."""

    folder: Path
    url: str | None

    def open(self) -> Register:
        return Register.open(self.folder, self.url)

    def make(self) -> None:
        self.open().close()

    def elsewhere(self, name: str) -> Place:
        """An empty place of the same kind, with the same key."""
        folder = self.folder.parent / name
        folder.mkdir(mode=0o700)
        key = folder / "audit.key"
        key.touch(mode=0o600)
        key.write_bytes((self.folder / "audit.key").read_bytes())
        return Place(folder, new_schema(self.url) if self.url else None)

    @property
    def key(self) -> bytes:
        return bytes.fromhex((self.folder / "audit.key").read_text())

    @contextmanager
    def sql(self) -> Iterator[Connection]:
        """A connection such as anybody with the database's password has; committed at the end."""
        url = (
            make_url(self.url).set(drivername="postgresql+psycopg")
            if self.url
            else f"sqlite:///{self.folder}/register.sqlite"
        )
        engine = create_engine(url)
        try:
            with engine.begin() as connection:
                yield connection
        finally:
            engine.dispose()

    def attack(self, *statements: str, **values: Any) -> None:
        """Take the triggers away, then do as the statements say."""
        with self.sql() as connection:
            drop_triggers(connection)
            for statement in statements:
                connection.execute(text(statement), values)

    def rewrite(self, key: bytes, change: str) -> None:
        """Change the log as `change` says and seal all of it anew with `key`."""
        with self.sql() as connection:
            drop_triggers(connection)
            connection.execute(text(change))
            previous = START
            for row in self._log(connection):
                content = Content(row.at, row.actor, row.action, row.subject, row.details)
                seal = seal_entry(key, previous, content)
                connection.execute(
                    text("UPDATE audit_log SET previous = :previous, seal = :seal WHERE position = :position"),
                    {"previous": previous, "seal": seal, "position": row.position},
                )
                previous = seal

    @staticmethod
    def _log(connection: Connection) -> list[Row[Any]]:
        return list(connection.execute(text("SELECT * FROM audit_log ORDER BY position")))


def drop_triggers(connection: Connection) -> None:
    sqlite = connection.dialect.name == "sqlite"
    for table in ("audit_log", "reviews", "policies"):
        for what in ("update", "delete") if sqlite else ("update", "delete", "truncate"):
            on = "" if sqlite else f" ON {table}"
            connection.execute(text(f"DROP TRIGGER IF EXISTS {table}_no_{what}{on}"))
    if sqlite:
        connection.execute(text("DROP TRIGGER IF EXISTS audit_log_next"))


def new_schema(url: str) -> str:
    """The address of a new schema in a PostgreSQL database: to derm-kit, an empty database."""
    name = f"test_{secrets.token_hex(8)}"
    plain = make_url(url).difference_update_query(["options"])
    engine = create_engine(plain.set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {name}"))
    engine.dispose()
    return plain.update_query_dict({"options": f"-csearch_path={name}"}).render_as_string(hide_password=False)


def drop_schema(url: str) -> None:
    """Take away what new_schema() made."""
    name = str(make_url(url).query["options"]).removeprefix("-csearch_path=")
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        connection.execute(text(f"DROP SCHEMA {name} CASCADE"))
    engine.dispose()


def on_connect(register: Register, statement: str) -> None:
    """Have `statement` said on every connection of the register from now on."""
    engine = register._database._engine
    engine.dispose()

    def say(connection: Any, _: object) -> None:
        connection.execute(statement)
        connection.commit()

    event.listen(engine, "connect", say)
