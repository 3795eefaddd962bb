"""Inputs that ipywidgets lacks: a threshold on a log scale, a list's choice, files of charts, the page's address."""

from __future__ import annotations

from pathlib import Path

import anywidget
import traitlets as t

from derm_kit.triage.definition import LOWEST_THRESHOLD


class ThresholdSlider(anywidget.AnyWidget):
    """A threshold between the lowest that a policy allows and 1, moved by mouse, keyboard or typed as a number.

    `worth` is what it is worth, as escaped HTML below it, and `says` the same in a few words, read with the number.
    """

    _esm = Path(__file__).with_name("slider.js")

    label = t.Unicode().tag(sync=True)
    worth = t.Unicode().tag(sync=True)
    says = t.Unicode().tag(sync=True)
    min = t.Float(LOWEST_THRESHOLD).tag(sync=True)
    max = t.Float(1.0).tag(sync=True)
    value = t.Float(0.5, min=LOWEST_THRESHOLD, max=1.0).tag(sync=True)


class Picker(anywidget.AnyWidget):
    """Which case of the lists on the page was chosen last: the one whose button (`data-case`) was pressed."""

    _esm = Path(__file__).with_name("pick.js")

    chosen = t.Unicode().tag(sync=True)


class Keeper(anywidget.AnyWidget):
    """Draws a chart as PNG where its button is pressed, and keeps open what was unfolded while figures change."""

    _esm = Path(__file__).with_name("keep.js")


class Address(anywidget.AnyWidget):
    """What the page's address holds after its #: `state` is written there, `opened_with` is what somebody opened."""

    _esm = Path(__file__).with_name("address.js")

    state = t.Unicode().tag(sync=True)
    opened_with = t.Unicode().tag(sync=True)
