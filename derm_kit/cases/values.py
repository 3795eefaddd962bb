"""Cells of a table as values of a cohort: ages, sexes, sites, skin types, and the exclusions that follow from them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import partial
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from derm_kit.errors import printable

Text: TypeAlias = "pd.Series[str]"
Numbers: TypeAlias = "pd.Series[float]"
Flags: TypeAlias = npt.NDArray[np.bool_]

OLDEST: Final = 120
"""Years; an age above is taken as a slip of the pen."""

_ADULT: Final = 18
_UNKNOWN: Final = frozenset(
    {"", "nan", "na", "n/a", "none", "null", "unknown", "not known", "not specified", "-", "--", "?", "."}
)
_AGE: Final = re.compile(
    r"\s*(?:>=?|≥)?\s*0*(\d{1,3})(?:[.,](\d{1,3}))?\s*(\+)?\s*(?:years?|yrs?|yo|y|jahre)?\s*", re.IGNORECASE
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
    return column.str.strip()


def tidy(column: Text) -> Text:
    """Cells without spaces at their ends; words that mean "not known" become "", control characters a space."""
    text = changed_where(column.str.strip(), r"[^ -~]", _printable)
    return text.mask(text.str.lower().isin(_UNKNOWN), "")


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
    codes, distinct = pd.factorize(column)
    changed = pd.array([change(str(value)) for value in distinct], dtype="str")
    return pd.Series(changed.take(codes), index=column.index)


def numbers_by_value(column: Text, change: Callable[[str], float]) -> Numbers:
    """`change` applied to each cell, worked out once per distinct value, as float64."""
    codes, distinct = pd.factorize(column)
    changed = np.array([change(str(value)) for value in distinct], dtype=np.float64)
    return pd.Series(changed[codes], index=column.index)


def ages(column: Text) -> tuple[Numbers, list[str]]:
    """Ages in years, NaN where unknown, unreadable or outside 0 to 120; notes say how many and which."""
    years = numbers_by_value(column, _age)
    notes = _unread(column[years.isna()], "Ages not understood or outside 0 to 120, taken as unknown")
    capped = column.str.contains("+", regex=False)
    if capped.any():
        notes.append(
            f"Ages given as a bound ({printable(column[capped].iloc[0], 20)}) are read as that: {int(capped.sum()):,}."
        )
    return years, notes


def tones(column: Text) -> tuple[Numbers, list[str]]:
    """Skin tone classes 0 (very dark) to 5 (very light), NaN where unknown; notes on what was not understood."""
    classes = numbers_by_value(column, _tone)
    return classes, _unread(column[classes.isna()], "Skin tone classes not understood (0 to 5 are), taken as unknown")


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
    return types, _unread(column[types == ""], "Skin types not understood (I to VI are), taken as unknown")


def exclusions(age_years: Numbers, sites: list[Text], image_type: Text | None = None) -> Text:
    """Why a case must go to a clinician whatever its scores ("" where nothing speaks against it), from its metadata.

    Under 18, genital and subungual lesions are outside what NHS services assess; a picture that is declared to be no
    dermoscopic one is outside what the models saw. Reasons are joined by "; ".
    """
    reasons = pd.Series(np.where(age_years < _ADULT, "under 18", ""), index=age_years.index, dtype="str")
    for reason, pattern in (("genital", _GENITAL), ("subungual", _NAIL)):
        said = np.zeros(len(reasons), dtype=bool)
        for texts in sites:
            said |= (by_value(texts, partial(_found, pattern)) != "").to_numpy()
        reasons = _join(reasons, said, reason)
    if image_type is not None:
        odd = by_value(image_type, lambda text: "" if text.casefold().startswith("dermoscop") else text) != ""
        reasons = _join(reasons, odd.to_numpy(), "not a dermoscopic picture")
    return reasons


def _found(pattern: re.Pattern[str], text: str) -> str:
    return text if pattern.search(text) else ""


def _join(reasons: Text, where: Flags, reason: str) -> Text:
    joined = reasons.where(reasons == "", reasons + "; ") + reason
    return reasons.where(~where, joined).astype("str")


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text).strip()


def _age(text: str) -> float:
    match = _AGE.fullmatch(text)
    if match is None:
        return math.nan
    years = float(f"{match[1]}.{match[2] or 0}")
    return years if years <= OLDEST else math.nan


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
