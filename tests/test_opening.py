"""What the workbench opens on: named on the command line, refused there, read by the pages."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from derm_kit.cli.app import main
from derm_kit.cli.console import console, errors
from derm_kit.errors import DermKitError
from derm_kit.lesions import LESION_TYPES, LesionType
from derm_kit.model.classifier import Classifier
from derm_kit.panels.review import ReviewPanel, review_page
from derm_kit.panels.thresholds import thresholds_page
from derm_kit.panels.triage import TriagePanel, triage_page
from derm_kit.records import change
from derm_kit.records.desk import Desk
from derm_kit.records.register import Register
from derm_kit.records.release import policy_in_force
from derm_kit.triage.opening import POLICY_VARIABLE, RUN_VARIABLE, Opening, name_opening, policy_for
from derm_kit.triage.policy import TriagePolicy, decide
from tests.records.proposals import PASSPHRASE, REASON, moved, staff

MEL, BCC = LesionType.MELANOMA, LesionType.BASAL_CELL_CARCINOMA


@pytest.fixture
def environment(monkeypatch):
    for name in (RUN_VARIABLE, POLICY_VARIABLE):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    for stream in (console, errors):  # main() points them at this test's streams
        monkeypatch.setattr(stream, "_file", None)
    return monkeypatch


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    path = tmp_path / "scores.csv"
    rows = [f"c{i},{0.9 if i % 2 else 0.1},0.2,{LESION_TYPES[i % 11]}" for i in range(44)]
    path.write_text("case_id,melanoma,basal_cell_carcinoma,truth\n" + "\n".join(rows))
    return path


def test_unnamed_it_is_the_reference_cohort_and_the_models_policy(environment, policy):
    opening = Opening.named()
    assert len(opening.run) == 2419
    assert opening.policy == policy
    assert policy_for(opening.run, policy) is policy


def test_scores_and_policy_that_are_named_reach_the_page(environment, scores, policy, tmp_path, monkeypatch):
    mine = tmp_path / "policy.json"
    mine.write_text(policy.changed(name="ours", thresholds={MEL: 0.42, BCC: 0.3}).model_dump_json())
    monkeypatch.chdir(tmp_path)
    name_opening(Path("scores.csv"), Path("policy.json"))
    monkeypatch.chdir("/")
    opening = Opening.named()
    assert len(opening.run) == 44
    assert policy_for(opening.run, opening.policy).thresholds == {MEL: 0.42, BCC: 0.3}
    texts = [str(getattr(child, "value", "")) for child in _all(thresholds_page())]
    assert any("ours" in text and "44 cases" in text for text in texts)


@pytest.fixture
def register(environment, tmp_path, monkeypatch) -> Iterator[Register]:
    """This machine's register; nothing is released yet."""
    monkeypatch.delenv("DERM_KIT_DATABASE_URL", raising=False)
    monkeypatch.setenv("DERM_KIT_WORKSPACE", str(tmp_path / "workspace"))
    with Register.open() as opened:
        yield opened


def released(register: Register, melanoma: float) -> TriagePolicy:
    """Release another threshold for melanoma."""
    people = staff(register)
    made = change.propose(register, moved(policy_in_force(register), melanoma), people.author, PASSPHRASE)
    made = change.approve(register, made, people.officer, PASSPHRASE, REASON)
    return change.release_change(register, made, people.officer, PASSPHRASE).policy


def shown(page) -> str:
    """All that a page says."""
    return " ".join(re.sub(r"<[^>]+>", " ", str(child.value)) for child in _all(page) if hasattr(child, "value"))


PAGES = {"01": triage_page, "02": review_page}


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_pages_01_and_02_decide_by_the_release_in_force_and_say_which(register, page):
    assert "No release of this machine’s register is in force" in shown(page())
    released(register, 0.0411)
    said = " ".join(shown(page()).split())
    assert "This page decides by release 1 of this machine’s register, in force since 20" in said
    assert "Policy: melanoma at 0.0411 , version" in said
    assert "Melanoma 0.0411 urgent suspected cancer" in said, "behind “See the policy”"


def test_cases_are_called_and_listed_by_the_release_in_force(register, reference, policy):
    expected = released(register, 0.0411)
    panel = ReviewPanel(Opening.named(), Desk(reference, register))
    decided = decide(reference, expected).table
    assert (panel.worklist.table["disposition"].to_numpy() == decided["disposition"].to_numpy()).all()
    assert (decided["disposition"].to_numpy() != decide(reference, policy).table["disposition"].to_numpy()).any()
    assert "threshold 0.041" in panel.case.place["model"].value
    triage = TriagePanel(Classifier(device="cpu"))
    triage.demo.value = "phantom-melanoma-0"
    triage.skin.value = "II"
    assert "reaches its threshold 0.041" in triage.result.value
    assert "at the model’s default thresholds, not those that decide here" in triage.result.value
    assert expected.name in base64.b64decode(re.search("base64,([^']+)", triage.download.value)[1]).decode()


def test_a_page_made_ready_before_a_release_decides_by_it_when_somebody_opens_it(register, reference):
    untouched = ReviewPanel(Opening.named(), Desk(reference, register))
    chosen = ReviewPanel(Opening.named(), Desk(reference, register))
    chosen.step(3)
    case = chosen.looking.case
    triage = TriagePanel(Classifier(device="cpu"))
    triage.demo.value = "phantom-melanoma-0"
    triage.skin.value = "II"
    expected = released(register, 0.0411)
    for panel in (untouched, chosen, triage):
        panel.in_force.arrival.times += 1
        assert panel.in_force.policy == expected
    assert untouched.looking.case == untouched._id(untouched.worklist.by_risk[0])
    assert untouched.controls.address.state == ""
    assert chosen.looking.case == case
    assert "reaches its threshold 0.041" in triage.result.value
    assert len(untouched.sign_in.person.options) == len(register.people()) + 1, "who came meanwhile may sign in"


def test_a_policy_that_was_named_decides_whatever_was_released(register, policy, tmp_path):
    released(register, 0.0411)
    mine = tmp_path / "policy.json"
    mine.write_text(policy.changed(name="ours", thresholds=policy.thresholds | {MEL: 0.42}).model_dump_json())
    name_opening(None, mine)
    for page in PAGES.values():
        said = " ".join(shown(page()).split())
        assert "This page decides by the policy that it was opened with, whatever the register" in said
        assert "Policy: ours , version" in said


def test_a_named_policy_of_another_model_is_told_on_page_01_and_the_default_decides(register, policy, tmp_path):
    other = tmp_path / "other.json"
    other.write_text(policy.changed(model_hash="0" * 64, name="theirs").model_dump_json())
    name_opening(None, other)
    said = " ".join(shown(triage_page()).split())
    assert "a policy is read only on scores of the model it was made for" in said
    assert "theirs" in said
    assert "So this page decides by the model’s default policy" in said
    assert f"Policy: {policy.name} , version" in said


def test_a_release_that_cannot_be_read_on_the_scores_is_told_on_page_02(register, scores):
    released(register, 0.0411)
    name_opening(scores, None)
    said = " ".join(shown(review_page()).split())
    assert "a threshold needs scores to be read on" in said
    assert "which may not be the one in force" in said


def test_opening_a_page_makes_no_register_and_page_01_brings_no_database(environment, tmp_path, monkeypatch):
    monkeypatch.delenv("DERM_KIT_DATABASE_URL", raising=False)
    monkeypatch.setenv("DERM_KIT_WORKSPACE", str(tmp_path / "workspace"))
    code = """
import sys
from derm_kit.panels.triage import triage_page
triage_page()
sys.exit("loaded" if "sqlalchemy" in sys.modules else 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for page in PAGES.values():
        assert "This page decides by the default policy of the model: this machine has no register" in shown(page())
    assert not (tmp_path / "workspace").exists()


def _all(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from _all(child)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--run", "missing.csv"], "missing.csv"),
        (["--policy", "missing.json"], "cannot be read"),
        (["--policy", "other.json"], "of the model it was made for"),
        (["--feed", "missing"], "a feed is a folder with its deliveries"),
    ],
)
def test_what_no_page_could_open_on_is_refused_before_anything_starts(
    environment, tmp_path, policy, capsys, monkeypatch, arguments, words
):
    monkeypatch.chdir(tmp_path)
    Path("other.json").write_text(policy.changed(model_hash="0" * 64).model_dump_json())
    monkeypatch.setattr(sys, "argv", ["derm-kit", "serve", "--no-browser", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    assert words in " ".join(capsys.readouterr().err.split())
    assert RUN_VARIABLE not in os.environ


def test_a_named_run_that_has_gone_since_is_told(environment, tmp_path):
    name_opening(tmp_path / "gone.csv", None)
    with pytest.raises(DermKitError, match="gone"):
        Opening.named()
