"""Simulated outcomes: biopsies of those referred, an audit sample of all, a cancer registry with its lag."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from derm_kit.surveillance.feed import NONE, Way
from derm_kit.surveillance.moments import DAY_US
from derm_kit.surveillance.scenario_service import Service

Flags = npt.NDArray[np.bool_]
REGISTERED = ("melanoma", "squamous_cell_carcinoma")


@dataclass(frozen=True)
class Outcomes:
    """How outcomes come in. Every figure is made up (source required).

    Delays are gamma-distributed with the given mean and shape 4, so that half lie within 0.92 of the mean.
    A biopsy is taken of a share of those whom the model did not clear: `biopsied_cancer_prob` of the cancers among
    them, `biopsied_benign_prob` of the others. The audit sample is a random share of all cases, whatever the model
    said. The registry tells of melanoma and SCC, `registered_prob` of them, `registry_lag_days` after the image.
    """

    biopsied_cancer_prob: float = 0.95
    biopsied_benign_prob: float = 0.35
    biopsy_days: float = 28.0
    audit_share: float = 0.02
    audit_days: float = 28.0
    registered_prob: float = 0.95
    registry_lag_days: float = 90.0
    telling_days: float = 7.0


def simulated(
    cases: pd.DataFrame,
    truth: pd.Categorical,
    service: Service,
    how: Outcomes,
    rng: np.random.Generator,
    late: tuple[Flags, float],
) -> pd.DataFrame:
    """Outcomes told before the service's end, in the order in which they were told, as a feed holds them.

    `cases` are a feed's N cases, `truth` theirs (N,). `late` says whose outcomes (N,) are told that many days late.
    """
    names = truth.categories.astype(str)
    cancers = [name in (*REGISTERED, "basal_cell_carcinoma", "intraepidermal_carcinoma") for name in names]
    cancer = np.asarray(cancers)[truth.codes]
    registered = np.isin(names, REGISTERED)[truth.codes]
    seen = (cases["suspected"] != NONE).to_numpy()
    chance = rng.random(len(cases), dtype=np.float32)
    ways = [
        (
            Way.BIOPSY,
            seen & (chance < np.where(cancer, how.biopsied_cancer_prob, how.biopsied_benign_prob)),
            how.biopsy_days,
        ),
        (Way.AUDIT_SAMPLE, rng.random(len(cases), dtype=np.float32) < how.audit_share, how.audit_days),
        (
            Way.REGISTRY,
            registered & (rng.random(len(cases), dtype=np.float32) < how.registered_prob),
            how.registry_lag_days,
        ),
    ]
    imaged = cases["imaged_at"].to_numpy("datetime64[us]")
    at, known, told, way = [], [], [], []
    for code, (_, known_of, days) in enumerate(ways):
        places = np.flatnonzero(known_of)
        at.append(places)
        known.append(imaged[places] + _delay(days, len(places), rng))
        extra = np.where(late[0][places], late[1], 0) * DAY_US
        told.append(known[-1] + _delay(how.telling_days, len(places), rng) + extra.astype("timedelta64[us]"))
        way.append(np.full(len(places), code, np.int64))
    rows, told_at = np.concatenate(at), np.concatenate(told)
    order = np.argsort(told_at, kind="stable")
    order = order[told_at[order] < service.ends_at]
    rows, told_at, way_of = rows[order], told_at[order], np.concatenate(way)[order]
    return pd.DataFrame(
        {
            "case_id": cases["case_id"].take(rows).array,
            "truth": truth.take(rows),
            "known_at": pd.DatetimeIndex(np.concatenate(known)[order], tz="UTC"),
            "told_at": pd.DatetimeIndex(told_at, tz="UTC"),
            "way": pd.Categorical.from_codes(way_of, pd.Index([str(w) for w, _, _ in ways])),
            "delivery": _deliveries(way_of, told_at, [str(w) for w, _, _ in ways]),
        }
    )


def _delay(mean_days: float, n: int, rng: np.random.Generator) -> npt.NDArray[np.timedelta64]:
    return (rng.standard_gamma(4, n, dtype=np.float32) * (mean_days * DAY_US / 4)).astype("timedelta64[us]")


def _deliveries(
    way: npt.NDArray[np.int64], told_at: npt.NDArray[np.datetime64], names: list[str]
) -> pd.Categorical[Any]:
    """Each way delivers a file a month."""
    if not len(told_at):
        return pd.Categorical([], categories=pd.Index([], dtype="str"))
    month = told_at.astype("datetime64[M]")
    since = (month - month.min()).astype(np.int64)
    months = [str(month.min() + m) for m in range(int(since.max()) + 1)]
    files = [f"{name}_{m}.csv" for name in names for m in months]
    files_of = pd.Categorical.from_codes(way * len(months) + since, pd.Index(files))
    return files_of.remove_unused_categories()
