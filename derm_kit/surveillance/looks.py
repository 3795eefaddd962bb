"""Which cases are looked at together: those of one group (a site, a device) in one calendar month."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from derm_kit.surveillance.feed import FeedError
from derm_kit.surveillance.moments import TIMEZONE
from derm_kit.surveillance.periods import Periods

Ints = npt.NDArray[np.int64]
WHOLE = "whole service"
NOT_RECORDED = "not recorded"


@dataclass(frozen=True)
class Looks:
    """Cases (N,) by month and group.

    month    months since that of the first case (N,).
    group    place of each case's group in `groups` (N,).
    labels   the months, "2026-03"; `begins` their first instants, UTC.
    """

    month: Ints
    group: Ints
    groups: tuple[str, ...]
    labels: tuple[str, ...]
    begins: pd.DatetimeIndex

    @classmethod
    def of(cls, cases: pd.DataFrame, by: str = "site", timezone: str = TIMEZONE) -> Looks:
        """The looks of a feed's `cases` by a category column, or of the whole service where `by` is "".

        Months are those of the clock in `timezone`. Raises FeedError where the cases have no such column.
        """
        if by and by not in cases:
            raise FeedError(
                "cases are grouped by a column that they have",
                value=by,
                next_step=f"Group by one of {', '.join(cases.columns)}.",
            )
        group = np.zeros(len(cases), np.int64)
        groups: tuple[str, ...] = (WHOLE,)
        if by:
            values = cases[by].astype("category").cat.remove_unused_categories()
            group = np.asarray(values.cat.codes, np.int64)
            groups = tuple(str(name) or NOT_RECORDED for name in values.cat.categories)
        if cases.empty:
            return cls(group, group, groups, (), pd.DatetimeIndex([], dtype="datetime64[us, UTC]"))
        periods = Periods.of(cases["imaged_at"], "month", timezone)
        return cls(periods.codes().astype(np.int64), group, groups, periods.labels, periods.begins)

    @property
    def n_months(self) -> int:
        """Months from the first to the last with a case, empty ones between them counted."""
        return len(self.labels)

    @property
    def cells(self) -> Ints:
        """Place of each case (N,) in a table of groups by months, row after row."""
        return self.group * self.n_months + self.month

    @cached_property
    def order(self) -> Ints:
        """Places of the cases, group after group and month after month."""
        return np.argsort(self.cells, kind="stable")

    @cached_property
    def bounds(self) -> Ints:
        """Where each group's month begins in `order` (groups x months + 1,)."""
        counts = np.bincount(self.cells, minlength=len(self.groups) * self.n_months)
        return np.concatenate([[0], np.cumsum(counts)])

    def places(self, group: int, month: int, until: int | None = None) -> Ints:
        """Places of a group's cases from one month to another, the last left out; of one month where none is said."""
        row = group * self.n_months
        last = month + 1 if until is None else min(until, self.n_months)
        return self.order[self.bounds[row + month] : self.bounds[row + last]]
