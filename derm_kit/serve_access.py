"""Who gets an answer of the workbench's server: what its front lets in, and each kernel for who opened its page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from derm_kit.panels.login import claim, forget_ended, owner
from derm_kit.proxy import Headers


def refuse_first(app: Any, refuse: Callable[[Headers], str]) -> None:  # noqa: ANN401 - tornado's Application
    """Put before every other rule of `app` that requests for which `refuse` has a reason get it, with status 403."""
    from tornado.routing import Matcher, Rule
    from tornado.web import RequestHandler

    class Refused(Matcher):
        def match(self, request: Any) -> dict[str, Any] | None:  # noqa: ANN401 - tornado's request
            return {} if refuse(request.headers) else None

    class Refusal(RequestHandler):
        def prepare(self) -> None:
            self.set_status(403)
            self.set_header("Content-Type", "text/plain; charset=utf-8")
            self.finish(f"{refuse(self.request.headers)}\n")

    app.default_router.rules.insert(0, Rule(Refused(), Refusal))


def owned(rule: Any, folder: Path) -> Any:  # noqa: ANN401 - a tuple of tornado's
    """The rule as it was, or with a handler that answers for a kernel only to the login that opened its page.

    `folder` holds the kernels' connection files. A kernel that waits for a page is nobody's yet, and its id, 122 random
    bits, is known to nobody; the first page to talk to it has it.
    """
    from jupyter_server.services.kernels.handlers import KernelHandler
    from jupyter_server.utils import ensure_async
    from tornado.web import HTTPError
    from voila.shutdown_kernel_handler import VoilaShutdownKernelHandler
    from voila.tornado.kernel_websocket_handler import VoilaKernelWebsocketHandler

    path, handler, *others = rule
    if handler not in (KernelHandler, VoilaKernelWebsocketHandler, VoilaShutdownKernelHandler):
        return rule

    class Owned(handler):  # type: ignore[misc, valid-type]
        async def prepare(self) -> None:
            await ensure_async(super().prepare())
            if self._finished or self.current_user is None:
                return
            login, kernel = self.current_user.username, self.path_kwargs.get("kernel_id") or self.path_args[0]
            if kernel not in self.kernel_manager:
                raise HTTPError(404)
            if handler is VoilaKernelWebsocketHandler:
                forget_ended(folder, self.kernel_manager)
                allowed = claim(folder, kernel, login)
            else:
                allowed = owner(folder, kernel) in (None, login)
            if not allowed:
                raise HTTPError(404)

    return (path, Owned, *others)
