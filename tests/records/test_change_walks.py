"""Whatever anybody does in whatever order: no author approves, and nothing is released that was not approved."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest

from derm_kit.errors import DermKitError
from derm_kit.records import change, release
from derm_kit.records.audit import Entry
from derm_kit.records.change import Standing
from derm_kit.records.change_steps import State
from derm_kit.records.register import Register
from tests.records.places import PASSPHRASE, Place
from tests.records.proposals import MELANOMA, REASON, Staff, default, moved, staff

STEPS = 60


class Walk:
    """Random steps of random people, with what they saw, an old sight of it, or one made up."""

    def __init__(self, register: Register, seed: int) -> None:
        self.register, self.random = register, random.Random(seed)
        self.people = staff(register)
        self.seen: list[Standing] = []
        self.done: Counter[str] = Counter()

    def step(self) -> None:
        name = self.random.choice(["propose", "approve", "approve", "reject", "withdraw", "release", "release", "back"])
        try:
            getattr(self, name)(self.random.choice(self.people.everybody + 3 * self.people.deciders))
            self.done[name] += 1
        except DermKitError:
            self.done["refused"] += 1
        self.seen += change.standings(self.register)

    def sent(self) -> Standing:
        if not self.seen:
            return Standing("none", State.APPROVED, self.people.author, self.people.officer, 1, "", "")
        newest = self.random.choice(self.seen[-3:])
        kind = self.random.randrange(4)
        if kind == 0:
            return self.random.choice(self.seen)
        if kind == 1:
            other = self.random.choice(self.people.everybody)
            return replace(newest, author=other, approver=other, state=self.random.choice(list(State)))
        return newest

    def propose(self, by: str) -> None:
        starts = [
            default(),
            release.policy_in_force(self.register),
            *(r.policy for r in release.releases(self.register)),
        ]
        old = self.random.choice(starts[:2] * 2 + starts)
        to = self.random.choice([at for at in (0.02, 0.05, 0.3) if at != old.thresholds[MELANOMA]])
        change.propose(self.register, moved(old, to), by, PASSPHRASE)

    def approve(self, by: str) -> None:
        change.approve(self.register, self.sent(), by, PASSPHRASE, REASON)

    def reject(self, by: str) -> None:
        change.reject(self.register, self.sent(), by, PASSPHRASE, REASON)

    def withdraw(self, by: str) -> None:
        change.withdraw(self.register, self.sent(), by, PASSPHRASE)

    def release(self, by: str) -> None:
        change.release_change(self.register, self.sent(), by, PASSPHRASE)

    def back(self, by: str) -> None:
        last = len(release.releases(self.register))
        change.roll_back(self.register, self.random.randint(0, last), last, by, PASSPHRASE, REASON)


def require_law(log: list[Entry], standings: list[Standing], released: list[release.Release], people: Staff) -> None:
    """The law, read from the log and the records alone."""
    assert [r.version for r in released] == list(range(1, len(released) + 1))
    authors = {e.subject: e.actor for e in log if e.action == "change proposed"}
    approved: dict[str, str] = {}
    ever: set[str] = set()
    for entry in log:
        if entry.action == "change approved":
            assert entry.actor != authors[entry.subject]
            assert entry.actor in people.deciders
            approved[entry.subject] = entry.actor
            ever.add(entry.subject)
        elif entry.action in ("change rejected", "change withdrawn"):
            approved.pop(entry.subject, None)
            assert (entry.actor == authors[entry.subject]) == (entry.action == "change withdrawn")
        elif entry.action == "change released":
            assert entry.subject in approved
        elif entry.action == "policy released":
            subject, back = f"changes/{entry.details['change']}", entry.details.get("rolled_back_to")
            assert subject in ever if back != 0 else entry.details["change"] is None
            if back is not None:
                assert entry.actor in people.deciders
                assert entry.actor != authors.get(subject)
    for found in standings:
        stands = found.state in (State.APPROVED, State.RELEASED)
        assert found.approver == (approved[f"changes/{found.id}"] if stands else None)
        assert found.approver != found.author
    assert all(r.signed.fits for r in released)


def test_the_law_sees_what_breaks_it(register: Register):
    """The judge itself: an entry that says that an author approved is not let pass."""
    people = staff(register)
    made = [Entry(1, "", people.officer, "change proposed", "changes/1", {}, "")]
    with pytest.raises(AssertionError):
        require_law([*made, Entry(2, "", people.officer, "change approved", "changes/1", {}, "")], [], [], people)
    with pytest.raises(AssertionError):
        require_law([*made, Entry(2, "", people.second, "change released", "changes/1", {}, "")], [], [], people)


@pytest.mark.parametrize("seed", range(3))
def test_no_walk_ends_with_an_authors_approval_or_a_release_without_one(register: Register, seed: int):
    walk = Walk(register, seed)
    for _ in range(STEPS):
        walk.step()
    log = list(register.entries())
    require_law(log, change.standings(register), release.releases(register), walk.people)
    assert register.verify().sound
    assert walk.done["approve"]
    assert walk.done["refused"] > STEPS / 4


def test_the_walks_reach_releases_and_roll_backs(sqlite_place: Place):
    with sqlite_place.open() as register:
        walk = Walk(register, 100)
        while not (walk.done["release"] > 1 and walk.done["back"]):
            walk.step()
            assert sum(walk.done.values()) < 400
        require_law(list(register.entries()), change.standings(register), release.releases(register), walk.people)
