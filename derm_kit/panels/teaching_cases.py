"""The cases of a session one by one after the reveal: the picture, the truth, the model, and how many said what."""

from __future__ import annotations

import base64
from functools import cache
from html import escape
from pathlib import Path

import cv2
import ipywidgets as w
import numpy as np
import pandas as pd

from derm_kit.cases.images import decode
from derm_kit.errors import CaseError, DermKitError
from derm_kit.lesions import LESION_TYPES
from derm_kit.model.classifier import Classifier
from derm_kit.panels.parts import Panel, guarded, second_button
from derm_kit.readers.features import FEATURES
from derm_kit.readers.pictures import map_of
from derm_kit.records.teaching import TeachingSession
from derm_kit.records.teaching_steps import Mode
from derm_kit.triage.reader_study import Study
from derm_kit.triage.reader_study_management import NO_ERROR, Sent
from derm_kit.triage.reader_votes import reader_votes
from derm_kit.triage.teaching_list import TeachingCase

LARGEST_SIDE_PX = 1_200
CHOSEN = " class='dk-chosen'"
_LABELS = {t.value: t.label for t in LESION_TYPES}


class CasesPart(Panel):
    """One case on the projector; those that the model was wrong on are marked in the list."""

    def __init__(self) -> None:
        super().__init__()
        self._session: TeachingSession | None = None
        self._votes = pd.DataFrame()
        self.which = w.Dropdown(description="Case")
        self.before, self.next = second_button("Case before"), w.Button(description="Next case")
        self.shown = w.HTML()
        self.which.observe(lambda _: self.look(), "value")
        self.before.on_click(lambda _: self.step(-1))
        self.next.on_click(lambda _: self.step(1))
        row = w.HBox([self.which, self.before, self.next])
        row.add_class("dk-buttons")
        row.add_class("dk-case-row")
        self.view = w.VBox([row, self.notice, self.shown])

    def show(self, session: TeachingSession, study: Study | None) -> None:
        """The cases of a session; `study` is None where nobody answered."""
        self._session = session
        self._votes = reader_votes(study) if study else pd.DataFrame(columns=["case_id"])
        self.which.options = [(_listed(n, case), n) for n, case in enumerate(session.cases.cases, 1)]
        self.which.value = 1
        self.look()

    def forget(self) -> None:
        """Nothing is on show."""
        self._session, self.which.options, self.shown.value = None, (), ""

    @guarded
    def step(self, by: int) -> None:
        """Another case of the list."""
        if self._session is not None:
            self.which.value = min(max((self.which.value or 1) + by, 1), len(self._session.cases.cases))

    @guarded
    def look(self) -> None:
        """The case that is chosen."""
        number, session = self.which.value, self._session
        if session is None or not number:
            return
        self.notice.value = ""
        case = session.cases.cases[number - 1]
        self.before.disabled, self.next.disabled = number == 1, number == len(session.cases.cases)
        votes = self._votes[self._votes["case_id"] == case.case_id]
        drawn = _map_html(case, session.cases.model_hash)
        picture = f"<div class='dk-pair'>{self._picture_html(number, case)}{drawn}</div>"
        self.shown.value = case_html(case, picture, votes, session.mode)

    def _picture_html(self, number: int, case: TeachingCase) -> str:
        path = case.picture_path
        try:
            coded = base64.b64encode(_coded(path, case.case_id)).decode() if path else ""
        except CaseError:
            coded = ""
        if not coded:
            return "<p class='dk-hint'>The picture of this case is not on this machine any more.</p>"
        return f"<img alt='Dermoscopic picture of case {number}' src='data:image/jpeg;base64,{coded}'>"


def _map_html(case: TeachingCase, model_hash: str) -> str:
    """The model's map as readers have it in their debrief; nothing where there is none."""
    try:
        drawn = map_of(_classifier(), case, model_hash)
    except DermKitError:
        drawn = None
    if drawn is None:
        return ""
    called = case.model_diagnosis.label.lower()
    return (
        f"<figure><img alt='Heat map of the model over the picture' src='data:image/jpeg;base64,"
        f"{base64.b64encode(drawn).decode()}'><figcaption>Where the picture raised the score of {escape(called)}. It "
        "shows what moved the score, not where the disease is.</figcaption></figure>"
    )


@cache
def _classifier() -> Classifier:
    return Classifier(device="cpu")


def _coded(path: Path, case: str) -> bytes:
    """A picture as a JPEG that fits a projector."""
    rgb = decode(path, case=case).rgb
    shrink = min(1.0, LARGEST_SIDE_PX / max(rgb.shape[:2]))
    size = round(rgb.shape[1] * shrink), round(rgb.shape[0] * shrink)
    fitted = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
    return cv2.imencode(".jpg", fitted[..., ::-1])[1].tobytes()


def case_html(case: TeachingCase, picture: str, votes: pd.DataFrame, mode: Mode) -> str:
    """A case: `picture` as HTML beside its truth, what the model made of it, and the `votes` of the readers on it."""
    wrong = case.model_sent.wrong
    verdict = f"The model was wrong: {case.model_sent}." if wrong else "The model was right."
    verdict = NO_ERROR if case.model_sent is Sent.NO_ERROR else verdict
    credit = " ".join(filter(None, (case.attribution, case.licence and f"({case.licence})")))
    columns = ("after",) if mode is Mode.AI_AT_ONCE else ("before", "after")
    tables = "".join(
        _votes_html(title, votes[votes["view"] == view], columns, truth, model)
        for title, view, truth, model in (
            ("What is it?", "diagnosis", case.truth.value, case.model_diagnosis.value),
            ("What would you do?", "management", case.right_disposition.value, case.model_disposition.value),
        )
        if len(votes)
    )
    return (
        f"<div class='dk-debrief{' dk-astray' if wrong else ''}'><div>{picture}<p class='dk-hint'>"
        f"{escape(case.case_id)}. {escape(credit)}</p><p>{escape(case.truth.plain)} "
        f"{escape(case.goes_to)}</p><p>What to look for: {escape(FEATURES[case.truth])}</p></div>"
        f"<div><p class='dk-verdict'>{escape(case.truth.label)}</p><p><strong>{verdict}</strong> It said "
        f"{escape(case.model_diagnosis.label.lower())}: {escape(case.model_disposition)}.</p>{tables}</div></div>"
    )


def _votes_html(title: str, votes: pd.DataFrame, columns: tuple[str, ...], truth: str, model: str) -> str:
    """How many gave each name, the truth and the model's among them also where nobody did."""
    rows = {str(row["name"]): [int(row[c]) for c in columns] for row in votes.to_dict("records")}
    rows = rows | {name: [0] * len(columns) for name in (truth, model) if name not in rows}
    most = max((n for row in rows.values() for n in row), default=0) or 1
    heads = {"before": "without the model", "after": "with its view"}
    head = "".join(f"<th scope='col'>{heads[c]}</th>" for c in columns)
    body = "".join(
        f"<tr{CHOSEN if name == truth else ''}><th scope='row'>{escape(_named(name))}"
        f"{_marks(name, truth, model)}</th>"
        + "".join(f"<td><b>{n}</b><i aria-hidden='true' style='width:{60 * n / most:.0f}%'></i></td>" for n in counts)
        + "</tr>"
        for name, counts in rows.items()
    )
    return (
        f"<table class='dk-votes'><caption>{title}</caption><thead><tr><th scope='col'>Answer</th>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table>"
    )


def _marks(name: str, truth: str, model: str) -> str:
    marks = [word for word, one in (("truth", truth), ("model", model)) if name == one]
    return f" <small>({', '.join(marks)})</small>" if marks else ""


def _named(name: str) -> str:
    return _LABELS.get(name) or name[:1].upper() + name[1:]


def _listed(number: int, case: TeachingCase) -> str:
    return f"{number}. {case.truth.label}{' · the model was wrong' if case.model_wrong else ''}"
