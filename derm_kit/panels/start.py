"""The front page: what this is, a door for each reader, the state of the model and of this machine."""

from __future__ import annotations

from html import escape

import ipywidgets as w

from derm_kit.model.classifier import Classifier
from derm_kit.model.constancy import compare
from derm_kit.model.shared import SharedClassifier, open_classifier
from derm_kit.panels.fetching import FetchPart
from derm_kit.panels.parts import Panel, guarded, notice_html, page, section

DOORS = (
    (
        "Quick demo",
        "01_triage_a_case.ipynb",
        "Drop in one dermoscopic picture, or take a phantom: what is suspected, why, and which pathway follows.",
    ),
    (
        "Safety officer",
        "03_threshold_tuning.ipynb",
        "Move a threshold and see what it is worth, whom it would miss, and what changes; find the safest ones.",
    ),
    (
        "Dermatologist",
        "02_case_review.ipynb",
        "Read the cases behind a figure, give second readings, and keep every decision in a register.",
    ),
    (
        "Service planner",
        "04_referral_simulation.ipynb",
        "Move a clinic or a threshold and see who waits, which cancers are found late, and what it costs.",
    ),
    (
        "GP teacher",
        "05_teaching_session.ipynb",
        "Have a room read cases on their phones, before and after the model’s view, and see what it did to them.",
    ),
    (
        "Service in use",
        "06_monitoring.ipynb",
        "Watch a service month by month: what drifts, which alarms may be false, and what cannot be seen.",
    ),
    (
        "Safety case",
        "07_safety_case.ipynb",
        "Keep the hazard log, close incidents, and write the documents of DCB0129 and DCB0160, what is missing first.",
    ),
    (
        "Lecture",
        "10_how_to_read_a_map.ipynb",
        "Thresholds, prevalence, small numbers, and what a heat map can and cannot say; with questions.",
    ),
)


class StartPanel(Panel):
    """Doors, the model's name and limits, the constancy check and real pictures."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self._classifier = self.told_by(classifier)
        card = classifier.card
        self.fetching = FetchPart()
        self.check_button = w.Button(description="Run the constancy check")
        self.check_button.on_click(lambda _: self.check())
        untrained = ", ".join(t.label.lower() for t in card.untrained) or "none"
        about = (
            f"<p><strong>{escape(card.name)} {escape(card.version)}</strong>, released {escape(card.released)}, on "
            f"{_where(classifier)}. Not trained: "
            f"{escape(untrained)}.</p><p>{escape(card.intended_use)} {escape(card.not_for)}</p>"
        )
        self.view = page(
            "Start here",
            "An open workbench for safe AI triage of skin lesions: see, tune, simulate, teach and question it.",
            self.notice,
            w.HTML(f"<ul class='dk-doors'>{''.join(_door_html(*door) for door in DOORS)}</ul>"),
            section("The model", w.HTML(about), self.check_button),
            section("Real pictures", self.fetching.view),
        )

    @guarded
    def check(self) -> None:
        """Score the phantoms now and hold them against the card."""
        self.notice.value = notice_html("info", "Scoring 66 phantoms…")
        found = compare(self._classifier)
        self.notice.value = notice_html("success" if found.passed else "error", found.sentence)


def start_page() -> w.VBox:
    """The front page for the model that ships."""
    return StartPanel(open_classifier()).view


def _where(classifier: Classifier) -> str:
    if isinstance(classifier, SharedClassifier):
        return "the scoring worker that all pages share"
    return "a CUDA device" if classifier.device == "cuda" else "this machine’s processor"


def _door_html(name: str, target: str, words: str) -> str:
    title = f"<a href='{target}'>{escape(name)}</a>" if target else escape(name)
    return f"<li><h2>{title}</h2><p>{escape(words)}</p></li>"
