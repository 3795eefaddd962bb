"""The monitoring report: what was odd in the feed first, then signals with their run lengths, rates and drift."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from derm_kit.records.document_template import Given, Missing, Template, write_from
from derm_kit.records.found_alarms import alarm_of_signal
from derm_kit.records.monitoring_charts import months_chart, signals_chart
from derm_kit.records.monitoring_facts import Monitored
from derm_kit.records.monitoring_tables import monitoring_tables
from derm_kit.records.provenance import CODE, NONE, Figure, Measured, share
from derm_kit.records.provenance_sources import policy_source, register_source
from derm_kit.records.release import default_policy
from derm_kit.records.report import Document
from derm_kit.records.report_inputs import Registered, in_words
from derm_kit.records.safety_case_hazards import hazard_tables
from derm_kit.records.safety_case_missing import of_audit_log, of_date
from derm_kit.surveillance.feed import Way
from derm_kit.surveillance.signal import Signal, Status, said_on

TEMPLATE = "monitoring"
_FROM = ("feed", CODE)


def monitoring_report(found: Monitored, known: Registered, as_of: date, template: Template | None = None) -> Document:
    """The report on a feed as it stood at the end of that day. Raises RecordError where the template breaks a rule."""
    feed, release = found.feed, known.in_force(as_of)
    cases, signals = feed.cases, found.signals.signals
    policy = release.policy if release else default_policy()
    values: dict[str, object] = {
        "as_of": in_words(as_of),
        "first": said_on(cases["imaged_at"].iloc[0]),
        "last": said_on(cases["imaged_at"].iloc[-1]),
        "products": _names(cases["product"].cat.categories.tolist()),
        "sites": _names(cases["site"].cat.categories.tolist()),
        "policy": f"{policy.name}, version {policy.version}",
        "cases": Figure("cases", Measured(len(cases), "cases"), _FROM),
        "with_outcome": Figure("cases with an outcome", share(feed.outcomes["case_id"].nunique(), len(cases)), _FROM),
        "remarks": len(feed.remarks),
        "set_aside": len(feed.set_aside),
        "alarms": tuple(_alarm(one, known) for one in found.signals.alarms),
        "quiet": tuple(one.name for one in signals if one.status is Status.QUIET),
        "unsure": tuple({"name": one.name, "said": one.finding} for one in signals
                        if one.status in (Status.TOO_FEW, Status.CANNOT_BE_SEEN)),
        "promises": tuple({"name": one.name, "said": one.promise.sentence} for one in signals if one.promise),
        "notes": found.rates.notes,
        "sees_missed": found.sees_missed,
        "shares_alarms": len(found.shares_drift.alarms),
        "shares_promise": found.shares_drift.false_alarms.sentence,
        "input_alarms": len(found.input_drift.alarms) if found.input_drift else None,
        "input_promise": found.input_drift.false_alarms.sentence if found.input_drift else found.no_input_drift,
        "input_looked": found.input_drift is not None,
        "input_remarks": found.input_drift.remarks if found.input_drift else (),
        "false_alarm_months": found.plan.false_alarm_months,
        "incidents": len(known.incidents),
    }  # fmt: skip
    tables = {**monitoring_tables(found), "incidents": hazard_tables(known, as_of, None)["incidents"]}
    register = register_source(known.head)
    sources = (found.source, found.seeds, policy_source(policy, release), *([register] if register else []))
    charts = {"signals": signals_chart(found), "months": months_chart(found)}
    given = Given(values, tables, tuple(_missing(found, known, as_of)), sources, charts)
    return write_from(template or Template.shipped(TEMPLATE), given)


def _names(of: list[object]) -> str:
    return ", ".join(str(one) or "not recorded" for one in of) or NONE


def _alarm(one: Signal, known: Registered) -> dict[str, object]:
    """An alarm, and which incident was opened for it, not for another product's or another time's."""
    key = alarm_of_signal(one).key if one.first_alarm else ""
    opened = [incident.id for incident in known.incidents if incident.alarm.key == key]
    return {
        "name": one.name,
        "product": one.product,
        "said": one.finding.partition(". ")[0].removesuffix("."),
        "incident": ", ".join(opened),
    }


def _missing(found: Monitored, known: Registered, as_of: date) -> Iterator[Missing]:
    feed = found.feed
    ways = set(feed.outcomes["way"].astype(str))
    yield from of_audit_log(known)
    if not len(feed.outcomes):
        yield Missing("Outcomes", "Nothing can be said of sensitivity or specificity.", "Deliver them: FEED/outcomes.")
    if not found.sees_missed:
        yield Missing(
            "A way to see missed cancers", "No case that was not flagged is verified whatever the model said: "
            "sensitivity could look perfect while harm grows.",
            "Plan a random audit sample, link a registry, or have a full second read.",
        )  # fmt: skip
    elif Way.AUDIT_SAMPLE.value not in ways:
        yield Missing(
            "A random audit sample", "Missed cancers are seen through a registry or second read alone, late or not by "
            "chance.", "Plan one.",
        )  # fmt: skip
    if feed.features is None:
        yield Missing("The network's features", "Input drift in the pictures is not looked for.",
                      "Deliver features with the scores.")  # fmt: skip
    if len(feed.set_aside):
        yield Missing(
            f"{len(feed.set_aside):,} rows of the feed that were set aside", "They count for nothing here.",
            "See the table of rows set aside; mend and deliver them again.",
        )  # fmt: skip
    yield from _of_signals(found, known)
    dark = int(feed.cases["skin_type"].isin(("V", "VI")).sum())
    unknown = int((feed.cases["skin_type"].astype(str) == "").sum())
    if dark == 0 or 2 * unknown > len(feed.cases):
        yield Missing(
            "Skin types", f"{dark:,} cases are of skin type V or VI, {unknown:,} of {len(feed.cases):,} of none "
            "recorded: nothing is said of brown or black skin.", "Record the skin type with the referral.",
        )  # fmt: skip
    yield Missing(
        "Sources of the settings", "Rates to find, lags of registry and audit, and months between false alarms are "
        "defaults: source required, confirm locally.", "Agree them before the first look, not after.",
    )  # fmt: skip
    yield from of_date(known, as_of)


def _of_signals(found: Monitored, known: Registered) -> Iterator[Missing]:
    blind = [one.name for one in found.signals.signals if one.status is Status.CANNOT_BE_SEEN]
    few = [one.name for one in found.signals.signals if one.status is Status.TOO_FEW]
    if blind:
        yield Missing(f"What {', '.join(blind)} would need", "These signals see nothing here.", "See the signals.")
    if few:
        yield Missing(
            f"Cases enough for {', '.join(few)}", "A quiet chart says nothing yet: it could not have told the change.",
            "Wait, or verify more.",
        )  # fmt: skip
    alarmed = [one for one in found.signals.alarms if one.first_alarm]
    unopened = [one.name for one in alarmed if not _alarm(one, known)["incident"]]
    if unopened:
        yield Missing(
            f"An incident for {len(unopened)} alarms", f"Nobody has taken up: {', '.join(unopened)}.",
            "Open one, linked to a hazard: derm-kit incidents open.",
        )  # fmt: skip
    waiting = [one.id for one in known.incidents if not one.closed]
    if waiting:
        yield Missing(f"The closing of incidents {', '.join(waiting)}", "They are open.", "derm-kit incidents show.")
