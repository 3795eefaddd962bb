"""Speed of page 02 in a browser: python -m tests.benchmarks.review [--cases N N] [--views N] [--steps N].

first paint   from the address to the list with the open case's picture, for a run of many cases beside one of few: cold
              (the kernel starts, reads the run and makes the page) and warm (a kernel that has done so waits)
next case     over the shipped reference cohort "n" is pressed once the page has been still since the step before; a
              step's time runs from the key to the paint of the last change that it made: picture, words, list

The runs are drawn from the reference scores and cases with replacement, ids of their own, the pictures linked. Needs
DERM_KIT_DATA.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, Page, sync_playwright

from derm_kit.cases.pictures import picture_of
from derm_kit.model.card import default_model, share
from derm_kit.model.reference import REFERENCE_FILE
from derm_kit.model.run import ScoreRun, read_run, write_joined
from derm_kit.triage.opening import RUN_VARIABLE
from tests.benchmarks.slider import STILL_MS, WARM_UP_S, WATCH
from tests.serving import chromium, served

REVIEW = "02_case_review.ipynb"
PLACES = {"case": ".dk-verdict", "list": ".dk-worklist"}
PAINTED = """
() => {
  const canvas = document.querySelector(".dk-viewer canvas");
  return document.querySelector(".dk-worklist li") && canvas && canvas.dataset.shown && canvas.width > 0;
}
"""
WANTED_MS, WANTED_RATIO = 200, 1.5
PAUSES_S = {"warm": 12.0, "cold": 1.0}


def drawn(reference: ScoreRun, n: int, folder: Path) -> Path:
    """A run of `n` cases drawn from the reference cohort, its pictures linked beside it."""
    chosen = np.random.default_rng(n).integers(0, len(reference), n)
    old = reference.scores["case_id"].iloc[chosen].tolist()
    ids = [f"{case}_{i}" for i, case in enumerate(old)]
    scores = reference.scores.iloc[chosen].assign(case_id=ids)
    cases = reference.cases.iloc[chosen].assign(case_id=ids)
    folder.mkdir()
    for case, new in zip(old, ids, strict=True):
        path = picture_of(case)
        if path is None:
            raise SystemExit("DERM_KIT_DATA names no folder with the pictures of the reference cohort")
        (folder / f"{new}{path.suffix}").symlink_to(path.resolve())
    write_joined(ScoreRun(scores, cases, meta=reference.meta), folder / "run.parquet")
    return folder


@contextmanager
def named(**variables: str) -> Iterator[None]:
    """Environment variables for what starts within."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    yield
    for name, value in before.items():
        os.environ.pop(name) if value is None else os.environ.update({name: value})


def ready(browser: Browser, address: str, pause_s: float) -> float:
    """Seconds from the address to list and picture; before it, `pause_s` in which kernels come up."""
    time.sleep(pause_s)
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    began = time.perf_counter()
    page.goto(address + REVIEW)
    page.wait_for_function(PAINTED, polling=20, timeout=120_000)
    taken = time.perf_counter() - began
    page.close()
    return taken


def first_paints(browser: Browser, folders: dict[int, Path], views: int) -> None:
    """Print the first paint of each run, and their ratio, the runs taking turns."""
    few, many = sorted(folders)
    for temperature, pause_s in PAUSES_S.items():
        with ExitStack() as stack:
            addresses = {}
            for n, folder in folders.items():
                with named(**{RUN_VARIABLE: str(folder / "run.parquet"), "DERM_KIT_DATA": str(folder)}):
                    addresses[n], _ = stack.enter_context(served(share("notebooks"), temperature))
            for address in addresses.values():
                ready(browser, address, pause_s)
            taken: dict[int, list[float]] = {n: [] for n in folders}
            for _ in range(views):
                for n, address in addresses.items():
                    taken[n].append(ready(browser, address, pause_s))
        medians = {n: statistics.median(times) for n, times in taken.items()}
        print(f"first paint of {many:,} cases / of {few:,}, {temperature}: {medians[many] / medians[few]:.2f} "
              f"({medians[many]:.2f} and {medians[few]:.2f} s), wanted below {WANTED_RATIO}")  # fmt: skip


def step(page: Page, steps: int) -> list[float]:
    """Milliseconds that each step took; every one must bring another case with its picture."""
    taken, before = [], ""
    for _ in range(steps):
        page.keyboard.press("n")
        ms, _ = page.evaluate("settled()")
        taken.append(ms)
        case = page.locator(".dk-verdict").first.inner_text()
        described = page.locator(".dk-viewer canvas").get_attribute("aria-label") or ""
        if case == before or not described.startswith(f"{case},"):
            raise SystemExit(f"{before} was followed by {case} with the picture {described}")
        before = case
    return taken


def next_cases(browser: Browser, steps: int) -> None:
    """Print how long the next case takes."""
    with served(share("notebooks"), "warm") as (address, _):
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(address + REVIEW)
        page.wait_for_function(PAINTED, polling=20, timeout=120_000)
        time.sleep(WARM_UP_S)
        page.evaluate(WATCH, [PLACES, STILL_MS])
        taken = step(page, steps)
        page.close()
    median, late, last = np.percentile(taken, [50, 95, 100])
    said = "below" if late < WANTED_MS else "not below"
    print(f"next case, {steps} steps on {len(os.sched_getaffinity(0))} cores: median {median:.0f} ms, 95th percentile "
          f"{late:.0f} ms, longest {last:.0f} ms; {said} the {WANTED_MS} wanted")  # fmt: skip


def main() -> None:
    """Print the times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, nargs=2, default=[100, 10_000])
    parser.add_argument("--views", type=int, default=5)
    parser.add_argument("--steps", type=int, default=60)
    args = parser.parse_args()
    reference = read_run(default_model() / REFERENCE_FILE)
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        with named(DERM_KIT_WORKSPACE=f"{temporary}/workspace"):
            next_cases(browser, args.steps)
            first_paints(browser, {n: drawn(reference, n, Path(temporary) / str(n)) for n in args.cases}, args.views)
        browser.close()


if __name__ == "__main__":
    main()
