"""Files of the monitoring page: every table as CSV in one ZIP, and the monitoring report."""

from __future__ import annotations

import base64
import io
import zipfile
from datetime import UTC, date, datetime
from html import escape
from typing import TYPE_CHECKING

import pandas as pd

from derm_kit.cases.cohort import safe_csv
from derm_kit.panels.monitoring_setting import name_of
from derm_kit.panels.monitoring_work import Counted, Heard
from derm_kit.surveillance.feed import FeedError
from derm_kit.surveillance.findings import NO_FEATURES, Findings
from derm_kit.surveillance.known_outcomes import known_outcomes
from derm_kit.surveillance.moments import TIMEZONE
from derm_kit.surveillance.rates import rates
from derm_kit.surveillance.watched import Watched

if TYPE_CHECKING:
    from derm_kit.records.monitoring_facts import Monitored

KINDS = {
    ".html": ("text/html", "page to print (HTML)"),
    ".docx": ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "Word file (DOCX)"),
    ".json": ("application/json", "data (JSON)"),
}
README = """Monitoring of: {name}
Address of the page after its #: {address}
Made {made} (UTC). {simulated}

remarks.csv, set_aside.csv   what was odd in the feed, and rows that count for nothing
signals.csv, funnels.csv     what each signal found, with its run lengths
looks_*.csv                  monthly looks: quality and mix, outcomes in time, input drift
the others                   rates behind the charts, each with its count, n and 95 % interval

For research and teaching. Not a medical device.
"""


def tables_html(heard: Heard) -> str:
    """A link that keeps every table."""
    link = _link("monitoring.zip", "application/zip", archive(heard), "Keep all tables (ZIP of CSV)")
    return f"<p class='dk-keep'>{link}</p>"


def archive(heard: Heard) -> bytes:
    """The ZIP of every table."""
    counted = heard.counted
    about = README.format(
        name=name_of(counted.watching), address=counted.watching.text() or "nothing",
        made=f"{datetime.now(UTC):%Y-%m-%d %H:%M}",
        simulated="SIMULATED, to learn on: no real service." if counted.opened.simulated else "",
    )  # fmt: skip
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("README.txt", about)
        for name, table in all_tables(heard).items():
            text = io.StringIO()
            safe_csv(text, table)
            packed.writestr(f"{name}.csv", text.getvalue())
    return held.getvalue()


def all_tables(heard: Heard) -> dict[str, pd.DataFrame]:
    """Every table by the name of its file."""
    feed, found = heard.counted.opened.feed, heard.findings
    remarks = [(one.sentence, one.count, "; ".join(one.examples)) for one in feed.remarks]
    made = {
        "remarks": pd.DataFrame(remarks, columns=["sentence", "count", "examples"]),
        "set_aside": feed.set_aside,
        **heard.counted.rates.tables(),
        "signals": signals_table(found),
    }
    funnels = found.signals.funnels if found.signals else ()
    if funnels:
        made["funnels"] = pd.concat(
            [of.table.assign(name=of.name, by=of.what, finding=of.finding) for of in funnels], ignore_index=True
        )
    for watch, looks in found.looks().items():
        shown = looks.drop(columns="unlike_baseline", errors="ignore")
        if len(shown):
            shown = shown.assign(month=shown["month"].dt.tz_convert(TIMEZONE).dt.strftime("%Y-%m"))
        made[f"looks_{watch.replace(' ', '_')}"] = shown
    return made


def signals_table(found: Findings) -> pd.DataFrame:
    """One row a signal."""
    rows = []
    for one in found.signals.signals if found.signals else ():
        first, promise = one.first_alarm, one.promise
        rows.append(
            {
                "product": one.product,
                "signal": one.name,
                "status": str(one.status),
                "finding": one.finding,
                "n": one.n,
                "rate": one.rate.value if one.rate else None,
                "low": one.rate.low if one.rate else None,
                "high": one.rate.high if one.rate else None,
                "alarms": one.alarms,
                "first_alarm_case": first.case_id if first else "",
                "seen_from": first.seen_from.isoformat() if first else "",
                "began_about": first.began_at.isoformat() if first else "",
                "change": promise.change if promise else "",
                "promise": promise.sentence if promise else "",
            }
        )
    return pd.DataFrame(rows)


def report_html(heard: Heard, as_of: date) -> str:
    """Links that keep the monitoring report, with what is missing from it counted."""
    from derm_kit.records.here import register_here
    from derm_kit.records.monitoring_report import monitoring_report
    from derm_kit.records.report_inputs import Registered
    from derm_kit.records.report_json import REPORT_WRITERS

    register = register_here()
    known = Registered()
    if register is not None:
        with register:
            known = Registered.of(register)
    document = monitoring_report(monitored(heard), known, as_of)
    links = "".join(
        f"<li>{_link(f'monitoring-{as_of}{suffix}', kind, REPORT_WRITERS[suffix](document), f'Keep as {words}')}</li>"
        for suffix, (kind, words) in KINDS.items()
    )
    return (
        f"<p>{escape(document.title)}, as of {as_of}. What is missing stands on its first page.</p>"
        f"<ul class='dk-keep'>{links}</ul>"
    )


def monitored(heard: Heard) -> Monitored:
    """What was heard, for a report. Raises FeedError where a watch that a report needs could not run."""
    from derm_kit.records.monitoring_facts import Monitored

    found, watching = heard.findings, heard.counted.watching
    if found.signals is None or found.quality is None:
        raise FeedError(
            "a report needs the signals and the drift of shares",
            value="; ".join(found.refused),
            next_step="Choose more cases, then make it again.",
        )
    plan = watching.plan
    known = known_outcomes(heard.part, lag_days=plan.registry_lag_days, audit_lag_days=plan.audit_lag_days)
    why = "" if found.inputs else "; ".join(found.refused) or NO_FEATURES
    counted = rates(Watched(heard.part, known))
    return Monitored(heard.part, counted, found.signals, plan, found.quality, found.inputs, why)


def made_of(counted: Counted) -> date:
    """The day of a report on it: today, UTC; of a made-up service its last one."""
    if counted.opened.planted is None:
        return datetime.now(UTC).date()
    last: pd.Timestamp = counted.opened.feed.cases["imaged_at"].iloc[-1]
    return last.date()


def _link(name: str, kind: str, content: bytes, words: str) -> str:
    return f"<a download='{name}' href='data:{kind};base64,{base64.b64encode(content).decode()}'>{words}</a>"
