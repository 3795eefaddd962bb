"""One hazard of the log opened: every field, two of its versions side by side, its evidence, its incidents."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import ipywidgets as w

from derm_kit.errors import RecordError
from derm_kit.panels.hazards_approve import ApprovePart
from derm_kit.panels.hazards_versions import two_versions_html, versions_html
from derm_kit.panels.hazards_words import evidence_html, hazard_html, incidents_html
from derm_kit.panels.parts import Panel, guarded
from derm_kit.panels.safety_setting import Looking
from derm_kit.records.hazards import Hazard
from derm_kit.records.report_inputs import Registered


class OpenPart(Panel):
    """`revise` is called with the version that somebody wants to write the next one of, `then` after an approval."""

    def __init__(self, revise: Callable[[Hazard], None], then: Callable[[], None]) -> None:
        super().__init__()
        self._versions: list[Hazard] = []
        self.detail, self.evidence, self.incidents = w.HTML(), w.HTML(), w.HTML()
        self.versions, self.both = w.HTML(), w.HTML()
        self.left, self.right = w.Dropdown(description="Left"), w.Dropdown(description="Right")
        for choice in (self.left, self.right):
            choice.observe(lambda _: self._compare(), "value")
        self.revise = w.Button(description="Revise this hazard")
        self.revise.on_click(lambda _: revise(self._versions[-1]))
        self.approve = ApprovePart(then)
        self.compare = w.HBox([self.left, self.right])
        for name in ("dk-buttons", "dk-sign"):
            self.compare.add_class(name)
        self._all = w.VBox(
            [self.detail, self.revise, self.evidence, self.incidents, w.HTML("<h4>Versions</h4>"), self.versions,
             self.compare, self.both, self.approve.view]
        )  # fmt: skip
        self.view = w.VBox([self.notice, self._all])

    @guarded
    def show(self, known: Registered, looking: Looking, on: date) -> None:
        """The hazard that is open; nothing for none. Told where the log has no such hazard."""
        self.notice.value = ""
        found = [one for one in known.versions if one.id == looking.hazard]
        self._all.layout.display = "" if found else "none"
        if not found:
            self._versions = []
            self.approve.show(None, known)
            if looking.hazard:
                raise RecordError(
                    "there is no such hazard in the log", value=looking.hazard, next_step="Open one of the list."
                )
            return
        another = not self._versions or found[-1].record != self._versions[-1].record
        self._versions = found
        self.detail.value = hazard_html(found[-1], known, looking, on)
        self.evidence.value, self.incidents.value = evidence_html(found[-1], known), incidents_html(found[-1], known)
        self.versions.value = versions_html(found, known)
        self.approve.show(found[-1], known)
        if another:
            self._offer()
        self._compare()

    def _offer(self) -> None:
        """The newest beside the one before it, or beside the one that was approved last."""
        options: list[tuple[str, Any]] = [(f"version {v.version}, {v.standing}", v.version) for v in self._versions]
        before = [v for v in self._versions[:-1] if v.approval] or self._versions[-2:-1] or self._versions
        for choice, value in ((self.left, before[-1].version), (self.right, self._versions[-1].version)):
            choice.options = options
            choice.value = value
        self.compare.layout.display = "" if len(self._versions) > 1 else "none"

    def _compare(self) -> None:
        by_number = {one.version: one for one in self._versions}
        left, right = by_number.get(self.left.value), by_number.get(self.right.value)
        several = len(by_number) > 1
        self.both.value = two_versions_html(left, right) if several and left and right else ""
