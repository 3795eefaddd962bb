"""Tables as escaped HTML, and as CSV to keep."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterable, Mapping
from html import escape

import pandas as pd

from derm_kit.cases.cohort import safe_csv
from derm_kit.lesions import LesionType

Floats = Iterable[float]
_TYPES = {t.value: t.label for t in LesionType}


def table_html(frame: pd.DataFrame, caption: str, heads: Mapping[str, str] | None = None) -> str:
    """A frame as a table: lesion types in words, numbers with three decimals, an undefined one as a dash.

    `heads` names columns otherwise than by their own name; a column named case_id has buttons that open the case.
    """
    heads = heads or {}
    opens = [name == "case_id" for name in frame]
    head = "".join(f"<th scope='col'>{escape(heads.get(str(c), str(c).replace('_', ' ')))}</th>" for c in frame)
    rows = "".join(
        "<tr>"
        + "".join(
            _case(value) if o else f"<td>{escape(_cell(value))}</td>" for o, value in zip(opens, row, strict=True)
        )
        + "</tr>"
        for row in frame.itertuples(index=False, name=None)
    )
    return (
        f"<div class='dk-scroll' tabindex='0' role='region' aria-label='{escape(caption)}'><table class='dk-table'>"
        f"<caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def download_html(frame: pd.DataFrame, name: str) -> str:
    """A link that keeps a frame as CSV, safe to open in a spreadsheet."""
    text = io.StringIO()
    safe_csv(text, frame)
    coded = base64.b64encode(text.getvalue().encode()).decode()
    return f"<a download='{escape(name)}.csv' href='data:text/csv;base64,{coded}'>Keep as CSV</a>"


def shares(value: Floats, low: Floats, high: Floats, *, signed: bool = False) -> list[str]:
    """Shares with their intervals in per cent, differences with their sign; a dash for what is undefined."""
    form = "+.1%" if signed else ".1%"
    return [
        "–" if math.isnan(v) else f"{v:{form}} ({a:{form}} to {b:{form}})".replace("-", "−")
        for v, a, b in zip(value, low, high, strict=True)
    ]


def _case(case_id: object) -> str:
    named = escape(str(case_id))
    return f"<td><button type='button' class='dk-table-case' data-case='{named}'>{named}</button></td>"


def _cell(value: object) -> str:
    if isinstance(value, float):
        if math.isnan(value):
            return "–"
        if math.isinf(value):
            return "above every score"
        if 0 < abs(value) < 0.001:
            return f"{value:.1g}"
        return f"{value:,.3f}" if abs(value) < 100 else f"{value:,.0f}"
    text = str(value)
    return _TYPES.get(text, text)
