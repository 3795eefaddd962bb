"""verify(): whether the audit log and the records it vouches for are what was written, and where they are not."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Text, func, select, type_coerce
from sqlalchemy.orm import Session

from derm_kit.records.chain import EMPTY, Content, Head, seal_entry
from derm_kit.records.sealing import DIGEST, digest
from derm_kit.records.tables import SEALED, AuditEntry, SealedRow

MOST_TOLD = 20
"""Findings told one by one; the others are counted."""
_BLOCK = 5_000


@dataclass(frozen=True)
class Verification:
    """What verify() found. `unanchored` counts the entries at the end that the anchor does not know yet."""

    head: Head
    findings: tuple[str, ...]
    unanchored: int = 0

    @property
    def sound(self) -> bool:
        """Whether nothing was found."""
        return not self.findings


class Findings:
    """What was found so far: the first in words, the others counted."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.more = 0

    @property
    def few(self) -> bool:
        """Whether the next is still told in words."""
        return len(self.told) < MOST_TOLD

    def add(self, text: str) -> None:
        """One more."""
        if self.few:
            self.told.append(text)
        else:
            self.more += 1

    def join(self, other: Findings) -> None:
        """Another's as well."""
        for text in other.told:
            self.add(text)
        self.more += other.more

    def all(self) -> tuple[str, ...]:
        """All in words."""
        return (*self.told, *([f"and {self.more:,} more findings"] if self.more else []))


def verify(session: Session, key: bytes, known: dict[str, Head]) -> Verification:
    """Check every entry, every record, and each head in `known` (by the name of what keeps it: "anchor", an export).

    Linear in the entries; a few thousand of them in memory at a time.
    """
    findings = Findings()
    head = verify_chain(session, key, known, findings)
    for table in SEALED:
        verify_records(session, table, findings)
    anchored = known.get("anchor", head)
    return Verification(head, findings.all(), max(0, head.count - anchored.count))


def verify_chain(session: Session, key: bytes, known: dict[str, Head], findings: Findings) -> Head:
    """Check the seals and their order; the log's head."""
    table = AuditEntry.__table__.c
    names = (*Content._fields, "previous", "seal")
    columns: list[Any] = [table.position, *(type_coerce(table[name], Text) for name in names)]
    wanted = select(*columns).order_by(table.position)
    awaited: dict[int, list[str]] = {}
    for name, head in known.items():
        awaited.setdefault(head.count, []).append(name)
    last, number, fitting, count, broken = EMPTY.seal, 0, 0, 0, Findings()
    for row in session.execute(wanted.execution_options(yield_per=_BLOCK)):
        position, at, actor, action, subject, details, previous, seal = row
        if seal_entry(key, previous, Content(at, actor, action, subject, details)) != seal:
            broken.add(f"entry {position:,} was changed, or not written by derm-kit")
        else:
            fitting += 1
            if previous != last:
                broken.add(_out_of_order(session, position, previous) if broken.few else "out of order")
            elif position != number + 1:
                broken.add(f"entry {number + 1:,} is numbered {position:,}")
        count, number, last = count + 1, position, seal
        for name in awaited.pop(position, ()):
            if known[name].seal != seal:
                findings.add(f"entry {position:,} is not the one that the {name} knows: the log was rewritten up to it")
    if count > 1 and not fitting:
        findings.add(
            f"none of the {count:,} entries fits the key: the whole log was rewritten, or the key is another register's"
        )
    else:
        findings.join(broken)
    for reached, names_ in awaited.items():
        who = " and the ".join(names_)
        if reached > number:
            findings.add(f"entries {number + 1:,} to {reached:,} are missing at the end: the {who} knows them")
        elif reached:
            findings.add(f"entry {reached:,} is missing: the {who} knows it")
    return Head(number, last)


def _out_of_order(session: Session, position: int, previous: str) -> str:
    before = session.scalar(select(AuditEntry.position).where(AuditEntry.seal == previous))
    if before is None and previous != EMPTY.seal:
        return f"before entry {position:,} at least one entry was removed"
    place = "the start of the log" if before is None else f"entry {before:,}"
    return f"entry {position:,} stands in the wrong place: it was written right after {place}"


def verify_records(session: Session, table: type[SealedRow], findings: Findings) -> None:
    """Walk the log's newest entry on each record and the records themselves side by side, both in order of id."""
    name = table.__tablename__
    newest = (
        select(AuditEntry.subject, func.max(AuditEntry.position))
        .where(AuditEntry.subject > f"{name}/", AuditEntry.subject < f"{name}0")
        .group_by(AuditEntry.subject)
        .order_by(AuditEntry.subject)
    )
    rows = (
        select(table.__table__, AuditEntry.subject.label("_subject"), AuditEntry.details.label("_details"))
        .outerjoin(AuditEntry, table.entry == AuditEntry.position)
        .order_by(table.id)
    )
    logged = iter(session.execute(newest.execution_options(yield_per=_BLOCK)))
    records = iter(session.execute(rows.execution_options(yield_per=_BLOCK)))
    entry, record = next(logged, None), next(records, None)
    while entry is not None or record is not None:
        subject = "" if record is None else f"{name}/{record.id}"
        if entry is not None and (record is None or entry[0] < subject):
            findings.add(f"{entry[0]} is missing, though entry {entry[1]:,} says that it was written")
            entry = next(logged, None)
        elif record is not None and (entry is None or subject < entry[0]):
            findings.add(f"{subject} stands in no entry of the log")
            record = next(records, None)
        elif record is not None and entry is not None:
            if not _vouched_for(record, subject, entry[1]):
                findings.add(f"{subject} is not what entry {entry[1]:,} says was written")
            entry, record = next(logged, None), next(records, None)


def _vouched_for(record: Row[Any], subject: str, newest: int) -> bool:
    values = dict(record._mapping)
    logged_subject, details = values.pop("_subject"), values.pop("_details")
    if values["entry"] != newest or logged_subject != subject:
        return False
    try:
        return bool(json.loads(details).get(DIGEST) == digest(values))
    except (ValueError, AttributeError):
        return False
