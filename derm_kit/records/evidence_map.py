"""The evidence map: what standards and regulators ask, where the workbench helps to answer, and where it cannot.

It makes nothing compliant. Asks are in our own words; the text of a clause is in the standard.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from derm_kit.records.report import Table

CHECK = "check the number in the current text"


class Ask(StrEnum):
    """Who asks; the value is the caption of the table."""

    DCB0129 = "DCB0129: clinical risk management by who makes a health IT system"
    DCB0160 = "DCB0160: clinical risk management by who deploys and uses it"
    DTAC = "DTAC: the clinical safety section"
    MHRA = "Post-market surveillance: UK Medical Devices Regulations 2002, Part 4A"
    HTE24 = "NICE HTE24: evidence gaps and conditions"


SOURCES = {
    Ask.DCB0129: "Clause numbers as in NHS England's compliance assessment 5.0 (15 June 2023) of version 4 of the "
    f"standard, read in a public transcription: {CHECK}.",
    Ask.DCB0160: f"Topics only: {CHECK}.",
    Ask.DTAC: "Questions of the first form (2021), read on the NHS site; a form 2.0 of 2026 numbers them anew: "
    f"{CHECK}.",
    Ask.MHRA: "SI 2024/1368, in force since 16 June 2025, by regulation as in MHRA guidance of 15 January 2025. The "
    "duties are the manufacturer's.",
    Ask.HTE24: "From NICE's guidance of 2025 and the consultation before it (2705), in our words.",
}
"""Where each list was read, and what to check."""


@dataclass(frozen=True)
class Clause:
    """One thing that is asked: `places` in the workbench that help to answer it, and what they `cannot` do.

    A place is a file (`derm_kit/...`, `notebooks/...`, `docs/...`, `models/...`), a test (`tests/FILE.py::NAME`), or a
    command (`derm-kit ...`).
    """

    ask: Ask
    number: str
    topic: str
    places: tuple[str, ...]
    cannot: str


def evidence_map() -> tuple[Clause, ...]:
    """Every clause, in the order of its list."""
    from derm_kit.records.evidence_map_dcb import DCB0129, DCB0160
    from derm_kit.records.evidence_map_others import DTAC, HTE24, MHRA

    return (*DCB0129, *DCB0160, *DTAC, *MHRA, *HTE24)


def evidence_tables() -> dict[str, Table]:
    """A table a list, by the name that a template calls it by: map_dcb0129 ..."""
    return {f"map_{ask.name.lower()}": _table(ask, (one for one in evidence_map() if one.ask is ask)) for ask in Ask}


def map_sources() -> dict[str, str]:
    """Where each list was read, by the name of its table with `_source`."""
    return {f"map_{ask.name.lower()}_source": said for ask, said in SOURCES.items()}


def _table(ask: Ask, clauses: Iterable[Clause]) -> Table:
    rows = tuple(
        (one.number, one.topic, "; ".join(one.places) or "nowhere", one.cannot) for one in clauses
    )  # fmt: skip
    return Table(ask.value, ("clause", "asks", "where to look", "what it cannot do for you"), rows)
