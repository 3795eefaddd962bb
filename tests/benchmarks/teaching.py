"""Speed of the readers' page over HTTP: python -m tests.benchmarks.teaching [--readers N] [--cases N] [--pause-s S].

The command serves a session as it does to phones, here on loopback; each reader is a process with a connection of its
own, that loads state and picture as the page does. Times run from an answer's sending to its acknowledgement.

burst      200 join at one moment from one address
answers    every reader answers every case: with a pause of about S seconds before each (quicker than people read) in
           the first reading, and without any in the second, where all wait for the one lock all the time
floor      as many processes without a pause at a bare Tornado handler that commits one row to SQLite (WAL, FULL)
memory     of the server, resident: before anybody joined, and with 1, 30 and 230 readers whose pages ask where they are
results    the tables of the whole session from the register, and their analysis
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import multiprocessing
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from tornado.web import Application, RequestHandler

from derm_kit.records import teaching, teaching_results
from derm_kit.records.register import Register
from derm_kit.records.teaching import TeachingSession
from derm_kit.records.teaching_steps import Action, Mode
from derm_kit.triage.reader_study import analyse_study
from derm_kit.triage.teaching_list import TeachingList, phantom_list
from tests.phones import Phone, by_command
from tests.readers import staff
from tests.serving import free_port

BURST = 200
WANTED_MS, WANTED_RESULTS_MS = 300, 1_000
PHANTOMS, WRONG = 20, 4
POLL_S = 2.5
FORK = multiprocessing.get_context("fork")
FLOOR_TABLE = "CREATE TABLE answers (id INTEGER PRIMARY KEY, said TEXT)"


def listed(cases: int) -> TeachingList:
    """So many cases: the phantoms of a list again and again, under ids of their own."""
    found = phantom_list(PHANTOMS, WRONG, 1)
    again = (found.cases[i % PHANTOMS] for i in range(cases))
    return dataclasses.replace(
        found, cases=tuple(dataclasses.replace(case, case_id=f"{case.case_id}_{i}") for i, case in enumerate(again))
    )


def together(work: Callable[..., list[float]], given: Sequence[tuple[Any, ...]]) -> tuple[list[float], float]:
    """What one process for each of `given` returns, in one list, and the seconds that all took side by side."""
    with FORK.Pool(len(given)) as pool:
        began = time.perf_counter()
        done = pool.starmap(work, given, chunksize=1)
        return [value for values in done for value in values], time.perf_counter() - began


def thinking(phone: Phone, pause_s: float, chance: random.Random) -> None:
    """A pause in which the page asks for its state every POLL_S."""
    until = time.perf_counter() + chance.uniform(0.5, 1.5) * pause_s
    while (left := until - time.perf_counter()) > 0:
        time.sleep(min(left, POLL_S))
        phone.get("/api/state")


def read_cases(base: str, cookie: str, pause_s: float) -> list[float]:
    """One reader answers all that waits; milliseconds of each answer."""
    phone, chance = Phone(base, cookie=cookie, kept=True), random.Random(cookie)
    case, taken = phone.state()["case"], []
    while case:
        phone.get(f"/api/picture/{case['number']}")
        thinking(phone, pause_s, chance)
        began = time.perf_counter()
        reply = phone.answer(
            case, confidence=chance.randrange(101), diagnosis=chance.choice(["melanoma", "benign_naevus"])
        )
        taken.append(1000 * (time.perf_counter() - began))
        assert reply.status == 200, reply
        case = reply.said["case"]
    phone.close()
    return taken


def send_rows(base: str, count: int) -> list[float]:
    """One process of the floor; milliseconds of each row."""
    phone, taken = Phone(base, kept=True), []
    for i in range(count):
        began = time.perf_counter()
        assert phone.post("row", said=f"{os.getpid()} {i}").status == 200
        taken.append(1000 * (time.perf_counter() - began))
    phone.close()
    return taken


def join_all(base: str, code: str, aliases: Sequence[str]) -> tuple[list[str], list[float], float]:
    """Cookies of readers who join at one moment, milliseconds of each join, seconds of all."""

    def join(alias: str) -> tuple[str, float]:
        phone, began = Phone(base), time.perf_counter()
        assert phone.join(code, alias).status == 200
        return phone.cookie, 1000 * (time.perf_counter() - began)

    began = time.perf_counter()
    with ThreadPoolExecutor(len(aliases)) as pool:
        done = list(pool.map(join, aliases))
    return [cookie for cookie, _ in done], [ms for _, ms in done], time.perf_counter() - began


def poll_all(base: str, cookies: Sequence[str]) -> None:
    """The pages of all readers ask for their state three times, their connections open."""
    phones = [Phone(base, cookie=cookie, kept=True) for cookie in cookies]
    with ThreadPoolExecutor(16) as pool:
        for _ in range(3):
            assert all(pool.map(lambda phone: phone.state()["reader"], phones))
    for phone in phones:
        phone.close()


def told(what: str, taken_ms: Sequence[float], wanted_ms: float = 0) -> float:
    """Print one row; its 95th percentile."""
    median, late = np.percentile(taken_ms, [50, 95])
    word = f"  {'below' if late < wanted_ms else 'NOT BELOW'} {wanted_ms:,.0f}" if wanted_ms else ""
    print(f"  {what:<52} {median:>7,.0f} {late:>7,.0f} {max(taken_ms):>7,.0f}{word}")
    return float(late)


def memory_mb(process: psutil.Process) -> float:
    """Resident memory."""
    return process.memory_info().rss / 1e6


class _Row(RequestHandler):
    def initialize(self, commit: Callable[[bytes], None]) -> None:
        self.commit = commit

    async def post(self) -> None:
        await asyncio.get_running_loop().run_in_executor(None, self.commit, self.request.body)
        self.finish({})


def serve_floor(port: int, file: Path) -> None:
    """The bare handler, until it is ended."""
    database = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    for statement in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", FLOOR_TABLE):
        database.execute(statement)
    turn = threading.Lock()

    def commit(said: bytes) -> None:
        with turn:
            database.execute("INSERT INTO answers (said) VALUES (?)", (said.decode(),))

    async def serve() -> None:
        Application([("/api/row", _Row, {"commit": commit})], log_function=lambda _: None).listen(port, "127.0.0.1")
        await asyncio.Event().wait()

    asyncio.run(serve())


@contextmanager
def floor(folder: Path) -> Iterator[str]:
    """Address of the bare handler in a process of its own."""
    port = free_port()
    command = [sys.executable, "-m", "tests.benchmarks.teaching", "--floor", str(port), str(folder / "floor.sqlite")]
    process = subprocess.Popen(command)
    try:
        for _ in range(300):
            try:
                Phone(f"http://127.0.0.1:{port}").post("row")
                break
            except OSError:
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def measure_results(register: Register, session: TeachingSession, wanted: int) -> None:
    """Whether every answer is there, and how long tables and analysis take."""
    began = time.perf_counter()
    export = teaching_results.export(register, session.id)
    read = time.perf_counter()
    analyse_study(export.answers, export.cases)
    done = time.perf_counter()
    print(f"results: {len(export.answers):,} answers in the register of {wanted:,} acknowledged, "
          f"{wanted - len(export.answers)} lost")  # fmt: skip
    took_ms = 1000 * (done - began)
    word = "below" if took_ms < WANTED_RESULTS_MS else "NOT BELOW"
    print(f"  tables {1000 * (read - began):,.0f} ms, analysis {1000 * (done - read):,.0f} ms: {word} "
          f"{WANTED_RESULTS_MS:,} ms")  # fmt: skip
    assert register.verify().sound


def measure(folder: Path, readers: int, cases: int, pause_s: float) -> None:
    """All of it."""
    by = staff(folder / "workspace")["ada"]
    with Register.open(folder / "workspace") as register:
        session = teaching.make(register, by, "Benchmark", listed(cases), Mode.BLIND_FIRST, 3)
        with by_command(folder / "workspace", session.code, free_port()) as served:
            server = psutil.Process(served.process.pid)
            settle(server)
            memory = {0: memory_mb(server)}
            cookies: list[str] = []

            def joined(count: int) -> tuple[list[float], float]:
                names = [f"Reader {len(cookies) + i}" for i in range(count)]
                found, taken, seconds = join_all(served.base, session.code, names)
                cookies.extend(found)
                poll_all(served.base, cookies)
                memory[len(cookies)] = memory_mb(server)
                return taken, seconds

            joined(1)
            joined(readers - 1)
            print("milliseconds to the acknowledgement                       median    95th    most   wanted")
            given = [(served.base, cookie) for cookie in cookies]
            teaching.take_step(register, session.id, Action.OPEN_FIRST, by)
            paced, seconds = together(read_cases, [(*one, pause_s) for one in given])
            told(f"{readers} readers, {len(paced) / seconds:.0f} answers/s, pauses of {pause_s} s", paced, WANTED_MS)
            teaching.take_step(register, session.id, Action.OPEN_SECOND, by)
            hurried, seconds = together(read_cases, [(*one, 0.0) for one in given])
            late = told(f"{readers} readers, {len(hurried) / seconds:.0f} answers/s, no pause", hurried, WANTED_MS)
            with floor(folder) as base:
                rows, seconds = together(send_rows, [(base, cases)] * readers)
            least = told(f"{readers} processes, {len(rows) / seconds:.0f} rows/s, no pause: the floor", rows)
            print(f"  an answer without pause is {late / least:.1f} floors at the 95th percentile")
            burst, seconds = joined(BURST)
            told(f"{BURST} join at one moment, all in within {seconds:.1f} s", burst)
            measure_results(register, session, len(paced) + len(hurried))
            there = len(teaching_results.progress(register, session.id))
            print(f"  {there} readers in the register of {len(cookies)} joined")
    base_mb = memory.pop(0)
    print(f"memory of the server: {base_mb:,.0f} MB before anybody joined; " + "; ".join(
        f"{count} readers {mb:,.0f} MB ({1000 * (mb - base_mb) / count:,.0f} kB each)" for count, mb in memory.items()
    ))  # fmt: skip


def settle(server: psutil.Process) -> None:
    """Return once the server has drawn its maps: it then does nothing."""
    before, still = -1.0, 0
    while still < 3:
        time.sleep(0.5)
        now = sum(server.cpu_times()[:2])
        still = still + 1 if now - before < 0.02 else 0
        before = now


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readers", type=int, default=30)
    parser.add_argument("--cases", type=int, default=40)
    parser.add_argument("--pause-s", type=float, default=2.0)
    parser.add_argument("--floor", nargs=2, metavar=("PORT", "FILE"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.floor:
        serve_floor(int(asked.floor[0]), Path(asked.floor[1]))
    os.environ.pop("DERM_KIT_DATABASE_URL", None)
    print(json.dumps({"cores": len(os.sched_getaffinity(0)), "readers": asked.readers, "cases": asked.cases}))
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), asked.readers, asked.cases, asked.pause_s)


if __name__ == "__main__":
    main()
