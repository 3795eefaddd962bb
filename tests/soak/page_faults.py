"""What a page meets when its kernel, its server or the line between breaks: real processes, a real browser."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import psutil
from playwright.sync_api import Browser, Page, expect, sync_playwright

from derm_kit.cases.phantom import draw
from derm_kit.lesions import LesionType
from derm_kit.model.card import default_model, load_card
from derm_kit.model.reference import REFERENCE_FILE
from derm_kit.model.run import read_run
from derm_kit.records.register import Register
from derm_kit.triage.policy import TriagePolicy
from derm_kit.triage.proposal import run_hash
from derm_kit.triage.worklist import Wanted, Worklist
from tests.browser.test_faults import BACK, GONE, LOST, NOTICE, kernel_of, press
from tests.browser.test_pages import TRIAGE, upload
from tests.browser.test_review_page import all_taken, opened, shown, sign_in
from tests.line import Line, line_to
from tests.readers import staff
from tests.serving import chromium
from tests.soak.seen import Seen
from tests.soak.workbench import Workbench, until

WAIT = 90_000
CUT_S = 20


def page_faults() -> Iterator[Seen]:
    """Processes killed one by one and the line cut; each on a page of its own with decisions before and after."""
    reference = read_run(default_model() / REFERENCE_FILE)
    worklist = Worklist.of(reference, TriagePolicy.from_card(load_card(default_model())))
    cases = [str(case) for case in worklist.table["case_id"].iloc[worklist.positions(Wanted(), {})]]
    run = run_hash(reference)
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder) / "workspace"
        staff(workspace)
        with (
            Workbench(workspace) as workbench,
            Register.open(workspace) as register,
            line_to(workbench.address) as line,
            sync_playwright() as playwright,
        ):
            browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
            yield _kernel(_page(browser, line), register, run, cases[0])
            yield _nest(_page(browser, line), register, run, cases[3])
            yield _cut(_page(browser, line), line, register, run, cases[1])
            yield _worker(_page(browser, line), workbench, Path(folder))
            yield _server(_page(browser, line), workbench, register, run, cases[2])
            browser.close()


def _page(browser: Browser, line: Line) -> Page:
    page = browser.new_context(viewport={"width": 1440, "height": 900}, base_url=line.address).new_page()
    page.set_default_timeout(WAIT)
    return page


def _stored(register: Register, run: str, case: str) -> list[str]:
    return [review.disposition for review in register.reviews(run, case)]


def _kernel(page: Page, register: Register, run: str, case: str) -> Seen:
    return _killed("SIGKILL of a page's kernel", kernel_of, page, register, run, case)


def _nest(page: Page, register: Register, run: str, case: str) -> Seen:
    def parent(page: Page) -> psutil.Process:
        found = kernel_of(page).parent()
        assert found
        assert "derm_kit.kernel_nest" in found.cmdline()
        return found

    return _killed("SIGKILL of the process that kernels are forks of", parent, page, register, run, case)


def _killed(
    fault: str, which: Callable[[Page], psutil.Process], page: Page, register: Register, run: str, case: str
) -> Seen:
    sign_in(opened(page, run, case))
    said = press(page, "1234321")
    all_taken(page)
    process = which(page)
    begin = time.monotonic()
    process.kill()
    expect(page.locator(NOTICE)).to_contain_text(GONE, timeout=WAIT)
    told = time.monotonic() - begin
    page.get_by_role("button", name="Load the page again").click()
    shown(page, case)
    kept = _stored(register, run, case)
    page.context.close()
    return Seen(
        fault,
        "the page says so; what was stored is kept; loaded again it goes on",
        f"said after {told:.1f} s; {len(kept)} of {len(said)} decisions kept; loaded again on the same case",
        held=kept == said and told < 10,
    )


def _cut(page: Page, line: Line, register: Register, run: str, case: str) -> Seen:
    sign_in(opened(page, run, case))
    said = press(page, "1")
    all_taken(page)
    line.cut()
    begin = time.monotonic()
    expect(page.locator(NOTICE)).to_contain_text(LOST, timeout=WAIT)
    told = time.monotonic() - begin
    said += press(page, "234")
    time.sleep(max(0.0, CUT_S - (time.monotonic() - begin)))
    line.mend()
    begin = time.monotonic()
    expect(page.locator(NOTICE)).to_contain_text(BACK, timeout=WAIT)
    back = time.monotonic() - begin
    all_taken(page)
    kept = _stored(register, run, case)
    page.context.close()
    return Seen(
        f"network cut for {CUT_S} s between page and server, three decisions meanwhile",
        "the page says so and picks up again; nothing is lost, nothing taken twice",
        f"said after {told:.1f} s, back {back:.1f} s after the line; {len(kept)} decisions stored of {len(said)}, "
        "once each and in order" * (kept == said),
        held=kept == said,
    )


def _worker(page: Page, workbench: Workbench, folder: Path) -> Seen:
    picture = folder / "phantom.png"
    cv2.imwrite(str(picture), draw(LesionType.MELANOMA, 9_000).image[..., ::-1])
    page.goto(TRIAGE)
    page.get_by_label("Skin type").select_option(label="II: white, usually burns", timeout=WAIT)
    upload(page, picture)
    expect(page.get_by_text("Grad-CAM in one pass of")).to_be_visible(timeout=WAIT)
    page.get_by_label("By", exact=True).select_option(label="Occlusion")
    workers: list[psutil.Process] = []

    def at_work() -> bool:
        workers[:] = [p for p in workbench.process.children(recursive=True) if _named(p, "derm_kit.model.side_process")]
        return bool(workers)

    until(at_work, 60)
    for worker in workers:
        worker.kill()
    told = page.get_by_role("alert").filter(has_text="must come to its end")
    expect(told).to_be_visible(timeout=WAIT)
    page.get_by_label("By", exact=True).select_option(label="Hiding one place at a time")
    expect(page.get_by_text("Hiding one place at a time of")).to_be_visible(timeout=WAIT)
    expect(page.locator(".dk-verdict")).to_have_text("Melanoma")
    page.context.close()
    return Seen(
        "SIGKILL of the worker that draws a map",
        "the page says so and stays as it is; another map can be drawn",
        f"{len(workers)} worker killed; said in words; the next map was drawn, the result still on the page",
        held=bool(workers),
    )


def _server(page: Page, workbench: Workbench, register: Register, run: str, case: str) -> Seen:
    sign_in(opened(page, run, case))
    said = press(page, "1234321")
    all_taken(page)
    orphans = workbench.kill()
    begin = time.monotonic()
    expect(page.locator(NOTICE)).to_contain_text(LOST, timeout=WAIT)
    told = time.monotonic() - begin
    ended = until(lambda: not any(_alive(kernel) for kernel in orphans), 30)
    workbench.start()
    expect(page.locator(NOTICE)).to_contain_text(GONE, timeout=WAIT)
    page.get_by_role("button", name="Load the page again").click()
    shown(page, case)
    expect(page.get_by_text(re.compile("Sign in to store decisions"))).to_be_visible(timeout=WAIT)
    kept = _stored(register, run, case)
    sound = register.verify().sound
    page.context.close()
    return Seen(
        "SIGKILL of the server, then started again",
        "the page says so; what was stored is kept; no kernel is left; loaded again it goes on",
        f"said after {told:.1f} s; {len(kept)} of {len(said)} decisions kept, the register sound; its {len(orphans)} "
        f"kernels ended within {ended:.0f} s; loaded again on the same case",
        held=kept == said and sound and ended < float("inf"),
    )


def _named(process: psutil.Process, words: str) -> bool:
    try:
        return words in " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return False


def _alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
