"""One case of the threshold page: its calls before and after, its scores, and its picture where it is at hand."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from html import escape
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from derm_kit.cases.images import decode
from derm_kit.cases.pictures import picture_of
from derm_kit.errors import CaseError
from derm_kit.lesions import FLAGGED, LesionType
from derm_kit.model.run import ScoreRun
from derm_kit.panels.parts import notice_html, scores_html

LONGEST_SIDE = 420
ABOUT = {"age_years": "age", "sex": "sex", "anatomical_site": "site", "source": "source", "truth_source": "truth by"}


def case_html(run: ScoreRun, moved: pd.DataFrame, case_id: str, thresholds: Mapping[LesionType, float]) -> str:
    """The case, one of those that change sides; "" where it no longer does."""
    found = moved[moved["case_id"] == case_id]
    if found.empty:
        return ""
    one, row = found.iloc[0], int(np.flatnonzero(run.scores["case_id"] == case_id)[0])
    truth = " or ".join(_words(part) for part in str(one["truth"]).split("|")) or "truth unknown"
    case = run.cases.iloc[row]
    about = [
        f"{words} {case[column]:g}" if isinstance(case[column], float) else f"{words} {case[column]}"
        for column, words in ABOUT.items()
        if column in case and not pd.isna(case[column]) and case[column] != ""
    ]
    called = str(one["after"])
    suspected = LesionType(called) if called in set(FLAGGED) else None
    head = (
        f"<h3>{escape(case_id)}</h3><p><strong>{escape(truth)}</strong>: {escape(str(one['kind']))}. Called "
        f"{escape(_words(str(one['before'])))} by the policy in force, {escape(_words(called))} as set. "
        f"{escape(', '.join(about).capitalize())}.</p>"
    )
    scores = scores_html(run.matrix[row], dict(thresholds), suspected)
    sides = f"<div class='dk-table-sides'>{_picture(case_id)}<div>{scores}</div></div>"
    return f"<div class='dk-table-open'>{head}{sides}</div>"


def _picture(case_id: str) -> str:
    path = picture_of(case_id)
    if path is None:
        return "<p>Its picture is not on this machine.</p>"
    try:
        return picture_html(path)
    except CaseError as error:
        return notice_html("warning", str(error))


def picture_html(picture: Path) -> str:
    """A case's picture, made small."""
    rgb = decode(picture, case=picture.stem).rgb
    scale = min(1.0, LONGEST_SIDE / max(rgb.shape[:2]))
    size = (max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[0] * scale)))
    _, coded = cv2.imencode(".jpg", cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)[..., ::-1])
    return f"<p><img alt='The lesion' src='data:image/jpeg;base64,{base64.b64encode(coded.tobytes()).decode()}'></p>"


def _words(call: str) -> str:
    return LesionType(call).label.lower() if call in set(LesionType) else call
