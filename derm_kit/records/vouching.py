"""Before something is signed that rests on a record: the record is what the audit log says was written."""

from __future__ import annotations

import json

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from derm_kit.errors import RecordError
from derm_kit.records.audit import KEY
from derm_kit.records.chain import Content, seal_entry
from derm_kit.records.sealing import DIGEST, digest
from derm_kit.records.tables import AuditEntry, SealedRow
from derm_kit.records.text import stored


def require_vouched(session: Session, row: SealedRow) -> None:
    """Raise RecordError unless the newest entry on `row` was sealed with the key and holds the row's digest.

    `session` is one that Register.writing() gave. A row that somebody changed with SQL does not pass.
    """
    newest = session.scalar(select(func.max(AuditEntry.position)).where(AuditEntry.subject == row.subject))
    entry = session.get(AuditEntry, row.entry)
    if entry is not None and entry.position == newest and entry.subject == row.subject:
        content = Content(*(stored(getattr(entry, name)) for name in Content._fields))
        values = {column.key: getattr(row, column.key) for column in row.__table__.columns}
        sealed = seal_entry(session.info[KEY], entry.previous, content) == entry.seal
        if sealed and json.loads(entry.details).get(DIGEST) == digest(values):
            return
    raise RecordError(
        "this record is not what the audit log says was written; nothing is done on the strength of it",
        case=row.subject,
        next_step="Run: derm-kit audit verify. Then find out who changed the database.",
    )
