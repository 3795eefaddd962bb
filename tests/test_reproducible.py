"""The same input, seed and version give the same files, whatever a machine's threads, cores and hash seed."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from derm_kit.surveillance.deliveries import write_feed
from derm_kit.surveillance.scenario_service import Service
from derm_kit.surveillance.scenarios import Scenario, planted_feed
from tests.records.terminal import COMMAND

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
COMMANDS = (
    "score --out run",
    "decide run",
    "tune --out policy.json",
    "simulate skin-usc --policy policy.json --replications 4 --people --out outcomes --report money.html "
    "--report money.docx",
    "report monitoring ../feed --as-of 2028-02-01 --out service.html --out service.docx --out service.json",
)
WHEN = re.compile(rb'"(?:started|finished)": "[^"]+"')


def made_on(machine: Path, threads: int, cores: set[int], hash_seed: int) -> dict[str, bytes]:
    """Every file and every word that COMMANDS give in this folder; a run's record without its two times."""
    machine.mkdir()
    environment = os.environ | dict.fromkeys(THREADS, str(threads)) | {
        "PYTHONHASHSEED": str(hash_seed), "DERM_KIT_WORKSPACE": str(machine / "nowhere"),
    }  # fmt: skip
    files: dict[str, bytes] = {}
    for line in COMMANDS:
        done = subprocess.run(
            [COMMAND, *line.split()], cwd=machine, env=environment, capture_output=True, check=False,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr.decode()[-2000:]
        files[line] = done.stdout
    files |= {str(f.relative_to(machine)): f.read_bytes() for f in machine.rglob("*") if f.is_file()}
    return files | {"run/run.json": WHEN.sub(b"", files["run/run.json"])}


def test_two_machines_of_other_threads_cores_and_hash_seeds_make_the_same_files(tmp_path: Path):
    service = Service("two sites", ("Alder", "Birch"), 700, years=3)
    write_feed(planted_feed(Scenario.SILENT_MODEL_CHANGE, service)[0], tmp_path / "feed")
    cores = os.sched_getaffinity(0)
    small = made_on(tmp_path / "small", 1, {min(cores)}, 1)
    large = made_on(tmp_path / "large", 4, cores, 4242)
    assert {"run/scores.parquet", "policy.json", "outcomes/figures.csv", "money.docx", "service.json"} <= set(small)
    assert small.keys() == large.keys()
    assert [name for name in small if small[name] != large[name]] == []
