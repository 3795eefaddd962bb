"""What a test or a benchmark needs to serve pages: a free port, and to know when the server answers."""

from __future__ import annotations

import socket
import subprocess
import time
import urllib.error
import urllib.request

READY_S = 90


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
