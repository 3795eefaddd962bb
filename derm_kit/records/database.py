"""The database of the register: SQLite in the workspace, or PostgreSQL by DERM_KIT_DATABASE_URL.

Every write takes the one writers' lock at its start (SQLite: BEGIN IMMEDIATE, PostgreSQL: an advisory lock), so that
the audit log has one order and two writers cannot lock each other out. Every read sees one moment.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from derm_kit.errors import RecordError
from derm_kit.records.workspace import URL_VARIABLE as URL_VARIABLE
from derm_kit.records.workspace import Workspace

PATIENCE_S = 30
"""How long a writer waits for the others before it is told."""
_LOCK = 0x6465726D
"""The advisory lock that writers on PostgreSQL share."""

_WAITED = (f"another process held the register for {PATIENCE_S} s", "Save again; if it stays, end that process.")
_DAMAGED = "Restore the last backup: derm-kit register restore."
_FOR_THIS_WRITE = text(
    f"SELECT set_config('lock_timeout', '{PATIENCE_S}s', true), set_config('synchronous_commit', 'on', true)"
)
"""A write is acknowledged only once it is on disk, whatever the server's own setting."""
_ONLY_READS = text("SET TRANSACTION READ ONLY")
"""Said of this transaction alone. The driver's own switch, once put back, asks for READ WRITE on the same connection
ever after, and so would write where the database's owner set it to read-only."""
_TOLD = {
    "SQLITE_FULL": ("the disk is full: nothing of this was stored", "Free space, then save again."),
    "SQLITE_READONLY": ("the register may only be read", "Mend the rights of the workspace's folder, then save again."),
    "SQLITE_BUSY": _WAITED,
    "SQLITE_CANTOPEN": ("the register's file cannot be opened", "Mend the rights of the workspace's folder."),
    "SQLITE_CORRUPT": ("the register's file is damaged", _DAMAGED),
    "SQLITE_NOTADB": (
        "the register's file is no SQLite database",
        _DAMAGED,
    ),
    "SQLITE_IOERR": ("the disk cannot be read or written", "Check the disk; restore the last backup if it is damaged."),
    "53100": ("the database's disk is full: nothing of this was stored", "Free space there, then save again."),
    "25006": ("the register may only be read", "Ask who set the database to read-only, then save again."),
    "42501": ("the database's user may not do this", "Grant the rights that docs/register.md lists."),
    "55P03": _WAITED,
}
"""What databases call it -> what is said, and the next step."""
_OTHERWISE = ("the database refused or cannot be reached", "Check that it runs and what it says in its own log.")


class Database:
    """Sessions on the database, and what goes wrong there in plain words."""

    def __init__(self, workspace: Workspace, url: str | None) -> None:
        self.url = _address(workspace, url)
        self._engine = _engine(self.url)
        self._writes = self._engine.execution_options(derm_kit_writes=True)
        self._reads = self._engine.execution_options(
            **({} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"})
        )

    @property
    def is_sqlite(self) -> bool:
        """Whether the register lies in a file of the workspace."""
        return self.url.get_backend_name() == "sqlite"

    @property
    def name(self) -> str:
        """The address without the password."""
        return self.url.render_as_string(hide_password=True)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that sees one moment and writes nothing. Raises RecordError."""
        with self._told(), Session(self._reads) as session, session.begin():
            if not self.is_sqlite:
                session.execute(_ONLY_READS)
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """One transaction under the writers' lock; an error within undoes all of it. Raises RecordError."""
        with self._told(), Session(self._writes, expire_on_commit=False) as session, session.begin():
            if not self.is_sqlite:
                session.execute(_FOR_THIS_WRITE)
                session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            yield session

    def forget_erased(self) -> None:
        """Empty SQLite's write-ahead log, where an erased text would linger until it is written over."""
        if self.is_sqlite:
            with self._told(), self._engine.connect() as connection:
                connection.connection.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # type: ignore[union-attr]

    def close(self) -> None:
        """End every connection."""
        self._engine.dispose()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            rule, next_step = _in_plain_words(error.orig)
            raise RecordError(rule, case=self.name, value=error.orig, next_step=next_step) from error
        except PoolTimeout as error:
            raise RecordError(_WAITED[0], case=self.name, next_step=_WAITED[1]) from error


def _address(workspace: Workspace, named: str | None) -> URL:
    if not named:
        return URL.create("sqlite", database=str(workspace.database))
    try:
        url = make_url(named)
        backend = url.get_backend_name()
    except (ArgumentError, NoSuchModuleError):
        backend = ""
    if backend in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    raise RecordError(
        "the register lies in SQLite in the workspace, or in PostgreSQL",
        case=URL_VARIABLE,
        next_step="Write postgresql://USER:PASSWORD@HOST/DATABASE, or leave the variable out.",
    )


def _engine(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        try:
            return create_engine(url, isolation_level="READ COMMITTED", pool_pre_ping=True, pool_timeout=PATIENCE_S)
        except ModuleNotFoundError as error:
            raise RecordError(
                "PostgreSQL needs the package psycopg",
                case=URL_VARIABLE,
                next_step="Install it: pip install 'derm-kit[postgresql]'.",
            ) from error
    engine = create_engine(url, pool_timeout=PATIENCE_S)
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: sqlite3.Connection, _: object) -> None:
    """Durable at every commit, foreign keys held, what is erased is written over."""
    connection.isolation_level = None  # SQLAlchemy begins; the driver must not
    for pragma in (
        f"busy_timeout = {PATIENCE_S * 1000}",
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        "recursive_triggers = ON",
        "secure_delete = ON",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("derm_kit_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def is_known(error: Exception) -> bool:
    """Whether this is a trouble of the database's own: full, locked, not reached by right ..."""
    return isinstance(error, DBAPIError) and _in_plain_words(error.orig) is not _OTHERWISE


def _in_plain_words(error: Any) -> tuple[str, str]:  # noqa: ANN401 - whatever a driver raises
    code = getattr(error, "sqlite_errorname", None) or getattr(error, "sqlstate", None) or ""
    return next((told for prefix, told in _TOLD.items() if code.startswith(prefix)), _OTHERWISE)
