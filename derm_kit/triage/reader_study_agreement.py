"""How far the readers of a study agree, where not every reader answered every case."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from derm_kit.triage.agreement import FEWEST
from derm_kit.triage.proportions import Estimate, FloatArray
from derm_kit.triage.reader_study_tables import VIEWS, Study

METHOD = "Gwet, linearised"


def reader_agreement(study: Study, *, level: float = 0.95) -> pd.DataFrame:
    """Fleiss' kappa of the readers on diagnosis and on management (the disposition, of six), by mode and phase.

    Columns: view, mode, phase, readers, n cases, alone (cases with one answer: they count for how common the names are,
    and for no agreement), value, low, high, method, reason.
    """
    rows = []
    for view, column in zip(VIEWS, ("diagnosis", "disposition"), strict=True):
        for (mode, phase), own in study.answers.groupby(["mode", "phase"], sort=False):
            counts = pd.crosstab(own["case_id"], own[column]).to_numpy(np.float64)
            e = kappa_of_counts(counts, level=level)
            alone = int((counts.sum(axis=1) == 1).sum())
            figures = (e.n, alone, e.value, e.low, e.high, e.method, e.reason)
            rows.append((view, mode, phase, own["reader"].nunique(), *figures))
    return pd.DataFrame(
        rows, columns=["view", "mode", "phase", "readers", "n", "alone", "value", "low", "high", "method", "reason"]
    )


def kappa_of_counts(counts: FloatArray, *, level: float = 0.95) -> Estimate:
    """Fleiss' kappa of `counts` (N, K): how many readers gave each of N cases each of K names, 1 or more a case.

    Readers may differ in number from case to case: Gwet, Handbook of Inter-Rater Reliability (2014), with the variance
    of Educational and Psychological Measurement 81 (2021) 781, linearised over cases, and Student's t of N - 1 degrees,
    cut at -1 and 1. Where every case has as many answers, it is `agreement.fleiss_kappa`.
    """
    n, given = len(counts), counts.sum(axis=1)
    several = given > 1
    if several.sum() < 2:
        return _undefined(n, "fewer than 2 cases with 2 answers")
    shares = counts / given[:, None]
    used = shares.mean(axis=0)
    expected = float(used @ used)
    if expected > 1 - 1e-12:
        return _undefined(n, "only one name was ever given, so that chance explains all agreement")
    agreed = (counts * (counts - 1)).sum(axis=1) / np.maximum(given * (given - 1), 1)
    kappa = (float(agreed[several].mean()) - expected) / (1 - expected)
    of_case = np.where(several, n / several.sum() * (agreed - expected), 0) / (1 - expected)
    of_case -= 2 * (1 - kappa) * (shares @ used - expected) / (1 - expected)
    variance = float(((of_case - kappa) ** 2).sum()) / (n * (n - 1))
    if not variance > 1e-15:
        return Estimate(kappa, math.nan, math.nan, n, None, METHOD, "no interval: the answers never differ")
    margin = float(stdtrit(n - 1, (1 + level) / 2)) * math.sqrt(variance)
    reason = "" if n >= FEWEST else f"rough interval: fewer than {FEWEST} cases"
    return Estimate(kappa, max(-1.0, kappa - margin), min(1.0, kappa + margin), n, None, METHOD, reason)


def _undefined(n: int, reason: str) -> Estimate:
    return Estimate(math.nan, math.nan, math.nan, n, None, METHOD, reason)
