"""Change control: who may take which step, on what, and what is left when two act at once or a record was changed."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from derm_kit.errors import PolicyError, RecordError
from derm_kit.records import change, release
from derm_kit.records.change import Change, Standing
from derm_kit.records.change_steps import STEPS, Action, Author, State
from derm_kit.records.conflicts import ConflictError
from derm_kit.records.exact_json import sha256
from derm_kit.records.people import Role
from derm_kit.records.register import Register
from derm_kit.records.starting_point import starting_point
from tests.records.places import PASSPHRASE, Place
from tests.records.proposals import (
    MELANOMA,
    REASON,
    Staff,
    a_change,
    a_release,
    default,
    moved,
    staff,
    tuned,
    with_approval,
)

DOCUMENT = Path(__file__).parents[2] / "docs" / "change-control.md"


@pytest.fixture
def people(register: Register) -> Staff:
    return staff(register)


@pytest.fixture
def proposed(register: Register, people: Staff) -> Change:
    return a_change(register, people)


@pytest.fixture
def approved(register: Register, people: Staff, proposed: Change) -> Change:
    return with_approval(register, people, proposed)


# The way of a change


def test_a_tuned_proposal_goes_from_page_to_release_and_every_step_is_in_the_log(register: Register, people: Staff):
    made = change.propose(register, tuned(), people.author, PASSPHRASE)
    assert (made.state, made.author, made.approver, made.version) == (State.PROPOSED, people.author, None, 1)
    assert made.proposal == tuned()
    approved = change.approve(register, made, people.officer, PASSPHRASE, f"  {REASON} ")
    assert (approved.state, approved.approver, approved.version) == (State.APPROVED, people.officer, 2)
    assert (approved.report_text, approved.proposal_text) == (made.report_text, made.proposal_text)
    released = change.release_change(register, approved, people.administrator, PASSPHRASE)
    assert (released.version, released.signed.change, released.policy) == (1, made.id, tuned().new_policy)
    assert change.find(register, made.id[:6]).state is State.RELEASED
    first, second, third = change.history(register, made.id)
    assert [e.action for e in (first, second, third)] == ["change proposed", "change approved", "change released"]
    assert [e.actor for e in (first, second, third)] == [people.author, people.officer, people.administrator]
    assert first.details["report_sha256"] == second.details["report_sha256"] == sha256(made.report_text)
    assert first.details["proposal_sha256"] == sha256(made.proposal_text)
    assert second.details["reason"] == REASON
    assert register.verify().sound


def test_a_rejected_and_a_withdrawn_change_go_nowhere(register: Register, people: Staff, proposed: Change):
    other = change.propose(register, moved(default(), 0.03), people.dermatologist, PASSPHRASE)
    done = (
        change.reject(register, proposed, people.officer, PASSPHRASE, REASON),
        change.withdraw(register, other, people.dermatologist, PASSPHRASE),
    )
    assert [c.state for c in done] == [State.REJECTED, State.WITHDRAWN]
    for ended in done:
        with pytest.raises(RecordError, match=f"approve: only a change that is proposed .*found: {ended.state}"):
            change.approve(register, ended, people.second, PASSPHRASE, REASON)
        with pytest.raises(RecordError, match="release: only a change that is approved"):
            change.release_change(register, ended, people.second, PASSPHRASE)
    assert [c.state for c in change.standings(register)] == [State.REJECTED, State.WITHDRAWN]


def test_an_approval_is_taken_back_before_release_and_names_no_approver_then(
    register: Register, people: Staff, approved: Change
):
    back = change.reject(register, approved, people.second, PASSPHRASE, REASON)
    assert (back.state, back.approver, back.version) == (State.REJECTED, None, 3)
    assert release.releases(register) == []


# Who may


@pytest.mark.parametrize("who", ["author", "unregistered", "administrator", "dermatologist"])
@pytest.mark.parametrize("step", [change.approve, change.reject])
def test_only_a_registered_safety_officer_decides(register: Register, people: Staff, proposed: Change, who: str, step):
    with pytest.raises(RecordError, match=r"own change|only a safety officer may|only a registered clinician may"):
        step(register, proposed, getattr(people, who), PASSPHRASE, REASON)
    assert change.find(register, proposed.id) == proposed


def test_a_role_is_named_as_one_says_it(register: Register, people: Staff, proposed: Change):
    with pytest.raises(RecordError, match="approve: only a safety officer may, not an administrator"):
        change.approve(register, proposed, people.administrator, PASSPHRASE, REASON)
    with pytest.raises(RecordError, match="approve: only a safety officer may, not a dermatologist"):
        change.approve(register, proposed, people.dermatologist, PASSPHRASE, REASON)


def test_an_officer_never_decides_on_their_own_change_whatever_is_sent(register: Register, people: Staff):
    mine = change.propose(register, moved(default(), 0.05), people.officer, PASSPHRASE)
    for sent in (
        mine,
        replace(mine, author=people.author),
        replace(mine, author=people.author, approver=people.second, state=State.APPROVED),
        Standing(mine.id, State.PROPOSED, people.second, None, 1, "", ""),
    ):
        for step in (change.approve, change.reject):
            with pytest.raises(RecordError, match="nobody decides on their own change"):
                step(register, sent, people.officer, PASSPHRASE, REASON)
        with pytest.raises(RecordError, match="release: only a change that is approved"):
            change.release_change(register, sent, people.officer, PASSPHRASE)
    assert change.find(register, mine.id) == mine
    assert change.approve(register, mine, people.second, PASSPHRASE, REASON).approver == people.second


def test_nobody_takes_a_step_in_anothers_name(register: Register, people: Staff, proposed: Change):
    steps = (
        lambda word: change.propose(register, moved(default(), 0.04), people.second, word),
        lambda word: change.approve(register, proposed, people.officer, word, REASON),
        lambda word: change.withdraw(register, proposed, people.author, word),
    )
    for step in steps:
        with pytest.raises(RecordError, match="the passphrase is wrong; this was counted and logged"):
            step("wrong horse battery staple")
    refused = [entry.actor for entry in register.entries() if entry.action == "passphrase refused"]
    assert refused == [people.second, people.officer, people.author]
    assert change.standings(register) == [Standing(**{k: getattr(proposed, k) for k in Standing.__dataclass_fields__})]
    with pytest.raises(RecordError, match="only the author may"):
        change.withdraw(register, proposed, people.officer, PASSPHRASE)


@pytest.mark.parametrize("who", ["author", "dermatologist"])
def test_only_an_officer_or_an_administrator_releases(register: Register, people: Staff, approved: Change, who: str):
    with pytest.raises(RecordError, match="release: only a safety officer or administrator may"):
        change.release_change(register, approved, getattr(people, who), PASSPHRASE)
    assert release.releases(register) == []


def test_who_is_erased_takes_no_step_and_what_they_proposed_stays(register: Register, people: Staff, proposed: Change):
    register.erase_person(people.author)
    register.erase_person(people.second)
    with pytest.raises(RecordError, match="erased"):
        change.approve(register, proposed, people.second, PASSPHRASE, REASON)
    assert change.approve(register, proposed, people.officer, PASSPHRASE, REASON).author == people.author


@pytest.mark.parametrize(
    ("reason", "rule"),
    [
        ("because", "10 to 2,000 characters"),
        (" " * 40, "10 to 2,000 characters"),
        ("x" * 2_001, "10 to 2,000 characters"),
        ("agreed with cy second by telephone", "it names nobody"),
    ],
)
def test_a_reason_says_why_and_names_nobody(register: Register, people: Staff, proposed: Change, reason, rule):
    with pytest.raises(RecordError, match=rule):
        change.approve(register, proposed, people.officer, PASSPHRASE, reason)
    assert change.find(register, proposed.id) == proposed
    assert "cy second" not in repr(list(register.entries())).lower()


# What it starts from


def test_the_first_change_starts_from_the_thresholds_of_the_default_policy(register: Register, people: Staff):
    other = default().changed(thresholds=default().thresholds | {MELANOMA: 0.5})
    with pytest.raises(
        RecordError, match="nothing was released yet, so the thresholds in force are the model's default"
    ):
        change.propose(register, moved(other, 0.4), people.author, PASSPHRASE)
    own_rules = moved(default().changed(autonomous=True, review_sites=("sole",)), 0.05)
    made = change.propose(register, own_rules, people.author, PASSPHRASE)
    assert starting_point(register, made.proposal).endswith("its own autonomous, review_sites: look at them")
    plain = starting_point(register, moved(default(), 0.05))
    assert plain == "the default policy of the model, since nothing was released yet"


def test_scores_that_name_no_model_have_no_default_and_that_is_said(register: Register, people: Staff):
    nameless = default().changed(model_hash="", scoring_sha256="", thresholds={MELANOMA: 0.5})
    made = change.propose(register, moved(nameless, 0.4), people.author, PASSPHRASE)
    assert "no default is known for its model" in starting_point(register, made.proposal)


def test_a_change_whose_old_policy_was_replaced_is_refused_with_the_next_step(register: Register, people: Staff):
    waits, stale, late = (
        change.propose(register, moved(default(), at), people.author, PASSPHRASE) for at in (0.05, 0.04, 0.03)
    )
    stale = change.approve(register, stale, people.officer, PASSPHRASE, REASON)
    first = a_release(register, people, moved(default(), 0.02))
    for refused in (
        lambda: change.approve(register, waits, people.officer, PASSPHRASE, REASON),
        lambda: change.release_change(register, stale, people.officer, PASSPHRASE),
        lambda: change.propose(register, moved(default(), 0.06), people.author, PASSPHRASE),
    ):
        with pytest.raises(RecordError, match="another policy than release 1, the last") as told:
            refused()
        assert "derm-kit policy export 1 --plain" in told.value.next_step
    assert starting_point(register, late.proposal).endswith("It can no longer be approved or released.")
    assert change.reject(register, stale, people.officer, PASSPHRASE, REASON).state is State.REJECTED
    assert change.withdraw(register, waits, people.author, PASSPHRASE).state is State.WITHDRAWN
    assert starting_point(register, moved(first.policy, 0.06)) == "release 1, the last"
    second = a_release(register, people, moved(first.policy, 0.06))
    assert (second.version, second.policy.thresholds[MELANOMA]) == (2, 0.06)


def test_a_change_starts_from_the_last_release_also_while_that_waits_for_its_date(
    register: Register, people: Staff, approved: Change
):
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    waits = change.release_change(register, approved, people.officer, PASSPHRASE, tomorrow)
    assert release.policy_in_force(register) == default()
    with pytest.raises(RecordError, match="another policy than release 1"):
        change.propose(register, moved(default(), 0.04), people.author, PASSPHRASE)
    made = change.propose(register, moved(waits.policy, 0.04), people.author, PASSPHRASE)
    made = change.approve(register, made, people.officer, PASSPHRASE, REASON)
    with pytest.raises(RecordError, match="no earlier than the one before it"):
        change.release_change(register, made, people.officer, PASSPHRASE)
    assert change.release_change(register, made, people.officer, PASSPHRASE, tomorrow).version == 2


# Two at once


def test_the_second_of_two_is_told_and_shown_both(register: Register, people: Staff, proposed: Change):
    first = change.approve(register, proposed, people.officer, PASSPHRASE, REASON)
    before = [e.action for e in register.entries()]
    with pytest.raises(
        ConflictError, match=r"Stored: approved at .*step 2. Yours, not saved: reject, .*step 1"
    ) as told:
        change.reject(register, proposed, people.second, PASSPHRASE, REASON)
    assert (told.value.stored, told.value.yours) == (first, proposed)
    assert change.find(register, proposed.id) == first
    assert [e.action for e in register.entries()] == [*before, "passphrase accepted"]


def test_of_many_who_decide_at_the_same_moment_one_does(register: Register, people: Staff, proposed: Change):
    def decide(i: int) -> str:
        step = change.approve if i % 2 else change.reject
        try:
            return step(register, proposed, people.deciders[i // 2 % 2], PASSPHRASE, REASON).state
        except ConflictError:
            return "told"

    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(decide, range(6)))
    assert sorted(found)[1:] == ["told"] * 5 or found.count("told") == 5
    assert change.find(register, proposed.id).version == 2
    assert register.verify().sound


# Records changed behind derm-kit's back


@pytest.mark.parametrize(
    "attack",
    [
        "UPDATE changes SET author = :other",
        "UPDATE changes SET state = 'approved', approver = :other",
        "UPDATE changes SET state = 'approved', approver = :other, version = 2",
        "UPDATE changes SET proposal = replace(proposal, '0.05', '0.9')",
        "UPDATE changes SET entry = (SELECT max(position) FROM audit_log), state = 'approved'",
        "UPDATE audit_log SET subject = 'x' WHERE subject LIKE 'changes/%'",
    ],
)
def test_what_was_changed_with_sql_is_neither_approved_nor_released(
    register: Register, place: Place, people: Staff, attack: str
):
    mine = change.propose(register, moved(default(), 0.05), people.officer, PASSPHRASE)
    place.attack(attack, **({"other": people.second} if ":other" in attack else {}))
    seen = change.find(register, mine.id)
    for step in (
        lambda: change.approve(register, seen, people.officer, PASSPHRASE, REASON),
        lambda: change.approve(register, seen, people.second, PASSPHRASE, REASON),
        lambda: change.release_change(register, seen, people.officer, PASSPHRASE),
    ):
        with pytest.raises(RecordError, match="not what the audit log says was written"):
            step()
    assert release.releases(register) == []
    assert not register.verify().sound


def test_a_made_up_entry_vouches_for_nothing(register: Register, place: Place, people: Staff):
    """Somebody with SQL but not the key: the row and an entry that holds its true digest."""
    from derm_kit.records.sealing import digest

    mine = change.propose(register, moved(default(), 0.05), people.officer, PASSPHRASE)
    with place.sql() as connection:
        row = dict(connection.execute(text("SELECT * FROM changes")).mappings().one())
    row |= {"state": "approved", "approver": people.second}
    details = json.dumps({"sha256": digest(row)}, sort_keys=True)
    place.attack(
        "UPDATE changes SET state = 'approved', approver = :other",
        "UPDATE audit_log SET details = :details WHERE subject LIKE 'changes/%'",
        other=people.second,
        details=details,
    )
    with pytest.raises(RecordError, match="not what the audit log says"):
        change.release_change(register, change.find(register, mine.id), people.officer, PASSPHRASE)


def test_a_record_put_back_to_what_it_once_was_is_not_released(register: Register, place: Place, people: Staff):
    """An approval that was taken back: row and entry of the day before are both genuine, but no longer the newest."""
    made = change.propose(register, moved(default(), 0.05), people.author, PASSPHRASE)
    approved = change.approve(register, made, people.officer, PASSPHRASE, REASON)
    with place.sql() as connection:
        row = dict(connection.execute(text("SELECT * FROM changes")).mappings().one())
    change.reject(register, approved, people.second, PASSPHRASE, REASON)
    values = ("state", "approver", "version", "changed_at", "entry")
    settings = ", ".join(f"{name} = :{name}" for name in values)
    place.attack(f"UPDATE changes SET {settings}", **{name: row[name] for name in values})  # noqa: S608 - names above
    assert change.find(register, made.id) == approved
    with pytest.raises(RecordError, match="not what the audit log says was written"):
        change.release_change(register, approved, people.administrator, PASSPHRASE)


# The table


def test_the_table_in_the_document_is_the_one_in_the_code():
    def row(action: Action) -> tuple[str, ...]:
        step, yes = STEPS[action], {True: "yes", False: "–"}
        who = "anybody" if set(step.roles) == set(Role) else " or ".join(step.roles)
        before = " or ".join(step.before) or "–"
        return (action, before, step.after, who, step.author, yes[step.registered], yes[step.reason])

    lines = [line for line in DOCUMENT.read_text("utf-8").splitlines() if line.startswith("|")]
    cells = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines]
    assert cells[0] == ("step", "from", "to", "who", "the author", "registered clinician", "reason")
    assert cells[2:] == [row(action) for action in Action]
    assert list(STEPS) == list(Action)


def test_no_step_that_decides_is_open_to_the_author():
    for action, step in STEPS.items():
        if step.after is State.APPROVED or action in (Action.REJECT, Action.ROLL_BACK):
            assert (step.author, step.registered, step.roles) == (Author.NEVER, True, (Role.SAFETY_OFFICER,))


def test_unknown_and_ambiguous_ids_are_told(register: Register, people: Staff, proposed: Change):
    for sent in ("", "zz", "%", proposed.id + "0", "_" * 32):
        with pytest.raises(RecordError, match="there is no such change"):
            change.find(register, sent)
    with pytest.raises(RecordError, match="there is no such change"):
        change.approve(register, replace(proposed, id="../changes"), people.officer, PASSPHRASE, REASON)
    ids = [change.propose(register, proposed.proposal, people.author, PASSPHRASE).id for _ in range(16)]
    beginnings = [found[0] for found in (proposed.id, *ids)]
    with pytest.raises(RecordError, match="several changes begin so"):
        change.find(register, max(beginnings, key=beginnings.count))


def test_a_proposal_with_text_that_cannot_be_written_is_refused_and_leaves_nothing(register: Register, people: Staff):
    head = register.head()
    made = moved(default(), 0.05)
    for broken in ({"hazard_ids": ["\ud800"]}, {"capacity": {"wait": object()}}):
        with pytest.raises(PolicyError, match="text and numbers that a file can hold"):
            change.propose(register, made.model_copy(update=broken), people.author, PASSPHRASE)
    assert register.head() == head


def test_hostile_text_in_a_proposal_is_stored_as_text(register: Register, people: Staff):
    hostile = "<script>alert(1)</script> '); DROP TABLE changes; -- \0 \\u0000 \N{RIGHT-TO-LEFT OVERRIDE} [bold]x"
    made = moved(default(), 0.05).model_copy(update={"rationale": hostile, "hazard_ids": [hostile]})
    stored = change.propose(register, made, people.author, PASSPHRASE)
    found = change.find(register, stored.id)
    assert (found.proposal.rationale, found.report.hazard_ids) == (hostile, [hostile])
    assert register.verify().sound
