"""Records sealed in the audit log: a row that was changed behind derm-kit's back no longer fits its entry."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from derm_kit.records.audit import append
from derm_kit.records.tables import SealedRow

DIGEST = "sha256"
"""Where an entry's details hold the digest of its record."""


def seal(session: Session, row: SealedRow, actor: str, action: str, **facts: object) -> None:
    """Write `row`, new or changed, and the entry that vouches for it, in the transaction of `session`.

    `facts` is what the log should say in clear: ids and choices, never a name or a note.
    """
    values = {column.key: getattr(row, column.key) for column in row.__table__.columns}
    row.entry = append(session, actor, action, row.subject, {**facts, DIGEST: digest(values)}).count
    session.add(row)
    session.flush()


def digest(values: Mapping[str, Any]) -> str:
    """SHA-256 (hexadecimal) of a row's columns by name, without `entry` and without NULLs."""
    known = {name: value for name, value in values.items() if value is not None and name != "entry"}
    text = json.dumps(known, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
