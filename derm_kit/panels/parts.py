"""Parts of every panel: page frame, notices, score chart, numbers with intervals, guarded callbacks.

Functions that end in `_html` give escaped HTML and hold no state; every text from outside goes through `escape`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from html import escape
from importlib import resources
from typing import Concatenate, ParamSpec, TypeVar

import ipywidgets as w
import numpy as np

from derm_kit.errors import DermKitError
from derm_kit.lesions import LESION_TYPES, LesionType
from derm_kit.model.classifier import Classifier, Floats
from derm_kit.model.shared import SharedClassifier
from derm_kit.panels.connection import Connection
from derm_kit.triage.policy import SAFETY_NET

BANNER = "For research and teaching. Not a medical device."
FOOTER = "Independent work, not affiliated with Skin Analytics or the NHS."
KINDS = {"info": "Note", "warning": "Take care", "error": "This did not work", "success": "Done"}

P = ParamSpec("P")
_log = logging.getLogger("derm_kit.panels")


def page(title: str, lead: str, *children: w.Widget) -> w.VBox:
    """A page: banner, title, one sentence of what it is for, the children, the footer; it says when it is cut off."""
    style = resources.files("derm_kit.panels").joinpath("page.css").read_text("utf-8")
    head = (
        f"<style>{style}</style><div class='dk-banner' role='note'>{BANNER}</div>"
        f"<header><h1>{escape(title)}</h1><p class='dk-lead'>{escape(lead)}</p></header>"
    )
    foot = f"<footer class='dk-footer'><p>{SAFETY_NET}</p><p>{FOOTER}</p></footer>"
    frame = w.VBox([w.HTML(head), Connection(), *children, w.HTML(foot)])
    frame.add_class("dk-page")
    return frame


def section(title: str, *children: w.Widget) -> w.VBox:
    """A titled part of a page."""
    box = w.VBox([w.HTML(f"<h2>{escape(title)}</h2>"), *children])
    box.add_class("dk-section")
    return box


def second_button(words: str) -> w.Button:
    """A button beside the one that matters."""
    button = w.Button(description=words)
    button.add_class("dk-second")
    return button


def named_box(name: str, *children: w.Widget) -> w.VBox:
    """A box with a class of the page's style."""
    box = w.VBox(children)
    box.add_class(name)
    return box


def notice_html(kind: str, text: str, *more: str) -> str:
    """A box with a word for its kind: info, warning, error or success. Screen readers are told of errors at once."""
    role = "alert" if kind == "error" else "status"
    paragraphs = "".join(f"<p>{escape(line)}</p>" for line in (text, *more))
    return f"<div class='dk-notice dk-{kind}' role='{role}'><strong>{KINDS[kind]}</strong>{paragraphs}</div>"


def proportion_html(count: int, n: int, low: float | None, high: float | None) -> str:
    """A count with its share and 95 % interval, "none measured" for no case."""
    if not n or low is None or high is None:
        return "none measured"
    return f"<span class='dk-number'>{count} of {n}</span> ({count / n:.0%}, 95% interval {low:.0%} to {high:.0%})"


def scores_html(scores: Floats, thresholds: dict[LesionType, float], suspected: LesionType | None) -> str:
    """All eleven scores (11,) with their thresholds, as a table whose bars are decoration: every number is in words."""
    rows = []
    for t, score in zip(LESION_TYPES, scores, strict=True):
        threshold = thresholds.get(t)
        if np.isnan(score):
            bar, number, verdict = "", "–", "not trained: no score"
        else:
            mark = "" if threshold is None else f"<i class='dk-mark' style='left:{100 * threshold:.1f}%'></i>"
            bar = f"<div class='dk-bar' aria-hidden='true'><b style='width:{100 * score:.1f}%'></b>{mark}</div>"
            number = f"{score:.3f}"
            reached = threshold is not None and float(score) >= threshold
            verdict = "benign type" if threshold is None else "reaches threshold" if reached else "below threshold"
        chosen = " class='dk-chosen'" if t is suspected else ""
        limit = "–" if threshold is None else f"{threshold:.3f}"
        name = f"{escape(t.label)}{' (suspected)' if t is suspected else ''}"
        rows.append(
            f"<tr{chosen}><th scope='row'>{name}</th><td class='dk-bar-cell'>{bar}</td>"
            f"<td>{number}</td><td>{limit}</td><td>{verdict}</td></tr>"
        )
    return (
        "<table class='dk-scores'><caption>Model scores from 0 to 1, most serious type first. A score is not a "
        "probability of cancer.</caption><thead><tr><th scope='col'>Lesion type</th><th scope='col'>"
        "<span class='dk-hidden'>Bar</span></th><th scope='col'>Score</th><th scope='col'>Threshold</th>"
        f"<th scope='col'>Reading</th></tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )


class Panel:
    """What every page is: a `view` to show and a place for notices, announced to screen readers."""

    view: w.VBox

    def __init__(self) -> None:
        self.notice = w.HTML()

    def told_by(self, classifier: Classifier) -> Classifier:
        """The classifier itself; what it waits for, if it is shared, is said in this page's notice."""
        if isinstance(classifier, SharedClassifier):
            classifier.tell = lambda words: self.notice.set_trait("value", notice_html("warning", words))
        return classifier


PanelT = TypeVar("PanelT", bound=Panel)


def guarded(callback: Callable[Concatenate[PanelT, P], None]) -> Callable[Concatenate[PanelT, P], None]:
    """A callback of a panel whose errors become plain words in the panel's `notice`; the log has the traceback."""

    @wraps(callback)
    def safe(panel: PanelT, /, *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            callback(panel, *args, **kwargs)
        except DermKitError as error:
            panel.notice.value = notice_html("error", str(error))
        except Exception:  # noqa: BLE001 - the page lives on whatever happens, and the log has the traceback
            _log.exception("a callback of %s failed", type(panel).__name__)
            panel.notice.value = notice_html(
                "error",
                "Something went wrong that derm-kit did not foresee. What you entered is kept.",
                "Try again, or reload the page. The person who runs this workbench finds the cause in its log.",
            )

    return safe
