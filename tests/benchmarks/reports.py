"""Speed of the reports: python -m tests.benchmarks.reports.

Each of the four is written three times over by its command, in a process of its own, as HTML, Word and JSON: the whole
command by the clock. The register holds the ten seed hazards and a released change; the feed a trust of 100,000 cases
in five years.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from derm_kit.records.hazard_import import seed
from derm_kit.records.register import Register
from derm_kit.surveillance.deliveries import write_feed
from derm_kit.surveillance.scenario_service import TRUST
from derm_kit.surveillance.scenarios import Scenario, planted_feed
from tests.records.places import PASSPHRASE
from tests.records.proposals import a_release, staff, tuned

COMMAND = Path(sys.executable).with_name("derm-kit")
SUFFIXES = (".html", ".docx", ".json")
REPEATS, WANTED_S = 3, 5


def main() -> None:
    """Print the seconds of each report."""
    with tempfile.TemporaryDirectory() as place:
        workspace, feed = Path(place) / "workspace", Path(place) / "feed"
        with Register.open(workspace) as register:
            people = staff(register)
            seed(register, people.author, PASSPHRASE)
            change = a_release(register, people, tuned()).signed.change or ""
        write_feed(planted_feed(Scenario.SILENT_MODEL_CHANGE, TRUST)[0], feed)
        reports = {
            "safety-case": ["safety-case"],
            "hazard-log": ["hazard-log"],
            "change-record": ["change-record", change],
            "monitoring": ["monitoring", str(feed), "--as-of", "2026-12-01"],
        }
        environment = os.environ | {"DERM_KIT_WORKSPACE": str(workspace)}
        print(f"seconds of a whole command, least and most of {REPEATS}; load {os.getloadavg()[0]:.1f}")
        for name, arguments in reports.items():
            for suffix in SUFFIXES:
                taken = []
                for k in range(REPEATS):
                    out = Path(place) / f"{name}-{k}{suffix}"
                    began = time.perf_counter()
                    subprocess.run(
                        [COMMAND, "report", *arguments, "--out", str(out)],
                        env=environment, check=True, capture_output=True,
                    )  # fmt: skip
                    taken.append(time.perf_counter() - began)
                verdict = "below" if max(taken) < WANTED_S else "NOT below"
                print(f"{name:<14} {suffix:<6} {np.min(taken):5.1f} {np.max(taken):5.1f}   {verdict} {WANTED_S}")


if __name__ == "__main__":
    main()
