"""Diagnoses as a table gives them -> truth as a cohort holds it; what is not understood is counted, never guessed."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd

from derm_kit.cases.values import Text, by_value
from derm_kit.diagnoses import lesion_types
from derm_kit.errors import DermKitError, printable
from derm_kit.lesions import format_truth, parse_truth

_MOST_ODD = 200


def from_types(column: Text) -> tuple[Text, list[str]]:
    """Truth from cells that name lesion types already ("a|b"); a note counts the cells that do not."""
    odd: Counter[str] = Counter()
    counts = column.value_counts()

    def canonical(text: str) -> str:
        try:
            return format_truth(parse_truth(text))
        except DermKitError:
            odd[text] += int(counts[text])
            return ""

    return by_value(column, canonical), _not_understood(odd, "Lesion types")


def from_diagnoses(diagnosis: Text, levels: list[Text]) -> tuple[Text, list[str]]:
    """Truth from a diagnosis and the levels of the hierarchy above it; notes count what was not understood.

    The commonest diagnoses come first; after 200 different ones that are in no vocabulary the column is taken for free
    text and the rest is left empty, because each costs a search for names near it.
    """
    odd: Counter[str] = Counter()
    table = pd.DataFrame({"diagnosis": diagnosis, **{f"level_{i}": level for i, level in enumerate(levels)}})
    groups = table.groupby(list(table.columns), sort=False)
    numbers = groups.ngroup().to_numpy()
    sizes = groups.size()
    if not len(sizes):
        return diagnosis, []
    keys = [key if isinstance(key, tuple) else (key,) for key in sizes.index]
    truths = [""] * len(keys)
    left = 0
    for i in np.argsort(-sizes.to_numpy(), kind="stable"):
        said, *parents = keys[i]
        if len(odd) >= _MOST_ODD:
            left += int(sizes.iloc[i]) if said else 0
            continue
        try:
            truths[i] = format_truth(lesion_types(said, *[p for p in parents if p])) if said else ""
        except DermKitError:
            odd[said] += int(sizes.iloc[i])
    truth = pd.Series(pd.array(truths, dtype="str").take(numbers), index=diagnosis.index)
    notes = _not_understood(odd, "Diagnoses")
    if left:
        notes.append(
            f"More than {_MOST_ODD} different diagnoses are in no vocabulary; {left:,} rows with rarer ones were left."
        )
    return truth, notes


def _not_understood(odd: Counter[str], what: str) -> list[str]:
    if not odd:
        return []
    shown = ", ".join(f"{printable(text, 60)} ({n:,})" for text, n in odd.most_common(10))
    more = f" and {len(odd) - 10:,} more" if len(odd) > 10 else ""
    return [f"{what} not understood, truth left empty: {sum(odd.values()):,} rows: {shown}{more}."]
