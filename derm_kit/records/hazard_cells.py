"""A hazard as one row of a spreadsheet, and back without losing a character.

Lists stand in one cell, an item a line. A cell that a spreadsheet would run as a formula is led by an apostrophe, which
is taken off again on the way back.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from derm_kit.records.hazard_content import EvidenceLink, HazardContent
from derm_kit.records.hazard_rules import Broken
from derm_kit.records.risk_matrix import Likelihood, Severity, risk

KINDS_OF_CONTROL = ("design", "test", "training", "process")
LISTS = ("causes", "existing_controls", "leads_to")
MAYBE = ("residual_likelihood", "residual_severity", "next_review")
"""Fields that are null where nothing is said."""
RISKS = ("initial_risk", "residual_risk")
CONTENT_COLUMNS = (
    "name", "description", "causes", "effect", "harm", "existing_controls", "initial_likelihood", "initial_severity",
    "initial_risk", *(f"new_controls_{kind}" for kind in KINDS_OF_CONTROL), "residual_likelihood", "residual_severity",
    "residual_risk", "residual_reason", "basis", "owner", "transferred_to", "status", "evidence", "leads_to",
    "next_review",
)  # fmt: skip
_FORMULA = re.compile(r"'*(?:[\t\r\n]|[\s\0]*[=+\-@＝＋－＠])")
_GUARDED = re.compile(r"'" + _FORMULA.pattern)


def guarded(text: str) -> str:
    """`text` as a cell that no spreadsheet runs."""
    return f"'{text}" if _FORMULA.match(text) else text


def unguarded(cell: str) -> str:
    """What guarded() was given."""
    return cell[1:] if _GUARDED.match(cell) else cell


def cells_of(content: HazardContent) -> dict[str, str]:
    """The content as text by column, not yet guarded."""
    raw = content.model_dump(mode="json")
    controls, evidence = raw.pop("new_controls"), raw.pop("evidence")
    cells = {name: "\n".join(raw[name]) if name in LISTS else raw[name] or "" for name in raw}
    cells |= {f"new_controls_{kind}": "\n".join(controls[kind]) for kind in KINDS_OF_CONTROL}
    cells["evidence"] = "\n".join(_line(link) for link in evidence)
    residual = content.residual_risk
    risks = {"initial_risk": str(content.initial_risk.value), "residual_risk": str(residual.value) if residual else ""}
    return {name: (cells | risks)[name] for name in CONTENT_COLUMNS}


def raw_of(cells: Mapping[str, str]) -> dict[str, Any]:
    """What the cells of a row say, as JSON holds a content; a column that is not there says nothing."""
    raw: dict[str, Any] = {}
    for name, cell in cells.items():
        if name in LISTS:
            raw[name] = _lines(cell)
        elif name == "evidence":
            raw[name] = [_link(line) for line in _lines(cell)]
        elif name.startswith("new_controls_"):
            raw.setdefault("new_controls", {})[name.removeprefix("new_controls_")] = _lines(cell)
        elif name not in RISKS:
            raw[name] = cell if cell or name not in MAYBE else None
    return raw


def wrong_risk(cells: Mapping[str, str]) -> Broken | None:
    """A risk in the row that is not the one of the matrix; one that is left blank is worked out."""
    for name in RISKS:
        which = name.removesuffix("_risk")
        said, likelihood, severity = (
            cells.get(column, "").strip() for column in (name, f"{which}_likelihood", f"{which}_severity")
        )
        if not said or likelihood not in {*Likelihood, ""} or severity not in {*Severity, ""}:
            continue  # a word that is no likelihood or severity is told as such
        level = risk(Likelihood(likelihood), Severity(severity)) if likelihood and severity else None
        if level is None or said.split(",")[0].strip() != str(level.value):
            of = f"here {level.in_words()}" if level else "here none, since one of them is missing"
            return Broken(name, said, f"the risk follows from likelihood and severity by the matrix: {of}")
    return None


def _line(link: Mapping[str, str]) -> str:
    shows = f" | {link['shows']}" if link["shows"] else ""
    return f"{link['kind']}: {link['reference']}{shows}"


def _link(line: str) -> dict[str, str]:
    kind, _, rest = line.partition(": ")
    reference, _, shows = rest.partition(" | ")
    return dict(zip(EvidenceLink.model_fields, (kind, reference, shows), strict=True))


def _lines(cell: str) -> list[str]:
    return [line for line in re.split(r"\r?\n", cell) if line.strip()]
