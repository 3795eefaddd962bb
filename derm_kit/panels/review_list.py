"""The worklist of the review page as HTML: so many rows a page, each with a small picture where one is at hand."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from functools import lru_cache
from html import escape
from pathlib import Path

import cv2

from derm_kit.cases.images import decode
from derm_kit.cases.pictures import picture_of
from derm_kit.errors import CaseError
from derm_kit.lesions import LESION_TYPES, LesionType
from derm_kit.panels.tuning_words import counted
from derm_kit.triage.worklist import Positions, Worklist

ROWS = 20
SMALL_PX = 56
_KEPT = 600


def pages_of(found: int) -> int:
    """How many pages a list of so many cases has; an empty one has one."""
    return max(1, -(-found // ROWS))


def page_of(place: int) -> int:
    """The page on which the case at a place of the list stands."""
    return place // ROWS


def list_html(worklist: Worklist, positions: Positions, page: int, read: Mapping[str, str], *, hidden: bool) -> str:
    """One page of the list; `read` says in a few words what was done with a case. `hidden` leaves ids alone."""
    if not len(positions):
        return "<p>No case fits these filters.</p>"
    shown = positions[page * ROWS : (page + 1) * ROWS]
    rows = []
    for at in shown:
        row = worklist.table.iloc[int(at)]
        case_id = str(row["case_id"])
        named = escape(case_id)
        said = "" if hidden else escape(f"{call_words(row['call'])}; truth: {truth_words(row['truth'])}")
        done = escape(read.get(case_id, ""))
        rows.append(
            f"<li><button type='button' class='dk-work' data-case='{named}'>{small_html(case_id)}<span><b>{named}</b>"
            f"<span>{said}</span><span>{done}</span></span></button></li>"
        )
    first = page * ROWS + 1
    part = f"; {first:,} to {first + len(shown) - 1:,} are here" if len(shown) < len(positions) else ""
    count = counted(len(positions), "case", "cases")
    return f"<p class='dk-hint'>{count}{part}.</p><ol class='dk-worklist' start='{first}'>{''.join(rows)}</ol>"


def call_words(call: str) -> str:
    """A call of the policy in words."""
    return LesionType(call).label if call in set(LESION_TYPES) else call.capitalize()


def truth_words(truth: str) -> str:
    """A truth such as "a|b" in words."""
    return " or ".join(LesionType(part).label.lower() for part in truth.split("|")) if truth else "unknown"


def small_html(case_id: str) -> str:
    """A case's picture made small, a grey square where there is none."""
    path = picture_of(case_id)
    coded = _thumbnail(path, path.stat().st_mtime_ns) if path else ""
    if not coded:
        return "<i class='dk-no-picture' aria-hidden='true'></i>"
    return f"<img alt='' width='{SMALL_PX}' height='{SMALL_PX}' src='data:image/jpeg;base64,{coded}'>"


@lru_cache(_KEPT)
def _thumbnail(path: Path, _: int) -> str:
    """A picture's middle as a small JPEG in base64; "" where it cannot be decoded: opening the case says why."""
    try:
        rgb = decode(path, case=path.stem, min_side_px=SMALL_PX).rgb
    except CaseError:
        return ""
    side = min(rgb.shape[:2])
    top, left = (rgb.shape[0] - side) // 2, (rgb.shape[1] - side) // 2
    square = cv2.resize(rgb[top : top + side, left : left + side], (SMALL_PX, SMALL_PX), interpolation=cv2.INTER_AREA)
    _, coded = cv2.imencode(".jpg", square[..., ::-1])
    return base64.b64encode(coded.tobytes()).decode()
