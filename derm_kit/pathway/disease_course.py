"""What becomes of people with a disease for the rest of their lives: a Markov cohort model in yearly cycles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from derm_kit.pathway.tallies import Floats

STATES = (
    "found early",
    "found advanced",
    "not found",
    "not found, advanced",
    "dead of the disease",
    "dead of other causes",
)
EARLY, ADVANCED, NOT_FOUND, NOT_FOUND_ADVANCED, DEAD, DEAD_OTHERWISE = range(6)
STARTS = (EARLY, ADVANCED, NOT_FOUND)
"""States in which somebody may leave the decision tree."""
ALIVE = slice(0, DEAD)


@dataclass(frozen=True)
class Rates:
    """Yearly chances, N draws over T cycles.

    other_deaths    (T, N) of dying of other causes.
    disease_deaths  (N, 4) of dying of the disease in each state in which people live.
    advances        (N,)   of the disease advancing while it is not found.
    found           (N, 2) of being found outside the pathway: early, and advanced.
    """

    other_deaths: Floats
    disease_deaths: Floats
    advances: Floats
    found: Floats

    @property
    def transitions(self) -> Floats:
        """Chances (T, N, 6, 6) from state to state within a cycle.

        Within a year people first die of other causes or not, then of the disease or not; then a disease that is not
        found advances or not, and is found or not.
        """
        lives = 1 - self.other_deaths
        moves = np.zeros((*self.other_deaths.shape, len(STATES), len(STATES)))
        moves[..., ALIVE, DEAD_OTHERWISE] = self.other_deaths[..., None]
        moves[..., ALIVE, DEAD] = lives[..., None] * self.disease_deaths
        moves[..., DEAD, DEAD] = moves[..., DEAD_OTHERWISE, DEAD_OTHERWISE] = 1
        early, advanced, hidden, hidden_advanced = np.moveaxis(lives[..., None] * (1 - self.disease_deaths), -1, 0)
        found, found_advanced = self.found[:, 0], self.found[:, 1]
        moves[..., EARLY, EARLY] = early
        moves[..., ADVANCED, ADVANCED] = advanced
        moves[..., NOT_FOUND, EARLY] = hidden * (1 - self.advances) * found
        moves[..., NOT_FOUND, NOT_FOUND] = hidden * (1 - self.advances) * (1 - found)
        moves[..., NOT_FOUND, ADVANCED] = hidden * self.advances * found
        moves[..., NOT_FOUND, NOT_FOUND_ADVANCED] = hidden * self.advances * (1 - found)
        moves[..., NOT_FOUND_ADVANCED, ADVANCED] = hidden_advanced * found_advanced
        moves[..., NOT_FOUND_ADVANCED, NOT_FOUND_ADVANCED] = hidden_advanced * (1 - found_advanced)
        return moves


@dataclass(frozen=True)
class Course:
    """One person's remaining life by the state it starts in (three: STARTS), N draws, T cycles.

    shares  (T + 1, N, 3, 6) chance to be in each state at the start and after each cycle.
    found   (T, N, 3, 2) chance to be found outside the pathway within each cycle: early, and advanced.
    """

    shares: Floats
    found: Floats

    def years(self, discount_a_year: Floats) -> Floats:
        """Discounted years (T, N, 3, 4) spent in each state in which people live, by cycle; discount (N,)."""
        return half_cycle(self.shares[..., ALIVE] * self._value(discount_a_year))

    def findings(self, discount_a_year: Floats) -> Floats:
        """Discounted chance (T, N, 3, 2) of being found outside the pathway, by cycle."""
        discounted: Floats = self.found * half_cycle(self._value(discount_a_year))
        return discounted

    def _value(self, discount_a_year: Floats) -> Floats:
        return discounting(discount_a_year, len(self.found))[..., None, None]


def trace(start: Floats, transitions: Floats) -> Floats:
    """Shares of a cohort in each state at the start and after each cycle (T + 1, ..., S).

    `start` ((N, K,) S) are the shares at the start, `transitions` (T, (N,) S, S) the chances in each cycle, from row to
    column.
    """
    shares = [np.asarray(start, np.float64)]
    for moves in transitions:
        shares.append(shares[-1] @ moves)
    return np.stack(shares)


def discounting(rate_a_year: Floats, cycles: int) -> Floats:
    """Present value (T + 1, N) of 1 at the start and at the end of each year: (1 + rate)^-t."""
    value: Floats = (1 + np.asarray(rate_a_year, np.float64)) ** -np.arange(cycles + 1.0)[:, None]
    return value


def half_cycle(at_times: Floats) -> Floats:
    """What a cycle holds (T, ...): the mean of its start and its end (Sonnenberg and Beck, Med Decis Making 1993)."""
    within: Floats = (at_times[:-1] + at_times[1:]) / 2
    return within


def course(rates: Rates) -> Course:
    """A life by the state it starts in."""
    moves = rates.transitions
    start = np.broadcast_to(np.eye(len(STATES))[list(STARTS)], (moves.shape[1], len(STARTS), len(STATES)))
    shares = trace(start, moves)
    hidden, hidden_advanced = shares[:-1, ..., NOT_FOUND], shares[:-1, ..., NOT_FOUND_ADVANCED]
    early = hidden * moves[..., NOT_FOUND, EARLY, None]
    advanced = hidden * moves[..., NOT_FOUND, ADVANCED, None]
    later = hidden_advanced * moves[..., NOT_FOUND_ADVANCED, ADVANCED, None]
    return Course(shares, np.stack([early, advanced + later], axis=-1))


def years_alive(other_deaths: Floats, discount: Floats) -> Floats:
    """Discounted years (N,) that somebody without the disease lives, from `other_deaths` (T, N)."""
    alive = np.concatenate((np.ones((1, other_deaths.shape[1])), np.cumprod(1 - other_deaths, axis=0)))
    years: Floats = half_cycle(alive * discounting(discount, len(other_deaths))).sum(axis=0)
    return years


def gompertz_deaths(age_years: Floats, from_age_years: float, hazard: Floats, growth: Floats) -> Floats:
    """Chance of dying within the year that starts at an age.

    1 - exp(-the year's integral of hazard x exp(growth x (age - from))).
    """
    over_the_year = np.where(growth > 0, np.expm1(growth) / np.where(growth > 0, growth, 1), 1)
    deaths: Floats = -np.expm1(-hazard * np.exp(growth * (age_years - from_age_years)) * over_the_year)
    return deaths


def table_deaths(age_years: Floats, from_age_years: float, life_table: tuple[float, ...]) -> Floats:
    """Chance of dying within the year that starts at an age, from a life table; its ends hold beyond it."""
    at = np.clip(np.floor(age_years - from_age_years), 0, len(life_table) - 1).astype(np.int64)
    deaths: Floats = np.asarray(life_table, np.float64)[at]
    return deaths
