"""Stopwatch: how long a case was looked at, pauses left out, and whether it was looked at at all."""

from __future__ import annotations

from time import monotonic

from derm_kit.errors import DermKitError

SHORTEST_LOOK_S = 0.3
"""A decision that comes sooner was made before the case was on the screen: for the one before it."""


class Stopwatch:
    """Runs from when it is started anew; `paused` stops it."""

    def __init__(self) -> None:
        self._kept_s, self._since_s = 0.0, monotonic()
        self._paused = False

    @property
    def seconds(self) -> float:
        """Seconds since the start, without pauses."""
        return self._kept_s + (0.0 if self._paused else monotonic() - self._since_s)

    @property
    def paused(self) -> bool:
        """Whether it stands still."""
        return self._paused

    @paused.setter
    def paused(self, paused: bool) -> None:
        self._kept_s, self._since_s = self.seconds, monotonic()
        self._paused = paused

    def restart(self) -> None:
        """From 0, running."""
        self._kept_s, self._since_s, self._paused = 0.0, monotonic(), False

    def require_look(self, *, on_screen: bool) -> None:
        """Raise DermKitError unless the case was looked at: it came `on_screen`, is not out of sight, and not new."""
        if self._paused:
            raise DermKitError(
                "a decision is for the case on show",
                value="paused, the case is out of sight",
                next_step="Go on first, then decide.",
            )
        if not on_screen or self.seconds < SHORTEST_LOOK_S:
            raise DermKitError(
                "a decision is for the case on show",
                value="the case had only just come up",
                next_step="Look at it, then decide.",
            )
