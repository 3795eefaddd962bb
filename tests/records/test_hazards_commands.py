"""derm-kit hazards and incidents, as people run them."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from derm_kit.records.hazard_files import FORMAT
from derm_kit.surveillance.feed_writing import write_feed
from derm_kit.surveillance.scenario_service import TRUST
from derm_kit.surveillance.scenarios import Scenario, planted_feed
from tests.records.hazards import LATER, RAW
from tests.records.places import Place
from tests.records.proposals import REASON, staff
from tests.records.terminal import Terminal
from tests.records.test_hazards_risk import CELLS

OFFICER = ("--by", "Bo Officer")
AUTHOR = ("--by", "Ada Author")
ALARM = {
    "signal": "input drift", "scope": "site A", "raised_at": "2026-11-28T09:30:00+00:00",
    "said": "Pictures of site A look otherwise than before.", "facts": {"p": 0.0004},
}  # fmt: skip


@pytest.fixture
def terminal(terminal: Terminal) -> Terminal:
    """One with people in its register."""
    with terminal.place.open() as register:
        staff(register)
    return terminal


def file(terminal: Terminal, name: str, said: Any) -> Path:
    path = terminal.folder / name
    path.write_text(json.dumps(said))
    return path


def test_the_log_begins_with_ten_hazards_and_one_is_made_ones_own_and_approved(terminal: Terminal):
    begun = terminal("hazards seed", *AUTHOR)
    assert "10 hazards as drafts" in begun and "to be confirmed by your clinical safety officer" in begun
    listed = terminal("hazards list")
    assert "Stale threshold" in listed and "4, mandatory reduction" in listed and "draft, version 1" in listed
    assert "10 reviews are due" in terminal("hazards overdue")
    assert "only an empty log" in terminal.refused("hazards seed", *AUTHOR)
    shown = terminal("hazards show H-010", "--out", terminal.folder / "h10.json")
    assert "medium x catastrophic: risk 4" in shown and "found" in shown and "Proposed, to be confirmed" in shown
    approve = ("hazards approve H-010", "--by", "Bo Officer", "--reason", REASON)
    assert "your own" in terminal.refused(*approve)
    whole = json.loads((terminal.folder / "h10.json").read_text())
    whole["content"] |= {"basis": "weighed at our safety meeting", "owner": "clinical safety officer"}
    (terminal.folder / "h10.json").write_text(json.dumps(whole))
    assert "version 2, a draft" in terminal("hazards revise H-010", terminal.folder / "h10.json", *AUTHOR)
    set_date = terminal("hazards revise H-010", "--set", f"next_review={LATER}", *AUTHOR)
    assert "version 3, a draft" in set_date
    assert "Approved: hazard H-010, version 3" in terminal(*approve)
    shown = terminal("hazards show H-010")
    assert "version 3: approved" in shown and REASON in shown and "Bo Officer" in shown
    assert "9 reviews are due" in terminal("hazards overdue")
    assert "10 reviews are due" in terminal("hazards overdue --on 2199-01-01")
    assert terminal("audit verify").count("Sound")


def test_a_hazard_is_added_from_a_file_and_a_stale_file_is_told(terminal: Terminal):
    path = file(terminal, "mine.json", RAW)
    assert "hazard H-001, version 1, a draft" in terminal("hazards add", path, *AUTHOR)
    terminal("hazards show H-001", "--out", terminal.folder / "seen.json")
    terminal("hazards revise H-001", "--set", "harm=death", *AUTHOR)
    told = terminal.refused("hazards revise H-001", terminal.folder / "seen.json", "--set", "harm=none", *AUTHOR)
    assert "somebody saved this meanwhile" in told and "version 2" in told
    whole = json.loads((terminal.folder / "seen.json").read_text())["content"]
    for name, said, rule in (
        ("whole.json", whole, "says which version it starts from"),
        ("later.json", {"version": 7, "content": whole}, "no such version"),
        ("partly.json", {"version": 2, "content": RAW}, "a revision says every field"),
        ("more.json", {"version": 2, "content": whole, "more": 1}, "holds its version and its content"),
    ):
        assert rule in terminal.refused("hazards revise H-001", file(terminal, name, said), *AUTHOR)
    for change, rule in (
        ("residual_likelihood=very high", "above the initial one has its reason"),
        ("causes=one", "a single text"),
        ("colour=red", "a single text"),
        ("harm", "a single text"),
        ("owner=Ada Author", "names nobody"),
        ("next_review=soon", "YYYY-MM-DD"),
    ):
        assert rule in terminal.refused("hazards revise H-001", "--set", change, *AUTHOR)
    assert "nothing would change" in terminal.refused("hazards revise H-001", *AUTHOR)
    assert "version 3, a draft" in terminal("hazards revise H-001", "--set", "status=closed", *AUTHOR)
    told = terminal.refused("hazards revise H-001", "--set", "residual_likelihood=very high", *AUTHOR)
    assert "a hazard with a residual risk of 4 or 5 is never closed" in told
    assert "no such hazard" in terminal.refused("hazards show H-009")
    assert "late treatment" in terminal("hazards show H-001 --version 1")
    assert "late treatment" not in terminal("hazards show H-001")


def test_the_matrix_is_printed_cell_by_cell_with_what_its_words_mean(terminal: Terminal):
    printed = terminal("hazards matrix")
    for likelihood in {cell[0] for cell in CELLS}:
        levels = [str(cell[2]) for cell in CELLS if cell[0] == likelihood]
        assert [likelihood, *levels] in [[c.strip() for c in line.split("│")[1:-1]] for line in printed.splitlines()]
    assert "several patients" in printed and "mandatory reduction" in printed


def test_the_log_goes_to_a_spreadsheet_and_back(terminal: Terminal):
    terminal("hazards seed", *AUTHOR)
    path = terminal.folder / "log.csv"
    assert "10 hazards in" in terminal("hazards export", "--out", path)
    assert "cannot be written" in terminal.refused("hazards export", "--out", path)
    rows = list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))
    rows[0]["harm"] = "=death"
    rows[1]["residual_likelihood"] = ""
    rows[2]["hazard"], rows[2]["version"], rows[2]["name"] = "", "", "A hazard of ours"
    with path.open("w", newline="") as out:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    checked = terminal("hazards import", path, "--check")
    assert "1 new, 1 changed, 7 as stored, 1 refused" in checked and "Nothing was stored" in checked
    refused = terminal.run("hazards import", path, *AUTHOR)
    assert "where a row is refused nothing of the file is stored" in str(refused.exception)
    assert "residual risk: the risk follows from" in " ".join(refused.stdout.replace("│", " ").split())
    assert "Stored, as drafts" in terminal("hazards import", path, "--without-refused", *AUTHOR)
    assert "=death" in terminal("hazards show H-001")
    assert "A hazard of ours" in terminal("hazards show H-011")
    assert "is written by somebody" in terminal.refused("hazards import", path)
    terminal("hazards export", "--out", terminal.folder / "log.json")
    assert json.loads((terminal.folder / "log.json").read_text())["format"] == FORMAT
    assert "11 as stored" in terminal("hazards import", terminal.folder / "log.json", *AUTHOR)


def test_an_incident_goes_its_way_by_commands(terminal: Terminal):
    terminal("hazards seed", *AUTHOR)
    alarm = file(terminal, "alarm.json", ALARM)
    assert "incident I-001, linked to hazard H-006" in terminal("incidents open", alarm, "--hazard", "H-006", *AUTHOR)
    assert "that one stands" in terminal.refused("incidents open", alarm, "--hazard", "H-001", *AUTHOR)
    assert "noted" in terminal("incidents note I-001", "--said", "New camera since Monday.", "--by", "Ed Admin")
    close = ("incidents close I-001", *OFFICER, "--reason", REASON)
    assert "only once the linked hazard was reviewed" in terminal.refused(*close)
    terminal("incidents reviewed I-001", "--said", "Likelihood raised to medium.", "--by", "Flo Reader")
    assert "I-001" in terminal("incidents list --open")
    assert "closed" in terminal(*close)
    assert "I-001" not in terminal("incidents list --open")
    shown = terminal("incidents show I-001")
    for said in ("0.0004", "Ed Admin", "New camera", "hazard reviewed", REASON, "Pictures of site A", "closed"):
        assert said in shown
    assert "no such incident" in terminal.refused("incidents show I-002")
    assert terminal("audit verify").count("Sound")


def test_alarms_of_a_feed_become_files_that_open_incidents(terminal: Terminal):
    service = replace(TRUST, years=2, cases_a_year=8_000)
    feed = terminal.folder / "feed"
    write_feed(planted_feed(Scenario.NEW_CAMERA, service, after_months=14, features=False)[0], feed)
    terminal("hazards seed", *AUTHOR)
    out = terminal.folder / "alarms"
    printed = terminal("incidents alarms", feed, "--out", out)
    assert "quality and mix: device" in printed and "not opened" in printed
    assert "this one exists" in terminal.refused("incidents alarms", feed, "--out", out)
    [first, *_] = [path for path in sorted(out.iterdir()) if "quality and mix: device" in path.read_text()]
    assert "Opened: incident I-001" in terminal("incidents open", first, "--hazard", "H-006", *AUTHOR)
    assert "that one stands" in terminal.refused("incidents open", first, "--hazard", "H-006", *AUTHOR)
    assert "I-001" in terminal("incidents alarms", feed)


def test_hostile_text_reaches_the_terminal_as_text(terminal: Terminal):
    hostile = "[red]markup[/red] \x1b[2J and \N{RIGHT-TO-LEFT OVERRIDE}\0 more words"
    terminal("hazards add", file(terminal, "mine.json", RAW | {"name": hostile, "causes": [hostile]}), *AUTHOR)
    alarm = file(terminal, "alarm.json", ALARM | {"signal": hostile, "said": hostile, "facts": {hostile: hostile}})
    terminal("incidents open", alarm, "--hazard", "H-001", *AUTHOR)
    for words in (
        "hazards list",
        "hazards show H-001",
        "hazards overdue --on 2199-01-01",
        "incidents list",
        "incidents show I-001",
    ):
        shown = terminal(words)
        assert "\x1b[2J" not in shown and "\N{RIGHT-TO-LEFT OVERRIDE}" not in shown and "\0" not in shown
        assert "[red]markup" in shown


def test_without_a_register_nothing_is_made(terminal: Terminal, tmp_path: Path):
    elsewhere = Terminal(Place(tmp_path / "nowhere", None))
    for words in ("hazards list", "hazards overdue", "incidents list"):
        assert "there is no register here" in elsewhere.refused(words)
    assert not (tmp_path / "nowhere").exists()
