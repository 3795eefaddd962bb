"""What the watches found, in words: alarms first, then what is quiet, then what cannot be seen here."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

import pandas as pd

from derm_kit.panels.monitoring_charts import in_words
from derm_kit.panels.monitoring_setting import Watching, name_of, planted_by
from derm_kit.panels.monitoring_work import Counted, Heard, Opened
from derm_kit.panels.parts import notice_html
from derm_kit.panels.tables import download_html, table_html
from derm_kit.surveillance.feed import Feed
from derm_kit.surveillance.findings import Findings
from derm_kit.surveillance.known_outcomes import can_see_missed
from derm_kit.surveillance.moments import TIMEZONE
from derm_kit.surveillance.scenario_service import MIX_SOURCE
from derm_kit.surveillance.service_accuracy import ASSESSED
from derm_kit.surveillance.signal import Signal, Status, said_on
from derm_kit.surveillance.watch import METHODS

CLASSES = {Status.ALARM: "alarm", Status.QUIET: "quiet", Status.CANNOT_BE_SEEN: "blind", Status.TOO_FEW: "few"}
MANY_FIGURES = "quality and mix"
"""The watch that is told last: it has many figures."""
MOST_EXAMPLES, MOST_SET_ASIDE = 5, 40
SIMULATED = (
    "Made up to learn on: scores, truth and people are those of the reference lesions, drawn again and again; times, "
    "sites, devices and outcomes are simulated. Nothing here is about a real service."
)
ONLY_BIOPSIES = (
    "Shown as if only biopsies were known: no audit sample, no registry, no second read. What harm would be missed so?"
)
ON_AN_ALARM = (
    "An alarm is a reason to look, not a finding of harm: look at the cases, ask what changed (camera, product, "
    "referrals, staff), and open an incident below."
)


def opened_html(watching: Watching, counted: Counted) -> str:
    """Which feed this is, and how much of it is shown."""
    feed, volume = counted.opened.feed, counted.rates.volume
    months = f"{volume['period'].iloc[0]} to {volume['period'].iloc[-1]}"
    shown = int(volume["cases"].sum())
    part = f"{shown:,} of {len(feed.cases):,} cases" if shown < len(feed.cases) else f"{shown:,} cases"
    known = feed.outcomes["case_id"].nunique()
    lead = f"<p><strong>{escape(name_of(watching))}</strong>: {part}, {months}; {known:,} cases have an outcome.</p>"
    if watching.outcomes == "biopsy":
        lead = f"{lead}<p class='dk-hint'>{ONLY_BIOPSIES}</p>"
    return lead + (f"<p class='dk-hint'>{SIMULATED}</p>" if counted.opened.simulated else "")


def planted_html(watching: Watching, opened: Opened) -> str:
    """What was planted, for somebody who has looked."""
    planted = opened.planted
    if planted is None:
        return ""
    scenario = planted_by(watching)
    seed = f" Seed {scenario[1]}." if scenario and scenario[1] is not None else ""
    more = []
    if planted.found_by:
        more.append(f"Should find it: {', '.join(planted.found_by)}.")
    if planted.silent:
        more.append(f"Should stay silent: {', '.join(planted.silent)}.")
    return notice_html("info", f"{planted.sentence}{seed}", *more, MIX_SOURCE)


def headlines_html(heard: Heard) -> str:
    """One sentence for each signal that alarmed, then the quiet ones, then what cannot be seen."""
    found = heard.findings
    alarms = [*(_alarm_line(*pair) for pair in _alarmed(found)), *_look_lines(found)]
    if alarms:
        lead = "One watch alarms." if len(alarms) == 1 else f"{len(alarms)} watches alarm."
        top = notice_html("warning", lead, ON_AN_ALARM)
    else:
        unsure = " Some of it cannot be seen yet: see below." if _unsure(found) else ""
        top = _calm_html(f"No alarm, as far as these cases can tell.{unsure}")
    listed = "".join(f"<li>{line}</li>" for line in alarms)
    return (
        f"{top}{f'<ul class=dk-headlines>{listed}</ul>' if alarms else ''}{_blind_html(heard)}{_quiet_html(found)}"
        + "".join(notice_html("info", sentence) for sentence in found.refused)
    )


def _calm_html(text: str) -> str:
    return f"<p class='dk-verdict'><span class='dk-status dk-status-quiet'>quiet</span> {escape(text)}</p>"


def _alarmed(found: Findings) -> Iterator[tuple[Signal, list[Signal]]]:
    """The first method of each watch that alarmed, with the other ones of it."""
    by_watch: dict[tuple[str, str], list[Signal]] = {}
    for one in found.signals.signals if found.signals else ():
        by_watch.setdefault((one.product, base_of(one)), []).append(one)
    for own in by_watch.values():
        alarmed = [one for one in own if one.status is Status.ALARM]
        if alarmed:
            yield alarmed[0], [one for one in own if one is not alarmed[0]]


def _alarm_line(one: Signal, others: list[Signal]) -> str:
    first = one.finding.split(". ")[0].removesuffix(".")
    said = f"{first}."
    if one.first_alarm:
        said = f"{said} Estimated to have begun about {said_on(one.first_alarm.began_at)}."
    for other in others:
        since = f", to be seen from {said_on(other.first_alarm.seen_from)}" if other.first_alarm else ""
        said = f"{said} The {_method(other)}: {other.status}{since}."
    name = f"<strong>{escape(capital(base_of(one)))}</strong>, {escape(one.product)}"
    return f"{status_html(Status.ALARM)} {name}. {escape(said)}"


def _look_lines(found: Findings) -> Iterator[str]:
    """One sentence for each watch and figure of which a month alarmed, with the groups where it did."""
    in_order = sorted(found.looks().items(), key=lambda one: one[0] == MANY_FIGURES)
    for watch, looks in in_order:
        figures = list(dict.fromkeys(looks["figure"])) if "figure" in looks else [""]
        for figure in figures:
            own = looks[looks["figure"] == figure] if figure else looks
            alarms = own[own["alarm"]]
            if alarms.empty:
                continue
            what = f"{watch}: {figure}" if figure else watch
            where = ", ".join(_where(own[own["group"] == group]) for group in _most_first(alarms))
            first = alarms[alarms["group"] == _most_first(alarms)[0]].iloc[0]
            yield (
                f"{status_html(Status.ALARM)} <strong>{escape(capital(what))}</strong>, {escape(where)}. "
                f"{escape(capital(str(first['group'])))}, {_month(first['month'])}: {escape(str(first['says']))}"
            )


def _most_first(alarms: pd.DataFrame) -> list[str]:
    """Groups with the most alarms first."""
    return [str(group) for group in alarms["group"].value_counts().index]


def _where(own: pd.DataFrame) -> str:
    alarms = own[own["alarm"]]
    since = _month(alarms["month"].iloc[0])
    return f"{own['group'].iloc[0]} since {since} ({len(alarms)} of {len(own)} months)"


def _blind_html(heard: Heard) -> str:
    """What cannot be seen here, and the audit sample that would show it."""
    by_finding: dict[tuple[Status, str], list[str]] = {}
    for one in _unsure(heard.findings):
        by_finding.setdefault((one.status, one.finding), []).append(capital(base_of(one)))
    lines = "".join(
        f"<li>{status_html(status)} <strong>{escape(', '.join(names))}</strong>. {escape(finding)}</li>"
        for (status, finding), names in by_finding.items()
    )
    sees = can_see_missed(heard.counted.rates.verified)
    title = "The audit sample behind it" if sees else "An audit sample that would show missed melanoma"
    audit = "".join(f"<li>{escape(sentence)}</li>" for sentence in heard.audit)
    sized = (
        f"<details{'' if sees else ' open'}><summary>{title}</summary><ul class='dk-table-list'>{audit}</ul></details>"
    )
    return (f"<ul class='dk-headlines'>{lines}</ul>" if lines else "") + (sized if audit else "")


def _unsure(found: Findings) -> list[Signal]:
    """Signals that see nothing here, or too little."""
    return [
        one for one in (found.signals.signals if found.signals else ())
        if one.status in (Status.CANNOT_BE_SEEN, Status.TOO_FEW) and not one.name.endswith(METHODS[1])
    ]  # fmt: skip


def _quiet_html(found: Findings) -> str:
    quiet = [
        one for one in (found.signals.signals if found.signals else ())
        if one.status is Status.QUIET and not one.name.endswith(METHODS[1])
    ]  # fmt: skip
    lines = [f"<strong>{escape(capital(base_of(one)))}</strong>: {escape(one.finding)}" for one in quiet]
    for watch, looks in found.looks().items():
        if looks.empty:
            lines.append(f"<strong>{escape(capital(watch))}</strong>: no month after the baseline year yet.")
        elif not looks["alarm"].any():
            lines.append(f"<strong>{escape(capital(watch))}</strong>: none of {len(looks):,} looks alarms.")
    if not lines:
        return ""
    listed = "".join(f"<li>{status_html(Status.QUIET)} {line}</li>" for line in lines)
    return f"<h3>Quiet</h3><ul class='dk-headlines dk-quiet'>{listed}</ul>"


def remarks_html(feed: Feed) -> str:
    """What was odd in the feed, and every row that counts for nothing."""
    if not feed.remarks and feed.set_aside.empty:
        return "<p>Nothing odd was found in this feed.</p>"
    lines = []
    for one in feed.remarks:
        named = [name for name in one.examples if name not in one.sentence][:MOST_EXAMPLES]
        such = f" <span class='dk-source'>Such as: {escape(', '.join(named))}</span>" if named else ""
        lines.append(f"<li>{escape(one.sentence)}{such}</li>")
    listed = f"<ul class='dk-table-list'>{''.join(lines)}</ul>"
    if feed.set_aside.empty:
        return listed
    caption = f"Rows set aside: {min(len(feed.set_aside), MOST_SET_ASIDE):,} of {len(feed.set_aside):,}"
    shown = feed.set_aside.rename(columns={"case_id": "case"}).head(MOST_SET_ASIDE)
    return f"{listed}{table_html(shown, caption)}{download_html(feed.set_aside, 'rows-set-aside')}"


def accuracy_table_html(counted: Counted) -> str:
    """Sensitivity and specificity of all periods together, and what verification bias means here."""
    total = counted.rates.accuracy_total
    total = total[total["over"] == ASSESSED]
    rows: dict[str, dict[str, str]] = {}
    for _, row in total.iterrows():
        name = f"{row['measure']}: {in_words(str(row['of']))}"
        rows.setdefault(name, {"measure": name})[str(row["basis"])] = _rate(row)
    wide = pd.DataFrame(list(rows.values()))
    notes = "".join(f"<p class='dk-hint'>{escape(sentence)}</p>" for sentence in counted.rates.notes)
    return (
        f"<div class='dk-table-wrapped'>{table_html(wide, 'Of all cases shown that the model assessed')}</div>{notes}"
    )


def _rate(row: pd.Series) -> str:
    if row["value"] != row["value"]:
        return str(row["reason"])
    why = f"; {row['reason']}" if row["reason"] else ""
    return f"{row['value']:.1%} ({row['low']:.1%} to {row['high']:.1%}; {row['count']:,} of {row['n']:,}{why})"


def status_html(status: Status) -> str:
    """A status as a word in its colour."""
    return f"<span class='dk-status dk-status-{CLASSES[status]}'>{status}</span>"


def base_of(one: Signal) -> str:
    """What a signal is of, whichever the method."""
    return one.name.rpartition(", ")[0] if one.name.endswith(METHODS) else one.name


def _method(one: Signal) -> str:
    return one.name.rpartition(", ")[2]


def capital(text: str) -> str:
    """A text that begins with a capital."""
    return f"{text[:1].upper()}{text[1:]}"


def _month(moment: pd.Timestamp) -> str:
    return f"{moment.tz_convert(TIMEZONE):%B %Y}"
