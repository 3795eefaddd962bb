"""The widgets of the review page and where they stand; what they do is wired in `review`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import ipywidgets as w

from derm_kit.lesions import LESION_TYPES
from derm_kit.panels.inputs import Address, Keys, Picker
from derm_kit.panels.parts import page, section
from derm_kit.panels.review_list import call_words
from derm_kit.panels.review_setting import Looking
from derm_kit.records.desk import BLIND_MARKS, MARKS
from derm_kit.records.reviews import OtherVerdict, Review
from derm_kit.triage.counts import CALLS
from derm_kit.triage.definition import Disposition
from derm_kit.triage.worklist import BY_CASE, BY_NEARNESS, BY_RISK, UNKNOWN_TRUTH, Worklist

if TYPE_CHECKING:
    from derm_kit.panels.review import ReviewPanel

NEXT, BEFORE, MAP, PAUSE = "n", "p", "m", "z"
ORDERS = {BY_RISK: "most serious first", BY_NEARNESS: "nearest to a threshold first", BY_CASE: "by case id"}
ANY = ("any", "")
CONFIDENCES = (("not said", ""), *((f"{percent}%", percent) for percent in (50, 60, 70, 80, 90, 100)))
NOTHING_SAID = {"verdict": OtherVerdict.NOT_SAID, "confidence_percent": None, "note": ""}


class ReviewControls:
    """Inputs by name. `filters` are those of Wanted and `said` those of Review, by their fields."""

    def __init__(self) -> None:
        types = [(t.label, t.value) for t in LESION_TYPES]
        self.filters = {
            "show": w.Dropdown(description="Show"),
            "call": w.Dropdown(options=[ANY, *((call_words(c), c) for c in CALLS)], description="Model says"),
            "truth": w.Dropdown(options=[ANY, *types, ("Unknown", UNKNOWN_TRUTH)], description="Found to be"),
            "grouping": w.Dropdown(description="Split by"),
            "group": w.Dropdown(options=[ANY], description="Subgroup"),
            "sort": w.Dropdown(options=[(words, name) for name, words in ORDERS.items()], description="Order"),
        }
        self.blind = w.Checkbox(description="Blind: hide model and truth until I decide", indent=False)
        self.earlier, self.later = _second("Earlier cases"), _second("Later cases")
        self.before, self.next = _second(f"Case before ({BEFORE})"), w.Button(description=f"Next case ({NEXT})")
        self.pause = _second(f"Pause the clock ({PAUSE})")
        self.dispositions = {d: w.Button(description=_choice(d)) for d in Disposition}
        self.verdict = w.Dropdown(
            options=[*((v.value.capitalize(), v.value) for v in OtherVerdict), *types], description="I think it is"
        )
        self.confidence = w.Dropdown(options=CONFIDENCES, description="How sure")
        self.note = w.Textarea(description="Note", continuous_update=False)
        self.said = {"verdict": self.verdict, "confidence_percent": self.confidence, "note": self.note}
        self.keys = Keys(offered=[NEXT, BEFORE, MAP, PAUSE, *(str(i) for i in range(1, len(Disposition) + 1))])
        self.keys_on = w.Checkbox(description="Single keys work as shortcuts", value=True, indent=False)
        self.picker, self.address = Picker(), Address()
        self.listed, self.saved, self.away = w.HTML(), w.HTML(), w.HTML()
        self.one_case, self.in_sight = w.VBox(), w.VBox()

    def frame(self, panel: ReviewPanel) -> w.VBox:
        """The page: who reads, the list, the case, the decision, how far readers agree."""
        case = panel.case
        filters = w.VBox([*self.filters.values(), self.blind])
        filters.add_class("dk-filters")
        choices = w.VBox([w.HTML("<h3>Where does it go next?</h3>"), *self.dispositions.values()])
        choices.add_class("dk-choices")
        both = w.Box([
            w.VBox([case.picture, case.map_button, case.notice, case.fetch]),
            w.VBox([self.verdict, self.confidence, self.note, choices, self.saved, self.keys_on]),
        ])  # fmt: skip
        both.add_class("dk-case-columns")
        self.in_sight.children = [
            both, *(w.VBox([w.HTML(f"<h3>{title}</h3>"), case.place[name]]) for name, title in (
                ("model", "The model"), ("readings", "Reviews"), ("similar", "Similar reference cases"),
                ("about", "What is recorded"),
            )),
        ]  # fmt: skip
        self.one_case.children = [
            section("The case", case.head, _row(self.before, self.next, self.pause), self.away, self.in_sight)
        ]
        columns = w.Box([section("Worklist", filters, self.listed, _row(self.earlier, self.later)), self.one_case])
        columns.add_class("dk-review-columns")
        return page(
            "Review cases",
            "Read the cases behind a figure, decide where each goes next, give second readings. Every step is kept.",
            self.address, self.picker, self.keys,
            section("Who reads", panel.sign_in.view),
            section("Which policy decides", panel.in_force.view),
            panel.notice,
            columns,
            section("How far readers agree", panel.agreement.view),
        )  # fmt: skip

    def offer(self, worklist: Worklist) -> None:
        """Subgroups that the cases at hand allow."""
        self.filters["grouping"].options = [("nothing", ""), *((g.name, g.name) for g in worklist.groupings)]

    def show(self, looking: Looking, worklist: Worklist, proposed: tuple[str, ...]) -> None:
        """The filters that are in force, `proposed` changes among them; in blind mode what would give something away is
        out of reach.
        """
        wanted, marks = looking.listed, BLIND_MARKS if looking.blind else (*worklist.marks, *proposed, *MARKS)
        self.filters["show"].options = [("every case", ""), *((mark, mark) for mark in marks)]
        groups = [g for g in worklist.groupings if g.name == wanted.grouping]
        self.filters["group"].options = [ANY, *((label, label) for g in groups for label in g.labels)]
        for name, choice in self.filters.items():
            choice.value = getattr(wanted, name)
            choice.disabled = looking.blind and name != "show"
        self.blind.value, self.picker.chosen = looking.blind, looking.case

    def show_review(self, own: Review | None, draft: Mapping[str, Any], *, able: bool) -> None:
        """What the reader said of the open case, with what waits in `draft`, and whether they may say more."""
        for name, said in self.said.items():
            known = draft.get(name, getattr(own, name) if own else NOTHING_SAID[name])
            said.value = "" if known is None else known
        for disposition, button in self.dispositions.items():
            chosen = own is not None and own.disposition is disposition
            button.disabled, button.description = not able, _choice(disposition) + (" (stored)" if chosen else "")
            (button.add_class if chosen else button.remove_class)("dk-chosen-button")


def _choice(disposition: Disposition) -> str:
    return f"{list(Disposition).index(disposition) + 1}  {disposition[0].upper()}{disposition[1:]}"


def _row(*widgets: w.Widget) -> w.HBox:
    row = w.HBox(widgets)
    row.add_class("dk-buttons")
    return row


def _second(words: str) -> w.Button:
    button = w.Button(description=words)
    button.add_class("dk-second")
    return button
