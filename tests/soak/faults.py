"""Breaks what can break, for real, and says what came of it: python -m tests.soak.faults [--write].

Needs Chromium, PostgreSQL (tests/postgresql.sh gets it), the right to mount a small disk, and libfaketime; what is
missing is said. With --write the table goes into docs/robustness.md. The status is 1 where a promise was not kept.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from tests.soak.page import measured, put
from tests.soak.page_faults import page_faults
from tests.soak.record_faults import record_faults
from tests.soak.seen import Seen


def every_fault() -> Iterator[Seen]:
    """The records first: they need no browser, whose loop stays in this thread."""
    yield from record_faults()
    yield from page_faults()


def main() -> int:
    parser = argparse.ArgumentParser(description="Breaks what can break, for real, and says what came of it.")
    parser.add_argument("--write", action="store_true", help="put the table into docs/robustness.md")
    write = parser.parse_args().write
    found = []
    for seen in every_fault():
        found.append(seen)
        print(seen.row, flush=True)
    head = "| fault | promised | seen | promise |\n|---|---|---|---|"
    if write:
        rows = "\n".join(seen.row for seen in found)
        put("faults", f"`python -m tests.soak.faults --write`, {measured()}\n\n{head}\n{rows}")
    return any(seen.held is False for seen in found)


if __name__ == "__main__":
    raise SystemExit(main())
