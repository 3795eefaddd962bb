"""The open case of the review page: its picture and map, what the model made of it, what is known, who said what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from html import escape
from pathlib import Path

import ipywidgets as w

from derm_kit.cases.images import decode
from derm_kit.cases.pictures import picture_of
from derm_kit.errors import CaseError, DermKitError
from derm_kit.model.card import ModelCard, default_model, load_card
from derm_kit.model.classifier import Classifier
from derm_kit.model.neighbours import Neighbours
from derm_kit.model.shared import open_classifier
from derm_kit.panels import review_words as words
from derm_kit.panels.fetching import FetchPart
from derm_kit.panels.maps import MapView
from derm_kit.panels.parts import Panel, guarded, notice_html
from derm_kit.panels.viewer import PictureViewer
from derm_kit.records.desk import Desk
from derm_kit.triage.policy import TriagePolicy
from derm_kit.triage.single import Answers, triage
from derm_kit.triage.worklist import Worklist

HIDDEN = "<p>Hidden until you decide: this is a blind reading.</p>"
NO_PICTURE = "<p>Its picture is not on this machine; all else is shown.</p>"
WHERE_FROM = "<p>Pictures are looked for by case id in the folder that DERM_KIT_DATA names.</p>"
OFFER = (
    "<p>The ISIC Archive has it. Pictures come over the internet and only when you ask: this case first, then those of "
    "the worklist’s page.</p>"
)
PLACES = ("about", "model", "similar", "readings")


class CasePanel(Panel):
    """`show()` is the one way to give it a case; `hidden` keeps back what would sway the reader.

    `listed` gives the cases whose pictures are wanted, the open one first; `fetched` is called once some have come.
    """

    def __init__(
        self,
        desk: Desk,
        worklist: Worklist,
        policy: TriagePolicy,
        listed: Callable[[], Sequence[str]],
        fetched: Callable[[], None],
    ) -> None:
        super().__init__()
        self._desk, self._listed, self._fetched = desk, listed, fetched
        self.decide_by(worklist, policy)
        self._case = ""
        self._path: Path | None = None
        self.head, self.place = w.HTML(), {name: w.HTML() for name in PLACES}
        self.viewer, self.picture = PictureViewer(), w.VBox()
        self.map_button = w.Button(description="Show the map")
        self.map_button.add_class("dk-second")
        self.map_button.on_click(lambda _: self.show_map())
        self.fetch = w.VBox()

    def decide_by(self, worklist: Worklist, policy: TriagePolicy) -> None:
        """From the next `show()` on, what `policy` makes of the cases."""
        self._worklist, self._policy = worklist, policy

    def look_for_picture(self) -> None:
        """At the next `show()`, look again for a picture that was not on this machine."""
        if self._path is None:
            self._case = ""

    @guarded
    def show(self, case: str, row: int, *, hidden: bool) -> None:
        """Show a case of the run, its `row` there. Its id comes last: whoever reads it sees all of the case."""
        told = dict.fromkeys(PLACES, "")
        try:
            if case != self._case or hidden:
                self._case = case
                self._show_picture(case)
            told = self._told(case, row, hidden=hidden)
        finally:  # whatever fails: under this case's id nothing of the one before
            for name, text in told.items():
                self.place[name].value = text
            self.head.value = f"<p class='dk-verdict'>{escape(case)}</p>"
        plain = self.viewer in self.picture.children
        mapped = not hidden and plain and self._desk.run.model_hash == self._card.model_hash
        self.map_button.layout.display = "" if mapped else "none"

    def _told(self, case: str, row: int, *, hidden: bool) -> dict[str, str]:
        run, told = self._desk.run, dict.fromkeys(PLACES, HIDDEN)
        told["about"] = words.about_html(run.cases.iloc[row].to_dict(), hidden=hidden)
        readings = self._desk.readings(case)
        signed_in = self._desk.person is not None
        told["readings"] = (
            words.readings_html(readings, self._desk.names()) if signed_in else words.signed_out_html(readings)
        )
        if not hidden:
            made = self._worklist.table.iloc[row].to_dict()
            told["model"] = words.model_html(made, run.matrix[row], self._policy.thresholds)
            told["similar"] = self._similar_html(case)
        return told

    @guarded
    def show_map(self) -> None:
        """The map of what the score rests on, in place of the plain picture; the picture is read anew for it."""
        if self._path is None or self.map_button.layout.display == "none":
            return
        maps = self._maps
        case = triage(self._classifier, self._policy, self._path.read_bytes(), Answers(), self._case)
        self.notice.value = ""
        maps.show(case)
        self.picture.children = [maps.view]
        self.map_button.layout.display = "none"

    def _show_picture(self, case: str) -> None:
        self._path, self.notice.value = picture_of(case), ""
        shown: list[w.Widget] = []
        try:
            shown = [self._picture(case)]
        finally:
            self.picture.children = shown

    def _picture(self, case: str) -> w.Widget:
        offered = self._path is None and case in self._reference
        self.fetch.children = [self.fetching.view] if offered else []
        if offered:
            self.fetching.expect(case)
        if self._path is None:
            return w.HTML(NO_PICTURE if offered else f"{NO_PICTURE}{WHERE_FROM}")
        try:
            rgb = decode(self._path, case=case).rgb
        except CaseError as error:
            return w.HTML(notice_html("warning", str(error)))
        self.viewer.show_picture(rgb, f"{case}, {rgb.shape[1]} by {rgb.shape[0]} pixels")
        return self.viewer

    def _similar_html(self, case: str) -> str:
        try:
            return words.similar_html(self._neighbours.nearest_to(self._desk.run, case))
        except DermKitError as error:
            return notice_html("info", str(error))

    @cached_property
    def _card(self) -> ModelCard:
        return load_card(default_model())

    @cached_property
    def _classifier(self) -> Classifier:
        return self.told_by(open_classifier())

    @cached_property
    def _maps(self) -> MapView:
        return MapView(self._classifier)

    @cached_property
    def fetching(self) -> FetchPart:
        """The offer of real pictures, made where one is missing."""
        return FetchPart(
            wanted=lambda: [case for case in self._listed() if case in self._reference],
            words=lambda: OFFER,
            then=self._fetched,
        )

    @cached_property
    def _reference(self) -> frozenset[str]:
        return frozenset(self._neighbours.run.cases["case_id"])

    @cached_property
    def _neighbours(self) -> Neighbours:
        return Neighbours.of_reference()
