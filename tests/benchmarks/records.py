"""Speed of the register: python -m tests.benchmarks.records [--reviews 1000000] [--database-url URL].

writers    reviews a second, each durable before it is acknowledged: 8 processes at once on SQLite, 50 on PostgreSQL
worklist   what stands of each reader on each case of a run of 10,000 cases, in a register of so many reviews; median
verify     entries a second, the chain alone and with every record: at a hundredth, a tenth and all of the reviews
backup     writing and checking one

PostgreSQL is measured where --database-url or DERM_KIT_TEST_DATABASE_URL names one (tests/postgresql.sh starts one).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from derm_kit.lesions import LESION_TYPES
from derm_kit.records.audit import HEAD, KEY, now
from derm_kit.records.chain import Content, Head, seal_entry
from derm_kit.records.people import Role
from derm_kit.records.register import Register
from derm_kit.records.sealing import DIGEST, digest
from derm_kit.records.tables import AuditEntry, ReviewRow
from derm_kit.records.verification import Findings, verify_chain
from derm_kit.triage.definition import Disposition
from tests.records.places import PASSPHRASE, Place, drop_schema, new_schema

CASES = 10_000
BLOCK = 5_000
WORKLIST_MS = 100


def seconds(work: Callable[[], object], times: int = 1) -> float:
    """Median seconds of `work`."""
    took = []
    for _ in range(times):
        begin = time.perf_counter()
        work()
        took.append(time.perf_counter() - begin)
    return statistics.median(took)


def rows(register: Register, readers: list[str], count: int, begin: Head) -> Iterator[tuple[dict[str, Any], Any, Head]]:
    """Reviews of runs of CASES cases by one reader each, every tenth a correction; sealed as derm-kit seals them."""
    chance, key, head = random.Random(0), register._key, begin
    for i in range(count):
        run, n = divmod(i, CASES)
        again = n % 10 == 9
        values = {
            "id": secrets.token_hex(16),
            "run": f"run {run}",
            "case_id": f"ISIC_{n - again:07}",
            "reviewer": readers[run % len(readers)],
            "version": 1 + again,
            "at": now(),
            "verdict": chance.choice(LESION_TYPES).value,
            "disposition": chance.choice(list(Disposition)).value,
            "agrees": chance.random() < 0.8,
            "confidence_percent": 80,
            "note": "",
            "seconds": 12.5,
            "blind": False,
            "adjudication": False,
        }
        details = json.dumps({"case": values["case_id"], "run": values["run"], DIGEST: digest(values)})
        content = Content(str(values["at"]), readers[0], "review saved", f"reviews/{values['id']}", details)
        entry = {"previous": head.seal, **content._asdict()}
        head = Head(head.count + 1, seal_entry(key, head.seal, content))
        yield values | {"entry": head.count}, entry | {"position": head.count, "seal": head.seal}, head


def fill(register: Register, count: int) -> None:
    """Write `count` reviews and their entries by the block: what took people months."""
    readers = [register.add_person(f"Reader {i}", Role.DERMATOLOGIST, PASSPHRASE).id for i in range(3)]
    made = rows(register, readers, count, register.head())
    while block := list(islice(made, BLOCK)):
        with register.writing() as session:
            assert session.info[KEY]
            session.execute(insert(AuditEntry), [entry for _, entry, _ in block])
            session.execute(insert(ReviewRow), [values for values, _, _ in block])
            session.info[HEAD] = block[-1][2]


def measure_writers(place: Place, count: int, each: int) -> None:
    words = [str(place.folder), str(count), str(each), *([place.url] if place.url else [])]
    done = subprocess.run(
        [sys.executable, "-m", "tests.records.writers", "write", *words], capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    assert not found["failed"]
    assert not found["lost"]
    print(
        f"  {count} writers at once: {found['stored']:,} reviews in {found['seconds']:.1f} s "
        f"({found['stored'] / found['seconds']:,.0f}/s), none refused, none lost"
    )


def measure_reading(place: Place, reviews: int) -> None:
    with place.open() as register:
        took = seconds(lambda: fill(register, reviews))
        print(f"  {reviews:,} reviews (filled in {took:.0f} s)")
        listed = seconds(lambda: register.worklist("run 0"), 20) * 1000
        n = len(register.worklist("run 0"))
        word = "" if reviews < 1_000_000 else ": below" if listed < WORKLIST_MS else ": NOT BELOW"
        print(f"    worklist of a run ({n:,} cases): {listed:.0f} ms{word and f'{word} {WORKLIST_MS} ms'}")
        with register.reading() as session:
            chain = seconds(lambda: verify_chain(session, register._key, {}, Findings()))
        whole = seconds(lambda: register.verify().sound or sys.exit("not sound"))
        entries = register.head().count
        print(
            f"    verify: {entries / chain:,.0f} entries/s the chain, {entries / whole:,.0f} entries/s with all records"
        )
        path = place.folder.parent / "backup"
        print(
            f"    backup, checked: {seconds(lambda: register.backup(path)):.1f} s, {path.stat().st_size / 1e6:,.0f} MB"
        )
        path.unlink()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reviews", type=int, default=100_000)
    parser.add_argument("--each", type=int, default=20, help="reviews that each writer saves")
    parser.add_argument("--database-url", default=os.environ.get("DERM_KIT_TEST_DATABASE_URL"))
    asked = parser.parse_args()
    kinds = [("SQLite", None, 8)] + ([("PostgreSQL", asked.database_url, 50)] if asked.database_url else [])
    for kind, url, writers in kinds:
        print(kind)
        for reviews in (0, asked.reviews // 100, asked.reviews // 10, asked.reviews):
            schema = new_schema(url) if url else None
            with tempfile.TemporaryDirectory() as folder:
                place = Place(Path(folder) / "workspace", schema)
                if reviews:
                    measure_reading(place, reviews)
                else:
                    measure_writers(place, writers, asked.each)
            if schema:
                drop_schema(schema)


if __name__ == "__main__":
    main()
