"""The one-page summary of a triaged case, without identifiers: HTML that prints to one page of PDF."""

from __future__ import annotations

import base64
from html import escape

import cv2

from derm_kit.model.card import ModelCard
from derm_kit.panels.parts import BANNER, FOOTER, scores_html
from derm_kit.triage.policy import SAFETY_NET, TriagePolicy
from derm_kit.triage.single import EXCLUSIONS, SKIN_TYPES, TriagedCase

_STYLE = """
body { font: 11pt/1.4 system-ui, Arial, sans-serif; max-width: 180mm; margin: 10mm auto; color: #212b32; }
h1 { font-size: 16pt; } table { border-collapse: collapse; width: 100%; } caption { text-align: left; }
th, td { text-align: left; padding: 1mm 2mm; border-bottom: 1px solid #aeb7bd; font-weight: 400; }
img { width: 60mm; float: right; margin: 0 0 4mm 4mm; } .dk-bar-cell, .dk-hidden { display: none; }
.dk-chosen th, .dk-chosen td, thead th { font-weight: 700; } .banner { border: 2px solid; padding: 2mm; }
"""


def summary_html(case: TriagedCase, policy: TriagePolicy, card: ModelCard) -> str:
    """A whole HTML page: the square that the model saw, result, scores, what was said, model and policy."""
    _, coded = cv2.imencode(".jpg", case.square[..., ::-1])
    picture = base64.b64encode(coded.tobytes()).decode()
    ticked = "; ".join(EXCLUSIONS[code] for code in case.answers.exclusions) or "none of those asked"
    suspected = case.suspected.label if case.suspected else "No flagged type called"
    skin = SKIN_TYPES.get(case.answers.skin_type, "not answered")
    return f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>derm-kit summary</title>
<style>{_STYLE}</style></head><body><p class="banner"><strong>{BANNER}</strong> {SAFETY_NET}</p>
<img src="data:image/jpeg;base64,{picture}" alt="The part of the picture that the model saw">
<h1>{escape(suspected)}</h1>
<p><strong>Next step:</strong> {escape(str(case.disposition))} (a default: confirm locally).</p>
<p><strong>Why:</strong> {escape(case.why)}</p>
{f"<p><strong>Note:</strong> {escape(case.warning)}</p>" if case.warning else ""}
<p><strong>Said of the case:</strong> skin type {escape(case.answers.skin_type)} ({escape(skin)}); exclusions:
{escape(ticked)}.</p>
{scores_html(case.scores, policy.thresholds, case.suspected)}
<p>Model {escape(card.name)} {escape(card.version)}, weights {card.model_hash[:12]}; policy {escape(policy.name)}
{escape(policy.version)}.</p><p>{FOOTER}</p></body></html>
"""
