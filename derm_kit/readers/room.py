"""The room of one session: what its readers' requests do to the register, each a short read or write in a thread."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from derm_kit.readers import said
from derm_kit.readers.limits import WrongCodes
from derm_kit.readers.pictures import CasePictures
from derm_kit.readers.trouble import Told
from derm_kit.records import teaching_answers, teaching_joining, teaching_reading
from derm_kit.records.register import Register
from derm_kit.records.teaching import TeachingSession
from derm_kit.records.teaching_answers import Given
from derm_kit.records.teaching_reading import Shown, Standing
from derm_kit.records.teaching_refusals import ReaderError, UnknownReaderError

READ_AT_ONCE, WRITE_AT_ONCE = 4, 32
"""Threads. Writes that wait at one moment go to disk together, see records/teaching_writing.py."""


@dataclass
class Room:
    """What the handlers share: the register, the one session, its pictures, and who was wrong about its code.

    Methods that take a token raise UnknownReaderError where it is of no reader of this session, ReaderError where a
    reader's own doing is refused, and RecordError where the register is in trouble.
    """

    register: Register
    session: TeachingSession
    pictures: CasePictures
    secure: bool
    wrong: WrongCodes = field(default_factory=WrongCodes)
    told: Told = field(default_factory=Told)
    reads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(READ_AT_ONCE))
    writes: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(WRITE_AT_ONCE))
    _seen: set[str] = field(default_factory=set)
    """Tokens of readers of this session: a reader stays in it, so that they are looked up once."""

    @property
    def cookie(self) -> str:
        """Name of the cookie that holds a reader's token; browsers send __Host- cookies over TLS only."""
        return f"{'__Host-' if self.secure else ''}reader-{self.session.code}"

    def state(self, token: str) -> said.Json:
        """Where a reader stands, with the case that waits."""
        self._require_own(token)
        return self._said(*teaching_reading.look(self.register, token))

    def join(self, alias: str, request: str) -> tuple[str, said.Json]:
        """The new reader's token, and where they stand."""
        joined = teaching_joining.join(
            self.register, self.session.code, alias, consent_version=self.session.consent_version, request=request
        )
        self._seen.add(joined.token)
        return joined.token, self.state(joined.token)

    def answer(self, token: str, given: Given) -> said.Json:
        """Store an answer; where the reader then stands."""
        self._require_own(token)
        done = teaching_answers.answer(self.register, token, given)
        return self._said(done.standing, done.then)

    def agree_to_names(self, token: str, agreed: bool) -> None:
        """Whether the group's results may name the reader."""
        self._require_own(token)
        teaching_reading.agree_to_names(self.register, token, agreed=agreed)

    def debrief(self, token: str) -> said.Json:
        """All cases, once the truth is out."""
        self._require_own(token)
        standing = teaching_reading.standing(self.register, token)
        cases = teaching_reading.debrief(self.register, token)
        drawn = frozenset(one.number for one in cases if self.pictures.map(one.number) is not None)
        return said.debrief(self.session, standing, cases, drawn)

    def picture(self, token: str, number: int) -> bytes:
        """The picture of a case that the reader was shown."""
        self._require_own(token)
        teaching_reading.picture(self.register, token, number)
        return self.pictures.picture(number)

    def map(self, token: str, number: int) -> bytes | None:
        """The map where the model's view of the case is due: with the case on the screen, or after the reveal."""
        self._require_own(token)
        standing, shown = teaching_reading.look(self.register, token)
        if not standing.revealed and (shown is None or shown.number != number or shown.model is None):
            raise ReaderError("the model's view of this case is not due", next_step="Load the page again.")
        return self.pictures.map(number)

    def close(self) -> None:
        """Begin no more of what waits; return once what has begun is done."""
        for threads in (self.reads, self.writes):
            threads.shutdown(cancel_futures=True)

    def _require_own(self, token: str) -> None:
        if token in self._seen:
            return
        if teaching_reading.standing(self.register, token).session != self.session.id:
            raise UnknownReaderError
        self._seen.add(token)

    def _said(self, standing: Standing, shown: Shown | None) -> said.Json:
        drawn = shown is not None and self.pictures.map(shown.number) is not None
        return said.state(self.session, standing, shown, map_drawn=drawn)
