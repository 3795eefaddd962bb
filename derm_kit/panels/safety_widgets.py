"""Two widgets of the safety page in the browser: its parts as links, and a form's text that outlives a reload."""

from __future__ import annotations

from pathlib import Path

import anywidget
import traitlets as t


class Tabs(anywidget.AnyWidget):
    """Links to the parts of a page, `[value, words]` each, of which `chosen` is the open one.

    `bring` puts what has this `data-bring` into sight and into focus.
    """

    _esm = Path(__file__).with_name("safety_tabs.js")

    tabs = t.List(t.List(t.Unicode())).tag(sync=True)
    chosen = t.Unicode().tag(sync=True)
    wanted = t.Unicode().tag(sync=True)
    times = t.Int(0).tag(sync=True)

    def bring(self, wanted: str) -> None:
        """Bring it, again where it was brought before."""
        self.wanted = wanted
        self.times += 1


class Draft(anywidget.AnyWidget):
    """The `text` of a form that is not stored, kept in the browser under `key`; `found` is what it had kept.

    It outlives a reload of the page, and goes with the browser's tab. "" keeps nothing.
    """

    _esm = Path(__file__).with_name("safety_draft.js")

    key = t.Unicode().tag(sync=True)
    text = t.Unicode().tag(sync=True)
    found = t.Unicode().tag(sync=True)
