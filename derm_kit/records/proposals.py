"""A change proposal from its file: read strictly, refused in plain words."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from derm_kit.errors import PolicyError, printable
from derm_kit.records.exact_json import read_object
from derm_kit.triage.proposal import SHORTEST_RATIONALE, ChangeProposal

_PLAIN_RULES = {
    "missing": "a change proposal has this field",
    "extra_forbidden": "a change proposal has no such field",
    "string_pattern_mismatch": "a hash is 64 hexadecimal digits, or empty",
    "string_too_short": f"a rationale has at least {SHORTEST_RATIONALE} characters",
}
"""Rules in plain words where pydantic's are not, by its name of the error."""


def read_proposal(path: Path) -> ChangeProposal:
    """A proposal from a JSON file. Raises PolicyError with the field, its value and the rule that it breaks."""
    try:
        return ChangeProposal.model_validate(read_object(path, "a change proposal"))
    except ValidationError as error:
        first = error.errors()[0]
        field = printable(".".join(str(part) for part in first["loc"] if part != "[key]"))
        rule = _PLAIN_RULES.get(first["type"], first["msg"].removeprefix("Value error, ").lower())
        raise PolicyError(
            f"{field}: {rule}",
            case=str(path),
            value=None if first["type"] == "missing" else first["input"],
            next_step="Make the proposal on page 03 and keep its file as it is.",
        ) from None
