"""Kernels that are forks of one process which has loaded what pages need: pages open sooner and share its memory."""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from traitlets.log import get_logger

PROGRAM = "derm_kit.page_kernel"
LONGEST_WAIT_S = 300
"""For a fork: the first one comes when the nest has loaded all, which takes long where many things start at once."""


class Fork:
    """The process of a kernel, which jupyter_client speaks to as to a subprocess.Popen."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int, handle: int) -> None:
        self.pid = pid
        self._handle = handle

    def __del__(self) -> None:
        os.close(self._handle)

    def poll(self) -> int | None:
        """None while it runs; how it ended is known to nobody, and is given as 0."""
        return 0 if self._ended(0) else None

    def wait(self) -> int:
        """Wait for its end."""
        self._ended(None)
        return 0

    def _ended(self, within_ms: int | None) -> bool:
        end = select.poll()
        end.register(self._handle, select.POLLIN)
        return bool(end.poll(within_ms))

    def send_signal(self, signum: int) -> None:
        """To this process and no other, whoever has its number since; to nobody once it has ended."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._handle, signum)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)


@dataclass
class Nest:
    """The process that is forked, started with the first kernel and again where it has died; for all threads."""

    _now: _Started | None = None
    _slow: list[_Started] = field(default_factory=list)
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    def fork(self, arguments: list[str], environment: dict[str, str], folder: str) -> Fork:
        """A kernel of IPython's with these arguments.

        Raises TimeoutError where the nest does not answer, and another OSError where there can be no fork.
        """
        message = json.dumps({"arguments": arguments, "environment": environment, "folder": folder}).encode()
        with self._one_at_a_time:
            now = self._now = self._now or _Started()
            try:
                said, handles = now.asked(message)
            except TimeoutError:
                self._slow.append(now)  # its kernels go on
                self._now = None
                raise
            except ConnectionError:
                now.close()
                self._now = None
                raise
        if not handles:
            raise OSError(said.decode())
        return Fork(int(said), handles[0])

    def close(self) -> None:
        """End the nest and its kernels."""
        for started in filter(None, [self._now, *self._slow]):
            started.close()
        self._now, self._slow = None, []


class _Started:
    """A nest and the line to it."""

    def __init__(self) -> None:
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._line.settimeout(LONGEST_WAIT_S)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "derm_kit.kernel_nest"], stdin=theirs.fileno()
            )

    def asked(self, message: bytes) -> tuple[bytes, list[int]]:
        """The answer. Raises ConnectionError where the nest has died, TimeoutError where it does not answer."""
        self._line.send(message)
        said, handles, _, _ = socket.recv_fds(self._line, 1_000, 1)
        if not said:
            raise ConnectionError("the process that kernels are forks of has died")
        return said, handles

    def close(self) -> None:
        self._line.close()
        self._process.kill()
        self._process.wait()


NEST = Nest()


class ForkedKernel(LocalProvisioner):
    """A kernel of ours as a fork; any other, and one that cannot be forked, as the program that it is."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:  # noqa: ANN401 - as in jupyter_client
        """Start the process."""
        if PROGRAM in cmd:
            arguments, folder = cmd[cmd.index(PROGRAM) + 1 :], str(kwargs.get("cwd") or Path.cwd())
            try:
                fork = await asyncio.to_thread(NEST.fork, arguments, kwargs["env"], folder)
            except TimeoutError:
                raise
            except OSError as error:
                get_logger().warning("A kernel is started as a program of its own: %s", error)
            else:
                self.process, self.cwd = fork, folder  # type: ignore[assignment]
                self.pid = self.pgid = fork.pid
                return self.connection_info
        return await super().launch_kernel(cmd, **kwargs)
