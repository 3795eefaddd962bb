"""Joining a teaching session: by its code and an alias, for a secret that the reader's browser keeps."""

from __future__ import annotations

import hmac
import secrets
import unicodedata
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from derm_kit.records.audit import now
from derm_kit.records.exact_json import sha256
from derm_kit.records.register import Register
from derm_kit.records.sealing import seal
from derm_kit.records.tables import TeachingReaderRow, TeachingSessionRow
from derm_kit.records.teaching import CODE_LENGTH, TeachingSession, newest_with_code, session_of
from derm_kit.records.teaching_refusals import ReaderError, UnknownReaderError
from derm_kit.records.teaching_steps import JOINABLE, State
from derm_kit.records.teaching_writing import write

LONGEST_ALIAS = 30
MOST_READERS = 500
_JOINERS = "\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}"
"""Some scripts and emoji need them to be written; no two aliases differ by them alone."""


@dataclass(frozen=True)
class Joined:
    """What the reader's browser keeps: `token` is the only proof of who comes back, and is stored nowhere else."""

    reader: str
    token: str
    alias: str


def invitation(register: Register, code: str) -> TeachingSession:
    """The session that a code invites to. Raises ReaderError for a wrong code, and where nobody may join any more.

    It holds the truth of every case: a page shows title, consent and its version to whoever has the code, no more.
    """
    with register.reading() as session:
        return session_of(_joinable(session, code))


def join(register: Register, code: str, alias: str, *, consent_version: str = "", request: str = "") -> Joined:
    """A new reader of the session. `consent_version` is of the text that the reader agreed to, "" where none is asked.

    `request` is a secret that the browser drew for this join, so that it may send it again where the reply was lost:
    it then gets a new token for the same reader. Without it an alias that is taken is refused, whoever asks. Raises
    ReaderError for a wrong or ended code, an alias that breaks its rule or is taken, and consent to another text.
    """
    alias = checked_alias(alias)
    return write(register, lambda session: _joined(session, code, alias, consent_version, request))


def _joined(session: Session, code: str, alias: str, consent_version: str, request: str) -> Joined:
    token = secrets.token_urlsafe(32)
    row = _joinable(session, code)
    there = session.scalars(
        select(TeachingReaderRow).where(TeachingReaderRow.session == row.id, TeachingReaderRow.alias_key == _key(alias))
    ).first()
    if there is not None:
        return _again(session, there, token, request)
    consent = session_of(row).consent_version
    if consent_version != consent:
        raise ReaderError(
            "who joins this session agrees to its consent text first",
            next_step="Read the text as it stands now and agree to it, then join.",
        )
    place = _number(session, row.id)
    reader = TeachingReaderRow(
        id=secrets.token_hex(16), session=row.id, place=place, alias=alias, alias_key=_key(alias),
        salt=secrets.token_hex(16), token_sha256=hashed(token), request_sha256=hashed(request) if request else "",
        consent_sha256=consent, joined_at=now(), names_agreed=None, erased_at=None,
    )  # fmt: skip
    seal(session, reader, reader.id, "reader joined", teaching_session=row.id, place=place, consent_sha256=consent)
    return Joined(reader.id, token, alias)


def reader_of(session: Session, token: str) -> TeachingReaderRow:
    """The reader whose browser holds a token. Raises UnknownReaderError."""
    row = session.scalars(select(TeachingReaderRow).where(TeachingReaderRow.token_sha256 == hashed(token))).first()
    if row is None:
        raise UnknownReaderError
    return row


def hashed(secret: str) -> str:
    """What is kept of a token: SHA-256. It is random and long, so that no slow hash is needed."""
    return sha256(secret.encode("utf-8", "backslashreplace").decode())


def checked_alias(alias: str) -> str:
    """The alias as it is kept: one line, markup as text. Raises ReaderError."""
    text = " ".join(unicodedata.normalize("NFC", alias).split())
    seen = text.translate(dict.fromkeys(map(ord, _JOINERS)))
    if not 1 <= len(text) <= LONGEST_ALIAS or not seen.isprintable() or not _key(text):
        raise ReaderError(
            f"an alias has 1 to {LONGEST_ALIAS} characters, all of which can be seen",
            value=alias,
            next_step="Choose another; it need not be your name.",
        )
    return text


def _key(alias: str) -> str:
    """The same for aliases that look alike: compatible characters, capital or not, joined or not."""
    text = unicodedata.normalize("NFKC", alias).translate(dict.fromkeys(map(ord, _JOINERS)))
    return " ".join(unicodedata.normalize("NFKC", text.casefold()).split())


def _again(session: Session, there: TeachingReaderRow, token: str, request: str) -> Joined:
    if not request or not hmac.compare_digest(there.request_sha256, hashed(request)):
        raise ReaderError(
            "somebody in this session has this alias already",
            value=there.alias,
            next_step="Choose another. If it was you: go back to the browser that you joined with, it goes on there.",
        )
    there.token_sha256 = hashed(token)
    seal(session, there, there.id, "reader joined again", teaching_session=there.session)
    return Joined(there.id, token, there.alias)


def _number(session: Session, session_id: str) -> int:
    """How many have joined. Raises ReaderError where there is room for no more."""
    count = session.scalar(
        select(func.count()).select_from(TeachingReaderRow).where(TeachingReaderRow.session == session_id)
    )
    if (count or 0) >= MOST_READERS:
        raise ReaderError(
            f"a session has at most {MOST_READERS} readers", next_step="Ask the facilitator to make a second session."
        )
    return count or 0


def _joinable(session: Session, code: str) -> TeachingSessionRow:
    typed = "".join(code.split()).upper()
    row = newest_with_code(session, typed) if len(typed) == CODE_LENGTH else None
    if row is None:
        raise ReaderError(
            "no session has this code", value=code, next_step=f"It has {CODE_LENGTH} letters and digits: type it again."
        )
    if row.state not in JOINABLE:
        over = "has ended" if row.state == State.ENDED else "has come to its results"
        raise ReaderError(
            f"this session {over}: nobody can join it any more", value=typed, next_step="Ask the facilitator."
        )
    return row
