"""The workbench in a browser: Voila with our template, bound to this machine, serving the pages and nothing else.

With something in front of it (proxy.py, hub.py) it answers below that path, to whom the front lets in, and the kernel
of a page belongs to who opened it.
"""

from __future__ import annotations

import errno
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from derm_kit.errors import DermKitError
from derm_kit.model.card import share
from derm_kit.proxy import Front

PORT = 8866
LARGEST_MESSAGE_BYTES = 32_000_000
IDLE_S = 3_600
EXTENSIONS = ("@jupyter-widgets/jupyterlab-manager", "@voila-dashboards/widgets-manager8", "anywidget")
"""What a page needs in the browser: whatever else of JupyterLab's is installed here may break it."""
LONGEST_FOLDER = 40
"""Characters of the temporary folder: a kernel's socket below it has at most 104 with its name."""
DEAD_AFTER_S = 0.5
"""How often it is looked whether a kernel has died. A new one would know nothing of the page: none is started."""
PAGES = r"(?P<path>\d\d_[a-z_]+\.ipynb)"
FRONT_PAGE = "00_start_here.ipynb"
WARM = (FRONT_PAGE, "01_triage_a_case.ipynb")
"""Pages whose kernel waits for a visitor, at some 230 MB each; the others start theirs when they are opened."""
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

OUTPUT_WAIT_S = 300
"""How long a kernel may take to start, and a page to be worked out: under load the usual 60 and 4 s leave it empty."""

Ready = Callable[[str], None]


ALONE = Front()
"""Nothing stands in front: the workbench of one person on their own machine."""


class ServeError(DermKitError):
    """The workbench cannot be opened on this address."""


def serve(
    port: int = PORT,
    address: str = "127.0.0.1",
    *,
    open_browser: bool = True,
    lean: bool = False,
    ready: Ready = print,
    front: Front = ALONE,
) -> None:
    """Serve the workbench until Ctrl-C; `ready` is called with one line that names its address.

    A `lean` server keeps no kernel waiting, also for the pages that are opened first. `front` is the proxy or hub
    before it; no browser is opened past it.

    Raises ServeError where the port is taken or the address is not this machine's.
    """
    _require_free(address, port)
    os.environ["JUPYTER_PATH"] = os.pathsep.join(
        filter(None, [str(Path(__file__).parent / "panels" / "jupyter"), os.environ.get("JUPYTER_PATH", "")])
    )
    workbench = _application(front, lean=lean).instance()
    workbench.initialize([] if open_browser and front == ALONE else ["--no-browser"])
    workbench.ip, workbench.port, workbench.port_retries = address, port, 0
    workbench.base_url, workbench.connection_dir_root = front.base_url, _short_temporary_folder()
    if front.identity:
        workbench.identity_provider_class, workbench.auto_token = front.identity(), True
    shown = f"[{address}]" if ":" in address else address
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that starts this in the background ignores it
    ready(f"The workbench is open at http://{shown}:{port}{front.base_url} and stays open until you press Ctrl-C.")
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


def _short_temporary_folder() -> str:
    """Where the kernels' sockets lie, in a folder that only this account enters."""
    usual = tempfile.gettempdir()
    return usual if len(usual) <= LONGEST_FOLDER or os.name == "nt" else "/tmp"  # noqa: S108 - a folder is made in it


def _application(front: Front, *, lean: bool) -> Any:  # noqa: ANN401 - Voila carries no types
    from jupyter_server.utils import url_path_join
    from tornado.web import RedirectHandler
    from traitlets.config import Config
    from voila.app import Voila

    from derm_kit.notebook_server import PageHandler
    from derm_kit.serve_access import owned, refuse_first

    class Workbench(Voila):  # type: ignore[misc]
        """Voila without its file browser, its file handler and its contents service."""

        name = "derm-kit-workbench"

        def load_config_file(self, *_: object, **__: object) -> None:
            """Settings come from here alone, not from files that happen to lie about."""
            self.update_config(_config(Config, lean=lean))

        def init_handlers(self) -> list[Any]:
            """The network of a page, and the pages."""
            drop = ("/voila/files/", "/voila/tree", "/voila/render/", "/voila/api/contents", "/voila/query/")
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
            first = url_path_join(self.server_url, "voila/render", FRONT_PAGE)
            if front.identity:
                kept = [owned(handler, Path(self.connection_dir)) for handler in kept]
            return [
                *kept,
                (url_path_join(self.server_url, "/voila/render/") + PAGES, PageHandler, page),
                (self.server_url, RedirectHandler, {"url": first, "permanent": False}),
            ]

        def listen(self) -> None:
            """Listen, once the front's rule stands before all others."""
            if front.refuse:
                refuse_first(self.app, front.refuse)
            super().listen()

    return Workbench


def _config(make: Any, *, lean: bool) -> Any:  # noqa: ANN401 - traitlets' Config
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
    config.VoilaConfiguration.extension_allowlist = list(EXTENSIONS)
    config.VoilaConfiguration.preheat_kernel = not lean
    config.VoilaConfiguration.default_pool_size = 1
    config.VoilaKernelManager.preheat_denylist = [
        page.name for page in share("notebooks").glob("*.ipynb") if page.name not in WARM
    ]
    if os.name != "nt":  # sockets in a private folder: on a port of the machine every account could listen
        config.KernelManager.transport = "ipc"
    config.VoilaConfiguration.multi_kernel_manager_class = "derm_kit.kernels.PageKernels"
    if sys.platform == "linux":  # elsewhere a process that has loaded much cannot be forked, or not safely
        config.KernelProvisionerFactory.default_provisioner_name = "derm-kit-fork"
    config.NotebookClient.iopub_timeout = config.VoilaExecutor.startup_timeout = OUTPUT_WAIT_S
    config.ZMQChannelsWebsocketConnection.limit_rate = False
    config.KernelRestarter.restart_limit = 0
    config.KernelRestarter.time_to_dead = DEAD_AFTER_S
    config.MappingKernelManager.cull_idle_timeout = IDLE_S
    config.MappingKernelManager.cull_interval = 60
    config.MappingKernelManager.cull_connected = True
    return config
