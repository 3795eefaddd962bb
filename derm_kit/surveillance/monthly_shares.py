"""Shares of cases month by month against the baseline months: a test whose yardstick is the baseline's own spread."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc, fdtrc, gammaln

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
FEWEST_EXPECTED = 5.0
"""Categories that would have fewer cases in a month are counted together (Cochran's rule for chi-square)."""
UNEVEN = 0.05


@dataclass(frozen=True)
class Judged:
    """A group's months after the baseline (M,), by one figure.

    n            cases of the month.
    statistic    chi-square per degree of freedom, over `dispersion` where the baseline is uneven.
    p_value      NaN where nothing can be said: too few cases, or one category only.
    moved        share of cases that would have to change category to give the baseline's shares.
    dispersion   the baseline months' own chi-square per degree of freedom: 1 where only chance parts them.
    """

    n: Ints
    statistic: Floats
    p_value: Floats
    moved: Floats
    dispersion: float


def judged(counts: Ints, baseline_months: int, fewest_cases: int) -> Judged:
    """Judge the months of one group after its first `baseline_months`; `counts` is (months, categories).

    Each month is held against all baseline months together: by the chi-square test of homogeneity, or where there are
    two categories, as with failures, by Fisher's exact test (twice its smaller side), which holds for rare ones too.
    Where the baseline months differ among themselves by more than chance (p below UNEVEN), their chi-square per degree
    of freedom scales the month's, and the ratio is read from the F distribution (quasi-likelihood; McCullagh & Nelder,
    1989, 4.5): an uneven service does not alarm for ever, and the unsure yardstick of a short baseline is allowed for.
    """
    before, after = counts[:baseline_months], counts[baseline_months:]
    base, n = before.sum(axis=0), after.sum(axis=1)
    two = counts.shape[1] == 2
    statistic, freedom = _chi_square(after, base, 0 if two else FEWEST_EXPECTED)
    spread, spread_freedom = _spread(before)
    enough = (n >= fewest_cases) & (base.sum() >= fewest_cases) & (freedom > 0)
    per_freedom = np.divide(statistic, freedom, where=enough, out=np.full(len(n), np.nan))
    p_value = np.full(len(n), np.nan)
    p_value[enough] = _exact(after[enough], base) if two else chdtrc(freedom[enough], statistic[enough])
    if spread_freedom > 0 and chdtrc(spread_freedom, spread * spread_freedom) < UNEVEN:
        per_freedom = per_freedom / spread
        p_value[enough] = fdtrc(freedom[enough], spread_freedom, per_freedom[enough])
    with np.errstate(invalid="ignore", divide="ignore"):
        moved = np.abs(after / n[:, None] - base / base.sum()).sum(axis=1) / 2
    return Judged(n, per_freedom, p_value, moved, float(spread))


def _exact(months: Ints, base: Ints) -> Floats:
    """P-value (M,) of Fisher's exact test of each month (M, 2) against the baseline (2,): twice the smaller side."""
    sides = np.zeros(len(months))
    for month, (others, hits) in enumerate(months):
        could_be = np.arange(max(hits - base[0], 0), min(hits + base[1], others + hits) + 1)
        hit, not_hit = hits + base[1], others + base[0]
        log_prob = _log_choose(hit, could_be) + _log_choose(not_hit, others + hits - could_be)
        prob = np.exp(log_prob - _log_choose(hit + not_hit, others + hits))
        sides[month] = min(prob[could_be <= hits].sum(), prob[could_be >= hits].sum())
    return np.minimum(2 * sides, 1)


def _log_choose(n: Ints, k: Ints) -> Floats:
    return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1), np.float64)


def _chi_square(months: Ints, base: Ints, fewest: float) -> tuple[Floats, Ints]:
    """Chi-square (M,) of each month against the baseline (two rows, many columns), and its degrees of freedom (M,).

    Categories with fewer than `fewest` expected in the month are joined.
    """
    n, total = months.sum(axis=1, keepdims=True), base.sum()
    pooled = (months + base) / np.maximum(n + total, 1)
    seen, against, expected = (
        months.astype(np.float64),
        np.broadcast_to(base, months.shape).astype(np.float64),
        pooled * n,
    )
    seen, against, expected, kept = _joined(seen, against, expected, fewest)
    expected_base = np.where(kept, expected / np.maximum(n, 1) * total, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        cells = (seen - expected) ** 2 / expected + (against - expected_base) ** 2 / expected_base
    return np.where(kept, cells, 0).sum(axis=1), np.maximum(kept.sum(axis=1) - 1, 0)


def _joined(
    seen: Floats, against: Floats, expected: Floats, fewest: float
) -> tuple[Floats, Floats, Floats, npt.NDArray[np.bool_]]:
    """Small categories joined into one more column; where even that is small, it joins the largest category."""
    small = (expected < fewest) | (expected <= 0)
    rows, largest = np.arange(len(seen)), expected.argmax(axis=1)
    small[rows, largest] = False
    others = [np.where(small, part, 0).sum(axis=1) for part in (seen, against, expected)]
    tiny = (others[2] < fewest) | (others[2] <= 0)
    parts = []
    for part, other in zip((seen, against, expected), others, strict=True):
        wide = np.column_stack([np.where(small, 0, part), np.where(tiny, 0, other)])
        wide[rows, largest] += np.where(tiny, other, 0)
        parts.append(wide)
    kept = np.column_stack([~small, ~tiny])
    return parts[0], parts[1], parts[2], kept


def _spread(before: Ints) -> tuple[float, int]:
    """Chi-square per degree of freedom among the baseline months, and those degrees of freedom."""
    months = before[before.sum(axis=1) > 0]
    if len(months) < 2:
        return 1.0, 0
    n, total = months.sum(axis=1, keepdims=True), months.sum()
    common = months.sum(axis=0) / total * n.mean() >= FEWEST_EXPECTED
    table = np.column_stack([months[:, common], months[:, ~common].sum(axis=1)])
    expected = n * table.sum(axis=0) / total
    kept = expected.mean(axis=0) >= FEWEST_EXPECTED
    freedom = (len(months) - 1) * (int(kept.sum()) - 1)
    if freedom <= 0:
        return 1.0, 0
    return float(((table - expected)[:, kept] ** 2 / expected[:, kept]).sum() / freedom), freedom
