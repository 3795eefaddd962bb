"""Read many hostile inputs: python -m tests.fuzz [--inputs 20000] [--kind feed] [--first 0] [--write].

Input i of a kind is made from the seed "KIND i" alone. What may not be is printed with that seed, its input kept in
fuzz-found/KIND-i, and the status is 1; --write puts the table into docs/robustness.md.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

from tests.fuzz.inputs import WEIGHTS
from tests.fuzz.watch import Result, Watch
from tests.soak.page import PAGE, measured, put

FOUND = Path("fuzz-found")
WORDS = {
    "picture": "JPEG, PNG, TIFF, WebP and BMP pictures",
    "dicom": "DICOM files",
    "cohort": "folders of pictures with tables (CSV, TSV), odd names and links",
    "run": "score tables (CSV, parquet) and run folders",
    "feed": "feeds: deliveries of cases and outcomes (CSV, parquet)",
    "policy": "triage policies (JSON)",
    "card": "model cards, sealed as a forger would (JSON)",
    "pathway": "pathways (YAML)",
    "hazards": "hazard logs (CSV, JSON)",
    "scenarios": "kept scenarios (JSON)",
    "case_mix": "case mixes (JSON)",
    "signed_policy": "signed policies and public keys (JSON, PEM)",
    "proposal": "change proposals (JSON)",
    "alarm": "alarms (JSON)",
    "template": "templates of reports, filled",
    "tests_run": "runs of tests (JUnit XML)",
    "phone": "what readers' phones send (JSON)",
}


def shares(inputs: int) -> dict[str, int]:
    """How many inputs of each kind; together at least `inputs`."""
    whole = sum(WEIGHTS.values())
    return {kind: -(-inputs * weight // whole) for kind, weight in WEIGHTS.items()}


def read_all(kind: str, first: int, n: int) -> list[Result]:
    """Read inputs `first` to `first + n - 1` of a kind; tell of what may not be, and keep it."""
    results = []
    with Watch() as watch:
        for i in range(first, first + n):
            result = watch.read(kind, Random(f"{kind} {i}"))
            results.append(result)
            if result.found:
                print(f'seed "{kind} {i}", kept in {watch.keep(FOUND / f"{kind}-{i}")}:', *result.found, sep="\n  ")
    return results


def main() -> int:
    """The status is 1 where anything was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--kind", choices=sorted(WEIGHTS))
    parser.add_argument("--first", type=int, default=0, help="number of the first input of each kind")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--write", action="store_true", help=f"write the table into {PAGE}")
    asked = parser.parse_args()
    wanted = {asked.kind: asked.inputs} if asked.kind else shares(asked.inputs)
    began = time.monotonic()
    with ThreadPoolExecutor(asked.jobs) as jobs:
        done = dict(zip(wanted, jobs.map(lambda kind: read_all(kind, asked.first, wanted[kind]), wanted), strict=True))
    table = _table(done)
    print(table)
    if asked.write:
        put("hostile", _section(table, done, (time.monotonic() - began) / 60))
    return int(any(result.found for results in done.values() for result in results))


def _table(done: dict[str, list[Result]]) -> str:
    rows = [
        "| kind | inputs | refused with a rule | read | found | slowest, s | most memory, MB |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for kind, results in done.items():
        rows.append(_row(WORDS[kind], results))
    rows.append(_row("**all**", [result for results in done.values() for result in results]))
    return "\n".join(rows)


def _row(name: str, results: list[Result]) -> str:
    of = Counter(result.outcome for result in results)
    found = sum(bool(result.found) for result in results)
    slowest, most = max(r.cpu_s for r in results), max(r.peak_bytes for r in results)
    counts = f"{len(results):,} | {of['refused']:,} | {of['read']:,} | {found:,}"
    return f"| {name} | {counts} | {slowest:.1f} | {most / 1e6:,.0f} |"


def _section(table: str, done: dict[str, list[Result]], minutes: float) -> str:
    rules = len({result.rule for results in done.values() for result in results if result.rule})
    return f"""`python -m tests.fuzz --write`, {minutes:.0f} minutes; {rules:,} rules spoke. {measured()}

{table}"""


if __name__ == "__main__":
    sys.exit(main())
