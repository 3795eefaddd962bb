"""The hazard log on the safety page: its list and matrix, one hazard opened, the form, and the way to a file."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import ipywidgets as w

from derm_kit.panels.hazards_begin import BeginPart
from derm_kit.panels.hazards_edit import EditPart
from derm_kit.panels.hazards_files import FilesPart
from derm_kit.panels.hazards_matrix import matrix_html
from derm_kit.panels.hazards_open import OpenPart
from derm_kit.panels.hazards_shown import SHOWN, Show, Which, listed
from derm_kit.panels.hazards_words import list_html
from derm_kit.panels.parts import Panel, guarded, named_box, notice_html, section
from derm_kit.panels.safety_register import without_html
from derm_kit.panels.safety_setting import Looking
from derm_kit.panels.tuning_words import counted
from derm_kit.records.hazards import Hazard
from derm_kit.records.report_inputs import Registered, in_words

WHICH = [("initial: with the existing controls", Which.INITIAL), ("residual: with the new controls", Which.RESIDUAL)]


class LogPart(Panel):
    """`look` is asked for what somebody wants to see (fields of Looking), `then` called once something was stored.

    `bring` puts a part of the page into sight.
    """

    def __init__(
        self, look: Callable[[dict[str, Any]], None], then: Callable[[], None], bring: Callable[[str], None]
    ) -> None:
        super().__init__()
        self._look, self._then, self._bring, self._showing = look, then, bring, False
        self.words, self.listed, self.matrix = w.HTML(), w.HTML(), w.HTML()
        self.show_which = w.Dropdown(description="Show", options=[(SHOWN[one], one.value) for one in Show])
        self.risk = w.RadioButtons(description="Risk", options=[(words, one.value) for words, one in WHICH])
        self.show_which.observe(lambda change: self._ask(show=Show(change["new"])), "value")
        self.risk.observe(lambda change: self._ask(risk=Which(change["new"])), "value")
        self.begin, self.edit, self.files = BeginPart(then), EditPart(self._on_stored, bring), FilesPart(then)
        self.open = OpenPart(self.write, then)
        self.add = w.Button(description="Write a new hazard")
        self.add.on_click(lambda _: self.write(None))
        self._log = section(
            "Hazard log", self.words, self.begin.view, self.show_which, self.listed, self.add, self.notice
        )
        self._matrix = section("Risk matrix", self.risk, self.matrix)
        self._open = named_box("dk-section", self.open.view)
        self._files = section("To a spreadsheet and back", self.files.view)
        self.view = w.VBox([self._log, self._matrix, self._open, self.edit.view, self._files])

    @guarded
    def show(self, known: Registered, looking: Looking, on: date) -> None:
        """The log as the register has it."""
        self._showing = True
        try:
            self.show_which.value, self.risk.value = looking.show.value, looking.risk.value
        finally:
            self._showing = False
        self.words.value = without_html(known) or _words_html(known, on)
        found = listed(known, looking.show, on)
        self.listed.value = list_html(found, looking, on) if known.hazards else ""
        self.matrix.value = matrix_html(known.hazards, looking)
        for part in (self.begin, self.edit, self.files):
            part.show(known)
        self.open.show(known, looking, on)
        for box, shown in (
            (self.add, known.head is not None), (self.show_which, bool(known.hazards)),
            (self._matrix, bool(known.hazards)), (self._open, bool(looking.hazard)),
            (self._files, known.head is not None),
        ):  # fmt: skip
            box.layout.display = "" if shown else "none"

    @guarded
    def write(self, seen: Hazard | None) -> None:
        """Open the form on the next version of a hazard, or on a new one."""
        self.notice.value = self.open.notice.value = ""
        self.edit.begin(seen)
        self._bring("form")

    def _on_stored(self, hazard: str) -> None:
        self._look({"hazard": hazard})
        self.notice.value = notice_html(
            "success", f"Stored: a new version of {hazard}, as a draft.",
            "A safety officer who did not write it approves it.",
        )  # fmt: skip
        self._then()

    def _ask(self, **fields: Any) -> None:  # noqa: ANN401 - fields of what is looked at
        if not self._showing:
            self._look(fields)


def _words_html(known: Registered, on: date) -> str:
    """How many hazards there are, and what is due of them."""
    hazards = known.hazards
    if not hazards:
        return ""
    drafts = sum(one.approval is None for one in hazards)
    overdue = sum(one.is_overdue(on) for one in hazards)
    said = counted(len(hazards), "hazard", "hazards")
    return (
        f"<p>{said}; <strong>{drafts} not approved</strong> in {'its' if len(hazards) == 1 else 'their'} newest "
        f"version, <strong>{overdue} with a review that is overdue or was never set</strong> as of "
        f"{in_words(on)}. Nothing is ever deleted.</p>"
    )
