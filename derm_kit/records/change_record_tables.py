"""The tables of a change record, from the impact report that was frozen with the change and from the audit log."""

from __future__ import annotations

from collections.abc import Mapping

from derm_kit.lesions import FLAGGED, LesionType
from derm_kit.records.audit import Entry
from derm_kit.records.impact import CallChange, CountChange, GroupChange, ImpactReport
from derm_kit.records.provenance import PER_1000, POINTS, SHARE, Measured, rounded, share
from derm_kit.records.report import Table, Value
from derm_kit.records.report_inputs import Registered
from derm_kit.records.report_tables import table

_FROM = ("proposal",)


def tables_of(report: ImpactReport, history: list[Entry], known: Registered) -> Mapping[str, Table]:
    """Each table by the name that a template calls it by."""
    return {
        "thresholds": table(
            "Thresholds", ("type", "old", "new"),
            [(row.lesion_type.label, row.old, row.new) for row in report.thresholds], _FROM,
        ),
        "by_type": table(
            "Caught: called that type or a more serious one, all cases",
            ("of", "cases", "before", "after", "gained", "lost", "difference"),
            map(_counts, (*report.by_type, *report.overall)), _FROM,
        ),
        "per_1000": table(
            "In 1,000 cases like these", ("kind of change", "in 1,000"),
            [(k.kind, Measured(k.per_1000, PER_1000, k.low, k.high, k.cases, report.cases)) for k in report.per_1000],
            _FROM,
        ),
        "confusion": table(
            "Calls by truth that change", ("truth", "call", "before", "after"),
            [_call(c, report) for c in report.confusion if c.before != c.after], _FROM,
        ),
        "confusion_all": table(
            "Calls by truth, every cell that holds a case", ("truth", "call", "before", "after"),
            [_call(c, report) for c in report.confusion], _FROM,
        ),
        "subgroups": table(
            "Rates by subgroup that change, all cases", ("group", "rate", "before", "after"),
            [_group(one) for one in report.by_subgroup if one.before != one.after], _FROM,
        ),
        "steps": table(
            "What was done, as the audit log has it", ("at (UTC)", "who", "what", "reason", "entry", "its seal"),
            [(one.at[:19], known.who(one.actor), one.action, str(one.details.get("reason", "")), f"{one.position}",
              one.seal[:16]) for one in history], ("register",),
        ),
    }  # fmt: skip


def _counts(row: CountChange) -> tuple[Value, ...]:
    difference = Measured(None, POINTS, why="no case")
    if row.difference is not None and row.low is not None and row.high is not None:
        value, low, high = (rounded(100 * share) for share in (row.difference, row.low, row.high))
        difference = Measured(value, POINTS, low, high)
    name = LesionType(row.of).label if row.of in set(FLAGGED) else row.of.capitalize()
    return (name, row.n, row.before, row.after, row.gained, row.lost, difference)


def _call(cell: CallChange, report: ImpactReport) -> tuple[Value, ...]:
    """Of the cases of that truth, those with that call, before and after."""
    n = sum(one.before for one in report.confusion if one.truth == cell.truth)
    return (cell.truth.label, cell.call.replace("_", " "), share(cell.before, n), share(cell.after, n))


def _group(one: GroupChange) -> tuple[Value, ...]:
    rate = f"{one.measure} {one.lesion_type.replace('_', ' ')}".strip()
    return (
        f"{one.grouping}: {one.group}" if one.grouping else "all cases",
        rate,
        Measured(rounded(one.before / one.n), SHARE, one.before_low, one.before_high, one.before, one.n),
        Measured(rounded(one.after / one.n), SHARE, one.after_low, one.after_high, one.after, one.n),
    )
