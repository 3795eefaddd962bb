"""An alarm as it is frozen in the register: which signal, of what, since when, and the figures behind it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from derm_kit.errors import RecordError
from derm_kit.records.exact_json import canonical, read_object, sha256

LONGEST_FIELD, LONGEST_ALARM = 1_000, 1_000_000
MEND = "Nothing was stored. Write the alarm as the monitoring page or 'derm-kit incidents open --help' shows it."


@dataclass(frozen=True)
class Alarm:
    """One alarm of one signal.

    `signal` names it ("risk-adjusted CUSUM of melanoma sensitivity"), `scope` what it watched (product, site, device;
    "" for all), `raised_at` is when it was raised (ISO 8601, kept in UTC), `said` is one sentence for people, `facts`
    are the figures behind it, as JSON holds them. Signal, scope and moment tell one alarm from every other. Raises
    RecordError where one of them is missing, or holds what JSON cannot.
    """

    signal: str
    scope: str
    raised_at: str
    said: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, shortest in (("signal", 1), ("scope", 0), ("said", 1)):
            said = getattr(self, name)
            if not isinstance(said, str) or not shortest <= len(said.strip()) <= LONGEST_FIELD:
                raise _broken(f"{name}: text of {shortest} to {LONGEST_FIELD:,} characters", said)
        object.__setattr__(self, "raised_at", _in_utc(self.raised_at))
        if not isinstance(self.facts, Mapping) or len(self.text) > LONGEST_ALARM:
            raise _broken(f"facts: a JSON object, the alarm at most {LONGEST_ALARM:,} characters", type(self.facts))
        object.__setattr__(self, "facts", json.loads(self.text)["facts"])  # its own, whatever becomes of the giver's

    @classmethod
    def read(cls, path: Path) -> Alarm:
        """An alarm from a JSON file with exactly these fields. Raises DermKitError."""
        found = read_object(path, "an alarm")
        fields = set(cls.__dataclass_fields__)
        if unknown := set(found) - fields:
            raise _broken(f"an alarm has the fields {', '.join(sorted(fields))}", ", ".join(sorted(unknown)))
        if missing := fields - set(found) - {"facts"}:
            raise _broken("an alarm says signal, scope, raised_at and said", f"without {', '.join(sorted(missing))}")
        return cls(**found)

    @cached_property
    def text(self) -> str:
        """The alarm as it is stored."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        try:
            text = canonical(values | {"facts": dict(self.facts)})
            text.encode()
        except (TypeError, ValueError) as error:
            raise _broken("facts: text and numbers that JSON can hold", error) from None
        return text

    @property
    def key(self) -> str:
        """SHA-256 of what tells this alarm from every other: signal, scope and moment."""
        return sha256(canonical([self.signal, self.scope, self.raised_at]))

    def in_words(self) -> str:
        """The alarm on one line."""
        return f"{self.signal}, {self.scope or 'all'}, {self.raised_at[:16]} UTC"


def _in_utc(raised_at: object) -> str:
    try:
        moment = datetime.fromisoformat(str(raised_at))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise _broken("raised_at: a moment in ISO 8601 with its offset, such as 2026-11-28T09:30:00+00:00", raised_at)
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _broken(rule: str, value: object) -> RecordError:
    return RecordError(rule, case="alarm", value=value, next_step=MEND)
