"""Charts as plain SVG, which need no script and no other host: every figure in them is also said in words."""

from __future__ import annotations

import numpy as np

from derm_kit.model.classifier import Floats
from derm_kit.model.faithfulness import Faithfulness

WIDTH, HEIGHT = 260, 150
LEFT, BOTTOM = 34, 22


def curves_html(measured: Faithfulness) -> str:
    """Deletion and insertion beside random orders, as two small charts with the same scale."""
    top = max(float(np.max(c)) for c in (measured.deletion, measured.insertion, measured.random_insertion))
    hidden = _curve_html(
        "Hiding marked places first", measured.shares, measured.deletion, measured.random_deletion,
        measured.deletion_gain, top or 1.0,
    )  # fmt: skip
    shown = _curve_html(
        "Showing marked places first", measured.shares, measured.insertion, measured.random_insertion,
        measured.insertion_gain, top or 1.0,
    )  # fmt: skip
    return (
        f"<div class='dk-charts'>{hidden}{shown}</div>"
        "<p class='dk-hint'>Line: this map. Band: random orders of the same places.</p>"
    )


def _curve_html(title: str, shares: Floats, curve: Floats, random: Floats, gain: float, top: float) -> str:
    x = LEFT + shares * (WIDTH - LEFT - 6)

    def points(values: Floats, at: Floats = x) -> str:
        y = (HEIGHT - BOTTOM) - values / top * (HEIGHT - BOTTOM - 8)
        return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(at, y, strict=True))

    low, high = random.min(axis=0), random.max(axis=0)
    band = points(np.concatenate([low, high[::-1]]), np.concatenate([x, x[::-1]]))
    words = (
        f"{title}: the score goes from {curve[0]:.2f} to {curve[-1]:.2f}; {abs(gain):.3f} "
        f"{'better' if gain > 0 else 'worse'} than random places."
    )
    floor = HEIGHT - BOTTOM
    return (
        f"<figure><svg viewBox='0 0 {WIDTH} {HEIGHT}' role='img' aria-label='{words}'>"
        f"<path class='dk-axis' d='M{LEFT},8 V{floor} H{WIDTH - 6}'/>"
        f"<polygon class='dk-band' points='{band}'/><polyline class='dk-line' points='{points(curve)}'/>"
        f"<text x='{LEFT - 4}' y='14' text-anchor='end'>{top:.2f}</text>"
        f"<text x='{LEFT - 4}' y='{floor}' text-anchor='end'>0</text>"
        f"<text x='{LEFT}' y='{HEIGHT - 6}'>0%</text><text x='{WIDTH - 6}' y='{HEIGHT - 6}' text-anchor='end'>100% "
        f"of the picture</text></svg><figcaption>{words}</figcaption></figure>"
    )
