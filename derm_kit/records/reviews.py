"""Reviews: what a reader thought of a case, version after version, and what stands now."""

from __future__ import annotations

import math
import secrets
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from itertools import chain
from typing import Any, NamedTuple

from sqlalchemy import Text, select, type_coerce
from sqlalchemy.orm import Session

from derm_kit.errors import RecordError, printable
from derm_kit.lesions import LESION_TYPES
from derm_kit.records import people
from derm_kit.records.audit import now
from derm_kit.records.conflicts import ConflictError
from derm_kit.records.sealing import seal
from derm_kit.records.tables import ReviewRow
from derm_kit.records.text import stored
from derm_kit.triage.definition import Disposition


class OtherVerdict(StrEnum):
    """What a reader may say beside the eleven lesion types."""

    NOT_SAID = "not said"
    OTHER = "other"
    CANNOT_TELL = "cannot tell"


VERDICTS = tuple(chain((t.value for t in LESION_TYPES), OtherVerdict))
LONGEST_NOTE = 100_000
_PLAIN = ("reviewer", "verdict", "disposition", "at")
"""Text that is never escaped: ids of people, choices, times."""
_LONGEST_ID_BYTES = 1_000
"""Run and case stand in one index; PostgreSQL takes 2,704 bytes there."""


@dataclass(frozen=True)
class Review:
    """One reader's review of one case of one run.

    `verdict` is one of VERDICTS, `disposition` where the reader sends the case, `agrees` whether that is what the model
    did (None: not compared), `blind` whether the model was hidden until the verdict, `adjudication` whether it settles
    two readings that differ. `version` is the one that the reader saw, 0 for none; a saved review has the next.
    """

    run: str
    case: str
    reviewer: str
    verdict: str
    disposition: Disposition
    agrees: bool | None = None
    confidence_percent: int | None = None
    note: str = ""
    seconds: float | None = None
    blind: bool = False
    adjudication: bool = False
    version: int = 0
    at: str = ""

    def in_words(self) -> str:
        """The review on one line."""
        note = f", note: {self.note}" if self.note else ""
        return printable(f"{self.verdict.replace('_', ' ')}, {self.disposition}{note}")


class Verdict(NamedTuple):
    """What stands now of one reader on one case: their newest review without its note."""

    case: str
    reviewer: str
    verdict: str
    disposition: str
    agrees: bool | None
    adjudication: bool
    version: int
    at: str


def save(session: Session, review: Review) -> Review:
    """Store `review` as the next version of this reader's review of the case; returns it as stored.

    Raises RecordError where a value breaks its rule, and ConflictError where the newest version is not the one seen.
    """
    review = _checked(review)
    people.require(session, review.reviewer)
    newest = session.scalars(
        select(ReviewRow)
        .where(ReviewRow.run == review.run, ReviewRow.case_id == review.case, ReviewRow.reviewer == review.reviewer)
        .order_by(ReviewRow.version.desc())
        .limit(1)
    ).first()
    if (newest.version if newest else 0) != review.version:
        there = _review(newest) if newest else None
        raise ConflictError(
            f"case {printable(review.case)}",
            stored=there,
            yours=review,
            shown=(there.in_words() if there else "no review", review.in_words()),
            next_step="Look at what is stored, then save yours again if it should stand.",
        )
    saved = replace(review, version=review.version + 1, at=now())
    values = asdict(saved)
    row = ReviewRow(id=secrets.token_hex(16), case_id=values.pop("case"), **values)
    facts = ("run", "case", "version", "verdict", "disposition", "agrees", "adjudication")
    seal(session, row, review.reviewer, "review saved", **{name: getattr(saved, name) for name in facts})
    return saved


def history(session: Session, run: str, case: str) -> list[Review]:
    """Every version of every reader's review of a case, oldest first."""
    rows = session.scalars(
        select(ReviewRow).where(ReviewRow.run == run, ReviewRow.case_id == case).order_by(ReviewRow.entry)
    )
    return [_review(row) for row in rows]


def worklist(session: Session, run: str) -> list[Verdict]:
    """What stands now of each reader on each case of a run, in the order in which it was written."""
    table = ReviewRow.__table__.c  # the columns themselves, as stored: rows are not objects here, and quicker for it
    names = ("case_id", "reviewer", "verdict", "disposition", "agrees", "adjudication", "version", "at")
    columns: list[Any] = [type_coerce(table[n], Text) if n in _PLAIN else table[n] for n in names]
    wanted = select(*columns).where(table.run == run).order_by(table.entry)
    newest: dict[tuple[str, str], Verdict] = {}
    for row in session.execute(wanted):
        verdict = Verdict._make(row)
        key = verdict[:2]
        newest.pop(key, None)  # so that the newer one comes at its own place
        newest[key] = verdict
    return list(newest.values())


def _checked(review: Review) -> Review:
    """The review with values of the stored kinds. Raises RecordError."""
    seconds, percent = review.seconds, review.confidence_percent
    problems = (
        (
            review.verdict in VERDICTS,
            "the verdict is a lesion type, 'not said', 'other' or 'cannot tell'",
            review.verdict,
        ),
        (review.disposition in set(Disposition), "the disposition is one that a policy knows", review.disposition),
        (percent is None or 0 <= percent <= 100, "confidence is 0 to 100 percent", percent),
        (seconds is None or (math.isfinite(seconds) and seconds >= 0), "seconds are counted from 0", seconds),
        (len(review.note) <= LONGEST_NOTE, f"a note has at most {LONGEST_NOTE:,} characters", len(review.note)),
        (_short(review.run), f"the name of a run has 1 to {_LONGEST_ID_BYTES:,} bytes", review.run),
        (_short(review.case), f"the id of a case has 1 to {_LONGEST_ID_BYTES:,} bytes", review.case),
    )
    for holds, rule, value in problems:
        if not holds:
            raise RecordError(rule, case=review.case, value=value, next_step="Nothing was stored. Mend it, then save.")
    return replace(
        review,
        verdict=str(review.verdict),
        disposition=Disposition(review.disposition),
        agrees=None if review.agrees is None else bool(review.agrees),
        confidence_percent=None if percent is None else int(percent),
        seconds=None if seconds is None else float(seconds),
    )


def _short(name: str) -> bool:
    return 1 <= len(stored(name).encode()) <= _LONGEST_ID_BYTES


def _review(row: ReviewRow) -> Review:
    values = {name: getattr(row, name) for name in Review.__dataclass_fields__ if name not in ("case", "disposition")}
    return Review(case=row.case_id, disposition=Disposition(row.disposition), **values)
