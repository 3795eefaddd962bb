"""Prints what derm_kit promises to who imports it: every public name, with its parameters, fields and methods.

`python -m tests.public_api > tests/reference/public_api.txt` takes down a change that is meant.
"""

from __future__ import annotations

import enum
import inspect
import re
from collections.abc import Iterator

import derm_kit


def lines() -> Iterator[str]:
    """One line a public name, and one for each public member of a class."""
    for name in derm_kit.__all__:
        value = getattr(derm_kit, name)
        if inspect.isclass(value):
            bases = ", ".join(base.__name__ for base in value.__bases__)
            yield f"class {name}({bases})"
            yield from sorted(f"    {line}" for line in _members(value))
        elif callable(value):
            yield f"{name}{_signature(value)}"
        else:
            yield f"{name}: {type(value).__name__} of {len(value)}"


def _members(cls: type) -> Iterator[str]:
    """Fields, properties and methods that the class itself or a base in derm_kit gives it."""
    ours = [base for base in cls.__mro__ if base.__module__.startswith("derm_kit")]
    if issubclass(cls, enum.Enum):
        yield from (f"{member.name} = {member.value!r}" for member in cls)
        fields: set[str] = {member.name for member in cls}
    else:
        told = {name: kind for base in reversed(ours) for name, kind in inspect.get_annotations(base).items()}
        fields = {name for name in told if not name.startswith("_") and not str(told[name]).startswith("ClassVar")}
        yield from (f"{name}: {told[name]}" for name in fields)
    for base in ours:
        for name, member in vars(base).items():
            if name in fields or (name.startswith("_") and name not in ("__init__", "__call__", "__len__")):
                continue
            plain = member.__func__ if isinstance(member, classmethod | staticmethod) else member
            if inspect.isfunction(plain) and plain.__module__.startswith("derm_kit"):
                yield f"{name}{_signature(plain)}"
            elif isinstance(member, property) or type(member).__name__ == "cached_property":
                yield f"{name} (read only)"


def _signature(function: object) -> str:
    return re.sub(r"(?<=[:>] )'([^']*)'", r"\1", str(inspect.signature(function)))  # type: ignore[arg-type]


if __name__ == "__main__":
    print("\n".join(lines()))  # noqa: T201
