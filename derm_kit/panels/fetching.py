"""Real pictures of the reference cases: how many are at hand, and a way to fetch some, asked for twice."""

from __future__ import annotations

import threading
from collections.abc import Callable

import ipywidgets as w

from derm_kit.cases import isic
from derm_kit.cases.pictures import fetched_folder
from derm_kit.errors import CohortError
from derm_kit.model.reference import reference_cases
from derm_kit.panels.parts import Panel, guarded, notice_html

PICTURES = 60


class _Cancelled(Exception):  # noqa: N818 - not an error
    pass


class FetchPart(Panel):
    """First says number, size and licences of what the ISIC Archive offers, then fetches it where told to."""

    def __init__(self, archive: str = isic.ARCHIVE) -> None:
        super().__init__()
        self._archive = archive
        self._found: isic.Found | None = None
        self._waiting = threading.Thread()
        self._stopped = False
        self.words = w.HTML()
        self.look_button = w.Button(description="Look for real pictures")
        self.look_button.on_click(lambda _: self.look())
        self.fetch_button = w.Button(description="Fetch them")
        self.fetch_button.on_click(lambda _: self.fetch())
        self.cancel_button = w.Button(description="Cancel")
        self.cancel_button.add_class("dk-second")
        self.cancel_button.on_click(lambda _: self.cancel())
        self.progress = w.FloatProgress(min=0, max=1, description="Fetching")
        self.working = w.VBox([self.progress, self.cancel_button])
        self.working.layout.display = self.fetch_button.layout.display = "none"
        self.view = w.VBox([self.words, self.notice, self.look_button, self.fetch_button, self.working])
        self._tell_at_hand()

    def look(self) -> None:
        """Ask the archive what it has, beside the page, and say it."""
        self.notice.value = notice_html("info", "Asking the ISIC Archive…")
        self._start(self._ask)

    @guarded
    def _ask(self) -> None:
        self._found = isic.find_by_id([case.case_id for case in reference_cases(PICTURES)], self._archive)
        if not self._found.records:
            raise CohortError(
                "the archive has pictures of the reference cases", case=self._archive, next_step="Try again later."
            )
        self.notice.value = notice_html(
            "info",
            self._found.sentence,
            f"They go to {fetched_folder()} on this machine; each keeps its own licence, and attribution is written "
            "beside them.",
        )
        self.fetch_button.layout.display = ""

    def fetch(self) -> None:
        """Bring what look() found, beside the page."""
        self._stopped = False
        self.progress.value = 0
        self.working.layout.display, self.fetch_button.layout.display = "", "none"
        self._start(self._bring)

    def cancel(self) -> None:
        """Stop after the picture under way; those already fetched stay."""
        self._stopped = True

    def wait(self) -> None:
        """Return when nothing is being asked or fetched."""
        if self._waiting.is_alive():
            self._waiting.join()

    def _start(self, work: Callable[[], None]) -> None:
        self.wait()
        self._waiting = threading.Thread(target=work, daemon=True)
        self._waiting.start()

    @guarded
    def _bring(self) -> None:
        found, done = self._found, 0
        if found is None:
            return

        def advance(n: int) -> None:
            nonlocal done
            done += n
            self.progress.value = done / len(found.records)
            if self._stopped:
                raise _Cancelled

        try:
            isic.download(found, fetched_folder(), advance=advance, archive=self._archive)
        except _Cancelled:
            self.notice.value = notice_html("info", "Stopped. What was fetched is kept; fetch again to go on.")
        else:
            self.notice.value = notice_html("success", f"Fetched {len(found.records)} pictures.")
        finally:
            self.working.layout.display = "none"
            self._tell_at_hand()

    def _tell_at_hand(self) -> None:
        n = sum(case.picture is not None for case in reference_cases(PICTURES))
        if n:
            self.words.value = f"<p>{n} pictures of real reference cases are at hand: page 01 offers them.</p>"
        else:
            self.words.value = (
                "<p>No picture of a real case is on this machine yet; phantoms are the dry run. Real ones come from "
                "the ISIC Archive, over the internet, and only when you ask for them.</p>"
            )
