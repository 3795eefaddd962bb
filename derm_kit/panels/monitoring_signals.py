"""The table of signals: status, since when, on how many cases, and the run lengths that say what it is worth."""

from __future__ import annotations

import math
from html import escape
from itertools import groupby

from derm_kit.panels.monitoring_words import base_of, capital, status_html
from derm_kit.surveillance.findings import Findings
from derm_kit.surveillance.run_lengths import RunLength
from derm_kit.surveillance.signal import Signal, said_on
from derm_kit.surveillance.watch import METHODS

MILLION = 1e6
HEADS = (
    "Chart", "Status", "To be seen since", "Estimated start", "On", "False alarm after (mean / median / 90th)",
    "Change found after (mean / median / 90th)",
)  # fmt: skip
CAPTION = (
    "Run lengths in cases and in months at this volume, in groups of three: mean, median, 90th percentile. They hold "
    "for independent cases; where months or sites differ by more than chance, false alarms come more often. Months "
    "count images: the lag until an outcome is told comes on top."
)


def signals_html(found: Findings) -> str:
    """Every signal under what it watches, then what the monthly looks promise."""
    signals = found.signals.signals if found.signals else ()
    rows = "".join(_group_html(list(own)) for _, own in groupby(signals, key=lambda one: (one.product, base_of(one))))
    promises = "".join(
        f"<li><strong>{escape(capital(watch))}</strong>: {escape(said)}</li>"
        for watch, said in found.promises().items()
    )
    heads = "".join(f"<th scope='col'>{head}</th>" for head in HEADS)
    return (
        "<div class='dk-scroll dk-tall dk-table-wrapped' tabindex='0' role='region' aria-label='Signals'>"
        f"<table class='dk-table dk-signals'><caption>{CAPTION}</caption><thead><tr>{heads}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div><h3>Monthly looks</h3><ul class='dk-table-list'>{promises}</ul>"
    )


def _group_html(own: list[Signal]) -> str:
    first = own[0]
    change = f" Looks for: {first.promise.change[:1].lower()}{first.promise.change[1:]}." if first.promise else ""
    about = f"{first.product}. {first.watches.removesuffix('.')}.{change}"
    head = (
        f"<tr class='dk-signal-group'><th scope='rowgroup' colspan='{len(HEADS)}'>{escape(capital(base_of(first)))}"
        f"<span class='dk-source'>{escape(about)}</span></th></tr>"
    )
    return head + "".join(_row_html(one) for one in own)


def _row_html(one: Signal) -> str:
    first, promise = one.first_alarm, one.promise
    seen, began = (said_on(first.seen_from), said_on(first.began_at)) if first else ("–", "–")
    method = next((method for method in METHODS if one.name.endswith(method)), "")
    more = f"<br>{one.alarms:,} alarms" if one.alarms > 1 else ""
    unit = promise.unit if promise else "cases"
    false_alarm = found = "–"
    if promise:
        false_alarm = _run_html(promise.false_alarm, promise.false_alarm_months)
        found = _run_html(promise.delay, promise.delay_months)
    cells = (f"{status_html(one.status)}{more}", seen, began, f"{one.n:,} {escape(unit)}", false_alarm, found)
    return f"<tr><th scope='row'>{capital(method) or '–'}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _run_html(cases: RunLength, months: RunLength) -> str:
    lines = f"{_three(cases)} cases", f"{_three(months)} months"
    return "<br>".join(f"<span class='dk-run'>{line}</span>" for line in lines)


def _three(length: RunLength) -> str:
    if math.isnan(length.mean):
        return "unknown"
    figures = length.mean, length.median, length.p90
    if length.mean >= MILLION:
        return f"{' / '.join(f'{x / MILLION:.3g}' for x in figures)} million"
    return " / ".join(f"{x:,.0f}" if x >= 100 else f"{x:.3g}" for x in figures)
