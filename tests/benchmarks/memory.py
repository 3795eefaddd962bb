"""Memory of the workbench, for its sizes in the administrator's guide: python -m tests.benchmarks.memory [--people N].

nobody           the server, its scoring worker, and the kernels that wait for the pages that are opened first
page             what one more person adds who has it open: page 01 with a picture and its map, the others as they open
All are proportional set sizes summed over the server and all below it, so that shared libraries count once.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import psutil
from playwright.sync_api import Browser, Page, sync_playwright

from derm_kit.cases.phantom import draw
from derm_kit.lesions import LesionType
from derm_kit.serve import WARM
from tests.serving import chromium, free_port, kernels, wait_until_it_answers

SETTLED_MB, LOOKS, LOOK_S, LONGEST_S = 20.0, 3, 4.0, 300.0
WAITING = len(WARM)
OPENED = ("02_case_review", "03_threshold_tuning", "04_referral_simulation", "06_monitoring", "07_safety_case")


@contextmanager
def workbench() -> Iterator[tuple[str, psutil.Process]]:
    """Address of the pages and process of `derm-kit serve`."""
    port = free_port()
    command = Path(sys.executable).with_name("derm-kit")
    server = subprocess.Popen(
        [command, "serve", "--port", str(port), "--no-browser"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_until_it_answers(f"http://127.0.0.1:{port}", server)
        yield f"http://127.0.0.1:{port}/voila/render/", psutil.Process(server.pid)
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(60)


def held_mb(server: psutil.Process) -> float:
    """Proportional set size of the server and all below it, in MB; what ends meanwhile counts nothing."""
    total = 0
    for process in (server, *server.children(recursive=True)):
        try:
            total += process.memory_full_info().pss
        except psutil.NoSuchProcess:
            continue
    return total / 1e6


def settled_mb(server: psutil.Process, running: int) -> float:
    """The same, once `running` kernels run and it stays within SETTLED_MB over LOOKS looks."""
    seen: list[float] = []
    until = time.monotonic() + LONGEST_S
    while time.monotonic() < until:
        seen = [*seen, held_mb(server)][-LOOKS:] if len(kernels(server)) == running else []
        if len(seen) == LOOKS and max(seen) - min(seen) < SETTLED_MB:
            return seen[-1]
        time.sleep(LOOK_S)
    raise RuntimeError(f"memory did not settle within {LONGEST_S:.0f} s: {seen}")


def with_picture(page: Page, path: Path) -> None:
    """Give page 01 a picture and wait for its map."""
    page.get_by_label("Skin type").select_option(label="II: white, usually burns", timeout=120_000)
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose or take a picture").click()
    chooser.value.set_files(path)
    page.wait_for_selector(".dk-viewer canvas[data-shown=colour]", timeout=120_000)


def as_opened(page: Page) -> None:
    """Wait for a page's first section."""
    page.wait_for_selector(".dk-section", timeout=120_000)


def added_mb(
    browser: Browser, server: psutil.Process, address: str, people: int, then: Callable[[Page], None]
) -> float:
    """What each of `people` adds who opens the page at `address` and does `then`; they leave again."""
    before = settled_mb(server, WAITING)
    opened = [browser.new_context() for _ in range(people)]
    for context in opened:
        page = context.new_page()
        page.goto(address, timeout=120_000)
        then(page)
    after = settled_mb(server, WAITING + people)
    for context in opened:
        for page in context.pages:
            page.goto("about:blank")
        context.close()
    return (after - before) / people


def main() -> None:
    """Print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=2)
    people = parser.parse_args().people
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        picture = Path(temporary) / "phantom.png"
        cv2.imwrite(str(picture), draw(LesionType.MELANOMA, 9_000).image[..., ::-1])
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        with workbench() as (address, server):
            print(f"nobody: {settled_mb(server, WAITING):,.0f} MB, {WAITING} kernels wait", flush=True)
            name = "01_triage_a_case"
            each = added_mb(browser, server, f"{address}{name}.ipynb", people, lambda page: with_picture(page, picture))
            print(f"{name}, with a picture: {each:,.0f} MB a person", flush=True)
            for name in OPENED:
                each = added_mb(browser, server, f"{address}{name}.ipynb", people, as_opened)
                print(f"{name}: {each:,.0f} MB a person", flush=True)
        browser.close()


if __name__ == "__main__":
    main()
