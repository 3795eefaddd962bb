"""The workbench in a browser: Voila with our template, bound to this machine, serving the pages and nothing else."""

from __future__ import annotations

import errno
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from derm_kit.errors import DermKitError
from derm_kit.model.card import share

PORT = 8866
LARGEST_MESSAGE_BYTES = 32_000_000
IDLE_S = 3_600
DEAD_AFTER_S = 0.5
"""How often it is looked whether a kernel has died. A new one would know nothing of the page: none is started."""
PAGES = r"(?P<path>\d\d_[a-z_]+\.ipynb)"
FRONT_PAGE = "00_start_here.ipynb"
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' blob:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
"""Widgets are drawn by inline scripts and by modules from blobs; nothing may come from or go to another host."""

OUTPUT_WAIT_S = 120
"""How long a page that has been worked out is waited for: on a machine under load the usual 4 s leave it empty."""

Ready = Callable[[str], None]


class ServeError(DermKitError):
    """The workbench cannot be opened on this address."""


def serve(port: int = PORT, address: str = "127.0.0.1", *, open_browser: bool = True, ready: Ready = print) -> None:
    """Serve the workbench until Ctrl-C; `ready` is called with one line that names its address.

    Raises ServeError where the port is taken or the address is not this machine's.
    """
    _require_free(address, port)
    os.environ["JUPYTER_PATH"] = os.pathsep.join(
        filter(None, [str(Path(__file__).parent / "panels" / "jupyter"), os.environ.get("JUPYTER_PATH", "")])
    )
    workbench = _application().instance()
    workbench.initialize(["--no-browser"] if not open_browser else [])
    workbench.ip, workbench.port, workbench.port_retries = address, port, 0
    shown = f"[{address}]" if ":" in address else address
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that starts this in the background ignores it
    ready(f"The workbench is open at http://{shown}:{port}/ and stays open until you press Ctrl-C.")
    workbench.start()


def _require_free(address: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address, port))
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        raise ServeError(
            "the workbench needs a free port" if taken else f"the address can be listened on ({error.strerror})",
            case=f"{address}:{port}",
            next_step=f"Another program uses it: name another with --port {port + 1}."
            if taken
            else "Name an address of this machine with --address, and a port above 1023.",
        ) from None


def _application() -> Any:  # noqa: ANN401 - Voila carries no types
    from jupyter_server.utils import url_path_join
    from tornado.web import RedirectHandler
    from traitlets.config import Config
    from voila.app import Voila
    from voila.tornado.handler import TornadoVoilaHandler

    class PageHandler(TornadoVoilaHandler):  # type: ignore[misc]
        """A page, with the cookie that lets it stop its own kernel when it is closed."""

        async def prepare(self) -> None:
            """Set the cookie."""
            await super().prepare()
            self.xsrf_token  # noqa: B018 - reading it sets the cookie

    class Workbench(Voila):  # type: ignore[misc]
        """Voila without its file browser, its file handler and its contents service."""

        name = "derm-kit-workbench"

        def load_config_file(self, *_: object, **__: object) -> None:
            """Settings come from here alone, not from files that happen to lie about."""
            self.update_config(_config(Config))

        def init_handlers(self) -> list[Any]:
            """The network of a page, and the pages."""
            drop = ("/voila/files/", "/voila/tree", "/voila/render/", "/voila/api/contents")
            kept = [
                h
                for h in super().init_handlers()
                if not any(part in str(h[0]) for part in drop) and h[0] != self.server_url
            ]
            page = {
                "template_paths": self.template_paths,
                "config": self.config,
                "voila_configuration": self.voila_configuration,
            }
            front = url_path_join(self.server_url, "voila/render", FRONT_PAGE)
            return [
                *kept,
                (url_path_join(self.server_url, "/voila/render/") + PAGES, PageHandler, page),
                (self.server_url, RedirectHandler, {"url": front, "permanent": False}),
            ]

    return Workbench


def _config(make: Any) -> Any:  # noqa: ANN401 - traitlets' Config
    config = make()
    config.Voila.root_dir = str(share("notebooks"))
    config.Voila.tornado_settings = {
        "headers": {"Content-Security-Policy": CONTENT_SECURITY_POLICY, "X-Content-Type-Options": "nosniff",
                    "Referrer-Policy": "no-referrer"},
        "websocket_max_message_size": LARGEST_MESSAGE_BYTES,
    }  # fmt: skip
    config.VoilaConfiguration.template = "derm_kit"
    config.VoilaConfiguration.strip_sources = True
    config.VoilaConfiguration.show_tracebacks = False
    config.VoilaConfiguration.file_allowlist = []
    config.VoilaConfiguration.file_denylist = [".*"]
    config.VoilaConfiguration.allow_template_override = "NO"
    config.VoilaConfiguration.allow_theme_override = "NO"
    config.VoilaConfiguration.preheat_kernel = True
    config.VoilaConfiguration.default_pool_size = 1
    config.VoilaConfiguration.multi_kernel_manager_class = "derm_kit.kernels.PageKernels"
    config.NotebookClient.iopub_timeout = OUTPUT_WAIT_S
    config.KernelRestarter.restart_limit = 0
    config.KernelRestarter.time_to_dead = DEAD_AFTER_S
    config.MappingKernelManager.cull_idle_timeout = IDLE_S
    config.MappingKernelManager.cull_interval = 60
    config.MappingKernelManager.cull_connected = True
    return config
