"""Trials of a signal on made-up services in which nothing changes: how often it alarms, held against its promise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from derm_kit.surveillance.feed import Feed
from derm_kit.surveillance.scenario_service import TRUST, Service
from derm_kit.surveillance.scenarios import Scenario, planted_feed
from derm_kit.triage.proportions import Estimate, proportion


@dataclass(frozen=True)
class Trials:
    """Months with an alarm while nothing changed.

    monthly       share of months with at least one, with its exact interval.
    yearly        share of whole years, twelve months of looks after the baseline, with at least one.
    promised_months_between  what the signal promised: at least so many months between alarms.
    """

    monthly: Estimate
    yearly: Estimate
    promised_months_between: float

    @property
    def months_between(self) -> float:
        """Mean months between alarms as seen; infinite where there was none."""
        return 1 / self.monthly.value if self.monthly.value > 0 else float("inf")

    @property
    def kept(self) -> bool:
        """Whether what was seen agrees with the promise: the interval does not lie above the promised rate."""
        return self.monthly.low <= 1 / self.promised_months_between

    @property
    def sentence(self) -> str:
        """What was seen, for the page."""
        return (
            f"{self.monthly.value:.2%} of {self.monthly.n:,} months without a change had an alarm "
            f"({self.monthly.low:.2%} to {self.monthly.high:.2%}): one in {self.months_between:.0f} months; promised: "
            f"at most one in {self.promised_months_between:.0f}. "
            f"Years with one: {self.yearly.value:.0%} of {self.yearly.n:,}."
        )


def in_control(
    looks_of: Callable[[Feed], pd.DataFrame],
    promised_months_between: float,
    *,
    runs: int,
    service: Service = TRUST,
    seed: int = 1,
    features: bool = False,
) -> Trials:
    """Let a signal look at `runs` services in control; `looks_of` gives its looks (columns month, alarm)."""
    months = with_alarm = years = bad_years = 0
    for run in range(runs):
        feed, _ = planted_feed(Scenario.IN_CONTROL, service, seed=seed + run, features=features)
        looks = looks_of(feed)
        by_month = np.asarray(looks.groupby("month")["alarm"].any(), np.bool_)
        whole_years = by_month[: len(by_month) // 12 * 12].reshape(-1, 12)
        by_year = np.asarray(whole_years.any(axis=1), np.bool_)
        months, with_alarm = months + len(by_month), with_alarm + int(by_month.sum())
        years, bad_years = years + len(by_year), bad_years + int(by_year.sum())
    return Trials(proportion(with_alarm, months), proportion(bad_years, years), promised_months_between)
