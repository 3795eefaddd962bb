"""The room of one session: what its readers' requests do to the register, each a short read or write in a thread."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from derm_kit.errors import RecordError
from derm_kit.readers import said
from derm_kit.readers.limits import WrongCodes
from derm_kit.readers.pictures import CasePictures
from derm_kit.readers.trouble import Told
from derm_kit.records import teaching_answers, teaching_joining, teaching_reading
from derm_kit.records.register import Register
from derm_kit.records.teaching import TeachingSession
from derm_kit.records.teaching_answers import Given
from derm_kit.records.teaching_reading import Shown, Standing

THREADS = 4


class StrangerError(Exception):
    """The token is of no reader of this session."""


@dataclass
class Room:
    """What the handlers share: the register, the one session, its pictures, and who was wrong about its code.

    Methods that take a token raise StrangerError where it is of no reader of this session, and RecordError as the
    records do.
    """

    register: Register
    session: TeachingSession
    pictures: CasePictures
    secure: bool
    wrong: WrongCodes = field(default_factory=WrongCodes)
    told: Told = field(default_factory=Told)
    threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(THREADS))
    _seen: set[str] = field(default_factory=set)
    """Tokens of readers of this session: a reader stays in it, so that they are looked up once."""

    @property
    def cookie(self) -> str:
        """Name of the cookie that holds a reader's token; browsers send __Host- cookies over TLS only."""
        return f"{'__Host-' if self.secure else ''}reader-{self.session.code}"

    def state(self, token: str) -> said.Json:
        """Where a reader stands, with the case that waits."""
        standing = self._own(token)
        return self._said(standing, teaching_reading.show(self.register, token) if standing.left else None)

    def join(self, alias: str, request: str) -> tuple[str, said.Json]:
        """The new reader's token, and where they stand."""
        joined = teaching_joining.join(
            self.register, self.session.code, alias, consent_version=self.session.consent_version, request=request
        )
        return joined.token, self.state(joined.token)

    def answer(self, token: str, given: Given) -> said.Json:
        """Store an answer; where the reader then stands."""
        if token not in self._seen:
            self._own(token)
        done = teaching_answers.answer(self.register, token, given)
        return self._said(self._own(token), done.then)

    def agree_to_names(self, token: str, agreed: bool) -> None:
        """Whether the group's results may name the reader."""
        self._own(token)
        teaching_reading.agree_to_names(self.register, token, agreed=agreed)

    def debrief(self, token: str) -> said.Json:
        """All cases, once the truth is out."""
        standing, cases = self._own(token), teaching_reading.debrief(self.register, token)
        drawn = frozenset(one.number for one in cases if self.pictures.map(one.number) is not None)
        return said.debrief(self.session, standing, cases, drawn)

    def picture(self, token: str, number: int) -> bytes:
        """The picture of a case that the reader was shown."""
        self._own(token)
        teaching_reading.picture(self.register, token, number)
        return self.pictures.picture(number)

    def map(self, token: str, number: int) -> bytes | None:
        """The map where the model's view of the case is due: with the case on the screen, or after the reveal."""
        if not self._own(token).revealed:
            shown = teaching_reading.show(self.register, token)
            if shown is None or shown.number != number or shown.model is None:
                raise RecordError("the model's view of this case is not due", next_step="Load the page again.")
        return self.pictures.map(number)

    def _own(self, token: str) -> Standing:
        try:
            standing = teaching_reading.standing(self.register, token)
        except RecordError as error:
            self._seen.discard(token)
            if error.case is None:
                raise StrangerError from None
            raise
        if standing.session != self.session.id:
            raise StrangerError
        self._seen.add(token)
        return standing

    def _said(self, standing: Standing, shown: Shown | None) -> said.Json:
        drawn = shown is not None and self.pictures.map(shown.number) is not None
        return said.state(self.session, standing, shown, map_drawn=drawn)
