"""Page 03 in a real browser: what a safety officer meets, with a mouse, a keyboard and a narrow screen."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import cv2
import jsonschema
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

import derm_kit.triage
from derm_kit.lesions import LESION_TYPES

ADDRESS = "/voila/render/03_threshold_tuning.ipynb"
SCHEMA = Path(derm_kit.triage.__file__).with_name("change_proposal.schema.json")
WAIT = 60_000


def opened(page: Page, after: str = "") -> Locator:
    """The melanoma slider of the page, once it is there."""
    page.goto(ADDRESS + after)
    slider = page.get_by_role("slider", name="Melanoma, threshold")
    expect(slider).to_be_visible(timeout=WAIT)
    return slider


def summary(page: Page) -> Locator:
    return page.locator(".dk-table-list li").first


def find(page: Page) -> None:
    page.get_by_role("button", name="Find the safest thresholds").click()
    expect(page.get_by_text("Melanoma, at 0.")).to_be_visible(timeout=WAIT)


def serious(page: Page) -> list[str]:
    """What axe-core finds of serious or critical impact, with the element it is about."""
    return [
        f"{v['id']}: {v['help']}: {v['nodes'][0]['html'][:200]}"
        for v in Axe().run(page).response["violations"]
        if v["impact"] in ("serious", "critical")
    ]


def kept(page: Page, name: str, role: str = "link") -> bytes:
    with page.expect_download() as download:
        page.get_by_role(role, name=name).first.click()
    return Path(download.value.path()).read_bytes()


def test_a_slider_held_down_by_keyboard_changes_the_sentence(page: Page):
    slider = opened(page)
    before = summary(page).inner_text()
    slider.focus()
    for _ in range(30):
        page.keyboard.press("ArrowRight")
    expect(summary(page)).not_to_have_text(before)
    expect(slider).to_have_attribute("aria-valuetext", re.compile(r"[0-9.]+: [0-9]+ of 228 caught, [0-9]+ missed"))


def test_undo_by_keyboard_brings_the_sentence_back(page: Page):
    slider = opened(page)
    before = summary(page).inner_text()
    slider.focus()
    page.keyboard.press("PageUp")
    expect(summary(page)).not_to_have_text(before)
    undo = page.get_by_role("button", name="Undo")
    expect(undo).to_be_enabled()
    undo.focus()
    page.keyboard.press("Enter")
    expect(summary(page)).to_have_text(before)


def test_undo_after_a_slider_was_held_down_wins_over_moves_still_under_way(page: Page):
    slider = opened(page)
    before, at = summary(page).inner_text(), slider.input_value()
    slider.focus()
    for _ in range(40):
        page.keyboard.press("ArrowRight")
    page.get_by_role("button", name="Undo").click()
    expect(summary(page)).to_have_text(before)
    page.wait_for_timeout(1500)
    expect(summary(page)).to_have_text(before)
    expect(slider).to_have_value(at)
    expect(page.get_by_role("button", name="Redo")).to_be_enabled()
    slider.press("PageUp")
    expect(summary(page)).not_to_have_text(before)


def test_the_search_shows_guarantees_and_refusals_and_a_proposal_can_be_kept(page: Page):
    opened(page)
    find(page)
    expect(page.get_by_text("Actinic keratosis: refused.")).to_be_visible()
    page.locator("button[data-case]").first.click()
    expect(page.get_by_text("Model scores from 0 to 1")).to_be_visible()
    page.get_by_label("Why").fill("Melanomas are missed that need not be; more benign lesions are referred.")
    page.get_by_role("button", name="Propose this change").click()
    expect(page.get_by_text("The proposal is made")).to_be_visible(timeout=WAIT)
    jsonschema.validate(json.loads(kept(page, "Keep the proposal (JSON)")), json.loads(SCHEMA.read_text("utf-8")))


def test_the_address_restores_what_was_set_and_a_wrong_one_is_told(page: Page):
    opened(page)
    page.get_by_label("Melanoma, threshold as a number").fill("0.25")
    page.keyboard.press("Tab")
    expect(page).to_have_url(re.compile(r"#melanoma=0\.25&"))
    said, address = summary(page).inner_text(), page.url
    page.goto("about:blank")
    page.goto(address)
    expect(summary(page)).to_have_text(said, timeout=WAIT)
    assert page.get_by_label("Melanoma, threshold as a number").input_value() == "0.25"
    page.evaluate("window.location.hash = 'melanoma=9'")
    expect(page.get_by_role("alert")).to_contain_text("This did not work")
    expect(summary(page)).to_have_text(said)


def test_charts_are_kept_as_svg_png_and_csv(page: Page, tmp_path: Path):
    opened(page)
    assert kept(page, "Keep as SVG").startswith(b"<svg")
    assert kept(page, "Keep as CSV").startswith(b"threshold,")
    (tmp_path / "chart.png").write_bytes(kept(page, "Keep as PNG", role="button"))
    picture = cv2.imread(str(tmp_path / "chart.png"))
    assert picture.shape == (900, 1380, 3)
    assert picture.min() < 100 < 250 < picture.max(), "something is drawn on white"
    numbers = page.get_by_text("Numbers: ROC of melanoma")
    numbers.click()
    page.get_by_label("Melanoma, threshold as a number").fill("0.3")
    page.keyboard.press("Tab")
    expect(page.get_by_text("no longer flagged").first).to_be_visible()
    expect(page.locator("details[open]", has=numbers)).to_be_visible()


def test_scores_of_somebody_else_are_read_and_a_bad_table_is_told(page: Page, tmp_path: Path):
    good, bad = tmp_path / "Jane Doe.csv", tmp_path / "bad.csv"
    with good.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["case_id", *LESION_TYPES, "truth", "source"])
        for i in range(66):
            rows.writerow([i, *(0.9 if k == i % 11 else 0.01 for k in range(11)), LESION_TYPES[i % 11], "<b>x</b>"])
    bad.write_text("case_id,melanoma,truth\na,7,melanoma\n")
    opened(page)
    for path, words in ((bad, "This did not work"), (good, "Your file: 66 cases")):
        with page.expect_file_chooser() as chooser:
            page.get_by_role("button", name="Choose a file of scores").click()
        chooser.value.set_files(path)
        expect(page.get_by_text(words).first).to_be_visible(timeout=WAIT)
    assert "Jane Doe" not in page.content()
    page.get_by_role("button", name="Back to the scores the page opened with").click()
    expect(page.get_by_text("These scores: 2,419 cases")).to_be_visible(timeout=WAIT)


def test_axe_finds_nothing_serious_in_either_scheme_with_results_shown(page: Page):
    opened(page)
    page.get_by_label("Preset").select_option(label="Lesson: an NPV travels with prevalence")
    find(page)
    page.locator("button[data-case]").first.click()
    page.get_by_label("Show every rate").check()
    page.get_by_label("Say it by lesion type").check()
    page.get_by_label("Unit, and who set these").fill("points, as agreed")
    page.keyboard.press("Tab")
    expect(page.get_by_text("Expected harm of 1,000 lesions")).to_be_visible()
    expect(page.get_by_text("likelihood ratio of no flag").first).to_be_visible()
    page.get_by_role("button", name="Propose this change").click()
    expect(page.get_by_role("alert")).to_contain_text("says why")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert serious(page) == [], scheme


def test_nothing_is_cut_off_on_a_narrow_screen(page: Page):
    page.set_viewport_size({"width": 390, "height": 800})
    opened(page)
    find(page)
    page.locator("button[data-case]").first.click()
    expect(page.get_by_text("Model scores from 0 to 1")).to_be_visible()
    past_the_edge = page.evaluate(
        "[...document.querySelectorAll('.dk-section h2, .dk-section p, .dk-section li, .dk-section select, "
        ".dk-section input, .dk-section textarea, .dk-section button, .dk-section svg, .dk-section .dk-scroll')]"
        ".filter(e => e.offsetParent !== null && !(e.closest('.dk-scroll') && !e.matches('.dk-scroll')))"
        ".map(e => [e.getBoundingClientRect().right - e.closest('.dk-section').getBoundingClientRect().right,"
        " e.outerHTML.slice(0, 120)]).filter(([past]) => past >= 0)"
    )
    assert past_the_edge == []
    assert page.evaluate("document.querySelector('.dk-section').getBoundingClientRect().right") <= 390
