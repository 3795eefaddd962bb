"""Service: the size, sites, seasons and case mix of a made-up service on which surveillance is learnt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from derm_kit.surveillance.feed import FeedError

MIX = MappingProxyType(
    {
        "melanoma": 0.030,
        "squamous_cell_carcinoma": 0.032,
        "basal_cell_carcinoma": 0.120,
        "intraepidermal_carcinoma": 0.040,
        "actinic_keratosis": 0.060,
        "vascular_lesion": 0.030,
        "seborrhoeic_keratosis": 0.120,
        "seborrhoeic_keratosis|solar_lentigo": 0.100,
        "dermatofibroma": 0.030,
        "solar_lentigo": 0.038,
        "benign_naevus": 0.400,
    }
)
MIX_SOURCE = (
    "Melanoma and squamous cell carcinoma together 6.2%, the conversion of urgent suspected skin cancer referrals "
    "without basal cell carcinoma (NHS England, 2023); every other share: source required."
)


@dataclass(frozen=True)
class Service:
    """A made-up service.

    cases_a_year   cases of all sites in a year; the first site has twice as many as the last.
    starts         a first of a month.
    mix            share of each truth among the cases, adding up to 1.
    summer_share   how far the busiest day (1 July) lies above the mean, as a share; the quietest lies as far below.
    weekend_share  volume of a Saturday or Sunday as a share of a working day's.
    """

    name: str
    sites: tuple[str, ...]
    cases_a_year: int
    years: int = 5
    starts: date = date(2021, 1, 1)
    mix: Mapping[str, float] = field(default_factory=lambda: MIX)
    summer_share: float = 0.2
    weekend_share: float = 0.2

    def __post_init__(self) -> None:
        total = sum(self.mix.values())
        if not np.isclose(total, 1) or min(self.mix.values()) < 0:
            raise FeedError(
                "the shares of a case mix are not negative and add up to 1",
                case=self.name,
                value=f"{total:.4f}",
                next_step="Let benign_naevus make up the difference.",
            )
        if self.years < 1 or self.cases_a_year < 1 or not self.sites:
            raise FeedError(
                "a service has at least one site, one year and one case a year",
                case=self.name,
                value=f"{len(self.sites)} sites, {self.years} years, {self.cases_a_year} cases a year",
                next_step="Start from the services TRUST or NATIONAL.",
            )

    @property
    def n_cases(self) -> int:
        """Cases of all years."""
        return self.cases_a_year * self.years

    def month(self, months: int) -> np.datetime64:
        """First instant of the month that begins `months` after the service starts, UTC."""
        year, month = divmod(self.starts.month - 1 + months, 12)
        return np.datetime64(date(self.starts.year + year, month + 1, 1), "us")

    @property
    def ends_at(self) -> np.datetime64:
        """First instant after the last year, UTC: outcomes told later are not known yet."""
        return self.month(12 * self.years)

    def imaged_at(self, rng: np.random.Generator) -> npt.NDArray[np.datetime64]:
        """Instant of each case (n_cases,), UTC, in order: between 8 and 18 o'clock, by weekday and season."""
        days = np.arange(self.month(0), self.ends_at, np.timedelta64(1, "D")).astype("datetime64[D]")
        since_monday = (days.astype(np.int64) + 3) % 7
        in_year = (days - days.astype("datetime64[Y]").astype("datetime64[D]")).astype(np.int64)
        season = 1 - self.summer_share * np.cos(2 * np.pi * in_year / 365.25)
        volume = np.where(since_monday < 5, 1.0, self.weekend_share) * season
        counts = rng.multinomial(self.n_cases, volume / volume.sum())
        second = rng.integers(8 * 3600, 18 * 3600, self.n_cases).astype("timedelta64[s]")
        at = np.repeat(days, counts).astype("datetime64[us]") + second
        at.sort()
        return np.asarray(at)

    def site_of(self, rng: np.random.Generator) -> npt.NDArray[np.int64]:
        """Place of each case's site in `sites` (n_cases,)."""
        volume = np.linspace(2, 1, len(self.sites))
        return np.asarray(
            np.searchsorted(np.cumsum(volume / volume.sum())[:-1], rng.random(self.n_cases), side="right"), np.int64
        )


TRUST = Service("one trust", tuple(f"Site {n}" for n in range(1, 5)), 20_000)
"""100,000 cases in five years."""

NATIONAL = Service("a national service", tuple(f"Site {n:02d}" for n in range(1, 31)), 600_000)
"""Three million cases in five years."""
