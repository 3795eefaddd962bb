"""The pictures of a monitoring report: each chart with its limit, and rates month by month."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from derm_kit.records.monitoring_facts import Monitored
from derm_kit.records.provenance import CODE
from derm_kit.records.report import Chart
from derm_kit.records.report_axes import NAMES, WIDTH, Axes, Curve, curves, title
from derm_kit.records.report_picture import ACCENT, SOFT, WARM, Dots, Line, Pen, Picture, Shape, Words
from derm_kit.surveillance.rates import REFERRED
from derm_kit.surveillance.signal import Signal, Status
from derm_kit.triage.definition import Disposition

ACROSS, MOST_PANELS = 3, 6
PANEL, TALL, LEFT = WIDTH / ACROSS, 200.0, 58.0
SOURCES = ("feed", CODE)


def signals_chart(found: Monitored) -> Chart:
    """The CUSUM charts, those that alarmed first; what is not drawn stands in the table."""
    drawn = [one for one in found.signals.signals if one.points is not None and one.name.endswith("CUSUM") and one.n]
    shown = sorted(drawn, key=lambda one: one.status is not Status.ALARM)[:MOST_PANELS]
    shapes = [shape for n, one in enumerate(shown) for shape in _panel(n, one)]
    rows = -(-len(shown) // ACROSS)
    if not shown:
        shapes, rows = [Words(4, 40, "No chart could be drawn: there are no cases to follow.")], 1
    said = "; ".join(f"{one.name}: {one.status}" for one in shown) or "nothing to draw"
    more = f", {len(shown)} of {len(drawn)}" if len(drawn) > len(shown) else ""
    caption = f"Signals: the CUSUM of each over its cases, with the limit at which it alarms{more}"
    return Chart(caption, Picture(WIDTH, TALL * rows, tuple(shapes)), said, sources=SOURCES)


def _panel(n: int, one: Signal) -> Iterator[Shape]:
    points = one.points
    if points is None:
        return
    x, y = points["number"].to_numpy(np.float64), points["value"].to_numpy(np.float64)
    high = max(one.limit, float(y.max())) * 1.08
    axes = Axes(
        LEFT + PANEL * (n % ACROSS), TALL * (n // ACROSS) + 26, PANEL - LEFT - 14, TALL - 78,
        (0.0, max(float(x.max()), 1.0)), (min(0.0, float(y.min())), high),
    )  # fmt: skip
    yield from axes.frame("cases in the chart", "value")
    yield title(axes.left, axes.top - 10, f"{one.name}: {one.status}")
    yield Line(axes.at(np.array([0, axes.x[1]]), np.array([one.limit, one.limit])), Pen(WARM, 1.5, (6, 4)))
    yield Line(axes.at(x, y) if len(x) > 1 else axes.at(np.append(x, x), np.append(y, y)), Pen(ACCENT, 1.3))
    at = points["alarm"].to_numpy(np.bool_)
    if at.any():
        yield Dots(axes.at(x[at], y[at]), 3.5, WARM)
    yield Words(axes.left + axes.width - 4, axes.up(one.limit) - 5, "limit", "end", 11, colour=SOFT)


def months_chart(found: Monitored) -> Chart:
    """Discharge, referral and quality failures month by month, in per cent of all cases."""
    rates = found.rates
    of = {
        "referred": rates.dispositions[rates.dispositions["of"] == REFERRED],
        "discharged": rates.dispositions[rates.dispositions["of"] == Disposition.DISCHARGE_ADVICE.value],
        "picture fails quality": rates.quality[rates.quality["of"] == "any"],
    }
    labels = [str(one) for one in rates.volume["period"]]
    axes = Axes(70, 20, WIDTH - NAMES - 100, 250, (0.0, max(len(labels) - 1.0, 1.0)), (0.0, 100.0))
    lines = [_line(name, part) for name, part in of.items()]
    shapes = [*_frame(axes, labels), *curves(axes, [one for one in lines if len(one.x)])]
    said = f"per cent of cases from {labels[0]} to {labels[-1]}: {', '.join(of)}; figures stand in the table"
    caption = "Where cases go, month by month, per cent of all cases"
    return Chart(caption, Picture(WIDTH, 330, tuple(shapes)), said, sources=SOURCES)


def _line(name: str, part: pd.DataFrame) -> Curve:
    value = part["value"].to_numpy(np.float64)
    known = ~np.isnan(value)
    return Curve(name, np.flatnonzero(known).astype(np.float64), 100 * value[known])


def _frame(axes: Axes, labels: Sequence[str]) -> Iterator[Shape]:
    """Axes whose ticks below are months."""
    for shape in axes.frame("month of the image", "per cent of cases"):
        below = isinstance(shape, Words) and shape.y > axes.top + axes.height + 10 and shape.text[:1].isdigit()
        if not below:
            yield shape
    step = max(1, -(-len(labels) // 10))
    for place in range(0, len(labels), step):
        yield Words(axes.across(place), axes.top + axes.height + 16, labels[place], "middle", 11, colour=SOFT)
