"""Costs and QALYs of a simulation as escaped HTML: words, tables, the plane, acceptability, and the report to keep."""

from __future__ import annotations

import base64
from html import escape

import numpy as np
import pandas as pd

from derm_kit.panels.parts import notice_html
from derm_kit.panels.plots import Series, chart_html
from derm_kit.panels.referral_charts import KINDS
from derm_kit.panels.tables import table_html
from derm_kit.pathway.budget import budget_impact
from derm_kit.pathway.economic_tables import against_today, consequences, headline, increments, net_benefits, notes
from derm_kit.pathway.economics import Evaluation, Model
from derm_kit.pathway.measures import PER
from derm_kit.pathway.one_way import threshold_prices, tornado
from derm_kit.pathway.sensitivity import EVPI_NOTE, Psa, acceptability, perfect_information, plane, psa
from derm_kit.records.report import WRITERS, Document

WIDEST = 12
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


def report_html(document: Document, name: str) -> str:
    """Links that keep the report as a page to print and as a document to edit."""
    links = []
    for suffix, kind, what in ((".html", "text/html", "Report as HTML"), (".docx", DOCX, "Report as DOCX")):
        coded = base64.b64encode(WRITERS[suffix](document)).decode()
        file = f"value-for-money-{name}{suffix}"
        links.append(f"<a download='{escape(file)}' href='data:{kind};base64,{coded}'>{what}</a>")
    return f"<p class='dk-keep'>{' '.join(links)}</p>"


def words_html(base: Evaluation) -> str:
    """What each arm costs and gives beside today's, stamped where it is illustrative, and how it is worked out."""
    model = base.model
    others = [arm for arm in model.arms if arm != model.arms[model.today]]
    lines = "".join(f"<li>{escape(headline(base, arm))}</li>" for arm in others)
    stamp = ""
    if model.illustrative:
        stamp = notice_html(
            "warning",
            f"Illustrative: {len(model.unsourced)} of the values behind this have no source (source required).",
            "No verdict against a threshold is given, and none may be read from them.",
        )
    said = "".join(f"<p class='dk-hint'>{escape(line)}</p>" for line in notes(model))
    return (
        f"{stamp}<ul class='dk-headlines'>{lines}</ul><details><summary>How it is worked out</summary>{said}</details>"
    )


def tables_html(base: Evaluation) -> str:
    """The arms against today's, step by step, by net benefit, and costs beside consequences."""
    mark = _mark(base.model)
    parts = [
        (f"Against today's arm, per {PER:,} people", against_today(base)),
        ("Step by step: each arm against the next cheaper one that is not dominated", increments(base)),
        ("Net monetary benefit", net_benefits(base)),
        ("Costs and consequences", consequences(base)),
    ]
    first, *rest = parts
    folded = "".join(
        f"<details><summary>{escape(title)}{escape(mark)}</summary>{_table(frame, title + mark)}</details>"
        for title, frame in rest
    )
    return _against_html(first[1], first[0] + mark) + folded


def _against_html(frame: pd.DataFrame, title: str) -> str:
    """Each arm against today's with its ranges, per 1,000 people."""
    rows = []
    for row in frame.to_dict("records"):
        cost, qaly = (
            [PER * float(row[f"{name}{end}"]) for end in ("", "_low", "_high")]
            for name in ("more_cost_gbp", "more_qaly")
        )
        rows.append(
            {
                "arm": row["arm"],
                "more cost, GBP": f"{cost[0]:,.0f} ({cost[1]:,.0f} to {cost[2]:,.0f})".replace("-", "−"),
                "more QALYs": f"{qaly[0]:.2f} ({qaly[1]:.2f} to {qaly[2]:.2f})".replace("-", "−"),
                "GBP per QALY": row["icer_gbp_per_qaly"],
                "reads": row["reads"],
            }
        )
    return table_html(pd.DataFrame(rows), title)


def arm_html(base: Evaluation, arm: str, found: Psa | None) -> str:
    """One arm: the price at which it breaks even, its budget, and what one value at a time does."""
    model, mark = base.model, _mark(base.model)
    threshold = next(iter(model.thresholds.values()))
    bars = tornado(model, arm, threshold).head(WIDEST)
    bars = bars[bars["width_gbp"] > 0]
    evaluation = found.evaluation if found else base
    parts = [
        (f"Budget over five years if {arm} takes over, GBP{mark}", budget_impact(evaluation, arm)),
        (f"What one value at a time does to the gain of {arm} at {threshold:,.0f} GBP per QALY{mark}", bars),
    ]
    if model.economics.price_of:
        title = f"How cheap must {model.economics.price_of} be for {arm} to break even with today's arm{mark}"
        parts.insert(0, (title, threshold_prices(base, arm, found)))
    return "".join(
        f"<details><summary>{escape(title)}</summary>{_table(frame, title)}</details>" for title, frame in parts
    )


def uncertain_html(found: Psa, arm: str) -> str:
    """The draws of every value: the plane of one arm, acceptability of all, and what certainty would be worth."""
    model = found.evaluation.model
    mark = f"{model.remark}. " if model.remark else ""
    points = plane(found)
    own = points[points["arm"] == arm].head(1_000)
    x, y = own["more_qaly"].to_numpy() * PER, own["more_cost_gbp"].to_numpy() * PER / 1_000
    cloud = chart_html(
        f"Cost-effectiveness plane: {arm}", (f"more QALYs per {PER:,} people", f"more cost, thousand GBP per {PER:,}"),
        [Series("one draw each", x, y, "cloud"), *_axes(x, y)], own.drop(columns="remark"), x_range=_around(x),
        y_range=_around(y), remark=f"{mark}{found.draws:,} draws, the first {len(own):,} drawn.",
    )  # fmt: skip
    curve = acceptability(found)
    series = [
        Series(str(name), frame["gbp_per_qaly"].to_numpy(float) / 1_000, frame["share"].to_numpy(float), kind)
        for (name, frame), kind in zip(curve.groupby("arm", sort=False), KINDS, strict=False)
    ]
    shares = chart_html(
        "Acceptability", ("thousand GBP per QALY", "share of draws with the highest net benefit"), series,
        curve[curve["gbp_per_qaly"] % 10_000 == 0].drop(columns="remark"), x_range=(0, 100), remark=mark.strip(),
    )  # fmt: skip
    known = perfect_information(psa(model, min(found.draws, 5_000), found.seed, resample=False))
    heard = "" if found.draws == found.asked else notice_html(
        "info", f"Stopped after {found.draws:,} of {found.asked:,} draws: the figures are of those."
    )  # fmt: skip
    return (
        f"{heard}<div class='dk-charts dk-charts-large'>{cloud}{shares}</div>"
        f"{_table(known, 'Value of perfect information' + _mark(model))}"
        f"<p class='dk-hint'>{escape(EVPI_NOTE)} These are on the mean of the years.</p>"
    )


def _axes(x: np.ndarray, y: np.ndarray) -> list[Series]:
    """Lines through nothing gained and nothing spent."""
    (left, right), (low, high) = _around(x), _around(y)
    return [
        Series("no more QALYs", np.zeros(2), np.array([low, high]), "third"),
        Series("no more cost", np.array([left, right]), np.zeros(2), "third"),
    ]


def _around(values: np.ndarray) -> tuple[float, float]:
    """A range that holds the values and 0."""
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    margin = 0.05 * (high - low or 1.0)
    return low - margin, high + margin


def _mark(model: Model) -> str:
    return f" ({model.remark})" if model.remark else ""


def _table(frame: pd.DataFrame, title: str) -> str:
    plain = frame.drop(columns=[name for name in ("remark",) if name in frame])
    heads = {str(name): str(name).replace("_", " ").replace("gbp", "GBP").replace("qaly", "QALY") for name in plain}
    return table_html(plain, title, heads)
