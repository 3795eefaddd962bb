"""The risk matrix of DCB0129: likelihood and severity are looked up, never multiplied.

Categories, matrix and acceptability are the examples of the standard's implementation guidance, as NHS England's UK
Core hazard log shows them. A risk management plan may set others; derm-kit keeps to these.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, StrEnum


class Likelihood(StrEnum):
    """How likely harm is, from the most to the least."""

    VERY_HIGH = "very high"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    VERY_LOW = "very low"

    @property
    def meaning(self) -> str:
        """What the guidance says of it."""
        return _LIKELIHOODS[self]


class Severity(StrEnum):
    """How bad the harm is, from the least to the worst."""

    MINOR = "minor"
    SIGNIFICANT = "significant"
    CONSIDERABLE = "considerable"
    MAJOR = "major"
    CATASTROPHIC = "catastrophic"

    @property
    def meaning(self) -> str:
        """What the guidance says of it, with the number of patients."""
        return _SEVERITIES[self]


class Risk(IntEnum):
    """A risk level, 1 to 5."""

    ONE = 1
    TWO = 2
    THREE = 3
    FOUR = 4
    FIVE = 5

    @property
    def acceptability(self) -> str:
        """Whether such a risk may stay, in a word or two."""
        return _ACCEPTABILITY[self]

    @property
    def acceptable(self) -> bool:
        """Whether it may stay as it is."""
        return self <= Risk.TWO

    @property
    def must_be_reduced(self) -> bool:
        """Whether it may never stay: a hazard with such a residual risk is not closed."""
        return self >= Risk.FOUR

    def in_words(self) -> str:
        """The level with its acceptability."""
        return f"{self.value}, {self.acceptability}"


def risk(likelihood: Likelihood, severity: Severity) -> Risk:
    """The risk level that DCB0129 gives to this likelihood and severity."""
    return MATRIX[likelihood][severity]


_ROWS = {
    Likelihood.VERY_HIGH: (3, 4, 4, 5, 5),
    Likelihood.HIGH: (2, 3, 3, 4, 5),
    Likelihood.MEDIUM: (2, 2, 3, 3, 4),
    Likelihood.LOW: (1, 2, 2, 3, 4),
    Likelihood.VERY_LOW: (1, 1, 2, 2, 3),
}
MATRIX: Mapping[Likelihood, Mapping[Severity, Risk]] = {
    likelihood: dict(zip(Severity, map(Risk, levels), strict=True)) for likelihood, levels in _ROWS.items()
}
"""Likelihood -> severity -> risk, all 25 cells."""

_ACCEPTABILITY = {
    Risk.ONE: "acceptable",
    Risk.TWO: "acceptable",
    Risk.THREE: "undesirable",
    Risk.FOUR: "mandatory reduction",
    Risk.FIVE: "unacceptable",
}
_LIKELIHOODS = {
    Likelihood.VERY_HIGH: "certain or almost certain; highly likely to occur",
    Likelihood.HIGH: "not certain but very possible; reasonably expected in the majority of cases",
    Likelihood.MEDIUM: "possible",
    Likelihood.LOW: "could occur, but on the great majority of occasions will not",
    Likelihood.VERY_LOW: "negligible or nearly negligible possibility",
}
_SEVERITIES = {
    Severity.MINOR: "minor injury with recovery in the short term, upset or inconvenience: one patient",
    Severity.SIGNIFICANT: "minor injury without recovery in the short term or significant psychological trauma: one "
    "patient; what is minor for one: several",
    Severity.CONSIDERABLE: "severe injury with recovery in the short term or severe psychological trauma: one patient; "
    "what is significant for one: several",
    Severity.MAJOR: "death, permanent life-changing incapacity, a condition whose prognosis is one of them, or severe "
    "injury without recovery in the short term: one patient; what is considerable for one: several",
    Severity.CATASTROPHIC: "death, permanent life-changing incapacity, a condition whose prognosis is one of them, or "
    "severe injury without recovery in the short term: several patients",
}
