"""Real pictures of the reference cases: which are wanted and not at hand, and a way to fetch them, asked for twice."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence

import ipywidgets as w

from derm_kit.cases import isic
from derm_kit.cases.pictures import SUFFIXES, fetched_folder, picture_of
from derm_kit.errors import CohortError
from derm_kit.model.reference import reference_cases
from derm_kit.panels.parts import Panel, guarded, notice_html

PICTURES = 60


class _Cancelled(Exception):  # noqa: N818 - not an error
    pass


def first_cases() -> list[str]:
    """The first reference cases, every lesion type among them."""
    return [case.case_id for case in reference_cases(PICTURES)]


def at_hand_html() -> str:
    """How many pictures of these are on this machine."""
    n = sum(case.picture is not None for case in reference_cases(PICTURES))
    if n:
        return f"<p>{n} pictures of real reference cases are at hand: page 01 offers them.</p>"
    return (
        "<p>No picture of a real case is on this machine yet; phantoms are the dry run. Real ones come from "
        "the ISIC Archive, over the internet, and only when you ask for them.</p>"
    )


class FetchPart(Panel):
    """First says number, size and licences of what the ISIC Archive offers, then fetches it where told to.

    `wanted` gives the ids, what matters most first; `words` what stands above the buttons; `then` is called once
    pictures have come.
    """

    def __init__(
        self,
        archive: str = isic.ARCHIVE,
        wanted: Callable[[], Sequence[str]] = first_cases,
        words: Callable[[], str] = at_hand_html,
        then: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__()
        self._archive, self._wanted, self._words, self._then = archive, wanted, words, then
        self._found = isic.Found(())
        self._missing: list[str] = []
        self._waiting = threading.Thread()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped = False
        self.words = w.HTML(words())
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

    def expect(self, case: str) -> None:
        """A case without a picture came up: an offer that was made without it is withdrawn."""
        if not self._waiting.is_alive() and case not in self._missing:
            self._missing, self._found = [], isic.Found(())
            self.fetch_button.layout.display, self.notice.value = "none", ""

    def look(self) -> None:
        """Ask the archive what it has of what is wanted and not on this machine, beside the page, and say it."""
        self.wait()
        self._missing = [case for case in dict.fromkeys(self._wanted()) if picture_of(case) is None]
        if not self._missing:
            self.notice.value = notice_html("success", "All of them are on this machine.")
            return
        self.notice.value = notice_html("info", "Asking the ISIC Archive…")
        self._start(self._ask)

    @guarded
    def _ask(self) -> None:
        self._found = isic.find_by_id(self._missing, self._archive)
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
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:  # no kernel: whoever calls waits
            self._loop = None
        self._waiting = threading.Thread(target=work, daemon=True)
        self._waiting.start()

    @guarded
    def _bring(self) -> None:
        done = 0

        def advance(n: int) -> None:
            nonlocal done
            done += n
            self.progress.value = done / len(every.records)
            if self._stopped:
                raise _Cancelled

        try:
            every = self._with_those_at_hand()
            isic.download(every, fetched_folder(), advance=advance, archive=self._archive)
        except _Cancelled:
            self.notice.value = notice_html("info", "Stopped. What was fetched is kept; fetch again to go on.")
            self.fetch_button.layout.display = ""
        else:
            self.notice.value = notice_html("success", f"Fetched {len(self._found.records)} pictures.")
        finally:
            self.working.layout.display = "none"
            self.words.value = self._words()
            self._tell()

    def _with_those_at_hand(self) -> isic.Found:
        """What is fetched, first, and what was fetched earlier: attribution and licences are written for all."""
        new = [record["isic_id"] for record in self._found.records]
        here = {path.stem for path in fetched_folder().glob("ISIC_*") if path.suffix.lower() in SUFFIXES}
        earlier = isic.find_by_id(sorted(here.difference(new)), self._archive)
        return isic.Found((*self._found.records, *earlier.records))

    def _tell(self) -> None:
        """Call `then` where all else on the page is called from."""
        if self._loop is None:
            self._then()
        else:
            self._loop.call_soon_threadsafe(self._then)
