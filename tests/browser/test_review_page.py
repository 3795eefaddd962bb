"""Page 02 in a real browser: a reader with a keyboard, a narrow screen, a blind reading, two readers on one case."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

from derm_kit.panels.review_setting import RUN_DIGITS
from derm_kit.panels.stopwatch import SHORTEST_LOOK_S
from derm_kit.records.register import Register
from derm_kit.records.reviews import Review
from derm_kit.triage.definition import Disposition
from derm_kit.triage.proposal import run_hash
from derm_kit.triage.worklist import Wanted, Worklist
from tests.readers import PASSPHRASE, READERS

ADDRESS = "/voila/render/02_case_review.ipynb"
WAIT = 60_000
URGENT, ROUTINE = "1 Urgent suspected cancer", "2 Routine dermatology"


@pytest.fixture(scope="module")
def order(reference, policy) -> list[str]:
    """Case ids as the list opens, the most serious first; each test takes cases of its own."""
    worklist = Worklist.of(reference, policy)
    return worklist.table["case_id"].iloc[worklist.positions(Wanted(), {})].tolist()


@pytest.fixture(scope="module")
def run(reference) -> str:
    return run_hash(reference)


@pytest.fixture
def register(readers: Path) -> Iterator[Register]:
    """What the pages wrote, read on another connection."""
    with Register.open(readers) as opened:
        yield opened


def opened(page: Page, run: str = "", case: str = "", **more: str) -> Page:
    """The page, once its case is there: the first, or the one that the address names."""
    parts = "".join(f"&{name}={value}" for name, value in more.items())
    page.goto(f"{ADDRESS}#run={run[:RUN_DIGITS]}{parts}&case={case}" if case else ADDRESS)
    expect(page.get_by_role("heading", name="The case", exact=True)).to_be_visible(timeout=WAIT)
    if case:
        shown(page, case)
    return page


def shown(page: Page, case: str) -> None:
    """Wait until a case is on show."""
    expect(page.locator(".dk-verdict").first).to_have_text(case, timeout=WAIT)


def looked_at(page: Page) -> None:
    """Wait as long as a decision needs to be taken for the case that has come up."""
    page.wait_for_timeout(1_000 * SHORTEST_LOOK_S + 100)


def all_taken(page: Page) -> None:
    """Wait until the kernel has taken all that was sent before: it takes what is sent one after the other."""
    page.get_by_role("button", name="Pause the clock").click()
    expect(page.get_by_text("Paused: the case is out of sight")).to_be_visible()
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_text("Paused: the case is out of sight")).to_be_hidden()


def sign_in(page: Page, who: str = "ada") -> Page:
    page.get_by_label("I am").select_option(label=", ".join(READERS[who]))
    page.get_by_label("Passphrase").fill(PASSPHRASE)
    page.get_by_label("Passphrase").press("Enter")
    expect(page.get_by_text(f"Signed in: {READERS[who][0]}")).to_be_visible(timeout=WAIT)
    looked_at(page)
    return page


def stored(page: Page) -> Locator:
    return page.get_by_text(re.compile("^Stored"))


def serious(page: Page) -> list[str]:
    """What axe-core finds of serious or critical impact, with the element it is about."""
    return [
        f"{v['id']}: {v['help']}: {v['nodes'][0]['html'][:200]}"
        for v in Axe().run(page).response["violations"]
        if v["impact"] in ("serious", "critical")
    ]


def test_from_the_list_to_a_stored_decision_and_the_next_case_by_keyboard_alone(
    page: Page, order: list[str], run: str, register: Register
):
    opened(page)
    page.get_by_label("I am").focus()
    page.keyboard.type(READERS["ada"][0][:4])
    page.keyboard.press("Tab")
    page.keyboard.type("not the passphrase")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("the passphrase is wrong")
    page.keyboard.type(PASSPHRASE)
    page.keyboard.press("Enter")
    expect(page.get_by_text("Signed in: Ada Lovelace")).to_be_visible(timeout=WAIT)
    first, second, third = (page.locator(f"button[data-case='{case}']") for case in order[:3])
    expect(first).to_have_attribute("aria-current", "true")
    second.focus()
    page.keyboard.press("Enter")
    shown(page, order[1])
    expect(second).to_have_attribute("aria-current", "true")
    expect(first).not_to_have_attribute("aria-current", "true")
    expect(second).to_be_focused()
    looked_at(page)
    page.keyboard.press("2")
    expect(stored(page)).to_have_text("Stored: routine dermatology.")
    expect(page.get_by_role("button", name=f"{ROUTINE} (stored)")).to_be_visible()
    (review,) = register.reviews(run, order[1])
    assert (review.disposition, review.verdict) == ("routine dermatology", "not said")
    page.keyboard.press("n")
    shown(page, order[2])
    expect(third).to_have_attribute("aria-current", "true")
    page.keyboard.press("p")
    shown(page, order[1])
    expect(page.get_by_role("listitem").get_by_text("Ada Lovelace")).to_be_visible()


def test_typing_in_a_field_is_no_shortcut_and_shortcuts_can_be_switched_off(
    page: Page, order: list[str], run: str, register: Register
):
    case = order[5]
    sign_in(opened(page, run, case))
    note = page.get_by_label("Note")
    note.click()
    page.keyboard.type("n2 p1 m z: not a shortcut")
    page.keyboard.press("Tab")
    all_taken(page)
    expect(page.locator(".dk-verdict").first).to_have_text(case)
    assert register.reviews(run, case) == []
    page.get_by_label("I think it is").focus()
    page.keyboard.press("n")
    page.get_by_label("Single keys work as shortcuts").uncheck()
    page.get_by_role("heading", name="Review cases", level=1).click()
    page.keyboard.press("n")
    page.keyboard.press("1")
    all_taken(page)
    expect(page.locator(".dk-verdict").first).to_have_text(case)
    assert register.reviews(run, case) == []
    page.get_by_label("Single keys work as shortcuts").check()
    page.get_by_role("button", name=URGENT).click()
    expect(stored(page)).to_be_visible()
    (review,) = register.reviews(run, case)
    assert review.note == "n2 p1 m z: not a shortcut"
    page.keyboard.press("z")
    expect(page.get_by_text("Paused: the case is out of sight")).to_be_visible()
    expect(note).to_be_hidden()
    page.keyboard.press("z")
    expect(note).to_be_visible()


def test_a_blind_reading_shows_the_model_only_after_the_decision(page: Page, order: list[str], run: str):
    case = order[8]
    sign_in(opened(page, run, case, blind="1"))
    expect(page.get_by_text("Hidden until you decide")).to_have_count(2)
    expect(page.get_by_text("Model scores from 0 to 1")).to_have_count(0)
    expect(page.get_by_text("truth:")).to_have_count(0)
    expect(page.get_by_label("Found to be")).to_be_disabled()
    page.keyboard.press("m")
    page.keyboard.press("6")
    expect(page.get_by_text("Model scores from 0 to 1")).to_be_visible()
    expect(page.get_by_text("Found to be:", exact=False).first).to_be_visible()
    page.keyboard.press("n")
    expect(page.get_by_text("Hidden until you decide")).to_have_count(2)


def test_the_map_is_drawn_over_the_picture(page: Page, order: list[str], run: str, data_folder: Path):
    opened(page, run, order[11])
    canvas = page.locator(".dk-viewer canvas")
    expect(canvas).to_have_attribute("data-shown", "picture")
    looked_at(page)
    page.keyboard.press("m")
    expect(canvas).to_have_attribute("data-shown", "colour", timeout=WAIT)
    expect(page.get_by_text("Grad-CAM in one pass of")).to_be_visible()
    page.keyboard.press("n")
    expect(canvas).to_have_attribute("data-shown", "picture")
    expect(canvas).to_have_attribute("aria-label", re.compile(order[12]))


def test_no_key_is_lost_while_the_kernel_is_busy_and_none_is_given_to_another_case(
    page: Page, order: list[str], run: str, register: Register, data_folder: Path
):
    first = 23
    sign_in(opened(page, run, order[first]))
    expect(page.locator(".dk-viewer canvas")).to_have_attribute("data-shown", "picture")
    page.keyboard.press("m")  # the first map loads the model: the kernel is busy, the case stays on the screen
    for key in "4321" + "n1" * 6 + "p6" * 2:
        page.keyboard.press(key)
    assert page.locator(".dk-verdict").first.inner_text() == order[first], "all of it was pressed for this case"
    shown(page, order[first + 4])
    all_taken(page)
    said = [review.disposition for review in register.reviews(run, order[first])]
    assert said == [list(Disposition)[int(key) - 1] for key in "4321"], "each key, in the order of the presses"
    assert [register.reviews(run, case) for case in order[first + 1 : first + 7]] == [[]] * 6
    expect(page.get_by_text(f"6 was pressed for {order[first]}, on the screen then")).to_be_visible()
    looked_at(page)
    page.keyboard.press("2")
    expect(stored(page)).to_have_text("Stored: routine dermatology.")
    assert [review.disposition for review in register.reviews(run, order[first + 4])] == ["routine dermatology"]


def test_the_address_brings_list_and_case_back_and_signs_nobody_in(page: Page, order: list[str]):
    sign_in(opened(page))
    page.get_by_label("Found to be").select_option(label="Dermatofibroma")
    expect(page.get_by_text("24 cases; 1 to 20 are here.")).to_be_visible()
    page.get_by_role("button", name="Later cases").click()
    expect(page.get_by_text("24 cases; 21 to 24 are here.")).to_be_visible()
    page.locator("button[data-case]").nth(2).click()
    case = page.locator("button[data-case]").nth(2).get_attribute("data-case")
    assert case
    shown(page, case)
    expect(page).to_have_url(re.compile(rf"#run=[0-9a-f]{{16}}&truth=dermatofibroma.*page=1&case={case}"))
    page.reload()
    shown(page, case)
    expect(page.get_by_text("24 cases; 21 to 24 are here.")).to_be_visible()
    expect(page.get_by_label("Found to be")).to_have_value(re.compile("Dermatofibroma"))
    expect(page.get_by_text("Sign in to store decisions")).to_be_visible()
    page.evaluate("window.location.hash = 'run=0123456789abcdef&case=x'")
    expect(page.get_by_role("alert")).to_contain_text("of the scores that the page is open on")
    expect(page.locator(".dk-verdict").first).to_have_text(case)


def test_two_people_on_one_case_are_both_stored_and_the_second_sees_the_first_afterwards(
    page: Page, browser: Browser, address: str, order: list[str], run: str, register: Register
):
    case = order[14]
    other = browser.new_context(viewport={"width": 1440, "height": 900}, base_url=address)
    second = other.new_page()
    second.goto(f"{ADDRESS}#run={run[:RUN_DIGITS]}&case={case}", wait_until="commit")  # both kernels start at once
    sign_in(opened(page, run, case), "ada")
    shown(second, case)
    sign_in(second, "ben")
    page.get_by_label("Note").fill("the first says <b>urgent</b>")
    page.get_by_role("button", name=URGENT).click()
    expect(stored(page)).to_be_visible()
    second.get_by_role("button", name=ROUTINE).click()
    expect(stored(second)).to_be_visible()
    expect(second.get_by_text("the first says <b>urgent</b>")).to_be_visible()
    expect(second.locator(f"button[data-case='{case}']")).to_contain_text("two readers differ")
    other.close()
    said: list[Review] = register.reviews(run, case)
    assert [r.disposition for r in said] == ["urgent suspected cancer", "routine dermatology"]
    assert len({r.reviewer for r in said}) == 2
    assert register.verify().sound


def test_axe_finds_nothing_serious_in_either_scheme(page: Page, order: list[str], run: str):
    sign_in(opened(page, run, order[17]))
    page.get_by_label("Note").fill("a note")
    page.get_by_role("button", name=URGENT).click()
    expect(stored(page)).to_be_visible()
    page.get_by_role("button", name="Work out agreement").click()
    expect(page.get_by_text("Agreement of readers, 95% interval").first).to_be_visible()
    page.get_by_role("button", name="Make a file (CSV)").click()
    expect(page.get_by_role("link", name="Keep as CSV")).to_be_visible()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert serious(page) == [], scheme
    page.get_by_label("Blind:").check()
    page.keyboard.press("n")
    page.keyboard.press("z")
    expect(page.get_by_text("Paused: the case is out of sight")).to_be_visible()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert serious(page) == [], scheme


def test_nothing_is_cut_off_on_a_narrow_screen(page: Page, order: list[str], run: str):
    page.set_viewport_size({"width": 390, "height": 800})
    sign_in(opened(page, run, order[20]))
    page.get_by_label("Note").fill("one-long-word-" * 30 + " and then some words, as a reader writes them. " * 20)
    page.get_by_role("button", name=URGENT).click()
    expect(stored(page)).to_be_visible()
    page.get_by_role("button", name="Work out agreement").click()
    expect(page.get_by_text("Agreement of readers, 95% interval").first).to_be_visible()
    past_the_edge = page.evaluate(
        "[...document.querySelectorAll('.dk-section h2, .dk-section h3, .dk-section p, .dk-section li, "
        ".dk-section select, .dk-section input, .dk-section textarea, .dk-section button, .dk-section canvas, "
        ".dk-section dd, .dk-section .dk-scroll')]"
        ".filter(e => e.offsetParent !== null && !(e.closest('.dk-scroll') && !e.matches('.dk-scroll')))"
        ".map(e => [e.getBoundingClientRect().right - e.closest('.dk-section').getBoundingClientRect().right,"
        " e.outerHTML.slice(0, 120)]).filter(([past]) => past >= 0)"
    )
    assert past_the_edge == []
    assert page.evaluate("Math.max(...[...document.querySelectorAll('.dk-section')]"
                         ".map(e => e.getBoundingClientRect().right))") <= 390  # fmt: skip
