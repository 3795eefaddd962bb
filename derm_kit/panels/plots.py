"""Line charts as plain SVG, each with its numbers as a table and a way to keep both."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from html import escape
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from derm_kit.panels.tables import download_html, table_html
from derm_kit.records.report_axes import ticks
from derm_kit.triage.proportions import FloatArray

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 460, 300, 52, 12, 10, 44
EDGE = 6
MOST_POINTS = 200
STYLE = (
    "text{font:12px sans-serif;fill:#4c6272}.dk-axis{fill:none;stroke:#aeb7bd}.dk-line{fill:none;stroke:#2a6f97;"
    "stroke-width:2.5}.dk-other{fill:none;stroke:#8a5a00;stroke-width:2;stroke-dasharray:7 4}"
    ".dk-third{fill:none;stroke:#4c6272;stroke-width:1.5;stroke-dasharray:2 4}.dk-dot{fill:#b3261e}"
    ".dk-fourth{fill:none;stroke:#00603f;stroke-width:2;stroke-dasharray:12 3 2 3}"
)
"""What a kept chart needs to look like itself outside the page."""


@dataclass(frozen=True)
class Series:
    """One line, or dots: x and y (N,), how it is drawn, and its name in the words below the chart.

    Dots may have intervals, `low` to `high` (N,).
    """

    name: str
    x: FloatArray
    y: FloatArray
    kind: Literal["line", "other", "third", "fourth", "dots", "cloud"] = "line"
    low: FloatArray | None = None
    high: FloatArray | None = None


def chart_html(
    title: str,
    axes: tuple[str, str],
    series: list[Series],
    numbers: pd.DataFrame,
    *,
    x_range: tuple[float, float] = (0, 1),
    y_range: tuple[float, float] = (0, 1),
    remark: str = "",
) -> str:
    """A chart with its name, what its lines are, its numbers as a table and both to keep (SVG, CSV; PNG by `Keeper`).

    Points that are not finite are left out; `remark` says why where something is missing.
    """
    drawn = _svg(title, axes, series, x_range, y_range)
    names = {
        "line": "full line", "other": "dashed line", "third": "dotted line", "fourth": "dash-dotted line",
        "dots": "dots", "cloud": "small dots",
    }  # fmt: skip
    words = "; ".join(f"{names[s.kind]}: {s.name}" for s in series)
    words = words[:1].upper() + words[1:]
    kept = drawn.replace("<svg ", "<svg xmlns='http://www.w3.org/2000/svg' ", 1).replace(
        "><", f"><style>{STYLE}</style><", 1
    )
    link = base64.b64encode(kept.encode()).decode()
    file = title.lower().replace(" ", "-")
    return (
        f"<figure class='dk-chart'>{drawn}<figcaption><strong>{escape(title)}.</strong> {escape(words)}."
        f"{' ' + escape(remark) if remark else ''}</figcaption>"
        f"<p class='dk-keep'><a download='{escape(file)}.svg' href='data:image/svg+xml;base64,{link}'>Keep as SVG</a> "
        f"{download_html(numbers, file)} "
        f"<button type='button' class='dk-keep-png' data-png data-width='{WIDTH}' data-height='{HEIGHT}'>Keep as PNG"
        "</button></p>"
        f"<details><summary>Numbers: {escape(title)}</summary>{table_html(numbers, title)}</details>"
        "</figure>"
    )


def _svg(
    title: str, axes: tuple[str, str], series: list[Series], x_range: tuple[float, float], y_range: tuple[float, float]
) -> str:
    def across(x: npt.ArrayLike) -> FloatArray:
        return LEFT + (np.asarray(x) - x_range[0]) / (x_range[1] - x_range[0]) * (WIDTH - LEFT - RIGHT)

    def up(y: npt.ArrayLike) -> FloatArray:
        share = (np.asarray(y) - y_range[0]) / (y_range[1] - y_range[0])
        return HEIGHT - BOTTOM - np.clip(share, -9, 9) * (HEIGHT - BOTTOM - TOP)

    floor = HEIGHT - BOTTOM
    parts = [f"<path class='dk-axis' d='M{LEFT},{TOP} V{floor} H{WIDTH - RIGHT}'/>"]
    for value in ticks(*x_range, most=5):
        parts.append(f"<text x='{across(value):.0f}' y='{floor + 16}' text-anchor='middle'>{value:g}</text>")
    for value in ticks(*y_range, most=5):
        parts.append(f"<text x='{LEFT - 6}' y='{up(value) + 4:.0f}' text-anchor='end'>{value:g}</text>")
    frame = "clip-" + re.sub("[^a-z0-9]+", "-", title.lower())
    parts.append(
        f"<clipPath id='{frame}'><rect x='{LEFT - EDGE}' y='{TOP - EDGE}' width='{WIDTH - LEFT - RIGHT + 2 * EDGE}' "
        f"height='{floor - TOP + 2 * EDGE}'/></clipPath><g clip-path='url(#{frame})'>"
    )
    for one in series:
        known = np.isfinite(one.x) & np.isfinite(one.y)
        x, y = across(one.x[known]), up(one.y[known])
        if one.low is not None and one.high is not None:
            ends = zip(x, up(one.low[known]), up(one.high[known]), strict=True)
            parts += [f"<path class='dk-third' d='M{a:.1f},{b:.1f} V{c:.1f}'/>" for a, b, c in ends]
        if one.kind in ("dots", "cloud"):
            size = 4 if one.kind == "dots" else 1.6
            parts += [
                f"<circle class='dk-dot' cx='{a:.1f}' cy='{b:.1f}' r='{size}'/>" for a, b in zip(x, y, strict=True)
            ]
        else:
            some = np.unique(np.linspace(0, max(len(x) - 1, 0), min(MOST_POINTS, len(x))).astype(int))
            points = " ".join(f"{x[i]:.1f},{y[i]:.1f}" for i in some)
            parts.append(f"<polyline class='dk-{one.kind}' points='{points}'/>")
    parts.append("</g>")
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f"<text x='{middle:.0f}' y='{HEIGHT - 6}' text-anchor='middle'>{escape(axes[0])}</text>")
    parts.append(
        f"<text x='14' y='{floor / 2:.0f}' text-anchor='middle' transform='rotate(-90 14 {floor / 2:.0f})'>"
        f"{escape(axes[1])}</text>"
    )
    return f"<svg viewBox='0 0 {WIDTH} {HEIGHT}' role='img' aria-label='{escape(title)}'>{''.join(parts)}</svg>"
