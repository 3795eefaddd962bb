"""Backup and restore. A backup is one SQLite file with every table and the head of the log, and without any key.

It restores into SQLite or PostgreSQL, whichever it came from, and only after the log and every record were checked.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, MetaData, create_engine, select, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.orm import Session

from derm_kit.errors import RecordError
from derm_kit.records import audit
from derm_kit.records.anchor import Anchor
from derm_kit.records.chain import Head
from derm_kit.records.database import Database, is_known
from derm_kit.records.migrations import SCHEMA, migrate, schema_of
from derm_kit.records.verification import verify
from derm_kit.records.workspace import Workspace, sync_folder

_BLOCK = 5_000
_NOT_COPIED = ("alembic_version", "backup_head")


def write(session: Session, path: Path, key: bytes, anchor: Anchor, anchored: Head) -> Head:
    """Copy all that `session` sees into the new file `path`, then check the copy. Returns the head that it holds.

    `anchored` is what the anchor said before `session` began: a log that was cut makes no backup.

    Raises RecordError where the file exists, the disk is full, or the register itself does not hold together.
    """
    if path.exists() or path.is_symlink():
        raise RecordError(
            "a backup goes to a new file; this one exists", case=str(path), next_step="Name a file that does not exist."
        )
    partial = path.with_name(f"{path.name}.part")
    head = audit.head_of(session)
    try:
        partial.unlink(missing_ok=True)
        with _file(partial) as engine:
            with engine.begin() as copy:
                migrate(copy)
                _copy(session.connection(), copy)
                copy.execute(text("CREATE TABLE backup_head (head TEXT NOT NULL)"))
                copy.execute(text("INSERT INTO backup_head VALUES (:head)"), {"head": json.dumps(anchor.sealed(head))})
            with Session(engine) as copied:
                _require_whole(copied.connection(), path)
                _require_sound(copied, key, {"register": head, "anchor": anchored}, path)
        partial.rename(path)
        sync_folder(path.parent)
    except (DBAPIError, OSError) as error:
        raise RecordError(
            "the backup cannot be written",
            case=str(path),
            value=getattr(error, "orig", error),
            next_step="Free space, or name another folder.",
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    return head


def restore(path: Path, workspace: Workspace, url: str | None, *, accept_loss: bool = False) -> Head:
    """Put the backup at `path` into an empty database, in one transaction, and say so in its audit log.

    The workspace holds the key already. Where its anchor knows entries that the backup does not hold, they are lost:
    that needs `accept_loss` and is written down. Raises RecordError, and restores nothing, for a backup that is damaged
    or changed, and for a database that is not empty.
    """
    workspace.make()
    key = workspace.key()
    if key is None:
        raise RecordError(
            "a backup can only be checked with the key of its audit log",
            case=str(workspace.key_file),
            next_step="Put the copy of the key there that was kept apart from the backups.",
        )
    if not path.is_file():
        raise RecordError("a backup is a file", case=str(path), next_step="Name a file of 'derm-kit register backup'.")
    anchor, database = Anchor(workspace.anchor_file, key), Database(workspace, url)
    anchored = anchor.read()
    try:
        with _file(path) as engine, engine.connect() as backup, database.writing() as session:
            if schema_of(session.connection()) is not None:
                raise RecordError(
                    "a backup is restored into an empty database only, so that nothing is written over",
                    case=database.name,
                    next_step="Move the SQLite file (with -wal and -shm) away, or name a new PostgreSQL database.",
                )
            with _damage_told(path):
                _require_whole(backup, path)
                head = anchor.parse(json.loads(backup.scalar(text("SELECT head FROM backup_head"))), str(path))
            if anchored and anchored.count > head.count and not accept_loss:
                raise RecordError(
                    f"the register had {anchored.count:,} entries, the backup has {head.count:,}: the rest is lost",
                    case=str(path),
                    next_step="Look for a newer backup; else restore with --accept-loss, which is written in the log.",
                )
            known = {"backup": head} | ({"anchor": anchored} if anchored and anchored.count <= head.count else {})
            with _damage_told(path, but=is_known):
                migrate(session.connection(), schema_of(backup) or SCHEMA)
                _copy(backup, session.connection())
                migrate(session.connection())
                _require_sound(session, key, known, path)
            session.info[audit.KEY] = key
            facts = {"entries": head.count, "entries_before": anchored.count if anchored else None}
            head = audit.append(session, audit.COMMAND_LINE, "register restored", "register", facts)
        anchor.reset(head)
    finally:
        database.close()
    return head


def _copy(source: Connection, target: Connection) -> None:
    """Every row as it lies, tables in the order that their foreign keys ask for."""
    tables = MetaData()
    tables.reflect(source)
    for table in tables.sorted_tables:
        if table.name not in _NOT_COPIED:
            rows = source.execute(select(table).order_by(*table.primary_key).execution_options(yield_per=_BLOCK))
            for block in rows.mappings().partitions():
                target.execute(table.insert(), [dict(row) for row in block])


def _require_whole(connection: Connection, path: Path) -> None:
    told = connection.scalar(text("PRAGMA integrity_check"))
    if told != "ok" or schema_of(connection) is None:
        raise _damaged(path, told if told != "ok" else "no register in it")


def _require_sound(session: Session, key: bytes, known: dict[str, Head], path: Path) -> None:
    findings = verify(session, key, known).findings
    if findings:
        raise _damaged(path, findings[0])


@contextmanager
def _damage_told(path: Path, but: Callable[[Exception], bool] = lambda _: False) -> Iterator[None]:
    """Whatever a damaged file makes the reader stumble over is damage, `but` for troubles of the target's own."""
    try:
        yield
    except (SQLAlchemyError, TypeError, ValueError) as error:
        if but(error):
            raise
        raise _damaged(path, getattr(error, "orig", error)) from error


def _damaged(path: Path, found: object) -> RecordError:
    return RecordError(
        "the register in this file does not hold together; it is damaged or was changed",
        case=str(path),
        value=found,
        next_step="Take another backup. To look into the register itself: derm-kit audit verify.",
    )


@contextmanager
def _file(path: Path) -> Iterator[Engine]:
    engine = create_engine(URL.create("sqlite", database=str(path)))
    try:
        yield engine
    finally:
        engine.dispose()
