"""The four reports: their figures counted anew by another way, what is missing first, the same bytes from the same."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from statsmodels.stats.proportion import proportion_confint

from derm_kit.errors import DermKitError
from derm_kit.lesions import FLAGGED
from derm_kit.model.card import default_model, load_card
from derm_kit.records import hazards
from derm_kit.records.change_record_report import change_record
from derm_kit.records.document_template import MISSING, Template
from derm_kit.records.hazard_content import HazardContent
from derm_kit.records.hazard_import import seed
from derm_kit.records.hazard_log_report import hazard_log
from derm_kit.records.provenance import CODE
from derm_kit.records.register import Register
from derm_kit.records.report import Document, Table
from derm_kit.records.report_inputs import Registered
from derm_kit.records.report_json import to_json
from derm_kit.records.risk_matrix import Likelihood, Severity
from derm_kit.records.run_of_tests import TestRun
from derm_kit.records.safety_case import Evidence, safety_case
from tests.records.places import PASSPHRASE
from tests.records.proposals import Staff, a_change, a_release, default, run, staff, tuned
from tests.test_report import HARMLESS, Read, word_tables

DAY = date(2026, 12, 1)
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    return Evidence(run(), load_card(default_model()))


@pytest.fixture(scope="module")
def bare(evidence: Evidence) -> dict[str, Any]:
    """Without a register: the model's default policy on the reference cases."""
    return read(safety_case(Registered(), evidence, DAY))


@pytest.fixture
def register(tmp_path: Path) -> Iterator[Register]:
    with Register.open(tmp_path / "workspace", url=None) as opened:
        yield opened


@pytest.fixture
def people(register: Register) -> Staff:
    return staff(register)


def read(document: Document) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(to_json(document))
    return found


def table_of(document: dict[str, Any], caption: str) -> dict[str, Any]:
    blocks = [block for section in document["sections"] for block in section["blocks"] if "table" in block]
    (found,) = [block for block in blocks if block["table"].startswith(caption)]
    return found


def figure(document: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [one for one in document["figures"] if one["name"] == name]
    return found


def lacking(document: dict[str, Any]) -> list[list[str]]:
    first = document["sections"][0]
    assert first["title"] == f"1. {MISSING}"
    rows: list[list[str]] = first["blocks"][0]["rows"]
    return rows


def missing(document: dict[str, Any]) -> list[str]:
    return [row[0] for row in lacking(document)]


# Figures, by another way


def test_caught_and_missed_are_counted_case_by_case(bare: dict[str, Any]):
    """From the scores and thresholds themselves, without the counter, the policy's code or the model's card."""
    cases, scores, policy = run().cases, run().matrix.astype(np.float64), default()
    held_back = (
        cases["quality_fail"].to_numpy() | (cases["exclusion"] != "").to_numpy()
        | cases["skin_tone_class"].isin([0, 1]).to_numpy() | cases["skin_type"].isin(["V", "VI"]).to_numpy()
    )  # fmt: skip
    called = np.full(len(cases), "", object)
    for column, kind in reversed(list(enumerate(FLAGGED))):
        if kind in policy.thresholds:
            called[scores[:, column] >= policy.thresholds[kind]] = kind.value
    truth = cases["truth"].to_numpy(object)
    melanoma = truth == "melanoma"
    caught = int((melanoma & (called == "melanoma") & ~held_back).sum())
    rate = figure(bare, "melanoma caught")
    assert (rate["count"], rate["n"]) == (caught, int(melanoma.sum())) == (193, 228)
    low, high = proportion_confint(193, 228, method="beta")
    assert (rate["low"], rate["high"]) == pytest.approx((low, high), abs=1e-6)
    cancers = {t.value for t in FLAGGED[:4]}
    cancer = np.array([bool(t) and set(t.split("|")) <= cancers for t in truth])
    missed = int((cancer & (called == "") & ~held_back).sum())
    labelled = int((truth != "").sum())
    per_1000 = figure(bare, "cancers not flagged, of cases whose truth is known")
    assert (per_1000["count"], per_1000["n"]) == (missed, labelled)
    assert per_1000["value"] == pytest.approx(1000 * missed / labelled, abs=1e-6)
    review = figure(bare, "review")
    assert review["count"] == int(held_back.sum()) == 106


def test_areas_are_those_of_scikit_learn_and_of_the_published_card(bare: dict[str, Any]):
    truth, scores = run().cases["truth"].to_numpy(object), run().matrix.astype(np.float64)
    labelled = truth != ""
    own = figure(bare, "melanoma AUC")["value"]
    assert own == pytest.approx(roc_auc_score(truth[labelled] == "melanoma", scores[labelled, 0]), abs=6e-4)
    card = (ROOT / "models/derm11/MODEL_CARD.md").read_text()
    assert f"| Melanoma AUC | 2390 | {own:.3f} " in card
    assert (
        f"cancer AUC (melanoma, SCC, BCC, Bowen: summed scores) | 2390 | {figure(bare, 'cancer AUC')['value']:.3f} "
        in card
    )


def test_the_confusion_table_holds_every_case_of_one_type_once(bare: dict[str, Any]):
    rows = table_of(bare, "Calls by truth")["rows"]
    counts = np.array([row[1:] for row in rows])
    truth = run().cases["truth"]
    assert counts.sum() == (truth.str.count(r"\|").eq(0) & (truth != "")).sum() == 2231
    assert rows[0][:2] == ["Melanoma", 193]


def test_every_figure_names_sources_that_the_document_lists(bare: dict[str, Any]):
    known = {one["key"] for one in bare["sources"]}
    assert {"scores", "policy", "card", CODE, "template"} == known
    assert len(bare["figures"]) > 150
    for one in bare["figures"]:
        assert set(one["sources"]) <= known, one["name"]
        assert CODE in one["sources"]
    scores = next(one for one in bare["sources"] if one["key"] == "scores")["identity"]
    assert tuned().run_sha256 in scores.values()
    assert tuned().model_hash in scores.values()


# What is missing


def test_without_a_register_all_that_it_would_hold_is_missing_first(bare: dict[str, Any]):
    lacking = missing(bare)
    assert lacking[:3] == ["A register", "A clinical safety officer", "A hazard log"]
    for what in (
        "Skin types V and VI in the data", "Cases of atypical naevus", "A released policy", "Monitoring in service",
        "The source of where each call goes", "A run of the tests", "The approval of this report",
    ):  # fmt: skip
        assert what in lacking
    (unmet,) = (what for what in lacking if what.startswith("Evidence that"))
    assert "targets are met: melanoma, " in unmet
    assert "basal cell carcinoma" not in unmet, "91.4 % at the least, 90 wanted"


def test_what_is_missing_stands_on_the_first_page_before_anything_else(evidence: Evidence):
    html = safety_case(Registered(), evidence, DAY).to_html()
    assert html.index("1. What is missing") < html.index("2. In short")
    assert html.index("A clinical safety officer") < html.index("Melanomas caught")
    assert "nav{display:none}" in html, "in print the list of sections leaves the first page to it"


def test_seed_hazards_are_named_as_drafts_and_proposed_only(register: Register, people: Staff, evidence: Evidence):
    seed(register, people.author, PASSPHRASE)
    known = Registered.of(register)
    for document in (read(safety_case(known, evidence, DAY)), read(hazard_log(known, DAY))):
        lacking = missing(document)
        assert "Approval of hazards by a clinical safety officer: all" in lacking
        assert "Likelihoods and severities that somebody here has judged: all" in lacking
        assert "An owner: all" in lacking
        assert "A review in time: all" in lacking
        text = json.dumps(document)
        assert "No statement on residual risk can be made yet: of 10 hazards all not approved" in text
        assert "DCB0129 3.3.2" in text
    assert "A hazard log" not in lacking
    assert "A clinical safety officer" not in lacking


def test_the_audit_log_is_checked_before_an_approval_is_quoted(
    tmp_path: Path, register: Register, people: Staff, evidence: Evidence
):
    approved(register, people)
    sound = Registered.of(register)
    document = read(safety_case(sound, evidence, DAY))
    assert f"checked for this report, {register.head().count} entries: it verifies" in json.dumps(document)
    assert "the audit log does not verify" not in json.dumps(document)
    assert "audit log" not in json.dumps(document["sections"][0])
    with sqlite3.connect(tmp_path / "workspace" / "register.sqlite") as database:
        for what in ("update", "delete"):
            database.execute(f"DROP TRIGGER IF EXISTS hazard_approvals_no_{what}")
        database.execute("UPDATE hazard_approvals SET reason = 'It was all quite safe.'")
    changed = Registered.of(register)
    for made in (
        safety_case(changed, evidence, DAY),
        hazard_log(changed, DAY),
        change_record(register, a_change(register, people).id, DAY),
    ):
        first = lacking(read(made))[0]
        assert first[0] == "An audit log that verifies"
        assert "hazard_approvals/" in first[1] and "is not what entry" in first[1]
        assert "derm-kit audit verify" in first[2]
    for made in (safety_case(changed, evidence, DAY), hazard_log(changed, DAY)):
        assert "it does NOT verify" in json.dumps(read(made))
        assert "No statement on residual risk can be made: the audit log does not verify." in json.dumps(read(made))
    skipped = Registered.of(register, checked_up_to=3)
    assert skipped.unsound is None
    assert lacking(read(hazard_log(skipped, DAY)))[0][0] == "A check of the audit log"


def test_the_matrix_places_each_hazard_in_its_cell_and_no_risk_is_a_product(register: Register, people: Staff):
    seed(register, people.author, PASSPHRASE)
    known = Registered.of(register)
    rows = table_of(read(hazard_log(known, DAY)), "Initial risk")["rows"]
    assert [[int(cell.split(":")[0]) for cell in row[1:]] for row in rows] == [
        [3, 4, 4, 5, 5], [2, 3, 3, 4, 5], [2, 2, 3, 3, 4], [1, 2, 2, 3, 4], [1, 1, 2, 2, 3],
    ]  # fmt: skip
    placed = sorted(one for row in rows for cell in row[1:] for one in cell.partition(": ")[2].split(", ") if one)
    assert placed == [one.id for one in known.hazards]


def approved(register: Register, people: Staff, **fields: Any) -> hazards.Hazard:
    """A hazard that somebody judged, and that a safety officer approved."""
    content = HazardContent.model_validate(
        {
            "name": "A hazard", "description": "What it is.", "causes": ("a cause",), "effect": "an effect",
            "harm": "a harm", "initial_likelihood": Likelihood("medium"),
            "initial_severity": Severity("major"), "basis": "Our own figures of 2026.",
            "owner": "lead for skin cancer", "next_review": date(2199, 1, 1),
        } | fields
    )  # fmt: skip
    made = hazards.add(register, content, people.author, PASSPHRASE)
    return hazards.approve(register, made, people.officer, PASSPHRASE, "Weighed at the safety meeting of the service.")


def test_the_statement_never_says_safe_and_names_what_may_not_stay(register: Register, people: Staff):
    low = {"residual_likelihood": Likelihood("very low"), "residual_severity": Severity("significant")}
    approved(register, people, new_controls={"process": ("two people look",)}, **low)
    text = json.dumps(read(hazard_log(Registered.of(register), DAY)))
    assert "By the log no residual risk is 4 or 5." in text
    assert "this document does not say it" in text
    grave = {"residual_likelihood": Likelihood("medium"), "residual_severity": Severity("catastrophic")}
    approved(register, people, name="A grave one", residual_reason="Worse than thought.", **grave)
    document = read(hazard_log(Registered.of(register), DAY))
    assert "H-002, A grave one: residual medium x catastrophic: risk 4" in json.dumps(document)
    assert "By the log no residual risk is 4 or 5." not in json.dumps(document)
    assert missing(document)[0] == "Control of a residual risk of 4 or 5: 1 (H-002)"


def test_a_review_is_overdue_by_the_day_of_the_document_not_by_the_clock(register: Register, people: Staff):
    approved(register, people)
    known = Registered.of(register)
    assert not any("A review in time" in one for one in missing(read(hazard_log(known, DAY))))
    assert "A review in time: all" in missing(read(hazard_log(known, date(2199, 1, 2))))


def test_hostile_text_in_a_hazard_stays_text(register: Register, people: Staff, evidence: Evidence):
    name = "<script>alert(1)</script> {{ 7*7 }} [table: hazards] \u202egnp.exe"
    shown = name.replace("\u202e", "\\u202e")
    causes = ("## Not a section", "- not a point", "'quoted\" & ]]> {% include 'x' %}")
    approved(register, people, name=name, causes=causes)
    known = Registered.of(register)
    for document in (hazard_log(known, DAY), safety_case(known, evidence, DAY)):
        html = Read(document.to_html())
        assert html.tags <= HARMLESS | {"span"}
        assert any(shown in row for one in html.tables for row in one)
        assert any(shown in row for one in word_tables(document) for row in one)
        assert not any("Not a section" in section.title for section in document.sections)
    assert f"(3) {causes[2]}" in "".join(Read(hazard_log(known, DAY).to_html()).text)


def test_the_policy_released_last_is_measured_and_an_earlier_day_has_the_default(
    register: Register, people: Staff, evidence: Evidence
):
    a_release(register, people, tuned())
    known = Registered.of(register)
    today = known.last_entry
    assert today is not None
    now = read(safety_case(known, evidence, today))
    assert (figure(now, "melanoma caught")["count"], figure(now, "melanoma caught")["n"]) == (206, 228)
    assert "A released policy" not in missing(now)
    before = read(safety_case(known, evidence, date(2026, 1, 1)))
    assert figure(before, "melanoma caught")["count"] == 193
    assert "A register as it stood on 1 January 2026" in missing(before)


# A run of the tests


JUNIT = """<?xml version="1.0" encoding="utf-8"?>
<testsuites><testsuite name="pytest" timestamp="2026-11-28T22:00:00.1+00:00">
<testcase classname="tests.test_policy" name="test_one[a]"/><testcase classname="tests.test_policy" name="test_one[b]">
<failure message="x"/></testcase><testcase classname="tests.test_policy" name="test_two"><skipped/></testcase>
<testcase classname="tests.records.test_audit" name="test_three"/></testsuite></testsuites>"""


def test_a_run_of_the_tests_is_read_and_what_failed_is_missing(tmp_path: Path, evidence: Evidence):
    (tmp_path / "tests.xml").write_text(JUNIT)
    ran = TestRun.read(tmp_path / "tests.xml")
    assert ran.results == {
        "tests/test_policy.py::test_one": "failed",
        "tests/test_policy.py::test_two": "skipped",
        "tests/records/test_audit.py::test_three": "passed",
    }
    assert ran.said_of("tests/test_policy.py::test_one[c]") == "failed"
    assert ran.said_of("tests/test_policy.py::test_other") == "not in the run of tests"
    assert ran.sha256 == hashlib.sha256(JUNIT.encode()).hexdigest()
    lacking = missing(read(safety_case(Registered(), Evidence(evidence.run, evidence.card, ran), DAY)))
    assert "Tests that pass: 1 do not" in lacking
    assert "Tests that ran: 1 were skipped" in lacking
    assert "A run of the tests" not in lacking


@pytest.mark.parametrize(
    ("written", "said"), [("utf-8", "unknown-8"), ("utf-8-sig", "utf-8"), ("utf-16", "utf-16"), ("cp037", "cp037")]
)
def test_a_run_of_tests_is_utf_8_whatever_it_says_of_itself(tmp_path: Path, written: str, said: str):
    path = tmp_path / "tests.xml"
    line = f'<?xml version="1.0" encoding="{said}"?><testsuite><testcase classname="a" name="b"/></testsuite>'
    path.write_bytes(line.encode(written))
    if written.startswith("utf-8"):
        assert sum(TestRun.read(path).counts.values()) == 1
    else:
        with pytest.raises(DermKitError, match="it is not in UTF-8"):
            TestRun.read(path)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('<!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;</x>', "defines entities"),
        ("<testsuites/>", "holds no test"),
        ("no xml", "it is no XML"),
    ],
)
def test_a_file_that_is_no_run_of_tests_is_told(tmp_path: Path, content: str, told: str):
    (tmp_path / "tests.xml").write_text(content)
    with pytest.raises(DermKitError, match=told):
        TestRun.read(tmp_path / "tests.xml")


# The same bytes


def test_two_processes_with_other_hash_seeds_write_the_same_bytes(tmp_path: Path, register: Register, people: Staff):
    """All of HTML, Word and JSON, from a register with hazards and a release."""
    seed(register, people.author, PASSPHRASE)
    made = a_release(register, people, tuned())
    digests = [_digests(tmp_path, register, made.signed.change or "", hash_seed) for hash_seed in ("1", "4242")]
    assert digests[0] == digests[1]
    assert len(set(digests[0].values())) == 9


def _digests(folder: Path, register: Register, change: str, hash_seed: str) -> dict[str, str]:
    out = folder / hash_seed
    out.mkdir()
    environment = os.environ | {
        "PYTHONHASHSEED": hash_seed, "DERM_KIT_WORKSPACE": str(register.workspace.folder),
        "TZ": "Asia/Tokyo" if hash_seed == "1" else "Europe/London",
    }  # fmt: skip
    script = (
        "import sys\nfrom derm_kit.cli.reports import report\n"
        "for words in (['safety-case'], ['hazard-log'], ['change-record', sys.argv[2]]):\n"
        "    files = [w for s in ('html', 'docx', 'json') for w in ('--out', f'{sys.argv[1]}/{words[0]}.{s}')]\n"
        "    report([*words, *files, '--as-of', '2026-12-01'], standalone_mode=False)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(out), change], env=environment, cwd=folder, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(out.iterdir())}


def test_another_day_or_template_gives_another_document_and_says_so(evidence: Evidence):
    first, second = (safety_case(Registered(), evidence, day) for day in (DAY, date(2026, 12, 2)))
    assert to_json(first) != to_json(second)
    assert "As of 2 December 2026" in second.marks[-1]
    own = safety_case(Registered(), evidence, DAY, Template("own.j2", "# Ours\n## All\n[table: by_type]\n", own=True))
    assert [section.title for section in own.sections][:2] == [MISSING, "All"]
    assert isinstance(own.sections[1].blocks[0], Table)
