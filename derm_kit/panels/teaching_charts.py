"""Before and after as one picture for the projector: a dot a reading, with its interval, on one scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, LEFT, RIGHT, ROW, TOP = 900, 210, 90, 64, 8


@dataclass(frozen=True)
class Reading:
    """A share of one measure, with or without the model; an interval that there is not is NaN."""

    measure: str
    with_model: bool
    value: float
    low: float
    high: float


def before_after_html(readings: Sequence[Reading]) -> str:
    """Shares on a scale from 0 to 100 %: hollow dots without the model, full ones with its view."""
    measures = list(dict.fromkeys(one.measure for one in readings))
    floor = TOP + ROW * len(measures)
    ticks = "".join(
        f"<path class='dk-axis' d='M{_x(t)},{TOP} V{floor}'/>"
        f"<text x='{_x(t)}' y='{floor + 22}' text-anchor='middle'>{t:.0%}</text>"
        for t in (0, 0.25, 0.5, 0.75, 1)
    )
    names = "".join(
        f"<text class='dk-measure' x='0' y='{TOP + ROW * (i + 0.5) + 6}'>{name.capitalize()}</text>"
        for i, name in enumerate(measures)
    )
    dots = "".join(_dot(one, TOP + ROW * measures.index(one.measure)) for one in readings)
    said = "; ".join(
        f"{one.measure} {'with' if one.with_model else 'without'} the model {one.value:.0%}"
        for one in readings
        if not math.isnan(one.value)
    )
    return (
        f"<figure class='dk-before-after'><svg viewBox='0 0 {WIDTH} {floor + 32}' role='img' aria-label='{said}'>"
        f"{ticks}{names}{dots}</svg><figcaption>Hollow: without the model. Full: with its view. Lines: 95% intervals, "
        "where there are enough readers and cases for one.</figcaption></figure>"
    )


def _dot(one: Reading, top: float) -> str:
    if math.isnan(one.value):
        return ""
    y, kind = top + (ROW - 20 if one.with_model else 20), "after" if one.with_model else "before"
    line = "" if math.isnan(one.low) else f"<path d='M{_x(one.low)},{y} H{_x(one.high)}'/>"
    end = one.value if math.isnan(one.high) else one.high
    number = f"<text x='{_x(end) + 14}' y='{y + 6}'>{one.value:.0%}</text>"
    return f"<g class='dk-{kind}'>{line}<circle cx='{_x(one.value)}' cy='{y}' r='7'/>{number}</g>"


def _x(share: float) -> float:
    return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)
