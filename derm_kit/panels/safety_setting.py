"""What is on show on the safety page, as its address holds it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from html import escape
from typing import Any
from urllib.parse import parse_qsl, urlencode

from derm_kit.errors import DermKitError
from derm_kit.panels.hazards_shown import Show, Which

LONGEST_ADDRESS = 300


class Tab(StrEnum):
    """The parts of the page."""

    MISSING = "missing"
    HAZARDS = "hazards"
    INCIDENTS = "incidents"
    REPORTS = "reports"
    MAP = "map"


TITLES = {
    Tab.MISSING: "What is missing",
    Tab.HAZARDS: "Hazard log",
    Tab.INCIDENTS: "Incidents",
    Tab.REPORTS: "Reports",
    Tab.MAP: "Evidence map",
}


class Clauses(StrEnum):
    """Which clauses of the evidence map are listed."""

    ALL = "all"
    CANNOT = "cannot"
    NOWHERE = "nowhere"


@dataclass(frozen=True)
class Looking:
    """The part that is open, which hazards are listed, the risk in the matrix, the hazard and incident that are open.

    `hazard` and `incident` are ids, "" for none.
    """

    tab: Tab = Tab.MISSING
    show: Show = Show.ALL
    risk: Which = Which.RESIDUAL
    hazard: str = ""
    incident: str = ""
    clauses: Clauses = Clauses.ALL

    def text(self) -> str:
        """As the address holds it: the part, and what differs from how that opens."""
        said = {name: str(value) for name, value in vars(self).items() if value != vars(_AS_OPENED)[name]}
        return urlencode({"tab": self.tab.value} | said) if said else ""

    def href(self, **fields: Any) -> str:  # noqa: ANN401 - fields of what is looked at
        """A link to this, some fields otherwise, as it stands in an attribute."""
        changed = replace(self, **fields)
        return escape(f"#{changed.text() or urlencode({'tab': changed.tab.value})}", quote=True)

    @classmethod
    def from_text(cls, text: str) -> Looking:
        """What an address holds. Raises DermKitError where it is nothing that this page wrote."""
        try:
            if len(text) > LONGEST_ADDRESS:
                raise ValueError(text)  # noqa: TRY301
            given = dict(parse_qsl(text, keep_blank_values=True, strict_parsing=True, max_num_fields=8))
            found = cls(
                Tab(given.pop("tab")), Show(given.pop("show", Show.ALL)), Which(given.pop("risk", Which.RESIDUAL)),
                given.pop("hazard", ""), given.pop("incident", ""), Clauses(given.pop("clauses", Clauses.ALL)),
            )  # fmt: skip
            if given:
                raise ValueError(text)  # noqa: TRY301
        except (ValueError, KeyError):
            raise DermKitError(
                "what follows the # in the address is a part of this page as it wrote it",
                value=text[:80],
                next_step="Open the page without it.",
            ) from None
        return found


_AS_OPENED = Looking()
