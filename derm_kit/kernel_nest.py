"""The process of which kernels are forks, python -m derm_kit.kernel_nest: it has loaded what pages are made of.

A kernel is asked for by one message over the socket that is its standard input, {"arguments", "environment", "folder"};
the answer is a process number with a handle on the process, or why there is none. The nest ends when the other side
closes the socket, and each kernel when the nest has ended.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import ipywidgets

from derm_kit.page_kernel import PageKernelApp

LARGEST_MESSAGE_BYTES = 1_000_000
LONGEST_NAME = 15
"""Characters of a process's name, by Linux."""
PAGES = ("start", "triage", "review", "thresholds", "referral", "teaching", "monitoring", "safety")


def main() -> None:
    """Answer until the other side has gone. Raises OSError where Linux is too old to hand on a process."""
    os.close(os.pidfd_open(os.getpid()))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal is for the server, which ends its kernels
    for page in PAGES:
        importlib.import_module(f"derm_kit.panels.{page}")
    gc.collect()
    gc.freeze()  # a collection would write to all that is loaded, and what is written to is no longer shared
    with socket.socket(fileno=os.dup(0)) as line:
        _lay_aside_standard_input()
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits here for the end of a kernel
        while message := line.recv(LARGEST_MESSAGE_BYTES):
            try:
                if (pid := os.fork()) == 0:
                    break
                handle = os.pidfd_open(pid)
            except OSError as error:  # no room for another process, or it has ended at once
                line.send(str(error).encode())
            else:
                socket.send_fds(line, [str(pid).encode()], [handle])
                os.close(handle)
        else:
            return
    be_a_kernel(**json.loads(message))


def be_a_kernel(arguments: Sequence[str], environment: Mapping[str, str], folder: str) -> None:
    """What `derm_kit.page_kernel` started with these arguments would be, in a process group of its own."""
    os.setsid()
    Path("/proc/self/comm").write_text(shown_as(arguments))
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    kernel = PageKernelApp.instance(parent_handle=os.getppid())
    kernel.initialize(list(arguments))  # type: ignore[no-untyped-call]
    ipywidgets.register_comm_target()  # as they do themselves where they are imported in a kernel
    kernel.start()  # type: ignore[no-untyped-call]
    sys.exit()


def shown_as(arguments: Sequence[str]) -> str:
    """What `ps` and `top` call a kernel: as its connection file is called, with the first eight digits of its id."""
    return next((Path(word).stem for word in arguments if word.endswith(".json")), "kernel")[:LONGEST_NAME]


def _lay_aside_standard_input() -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)


if __name__ == "__main__":
    main()
