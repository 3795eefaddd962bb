"""Kernels that are forks: each a process of its own, none left once server or nest is gone, and never a page less."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib.metadata import entry_points
from pathlib import Path

import psutil
import pytest
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.connect import write_connection_file
from jupyter_client.provisioning.factory import KernelProvisionerFactory
from traitlets.config import Config

from derm_kit import kernel_forks
from derm_kit.kernel_forks import Fork, ForkedKernel, Nest
from derm_kit.kernel_nest import PAGES
from derm_kit.kernels import PageKernels
from tests.serving import FORK

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
WAIT_S = 60

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="kernels are forked on Linux alone")


@pytest.fixture(scope="module")
def nest() -> Iterator[Nest]:
    """One for the tests that leave it as it is."""
    started = Nest()
    yield started
    started.close()


@pytest.fixture
def own_nest() -> Iterator[Nest]:
    """One for a test that ends it."""
    started = Nest()
    yield started
    started.close()


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where the sockets lie: their path is short."""
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


def hatched(nest: Nest, folder: Path, name: str = "one") -> tuple[Fork, BlockingKernelClient]:
    """A kernel in `folder`, and a client that it has answered."""
    file, _ = write_connection_file(str(folder / f"kernel-{name}.json"), transport="ipc", ip=str(folder / name))
    fork = nest.fork(["-f", file], {**os.environ, "OF_THIS_KERNEL": name}, str(folder))
    client = BlockingKernelClient(connection_file=file)
    client.load_connection_file()
    client.start_channels()
    client.wait_for_ready(timeout=WAIT_S)
    return fork, client


def said(client: BlockingKernelClient, expression: str) -> str:
    """What an expression is worth in a kernel."""
    answer = client.execute("", user_expressions={"it": expression}, reply=True, timeout=WAIT_S)
    return str(answer["content"]["user_expressions"]["it"]["data"]["text/plain"])


def ended(process: psutil.Process, within_s: float = 10) -> bool:
    return not psutil.wait_procs([process], timeout=within_s)[1]


def test_a_fork_is_a_process_of_its_own_with_folder_and_environment_as_asked(nest: Nest, folder: Path):
    fork, client = hatched(nest, folder)
    other, second = hatched(nest, folder, "two")
    process = psutil.Process(fork.pid)
    assert process.name() == "kernel-one"
    assert (os.getpgid(fork.pid), process.cwd()) == (fork.pid, str(folder.resolve()))
    assert process.ppid() == psutil.Process(other.pid).ppid() != os.getpid()
    seen = "[__import__('os').environ[n] for n in ('OF_THIS_KERNEL',)], __import__('random').random()"
    one, two = said(client, seen), said(second, seen)
    assert one.startswith("(['one'], 0.")
    assert two.startswith("(['two'], 0.")
    assert one.split()[1] != two.split()[1], "they do not draw the same random numbers"
    assert said(client, "'derm_kit.panels.triage' in __import__('sys').modules") == "True"
    assert fork.poll() is None
    client.shutdown()
    assert fork.wait() == fork.poll() == 0
    assert ended(process), "nothing is left of it in the table of processes"
    assert other.poll() is None
    other.kill()
    other.wait()
    other.terminate()
    client.stop_channels()
    second.stop_channels()


def test_a_kernel_that_is_busy_can_be_interrupted_and_starts_programs(nest: Nest, folder: Path):
    fork, client = hatched(nest, folder)
    asked = client.execute("import time; time.sleep(60)")
    time.sleep(0.5)
    os.killpg(fork.pid, signal.SIGINT)
    while (answer := client.get_shell_msg(timeout=WAIT_S))["parent_header"].get("msg_id") != asked:
        continue
    assert answer["content"]["ename"] == "KeyboardInterrupt"
    assert said(client, "__import__('subprocess').run(['false']).returncode") == "1"
    client.stop_channels()


def test_widgets_of_a_fork_tell_all_their_states_in_one_message(nest: Nest, folder: Path):
    """Else a page asks for each widget by itself, four seconds later."""
    _, client = hatched(nest, folder)
    said(client, "[__import__('ipywidgets').IntSlider(value=n) for n in range(30)] and None or 1")
    session = client.session
    open_it = {"comm_id": "c", "target_name": "jupyter.widget.control", "data": {}}
    client.shell_channel.send(session.msg("comm_open", open_it, metadata={"version": "1.0.0"}))
    client.shell_channel.send(session.msg("comm_msg", {"comm_id": "c", "data": {"method": "request_states"}}))
    while True:
        message = client.get_iopub_msg(timeout=WAIT_S)
        if message["msg_type"] in ("comm_msg", "comm_close") and message["content"]["comm_id"] == "c":
            break
    assert message["content"]["data"].get("method") == "update_states"
    assert len(message["content"]["data"]["states"]) >= 30
    client.stop_channels()


@pytest.mark.parametrize("how", ["the server is gone", "the nest was killed"])
def test_no_kernel_outlives_server_or_nest(own_nest: Nest, folder: Path, how: str):
    fork, client = hatched(own_nest, folder)
    client.stop_channels()
    process, of_nest = psutil.Process(fork.pid), psutil.Process(psutil.Process(fork.pid).ppid())
    if how == "the nest was killed":
        of_nest.kill()
    else:
        assert own_nest._now is not None
        own_nest._now._line.close()
    assert ended(process)
    assert fork.poll() == 0


def test_after_a_killed_nest_the_next_kernel_is_a_program_and_those_after_it_are_forks(
    folder: Path, monkeypatch: pytest.MonkeyPatch, own_nest: Nest
):
    monkeypatch.setattr(kernel_forks, "NEST", own_nest)
    KernelProvisionerFactory.clear_instance()
    with ThreadPoolExecutor(1) as thread:
        names = thread.submit(asyncio.run, started_around_a_kill(folder)).result()
    assert [bool(FORK.match(name)) for name in names] == [True, False, True]


async def started_around_a_kill(folder: Path) -> list[str]:
    """What three kernels are called that answer one after the other, where the nest is killed after the first."""
    names = []
    config = Config()
    config.KernelManager.transport, config.KernelManager.autorestart = "ipc", False
    config.KernelProvisionerFactory.default_provisioner_name = "derm-kit-fork"
    kernels = PageKernels(config=config, connection_dir=str(folder))
    try:
        for n in range(3):
            kernel = kernels.get_kernel(await kernels.start_kernel(kernel_name="python3"))
            client: AsyncKernelClient = kernel.client()
            client.start_channels()
            await client.wait_for_ready(timeout=WAIT_S)
            client.stop_channels()
            process = psutil.Process(kernel.provisioner.pid)
            names.append(process.name())
            if n == 0:
                psutil.Process(process.ppid()).kill()
                assert await asyncio.to_thread(ended, process)
    finally:
        await kernels.shutdown_all()
        KernelProvisionerFactory.clear_instance()
    return names


def test_a_nest_that_does_not_answer_costs_one_kernel_and_ends_none(own_nest: Nest, folder: Path):
    fork, client = hatched(own_nest, folder)
    assert own_nest._now is not None
    own_nest._now._line.settimeout(0.5)
    still = psutil.Process(psutil.Process(fork.pid).ppid())
    still.suspend()
    try:
        with pytest.raises(TimeoutError):
            own_nest.fork(["-f", "nowhere.json"], dict(os.environ), str(folder))
        assert said(client, "6 * 7") == "42"
        other, second = hatched(own_nest, folder, "two")
        assert psutil.Process(other.pid).ppid() != still.pid
        second.stop_channels()
    finally:
        still.kill()
        client.stop_channels()


def test_a_kernel_that_cannot_be_asked_for_is_told_and_the_others_live(nest: Nest, folder: Path):
    fork, client = hatched(nest, folder)
    with pytest.raises(OSError, match="too long"):
        nest.fork([], {"QUERY_STRING": "x" * 10_000_000}, str(folder))
    with suppress(OSError):  # where it has ended before it could be handed on
        assert nest.fork([], dict(os.environ), str(folder / "gone")).wait() == 0
    assert said(client, "6 * 7") == "42"
    assert fork.poll() is None
    client.stop_channels()


def test_a_nest_that_ends_at_its_start_as_where_the_system_lacks_what_it_needs_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    refused = Nest()
    for _ in range(2):
        with pytest.raises(ConnectionError):  # for which the kernel is started as a program
            refused.fork([], dict(os.environ), str(folder))


def test_every_page_is_loaded_and_the_provisioner_can_be_named():
    imported = {
        found
        for book in NOTEBOOKS.glob("*.ipynb")
        for cell in json.loads(book.read_text())["cells"]
        for found in re.findall(r"from derm_kit\.panels\.(\w+) import", "".join(cell["source"]))
    }
    assert imported == set(PAGES)
    (named,) = entry_points(group="jupyter_client.kernel_provisioners", name="derm-kit-fork")
    assert named.load() is ForkedKernel
