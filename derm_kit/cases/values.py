"""Cells of a table as values of a cohort: ages, sexes, sites, skin types, and the exclusions that follow from them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from derm_kit.cases.ages import is_open, may_be_under, years
from derm_kit.errors import printable

Text: TypeAlias = "pd.Series[str]"
Numbers: TypeAlias = "pd.Series[float]"
Flags: TypeAlias = npt.NDArray[np.bool_]

ADULT: Final = 18
"""Years."""

UNDER_18: Final = "under 18"
_UNKNOWN: Final = frozenset(
    {
        *("", "nan", "na", "n/a", "n.a.", "#n/a", "<na>", "none", "null", "unknown", "missing", "-", "--", "–", "—"),
        *("?", ".", "not known", "not specified", "not recorded", "not stated", "not given", "not available"),
    }
)
_SEX: Final = {"f": "female", "woman": "female", "weiblich": "female", "m": "male", "man": "male", "männlich": "male"}
_ROMAN: Final = ("I", "II", "III", "IV", "V", "VI")
_SKIN_TYPE: Final = re.compile(
    r"(?:(?:fitzpatrick|skin|type|fst)[\s_-]*)*(VI|IV|V|I{1,3}|[1-6])(?:\.0+)?", re.IGNORECASE
)
_SITES: Final = {"head/neck": "head and neck", "head neck": "head and neck", "palms/soles": "palms and soles"}
_GENITAL: Final = re.compile(
    r"(?<!con)genital|\bvulva|\bvagina|\bpenis|\bpenile|\bglans|\bscrot|\blabi(?:a|um) (?:maj|min)|\bperineum",
    re.IGNORECASE,
)
_NAIL: Final = re.compile(r"subungual|\b(?:finger|toe)?nails?\b", re.IGNORECASE)


def trimmed(column: Text) -> Text:
    """Cells without spaces at their ends: what ids and paths are read as."""
    made = column.str.strip()
    return column if made.equals(column) else made


def tidy(column: Text) -> Text:
    """Cells without spaces at their ends; words that mean "not known" become "", control characters a space."""
    return _by_distinct(column, _tidied)


def is_unknown(text: str) -> bool:
    """Whether a cell says nothing, or that something is not known."""
    return text.strip().lower() in _UNKNOWN


def changed_where(column: Text, pattern: str, change: Callable[[str], str]) -> Text:
    """`column` with `change` applied to the cells in which `pattern` is found (quick where these are few)."""
    found = column.str.contains(pattern, regex=True)
    if not found.any():
        return column
    changed = column.copy()
    changed[found] = by_value(column[found], change).array
    return changed


def by_value(column: Text, change: Callable[[str], str]) -> Text:
    """`change` applied to each cell, worked out once per distinct value."""
    return _by_distinct(column, lambda cells: pd.Series([change(str(cell)) for cell in cells], dtype="str"))


def numbers_by_value(column: Text, change: Callable[[str], float]) -> Numbers:
    """`change` applied to each cell, worked out once per distinct value, as float64."""
    codes, distinct = pd.factorize(column)
    changed = np.array([change(str(value)) for value in distinct], dtype=np.float64)
    return pd.Series(changed[codes], index=column.index)


def ages(column: Text) -> tuple[Numbers, list[str]]:
    """Ages in years, NaN where unknown, unreadable or outside 0 to 120; notes say how many and which.

    What is said of an unreadable age, or of one that is only bounded from above, says `doubts`.
    """
    read = numbers_by_value(column, years)
    below = by_value(column, _may_be_a_child) != ""
    notes = _unread(column[read.isna() & ~below], "Ages not understood or outside 0 to 120, for clinician review")
    opened = by_value(column, lambda text: text if is_open(text) else "") != ""
    for where, words in (
        (opened, "Ages given as a bound or range ({}) are read as its lowest age: {:,}."),
        (below, "Ages only bounded from above ({}) may be under 18, for clinician review: {:,}."),
    ):
        if where.any():
            notes.append(words.format(printable(column[where].iloc[0], 20), int(where.sum())))
    return read, notes


def tones(column: Text) -> tuple[Numbers, list[str]]:
    """Skin tone classes 0 (very dark) to 5 (very light), NaN where unknown; notes on what was not understood."""
    classes = numbers_by_value(column, _tone)
    words = "Skin tone classes not understood (0 to 5 are), for clinician review"
    return classes, _unread(column[classes.isna()], words)


def hot(column: Text) -> Flags:
    """Where (n,) a cell of a one-hot column is above a half; decimal commas are understood, words are not hot."""
    return (numbers_by_value(column, _number) > 0.5).to_numpy()


def sexes(column: Text) -> Text:
    """Sex in small letters, `f` and `m` written out."""
    return by_value(column, lambda text: _SEX.get(text.casefold(), text.casefold()))


def sites(column: Text) -> Text:
    """Anatomical site in small letters with spaces for underscores, head and neck written one way."""
    return by_value(column, _site)


def skin_types(column: Text) -> tuple[Text, list[str]]:
    """Fitzpatrick skin types I to VI, "" where unknown; notes on what was not understood."""
    types = by_value(column, _skin_type)
    return types, _unread(column[types == ""], "Skin types not understood (I to VI are), for clinician review")


def exclusions(age_years: Numbers, sites: list[Text], image_type: Text | None = None) -> Text:
    """Why a case must go to a clinician whatever its scores ("" where nothing speaks against it), from its metadata.

    Under 18, genital and subungual lesions are outside what NHS services assess; a picture that is declared to be no
    dermoscopic one is outside what the models saw. Reasons are joined by "; ".
    """
    reasons = pd.Series(np.where(age_years < ADULT, UNDER_18, ""), index=age_years.index, dtype="str")
    for texts in sites:
        reasons = united(reasons, by_value(texts, lambda text: "; ".join(of_site(text))))
    if image_type is not None:
        reasons = united(reasons, by_value(image_type, _not_dermoscopic))
    return reasons


def doubts(given: Mapping[str, Text], read: Mapping[str, pd.Series[Any]]) -> Text:
    """Why a case must go to a clinician for what is `given` of it (n,) and was not `read` (n,), "" where all was.

    Both by what they are: "age", "skin type", "skin tone". A value that is not understood may be one that must be
    reviewed, so it is never taken for an unknown one. An age below some limit ("<18") may be under 18.
    """
    reasons = pd.Series("", index=next(iter(given.values())).index, dtype="str")
    for what, said in given.items():
        unread = said.where(read[what].isna() | (read[what] == ""), "")
        reasons = united(reasons, by_value(unread, partial(_doubt, what)))
    return reasons


def united(reasons: Text, more: Text) -> Text:
    """Exclusions with `more` of them, each reason of a case once, joined by "; "."""
    return by_value(reasons + "; " + more, lambda text: "; ".join(dict.fromkeys(filter(None, text.split("; ")))))


def of_site(text: str) -> list[str]:
    """The exclusions that a site in words stands for: genital, subungual."""
    return [reason for reason, pattern in (("genital", _GENITAL), ("subungual", _NAIL)) if pattern.search(text)]


def _not_dermoscopic(kind: str) -> str:
    return "not a dermoscopic picture" if kind and not kind.casefold().startswith("dermoscop") else ""


def _doubt(what: str, text: str) -> str:
    if not text:
        return ""
    young = _may_be_a_child(text) if what == "age" else ""
    return young or f"{what} not understood: {printable(text, 40)}"


def _may_be_a_child(text: str) -> str:
    return may_be_under(ADULT, text)


def _by_distinct(column: Text, change: Callable[[Text], Text]) -> Text:
    """`change` applied to the distinct cells; `column` itself where it changes none, as a second copy takes memory."""
    codes, distinct = pd.factorize(column)
    cells = pd.Series(distinct)
    changed = change(cells)
    return column if changed.equals(cells) else pd.Series(changed.array.take(codes), index=column.index)


def _tidied(cells: Text) -> Text:
    text = changed_where(cells.str.strip(), r"[^ -~]", _printable)
    return text.mask(text.str.lower().isin(_UNKNOWN), "")


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text).strip()


def _tone(text: str) -> float:
    value = _number(text)
    return value if value in range(6) else math.nan


def _number(text: str) -> float:
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return math.nan


def _site(text: str) -> str:
    text = re.sub(r"[_\s]+", " ", text.casefold())
    return _SITES.get(text, text)


def _skin_type(text: str) -> str:
    match = _SKIN_TYPE.fullmatch(text.strip())
    if match is None:
        return ""
    return _ROMAN[int(match[1]) - 1] if match[1].isdigit() else match[1].upper()


def _unread(column: Text, words: str) -> list[str]:
    counts = column[column != ""].value_counts()
    if not len(counts):
        return []
    shown = ", ".join(f"{printable(value, 40)} ({n:,})" for value, n in counts.head(5).items())
    more = f" and {len(counts) - 5:,} more values" if len(counts) > 5 else ""
    return [f"{words}: {int(counts.sum()):,} rows: {shown}{more}."]
