"""Inputs that ipywidgets lacks: thresholds on a log scale, numbers with units, lists, files of charts, the address."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

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


class NumberSlider(anywidget.AnyWidget):
    """A number with its unit, moved by mouse or keyboard up to `max`, or typed up to `most`.

    `says` what `as_it_is` means. A number past `max` raises it, so that the slider never shows another than is set.
    """

    _esm = Path(__file__).with_name("number.js")

    label = t.Unicode().tag(sync=True)
    unit = t.Unicode().tag(sync=True)
    says = t.Unicode().tag(sync=True)
    min = t.Float(0.0).tag(sync=True)
    max = t.Float(1.0).tag(sync=True)
    most = t.Float(1e6).tag(sync=True)
    step = t.Float(1.0).tag(sync=True)
    value = t.Float(0.0).tag(sync=True)
    as_it_is = t.Float(0.0)

    @t.validate("value")
    def _in_bounds(self, proposal: t.Bunch) -> float:
        value = min(max(float(proposal["value"]), self.min), self.most)
        if math.isnan(value):
            return self.value
        self.max = max(self.max, value)
        return value


class Picker(anywidget.AnyWidget):
    """Which case of the lists on the page was chosen last: the one whose button (`data-case`) was pressed."""

    _esm = Path(__file__).with_name("pick.js")

    chosen = t.Unicode().tag(sync=True)


class Keys(anywidget.AnyWidget):
    """Single keys as shortcuts; nothing while typing. A message is sent for each, so that a busy kernel loses none.

    `about` is the case that the page shows by now, `seen` the one that the browser said last to have on the screen:
    whatever comes from the browser before it has said so was meant for that one. `then` is told of each key and of the
    case that was on the screen when it was pressed.
    """

    _esm = Path(__file__).with_name("keys.js")

    offered = t.List(t.Unicode()).tag(sync=True)
    on = t.Bool(True).tag(sync=True)
    about = t.Unicode().tag(sync=True)
    seen = t.Unicode()

    def __init__(self, **traits: Any) -> None:  # noqa: ANN401 - of a widget
        super().__init__(**traits)
        self.then: Callable[[str, str], None] = lambda _key, _case: None
        self.on_msg(lambda _, sent, __: self._take(sent))

    def _take(self, sent: dict[str, Any]) -> None:
        if "shown" in sent:
            self.seen = str(sent["shown"])
        elif sent.get("key") in self.offered:
            self.then(str(sent["key"]), str(sent.get("case", "")))


class Keeper(anywidget.AnyWidget):
    """Draws a chart as PNG where its button is pressed, and keeps open what was unfolded while figures change."""

    _esm = Path(__file__).with_name("keep.js")


class Address(anywidget.AnyWidget):
    """What the page's address holds after its #: `state` is written there, `opened_with` is what somebody opened."""

    _esm = Path(__file__).with_name("address.js")

    state = t.Unicode().tag(sync=True)
    opened_with = t.Unicode().tag(sync=True)
