"""What the register and a scoring meet when a process, the database, the disk or the clock fails."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from derm_kit.errors import RecordError
from derm_kit.records.audit import SET_BACK
from derm_kit.records.people import Role
from tests.records.places import PASSPHRASE, RUN, Place, new_schema, review
from tests.records.test_writers import writers
from tests.soak.seen import Seen
from tests.soak.workbench import until

ROUNDS = 40
REVIEWS = 20
DISK, STEPS = "4m", 60
LIBRARY = "libfaketime.so.1"
BACK_S = 86_400


def record_faults() -> Iterator[Seen]:
    """Each in a register of its own."""
    for fault in (killed_writers, killed_scoring, killed_postgresql, full_disk, clock_set_back):
        with tempfile.TemporaryDirectory() as folder:
            yield fault(Path(folder))


def killed_writers(folder: Path) -> Seen:
    found = writers("kill", Place(folder / "workspace", None), ROUNDS, 20_251)
    return Seen(
        f"SIGKILL of three processes that write to the register, {ROUNDS} times",
        "what was acknowledged is stored; nothing is stored by halves",
        f"{found['acknowledged']} decisions acknowledged, {len(found['lost'])} lost, {len(found['halves'])} by halves, "
        f"{len(found['findings'])} findings of verify",
        held=not (found["lost"] or found["halves"] or found["findings"]),
    )


SCORING = """
import sys
from pathlib import Path
from derm_kit import Classifier, read, score
from derm_kit.model import parts
parts.BATCHES_PER_PART = 2
score(read(Path(sys.argv[1])), Classifier(device="cpu"), Path(sys.argv[2]), batch_size=2, progress=False)
"""


def killed_scoring(folder: Path) -> Seen:
    pictures, killed, whole = folder / "phantoms", folder / "killed", folder / "whole"
    drawing = [Path(sys.executable).with_name("derm-kit"), "phantoms", pictures, "--each", "2"]
    subprocess.run(drawing, check=True, capture_output=True)
    command = [sys.executable, "-c", SCORING, pictures]
    with subprocess.Popen([*command, killed], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
        until(lambda: len(_parts(killed)) > 2 or run.poll() is not None, 120)
        run.kill()
    kept = _parts(killed)
    finished = (killed / "run.json").exists()
    for out in (killed, whole):
        subprocess.run([*command, out], check=True, capture_output=True)
    same = all(
        (killed / name).read_bytes() == (whole / name).read_bytes() for name in ("scores.parquet", "cases.parquet")
    )
    return Seen(
        "SIGKILL of a scoring half-way, then the same command again",
        "it goes on where it stopped and gives the same files",
        f"{len(kept)} parts were kept; the files are {'the same, byte by byte' if same else 'others'}",
        held=None if finished else same and bool(kept),
    )


def _parts(run: Path) -> set[str]:
    return {path.name for path in (run / ".parts").glob("*.parquet")}


@contextmanager
def _postgresql() -> Iterator[dict[str, str]]:
    said = subprocess.run(["tests/postgresql.sh", "start"], check=True, capture_output=True, text=True).stdout
    named = dict(re.findall(r"export (\w+)=(\S+)", said))
    try:
        yield named
    finally:
        subprocess.run(["tests/postgresql.sh", "stop"], check=True, env=os.environ | named, capture_output=True)


def killed_postgresql(folder: Path) -> Seen:
    with _postgresql() as named:
        place = Place(folder / "workspace", new_schema(named["DERM_KIT_TEST_DATABASE_URL"]))
        with place.open() as register:
            reader = register.add_person("Ada", Role.REVIEWER, PASSPHRASE).id
            for i in range(REVIEWS):
                register.save_review(review(reader, f"case {i}"))
            data = Path(named["DERM_KIT_TEST_POSTGRESQL"]) / "data"
            server = psutil.Process(int((data / "postmaster.pid").read_text().split()[0]))
            every = [server, *server.children()]
            for process in every:
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(signal.SIGKILL)
            psutil.wait_procs(every, timeout=30)
            told = ""
            try:
                register.save_review(review(reader, "while it is gone"))
            except RecordError as error:
                told = str(error)
            subprocess.run(["tests/postgresql.sh", "again"], check=True, env=os.environ | named, capture_output=True)
            register.save_review(review(reader, "afterwards"))
            kept = {verdict.case for verdict in register.worklist(RUN)}
            sound = register.verify().sound
    wanted = {f"case {i}" for i in range(REVIEWS)} | {"afterwards"}
    return Seen(
        "SIGKILL of PostgreSQL, all its processes, then started again",
        "a write meanwhile is refused in words; what was acknowledged is there; the same process writes on",
        f"{len(kept - {'afterwards'})} of {REVIEWS} decisions kept, the one meanwhile "
        f"{'refused' if told else 'not refused'}, the next stored; the register sound",
        held=kept == wanted and sound and "cannot be reached" in told,
    )


def full_disk(folder: Path) -> Seen:
    """A small disk of its own is filled, then freed by and by, with a try to write at each step."""
    fault = f"disk full, then freed 4 KiB at a time, {STEPS} times, with a write at each step, then freed"
    promised = "each write is stored whole or not at all, and its answer says which; the register stays sound"
    disk = folder / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", disk], capture_output=True)
    if mounted.returncode:
        return Seen(fault, promised, "no disk could be mounted here", held=None)
    try:
        place, filler = Place(disk / "workspace", None), disk / "filler"
        with place.open() as register:
            reader = register.add_person("Ada", Role.REVIEWER, PASSPHRASE).id
            register.save_review(review(reader, "before"))
            acknowledged, refused = {"before"}, {}
            with filler.open("wb", buffering=0) as file, suppress(OSError):
                while True:
                    file.write(bytes(4_096))
            for i in range(STEPS):
                try:
                    register.save_review(review(reader, f"try {i}", note="note " * 400))
                    acknowledged.add(f"try {i}")
                except RecordError as error:
                    refused[f"try {i}"] = str(error)
                os.truncate(filler, filler.stat().st_size - 4_096)
            filler.unlink()
            register.save_review(review(reader, "after"))
            acknowledged.add("after")
            stored = {verdict.case for verdict in register.worklist(RUN)}
            checked = register.verify()
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True, capture_output=True)
    whole = {case for case, told in refused.items() if "the write is stored, but the anchor" in told}
    nothing = {case for case, told in refused.items() if "nothing of this was stored" in told}
    return Seen(
        fault,
        promised,
        f"{len(nothing)} writes refused and not stored; {len(whole)} stored, with a word that the anchor could not "
        f"follow; {len(acknowledged & stored)} of {len(acknowledged)} acknowledged ones stored, the last once there "
        "was room; the register sound, its anchor at its head",
        held=bool(nothing) and len(nothing) + len(whole) == len(refused) and stored == acknowledged | whole
        and checked.sound and checked.unanchored == 0,
    )  # fmt: skip


CLOCK = """
import sys
from pathlib import Path
from tests.records.places import Place, review
with Place(Path(sys.argv[1]), None).open() as register:
    register.save_review(review(sys.argv[2], sys.argv[3]))
"""


def clock_set_back(folder: Path) -> Seen:
    fault = "the clock is set back by a day, then right again"
    promised = "the order of the log stays; the first entry after it says by how much"
    library = next(Path("/usr/lib").rglob(LIBRARY), None)
    if library is None:
        return Seen(fault, promised, "libfaketime is not installed here", held=None)
    place = Place(folder / "workspace", None)
    with place.open() as register:
        reader = register.add_person("Ada", Role.REVIEWER, PASSPHRASE).id
        back = {"LD_PRELOAD": str(library), "FAKETIME": f"-{BACK_S}s", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        for case, clock in (("before", {}), ("set back", back), ("still back", back), ("right again", {})):
            command = [sys.executable, "-c", CLOCK, place.folder, reader, case]
            subprocess.run(command, check=True, env=os.environ | clock, capture_output=True)
        entries = list(register.entries())[-4:]
        order = [verdict.case for verdict in register.worklist(RUN)]
        said = [entry.details.get(SET_BACK) for entry in entries]
        sound = register.verify().sound
    told = said[1] or 0
    return Seen(
        fault,
        promised,
        f"{len(order)} decisions in the order in which they were taken; the entry says {told} s; the register sound",
        held=sound
        and order == ["before", "set back", "still back", "right again"]
        and abs(told - BACK_S) < 60
        and said[0] is said[2] is said[3] is None,
    )
