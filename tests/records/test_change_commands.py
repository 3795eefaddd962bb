"""derm-kit change and policy, as people run them."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from derm_kit.cli import app
from derm_kit.triage.policy import TriagePolicy
from tests.records.places import PASSPHRASE, Place
from tests.records.proposals import REASON, default, moved, run, staff
from tests.records.terminal import Terminal

ID = re.compile(r"change ([0-9a-f]{32})")


@pytest.fixture
def terminal(terminal: Terminal) -> Terminal:
    """One with people in its register, and a proposal at hand."""
    with terminal.place.open() as register:
        staff(register)
    (terminal.folder / "proposal.json").write_text(moved(default(), 0.05).model_dump_json())
    return terminal


def propose(terminal: Terminal, by: str = "Ada Author") -> str:
    found = ID.search(terminal("change propose", terminal.folder / "proposal.json", "--by", by))
    assert found
    return found[1]


def test_a_change_goes_its_way_by_commands(terminal: Terminal):
    folder = terminal.folder
    change_id = propose(terminal)
    shown = terminal("change show", change_id[:8])
    for said in (
        "Ada Author", "the default policy of the model, since nothing was released yet", "Thresholds", "0.07239",
        "Extra missed cancers per 1,000 cases", "not simulated", "none named", "sex: female", "change proposed",
    ):  # fmt: skip
        assert said in shown
    assert len(terminal("change show", change_id, "--all")) > len(shown)
    assert "nobody decides on their own change" in terminal.refused(
        "change approve", change_id, "--by", "ada author", "--reason", REASON
    )
    assert "only a change that is approved" in terminal.refused("change release", change_id, "--by", "Bo Officer")
    assert "Approved" in terminal("change approve", change_id, "--by", "bo officer", "--reason", REASON)
    assert REASON in terminal("change show", change_id)
    out = folder / "signed.json"
    released = terminal("change release", change_id, "--by", "Ed Admin", "--out", out)
    assert "Nothing was sent to any device" in released
    (folder / "key.pem").write_text(terminal("policy public-key"))
    for key in ((), ("--public-key", folder / "key.pem")):
        assert "Verified" in terminal("policy verify", out, *key)
    terminal("policy verify", out, "--out", folder / "plain.json")
    assert TriagePolicy.read(folder / "plain.json") == moved(default(), 0.05).new_policy
    assert "in force" in terminal("policy releases")
    assert "released" in terminal("change list")
    terminal("change rollback", "0", "--by", "Cy Second", "--reason", REASON)
    terminal("policy export", "2", "--out", folder / "second.json")
    assert json.loads((folder / "second.json").read_text())["change"] is None
    terminal("policy export", "2", "--plain", "--out", folder / "second_plain.json")
    assert TriagePolicy.read(folder / "second_plain.json") == default()
    assert terminal("audit verify").count("Sound")


def test_what_is_refused_is_told_with_the_next_step(terminal: Terminal):
    folder = terminal.folder
    mine = propose(terminal, "Bo Officer")
    told = terminal.refused("change approve", mine, "--by", "Bo Officer", "--reason", REASON)
    assert "nobody decides on their own change. Ask another safety officer" in told
    wrong = terminal.refused("change approve", mine, "--by", "Cy Second", "--reason", REASON, typed="wrong words, all")
    assert "the passphrase is wrong; this was counted and logged" in wrong
    assert "nobody of this id or name" in terminal.refused("change withdraw", mine, "--by", "Nobody")
    assert "no such change" in terminal.refused("change show", "ffff" * 9)
    assert "no such release" in terminal.refused("policy export", "7", "--out", folder / "none.json")
    assert "made with the first release" in terminal.refused("policy public-key")
    assert "cannot be read" in terminal.refused("change propose", folder / "none.json", "--by", "Ada Author")
    assert "No release is in force" in terminal("policy releases")
    assert not (folder / "none.json").exists()


def test_a_release_that_waits_is_listed_so_and_fails_verification(terminal: Terminal):
    change_id = propose(terminal)
    terminal("change approve", change_id, "--by", "Bo Officer", "--reason", REASON)
    day = (datetime.now(UTC) + timedelta(days=40)).date()
    out = terminal.folder / "signed.json"
    terminal("change release", change_id, "--by", "Bo Officer", "--effective", str(day), "--out", out)
    assert "waits" in terminal("policy releases")
    assert f"not to be used: it is not yet effective: it takes effect at {day}" in terminal.refused(
        "policy verify", out
    )
    terminal("policy new-key")
    assert "not signed by the key expected" in terminal.refused("policy verify", out)


def test_a_file_that_exists_is_not_written_over_and_nothing_is_released(terminal: Terminal):
    change_id = propose(terminal)
    terminal("change approve", change_id, "--by", "Bo Officer", "--reason", REASON)
    out = terminal.folder / "proposal.json"
    before = out.read_bytes()
    words = ("change release", change_id, "--by", "Bo Officer", "--out", out)
    assert "this one exists" in terminal.refused(*words)
    assert out.read_bytes() == before
    assert "No release" in terminal("policy releases")


def test_the_report_is_checked_against_the_scores(terminal: Terminal, tmp_path: Path):
    run(200).joined().to_csv(tmp_path / "scores.csv", index=False)
    change_id = propose(terminal)
    assert "rests on other scores" in terminal.refused("change check", change_id)
    assert "The scores bear this report out" in terminal("change check", change_id, tmp_path / "scores.csv")
    raw = moved(default(), 0.05).model_dump(mode="json")
    for table in ("confusion_before", "confusion_after"):  # a benign lesion that was flagged is said not to be
        raw[table][-1]["melanoma"] -= 1
        raw[table][-1]["not flagged"] += 1
    (tmp_path / "proposal.json").write_text(json.dumps(raw))
    forged = terminal.refused("change check", propose(terminal), tmp_path / "scores.csv")
    assert "the scores do not bear this report out: confusion" in forged


def test_two_people_of_one_name_are_told_by_id(terminal: Terminal):
    with terminal.place.open() as register:
        other = register.add_person("ada author", "reviewer", PASSPHRASE).id
    proposal = terminal.folder / "proposal.json"
    assert "several people have this name" in terminal.refused("change propose", proposal, "--by", "Ada Author")
    assert ID.search(terminal("change propose", proposal, "--by", other))


def test_hostile_text_reaches_the_terminal_as_text(terminal: Terminal):
    hostile = "[red]markup[/red] \x1b[2J and \N{RIGHT-TO-LEFT OVERRIDE} more words"
    proposal = moved(default(), 0.05).model_copy(update={"rationale": hostile, "hazard_ids": ["\x1b[31mH"]})
    (terminal.folder / "proposal.json").write_text(proposal.model_dump_json())
    shown = terminal("change show", propose(terminal))
    assert "\x1b[2J" not in shown and "\x1b[31m" not in shown and "\N{RIGHT-TO-LEFT OVERRIDE}" not in shown
    assert "[red]markup[/red]" in shown


def test_the_passphrase_is_asked_for_by_a_real_process_and_never_printed(sqlite_place: Place, tmp_path: Path):
    with sqlite_place.open() as register:
        staff(register)
    (tmp_path / "proposal.json").write_text(moved(default(), 0.05).model_dump_json())
    done = Terminal(sqlite_place).process("change propose", tmp_path / "proposal.json", "--by", "Ada Author")
    assert done.returncode == 0, done.stderr
    assert PASSPHRASE not in done.stdout + done.stderr
    assert ID.search(done.stdout)


def test_policy_without_a_word_prints_the_default_as_before():
    def printed(*words: str) -> str:
        done = CliRunner().invoke(app, ["policy", *words])
        assert done.exit_code == 0, done.output
        return done.stdout

    assert TriagePolicy.model_validate_json(printed()) == default()
    assert "thresholds" in json.loads(printed("--schema"))["required"]
    assert all(word in printed("--help") for word in ("verify", "releases", "export", "public-key", "new-key"))
