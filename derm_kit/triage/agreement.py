"""How far readers agree: the share of cases, Cohen's kappa of two readers, Fleiss' kappa of several.

A reading is one of several names without an order: verdicts know "cannot tell" and dispositions "clinician review",
which stand on no scale, so that no kappa is weighted here. Every interval assumes independent cases; where readings
never differ, kappa has none. A figure that cannot be had is NaN, and its Estimate says why.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import stdtrit

from derm_kit.errors import DermKitError
from derm_kit.triage.proportions import Estimate, normal_quantile, proportion

Codes = npt.NDArray[np.intp]
FEWEST = 50
"""Simulated 95 % intervals hold a kappa of .81 in 87 to 93 of 100 sets of 20 cases, 90 to 94 of 50, 93 to 94 of 100."""


def percent_agreement(readings: npt.ArrayLike, *, level: float = 0.95) -> Estimate:
    """Share of cases of which all readers say the same, with its Clopper-Pearson interval.

    `readings` (N, R) holds what each of R readers said of each of N cases, any values that can be told apart. Raises
    DermKitError where a reading is missing.
    """
    codes = _codes(readings)
    if codes.shape[1] < 2:
        return _undefined(len(codes), "Clopper-Pearson", "fewer than 2 readers")
    same = int((codes == codes[:, :1]).all(axis=1).sum())
    return replace(proportion(same, len(codes), level=level), n_positive=None)


def cohen_kappa(first: npt.ArrayLike, second: npt.ArrayLike, *, level: float = 0.95) -> Estimate:
    """Cohen's kappa of what two readers (N,) said of the same cases (Educational and Psychological Measurement 20, 37).

    Interval: the asymptotic variance that holds whatever kappa is, Fleiss, Cohen and Everitt, Psychological Bulletin 72
    (1969) 323, cut at -1 and 1. Raises DermKitError where the readers did not read the same cases, or a reading is
    missing.
    """
    method = "Fleiss, Cohen and Everitt"
    a, b = np.asarray(first, dtype=object), np.asarray(second, dtype=object)
    if a.ndim != 1 or a.shape != b.shape:
        raise DermKitError(
            "two readers are compared on the same cases",
            value=f"{a.shape} and {b.shape} readings",
            next_step="Give one reading of each reader on each case, in the same order.",
        )
    codes = _codes(np.stack([a, b], axis=1))
    reason = _why_not(codes)
    if reason:
        return _undefined(len(codes), method, reason)
    q = int(codes.max()) + 1
    table = np.bincount(codes @ [q, 1], minlength=q * q).reshape(q, q) / len(codes)
    one, other = table.sum(axis=1), table.sum(axis=0)
    expected = one @ other
    kappa = (np.trace(table) - expected) / (1 - expected)
    pull = np.eye(q) - (other[:, None] + one[None]) * (1 - kappa)
    spread = (table * pull**2).sum() - (kappa - expected * (1 - kappa)) ** 2
    variance = spread / (len(codes) * (1 - expected) ** 2)
    return _estimate(kappa, variance, normal_quantile(level), len(codes), method)


def fleiss_kappa(readings: npt.ArrayLike, *, level: float = 0.95) -> Estimate:
    """Fleiss' kappa of `readings` (N, R): R readers a case, not the same ones on each (Psychological Bulletin 76, 378).

    Interval: linearised variance over cases with Student's t of N - 1 degrees, Gwet, Educational and Psychological
    Measurement 81 (2021) 781, cut at -1 and 1. Fleiss' own variance holds where kappa is 0 only; this one is the
    jackknife's limit and needs no random draws. Raises DermKitError where a reading is missing.
    """
    method = "Gwet, linearised"
    codes = _codes(readings)
    n, readers = codes.shape
    reason = "fewer than 2 readers" if readers < 2 else _why_not(codes)
    if reason:
        return _undefined(n, method, reason)
    q = int(codes.max()) + 1
    counts = np.bincount((codes + q * np.arange(n)[:, None]).ravel(), minlength=n * q).reshape(n, q)
    agreed = (counts * (counts - 1)).sum(axis=1) / (readers * (readers - 1))
    shares = counts / readers
    used = shares.mean(axis=0)
    expected = used @ used
    kappa = (agreed.mean() - expected) / (1 - expected)
    of_case = (agreed - expected - 2 * (1 - kappa) * (shares @ used - expected)) / (1 - expected)
    return _estimate(kappa, of_case.var(ddof=1) / n, float(stdtrit(n - 1, (1 + level) / 2)), n, method)


def _codes(readings: npt.ArrayLike) -> Codes:
    """Readings (N, R) as numbers from 0, the same for the same reading."""
    table = np.asarray(readings, dtype=object)
    if table.ndim != 2:
        raise DermKitError(
            "readings are a table of cases by readers",
            value=f"{table.ndim} dimensions",
            next_step="Give one row a case and one column a reader.",
        )
    codes, _ = pd.factorize(table.ravel())
    if (codes < 0).any():
        raise DermKitError(
            "every reader said something of every case",
            value=f"{int((codes < 0).sum())} missing",
            next_step="Leave out the cases that not all of these readers have read.",
        )
    return codes.reshape(table.shape)


def _why_not(codes: Codes) -> str:
    """Why these readings have no kappa, "" where they have one."""
    if len(codes) < 2:
        return "no case" if not len(codes) else "fewer than 2 cases"
    return "" if codes.any() else "only one reading was ever given, so that chance explains all agreement"


def _estimate(kappa: float, variance: float, quantile: float, n: int, method: str) -> Estimate:
    if not variance > 1e-15:
        reason = "the readings never differ" if kappa > 1 - 1e-12 else "the variance is zero here"
        return Estimate(float(kappa), math.nan, math.nan, n, None, method, f"no interval: {reason}")
    margin = quantile * math.sqrt(variance)
    reason = "" if n >= FEWEST else f"rough interval: fewer than {FEWEST} cases"
    low, high = max(-1.0, float(kappa) - margin), min(1.0, float(kappa) + margin)
    return Estimate(float(kappa), low, high, n, None, method, reason)


def _undefined(n: int, method: str, reason: str) -> Estimate:
    return Estimate(math.nan, math.nan, math.nan, n, None, method, reason)
