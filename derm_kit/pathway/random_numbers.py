"""Random numbers by name: the same person, stage and visit draw the same number in every arm.

Common random numbers (Law, Simulation Modeling and Analysis, 2015, chapter 11): arms then differ by what they do, not
by luck. A number is the SplitMix64 hash (Steele, Lea and Flood, OOPSLA 2014) of the replication's key, the person and
a tag, so that no order of events changes it.

Compiled code is cached by file: who changes this one touches engine.py as well, which holds a compiled copy.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit, uint64

UNIT = 2.0**-53
FIXED, EXPONENTIAL, UNIFORM, TRIANGULAR, LOGNORMAL = range(5)
TIME_KINDS = ("fixed", "exponential", "uniform", "triangular", "lognormal")


@njit(cache=True, nogil=True, inline="always")
def _mixed(z: np.uint64) -> np.uint64:
    z = (z ^ (z >> uint64(30))) * uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> uint64(27))) * uint64(0x94D049BB133111EB)
    return z ^ (z >> uint64(31))


@njit(cache=True, nogil=True)
def person_key(key: np.uint64, person: int) -> np.uint64:
    """The key (uint64) of one person's numbers in the replication with that `key`."""
    return _mixed(uint64(key) + uint64(person) * uint64(0x9E3779B97F4A7C15))


@njit(cache=True, nogil=True)
def number(own: np.uint64, tag: int) -> float:
    """A number from [0, 1) of the person with that key; `tag` says what it is for."""
    z = _mixed(own + uint64(tag) * uint64(0xD1B54A32D192ED03) + uint64(0x9E3779B97F4A7C15))
    return (z >> uint64(11)) * UNIT


@njit(cache=True, nogil=True)
def uniform(key: np.uint64, person: int, tag: int) -> float:
    """`number` of one person of the replication with that `key` (uint64)."""
    return number(person_key(key, person), tag)


@njit(cache=True, nogil=True)
def normal_quantile(u: float) -> float:
    """The standard normal quantile at `u` from [0, 1), 0 taken as half a unit, to 1e-6 of it.

    Algorithm AS 241, PPND7 (Wichura, Applied Statistics 1988, 37, 477).
    """
    q = u + UNIT / 2 - 0.5
    if abs(q) <= 0.425:
        r = 0.180625 - q * q
        above = ((59.10937472 * r + 159.29113202) * r + 50.434271938) * r + 3.3871327179
        return q * above / (((67.187563600 * r + 78.757757664) * r + 17.895169469) * r + 1)
    r = math.sqrt(-math.log(u + UNIT / 2 if q < 0 else 1 - u - UNIT / 2))
    if r <= 5:
        r -= 1.6
        above = ((0.17023821103 * r + 1.3067284816) * r + 2.75681539) * r + 1.4234372777
        z = above / ((0.12021132975 * r + 0.7370016425) * r + 1)
    else:
        r -= 5
        above = ((0.017337203997 * r + 0.42868294337) * r + 3.081226386) * r + 6.657905115
        z = above / ((0.012258202635 * r + 0.24197894225) * r + 1)
    return -z if q < 0 else z


@njit(cache=True, nogil=True)
def duration(kind: int, a: float, b: float, c: float, u: float) -> float:
    """A time from `Duration.parameters` (kind by place in TIME_KINDS), by inversion at `u` from [0, 1)."""
    if kind == EXPONENTIAL:
        return -a * math.log(1 - u)
    if kind == UNIFORM:
        return a + (b - a) * u
    if kind == TRIANGULAR:
        if c <= a:
            return a
        if u * (c - a) < b - a:
            return a + math.sqrt(u * (c - a) * (b - a))
        return c - math.sqrt((1 - u) * (c - a) * (c - b))
    if kind == LOGNORMAL:
        return math.exp(a + b * normal_quantile(u))
    return a


@njit(cache=True, nogil=True)
def drawn(kind: int, a: float, b: float, c: float, own: np.uint64, tag: int) -> float:
    """A time by the person's number at `tag`."""
    return duration(kind, a, b, c, number(own, tag) if kind != FIXED else 0.0)
