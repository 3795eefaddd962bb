"""Tables as escaped HTML, and as CSV to keep."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping
from html import escape

import pandas as pd

from derm_kit.cases.cohort import safe_csv
from derm_kit.lesions import LesionType

_TYPES = {t.value: t.label for t in LesionType}


def table_html(frame: pd.DataFrame, caption: str, heads: Mapping[str, str] | None = None) -> str:
    """A frame as a table: lesion types in words, numbers with three decimals, an undefined one as a dash.

    `heads` names columns otherwise than by their own name.
    """
    heads = heads or {}
    head = "".join(f"<th scope='col'>{escape(heads.get(str(c), str(c).replace('_', ' ')))}</th>" for c in frame)
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(_cell(value))}</td>" for value in row) + "</tr>"
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


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "–" if math.isnan(value) else f"{value:,.3f}" if abs(value) < 100 else f"{value:,.0f}"
    text = str(value)
    return _TYPES.get(text, text)
