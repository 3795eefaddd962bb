"""The lecture as a page: its text is there, its answers are hidden until asked for, on a wall and on a phone."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.test_pages import serious_in_either_scheme

LECTURE = "/voila/render/10_how_to_read_a_map.ipynb"
WAIT = 120_000


def test_the_lecture_is_a_page_to_read(page: Page):
    page.set_default_timeout(WAIT)
    page.goto(LECTURE, timeout=WAIT)
    expect(page.get_by_text("Independent work, not affiliated")).to_be_visible(timeout=WAIT)
    expect(page.get_by_role("note")).to_have_text("For research and teaching. Not a medical device.")
    expect(page.get_by_role("heading", name="How to read a map", level=1)).to_be_visible()
    expect(page.get_by_role("heading", level=2)).to_have_count(6)
    expect(page.locator(".dk-pictures img")).to_have_count(8)
    expect(page.locator("table.dk-table")).to_have_count(6)
    assert "import " not in page.locator("#rendered_cells").inner_text()
    question, answer = page.get_by_text("Which row is the right one?"), page.get_by_text("The table cannot say.")
    expect(answer).to_be_hidden()
    question.click()
    expect(answer).to_be_visible()
    assert serious_in_either_scheme(page) == []
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate("document.querySelector('#rendered_cells').scrollWidth") <= 390
