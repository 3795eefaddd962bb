"""A busy server loses nothing that a page's kernel says: a page that is opened waits for all of it."""

from __future__ import annotations

import asyncio
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
from traitlets.config import Config

from derm_kit.kernels import PageKernels

MESSAGES = 5_000
SAY = f"""
kernel = get_ipython().kernel
for i in range({MESSAGES}):
    kernel.session.send(kernel.iopub_socket, "status", {{"execution_state": "x" * 2000}})
"""


def test_what_a_kernel_says_while_the_server_is_busy_arrives():
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as thread:  # a socket's path is short
        assert thread.submit(asyncio.run, heard(folder)).result() >= MESSAGES


async def heard(folder: str) -> int:
    """How many messages of a kernel arrive where nobody listens until it has said them all."""
    config = Config()
    config.KernelManager.transport = "ipc"
    kernels = PageKernels(config=config, connection_dir=folder)
    kernel = kernels.get_kernel(await kernels.start_kernel(kernel_name="python3"))
    assert "derm_kit.page_kernel" in psutil.Process(kernel.provisioner.pid).cmdline()
    client = kernel.client()
    client.start_channels()
    try:
        await client.wait_for_ready(timeout=60)
        received: list[object] = []
        line = kernel.connect_iopub()
        line.on_recv(received.append)
        client.execute(SAY)
        time.sleep(4)  # a server that is busy with something else
        before = -1
        while len(received) != before:
            before = len(received)
            await asyncio.sleep(1)
        line.close()
        return before
    finally:
        client.stop_channels()
        await kernels.shutdown_all()
