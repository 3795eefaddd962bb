"""What the review page says of one case: what the model made of it, what is recorded, and what readers said."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from html import escape
from typing import Any

import pandas as pd

from derm_kit.lesions import LESION_TYPES, LesionType
from derm_kit.model.classifier import Floats
from derm_kit.panels.parts import scores_html
from derm_kit.panels.review_list import call_words, small_html, truth_words
from derm_kit.panels.tuning_words import counted
from derm_kit.records.desk import Readings
from derm_kit.records.reviews import OtherVerdict, Review
from derm_kit.triage.policy import SAFETY_NET

ABOUT = {
    "age_years": "age", "sex": "sex", "anatomical_site": "site", "skin_type": "skin type",
    "skin_tone_class": "skin tone", "source": "source", "device": "device", "diagnosis": "diagnosis",
    "truth_source": "truth known by", "licence": "licence", "attribution": "picture by",
}  # fmt: skip
AFTER_VERDICT = ("diagnosis", "truth_source")
_AS_WRITTEN = "white-space: pre-line; overflow-wrap: anywhere; margin: 2px 0 0"


def about_html(case: Mapping[Hashable, Any], *, hidden: bool) -> str:
    """What is recorded of a case; where the truth is hidden nothing that says what it was found to be."""
    rows = []
    for column, words in ABOUT.items():
        value = case.get(column)
        if value is None or pd.isna(value) or value == "" or (hidden and column in AFTER_VERDICT):
            continue
        text = f"{value:g}" if isinstance(value, float) else str(value)
        rows.append(f"<dt>{escape(words)}</dt><dd>{escape(text)}</dd>")
    return f"<dl class='dk-about'>{''.join(rows)}</dl>" if rows else "<p>Nothing else is recorded of this case.</p>"


def model_html(row: Mapping[Hashable, Any], scores: Floats, thresholds: Mapping[LesionType, float]) -> str:
    """What the policy made of a case, and why, with its scores and its truth."""
    call, truth, reason = str(row["call"]), str(row["truth"]), str(row["reason"])
    suspected = LesionType(call) if call in set(LESION_TYPES) else None
    why = f"{reason[:1].upper()}{reason[1:].rstrip('.')}."
    worried = "" if SAFETY_NET in why else f"<p>{SAFETY_NET}</p>"
    return (
        f"<p class='dk-verdict'>{escape(call_words(call))}</p><p>{escape(why)}</p>"
        f"<p><strong>Policy’s next step:</strong> {escape(str(row['disposition']))}.</p>"
        f"<p><strong>Found to be:</strong> {escape(truth_words(truth))}.</p>{worried}"
        f"{scores_html(scores, dict(thresholds), suspected)}"
    )


def similar_html(similar: pd.DataFrame) -> str:
    """The reference cases whose pictures look most alike to the network, with what they were found to be."""
    cells = [
        f"<li>{small_html(str(row['case_id']))}<span><b>{escape(str(row['case_id']))}</b><span>"
        f"{escape(truth_words(str(row['truth'])))}</span><span>distance {row['distance']:.2f}</span></span></li>"
        for row in similar.to_dict("records")
    ]
    whose = dict.fromkeys(f"{row['attribution']} ({row['licence']})" for row in similar.to_dict("records"))
    return (
        f"<ol class='dk-similar'>{''.join(cells)}</ol>"
        "<p class='dk-hint'>Alike to the network, nearest first: a comparison to look at, no evidence of what this "
        f"case is. Pictures: {escape('; '.join(whose))}.</p>"
    )


def readings_html(readings: Readings, names: Mapping[str, str]) -> str:
    """Readers' reviews of a case, oldest first, every version; those of others may be kept back."""
    if readings.kept_back:
        return "<p>The first reading is kept back until a second reader has given theirs.</p>"
    if not readings.shown:
        return "<p>Nobody has reviewed this case.</p>"
    return (
        "<p class='dk-hint'>Every version, oldest first.</p>"
        f"<ol class='dk-table-list'>{''.join(_reading_html(r, names) for r in readings.shown)}</ol>"
    )


def signed_out_html(readings: Readings) -> str:
    """The same for somebody who is not signed in: what readers wrote is for readers."""
    if readings.kept_back or not readings.shown:
        return readings_html(readings, {})
    readers = len({review.reviewer for review in readings.shown})
    return (
        f"<p>{counted(readers, 'reader has', 'readers have')} reviewed this case. Sign in to read what they said.</p>"
    )


def _reading_html(review: Review, names: Mapping[str, str]) -> str:
    """One version of a review; its note as it was written, whichever way its script runs."""
    said = [
        call_words(review.verdict) if review.verdict != OtherVerdict.NOT_SAID else "",
        str(review.disposition),
        "" if review.confidence_percent is None else f"{review.confidence_percent}% sure",
        "" if review.seconds is None else f"{review.seconds:.0f} s",
        "blind" if review.blind else "",
        "adjudication" if review.adjudication else "",
    ]
    name, at = escape(names.get(review.reviewer, "A reader since erased")), review.at.replace("T", " ")[:16]
    note = f"<p dir='auto' style='{_AS_WRITTEN}'>{escape(review.note)}</p>" if review.note else ""
    return f"<li><strong>{name}</strong>, {at} UTC: {escape('; '.join(filter(None, said)))}.{note}</li>"
