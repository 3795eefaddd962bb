"""Desk: where one person at a time reviews the cases of one run, and what has been done with each of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from derm_kit.errors import RecordError
from derm_kit.lesions import LesionType
from derm_kit.model.run import ScoreRun
from derm_kit.records.chain import Head
from derm_kit.records.change import find, standings
from derm_kit.records.change_steps import OPEN
from derm_kit.records.here import register_here
from derm_kit.records.people import Person
from derm_kit.records.register import Register
from derm_kit.records.reviews import Review, Verdict
from derm_kit.records.second_reads import ReadState, agreement_of, export_reviews, may_read_next, reading_states
from derm_kit.triage.definition import Disposition
from derm_kit.triage.proportions import BoolArray, Estimate
from derm_kit.triage.proposal import run_hash

UNREAD, READ, SECOND, ADJUDICATION, MODEL_DIFFERS = MARKS = (
    "not read by me", "read by me", "waits for my second reading", "waits for my adjudication",
    "a reader and the model differ",
)  # fmt: skip
BLIND_MARKS = (UNREAD, READ, SECOND, ADJUDICATION)
"""Marks that say nothing of the model."""


@dataclass(frozen=True)
class Readings:
    """Reviews of one case, oldest first, every version.

    `kept_back`: there is a first reader's, which nobody else sees before a second reader has given theirs.
    """

    shown: tuple[Review, ...]
    kept_back: bool = False


class Desk:
    """The cases of `run`, in its order, with what stands in the register of them.

    `run_id` is the run's SHA-256: reviews hang on it, so that the same scores and truth in another file are the same
    run. `person` is who reads, None until somebody signed in. Without a register, cases can be looked at. Methods raise
    RecordError as the register does.
    """

    def __init__(self, run: ScoreRun, register: Register | None = None) -> None:
        self.run, self.run_id = run, run_hash(run)
        self.person: Person | None = None
        self._register = register
        self._under_way: tuple[str, ...] = ()
        self._proposed: dict[str, dict[LesionType, float]] = {}
        self._take([], None)
        self._refresh()

    def open(self) -> None:
        """Take the register of this machine's workspace, if somebody has made one by now."""
        self._register = self._register or register_here()
        self._refresh()

    def people(self) -> list[Person]:
        """Everybody who may sign in."""
        return [p for p in self._register.people() if p.erased_at is None] if self._register else []

    def names(self) -> dict[str, str]:
        """Names of people by id; the erased have none."""
        return {p.id: p.name for p in self.people()}

    def sign_in(self, person: str, passphrase: str) -> None:
        """Have `person` read from now on, if this is their passphrase."""
        self.person = self._writable().check_passphrase(person, passphrase)
        self._refresh()

    def sign_out(self) -> None:
        """Nobody reads."""
        self.person = None
        self._refresh()

    def proposed(self) -> dict[str, dict[LesionType, float]]:
        """Thresholds of the changes under way for the model of these scores, by what a reader may call each."""
        return self._proposed

    def marks(self, model: pd.Series) -> dict[str, BoolArray]:
        """MARKS of the cases (N,) as of now; `model` are the dispositions that the policy gives them."""
        self._refresh()
        states, me = self._states, self.person.id if self.person else ""
        read = states["case_id"].isin({v.case for v in self._verdicts if v.reviewer == me}).to_numpy(np.bool_)
        mine_next = may_read_next(states, me) if me else np.zeros(len(states), np.bool_)
        state = states["state"].to_numpy(object)
        said = pd.DataFrame([(v.case, v.disposition) for v in self._verdicts], columns=["case_id", "disposition"])
        known = pd.Series(model.to_numpy(object), index=states["case_id"])
        differs = said["case_id"][said["disposition"].to_numpy() != known.reindex(said["case_id"]).to_numpy()]
        return {
            UNREAD: ~read,
            READ: read,
            SECOND: mine_next & (state == ReadState.ONE_READER),
            ADJUDICATION: mine_next & (state == ReadState.DIFFER),
            MODEL_DIFFERS: states["case_id"].isin(set(differs)).to_numpy(np.bool_),
        }

    def words(self) -> dict[str, str]:
        """How far each case that somebody has read has come."""
        read = self._states[self._states["state"] != ReadState.UNREAD]
        return dict(zip(read["case_id"], read["state"], strict=True))

    def own(self, case: str) -> Review | None:
        """What stands of the person at the desk on a case."""
        if not (self.person and self._register and case):
            return None
        mine = [r for r in self._register.reviews(self.run_id, case) if r.reviewer == self.person.id]
        return mine[-1] if mine else None

    def has_read(self, case: str) -> bool:
        """Whether the person at the desk has a review of a case."""
        me = self.person.id if self.person else ""
        return any(v.case == case and v.reviewer == me for v in self._verdicts)

    def readings(self, case: str) -> Readings:
        """Reviews of a case that the person at the desk may see."""
        if self._register is None:
            return Readings(())
        every = tuple(self._register.reviews(self.run_id, case))
        readers = {review.reviewer for review in every}
        first_only = len(readers) == 1 and not (self.person and self.person.id in readers)
        return Readings((), kept_back=True) if first_only else Readings(every)

    def save(
        self,
        case: str,
        disposition: Disposition,
        seen: Review | None,
        *,
        verdict: str,
        agrees: bool,
        confidence_percent: int | None,
        note: str,
        seconds: float,
        blind: bool,
    ) -> Review:
        """Store where the person at the desk sends a case; a correction of `seen` is its next version.

        The reading of a case that two others send different ways settles it: an adjudication. Raises ConflictError,
        with both reviews, where another page stored one of theirs since `seen`.
        """
        if self.person is None:
            raise RecordError(
                "a decision is stored for a person who is signed in", case=case, next_step="Sign in above, then decide."
            )
        self._refresh()
        settles = self._state(case) == ReadState.DIFFER if seen is None else seen.adjudication
        return self.save_again(
            Review(
                self.run_id, case, self.person.id, verdict, disposition, agrees, confidence_percent, note, seconds,
                blind=blind, adjudication=settles, version=seen.version if seen else 0,
            )
        )  # fmt: skip

    def save_again(self, review: Review) -> Review:
        """Store a review as its next version, whatever was changed in it."""
        try:
            return self._writable().save_review(review)
        finally:
            self._refresh()

    def agreement(self) -> pd.DataFrame:
        """How far readers agree with each other and with the model: measure, value, low, high, cases, remark."""
        self._refresh()
        found, names = agreement_of(self._verdicts), self.names()
        rows: list[tuple[str, Estimate]] = []
        for what, one in (("disposition", found.disposition), ("verdict", found.verdict)):
            rows.append((f"same {what}, first two readers", one.share))
            rows.append((f"Cohen's kappa of {what}s, first two readers", one.cohen))
            rows += [(f"Fleiss' kappa of {what}s, cases with {n} readers", e) for n, e in one.fleiss.items() if n > 2]
        rows += [
            (f"sent where the model sends it, {names.get(who, 'erased')}", e) for who, e in found.with_model.items()
        ]
        columns = ["measure", "value", "low", "high", "cases", "remark"]
        return pd.DataFrame([(what, e.value, e.low, e.high, e.n, e.reason) for what, e in rows], columns=columns)

    def export(self) -> pd.DataFrame:
        """Every version of every review of the run, readers by their ids, with count and head of the audit log."""
        return export_reviews(self._writable(), self.run_id)

    def _writable(self) -> Register:
        if self._register is None:
            raise RecordError(
                "there is no register on this machine yet",
                next_step="Have an administrator add the first person: derm-kit people add.",
            )
        return self._register

    def _refresh(self) -> None:
        """See what others have written since, if they have: the head of the audit log moves with every write."""
        head = self._register.head() if self._register else None
        if self._register and head != self._head:
            self._take(self._register.worklist(self.run_id), head)

    def _take(self, verdicts: list[Verdict], head: Head | None) -> None:
        self._verdicts, self._head = verdicts, head
        self._take_proposed()
        self._states = reading_states(verdicts, self.run.scores["case_id"])
        self._state_of = dict(zip(self._states["case_id"], self._states["state"], strict=True))

    def _take_proposed(self) -> None:
        """Proposals are long: they are read again only where other changes are under way."""
        stand = standings(self._register) if self._register else []
        under_way = tuple(s.id for s in stand if s.state in OPEN)
        if self._register and under_way != self._under_way:
            proposals = ((one, find(self._register, one).proposal) for one in under_way)
            self._proposed = {
                f"changes sides under change {one[:8]}": dict(proposal.new_policy.thresholds)
                for one, proposal in proposals
                if proposal.model_hash == self.run.model_hash
            }
        self._under_way = under_way

    def _state(self, case: str) -> str:
        return str(self._state_of.get(case, ReadState.UNREAD))
