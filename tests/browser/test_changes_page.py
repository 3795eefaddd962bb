"""Change control on page 03 in a real browser: from a proposal to a signed file, by people who may and who may not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from derm_kit.model.card import share
from derm_kit.panels.changes_signing import PRESSED_AGAIN
from derm_kit.records import change, release
from derm_kit.records.change import Change
from derm_kit.records.change_steps import State
from derm_kit.records.register import Register
from tests.records.places import PASSPHRASE
from tests.records.proposals import MELANOMA, REASON, Staff, default, moved, staff
from tests.serving import served

PAGE = "03_threshold_tuning.ipynb"
OFFICER, SECOND, ADMINISTRATOR = "Bo Officer, safety officer", "Cy Second, safety officer", "Ed Admin, administrator"
WAIT = 60_000


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Staff]:
    """A workspace of this file's own: what is released here is in force for every page that is served from it."""
    folder = tmp_path_factory.mktemp("changes") / "workspace"
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DERM_KIT_DATABASE_URL", raising=False)
        with Register.open(folder) as register:
            return folder, staff(register)


@pytest.fixture(scope="module")
def address(workspace: tuple[Path, Staff], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Page 03 alone, served as a workbench serves it: with a page made ready before anybody asks for it."""
    pages = tmp_path_factory.mktemp("pages")
    shutil.copy(share("notebooks") / PAGE, pages)
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("DERM_KIT_DATABASE_URL", "DERM_KIT_POLICY", "DERM_KIT_RUN"):
            patch.delenv(variable, raising=False)
        patch.setenv("DERM_KIT_WORKSPACE", str(workspace[0]))
        with served(pages, "warm") as (base, _):
            yield base.removesuffix("/voila/render/")


@pytest.fixture
def people(workspace: tuple[Path, Staff]) -> Staff:
    return workspace[1]


@pytest.fixture
def register(workspace: tuple[Path, Staff]) -> Iterator[Register]:
    with Register.open(workspace[0]) as opened:
        yield opened


def opened(page: Page, register: Register) -> None:
    """The page, once it starts from what is in force: it may have been made ready before the last release."""
    page.goto(f"/voila/render/{PAGE}")
    found = release.release_in_force(register)
    words = f"This page starts from release {found.version}" if found else "No release of this machine’s register"
    expect(page.get_by_text(words)).to_be_visible(timeout=WAIT)


def section(page: Page, title: str) -> Locator:
    return page.locator(".dk-section").filter(has=page.get_by_role("heading", name=title, exact=True))


def under_way(page: Page, of: Change) -> Locator:
    """The section with a change open."""
    part = section(page, "Changes under way")
    part.get_by_role("button", name="Look at changes under way").click()
    part.get_by_role("button", name=f"Open {of.id[:8]}").click()
    expect(part.get_by_role("heading", name=f"Change {of.id[:8]}")).to_be_visible(timeout=WAIT)
    return part


def take(
    part: Locator, step: str, who: str, reason: str = REASON, passphrase: str = PASSPHRASE, presses: int = 1
) -> None:
    part.get_by_label("I am").first.select_option(label=who)
    part.get_by_label("Passphrase").first.fill(passphrase)
    if reason:
        part.get_by_label("Reason", exact=True).fill(reason)
    part.get_by_role("button", name=step, exact=True).click(click_count=presses)


def from_the_last(register: Register, people: Staff, melanoma: float) -> Change:
    """A change that starts from what was released last, whichever test released it."""
    known = release.releases(register)
    old = known[-1].policy if known else default()
    return change.propose(register, moved(old, melanoma), people.author, PASSPHRASE)


def serious(page: Page) -> list[str]:
    """What axe-core finds of serious or critical impact, with the element it is about."""
    return [
        f"{v['id']}: {v['help']}: {v['nodes'][0]['html'][:200]}"
        for v in Axe().run(page).response["violations"]
        if v["impact"] in ("serious", "critical")
    ]


def test_a_proposal_goes_into_the_register_and_its_author_cannot_approve_it(
    page: Page, register: Register, people: Staff
):
    opened(page, register)
    page.get_by_label("Melanoma, threshold as a number").fill("0.031")
    page.keyboard.press("Tab")
    part = section(page, "Propose this change")
    part.get_by_label("Why").fill("Melanomas are missed that need not be; more benign lesions are referred.")
    part.get_by_role("button", name="Propose this change").click()
    part.get_by_label("I am").select_option(label=OFFICER, timeout=WAIT)
    part.get_by_label("Passphrase").fill("not the passphrase")
    part.get_by_role("button", name="Put it into the register").click()
    expect(part.get_by_role("alert")).to_contain_text("the passphrase is wrong", timeout=WAIT)
    expect(part.get_by_label("Passphrase")).to_have_value("")
    part.get_by_label("Passphrase").fill(PASSPHRASE)
    part.get_by_role("button", name="Put it into the register").click()
    expect(part.get_by_text("It is in the register as change")).to_be_visible(timeout=WAIT)
    made = change.standings(register)[-1]
    assert (made.author, made.state) == (people.officer, State.PROPOSED)
    assert change.find(register, made.id).proposal.new_policy.thresholds[MELANOMA] == 0.031
    part = under_way(page, made)
    take(part, "Approve", OFFICER)
    expect(part.get_by_role("alert")).to_contain_text("nobody decides on their own change", timeout=WAIT)
    expect(part.get_by_label("Reason", exact=True)).to_have_value(REASON)
    assert change.find(register, made.id).state is State.PROPOSED


def test_what_others_approve_is_released_verified_and_in_force_on_the_next_page(
    page: Page, register: Register, people: Staff, tmp_path: Path
):
    made = from_the_last(register, people, 0.0421)
    opened(page, register)
    part = under_way(page, made)
    take(part, "Approve", OFFICER, presses=2)
    expect(part.get_by_text("is approved.")).to_be_visible(timeout=WAIT)
    expect(part.get_by_text(PRESSED_AGAIN)).to_be_visible()
    take(part, "Release", ADMINISTRATOR, reason="", presses=2)
    expect(part.get_by_text("Released: release")).to_be_visible(timeout=WAIT)
    expect(part.get_by_text(PRESSED_AGAIN)).to_be_visible()
    newest = release.releases(register)[-1]
    files = {"file.json": f"Keep release {newest.version}, signed (JSON)", "key.pem": "Keep the public key (PEM)"}
    for name, words in files.items():
        with page.expect_download() as download:
            part.get_by_role("link", name=words).click()
        download.value.save_as(tmp_path / name)
    done = subprocess.run(
        [Path(sys.executable).with_name("derm-kit"), "policy", "verify", tmp_path / "file.json", "--public-key",
         tmp_path / "key.pem"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Verified" in done.stdout
    expect(part.get_by_text("Nothing is ever sent to a device").last).to_be_visible()
    opened(page, register)
    expect(page.get_by_label("Melanoma, threshold as a number")).to_have_value("0.0421")


def test_axe_finds_nothing_serious_in_either_scheme_with_a_change_and_releases_open(
    page: Page, register: Register, people: Staff
):
    make_a_release(register, people)
    made = from_the_last(register, people, 0.0531)
    opened(page, register)
    page.get_by_label("Melanoma, threshold as a number").fill("0.2")
    page.keyboard.press("Tab")
    page.get_by_label("Why").fill("More melanomas are missed so that fewer are referred.")
    page.get_by_role("button", name="Propose this change").click()
    expect(page.get_by_role("button", name="Put it into the register")).to_be_visible(timeout=WAIT)
    part = under_way(page, made)
    take(part, "Approve", SECOND, reason="")
    expect(part.get_by_role("alert")).to_contain_text("a stated reason", timeout=WAIT)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert serious(page) == [], scheme


def test_nothing_of_a_change_is_cut_off_on_a_narrow_screen(page: Page, register: Register, people: Staff):
    make_a_release(register, people)
    page.set_viewport_size({"width": 390, "height": 800})
    made = from_the_last(register, people, 0.0532)
    opened(page, register)
    part = under_way(page, made)
    expect(part.get_by_role("button", name="Roll back")).to_be_visible()
    past_the_edge = page.evaluate(
        "[...document.querySelectorAll('.dk-section h3, .dk-section p, .dk-section li, .dk-section dd, "
        ".dk-section select, .dk-section input, .dk-section textarea, .dk-section button, .dk-section a, "
        ".dk-section .dk-scroll')]"
        ".filter(e => e.offsetParent !== null && !(e.closest('.dk-scroll') && !e.matches('.dk-scroll')))"
        ".map(e => [e.getBoundingClientRect().right - e.closest('.dk-section').getBoundingClientRect().right,"
        " e.outerHTML.slice(0, 120)]).filter(([past]) => past >= 0)"
    )
    assert past_the_edge == []


def make_a_release(register: Register, people: Staff) -> None:
    """There is at least one release."""
    if not release.releases(register):
        made = change.approve(register, from_the_last(register, people, 0.052), people.officer, PASSPHRASE, REASON)
        change.release_change(register, made, people.administrator, PASSPHRASE)
