"""The desk: who has read what, what is kept back from whom, and that nobody overwrites anybody. A real register."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from derm_kit.cases.cohort import safe_csv
from derm_kit.errors import RecordError
from derm_kit.model.run import ScoreRun, read_run, write_joined
from derm_kit.records import change
from derm_kit.records import desk as desks
from derm_kit.records.conflicts import ConflictError
from derm_kit.records.desk import ADJUDICATION, BLIND_MARKS, MARKS, MODEL_DIFFERS, READ, SECOND, UNREAD, Desk
from derm_kit.records.register import Register
from derm_kit.records.reviews import Review
from derm_kit.records.second_reads import EXPORT_COLUMNS
from derm_kit.triage.agreement import cohen_kappa
from derm_kit.triage.definition import Disposition
from derm_kit.triage.policy import decide
from derm_kit.triage.worklist import Worklist
from tests.readers import PASSPHRASE, READERS, copied
from tests.records.proposals import moved

URGENT, ROUTINE, SECOND_READ, DISCHARGE = (
    Disposition.URGENT_SUSPECTED_CANCER,
    Disposition.ROUTINE_DERMATOLOGY,
    Disposition.SECOND_READ,
    Disposition.DISCHARGE_ADVICE,
)
At = Callable[[str], Desk]


@pytest.fixture
def people(staffed: tuple[Path, dict[str, str]]) -> dict[str, str]:
    return staffed[1]


@pytest.fixture
def workspace(staffed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This test's own copy of the register, named as a workbench finds it."""
    monkeypatch.delenv("DERM_KIT_DATABASE_URL", raising=False)
    monkeypatch.setenv("DERM_KIT_WORKSPACE", str(tmp_path / "workspace"))
    return copied(staffed[0], tmp_path / "workspace")


@pytest.fixture(scope="module")
def run(reference: ScoreRun) -> ScoreRun:
    """Twelve real cases."""
    return ScoreRun(reference.scores[:12], reference.cases[:12], meta=reference.meta)


@pytest.fixture(scope="module")
def model(run: ScoreRun, policy) -> pd.Series:
    return decide(run, policy).table["disposition"]


@pytest.fixture
def at(run: ScoreRun, workspace: Path, people: dict[str, str]) -> Iterator[At]:
    """A desk of its own, on a connection of its own, with one of READERS at it; "" for nobody."""
    opened: list[Register] = []

    def sit(who: str) -> Desk:
        opened.append(Register.open(workspace))
        desk = Desk(run, opened[-1])
        desk.person = opened[-1].person(people[who]) if who else None
        return desk

    yield sit
    for register in opened:
        register.close()


def say(desk: Desk, case: str, disposition: Disposition = URGENT, **more) -> Review:
    """As the page does: the version that stands of this reader is the one they saw."""
    said = {"verdict": "melanoma", "agrees": True, "confidence_percent": 80, "note": "", "seconds": 4.0, "blind": False}
    return desk.save(case, disposition, desk.own(case), **(said | more))


def marked(desk: Desk, model: pd.Series, mark: str) -> list[str]:
    return desk.run.cases["case_id"][desk.marks(model)[mark]].tolist()


def test_signing_in_takes_the_passphrase_and_says_who_reads(at: At, people):
    desk = at("")
    assert {p.name for p in desk.people()} == {name for name, _ in READERS.values()}
    with pytest.raises(RecordError, match="the passphrase is wrong; this was counted and logged"):
        desk.sign_in(people["ada"], "correct horse battery stable")
    assert desk.person is None
    desk.sign_in(people["ada"], PASSPHRASE)
    assert desk.person is not None
    assert desk.person.name == "Ada Lovelace"
    desk.sign_out()
    assert desk.person is None


def test_nothing_is_stored_for_nobody(at: At, run):
    with pytest.raises(RecordError, match=r"stored for a person who is signed in.*Sign in above"):
        say(at(""), run.cases["case_id"][0])
    assert at("ada").readings(run.cases["case_id"][0]).shown == ()


def test_marks_are_of_the_person_at_the_desk(at: At, run, model):
    first, second, third = run.cases["case_id"][:3]
    ada, ben, cleo, nobody = at("ada"), at("ben"), at("cleo"), at("")
    say(ada, first, Disposition(model[0]))
    say(ada, second, DISCHARGE)
    say(ben, second, URGENT)
    everything = run.cases["case_id"].tolist()
    assert marked(ada, model, READ) == [first, second]
    assert marked(ada, model, UNREAD) == everything[2:]
    assert marked(ada, model, SECOND) == marked(ada, model, ADJUDICATION) == []
    assert marked(ben, model, SECOND) == [first]
    assert marked(ben, model, ADJUDICATION) == [], "one of the two who differ does not settle it"
    assert marked(cleo, model, SECOND) == [first]
    assert marked(cleo, model, ADJUDICATION) == [second]
    assert marked(nobody, model, UNREAD) == everything
    assert marked(nobody, model, SECOND) == marked(nobody, model, ADJUDICATION) == []
    assert third not in marked(cleo, model, SECOND)
    assert set(ada.marks(model)) == set(MARKS)


def test_a_reader_and_the_model_differ_by_where_the_case_goes(at: At, run, model):
    cases = run.cases["case_id"]
    ada, ben = at("ada"), at("ben")
    for i in (0, 1):
        say(ada, cases[i], Disposition(model[i]))
    say(ben, cases[1], next(d for d in Disposition if d != model[1]))
    assert marked(ada, model, MODEL_DIFFERS) == marked(at(""), model, MODEL_DIFFERS) == [cases[1]]
    say(ben, cases[1], Disposition(model[1]))
    assert marked(ada, model, MODEL_DIFFERS) == [], "what stands now counts"
    assert MODEL_DIFFERS not in BLIND_MARKS


def test_what_another_person_stored_meanwhile_is_seen_without_a_reload(at: At, run, model):
    case = run.cases["case_id"][0]
    ada, ben = at("ada"), at("ben")
    assert marked(ben, model, SECOND) == []
    say(ada, case)
    assert marked(ben, model, SECOND) == [case]
    assert ben.words() == {case: "one reader"}


def test_the_first_reading_is_kept_back_until_the_second_is_given(at: At, run):
    case = run.cases["case_id"][0]
    ada, ben, cleo = at("ada"), at("ben"), at("cleo")
    assert not ben.readings(case).kept_back
    say(ada, case, note="I say melanoma")
    say(ada, case, note="I still say melanoma")
    for other in (ben, cleo, at("")):
        assert other.readings(case) == desks.Readings((), kept_back=True)
    assert [r.version for r in ada.readings(case).shown] == [1, 2], "one's own is no secret"
    say(ben, case, DISCHARGE)
    for other in (ada, ben, cleo, at("")):
        assert [r.note for r in other.readings(case).shown] == ["I say melanoma", "I still say melanoma", ""]


def test_two_who_differ_are_settled_by_a_third_and_the_case_is_closed(at: At, run, model):
    case = run.cases["case_id"][0]
    ada, ben, cleo = at("ada"), at("ben"), at("cleo")
    assert not say(ada, case, URGENT).adjudication
    assert not say(ben, case, DISCHARGE).adjudication
    settled = say(cleo, case, ROUTINE)
    assert settled.adjudication
    assert cleo.words()[case] == "adjudicated"
    assert say(cleo, case, URGENT).adjudication, "a correction of an adjudication is one too"
    assert marked(cleo, model, READ) == [case], "who settled a case has read it"
    assert case not in marked(cleo, model, UNREAD)
    assert marked(cleo, model, ADJUDICATION) == []
    assert cleo.has_read(case)


def test_a_reader_who_sat_down_before_the_others_differed_still_settles_it(at: At, run):
    case = run.cases["case_id"][0]
    cleo = at("cleo")
    assert cleo.readings(case).shown == ()
    say(at("ada"), case, URGENT)
    say(at("ben"), case, DISCHARGE)
    assert say(cleo, case, URGENT).adjudication


def test_two_pages_of_one_person_do_not_overwrite_each_other(at: At, run):
    case = run.cases["case_id"][0]
    here, there = at("ada"), at("ada")
    seen = there.own(case)
    say(here, case, URGENT, note="from here")
    with pytest.raises(ConflictError, match=r"somebody saved this meanwhile.*from here.*from there") as told:
        there.save(case, DISCHARGE, seen, verdict="other", agrees=False, confidence_percent=None, note="from there",
                   seconds=1.0, blind=False)  # fmt: skip
    assert told.value.stored == here.own(case)
    assert [r.note for r in here.readings(case).shown] == ["from here"], "nothing was overwritten, nothing added"
    seen = there.own(case)
    assert say(there, case, DISCHARGE, note="after a look").version == seen.version + 1
    assert [(r.version, r.note) for r in here.readings(case).shown] == [(1, "from here"), (2, "after a look")]


def test_a_correction_of_an_older_version_is_a_conflict_too(at: At, run):
    case = run.cases["case_id"][0]
    here, there = at("ada"), at("ada")
    first = say(here, case)
    say(here, case, ROUTINE)
    with pytest.raises(ConflictError):
        there.save_again(first)
    assert there.own(case).disposition is ROUTINE


def test_two_people_on_one_case_are_both_stored(at: At, run):
    case = run.cases["case_id"][0]
    ada, ben = at("ada"), at("ben")
    say(ada, case, URGENT)
    say(ben, case, DISCHARGE)
    assert {r.reviewer for r in ada.readings(case).shown} == {ada.person.id, ben.person.id}
    assert (ada.own(case).disposition, ben.own(case).disposition) == (URGENT, DISCHARGE)


def test_without_a_register_cases_can_be_looked_at_and_nothing_is_made(run, model, tmp_path, monkeypatch):
    monkeypatch.delenv("DERM_KIT_DATABASE_URL", raising=False)
    monkeypatch.setenv("DERM_KIT_WORKSPACE", str(tmp_path / "nothing"))
    desk = Desk(run)
    desk.open()
    assert not (tmp_path / "nothing").exists()
    assert desk.people() == []
    assert desk.readings(run.cases["case_id"][0]) == desks.Readings(())
    assert desk.marks(model)[UNREAD].all()
    assert not any(desk.marks(model)[mark].any() for mark in MARKS if mark != UNREAD)
    assert desk.agreement()["value"].isna().all()
    for refused in (desk.export, lambda: desk.sign_in("x", "y")):
        with pytest.raises(RecordError, match=r"no register on this machine yet.*derm-kit people add"):
            refused()


def test_a_register_made_while_the_page_is_open_is_found_by_looking_again(run, tmp_path, staffed, monkeypatch):
    monkeypatch.delenv("DERM_KIT_DATABASE_URL", raising=False)
    monkeypatch.setenv("DERM_KIT_WORKSPACE", str(tmp_path / "workspace"))
    desk = Desk(run)
    desk.open()
    assert desk.people() == []
    copied(staffed[0], tmp_path / "workspace")
    desk.open()
    assert len(desk.people()) == 3
    desk._register.close()


def test_the_erased_have_no_name_and_what_they_did_stays(at: At, run, workspace, people):
    case = run.cases["case_id"][0]
    ada, ben = at("ada"), at("ben")
    say(ada, case)
    say(ben, case)
    with Register.open(workspace) as register:
        register.erase_person(people["ada"])
    assert people["ada"] not in {p.id for p in ben.people()} | set(ben.names())
    assert [r.reviewer for r in ben.readings(case).shown] == [people["ada"], people["ben"]]
    assert any("erased" in measure for measure in ben.agreement()["measure"])
    with pytest.raises(RecordError, match="erased"):
        say(ada, run.cases["case_id"][1])


def test_reviews_hang_on_scores_and_truth_in_whichever_file_they_lie(at: At, run, workspace, tmp_path):
    write_joined(run, tmp_path / "joined.parquet")
    folder = tmp_path / "run"
    folder.mkdir()
    run.scores.to_parquet(folder / "scores.parquet")
    run.cases.to_parquet(folder / "cases.parquet")
    (folder / "run.json").write_text("{}")
    case = run.cases["case_id"][0]
    say(at("ada"), case)
    for path in (tmp_path / "joined.parquet", folder):
        with Register.open(workspace) as register:
            other = Desk(read_run(path), register)
            assert other.run_id == at("").run_id
            assert other.words() == {case: "one reader"}
    changed = ScoreRun(run.scores.assign(melanoma=np.float32(0.5)), run.cases, meta=run.meta)
    with Register.open(workspace) as register:
        assert Desk(changed, register).words() == {}, "other scores are another run"


def test_the_agreement_table_is_of_the_first_two_readers_and_each_with_the_model(at: At, run):
    ada, ben, cleo = at("ada"), at("ben"), at("cleo")
    said = [(URGENT, URGENT), (URGENT, DISCHARGE), (DISCHARGE, DISCHARGE), (ROUTINE, ROUTINE)]
    for case, (one, other) in zip(run.cases["case_id"], said, strict=False):
        say(ada, case, one, agrees=True)
        say(ben, case, other, agrees=one is other, verdict="other")
    table = cleo.agreement().set_index("measure")
    assert table.loc["same disposition, first two readers", "value"] == 3 / 4
    assert table.loc["same disposition, first two readers", "cases"] == 4
    expected = cohen_kappa([a for a, _ in said], [b for _, b in said])
    kappa = table.loc["Cohen's kappa of dispositions, first two readers"]
    assert (kappa["value"], kappa["low"], kappa["high"]) == (expected.value, expected.low, expected.high)
    assert table.loc["same verdict, first two readers", "value"] == 0
    assert table.loc["sent where the model sends it, Ada Lovelace", "value"] == 1
    assert table.loc["sent where the model sends it, Ben Nevis", "value"] == 3 / 4
    for case in run.cases["case_id"][:4]:
        say(cleo, case, URGENT)
    after = cleo.agreement().set_index("measure")
    assert "Fleiss' kappa of dispositions, cases with 3 readers" in after.index
    assert after.loc["same disposition, first two readers", "value"] == 3 / 4


def test_the_export_holds_ids_and_no_name_and_no_formula(at: At, run, people):
    notes = ('=HYPERLINK("http://x")', "@SUM(1)", "-1+1", "+1", "plain, with a comma", "two\nlines", "<b>bold</b>")
    ada = at("ada")
    for case, note in zip(run.cases["case_id"], notes, strict=False):
        say(ada, case, note=note)
    table, text = ada.export(), io.StringIO()
    safe_csv(text, table)
    rows = list(csv.DictReader(io.StringIO(text.getvalue())))
    assert list(rows[0]) == [*EXPORT_COLUMNS, "audit_count", "audit_head"]
    assert {row["reviewer"] for row in rows} == {people["ada"]}
    assert "Lovelace" not in text.getvalue()
    assert table["note"].tolist() == list(notes)
    assert not [row["note"] for row in rows if row["note"].startswith(("=", "@", "+", "-"))]
    assert rows[5]["note"] == "two\\nlines", "a cell is one line"


def test_a_register_by_url_counts_as_made_and_is_told_when_it_cannot_be_reached(run, tmp_path, monkeypatch):
    monkeypatch.setenv("DERM_KIT_WORKSPACE", str(tmp_path / "workspace"))
    monkeypatch.setenv("DERM_KIT_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")
    desk = Desk(run)
    with pytest.raises(RecordError, match="the database refused or cannot be reached"):
        desk.open()
    assert desk.people() == []
    assert not (tmp_path / "workspace" / "register.sqlite").exists()


def test_cases_that_change_sides_under_a_change_under_way_are_listed_until_it_is_decided(
    at, workspace, people, run, policy
):
    desk, register = at("ada"), Register.open(workspace)
    assert desk.proposed() == {}
    proposal = moved(policy, 0.9)
    made = change.propose(register, proposal, people["ada"], PASSPHRASE)
    desk.open()
    (mark,) = desk.proposed()
    assert mark == f"changes sides under change {made.id[:8]}"
    worklist = Worklist.of(run, policy)
    sides = worklist.changes_sides(desk.proposed()[mark])
    expected = (
        decide(run, policy).table["suspected"] != decide(run, proposal.new_policy).table["suspected"]
    ).to_numpy()
    assert (sides == expected).all()
    assert sides.any()
    other = Desk(ScoreRun(run.scores, run.cases, meta={}), register)
    assert other.proposed() == {}, "scores of another model, or of none that is named, have no part in it"
    change.reject(register, made, people["cleo"], PASSPHRASE, "Not weighed yet.")
    desk.open()
    assert desk.proposed() == {}
