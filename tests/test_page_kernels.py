"""A busy server loses nothing that a page's kernel says: a page that is opened waits for all of it."""

from __future__ import annotations

import asyncio
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.provisioning.factory import KernelProvisionerFactory
from traitlets.config import Config
from zmq import Frame

from derm_kit.kernel_forks import NEST
from derm_kit.kernels import PageKernel, PageKernels

MESSAGES = 5_000
LENGTH = 2_000
SAY = f"""
kernel = get_ipython().kernel
for i in range({MESSAGES}):
    kernel.session.send(kernel.iopub_socket, "status", {{"execution_state": "x" * {LENGTH}}})
"""


@pytest.mark.parametrize("kind", ["local-provisioner", "derm-kit-fork"])
def test_what_a_kernel_says_while_the_server_is_busy_arrives(kind: str):
    KernelProvisionerFactory.clear_instance()
    try:
        with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as thread:  # a socket's path is short
            assert thread.submit(asyncio.run, heard(folder, kind)).result() == MESSAGES
    finally:
        KernelProvisionerFactory.clear_instance()
        NEST.close()


async def heard(folder: str, kind: str) -> int:
    """How many messages of a kernel arrive where nobody listens until it has said them all."""
    config = Config()
    config.KernelManager.transport = "ipc"
    config.KernelProvisionerFactory.default_provisioner_name = kind
    kernels = PageKernels(config=config, connection_dir=folder)
    kernel = kernels.get_kernel(await kernels.start_kernel(kernel_name="python3"))
    program = psutil.Process(kernel.provisioner.pid).cmdline()
    assert ("derm_kit.kernel_nest" if kind == "derm-kit-fork" else "derm_kit.page_kernel") in program
    client = kernel.client()
    client.start_channels()
    received: list[list[Frame]] = []
    line = kernel.connect_iopub()
    line.on_recv(received.append, copy=False)
    try:
        await client.wait_for_ready(timeout=60)
        async with asyncio.timeout(60):
            while not received:  # what is said before this line is known to the kernel is not for it
                client.execute("")
                await asyncio.sleep(0.2)
        received.clear()
        client.execute(SAY)
        time.sleep(4)  # a server that is busy with something else
        until = time.monotonic() + 60
        while count(received) < MESSAGES and time.monotonic() < until:
            await asyncio.sleep(0.5)
        return count(received)
    finally:
        line.close()
        client.stop_channels()
        await kernels.shutdown_all()


def count(received: list[list[Frame]]) -> int:
    """How many of the messages a line has received are of those that were asked for."""
    return sum(len(message[-1].bytes) > LENGTH for message in received)


def test_a_kernel_that_is_not_ipythons_is_started_as_it_asks(tmp_path):
    spec = KernelSpec(argv=["other-kernel", "{connection_file}"])
    manager = PageKernel(connection_file=str(tmp_path / "kernel.json"))
    manager._kernel_spec = spec
    assert manager.format_kernel_cmd() == ["other-kernel", str(tmp_path / "kernel.json")]
