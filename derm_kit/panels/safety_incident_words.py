"""Incidents in words: the list, and one with its alarm and every step, as escaped HTML."""

from __future__ import annotations

from html import escape

from derm_kit.errors import printable
from derm_kit.panels.changes_words import moment
from derm_kit.panels.hazards_words import wrapped_html
from derm_kit.panels.safety_register import who_html
from derm_kit.panels.safety_setting import Looking, Tab
from derm_kit.panels.tuning_words import counted
from derm_kit.records.incidents import Incident, Step
from derm_kit.records.report_inputs import Registered

NONE_YET = (
    "No incident was opened yet. An alarm of the monitoring page opens one, linked to a hazard; so does derm-kit "
    "incidents open."
)
HEADS = ("id", "standing", "hazard", "signal", "of", "raised (UTC)", "opened")


def list_html(known: Registered, looking: Looking) -> str:
    """Every incident, the newest first, with who opened it and when."""
    head = "".join(f"<th scope='col'>{name}</th>" for name in HEADS)
    rows = "".join(_row_html(one, known, looking) for one in reversed(known.incidents))
    still = sum(not one.closed for one in known.incidents)
    caption = f"{counted(len(known.incidents), 'incident', 'incidents')}, {still} open"
    return (
        "<div class='dk-scroll' tabindex='0' role='region' aria-label='Incidents'><table class='dk-table dk-hazards'>"
        f"<caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def incident_html(one: Incident, known: Registered, looking: Looking) -> str:
    """One incident: the alarm as it was frozen, and every step with who and when."""
    alarm, to = one.alarm, looking.href(tab=Tab.HAZARDS, hazard=one.hazard)
    rows = {
        "standing": f"<strong>{escape(one.state)}</strong>",
        "hazard": f"<a href='{to}'>{escape(one.hazard)}</a>{_name_html(one.hazard, known)}",
        "signal": f"<bdi>{escape(alarm.signal)}</bdi>",
        "of": f"<bdi>{escape(alarm.scope or 'all')}</bdi>",
        "raised": moment(alarm.raised_at),
        "said": f"<p class='dk-as-written' dir='auto'>{escape(alarm.said)}</p>",
        "opened": f"{who_html(known, one.opened_by)}, {moment(one.opened_at)}",
    }
    about = "".join(f"<dt>{name}</dt><dd>{html}</dd>" for name, html in rows.items())
    facts = [(name.replace("_", " "), printable(value, 400)) for name, value in alarm.facts.items()]
    frozen = wrapped_html("Figures behind the alarm, frozen as they were", ("figure", "value"), facts) if facts else ""
    steps = "".join(_step_html(step, known) for step in one.steps)
    return (
        f"<h3 data-bring='{escape(one.id)}'>Incident {escape(one.id)}</h3><dl class='dk-about'>{about}</dl>{frozen}"
        f"<h4>What was done</h4><ol class='dk-table-list'>{steps}</ol>"
    )


def _row_html(one: Incident, known: Registered, looking: Looking) -> str:
    alarm = one.alarm
    cells = (
        f"<strong>{escape(one.state)}</strong>",
        f"<a href='{looking.href(tab=Tab.HAZARDS, hazard=one.hazard)}'>{escape(one.hazard)}</a>",
        f"<bdi>{escape(alarm.signal)}</bdi>",
        f"<bdi>{escape(alarm.scope or 'all')}</bdi>",
        moment(alarm.raised_at),
        f"{who_html(known, one.opened_by)}, {moment(one.opened_at)}",
    )
    tds = "".join(f"<td data-head='{head}'>{cell}</td>" for head, cell in zip(HEADS[1:], cells, strict=True))
    link = f"<a href='{looking.href(incident=one.id)}'>{escape(one.id)}</a>"
    return f"<tr><th scope='row'>{link}</th>{tds}</tr>"


def _step_html(step: Step, known: Registered) -> str:
    version = f" (version {step.hazard_version})" if step.hazard_version else ""
    return (
        f"<li>{moment(step.at)}, {who_html(known, step.person)}: <strong>{escape(step.kind)}{version}</strong>"
        f"<p class='dk-as-written' dir='auto'>{escape(step.said)}</p></li>"
    )


def _name_html(hazard: str, known: Registered) -> str:
    found = next((one.content.name for one in known.hazards if one.id == hazard), "")
    return f", <bdi>{escape(found)}</bdi>" if found else ""
