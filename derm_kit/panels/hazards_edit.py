"""Writing a hazard, new or its next version: what is typed is kept until it is stored or thrown away."""

from __future__ import annotations

import json
from collections.abc import Callable
from html import escape
from typing import Any

import ipywidgets as w

from derm_kit.errors import DermKitError, RecordError
from derm_kit.panels.changes_signing import Signature, opened
from derm_kit.panels.changes_words import moment_words
from derm_kit.panels.hazards_checks import broken_here
from derm_kit.panels.hazards_fields import BLANK, FIELDS
from derm_kit.panels.hazards_form import TOLD, HazardForm
from derm_kit.panels.hazards_versions import beside_html
from derm_kit.panels.parts import Panel, guarded, named_box, notice_html, second_button
from derm_kit.panels.safety_register import names, people
from derm_kit.panels.safety_widgets import Draft
from derm_kit.records import hazards
from derm_kit.records.conflicts import ConflictError
from derm_kit.records.hazard_cells import cells_of
from derm_kit.records.hazard_content import content_of
from derm_kit.records.hazards import Hazard
from derm_kit.records.register import Register
from derm_kit.records.report_inputs import Registered

IS_BACK = "What you had written and not stored is back, as this browser kept it."
GONE = "The hazard that it was written for is not in this register: it stands here as a new one."
UNDER_WAY = "Store what you have written on {what}, or throw it away, before you write on another."
ASKED = "Throw away what you have written? It cannot be brought back."
YOURS_STANDS = "Look at both. Press “Store as a draft” again if yours should be the next version."


class EditPart(Panel):
    """The form, its signature and its draft; `then` is called with the id of what was stored.

    `bring` puts a part of the page into sight.
    """

    def __init__(self, then: Callable[[str], None], bring: Callable[[str], None]) -> None:
        super().__init__()
        self._then, self._bring = then, bring
        self._seen: Hazard | None = None
        self._begun, self._untouched = False, BLANK
        self._known = Registered()
        self.words, self.both = w.HTML(), w.HTML()
        self.form, self.signature = HazardForm(self._on_typed), Signature()
        self.draft = Draft(key="derm-kit hazard draft")
        self.store = w.Button(description="Store as a draft")
        self.take_stored = second_button("Take the stored one into the form")
        self.leave, self.sure = second_button("Throw away what I wrote"), w.Button(description="Yes, throw it away")
        self.question = w.HTML(f"<p role='alert'>{ASKED}</p>")
        self.store.on_click(lambda _: self.save())
        self.take_stored.on_click(lambda _: self._take_stored())
        self.leave.on_click(lambda _: self._leave())
        self.sure.on_click(lambda _: self.close())
        self.draft.observe(lambda change: self._on_found(change["new"]), "found")
        row = w.HBox([self.store, self.leave, self.sure])
        row.add_class("dk-buttons")
        self._form = named_box(
            "dk-section", self.words, self.form.view, self.both, self.take_stored, self.notice, self.signature.view,
            self.question, row,
        )  # fmt: skip
        self.view = w.VBox([self.draft, self._form])
        self.close()

    @property
    def begun(self) -> str:
        """What is being written: an id, "a new hazard", "" for nothing."""
        return "" if not self._begun else self._seen.id if self._seen else "a new hazard"

    def show(self, known: Registered) -> None:
        """Who may sign, as the register has them now."""
        self._known = known
        self.signature.offer(people(known))

    def begin(self, seen: Hazard | None) -> None:
        """Write the next version of `seen`, or a new hazard. Raises DermKitError where another is under way."""
        wanted = seen.id if seen else "a new hazard"
        if self._begun and self.begun != wanted and self.form.cells != self._untouched:
            raise DermKitError(
                "one hazard is written at a time", value=self.begun, next_step=UNDER_WAY.format(what=self.begun)
            )
        if not (self._begun and self.begun == wanted):
            self._open(seen, cells_of(seen.content) if seen else BLANK)

    @guarded
    def save(self) -> None:
        """Store it as a draft; a broken rule is told beside its field, and nothing that was typed is lost."""
        if not self._begun or self.signature.pressed_again(self.notice):
            return
        self.notice.value = self.both.value = ""
        self.take_stored.layout.display = "none"
        with opened() as register:
            broken = broken_here(register, self._seen.id if self._seen else "", self.form.raw)
            told = self.form.tell(broken)
            if told:
                self.notice.value = notice_html("error", "Nothing was stored.", *told)
                self._bring(TOLD)
                return
            by, passphrase = self.signature.take()
            try:
                made = self._stored(register, by, passphrase)
            except ConflictError as error:
                self._show_both(error)
                return
        self.close()
        self._then(made.id)
        self.notice.value = ""

    @guarded
    def close(self) -> None:
        """Nothing is being written."""
        self._seen, self._begun, self.draft.text = None, False, ""
        self._form.layout.display = "none"
        self.both.value = self.notice.value = ""
        self._ask(asking=False)

    def _stored(self, register: Register, by: str, passphrase: str) -> Hazard:
        content = content_of(self.form.raw, self.begun)
        if self._seen is None:
            return hazards.add(register, content, by, passphrase)
        return hazards.revise(register, self._seen, content, by, passphrase)

    def _show_both(self, error: ConflictError) -> None:
        """Somebody was quicker: theirs beside what was typed, which stays and may be stored after it."""
        stored = error.stored
        if not isinstance(stored, Hazard):
            self.notice.value = notice_html("error", str(error))
            return
        who = names(self._known).get(stored.author, stored.author)
        theirs = f"stored: version {stored.version}, {who}, {moment_words(stored.at)}"
        self.both.value = beside_html((theirs, "yours, not stored"), cells_of(stored.content), self.form.cells)
        self._seen = stored
        self.take_stored.layout.display = ""
        self._keep()
        self.notice.value = notice_html(
            "error", f"Somebody stored version {stored.version} of {stored.id} meanwhile. Yours is kept.", YOURS_STANDS
        )

    def _take_stored(self) -> None:
        if self._seen is not None:
            self._open(self._seen, cells_of(self._seen.content))

    def _open(self, seen: Hazard | None, cells: dict[str, str]) -> None:
        self._seen, self._begun = seen, True
        self.form.fill(cells)
        self._untouched = self.form.cells
        self.both.value = self.notice.value = ""
        self.take_stored.layout.display, self._form.layout.display = "none", ""
        title = f"Revise {seen.id}, from version {seen.version}" if seen else "A new hazard"
        self.words.value = (
            f"<h3 data-bring='form'>{escape(title)}</h3><p>It is stored as a draft, under your name; a safety officer "
            "who did not write it approves it. Until then what was approved before stands. It stays for good: name "
            "roles, not people, and no patient.</p>"
        )
        self._ask(asking=False)

    def _leave(self) -> None:
        if self.form.cells == self._untouched:
            self.close()
        else:
            self._ask(asking=True)

    def _ask(self, *, asking: bool) -> None:
        self.question.layout.display = self.sure.layout.display = "" if asking else "none"

    def _on_typed(self) -> None:
        if self._begun:
            self._keep()

    def _keep(self) -> None:
        """Have the browser keep what is written, without who signs."""
        seen = self._seen
        about: dict[str, Any] = {"hazard": seen.id, "version": seen.version} if seen else {}
        self.draft.text = json.dumps(about | {"cells": self.form.cells})

    @guarded
    def _on_found(self, text: str) -> None:
        """What the browser had kept, once the page is on the screen again."""
        if not text or self._begun:
            return
        self.draft.found = ""
        kept = _kept(text)
        if kept is None:
            return
        seen = _written_for(kept)
        self._open(seen, cells_of(seen.content) if seen else BLANK)
        self.form.fill(kept["cells"])
        self._keep()
        gone = "hazard" in kept and seen is None
        self.notice.value = notice_html("warning", IS_BACK, GONE) if gone else notice_html("info", IS_BACK)


def _written_for(kept: dict[str, Any]) -> Hazard | None:
    """The version that a draft starts from; None for a new hazard, or one that this register does not hold."""
    if "hazard" not in kept:
        return None
    try:
        with opened() as register:
            return hazards.of_version(register, kept["hazard"], kept["version"])
    except RecordError:
        return None


def _kept(text: str) -> dict[str, Any] | None:
    """A draft as the form keeps it; None where it is none."""
    try:
        kept = json.loads(text)
        cells = kept["cells"]
        sound = set(cells) == set(FIELDS) and all(isinstance(said, str) for said in cells.values())
        sound = sound and ("hazard" not in kept or (type(kept["hazard"]), type(kept["version"])) == (str, int))
    except (ValueError, TypeError, KeyError):
        return None
    return kept if sound else None
