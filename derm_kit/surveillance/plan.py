"""Plan: what is watched in service, for which change, and how often it may alarm without one."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from derm_kit.lesions import LesionType
from derm_kit.surveillance.feed import FeedError
from derm_kit.surveillance.known_outcomes import AUDIT_LAG_DAYS, LAG_DAYS

FALSE_ALARM_MONTHS = 60.0
CHARTS_OF_RATES = 4
"""Of the discharge and the referral rate, a rise and a fall each."""


@dataclass(frozen=True, slots=True)
class WatchedType:
    """A lesion type whose sensitivity is watched: the sensitivity promised, and the lower one to find."""

    kind: LesionType
    in_control_prob: float
    changed_prob: float

    def __post_init__(self) -> None:
        if not 0 < self.changed_prob < self.in_control_prob < 1:
            raise FeedError(
                "the sensitivity to find lies below the promised one, both between 0 and 1",
                case=self.kind.label,
                value=f"promised {self.in_control_prob}, to find {self.changed_prob}",
                next_step="Give, say, 0.95 and 0.88.",
            )


WATCHED = (
    WatchedType(LesionType.MELANOMA, 0.95, 0.88),
    WatchedType(LesionType.SQUAMOUS_CELL_CARCINOMA, 0.95, 0.88),
    WatchedType(LesionType.BASAL_CELL_CARCINOMA, 0.90, 0.82),
)
"""The published targets (95, 95 and 90 %); the lower sensitivities are settings (source required)."""


@dataclass(frozen=True)
class Plan:
    """Rates, periods and false alarms of the signals; every default is a setting to confirm (source required).

    types                   whose sensitivity is watched, most serious first.
    discharge_change_prob   up or down, in share of cases (0.05: five percentage points); referral_change_prob likewise.
    baseline_from, baseline_until   period whose discharge and referral rates are the expected ones, UTC, the end left
                            out; None: from the first case, for a year or a third of the feed, whichever is shorter.
    false_alarm_months      wanted mean months between two false alarms of a product's charts of one method together:
                            each of the c charts runs c times as long.
    fewest_run_cases        wanted mean cases between two false alarms of a chart at least, however few come in a month.
    missed_change_prob      chance that one sequential test calls a change none, as its lower bound is set.
    registry_lag_days       until the registry has heard of a cancer; audit_lag_days: until the result of an audit
                            sample or a full second read is told.
    fewest_cases            a site or device with fewer is not judged.
    drawn_cases             cases that may be drawn to check the run lengths of one chart; 0 checks none.
    seed                    of these draws.
    """

    types: tuple[WatchedType, ...] = WATCHED
    discharge_change_prob: float = 0.05
    referral_change_prob: float = 0.05
    baseline_from: pd.Timestamp | None = None
    baseline_until: pd.Timestamp | None = None
    false_alarm_months: float = FALSE_ALARM_MONTHS
    fewest_run_cases: float = 500.0
    missed_change_prob: float = 0.05
    registry_lag_days: int = LAG_DAYS
    audit_lag_days: int = AUDIT_LAG_DAYS
    fewest_cases: int = 10
    drawn_cases: int = 2_000_000
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.types:
            raise FeedError("a lesion type is watched", next_step="Watch melanoma at least.")
        for name in ("discharge_change_prob", "referral_change_prob", "missed_change_prob"):
            if not 0 < getattr(self, name) < 0.5:
                raise FeedError(
                    f"{name} lies between 0 and 0.5", value=getattr(self, name), next_step="Give, say, 0.05."
                )
        for name in ("false_alarm_months", "fewest_run_cases", "fewest_cases"):
            if not getattr(self, name) > 1:
                raise FeedError(f"{name} is above 1", value=getattr(self, name), next_step="Give a larger number.")
        for name in ("registry_lag_days", "audit_lag_days", "drawn_cases"):
            if getattr(self, name) < 0:
                raise FeedError(f"{name} is 0 or more", value=getattr(self, name), next_step="Leave the default.")
        for moment in (self.baseline_from, self.baseline_until):
            if moment is not None and moment.tzinfo is None:
                raise FeedError("times are in UTC", value=moment, next_step="Write 2026-01-01T00:00:00+00:00.")
        begins, ends = self.baseline_from, self.baseline_until
        if begins is not None and ends is not None and begins >= ends:
            raise FeedError("the baseline ends after it begins", value=f"{begins} to {ends}", next_step="Swap them.")

    def run_cases(self, cases_a_month: float) -> float:
        """Wanted mean cases between two false alarms of one chart with so many cases a month, to two digits."""
        charts = len(self.types) + CHARTS_OF_RATES
        return max(self.fewest_run_cases, float(f"{charts * self.false_alarm_months * cases_a_month:.2g}"))
