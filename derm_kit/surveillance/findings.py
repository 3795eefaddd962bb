"""Everything that is watched in a feed, at once: what each watch found, or why it cannot say anything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import pandas as pd

from derm_kit.errors import DermKitError
from derm_kit.surveillance.feed import Feed
from derm_kit.surveillance.input_drift import InputDrift, input_drift
from derm_kit.surveillance.late_outcomes import LateOutcomes, late_outcomes
from derm_kit.surveillance.plan import Plan
from derm_kit.surveillance.quality_drift import SharesDrift, quality_drift
from derm_kit.surveillance.signals import Signals, signals

T = TypeVar("T")
NO_FEATURES = (
    "Input drift on the network's features cannot be seen here: the feed holds no features. Deliver run folders that "
    "'derm-kit score' wrote, or put the features into FEED/features."
)


@dataclass(frozen=True)
class Findings:
    """What the watches found; None where one could not be had, and `refused` says why."""

    signals: Signals | None
    quality: SharesDrift | None
    late: LateOutcomes | None
    inputs: InputDrift | None
    refused: tuple[str, ...] = field(default=())

    def looks(self) -> dict[str, pd.DataFrame]:
        """Every monthly look by the name of its watch, with the columns month, group, alarm and says among others."""
        found = {
            "quality and mix": None if self.quality is None else self.quality.looks,
            "outcomes in time": None if self.late is None else self.late.drift.looks,
            "input drift": None if self.inputs is None else self.inputs.looks,
        }
        return {name: table for name, table in found.items() if table is not None}

    def promises(self) -> dict[str, str]:
        """What each monthly watch promises of false alarms, in a sentence."""
        found = {
            "quality and mix": None if self.quality is None else self.quality.false_alarms,
            "outcomes in time": None if self.late is None else self.late.drift.false_alarms,
            "input drift": None if self.inputs is None else self.inputs.false_alarms,
        }
        return {name: promised.sentence for name, promised in found.items() if promised is not None}


def findings(feed: Feed, plan: Plan | None = None, *, stands: pd.DataFrame | None = None) -> Findings:
    """Run every watch over `feed`; one that refuses hides no other.

    `stands` is `known_outcomes.standing(feed)` where the caller has it already.
    """
    refused: list[str] = []

    def attempt(name: str, watch: Callable[[], T]) -> T | None:
        try:
            return watch()
        except DermKitError as error:
            refused.append(f"{name}: {error}")
            return None

    inputs = None
    if feed.features is None:
        refused.append(NO_FEATURES)
    else:
        inputs = attempt("Input drift", lambda: input_drift(feed))
    return Findings(
        attempt("Signals on outcomes", lambda: signals(feed, plan, stands=stands)),
        attempt("Quality and mix", lambda: quality_drift(feed)),
        attempt("Outcomes in time", lambda: late_outcomes(feed)),
        inputs,
        tuple(refused),
    )
