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
def duration(kind: int, a: float, b: float, c: float, u: float, v: float) -> float:
    """A time from `Duration.parameters` (kind by place in TIME_KINDS), by numbers `u` and `v` from [0, 1).

    By inversion of the distribution; lognormal by Box and Muller (1958).
    """
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
        return math.exp(a + b * math.sqrt(-2 * math.log(1 - u)) * math.cos(2 * math.pi * v))
    return a


@njit(cache=True, nogil=True)
def drawn(kind: int, a: float, b: float, c: float, own: np.uint64, tag: int) -> float:
    """A time by the person's numbers at `tag` and, of the only kind that needs a second one, the next."""
    u = number(own, tag) if kind != FIXED else 0.0
    v = number(own, tag + 1) if kind == LOGNORMAL else 0.0
    return duration(kind, a, b, c, u, v)
