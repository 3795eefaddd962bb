"""Second reads: how far each case of a run has come, who may read it next, how well readers agree, and the export.

Two readings agree where they send the patient the same way: what follows for the patient is the disposition, and two
names for a lesion that lead to the same clinic need no third reader. Whether the verdicts agree stands beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import numpy.typing as npt
import pandas as pd
from sqlalchemy import select

from derm_kit.records.audit import head_of
from derm_kit.records.register import Register
from derm_kit.records.reviews import Verdict
from derm_kit.records.tables import ReviewRow
from derm_kit.triage.agreement import cohen_kappa, fleiss_kappa, percent_agreement
from derm_kit.triage.proportions import Estimate, proportion

STATE_COLUMNS = ("case_id", "state", "disposition", "same_verdict", "readers")
_EXPORTED = ("version", "at", "verdict", "disposition", "agrees", "confidence_percent", "note", "seconds", "blind")
EXPORT_COLUMNS = ("run", "case_id", "reviewer", *_EXPORTED, "adjudication", "entry")


class ReadState(StrEnum):
    """How far a case has come. With more than two readers "agree" means all of them."""

    UNREAD = "unread"
    ONE_READER = "one reader"
    AGREE = "two readers agree"
    DIFFER = "two readers differ"
    ADJUDICATED = "adjudicated"


@dataclass(frozen=True)
class ReaderAgreement:
    """How far readers agree on dispositions, or on verdicts.

    `share` and `cohen` compare the first two readers of each case; `fleiss` is by the number of readers a case has.
    """

    share: Estimate
    cohen: Estimate
    fleiss: Mapping[int, Estimate]


@dataclass(frozen=True)
class Agreement:
    """What agreement_of() found; `with_model` is each reader's share of cases sent where the model sent them."""

    disposition: ReaderAgreement
    verdict: ReaderAgreement
    with_model: Mapping[str, Estimate]


def reading_states(worklist: Sequence[Verdict], cases: Iterable[str]) -> pd.DataFrame:
    """The state of each of `cases`, in their order, from Register.worklist(): columns STATE_COLUMNS.

    `disposition` is the one that two readers or the adjudicator settled on, "" while open; `same_verdict` is None with
    fewer than two readings; `readers` is a tuple of ids, adjudicators not among them. An adjudication counts where at
    least two readings differ, and settles those before it: a reading that is changed later opens the case again.
    Reviews of other cases are left out.
    """
    reviews: dict[str, list[Verdict]] = {}
    for verdict in worklist:
        reviews.setdefault(verdict.case, []).append(verdict)
    rows = [(case, *_state(reviews.get(case, []))) for case in cases]
    return pd.DataFrame(rows, columns=list(STATE_COLUMNS)).astype({"same_verdict": object})


def may_read_next(states: pd.DataFrame, reader: str) -> npt.NDArray[np.bool_]:
    """Which cases of reading_states() `reader` may read next (N,): open ones that they have not read.

    That reading is the first, the second, or the adjudication, as the state says; the adjudicator is none of those who
    differ.
    """
    settled = states["state"].isin([ReadState.AGREE, ReadState.ADJUDICATED]).to_numpy(bool)
    read = np.array([reader in readers for readers in states["readers"]], dtype=np.bool_)
    return np.logical_not(settled | read)


def agreement_of(worklist: Sequence[Verdict]) -> Agreement:
    """How far readers agree with each other and with the model, on what stands now; adjudications stay out.

    Who was first is told by the order of `worklist`; a corrected reading counts as it stands, so that a reader who
    changed it after talking to the other agrees.
    """
    readings = [verdict for verdict in worklist if not verdict.adjudication]
    of_case: dict[str, list[Verdict]] = {}
    of_reader: dict[str, list[bool]] = {}
    for reading in readings:
        of_case.setdefault(reading.case, []).append(reading)
        if reading.agrees is not None:
            of_reader.setdefault(reading.reviewer, []).append(reading.agrees)
    read_twice = [of for of in of_case.values() if len(of) > 1]
    return Agreement(
        _between([[(r.reviewer, r.disposition) for r in of] for of in read_twice]),
        _between([[(r.reviewer, r.verdict) for r in of] for of in read_twice]),
        {
            reader: replace(proportion(sum(agrees), len(agrees)), n_positive=None)
            for reader, agrees in sorted(of_reader.items())
        },
    )


def export_reviews(register: Register, run: str) -> pd.DataFrame:
    """Every version of every review of a run, oldest first: EXPORT_COLUMNS, then count and head of the audit log.

    For derm_kit.cases.cohort.safe_csv: None where nothing was said. People are ids, never names; a note is what its
    writer put there. `entry` is the review's place in the audit log; `audit_count` and `audit_head` are of the same
    moment, so that the file can be held against the log later.
    """
    columns = [getattr(ReviewRow, name) for name in EXPORT_COLUMNS]
    with register.reading() as session:
        head = head_of(session)
        rows = [
            tuple(row) for row in session.execute(select(*columns).where(ReviewRow.run == run).order_by(columns[-1]))
        ]
    table = pd.DataFrame(rows, columns=list(EXPORT_COLUMNS), dtype=object)
    return table.assign(audit_count=head.count, audit_head=head.seal)


def _state(reviews: list[Verdict]) -> tuple[str, str, bool | None, tuple[str, ...]]:
    """State, disposition, same_verdict and readers of one case, from its reviews in the order they were written."""
    readings = [review for review in reviews if not review.adjudication]
    readers = tuple(reading.reviewer for reading in readings)
    if len(readings) < 2:
        return (ReadState.ONE_READER if readings else ReadState.UNREAD).value, "", None, readers
    same_verdict = len({reading.verdict for reading in readings}) == 1
    if len({reading.disposition for reading in readings}) == 1:
        return ReadState.AGREE.value, readings[0].disposition, same_verdict, readers
    if reviews[-1].adjudication:
        return ReadState.ADJUDICATED.value, reviews[-1].disposition, same_verdict, readers
    return ReadState.DIFFER.value, "", same_verdict, readers


def _between(cases: list[list[tuple[str, str]]]) -> ReaderAgreement:
    """Agreement on cases with two or more readings each, (reader, what they said) in the order they were written."""
    pairs = [sorted(case[:2]) for case in cases]  # by id: one pair of readers keeps its columns whoever was first
    said = np.array([[what for _, what in pair] for pair in pairs], dtype=object).reshape(-1, 2)
    cohen = cohen_kappa(said[:, 0], said[:, 1])
    different = len({tuple(reader for reader, _ in pair) for pair in pairs})
    if different > 1:
        pooled = f"readings of {different} pairs of readers taken for those of one pair"
        cohen = replace(cohen, reason="; ".join(filter(None, (cohen.reason, pooled))))
    return ReaderAgreement(
        percent_agreement(said),
        cohen,
        {
            n: fleiss_kappa([[what for _, what in case] for case in cases if len(case) == n])
            for n in sorted({len(case) for case in cases})
        },
    )
