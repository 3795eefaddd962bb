"""YAML from outside: plain values only, each with the line that it stands in."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from derm_kit.errors import PathwayError

MOST_BYTES, MOST_DEPTH = 300_000, 20
COPY_A_PRESET = (
    "Mend the file; 'derm-kit simulate --list' names the pathways that ship, which can be copied to start from."
)
_NUMBER = re.compile(r"[-+]?(0|[1-9][0-9]*)?(\.[0-9]*)?([eE][-+]?[0-9]+)?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TRUE = ("yes", "true", "on")
_TYPE = "tag:yaml.org,2002:"

_BROKEN_YAML = (
    ("found character '\\t'", "a tab stands here; lines are indented with spaces"),
    ("found character '", "a text that begins with such a character stands in quotation marks"),
    ("mapping values are not allowed", "this line is indented too far, or a text with a colon needs quotation marks"),
    ("entries are not allowed", "a dash begins a line of a list, and stands nowhere else without quotation marks"),
    ("could not find expected ':'", "a colon is missing after a name, or this line is indented wrongly"),
    ("found unexpected end of stream", "a quotation mark is opened here and never closed"),
    ("expected ',' or", "a bracket is opened here and never closed, or a comma is missing between its values"),
    (
        "expected <block end>",
        "this line is indented otherwise than its neighbours, or a quotation mark is out of place",
    ),
    ("expected the node content", "a value is missing, or a bracket stands where none was opened"),
    ("found unknown escape", "in double quotation marks \\ has a meaning of its own; use single ones"),
    ("but found another document", "a file holds one pathway; a line of --- begins another"),
)
"""What PyYAML says, and what it means to whoever wrote the file."""


@dataclass(frozen=True)
class Lines:
    """Line numbers (from 1) by the path of keys that leads to a value; none for what was never in a file."""

    by_path: dict[tuple[Hashable, ...], int]

    def known(self, loc: tuple[int | str, ...]) -> tuple[int | str, ...]:
        """The part of a pydantic location that the file has: no tags of unions, no marks of keys."""
        if loc[:1] == ("stages",) and len(loc) > 2:
            loc = (*loc[:2], *loc[3:])
        if not self.by_path:
            return tuple(part for part in loc if not str(part).endswith("]"))
        at: tuple[int | str, ...] = ()
        for part in loc:
            if (*at, part) in self.by_path:
                at = (*at, part)
        return at

    def of(self, at: tuple[int | str, ...]) -> int:
        """The line of the value at `at`, or of the nearest that holds it; 0 where none is known."""
        while at and at not in self.by_path:
            at = at[:-1]
        return self.by_path.get(at, 0)


def read_yaml(path: Path, near: str = "") -> tuple[Any, Lines]:
    """The plain values of a YAML file of at most MOST_BYTES, and their lines; `near` says what else may be meant.

    Raises PathwayError where it cannot be read or holds what a pathway never needs: tags, anchors and aliases (a few of
    which can stand for gigabytes), a name twice, several documents, hidden characters, numbers that are not plain.
    """
    try:
        if path.exists() and not path.is_file():
            raise PathwayError(
                "a pathway is a regular file, no folder, pipe or device",
                case=str(path),
                next_step="Name a pathway's YAML file.",
            )
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) else error
        raise PathwayError(
            f"the pathway cannot be read ({said}){near}",
            case=str(path),
            next_step="Name a pathway that ships ('derm-kit simulate --list'), or a YAML file of your own.",
        ) from None
    if len(content) > MOST_BYTES:
        raise PathwayError(
            f"a pathway's file has at most {MOST_BYTES:,} bytes",
            case=str(path),
            value=f"{path.stat().st_size:,}",
            next_step="Name a pathway's YAML file, which is a short text.",
        )
    return _values(_text(content, path), path)


def _text(content: bytes, path: Path) -> str:
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise _refused("a pathway is a text file; save it as UTF-8", path, line) from None
    hidden = [c for c in set(text) if not (c in "\t\n\r" or _readable(c))]
    if hidden:
        at = min(text.index(c) for c in hidden)
        raise _refused(_hidden(text[at]), path, len(text[:at].splitlines()) or 1)
    return text


def _readable(character: str) -> bool:
    return character.isprintable() or unicodedata.category(character) == "Zs"


def _hidden(character: str) -> str:
    named = unicodedata.name(character, "a control character").lower()
    return f"a character that cannot be seen stands here (U+{ord(character):04X}, {named}); type this line anew"


class _Reader(yaml.SafeLoader):
    """Composes nodes, and stops at what no pathway needs before anything is made of it."""

    def __init__(self, text: str, path: Path) -> None:
        super().__init__(text)
        self.path, self.depth = path, 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]
        line, anchor, tag = _line(event), getattr(event, "anchor", None), getattr(event, "tag", None)
        if anchor is not None:
            raise _refused("anchors and aliases (& and *) are not read; write the value out", self.path, line, anchor)
        if tag is not None:
            raise _refused("tags (!...) are not read; plain values only", self.path, line, tag.replace(_TYPE, "!!"))
        if self.depth > MOST_DEPTH:
            raise _refused(f"a pathway's values lie at most {MOST_DEPTH} deep", self.path, line)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _values(text: str, path: Path) -> tuple[Any, Lines]:
    lines: dict[tuple[Hashable, ...], int] = {}
    try:
        node = _Reader(text, path).get_single_node()
    except yaml.MarkedYAMLError as error:
        raise _broken(error, path) from None
    if node is None:
        raise _refused("the file is empty; a pathway has at least a name, conditions, stages, exits and arms", path)
    if not isinstance(node, yaml.MappingNode):
        raise _refused("a pathway's file begins with its fields, such as name: and stages:", path, _line(node))
    return _value(node, (), lines, path), Lines(lines)


def _broken(error: yaml.MarkedYAMLError, path: Path) -> PathwayError:
    said = " ".join(filter(None, (error.context, error.problem)))
    rule = next((rule for words, rule in _BROKEN_YAML if words in said), "this cannot be read as YAML")
    opened = "is opened here" in rule and error.context_mark
    mark = error.context_mark if opened else error.problem_mark or error.context_mark
    return _refused(rule, path, mark.line + 1 if mark else 0)


def _value(node: yaml.Node, at: tuple[Hashable, ...], lines: dict[tuple[Hashable, ...], int], path: Path) -> Any:  # noqa: ANN401 - whatever the file holds
    lines.setdefault(at, _line(node))
    if isinstance(node, yaml.MappingNode):
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = _key(key_node, path)
            if key in found:
                raise _refused("a name stands once in its place", path, _line(key_node), key)
            lines[(*at, key)] = _line(key_node)
            found[key] = _value(value_node, (*at, key), lines, path)
        return found
    if isinstance(node, yaml.SequenceNode):
        return tuple(_value(item, (*at, i), lines, path) for i, item in enumerate(node.value))
    return _scalar(str(node.value), str(node.tag).removeprefix(_TYPE), node, path)


def _scalar(text: str, kind: str, node: yaml.Node, path: Path) -> object:
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() in _TRUE
    if kind == "timestamp" and _DATE.fullmatch(text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            raise _refused("there is no such date", path, _line(node), text) from None
    plain = isinstance(node, yaml.ScalarNode) and node.style is None
    if plain and any(c.isdigit() for c in text) and _NUMBER.fullmatch(text):
        return _number(text, node, path)
    if kind == "str":
        return _said(text, node, path)
    raise _refused(
        "a number is written plainly (0.5; 9.5 for half past nine), a date as 2026-04-01, and a text that looks like "
        "either stands in quotation marks",
        path,
        _line(node),
        text,
    )


def _number(text: str, node: yaml.Node, path: Path) -> int | float:
    number = float(text)
    if math.isinf(number):
        raise _refused("a number has a size that can be counted with", path, _line(node), text)
    return int(text) if text.lstrip("-+").isdigit() else number


def _key(node: yaml.Node, path: Path) -> str:
    if not isinstance(node, yaml.ScalarNode) or node.tag != f"{_TYPE}str":
        raise _refused(
            "a name is text; it stands in quotation marks where it looks like a number, a date, yes or no",
            path,
            _line(node),
            node.value if isinstance(node, yaml.ScalarNode) else None,
        )
    name = _said(str(node.value), node, path)
    odd = next((c for c in name if not c.isprintable()), None)
    if odd:
        raise _refused(_hidden(odd), path, _line(node), name)
    return name


def _said(text: str, node: yaml.Node, path: Path) -> str:
    """A text with accents in one form, whichever way a keyboard made them, and nothing hidden in it."""
    odd = next((c for c in text if not (c in "\t\n" or _readable(c))), None)
    if odd:
        raise _refused(_hidden(odd), path, _line(node), text)
    return unicodedata.normalize("NFC", text)


def _line(at: yaml.Node | yaml.Event) -> int:
    return int(at.start_mark.line) + 1 if at.start_mark else 0


def _refused(rule: str, path: Path, line: int = 0, value: object = None) -> PathwayError:
    where = f"{path}, line {line}" if line else str(path)
    return PathwayError(rule, case=where, value=value, next_step=COPY_A_PRESET)
