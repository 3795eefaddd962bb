"""Feed: the cases that a service assessed, and every outcome that it was told of, as they came in."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import pandas as pd

from derm_kit.errors import DermKitError
from derm_kit.lesions import LESION_TYPES

NONE: Final = "none"
"""Suspected where no flagged type reached its threshold."""

NOT_ASSESSED: Final = "not assessed"
"""Suspected where the case went to a clinician whatever its scores."""

SUSPECTED: Final = (*(t.value for t in LESION_TYPES), NONE, NOT_ASSESSED)

SET_ASIDE_COLUMNS: Final = ("case_id", "delivery", "row", "what", "rule", "next_step", "content")


class FeedError(DermKitError):
    """A feed, or one of its deliveries, cannot be read or written."""


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
    """What was odd in a feed, in one sentence, on how many rows, some of them by name; nothing is dropped unsaid."""

    sentence: str
    count: int
    examples: tuple[str, ...] = ()


def nothing_set_aside() -> pd.DataFrame:
    """An empty table of rows that were set aside."""
    return pd.DataFrame({name: pd.Series(dtype="int64" if name == "row" else "str") for name in SET_ASIDE_COLUMNS})


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
    set_aside  rows that count for nothing, each with its delivery, row, the rule that it broke, the next step and what
               it said: columns SET_ASIDE_COLUMNS.
    """

    cases: pd.DataFrame
    outcomes: pd.DataFrame
    remarks: tuple[Remark, ...] = ()
    features: pd.DataFrame | None = None
    set_aside: pd.DataFrame = field(default_factory=nothing_set_aside)
