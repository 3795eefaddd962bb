"""A page that loses its kernel or the line to it says so, and picks up again with every decision stored once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Browser, Page, expect

from derm_kit.records.register import Register
from derm_kit.triage.definition import Disposition
from derm_kit.triage.proposal import run_hash
from derm_kit.triage.worklist import Wanted, Worklist
from tests.browser.test_pages import serious_in_either_scheme
from tests.browser.test_review_page import all_taken, opened, shown, sign_in
from tests.line import DOWN, UP, Line, line_to
from tests.serving import kernel_process

WAIT = 60_000
NOTICE = ".dk-connection"
LOST, BACK, GONE = "connection to the workbench is lost", "has been sent, once", "behind this page has ended"
PAGES = ("00_start_here", "01_triage_a_case", "02_case_review", "03_threshold_tuning", "04_referral_simulation",
         "05_teaching_session", "06_monitoring", "07_safety_case")  # fmt: skip


@pytest.fixture(scope="module")
def order(reference, policy) -> list[str]:
    """Case ids as the list opens; these tests take the last of them, other tests the first."""
    worklist = Worklist.of(reference, policy)
    return worklist.table["case_id"].iloc[worklist.positions(Wanted(), {})].tolist()[::-1]


@pytest.fixture(scope="module")
def run(reference) -> str:
    return run_hash(reference)


@pytest.fixture
def register(readers: Path) -> Iterator[Register]:
    with Register.open(readers) as opened_here:
        yield opened_here


@pytest.fixture
def line(address: str) -> Iterator[Line]:
    with line_to(address) as found:
        yield found


@pytest.fixture
def page(browser: Browser, line: Line) -> Iterator[Page]:
    """A page at the end of the line; a browser writes broken connections into its console."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, base_url=line.address)
    yield context.new_page()
    context.close()


def kernel_of(page: Page) -> psutil.Process:
    """The process behind a page."""
    kernel = page.evaluate("JSON.parse(document.getElementById('jupyter-config-data').textContent).kernelId")
    return kernel_process(kernel)


def kill_kernel(page: Page) -> None:
    kernel = kernel_of(page)
    kernel.kill()
    psutil.wait_procs([kernel], timeout=30)


def stored_for(register: Register, run: str, case: str) -> list[str]:
    return [review.disposition for review in register.reviews(run, case)]


def press(page: Page, keys: str) -> list[str]:
    """Decide by these keys, one after the other; what they stand for."""
    for key in keys:
        page.keyboard.press(key)
    return [list(Disposition)[int(key) - 1] for key in keys]


def decided_once(page: Page, register: Register, run: str, case: str, keys: str) -> None:
    expect(page.locator(NOTICE)).to_contain_text(BACK, timeout=WAIT)
    expect(page.get_by_text(re.compile(r"^Stored as version"))).to_be_visible(timeout=WAIT)
    all_taken(page)
    assert stored_for(register, run, case) == [list(Disposition)[int(key) - 1] for key in keys]
    page.locator(NOTICE).get_by_role("button", name="Close").click()
    expect(page.locator(NOTICE)).to_be_hidden()
    assert register.verify().sound


@pytest.mark.parametrize("name", PAGES)
def test_every_page_says_that_its_kernel_has_died(page: Page, name: str):
    page.goto(f"/voila/render/{name}.ipynb")
    expect(page.get_by_role("heading", level=1)).to_be_visible(timeout=WAIT)
    expect(page.locator(NOTICE)).to_be_hidden()
    page.locator("#rendered_cells").evaluate("cells => cells.scrollTo(0, cells.scrollHeight)")
    kill_kernel(page)
    expect(page.get_by_role("alert").filter(has_text=GONE)).to_be_visible(timeout=WAIT)
    expect(page.locator(NOTICE)).to_be_in_viewport(ratio=1)


def test_what_is_stored_and_what_is_typed_outlive_a_killed_kernel(
    page: Page, order: list[str], run: str, register: Register
):
    sign_in(opened(page, run, order[0]))
    said = press(page, "31")
    all_taken(page)
    note = page.get_by_label("Note")
    note.fill("seen with <b>Ben</b>\nand again on Monday")
    kill_kernel(page)
    expect(page.locator(NOTICE)).to_contain_text(GONE, timeout=WAIT)
    expect(note).to_have_value("seen with <b>Ben</b>\nand again on Monday")
    assert serious_in_either_scheme(page) == []
    page.get_by_role("button", name="Load the page again").click()
    shown(page, order[0])
    expect(page.locator(NOTICE)).to_contain_text("seen with <b>Ben</b>\nand again on Monday", timeout=WAIT)
    assert stored_for(register, run, order[0]) == said
    page.locator(NOTICE).get_by_role("button", name="Close").click()
    page.reload()
    shown(page, order[0])
    expect(page.locator(NOTICE)).to_be_hidden()


def test_decisions_taken_while_the_line_is_cut_are_stored_once_and_in_order(
    page: Page, line: Line, order: list[str], run: str, register: Register
):
    sign_in(opened(page, run, order[1]))
    press(page, "1")
    all_taken(page)
    line.cut()
    expect(page.get_by_role("alert").filter(has_text=LOST)).to_be_visible(timeout=WAIT)
    press(page, "234")
    assert serious_in_either_scheme(page) == []
    assert len(stored_for(register, run, order[1])) == 1
    line.mend()
    decided_once(page, register, run, order[1], "1234")


@pytest.mark.parametrize("ways", [(UP,), (DOWN,), (UP, DOWN)], ids=" and ".join)
def test_what_was_on_its_way_when_the_line_broke_is_neither_lost_nor_taken_twice(
    page: Page, line: Line, order: list[str], run: str, register: Register, ways: tuple[str, ...]
):
    """Held, then thrown away: the page cannot know which of its messages arrived."""
    case = order[2 + len(ways) + (DOWN in ways)]
    sign_in(opened(page, run, case))
    press(page, "1")
    all_taken(page)
    line.hold(*ways)
    press(page, "23")
    expect(page.locator(NOTICE)).to_contain_text(LOST, timeout=WAIT)
    press(page, "4")
    line.cut()
    line.mend()
    decided_once(page, register, run, case, "1234")


def test_a_line_that_only_stood_still_goes_on(page: Page, line: Line, order: list[str], run: str, register: Register):
    case = order[6]
    sign_in(opened(page, run, case))
    line.hold(UP, DOWN)
    press(page, "12")
    expect(page.locator(NOTICE)).to_contain_text(LOST, timeout=WAIT)
    line.mend()
    decided_once(page, register, run, case, "12")


def test_the_notice_is_in_sight_and_not_cut_off_on_a_narrow_screen(page: Page, line: Line):
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto("/voila/render/03_threshold_tuning.ipynb")
    expect(page.get_by_role("heading", level=1)).to_be_visible(timeout=WAIT)
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    line.cut()
    expect(page.locator(NOTICE)).to_contain_text(LOST, timeout=WAIT)
    expect(page.locator(NOTICE)).to_be_in_viewport(ratio=1)
    box = page.locator(NOTICE).bounding_box()
    assert box
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
