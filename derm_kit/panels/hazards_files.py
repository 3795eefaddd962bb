"""The hazard log as a file, and back: what a file would do is shown row by row before anything is stored."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Callable
from html import escape
from pathlib import Path

import ipywidgets as w

from derm_kit.errors import DermKitError, RecordError
from derm_kit.panels.changes_signing import Signature, opened
from derm_kit.panels.dropzone import DropZone
from derm_kit.panels.hazards_words import wrapped_html
from derm_kit.panels.parts import Panel, guarded, notice_html
from derm_kit.panels.safety_register import people
from derm_kit.records import hazard_import
from derm_kit.records.exact_json import MOST_BYTES
from derm_kit.records.hazard_files import Given, as_csv, as_json, read
from derm_kit.records.hazard_import import Import, Outcome
from derm_kit.records.report_inputs import Registered

HEADS = ("row", "hazard", "what becomes of it", "name", "rule", "found", "next step")


class FilesPart(Panel):
    """Links that keep the log, and a place for a file; `then` is called once something of it was stored."""

    def __init__(self, then: Callable[[], None]) -> None:
        super().__init__()
        self._then = then
        self._given: list[Given] = []
        self.links, self.looked = w.HTML(), w.HTML()
        self.drop = DropZone(
            words="Drop a hazard log here, CSV or JSON, or", label="Choose a file", accept=".csv,.json",
            largest=MOST_BYTES,
        )  # fmt: skip
        self.drop.observe(lambda _: self.look(), "given")
        self.without = w.Checkbox(description="Store the rows that hold, and leave out those refused", indent=False)
        self.signature = Signature()
        self.button = w.Button(description="Store them as drafts")
        self.button.on_click(lambda _: self.store())
        self.form = w.VBox([self.without, self.signature.view, self.button])
        self.bring = w.VBox([self.drop, self.looked, self.form])
        self.view = w.VBox([self.links, self.bring, self.notice])
        self._offer(None)

    def show(self, known: Registered) -> None:
        """The log as it can be kept now, and who may sign."""
        self.signature.offer(people(known))
        self.bring.layout.display = "" if known.head else "none"
        log = list(known.hazards)
        csv = _link("hazard-log.csv", "text/csv", as_csv(log).encode("utf-8-sig"), "Keep the log as CSV")
        json = _link("hazard-log.json", "application/json", as_json(log).encode(), "Keep the log as JSON")
        self.links.value = f"<p class='dk-keep'>{csv} {json}</p>" if log else ""

    @guarded
    def look(self) -> None:
        """Say what the file would do; nothing is stored."""
        self.notice.value = self.looked.value = ""
        self._offer(None)
        if self.drop.size > MOST_BYTES:
            raise RecordError(
                f"a hazard log is a file of at most {MOST_BYTES // 2**20} MiB", next_step="Nothing was stored."
            )
        self._given = given_in_file(self.drop.content)
        with opened() as register:
            found = hazard_import.look_through(register, self._given)
        self._offer(found)

    @guarded
    def store(self) -> None:
        """Store what is new and what is changed."""
        if self.signature.pressed_again(self.notice):
            return
        self.notice.value = ""
        by, passphrase = self.signature.take()
        with opened() as register:
            done = hazard_import.import_log(
                register, self._given, by, passphrase, without_refused=self.without.value
            )  # fmt: skip
        if not done.stored:
            self._offer(done)
            raise RecordError(
                "where a row is refused nothing of the file is stored", value=done.in_words(),
                next_step="Mend those rows in the file, or tick the box to store the others.",
            )  # fmt: skip
        self._offer(None)
        self._given = []
        self._then()
        self.notice.value = notice_html("success", f"Stored, as drafts: {done.in_words()}.")

    def _offer(self, found: Import | None) -> None:
        """Show what a file would do, and offer to store it where there is something to store."""
        self.looked.value = "" if found is None else import_html(found)
        storable = found is not None and any(row.to_store for row in found.rows)
        refused = found is not None and bool(found.of(Outcome.REFUSED))
        self.form.layout.display = "" if storable else "none"
        self.without.layout.display = "" if storable and refused else "none"
        if found is None:
            self.without.value = False


def given_in_file(content: bytes) -> list[Given]:
    """The hazards in a file's bytes; a JSON object begins with a brace. Raises DermKitError."""
    suffix = ".json" if content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"[")) else ".csv"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"log{suffix}"
        path.write_bytes(content)
        try:
            return read(path)
        except DermKitError as error:
            raise RecordError(error.rule, case="the file", value=error.value, next_step=error.next_step) from None


def import_html(found: Import) -> str:
    """Every row of a file with what becomes of it."""
    rows = [
        (
            row.number, row.hazard, row.outcome, row.content.name if row.content else "",
            row.broken.said if row.broken else "", row.broken.value[:200] if row.broken else "",
            row.broken.next_step if row.broken else "",
        )
        for row in found.rows
    ]  # fmt: skip
    kind = "warning" if found.of(Outcome.REFUSED) else "info"
    return (
        notice_html(kind, f"The file holds {found.in_words()}. Nothing is stored yet.")
        + wrapped_html("What the file says, row by row", HEADS, rows)
    )  # fmt: skip


def _link(name: str, kind: str, content: bytes, words: str) -> str:
    coded = base64.b64encode(content).decode()
    return f"<a download='{name}' href='data:{kind};base64,{coded}'>{escape(words)}</a>"
