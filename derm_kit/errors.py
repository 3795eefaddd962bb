"""The errors of derm-kit: each names the case, the value, the rule that was broken and the next step."""

from __future__ import annotations

from functools import partial
from typing import Any


class DermKitError(Exception):
    """Base of every error that derm-kit raises on purpose.

    `rule` says what was expected, `next_step` what the reader can do about it; `case` and `value` name the
    case (or file) and the offending value where there is one.
    """

    def __init__(self, rule: str, *, next_step: str, case: str | None = None, value: object = None) -> None:
        self.case = case
        self.value = value
        self.rule = rule
        self.next_step = next_step
        super().__init__(rule)

    def __reduce__(self) -> tuple[Any, ...]:
        """What it is made of, so that an error of a worker reaches whoever waits for it."""
        return partial(type(self), self.rule, next_step=self.next_step, case=self.case, value=self.value), ()

    def __str__(self) -> str:
        """One readable line: case, rule, value, next step."""
        where = f"{printable(self.case)}: " if self.case is not None else ""
        return f"{where}{self.finding}. {self.next_step}"

    @property
    def finding(self) -> str:
        """Rule and value together, as one cell of a list of rejects says it."""
        return f"{self.rule} (found: {printable(self.value)})" if self.value is not None else self.rule


class CohortError(DermKitError):
    """A folder, table or archive cannot be read as a cohort."""


class CaseError(DermKitError):
    """One case cannot be used; the others go on."""


class DiagnosisError(DermKitError):
    """A diagnosis is in no vocabulary that derm-kit knows."""


class ModelError(DermKitError):
    """A model's card, weights or hashes do not hold together."""


class RunError(DermKitError):
    """A run folder or score table cannot be read or continued."""


class PolicyError(DermKitError):
    """A triage policy is invalid or belongs to another model."""


class PathwayError(DermKitError):
    """A pathway cannot be read, its parts do not hold together, or it cannot be simulated as asked."""


class RecordError(DermKitError):
    """The register cannot be read or written, or what stands in it does not hold together."""


def printable(value: object, limit: int = 120) -> str:
    """`value` on one line for a message: control characters escaped, at most `limit` characters."""
    try:
        said = str(value)
    except (NotImplementedError, ValueError, RecursionError):  # such as a year that Python's calendar does not have
        said = f"a value of the kind {type(value).__name__} that cannot be written out"
    text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in said[: limit + 1])
    return text if len(text) <= limit else text[: limit - 1] + "…"
