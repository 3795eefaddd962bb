"""A policy as the pages that decide by it show it: its name, and behind a fold what it does with whom."""

from __future__ import annotations

from html import escape

import pandas as pd

from derm_kit.errors import printable
from derm_kit.lesions import FLAGGED
from derm_kit.panels.tables import table_html
from derm_kit.triage.definition import Disposition, TriagePolicy
from derm_kit.triage.guarantee import rounded_down


def policy_html(policy: TriagePolicy, said: str) -> str:
    """What is `said` of a policy, its name and version, and to unfold: thresholds, next steps, other rules."""
    rows = [
        (
            t.label,
            rounded_down(policy.thresholds[t]) if t in policy.thresholds else "none: never called",
            str(policy.dispositions[t]) if t in policy.thresholds else "–",
        )
        for t in FLAGGED
    ]
    table = table_html(pd.DataFrame(rows, columns=["suspected", "threshold", "next step"]), "Thresholds and next steps")
    rules = "".join(f"<li>{escape(rule)}</li>" for rule in _rules(policy))
    name, version = escape(printable(policy.name)), escape(printable(policy.version))
    return (
        f"<p>{escape(said)} Policy: <strong>{name}</strong>, version {version}.</p>"
        "<details><summary>See the policy</summary><div class='dk-table-wrapped'>"
        f"{table}</div><ul class='dk-table-list'>{rules}</ul></details>"
    )


def _rules(policy: TriagePolicy) -> list[str]:
    """All that a policy says beside its thresholds, a sentence each."""
    nowhere = Disposition.DISCHARGE_ADVICE if policy.autonomous else Disposition.SECOND_READ
    said = [f"A case that reaches no threshold: {nowhere}."]
    if policy.second_read_margin:
        said.append(f"A score at most {policy.second_read_margin:.0%} below its threshold: {Disposition.SECOND_READ}.")
    held_back = (
        ("skin type", policy.review_skin_types),
        ("skin tone class", policy.review_skin_tone_classes),
        ("site", policy.review_sites),
    )
    always = [f"{what} {', '.join(map(str, values))}" for what, values in held_back if values]
    said.append(
        "Whatever the score, to clinician review: a poor picture, an exclusion, a missing score"
        f"{''.join(f'; {one}' for one in always)}."
    )
    if policy.read_despite_quality:
        said.append(f"Read although the picture fails quality: {', '.join(policy.read_despite_quality)}.")
    return [*said, f"Next steps: {policy.dispositions_source}."]
