"""Refusals: what is wrong with a part of a pathway, in plain words and with the place where it stands."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from datetime import date
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from derm_kit.errors import PathwayError, printable
from derm_kit.pathway.yaml_file import COPY_A_PRESET, Lines

At = tuple[int | str, ...]
REFUSED = "refused"
FEW_ENOUGH_TO_LIST = 8
MOST_DIGITS = 1e15
A_NUMBER = "a number is needed: digits and a point, without comma, unit or quotation marks"

_RULES = {
    "missing": "this field is needed",
    "int_type": "a whole number is needed",
    "float_type": A_NUMBER,
    "finite_number": A_NUMBER,
    "bool_type": "true or false is needed",
    "string_type": "text is needed; in quotation marks where it looks like a number, a date, yes or no",
    "string_too_short": "this text is empty",
    "string_too_long": "this text has at most {max_length} characters",
    "string_pattern_mismatch": "a name has no / in it, stands on one line, and neither begins nor ends with a space",
    "dict_type": "names are needed here, each with its value after a colon",
    "model_type": "fields are needed here, each with its value after a colon",
    "model_attributes_type": "fields are needed here, each with its value after a colon",
    "tuple_type": "a list is needed, in square brackets or with a dash before each",
    "too_short": "at least {min_length} is needed here",
    "too_long": "at most {max_length} are read here",
    "greater_than": "the value is above {gt}",
    "greater_than_equal": "the value is {ge} or more",
    "less_than": "the value is below {lt}",
    "less_than_equal": "the value is at most {le}",
    "union_tag_invalid": "a stage is of the kind slots, servers or delay",
    "union_tag_not_found": "a stage says its kind: slots, servers or delay",
}
"""Rules in plain words by pydantic's name of the error, which fills them in."""


def refusal(rule: str, at: At = (), value: object = None) -> PydanticCustomError:
    """A broken rule of the part that is validated, for its validators to raise; `at` leads from it to `value`."""
    return PydanticCustomError(REFUSED, "{rule}", {"rule": rule, "at": at, "value": value})


def near(given: object, known: Iterable[str]) -> str:
    """To add to a rule: the known name that is most like the one given, or all of them where they are few."""
    names = list(known)
    return _like(given, names) or _all(names)


def _like(given: object, names: list[str]) -> str:
    like = difflib.get_close_matches(str(given)[:100].lower(), [name.lower() for name in names], n=1, cutoff=0.6)
    return f"; did you mean {next(name for name in names if name.lower() == like[0])!r}?" if like else ""


def _all(names: list[str]) -> str:
    return f"; there is {' · '.join(names)}" if 0 < len(names) <= FEW_ENOUGH_TO_LIST else ""


def in_plain_words(error: ValidationError, case: str, lines: Lines) -> PathwayError:
    """The first thing that pydantic found wrong, and the line it stands in."""
    first = _most_telling(error.errors(include_url=False))
    at, rule, value = _said(first, lines.known(first["loc"]))
    if first["type"] == REFUSED and at[-1:] == ("value",) and at not in lines.by_path:
        at = at[:-1]  # a bare number has no field of its own
    field = printable(" / ".join(f"no. {part + 1}" if isinstance(part, int) else part for part in at))
    line = lines.of(at)
    return PathwayError(
        f"{field}: {rule}" if field else rule,
        case=f"{case}, line {line}" if line else case,
        value=_shown(value),
        next_step=COPY_A_PRESET,
    )


def _most_telling(errors: list[ErrorDetails]) -> ErrorDetails:
    """The first error; where a value may be one of two kinds, the one of the kind that was meant."""
    meant = [one for one in errors if not (_is_literal(one) and isinstance(one["input"], dict))]
    return (meant or errors)[0]


def _is_literal(error: ErrorDetails) -> bool:
    return bool(error["loc"]) and str(error["loc"][-1]).startswith("literal[")


def _said(error: ErrorDetails, at: At) -> tuple[At, str, object]:
    """Where, the rule and the value of one error."""
    kind, value, ctx = error["type"], error["input"], error.get("ctx", {})
    if kind == REFUSED:
        return (*at, *ctx["at"]), str(ctx["rule"]), ctx["value"]
    if kind == "missing":
        last = error["loc"][-1]
        return ((*at, last), _RULES[kind], None) if isinstance(last, str) else (at, "two numbers are needed", None)
    if kind == "union_tag_invalid":
        return (*at, "kind"), _RULES[kind] + near(ctx["tag"], ("slots", "servers", "delay")), ctx["tag"]
    rule = _rule(error, kind, ctx)
    return at, f"{rule}; nothing stands here" if value is None else rule, value


def _rule(error: ErrorDetails, kind: str, ctx: dict[str, Any]) -> str:
    if _is_literal(error):
        return "policy is meant, or for each condition the share of each outcome"
    if kind == "int_type" and error["loc"][-1] == "int":
        return A_NUMBER
    if kind.startswith("date"):
        return "a date is needed, as 2026-04-01"
    if kind in ("literal_error", "enum"):
        options = re.findall(r"'([^']*)'", str(ctx["expected"]))
        return f"choose {ctx['expected']}{_like(error['input'], options)}"
    if kind in _RULES:
        numbers = {name: f"{limit:,}" if isinstance(limit, int | float) else limit for name, limit in ctx.items()}
        quoted = ", without quotation marks" if kind == "int_type" and isinstance(error["input"], str) else ""
        return _RULES[kind].format(**numbers) + quoted
    return error["msg"].removeprefix("Value error, ").removeprefix("Input ")


def _shown(value: object) -> object:
    """A value as the file has it: the number of a quantity, true and false in small letters; no whole part."""
    if isinstance(value, dict):
        value = value.get("value")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer() and abs(value) < MOST_DIGITS:
        return int(value)
    if isinstance(value, tuple | list):
        return f"[{', '.join(str(_shown(one)) for one in value)}]"
    return value or None if isinstance(value, str) else value if isinstance(value, int | float | date) else None
