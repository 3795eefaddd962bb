"""The append-only audit log: who did what to which record, in one order, each entry sealed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from derm_kit.records.chain import EMPTY, Content, Head, seal_entry
from derm_kit.records.tables import AuditEntry
from derm_kit.records.text import stored

KEY = "derm_kit_key"
HEAD = "derm_kit_head"
AT = "derm_kit_at"
"""Where a writing session keeps the key, the newest head that it made, and the time of that entry."""
SET_BACK = "clock_set_back_s"
"""In the details of an entry whose time is that much earlier than the time of the entry before it, seconds."""
CLOCKS_DIFFER_S = 5
"""So far apart may be the clocks of two machines that write to one register, before it is said of an entry."""
COMMAND_LINE = "command line"
"""The actor where somebody who may enter the workspace used derm-kit itself, without a passphrase."""


@dataclass(frozen=True)
class Entry:
    """One entry of the audit log. `actor` is a person's id, "" for derm-kit itself; never a name."""

    position: int
    at: str
    actor: str
    action: str
    subject: str
    details: Mapping[str, Any]
    seal: str


def append(session: Session, actor: str, action: str, subject: str, details: Mapping[str, Any] | None = None) -> Head:
    """Write one entry in the transaction of `session`, which Register.writing() gave; returns the new head.

    `actor` and `subject` are ids (`people/ID`, `reviews/ID`), never names. A subject that is a record of tables.SEALED
    is written by sealing.seal() only.
    """
    head, before = session.info.get(HEAD), session.info.get(AT)
    if head is None:
        head, before = _newest(session)
    at = now()
    content = Content(
        at=at,
        actor=actor,
        action=action,
        subject=subject,
        details=json.dumps(
            dict(details or {}) | _set_back(before, at), ensure_ascii=False, sort_keys=True, allow_nan=False
        ),
    )
    seal = seal_entry(session.info[KEY], head.seal, Content(*map(stored, content)))
    new = Head(head.count + 1, seal)
    session.execute(insert(AuditEntry).values(position=new.count, previous=head.seal, seal=seal, **content._asdict()))
    session.info[HEAD], session.info[AT] = new, at
    return new


def _set_back(before: str | None, at: str) -> dict[str, int]:
    """What the log's order rests on is never the clock; where that was set back, the entry says so."""
    try:
        seconds = (datetime.fromisoformat(before or at) - datetime.fromisoformat(at)).total_seconds()
    except ValueError:  # somebody wrote into the log: verify() names the entry
        return {}
    return {SET_BACK: round(seconds)} if seconds > CLOCKS_DIFFER_S else {}


def head_of(session: Session) -> Head:
    """Count and head of the log as the database holds it."""
    return _newest(session)[0]


def _newest(session: Session) -> tuple[Head, str | None]:
    """The head of the log, and the time of its newest entry; None for an empty log."""
    newest = select(AuditEntry.position, AuditEntry.seal, AuditEntry.at).order_by(AuditEntry.position.desc()).limit(1)
    last = session.execute(newest).first()
    return (Head(last.position, last.seal), last.at) if last else (EMPTY, None)


def entries(session: Session, subject: str | None = None) -> Iterator[Entry]:
    """The log in its order, or what it says on one subject; a few thousand entries in memory at a time."""
    wanted = select(AuditEntry.__table__).order_by(AuditEntry.position)
    if subject is not None:
        wanted = wanted.where(AuditEntry.subject == subject)
    for row in session.execute(wanted.execution_options(yield_per=2_000)):
        yield Entry(row.position, row.at, row.actor, row.action, row.subject, json.loads(row.details), row.seal)


def now() -> str:
    """The moment in UTC, ISO 8601 with microseconds."""
    return datetime.now(UTC).isoformat(timespec="microseconds")
