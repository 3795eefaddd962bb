"""What the page says of changes under way: the list, one change with its frozen report, as escaped HTML."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from html import escape
from typing import TYPE_CHECKING

import pandas as pd

from derm_kit.errors import printable
from derm_kit.lesions import LESION_TYPES, LesionType
from derm_kit.panels.parts import notice_html
from derm_kit.panels.tables import shares, table_html
from derm_kit.panels.tuning_words import counted
from derm_kit.triage.changes import NEWLY_FLAGGED, NEWLY_MISSED
from derm_kit.triage.counts import CALLS
from derm_kit.triage.guarantee import rounded_down

if TYPE_CHECKING:
    from derm_kit.records.audit import Entry
    from derm_kit.records.change import Change, Standing
    from derm_kit.records.impact import CountChange, GroupChange, ImpactReport

NOTHING_SENT = "Nothing is ever sent to a device: whoever runs one fetches the signed file and verifies it."
NO_REGISTER = (
    "There is no register on this machine yet, so no change is under way. An administrator makes one by adding the "
    "first person: derm-kit people add."
)
ERASED = "erased"
SHORT_ID = 8
_LONGEST_WHY = 160
_TYPES = {t.value: t.label for t in LesionType}


def names_of(people: Iterable[tuple[str, str]]) -> dict[str, str]:
    """What people are called, by id; whoever has no name any more is "erased"."""
    return {person: name or ERASED for person, name in people}


def moment_words(at: str) -> str:
    """A moment to the minute."""
    return f"{at[:10]} {at[11:16]} UTC"


def moment(at: str) -> str:
    """The same as HTML."""
    return escape(moment_words(at))


def name_html(person: str, names: Mapping[str, str]) -> str:
    """A name, whichever way its script runs; derm-kit itself where nobody acted."""
    return f"<bdi>{escape(names.get(person, person or 'derm-kit'))}</bdi>"


def row_html(standing: Standing, why: str, names: Mapping[str, str]) -> str:
    """One change of the list."""
    return (
        f"<p class='dk-keep-row'><strong>{escape(standing.state)}</strong>, by {name_html(standing.author, names)}, "
        f"{moment(standing.created_at)}<br>{escape(printable(why, _LONGEST_WHY))}</p>"
    )


def change_html(change: Change, starts_from: str, entries: Iterable[Entry], names: Mapping[str, str]) -> str:
    """A change: where it stands, why, its frozen report, what was done."""
    report = change.report
    approved = f", approved by {name_html(change.approver, names)}" if change.approver else ""
    rows = {
        "state": f"<strong>{escape(change.state)}</strong> since {moment(change.changed_at)}, step {change.version}",
        "author": f"{name_html(change.author, names)}, {moment(change.created_at)}{approved}",
        "from": escape(report.old_policy) + (f"; that is {escape(starts_from)}" if starts_from else ""),
        "to": escape(report.new_policy),
        "rests on": f"{report.cases:,} cases",
        "linked hazards": escape(", ".join(report.hazard_ids) or "none named"),
        "capacity": _capacity_html(report),
    }
    about = "".join(f"<dt>{name}</dt><dd>{html}</dd>" for name, html in rows.items())
    return (
        f"<h3>Change {escape(change.id[:SHORT_ID])}</h3><dl class='dk-about'>{about}</dl>"
        f"<h3>Why</h3><p class='dk-as-written' dir='auto'>{escape(report.rationale)}</p>"
        f"{report_html(report)}<h3>What was done</h3>{history_html(entries, names)}"
    )


def report_html(report: ImpactReport) -> str:
    """The report that was frozen with a change, as tables."""
    kinds = {kind.kind: kind for kind in report.per_1000}
    missed, found = kinds[NEWLY_MISSED].cases, kinds[NEWLY_FLAGGED].cases
    extra = (
        f"Extra missed cancers in 1,000 cases like these, those newly flagged taken off: "
        f"{report.extra_missed_per_1000:.1f} (95% interval {report.extra_missed_low:.1f} to "
        f"{report.extra_missed_high:.1f})."
    ).replace("-", "−")
    lost = counted(missed, "cancer is no longer flagged.", "cancers are no longer flagged.")
    gained = counted(found, "cancer is newly flagged.", "cancers are newly flagged.")
    thresholds = pd.DataFrame(
        [(row.lesion_type.label, _threshold(row.old), _threshold(row.new)) for row in report.thresholds],
        columns=["lesion type", "old", "new"],
    )
    often = pd.DataFrame(
        [(k.kind, k.cases, f"{k.per_1000:.1f} ({k.low:.1f} to {k.high:.1f})") for k in report.per_1000],
        columns=["kind of change", "cases", "per 1,000"],
    )
    return (
        "<h3>The report that was frozen with it</h3>"
        + notice_html("warning" if missed else "info", extra, lost, gained)
        + table_html(thresholds, "Thresholds, old and new")
        + table_html(_caught(report), "Caught: called that type or a more serious one, with the paired difference")
        + table_html(often, "Changes, and how many of 1,000 cases like these")
        + _calls_html(report)
        + _groups_html(report)
        + _guarantees_html(report)
        + _rests_on_html(report)
        + "<p class='dk-hint'>Intervals are of 95% and assume independent lesions.</p>"
    )


def history_html(entries: Iterable[Entry], names: Mapping[str, str]) -> str:
    """Who took which step, when, and why, as the audit log has it."""
    items = []
    for entry in entries:
        reason = str(entry.details.get("reason") or "")
        why = f"<p class='dk-as-written' dir='auto'>{escape(reason)}</p>" if reason else ""
        who = name_html(entry.actor, names)
        items.append(f"<li>{moment(entry.at)}, {who}: <strong>{escape(entry.action)}</strong>{why}</li>")
    return f"<ol class='dk-table-list'>{''.join(items)}</ol>"


def _capacity_html(report: ImpactReport) -> str:
    if isinstance(report.capacity, str):
        return escape(report.capacity)
    return "<br>".join(f"{escape(str(name))}: {escape(str(value))}" for name, value in report.capacity.items())


def _caught(report: ImpactReport) -> pd.DataFrame:
    rows: list[CountChange] = [*report.by_type, *report.overall]
    undefined = math.nan
    differences = shares(
        [undefined if c.difference is None else c.difference for c in rows],
        [undefined if c.low is None else c.low for c in rows],
        [undefined if c.high is None else c.high for c in rows],
        signed=True,
    )
    return pd.DataFrame(
        [
            (c.of, c.n, c.before, c.after, c.gained, c.lost, difference)
            for c, difference in zip(rows, differences, strict=True)
        ],
        columns=["of", "cases", "caught before", "caught after", "gained", "lost", "difference (95% interval)"],
    )


def _calls_html(report: ImpactReport) -> str:
    """Calls by truth; a cell that changes says what it was."""
    cells = {
        (c.truth, c.call): f"{c.before} → {c.after}" if c.before != c.after else f"{c.after}" for c in report.confusion
    }
    truths = [t for t in LESION_TYPES if any(truth == t for truth, _ in cells)]
    rows = [(t.label, *(cells.get((t, call), "0") for call in CALLS)) for t in truths]
    frame = pd.DataFrame(rows, columns=["truth", *(_TYPES.get(call, call) for call in CALLS)])
    return _wrapped(table_html(frame, "Calls by truth: old → new policy, where they differ"))


def _groups_html(report: ImpactReport) -> str:
    """Subgroups in which a count changes; all of them to unfold."""
    moved = [g for g in report.by_subgroup if g.before != g.after]
    some = (
        _wrapped(table_html(_groups(moved), "Subgroups in which something changes, with 95% intervals"))
        if moved
        else "<p>Nothing changes in any subgroup.</p>"
    )
    every = _wrapped(table_html(_groups(report.by_subgroup), "Every subgroup, with 95% intervals"))
    return f"{some}<details><summary>Every subgroup of the change</summary>{every}</details>"


def _wrapped(table: str) -> str:
    """A table whose cells break into lines, so that none needs to be scrolled sideways."""
    return f"<div class='dk-table-wrapped'>{table}</div>"


def _groups(groups: list[GroupChange]) -> pd.DataFrame:
    n = [g.n for g in groups]
    before = shares([g.before / g.n for g in groups], [g.before_low for g in groups], [g.before_high for g in groups])
    after = shares([g.after / g.n for g in groups], [g.after_low for g in groups], [g.after_high for g in groups])
    return pd.DataFrame(
        {
            "group": [f"{g.grouping}: {g.group}" if g.grouping else "all cases" for g in groups],
            "rate": [f"{g.measure} {_TYPES.get(g.lesion_type, g.lesion_type)}".strip() for g in groups],
            "cases": n,
            "before": [f"{g.before}: {share}" for g, share in zip(groups, before, strict=True)],
            "after": [f"{g.after}: {share}" for g, share in zip(groups, after, strict=True)],
        }
    )


def _guarantees_html(report: ImpactReport) -> str:
    if not report.guarantees:
        return "<p>No guarantee is claimed.</p>"
    rows = [(str(g.get("lesion_type", "")), str(g.get("reason", "")).replace("_", " ")) for g in report.guarantees]
    said = "".join(f"<li>{escape(_TYPES.get(kind, kind))}: {escape(reason)}</li>" for kind, reason in rows)
    return f"<h3>Guarantees as the author’s proposal states them</h3><ul class='dk-table-list'>{said}</ul>"


def _rests_on_html(report: ImpactReport) -> str:
    hashes = {
        "model (SHA-256)": report.model_hash or "the scores do not say which model gave them",
        "scoring (SHA-256)": report.scoring_sha256 or "not said",
        "scores and truth (SHA-256)": report.run_sha256,
    }
    about = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in hashes.items())
    return (
        "<details><summary>Which model and scores the change rests on</summary>"
        f"<dl class='dk-about'>{about}</dl></details>"
    )


def _threshold(threshold: float | None) -> str:
    return "–" if threshold is None else rounded_down(threshold)
