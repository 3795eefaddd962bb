"""The risk matrix with the hazards in it, as escaped HTML."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from derm_kit.panels.hazards_shown import Which, placed
from derm_kit.panels.safety_setting import Looking
from derm_kit.panels.tuning_words import counted
from derm_kit.records.hazards import Hazard
from derm_kit.records.risk_matrix import MATRIX, Likelihood, Risk, Severity

MOST_IN_A_CELL = 12
CAPTIONS = {
    Which.INITIAL: "Initial risk: with the existing controls",
    Which.RESIDUAL: "Residual risk: with the new controls as well",
}
_PARTED = {
    Severity.SIGNIFICANT: "signifi&shy;cant",
    Severity.CONSIDERABLE: "consid&shy;er&shy;able",
    Severity.CATASTROPHIC: "cata&shy;strophic",
}
"""Where a long word may be parted on a narrow screen."""


def matrix_html(hazards: Sequence[Hazard], looking: Looking) -> str:
    """The 25 cells of DCB0129, each with its level, its word and the hazards in it; below it those not judged."""
    there = placed(hazards, looking.risk)
    head = "".join(f"<th scope='col'>{_PARTED.get(severity, severity.value)}</th>" for severity in Severity)
    rows = "".join(
        f"<tr><th scope='row'>{escape(likelihood)}</th>"
        + "".join(
            _cell_html(MATRIX[likelihood][severity], there.get((likelihood, severity), []), looking)
            for severity in Severity
        )
        + "</tr>"
        for likelihood in Likelihood
    )
    unjudged = there.get(None, [])
    rest = f"<p>Not judged: {_links(unjudged, looking)}.</p>" if unjudged else ""
    return (
        f"<table class='dk-matrix'><caption>{CAPTIONS[looking.risk]}. Rows: how likely "
        f"harm is. Columns: how bad it is.</caption><thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody>"
        f"</table>{rest}{_levels_html()}{_meanings_html()}"
    )


def _cell_html(level: Risk, hazards: Sequence[Hazard], looking: Looking) -> str:
    n = len(hazards)
    said = (
        f"<span class='dk-matrix-count'>{counted(n, 'hazard', 'hazards')}</span>{_links(hazards, looking)}" if n else ""
    )
    word = f"<span class='dk-matrix-word'>{escape(level.acceptability)}</span>"
    return f"<td class='dk-risk-{level.value}' data-n='{n}'><strong>{level.value}</strong> {word}{said}</td>"


def _links(hazards: Sequence[Hazard], looking: Looking) -> str:
    links = " ".join(
        f"<a href='{looking.href(hazard=one.id)}' title='{escape(one.content.name, quote=True)}'>{escape(one.id)}</a>"
        for one in hazards[:MOST_IN_A_CELL]
    )
    more = len(hazards) - MOST_IN_A_CELL
    return f"{links} and {more} more" if more > 0 else links


def _levels_html() -> str:
    items = "".join(
        f"<li><span class='dk-risk dk-risk-{level.value}'>{escape(level.in_words())}</span></li>" for level in Risk
    )
    return f"<ul class='dk-levels' aria-label='Risk levels'>{items}</ul>"


def _meanings_html() -> str:
    words: list[tuple[str, str]] = [(one.value, one.meaning) for one in (*Likelihood, *Severity)]
    about = "".join(f"<dt>{escape(word)}</dt><dd>{escape(meaning)}</dd>" for word, meaning in words)
    return (
        "<details><summary>What the words mean</summary><p>The matrix and its words are the examples of DCB0129’s "
        f"guidance; your risk management plan may set others.</p><dl class='dk-about'>{about}</dl></details>"
    )
