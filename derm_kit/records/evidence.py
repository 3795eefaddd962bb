"""The tables of a change proposal as its impact report needs them: read strictly, refused where they are no counts."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from derm_kit.errors import PolicyError, printable
from derm_kit.lesions import LESION_TYPES, LesionType
from derm_kit.triage.counts import CALLS

GROUP_MEASURES = ("sensitivity", "cancers flagged", "benign not flagged")
"""Rates over all cases that the report compares in every subgroup: their cases are the same before and after."""

Count = Annotated[int, Field(strict=True, ge=0)]
RateKey = tuple[str, str, str, str]
"""Grouping, group, measure and lesion type of a rate."""


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Paired(_Row):
    """Of `n` cases, those caught before and after, and those gained and lost between."""

    n: Count
    before: Count
    after: Count
    gained: Count
    lost: Count


class PairedOfType(Paired):
    """A row of change_by_type."""

    lesion_type: LesionType


class PairedOverall(Paired):
    """A row of change_overall."""

    measure: str


class Kind(_Row):
    """A row of change_per_1000."""

    kind: str
    cases: Count


class Rate(_Row):
    """A row of rates_before or rates_after."""

    grouping: str
    group: str
    measure: str
    lesion_type: str
    cases: str
    count: Count
    n: Count


Row = TypeVar("Row", bound=_Row)


def read_rows(table: list[dict[str, Any]], kind: type[Row], name: str) -> list[Row]:
    """The rows of a table. Raises PolicyError with the field that is not what it should be."""
    try:
        return [kind.model_validate(row) for row in table]
    except ValidationError as error:
        first = error.errors()[0]
        field = printable(".".join(map(str, first["loc"])))
        raise contradiction(f"{name}: {field} is not what a proposal has there ({first['msg'].lower()})") from None


def cells(table: list[dict[str, Any]], name: str) -> npt.NDArray[np.int64]:
    """A confusion table (11, 8): truths as LESION_TYPES, calls as CALLS. Raises PolicyError."""
    try:
        found = [TypeAdapter(list[Count]).validate_python([row[call] for call in CALLS]) for row in table]
        truths = [row["truth"] for row in table]
    except (KeyError, ValidationError):
        found, truths = [], []
    if truths != [t.value for t in LESION_TYPES]:
        raise contradiction(f"{name} has a row for each lesion type and a count for each call")
    return np.array(found, dtype=np.int64)


def rates(table: list[dict[str, Any]], name: str) -> dict[RateKey, Rate]:
    """The rates that the report compares. Raises PolicyError."""
    wanted = [row for row in read_rows(table, Rate, name) if row.cases == "all" and row.measure in GROUP_MEASURES]
    found = {(row.grouping, row.group, row.measure, row.lesion_type): row for row in wanted}
    if len(found) < len(wanted) or any(row.count > row.n or not row.n for row in wanted):
        raise contradiction(f"{name} has each rate once, with a count of at most its cases")
    return found


def contradiction(found: str) -> PolicyError:
    """What is told of a proposal whose tables do not hold together."""
    return PolicyError(
        "the tables of a proposal are counts of the same cases before and after",
        case="change proposal",
        value=found,
        next_step="The file was damaged or changed by hand. Make the proposal anew on page 03.",
    )
