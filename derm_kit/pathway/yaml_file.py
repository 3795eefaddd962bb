"""YAML from outside: plain values only, each with the line that it stands in."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from derm_kit.errors import PathwayError, printable

MOST_BYTES, MOST_DEPTH = 1_000_000, 20
PLAIN_TAGS = tuple(
    f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null", "timestamp", "map", "seq")
)
COPY_A_PRESET = (
    "Mend the file; 'derm-kit simulate --list' names the pathways that ship, which can be copied to start from."
)


@dataclass(frozen=True)
class Lines:
    """Line numbers (from 1) by the path of keys that leads to a value."""

    by_path: dict[tuple[Hashable, ...], int]

    def known(self, loc: tuple[int | str, ...]) -> tuple[int | str, ...]:
        """The part of a pydantic location that the file has: no tags of unions, no marks of keys."""
        if loc[:1] == ("stages",) and len(loc) > 2:
            loc = (*loc[:2], *loc[3:])
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


def read_yaml(path: Path) -> tuple[Any, Lines]:
    """The plain values of a YAML file of at most 1 MB, and their lines.

    Raises PathwayError where it cannot be read or holds what a pathway never needs: tags, anchors and aliases (a few of
    which can stand for gigabytes), a key twice, several documents.
    """
    try:
        if path.exists() and not path.is_file():
            raise PathwayError("a pathway is a regular file", case=str(path), next_step="Name a pathway's YAML file.")
        with path.open("rb") as file:
            text = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise PathwayError(
            f"the pathway cannot be read ({error.strerror})",
            case=str(path),
            next_step="Name a pathway that ships ('derm-kit simulate --list'), or a YAML file of your own.",
        ) from None
    if len(text) > MOST_BYTES:
        raise PathwayError(
            f"a pathway's file has at most {MOST_BYTES:,} bytes", case=str(path), next_step=COPY_A_PRESET
        )
    return _values(text, path)


def _values(text: bytes, path: Path) -> tuple[Any, Lines]:
    lines: dict[tuple[Hashable, ...], int] = {}
    try:
        for event in yaml.parse(text, yaml.SafeLoader):
            anchor = getattr(event, "anchor", None)
            if anchor is not None:
                raise _error(
                    "anchors and aliases (& and *) are not read: write the value out", path, event.start_mark, anchor
                )
        node = yaml.compose(text, yaml.SafeLoader)
        loader = yaml.SafeLoader("")
        return (_value(node, (), lines, loader, path) if node else None), Lines(lines)
    except yaml.MarkedYAMLError as error:
        said = " ".join(filter(None, (error.context, error.problem)))
        raise _error(f"the file is not YAML: {printable(said)}", path, error.problem_mark) from None
    except yaml.YAMLError as error:
        raise _error(f"the file is not YAML: {printable(str(error).splitlines()[0])}", path) from None
    except RecursionError:
        raise _error(f"a pathway's values lie at most {MOST_DEPTH} deep", path) from None


def _value(
    node: yaml.Node,
    at: tuple[Hashable, ...],
    lines: dict[tuple[Hashable, ...], int],
    loader: yaml.SafeLoader,
    path: Path,
) -> Any:
    lines.setdefault(at, node.start_mark.line + 1)
    if node.tag not in PLAIN_TAGS:
        raise _error("tags (!...) are not read: plain values only", path, node.start_mark, node.tag)
    if len(at) > MOST_DEPTH:
        raise _error(f"a pathway's values lie at most {MOST_DEPTH} deep", path, node.start_mark)
    if isinstance(node, yaml.MappingNode):
        found: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = _key(key_node, loader, path)
            if key in found:
                raise _error("a name stands once in its place", path, key_node.start_mark, key)
            lines[(*at, key)] = key_node.start_mark.line + 1
            found[key] = _value(value_node, (*at, key), lines, loader, path)
        return found
    if isinstance(node, yaml.SequenceNode):
        return tuple(_value(item, (*at, i), lines, loader, path) for i, item in enumerate(node.value))
    try:
        return loader.construct_object(node)  # type: ignore[no-untyped-call]
    except (ValueError, OverflowError):
        raise _error("a value must exist: no such date or number", path, node.start_mark, node.value) from None


def _key(node: yaml.Node, loader: yaml.SafeLoader, path: Path) -> str:
    if not isinstance(node, yaml.ScalarNode) or node.tag != PLAIN_TAGS[0]:
        raise _error(
            "a name is text (in quotation marks where it looks like a number, a date, yes or no)",
            path,
            node.start_mark,
            node.value,
        )
    return str(node.value)


def _error(rule: str, path: Path, mark: yaml.Mark | None = None, value: object = None) -> PathwayError:
    where = f"{path}, line {mark.line + 1}" if mark else str(path)
    return PathwayError(rule, case=where, value=value, next_step=COPY_A_PRESET)
