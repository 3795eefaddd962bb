"""Versions of a hazard beside each other: what differs, field by field, as escaped HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from derm_kit.panels.changes_words import moment_words
from derm_kit.panels.hazards_fields import LABELS
from derm_kit.panels.hazards_words import wrapped_html
from derm_kit.panels.safety_register import names
from derm_kit.panels.tuning_words import counted
from derm_kit.records.hazard_cells import cells_of
from derm_kit.records.hazards import Hazard
from derm_kit.records.report_inputs import Registered

Cells = Mapping[str, str]


def versions_html(versions: Sequence[Hazard], known: Registered) -> str:
    """Every version: who wrote it, who approved it and why."""
    called = names(known)
    rows = [
        (
            one.version, moment_words(one.at), called.get(one.author, one.author),
            called.get(one.approval.approver, one.approval.approver) if one.approval else "nobody",
            moment_words(one.approval.at) if one.approval else "", one.approval.reason if one.approval else "",
        )
        for one in versions
    ]  # fmt: skip
    return wrapped_html("Versions, oldest first", ("version", "written", "by", "approved by", "approved", "why"), rows)


def two_versions_html(left: Hazard, right: Hazard) -> str:
    """Two versions side by side."""
    titles = (f"version {left.version}, {left.standing}", f"version {right.version}, {right.standing}")
    return beside_html(titles, cells_of(left.content), cells_of(right.content))


def beside_html(titles: tuple[str, str], left: Cells, right: Cells) -> str:
    """Fields that differ, each as the two have it; how many are the same is told below."""
    names_of_fields = [name for name in LABELS if left.get(name, "") != right.get(name, "")]
    if not names_of_fields:
        return "<p>They are the same in every field.</p>"
    rows = "".join(
        f"<tr><th scope='row'>{escape(LABELS[name])}</th>{_cell(titles[0], left.get(name, ''))}"
        f"{_cell(titles[1], right.get(name, ''))}</tr>"
        for name in names_of_fields
    )
    same = len(LABELS) - len(names_of_fields)
    head = "".join(f"<th scope='col'>{escape(title)}</th>" for title in titles)
    return (
        f"<div class='dk-table-wrapped'><table class='dk-table dk-sides'><caption>"
        f"{counted(len(names_of_fields), 'field differs', 'fields differ')}, {same} are the same</caption><thead><tr>"
        f"<td></td>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _cell(title: str, said: str) -> str:
    shown = escape(said) if said else "<em>nothing</em>"
    return f"<td class='dk-as-written' dir='auto' data-head='{escape(title, quote=True)}'>{shown}</td>"
