"""A teaching session of a test: six phantoms, the model wrong on two, and readers who say what they are told to."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from functools import cache

from derm_kit.lesions import LesionType
from derm_kit.records import teaching
from derm_kit.records.people import Role
from derm_kit.records.register import Register
from derm_kit.records.teaching import TeachingSession
from derm_kit.records.teaching_answers import Acknowledged, Given, answer
from derm_kit.records.teaching_joining import Joined, join
from derm_kit.records.teaching_reading import Shown, show
from derm_kit.records.teaching_steps import Action, Mode
from derm_kit.triage.policy import Disposition
from derm_kit.triage.teaching_list import TeachingList, phantom_list
from tests.records.places import PASSPHRASE

CONSENT = "My answers may be analysed without my name."


@cache
def six_phantoms() -> TeachingList:
    return phantom_list(6, 2, 1)


@dataclass(frozen=True)
class Seminar:
    """One session and who leads it."""

    register: Register
    id: str
    facilitator: str

    @classmethod
    def begin(cls, register: Register, mode: Mode = Mode.BLIND_FIRST, **more: object) -> Seminar:
        who = register.add_person("Fay Teacher", Role.DERMATOLOGIST, PASSPHRASE).id
        made = teaching.make(register, who, "How to look", six_phantoms(), mode, 7, **more)  # type: ignore[arg-type]
        return cls(register, made.id, who)

    @property
    def session(self) -> TeachingSession:
        return teaching.find(self.register, self.id)

    def take(self, *actions: Action) -> None:
        for action in actions:
            teaching.take_step(self.register, self.id, action, self.facilitator)

    def join(self, alias: str = "Ada", **more: str) -> Joined:
        s = self.session
        return join(self.register, s.code, alias, consent_version=s.consent_version, **more)

    def answer(self, reader: Joined, shown: Shown, **more: object) -> Acknowledged:
        return answer(self.register, reader.token, given(shown, **more))

    def answer_all(self, reader: Joined, **more: object) -> list[Shown]:
        """Answer whatever waits for the reader; what was shown."""
        seen = []
        shown = show(self.register, reader.token)
        while shown is not None:
            seen.append(shown)
            shown = self.answer(reader, shown, **more).then
        return seen


def given(shown: Shown, **more: object) -> Given:
    said: dict[str, object] = {
        "diagnosis": LesionType.MELANOMA,
        "disposition": Disposition.URGENT_SUSPECTED_CANCER,
        "confidence_percent": 70,
        "request": secrets.token_hex(8),
        "client_seconds": 4.0,
    }
    return Given(shown.number, shown.phase, **said | more)  # type: ignore[arg-type]
