"""Several readers, the same cases, two or more ways of reading: Obuchowski and Rockette's analysis of variance.

Model: a figure of merit of each modality and reader is a mean, a modality's effect, a reader's and their interaction,
and an error whose covariances come from the cases: cov1 between modalities of one reader, cov2 between readers under
one modality, cov3 between both. Obuchowski and Rockette, Communications in Statistics: Simulation and Computation 24
(1995) 285; degrees of freedom, Hillis, Statistics in Medicine 26 (2007) 596. A figure that cannot be had is NaN, and
`reason` says why.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
import pandas as pd
from scipy.special import chdtrc, fdtrc

from derm_kit.errors import DermKitError
from derm_kit.triage.multi_reader_figures import FIGURES, Figure, Ratings, jackknife, require_scale
from derm_kit.triage.multi_reader_intervals import NO_VARIANCE, NOTHING, hillis_df, interval, t_p_value
from derm_kit.triage.proportions import FloatArray

Random = Literal["readers and cases", "cases", "readers"]
"""What is drawn at random, so that the result speaks of others than these; the rest is fixed."""

Covariances = Literal["jackknife", "jackknife within classes"]


@dataclass(frozen=True)
class Components:
    """Mean squares of the figures (M modalities by R readers), and their error variance and covariances.

    Variances are those of a figure of merit (squared, without a unit).
    """

    n_modalities: int
    n_readers: int
    ms_modality: float
    ms_reader: float
    ms_interaction: float
    error_variance: float
    cov1: float
    cov2: float
    cov3: float

    @property
    def reader_variance(self) -> float:
        """Variance between readers; an estimate that may be negative (Hillis 2007)."""
        return (self.ms_reader - self.ms_interaction) / self.n_modalities - self.cov1 + self.cov3

    @property
    def interaction_variance(self) -> float:
        """Variance of readers' own gains from a modality; an estimate that may be negative."""
        return self.ms_interaction - self.error_variance + self.cov1 + max(self.cov2 - self.cov3, 0)


@dataclass(frozen=True)
class Contrast:
    """Test that all modalities have the same mean figure, and the standard error of the difference of two of them.

    `statistic` is F with `df` and `error_df` degrees of freedom; where only cases are random it is chi-squared with
    `df`, and `error_df` is infinite.
    """

    statistic: float
    df: int
    error_df: float
    p_value: float
    standard_error: float
    reason: str = ""


@dataclass(frozen=True)
class MultiReader:
    """An analysis of R readers, C cases and M modalities.

    figures      modality, reader, value.
    means        modality, value (over readers), standard_error, df, low, high, reason; each from its own data alone.
    differences  modality, less (the modality taken off), value, standard_error, df, statistic, p_value, low, high,
                 reason.
    by_reader    reader, modality, less, value, standard_error, p_value, low, high, reason: cases random.
    """

    figure: str
    random: Random
    covariances: Covariances
    level: float
    n_readers: int
    n_cases: int
    n_positive: int
    components: Components
    contrast: Contrast
    figures: pd.DataFrame
    means: pd.DataFrame
    differences: pd.DataFrame
    by_reader: pd.DataFrame


def analyse_readers(
    ratings: Ratings,
    figure: str | Figure = "auc",
    *,
    random: Random = "readers and cases",
    covariances: Covariances = "jackknife",
    level: float = 0.95,
) -> MultiReader:
    """Compare the modalities of `ratings` by a figure of merit, a name of FIGURES or a function of one's own.

    A difference is that of the later modality less the earlier, in the order of `ratings.modalities`. One reader can
    only be fixed. Raises DermKitError for an unknown figure, or for ratings other than 0 and 1 where a share is asked
    for.
    """
    name, measure = _figure(figure)
    require_scale(ratings, measure)
    theta = measure(ratings.given, ratings.positive)
    covariance = jackknife(ratings, measure, within_classes=covariances == "jackknife within classes")
    parts = components(theta, covariance)
    found = contrast(parts, random)
    undefined = _undefined(theta, covariance, random)
    return MultiReader(
        name, random, covariances, level, len(ratings.readers), len(ratings.case_ids), int(ratings.positive.sum()),
        parts, found, _figures(ratings, theta), _means(ratings.modalities, theta, covariance, random, level, undefined),
        _differences(ratings.modalities, theta, found, level, undefined),
        _by_reader(ratings, theta, covariance, level, undefined),
    )  # fmt: skip


def components(theta: FloatArray, covariance: FloatArray) -> Components:
    """Mean squares and averaged covariances of figures (M, R) with covariance (M * R, M * R), modality by modality."""
    m, r = theta.shape
    of_modality, of_reader = theta.mean(axis=1), theta.mean(axis=0)
    apart = theta - of_modality[:, None] - of_reader[None] + theta.mean()
    cells = covariance.reshape(m, r, m, r)
    same_modality = np.broadcast_to(np.eye(m, dtype=bool)[:, None, :, None], cells.shape)
    same_reader = np.broadcast_to(np.eye(r, dtype=bool)[None, :, None, :], cells.shape)
    return Components(
        m, r,
        r * _variance(of_modality), m * _variance(of_reader),
        float((apart**2).sum() / ((m - 1) * (r - 1))) if m > 1 and r > 1 else math.nan,
        _average(cells[same_modality & same_reader]), _average(cells[~same_modality & same_reader]),
        _average(cells[same_modality & ~same_reader]), _average(cells[~same_modality & ~same_reader]),
    )  # fmt: skip


def contrast(parts: Components, random: Random = "readers and cases") -> Contrast:
    """The test of equal modalities from mean squares and covariances, as `random` says (Hillis 2007, tables I to III).

    cov2 - cov3 counts as 0 where its estimate is negative. With one reader only cases can be random.
    """
    m, r = parts.n_modalities, parts.n_readers
    if m < 2:
        return _no_contrast(m, "fewer than 2 modalities")
    if r < 2 and random != "cases":
        return _no_contrast(m, _ONE_READER)
    shared = max(parts.cov2 - parts.cov3, 0) if r > 1 else 0.0
    if random == "cases":
        error, error_df = parts.error_variance - parts.cov1 + (r - 1) * shared, math.inf
    elif random == "readers":
        error, error_df = parts.ms_interaction, float((m - 1) * (r - 1))
    else:
        error = parts.ms_interaction + r * shared
        error_df = hillis_df(error, parts.ms_interaction, (m - 1) * (r - 1))
    if math.isnan(error) or math.isnan(parts.ms_modality):
        return _no_contrast(m, "a mean square or a covariance is undefined")
    if not error > NOTHING:
        return _no_contrast(m, NO_VARIANCE)
    ratio = parts.ms_modality / error
    if math.isinf(error_df):
        statistic, p_value = (m - 1) * ratio, float(chdtrc(m - 1, (m - 1) * ratio))
    else:
        statistic, p_value = ratio, float(fdtrc(m - 1, error_df, ratio))
    return Contrast(statistic, m - 1, error_df, p_value, math.sqrt(2 * error / r))


_ONE_READER = "one reader says nothing of other readers: take only cases as random"


def _no_contrast(m: int, reason: str) -> Contrast:
    return Contrast(math.nan, max(m - 1, 0), math.nan, math.nan, math.nan, reason)


def _figure(figure: str | Figure) -> tuple[str, Figure]:
    if not isinstance(figure, str):
        return getattr(figure, "__name__", "own figure"), figure
    if figure not in FIGURES:
        raise DermKitError(
            "a figure of merit is one of those known by name, or a function",
            value=figure,
            next_step=f"Choose one of: {', '.join(FIGURES)}.",
        )
    return figure, FIGURES[figure]


def _undefined(theta: FloatArray, covariance: FloatArray, random: Random) -> str:
    if np.isnan(theta).any():
        return "the figure is undefined: it rests on cases of a class that has none"
    if random != "readers" and np.isnan(covariance).any():
        return "no interval: fewer than 2 cases of a class"
    return _ONE_READER if theta.shape[1] < 2 and random != "cases" else ""


def _figures(ratings: Ratings, theta: FloatArray) -> pd.DataFrame:
    rows = [
        (modality, reader, float(theta[i, j]))
        for i, modality in enumerate(ratings.modalities)
        for j, reader in enumerate(ratings.readers)
    ]
    return pd.DataFrame(rows, columns=["modality", "reader", "value"])


def _means(
    modalities: tuple[str, ...], theta: FloatArray, covariance: FloatArray, random: Random, level: float, undefined: str
) -> pd.DataFrame:
    m, r = theta.shape
    rows: list[tuple[object, ...]] = []
    for i, modality in enumerate(modalities):
        own = components(theta[i : i + 1], covariance.reshape(m, r, m, r)[i, :, i, :])
        shared = max(own.cov2, 0) if r > 1 else 0.0
        error, df = own.ms_reader + r * shared, float(r - 1)
        if random == "cases":
            error, df = own.error_variance + (r - 1) * shared, math.inf
        elif random == "readers":
            error = own.ms_reader
        elif not undefined:
            df = hillis_df(error, own.ms_reader, r - 1)
        value = float(theta[i].mean())
        rows.append((modality, value, *interval(value, error / r, df, level, (0, 1), undefined)))
    return pd.DataFrame(rows, columns=["modality", "value", "standard_error", "df", "low", "high", "reason"])


def _differences(
    modalities: tuple[str, ...], theta: FloatArray, found: Contrast, level: float, undefined: str
) -> pd.DataFrame:
    rows: list[tuple[object, ...]] = []
    for earlier, later in combinations(range(len(modalities)), 2):
        value = float(theta[later].mean() - theta[earlier].mean())
        error, df, low, high, reason = interval(
            value, found.standard_error**2, found.error_df, level, (-1, 1), undefined or found.reason
        )
        t, p = (value / error, t_p_value(value / error, df)) if not reason else (math.nan, math.nan)
        rows.append((modalities[later], modalities[earlier], value, error, df, t, p, low, high, reason))
    columns = "modality less value standard_error df statistic p_value low high reason"
    return pd.DataFrame(rows, columns=columns.split())


def _by_reader(
    ratings: Ratings, theta: FloatArray, covariance: FloatArray, level: float, undefined: str
) -> pd.DataFrame:
    m, r = theta.shape
    cells = covariance.reshape(m, r, m, r)
    why = "" if undefined == _ONE_READER else undefined
    rows: list[tuple[object, ...]] = []
    for j, reader in enumerate(ratings.readers):
        own = components(theta[:, j : j + 1], cells[:, j, :, j])
        for earlier, later in combinations(range(m), 2):
            value = float(theta[later, j] - theta[earlier, j])
            variance = 2 * (own.error_variance - own.cov1)
            error, _, low, high, reason = interval(value, variance, math.inf, level, (-1, 1), why)
            p = math.nan if reason else t_p_value(value / error, math.inf)
            names = (reader, ratings.modalities[later], ratings.modalities[earlier])
            rows.append((*names, value, error, p, low, high, reason))
    columns = "reader modality less value standard_error p_value low high reason"
    return pd.DataFrame(rows, columns=columns.split())


def _variance(values: FloatArray) -> float:
    return float(values.var(ddof=1)) if len(values) > 1 else math.nan


def _average(values: FloatArray) -> float:
    return float(values.mean()) if values.size else math.nan
