"""Page 01: one picture from upload to pathway, with the map of what the score rests on."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field, replace
from html import escape
from typing import Any

import ipywidgets as w
import numpy as np
from PIL import Image

from derm_kit.cases.phantom import demo_cohort
from derm_kit.errors import CaseError
from derm_kit.lesions import LESION_TYPES, LesionType
from derm_kit.model.classifier import Classifier
from derm_kit.model.faithfulness import Mask
from derm_kit.model.reference import reference_cases
from derm_kit.model.shared import SharedClassifier, open_classifier
from derm_kit.panels.changes_policy import PolicyPanel
from derm_kit.panels.dropzone import DropZone
from derm_kit.panels.fetching import PICTURES
from derm_kit.panels.maps import MapView
from derm_kit.panels.parts import Panel, guarded, notice_html, page, proportion_html, scores_html, section
from derm_kit.panels.summary import summary_html
from derm_kit.triage.opening import named_policy, require_reads
from derm_kit.triage.policy import SAFETY_NET, Disposition, TriagePolicy
from derm_kit.triage.single import EXCLUSIONS, SKIN_TYPES, Answers, TriagedCase, measured_sensitivity, triage

LARGEST_MB = 20
NOT_SAID = "Not answered yet"
UNSEEN = (
    "What this model cannot see: {untrained}; Merkel cell carcinoma, lymphoma, metastases and combinations of lesions. "
    "Lesions without pigment were not tested. How it does on brown and black skin is not known: too few such pictures."
)


@dataclass(frozen=True)
class Entered:
    """All that the user entered: what undo goes back to. `picture` is held in memory only."""

    picture: bytes = b""
    name: str = ""
    answers: Answers = field(default_factory=Answers)


class TriagePanel(Panel):
    """Upload, questions, result, map. `view` is the page; `enter()` is the one way anything changes.

    It decides by the policy that is `named`, else by the release in force where this machine has a register, else by
    the model's default.
    """

    def __init__(self, classifier: Classifier, named: TriagePolicy | None = None) -> None:
        super().__init__()
        self._classifier = self.told_by(classifier)
        self._default = TriagePolicy.from_card(classifier.card)
        self.in_force = PolicyPanel(self._default, named, lambda policy: require_reads(classifier.card, policy))
        self.in_force.then = lambda _: self._decide_anew()
        self.entered = Entered()
        self.case: TriagedCase | None = None
        self._before: list[Entered] = []
        self._showing = False
        self._build()
        self._show()

    @guarded
    def enter(self, entered: Entered) -> None:
        """Take what the user entered, work it out and show it; a picture that cannot be read changes nothing."""
        case = self._work_out(entered)
        if entered != self.entered:
            self._before.append(self.entered)
        self.entered, self.case = entered, case
        self.notice.value = ""
        self._show()

    @guarded
    def undo(self) -> None:
        """Go back to what was entered before the last change."""
        if self._before:
            last = self._before.pop()
            self.entered, self.case = last, self._work_out(last)
            self.notice.value = ""
            self._show()

    @guarded
    def _decide_anew(self) -> None:
        """Another policy has come into force."""
        self.case = None
        self.case = self._work_out(self.entered)
        self._show()

    @property
    def _policy(self) -> TriagePolicy:
        return self.in_force.policy

    def _work_out(self, entered: Entered) -> TriagedCase | None:
        if not entered.picture:
            return None
        same = self.case is not None and entered.picture == self.entered.picture
        if same and self.case is not None and entered.answers == self.entered.answers:
            return self.case
        return triage(self._classifier, self._policy, entered.picture, entered.answers, entered.name)

    # widgets

    def _build(self) -> None:
        self.upload = DropZone(
            words="Drop a picture here, or", label="Choose or take a picture", accept="image/*,.dcm,.tif,.tiff",
            largest=LARGEST_MB * 1_000_000,
        )  # fmt: skip
        self.upload.observe(self._on_upload, "given")
        demo = demo_cohort()
        self._demo = {c: demo.root / i for c, i in zip(demo.cases["case_id"], demo.cases["image"], strict=True)}
        self._real = {case.case_id: case for case in reference_cases(PICTURES) if case.picture}
        self.demo = w.Dropdown(
            options=[("Or a case at hand…", ""), *((f"Real lesion {c}", c) for c in self._real),
                     *((f"Phantom {c.removeprefix('phantom-').replace('_', ' ')}", c) for c in self._demo)],
            description="Demo",
        )  # fmt: skip
        self.demo.observe(self._on_demo, "value")
        self.skin = w.Dropdown(
            options=[(NOT_SAID, ""), *((f"{k}: {words}", k) for k, words in SKIN_TYPES.items())],
            description="Skin type",
        )
        self.skin.observe(self._on_answer, "value")
        self.exclusions = {
            code: w.Checkbox(description=words.capitalize(), indent=False) for code, words in EXCLUSIONS.items()
        }
        for box in self.exclusions.values():
            box.observe(self._on_answer, "value")
        self.undo_button = w.Button(description="Undo last change")
        self.undo_button.add_class("dk-second")
        self.undo_button.on_click(lambda _: self.undo())
        self.result, self.scores, self.download = w.HTML(), w.HTML(), w.HTML()
        self.maps = MapView(self._classifier)
        self.outcome = w.VBox([self.result, self.scores, self.download])
        columns = w.Box([section("The picture", self.maps.view), section("The result", self.outcome)])
        columns.add_class("dk-columns")
        self.columns = columns
        limit = f"Up to {LARGEST_MB} MB. The picture stays in this page's memory and is gone when you close it."
        if isinstance(self._classifier, SharedClassifier):
            limit += f" Its central square goes to the memory of {self._classifier.where} while it is scored."
        self.view = page(
            "Triage a case",
            "One dermoscopic picture: what is suspected, why, how far to trust it, and which pathway follows.",
            self.notice,
            section("1. The picture", w.HTML(f"<p>{limit}</p>"), self.upload, self.demo),
            section(
                "2. What you know of the case",
                self.skin,
                w.HTML("<p>Tick what holds. Any of these goes to a clinician, whatever the score.</p>"),
                *self.exclusions.values(),
                self.undo_button,
            ),
            columns,
            section("Which policy decides", self.in_force.view),
        )

    # user -> entered

    @guarded
    def _on_upload(self, _: dict[str, Any]) -> None:
        size, content = self.upload.size, self.upload.content
        if size > self.upload.largest:
            raise CaseError(
                f"a picture has at most {LARGEST_MB} MB",
                value=f"{size / 1e6:.0f} MB",
                next_step="Export it at a smaller size.",
            )
        self.enter(replace(self.entered, picture=content, name="your picture"))
        self.upload.content = b""

    @guarded
    def _on_demo(self, change: dict[str, Any]) -> None:
        name = change["new"]
        if name and not self._showing:
            path = self._demo[name] if name in self._demo else self._real[name].picture
            if path is None:
                raise CaseError("its picture is gone", case=name, next_step="Choose another case.")
            self.enter(replace(self.entered, picture=path.read_bytes(), name=name))

    @guarded
    def _on_answer(self, _: dict[str, Any]) -> None:
        if not self._showing:
            ticked = tuple(code for code, box in self.exclusions.items() if box.value)
            self.enter(replace(self.entered, answers=Answers(ticked, self.skin.value)))

    # entered -> view

    def _show(self) -> None:
        self._showing = True
        try:
            answers, case = self.entered.answers, self.case
            self.skin.value = answers.skin_type
            for code, box in self.exclusions.items():
                box.value = code in answers.exclusions
            self.demo.value = self.entered.name if self.entered.name in {**self._demo, **self._real} else ""
            self.undo_button.disabled = not self._before
            self.columns.layout.display = "" if case else "none"
            if case is None:
                return
            self.maps.show(case, self._mask(case.case_id))
            self.result.value = self._result_html(case)
            self.scores.value = scores_html(case.scores, self._policy.thresholds, case.suspected)
            self.download.value = self._download_html(case) if answers.skin_type else ""
        finally:
            self._showing = False

    def _mask(self, name: str) -> Mask | None:
        """Where the lesion is known to be: in a demo phantom."""
        path = self._demo.get(name)
        if path is None:
            return None
        mask = np.array(Image.open(path.parents[1] / "masks" / path.name).convert("RGB"))
        return np.asarray(self._classifier.square(mask)[..., 0] > 127)

    def _result_html(self, case: TriagedCase) -> str:
        if not case.answers.skin_type:
            return notice_html("info", "Say the skin type above: the pathway depends on it.")
        untrained = ", ".join(t.label.lower() for t in LESION_TYPES if t not in self._classifier.card.types) or "none"
        review = case.disposition is Disposition.CLINICIAN_REVIEW
        head = "Clinician review" if review else case.suspected.label if case.suspected else "No flagged type"
        lines = [
            f"<p class='dk-verdict'>{escape(head)}</p>",
            f"<p>{escape(case.why)}</p>",
        ]
        if case.suspected:
            lines.append(f"<p>{escape(case.suspected.plain)}</p>")
        lines.append(
            f"<p><strong>Next step:</strong> {escape(str(case.disposition))} (a default: confirm locally).</p>"
        )
        if case.warning:
            lines.append(notice_html("warning", case.warning[0].upper() + case.warning[1:]))
        if case.case_id in self._real:
            found = self._real[case.case_id].truth.label.lower()
            lines.append(f"<p>What it was found to be: <strong>{escape(found)}</strong>.</p>")
        if case.suspected:
            lines.append(self._measured_html(case.suspected))
        lines.append(f"<p>{escape(UNSEEN.format(untrained=untrained))}</p><p><strong>{SAFETY_NET}</strong></p>")
        return "".join(lines)

    def _measured_html(self, lesion_type: LesionType) -> str:
        over_all, weakest = measured_sensitivity(self._classifier.card, lesion_type)
        if over_all is None:
            return f"<p>How often {escape(lesion_type.label.lower())} is caught was not measured.</p>"
        own = f"{over_all.caught_as_own_type} of them as their own type"
        default = self._policy.thresholds == self._default.thresholds
        where = "" if default else ", at the model’s default thresholds, not those that decide here"
        text = (
            f"<p>Measured on lesions that the model never saw{where}: of {escape(lesion_type.label.lower())} it caught "
            f"{proportion_html(over_all.caught, over_all.n, over_all.low, over_all.high)}, {own}."
        )
        if weakest is not None:
            text += (
                f" Weakest source ({escape(weakest.source)}): "
                f"{proportion_html(weakest.caught, weakest.n, weakest.low, weakest.high)}."
            )
        return text + "</p>"

    def _download_html(self, case: TriagedCase) -> str:
        coded = base64.b64encode(summary_html(case, self._policy, self._classifier.card).encode()).decode()
        return (
            f"<p><a class='dk-download' download='derm-kit-summary.html' href='data:text/html;base64,{coded}'>"
            "Download summary</a> (one page, no identifiers, print it to PDF)</p>"
        )


def triage_page() -> w.VBox:
    """The page for the model that ships, and the policy that the workbench was opened with or that is in force."""
    return TriagePanel(open_classifier(), named_policy()).view
