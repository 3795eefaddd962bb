"""Speed of page 03 in a browser: python -m tests.benchmarks.slider [--keys N].

The melanoma slider over the shipped reference cohort is moved by arrow keys, each pressed once the page has been still
since the one before. A key's time runs from its event to the paint of the last change that it made to the page: the
browser's own (the slider's words) and all that the kernel sends (the slider's worth, sentences, tables, charts).
"""

from __future__ import annotations

import argparse
import os
import time

import numpy as np
import psutil
from playwright.sync_api import Browser, Page, sync_playwright

from derm_kit.model.card import share
from tests.serving import chromium, kernels, served

TUNING = "03_threshold_tuning.ipynb"
PLACES = {"its worth": ".dk-slider-worth", "sentences": ".dk-table-list", "charts": ".dk-chart"}
WANTED_MS = 150
STILL_MS = 800
WARM_UP_S = 12.0
WATCH = """
([places, stillMs]) => {
  let pressed = 0, painted = 0, unpainted = 0;
  const drawn = new Set(), afterPaint = new MessageChannel();
  afterPaint.port1.onmessage = () => { painted = performance.now(); unpainted -= 1; };
  document.addEventListener("keydown", (event) => {
    pressed = event.timeStamp;
    painted = 0;
    drawn.clear();
  }, true);
  new MutationObserver((records) => {
    for (const { type, target } of records)
      for (const [name, place] of Object.entries(places))
        if (type === "childList" && (target.closest(place) || target.querySelector(place))) drawn.add(name);
    unpainted += 1;
    requestAnimationFrame(() => afterPaint.port2.postMessage(null));
  }).observe(document.body, { subtree: true, childList: true, attributes: true, characterData: true });
  window.settled = async () => {
    while (unpainted || !painted || performance.now() - painted < stillMs)
      await new Promise((go) => setTimeout(go, 20));
    return [painted - pressed, [...drawn]];
  };
}
"""


def opened(browser: Browser, address: str) -> Page:
    """The page with the melanoma slider in focus, watched, once it and the next page's kernel are at rest."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(address + TUNING)
    slider = page.get_by_role("slider", name="Melanoma, threshold")
    slider.wait_for(timeout=120_000)
    time.sleep(WARM_UP_S)
    page.evaluate(WATCH, [PLACES, STILL_MS])
    slider.focus()
    return page


def press(page: Page, keys: int) -> tuple[list[float], list[str]]:
    """Milliseconds that each key took, and the names of what it drew anew, one after the other."""
    taken, drawn = [], []
    for _ in range(keys):
        page.keyboard.press("ArrowRight")
        ms, names = page.evaluate("settled()")
        taken.append(ms)
        drawn += names
    return taken, drawn


def busy_ms(server: psutil.Process) -> float:
    """Processor time that the kernels of a server have taken."""
    return 1000 * sum(sum(p.cpu_times()[:2]) for p in kernels(server))


def main() -> None:
    """Print the times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=100)
    keys = parser.parse_args().keys
    with sync_playwright() as playwright, served(share("notebooks"), "warm") as (address, server):
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        page = opened(browser, address)
        before = busy_ms(server)
        taken, drawn = press(page, keys)
        kernel = (busy_ms(server) - before) / keys
        browser.close()
    median, late = np.percentile(taken, [50, 95])
    said = "below" if late < WANTED_MS else "not below"
    print(f"{keys} keys, {len(os.sched_getaffinity(0))} cores; drawn anew by so many of them: "
          + ", ".join(f"{name} {drawn.count(name)}" for name in PLACES))  # fmt: skip
    print(f"key to redrawn page: median {median:.0f} ms, 95th percentile {late:.0f} ms, {said} the {WANTED_MS} wanted")
    print(f"the kernel's processor time: {kernel:.0f} ms a key, {kernel / np.mean(taken):.0%} of the mean")


if __name__ == "__main__":
    main()
