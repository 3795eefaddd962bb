"""What a test or a benchmark needs to serve pages: a free port, a server that answers, its kernels and a browser."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

READY_S = 90
FORK = re.compile("kernel-[0-9a-f]{8}")
"""What the process of a kernel is called that is a fork: the beginning of its id."""
SERVER = """
import sys
from pathlib import Path
import derm_kit.serve as s
pages, port, warm = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "warm"
s.share = lambda _: pages
usual = s._config
def config(make, **how):
    made = usual(make, **how)
    made.VoilaConfiguration.preheat_kernel = warm
    made.VoilaKernelManager.preheat_denylist = []
    return made
s._config = config
s.serve(port, open_browser=False)
"""


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_it_answers(base: str, server: subprocess.Popen[bytes]) -> None:
    """Return once the server at `base` answers. Raises RuntimeError where it stops first or takes over READY_S."""
    for _ in range(READY_S * 2):
        try:
            urllib.request.urlopen(f"{base}/voila/static/", timeout=1).close()
        except urllib.error.HTTPError as answer:
            answer.close()
        except OSError:
            if server.poll() is not None:
                raise RuntimeError("the server stopped before it answered") from None
            time.sleep(0.5)
            continue
        return
    raise RuntimeError(f"the server did not answer within {READY_S} s")


@contextmanager
def served(pages: Path, temperature: str) -> Iterator[tuple[str, psutil.Process]]:
    """Address and process of the workbench on a free port, over a folder of pages, kernels waiting or not."""
    port = free_port()
    command = [sys.executable, "-c", SERVER, str(pages), str(port), temperature]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until_it_answers(f"http://127.0.0.1:{port}", server)
        yield f"http://127.0.0.1:{port}/voila/render/", psutil.Process(server.pid)
    finally:
        server.terminate()
        server.wait(30)


def kernels(server: psutil.Process) -> list[psutil.Process]:
    """The kernels of a server, those that wait for a page among them; one that has just ended is none."""
    found = []
    for process in server.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if FORK.match(process.name()) or re.search(r"kernel-[0-9a-f-]+\.json", " ".join(process.cmdline())):
                found.append(process)
    return found


def kernel_process(kernel_id: str) -> psutil.Process:
    """The fork that is the kernel with this id."""
    (found,) = [p for p in psutil.process_iter(["name"]) if p.info["name"] == f"kernel-{kernel_id[:8]}"]
    return found


def chromium() -> str | None:
    """Path of the system's Chromium, None without one."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
