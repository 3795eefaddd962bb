"""Charts over months or weeks as plain SVG, groups beside each other, and funnels; each with its numbers and files."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from html import escape

import numpy as np
import numpy.typing as npt
import pandas as pd

from derm_kit.panels.plots import BOTTOM, HEIGHT, LEFT, RIGHT, STYLE, TOP, WIDTH, Series
from derm_kit.panels.tables import download_html, table_html
from derm_kit.records.report_axes import ticks
from derm_kit.triage.proportions import FloatArray

KINDS = {
    "line": "full line", "other": "dashed line", "third": "dotted line", "fourth": "dash-dotted line", "dots": "dots",
}  # fmt: skip
MOST_LABELS, ROW, NAMES, LONGEST_NAME = 6, 34, 170, 24
MOST_ROWS = 150
"""Of the numbers that a page shows below a chart; the file has all."""
KEPT = f"{STYLE}.dk-band{{fill:#aeb7bd;opacity:.45}}.dk-node{{fill:#2a6f97}}.dk-named{{fill:#212b32}}"
FLOOR, ACROSS = HEIGHT - BOTTOM, WIDTH - LEFT - RIGHT
FRAME = f"<path class='dk-axis' d='M{LEFT},{TOP} V{FLOOR} H{WIDTH - RIGHT}'/>"


def timeline_html(
    title: str, unit: str, labels: Sequence[str], series: list[Series], numbers: pd.DataFrame, *,
    y_range: tuple[float, float] | None = None, remark: str = "",
) -> str:  # fmt: skip
    """Series whose x counts periods (0 is the first of `labels`); intervals are bands, or lines through dots."""
    low, high = y_range or _range(series)
    reach = max(len(labels) - 1.0, 1.0)

    def up(y: FloatArray) -> FloatArray:
        return np.asarray(FLOOR - (np.clip(y, low, high) - low) / (high - low) * (FLOOR - TOP))

    parts = [FRAME, *_sides(low, high, unit)]
    step = max(1, -(-len(labels) // MOST_LABELS))
    for place in range(0, len(labels), step):
        x = LEFT + place / reach * ACROSS
        parts.append(f"<text x='{x:.0f}' y='{FLOOR + 17}' text-anchor='middle'>{escape(labels[place])}</text>")
    parts += [_drawn(one, lambda x: LEFT + x / reach * ACROSS, up) for one in series]
    words = "; ".join(f"{KINDS[s.kind]}: {s.name}" for s in series)
    return figure_html(title, "".join(parts), (WIDTH, HEIGHT), words, numbers, remark)


def groups_html(
    title: str, names: Sequence[str], value: FloatArray, low: FloatArray, high: FloatArray, said: Sequence[str],
    numbers: pd.DataFrame, remark: str = "",
) -> str:  # fmt: skip
    """Shares (k,) of groups one below the other, each with its interval and what is `said` of it."""
    top = float(np.nanmax(np.append(high[np.isfinite(high)], 0.01)))
    tall = 16 + ROW * len(names) + 26
    across = NAMES + np.nan_to_num(np.stack([value, low, high])) / top * (WIDTH - NAMES - RIGHT - 10)
    parts = [f"<path class='dk-axis' d='M{NAMES},6 V{tall - 26} H{WIDTH - RIGHT}'/>"]
    for tick in ticks(0, 100 * top, most=5):
        x = NAMES + tick / (100 * top) * (WIDTH - NAMES - RIGHT - 10)
        parts.append(f"<text x='{x:.0f}' y='{tall - 9}' text-anchor='middle'>{tick:g} %</text>")
    for i, name in enumerate(names):
        y = 22 + ROW * i
        parts.append(
            f"<text x='0' y='{y}'>{escape(_short(name))}</text>"
            f"<text class='dk-small' x='0' y='{y + 12}'>{escape(said[i])}</text>"
        )
        if np.isfinite(value[i]):
            parts.append(
                f"<path class='dk-line' d='M{across[1, i]:.1f},{y} H{across[2, i]:.1f}'/>"
                f"<circle class='dk-dot' cx='{across[0, i]:.1f}' cy='{y}' r='4.5'/>"
            )
    words = "dots: shares; lines through them: 95 % intervals"
    return figure_html(title, "".join(parts), (WIDTH, tall), words, numbers, remark)


def funnel_html(
    title: str, dots: pd.DataFrame, edges: pd.DataFrame, target: float, numbers: pd.DataFrame, remark: str
) -> str:
    """`dots`: group, n, rate. `edges`: limits of chance over n, columns n, low_95, high_95, low_998, high_998."""
    most = float(edges["n"].max())
    shown = np.concatenate([dots["rate"].to_numpy(float), edges["low_95"].to_numpy(float)[1:], [target]])
    top = min(1.0, 1.15 * float(np.nanmax(np.append(shown, edges["high_95"].to_numpy(float)[1:]))))
    low = max(0.0, 0.85 * float(np.nanmin(shown)))

    def at(n: FloatArray, rate: FloatArray) -> tuple[FloatArray, FloatArray]:
        share = (np.clip(100 * rate, 100 * low, 100 * top) - 100 * low) / (100 * top - 100 * low)
        return LEFT + n / most * ACROSS, FLOOR - share * (FLOOR - TOP)

    parts = [FRAME, *_sides(100 * low, 100 * top, "per cent of cases")]
    for tick in ticks(0, most, most=5):
        x = LEFT + tick / most * ACROSS
        parts.append(f"<text x='{x:.0f}' y='{FLOOR + 17}' text-anchor='middle'>{tick:,.0f}</text>")
    for column, kind in (("low_95", "other"), ("high_95", "other"), ("low_998", "third"), ("high_998", "third")):
        parts.append(_line(*at(edges["n"].to_numpy(float), edges[column].to_numpy(float)), kind))
    parts.append(_line(*at(np.array([0, most]), np.array([target, target])), "fourth"))
    places = zip(dots["group"], *at(dots["n"].to_numpy(float), dots["rate"].to_numpy(float)), strict=True)
    for i, (name, x, y) in enumerate(sorted(places, key=lambda place: place[1])):
        side = "end" if x > WIDTH * 0.8 else "middle"
        parts.append(
            f"<circle class='dk-dot' cx='{x:.1f}' cy='{y:.1f}' r='4.5'/><text class='dk-named' x='{x:.1f}' "
            f"y='{y - 9 if i % 2 else y + 18:.1f}' text-anchor='{side}'>{escape(_short(name))}</text>"
        )
    words = "dash-dotted line: rate of all; dashed lines: 95 % limits; dotted lines: 99.8 % limits of chance"
    return figure_html(title, "".join(parts), (WIDTH, HEIGHT), words, numbers, remark)


def figure_html(
    title: str, drawn: str, size: tuple[int, int], words: str, numbers: pd.DataFrame, remark: str = ""
) -> str:
    """A drawing with its caption, its files, and its numbers as a table."""
    wide, tall = size
    name = "-".join("".join(c if c.isalnum() else " " for c in title.lower()).split())
    head = f"viewBox='0 0 {wide} {tall}' role='img' aria-label='{escape(title)}'"
    kept = f"<svg xmlns='http://www.w3.org/2000/svg' {head}><style>{KEPT}</style>{drawn}</svg>"
    link = base64.b64encode(kept.encode()).decode()
    rows = title if len(numbers) <= MOST_ROWS else f"{title}, {MOST_ROWS} of {len(numbers):,} rows; the CSV has all"
    said = f"{words[:1].upper()}{words[1:]}."
    return (
        f"<figure class='dk-chart'><svg {head}>{drawn}</svg><figcaption><strong>{escape(title)}.</strong> "
        f"{escape(said)}{' ' + escape(remark) if remark else ''}</figcaption>"
        f"<p class='dk-keep'><a download='{name}.svg' href='data:image/svg+xml;base64,{link}'>Keep as SVG</a> "
        f"{download_html(numbers, name)} <button type='button' class='dk-keep-png' data-png data-width='{wide}' "
        f"data-height='{tall}'>Keep as PNG</button></p>"
        f"<details><summary>Numbers: {escape(title)}</summary>{table_html(numbers.head(MOST_ROWS), rows)}</details>"
        "</figure>"
    )


def _drawn(one: Series, place: Callable[[FloatArray], FloatArray], up: Callable[[FloatArray], FloatArray]) -> str:
    """A series with its intervals; a line is broken where nothing is known."""
    known = np.isfinite(one.x) & np.isfinite(one.y)
    parts = []
    if one.low is not None and one.high is not None:
        bounded = known & np.isfinite(one.low) & np.isfinite(one.high)
        x, low, high = place(one.x), up(one.low), up(one.high)
        if one.kind == "line":
            for run in _runs(bounded):
                edge = [*zip(x[run], low[run], strict=True), *zip(x[run][::-1], high[run][::-1], strict=True)]
                parts.append(f"<polygon class='dk-band' points='{' '.join(f'{a:.1f},{b:.1f}' for a, b in edge)}'/>")
        else:
            parts += [
                f"<path class='dk-axis' d='M{x[i]:.1f},{low[i]:.1f} V{high[i]:.1f}'/>" for i in np.flatnonzero(bounded)
            ]
    x, y = place(one.x), up(one.y)
    if one.kind == "dots":
        parts += [f"<circle class='dk-dot' cx='{x[i]:.1f}' cy='{y[i]:.1f}' r='4'/>" for i in np.flatnonzero(known)]
        return "".join(parts)
    for run in _runs(known):
        if len(run) == 1:
            parts.append(f"<circle class='dk-node' cx='{x[run[0]]:.1f}' cy='{y[run[0]]:.1f}' r='2.5'/>")
        else:
            parts.append(_line(x[run], y[run], one.kind))
    return "".join(parts)


def _line(x: FloatArray, y: FloatArray, kind: str) -> str:
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True) if np.isfinite(a) and np.isfinite(b))
    return f"<polyline class='dk-{kind}' points='{points}'/>"


def _runs(known: npt.NDArray[np.bool_]) -> list[npt.NDArray[np.intp]]:
    """Stretches of places that are known without a gap."""
    at = np.flatnonzero(known)
    return [run for run in np.split(at, np.flatnonzero(np.diff(at) > 1) + 1) if run.size]


def _sides(low: float, high: float, unit: str) -> Iterator[str]:
    """Ticks of the upright axis, and what it shows."""
    for tick in ticks(low, high, most=5):
        y = FLOOR - (tick - low) / (high - low) * (FLOOR - TOP)
        yield f"<text x='{LEFT - 6}' y='{y + 4:.0f}' text-anchor='end'>{tick:,.6g}</text>"
    turned = f"transform='rotate(-90 12 {FLOOR / 2:.0f})'"
    yield f"<text x='12' y='{FLOOR / 2:.0f}' text-anchor='middle' {turned}>{escape(unit)}</text>"


def _range(series: list[Series]) -> tuple[float, float]:
    """From 0 to what is highest, intervals counted in."""
    ends = [part[np.isfinite(part)] for one in series for part in (one.y, one.high) if part is not None]
    return 0.0, 1.05 * max([float(part.max()) for part in ends if part.size], default=1.0) or 1.0


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
