"""The pages in a real browser: what a GP, a keyboard user and a curious outsider meet."""

from __future__ import annotations

import base64
import urllib.error
import urllib.request
from pathlib import Path

import cv2
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from derm_kit.cases.phantom import draw
from derm_kit.lesions import LesionType
from tests.browser.keys import tab_to

TRIAGE = "/voila/render/01_triage_a_case.ipynb"
WAIT = 60_000
SCHEMES = ("light", "dark")


@pytest.fixture(scope="module")
def melanoma(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pictures") / "phantom.png"
    cv2.imwrite(str(path), draw(LesionType.MELANOMA, 9_000).image[..., ::-1])
    return path


def upload(page: Page, path: Path) -> None:
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose or take a picture").click()
    chooser.value.set_files(path)


def serious(page: Page) -> list[str]:
    """What axe-core finds of serious or critical impact, with the element it is about."""
    found = Axe().run(page).response["violations"]
    return [
        f"{v['id']}: {v['help']}: {v['nodes'][0]['html'][:200]}"
        for v in found
        if v["impact"] in ("serious", "critical")
    ]


def serious_in_either_scheme(page: Page) -> list[str]:
    found = []
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        found += [f"{scheme}: {problem}" for problem in serious(page)]
    return found


def test_the_front_page_leads_to_page_01(page: Page):
    page.goto("/")
    expect(page.get_by_role("heading", name="Start here", level=1)).to_be_visible(timeout=WAIT)
    expect(page.get_by_role("note")).to_have_text("For research and teaching. Not a medical device.")
    page.get_by_role("link", name="Quick demo").click()
    expect(page.get_by_role("heading", name="Triage a case", level=1)).to_be_visible(timeout=WAIT)
    expect(page).to_have_title("Triage a case · derm-kit")


def test_a_phantom_dropped_in_gives_the_right_words(page: Page, melanoma: Path):
    page.goto(TRIAGE)
    page.get_by_label("Skin type").select_option(label="II: white, usually burns", timeout=WAIT)
    upload(page, melanoma)
    expect(page.locator(".dk-verdict")).to_have_text("Melanoma", timeout=WAIT)
    expect(page.get_by_text("urgent suspected cancer").first).to_be_visible()
    expect(page.locator(".dk-scores tbody tr")).to_have_count(11)
    expect(page.locator(".dk-viewer canvas")).to_have_attribute("data-shown", "colour")


def test_a_picture_can_be_dropped_on_the_page(page: Page, melanoma: Path):
    page.goto(TRIAGE)
    expect(page.locator(".dk-drop")).to_be_visible(timeout=WAIT)
    coded = base64.b64encode(melanoma.read_bytes()).decode()
    dropped = page.evaluate_handle(
        """coded => {
            const bytes = Uint8Array.from(atob(coded), c => c.charCodeAt(0)), data = new DataTransfer();
            data.items.add(new File([bytes], "Jane Doe.png", { type: "image/png" }));
            return data;
        }""",
        coded,
    )
    page.locator(".dk-drop").dispatch_event("dragover", {"dataTransfer": dropped})
    expect(page.locator(".dk-drop.dk-over")).to_be_visible()
    page.locator(".dk-drop").dispatch_event("drop", {"dataTransfer": dropped})
    expect(page.locator(".dk-viewer canvas")).to_have_attribute("data-shown", "colour", timeout=WAIT)
    assert "Jane Doe" not in page.content()


def test_another_method_shows_its_progress_and_can_be_cancelled(page: Page, melanoma: Path):
    page.goto(TRIAGE)
    expect(page.locator(".dk-drop")).to_be_visible(timeout=WAIT)
    upload(page, melanoma)
    expect(page.get_by_text("Grad-CAM in one pass of")).to_be_visible(timeout=WAIT)
    page.get_by_label("By", exact=True).select_option(label="Occlusion")
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name="Cancel")).to_be_hidden()
    page.get_by_label("By", exact=True).select_option(label="Hiding one place at a time")
    expect(page.get_by_text("Hiding one place at a time of")).to_be_visible(timeout=WAIT)
    page.get_by_role("button", name="Check this map").click()
    expect(page.get_by_text("Agreement with hiding one place at a time")).to_be_visible(timeout=WAIT)


def test_the_untouched_picture_is_one_key_away(page: Page, melanoma: Path):
    page.goto(TRIAGE)
    expect(page.get_by_label("Skin type")).to_be_visible(timeout=WAIT)
    upload(page, melanoma)
    canvas = page.locator(".dk-viewer canvas")
    expect(canvas).to_have_attribute("data-shown", "colour", timeout=WAIT)
    canvas.focus()
    page.keyboard.press("Space")
    expect(canvas).to_have_attribute("data-shown", "picture")
    page.keyboard.press("Space")
    page.keyboard.press("+")
    expect(canvas).to_have_attribute("data-shown", "colour")
    expect(canvas).to_have_attribute("data-zoom", "1.25")


def test_a_case_is_triaged_by_keyboard_alone_and_axe_finds_nothing_serious_then(page: Page, melanoma: Path):
    page.on("filechooser", lambda chooser: chooser.set_files(melanoma))
    page.goto(TRIAGE)
    expect(page.get_by_label("Skin type")).to_be_visible(timeout=WAIT)
    tab_to(page, "Choose or take a picture")
    page.keyboard.press("Enter")
    expect(page.locator(".dk-viewer canvas")).to_have_attribute("data-shown", "colour", timeout=WAIT)
    tab_to(page, "Skin type")
    page.keyboard.type("II: w")
    expect(page.locator(".dk-verdict")).to_have_text("Melanoma", timeout=WAIT)
    tab_to(page, "The lesion is ulcerated or open")
    page.keyboard.press("Space")
    expect(page.locator(".dk-verdict")).to_have_text("Clinician review", timeout=WAIT)
    tab_to(page, "Undo last change")
    page.keyboard.press("Enter")
    expect(page.locator(".dk-verdict")).to_have_text("Melanoma", timeout=WAIT)
    tab_to(page, "Check this map")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    assert serious_in_either_scheme(page) == []
    expect(page.get_by_text("Agreement with hiding one place at a time")).to_be_visible(timeout=WAIT)
    expect(page.locator(".dk-charts")).to_be_visible(timeout=WAIT)
    assert serious_in_either_scheme(page) == []


def test_a_broken_file_gives_the_plain_message(page: Page, tmp_path: Path):
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 nothing more")
    page.goto(TRIAGE)
    expect(page.get_by_label("Skin type")).to_be_visible(timeout=WAIT)
    upload(page, tmp_path / "broken.jpg")
    expect(page.get_by_role("alert")).to_contain_text("This did not work", timeout=WAIT)
    assert "Traceback" not in page.content()


def test_nothing_is_cut_off_on_a_narrow_screen(page: Page, melanoma: Path):
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(TRIAGE)
    expect(page.get_by_label("Skin type")).to_be_visible(timeout=WAIT)
    upload(page, melanoma)
    expect(page.locator(".dk-scores tbody tr")).to_have_count(11, timeout=WAIT)
    past_the_edge = page.evaluate(
        "[...document.querySelectorAll('.dk-section h2, .dk-section p, .dk-section select, .dk-section canvas, "
        ".dk-section td, .dk-section th')].map(e => "
        "Math.max(e.getBoundingClientRect().right, e.scrollWidth > e.clientWidth + 1 ? 1e4 : 0)"
        " - e.closest('.dk-section').getBoundingClientRect().right)"
    )
    assert max(past_the_edge) < 0
    assert page.evaluate("document.querySelector('.dk-section').getBoundingClientRect().right") <= 390


def test_axe_finds_nothing_serious_on_a_page_just_opened_in_either_scheme(page: Page):
    page.goto("/")
    expect(page.get_by_role("heading", name="Start here", level=1)).to_be_visible(timeout=WAIT)
    assert serious_in_either_scheme(page) == []
    page.goto(TRIAGE)
    expect(page.locator(".dk-drop")).to_be_visible(timeout=WAIT)
    assert serious_in_either_scheme(page) == []


def test_text_stands_out_from_its_ground_in_both_schemes(page: Page):
    page.goto(TRIAGE)
    expect(page.get_by_label("Skin type")).to_be_visible(timeout=WAIT)
    light = (
        "([q, what]) => getComputedStyle(document.querySelector(q))[what].match(/[0-9]+/g).slice(0, 3)"
        ".reduce((a, b) => a + Number(b), 0) / 765"
    )
    texts = (".dk-page h1", ".dk-section h2", ".dk-section p", ".dk-lead")
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        grounds = [page.evaluate(light, [q, "backgroundColor"]) for q in ("body", ".dk-section")]
        inks = [page.evaluate(light, [q, "color"]) for q in texts]
        if scheme == "dark":
            grounds, inks = [1 - g for g in grounds], [1 - i for i in inks]
        assert min(grounds) - max(inks) > 0.45, scheme


@pytest.mark.parametrize(
    "path",
    [
        "/voila/files/01_triage_a_case.ipynb",
        "/voila/files/../pyproject.toml",
        "/voila/render/../pyproject.toml",
        "/voila/render/%2e%2e/pyproject.toml",
        "/voila/api/contents/",
        "/voila/tree/",
        "/notebooks/01_triage_a_case.ipynb",
        "/api/contents/01_triage_a_case.ipynb",
        "/voila/static/../../../pyproject.toml",
    ],
)
def test_nothing_but_the_app_is_served(address: str, path: str):
    for token in ("", "?token=anything"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(address + path + token, timeout=10)
        with refused.value as answer:
            assert answer.code in (400, 403, 404, 405)


def test_a_page_carries_its_security_policy_and_no_source(address: str):
    with urllib.request.urlopen(address + TRIAGE, timeout=60) as answer:
        policy, body = answer.headers["Content-Security-Policy"], answer.read().decode()
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "triage_page(" not in body
