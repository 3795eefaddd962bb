"""Clients of the workbench, each in a browser context of its own: triage, tuning, review in turn, each step timed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path

from playwright.async_api import Error, Page, expect

from derm_kit.panels.review_setting import RUN_DIGITS
from derm_kit.panels.stopwatch import SHORTEST_LOOK_S
from tests.records.places import PASSPHRASE

WAIT = 300_000
"""A step that takes longer, in ms, has failed."""
TRIAGE, TUNING, REVIEW = (
    f"/voila/render/{name}.ipynb" for name in ("01_triage_a_case", "03_threshold_tuning", "02_case_review")
)
ROUND = 5
"""So many steps on one page before the client goes on to the next."""
PAINTED = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
"""Whoever decides has seen the case, and a busy browser paints late."""
PAUSE_S = 1.0
"""Between two steps: less than a person takes."""


@dataclass
class Steps:
    """What all clients did: (kind, seconds) of each step, and in words what failed."""

    taken: list[tuple[str, float]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    decisions: int = 0
    again: int = 0


@dataclass
class Client:
    """One person at the workbench: `name` signs in, `cases` lie side by side in the list, `pictures` are dropped.

    `first` is the page that they begin on, counted on without end.
    """

    page: Page
    name: str
    run: str
    cases: list[str]
    pictures: list[Path]
    steps: Steps
    end: float
    first: int
    doing: str = ""

    async def work(self) -> None:
        """Go round the three pages until the time is up; a step that fails is told and the next page opened."""
        turns = cycle((self.triage, self.tune, self.review))
        for turn in islice(turns, self.first % 3, None):
            if self.over:
                break
            try:
                await turn()
            except (AssertionError, Error) as error:
                said = await self.page.locator("[class*=dk-notice]").all_inner_texts()
                self.steps.failed.append(f"{self.name}, {self.doing}: {str(error).splitlines()[0]} {said}")
        await self.page.close(run_before_unload=True)

    @asynccontextmanager
    async def timed(self, kind: str) -> AsyncIterator[None]:
        """One step of this kind; it counts once it is done."""
        self.doing, begin = kind, time.monotonic()
        yield
        self.steps.taken.append((kind, time.monotonic() - begin))

    @property
    def over(self) -> bool:
        return time.monotonic() > self.end

    async def triage(self) -> None:
        page, before = self.page, ""
        async with self.timed("open triage"):
            await page.goto(TRIAGE, timeout=WAIT)
            await page.get_by_label("Skin type").select_option(label="II: white, usually burns", timeout=WAIT)
        for i in range(ROUND):
            if self.over:
                return
            async with self.timed("triage a picture"):
                async with page.expect_file_chooser() as chooser:
                    await page.get_by_role("button", name="Choose or take a picture").click()
                await (await chooser.value).set_files(self.pictures[i % len(self.pictures)])
                verdict = page.locator(".dk-verdict")
                await expect(verdict).not_to_have_text(before, timeout=WAIT)
            before = await verdict.inner_text()
            await asyncio.sleep(PAUSE_S)

    async def tune(self) -> None:
        page = self.page
        slider, words = page.get_by_role("slider", name="Melanoma, threshold"), page.locator(".dk-table-list li").first
        async with self.timed("open tuning"):
            await page.goto(TUNING, timeout=WAIT)
            await expect(slider).to_be_visible(timeout=WAIT)
        for _ in range(ROUND):
            if self.over:
                return
            before = await words.inner_text()
            async with self.timed("move a threshold"):
                await slider.focus()
                for _ in range(30):
                    await page.keyboard.press("ArrowRight")
                await expect(words).not_to_have_text(before, timeout=WAIT)
            await asyncio.sleep(PAUSE_S)

    async def review(self) -> None:
        page, case = self.page, self.cases.pop(0)
        stored, early = page.get_by_text("Stored: routine dermatology."), page.get_by_text("not taken for this one")
        async with self.timed("open review"):
            await page.goto(f"{REVIEW}#run={self.run[:RUN_DIGITS]}&case={case}", timeout=WAIT)
            await expect(page.locator(".dk-verdict").first).to_have_text(case, timeout=WAIT)
        async with self.timed("sign in"):
            await page.get_by_label("I am").select_option(label=f"{self.name}, dermatologist")
            await page.get_by_label("Passphrase").fill(PASSPHRASE)
            await page.get_by_label("Passphrase").press("Enter")
            await expect(page.get_by_text(f"Signed in: {self.name}")).to_be_visible(timeout=WAIT)
            await page.evaluate(PAINTED)
        for _ in range(ROUND):
            if self.over or not self.cases:
                return
            await asyncio.sleep(SHORTEST_LOOK_S + PAUSE_S)
            async with self.timed("store a decision"):
                await page.keyboard.press("2")
                await expect(stored.or_(early)).to_be_visible(timeout=WAIT)
                if await early.is_visible():
                    self.steps.again += 1
                    await asyncio.sleep(PAUSE_S)
                    await page.keyboard.press("2")
                    await expect(stored).to_be_visible(timeout=WAIT)
            self.steps.decisions += 1
            case = self.cases.pop(0)
            async with self.timed("next case"):
                await page.keyboard.press("n")
                await expect(page.locator(".dk-verdict").first).to_have_text(case, timeout=WAIT)
                await page.evaluate(PAINTED)
