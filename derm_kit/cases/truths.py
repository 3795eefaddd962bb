"""Diagnoses as tables give them -> truth as a cohort holds it; what is not understood is counted, never guessed."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd

from derm_kit.cases.values import Flags, Text, by_value
from derm_kit.diagnoses import is_outside, lesion_types
from derm_kit.errors import DermKitError, printable
from derm_kit.lesions import LesionType, format_truth, parse_truth

_MOST_ODD: Final = 200
_AGREED, _CONTRADICTED, _OUTSIDE = range(3)


def from_types(column: Text) -> tuple[Text, list[str]]:
    """What cells say that name lesion types already ("a|b"), as `agreed` takes it; a note counts those that do not."""
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
    """What a diagnosis and the levels of the hierarchy above it say, as `agreed` takes it ("" = not understood).

    Notes count what was not understood. The commonest diagnoses come first; after 200 different ones that are in no
    vocabulary the column is taken for free text and the rest is left empty, because each costs a search for names near
    it.
    """
    odd: Counter[str] = Counter()
    table = pd.DataFrame({"diagnosis": diagnosis, **{f"level_{i}": level for i, level in enumerate(levels)}})
    groups = table.groupby(list(table.columns), sort=False)
    numbers = groups.ngroup().to_numpy()
    sizes = groups.size()
    if not len(sizes):
        return diagnosis, []
    keys = [key if isinstance(key, tuple) else (key,) for key in sizes.index]
    understood = [""] * len(keys)
    left = 0
    for i in np.argsort(-sizes.to_numpy(), kind="stable"):
        said, *parents = keys[i]
        whole = ":".join([*(parent for parent in parents if parent), said])
        if len(odd) >= _MOST_ODD:
            left += int(sizes.iloc[i]) if said else 0
            continue
        try:
            lesion_types(whole)
            understood[i] = whole
        except DermKitError:
            odd[said] += int(sizes.iloc[i])
    notes = _not_understood(odd, "Diagnoses")
    if left:
        notes.append(
            f"More than {_MOST_ODD} different diagnoses are in no vocabulary; {left:,} rows with rarer ones were left."
        )
    return pd.Series(pd.array(understood, dtype="str").take(numbers), index=diagnosis.index), notes


def agreed(said: Sequence[Text]) -> tuple[Text, Flags, Flags]:
    """The truth (n,) of cases of which each table says one of `said` (n,), what `from_types` or `from_diagnoses` gave.

    A wider diagnosis gives way to a narrower one. Where what is said excludes each other truth is empty, and one flag
    (n,) is set: the first where all name lesion types, the second where one is known to be none of the eleven.
    """
    groups = pd.DataFrame(dict(enumerate(said))).groupby(list(range(len(said))), sort=False)
    keys = [key if isinstance(key, tuple) else (key,) for key in groups.size().index]
    found = [_together(tuple(str(text) for text in key if text)) for key in keys]
    numbers = groups.ngroup().to_numpy()
    kinds = np.array([kind for _, kind in found], dtype=np.int64)[numbers]
    truth = pd.Series(pd.array([truth for truth, _ in found], dtype="str").take(numbers), index=said[0].index)
    return truth, kinds == _CONTRADICTED, kinds == _OUTSIDE


def _together(texts: tuple[str, ...]) -> tuple[str, int]:
    """The truth that several texts leave open together, "" where they exclude each other, and which of the kinds."""
    if not texts:
        return "", _AGREED
    open_types: set[LesionType] = set()
    fits = False
    for choice in itertools.product(*(text.split("|") for text in texts)):
        try:
            open_types |= lesion_types(*choice)
        except DermKitError:
            continue
        fits = True
    if fits:
        return format_truth(open_types), _AGREED
    outside = any(is_outside(part) for text in texts for part in text.split("|"))
    return "", _OUTSIDE if outside else _CONTRADICTED


def _not_understood(odd: Counter[str], what: str) -> list[str]:
    if not odd:
        return []
    shown = ", ".join(f"{printable(text, 60)} ({n:,})" for text, n in odd.most_common(10))
    more = f" and {len(odd) - 10:,} more" if len(odd) > 10 else ""
    return [f"{what} not understood, no truth taken from them: {sum(odd.values()):,} rows: {shown}{more}."]
