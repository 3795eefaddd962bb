"""The workbench in a process of its own, to be killed and started again on the same port."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from tests.serving import free_port, kernels, wait_until_it_answers


class Workbench:
    """Served on a free port over one workspace; a context manager that leaves no process behind."""

    def __init__(self, workspace: Path) -> None:
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self._workspace = workspace
        self._orphans: list[psutil.Process] = []
        self.start()

    def start(self) -> None:
        """Serve; returns once it answers."""
        named = {name: value for name, value in os.environ.items() if name != "DERM_KIT_DATABASE_URL"}
        command = [Path(sys.executable).with_name("derm-kit"), "serve", "--port", str(self.port), "--no-browser"]
        self._server = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=named | {"DERM_KIT_WORKSPACE": str(self._workspace)},
        )
        wait_until_it_answers(self.address, self._server)
        self.process = psutil.Process(self._server.pid)

    def kernels(self) -> list[psutil.Process]:
        """Those of pages and those that wait for one."""
        return kernels(self.process)

    def kill(self) -> list[psutil.Process]:
        """SIGKILL the server alone; the kernels that it leaves."""
        self._orphans = self.kernels()
        self._server.kill()
        self._server.wait()
        return self._orphans

    def __enter__(self) -> Workbench:
        return self

    def __exit__(self, *_: object) -> None:
        if self._server.poll() is None:
            left = self.process.children(recursive=True)
            self._server.send_signal(signal.SIGINT)
            self._server.wait(60)
            self._orphans += psutil.wait_procs(left, timeout=10)[1]
        for process in self._orphans:
            if process.is_running():
                process.kill()


def until(what: Callable[[], bool], patience_s: float) -> float:
    """Seconds until `what` holds; infinity where it does not within `patience_s`."""
    begin = time.monotonic()
    while not what():
        if time.monotonic() - begin > patience_s:
            return float("inf")
        time.sleep(0.1)
    return time.monotonic() - begin
