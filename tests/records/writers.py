"""Processes that write at once, forked from one that has imported everything; some of them are killed.

python -m tests.records.writers write FOLDER WRITERS EACH [URL]    all write EACH reviews; none may fail
python -m tests.records.writers kill FOLDER ROUNDS SEED [URL]      three write until SIGKILL, ROUNDS times
python -m tests.records.writers make FOLDER ROUNDS SEED            a register is made until SIGKILL

Prints what was found as JSON. An acknowledgement is a line in a pipe, written once save_review() has returned.
"""

from __future__ import annotations

import gc
import json
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path

from derm_kit.records import reviews
from derm_kit.records.audit import append
from derm_kit.records.people import Role
from tests.records.places import PASSPHRASE, RUN, Place, review

READER_FILE = "reader"


def write(place: Place, reader: str, name: str, pipe: int, each: int | None = None) -> None:
    """Save review after review, every third time two in one transaction; acknowledge each."""
    with place.open() as register:
        i = 0
        while each is None or i < each:
            cases = [f"{name}/{i}"]
            if i % 3 == 2:
                cases = [f"{name}/{i} of a pair", f"{name}/{i} other of a pair"]
                with register.writing() as session:
                    for case in cases:
                        reviews.save(session, review(reader, case, note="\0 note " * 50))
            else:
                register.save_review(review(reader, cases[0], note="note"))
            os.write(pipe, "".join(f"{case}\n" for case in cases).encode())
            i += 1


def fork(work: Callable[[], None]) -> int:
    """Do `work` in a child; its id."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException:  # noqa: BLE001 - told, then the child ends
            traceback.print_exc()
        finally:
            os._exit(status)
    return child


def lines(pipe: int, count: int) -> bytes:
    """What came out of a pipe once there are so many lines of it."""
    found = b""
    while found.count(b"\n") < count:
        more = os.read(pipe, 4_096)
        assert more, "every writer ended"
        found += more
    return found


def all_of(pipe: int, begun: bytes = b"") -> list[str]:
    """Every whole line, once no writer is left; `begun` was read before."""
    with os.fdopen(pipe, "rb") as file:
        return (begun + file.read()).decode().split("\n")[:-1]


def new_reader(place: Place) -> str:
    with place.open() as register:
        return register.add_person("Ada Reader", Role.REVIEWER, PASSPHRASE).id


def run_writers(place: Place, writers: int, each: int) -> dict[str, object]:
    reader = new_reader(place)
    out, into = os.pipe()
    begin = time.perf_counter()
    children = [fork(partial(write, place, reader, f"writer {n}", into, each)) for n in range(writers)]
    os.close(into)
    acknowledged = all_of(out)
    failed = sum(os.waitpid(child, 0)[1] != 0 for child in children)
    took = time.perf_counter() - begin
    with place.open() as register:
        stored = {verdict.case for verdict in register.worklist(RUN)}
        findings = register.verify().findings
    return {
        "failed": failed,
        "acknowledged": len(acknowledged),
        "lost": sorted(set(acknowledged) - stored),
        "stored": len(stored),
        "findings": findings,
        "seconds": round(took, 3),
    }


def kill(place: Place, rounds: int, seed: int) -> dict[str, object]:
    chance = random.Random(seed)
    reader = new_reader(place)
    acknowledged: set[str] = set()
    lost: set[str] = set()
    halves, findings, unacknowledged = [], [], 0
    for i in range(rounds):
        out, into = os.pipe()
        children = [fork(partial(write, place, reader, f"round {i} writer {n}", into)) for n in range(3)]
        os.close(into)
        begun = lines(out, chance.randrange(6))  # at times before the first; however slow the machine is
        time.sleep(chance.uniform(0, 0.05))
        for child in children:
            os.kill(child, signal.SIGKILL)
        for child in children:
            _, status = os.waitpid(child, 0)
            assert os.WIFSIGNALED(status), "a writer ended by itself"
        acknowledged |= set(all_of(out, begun))
        with place.open() as register:
            stored = {verdict.case for verdict in register.worklist(RUN)}
            findings += register.verify().findings
        lost |= acknowledged - stored
        pairs = {case.replace(" other", "") for case in stored if case.endswith("of a pair")}
        halves += [case for case in pairs if not {case, case.replace(" of", " other of")} <= stored]
        unacknowledged = len(stored - acknowledged)
        gc.collect()
    return {
        "acknowledged": len(acknowledged),
        "lost": sorted(lost),
        "halves": halves,
        "findings": findings,
        "stored_unacknowledged": unacknowledged,
    }


def make(folder: Path, rounds: int, seed: int) -> dict[str, object]:
    chance = random.Random(seed)
    whole, findings = 0, []
    begin = time.perf_counter()
    Place(folder / "whole", None).open().close()
    usual = time.perf_counter() - begin
    for i in range(rounds):
        place = Place(folder / str(i), None)
        child = fork(place.make)
        time.sleep(chance.uniform(0, 2 * usual))
        os.kill(child, signal.SIGKILL)
        whole += os.waitpid(child, 0)[1] == 0
        with place.open() as register:
            with register.writing() as session:
                append(session, "", "written after the kill", "register")
            findings += register.verify().findings
    return {"made_before_the_kill": whole, "findings": findings}


def main() -> None:
    what, folder, *rest = sys.argv[1:]
    numbers = [int(word) for word in rest[:2]]
    place = Place(Path(folder), rest[2] if len(rest) > 2 else None)
    place.open().close()  # warm: every import is done before the first fork
    gc.collect()
    gc.freeze()  # what was imported is never looked through again, neither here nor in a child
    if what == "make":
        found = make(place.folder, *numbers)
    else:
        found = {"write": run_writers, "kill": kill}[what](place, *numbers)
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
