"""Page 06 in a real browser: words first, what was planted is found, an incident is opened and seen again."""

from __future__ import annotations

import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from derm_kit.model.card import share
from derm_kit.panels.monitoring_setting import FEED_VARIABLE
from derm_kit.records import incidents
from derm_kit.records.register import Register
from derm_kit.surveillance.deliveries import write_feed
from derm_kit.surveillance.scenario_service import Service
from derm_kit.surveillance.scenarios import Scenario, planted_feed
from tests.records.hazards import a_hazard
from tests.records.places import PASSPHRASE
from tests.records.proposals import Staff, staff
from tests.serving import served

PAGE = "06_monitoring.ipynb"
OFFICER = "Bo Officer, safety officer"
HOSTILE = "<img src=x onerror=document.title='owned'>"
WAIT = 90_000


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Staff]:
    """A register of this file's own, with people and a hazard."""
    folder = tmp_path_factory.mktemp("monitoring") / "workspace"
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DERM_KIT_DATABASE_URL", raising=False)
        with Register.open(folder) as register:
            people = staff(register)
            a_hazard(register, people)
    return folder, people


@pytest.fixture(scope="module")
def address(workspace: tuple[Path, Staff], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Page 06 alone, on a feed of this machine in which a site has a hostile name."""
    feed, _ = planted_feed(
        Scenario.NEW_CAMERA, Service("two clinics", (HOSTILE, "Clinic B"), 3_000, years=2), seed=5
    )  # fmt: skip
    own = tmp_path_factory.mktemp("own") / "feed"
    write_feed(feed, own)
    pages = tmp_path_factory.mktemp("pages")
    shutil.copy(share("notebooks") / PAGE, pages)
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("DERM_KIT_DATABASE_URL", "DERM_KIT_POLICY", "DERM_KIT_RUN"):
            patch.delenv(variable, raising=False)
        patch.setenv("DERM_KIT_WORKSPACE", str(workspace[0]))
        patch.setenv(FEED_VARIABLE, str(own))
        with served(pages, "warm") as (base, _):
            yield base.removesuffix("/voila/render/")


def section(page: Page, title: str) -> Locator:
    return page.locator(".dk-section").filter(has=page.get_by_role("heading", name=title, exact=True))


def opened(page: Page, state: str, name: str) -> Locator:
    """What the watches found in the feed that the address names, once all have run."""
    page.goto(f"/voila/render/{PAGE}#{state}")
    named(page, name)
    return settled(page)


def named(page: Page, name: str) -> None:
    """Wait until the page shows what is watched."""
    expect(section(page, "What is watched").locator("strong").get_by_text(name)).to_be_visible(timeout=WAIT)


def settled(page: Page) -> Locator:
    found = section(page, "What the watches found")
    expect(found.locator(".dk-status").first).to_be_visible(timeout=WAIT)
    expect(found.get_by_role("button", name="Stop")).to_be_hidden(timeout=WAIT)
    return found


def serious(page: Page) -> list[str]:
    """What axe-core finds of serious or critical impact, with the element it is about."""
    return [
        f"{v['id']}: {v['help']}: {v['nodes'][0]['html'][:200]}"
        for v in Axe().run(page).response["violations"]
        if v["impact"] in ("serious", "critical")
    ]


def test_what_was_planted_is_found_in_words_and_told_when_asked(page: Page):
    found = opened(page, "watch=silent_model_change", "Made-up trust: the model changes and nobody says so")
    expect(found).to_contain_text(re.compile(r"alarm\s*Melanoma sensitivity"))
    expect(found).to_contain_text("A fall of melanoma sensitivity from 95 % to 88 % is signalled")
    heads = page.get_by_role("heading", level=2).all_inner_texts()
    assert heads.index("What the watches found") < heads.index("Signals and their run lengths")
    assert heads.index("Signals and their run lengths") < heads.index("Paths of the signals")
    watched = section(page, "What is watched")
    expect(watched.get_by_text("sensitivity falls from 95% to 88%")).to_have_count(0)
    watched.get_by_role("button", name="What was planted?").click()
    expect(watched.get_by_text("sensitivity falls from 95% to 88%")).to_be_visible()
    expect(page.get_by_role("img", name="Melanoma sensitivity, CUSUM")).to_be_visible()


def test_in_control_it_is_quiet_and_a_reload_shows_the_same(page: Page):
    found = opened(page, "watch=in_control", "Made-up trust: nothing changes")
    expect(found).to_contain_text("No alarm, as far as these cases can tell.")
    expect(found.locator(".dk-status-alarm")).to_have_count(0)
    said = found.inner_text()
    page.reload()
    named(page, "Made-up trust: nothing changes")
    expect(settled(page)).to_have_text(re.compile("No alarm"), timeout=WAIT)
    assert settled(page).inner_text() == said


def test_a_keyboard_alone_chooses_a_site_and_the_figures_and_the_address_follow(page: Page):
    opened(page, "watch=new_camera", "Made-up trust: a new camera")
    choice = page.get_by_label("Site", exact=True)
    choice.focus()
    page.keyboard.press("S")
    expect(page).to_have_url(re.compile("site=Site"), timeout=WAIT)
    for _ in range(2):
        page.keyboard.press("ArrowDown")
    expect(page).to_have_url(re.compile(r"site=Site\+3"), timeout=WAIT)
    expect(section(page, "What is watched").get_by_text("22,349 of 100,000 cases")).to_be_visible(timeout=WAIT)
    found = settled(page)
    expect(found).to_contain_text("Input drift", timeout=WAIT)
    expect(found).not_to_contain_text("Site 1")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "SELECT"


def test_an_incident_is_opened_for_an_alarm_and_seen_again_after_a_reload(page: Page, workspace: tuple[Path, Staff]):
    opened(page, "watch=late_labels", "Made-up trust: biopsy results come late")
    part = section(page, "Open an incident")
    part.get_by_label("I am").select_option(label=OFFICER)
    part.get_by_label("Passphrase").fill("not the passphrase")
    part.get_by_role("button", name="Open an incident").click()
    expect(part.get_by_role("alert")).to_contain_text("the passphrase is wrong", timeout=WAIT)
    expect(part.get_by_label("Passphrase")).to_have_value("")
    part.get_by_label("Passphrase").fill(PASSPHRASE)
    part.get_by_role("button", name="Open an incident").click()
    expect(part.get_by_text("Incident I-001 is open, linked to hazard H-001.")).to_be_visible(timeout=WAIT)
    page.goto("about:blank")
    opened(page, "watch=in_control", "Made-up trust: nothing changes")
    expect(part.get_by_role("heading", name="Open incidents: 1, closed: 0")).to_be_visible(timeout=WAIT)
    expect(part.get_by_text("SIMULATED, to learn on")).to_be_visible()
    part.get_by_label("I am").select_option(label=OFFICER)
    part.get_by_label("Passphrase").fill(PASSPHRASE)
    part.get_by_label("Note").fill("The courier of site 3 was changed.")
    part.get_by_role("button", name="Add a note").click()
    expect(part.get_by_text("Incident I-001: open, step 2")).to_be_visible(timeout=WAIT)
    with Register.open(workspace[0]) as register:
        made = incidents.find(register, "I-001")
    assert made.hazard == "H-001"
    assert {step.person for step in made.steps} == {workspace[1].officer}
    assert made.steps[-1].said == "The courier of site 3 was changed."


def test_the_feed_of_this_machine_opens_first_and_a_hostile_site_is_text(page: Page):
    opened(page, "", "This machine’s feed")
    expect(section(page, "What is watched")).to_contain_text("6,000 cases")
    groups = section(page, "Groups and sites beside each other")
    expect(groups.get_by_text("<img src=x").first).to_be_attached(timeout=WAIT)
    page.get_by_label("Site", exact=True).select_option(label=HOSTILE)
    expect(page).to_have_url(re.compile("site=%3Cimg"), timeout=WAIT)
    settled(page)
    assert page.locator(".dk-page img").count() == 0
    assert page.title() != "owned"


def test_a_wrong_address_is_told_beside_what_stood_there(page: Page):
    found = opened(page, "watch=in_control", "Made-up trust: nothing changes")
    page.evaluate("window.location.hash = 'lag_days=-5'")
    expect(page.get_by_role("alert")).to_contain_text("a registry lags 0 to 3,650 days behind")
    expect(found).to_contain_text("No alarm")


def test_the_report_and_all_tables_are_kept(page: Page, tmp_path: Path):
    opened(page, "watch=late_labels", "Made-up trust: biopsy results come late")
    files = section(page, "Files")
    files.get_by_role("button", name="Make files of all tables").click()
    with page.expect_download(timeout=WAIT) as tables:
        files.get_by_role("link", name="Keep all tables").click(timeout=WAIT)
    assert "signals.csv" in zipfile.ZipFile(tables.value.path()).namelist()
    files.get_by_role("button", name="Write the monitoring report").click()
    with page.expect_download(timeout=WAIT) as report:
        files.get_by_role("link", name="Keep as page to print (HTML)").click(timeout=WAIT)
    assert "biopsy told in time" in Path(report.value.path()).read_text("utf-8")


@pytest.mark.parametrize("state", ["watch=new_camera", "watch=silent_model_change&outcomes=biopsy"])
def test_axe_finds_nothing_serious_in_either_scheme_and_nothing_is_cut_off(page: Page, state: str):
    opened(page, state, "Made-up trust")
    page.get_by_role("button", name="What was planted?").click()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert serious(page) == [], scheme
    page.set_viewport_size({"width": 390, "height": 800})
    past_the_edge = page.evaluate(
        "[...document.querySelectorAll('.dk-section h2, .dk-section h3, .dk-section p, .dk-section li, .dk-section "
        "select, .dk-section input, .dk-section button, .dk-section svg, .dk-section .dk-scroll, .dk-section label')]"
        ".filter(e => e.offsetParent !== null && !(e.closest('.dk-scroll') && !e.matches('.dk-scroll')))"
        ".map(e => [e.getBoundingClientRect().right - e.closest('.dk-section').getBoundingClientRect().right,"
        " e.outerHTML.slice(0, 120)]).filter(([past]) => past >= 0)"
    )
    assert past_the_edge == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    heads = page.locator(".dk-section h2").all()
    tops = [head.bounding_box()["y"] for head in heads if head.is_visible()]
    assert tops == sorted(tops)
