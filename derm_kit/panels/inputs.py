"""Inputs that ipywidgets lacks: a threshold on a log scale, a list's choice, files of charts, the page's address."""

from __future__ import annotations

from pathlib import Path

import anywidget
import traitlets as t

from derm_kit.triage.definition import LOWEST_THRESHOLD


class ThresholdSlider(anywidget.AnyWidget):
    """A threshold between the lowest that a policy allows and 1, moved by mouse, keyboard or typed as a number.

    `worth` is what it is worth, as escaped HTML below it, and `says` the same in a few words, read with the number.
    `never`: the type has no threshold until the slider is moved. A move carries in `known` the `round` that the browser
    knew when it was made, so that one still under way when all was undone can be told from one made after it, and a
    number of its own: what is as it was is not sent.
    """

    _esm = Path(__file__).with_name("slider.js")

    label = t.Unicode().tag(sync=True)
    worth = t.Unicode().tag(sync=True)
    says = t.Unicode().tag(sync=True)
    min = t.Float(LOWEST_THRESHOLD).tag(sync=True)
    max = t.Float(1.0).tag(sync=True)
    value = t.Float(0.5, min=LOWEST_THRESHOLD, max=1.0).tag(sync=True)
    never = t.Bool(False).tag(sync=True)
    round = t.Int(0).tag(sync=True)
    known = t.List(t.Int(), [0, 0]).tag(sync=True)

    def begin_round(self) -> None:
        """From here on, moves made before are stale."""
        self.round += 1
        self.known = [self.round, 0]

    def drop_stale(self) -> bool:
        """Whether the last move was made before the present round; it is forgotten then."""
        stale = bool(self.known[0] < self.round)
        self.known = [self.round, 0]
        return stale


class Picker(anywidget.AnyWidget):
    """Which case of the lists on the page was chosen last: the one whose button (`data-case`) was pressed."""

    _esm = Path(__file__).with_name("pick.js")

    chosen = t.Unicode().tag(sync=True)


class Keys(anywidget.AnyWidget):
    """Single keys as shortcuts: `pressed` is the key and a number that counts the presses. Nothing while typing."""

    _esm = Path(__file__).with_name("keys.js")

    offered = t.List(t.Unicode()).tag(sync=True)
    on = t.Bool(True).tag(sync=True)
    pressed = t.List(t.Unicode(), ["", ""]).tag(sync=True)


class Keeper(anywidget.AnyWidget):
    """Draws a chart as PNG where its button is pressed, and keeps open what was unfolded while figures change."""

    _esm = Path(__file__).with_name("keep.js")


class Address(anywidget.AnyWidget):
    """What the page's address holds after its #: `state` is written there, `opened_with` is what somebody opened."""

    _esm = Path(__file__).with_name("address.js")

    state = t.Unicode().tag(sync=True)
    opened_with = t.Unicode().tag(sync=True)
