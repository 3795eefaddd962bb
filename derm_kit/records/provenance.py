"""Where the figures of a report come from: each names its sources, and each source can be known again by a hash.

A report is made from its inputs alone, its date among them: the same inputs give the same bytes.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import cache
from importlib import resources
from importlib.metadata import version
from pathlib import Path

from derm_kit.triage.proportions import clopper_pearson
from derm_kit.triage.subgroups import FEW

CODE = "code"
"""The source that every figure has: the program that worked it out."""
NONE = "–"
SHARE, PER_1000, POINTS, AREA = "share", "per 1,000", "percentage points", "area under the curve"
_DIGITS = 6
"""Figures are rounded, so that another machine gives the same bytes."""
_CODE_SUFFIXES = frozenset({".py", ".j2", ".json", ".yaml"})


@dataclass(frozen=True)
class Source:
    """Something that figures are worked out from; `identity` holds what it can be known again by, name and value."""

    key: str
    what: str
    identity: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Measured:
    """A value with what it needs beside it; the interval is of 95 % and assumes independent lesions.

    `unit` is one of those above, or what is counted. `value` is None
    where it is undefined, and `why` says so.
    """

    value: float | int | None
    unit: str
    low: float | None = None
    high: float | None = None
    count: int | None = None
    n: int | None = None
    why: str = ""

    @property
    def shown(self) -> str:
        """The value as people read it."""
        if self.value is None:
            return f"{NONE} ({self.why or 'undefined'})"
        of = f"{self.count:,} of {self.n:,}; " if self.count is not None and self.n is not None else ""
        interval = ""
        if self.low is not None and self.high is not None:
            interval = f"{_number(self.low, self.unit)} to {_number(self.high, self.unit)}"
        beside = f" ({of}{interval})" if interval else f" ({of.removesuffix('; ')})" if of else ""
        few = ", too few to say" if self.n is not None and self.n < FEW else ""
        return f"{_number(self.value, self.unit)}{_shown_unit(self.unit)}{beside}{few}"

    def as_json(self) -> dict[str, object]:
        """What is not empty, for a JSON file."""
        every = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: found for name, found in every.items() if found not in (None, "")} | {"value": self.value}


@dataclass(frozen=True)
class Figure:
    """A value that a sentence shows, with its name and the keys of its sources."""

    name: str
    measured: Measured
    sources: tuple[str, ...]

    @property
    def shown(self) -> str:
        """The value with its sources, as a sentence has it; the code, which all have, is left out."""
        return f"{self.measured.shown} [{named(self.sources)}]"


def named(sources: Iterable[str]) -> str:
    """Sources as a reader sees them beside a figure."""
    return ", ".join(key for key in sources if key != CODE)


def share(count: int, n: int, why: str = "no case") -> Measured:
    """A share with its exact interval (Clopper and Pearson)."""
    if not n:
        return Measured(None, SHARE, count=count, n=n, why=why)
    low, high = clopper_pearson([count], [n])
    return Measured(rounded(count / n), SHARE, rounded(low[0]), rounded(high[0]), count, n)


def per_1000(count: int, n: int, why: str = "no case") -> Measured:
    """Cases in 1,000 like these, with the exact interval."""
    if not n:
        return Measured(None, PER_1000, count=count, n=n, why=why)
    low, high = clopper_pearson([count], [n])
    return Measured(rounded(1000 * count / n), PER_1000, rounded(1000 * low[0]), rounded(1000 * high[0]), count, n)


def rounded(value: float) -> float:
    """To the digits of a report; never -0.0. Raises ValueError for NaN, which a report says in words."""
    if math.isnan(value):
        raise ValueError("a figure that is undefined is None and says why")
    return round(float(value), _DIGITS) + 0.0


def code_source() -> Source:
    """The program: its version, and the hash of its program files, which tells two states of one version apart."""
    return Source(
        CODE, "the program that worked out every figure",
        (("derm-kit", version("derm-kit")), ("program files, SHA-256", code_sha256())),
    )  # fmt: skip


@cache
def code_sha256() -> str:
    """SHA-256 over names and contents of the package's program files, in the order of their names."""
    package = Path(str(resources.files("derm_kit")))
    found = hashlib.sha256()
    names = (path.relative_to(package) for path in package.rglob("*") if path.suffix in _CODE_SUFFIXES)
    for name in sorted(one for one in names if one.parts[0] != "_share"):
        content = (package / name).read_bytes()
        found.update(f"{name.as_posix()} {len(content)}\n".encode())
        found.update(content)
    return found.hexdigest()


def _number(value: float, unit: str) -> str:
    form = {SHARE: ".1%", PER_1000: ",.1f", POINTS: "+.1f", AREA: ".3f"}.get(unit, ",.10g")
    return f"{value:{form}}".replace("-", "−")


def _shown_unit(unit: str) -> str:
    return "" if unit in (SHARE, AREA) else f" {unit}"
