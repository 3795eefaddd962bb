"""Inputs that ipywidgets lacks: a threshold on a log scale, and the page's own address."""

from __future__ import annotations

from pathlib import Path

import anywidget
import traitlets as t

from derm_kit.triage.definition import LOWEST_THRESHOLD


class ThresholdSlider(anywidget.AnyWidget):
    """A threshold between the lowest that a policy allows and 1, moved by mouse, keyboard or typed as a number."""

    _esm = Path(__file__).with_name("slider.js")

    label = t.Unicode().tag(sync=True)
    min = t.Float(LOWEST_THRESHOLD).tag(sync=True)
    max = t.Float(1.0).tag(sync=True)
    value = t.Float(0.5, min=LOWEST_THRESHOLD, max=1.0).tag(sync=True)


class Address(anywidget.AnyWidget):
    """What the page's address holds after its #: `state` is written there, `opened_with` is what it said on opening."""

    _esm = Path(__file__).with_name("address.js")

    state = t.Unicode().tag(sync=True)
    opened_with = t.Unicode().tag(sync=True)
