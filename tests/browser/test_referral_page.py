"""Page 04 in a real browser: words first, a keyboard, an address, a narrow screen, and somebody in a hurry."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

ADDRESS = "/voila/render/04_referral_simulation.ipynb"
FEW = "#pathway=skin-usc&replications=50"
WAIT = 90_000


def opened(page: Page, after: str = FEW) -> Locator:
    """The sentences of the page, once all figures are in."""
    page.goto(ADDRESS + after)
    said = page.locator(".dk-headlines").first
    expect(said).to_be_visible(timeout=WAIT)
    if after.startswith(FEW):  # a page that was made ready before has figures of its own until it reads the address
        expect(page.get_by_text("(50 replications, seed 1)").first).to_be_attached(timeout=WAIT)
    settled(page)
    return said


def settled(page: Page) -> None:
    expect(page.get_by_role("button", name="Stop").first).to_be_hidden(timeout=WAIT)
    expect(page.get_by_text("First figures")).to_have_count(0)


def serious(page: Page) -> list[str]:
    """What axe-core finds of serious or critical impact, with the element it is about."""
    return [
        f"{v['id']}: {v['help']}: {v['nodes'][0]['html'][:200]}"
        for v in Axe().run(page).response["violations"]
        if v["impact"] in ("serious", "critical")
    ]


def kept(page: Page, within: Locator, name: str) -> bytes:
    with page.expect_download() as download:
        within.get_by_role("link", name=name).first.click()
    return Path(download.value.path()).read_bytes()


def test_words_come_first_then_figures_then_what_they_rest_on(page: Page):
    said = opened(page, "")
    assert re.match(
        r"face to face: nobody would leave unseen by a person\. Sent away untreated at first: ", said.inner_text()
    )
    expect(said).to_contain_text(
        re.compile(r"AI: about \d+ of 1,000 people would leave the pathway with safety-netting advice")
    )
    heads = page.get_by_role("heading", level=2).all_inner_texts()
    assert heads.index("What would follow") < heads.index("Arms beside each other") < heads.index("Where people go")
    expect(page.get_by_text("200 replications, seed 1")).to_be_visible()
    expect(page.get_by_text("source required").first).to_be_attached()


def test_a_keyboard_alone_moves_a_clinic_and_the_words_follow(page: Page):
    said = opened(page)
    slider = page.get_by_role("slider", name="Urgent clinic, face to face, slots a week")
    slider.focus()
    page.keyboard.press("Home")
    expect(page.get_by_text("the queue there").or_(page.get_by_text("so its queue grows")).first).to_be_visible(
        timeout=WAIT
    )
    expect(slider).to_have_attribute("aria-valuetext", "0 slots a week")
    expect(page).to_have_url(re.compile("slots.clinic=0"))
    settled(page)
    grew = said.inner_text()
    page.keyboard.press("End")
    expect(page.get_by_text("face to face: clinic has")).to_have_count(0, timeout=WAIT)
    expect(said).not_to_have_text(grew, timeout=WAIT)


def test_the_words_stay_in_sight_while_a_clinic_far_down_the_page_is_moved(page: Page):
    page.set_viewport_size({"width": 1440, "height": 900})
    said = opened(page)
    slider = page.get_by_role("slider", name="Minor surgery list, slots a week")
    slider.focus()
    for place in (slider, said):
        box = place.bounding_box()
        assert box is not None
        assert 0 <= box["y"] < 900 - box["height"]


def test_twenty_quick_moves_end_in_the_last_one_s_figures(page: Page):
    opened(page)
    slider = page.get_by_role("slider", name="Referrals, a week")
    slider.focus()
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    expect(page).to_have_url(re.compile(r"per_week=120\.0"), timeout=WAIT)
    settled(page)
    arms = page.locator(".dk-arms").first
    quick = arms.text_content()
    assert quick
    page.goto("about:blank")
    opened(page, f"{FEW}&per_week=120.0")
    expect(slider).to_have_value("120", timeout=WAIT)
    expect(arms).to_have_text(quick, timeout=WAIT)


def test_a_number_out_of_range_is_not_taken_and_a_wrong_address_is_told(page: Page):
    said = opened(page)
    before = said.inner_text()
    box = page.get_by_label("Share with BCC or Bowen, per cent of referrals, as a number")
    box.fill("150")
    page.keyboard.press("Tab")
    expect(page.get_by_text("150 was not taken: a number from 0 to 100")).to_be_visible()
    expect(box).to_have_value("20")
    page.evaluate("window.location.hash = 'per_week=-5'")
    expect(page.get_by_role("alert")).to_contain_text("referrals a week: from 0 to")
    assert said.inner_text() == before


def test_a_scenario_is_kept_compared_and_carried_home(page: Page, tmp_path: Path):
    opened(page)
    name = f"browser {tmp_path.name}"
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_role("button", name="Keep this scenario").click()
    expect(page.get_by_text(f"{name} is kept")).to_be_visible()
    page.get_by_label("Compare").select_option(label=name)
    beside = page.get_by_role("region", name="Scenarios beside each other")
    expect(beside).to_contain_text(name)
    chart = page.locator(".dk-sankey")
    assert kept(page, chart, "Keep as SVG").startswith(b"<svg")
    rows = list(csv.reader(io.StringIO(kept(page, chart, "Keep as CSV").decode())))
    assert rows[0][:3] == ["source", "outcome", "to"]
    assert float(rows[1][3]) > 0


def test_axe_finds_nothing_serious_in_either_scheme_and_nothing_is_cut_off(page: Page):
    opened(page)
    page.get_by_role("button", name="Make files of the tables (CSV)").click()
    expect(page.get_by_text("Queues by day")).to_be_visible()
    page.get_by_role("button", name="Keep this scenario").click()
    expect(page.get_by_text("1 to 80 characters")).to_be_visible()
    page.evaluate("window.location.hash = 'per_week=-5'")
    expect(page.get_by_role("alert").first).to_be_visible()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert serious(page) == [], scheme
    page.set_viewport_size({"width": 390, "height": 800})
    past_the_edge = page.evaluate(
        "[...document.querySelectorAll('.dk-section h2, .dk-section p, .dk-section li, .dk-section select, "
        ".dk-section input, .dk-section button, .dk-section svg, .dk-section .dk-scroll, .dk-section label')]"
        ".filter(e => e.offsetParent !== null && !(e.closest('.dk-scroll') && !e.matches('.dk-scroll')))"
        ".map(e => [e.getBoundingClientRect().right - e.closest('.dk-section').getBoundingClientRect().right,"
        " e.outerHTML.slice(0, 120)]).filter(([past]) => past >= 0)"
    )
    assert past_the_edge == []
    assert page.evaluate("document.querySelector('.dk-section').getBoundingClientRect().right") <= 390
    heads = page.locator(".dk-section h2").all()
    tops = {head.inner_text(): head.bounding_box()["y"] for head in heads if head.is_visible()}
    assert tops["What would follow"] < tops["Pathway and arms"], "words first on a narrow screen too"
