"""What the cases of a feed leave open as a whole: products, sites, months without a case, times that run backwards."""

from __future__ import annotations

import numpy as np
import pandas as pd

from derm_kit.surveillance.oddities import Oddities
from derm_kit.surveillance.periods import Periods


def tell_of_cases(cases: pd.DataFrame, timezone: str, oddities: Oddities) -> None:
    """Tell what is odd about the cases of a feed (N rows in order of time) together."""
    products = _counted(cases["product"])
    if len(products) > 1:
        oddities.tell(
            "Cases of {n:,} products lie in one feed. Figures over all of them mix them up: choose one at a time "
            f"({_listed(products)}).",
            products.index.map(lambda name: name or "(not named)"),
        )
    for column, what in (("site", "site"), ("device", "device"), ("product", "product")):
        blank = (cases[column] == "").to_numpy()
        oddities.tell(
            f"Cases that do not say their {what}: {{n:,}}. They count in all figures but those by {what}.",
            cases["case_id"][blank].head(10),
            count=int(blank.sum()),
        )
    sites = [name for name in _counted(cases["site"]).index if name]
    if len(sites) == 1:
        oddities.tell("All cases come from one site: nothing can be compared between sites.", sites)
    periods = Periods.of(cases["imaged_at"], "month", timezone)
    empty = np.flatnonzero(np.diff(periods.starts_at) == 0)
    oddities.tell("Months without any case, between the first and the last: {n:,}.", [periods.labels[i] for i in empty])
    backwards = (cases["decided_at"] < cases["imaged_at"]).to_numpy()
    oddities.tell(
        "Cases decided before they were imaged: {n:,}. They count in no turnaround.",
        cases["case_id"][backwards].head(10),
        count=int(backwards.sum()),
    )  # fmt: skip


def _counted(column: pd.Series) -> pd.Series:
    counts = column.value_counts()
    return counts[counts > 0]


def _listed(counts: pd.Series) -> str:
    return "; ".join(f"{str(name)[:16] or 'not named'}: {n:,} cases" for name, n in counts.head(5).items())
