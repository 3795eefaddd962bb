"""Page 07 without a kernel: real widgets, a real register, the hazards that ship."""

from __future__ import annotations

import base64
import csv
import html
import io
import json
import re
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from urllib.parse import unquote

import pytest

from derm_kit.errors import DermKitError
from derm_kit.model.card import default_model, load_card, share
from derm_kit.panels import start
from derm_kit.panels.hazards_edit import GONE, IS_BACK, EditPart
from derm_kit.panels.hazards_fields import FIELDS
from derm_kit.panels.hazards_files import given_in_file
from derm_kit.panels.hazards_matrix import matrix_html
from derm_kit.panels.hazards_shown import Show, Which, listed
from derm_kit.panels.hazards_versions import beside_html
from derm_kit.panels.hazards_words import evidence_html
from derm_kit.panels.safety import SafetyPanel
from derm_kit.panels.safety_incidents import Step
from derm_kit.panels.safety_places import PLACES, place_of
from derm_kit.panels.safety_register import registered
from derm_kit.panels.safety_reports import TITLES, Kind
from derm_kit.panels.safety_setting import Clauses, Looking, Tab
from derm_kit.panels.safety_watched import NO_FEED, WATCHED
from derm_kit.records import hazards, incidents
from derm_kit.records.evidence_map import evidence_map
from derm_kit.records.hazard_cells import CONTENT_COLUMNS, RISKS, cells_of
from derm_kit.records.hazard_content import content_of
from derm_kit.records.hazard_evidence import Standing
from derm_kit.records.hazard_import import seed
from derm_kit.records.hazards import Hazard
from derm_kit.records.register import Register
from derm_kit.records.report import Table
from derm_kit.records.report_inputs import Registered
from derm_kit.records.safety_case import Evidence, safety_case
from derm_kit.surveillance.feed_writing import write_feed
from derm_kit.surveillance.scenario_service import TRUST
from derm_kit.surveillance.scenarios import Scenario, planted_feed
from derm_kit.triage.opening import POLICY_VARIABLE, RUN_VARIABLE
from tests.readers import copied
from tests.records.hazards import HOSTILE, LATER, RAW, TODAY, a_hazard, an_alarm, approved, approved_log, content
from tests.records.places import PASSPHRASE
from tests.records.proposals import REASON, Staff, a_change, run, staff

YESTERDAY = (TODAY - timedelta(days=1)).isoformat()
OF_THE_GUIDANCE = {
    "very high": "34455",
    "high": "23345",
    "medium": "22334",
    "low": "12234",
    "very low": "11223",
}
"""The matrix of DCB0129's guidance, from minor to catastrophic, typed from the standard."""


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
    for variable in ("DERM_KIT_DATABASE_URL", "DERM_KIT_FEED", RUN_VARIABLE, POLICY_VARIABLE):
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


def a_page() -> SafetyPanel:
    return SafetyPanel(run(), load_card(default_model()))


@pytest.fixture
def panel(register: Register) -> SafetyPanel:
    return a_page()


def read(value: str) -> str:
    """HTML as it reads."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", value)).split())


def look(panel: SafetyPanel, address: str) -> None:
    """Open an address, as the browser does."""
    panel.address.opened_with = address
    assert panel.address.opened_with == ""


def opened(panel: SafetyPanel, hazard: Hazard) -> EditPart:
    """The form on the next version of a hazard."""
    look(panel, f"tab=hazards&hazard={hazard.id}")
    panel.hazards.open.revise.click()
    return panel.hazards.edit


def sign(form, person: str, passphrase: str = PASSPHRASE) -> None:
    form.signature.person.value, form.signature.passphrase.value = person, passphrase


def write(edit: EditPart, person: str, **fields: str) -> str:
    """Type into the form and store; what is said then."""
    for name, text in fields.items():
        edit.form.inputs[name].value = text
    sign(edit, person)
    edit.store.click()
    return read(edit.notice.value)


def told(edit: EditPart) -> dict[str, str]:
    """What is said beside which field."""
    return {name: read(shown.value) for name, shown in edit.form.told.items() if shown.value}


def linked(value: str, name: str) -> bytes:
    """The content of a link that keeps a file."""
    found = re.search(rf"download='{re.escape(name)}' href='data:[^;]+;base64,([^']+)'", value)
    assert found, name
    return base64.b64decode(found[1])


def ids(value: str) -> list[str]:
    """Hazards of the list, in its order."""
    return re.findall(r"<th scope='row'><a [^>]*>([^<]+)</a>", value)


def shown(widget) -> bool:
    return widget.layout.display != "none"


# What is missing


def test_a_machine_without_a_register_is_told_and_none_is_made(machine: Path):
    panel = a_page()
    for tab in Tab:
        look(panel, f"tab={tab}")
        assert [one for one, part in panel.parts.items() if shown(part)] == [tab]
    panel.reports.kind.value = Kind.HAZARD_LOG
    panel.reports.button.click()
    assert "derm-kit people add" in read(panel.reports.notice.value)
    look(panel, "tab=hazards")
    assert "There is no register on this machine yet" in read(panel.hazards.words.value)
    panel.hazards.begin.button.click()
    assert "signed for by name" in read(panel.hazards.begin.notice.value)
    assert not (machine / "workspace").exists()


def test_what_is_missing_is_the_list_of_the_safety_case_each_with_its_place(
    register: Register, people: Staff, panel: SafetyPanel
):
    seed(register, people.author, PASSPHRASE)
    incidents.open_incident(register, an_alarm(), "H-006", people.author, PASSPHRASE)
    panel.refresh()
    document = safety_case(registered(), Evidence(run(), load_card(default_model())), TODAY)
    [table] = [block for block in document.sections[0].blocks if isinstance(block, Table)]
    assert [(one.what, one.follows, one.next_step) for one in panel.missing.found] == list(table.rows)
    assert f"{len(table.rows)} things are missing" in read(panel.missing.words.value)
    for one in panel.missing.found:
        place = place_of(one)
        assert place, one.what
        assert one.what in read(panel.missing.listed.value)
        assert place.html in panel.missing.listed.value
    assert "not a medical device" in read(panel.missing.words.value)


def test_a_log_that_does_not_verify_is_told_first_and_a_long_one_is_left_to_the_report(
    register: Register, people: Staff, panel: SafetyPanel, machine: Path, monkeypatch: pytest.MonkeyPatch
):
    a_hazard(register, people)
    panel.refresh()
    assert "audit log" not in " ".join(one.what for one in panel.missing.found)
    with sqlite3.connect(machine / "workspace" / "register.sqlite") as database:
        database.execute("DROP TRIGGER IF EXISTS hazards_no_update")
        database.execute("UPDATE hazards SET at = '2020-01-01T00:00:00+00:00'")
    panel.refresh()
    assert panel.missing.found[0].what == "An audit log that verifies"
    assert "hazards/" in panel.missing.found[0].follows
    monkeypatch.setattr("derm_kit.panels.safety.CHECKED_AT_ONCE", 1)
    panel.refresh()
    assert panel.missing.found[0].what == "A check of the audit log"
    assert "Reports: each checks it as it is made" in read(panel.missing.listed.value)


def test_every_place_leads_to_a_part_of_this_page_or_to_a_page_that_is_there():
    for _, place in PLACES:
        if place.href.startswith("#"):
            assert Looking.from_text(unquote(html.unescape(place.href))[1:])
        elif place.href:
            assert (share("notebooks") / place.href).is_file(), place.href


def test_the_page_opens_without_torch(machine: Path):
    code = "import sys; from derm_kit.panels.safety import safety_page; safety_page(); sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# The log


def test_an_empty_log_is_begun_with_the_ten_that_ship_by_somebody_who_signs(
    register: Register, people: Staff, panel: SafetyPanel
):
    look(panel, "tab=hazards")
    begin = panel.hazards.begin
    assert shown(begin.form)
    sign(begin, people.author, "not the passphrase")
    begin.button.click()
    assert "the passphrase is wrong" in read(begin.notice.value)
    assert (hazards.log(register), begin.signature.passphrase.value) == ([], "")
    sign(begin, people.author)
    begin.button.click()
    assert "10 hazards, as drafts" in read(begin.notice.value)
    assert not shown(begin.form)
    assert ids(panel.hazards.listed.value) == [f"H-{n:03d}" for n in range(1, 11)]
    assert {(one.author, one.standing) for one in hazards.log(register)} == {(people.author, "draft")}
    words = read(panel.hazards.words.value)
    assert "10 not approved" in words
    assert "10 with a review that is overdue or was never set" in words


def test_the_list_says_risks_status_owner_review_and_approval_in_words(
    register: Register, people: Staff, panel: SafetyPanel
):
    approved(register, people, a_hazard(register, people))
    a_hazard(register, people, name="Late", next_review=YESTERDAY, residual_likelihood=None, residual_severity=None)
    look(panel, "tab=hazards")
    first, second = re.findall(r"<tr><th scope='row'>.*?</tr>", panel.hazards.listed.value)
    assert "H-001 False-negative discharge 4, mandatory reduction 3, undesirable open lead for skin cancer" in read(
        first
    )
    assert read(first).endswith("1, approved")
    assert "overdue" not in read(first)
    assert "Late 4, mandatory reduction not judged open" in read(second)
    assert "overdue" in read(second)
    assert read(second).endswith("1, draft")


def test_each_filter_lists_its_hazards(register: Register, people: Staff, panel: SafetyPanel):
    judged = {"residual_likelihood": None, "residual_severity": None, "new_controls": {}}
    approved(register, people, a_hazard(register, people, evidence=[{"kind": "run", "reference": "1"}]))
    a_hazard(register, people, next_review=YESTERDAY, status="closed")
    a_hazard(register, people, owner="", **judged)
    a_hazard(register, people, residual_likelihood="high", residual_severity="major", next_review=None)
    found = {}
    for show in Show:
        look(panel, f"tab=hazards&show={show}")
        found[show] = "".join(one[-1] for one in ids(panel.hazards.listed.value))
    assert found == {
        Show.ALL: "1234", Show.DRAFTS: "234", Show.OVERDUE: "24", Show.GRAVE: "4", Show.UNJUDGED: "3",
        Show.PROPOSED: "", Show.OWNERLESS: "3", Show.UNPROVEN: "234", Show.BROKEN: "", Show.OPEN: "134",
    }  # fmt: skip
    panel.hazards.show_which.value = Show.OWNERLESS
    assert (panel.looking.show, panel.address.state) == (Show.OWNERLESS, "tab=hazards&show=ownerless")


def test_hazards_that_only_derm_kit_judged_and_evidence_that_is_gone_are_filtered_too(
    register: Register, people: Staff
):
    seed(register, people.author, PASSPHRASE)
    known = registered()
    assert listed(known, Show.PROPOSED, TODAY) == known.hazards
    link = known.hazards[2].content.evidence[0]
    gone = replace(known, evidence={**known.evidence, link: Standing.MISSING})
    assert [one.id for one in listed(gone, Show.BROKEN, TODAY)] == ["H-003"]
    assert "not found here" in read(evidence_html(gone.hazards[2], gone))


@pytest.mark.parametrize("which", Which)
def test_the_matrix_has_the_25_cells_of_the_guidance_and_every_seed_hazard_in_its_place(
    register: Register, people: Staff, panel: SafetyPanel, which: Which
):
    seed(register, people.author, PASSPHRASE)
    look(panel, f"tab=hazards&risk={which}")
    rows = re.findall(r"<tr><th scope='row'>([^<]+)</th>(.*?)</tr>", panel.hazards.matrix.value)
    cells = {word: re.findall(r"<td class='dk-risk-(\d)' data-n='(\d+)'>(.*?)</td>", row) for word, row in rows}
    assert {word: "".join(level for level, _, _ in row) for word, row in cells.items()} == OF_THE_GUIDANCE
    shipped = json.loads(files("derm_kit.records").joinpath("seed_hazards.json").read_text("utf-8"))["hazards"]
    severities = ("minor", "significant", "considerable", "major", "catastrophic")
    places = [(h["content"][f"{which}_likelihood"], h["content"][f"{which}_severity"]) for h in shipped]
    counts = {(word, severities[n]): int(cell[1]) for word, row in cells.items() for n, cell in enumerate(row)}
    assert counts == {place: Counter(places)[place] for place in counts}
    assert sum(counts.values()) == len(shipped) == 10
    for given in shipped:
        place = given["content"][f"{which}_likelihood"], severities.index(given["content"][f"{which}_severity"])
        assert given["hazard"] in read(cells[place[0]][place[1]][2])
    words = {level: read(cell) for row in cells.values() for level, _, cell in row}
    acceptable = {"1": "acceptable", "2": "acceptable", "3": "undesirable", "4": "mandatory reduction"}
    assert all(acceptable.get(level, "unacceptable") in said for level, said in words.items())


def test_hazards_without_a_judged_residual_risk_stand_below_the_matrix(register: Register, people: Staff):
    a_hazard(register, people, residual_likelihood=None, residual_severity=None)
    known = registered()
    assert "Not judged: H-001" in read(matrix_html(known.hazards, Looking(Tab.HAZARDS)))
    initial = matrix_html(known.hazards, Looking(Tab.HAZARDS, risk=Which.INITIAL))
    assert "Not judged" not in read(initial)
    assert initial.count("data-n='1'") == 1


# One hazard


def test_one_hazard_opens_with_every_field_its_evidence_and_its_incidents(
    register: Register, people: Staff, panel: SafetyPanel
):
    seed(register, people.author, PASSPHRASE)
    incidents.open_incident(register, an_alarm(), "H-006", people.author, PASSPHRASE)
    look(panel, "tab=hazards&hazard=H-006")
    found, part = hazards.find(register, "H-006"), panel.hazards.open
    detail = read(part.detail.value)
    cells = cells_of(found.content)
    for name in set(CONTENT_COLUMNS) - {"evidence", *RISKS, "next_review"}:
        for line in cells[name].splitlines():
            assert " ".join(line.split()) in detail, name
    assert "5, unacceptable" in detail
    assert "4, mandatory reduction" in detail
    for link in found.content.evidence:
        assert f"{link.kind} {link.reference} {link.shows} found" in read(part.evidence.value)
    assert "I-001 , open: Fewer melanomas are caught" in read(part.incidents.value)
    assert (panel.tabs.wanted, panel.address.state) == ("H-006", "tab=hazards&hazard=H-006")
    look(panel, "tab=hazards&hazard=H-099")
    assert "there is no such hazard in the log" in read(part.notice.value)
    assert not shown(part._all)


def test_versions_stand_side_by_side_what_was_approved_beside_the_newest(
    register: Register, people: Staff, panel: SafetyPanel
):
    first = approved(register, people, a_hazard(register, people))
    second = hazards.revise(register, first, content(harm="death"), people.author, PASSPHRASE)
    hazards.revise(register, second, content(harm="death", effect="nobody <b>looks</b>"), people.second, PASSPHRASE)
    look(panel, "tab=hazards&hazard=H-001")
    part = panel.hazards.open
    assert (part.left.value, part.right.value) == (1, 3)
    assert "version 1, approved version 3, draft" in read(part.both.value)
    assert "Effect nobody looks again nobody <b>looks</b>" in read(part.both.value)
    assert "Harm late treatment death" in read(part.both.value)
    assert "2 fields differ, 20 are the same" in read(part.both.value)
    part.left.value = 2
    assert "1 field differs" in read(part.both.value)
    assert "late treatment" not in read(part.both.value)
    listed_versions = read(part.versions.value)
    assert f"Bo Officer {first.approval.at[:10]}" in listed_versions
    assert REASON in listed_versions


def test_the_same_content_beside_itself_says_so():
    cells = cells_of(content())
    assert "the same in every field" in beside_html(("a", "b"), cells, cells)


# Writing


def test_the_form_holds_every_field_of_the_log_and_gives_back_what_it_was_given():
    assert set(FIELDS) == set(CONTENT_COLUMNS) - set(RISKS)


def test_a_hazard_is_revised_as_it_stands_and_nothing_else_changes(
    register: Register, people: Staff, panel: SafetyPanel
):
    seed(register, people.author, PASSPHRASE)
    before = hazards.find(register, "H-004")
    edit = opened(panel, before)
    write(edit, people.dermatologist, owner="lead for skin cancer")
    after = hazards.find(register, "H-004")
    assert (after.version, after.author, after.standing) == (2, people.dermatologist, "draft")
    assert after.content == before.content.model_copy(update={"owner": "lead for skin cancer"})
    assert "a new version of H-004, as a draft" in read(panel.hazards.notice.value)
    assert (edit.begun, edit.draft.text) == ("", "")
    assert "lead for skin cancer" in read(panel.hazards.open.detail.value)


def test_a_new_hazard_is_written_and_opened(register: Register, people: Staff, panel: SafetyPanel):
    look(panel, "tab=hazards")
    panel.hazards.add.click()
    write(panel.hazards.edit, people.author, **{k: v for k, v in cells_of(content()).items() if k in FIELDS})
    assert hazards.find(register, "H-001").content == content()
    assert panel.looking.hazard == "H-001"
    assert "H-001: False-negative discharge" in read(panel.hazards.open.detail.value)


REFUSED = [
    ({"initial_likelihood": ""}, "initial_likelihood", "it should be 'very high'"),
    ({"name": " "}, "name", "not left blank"),
    ({"causes": ""}, "causes", "there is at least one"),
    ({"status": "closed", "residual_likelihood": "high"}, "status", "a residual risk of 4 or 5 is never closed"),
    ({"residual_likelihood": ""}, "residual_likelihood", "judged together, or neither"),
    ({"status": "transferred"}, "transferred_to", "names its owner here and the party"),
    ({"residual_likelihood": "very high"}, "residual_reason", "has its reason"),
    ({"new_controls_design": "", "new_controls_test": ""}, "new_controls_design", "has a new control that lowers it"),
    ({"leads_to": "H-002"}, "leads_to", "never in a circle"),
    ({"leads_to": "H-077"}, "leads_to", "hazards that stand in the log"),
    ({"leads_to": "H-1"}, "leads_to", "a hazard id is H-"),
    ({"owner": "Bo Officer"}, "owner", "names nobody"),
    ({"next_review": "31 January"}, "next_review", "date"),
    ({"evidence": "test: tests/test_nothing.py::test_nothing"}, "evidence", "stands in this derm-kit's sources"),
    ({"evidence": "rumour: somebody said so"}, "evidence", "it should be 'test'"),
]


@pytest.mark.parametrize(("fields", "beside", "rule"), REFUSED)
def test_a_broken_rule_is_told_beside_its_field_and_nothing_typed_is_lost(
    register: Register, people: Staff, panel: SafetyPanel, fields: dict[str, str], beside: str, rule: str
):
    first = a_hazard(register, people)
    a_hazard(register, people, leads_to=["H-001"])
    edit = opened(panel, first)
    said = write(edit, people.author, harm="typed with care", **fields)
    assert list(told(edit)) == [beside]
    assert rule in told(edit)[beside]
    assert f"Told beside the field: {FIELDS[beside].label}" in said
    assert {name: edit.form.cells[name] for name in fields} == fields
    assert edit.form.cells["harm"] == "typed with care"
    assert edit.signature.passphrase.value == PASSPHRASE
    assert panel.tabs.wanted == "told"
    assert hazards.find(register, "H-001") == first


def test_several_broken_fields_are_told_at_once_and_mending_them_stores(
    register: Register, people: Staff, panel: SafetyPanel
):
    edit = opened(panel, a_hazard(register, people))
    write(edit, people.author, causes="", initial_severity="", next_review="soon")
    assert list(told(edit)) == ["causes", "initial_severity", "next_review"]
    write(edit, people.author, causes="blur", initial_severity="major", next_review=LATER)
    assert hazards.find(register, "H-001").content.causes == ("blur",)


def test_rules_between_fields_and_those_of_the_log_are_told_at_once_each_beside_its_field(
    register: Register, people: Staff, panel: SafetyPanel
):
    edit = opened(panel, a_hazard(register, people))
    write(
        edit, people.author, status="closed", residual_likelihood="very high", owner="Bo Officer", leads_to="H-404",
        evidence="test: tests/test_nothing.py::test_none\nrelease: 99", next_review="32/13/2026",
    )  # fmt: skip
    assert set(told(edit)) == {"status", "residual_reason", "owner", "leads_to", "evidence", "next_review"}
    assert told(edit)["evidence"].count("Not yet") == 2


def test_the_risk_of_what_is_chosen_is_said_at_once(register: Register, people: Staff, panel: SafetyPanel):
    form = opened(panel, a_hazard(register, people)).form
    assert "the initial risk is 4, mandatory reduction" in read(form.risks["initial"].value)
    form.inputs["initial_likelihood"].value = "very high"
    assert "5, unacceptable" in read(form.risks["initial"].value)
    form.inputs["residual_severity"].value = ""
    assert "the residual risk is not judged" in read(form.risks["residual"].value)


def test_a_wrong_passphrase_and_nobody_named_store_nothing_and_keep_the_text(
    register: Register, people: Staff, panel: SafetyPanel
):
    first = a_hazard(register, people)
    edit = opened(panel, first)
    edit.form.inputs["harm"].value = "typed with care"
    edit.store.click()
    assert "signed for by name" in read(edit.notice.value)
    sign(edit, people.author, "not the passphrase")
    edit.store.click()
    assert "the passphrase is wrong" in read(edit.notice.value)
    assert edit.form.cells["harm"] == "typed with care"
    assert hazards.find(register, "H-001") == first


def test_two_who_write_at_once_both_see_both_and_nothing_is_lost(register: Register, people: Staff, panel: SafetyPanel):
    first = a_hazard(register, people)
    edit = opened(panel, first)
    hazards.revise(register, first, content(harm="theirs"), people.second, PASSPHRASE)
    said = write(edit, people.author, harm="mine")
    assert "Somebody stored version 2 of H-001 meanwhile. Yours is kept." in said
    assert "Harm theirs mine" in read(edit.both.value)
    assert "Cy Second" in read(edit.both.value)
    assert edit.form.cells["harm"] == "mine"
    assert [one.content.harm for one in hazards.history(register, "H-001")] == ["late treatment", "theirs"]
    sign(edit, people.author)
    edit.store.click()
    assert [one.content.harm for one in hazards.history(register, "H-001")] == ["late treatment", "theirs", "mine"]


def test_the_stored_one_can_be_taken_into_the_form_instead(register: Register, people: Staff, panel: SafetyPanel):
    first = a_hazard(register, people)
    edit = opened(panel, first)
    hazards.revise(register, first, content(harm="theirs"), people.second, PASSPHRASE)
    write(edit, people.author, harm="mine")
    assert shown(edit.take_stored)
    edit.take_stored.click()
    assert edit.form.cells["harm"] == "theirs"
    write(edit, people.author, effect="and mine")
    newest = hazards.find(register, "H-001").content
    assert (newest.harm, newest.effect) == ("theirs", "and mine")


def test_another_hazard_is_not_opened_for_writing_over_what_is_not_stored(
    register: Register, people: Staff, panel: SafetyPanel
):
    first, second = a_hazard(register, people), a_hazard(register, people, name="Another")
    edit = opened(panel, first)
    edit.form.inputs["harm"].value = "typed with care"
    opened(panel, second)
    assert "one hazard is written at a time" in read(panel.hazards.notice.value)
    assert (edit.begun, edit.form.cells["harm"]) == ("H-001", "typed with care")
    edit.leave.click()
    assert shown(edit.sure)
    assert edit.form.cells["harm"] == "typed with care"
    edit.sure.click()
    assert (edit.begun, edit.draft.text) == ("", "")
    assert opened(panel, second).begun == "H-002"


def test_what_is_typed_is_kept_by_the_browser_without_the_passphrase_and_comes_back(
    register: Register, people: Staff, panel: SafetyPanel
):
    edit = opened(panel, a_hazard(register, people))
    assert edit.draft.text == ""
    edit.form.inputs["harm"].value = "typed with care"
    sign(edit, people.author)
    assert PASSPHRASE not in edit.draft.text
    again = a_page()
    again.hazards.edit.draft.found = edit.draft.text
    look(again, "tab=hazards")
    assert again.hazards.edit.begun == "H-001"
    assert again.hazards.edit.form.cells["harm"] == "typed with care"
    assert IS_BACK in read(again.hazards.edit.notice.value)
    write(again.hazards.edit, people.author)
    assert hazards.find(register, "H-001").content.harm == "typed with care"


def test_a_draft_of_a_version_that_was_followed_shows_both(register: Register, people: Staff, panel: SafetyPanel):
    first = a_hazard(register, people)
    edit = opened(panel, first)
    edit.form.inputs["harm"].value = "mine"
    hazards.revise(register, first, content(harm="theirs"), people.second, PASSPHRASE)
    again = a_page()
    again.hazards.edit.draft.found = edit.draft.text
    look(again, "tab=hazards")
    assert "meanwhile. Yours is kept" in write(again.hazards.edit, people.author)
    assert hazards.find(register, "H-001").content.harm == "theirs"


def test_a_draft_of_a_hazard_that_this_register_does_not_hold_comes_back_as_a_new_one(
    register: Register, people: Staff, panel: SafetyPanel
):
    edit = opened(panel, a_hazard(register, people))
    edit.form.inputs["harm"].value = "typed with care"
    again = a_page()
    again.hazards.edit.draft.found = edit.draft.text.replace("H-001", "H-088")
    assert again.hazards.edit.begun == "a new hazard"
    assert again.hazards.edit.form.cells["harm"] == "typed with care"
    assert GONE in read(again.hazards.edit.notice.value)


@pytest.mark.parametrize("found", ["{", "[]", '"x"', '{"cells": {}}', '{"cells": {"name": 1}}', "null"])
def test_a_draft_that_is_none_is_left_alone(register: Register, panel: SafetyPanel, found: str):
    panel.hazards.edit.draft.found = found
    assert panel.hazards.edit.begun == ""


# Approving


def test_only_an_officer_who_did_not_write_it_approves(register: Register, people: Staff, panel: SafetyPanel):
    a_hazard(register, people)
    look(panel, "tab=hazards&hazard=H-001")
    part = panel.hazards.open.approve
    for who, rule in (
        (people.author, "nobody approves what they wrote"),
        (people.administrator, "only a safety officer may"),
        (people.unregistered, "only a registered clinician may"),
    ):
        sign(part, who)
        part.reason.value = REASON
        part.button.click()
        assert rule in read(part.notice.value)
        assert part.reason.value == REASON
    sign(part, people.officer)
    part.button.click()
    assert "Version 1 of H-001 is approved" in read(part.notice.value)
    assert hazards.find(register, "H-001").approval.approver == people.officer
    assert not shown(part.form)
    assert "approved by Bo Officer" in read(panel.hazards.open.detail.value).replace("  ", " ")


def test_what_is_not_ready_says_before_anybody_signs_what_it_lacks(
    register: Register, people: Staff, panel: SafetyPanel
):
    seed(register, people.author, PASSPHRASE)
    look(panel, "tab=hazards&hazard=H-001")
    part = panel.hazards.open.approve
    assert "It cannot be approved yet: the judgements of likelihood and severity are your own" in read(part.words.value)
    sign(part, people.officer)
    part.reason.value = REASON
    part.button.click()
    assert "your own" in read(part.notice.value)
    assert approved_log(register) == []


def test_a_version_that_was_followed_while_it_was_read_is_not_approved(
    register: Register, people: Staff, panel: SafetyPanel
):
    first = a_hazard(register, people)
    look(panel, "tab=hazards&hazard=H-001")
    hazards.revise(register, first, content(harm="theirs"), people.author, PASSPHRASE)
    part = panel.hazards.open.approve
    sign(part, people.officer)
    part.reason.value = REASON
    part.button.click()
    assert "somebody saved this meanwhile" in read(part.notice.value)
    assert approved_log(register) == []
    assert "theirs" in read(panel.hazards.open.detail.value)
    assert part.reason.value == REASON


# To a file and back


def bring(panel: SafetyPanel, content: bytes) -> str:
    """Drop a file; what is shown of it."""
    drop = panel.hazards.files.drop
    drop.content, drop.size = content, len(content)
    drop.given += 1
    return read(panel.hazards.files.looked.value)


@pytest.mark.parametrize("name", ["hazard-log.csv", "hazard-log.json"])
def test_the_log_is_kept_as_a_file_and_brought_back_as_it_stands(
    register: Register, people: Staff, panel: SafetyPanel, name: str
):
    seed(register, people.author, PASSPHRASE)
    look(panel, "tab=hazards")
    kept = linked(panel.hazards.files.links.value, name)
    assert kept.startswith(b"\xef\xbb\xbf") == name.endswith(".csv")
    assert "0 new, 0 changed, 10 as stored, 0 refused" in bring(panel, kept)
    assert not shown(panel.hazards.files.form)
    assert {one.version for one in hazards.log(register)} == {1}


def changed_csv(panel: SafetyPanel, **fields: str) -> bytes:
    """The log as kept, with fields of its first rows changed as a spreadsheet would."""
    text = linked(panel.hazards.files.links.value, "hazard-log.csv").decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    for row, (name, value) in zip(rows, fields.items(), strict=False):
        row[name] = value
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def test_a_file_is_looked_through_row_by_row_before_anything_is_stored(
    register: Register, people: Staff, panel: SafetyPanel
):
    seed(register, people.author, PASSPHRASE)
    look(panel, "tab=hazards")
    part = panel.hazards.files
    shown_rows = bring(panel, changed_csv(panel, owner="lead for skin cancer", status="shut"))
    assert "0 new, 1 changed, 8 as stored, 1 refused. Nothing is stored yet." in shown_rows
    assert "3 H-002 refused status: it should be 'open', 'transferred' or 'closed' shut" in shown_rows
    assert {one.version for one in hazards.log(register)} == {1}
    sign(part, people.author)
    part.button.click()
    assert "where a row is refused nothing of the file is stored" in read(part.notice.value)
    assert {one.version for one in hazards.log(register)} == {1}
    part.without.value = True
    sign(part, people.author)
    part.button.click()
    assert "Stored, as drafts: 0 new, 1 changed" in read(part.notice.value)
    newest = {one.id: one for one in hazards.log(register)}
    assert (newest["H-001"].version, newest["H-001"].content.owner) == (2, "lead for skin cancer")
    assert newest["H-002"].version == 1


@pytest.mark.parametrize("given", [b"", b"\0\1\2", b"{", b"[1]", b"a,b\n1,2\n", "name\u00e9".encode("utf-16")])
def test_a_file_that_is_no_log_is_told_without_a_path_of_this_machine(
    register: Register, panel: SafetyPanel, given: bytes
):
    bring(panel, given)
    said = read(panel.hazards.files.notice.value)
    assert "This did not work" in said
    assert tempfile.gettempdir() not in said
    with pytest.raises(DermKitError) as refused:
        given_in_file(given)
    assert refused.value.case == "the file"


def test_a_file_above_the_limit_is_told(register: Register, panel: SafetyPanel):
    drop = panel.hazards.files.drop
    drop.content, drop.size = b"", drop.largest + 1
    drop.given += 1
    assert "a file of at most" in read(panel.hazards.files.notice.value)


# Incidents


@pytest.fixture
def incident(register: Register, people: Staff) -> str:
    a_hazard(register, people)
    return incidents.open_incident(register, an_alarm(), "H-001", people.author, PASSPHRASE).id


def take(panel: SafetyPanel, step: Step, person: str, said: str) -> str:
    part = panel.incidents
    sign(part, person)
    part.said.value = said
    part.buttons[step].click()
    return read(part.notice.value)


def test_an_incident_is_noted_its_hazard_reviewed_and_it_is_closed_by_an_officer(
    register: Register, people: Staff, panel: SafetyPanel, incident: str
):
    look(panel, f"tab=incidents&incident={incident}")
    assert "1 incident, 1 open" in read(panel.incidents.listed.value)
    assert "Ada Author" in read(panel.incidents.listed.value)
    assert "melanomas 57" in read(panel.incidents.detail.value)
    assert "noted" in take(panel, Step.NOTE, people.dermatologist, "The camera was changed.")
    assert "closed only once the linked hazard was reviewed" in take(panel, Step.CLOSE, people.officer, REASON)
    assert panel.incidents.said.value == REASON
    take(panel, Step.REVIEWED, people.author, "The likelihood stands.")
    assert "only a safety officer may" in take(panel, Step.CLOSE, people.author, REASON)
    take(panel, Step.CLOSE, people.officer, REASON)
    stored = incidents.find(register, incident)
    assert [step.kind for step in stored.steps] == ["opened", "noted", "hazard reviewed", "closed"]
    done = read(panel.incidents.detail.value)
    for step, name in zip(stored.steps, ("Ada Author", "Flo Reader", "Ada Author", "Bo Officer"), strict=True):
        assert f"{step.at[:10]} {step.at[11:16]} UTC, {name} : {step.kind}" in done
    assert "hazard reviewed (version 1)" in done
    assert not shown(panel.incidents.form)


def test_a_step_added_meanwhile_keeps_an_incident_open_and_the_text(
    register: Register, people: Staff, panel: SafetyPanel, incident: str
):
    incidents.hazard_reviewed(register, incident, "It stands.", people.author, PASSPHRASE)
    look(panel, f"tab=incidents&incident={incident}")
    incidents.note(register, incident, "It happened again.", people.author, PASSPHRASE)
    assert "somebody saved this meanwhile" in take(panel, Step.CLOSE, people.officer, REASON)
    assert panel.incidents.said.value == REASON
    assert "It happened again." in read(panel.incidents.detail.value)
    assert not incidents.find(register, incident).closed


def test_an_incident_that_is_not_there_is_told(panel: SafetyPanel):
    look(panel, "tab=incidents&incident=I-099")
    assert "there is no such incident" in read(panel.incidents.notice.value)


# Reports


@pytest.mark.parametrize("kind", [Kind.SAFETY_CASE, Kind.HAZARD_LOG, Kind.CHANGE_RECORD])
def test_each_report_is_made_in_three_forms_with_what_is_missing(
    register: Register, people: Staff, panel: SafetyPanel, kind: Kind
):
    a_hazard(register, people)
    made = a_change(register, people)
    look(panel, "tab=reports")
    part = panel.reports
    part.kind.value = kind
    part.change.value = made.id if kind is Kind.CHANGE_RECORD else ""
    part.as_of.value = "2026-12-01"
    part.button.click()
    name = f"{kind}-2026-12-01"
    document = json.loads(linked(part.made.value, f"{name}.json"))
    assert document["sections"][0]["title"].endswith("What is missing")
    rows = document["sections"][0]["blocks"][0]["rows"]
    assert f"{len(rows)} thing{'s are' if len(rows) > 1 else ' is'} missing" in read(part.made.value)
    assert linked(part.made.value, f"{name}.html").startswith(b"<!doctype html>")
    assert linked(part.made.value, f"{name}.docx").startswith(b"PK")
    assert document["title"] in read(part.notice.value)
    assert "1 December 2026" in read(part.notice.value)
    before = part.made.value
    part.button.click()
    assert part.made.value == before, "the same inputs give the same bytes"


def test_a_monitoring_report_is_made_only_of_a_feed_that_is_named(
    register: Register, panel: SafetyPanel, machine: Path, monkeypatch: pytest.MonkeyPatch
):
    look(panel, "tab=reports")
    panel.reports.kind.value = Kind.MONITORING
    assert NO_FEED in read(panel.reports.notice.value)
    panel.reports.button.click()
    assert "none is named on this machine" in read(panel.reports.notice.value)
    monkeypatch.setenv("DERM_KIT_FEED", str(machine / "nothing here"))
    panel.reports.button.click()
    said = read(panel.reports.notice.value)
    assert "This did not work" in said
    assert str(machine) not in said
    panel.look(Looking())
    assert not any(one.what == "Monitoring in service" for one in panel.missing.found)


def test_a_feed_that_is_named_gives_a_monitoring_report_and_is_told_in_the_safety_case(
    register: Register, panel: SafetyPanel, machine: Path, monkeypatch: pytest.MonkeyPatch
):
    service = replace(TRUST, years=2, cases_a_year=2_000)
    write_feed(planted_feed(Scenario.IN_CONTROL, service, features=False)[0], machine / "feed")
    monkeypatch.setenv("DERM_KIT_FEED", str(machine / "feed"))
    look(panel, "tab=reports")
    part = panel.reports
    part.kind.value = Kind.MONITORING
    part.button.click()
    document = json.loads(linked(part.made.value, f"monitoring-{TODAY.isoformat()}.json"))
    assert document["title"].startswith("Monitoring report")
    assert any(one["key"] == "feed" for one in document["sources"])
    part.kind.value, part.as_of.value = Kind.SAFETY_CASE, TODAY.isoformat()
    part.button.click()
    assert WATCHED in linked(part.made.value, f"safety-case-{TODAY.isoformat()}.json").decode()


def test_what_a_report_lacks_is_told(register: Register, panel: SafetyPanel):
    look(panel, "tab=reports")
    part = panel.reports
    part.kind.value = Kind.CHANGE_RECORD
    part.button.click()
    assert "Choose it in the list" in read(part.notice.value)
    part.kind.value, part.as_of.value = Kind.SAFETY_CASE, "last week"
    part.button.click()
    assert "a date is written as year, month and day" in read(part.notice.value)
    assert part.made.value == ""
    assert set(TITLES) == set(Kind)


# The map and the address


def test_the_evidence_map_filters_what_the_workbench_cannot_do(panel: SafetyPanel):
    look(panel, "tab=map")
    every, clauses = read(panel.map.listed.value), evidence_map()
    assert f"{len(clauses)} of {len(clauses)}" in every
    for clause in clauses:
        for said in (clause.topic, clause.cannot, *(p for p in clause.places if not p.startswith("notebooks/"))):
            assert said in every
    assert "href='03_threshold_tuning.ipynb'" in panel.map.listed.value
    panel.map.which.value = Clauses.CANNOT
    assert panel.address.state == "tab=map&clauses=cannot"
    assert "where to look" not in read(panel.map.listed.value)
    assert all(clause.cannot in read(panel.map.listed.value) for clause in clauses)
    panel.map.which.value = Clauses.NOWHERE
    nowhere = [clause for clause in clauses if not clause.places]
    assert f"{len(nowhere)} of {len(clauses)}" in read(panel.map.listed.value)
    assert read(panel.map.listed.value).count("nowhere") == len(nowhere)


@pytest.mark.parametrize(
    "looking",
    [
        Looking(),
        Looking(Tab.HAZARDS, Show.OVERDUE, Which.INITIAL, "H-001"),
        Looking(Tab.INCIDENTS, incident="I-001"),
        Looking(Tab.MAP, clauses=Clauses.NOWHERE),
    ],
)
def test_what_is_on_show_stands_in_the_address_and_comes_back(looking: Looking):
    text = looking.text() or "tab=missing"
    assert Looking.from_text(text) == looking
    assert html.unescape(looking.href()) == f"#{text}"


@pytest.mark.parametrize(
    "text", ["x", "tab=nothing", "show=all", "tab=hazards&x=1", "tab=map&tab=x", "tab=" + "h" * 999]
)
def test_an_address_that_this_page_did_not_write_is_told_and_changes_nothing(panel: SafetyPanel, text: str):
    look(panel, "tab=map")
    look(panel, text)
    assert "as it wrote it" in read(panel.notice.value)
    assert panel.looking.tab is Tab.MAP


class Marked(HTMLParser):
    """Elements and attributes that no text from outside may bring about."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "img", "iframe") or any(name.startswith("on") for name, _ in attrs):
            self.found.append(tag)


def test_text_from_outside_is_shown_as_text_everywhere(register: Register, people: Staff, panel: SafetyPanel):
    """In a list item, which has no line's end in it, as in a text."""
    one_line = [text for text in HOSTILE if "\n" not in text and "\r" not in text and text.strip()]
    hostile = {
        "name": one_line[0], "description": "\n".join(one_line), "causes": one_line, "effect": one_line[0],
        "harm": one_line[0], "owner": one_line[0], "transferred_to": one_line[1], "basis": one_line[0],
        "evidence": [{"kind": "document", "reference": one_line[0], "shows": one_line[0]}],
    }  # fmt: skip
    first = hazards.add(register, content_of(RAW | hostile, "test"), people.author, PASSPHRASE)
    hazards.revise(
        register, first, content_of(RAW | hostile | {"harm": one_line[1]}, "test"), people.author, PASSPHRASE
    )
    alarm = an_alarm(said=one_line[0], scope=one_line[0], signal=one_line[0], facts={one_line[0]: one_line[0]})
    incidents.open_incident(register, alarm, "H-001", people.author, PASSPHRASE)
    look(panel, "tab=hazards&hazard=H-001")
    bring(panel, linked(panel.hazards.files.links.value, "hazard-log.json"))
    look(panel, "tab=incidents&incident=I-001")
    log, part = panel.hazards, panel.hazards.open
    values = [
        log.listed.value, log.matrix.value, log.files.looked.value, part.detail.value, part.evidence.value,
        part.incidents.value, part.versions.value, part.both.value, panel.incidents.listed.value,
        panel.incidents.detail.value,
    ]  # fmt: skip
    for value in values:
        parser = Marked()
        parser.feed(value)
        assert parser.found == []
    assert one_line[0] in html.unescape(part.detail.value)


def test_a_register_that_cannot_be_read_is_told_and_the_page_lives(
    register: Register, panel: SafetyPanel, machine: Path
):
    key = machine / "workspace" / "audit.key"
    key.unlink()
    panel.refresh()
    assert "its key is not in the workspace" in read(panel.notice.value)
    assert panel.missing.found
    look(panel, "tab=map")
    assert "DCB0129" in read(panel.map.listed.value)


def test_nothing_is_registered_where_nobody_has_made_a_register():
    assert registered() == Registered()


# The front page


def test_the_front_page_has_doors_to_monitoring_and_safety_case_and_every_door_opens():
    targets = [target for _, target, _ in start.DOORS]
    assert {"06_monitoring.ipynb", "07_safety_case.ipynb"} <= set(targets)
    assert [name for name in targets if not (share("notebooks") / name).is_file()] == []
    assert len({name for name, _, _ in start.DOORS}) == len(start.DOORS)
