"""Standard errors of what several readers said of the same cases, and intervals by Student's t.

Readers and cases both count as drawn at random: the interval speaks of other readers and other cases like these.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, stdtr, stdtrit

from derm_kit.triage.proportions import FloatArray, normal_quantile

Codes = npt.NDArray[np.intp]
NOTHING = 1e-15
NO_VARIANCE = "no interval: nothing varies here"


def t_quantile(df: float, level: float) -> float:
    """Quantile of a two-sided interval of Student's t; the normal one where `df` is infinite."""
    return normal_quantile(level) if math.isinf(df) else float(stdtrit(df, (1 + level) / 2))


def t_p_value(statistic: float, df: float) -> float:
    """Two-sided p of Student's t; the normal one where `df` is infinite."""
    return 2 * float(ndtr(-abs(statistic)) if math.isinf(df) else stdtr(df, -abs(statistic)))


def hillis_df(error: float, reader_part: float, df: float) -> float:
    """Degrees of freedom of an error of which only `reader_part`, with `df`, is estimated from few readers.

    Hillis, Statistics in Medicine 26 (2007) 596: the part that comes from cases counts as known.
    """
    return df * (error / reader_part) ** 2 if reader_part > NOTHING else math.inf


def interval(
    value: float, variance: float, df: float, level: float, bounds: tuple[int, int], undefined: str = ""
) -> tuple[float, float, float, float, str]:
    """Standard error, degrees of freedom, low and high cut at `bounds`, and why there are none ("": there are)."""
    reason = undefined or ("" if variance > NOTHING else NO_VARIANCE)
    if reason:
        return math.nan, math.nan, math.nan, math.nan, reason
    error = math.sqrt(variance)
    margin = t_quantile(df, level) * error
    return error, df, max(bounds[0], value - margin), min(bounds[1], value + margin), ""


@dataclass(frozen=True)
class Crossed:
    """Variance of a figure from R readers and C cases, in the part between readers and the part that cases share."""

    reader_part: float
    case_part: float
    n_readers: int
    n_cases: int

    @property
    def variance(self) -> float:
        """Both parts; the cases' estimate counts as 0 where it is negative."""
        return self.reader_part + max(self.case_part, 0)

    @property
    def hillis_df(self) -> float:
        """Degrees of freedom that take the cases' part as known."""
        return hillis_df(self.variance, self.reader_part, self.n_readers - 1)

    @property
    def both_df(self) -> float:
        """Satterthwaite's degrees of freedom (Biometrics Bulletin 2 (1946) 110) of both parts."""
        case_part = max(self.case_part, 0)
        squares = self.reader_part**2 / (self.n_readers - 1) + case_part**2 / max(self.n_cases - 1, 1)
        return self.variance**2 / squares if squares > NOTHING**2 else math.inf


def crossed(influence: FloatArray, reader: Codes, case: Codes, arm: Codes | None = None) -> Crossed:
    """Variance of a mean, or of a difference of two means, of answers by at least 2 readers to the same cases.

    `influence` (N,) of each answer: (answer - mean) / N for a mean; for a difference, that of arm 1 and minus that of
    arm 0, with `arm` (N,). `reader` and `case` (N,) are codes that leave none out. A reader's sum varies between
    readers; what two readers share by reading the same case comes on top. Where every reader answered every case once,
    this is Obuchowski and Rockette's variance with Hillis' degrees of freedom (see `multi_reader`), of one modality or
    of the difference of two, from the covariances of the jackknife; it needs no full table.
    """
    readers, cases = int(reader.max()) + 1, int(case.max()) + 1
    own = np.bincount(reader, influence, minlength=readers)
    own -= own.mean()
    cell = reader if arm is None else reader * 2 + arm
    centred = influence - (np.bincount(cell, influence) / np.maximum(np.bincount(cell), 1))[cell]
    by_both = np.bincount(reader * cases + case, centred)
    by_case = np.bincount(case, centred)
    few = readers / (readers - 1)
    shared = few * cases / max(cases - 1, 1) * float(by_case @ by_case - by_both @ by_both)
    return Crossed(few * float(own @ own), shared, readers, cases)
