"""What the monitoring page shows: which feed, which part of it, how it is counted. It stands in the address."""

from __future__ import annotations

import hashlib
import math
import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final, Literal
from urllib.parse import parse_qsl, urlencode

import pandas as pd

from derm_kit.surveillance.choice import Chosen
from derm_kit.surveillance.feed import FeedError
from derm_kit.surveillance.moments import TIMEZONE
from derm_kit.surveillance.plan import FALSE_ALARM_MONTHS, Plan
from derm_kit.surveillance.scenarios import Scenario

FEED_VARIABLE: Final = "DERM_KIT_FEED"
"""Names the folder of this machine's feed; set by whoever runs the workbench, never by a page."""
OWN, RIDDLE = "feed", "riddle"
HIGHEST_RIDDLE, LONGEST_LAG_DAYS = 9_999, 3_650
FEWEST_RUN, MOST_RUN = 12.0, 1_200.0
FIRST: Final = Scenario.SILENT_MODEL_CHANGE
MADE_UP: Final = {
    Scenario.IN_CONTROL: "Made-up trust: nothing changes",
    Scenario.NEW_CAMERA: "Made-up trust: a new camera",
    Scenario.PREVALENCE_SHIFT: "Made-up trust: more cancer among those referred",
    Scenario.LATE_LABELS: "Made-up trust: biopsy results come late",
    Scenario.SILENT_MODEL_CHANGE: "Made-up trust: the model changes and nobody says so",
}
OWN_WORDS, RIDDLE_WORDS = "This machine’s feed", "Made-up trust: a riddle (one of these five)"
Every = Literal["month", "week"]


@dataclass(frozen=True)
class Watching:
    """What is set. `watch` is a Scenario's value, OWN, or RIDDLE with its number; None of site, product, device: all.

    `outcomes` "biopsy" leaves out what was verified whatever the model said, to show what is not seen without it.
    Months "2026-03", the last one counted in; "" for no bound. `lag_days` of a registry, `run_months` wanted between
    false alarms of a product's charts of one method together.
    """

    watch: str = FIRST.value
    riddle: int = 0
    site: str | None = None
    product: str | None = None
    device: str | None = None
    first: str = ""
    last: str = ""
    every: Every = "month"
    outcomes: Literal["all", "biopsy"] = "all"
    lag_days: int = 365
    run_months: float = FALSE_ALARM_MONTHS

    def __post_init__(self) -> None:
        for sound, rule, value, next_step in (
            (self.watch in (*MADE_UP, OWN, RIDDLE), "what is watched is one of the list", self.watch, "Choose again."),
            (0 <= self.riddle <= HIGHEST_RIDDLE, f"a riddle has a number from 0 to {HIGHEST_RIDDLE:,}", self.riddle,
             "Choose the riddle in the list."),
            (0 <= self.lag_days <= LONGEST_LAG_DAYS, f"a registry lags 0 to {LONGEST_LAG_DAYS:,} days behind",
             self.lag_days, "Give, say, 365."),
            (FEWEST_RUN <= self.run_months <= MOST_RUN,
             f"{FEWEST_RUN:g} to {MOST_RUN:,.0f} months lie between two false alarms", self.run_months,
             "Give, say, 60."),
        ):  # fmt: skip
            if not sound:
                raise FeedError(rule, value=value, next_step=next_step)
        begins, ends = self._bounds()
        if begins is not None and ends is not None and begins >= ends:
            raise FeedError(
                "the last month does not lie before the first",
                value=f"{self.first} to {self.last}",
                next_step="Choose a later last month.",
            )

    @property
    def source(self) -> tuple[str, int]:
        """What tells one feed from another."""
        return self.watch, self.riddle if self.watch == RIDDLE else 0

    @property
    def chosen(self) -> Chosen:
        """The part of the feed. Names that are none of it are refused where it is taken."""
        begins, ends = self._bounds()
        named = (self.site, self.product, self.device)
        site, product, device = (() if name is None else (name,) for name in named)
        return Chosen(site, product, device, begins, ends)

    @property
    def plan(self) -> Plan:
        """How the signals are drawn; run lengths are exact, so none is drawn beside them."""
        return Plan(registry_lag_days=self.lag_days, false_alarm_months=self.run_months, drawn_cases=0)

    def text(self) -> str:
        """The address of this state; empty for the first one."""
        usual, said = Watching(watch=first_watch()), {}
        for one in fields(self):
            value = getattr(self, one.name)
            if value != getattr(usual, one.name):
                said[one.name] = f"{value:g}" if isinstance(value, float) else str(value)
        return urlencode(said)

    @classmethod
    def from_text(cls, text: str) -> Watching:
        """The state that an address names. Raises FeedError."""
        given = dict(parse_qsl(text, keep_blank_values=True))
        unknown = sorted(set(given) - {one.name for one in fields(cls)})
        if unknown:
            raise FeedError(
                "an address names what this page has",
                value=", ".join(unknown),
                next_step=f"It may name: {', '.join(one.name for one in fields(cls))}.",
            )
        usual = cls(watch=first_watch())
        every = given.get("every", usual.every)
        if every not in ("month", "week"):
            raise FeedError("cases are counted by month or week", value=every, next_step="Choose one of them.")
        return cls(
            watch=given.get("watch", usual.watch),
            riddle=int(_number("riddle", given.get("riddle", "0"))),
            site=given.get("site"),
            product=given.get("product"),
            device=given.get("device"),
            first=given.get("first", ""),
            last=given.get("last", ""),
            every="week" if every == "week" else "month",
            outcomes="biopsy" if given.get("outcomes") == "biopsy" else "all",
            lag_days=int(_number("lag_days", given.get("lag_days", str(usual.lag_days)))),
            run_months=_number("run_months", given.get("run_months", str(usual.run_months))),
        )

    def _bounds(self) -> tuple[pd.Timestamp | None, pd.Timestamp | None]:
        begins, ends = (None if not label else _month(label) for label in (self.first, self.last))
        if ends is not None:
            ends = (ends.tz_convert(TIMEZONE) + pd.DateOffset(months=1)).tz_convert("UTC")
        return begins, ends


def own_folder() -> Path | None:
    """The folder of this machine's feed, None where nobody named one."""
    named = os.environ.get(FEED_VARIABLE)
    return Path(named) if named else None


def first_watch() -> str:
    """What a page opens on: this machine's feed where there is one."""
    return OWN if own_folder() else FIRST.value


def planted_by(watching: Watching) -> tuple[Scenario, int | None] | None:
    """The scenario behind what is watched and its seed (None: the one for teaching); None for one's own feed."""
    if watching.watch == OWN:
        return None
    if watching.watch == RIDDLE:
        drawn = hashlib.sha256(f"riddle {watching.riddle}".encode()).digest()[0] % len(MADE_UP)
        return list(MADE_UP)[drawn], 1_000 + watching.riddle
    return Scenario(watching.watch), None


def name_of(watching: Watching) -> str:
    """What is watched, in words that give no riddle away."""
    if watching.watch == OWN:
        return OWN_WORDS
    if watching.watch == RIDDLE:
        return f"Made-up trust: riddle {watching.riddle}"
    return MADE_UP[Scenario(watching.watch)]


def _month(label: str) -> pd.Timestamp:
    try:
        found = pd.to_datetime(label, format="%Y-%m")
    except ValueError:
        raise FeedError("a month is written as 2026-03", value=label, next_step="Choose it in the list.") from None
    return pd.Timestamp(found).tz_localize(TIMEZONE).tz_convert("UTC")


def _number(name: str, value: str) -> float:
    try:
        found = float(value)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise FeedError(f"{name} is a number", value=value, next_step="Write it in digits.")
    return found
