"""What a page sent, read strictly: a value of another kind is refused, never bent into one that fits."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from derm_kit.lesions import LesionType
from derm_kit.readers.said import MANAGEMENT
from derm_kit.records.teaching_answers import Given
from derm_kit.records.teaching_steps import Phase
from derm_kit.triage.definition import Disposition

LONGEST_CLIENT_S = 86_400
"""A phone's clock that says more, or less than nothing, is not believed; the answer counts all the same."""
_REQUEST = re.compile(r"[0-9a-f]{32}")


class UnreadableError(ValueError):
    """What was sent is nothing that the page sends."""


class Joining(NamedTuple):
    """Who wants to join, and that they agreed to the text that they saw; `request` is their browser's secret."""

    alias: str
    request: str
    agreed: bool


def read_json(body: bytes) -> dict[str, Any]:
    """The object in a body. Raises UnreadableError."""
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        raise UnreadableError from None
    if not isinstance(given, dict):
        raise UnreadableError
    return given


def read_code(given: dict[str, Any]) -> str:
    """The code as typed, without blanks, in capitals."""
    return "".join(_text(given, "code").split()).upper()


def read_joining(given: dict[str, Any]) -> Joining:
    """Alias, consent and request of a join."""
    return Joining(_text(given, "alias"), _request(given), given.get("consent") is True)


def read_agreed(given: dict[str, Any]) -> bool:
    """Whether a reader agrees to be named."""
    agreed = given.get("agreed")
    if not isinstance(agreed, bool):
        raise UnreadableError
    return agreed


def read_answer(given: dict[str, Any]) -> Given:
    """An answer, each of its values one that the page offers."""
    try:
        phase, diagnosis = Phase(_text(given, "phase")), LesionType(_text(given, "diagnosis"))
        disposition = Disposition(_text(given, "disposition"))
    except ValueError:
        raise UnreadableError from None
    if disposition not in MANAGEMENT:
        raise UnreadableError
    return Given(
        _whole(given, "number"), phase, diagnosis, disposition, _whole(given, "confidence"), _request(given),
        _seconds(given.get("seconds")),
    )  # fmt: skip


def _text(given: dict[str, Any], name: str) -> str:
    text = given.get(name)
    if not isinstance(text, str):
        raise UnreadableError
    return text


def _request(given: dict[str, Any]) -> str:
    text = _text(given, "request")
    if not _REQUEST.fullmatch(text):
        raise UnreadableError
    return text


def _whole(given: dict[str, Any], name: str) -> int:
    number = given.get(name)
    if type(number) is not int or not 0 <= number <= 1_000:
        raise UnreadableError
    return number


def _seconds(seconds: object) -> float | None:
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    return float(seconds) if is_number and 0 <= seconds <= LONGEST_CLIENT_S else None  # type: ignore[operator,arg-type]
