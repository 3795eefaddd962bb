"""The kernels behind the pages: nothing that they say is dropped, and one that dies while it waits is replaced."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import zmq.asyncio
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager, ServerKernelManager
from traitlets import default


class PageKernel(ServerKernelManager):
    """A kernel of IPython's is started as `derm_kit.page_kernel`, found where IPython is: not in the folder served."""

    def format_kernel_cmd(self, extra_arguments: list[str] | None = None) -> list[str]:
        """The command of the process; one that is not IPython's is left as its kernelspec gives it."""
        command = super().format_kernel_cmd(extra_arguments)
        if "ipykernel_launcher" not in command:
            return command
        at = command.index("ipykernel_launcher")
        return [*command[: at - 1], "-P", "-m", "derm_kit.page_kernel", *command[at + 1 :]]


class PageKernels(AsyncMappingKernelManager):
    """Jupyter's kernels, with the pools of waiting ones that Voila adds in a class of its own below this one."""

    _pools: dict[str, list[asyncio.Task[dict[str, Any]]]]
    fill_if_needed: Callable[..., None]

    @default("kernel_manager_class")
    def _default_kernel_manager_class(self) -> str:
        return f"{PageKernel.__module__}.{PageKernel.__name__}"

    def _context_default(self) -> zmq.asyncio.Context:
        """Sockets that take what a kernel says, however much, while the server is busy: see `derm_kit.page_kernel`."""
        self._created_context = True
        context = zmq.asyncio.Context()
        context.setsockopt(zmq.RCVHWM, 0)
        return context

    def _handle_kernel_died(self, kernel_id: str) -> None:
        super()._handle_kernel_died(kernel_id)  # type: ignore[no-untyped-call]
        for notebook, pool in getattr(self, "_pools", {}).items():
            ready = [task for task in pool if task.done() and not task.cancelled() and task.exception() is None]
            for task in ready:
                if task.result()["kernel_id"] == kernel_id:
                    pool.remove(task)
                    self.fill_if_needed(notebook_name=notebook)
