"""Pages on a Jupyter server, as on Binder: a server extension that adds to Voila's what its pages need there."""

from __future__ import annotations

from typing import Any

from jupyter_server.utils import url_path_join
from traitlets.config import Config
from voila.configuration import VoilaConfiguration
from voila.paths import collect_template_paths
from voila.server_extension import load_config_file
from voila.tornado.handler import TornadoVoilaHandler


class PageHandler(TornadoVoilaHandler):  # type: ignore[misc]
    """A page, with the cookie that lets it stop its own kernel when it is closed."""

    async def prepare(self) -> None:
        """Set the cookie."""
        await super().prepare()
        self.xsrf_token  # noqa: B018 - reading it sets the cookie


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(server: Any) -> None:  # noqa: ANN401 - a jupyter_server.ServerApp
    """Serve pages by PageHandler, with Voila's settings; the first extension to name an address has it."""
    shown = VoilaConfiguration(parent=server)
    shown.update_config(load_config_file() or Config())
    page = {
        "config": server.config,
        "template_paths": collect_template_paths(["voila", "nbconvert"], shown.template),
        "voila_configuration": shown,
    }
    address = url_path_join(server.web_app.settings["base_url"], "/voila/render/(.*)")
    server.web_app.add_handlers(".*$", [(address, PageHandler, page)])
