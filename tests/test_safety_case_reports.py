"""Change record and monitoring report, and the command that writes all four: real changes, real feeds, real files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import docx
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from derm_kit.cli import app
from derm_kit.errors import DermKitError
from derm_kit.records import change as changes
from derm_kit.records.change_record_report import change_record
from derm_kit.records.hazard_import import seed
from derm_kit.records.monitoring_facts import Monitored, table_hash
from derm_kit.records.monitoring_report import monitoring_report
from derm_kit.records.provenance import CODE
from derm_kit.records.register import Register
from derm_kit.records.report import Document
from derm_kit.records.report_inputs import Registered
from derm_kit.records.report_json import to_json
from derm_kit.surveillance.deliveries import write_feed
from derm_kit.surveillance.feed import WHATEVER_THE_MODEL_SAID, Feed
from derm_kit.surveillance.scenario_service import Service
from derm_kit.surveillance.scenarios import Scenario, planted_feed
from tests.records.places import PASSPHRASE
from tests.records.proposals import REASON, Staff, a_change, a_release, default, moved, run, staff, tuned
from tests.test_safety_case import figure, missing, read, table_of

DAY = date(2026, 12, 1)
SMALL = Service("a small trust", ("Site 1", "Site 2"), 6_000, years=2)
AFTER = date(2028, 2, 1)


@pytest.fixture
def register(tmp_path: Path) -> Iterator[Register]:
    with Register.open(tmp_path / "workspace", url=None) as opened:
        yield opened


@pytest.fixture
def people(register: Register) -> Staff:
    return staff(register)


@cache
def feed() -> Feed:
    return planted_feed(Scenario.SILENT_MODEL_CHANGE, SMALL, seed=5)[0]


@cache
def monitored() -> Monitored:
    return Monitored.of(feed())


def text_of(document: Document) -> str:
    return to_json(document).decode()


# The change record


def test_a_released_change_stands_with_its_people_hashes_and_way_back(register: Register, people: Staff):
    made = a_release(register, people, tuned())
    document = change_record(register, made.signed.change or "", DAY, run=run())
    text = text_of(document)
    for said in (
        "Author: Ada Author (reviewer).", "Approved by: Bo Officer (safety officer, GMC 1234567).", "Ed Admin",
        tuned().model_hash, tuned().run_sha256, made.signed.sha256, REASON,
        "They bear out every figure but guarantees.",
        "version 0, the policy that the first release started from", "change approved", "change released",
    ):  # fmt: skip
        assert said in text, said
    lacking = missing(read(document))
    assert "Approval" not in lacking
    assert "A release" not in lacking
    assert {"Linked hazards", "The effect on capacity", "Skin types V and VI in the data"} <= set(lacking)


def test_its_figures_are_those_of_the_proposal_counted_by_hand(register: Register, people: Staff):
    """24 cancers no longer flagged and 31 newly flagged of 2,419, as the impact report's own tests count them."""
    made = a_release(register, people, tuned())
    document = read(change_record(register, made.signed.change or "", DAY, run=run()))
    extra = figure(document, "extra missed cancers, those newly flagged taken off")
    assert extra["value"] == pytest.approx(1000 * (24 - 31) / 2419, abs=1e-6)
    assert extra["low"] < extra["value"] < extra["high"]
    assert (
        figure(document, "cancer no longer flagged")["count"],
        figure(document, "cancer newly flagged")["count"],
    ) == (24, 31)
    melanoma = table_of(document, "Caught")["rows"][0]
    assert melanoma[:6] == ["Melanoma", 228, 193, 206, 13, 0]
    assert melanoma[6]["value"] == pytest.approx(100 * 13 / 228, abs=1e-4)
    thresholds = {row[0]: row[1:] for row in table_of(document, "Thresholds")["rows"]}
    assert thresholds["Melanoma"] == [default().thresholds["melanoma"], tuned().new_policy.thresholds["melanoma"]]
    assert {one["key"] for one in document["sources"]} == {"proposal", "register", "template", CODE}


def test_a_proposal_says_first_that_nobody_approved_it(register: Register, people: Staff):
    found = a_change(register, people)
    document = read(change_record(register, found.id[:8], DAY))
    lacking = missing(document)
    assert lacking[0] == "Approval"
    assert "The scores that the figures rest on" in lacking, "other scores than the reference cohort's, and none given"
    assert "Approved by: nobody." in json.dumps(document)
    changes.reject(register, found, people.officer, PASSPHRASE, REASON)
    rejected = missing(read(change_record(register, found.id, DAY)))
    assert rejected[0] == "Everything that follows a change that is rejected"
    assert "Approval" not in rejected


def test_linked_hazards_are_told_as_they_stand_or_as_not_there(register: Register, people: Staff):
    seed(register, people.author, PASSPHRASE)
    proposal = moved(default(), 0.05).model_copy(update={"hazard_ids": ["H-001", "H-999"]})
    document = change_record(register, a_change(register, people, proposal).id, DAY)
    assert "H-001, False-negative discharge: version 1" in text_of(document)
    assert "H-999: not in the hazard log" in text_of(document)
    assert "Hazards H-999 in the hazard log" in missing(read(document))


def test_an_unknown_change_is_told(register: Register, people: Staff):
    with pytest.raises(DermKitError, match="there is no such change"):
        change_record(register, "nothing", DAY)


# The monitoring report


def test_remarks_come_before_signals_and_after_what_is_missing():
    document = monitoring_report(monitored(), Registered(), AFTER)
    titles = [section.title for section in document.sections]
    assert titles[:4] == ["What is missing", "What was odd in the feed", "In short", "Signals"]
    rows = table_of(read(document), "Remarks of the feed")["rows"]
    assert [row[:2] for row in rows] == [[one.sentence, one.count] for one in feed().remarks]


def test_its_rates_are_counted_from_the_feed_s_own_tables():
    """By pandas on the cases and outcomes themselves."""
    document = read(monitoring_report(monitored(), Registered(), AFTER))
    cases, outcomes = feed().cases, feed().outcomes
    told = figure(document, "cases with an outcome")
    assert (told["count"], told["n"]) == (outcomes["case_id"].nunique(), len(cases))
    months = table_of(document, "Month by month")["rows"]
    local = cases["imaged_at"].dt.tz_convert("Europe/London").dt.strftime("%Y-%m")
    assert {row[0]: row[1] for row in months} == local.value_counts().to_dict()
    discharged = cases["disposition"].astype(str) == "discharge advice with safety-netting"
    for row in months[:3]:
        assert row[3]["count"] == int((discharged & (local == row[0])).sum())
    by_call = {row[0]: row[1] for row in table_of(document, "Cases by call")["rows"]}
    assert sum(by_call.values()) == len(cases)


def test_signals_stand_with_run_lengths_in_cases_and_in_months():
    document = read(monitoring_report(monitored(), Registered(), AFTER))
    signals = monitored().signals.signals
    shown = table_of(document, "Signals")["rows"]
    assert [(row[0], row[2]) for row in shown] == [(one.name, one.status.value) for one in signals]
    lengths = {row[0]: row for row in table_of(document, "Run lengths")["rows"]}
    melanoma = next(one for one in signals if one.name == "Melanoma sensitivity, CUSUM")
    assert melanoma.promise is not None
    mean, median, p90 = (float(x.replace(",", "")) for x in lengths[melanoma.name][4].split(" / "))
    assert (mean, median, p90) == pytest.approx(
        (melanoma.promise.delay.mean, melanoma.promise.delay.median, melanoma.promise.delay.p90), abs=0.51
    )
    in_months = float(lengths[melanoma.name][5].split(" / ")[0].replace(",", ""))
    assert in_months == pytest.approx(mean / melanoma.promise.cases_a_month, rel=0.05, abs=0.06)
    assert {"feed", "seed"} <= {one["key"] for one in document["sources"]}


def test_without_an_audit_sample_it_says_first_that_missed_cancers_cannot_be_seen():
    blind = Feed(feed().cases, feed().outcomes[~feed().outcomes["way"].isin(list(WHATEVER_THE_MODEL_SAID))])
    document = monitoring_report(Monitored.of(blind), Registered(), AFTER)
    lacking = missing(read(document))
    assert lacking[0] == "A way to see missed cancers"
    assert "The network's features" in lacking
    assert "Missed cancers cannot be seen here" in text_of(document)
    seen = missing(read(monitoring_report(monitored(), Registered(), AFTER)))
    assert "A way to see missed cancers" not in seen


def test_a_monitoring_report_says_first_that_the_audit_log_does_not_verify(register: Register, people: Staff):
    known = Registered.of(register)
    assert not any("audit log" in one for one in missing(read(monitoring_report(monitored(), known, AFTER))))
    changed = replace(known, unsound=("people/1 is not what entry 1 holds",))
    lacking = missing(read(monitoring_report(monitored(), changed, AFTER)))
    assert lacking[0] == "An audit log that verifies"


def test_a_feed_s_hash_tells_one_changed_cell():
    cases = feed().cases
    assert table_hash(cases) == table_hash(cases.copy())
    other = cases.copy()
    other.loc[other.index[7], "melanoma"] += np.float32(0.001)
    assert table_hash(other) != table_hash(cases)
    assert table_hash(cases.iloc[::-1]) != table_hash(cases)
    assert table_hash(pd.DataFrame({"a": []})) != table_hash(pd.DataFrame({"b": []}))


# The command


def typed(workspace: Path, *words: str | Path) -> Any:
    return CliRunner().invoke(app, [*map(str, words)], env={"DERM_KIT_WORKSPACE": str(workspace), "COLUMNS": "200"})


def test_all_four_are_written_by_their_suffix_and_never_over_a_file(tmp_path: Path, register: Register, people: Staff):
    seed(register, people.author, PASSPHRASE)
    change = a_release(register, people, tuned()).signed.change or ""
    write_feed(feed(), tmp_path / "feed")
    commands = {
        "safety-case": (), "hazard-log": (), "change-record": (change[:8],), "monitoring": (tmp_path / "feed",),
    }  # fmt: skip
    for name, more in commands.items():
        files = [tmp_path / f"{name}.{suffix}" for suffix in ("html", "docx", "json")]
        options = [word for file in files for word in ("--out", str(file))]
        done = typed(register.workspace.folder, "report", name, *more, *options, "--as-of", "2028-02-01")
        assert done.exit_code == 0, done.output
        assert re.search(r"What is missing: \d+ things, on the first page", done.output)
        title = json.loads(files[2].read_text())["title"]
        assert f"<h1>{title}</h1>" in files[0].read_text()
        assert docx.Document(str(files[1])).core_properties.title == title
        again = typed(register.workspace.folder, "report", name, *more, "--out", files[0], "--as-of", "2028-02-01")
        assert isinstance(again.exception, DermKitError)
        assert "this one exists" in str(again.exception)


def test_without_a_register_the_safety_case_is_written_as_of_its_newest_input(tmp_path: Path):
    done = typed(tmp_path / "nowhere", "report", "safety-case", "--out", tmp_path / "case.json")
    assert done.exit_code == 0, done.output
    told = json.loads((tmp_path / "case.json").read_text())
    assert any("As of 25 November 2026" in mark for mark in told["marks"]), "the card's release"
    assert not (tmp_path / "nowhere").exists(), "nothing was made"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("safety-case", "--out", "case.pdf"), "written as .html or .docx or .json"),
        (("hazard-log", "--out", "log.html"), "there is no register here"),
        (("change-record", "x", "--out", "c.html"), "there is no register here"),
        (("safety-case", "--out", "c.html", "--template", "nowhere.j2"), "the template cannot be read"),
        (("safety-case", "--out", "c.html", "--tests", "nowhere.xml"), "the run of tests cannot be read"),
        (("monitoring", "nowhere", "--out", "m.html", "--as-of", "2028-02-01"), "a feed is a folder"),
    ],
)
def test_what_cannot_be_written_is_told_and_leaves_no_file(
    tmp_path: Path, words: tuple[str, ...], told: str, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    done = typed(tmp_path / "nowhere", "report", *words)
    assert isinstance(done.exception, DermKitError), done.output
    assert told in str(done.exception)
    assert not list(tmp_path.iterdir())


def test_a_monitoring_report_needs_its_day(tmp_path: Path):
    done = typed(tmp_path, "report", "monitoring", tmp_path, "--out", tmp_path / "m.html")
    assert done.exit_code == 2
    assert "--as-of" in done.output
