"""Real proposals from the shipped reference scores, and people who may or may not decide on them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cache

from argon2 import PasswordHasher

from derm_kit.lesions import FLAGGED
from derm_kit.model.card import default_model, load_card
from derm_kit.model.run import ScoreRun, read_run
from derm_kit.records import change, people, release
from derm_kit.records.change import Change
from derm_kit.records.people import Role
from derm_kit.records.register import Register
from derm_kit.triage.counts import CaseCounter
from derm_kit.triage.policy import TriagePolicy
from derm_kit.triage.proposal import ChangeProposal, propose
from derm_kit.triage.tuning import targets_for, tune
from tests.records.places import PASSPHRASE

MELANOMA = FLAGGED[0]
WHY = "Fewer melanomas missed; accepts 93 more flags per 1,000 lesions."
REASON = "Weighed at the safety meeting; the extra flags can be read."


@cache
def run(cases: int = 0) -> ScoreRun:
    """The reference cohort, or its first cases."""
    found = read_run(default_model() / "reference_scores.parquet")
    return ScoreRun(found.scores.head(cases), found.cases.head(cases), meta=found.meta) if cases else found


@cache
def default() -> TriagePolicy:
    return TriagePolicy.from_card(load_card(default_model()))


@cache
def tuned() -> ChangeProposal:
    """What page 03 proposes after "Find the safest thresholds"."""
    counter = CaseCounter(run(), default())
    found = tune(counter, targets_for(counter))
    return propose(counter, found.policy, WHY, found.guarantees)


def moved(old: TriagePolicy, melanoma: float) -> ChangeProposal:
    """A proposal that moves one threshold of `old`, on a few of the cases: quick to make and to read."""
    return _moved(old.model_dump_json(), melanoma)


@cache
def _moved(old_policy: str, melanoma: float) -> ChangeProposal:
    old = TriagePolicy.model_validate_json(old_policy)
    new = old.changed(thresholds=old.thresholds | {MELANOMA: melanoma}, name=f"melanoma at {melanoma}")
    return propose(CaseCounter(run(200), old), new, WHY)


@dataclass(frozen=True)
class Staff:
    """Ids: an author without rights, two officers who may decide, one who is not registered, an administrator."""

    author: str
    officer: str
    second: str
    unregistered: str
    administrator: str
    dermatologist: str

    @property
    def everybody(self) -> tuple[str, ...]:
        return tuple(vars(self).values())

    @property
    def deciders(self) -> tuple[str, ...]:
        return (self.officer, self.second)


@cache
def _hashed() -> str:
    """The passphrase as Argon2 with little work: what these tests ask is who may, a hundred times."""
    return PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSPHRASE)


def a_change(register: Register, people: Staff, proposal: ChangeProposal | None = None) -> Change:
    """A change on which nobody decided yet; the first, if no proposal is named."""
    return change.propose(register, proposal or moved(default(), 0.05), people.author, PASSPHRASE)


def with_approval(register: Register, people: Staff, proposed: Change) -> Change:
    """The change, approved."""
    return change.approve(register, proposed, people.officer, PASSPHRASE, REASON)


def a_release(
    register: Register, people: Staff, proposal: ChangeProposal, effective: date | None = None
) -> release.Release:
    """A proposal proposed, approved and released."""
    made = with_approval(register, people, a_change(register, people, proposal))
    return change.release_change(register, made, people.administrator, PASSPHRASE, effective)


def staff(register: Register) -> Staff:
    with register.writing() as session:

        def add(name: str, role: Role, registration: str = "") -> str:
            return people.add(session, "", name, role, registration, _hashed()).id

        return Staff(
            add("Ada Author", Role.REVIEWER),
            add("Bo Officer", Role.SAFETY_OFFICER, "GMC 1234567"),
            add("Cy Second", Role.SAFETY_OFFICER, "NMC 7654321"),
            add("Di Clerk", Role.SAFETY_OFFICER),
            add("Ed Admin", Role.ADMINISTRATOR),
            add("Flo Reader", Role.DERMATOLOGIST, "GMC 7777777"),
        )
