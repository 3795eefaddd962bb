"""A page's kernel as a program, python -m derm_kit.page_kernel: IPython's own, which drops nothing that it says.

By itself ZeroMQ keeps 1,000 messages for a receiver that is busy and drops the rest without a word. A page that is
opened asks for the state of each of its widgets, three messages each, and waits for every answer.
"""

from __future__ import annotations

import zmq
from ipykernel.kernelapp import IPKernelApp


class PageKernelApp(IPKernelApp):
    """Sockets without a limit on what waits to be sent."""

    def init_iopub(self, context: zmq.Context) -> None:  # type: ignore[type-arg]
        """Initialize the channel on which widgets and outputs are told."""
        context.setsockopt(zmq.SNDHWM, 0)
        super().init_iopub(context)  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    PageKernelApp.launch_instance()
