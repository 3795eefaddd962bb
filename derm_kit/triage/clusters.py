"""Intervals where cases are not independent: pictures of one lesion, or lesions of one person, are drawn together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from derm_kit.errors import DermKitError
from derm_kit.lesions import LesionType
from derm_kit.triage.counts import CALLS, CaseCounter, Counts
from derm_kit.triage.measures import Rates, rates
from derm_kit.triage.proportions import FloatArray
from derm_kit.triage.rates import REPLICATES, chunks

CLUSTERS = ("lesion_id", "patient_id")
METHOD = "cluster bootstrap"
FEWEST = 20


def clustered_rates(
    counter: CaseCounter,
    thresholds: Mapping[LesionType, float],
    cluster: str,
    *,
    level: float = 0.95,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Rates:
    """Every measure over all cases, with the percentile interval of a bootstrap over clusters.

    `cluster` is a column of CLUSTERS; a case without an id is a cluster of its own. A rate that rests on fewer than
    FEWEST clusters, or that no resample changes, has no interval: its bounds are NaN. Cluster bootstrap: Davison and
    Hinkley, Bootstrap Methods and their Application (1997), section 3.8. Raises DermKitError where no case has an id.
    """
    codes = _codes(counter, cluster)
    called = counter.called(thresholds)
    cells = counter.truth_codes * len(CALLS) + called
    table = np.bincount(cells, minlength=len(counter.truths) * len(CALLS)).reshape(1, len(counter.truths), len(CALLS))
    found = rates(Counts(counter.strata[:1], counter.truths, table), level=level)
    hits, among = (
        _by_cluster(codes, cells, np.stack([side.ravel() for side in sides], axis=1))
        for sides in ([m.hits for m in found.measures], [m.among for m in found.measures])
    )
    rng, drawn = np.random.default_rng(seed), []
    for size in chunks(replicates):
        times = rng.multinomial(len(hits), np.full(len(hits), 1 / len(hits)), size=size).astype(np.float64)
        n = times @ among
        drawn.append(np.divide(times @ hits, n, out=np.full(n.shape, np.nan), where=n > 0))
    low, high = _percentiles(np.concatenate(drawn), (among > 0).sum(axis=0), level)
    return replace(found, low=low[None], high=high[None], method=METHOD)


def _codes(counter: CaseCounter, cluster: str) -> pd.Index:
    cases = counter.run.cases
    ids = cases[cluster].fillna("").astype(str) if cluster in cases else pd.Series("", index=cases.index)
    if cluster not in CLUSTERS or not (ids != "").any():
        held = [name for name in CLUSTERS if name in cases and (cases[name].fillna("") != "").any()]
        raise DermKitError(
            "a cluster bootstrap needs to know which cases belong together",
            value=cluster,
            next_step=f"Choose one of: {', '.join(held)}." if held else "These cases carry no lesion or patient id.",
        )
    alone = pd.Series([f"\0{i}" for i in range(len(ids))], index=ids.index)
    return pd.Index(pd.factorize(ids.mask(ids == "", alone))[0])


def _by_cluster(codes: pd.Index, cells: np.ndarray, side: np.ndarray) -> FloatArray:
    """Cases of each cluster (C) in each measure (M), for a side (U * 8, M) of every measure."""
    counted = pd.DataFrame(side[cells].astype(np.float64)).groupby(codes.to_numpy(), sort=True).sum()
    made: FloatArray = counted.to_numpy(np.float64)
    return made


def _percentiles(drawn: FloatArray, clusters: np.ndarray, level: float) -> tuple[FloatArray, FloatArray]:
    sound = (clusters >= FEWEST) & ~np.isnan(drawn).any(axis=0)
    sound[sound] &= np.ptp(drawn[:, sound], axis=0) > 0
    low, high = (np.full(drawn.shape[1], np.nan) for _ in range(2))
    if sound.any():
        low[sound], high[sound] = np.quantile(drawn[:, sound], [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high
