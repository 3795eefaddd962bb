"""The anchor: count and head of the audit log, kept in a file of its own beside the database.

It is written after each commit, so it may lag behind the log by what a crash cut off, never run ahead of it. A log that
is shorter than its anchor, or has another seal at that place, was cut or rewritten.
"""

from __future__ import annotations

import hmac
import json
import os
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock, Timeout
from sqlalchemy import select
from sqlalchemy.orm import Session

from derm_kit.errors import RecordError
from derm_kit.records.chain import Head, keyed_hash
from derm_kit.records.tables import AuditEntry
from derm_kit.records.workspace import sync_folder

_PATIENCE_S = 30


class Anchor:
    """The anchor of one register, sealed with the key of its audit log."""

    def __init__(self, path: Path, key: bytes) -> None:
        self.path = path
        self._key = key

    def read(self) -> Head | None:
        """What the file says; None where there is none. Raises RecordError where it was not written with this key."""
        try:
            return self.parse(json.loads(self.path.read_text("utf-8")), str(self.path))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise RecordError(
                f"the anchor of the audit log cannot be read ({error.strerror})",
                case=str(self.path),
                next_step="Mend the rights of the file; nothing is written to the register meanwhile.",
            ) from error
        except ValueError:
            return self.parse(None, str(self.path))

    def parse(self, found: object, where: str) -> Head:
        """Count and head from a file's JSON, where `sealed` vouches for both; RecordError where it does not."""
        match found:
            case {"count": int(count), "head": str(head), "sealed": str(sealed)} if hmac.compare_digest(
                sealed.encode(), self._sealed(Head(count, head)).encode()
            ):
                return Head(count, head)
        raise RecordError(
            "count and head of an audit log are sealed with its key; here they are not",
            case=where,
            next_step="The file was changed, or belongs to another register. Take an export that fits (its first line "
            "can stand in for the anchor), and ask who had access.",
        )

    def sealed(self, head: Head) -> dict[str, object]:
        """`head` as it stands in the anchor, in backups and in exports."""
        return {"count": head.count, "head": head.seal, "sealed": self._sealed(head)}

    def require_file(self) -> Head:
        """What the file says. Raises RecordError where there is none."""
        anchored = self.read()
        if anchored is None:
            raise RecordError(
                "the audit log has no anchor, so that nothing shows whether it was cut",
                case=str(self.path),
                next_step="Put the first line of the newest audit export there, then run: derm-kit audit verify.",
            )
        return anchored

    def require(self, session: Session) -> None:
        """Raise RecordError unless the anchor's head stands in the log at its count; the writer's lock is held."""
        anchored = self.require_file()
        if anchored.count:
            there = session.scalar(select(AuditEntry.seal).where(AuditEntry.position == anchored.count))
            if there != anchored.seal:
                what = "is shorter than its anchor" if there is None else "is not the one that its anchor knows"
                raise RecordError(
                    f"the audit log {what}; nothing more is written to it",
                    case=str(self.path),
                    value=f"anchor at entry {anchored.count:,}",
                    next_step="Run: derm-kit audit verify. If this is another database, give it a workspace of its own "
                    "(DERM_KIT_WORKSPACE).",
                )

    def advance(self, head: Head) -> None:
        """Move the anchor on to `head`, safe on disk; it never moves back. Raises RecordError where that fails."""

        def behind() -> bool:
            anchored = self.read()
            return anchored is None or anchored.count < head.count

        self._set(head, behind)

    def reset(self, head: Head) -> None:
        """Set the anchor to `head`, forward or back: only for a restore, which says so in the log."""
        self._set(head, lambda: True)

    def _set(self, head: Head, wanted: Callable[[], bool]) -> None:
        try:
            with self._lock():
                if wanted():
                    self._write(head)
        except (OSError, Timeout) as error:
            raise RecordError(
                "the write is stored, but the anchor of the audit log could not follow "
                f"({getattr(error, 'strerror', None) or 'another process holds it'})",
                case=str(self.path),
                next_step="Free space or mend the folder's rights. The next write moves the anchor on.",
            ) from error

    def _lock(self) -> FileLock:
        return FileLock(self.path.with_name(f"{self.path.name}.lock"), timeout=_PATIENCE_S, poll_interval=0.002)

    def _write(self, head: Head) -> None:
        partial = self.path.with_name(f"{self.path.name}.part")
        with partial.open("w", encoding="utf-8") as file:
            file.write(json.dumps(self.sealed(head)) + "\n")
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self.path)
        sync_folder(self.path.parent)

    def _sealed(self, head: Head) -> str:
        return keyed_hash(self._key, "anchor", str(head.count), head.seal)
