"""False alarms of signals that are looked at once a month: level of one look, months between alarms, share of years."""

from __future__ import annotations

from dataclasses import dataclass

from derm_kit.surveillance.feed import FeedError

WANTED_MONTHS = 60.0
"""Default mean number of months between two false alarms of one kind of signal, over a whole service."""


@dataclass(frozen=True)
class FalseAlarms:
    """What is promised of false alarms where a month has `looks_a_month` looks, each a test at one level.

    `months_between` is the wanted mean run length in months while nothing changes, over all looks together. The level
    of one look shares the monthly probability equally (Bonferroni), so it holds however the looks depend on each other:
    the mean run length is at least the wanted one.
    """

    months_between: float = WANTED_MONTHS
    looks_a_month: int = 1

    def __post_init__(self) -> None:
        if not self.months_between >= 1:
            raise FeedError(
                "the mean run length in control is at least one month",
                value=f"{self.months_between:g} months",
                next_step="Choose the months that may lie between two false alarms; 60 is five years.",
            )

    @property
    def monthly_prob(self) -> float:
        """Probability of at least one false alarm in a month, at most."""
        return 1 / self.months_between

    @property
    def level(self) -> float:
        """Level of each look."""
        return self.monthly_prob / max(self.looks_a_month, 1)

    @property
    def yearly_prob(self) -> float:
        """Probability of at least one false alarm in twelve looks a month apart, at most."""
        return 1 - (1 - self.monthly_prob) ** 12

    @property
    def sentence(self) -> str:
        """The promise in one sentence, for the page."""
        return (
            f"While nothing changes, at most one false alarm in {self.months_between:g} months on average over "
            f"{self.looks_a_month:,} look{'' if self.looks_a_month == 1 else 's'} a month (each at level "
            f"{self.level:.2g}), so in at most {self.yearly_prob:.0%} of years."
        )
