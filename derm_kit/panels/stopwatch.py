"""Stopwatch: how long a case was looked at, pauses left out."""

from __future__ import annotations

from time import monotonic


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
