"""Text from outside is text on every page: no script of it runs, nothing of it is asked for."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

WAIT = 60_000
HOSTILE = (
    "<img src=x onerror=window.owned=1><script>window.owned=2</script><svg onload=window.owned=3> \u202egnp.exe"
    "<a href='javascript:window.owned=4'>x</a>"
)
PAGES = {
    "02_case_review.ipynb": "run={0}&case={0}&policy={0}",
    "05_teaching_session.ipynb": "session={0}&readers=javascript:window.owned=5",
    "06_monitoring.ipynb": "feed={0}&site={0}&figures={0}",
    "07_safety_case.ipynb": "part={0}&hazard={0}",
}


def require_nothing_ran(page: Page) -> None:
    assert page.evaluate("window.owned") is None
    made = "img[src='x'], svg[onload], [onerror], a[href^='javascript:']"
    assert page.locator(made).count() == 0, "the text became an element"


@pytest.mark.parametrize("name", PAGES)
def test_what_an_address_says_is_text(page: Page, name: str):
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    page.goto(f"/voila/render/{name}?{PAGES[name].format(quote(HOSTILE))}#{quote(HOSTILE)}")
    expect(page.get_by_role("heading", level=1).first).to_be_visible(timeout=WAIT)
    require_nothing_ran(page)


def test_the_name_of_a_dropped_file_is_text(page: Page, tmp_path: Path):
    path = tmp_path / "<img src=x onerror=window.owned=1>\u202egnp.jpg"
    path.write_bytes(HOSTILE.encode())
    page.goto("/voila/render/01_triage_a_case.ipynb")
    page.locator("input[type=file]").first.set_input_files(path, timeout=WAIT)
    expect(page.get_by_text("a picture must be a JPEG").first).to_be_visible(timeout=WAIT)
    require_nothing_ran(page)
