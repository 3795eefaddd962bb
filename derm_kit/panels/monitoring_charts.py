"""The charts of the monitoring page: which numbers of which table each of them draws."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any, Final

import numpy as np
import pandas as pd

from derm_kit.lesions import LesionType
from derm_kit.panels.monitoring_plots import funnel_html, groups_html, timeline_html
from derm_kit.panels.monitoring_work import Counted, Heard
from derm_kit.panels.plots import Series
from derm_kit.surveillance.funnel import ALARM, WARNING, Funnel, limits
from derm_kit.surveillance.moments import TIMEZONE
from derm_kit.surveillance.rates import REFERRED, Rates
from derm_kit.surveillance.service_accuracy import ASSESSED, BASES
from derm_kit.surveillance.signal import Signal
from derm_kit.surveillance.turnaround import LEGS
from derm_kit.triage.definition import Disposition
from derm_kit.triage.proportions import FloatArray

DISCHARGED: Final = Disposition.DISCHARGE_ADVICE.value
FEW: Final = "Fewer than 30 cases in a period: too few to say; the interval shows how unsure it is."
INTERVALS: Final = "Bands and thin lines: 95 % intervals (Clopper-Pearson)."
LOOKED_AT: Final = {"input drift": "discrepancy"}
"""The column of a watch's looks that is drawn; of the others the share of cases that changed category."""
MOST_LINES = 4


@dataclass(frozen=True)
class View:
    """What of the tables is drawn: a suspected type, a measure of accuracy, a grouping of people and a share of it."""

    kind: str = LesionType.MELANOMA.value
    measure: str = "sensitivity: melanoma"
    grouping: str = "site"
    share: str = "discharged"


def volume_html(found: Rates) -> str:
    """Cases of each period, with the interval of their mean."""
    of = found.volume
    one = Series("cases", _places(of), of["cases"].to_numpy(float), "line", _n(of, "low"), _n(of, "high"))
    return timeline_html("Volume", "cases", _labels(found), [one], of, remark="Band: 95 % interval (Poisson).")


def quality_html(found: Rates) -> str:
    """Quality failures of each period, all of them and by the rules most often broken."""
    of = found.quality
    rules = of[of["of"] != "any"].groupby("of", sort=False)["count"].sum().sort_values(ascending=False).index[:3]
    names = {"any": "any failure", **{str(rule): str(rule) for rule in rules}}
    return _shares("Quality failures", found, of, names, "per cent of cases")


def mix_html(found: Rates, kind: str) -> str:
    """How often a type is suspected."""
    word = in_words(kind)
    return _shares(f"Suspected: {word}", found, found.suspected, {kind: word}, "per cent of cases")


def scores_html(found: Rates, kind: str) -> str:
    """The scores of one type among assessed cases, period by period."""
    own = found.scores[found.scores["type"] == kind]
    if own.empty or not np.isfinite(own["q50"].to_numpy(float)).any():
        return f"<p class='dk-hint'>Scores of {in_words(kind)}: the model gives none.</p>"
    places = _places(own)
    series = [
        Series("median", places, _n(own, "q50"), "line", _n(own, "q25"), _n(own, "q75")),
        Series("95th percentile", places, _n(own, "q95"), "other"),
        Series("5th percentile", places, _n(own, "q05"), "third"),
    ]
    remark = "Band: the middle half of the cases. A score is not a probability of cancer."
    return timeline_html(f"Scores: {in_words(kind)}", "score", _labels(found), series, own, remark=remark)


def dispositions_html(found: Rates) -> str:
    """Discharge and referral rate with their intervals."""
    names = {DISCHARGED: "discharged with advice", REFERRED: "referred, urgent or routine"}
    return _shares("Discharged and referred", found, found.dispositions, names, "per cent of cases", all_bands=True)


def accuracy_html(found: Rates, measure: str) -> str:
    """Sensitivity or specificity on biopsied cases alone beside those verified whatever the model said."""
    what, _, of = measure.partition(": ")
    own = found.accuracy
    own = own[(own["measure"] == what) & (own["of"] == of) & (own["over"] == ASSESSED)]
    series = []
    for basis, kind in zip(reversed(BASES), ("line", "other"), strict=True):
        part = own[own["basis"] == basis]
        places = _places(part)
        limits_of = (100 * _n(part, "low"), 100 * _n(part, "high")) if kind == "line" else (None, None)
        series.append(Series(basis, places, 100 * _n(part, "value"), kind, *limits_of))  # type: ignore[arg-type]
    title = f"{what.capitalize()} in service: {in_words(of)}"
    blind = sorted({str(reason) for reason in own["reason"] if reason})
    remark = f"Of cases that the model assessed. {INTERVALS} {FEW if 'too few to say' in blind else ''}".strip()
    return timeline_html(title, "per cent", _labels(found), series, own, y_range=(0, 100), remark=remark)


def turnaround_html(found: Rates, leg: str) -> str:
    """How long one leg of the way takes; in hours where nearly all take less than two days."""
    own = found.turnaround[found.turnaround["leg"] == leg]
    slowest = own["p90_days"].max()
    unit, times = ("hours", 24.0) if slowest < 2 else ("days", 1.0)
    low, high = times * _n(own, "low"), times * _n(own, "high")
    series = [
        Series("median", _places(own), times * _n(own, "median_days"), "line", low, high),
        Series("90th percentile", _places(own), times * _n(own, "p90_days"), "other"),
    ]
    newest = "" if leg == LEGS[0] else " The newest periods show only what came back quickly."
    remark = f"Band: 95 % interval of the median.{newest}"
    return timeline_html(f"Turnaround, {leg}", unit, _labels(found), series, own, remark=remark)


def subgroups_html(found: Rates, grouping: str, share: str) -> str:
    """One share of every group of one grouping."""
    of = found.subgroups
    own = of[(of["grouping"] == grouping) & (of["measure"] == share)].head(30)
    names = [str(name) for name in own["group"]]
    title = f"{share.capitalize()} by {grouping}"
    return groups_html(title, names, _n(own, "value"), _n(own, "low"), _n(own, "high"), _said(own), own)


def subgroup_accuracy_html(found: Rates, grouping: str, measure: str) -> str:
    """Accuracy of every group, on cases verified whatever the model said."""
    what, _, of = measure.partition(": ")
    own = found.subgroup_accuracy
    own = own[
        (own["grouping"] == grouping) & (own["measure"] == what) & (own["of"] == of) & (own["over"] == ASSESSED)
        & (own["basis"] == BASES[1])
    ].head(30)  # fmt: skip
    if own.empty:
        return f"<p class='dk-hint'>No {grouping} has a verified case: {measure} cannot be told.</p>"
    names = [str(name) for name in own["group"]]
    title = f"{what.capitalize()}, {in_words(of)}, by {grouping}"
    remark = "On cases verified whatever the model said."
    return groups_html(title, names, _n(own, "value"), _n(own, "low"), _n(own, "high"), _said(own), own, remark)


def signal_html(heard: Heard, one: Signal) -> str:
    """The path of one chart, with its limit and its alarms."""
    points = one.points
    if points is None or points.empty:
        return f"<p class='dk-hint'>{escape(one.name)}: there is no chart to draw.</p>"
    places, value = _moments(heard.counted, points["imaged_at"]), _n(points, "value")
    alarms = points["alarm"].to_numpy(np.bool_)
    ends = np.array([places.min(), places.max()])
    series = [
        Series("the chart’s value", places, value, "line"),
        Series("limit", ends, np.array([one.limit, one.limit]), "other"),
        Series("alarms", places[alarms], value[alarms], "dots"),
    ]
    high = 1.08 * max(one.limit, float(value.max()))
    remark = "At the limit the chart alarms and starts again at 0; it climbs while what it looks for happens."
    return timeline_html(
        f"{one.name[:1].upper()}{one.name[1:]}", "log-likelihood ratio", _labels(heard.counted.rates), series, points,
        y_range=(min(0.0, float(value.min())), high), remark=remark,
    )  # fmt: skip


def looks_html(heard: Heard, choice: tuple[str, str]) -> str:
    """Monthly looks of one watch and figure, a line a group; those with alarms first."""
    watch, figure = choice
    looks = heard.findings.looks()[watch]
    own = looks[looks["figure"] == figure] if figure else looks
    column = LOOKED_AT.get(watch, "moved")
    by_alarms = own.groupby("group", sort=False)["alarm"].sum().sort_values(ascending=False, kind="stable")
    kinds: tuple[Any, ...] = ("line", "other", "third", "fourth")
    series = []
    for group, kind in zip(by_alarms.index[:MOST_LINES], kinds, strict=False):
        part = own[own["group"] == group]
        series.append(Series(str(group), _moments(heard.counted, part["month"]), _n(part, column), kind))
    drawn = own[own["group"].isin(by_alarms.index[:MOST_LINES]) & own["alarm"]]
    series.append(Series("alarms", _moments(heard.counted, drawn["month"]), _n(drawn, column), "dots"))
    left_out = len(by_alarms) - MOST_LINES
    more = f" {left_out} more groups stand in the numbers." if left_out > 0 else ""
    unit = "squared discrepancy" if column == "discrepancy" else "share of cases that moved"
    what = f"{watch}: {figure}" if figure else watch
    title = f"{what[:1].upper()}{what[1:]}, by month"
    remark = f"Each month against the baseline, the first year.{more}"
    numbers = own.assign(month=own["month"].dt.tz_convert(TIMEZONE).dt.strftime("%Y-%m"))
    return timeline_html(title, unit, _labels(heard.counted.rates), series, numbers, remark=remark)


def funnel_chart_html(of: Funnel) -> str:
    """Groups against the limits of chance; none where there is nothing to compare."""
    dots = of.table[of.table["n"] > 0]
    name = f"{of.name[:1].upper()}{of.name[1:]}, by {of.what}"
    if len(dots) < 2 or not 0 < of.target < 1:
        return f"<p class='dk-hint'>{escape(f'{name}: {of.finding}')}.</p>"
    n = np.unique(np.linspace(1, 1.08 * dots["n"].max(), 120).astype(np.int64))
    edges = pd.DataFrame({"n": n})
    for level, word in ((WARNING, "95"), (ALARM, "998")):
        low, high = limits(n, of.target, level)
        edges[f"low_{word}"], edges[f"high_{word}"] = low / n, high / n
    return funnel_html(name, dots, edges, of.target, of.table, f"{of.finding[:1].upper()}{of.finding[1:]}.")


def in_words(kind: str) -> str:
    """A suspected type, or another word of the tables, for people."""
    names = {t.value: t.label for t in LesionType}
    return names.get(kind, kind.replace("_", " "))


def _shares(
    title: str, found: Rates, of: pd.DataFrame, names: dict[str, str], unit: str, *, all_bands: bool = False
) -> str:
    series = []
    kinds: tuple[Any, ...] = ("line", "other", "third", "fourth")
    for (key, name), kind in zip(names.items(), kinds, strict=False):
        part = of[of["of"] == key]
        bounds = (100 * _n(part, "low"), 100 * _n(part, "high")) if all_bands or kind == "line" else (None, None)
        series.append(Series(name, _places(part), 100 * _n(part, "value"), kind, *bounds))
    own = of[of["of"].isin(list(names))]
    return timeline_html(title, unit, _labels(found), series, own, remark=INTERVALS)


def _said(own: pd.DataFrame) -> list[str]:
    """Share, count and number of each group, and why to distrust it."""
    rows = zip(own["value"], own["count"], own["n"], own["reason"], strict=True)
    return [
        f"{why}, {count:,} of {n:,}"
        if value != value
        else f"{value:.1%}, {count:,} of {n:,}{', ' + why if why else ''}"
        for value, count, n, why in rows
    ]


def _labels(found: Rates) -> list[str]:
    return [str(label) for label in found.volume["period"]]


def _places(of: pd.DataFrame) -> FloatArray:
    return np.arange(len(of), dtype=np.float64)


def _n(of: pd.DataFrame, column: str) -> FloatArray:
    return of[column].to_numpy(np.float64)


def _moments(counted: Counted, moments: pd.Series) -> FloatArray:
    """Where moments lie among the periods that are shown, the first at 0."""
    periods = counted.watched.periods
    first = periods.labels.index(str(counted.rates.volume["period"].iloc[0]))
    begins = periods.begins.as_unit("us").asi8.astype(np.float64)
    at = moments.dt.as_unit("us").to_numpy("datetime64[us]").astype(np.int64).astype(np.float64)
    return np.asarray(np.interp(at, begins, np.arange(len(begins)))) - first
