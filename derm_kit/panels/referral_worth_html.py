"""Costs and QALYs of a simulation as escaped HTML: words, tables, the plane, acceptability, and the report to keep."""

from __future__ import annotations

import base64
from html import escape

import numpy as np
import pandas as pd

from derm_kit.panels.parts import notice_html
from derm_kit.panels.plots import Series, chart_html
from derm_kit.panels.referral_charts import Kind, in_fours
from derm_kit.panels.tables import table_html
from derm_kit.pathway.economic_tables import against_today, headline, notes
from derm_kit.pathway.economics import Evaluation, Model
from derm_kit.pathway.measures import PER
from derm_kit.pathway.sensitivity import EVPI_NOTE, Psa, acceptability, plane
from derm_kit.records.report import WRITERS, Document, Table
from derm_kit.records.value_for_money_tables import (
    bars_table,
    budget_table,
    consequence_tables,
    increments_table,
    information_table,
    net_benefits_table,
    price_table,
    widest,
)

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
    folded = increments_table(base), net_benefits_table(base), *consequence_tables(base)
    against = _against_html(against_today(base), f"Against today's arm, per {PER:,} people{_mark(base.model)}")
    return against + "".join(map(_folded, folded))


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
    return _wrapped(pd.DataFrame(rows), title)


def arm_html(base: Evaluation, arm: str, found: Psa | None) -> str:
    """One arm: the price at which it breaks even, its budget, and what one value at a time does."""
    model = base.model
    evaluation, over = (found.evaluation, "draws") if found else (base, "simulated years")
    parts = [budget_table(evaluation, arm, over), bars_table(model, arm, *widest(model, arm))]
    if model.economics.price_of:
        parts.insert(0, price_table(base, model.economics.price_of, (arm,), found))
    return "".join(map(_folded, parts))


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
    shares = "".join(_acceptability_html(curve, *one, mark.strip()) for one in in_fours("Acceptability", model.arms))
    heard = "" if found.draws == found.asked else notice_html(
        "info", f"Stopped after {found.draws:,} of {found.asked:,} draws: the figures are of those."
    )  # fmt: skip
    return (
        f"{heard}<div class='dk-charts dk-charts-large'>{cloud}{shares}</div>"
        f"{_table(information_table(found))}<p class='dk-hint'>{escape(EVPI_NOTE)}</p>"
    )


def _acceptability_html(curve: pd.DataFrame, title: str, kinds: dict[str, Kind], remark: str) -> str:
    series = [
        Series(arm, frame["gbp_per_qaly"].to_numpy(float) / 1_000, frame["share"].to_numpy(float), kind)
        for arm, frame, kind in ((arm, curve[curve["arm"] == arm], kind) for arm, kind in kinds.items())
    ]
    numbers = curve[curve["arm"].isin(kinds) & (curve["gbp_per_qaly"] % 10_000 == 0)].drop(columns="remark")
    return chart_html(
        title, ("thousand GBP per QALY", "share of draws with the highest net benefit"), series, numbers,
        x_range=(0, 100), remark=remark,
    )  # fmt: skip


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


def _folded(table: Table) -> str:
    """A table of the report, its title to unfold it by."""
    title = table.caption + (f" ({table.mark})" if table.mark else "")
    return f"<details><summary>{escape(title)}</summary>{_table(table)}</details>"


def _table(table: Table) -> str:
    mark = f" ({table.mark})" if table.mark else ""
    return _wrapped(pd.DataFrame(list(table.rows), columns=list(table.heads)), table.caption + mark)


def _wrapped(frame: pd.DataFrame, title: str) -> str:
    return f"<div class='dk-table-wrapped dk-worth'>{table_html(frame, title)}</div>"
