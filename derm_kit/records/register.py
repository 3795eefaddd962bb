"""Register: the records of people, reviews and policies, and the audit log that vouches for them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import select
from sqlalchemy.orm import Session

from derm_kit.errors import RecordError
from derm_kit.records import audit, backup, export, people, reviews
from derm_kit.records.anchor import Anchor
from derm_kit.records.audit import Entry
from derm_kit.records.chain import EMPTY, Head
from derm_kit.records.database import URL_VARIABLE, Database
from derm_kit.records.mentions import Mention, mentions
from derm_kit.records.migrations import SCHEMA, migrate, schema_of
from derm_kit.records.people import Person, Role
from derm_kit.records.reviews import Review, Verdict
from derm_kit.records.tables import AuditEntry
from derm_kit.records.verification import Verification, verify
from derm_kit.records.workspace import Workspace


class Register:
    """One register: a database, the key of its audit log, its anchor. A context manager.

    Every write is one transaction with its entry in the audit log; it has happened when the method returns, and has not
    when it raises. All methods raise RecordError where the database, the key or the anchor cannot be used. Threads may
    share a register; processes each open their own.
    """

    def __init__(self, workspace: Workspace, database: Database, key: bytes) -> None:
        self.workspace = workspace
        self.anchor = Anchor(workspace.anchor_file, key)
        self._database = database
        self._key = key

    @classmethod
    def open(cls, folder: Path | str | None = None, url: str | None = None, *, make: bool = True) -> Self:
        """The register of a workspace; made, or brought to this version's tables, where that is needed.

        `folder` is the workspace, else DERM_KIT_WORKSPACE, else the user's data folder. `url` names a PostgreSQL
        database, else DERM_KIT_DATABASE_URL, else the register lies in SQLite in the workspace. Where there is no
        register and `make` is False, nothing is made: RecordError.
        """
        workspace, named = Workspace.named(folder), url or os.environ.get(URL_VARIABLE)
        if make:
            workspace.make()
        else:
            _require_there(bool(named) or workspace.has_database(), str(workspace.database))
        database = Database(workspace, named)
        try:
            with database.reading() as session:
                version = schema_of(session.connection())
            _require_there(make or version is not None, database.name)
            key = workspace.key()
            if version == SCHEMA and key is not None:
                return cls(workspace, database, key)
            return cls._made(workspace, database)
        except BaseException:
            database.close()
            raise

    @classmethod
    def _made(cls, workspace: Workspace, database: Database) -> Self:
        """The register after its tables were made or changed, and its key drawn if nothing is sealed yet."""
        with database.writing() as session:
            before = schema_of(session.connection())
            empty = before is None or session.scalar(select(AuditEntry.position).limit(1)) is None
            key = workspace.make_key() if empty else workspace.key()
            if key is None:
                raise RecordError(
                    "the audit log has entries, but its key is not in the workspace",
                    case=str(workspace.key_file),
                    next_step="Put the copy of the key there that was kept apart from the database. A new key would "
                    "fit none of the entries.",
                )
            register = cls(workspace, database, key)
            if empty and register.anchor.read() is None:
                register.anchor.advance(EMPTY)
            if before != SCHEMA:
                migrate(session.connection())
                register._prepare(session)
                action = "register made" if before is None else "tables brought to this version"
                audit.append(session, "", action, "register", {"tables": SCHEMA, "tables_before": before})
            head = session.info.get(audit.HEAD)
        if head:
            register.anchor.advance(head)
        return register

    def close(self) -> None:
        """End the connections."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that sees one moment."""
        with self._database.reading() as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """One transaction with the writers' lock held: all of it is stored when the block ends, or none of it.

        What it writes goes with audit.append() or sealing.seal(); a block without an entry is undone: RuntimeError.
        """
        with self._database.writing() as session:
            self._prepare(session)
            yield session
            head = session.info.get(audit.HEAD)
            if head is None:
                raise RuntimeError("every write to the register has its entry in the audit log")
        self.anchor.advance(head)

    def _prepare(self, session: Session) -> None:
        self.anchor.require(session)
        session.info[audit.KEY] = self._key

    def add_person(
        self, name: str, role: Role, passphrase: str, *, registration: str = "", actor: str = audit.COMMAND_LINE
    ) -> Person:
        """A new person. `registration` is the professional one (such as "GMC 1234567"), "" for none."""
        hashed = people.hashed(passphrase)
        with self.writing() as session:
            return people.add(session, actor, name, role, registration, hashed)

    def people(self) -> list[Person]:
        """Everybody, the erased among them."""
        with self.reading() as session:
            return people.everybody(session)

    def person(self, person: str) -> Person:
        """One person by id. Raises RecordError for an unknown or erased one."""
        with self.reading() as session:
            return people.find(session, person)

    def erase_person(self, person: str, *, actor: str = audit.COMMAND_LINE) -> None:
        """Erase who a person was; what they did stays under the id, and the log stays whole."""
        with self.writing() as session:
            people.erase(session, actor, person)
        self.forget_erased()

    def name_login(self, person: str, login: str, *, actor: str = audit.COMMAND_LINE) -> Person:
        """Have a login name, as a proxy or a JupyterHub sends it, stand for a person; "" for none."""
        with self.writing() as session:
            return people.name_login(session, actor, person, login)

    def mentions(self, person: str) -> list[Mention]:
        """Where else in the register a person may be named: what erasing them does not reach."""
        with self.reading() as session:
            return mentions(session, people.find(session, person))

    def forget_erased(self) -> None:
        """Let the database write over what was erased, as far as it can by itself."""
        self._database.forget_erased()

    def change_passphrase(self, person: str, passphrase: str, *, actor: str = audit.COMMAND_LINE) -> None:
        """Give a person a new passphrase."""
        hashed = people.hashed(passphrase)
        with self.writing() as session:
            people.change_passphrase(session, actor, person, hashed)

    def check_passphrase(self, person: str, passphrase: str) -> Person:
        """The person, if this is the passphrase. Each try is slow, counted and logged; RecordError for a wrong one."""
        with self.reading() as session:
            row = people.require(session, person)
            session.expunge(row)
        good = people.fits(row, passphrase)
        with self.writing() as session:
            failures = people.note_attempt(session, person, good=good)
        if not good:
            raise people.refused(failures)
        return people.person_of(row)

    def save_review(self, review: Review) -> Review:
        """Store a review as the next version of that reader's on that case; returns it with version and time.

        Raises ConflictError, with both reviews, where another version was stored since the one that `review` names.
        """
        with self.writing() as session:
            return reviews.save(session, review)

    def reviews(self, run: str, case: str) -> list[Review]:
        """All versions of all readers' reviews of a case, oldest first."""
        with self.reading() as session:
            return reviews.history(session, run, case)

    def worklist(self, run: str) -> list[Verdict]:
        """What stands now of each reader on each case of a run, in the order in which it was written."""
        with self.reading() as session:
            return reviews.worklist(session, run)

    def entries(self, subject: str | None = None) -> Iterator[Entry]:
        """The audit log in its order, or what it says on one subject such as `people/ID`."""
        with self.reading() as session:
            yield from audit.entries(session, subject)

    def head(self) -> Head:
        """Count and head of the audit log: they go into whatever is exported."""
        with self.reading() as session:
            return audit.head_of(session)

    def verify(self, exported: Path | None = None) -> Verification:
        """Check the log, the records and the anchor, and the head in an earlier export where one is given."""
        known = {} if exported is None else {"export": export.read_head(exported)}
        try:
            anchored = self.anchor.read()  # before the log is looked at: what is anchored then stands there
            trouble = "" if anchored else "there is no anchor: nothing shows whether entries at the end are missing"
        except RecordError as error:
            anchored, trouble = None, str(error)
        with self.reading() as session:
            found = verify(session, self._key, known | ({"anchor": anchored} if anchored else {}))
        return replace(found, findings=(trouble, *found.findings)) if trouble else found

    def export_audit(self, path: Path) -> Head:
        """Write the whole log to a new file, one entry a line, its first line count and head. Returns the head."""
        with self.reading() as session:
            return export.write(session, path, self.anchor)

    def backup(self, path: Path) -> Head:
        """Write the whole register to a new file and check it. Returns the head that it holds."""
        anchored = self.anchor.require_file()
        with self.reading() as session:
            return backup.write(session, path, self._key, self.anchor, anchored)


def _require_there(there: bool, where: str) -> None:
    if not there:
        raise RecordError(
            "there is no register here",
            case=where,
            next_step="If it lies elsewhere, name its folder in DERM_KIT_WORKSPACE or its database in "
            f"{URL_VARIABLE}. To begin one, add its first person: derm-kit people add.",
        )
