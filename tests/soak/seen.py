"""One line of the table: what was broken, what is promised then, what was seen."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Seen:
    """`held` is whether the promise was kept; None where it was not tried, and `seen` says why."""

    fault: str
    promised: str
    seen: str
    held: bool | None

    @property
    def row(self) -> str:
        """A row of a table in Markdown."""
        verdict = {True: "kept", False: "**not kept**", None: "not tried"}[self.held]
        return f"| {self.fault} | {self.promised} | {self.seen} | {verdict} |"
