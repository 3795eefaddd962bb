"""Whether a case was sent right, by a reader or by the model: one meaning for lists of cases and for results.

A case is sent right where the policy sends its truth. For a benign lesion that is discharge, whatever the policy makes
of one that no threshold calls; a second read is then no error, as it harms nobody, but no discharge either. For every
other lesion a second read in the place of a referral is less urgent than it should be.
"""

from __future__ import annotations

from enum import StrEnum

from derm_kit.lesions import LesionType
from derm_kit.triage.definition import DEFAULT_DISPOSITIONS, Disposition

URGENCY = tuple(d for d in Disposition if d is not Disposition.CLINICIAN_REVIEW)
"""Where cases go, the most urgent first."""
LOOKED_AT_AGAIN = (Disposition.SECOND_READ, Disposition.CLINICIAN_REVIEW)
NO_ERROR = "The model made no error here: it asked for a second read, which is no discharge either."
BENIGN_WORDS = "A benign lesion: to discharge it is right; a second read is no error, but no discharge either."


class Sent(StrEnum):
    """What sending a case somewhere comes to."""

    RIGHT = "right"
    NO_ERROR = "no error, but no discharge either"
    LESS_URGENT = "less urgent than it should be"
    MORE_URGENT = "more urgent than it should be"

    @property
    def wrong(self) -> bool:
        """Whether this is an error."""
        return self in (Sent.LESS_URGENT, Sent.MORE_URGENT)


def sent(truth: LesionType, to: Disposition, wanted: Disposition) -> Sent:
    """What sending a case of this truth there comes to; `wanted` is where the policy sends the truth."""
    if not truth.flagged and to in (Disposition.DISCHARGE_ADVICE, *LOOKED_AT_AGAIN):
        return Sent.NO_ERROR if to in LOOKED_AT_AGAIN else Sent.RIGHT
    if to is wanted:
        return Sent.RIGHT
    return Sent.LESS_URGENT if _rank(to) > _rank(wanted) else Sent.MORE_URGENT


def home(truth: LesionType) -> Disposition:
    """Where the default policy sends a truth, and a benign one is sent right."""
    return DEFAULT_DISPOSITIONS.get(truth, Disposition.DISCHARGE_ADVICE)


def _rank(to: Disposition) -> int:
    return URGENCY.index(Disposition.SECOND_READ if to is Disposition.CLINICIAN_REVIEW else to)
