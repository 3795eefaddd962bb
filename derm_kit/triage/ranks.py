"""How many positives may be missed: exact binomial ranks behind the guarantees of `guarantee`."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import bdtrc

from derm_kit.errors import DermKitError
from derm_kit.triage.proportions import FloatArray

ROUNDING = 1e-9
"""Relative slack of every comparison with delta, so that 1 - .95 in binary changes no rank."""


def order_statistic_rank(n: int, target: float, confidence: float) -> int | None:
    """Largest r such that calling scores >= the r-th lowest of n positives breaks `target` rarely enough.

    Rarely enough is with probability at most 1 - confidence; rank r breaks it with probability at most
    P(Binomial(n, 1 - target) <= r - 1). None where even the lowest score is no guarantee. Neyman-Pearson umbrella
    algorithm: Tong, Feng and Li, Science Advances 4 (2018) eaao1659. Raises DermKitError unless target and confidence
    lie between 0 and 1.
    """
    require_shares(target, confidence)
    violation = violation_probs(n, target)
    return int((violation <= with_slack(1 - confidence)).sum()) or None


def violation_probs(n: int, target: float) -> FloatArray:
    """P(Binomial(n, 1 - target) <= r - 1) for r = 1..n (n,), as P(Binomial(n, target) > n - r): no 1 - target."""
    return np.asarray(bdtrc(n - np.arange(1, n + 1), n, target), np.float64)


def needed_at(target: float, delta: float) -> int:
    """Least n with target ** n <= delta: so many positives, none missed, are the least that prove anything."""
    return max(1, math.ceil(math.log(with_slack(delta)) / math.log(target)))


def with_slack(delta: float) -> float:
    """Delta as every comparison with it is made."""
    return delta * (1 + ROUNDING)


def require_shares(*shares: float) -> None:
    """Raise DermKitError unless each lies between 0 and 1."""
    for share in shares:
        if not 0 < share < 1:
            raise DermKitError(
                "a target sensitivity and a confidence lie between 0 and 1", value=share, next_step="Give, say, 0.95."
            )
