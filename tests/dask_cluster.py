"""A real Dask scheduler and its workers, each a process of its own that a test may kill."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

READY_S = 120


@dataclass
class DaskCluster:
    """Processes of one scheduler, listening at `address` on this machine, and its workers."""

    folder: Path
    options: Sequence[str] = ()
    protocol: str = "tcp"
    port: int = 0
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start_scheduler(self) -> None:
        """Start the scheduler and wait until it says where it listens."""
        self.file.unlink(missing_ok=True)
        known = ["--host", "127.0.0.1", "--port", str(self.port), "--protocol", self.protocol, "--no-dashboard"]
        file = ["--scheduler-file", str(self.file), "--no-show"]
        self.scheduler = self._start("distributed.cli.dask_scheduler", *known, *file)
        deadline = time.monotonic() + READY_S
        while not self.file.exists() or not self.file.read_text().endswith("}"):
            assert self.scheduler.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < deadline, "the scheduler did not start"
            time.sleep(0.05)
        self.port = int(self.address.rpartition(":")[2])

    def start_worker(self, *options: str) -> subprocess.Popen[bytes]:
        """Start a worker with one thread; it comes when it has come."""
        known = [self.address, "--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", str(self.folder)]
        return self._start("distributed.cli.dask_worker", *known, *options)

    @property
    def file(self) -> Path:
        return self.folder / "scheduler.json"

    @property
    def address(self) -> str:
        return str(json.loads(self.file.read_text())["address"])

    def stop(self) -> None:
        """Kill every process that is left."""
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait(30)

    def _start(self, module: str, *options: str) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            command = [sys.executable, "-m", module, *options, *self.options]
            environment = os.environ | {"OMP_NUM_THREADS": "1"}
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder, env=environment)
        self.processes.append(process)
        return process


@contextmanager
def dask_cluster(
    folder: Path, workers: int = 2, options: Sequence[str] = (), protocol: str = "tcp"
) -> Iterator[DaskCluster]:
    """A scheduler and `workers` of one thread each, all gone in the end; `options` go to each of them."""
    folder.mkdir(parents=True, exist_ok=True)
    started = DaskCluster(folder, options, protocol)
    try:
        started.start_scheduler()
        for _ in range(workers):
            started.start_worker()
        yield started
    finally:
        started.stop()
