"""Many browsers at once on one workbench: python -m tests.soak.load [--contexts 20] [--minutes 10] [--write].

Each context goes through triage, tuning and review as fast as it can, a second between two steps. Told are the steps
with their errors and times, the memory of server and kernels (their shares of what is shared counted once), who used
the processor, and whether the kernels are gone afterwards. With --write it goes into docs/robustness.md. The status is
1 where a step failed, a decision that was said to be stored is not there, or a kernel stayed.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import psutil
from playwright.async_api import async_playwright

from derm_kit.cases.phantom import draw
from derm_kit.lesions import LesionType
from derm_kit.model.card import default_model, load_card
from derm_kit.model.reference import REFERENCE_FILE
from derm_kit.model.run import read_run
from derm_kit.records.people import Role
from derm_kit.records.register import Register
from derm_kit.serve import WARM
from derm_kit.triage.policy import TriagePolicy
from derm_kit.triage.proposal import run_hash
from derm_kit.triage.worklist import Wanted, Worklist
from tests.records.places import PASSPHRASE
from tests.serving import chromium
from tests.soak.clients import Client, Steps
from tests.soak.page import measured, put
from tests.soak.workbench import Workbench, until

SAMPLE_S = 2.0
GONE_S = 60
KINDS = (LesionType.MELANOMA, LesionType.BASAL_CELL_CARCINOMA)


@dataclass
class Watch:
    """Processor seconds of the workbench and of its clients, and the most memory that the workbench held."""

    server: psutil.Process
    clients: psutil.Process
    last: dict[psutil.Process, float] = field(default_factory=dict)
    server_s: float = 0.0
    clients_s: float = 0.0
    most_mb: float = 0.0
    most_kernels: int = 0

    def look(self) -> None:
        """Add what was used since the look before."""
        memory, kernels = 0.0, 0
        for process, used, held in _tree(self.server):
            self.server_s += used - self.last.get(process, 0.0)
            self.last[process] = used
            memory += held
            kernels += held > 0
        for process, used, _ in _tree(self.clients, but=self.server):
            self.clients_s += used - self.last.get(process, 0.0)
            self.last[process] = used
        self.most_mb, self.most_kernels = max(self.most_mb, memory), max(self.most_kernels, kernels - 1)

    async def go_on(self) -> None:
        while True:
            await asyncio.to_thread(self.look)
            await asyncio.sleep(SAMPLE_S)


def _tree(root: psutil.Process, but: psutil.Process | None = None) -> Iterator[tuple[psutil.Process, float, float]]:
    """Each process under `root`: itself, processor seconds so far, MB with shared pages counted by share."""
    left_out = {but, *but.children(recursive=True)} if but else set()
    for process in [root, *root.children(recursive=True)]:
        if process in left_out:
            continue
        with suppress(psutil.Error):
            times = process.cpu_times()
            held = 0.0 if but else process.memory_full_info().pss / 2**20
            yield process, times.user + times.system, held


async def clients(workbench: Workbench, names: list[str], minutes: float, folder: Path, watch: Watch) -> Steps:
    """All of them at once, until the time is up."""
    reference = read_run(default_model() / REFERENCE_FILE)
    worklist = Worklist.of(reference, TriagePolicy.from_card(load_card(default_model())))
    order = [str(case) for case in worklist.table["case_id"].iloc[worklist.positions(Wanted(), {})]]
    pictures = []
    for kind in KINDS:
        pictures.append(folder / f"{kind.value}.png")
        cv2.imwrite(str(pictures[-1]), draw(kind, 9_000).image[..., ::-1])
    steps, each = Steps(), len(order) // len(names)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        pages = [
            await (
                await browser.new_context(viewport={"width": 1440, "height": 900}, base_url=workbench.address)
            ).new_page()
            for _ in names
        ]
        end = time.monotonic() + 60 * minutes
        watching = asyncio.create_task(watch.go_on())
        await asyncio.gather(
            *(
                Client(
                    page, name, run_hash(reference), order[i * each : (i + 1) * each], pictures, steps, end, i
                ).work()
                for i, (page, name) in enumerate(zip(pages, names, strict=True))
            )
        )
        watching.cancel()
        await asyncio.to_thread(until, lambda: len(workbench.kernels()) <= _waiting(), GONE_S)
        await browser.close()
    return steps


def _waiting() -> int:
    """So many kernels wait for a page when none is open."""
    return len(WARM)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contexts", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--write", action="store_true", help="put what was measured into docs/robustness.md")
    args = parser.parse_args()
    names = [f"Reader {i:02d}" for i in range(args.contexts)]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with Register.open(folder / "workspace") as register:
            for name in names:
                register.add_person(name, Role.DERMATOLOGIST, PASSPHRASE, registration="GMC 1")
            with Workbench(folder / "workspace") as workbench:
                until(lambda: len(workbench.kernels()) >= _waiting(), 180)
                watch = Watch(workbench.process, psutil.Process())
                steps = asyncio.run(clients(workbench, names, args.minutes, folder, watch))
                left = len(workbench.kernels()) - _waiting()
                stored = sum(entry.action == "review saved" for entry in register.entries())
                sound = register.verify().sound
    said = "\n".join(_lines(steps, watch, stored, left, sound))
    print(said, *steps.failed[:20], sep="\n")
    if args.write:
        command = f"python -m tests.soak.load --contexts {args.contexts} --minutes {args.minutes:g} --write"
        put("load", f"`{command}`, {measured()}\n\n{said}")
    return bool(steps.failed or left > 0 or stored < steps.decisions or not sound)


def _lines(steps: Steps, watch: Watch, stored: int, left: int, sound: bool) -> Iterator[str]:
    every = [seconds for _, seconds in steps.taken]
    tried = len(every) + len(steps.failed)
    yield "| step | how many | median, s | 95th percentile, s | longest, s |\n|---|---|---|---|---|"
    for kind in [*dict.fromkeys(kind for kind, _ in steps.taken), ""]:
        own = [seconds for name, seconds in steps.taken if kind in ("", name)]
        middle, high = np.percentile(own, [50, 95])
        yield f"| {kind or 'all'} | {len(own)} | {middle:.2f} | {high:.2f} | {max(own):.2f} |"
    clients_share = watch.clients_s / (watch.clients_s + watch.server_s)
    yield f"\n- Errors: {len(steps.failed)} of {tried} steps."
    yield (f"- Decisions: {steps.decisions} said to be stored, {stored} in the register, which verify finds "
           f"{'sound' if sound else 'not sound'}. {steps.again} came before the whole case stood on the screen: the "
           "page said that it had not taken them, and they were entered again.")  # fmt: skip
    yield (f"- Memory of server and kernels at most {watch.most_mb:,.0f} MB, in up to {watch.most_kernels} processes "
           "beside the server; what they share is counted once.")  # fmt: skip
    yield (f"- Processor time: server and kernels {watch.server_s:,.0f} s, the clients (browsers and this tool) "
           f"{watch.clients_s:,.0f} s, {clients_share:.0%} of all.")  # fmt: skip
    yield f"- Kernels left within {GONE_S} s of the last page, beside those that wait for one: {max(left, 0)}."


if __name__ == "__main__":
    raise SystemExit(main())
