"""How fast somebody may try codes. Nobody is locked out: who was wrong too often waits seconds, then tries again."""

from __future__ import annotations

import ipaddress
import math
import time
from collections.abc import Callable
from typing import NamedTuple


class Limit(NamedTuple):
    """So many wrong codes are free; from then on one is looked at in `every_s` seconds."""

    free: int
    every_s: float


FROM_ONE, IN_ALL = Limit(20, 5.0), Limit(300, 0.5)
"""From one network, and from all. Right codes are not counted: a room may share one address, however many join.

A guess is right once in 887 million, and two guesses a second are looked at.
"""
MOST_NETWORKS = 10_000


class WrongCodes:
    """Counts wrong codes by network and in all; they are forgotten at the pace of their limit."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._forgotten_at: dict[str, float] = {}

    def count(self, address: str) -> None:
        """One more wrong code from there."""
        now = self._clock()
        if len(self._forgotten_at) >= MOST_NETWORKS:
            self._forgotten_at = {name: at for name, at in self._forgotten_at.items() if at > now}
        for name, limit in _limits(address):
            self._forgotten_at[name] = max(self._forgotten_at.get(name, now), now) + limit.every_s

    def wait_s(self, address: str) -> int:
        """Whole seconds until another code from there is looked at; 0 for now."""
        now = self._clock()
        waits = (
            self._forgotten_at.get(name, now) - now - (limit.free - 1) * limit.every_s
            for name, limit in _limits(address)
        )
        return max(0, *(math.ceil(wait) for wait in waits))


def _limits(address: str) -> tuple[tuple[str, Limit], tuple[str, Limit]]:
    return (network_of(address), FROM_ONE), ("", IN_ALL)


def network_of(address: str) -> str:
    """The address, or the /64 that one household or phone has of IPv6."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ip) if ip.version == 4 else str(ipaddress.ip_network((int(ip), 64), strict=False))
