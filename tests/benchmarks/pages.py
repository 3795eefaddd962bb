"""Speed of maps and pages as ratios in one run: python -m tests.benchmarks.pages [--views N].

one-pass map     all trained types at once, beside scoring alone and beside pytorch-grad-cam for one type (one thread)
page 01 ready    from the address to the drop zone, beside an empty notebook on the same server: warm (a kernel waits)
                 and cold (none does)
dropped to shown from the file given to the verdict on screen, median
kernel           resident memory of the largest kernel once a result is shown, what kernels share counted in full
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import psutil
import torch
from playwright.sync_api import Browser, Page, sync_playwright

from derm_kit import Classifier, LesionType
from derm_kit.cases.phantom import draw
from derm_kit.model._torch import import_timm, load_network
from derm_kit.model.card import share
from derm_kit.model.explanation import one_pass_maps
from tests.serving import chromium, kernels, served

import_timm()
from pytorch_grad_cam import GradCAM  # noqa: E402
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget  # noqa: E402

BATCH = 8
EMPTY = "99_empty.ipynb"
TRIAGE = "01_triage_a_case.ipynb"


def seconds(run: Callable[[], object], times: int = 5) -> float:
    """Median seconds of a call, after one that does not count."""
    run()
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        run()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def maps() -> None:
    """Print what a map costs beside scoring and beside pytorch-grad-cam."""
    torch.set_num_threads(1)
    classifier = Classifier(device="cpu")
    squares = np.stack([classifier.square(draw(LesionType.MELANOMA, 9_000 + i).image) for i in range(BATCH)])
    scoring = seconds(lambda: classifier.infer(squares))
    mapping = seconds(lambda: one_pass_maps(classifier.infer(squares), classifier))
    network = load_network(classifier.folder, classifier.card, torch.device("cpu"))
    peer = GradCAM(model=network, target_layers=[network.stacked])
    pixels, targets = torch.from_numpy(classifier.pixels(squares)), [ClassifierOutputTarget(0)] * BATCH
    theirs = seconds(lambda: peer(input_tensor=pixels, targets=targets), 3)
    print(f"scores and maps of every type / scores alone: {mapping / scoring:.2f}, wanted at most 1.15")
    print(f"pytorch-grad-cam for one type / ours for all: {theirs / mapping:.1f}, wanted at least 3")


def ready(browser: Browser, address: str, name: str, sign: str, pause_s: float) -> float:
    """Seconds from the address of a page to its `sign` on screen; before it, `pause_s` in which kernels come up."""
    time.sleep(pause_s)
    page = browser.new_page()
    began = time.perf_counter()
    page.goto(address + name)
    page.wait_for_selector(sign, timeout=120_000)
    taken = time.perf_counter() - began
    page.close()
    return taken


def shown(page: Page, path: Path, before: str) -> float:
    """Seconds from a file given to another verdict than `before` on screen."""
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose or take a picture").click()
    began = time.perf_counter()
    chooser.value.set_files(path)
    page.wait_for_function(
        "before => { const v = document.querySelector('.dk-verdict'); return v && v.textContent !== before; }",
        arg=before,
        polling=20,
    )
    return time.perf_counter() - began


def drops(browser: Browser, address: str, server: psutil.Process, folder: Path, views: int) -> None:
    """Print how long a dropped picture takes and what the page's kernel holds."""
    kinds = (LesionType.MELANOMA, LesionType.BASAL_CELL_CARCINOMA)
    for kind in kinds:
        cv2.imwrite(str(folder / f"{kind.value}.png"), draw(kind, 9_000).image[..., ::-1])
    page = browser.new_page()
    page.goto(address + TRIAGE)
    page.get_by_label("Skin type").select_option(label="II: white, usually burns", timeout=120_000)
    taken, before = [], ""
    for i in range(2 * views):
        taken.append(shown(page, folder / f"{kinds[i % 2].value}.png", before))
        before = page.locator(".dk-verdict").inner_text()
    print(f"dropped to shown: {statistics.median(taken):.2f} s ({min(taken):.2f} to {max(taken):.2f}), wanted below 1")
    held = max(p.memory_info().rss for p in kernels(server)) / 2**20
    print(f"a page's kernel: {held:.0f} MB, wanted below 350")


def main() -> None:
    """Print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--views", type=int, default=5)
    args = parser.parse_args()
    maps()
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        pages = Path(temporary) / "pages"
        shutil.copytree(share("notebooks"), pages)
        empty = json.loads((pages / TRIAGE).read_text("utf-8"))
        empty["cells"] = [c for c in empty["cells"] if c["cell_type"] == "code"][:1]
        empty["cells"][0]["source"] = ["import ipywidgets as w\n", "w.HTML(\"<p id='sign'>ready</p>\")"]
        (pages / EMPTY).write_text(json.dumps(empty), "utf-8")
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        for temperature, pause_s, most in (("warm", 12.0, 1.5), ("cold", 1.0, 2.5)):
            with served(pages, temperature) as (address, server):
                ready(browser, address, EMPTY, "#sign", pause_s)
                ours, theirs = [], []
                for _ in range(args.views):
                    theirs.append(ready(browser, address, EMPTY, "#sign", pause_s))
                    ours.append(ready(browser, address, TRIAGE, ".dk-drop", pause_s))
                ratio = statistics.median(ours) / statistics.median(theirs)
                print(f"page 01 / an empty notebook, {temperature}: {ratio:.2f} ({statistics.median(ours):.1f} and "
                      f"{statistics.median(theirs):.1f} s), wanted at most {most}")  # fmt: skip
                if temperature == "warm":
                    drops(browser, address, server, Path(temporary), args.views)
        browser.close()


if __name__ == "__main__":
    main()
