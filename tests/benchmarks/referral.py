"""Speed of page 04 in a browser: python -m tests.benchmarks.referral [--keys N].

A slider of the shipped pathway is moved by arrow keys, half of them up and half down again, each pressed once the page
has been still since the one before. A key's time runs from its event to three paints: of the first figures that fit
the new setting (a few replications), of those of all 200 replications, and of the last change that it made to the page
(tables, charts, money). A threshold moves the arms with a model; referrals a week move all four.
"""

from __future__ import annotations

import argparse
import os
import time

import numpy as np
import psutil
from playwright.sync_api import Browser, Page, sync_playwright

from derm_kit.model.card import share
from tests.benchmarks.slider import STILL_MS, WARM_UP_S, busy_ms
from tests.serving import chromium, served

SIMULATION = "04_referral_simulation.ipynb"
SLIDERS = {"a threshold (melanoma)": "Melanoma, threshold", "referrals a week, all arms": "Referrals, a week"}
MOMENTS = ("first figures", "all 200 replications", "page at rest")
WANTED_MS = 1_000
LONGEST_MS = 60_000
WATCH = """
([stillMs, longestMs]) => {
  let pressed = 0, painted = 0, unpainted = 0, seen = {}, before = "";
  const afterPaint = new MessageChannel(), of = (place) => document.querySelector(place)?.textContent ?? "";
  const settling = () => document.querySelector(".dk-headlines").parentElement.textContent.includes("First figures");
  afterPaint.port1.onmessage = ({ data }) => {
    painted = performance.now();
    unpainted -= 1;
    if (data) seen[data] ??= painted;
  };
  document.addEventListener("keydown", (event) => {
    pressed = event.timeStamp;
    painted = 0;
    seen = {};
    before = of(".dk-arms");
  }, true);
  new MutationObserver((records) => {
    const figures = records.some(({ type, target }) =>
      type === "childList" && (target.closest?.(".dk-glance") || target.querySelector?.(".dk-glance")));
    unpainted += 1;
    const what = figures ? (settling() ? "few" : "all") : "";
    requestAnimationFrame(() => afterPaint.port2.postMessage(what));
  }).observe(document.body, { subtree: true, childList: true, attributes: true, characterData: true });
  window.settled = async () => {
    while (unpainted || !seen.all || performance.now() - painted < stillMs) {
      if (performance.now() - pressed > longestMs) throw new Error("not all replications are shown");
      await new Promise((go) => setTimeout(go, 20));
    }
    return [[seen.few ?? seen.all, seen.all, painted].map((at) => at - pressed), before !== of(".dk-arms")];
  };
}
"""


def opened(browser: Browser, address: str) -> Page:
    """The page with all its figures, watched, once it and the next page's kernel are at rest."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(address + SIMULATION)
    page.get_by_text("200 replications, seed 1").wait_for(timeout=180_000)
    time.sleep(WARM_UP_S)
    page.evaluate(WATCH, [STILL_MS, LONGEST_MS])
    return page


def press(page: Page, slider: str, keys: int) -> tuple[list[list[float]], int]:
    """Milliseconds (N, 3) from each key to MOMENTS, and how many keys changed some figure."""
    page.get_by_role("slider", name=slider, exact=True).focus()
    taken, changed = [], 0
    for k in range(keys):
        page.keyboard.press("ArrowRight" if k < keys / 2 else "ArrowLeft")
        times, other = page.evaluate("settled()")
        taken.append(times)
        changed += other
    return taken, changed


def report(step: str, taken: list[list[float]], changed: int, kernel_ms: float) -> None:
    """Print the rows of one slider."""
    for name, column in zip(MOMENTS, np.array(taken).T, strict=True):
        median, late = np.percentile(column, [50, 95])
        wanted = f"{'below' if late < WANTED_MS else 'not below'} {WANTED_MS:,}" if name == MOMENTS[1] else ""
        print(f"{step:<28} {name:<22} {median:>8,.0f} {late:>8,.0f}   {wanted}")
    print(f"{step:<28} figures changed by {changed} of {len(taken)} keys; the kernel's processor time a key "
          f"{kernel_ms:,.0f} ms")  # fmt: skip


def measured(page: Page, server: psutil.Process, keys: int) -> None:
    """Move each slider and print what it took."""
    for step, slider in SLIDERS.items():
        before = busy_ms(server)
        taken, changed = press(page, slider, keys)
        report(step, taken, changed, (busy_ms(server) - before) / keys)


def main() -> None:
    """Print the times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=40, help="for each slider")
    keys = parser.parse_args().keys
    with sync_playwright() as playwright, served(share("notebooks"), "warm") as (address, server):
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        page = opened(browser, address)
        print(f"{keys} keys a slider, {len(os.sched_getaffinity(0))} cores; milliseconds from the key to the paint")
        print(f"{'step':<28} {'shown':<22} {'median':>8} {'95th':>8}   wanted")
        measured(page, server, keys)
        browser.close()


if __name__ == "__main__":
    main()
