"""All speeds, as ratios where there is a peer, written into docs/benchmarks.md: python -m tests.benchmarks [SUITE ...].

Each suite runs in a process of its own, one after another; its section of the page is made anew, those of others stay.
"""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

SUITES = (
    "scoring", "scale_out", "pages", "tuning", "slider", "records", "review", "simulation", "referral", "teaching",
    "monitoring", "reports", "memory",
)  # fmt: skip
PAGE = Path("docs/benchmarks.md")
HEAD = """# Benchmarks

Written by `make bench` (all of it) or `python -m tests.benchmarks SUITE ...` (those sections), from the repository's
folder with `DERM_KIT_DATA` naming a folder of dermoscopic pictures. Speed is shown as ratios within one run, because a
time alone says more of the machine than of the program. What was wanted stands beside what was reached, met or not.
"""
LIBRARIES = ("numpy", "pandas", "onnxruntime", "torch", "numba", "sqlalchemy", "voila")


def main() -> int:
    """Run the suites named, all if none is; the status is 1 where one failed, whose section is then left as it was."""
    parser = argparse.ArgumentParser(description="All speeds, written into docs/benchmarks.md.")
    parser.add_argument("suites", nargs="*", choices=[*SUITES, []], metavar="SUITE", help=", ".join(SUITES))
    failed = []
    for suite in parser.parse_args().suites or SUITES:
        print(f"== {suite}", flush=True)
        said, status = _run(suite)
        if status:
            failed.append(suite)
            print(f"== {suite} ended with {status}; its section stays as it was", flush=True)
        else:
            _write(suite, said)
    return len(failed) > 0


def _run(suite: str) -> tuple[str, int]:
    """What the suite prints, shown as it comes, and its exit status."""
    lines = []
    with subprocess.Popen(
        [sys.executable, "-u", "-m", f"tests.benchmarks.{suite}"], stdout=subprocess.PIPE, text=True
    ) as run:
        for line in run.stdout or ():
            print(line, end="", flush=True)
            lines.append(line)
    return "".join(lines), run.returncode


def _write(suite: str, said: str) -> None:
    sections = dict(_sections(PAGE.read_text())) if PAGE.is_file() else {}
    sections[suite] = _section(suite, said)
    PAGE.write_text(HEAD + "".join(f"\n{sections[name]}" for name in SUITES if name in sections))


def _sections(page: str) -> Iterator[tuple[str, str]]:
    for section in re.split(r"^(?=## )", page, flags=re.MULTILINE)[1:]:
        yield section.split()[1], section.rstrip("\n") + "\n"


def _section(suite: str, said: str) -> str:
    about = (importlib.import_module(f"tests.benchmarks.{suite}").__doc__ or "").strip()
    title, _, rest = about.partition("\n")
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return (
        f"## {suite}\n\n{title.partition(':')[0]}.\n\n```text\n{rest.strip()}\n```\n\n```text\n{said.rstrip()}\n```\n\n"
        f"{datetime.now(UTC):%d %B %Y}, {len(os.sched_getaffinity(0))} cores of {_processor()}, {platform.system()}, "
        f"Python {platform.python_version()}; {libraries}.\n"
    )


def _processor() -> str:
    named = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return named[1] if named else platform.machine()


if __name__ == "__main__":
    sys.exit(main())
