"""Feed: the cases that a service assessed, and every outcome that it was told of, as they came in."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import pandas as pd


class Way(StrEnum):
    """How an outcome became known; only some ways find a cancer that the model did not flag."""

    BIOPSY = "biopsy"
    CLINICAL = "clinical"
    AUDIT_SAMPLE = "audit_sample"
    REGISTRY = "registry"
    FULL_SECOND_READ = "full_second_read"


WHATEVER_THE_MODEL_SAID = frozenset({Way.AUDIT_SAMPLE, Way.REGISTRY, Way.FULL_SECOND_READ})
"""Ways by which an outcome is known whatever the model said: on these alone can missed cancers be seen."""


@dataclass(frozen=True)
class Remark:
    """What was odd in a feed, in one sentence, on how many rows, and some of them by name; nothing was dropped unsaid."""

    sentence: str
    count: int
    examples: tuple[str, ...] = ()


@dataclass(frozen=True)
class Feed:
    """Cases of a service and what became of them.

    cases      N rows in order of `imaged_at`: case_id (str, unique), product, site, device (category; "" unknown),
               imaged_at, decided_at (datetime64[us, UTC]; decided_at may be NaT), suspected (category: a lesion type,
               "none" or "not assessed"), disposition (category), eleven float32 scores named as the lesion types (NaN
               where not trained or not assessed), quality_fail (bool), quality_reason (category), age_years (float32),
               sex, skin_type (category; "" unknown).
    outcomes   M rows in order of `told_at`: case_id, truth (category; lesion types joined by "|"), known_at, told_at
               (datetime64[us, UTC]), way (category, one of `Way`), delivery (category: the file it came in). A changed
               outcome is a further row: the last told of a case and way stands, the earlier ones are its history.
    remarks    what was odd while it was read.
    features   case_id and 64 float16 components of the pooled features (columns component_00 ... 63), or None.
    """

    cases: pd.DataFrame
    outcomes: pd.DataFrame
    remarks: tuple[Remark, ...] = ()
    features: pd.DataFrame | None = None
