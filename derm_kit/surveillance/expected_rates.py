"""Expected probability of a yes-or-no outcome by what a case is, from a baseline period."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from derm_kit.triage.proportions import BoolArray, FloatArray
from derm_kit.triage.subgroups import AGE_FROM_YEARS

IntArray = npt.NDArray[np.int64]
SHRUNK_BY = 20.0
"""A cell's rate is pulled towards that of its site and age group as if by this many cases."""
LOWEST = 0.005
"""An expected probability is taken as no lower, and no higher than 1 less this."""


@dataclass(frozen=True)
class Cells:
    """Cells of site, age group and device.

    `of_case` (N,) int32 is the cell of each case, `block` (G,) the site and age group of each cell, `baseline` (G,) the
    number of its cases in the baseline.
    """

    of_case: npt.NDArray[np.int32]
    block: IntArray
    baseline: IntArray


def cells(cases: pd.DataFrame, in_baseline: BoolArray) -> Cells:
    """The cells of `cases` (N rows of a feed), those with no case left out."""
    site, device = (cases[name].cat.codes.to_numpy().astype(np.int64) + 1 for name in ("site", "device"))
    age = _age_codes(cases["age_years"].to_numpy())
    block = site * (len(AGE_FROM_YEARS) + 1) + age
    key = block * (int(device.max(initial=0)) + 1) + device
    of_case, found = pd.factorize(key)
    blocks = np.asarray(found) // (int(device.max(initial=0)) + 1)
    baseline = np.bincount(of_case[in_baseline], minlength=len(found))
    return Cells(of_case.astype(np.int32), np.unique(blocks, return_inverse=True)[1], baseline)


def expected_by_cell(of: Cells, event: BoolArray, in_baseline: BoolArray) -> FloatArray:
    """Expected probability of the event in each cell (G,), from LOWEST to 1 - LOWEST.

    The rate of the baseline's cases of the cell, shrunk towards that of its site and age group, which is shrunk towards
    that of all: a device that is new to a site is expected to do as the site did before.
    """
    n, seen = of.baseline, np.bincount(of.of_case[in_baseline & event], minlength=of.baseline.size)
    overall = (seen.sum() + 0.5) / (n.sum() + 1)
    n_block, seen_block = (np.bincount(of.block, counts) for counts in (n, seen))
    block = (seen_block + SHRUNK_BY * overall) / (n_block + SHRUNK_BY)
    rate = (seen + SHRUNK_BY * block[of.block]) / (n + SHRUNK_BY)
    return np.asarray(np.clip(rate, LOWEST, 1 - LOWEST))


def _age_codes(age_years: npt.NDArray[np.float32]) -> IntArray:
    """Age group of each case (N,), from 1; 0 where the age was not recorded."""
    bands = np.searchsorted(np.array(AGE_FROM_YEARS, np.float32), age_years, side="right").astype(np.int64)
    return np.where(np.isnan(age_years), 0, bands)
