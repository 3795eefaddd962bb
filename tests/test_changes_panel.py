"""Change control on page 03 without a kernel: real widgets, a real register, real proposals."""

from __future__ import annotations

import base64
import html
import math
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from derm_kit import ScoreRun, TriagePolicy
from derm_kit.model.card import default_model, load_card
from derm_kit.panels import thresholds
from derm_kit.panels.changes_panel import ROWS, ChangesPanel
from derm_kit.panels.changes_signing import PRESSED_AGAIN
from derm_kit.panels.changes_steps import ON_A_CHANGE
from derm_kit.panels.thresholds import ThresholdsPanel, thresholds_page
from derm_kit.panels.tuning_source import Source
from derm_kit.records import change, release
from derm_kit.records.change import Change
from derm_kit.records.change_steps import STEPS, Action, State
from derm_kit.records.impact import ImpactReport
from derm_kit.records.people import Role
from derm_kit.records.register import Register
from derm_kit.records.signing import SignedPolicy, findings, read_public_key
from derm_kit.triage.opening import POLICY_VARIABLE, RUN_VARIABLE
from tests.readers import copied
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

TEXTS = {
    "markup": "<img src=x onerror=alert(1)><script>alert(2)</script>",
    "an attribute": "' onmouseover='alert(1)",
    "an entity": '&lt;b&gt; &amp; "double"',
    "right to left": "\u202egnp.exe\u202c \u2067right\u2069 \u05d0\u05d1\u05d2",
    "emoji": "\U0001f9d1\U0001f3fe\u200d\u2695\ufe0f melanoma",
    "long": "x" * 1_500,
    "NUL": "before\0after",
    "SQL": "'; DROP TABLE changes; --",
}
WHY = "Fewer melanomas are to be missed; more benign lesions will be referred."


@pytest.fixture(scope="module")
def staffed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Staff]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DERM_KIT_DATABASE_URL", raising=False)
        folder = tmp_path_factory.mktemp("staffed") / "workspace"
        with Register.open(folder) as register:
            return folder, staff(register)


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of this test's own, without a register."""
    for variable in ("DERM_KIT_DATABASE_URL", RUN_VARIABLE, POLICY_VARIABLE):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("DERM_KIT_WORKSPACE", str(tmp_path / "workspace"))
    return tmp_path


@pytest.fixture
def people(staffed: tuple[Path, Staff]) -> Staff:
    return staffed[1]


@pytest.fixture
def register(staffed: tuple[Path, Staff], machine: Path) -> Iterator[Register]:
    """This machine's register, as somebody else has it open."""
    with Register.open(copied(staffed[0], machine / "workspace")) as opened:
        yield opened


@pytest.fixture
def panel(register: Register) -> ChangesPanel:
    return ChangesPanel(lambda: None)


@pytest.fixture
def proposed(register: Register, people: Staff) -> Change:
    return a_change(register, people)


@pytest.fixture
def approved(register: Register, people: Staff, proposed: Change) -> Change:
    return with_approval(register, people, proposed)


@pytest.fixture
def page(register: Register, reference: ScoreRun, policy: TriagePolicy) -> ThresholdsPanel:
    """The page as it opens on the reference cohort where no policy was named."""
    return ThresholdsPanel(Source.of(reference, policy), policy, named=False)


def released(
    register: Register, people: Staff, melanoma: float = 0.05, when: datetime | None = None
) -> release.Release:
    """Another threshold for melanoma, from the last release to the next."""
    known = release.releases(register)
    old = known[-1].policy if known else default()
    return a_release(register, people, moved(old, melanoma), when.date() if when else None)


def read(value: str) -> str:
    """HTML as it reads."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", value)).split())


def sign(form, person: str, passphrase: str = PASSPHRASE) -> None:
    form.signature.person.value, form.signature.passphrase.value = person, passphrase


def take(panel: ChangesPanel, action: Action, person: str, reason: str = REASON, passphrase: str = PASSPHRASE) -> str:
    """Fill the form below the opened change in and press its button; what is said then."""
    sign(panel.steps, person, passphrase)
    panel.steps.reason.value = reason
    panel.steps.buttons[action].click()
    return read(panel.steps.notice.value)


def rows(panel: ChangesPanel) -> list[str]:
    return [row.change_id for row in panel.rows if row.view.layout.display != "none"]


def linked(value: str, name: str) -> str:
    """The content of a link that keeps a file."""
    return base64.b64decode(re.search(rf"download='{name}' href='data:[^;]+;base64,([^']+)'", value)[1]).decode()


def shown(panel: ChangesPanel) -> str:
    """All HTML of the section."""
    return "".join(
        [panel.words.value, panel.notice.value, panel.detail.value, panel.steps.words.value, panel.steps.notice.value,
         panel.releases.listed.value, panel.releases.notice.value, *(row.words.value for row in panel.rows)]
    )  # fmt: skip


def made(page: ThresholdsPanel) -> ThresholdsPanel:
    """The page with a proposal made on it."""
    page.controls.sliders[MELANOMA].value = 0.05
    page.proposal.rationale.value = WHY
    page.proposal.button.click()
    assert "The proposal is made" in page.proposal.result.value
    return page


# Without a register


def test_without_a_register_the_page_says_how_one_is_made_and_loads_no_database(machine: Path):
    code = """
import sys
from derm_kit.lesions import LesionType
from derm_kit.panels.thresholds import ThresholdsPanel
from derm_kit.panels.tuning_source import Source
from derm_kit.triage.opening import Opening
opening = Opening.named()
page = ThresholdsPanel(Source.of(opening.run, opening.policy), opening.policy, named=False)
page.controls.sliders[LesionType.MELANOMA].value = 0.05
page.proposal.rationale.value = "Fewer melanomas are to be missed by it."
page.proposal.button.click()
page.changes.button.click()
assert "proposal is made" in page.proposal.result.value and page.proposal.put is None
assert "derm-kit people add" in page.changes.words.value and page.changes.panel is None, page.changes.words.value
assert page.in_force.words.value == ""
sys.exit("loaded" if "sqlalchemy" in sys.modules else 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not (machine / "workspace").exists()


def test_a_register_made_while_the_page_is_open_is_found(reference, policy, staffed, machine):
    page = made(ThresholdsPanel(Source.of(reference, policy), policy, named=False))
    page.changes.button.click()
    assert page.changes.panel is None
    copied(staffed[0], machine / "workspace")
    page.changes.button.click()
    assert "0 changes in the register" in page.changes.panel.words.value
    page.proposal.button.click()
    assert page.proposal.put.form.layout.display == ""


# A proposal into the register


def test_a_proposal_goes_into_the_register_once_and_the_page_says_what_comes_next(page, register, people):
    form = made(page).proposal
    page.changes.button.click()
    assert [who for _, who in form.put.signature.person.options] == ["", *people.everybody]
    sign(form.put, people.author)
    form.put.button.click()
    (found,) = change.standings(register)
    assert (found.author, found.state) == (people.author, State.PROPOSED)
    assert change.find(register, found.id).report.rationale == WHY
    assert change.find(register, found.id).proposal.new_policy == page.policy
    said = read(form.put.notice.value)
    assert f"change {found.id[:8]}" in said
    assert "somebody else approves or rejects it: a safety officer who is a registered clinician" in said
    assert form.put.signature.passphrase.value == ""
    assert form.put.form.layout.display == "none"
    form.put.button.click()
    assert len(change.standings(register)) == 1
    assert read(form.put.notice.value) == said
    assert rows(page.changes.panel) == [found.id], "the list below shows it at once"
    page.controls.sliders[MELANOMA].value = 0.06
    assert form.put.notice.value == "", "it spoke of other thresholds"


@pytest.mark.parametrize(
    ("person", "passphrase", "words"),
    [
        ("author", "not the passphrase", "the passphrase is wrong"),
        ("author", "", "asks for the passphrase"),
        ("", PASSPHRASE, "signed for by name"),
    ],
)
def test_a_wrong_signature_is_told_and_loses_nothing(page, register, people, person, passphrase, words):
    form = made(page).proposal
    sign(form.put, getattr(people, person, ""), passphrase)
    form.put.button.click()
    assert "role='alert'" in form.put.notice.value
    assert words in read(form.put.notice.value)
    assert change.standings(register) == []
    assert form.put.signature.passphrase.value == ""
    assert form.put.signature.person.value == getattr(people, person, "")
    assert form.rationale.value == WHY
    assert "Keep the proposal (JSON)" in form.result.value
    sign(form.put, people.author)
    form.put.button.click()
    assert len(change.standings(register)) == 1


def test_a_proposal_that_starts_from_an_older_policy_is_refused_in_plain_words(page, register, people):
    form = made(page).proposal
    released(register, people, 0.04)
    sign(form.put, people.author)
    form.put.button.click()
    assert "starts from another policy than release 1, the last" in read(form.put.notice.value)
    assert len(change.standings(register)) == 1
    assert form.put.form.layout.display == ""


def test_a_slider_step_asks_the_register_nothing(page, register, monkeypatch):
    made(page)
    page.changes.button.click()
    asked = []
    monkeypatch.setattr(Register, "open", lambda *_: asked.append("register"))
    monkeypatch.setattr("derm_kit.records.workspace.Workspace.named", lambda *_: asked.append("workspace"))
    page.controls.sliders[MELANOMA].value = 0.06
    assert asked == []
    assert page.notice.value == ""
    assert page.proposal.put.form.layout.display == "none"


# The list, and one change


def test_changes_are_listed_newest_first_a_page_at_a_time(panel, register, people):
    for i in range(ROWS + 2):
        change.propose(register, moved(default(), 0.02 + i / 1000), people.author, PASSPHRASE)
    newest_first = [one.id for one in change.standings(register)][::-1]
    panel.refresh()
    assert rows(panel) == newest_first[:ROWS]
    assert f"{ROWS + 2} changes in the register, {ROWS + 2} under way" in panel.words.value
    assert "Nothing is ever sent to a device" in panel.words.value
    assert panel.newer.layout.display == "none"
    panel.older.click()
    assert rows(panel) == newest_first[ROWS:]
    assert panel.older.layout.display == "none"
    panel.newer.click()
    assert rows(panel) == newest_first[:ROWS]
    first = panel.rows[0]
    assert first.button.description == f"Open {newest_first[0][:8]}"
    assert "proposed , by Ada Author" in read(first.words.value)
    assert moved(default(), 0.02).rationale in read(first.words.value)


def test_an_opened_change_shows_its_frozen_report(panel, register, people):
    proposal = tuned().model_copy(update={"hazard_ids": ["HZ-7"]})
    made = change.propose(register, proposal, people.author, PASSPHRASE)
    report = ImpactReport.of(proposal)
    panel.refresh()
    panel.rows[0].button.click()
    said = read(panel.detail.value)
    thresholds = next(row for row in report.thresholds if row.lesion_type == MELANOMA)
    old, new = (math.floor(threshold * 1e5) / 1e5 for threshold in (thresholds.old, thresholds.new))
    melanoma = next(row for row in report.by_type if row.of == "melanoma")
    assert f"Change {made.id[:8]}" in said
    assert f"Melanoma {old} {new}" in said
    difference = f"{melanoma.difference:+.1%} ({melanoma.low:+.1%} to {melanoma.high:+.1%})".replace("-", "−")
    counts = f"{melanoma.n} {melanoma.before} {melanoma.after} {melanoma.gained} {melanoma.lost}"
    assert f"Melanoma {counts} {difference}" in said
    extra = f"{report.extra_missed_per_1000:.1f} (95% interval {report.extra_missed_low:.1f} to".replace("-", "−")
    assert extra in said
    cell = next(c for c in report.confusion if c.before != c.after)
    assert f"{cell.before} → {cell.after}" in said
    group = next(g for g in report.by_subgroup if g.before != g.after and g.grouping)
    assert f"{group.grouping}: {group.group}" in said
    assert f"{group.before}: {group.before / group.n:.1%} ({group.before_low:.1%} to {group.before_high:.1%})" in said
    assert "capacity not simulated" in said
    assert "linked hazards HZ-7" in said
    assert "that is the default policy of the model" in said
    assert proposal.rationale in said
    assert report.run_sha256 in said
    assert all(str(g["reason"]) in said for g in report.guarantees if "_" not in str(g["reason"]))
    assert re.search(r"[\d-]+ [\d:]+ UTC, Ada Author : change proposed", said)


def test_a_change_says_from_which_release_it_starts_and_that_an_outdated_one_goes_no_further(panel, register, people):
    stale = change.propose(register, moved(default(), 0.03), people.author, PASSPHRASE)
    first = released(register, people, 0.04)
    fresh = change.propose(register, moved(first.policy, 0.05), people.author, PASSPHRASE)
    panel.open(fresh.id)
    assert "that is release 1" in read(panel.detail.value)
    panel.open(stale.id)
    assert "starts from another policy than release 1" in read(panel.detail.value)
    assert "can no longer be approved or released" in read(panel.detail.value)
    assert "starts from another policy" in take(panel, Action.APPROVE, people.officer)


@pytest.mark.parametrize("state", list(State))
def test_the_steps_on_offer_are_those_of_the_table(panel, register, people, state):
    made = change.propose(register, moved(default(), 0.05), people.author, PASSPHRASE)
    if state in (State.APPROVED, State.RELEASED):
        made = change.approve(register, made, people.officer, PASSPHRASE, REASON)
    if state is State.RELEASED:
        change.release_change(register, made, people.administrator, PASSPHRASE)
    if state is State.REJECTED:
        change.reject(register, made, people.officer, PASSPHRASE, REASON)
    if state is State.WITHDRAWN:
        change.withdraw(register, made, people.author, PASSPHRASE)
    panel.open(made.id)
    on_offer = {action for action, button in panel.steps.buttons.items() if button.layout.display == ""}
    assert on_offer == {action for action in ON_A_CHANGE if state in STEPS[action].before}
    assert (panel.steps.form.layout.display == "none") == (not on_offer)
    for action in set(ON_A_CHANGE) - on_offer:
        sign(panel.steps, people.second)
        panel.steps.buttons[action].click()
    assert change.find(register, made.id).state is state


# Who may


def test_an_author_who_is_a_safety_officer_is_refused_their_own_change(panel, register, people):
    mine = change.propose(register, moved(default(), 0.05), people.officer, PASSPHRASE)
    panel.open(mine.id)
    for action in (Action.APPROVE, Action.REJECT):
        said = take(panel, action, people.officer)
        assert "nobody decides on their own change" in said
        assert "Ask another safety officer" in said
        assert panel.steps.reason.value == REASON, "what was entered is kept"
        assert panel.steps.signature.passphrase.value == ""
    assert change.find(register, mine.id) == mine


def test_an_author_forged_on_the_page_is_not_believed(panel, register, people):
    mine = change.propose(register, moved(default(), 0.05), people.officer, PASSPHRASE)
    panel.open(mine.id)
    panel.steps._seen = replace(mine, author=people.author)
    assert "nobody decides on their own change" in take(panel, Action.APPROVE, people.officer)
    assert change.find(register, mine.id) == mine


@pytest.mark.parametrize(
    ("who", "words"),
    [
        ("author", "nobody decides on their own change"),
        ("dermatologist", "only a safety officer may, not a dermatologist"),
        ("administrator", "only a safety officer may"),
        ("unregistered", "only a registered clinician may"),
    ],
)
def test_whoever_may_not_approve_is_told_why(panel, register, people, proposed, who, words):
    panel.open(proposed.id)
    assert words in take(panel, Action.APPROVE, getattr(people, who))
    assert change.find(register, proposed.id) == proposed


def test_a_wrong_passphrase_is_counted_and_the_wait_is_told(panel, register, people, proposed):
    panel.open(proposed.id)
    for _ in range(3):
        said = take(panel, Action.APPROVE, people.officer, passphrase="not the passphrase")  # noqa: S106
    assert "3 wrong in a row" in said
    assert "has to wait" in take(panel, Action.APPROVE, people.officer)
    assert change.find(register, proposed.id) == proposed


def test_a_reason_is_asked_for_and_one_that_names_somebody_is_refused(panel, register, people, proposed):
    panel.open(proposed.id)
    assert "a decision has a stated reason" in take(panel, Action.APPROVE, people.officer, reason="")
    assert "names nobody" in take(panel, Action.APPROVE, people.officer, reason="Ada Author explained it well to us.")
    assert change.find(register, proposed.id) == proposed


# The way of a change


def test_from_the_page_to_a_signed_file_that_verifies_and_is_in_force(page, register, people, machine):
    sign(made(page).proposal.put, people.author)
    page.proposal.put.button.click()
    page.changes.button.click()
    panel, wanted = page.changes.panel, page.policy
    assert "No release of this machine’s register is in force" in page.in_force.words.value
    panel.rows[0].button.click()
    said = take(panel, Action.APPROVE, people.officer)
    assert "is approved. Next: a safety officer or an administrator releases it" in said
    assert panel.steps.reason.value == ""
    assert "approved since" in read(panel.detail.value)
    assert "approved by Bo Officer" in read(panel.detail.value)
    assert f"change approved {REASON}" in read(panel.detail.value)
    for _ in range(2):
        panel.steps.buttons[Action.APPROVE].click()
        assert read(panel.steps.notice.value) == f"{said} Note {PRESSED_AGAIN}", "approved once, and that stays said"
    said = take(panel, Action.RELEASE, people.administrator)
    assert "Released: release 1, effective from" in said
    assert "Nothing is ever sent to a device" in said
    listed = panel.releases.listed.value
    assert "Release 1, in force" in listed
    assert "Nothing is ever sent to a device" in listed
    file, key = machine / "signed.json", machine / "key.pem"
    file.write_text(linked(listed, "derm-kit-release-1.json"), "utf-8")
    key.write_text(linked(listed, "derm-kit-public-key.pem"), "ascii")
    signed = SignedPolicy.read(file)
    assert not list(findings(signed, read_public_key(key), load_card(default_model()), datetime.now(UTC)))
    assert signed.triage_policy == wanted
    assert page.opened.source.policy == wanted, "the page starts from what is in force now"
    assert "This page starts from release 1" in page.in_force.words.value
    assert wanted.name in page.source.about.value
    assert page.proposal.button.disabled


def test_a_release_with_a_date_waits_for_it_and_a_date_that_is_none_is_refused(page, register, people, approved):
    page.changes.button.click()
    panel = page.changes.panel
    panel.open(approved.id)
    for wrong in ("soon", "2027-02-30", "4.1.2027", "20270104"):
        panel.steps.effective.value = wrong
        assert "a date is written as year, month and day" in take(panel, Action.RELEASE, people.administrator)
        assert panel.steps.effective.value == wrong
    panel.steps.effective.value = "2020-01-01"
    assert "takes effect today (UTC) or later" in take(panel, Action.RELEASE, people.administrator)
    assert release.releases(register) == []
    day = f"{datetime.now(UTC) + timedelta(days=3):%Y-%m-%d}"
    panel.steps.effective.value = day
    assert f"effective from {day}T00:00" in take(panel, Action.RELEASE, people.administrator)
    assert panel.steps.effective.value == ""
    assert "Release 1, waits for its date" in panel.releases.listed.value
    assert "No release is in force yet" in panel.releases.listed.value
    assert f"Release 1 waits for its date, {day}" in page.in_force.words.value
    assert page.opened.source.policy == default()


def test_a_change_is_rejected_or_withdrawn_on_the_page(panel, register, people, proposed):
    panel.open(proposed.id)
    assert "is rejected. It goes no further" in take(panel, Action.REJECT, people.officer)
    other = change.propose(register, moved(default(), 0.03), people.dermatologist, PASSPHRASE)
    panel.open(other.id)
    assert "only the author may" in take(panel, Action.WITHDRAW, people.officer)
    assert "is withdrawn" in take(panel, Action.WITHDRAW, people.dermatologist)
    assert {one.state for one in change.standings(register)} == {State.REJECTED, State.WITHDRAWN}


def test_an_earlier_policy_is_released_again(page, register, people):
    first, second = released(register, people, 0.04), released(register, people, 0.05)
    page.changes.button.click()
    releases = page.changes.panel.releases
    assert [version for _, version in releases.version.options] == [-1, 2, 1, 0]
    sign(releases, people.second)
    releases.reason.value = REASON
    releases.button.click()
    assert "a roll-back goes to one release" in read(releases.notice.value)
    releases.version.value = 1
    sign(releases, people.author)
    releases.button.click()
    assert "nobody decides on their own change" in read(releases.notice.value)
    assert (releases.version.value, releases.reason.value) == (1, REASON)
    sign(releases, people.second)
    releases.button.click()
    assert "Rolled back: release 3" in read(releases.notice.value)
    assert [r.policy for r in release.releases(register)] == [first.policy, second.policy, first.policy]
    assert "Release 3, in force" in releases.listed.value
    assert page.opened.source.policy == first.policy


@pytest.mark.parametrize("step", ["put", "approve", "release", "roll back", "wrong passphrase"])
def test_a_second_press_does_nothing_and_says_so_beside_what_the_first_did(page, register, people, step):
    released(register, people, 0.04)
    page.in_force.look()
    first = change.propose(register, moved(page.in_force.policy, 0.05), people.author, PASSPHRASE)
    if step == "release":
        first = change.approve(register, first, people.officer, PASSPHRASE, REASON)
    page.changes.button.click()
    panel = page.changes.panel
    panel.open(first.id)
    form = {"put": made(page).proposal.put, "roll back": panel.releases}.get(step, panel.steps)
    sign(form, people.second, "another passphrase" if step == "wrong passphrase" else PASSPHRASE)
    if step != "put":
        form.reason.value = REASON
    panel.releases.version.value = 0
    button = panel.steps.buttons[Action.RELEASE if step == "release" else Action.APPROVE]
    button = button if form is panel.steps else form.button
    button.click()
    said, entries = read(form.notice.value), register.head().count
    assert said
    assert PRESSED_AGAIN not in said
    button.click()
    assert read(form.notice.value) == (said if step == "put" else f"{said} Note {PRESSED_AGAIN}")
    assert register.head().count == entries


# Two at once


def test_whoever_was_slower_is_shown_both_and_the_newer_state(panel, register, people, proposed):
    panel.open(proposed.id)
    change.reject(register, proposed, people.second, PASSPHRASE, REASON)
    said = take(panel, Action.APPROVE, people.officer)
    assert "somebody saved this meanwhile" in said
    assert "Stored: rejected at" in said
    assert "Yours, not saved: approve, having seen it proposed at" in said
    assert "rejected since" in read(panel.detail.value)
    assert panel.steps.form.layout.display == "none"
    assert panel.steps.reason.value == REASON
    assert change.find(register, proposed.id).state is State.REJECTED


def test_a_roll_back_on_an_older_list_is_refused_and_the_list_renewed(panel, register, people):
    released(register, people, 0.04)
    panel.refresh()
    released(register, people, 0.05)
    form = panel.releases
    sign(form, people.second)
    form.version.value, form.reason.value = 0, REASON
    form.button.click()
    assert "somebody saved this meanwhile. Stored: release 2" in read(form.notice.value)
    assert "Release 2, in force" in form.listed.value
    assert (form.version.value, form.reason.value) == (0, REASON)
    assert len(release.releases(register)) == 2
    sign(form, people.second)
    form.button.click()
    assert "Rolled back: release 3" in read(form.notice.value)


# What others wrote


@pytest.mark.parametrize("written", TEXTS.values(), ids=TEXTS)
def test_text_of_others_is_shown_as_text(panel, register, people, written):
    hostile = f"{written} and so it is the reason of this change."
    proposal = moved(default(), 0.05).model_copy(
        update={"rationale": hostile, "hazard_ids": [written], "capacity": {written: written},
                "guarantees": [{"lesion_type": written, "reason": written}]}
    )  # fmt: skip
    officer = register.add_person(f"{written[:900]}x", Role.SAFETY_OFFICER, PASSPHRASE, registration="GMC 2").id
    made = change.propose(register, proposal, officer, PASSPHRASE)
    change.reject(register, made, people.officer, PASSPHRASE, hostile[:1900])
    panel.open(made.id)
    assert "<script" not in shown(panel)
    assert "<img" not in shown(panel)
    assert not re.search(r"<[^>]*onmouseover", shown(panel))
    assert html.escape(written) in panel.detail.value
    assert change.find(register, made.id).report.rationale == hostile


def test_the_erased_are_called_erased_wherever_they_acted(panel, register, people, approved):
    register.erase_person(people.author)
    register.erase_person(people.officer)
    panel.open(approved.id)
    said = read(shown(panel))
    assert "Ada" not in said
    assert "Bo Officer" not in said
    assert "by erased" in said
    assert "erased : change approved" in said
    assert people.author not in shown(panel)
    assert {who for _, who in panel.steps.signature.person.options}.isdisjoint({people.author, people.officer})


# Which policy the page starts from


def test_the_page_opens_on_the_release_in_force(register, people, reference, policy):
    first = released(register, people, 0.04)
    released(register, people, 0.06, datetime.now(UTC) + timedelta(days=2))
    page = ThresholdsPanel(Source.of(reference, policy), policy, named=False)
    assert page.opened.source.policy == first.policy
    assert page.setting.thresholds[MELANOMA] == 0.04
    assert "This page starts from release 1 of this machine’s register, in force since" in page.in_force.words.value
    assert "Release 2 waits for its date" in page.in_force.words.value
    assert "<strong>melanoma at 0.04</strong>, version" in page.source.about.value
    assert page.proposal.button.disabled


def test_a_policy_that_was_named_stands_whatever_was_released(register, people, machine, monkeypatch):
    released(register, people, 0.04)
    path = machine / "policy.json"
    path.write_text(default().changed(name="ours", thresholds=default().thresholds | {MELANOMA: 0.3}).model_dump_json())
    seen = []
    monkeypatch.setattr(thresholds.ThresholdsPanel, "view", property(seen.append, lambda *_: None), raising=False)
    thresholds_page(policy=path)
    monkeypatch.setenv(POLICY_VARIABLE, str(path))
    thresholds_page()
    monkeypatch.delenv(POLICY_VARIABLE)
    thresholds_page()
    assert [page.setting.thresholds[MELANOMA] for page in seen] == [0.3, 0.3, 0.04]
    assert ["opened with" in page.in_force.words.value for page in seen] == [True, True, False]


def test_a_page_made_ready_before_a_release_starts_from_it_when_somebody_opens_it(page, register, people):
    page.controls.cancers.value = 2
    page.controls.sliders[MELANOMA].value = 0.2
    assert page.opened.source.policy == default()
    first = released(register, people, 0.04)
    page.in_force.arrival.times += 1
    assert page.opened.source.policy == first.policy
    assert "This page starts from release 1" in page.in_force.words.value
    assert "melanoma at 0.04" in page.source.about.value
    assert page.controls.sliders[MELANOMA].value == 0.2, "what was set stays"
    assert page.setting.cancers == pytest.approx(0.02)
    assert "otherwise" not in page.controls.shown["changes"].value
    page.controls.back.click()
    assert page.setting.thresholds[MELANOMA] == 0.04
    before = page.opened
    page.in_force.arrival.times += 1
    assert page.opened is before, "nothing new came into force"


def test_scores_brought_to_the_page_stay_on_it_when_a_policy_comes_into_force(page, register, people, reference):
    yours = Source.of(ScoreRun(reference.scores[:300], reference.cases[:300]), default(), uploaded=True)
    page.source._open(yours)
    first = released(register, people, 0.04)
    page.in_force.look()
    assert page.opened.source is yours
    page.source.back.click()
    assert page.opened.source.policy == first.policy


def test_a_release_for_another_model_is_told_and_the_default_taken(register, people, reference, policy):
    first = released(register, people, 0.04)
    other = ScoreRun(reference.scores, reference.cases, meta=dict(reference.meta) | {"model_hash": "0" * 64})
    mine = policy.changed(model_hash="0" * 64, name="theirs")
    page = ThresholdsPanel(Source.of(other, mine), mine, named=False)
    assert first.policy != mine == page.opened.source.policy
    assert "a policy is read only on scores of the model it was made for" in read(page.in_force.notice.value)
    assert "may not be the one in force" in read(page.in_force.notice.value)


def test_a_release_that_was_changed_in_the_database_is_not_started_from(register, people, machine, reference, policy):
    first = released(register, people, 0.04)
    Place(machine / "workspace", None).attack(
        "UPDATE policies SET policy = replace(policy, '0.04', '0.94') WHERE version = 1"
    )
    page = ThresholdsPanel(Source.of(reference, policy), policy, named=False)
    assert "signature of the release in force does not fit" in read(page.in_force.notice.value)
    assert page.opened.source.policy == policy != first.policy
    page.changes.button.click()
    assert "its signature does not fit" in page.changes.panel.releases.listed.value
    assert "derm-kit-release-1.json" not in page.changes.panel.releases.listed.value


def test_a_register_that_cannot_be_used_is_told_and_the_page_opens(register, machine, reference, policy):
    (machine / "workspace" / "audit.key").unlink()
    page = ThresholdsPanel(Source.of(reference, policy), policy, named=False)
    assert "its key is not in the workspace" in read(page.in_force.notice.value)
    assert page.opened.source.policy == policy
    made(page)
    assert "its key is not in the workspace" in read(page.proposal.put.notice.value)
    assert "Keep the proposal (JSON)" in page.proposal.result.value
    page.changes.button.click()
    assert "its key is not in the workspace" in read(page.changes.panel.notice.value)
