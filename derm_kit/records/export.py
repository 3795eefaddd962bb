"""The audit log as a file: to read elsewhere, and to hold against the register later."""

from __future__ import annotations

import json
from pathlib import Path

from sqlalchemy.orm import Session

from derm_kit.errors import RecordError
from derm_kit.records.anchor import Anchor
from derm_kit.records.audit import entries, head_of, now
from derm_kit.records.chain import Head

FORMAT = "derm-kit audit log 1"


def write(session: Session, path: Path, anchor: Anchor) -> Head:
    """Write the log as `session` sees it to a new file of JSON lines; the first holds count and head.

    Raises RecordError where the file exists or cannot be written; nothing is left of it then.
    """
    head = head_of(session)
    try:
        with path.open("x", encoding="utf-8") as file:
            try:
                file.write(json.dumps({"format": FORMAT, "exported_at": now(), **anchor.sealed(head)}) + "\n")
                for entry in entries(session):
                    file.write(json.dumps({**vars(entry), "details": dict(entry.details)}) + "\n")
            except BaseException:
                path.unlink()
                raise
    except FileExistsError:
        raise RecordError(
            "an export goes to a new file; this one exists",
            case=str(path),
            next_step="Name a file that does not exist.",
        ) from None
    except OSError as error:
        raise RecordError(
            f"the export cannot be written ({error.strerror})", case=str(path), next_step="Name another folder."
        ) from error
    return head


def read_head(path: Path) -> Head:
    """Count and head in the first line of an export. Raises RecordError where there are none.

    Its seal is not asked: whoever holds the export outside vouches for it, also where the key is in doubt.
    """
    try:
        with path.open(encoding="utf-8") as file:
            match json.loads(file.readline(1_000_000)):
                case {"format": str(form), "count": int(count), "head": str(head)} if form == FORMAT:
                    return Head(count, head)
    except OSError as error:
        raise RecordError(
            f"the export cannot be read ({error.strerror})", case=str(path), next_step="Name the file of an export."
        ) from error
    except ValueError:
        pass
    raise RecordError(
        "this is no export of an audit log",
        case=str(path),
        next_step="Name a file that 'derm-kit audit export' wrote.",
    )
