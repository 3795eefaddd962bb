"""Ages as people write them ("45", "6 months", "1y 6m", "85+", "17-18", "<18") as years."""

from __future__ import annotations

import math
import re
from typing import Final

OLDEST: Final = 120
"""Years; an age above is taken as a slip of the pen."""

_LONGEST: Final = 40
_IN_A_YEAR: Final = {"y": 1.0, "j": 1.0, "m": 12.0, "w": 365.25 / 7, "d": 365.25}
_NUMBER: Final = r"0*\d{1,3}(?:[.,]\d{1,20})?|[.,]\d{1,20}"
_YEARS: Final = r"years?(?:[ -]?old)?|yrs?\.?(?:[ -]?old)?|y\.?/?o\.?|y|jahre?n?"
_SHORTER: Final = r"months?(?:[ -]?old)?|mths?|mos?|weeks?(?:[ -]?old)?|wks?|w|days?(?:[ -]?old)?|d"
_ONE: Final = re.compile(rf"({_NUMBER})\s*({_YEARS}|{_SHORTER})?")
_SEVERAL: Final = re.compile(rf"({_NUMBER})\s*(?:{_YEARS})\s*(?:,|and|&)?\s*({_NUMBER})\s*(m|{_SHORTER})")
_DICOM: Final = re.compile(r"\d{3}[dwmy]")
_RANGE: Final = re.compile(rf"({_NUMBER})\s*({_YEARS}|{_SHORTER})?\s*(?:-|–|—|\bto\b|\bbis\b)\s*(.+)")
_FROM: Final = re.compile(
    r"(?:>=?|≥|over|above|at least|more than|older than)\s*(?P<after>.+)"
    r"|(?P<before>.+?)\s*(?:\+|(?:and|or) (?:over|above|older|more))"
)
_BELOW: Final = re.compile(r"(?:<|under|below|less than|younger than)(?!\s*=)\s*(?P<after>.+)")
_UP_TO: Final = re.compile(
    r"(?:<\s*=|≤|up to|at most)\s*(?P<after>.+)|(?P<before>.+?)\s*(?:and|or) (?:under|below|younger|less)"
)


def years(text: str) -> float:
    """Age in years; NaN where it cannot be read, lies outside 0 to 120, or is only said to be below something.

    Of "85+" and ">85" that is 85, of a range its lower end: the youngest that the person may be.
    """
    said = _plain(text)
    if is_open(text):
        said = _inside(_FROM, said) or _lower_end(said)
    return _exact(said)


def is_open(text: str) -> bool:
    """Whether an age is said as a lower bound or a range, of which `years` gives the lowest."""
    said = _plain(text)
    return not math.isnan(_exact(_inside(_FROM, said) or _lower_end(said)))


def may_be_under(limit_years: float, text: str) -> str:
    """What an age that is only bounded from above ("<18", "under 21") says of a limit, "" where it is no such age.

    "under 18" where all such ages lie below a limit of 18, "may be under 18" where some do.
    """
    said = _plain(text)
    below, up_to = (_exact(_inside(way, said)) for way in (_BELOW, _UP_TO))
    if below <= limit_years or up_to < limit_years:
        return f"under {limit_years:g}"
    return "" if math.isnan(below) and math.isnan(up_to) else f"may be under {limit_years:g}"


def _plain(text: str) -> str:
    return re.sub(r"^aged?\b[: ]*", "", " ".join(text.casefold().split())) if len(text) <= _LONGEST else ""


def _inside(way: re.Pattern[str], said: str) -> str:
    found = way.fullmatch(said)
    return next((part for part in found.groups() if part), "") if found else ""


def _lower_end(said: str) -> str:
    """The lower end of a range with its unit, "" where the text is no range from less to more."""
    found = _RANGE.fullmatch(said)
    if not found:
        return ""
    upper = _ONE.fullmatch(found[3])
    lower = f"{found[1]} {found[2] or (upper[2] if upper and upper[2] else '')}".strip()
    return lower if _exact(lower) <= _exact(found[3]) else ""


def _exact(said: str) -> float:
    if found := _SEVERAL.fullmatch(said):
        read = _number(found[1]) + _number(found[2]) / _IN_A_YEAR[found[3][0]]
    elif _DICOM.fullmatch(said):
        read = int(said[:-1]) / _IN_A_YEAR[said[-1]]
    elif found := _ONE.fullmatch(said):
        read = _number(found[1]) / _IN_A_YEAR[(found[2] or "y")[0]]
    else:
        return math.nan
    return read if read <= OLDEST else math.nan


def _number(text: str) -> float:
    return float(text.replace(",", "."))
