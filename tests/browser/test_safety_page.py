"""Page 07 in a real browser: a log begun, revised and approved by another, refusals, a form that stays."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from derm_kit.model.card import share
from derm_kit.panels.hazards_edit import IS_BACK
from derm_kit.records import hazards, incidents
from derm_kit.records.register import Register
from tests.browser.keys import tab_to
from tests.readers import copied
from tests.records.hazards import HOSTILE, LATER, a_hazard, an_alarm
from tests.records.places import PASSPHRASE
from tests.records.proposals import REASON, Staff, staff
from tests.serving import served

PAGE, FRONT, WATCH = "07_safety_case.ipynb", "00_start_here.ipynb", "06_monitoring.ipynb"
AUTHOR, OFFICER = "Ada Author, reviewer", "Bo Officer, safety officer"
WAIT = 60_000


@pytest.fixture(scope="module")
def staffed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Staff]:
    """A register with people and without a hazard."""
    folder = tmp_path_factory.mktemp("staffed") / "workspace"
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DERM_KIT_DATABASE_URL", raising=False)
        with Register.open(folder) as register:
            return folder, staff(register)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the served workbench looks for its register; each test puts its own there."""
    return tmp_path_factory.mktemp("served") / "workspace"


@pytest.fixture(scope="module")
def address(workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The front page and what its two newest doors lead to, in kernels that start when they are asked for."""
    pages = tmp_path_factory.mktemp("pages")
    for page in (PAGE, FRONT, WATCH):
        shutil.copy(share("notebooks") / page, pages)
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("DERM_KIT_DATABASE_URL", "DERM_KIT_POLICY", "DERM_KIT_RUN", "DERM_KIT_FEED"):
            patch.delenv(variable, raising=False)
        patch.setenv("DERM_KIT_WORKSPACE", str(workspace))
        with served(pages, "cold") as (base, _):
            yield base.removesuffix("/voila/render/")


@pytest.fixture
def people(staffed: tuple[Path, Staff]) -> Staff:
    return staffed[1]


@pytest.fixture
def register(staffed: tuple[Path, Staff], workspace: Path) -> Iterator[Register]:
    """This test's own register, as somebody else has it open."""
    shutil.rmtree(workspace, ignore_errors=True)
    with Register.open(copied(staffed[0], workspace)) as opened:
        yield opened


def goto(page: Page, part: str = "") -> None:
    """The page on one of its parts."""
    page.goto(f"/voila/render/{PAGE}{f'#{part}' if part else ''}")
    expect(page.get_by_role("heading", name="Safety case", level=1)).to_be_visible(timeout=WAIT)


def sign(page: Page, who: str, passphrase: str = PASSPHRASE) -> None:
    """Fill in the one signature that is in sight below the form in question."""
    page.get_by_label("I am").locator("visible=true").first.select_option(label=who)
    page.get_by_label("Passphrase").locator("visible=true").first.fill(passphrase)


def form(page: Page) -> Locator:
    return page.locator(".dk-section").filter(has=page.get_by_role("button", name="Store as a draft"))


def serious(page: Page) -> list[str]:
    """What axe-core finds of serious or critical impact, with the element it is about."""
    return [
        f"{v['id']}: {v['help']}: {v['nodes'][0]['html'][:200]}"
        for v in Axe().run(page).response["violations"]
        if v["impact"] in ("serious", "critical")
    ]


def past_the_edge(page: Page) -> list[object]:
    """What is cut off at the right of its section."""
    found: list[object] = page.evaluate(
        "[...document.querySelectorAll('.dk-section :is(table, h3, p, li, dd, select, input, textarea, button, a)')]"
        ".filter(e => e.offsetParent !== null && !e.closest('details:not([open])'))"
        ".map(e => [e.getBoundingClientRect().right - e.closest('.dk-section').getBoundingClientRect().right,"
        " e.outerHTML.slice(0, 120)]).filter(([past]) => past > 0)"
    )
    return found


def test_a_log_is_begun_a_hazard_revised_and_approved_by_another(page: Page, register: Register, people: Staff):
    goto(page)
    page.get_by_role("link", name="Hazard log: begin it").click()
    expect(page.get_by_text("The log is empty.")).to_be_visible(timeout=WAIT)
    assert page.url.endswith("#tab=hazards")
    sign(page, AUTHOR)
    page.get_by_role("button", name="Begin with the ten hazards").click()
    expect(page.get_by_text("The log is begun: 10 hazards, as drafts.")).to_be_visible(timeout=WAIT)
    expect(page.locator(".dk-hazards tbody tr")).to_have_count(10)
    page.get_by_role("link", name="H-004", exact=True).first.click()
    heading = page.get_by_role("heading", name="H-004: Wrong patient or wrong lesion")
    expect(heading).to_be_focused(timeout=WAIT)
    assert page.url.endswith("#tab=hazards&hazard=H-004")
    page.get_by_role("button", name="Revise this hazard").click()
    part = form(page)
    part.get_by_label("Owner").fill("Bo Officer")
    part.get_by_label("Status", exact=True).select_option(label="closed")
    part.get_by_label("Residual likelihood").select_option(label="very high")
    part.get_by_label("What the judgements rest on").fill("Weighed at the safety meeting of the clinic.")
    part.get_by_label("Next review").fill(LATER)
    part.get_by_role("button", name="Store as a draft").click()
    told = part.locator(".dk-told")
    closed = told.filter(has_text="a hazard with a residual risk of 4 or 5 is never closed")
    expect(closed).to_be_visible(timeout=WAIT)
    expect(told).to_have_count(3)
    expect(told.filter(has_text="severity or risk above the initial one has its reason")).to_be_visible()
    beside = closed.evaluate("e => e.closest('.widget-vbox').querySelector('select')?.value")
    assert beside == part.get_by_label("Status", exact=True).input_value()
    part.get_by_label("Status", exact=True).select_option(label="open")
    part.get_by_label("Residual likelihood").select_option(label="very low")
    part.get_by_role("button", name="Store as a draft").click()
    expect(told).to_have_count(1, timeout=WAIT)
    expect(told).to_contain_text("it names nobody")
    part.get_by_label("Owner").fill("lead for skin cancer")
    part.get_by_label("I am").select_option(label=AUTHOR)
    part.get_by_label("Passphrase").fill(PASSPHRASE)
    part.get_by_role("button", name="Store as a draft").click()
    expect(page.get_by_text("Stored: a new version of H-004, as a draft.")).to_be_visible(timeout=WAIT)
    expect(page.get_by_text("4 fields differ, 18 are the same")).to_be_visible()
    sign(page, AUTHOR)
    page.get_by_label("Reason").locator("visible=true").fill(REASON)
    page.get_by_role("button", name="Approve this version").click()
    expect(page.get_by_role("alert").filter(has_text="nobody approves what they wrote")).to_be_visible(timeout=WAIT)
    sign(page, OFFICER)
    page.get_by_role("button", name="Approve this version").click()
    expect(page.get_by_text("Version 2 of H-004 is approved.")).to_be_visible(timeout=WAIT)
    found = hazards.find(register, "H-004")
    assert found.approval is not None
    assert (found.author, found.approval.approver) == (people.author, people.officer)
    assert found.content.owner == "lead for skin cancer"
    row = page.locator(".dk-hazards tbody tr").filter(has_text="H-004")
    expect(row).to_contain_text("2, approved")
    with page.expect_download() as kept:
        page.get_by_role("link", name="Keep the log as JSON").click()
    assert '"lead for skin cancer"' in Path(kept.value.path()).read_text("utf-8")


def test_the_matrix_counts_the_hazards_of_each_risk(page: Page, register: Register, people: Staff):
    """Hand counts of four hazards: three initially high x major, of which two fall to low x major."""
    a_hazard(register, people)
    a_hazard(register, people, name="Second")
    a_hazard(register, people, name="Third", residual_likelihood=None, residual_severity=None)
    a_hazard(register, people, name="Fourth", initial_severity="catastrophic")
    goto(page, "tab=hazards")
    cells = page.locator(".dk-matrix td[data-n]")
    expect(cells).to_have_count(25, timeout=WAIT)
    counts = "cells => cells.map(c => +c.dataset.n)"
    residual = [0] * 15 + [0, 0, 0, 3, 0] + [0] * 5
    assert cells.evaluate_all(counts) == residual
    expect(page.get_by_text("Not judged: H-003.")).to_be_visible()
    page.get_by_label("initial: with the existing controls").check()
    expect(cells.nth(8)).to_contain_text("3 hazards", timeout=WAIT)
    assert cells.evaluate_all(counts) == [0] * 5 + [0, 0, 0, 3, 1] + [0] * 15
    expect(cells.nth(9)).to_contain_text("5 unacceptable")
    expect(page).to_have_url(f"{page.url.split('#')[0]}#tab=hazards&risk=initial")


def test_text_from_outside_is_text_on_the_page(page: Page, register: Register, people: Staff):
    a_hazard(register, people, name=HOSTILE[0], harm=HOSTILE[0], causes=[HOSTILE[0], HOSTILE[1]])
    alarm = an_alarm(said=HOSTILE[0], signal=HOSTILE[0], facts={HOSTILE[0]: HOSTILE[0]})
    incidents.open_incident(register, alarm, "H-001", people.author, PASSPHRASE)
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    goto(page, "tab=hazards&hazard=H-001")
    expect(page.get_by_role("heading", name=f"H-001: {HOSTILE[0]}")).to_be_visible(timeout=WAIT)
    page.get_by_role("link", name="I-001").click()
    expect(page.get_by_role("heading", name="Incident I-001")).to_be_visible(timeout=WAIT)
    expect(page.get_by_text(HOSTILE[0]).locator("visible=true").first).to_be_visible()
    assert page.locator(".dk-page img, .dk-section script").evaluate_all("es => es.map(e => e.outerHTML)") == []


def test_what_is_written_outlives_a_reload_and_a_second_writer_is_shown_beside_it(
    page: Page, register: Register, people: Staff
):
    first = a_hazard(register, people)
    goto(page, "tab=hazards&hazard=H-001")
    page.get_by_role("button", name="Revise this hazard").click()
    form(page).get_by_label("Harm").fill("mine, typed with care")
    page.wait_for_function("(sessionStorage.getItem('derm-kit hazard draft') || '').includes('typed with care')")
    page.reload()
    part = form(page)
    expect(part.get_by_text(IS_BACK)).to_be_visible(timeout=WAIT)
    expect(part.get_by_label("Harm")).to_have_value("mine, typed with care")
    expect(page.get_by_role("heading", name="H-001: False-negative discharge")).to_be_visible(timeout=WAIT)
    theirs = first.content.model_copy(update={"harm": "theirs"})
    hazards.revise(register, first, theirs, people.second, PASSPHRASE)
    part.get_by_label("I am").select_option(label=AUTHOR)
    part.get_by_label("Passphrase").fill(PASSPHRASE)
    part.get_by_role("button", name="Store as a draft").click()
    expect(part.get_by_text("Somebody stored version 2 of H-001 meanwhile. Yours is kept.")).to_be_visible(timeout=WAIT)
    both = part.locator(".dk-sides tbody tr")
    expect(both).to_have_count(1)
    expect(both).to_contain_text("theirs")
    expect(both).to_contain_text("mine, typed with care")
    expect(part.get_by_label("Harm")).to_have_value("mine, typed with care")
    part.get_by_label("Passphrase").fill(PASSPHRASE)
    part.get_by_role("button", name="Store as a draft").click()
    expect(page.get_by_text("Stored: a new version of H-001")).to_be_visible(timeout=WAIT)
    harms = [one.content.harm for one in hazards.history(register, "H-001")]
    assert harms == ["late treatment", "theirs", "mine, typed with care"]
    assert page.evaluate("sessionStorage.getItem('derm-kit hazard draft')") is None


def test_an_incident_is_closed_with_the_keyboard_alone(page: Page, register: Register, people: Staff):
    a_hazard(register, people)
    incidents.open_incident(register, an_alarm(), "H-001", people.author, PASSPHRASE)
    incidents.hazard_reviewed(register, "I-001", "The likelihood stands.", people.author, PASSPHRASE)
    goto(page)
    tab_to(page, "Incidents")
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 incident, 1 open")).to_be_visible(timeout=WAIT)
    tab_to(page, "I-001")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Incident I-001")).to_be_focused(timeout=WAIT)
    tab_to(page, "I am")
    page.keyboard.type("Bo")
    tab_to(page, "Passphrase")
    page.keyboard.type(PASSPHRASE)
    tab_to(page, "What was found or done")
    page.keyboard.type(REASON)
    tab_to(page, "Close the incident")
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 incident, 0 open")).to_be_visible(timeout=WAIT)
    assert incidents.find(register, "I-001").closed


def test_a_file_is_looked_through_before_it_is_stored_and_reports_are_kept(
    page: Page, register: Register, people: Staff, tmp_path: Path
):
    a_hazard(register, people)
    goto(page, "tab=hazards")
    with page.expect_download() as kept:
        page.get_by_role("link", name="Keep the log as CSV").click()
    text = Path(kept.value.path()).read_text("utf-8-sig")
    file = tmp_path / "log.csv"
    file.write_text(text.replace("late treatment", "very late treatment"), "utf-8")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose a file").click()
    chooser.value.set_files(file)
    expect(page.get_by_text("0 new, 1 changed, 0 as stored, 0 refused. Nothing is stored yet.")).to_be_visible(
        timeout=WAIT
    )
    assert hazards.find(register, "H-001").version == 1
    sign(page, AUTHOR)
    page.get_by_role("button", name="Store them as drafts").click()
    expect(page.get_by_text("Stored, as drafts: 0 new, 1 changed")).to_be_visible(timeout=WAIT)
    assert hazards.find(register, "H-001").content.harm == "very late treatment"
    page.get_by_role("link", name="Reports", exact=True).click()
    page.get_by_role("button", name="Make the report").click()
    for name, begins in (("HTML", b"<!doctype html>"), ("DOCX", b"PK"), ("JSON", b"{")):
        with page.expect_download(timeout=WAIT) as kept:
            page.get_by_role("link", name=name).click()
        assert Path(kept.value.path()).read_bytes().startswith(begins)


def test_axe_finds_nothing_serious_in_either_scheme_and_nothing_is_cut_off_on_a_narrow_screen(
    page: Page, register: Register, people: Staff
):
    first = a_hazard(register, people, evidence=[{"kind": "document", "reference": "docs/thresholds.md"}])
    hazards.revise(register, first, first.content.model_copy(update={"harm": "death"}), people.author, PASSPHRASE)
    incidents.open_incident(register, an_alarm(), "H-001", people.author, PASSPHRASE)
    goto(page)
    for part in ("missing", "hazards&hazard=H-001", "incidents&incident=I-001", "reports", "map"):
        page.goto(f"/voila/render/{PAGE}#tab={part}")
        expect(page.locator(f".dk-tabs a[data-tab={part.split('&')[0]}][aria-current=page]")).to_be_visible(
            timeout=WAIT
        )
        if part.startswith("hazards"):
            page.get_by_role("button", name="Revise this hazard").click()
            form(page).get_by_label("Causes").fill("")
            form(page).get_by_role("button", name="Store as a draft").click()
            expect(form(page).locator(".dk-told")).to_be_visible(timeout=WAIT)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            assert serious(page) == [], (part, scheme)
        page.set_viewport_size({"width": 390, "height": 800})
        assert past_the_edge(page) == [], part
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, part
        page.set_viewport_size({"width": 1440, "height": 900})


@pytest.mark.parametrize(("door", "title"), [("Service in use", "Monitoring"), ("Safety case", "Safety case")])
def test_the_front_page_leads_to_monitoring_and_safety_case(page: Page, register: Register, door: str, title: str):
    page.goto(f"/voila/render/{FRONT}")
    page.get_by_role("link", name=door, exact=True).click(timeout=WAIT)
    expect(page.get_by_role("heading", name=title, level=1)).to_be_visible(timeout=WAIT)
