"""The kernels behind the pages: one that waited for a page and has died is followed by another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager


class PageKernels(AsyncMappingKernelManager):
    """Jupyter's kernels, with the pools of waiting ones that Voila adds in a class of its own below this one."""

    _pools: dict[str, list[asyncio.Task[dict[str, Any]]]]
    fill_if_needed: Callable[..., None]

    def _handle_kernel_died(self, kernel_id: str) -> None:
        super()._handle_kernel_died(kernel_id)  # type: ignore[no-untyped-call]
        for notebook, pool in getattr(self, "_pools", {}).items():
            ready = [task for task in pool if task.done() and not task.cancelled() and task.exception() is None]
            for task in ready:
                if task.result()["kernel_id"] == kernel_id:
                    pool.remove(task)
                    self.fill_if_needed(notebook_name=notebook)
