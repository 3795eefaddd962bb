"""The hazard log in words: a list, one hazard with every field, its evidence and incidents, as escaped HTML."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from html import escape

from derm_kit.panels.changes_words import moment
from derm_kit.panels.safety_register import who_html
from derm_kit.panels.safety_setting import Looking, Tab
from derm_kit.panels.tuning_words import counted
from derm_kit.records.hazard_content import HazardContent
from derm_kit.records.hazard_evidence import Standing
from derm_kit.records.hazards import Hazard
from derm_kit.records.report_inputs import Registered, in_words
from derm_kit.records.risk_matrix import Risk

STANDINGS = {
    Standing.FOUND: "found",
    Standing.MISSING: "not found here",
    Standing.UNCHECKED: "not checked: it lies elsewhere",
}
HEADS = ("id", "hazard", "initial risk", "residual risk", "status", "owner", "next review", "newest version")


def risk_html(level: Risk | None) -> str:
    """A risk with its word and its colour."""
    if level is None:
        return "<span class='dk-risk'>not judged</span>"
    return f"<span class='dk-risk dk-risk-{level.value}'>{escape(level.in_words())}</span>"


def list_html(hazards: Sequence[Hazard], looking: Looking, on: date) -> str:
    """Hazards, one a row."""
    head = "".join(f"<th scope='col'>{name}</th>" for name in HEADS)
    rows = "".join(_row_html(hazard, looking, on) for hazard in hazards)
    caption = counted(len(hazards), "hazard", "hazards")
    return (
        f"<div class='dk-scroll' tabindex='0' role='region' aria-label='Hazard log'><table class='dk-table dk-hazards'>"
        f"<caption>{caption}. Open one by its id.</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        "</div>"
    )


def review_html(content: HazardContent, on: date) -> str:
    """The next review, with a word where it is overdue."""
    due = content.next_review
    if due is None:
        return "<strong>never set</strong>"
    said = escape(in_words(due))
    return f"{said} <strong>overdue</strong>" if due < on else said


def standing_html(hazard: Hazard) -> str:
    """Version, approved or draft, and whether its judgements are only proposed."""
    mark = "success" if hazard.approval else "warning"
    proposed = ", judged by derm-kit only" if hazard.content.proposed else ""
    return f"{hazard.version}, <strong class='dk-word-{mark}'>{hazard.standing}</strong>{proposed}"


def hazard_html(hazard: Hazard, known: Registered, looking: Looking, on: date) -> str:
    """One hazard with every field."""
    content = hazard.content
    leads, led = content.leads_to, [one.id for one in known.hazards if hazard.id in one.content.leads_to]
    controls = content.new_controls.model_dump()
    rows = {
        "standing": f"version {standing_html(hazard)}{_approved_html(hazard, known)}",
        "written": f"{who_html(known, hazard.author)}, {moment(hazard.at)}",
        "description": _text(content.description),
        "causes": _lines(content.causes),
        "effect": _text(content.effect),
        "harm": _text(content.harm),
        "existing controls": _lines(content.existing_controls),
        "initial risk": f"{risk_html(content.initial_risk)} {content.initial_likelihood} × {content.initial_severity}",
        **{f"new controls: {kind}": _lines(said) for kind, said in controls.items()},
        "residual risk": _residual_html(content),
        "why it is worse": _text(content.residual_reason),
        "what the judgements rest on": _text(content.basis),
        "owner": _text(content.owner) if content.owner.strip() else "<strong>nobody yet</strong>",
        "transferred to": _text(content.transferred_to),
        "status": escape(content.status),
        "next review": review_html(content, on),
        "can lead to": _linked(leads, looking),
        "can come from": _linked(led, looking),
        "content, SHA-256": f"<code>{content.sha256}</code>",
    }
    about = "".join(f"<dt>{name}</dt><dd>{html}</dd>" for name, html in rows.items() if html)
    return (
        f"<h3 data-bring='{escape(hazard.id)}'>{escape(hazard.id)}: <bdi>{escape(content.name)}</bdi></h3>"
        f"<dl class='dk-about'>{about}</dl>"
    )


def evidence_html(hazard: Hazard, known: Registered) -> str:
    """Where its evidence lies, and whether it was found here."""
    rows = [
        (link.kind.value, link.reference, link.shows, STANDINGS[known.evidence[link]])
        for link in hazard.content.evidence
    ]
    if not rows:
        return "<h4>Evidence</h4><p><strong>None is named:</strong> nothing shows that the controls work.</p>"
    heads = ("kind", "where", "what it shows", "here")
    return f"<h4>Evidence</h4>{wrapped_html('Evidence that this hazard names', heads, rows)}"


def incidents_html(hazard: Hazard, known: Registered) -> str:
    """The incidents that were linked to it."""
    found = [one for one in known.incidents if one.hazard == hazard.id]
    if not found:
        return "<h4>Incidents</h4><p>None is linked to it.</p>"
    to = Looking(Tab.INCIDENTS)
    items = "".join(
        f"<li><a href='{to.href(incident=one.id)}'>{escape(one.id)}</a>, {escape(one.state)}: "
        f"<bdi>{escape(one.alarm.said)}</bdi></li>"
        for one in found
    )
    return f"<h4>Incidents</h4><ul class='dk-table-list'>{items}</ul>"


def wrapped_html(caption: str, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table of texts whose cells break into lines."""
    head = "".join(f"<th scope='col'>{escape(name)}</th>" for name in heads)
    body = "".join(
        "<tr>" + "".join(_cell_html(name, str(cell)) for name, cell in zip(heads, row, strict=True)) + "</tr>"
        for row in rows
    )
    return (
        f"<div class='dk-table-wrapped'><table class='dk-table dk-stacked'><caption>{escape(caption)}</caption><thead>"
        f"<tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _cell_html(head: str, said: str) -> str:
    shown = f"<bdi>{escape(said)}</bdi>" if said else ""
    named = f" data-head='{escape(head, quote=True)}'" if said else ""
    return f"<td{named}>{shown}</td>"


def _row_html(hazard: Hazard, looking: Looking, on: date) -> str:
    content = hazard.content
    cells = (
        f"<bdi>{escape(content.name)}</bdi>",
        risk_html(content.initial_risk),
        risk_html(content.residual_risk),
        escape(content.status),
        f"<bdi>{escape(content.owner)}</bdi>" if content.owner.strip() else "nobody yet",
        review_html(content, on),
        standing_html(hazard),
    )
    tds = "".join(f"<td data-head='{head}'>{cell}</td>" for head, cell in zip(HEADS[1:], cells, strict=True))
    link = f"<a href='{looking.href(hazard=hazard.id)}'>{escape(hazard.id)}</a>"
    return f"<tr><th scope='row'>{link}</th>{tds}</tr>"


def _approved_html(hazard: Hazard, known: Registered) -> str:
    approval = hazard.approval
    if approval is None:
        return ""
    return f" by {who_html(known, approval.approver)}, {moment(approval.at)}: <bdi>{escape(approval.reason)}</bdi>"


def _residual_html(content: HazardContent) -> str:
    if content.residual_risk is None:
        return risk_html(None)
    return f"{risk_html(content.residual_risk)} {content.residual_likelihood} × {content.residual_severity}"


def _text(said: str) -> str:
    return f"<p class='dk-as-written' dir='auto'>{escape(said)}</p>" if said.strip() else ""


def _lines(said: Sequence[str]) -> str:
    items = "".join(f"<li dir='auto'>{escape(one)}</li>" for one in said)
    return f"<ul class='dk-table-list'>{items}</ul>" if items else ""


def _linked(ids: Sequence[str], looking: Looking) -> str:
    return ", ".join(f"<a href='{looking.href(hazard=one)}'>{escape(one)}</a>" for one in ids)
